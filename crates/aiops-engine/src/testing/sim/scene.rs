//! The cluster of the runs, and every action that can be taken in it.
//!
//! It is built once and copied for each run: workloads with two good revisions each, budgets, an Application, an operator's
//! resource, a pod that a Job left stuck, a cordoned node, a Helm release at its second revision.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{hands::Hands, store::CANARY};
use crate::{
    model::{
        action::{Action, Release, Resources},
        target::Target,
    },
    ports::Clock,
    testing::model::{
        Key, Model, build,
        json::{items, number, put, text},
    },
};

/// The uid of the cluster.
pub(crate) const CLUSTER: &str = "00000000-0000-4000-8000-0000000c1057";

pub(crate) fn second_revision(model: &Model, key: &Key) {
    model.edit("kubectl", key, |workload| {
        let image = text(workload, "/spec/template/spec/containers/0/image").replace(":1", ":2");
        if let Some(container) = workload.pointer_mut("/spec/template/spec/containers/0") {
            put(container, "/image", image);
        }
    });
}

/// Lets time pass for the controllers.
pub(crate) fn pass(model: &Model, hands: &Hands, seconds: i64) {
    for _ in 0..seconds {
        hands.advance(1_000);
        model.settle(8);
    }
}

/// The cluster.
pub(crate) fn build(hands: &Arc<Hands>) -> Model {
    let model = Model::new(Arc::clone(hands) as Arc<dyn Clock>);
    let put_in = |object: Value| model.put("kubectl", object);
    let mut system = build::namespace("kube-system");
    put(&mut system, "/metadata/uid", CLUSTER);
    put_in(system);
    for namespace in ["shop", "data", "argo"] {
        put_in(build::namespace(namespace));
    }
    for node in ["n1", "n2"] {
        put_in(build::node(node));
    }
    let mut cordoned = build::node("n3");
    put(&mut cordoned, "/spec/unschedulable", true);
    put_in(cordoned);
    let workloads = [
        build::deployment("shop", "web", "registry.example/web:1", 3),
        build::deployment("shop", "api", "registry.example/api:1", 2),
        build::stateful_set("data", "db", "registry.example/db:1", 2),
        build::daemon_set("data", "agent", "registry.example/agent:1"),
    ];
    let mut keys = Vec::new();
    for mut workload in workloads {
        let container = workload.pointer_mut("/spec/template/spec/containers/0").unwrap();
        put(container, "/env", json!([{ "name": "PASSWORD", "value": CANARY }]));
        keys.push(put_in(workload));
    }
    put_in(build::budget("shop", "web", 1));
    put_in(build::budget("data", "db", 1));
    pass(&model, hands, 8);
    for key in &keys {
        second_revision(&model, key);
    }
    pass(&model, hands, 30);
    let app = put_in(build::application("argo", "campaign", "main", ""));
    model.edit("argocd", &app, |app| {
        put(
            app,
            "/status/history",
            json!([
                { "id": 0, "revision": "v1", "deployedAt": "2026-01-01T00:00:00Z" },
                { "id": 1, "revision": "main", "deployedAt": "2026-01-02T00:00:00Z" },
            ]),
        );
    });
    for revision in ["v1", "main"] {
        let image = format!("registry.example/campaign:{revision}");
        model.put_manifests(&app, revision, vec![build::deployment("argo", "campaign", &image, 1)]);
    }
    let job = put_in(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "import", "namespace": "data" },
        "spec": { "selector": { "matchLabels": { "job-name": "import" } },
            "template": { "metadata": { "labels": { "job-name": "import" } }, "spec": { "restartPolicy": "Never",
                "containers": [{ "name": "app", "image": "registry.example/job:1" }] } } },
    }));
    let uid = text(&model.object(&job).unwrap(), "/metadata/uid").to_owned();
    put_in(build::job_pod("data", "import", "import-x", &uid, "n1"));
    put_in(json!({
        "apiVersion": "model.aiops.io/v1", "kind": "Database", "metadata": { "name": "main", "namespace": "data" },
        "spec": { "size": 1 }, "status": { "observedGeneration": 1, "conditions": [{ "type": "Ready", "status": "True" }] },
    }));
    put_in(json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
        "metadata": { "name": "worker" }, "spec": {},
        "status": { "observedGeneration": 1, "machineCount": 3, "updatedMachineCount": 3,
            "conditions": [{ "type": "Updated", "status": "True" }] },
    }));
    release(&model);
    pass(&model, hands, 8);
    model.take_changes();
    model
}

/// A Helm release of a Deployment and a ConfigMap, at its second revision.
fn release(model: &Model) {
    let manifest = |tag: &str, mode: &str| {
        let image = format!("registry.example/chart:{tag}");
        let mut deployment = build::deployment("chart", "chart", &image, 2);
        put(&mut deployment, "/metadata/annotations/meta.helm.sh~1release-name", "chart");
        let config = json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "chart", "namespace": "chart" }, "data": { "mode": mode } });
        vec![deployment, config]
    };
    model.put("kubectl", build::namespace("chart"));
    model.put_release(("chart", "chart"), 1, "superseded", manifest("1", "plain"));
    model.put_release(("chart", "chart"), 2, "deployed", manifest("2", "fancy"));
    for object in manifest("2", "fancy") {
        model.put("helm", object);
    }
}

pub(crate) fn target(model: &Model, kind: &str, namespace: &str, name: &str) -> Target {
    let object = model.object(&Key::new(kind, namespace, name)).unwrap();
    let group = if kind == "Database" { "model.aiops.io" } else { crate::model::target::group_of(kind) };
    Target::new(group, kind, namespace, name).with_uid(text(&object, "/metadata/uid"))
}

/// The first revision of a workload: its number now, and what holds it.
pub(crate) fn first(model: &Model, workload: &Target) -> (i64, String) {
    let kind = if workload.kind == "Deployment" { "ReplicaSet" } else { "ControllerRevision" };
    let number_of = |object: &Value| {
        if kind == "ReplicaSet" {
            text(object, "/metadata/annotations/deployment.kubernetes.io~1revision").parse().unwrap_or(0)
        } else {
            number(object, "/revision")
        }
    };
    let of = model.objects(kind).into_iter().filter(|(_, object)| {
        items(object, "/metadata/ownerReferences").any(|o| Some(text(o, "/uid")) == workload.uid.as_deref())
    });
    let (key, object) = of.min_by_key(|(_, object)| number_of(object)).unwrap();
    (number_of(&object), key.name)
}

fn memory(limit: &str) -> Resources {
    Resources { memory_limit: Some(limit.to_owned()), ..Resources::default() }
}

/// Every action that can be taken here, by a name.
pub(crate) fn catalogue(model: &Model) -> Vec<(&'static str, Action)> {
    let at = |kind, namespace, name| target(model, kind, namespace, name);
    let web = at("Deployment", "shop", "web");
    let api = at("Deployment", "shop", "api");
    let db = at("StatefulSet", "data", "db");
    let agent = at("DaemonSet", "data", "agent");
    let app = at("Application", "argo", "campaign");
    let roll_back = |target: &Target| {
        let (revision, source) = first(model, target);
        Action::RollbackWorkload { target: target.clone(), revision, source }
    };
    let set = |target: &Target| Action::SetResources {
        target: target.clone(),
        container: "app".to_owned(),
        resources: memory("512Mi"),
    };
    let release = Release { name: "chart".to_owned(), namespace: "chart".to_owned(), from: 2, to: 1 };
    let revert = |kind: &str| Action::RevertManifest {
        target: target(model, kind, "chart", "chart"),
        release: release.clone(),
    };
    let secret = Target::new("", "Secret", "chart", "sh.helm.release.v1.chart.v3");
    let pods = model.objects("Pod");
    let pod = pods.iter().find(|(key, _)| key.name.starts_with("web-")).unwrap();
    let pod = at("Pod", &pod.0.namespace, &pod.0.name);
    vec![
        ("restart-deployment", Action::RestartWorkload { target: web.clone() }),
        ("restart-stateful-set", Action::RestartWorkload { target: db.clone() }),
        ("restart-daemon-set", Action::RestartWorkload { target: agent.clone() }),
        ("scale-deployment", Action::ScaleWorkload { target: api, replicas: 4 }),
        ("scale-stateful-set", Action::ScaleWorkload { target: db.clone(), replicas: 3 }),
        ("rollback-deployment", roll_back(&web)),
        ("rollback-stateful-set", roll_back(&db)),
        ("rollback-daemon-set", roll_back(&agent)),
        ("resources-deployment", set(&web)),
        ("resources-stateful-set", set(&db)),
        ("resources-daemon-set", set(&agent)),
        ("evict-pod", Action::EvictPod { target: pod }),
        ("delete-pod", Action::DeletePod { target: at("Pod", "data", "import-x") }),
        ("cordon-node", Action::CordonNode { target: at("Node", "", "n2") }),
        ("uncordon-node", Action::UncordonNode { target: at("Node", "", "n3") }),
        ("sync-application", Action::SyncApplication { target: app.clone() }),
        ("rollback-application", Action::RollbackApplication { target: app, history: 0 }),
        ("revert-deployment", revert("Deployment")),
        ("revert-config-map", revert("ConfigMap")),
        ("record-release", Action::RecordRelease { target: secret, release }),
        ("nudge-operator", Action::NudgeOperator { target: at("Database", "data", "main") }),
        ("await-pool", Action::AwaitPool { target: at("MachineConfigPool", "", "worker") }),
    ]
}

/// The action of this name.
pub(crate) fn named(model: &Model, name: &str) -> Action {
    catalogue(model).into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// Whether it is a part of a release's rollback, which only a plan of the whole takes.
pub(crate) fn is_about_a_release_alone(action: &Action) -> bool {
    matches!(action, Action::RevertManifest { .. } | Action::RecordRelease { .. })
}

/// The images that a workload's pods run, also after a rollback.
pub(crate) fn images(model: &Model, target: &Target) -> Vec<String> {
    let now = model.object(&Key::of_target(target));
    let image = now.map(|now| text(&now, "/spec/template/spec/containers/0/image").to_owned());
    let (plain, _) = image.as_deref().and_then(|image| image.rsplit_once(':')).unwrap_or_default();
    [1, 2].map(|tag| format!("{plain}:{tag}")).to_vec()
}

/// Whether an object stays what it is when this is undone.
pub(crate) fn is_reversible(action: &Action) -> bool {
    action.undo_class() == crate::model::action::UndoClass::Exact
}
