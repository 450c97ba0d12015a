//! Objects to act on, one for each workflow, and the orders that are given for them.
//!
//! Each order is one action of the catalogue on one object that no other workflow of the run touches.

use std::time::Duration;

use serde_json::{Value, json};

use super::{gate::Seen, text};
use crate::support::{Dice, Plane};

/// How long the objects of a run may take to be ready.
const SOON: Duration = Duration::from_secs(120);

/// What is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deed {
    Restart,
    RestartSet,
    Scale,
    ScaleSet,
    Resources,
    RollBack,
    Evict,
    Cordon,
}

impl Deed {
    pub(super) const ALL: [Self; 8] = [
        Self::Restart,
        Self::Scale,
        Self::Evict,
        Self::Resources,
        Self::Cordon,
        Self::RollBack,
        Self::RestartSet,
        Self::ScaleSet,
    ];
    /// Those that can be undone.
    pub(super) const REVERSIBLE: [Self; 5] =
        [Self::Scale, Self::Cordon, Self::Resources, Self::RollBack, Self::ScaleSet];

    const fn word(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::RestartSet => "restart-set",
            Self::Scale => "scale",
            Self::ScaleSet => "scale-set",
            Self::Resources => "resources",
            Self::RollBack => "roll-back",
            Self::Evict => "evict",
            Self::Cordon => "cordon",
        }
    }
}

/// An object with the order for it.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) deed: Deed,
    /// Path of the object that is changed, as requests name it.
    pub(super) path: String,
    /// Makes a repetition of the trigger harmless.
    pub(super) key: String,
    /// The body of the trigger.
    pub(super) body: Value,
    /// The object before anything was ordered.
    pub(super) first: Value,
}

impl Order {
    /// A request about its object.
    pub(super) fn is_about(&self) -> impl Fn(&Seen) -> bool + Send + 'static {
        let (path, below) = (self.path.clone(), format!("{}/", self.path));
        move |seen| seen.path == path || seen.path.starts_with(&below)
    }
}

fn workload(kind: &str, namespace: &str, name: &str) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": "registry.example.com/web:1",
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}}]},
            },
        },
    });
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = json!(name);
        object["spec"]["podManagementPolicy"] = json!("Parallel");
    }
    object
}

/// Makes the objects of these deeds in a namespace, waits until they are ready, and answers their orders in the same order.
pub(super) async fn prepare(plane: &Plane, namespace: &str, deeds: &[Deed], dice: &mut Dice) -> Vec<Order> {
    let names: Vec<String> = deeds.iter().map(|deed| format!("{}-{}", deed.word(), dice.name())).collect();
    let mut documents = Vec::new();
    for (deed, name) in deeds.iter().zip(&names) {
        match deed {
            Deed::Cordon => {}
            Deed::RestartSet | Deed::ScaleSet => documents.push(workload("StatefulSet", namespace, name)),
            _ => documents.push(workload("Deployment", namespace, name)),
        }
    }
    for some in documents.chunks(40) {
        let texts: Vec<String> = some.iter().map(Value::to_string).collect();
        plane.apply(&texts.join("\n---\n")).await;
    }
    ready(plane, namespace).await;
    let workloads = format!("/apis/apps/v1/namespaces/{namespace}");
    for (_, name) in deeds.iter().zip(&names).filter(|(deed, _)| **deed == Deed::RollBack) {
        let second = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "web", "image": "registry.example.com/web:2"}]}}}});
        // A merge patch replaces the list, resources included.
        plane.patch(&format!("{workloads}/deployments/{name}"), &second).await;
    }
    ready(plane, namespace).await;
    let pods = plane.get(&format!("/api/v1/namespaces/{namespace}/pods")).await.unwrap();
    let sets = plane.get(&format!("{workloads}/replicasets")).await.unwrap();
    let nodes = plane.get("/api/v1/nodes").await.unwrap();
    let mut nodes = nodes["items"].as_array().unwrap().iter().map(|node| text(&node["metadata"]["name"]));
    let mut orders = Vec::new();
    for (deed, name) in deeds.iter().zip(&names) {
        let of_app = |object: &&Value| object["metadata"]["labels"]["app"] == name.as_str();
        let deployment = || json!({"kind": "Deployment", "namespace": namespace, "name": name});
        let set = || json!({"kind": "StatefulSet", "namespace": namespace, "name": name});
        let action = match deed {
            Deed::Restart => json!({"action": "restart-workload", "target": deployment()}),
            Deed::RestartSet => json!({"action": "restart-workload", "target": set()}),
            Deed::Scale => json!({"action": "scale-workload", "target": deployment(), "replicas": 3}),
            Deed::ScaleSet => json!({"action": "scale-workload", "target": set(), "replicas": 3}),
            Deed::Resources => json!({"action": "set-resources", "target": deployment(), "container": "web",
                "resources": {"memoryRequest": "24Mi"}}),
            Deed::RollBack => {
                let first =
                    sets["items"].as_array().unwrap().iter().filter(of_app).find(|set| {
                        set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
                    });
                let source = &first.expect("its first revision is kept")["metadata"]["name"];
                json!({"action": "rollback-workload", "target": deployment(), "revision": 1, "source": source})
            }
            Deed::Evict => {
                let pod = pods["items"].as_array().unwrap().iter().find(of_app).expect("it has pods");
                json!({"action": "evict-pod", "target": {"kind": "Pod", "namespace": namespace,
                    "name": pod["metadata"]["name"]}})
            }
            Deed::Cordon => {
                let node = nodes.next().expect("there are as many nodes as are cordoned");
                json!({"action": "cordon-node", "target": {"kind": "Node", "name": node}})
            }
        };
        let target = &action["target"];
        let (kind, name) = (text(&target["kind"]), text(&target["name"]));
        let path = match kind.as_str() {
            "Pod" => format!("/api/v1/namespaces/{namespace}/pods/{name}"),
            "Node" => format!("/api/v1/nodes/{name}"),
            kind => format!("{workloads}/{}s/{name}", kind.to_lowercase()),
        };
        let mut body = json!({"incident_id": format!("case-{name}"), "resource": {"kind": kind, "name": name},
            "action": action});
        if kind != "Node" {
            body["namespace"] = json!(namespace);
        }
        let first = plane.get(&path).await.unwrap();
        orders.push(Order { deed: *deed, path, key: format!("key-{name}"), body, first });
    }
    orders
}

/// Waits until every workload is as it is wanted.
async fn ready(plane: &Plane, namespace: &str) {
    for kind in ["deployments", "statefulsets"] {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/{kind}");
        let is_ready = |item: &Value| {
            let status = &item["status"];
            status["observedGeneration"] == item["metadata"]["generation"]
                && status["readyReplicas"] == 2
                && status["updatedReplicas"] == 2
                && status["replicas"] == 2
        };
        let all = |found: &Value| found["items"].as_array().unwrap().iter().all(is_ready);
        plane.wait(&path, "ready", SOON, all).await;
    }
}
