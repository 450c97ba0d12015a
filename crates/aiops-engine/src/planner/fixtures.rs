//! A small shop for tests: a Deployment whose last rollout may have gone wrong, and what stands around it.

use std::sync::Arc;

use aiops_inventory::Kind;
use serde_json::{Value, json};

use super::{Neighbourhood, Planned};
use crate::{
    Engine,
    error::Error,
    issue::Severity,
    model::{
        action::Action,
        plan::{Plan, Problem},
        target::Target,
        workflow::Order,
    },
    settings::Limits,
    testing::{self, FakeCluster, api_resource},
};

/// When all of it happens.
pub(crate) const NOW: &str = "2026-01-01T12:00:00Z";

/// A cluster that is put together piece by piece.
pub(crate) struct World(pub(crate) FakeCluster);

impl World {
    /// Nothing but kinds and a namespace.
    pub(crate) fn empty() -> Self {
        let mut cluster = FakeCluster::new();
        cluster.kinds.extend([
            api_resource("", "v1", "PersistentVolume", "persistentvolumes", false),
            api_resource("apps", "v1", "ControllerRevision", "controllerrevisions", true),
            api_resource("argoproj.io", "v1alpha1", "Application", "applications", true),
            api_resource("kafka.strimzi.io", "v1", "Kafka", "kafkas", true),
            api_resource("operator.openshift.io", "v1", "DNS", "dnses", false),
            api_resource("autoscaling.k8s.io", "v1", "VerticalPodAutoscaler", "verticalpodautoscalers", true),
            api_resource("machineconfiguration.openshift.io", "v1", "MachineConfig", "machineconfigs", false),
        ]);
        let world = Self(cluster);
        world.put("namespaces", json!({"metadata": {"name": "shop", "uid": "u-shop"}}));
        world
    }

    /// The recorded cluster of the demo: objects of a real API server, on the morning of its outage.
    pub(crate) fn recorded() -> Self {
        let world = Self::empty();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/clusters/checkout-outage");
        for kind in &world.0.kinds {
            let file = format!("{folder}/{}.json", kind.plural);
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            let list: Value = serde_json::from_str(&text).expect(&file);
            for object in list["items"].as_array().expect(&file) {
                world.put(&kind.plural, object.clone());
            }
        }
        world
    }

    /// A Deployment `web` of two replicas: revision 1 served for two hours, revision 2 came 5 minutes ago; its pods are
    /// well.
    pub(crate) fn healthy() -> Self {
        let world = Self::empty();
        world.put("deployments", deployment());
        world.put("replicasets", replica_set(1, "2026-01-01T09:55:00Z"));
        world.put("replicasets", replica_set(2, "2026-01-01T11:55:00Z"));
        for name in ["web-2-a", "web-2-b"] {
            world.put("pods", pod(name, "web-2"));
        }
        world
    }

    /// The same, and revision 2 crashes.
    pub(crate) fn crashing() -> Self {
        Self::troubled("CrashLoopBackOff")
    }

    /// The same, and the pods of revision 2 wait for this reason.
    pub(crate) fn troubled(reason: &str) -> Self {
        let world = Self::healthy();
        for name in ["web-2-a", "web-2-b"] {
            world.edit("pods", name, |pod| trouble(pod, reason));
        }
        world.edit("deployments", "web", |web| {
            web["status"]["conditions"] = json!([
                {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"},
                {"type": "Available", "status": "False", "lastTransitionTime": "2026-01-01T11:56:00Z"},
            ]);
        });
        world
    }

    /// With a StatefulSet or DaemonSet of two revisions, the newest of which came 5 minutes ago and crashes.
    pub(crate) fn with_set(self, kind: &str, plural: &str, name: &str) -> Self {
        let template = |tag: i64| json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": format!("{name}:{tag}")}]}});
        let uid = format!("u-{name}");
        let owners =
            json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}]);
        let holder = |number: i64| format!("{name}-{number}");
        self.put(
            plural,
            json!({"apiVersion": "apps/v1", "kind": kind,
                "metadata": {"name": name, "namespace": "shop", "uid": uid},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template(2)},
                "status": {"currentRevision": holder(1), "updateRevision": holder(2), "desiredNumberScheduled": 1}}),
        );
        for (number, created) in [(1, "2026-01-01T09:00:00Z"), (2, "2026-01-01T11:55:00Z")] {
            let mut data = template(number);
            data["$patch"] = json!("replace");
            self.put(
                "controllerrevisions",
                json!({
                    "metadata": {"name": holder(number), "namespace": "shop", "uid": format!("r-{name}-{number}"),
                        "creationTimestamp": created, "ownerReferences": owners,
                        "labels": {"app": "web", "controller-revision-hash": format!("h{number}")}},
                    "revision": number, "data": {"spec": {"template": data}},
                }),
            );
        }
        let mut pod = pod(&format!("{name}-0"), &holder(2));
        let hash = if kind == "StatefulSet" { holder(2) } else { "h2".to_owned() };
        pod["metadata"]["labels"] = json!({"app": "web", "controller-revision-hash": hash});
        pod["metadata"]["ownerReferences"] = owners;
        trouble(&mut pod, "CrashLoopBackOff");
        self.put("pods", pod);
        self
    }

    /// A Deployment `web` that a second wrong rollout, a minute ago, did not mend: revision 1 still has a pod that is
    /// well, revision 2 has none any more, and revision 3 crashes.
    pub(crate) fn twice_wrong() -> Self {
        let world = Self::healthy();
        world.0.objects.lock().retain(|(kind, ..), _| kind != "pods");
        world.put("replicasets", replica_set(3, "2026-01-01T11:59:00Z"));
        world.edit("deployments", "web", |web| {
            web["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("3");
            web["spec"]["template"] = template(3);
            web["status"]["conditions"] = json!([
                {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"},
                {"type": "Available", "status": "True", "lastTransitionTime": "2026-01-01T09:56:00Z"},
            ]);
        });
        world.put("pods", pod("web-1-a", "web-1"));
        let mut bad = pod("web-3-a", "web-3");
        trouble(&mut bad, "CrashLoopBackOff");
        world.put("pods", bad);
        world
    }

    pub(crate) fn put(&self, plural: &str, object: Value) {
        self.0.put(plural, object);
    }

    /// Changes an object of the namespace `shop`, or of the cluster.
    pub(crate) fn edit(&self, plural: &str, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut objects = self.0.objects.lock();
        let key = objects.keys().find(|(kind, _, own)| kind == plural && own == name).cloned();
        edit(objects.get_mut(&key.expect(name)).expect(name));
    }

    /// Sets a mark in `labels` or `annotations` of the Deployment.
    pub(crate) fn mark(self, map: &str, key: &str, value: &str) -> Self {
        self.edit("deployments", "web", |web| web["metadata"][map][key] = json!(value));
        self
    }

    pub(crate) fn engine(self) -> Engine {
        testing::engine(&[], Some(Arc::new(self.0)), NOW)
    }

    /// An engine that has rows of everything that has any, too.
    pub(crate) fn engine_with_rows(self) -> Engine {
        self.engine_at(NOW)
    }

    /// The same, at another moment.
    pub(crate) fn engine_at(self, now: &str) -> Engine {
        let objects = self.0.objects.lock().clone();
        let of_kind = |plural: &str| Kind::ALL.into_iter().find(|kind| kind.resource().plural == plural);
        let rows: Vec<(Kind, Value)> = objects
            .into_iter()
            .filter_map(|((plural, ..), object)| Some((of_kind(&plural)?, object)))
            .collect();
        let rows = testing::inventory(&rows, &[]);
        rows.change(|rows| rows.set_info(|info| info.uid = "2f6c1f6e-3a0b-4c52-9a1c-0d8a5b0d7f11".into()));
        let now = now.parse().expect("a moment");
        Engine::new(rows, Some(Arc::new(self.0)), Arc::new(testing::FixedClock(now)))
    }

    /// What stands around an object.
    pub(crate) async fn near(self, kind: &str, name: &str, issue: &str) -> Neighbourhood {
        let (engine, problem) = (self.engine(), problem(kind, name, issue));
        let reader = super::Reader::new(engine.cluster("a test").expect("there is one"), "a test").await;
        let reader = reader.expect("its kinds can be read");
        super::look(&engine, &reader, &problem, &Limits::default()).await.expect("it can be read")
    }

    /// What is planned for an issue of an object.
    pub(crate) async fn plan(self, kind: &str, name: &str, issue: &str) -> Planned {
        let order = Order::default();
        super::plan(&self.engine(), &problem(kind, name, issue), &order, &Limits::default())
            .await
            .expect("it can be planned")
    }

    /// What is planned when an action is ordered.
    pub(crate) async fn order(self, kind: &str, name: &str, action: Action) -> Result<Planned, Error> {
        let order = Order { action: Some(action), ..Order::default() };
        super::plan(&self.engine(), &problem(kind, name, "unspecified"), &order, &Limits::default()).await
    }
}

/// The plan, or the test fails with the reason.
pub(crate) fn made(planned: Planned) -> Plan {
    match planned {
        Planned::Plan(plan) => *plan,
        Planned::NoRemedy { why } => panic!("no remedy: {why}"),
    }
}

/// Why there is none, or the test fails.
pub(crate) fn refused(planned: Planned) -> String {
    match planned {
        Planned::NoRemedy { why } => why,
        Planned::Plan(plan) => panic!("{} was planned: {}", plan.remedy, plan.why),
    }
}

pub(crate) fn problem(kind: &str, name: &str, issue: &str) -> Problem {
    let (group, kind) = super::known_kind(kind).expect(kind);
    let namespace = if super::is_of_cluster(kind) { "" } else { "shop" };
    let target = Target::new(group, kind, namespace, name);
    Problem {
        issue: issue.to_owned(),
        severity: Severity::High,
        description: String::new(),
        target: target.clone(),
        named: target,
    }
}

fn template(revision: i64) -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{
            "name": "app", "image": format!("shop/web:{revision}"),
            "resources": {"limits": {"memory": "256Mi", "cpu": "500m"}, "requests": {"memory": "128Mi"}},
        }]},
    })
}

pub(crate) fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u-web", "resourceVersion": "7", "generation": 2,
            "labels": {}, "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template(2)},
        "status": {"observedGeneration": 2, "conditions": [
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
            {"type": "Available", "status": "True", "lastTransitionTime": "2026-01-01T09:56:00Z"},
        ]},
    })
}

pub(crate) fn replica_set(revision: i64, created: &str) -> Value {
    let mut template = template(revision);
    template["metadata"]["labels"]["pod-template-hash"] = json!(format!("h{revision}"));
    json!({
        "metadata": {
            "name": format!("web-{revision}"), "namespace": "shop", "uid": format!("u-web-{revision}"),
            "creationTimestamp": created,
            "labels": {"app": "web", "pod-template-hash": format!("h{revision}")},
            "annotations": {"deployment.kubernetes.io/revision": revision.to_string()},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u-web", "controller": true}],
        },
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
    })
}

/// A pod of a ReplicaSet `web-N` that is well.
pub(crate) fn pod(name: &str, set: &str) -> Value {
    let revision = set.rsplit('-').next().unwrap_or_default();
    json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("u-{name}"), "resourceVersion": "9",
            "creationTimestamp": "2026-01-01T11:55:05Z",
            "labels": {"app": "web", "pod-template-hash": format!("h{revision}")},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "uid": format!("u-{set}"), "controller": true}],
        },
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T11:55:10Z"}],
            "containerStatuses": [{"name": "app", "ready": true, "restartCount": 0, "state": {"running": {}}}],
        },
    })
}

/// Makes a pod wait for this reason.
pub(crate) fn trouble(pod: &mut Value, reason: &str) {
    let is_killed = reason == "OOMKilled";
    pod["status"]["conditions"] =
        json!([{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T11:55:20Z"}]);
    pod["status"]["containerStatuses"] = json!([{
        "name": "app", "ready": false, "restartCount": 4,
        "state": {"waiting": {"reason": if is_killed { "CrashLoopBackOff" } else { reason }}},
        "lastState": {"terminated": {
            "exitCode": if is_killed { 137 } else { 1 }, "reason": if is_killed { "OOMKilled" } else { "Error" },
            "finishedAt": "2026-01-01T11:58:00Z",
        }},
    }]);
}
