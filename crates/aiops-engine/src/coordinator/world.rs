//! A coordinator over rows, the store in memory, and a clock that a test moves.
//!
//! Nothing acts: there is no port for it, or one that refuses everything.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use aiops_inventory::{Change, Inventory, Kind, Sync};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Coordinator, Inner, Parts};
use crate::{
    Engine, SharedInventory,
    model::{
        Millis,
        caller::{Caller, Via},
    },
    ports::{
        Clock, Cluster, Ids,
        acting::{Accepted, Acting, Announcement, Mutation, NotDone, NotDoneKind},
    },
    settings::Settings,
    testing::memory_store::MemoryStore,
};

/// When every test begins.
pub(super) const BEGIN: Millis = 1_790_000_000_000;
pub(super) const MINUTE: Millis = 60_000;

#[derive(Debug)]
pub(super) struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Ids for Counter {
    fn unique(&self) -> String {
        format!("{:06}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

struct Refusing;

#[async_trait]
impl Acting for Refusing {
    async fn perform(&self, _: &Mutation) -> Result<Accepted, NotDone> {
        Err(NotDone::new(NotDoneKind::Denied, "nothing acts in this test"))
    }

    async fn announce(&self, _: &Announcement) {}
}

pub(super) struct World {
    pub(super) coordinator: Coordinator,
    pub(super) rows: SharedInventory,
    clock: Arc<Hands>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self::over(settings, None)
    }

    /// One that could act: whatever is sent is refused, so that a test sees what would be tried.
    pub(super) fn that_acts(settings: Settings) -> Self {
        Self::made(settings, None, Some(Arc::new(Refusing)))
    }

    pub(super) fn over(settings: Settings, cluster: Option<Arc<dyn Cluster>>) -> Self {
        Self::made(settings, cluster, None)
    }

    fn made(settings: Settings, cluster: Option<Arc<dyn Cluster>>, acting: Option<Arc<dyn Acting>>) -> Self {
        let mut inventory = Inventory::default();
        for kind in Kind::ALL {
            inventory.set_sync(kind, if kind.is_optional() { Sync::Absent } else { Sync::Synced });
        }
        inventory.set_info(|info| info.uid = "cluster-1".into());
        let rows = SharedInventory::new(inventory);
        let clock = Arc::new(Hands(AtomicI64::new(BEGIN)));
        let store = Arc::new(MemoryStore::new(Arc::<Hands>::clone(&clock)));
        let coordinator = Coordinator::new(Parts {
            engine: Engine::new(rows.clone(), cluster, Arc::<Hands>::clone(&clock)),
            store,
            acting,
            ids: Arc::new(Counter::default()),
            settings,
        });
        Self { coordinator, rows, clock }
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.coordinator.0
    }

    pub(super) fn pass(&self, time: Millis) {
        self.clock.0.fetch_add(time, Ordering::Relaxed);
    }

    pub(super) fn put(&self, objects: &[Value]) {
        self.rows.change(|rows| {
            for object in objects {
                let version = object["apiVersion"].as_str().unwrap();
                let kind = Kind::of_manifest(version, object["kind"].as_str().unwrap()).unwrap();
                rows.apply(kind, Change::Applied(object.to_string().as_bytes())).unwrap();
            }
        });
    }

    pub(super) fn remove(&self, object: &Value) {
        self.rows.change(|rows| {
            let version = object["apiVersion"].as_str().unwrap();
            let kind = Kind::of_manifest(version, object["kind"].as_str().unwrap()).unwrap();
            rows.apply(kind, Change::Deleted(object.to_string().as_bytes())).unwrap();
        });
    }
}

pub(super) fn ann() -> Caller {
    Caller::identified("ann", vec!["sre".to_owned()], Via::Rest)
}

fn at(millis: Millis) -> String {
    Timestamp::from_millisecond(millis).unwrap().to_string()
}

fn uid(n: u64) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

/// A Deployment `shop/NAME` with its ReplicaSet and so many pods that crash.
pub(super) fn crashing(name: &str, base: u64, pods: u64) -> Vec<Value> {
    let created = at(BEGIN - 60 * MINUTE);
    let replica_set = format!("{name}-7d9c8f6b5");
    let owned = |kind: &str, owner: &str, id: u64| json!([{"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": uid(id), "controller": true}]);
    let mut all = vec![
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": "shop", "uid": uid(base), "creationTimestamp": created, "generation": 1},
            "spec": {"replicas": pods, "selector": {"matchLabels": {"app": name}},
                "template": {"spec": {"containers": [{"name": "app", "image": "x"}]}}},
            "status": {"observedGeneration": 1, "replicas": pods, "updatedReplicas": pods, "unavailableReplicas": pods}}),
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": replica_set, "namespace": "shop", "uid": uid(base + 1), "creationTimestamp": created,
                "ownerReferences": owned("Deployment", name, base)},
            "spec": {"replicas": pods}, "status": {"replicas": pods}}),
    ];
    all.extend((0..pods).map(|n| {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("{replica_set}-{n:05}"), "namespace": "shop", "uid": uid(base + 10 + n),
                "creationTimestamp": created, "labels": {"app": name},
                "ownerReferences": owned("ReplicaSet", &replica_set, base + 1)},
            "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "x"}]},
            "status": {"phase": "Running", "startTime": created, "containerStatuses": [{"name": "app", "ready": false,
                "restartCount": 9, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error",
                    "startedAt": at(BEGIN - 3 * MINUTE), "finishedAt": at(BEGIN - 2 * MINUTE)}}}]}})
    }));
    all
}

/// A node, ready or not.
pub(super) fn node(n: u64, is_ready: bool) -> Value {
    let status = if is_ready { "True" } else { "False" };
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": format!("n{n}"), "uid": uid(9_000 + n), "creationTimestamp": at(BEGIN - 600 * MINUTE)},
        "status": {"conditions": [{"type": "Ready", "status": status, "reason": "x",
            "lastTransitionTime": at(BEGIN - MINUTE)}]}})
}
