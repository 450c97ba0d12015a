//! A cluster that is a map and takes patches, and everything else that survives a crash.

mod checks;
mod plans;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use aiops_inventory::{Change, Inventory, Kind};
use parking_lot::Mutex;
use serde_json::{Value, json};

pub(super) use self::plans::{deployment, node, node_target, web};
use super::dying::{Counter, Gate, GatedCluster, GatedStore, ManualClock, OffClock};
use crate::{
    Coordinator, Engine, SharedInventory,
    coordination::PolicyRule,
    coordinator::Parts,
    error::PortError,
    model::{ids::WorkflowId, phase::Phase, plan::Approval, target::Target, workflow::Record},
    ports::{
        Clock, Cluster, Ids,
        acting::{Accepted, Mutation, NotDone, NotDoneKind},
        store::Store as _,
    },
    settings::Settings,
    testing::{FakeCluster, memory_store::MemoryStore},
    workflow::{
        Executor, Turn,
        record::{self, Context, Event},
    },
};

/// What the API server does with a request, when not what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It refuses it so; no effect.
    Refuses(NotDoneKind, u16),
    /// Somebody writes the object first.
    Overtaken,
    /// It does it, and the answer is lost.
    AnswerLost,
    /// It never arrives, and nobody knows.
    NeverArrives,
    /// It arrives only when the next request does, before it.
    Late,
    /// We fail over requests for the object of this name.
    PanicsFor(&'static str),
    /// It does it, loses the answer, and somebody puts the object back, marker and all.
    AnswerLostAndReverted,
}

/// uid of the world's cluster.
pub(super) const CLUSTER: &str = "cluster-uid";

/// Everything that survives a crash.
pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) cluster: FakeCluster,
    pub(super) store: Arc<MemoryStore>,
    pub(super) settings: Settings,
    /// Effect keys of the mutations that were accepted, in order.
    pub(super) effects: Mutex<Vec<String>>,
    /// What happens to requests, by their number from 0.
    script: Mutex<BTreeMap<usize, Trouble>>,
    requests: AtomicU32,
    /// How far the engine's clock of the next process is ahead of the store's.
    pub(super) clock_is_off_by: AtomicI64,
    /// The next process has not reached the cluster yet.
    pub(super) is_unreached: AtomicBool,
    /// The next process sees that the cluster is being upgraded.
    pub(super) is_upgrading: AtomicBool,
    pub(super) announced: Mutex<Vec<&'static str>>,
    /// What reads meet.
    pub(super) blind: Mutex<Option<PortError>>,
    late: Mutex<Vec<Mutation>>,
    ids: Arc<Counter>,
}

impl World {
    /// A world with three nodes and a Deployment, whose policy lets everything pass.
    pub(super) fn new() -> Self {
        let clock = ManualClock::new();
        let mut settings = Settings::default();
        settings.timing.steady = Duration::ZERO;
        settings.policy.rules = vec![PolicyRule {
            name: "all".to_owned(),
            namespaces: Vec::new(),
            severities: Vec::new(),
            actions: Vec::new(),
            then: Approval::Auto,
            autonomy: false,
            elicitation: false,
            annotation: false,
        }];
        let cluster = FakeCluster::new();
        for name in ["n0", "n1", "n2"] {
            cluster.put("nodes", plans::node(name));
        }
        cluster.put("deployments", plans::deployment("web", 2));
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
        Self {
            clock,
            cluster,
            store,
            settings,
            effects: Mutex::default(),
            script: Mutex::default(),
            requests: AtomicU32::new(0),
            clock_is_off_by: AtomicI64::new(0),
            is_unreached: AtomicBool::new(false),
            is_upgrading: AtomicBool::new(false),
            announced: Mutex::default(),
            blind: Mutex::default(),
            late: Mutex::default(),
            ids: Arc::default(),
        }
    }

    /// Requests with these numbers meet trouble.
    pub(super) fn scripted(self, troubles: &[(usize, Trouble)]) -> Self {
        *self.script.lock() = troubles.iter().copied().collect();
        self
    }

    /// A process: a coordinator and an executor of it.
    pub(super) fn process(self: &Arc<Self>, owner: &str, gate: &Arc<Gate>) -> (Coordinator, Executor) {
        self.process_of(owner, gate, gate)
    }

    /// A process whose store and cluster are behind gates of their own.
    pub(super) fn process_of(
        self: &Arc<Self>,
        owner: &str,
        gate: &Arc<Gate>,
        to_cluster: &Arc<Gate>,
    ) -> (Coordinator, Executor) {
        let port = Arc::new(GatedCluster(Arc::clone(self), Arc::clone(to_cluster)));
        let mut inventory = Inventory::default();
        if !self.is_unreached.load(Ordering::SeqCst) {
            inventory.set_info(|info| info.uid = CLUSTER.into());
        }
        if self.is_upgrading.load(Ordering::SeqCst) {
            let version = plans::upgrading().to_string();
            inventory.apply(Kind::ClusterVersion, Change::Applied(version.as_bytes())).unwrap();
        }
        let inventory = SharedInventory::new(inventory);
        let clock = Arc::clone(&self.clock);
        let cluster = Arc::clone(&port) as Arc<dyn Cluster>;
        let coordinator = Coordinator::new(Parts {
            engine: Engine::new(
                inventory,
                Some(cluster),
                Arc::new(OffClock(Arc::clone(&clock), self.clock_is_off_by.load(Ordering::SeqCst))),
            ),
            store: Arc::new(GatedStore(Arc::clone(&self.store), Arc::clone(gate))),
            acting: Some(port),
            ids: Arc::clone(&self.ids) as Arc<dyn Ids>,
            settings: self.settings.clone(),
        });
        let executor = Executor::new(&coordinator, owner, clock);
        (coordinator, executor)
    }

    pub(super) fn unique(&self) -> String {
        self.ids.unique()
    }

    pub(super) fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        if mutation.dry_run {
            return Ok(Accepted { status: 200, ..Accepted::default() });
        }
        let number = usize::try_from(self.requests.fetch_add(1, Ordering::SeqCst)).unwrap();
        let trouble = self.script.lock().get(&number).copied();
        let late: Vec<Mutation> = self.late.lock().drain(..).collect();
        for mutation in late {
            // Whatever comes of it, nobody hears it.
            let _ = self.apply(&mutation);
        }
        let unknown = || Err(NotDone::new(NotDoneKind::Unknown, "the connection was reset"));
        match trouble {
            None => self.apply(mutation),
            Some(Trouble::Refuses(kind, status)) => {
                Err(NotDone { status: Some(status), ..NotDone::new(kind, "refused by the story") })
            }
            Some(Trouble::Overtaken) => {
                self.edit(&mutation.target, |object| {
                    object["metadata"]["labels"] = json!({ "by": format!("somebody, at {number}") });
                });
                self.apply(mutation)
            }
            Some(Trouble::AnswerLost) => {
                let _ = self.apply(mutation);
                unknown()
            }
            Some(Trouble::NeverArrives) => unknown(),
            Some(Trouble::PanicsFor(name)) => {
                assert_ne!(mutation.target.name, name, "the story says so");
                self.apply(mutation)
            }
            Some(Trouble::Late) => {
                self.late.lock().push(mutation.clone());
                unknown()
            }
            Some(Trouble::AnswerLostAndReverted) => {
                let before = self.object(&mutation.target);
                let _ = self.apply(mutation);
                self.edit(&mutation.target, |object| {
                    object["spec"] = before["spec"].clone();
                    object["metadata"]["annotations"] = json!({});
                });
                unknown()
            }
        }
    }

    fn place(target: &Target) -> (String, String, String) {
        let plural = if target.kind == "Node" { "nodes" } else { "deployments" };
        (plural.to_owned(), target.namespace.clone(), target.name.clone())
    }

    /// An object as it is.
    pub(super) fn object(&self, target: &Target) -> Value {
        self.cluster.objects.lock().get(&Self::place(target)).cloned().unwrap_or_default()
    }

    /// Somebody else changes an object.
    pub(super) fn edit(&self, target: &Target, change: impl FnOnce(&mut Value)) {
        let mut objects = self.cluster.objects.lock();
        let object = objects.get_mut(&Self::place(target)).unwrap();
        let before = object.clone();
        change(object);
        bump(object, &before);
    }

    fn apply(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        assert!(mutation.resource_version.is_some(), "every write names a resourceVersion");
        let mut objects = self.cluster.objects.lock();
        let Some(object) = objects.get_mut(&Self::place(&mutation.target)) else {
            return Err(NotDone { status: Some(404), ..NotDone::new(NotDoneKind::NotFound, "not found") });
        };
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let has_uid = mutation.uid.is_none() || mutation.uid == text("/metadata/uid");
        if !has_uid || mutation.resource_version != text("/metadata/resourceVersion") {
            let conflict = NotDone::new(NotDoneKind::Conflict, "the object has been modified");
            return Err(NotDone { status: Some(409), ..conflict });
        }
        let before = object.clone();
        merge(object, &mutation.body);
        bump(object, &before);
        self.effects.lock().push(mutation.effect_key.clone());
        Ok(Accepted { status: 200, audit_id: Some("audit".to_owned()), object: None, warnings: Vec::new() })
    }

    /// Commits an event as a request does, without a lease.
    pub(super) async fn decide(&self, id: &WorkflowId, event: Event) {
        let record = self.record(id).await;
        let context = Context {
            at: self.clock.at(),
            settings: &self.settings,
            epoch: None,
            cooldown: None,
            incident_is_left: false,
        };
        let writes = record::commit(&record, event, &context).unwrap();
        self.store.commit(id, None, &writes).await.unwrap();
    }

    pub(super) async fn record(&self, id: &WorkflowId) -> Record {
        self.store.workflow(id).await.unwrap().unwrap()
    }

    /// Takes the workflow on until it ends or waits for a person.
    pub(super) async fn drive(&self, executor: &Executor, id: &WorkflowId) -> Record {
        self.drive_until(executor, id, |record| {
            record.workflow.phase.is_terminal() || record.workflow.phase == Phase::NeedsOperator
        })
        .await
    }

    /// Takes the workflow on until it is as wanted, between two turns.
    pub(super) async fn drive_until(
        &self,
        executor: &Executor,
        id: &WorkflowId,
        wanted: impl Fn(&Record) -> bool,
    ) -> Record {
        for _ in 0..2_000 {
            let record = self.record(id).await;
            if wanted(&record) {
                return record;
            }
            let Some(held) = executor.claim().await.unwrap() else {
                let due = self.store.next_due().await.unwrap().unwrap_or_default();
                self.clock.reach(due.min(self.clock.at() + 600_000));
                self.clock.pass(1);
                continue;
            };
            for _ in 0..400 {
                if wanted(&self.record(id).await) {
                    executor.give_back(&held).await;
                    break;
                }
                match executor.turn(&held).await {
                    Turn::Again => {}
                    Turn::Hold(at) => {
                        self.clock.reach(at);
                        if !executor.renew(&held).await.unwrap() {
                            break;
                        }
                    }
                    Turn::WakeAt(_) | Turn::Done | Turn::Lost => break,
                }
            }
        }
        panic!("it does not get there: {:#?}", self.record(id).await);
    }
}

/// A JSON merge patch (RFC 7386).
fn merge(object: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut object[key.as_str()], value);
        }
    }
}

/// A new resourceVersion; a new generation where the kind has one and what is asked for changed.
fn bump(object: &mut Value, before: &Value) {
    if object == before {
        return;
    }
    let version: i64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
    let is_other = object["spec"] != before["spec"];
    if let Some(generation) = object["metadata"]["generation"].as_i64().filter(|_| is_other) {
        object["metadata"]["generation"] = json!(generation + 1);
    }
}
