//! Diagnosis end to end: objects as the API serves them, the kubelet's and the scheduler's own words, one check a case.

mod admission;
mod containers;
mod hostile;
mod placing;
mod quiet;

use std::{ops::ControlFlow, sync::Arc};

use aiops_inventory::{Change, Inventory, Kind, Sync};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    Engine, Error, SharedInventory,
    error::{PortError, PortErrorKind},
    ports::{ApiResource, Clock, Cluster, ListOptions, LogRequest, ObjectPage},
    requests::diagnosis::{DiagnosePod, Diagnosis},
};

const NOW: &str = "2026-11-24T10:00:00Z";

/// A moment so many seconds before now.
fn ago(seconds: i64) -> String {
    let now: Timestamp = NOW.parse().unwrap();
    Timestamp::from_second(now.as_second() - seconds).unwrap().to_string()
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }
}

/// A cluster that holds objects in memory.
#[derive(Default)]
struct Held {
    objects: Vec<Value>,
    log: String,
    /// Kinds that may not be read.
    forbidden: Vec<&'static str>,
    /// Nothing answers.
    is_down: bool,
}

fn refused(what: &str) -> PortError {
    PortError::new(PortErrorKind::Denied, format!("{what} is forbidden: User \"sre\" cannot get resource"))
}

#[async_trait]
impl Cluster for Held {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        Ok(Vec::new())
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        if self.is_down {
            std::future::pending::<()>().await;
        }
        if self.forbidden.contains(&resource.kind.as_str()) {
            return Err(refused(&resource.plural));
        }
        let found = self.objects.iter().find(|o| {
            o["kind"] == resource.kind.as_str()
                && o["metadata"]["name"] == name
                && o["metadata"]["namespace"].as_str() == namespace
        });
        found.cloned().ok_or_else(|| PortError::new(PortErrorKind::NotFound, format!("{name} not found")))
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        if self.is_down {
            std::future::pending::<()>().await;
        }
        if self.forbidden.contains(&resource.kind.as_str()) {
            return Err(refused(&resource.plural));
        }
        let wanted = options.field_selector.as_deref().and_then(|f| f.strip_prefix("involvedObject.name="));
        let items = self.objects.iter().filter(|o| {
            o["kind"] == resource.kind.as_str()
                && o["metadata"]["namespace"].as_str() == namespace
                && wanted.is_none_or(|name| o["involvedObject"]["name"] == name)
        });
        Ok(ObjectPage { items: items.cloned().collect(), ..ObjectPage::default() })
    }

    async fn logs(
        &self,
        _request: &LogRequest,
        sink: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        if self.log.is_empty() {
            return Err(PortError::new(PortErrorKind::NotFound, "previous terminated container not found"));
        }
        for chunk in self.log.as_bytes().chunks(7) {
            if sink(chunk).is_break() {
                break;
            }
        }
        Ok(())
    }

    async fn may(&self, _: &str, _: &str, _: &str, _: Option<&str>) -> Result<bool, PortError> {
        Ok(true)
    }
}

/// An engine whose rows and whose live cluster hold the same objects.
fn engine(held: Held) -> Engine {
    let inventory = SharedInventory::new(Inventory::with_event_capacity(1_000));
    inventory.change(|inventory| {
        for kind in Kind::ALL {
            inventory.set_sync(
                kind,
                if held.forbidden.contains(&kind.name()) { Sync::Warming } else { Sync::Synced },
            );
        }
        for object in &held.objects {
            let api_version = object["apiVersion"].as_str().unwrap_or("v1");
            let Some(kind) = Kind::of_manifest(api_version, object["kind"].as_str().unwrap()) else {
                continue;
            };
            if !held.forbidden.contains(&kind.name()) {
                inventory.apply(kind, Change::Applied(object.to_string().as_bytes())).unwrap();
            }
        }
    });
    Engine::new(inventory, Some(Arc::new(held)), Arc::new(Stopped))
}

async fn ask(held: Held, pod: &str) -> Result<Diagnosis, Error> {
    engine(held).diagnose_pod(&DiagnosePod { namespace: "shop".to_owned(), pod: pod.to_owned() }).await
}

/// Diagnoses pod `shop/p` (or what `pod` says) among these objects and wants these causes, in this order. Whatever is
/// cited is looked up again in the objects, by other means than ours.
async fn check_of(held: Held, pod: &str, want: &[&str]) -> Diagnosis {
    let objects = held.objects.clone();
    let diagnosis = ask(held, pod).await.unwrap();
    let got: Vec<&str> = diagnosis.causes.iter().map(|cause| cause.code).collect();
    assert_eq!(got, want, "{}", serde_json::to_string_pretty(&diagnosis).unwrap());
    for cause in &diagnosis.causes {
        assert!(!cause.evidence.is_empty(), "{} has no evidence", cause.code);
        assert!(!cause.next.is_empty(), "{} says no next step", cause.code);
        let documented = include_str!("../../../../docs/issues.md").contains(&format!("`{}`", cause.code));
        assert!(documented, "{} is not in docs/issues.md", cause.code);
        for evidence in &cause.evidence {
            let value = read_again(&objects, &evidence.object, &evidence.path);
            assert!(evidence.inexact || evidence.value == value, "{evidence:?} is {value}");
        }
    }
    let json = serde_json::to_string(&diagnosis).unwrap();
    assert!(crate::text::estimate_tokens(&json) <= 2_000, "{json}");
    diagnosis
}

async fn check(objects: Vec<Value>, want: &[&str]) -> Diagnosis {
    check_of(Held { objects, ..Held::default() }, "p", want).await
}

/// The value at a path of an object, through a JSON pointer.
fn read_again(objects: &[Value], object: &str, path: &str) -> Value {
    let (kind, name) = object.split_once(' ').unwrap();
    let (namespace, name) = name.split_once('/').map_or((None, name), |(ns, name)| (Some(ns), name));
    let found = objects.iter().find(|o| {
        o["kind"] == kind && o["metadata"]["name"] == name && o["metadata"]["namespace"].as_str() == namespace
    });
    let Some(found) = found else { return Value::Null };
    if let Some((list, rest)) = path.split_once("[?(@.") {
        let (test, rest) = rest.split_once(")]").unwrap();
        let (key, value) = test.split_once("==").unwrap();
        let items = found.pointer(&format!("/{}", list.replace('.', "/"))).unwrap().as_array().unwrap();
        let item = items.iter().find(|item| item[key] == value.trim_matches('"')).unwrap();
        return item.pointer(&rest.replace('.', "/")).cloned().unwrap_or_default();
    }
    let mut pointer = String::new();
    for (at, quoted) in path.split('"').enumerate() {
        if at % 2 == 1 {
            pointer.push_str(&quoted.replace('~', "~0").replace('/', "~1"));
        } else {
            pointer.push_str(&quoted.replace('[', "/").replace(']', "").replace('.', "/"));
        }
    }
    let pointer = if pointer.starts_with('/') { pointer } else { format!("/{pointer}") };
    found.pointer(&pointer).cloned().unwrap_or_default()
}

/// Lays `patch` over `base`, objects member by member.
fn merge(base: &mut Value, patch: Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, patch) => *base = patch,
    }
}

/// Pod `shop/p` on node n1, ten minutes old, of container `app`, with members laid over it.
fn pod(patch: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop", "uid": "11111111-1111-1111-1111-111111111111",
            "creationTimestamp": ago(600), "labels": {"app": "p"}},
        "spec": {"nodeName": "n1", "serviceAccountName": "default", "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "containers": [{"name": "app", "image": "registry.example/shop/app:v1", "imagePullPolicy": "IfNotPresent"}]},
        "status": {"phase": "Running", "startTime": ago(598), "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(599)},
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady",
                "message": "containers with unready status: [app]", "lastTransitionTime": ago(590)}]},
    });
    merge(&mut pod, patch);
    pod
}

/// The status of container `app` in this state.
fn app(state: Value, last: Value, restarts: u32) -> Value {
    json!([{"name": "app", "ready": false, "started": false, "restartCount": restarts, "state": state, "lastState": last,
        "image": "registry.example/shop/app:v1"}])
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

fn terminated(reason: &str, exit_code: i32, lived: i64) -> Value {
    json!({"terminated": {"reason": reason, "exitCode": exit_code, "startedAt": ago(60 + lived), "finishedAt": ago(60)}})
}

fn back_off() -> Value {
    waiting(
        "CrashLoopBackOff",
        "back-off 5m0s restarting failed container=app pod=p_shop(11111111-1111-1111-1111-111111111111)",
    )
}

fn event(name: &str, reason: &str, message: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": reason, "message": message, "count": 3,
        "metadata": {"name": name, "namespace": "shop", "uid": format!("22222222-2222-2222-2222-{:012x}", name.len())},
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "p", "uid": "11111111-1111-1111-1111-111111111111",
            "fieldPath": "spec.containers{app}"},
        "firstTimestamp": ago(300), "lastTimestamp": ago(61),
    })
}

fn node(name: &str, patch: Value) -> Value {
    let mut node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "creationTimestamp": ago(90_000), "labels": {"kubernetes.io/hostname": name, "kubernetes.io/arch": "amd64"}},
        "spec": {},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
            "nodeInfo": {"architecture": "amd64"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
                "lastTransitionTime": ago(80_000)}]},
    });
    merge(&mut node, patch);
    node
}

fn standard(objects: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut all = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}, "status": {"phase": "Active"}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"}}),
        node("n1", json!({})),
    ];
    all.extend(objects);
    all
}
