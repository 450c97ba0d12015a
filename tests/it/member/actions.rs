//! Every action that can be ordered, planned, proven and carried out over the real line: through rmcp within the process and
//! over HTTP. Evictions, deletions, patches, the record of a Helm release and an operation of Argo CD cross it and succeed.
//!
//! What happens when something breaks on the way is tested beside it (`crashes`, `line`) and in the engine's simulation.

use aiops::shutdown::Tasks;
use aiops_engine::{
    coordination::{PolicyRule, Trigger},
    model::{
        action::{Action, Resources},
        phase::Phase,
        plan::Approval,
        target::Target,
    },
    settings::Settings,
    testing::model::{Key, Model, build},
};
use serde_json::{Value, json};

use super::{
    crashes::no_rows,
    world::{Cluster, Hub, Serving, over_http, within},
};

/// A cluster with an object of its own for each action, so that no rest after one holds up another.
fn scene(model: &Model, pass: &dyn Fn(i64)) -> Key {
    let put = |object: Value| model.put("kubectl", object);
    for namespace in ["data", "argo", "chart"] {
        put(build::namespace(namespace));
    }
    for node in ["n1", "n2"] {
        put(build::node(node));
    }
    let mut cordoned = build::node("n3");
    cordoned["spec"]["unschedulable"] = json!(true);
    put(cordoned);
    let image = "registry.test/app:1";
    for name in ["restart", "scale", "limits", "evict"] {
        put(build::deployment("shop", name, image, 2));
    }
    put(build::budget("shop", "evict", 1));
    let back = put(build::deployment("shop", "back", image, 2));
    let set = put(build::stateful_set("data", "db", image, 2));
    pass(60);
    for workload in [&back, &set] {
        model.edit("kubectl", workload, |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.test/app:2");
        });
    }
    for name in ["sync", "old"] {
        let app = put(build::application("argo", name, "main", ""));
        let history = json!([
            {"id": 0, "revision": "v1", "deployedAt": "2026-01-01T00:00:00Z"},
            {"id": 1, "revision": "main", "deployedAt": "2026-01-02T00:00:00Z"},
        ]);
        model.edit("argocd", &app, |app| app["status"]["history"] = history);
        for revision in ["v1", "main"] {
            let image = format!("registry.test/{name}:{revision}");
            model.put_manifests(&app, revision, vec![build::deployment("argo", name, &image, 1)]);
        }
    }
    let labels = json!({"job-name": "import"});
    let job = put(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "import", "namespace": "data"},
        "spec": {"backoffLimit": 6, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "registry.test/job:1"}]}}},
    }));
    let uid = model.object(&job).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    put(build::job_pod("data", "import", "import-x", &uid, "n1"));
    put(json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
        "metadata": {"name": "worker"}, "spec": {},
        "status": {"observedGeneration": 1, "machineCount": 3, "updatedMachineCount": 3, "readyMachineCount": 3,
            "conditions": [{"type": "Updated", "status": "True"}]},
    }));
    let release = |tag: &str, mode: &str| {
        let mut deployment = build::deployment("chart", "chart", &format!("registry.test/chart:{tag}"), 2);
        deployment["metadata"]["annotations"] =
            json!({"meta.helm.sh/release-name": "chart", "meta.helm.sh/release-namespace": "chart"});
        deployment["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chart", "namespace": "chart"},
            "data": {"mode": mode}});
        vec![deployment, config]
    };
    model.put_release(("chart", "chart"), 1, "superseded", release("1", "plain"));
    model.put_release(("chart", "chart"), 2, "deployed", release("2", "fancy"));
    for object in release("2", "fancy") {
        model.put("helm", object);
    }
    pass(60);
    back
}

/// What is ordered, by the name of the tool that orders it, and how many changes it takes.
fn orders(model: &Model) -> Vec<(&'static str, Trigger, usize)> {
    let of = |action: Action| Trigger { action: Some(action), ..Trigger::default() };
    let at = Target::known;
    let pod = model.objects("Pod").into_iter().find(|(key, _)| key.name.starts_with("evict-")).unwrap().0;
    let back = model.object(&Key::new("Deployment", "shop", "back")).unwrap();
    let oldest = model
        .objects("ReplicaSet")
        .into_iter()
        .find(|(_, set)| {
            set["metadata"]["ownerReferences"][0]["uid"] == back["metadata"]["uid"]
                && set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
        })
        .unwrap();
    let memory = Resources { memory_limit: Some("512Mi".to_owned()), ..Resources::default() };
    let release = Trigger {
        namespace: "chart".to_owned(),
        kind: "Deployment".to_owned(),
        name: "chart".to_owned(),
        issue: "release_rollback".to_owned(),
        ..Trigger::default()
    };
    vec![
        ("restart-workload", of(Action::RestartWorkload { target: at("Deployment", "shop", "restart") }), 1),
        (
            "scale-workload",
            of(Action::ScaleWorkload { target: at("Deployment", "shop", "scale"), replicas: 3 }),
            1,
        ),
        (
            "rollback-workload",
            of(Action::RollbackWorkload {
                target: at("Deployment", "shop", "back"),
                revision: 1,
                source: oldest.0.name,
            }),
            1,
        ),
        (
            "set-resources",
            of(Action::SetResources {
                target: at("Deployment", "shop", "limits"),
                container: "app".to_owned(),
                resources: memory,
            }),
            1,
        ),
        (
            "restart of a StatefulSet",
            of(Action::RestartWorkload { target: at("StatefulSet", "data", "db") }),
            1,
        ),
        ("evict-pod", of(Action::EvictPod { target: at("Pod", "shop", &pod.name) }), 1),
        ("delete-pod", of(Action::DeletePod { target: at("Pod", "data", "import-x") }), 1),
        ("cordon-node", of(Action::CordonNode { target: at("Node", "", "n2") }), 1),
        ("uncordon-node", of(Action::UncordonNode { target: at("Node", "", "n3") }), 1),
        ("sync-application", of(Action::SyncApplication { target: at("Application", "argo", "sync") }), 1),
        (
            "rollback-application",
            of(Action::RollbackApplication { target: at("Application", "argo", "old"), history: 0 }),
            1,
        ),
        // Two objects go back, then the record is made: the new revision's Secret, and the old one's label.
        ("rollback-release", release, 4),
        ("await-pool", of(Action::AwaitPool { target: at("MachineConfigPool", "", "worker") }), 0),
    ]
}

/// A policy that lets everything pass: who may is tested elsewhere.
fn free() -> Settings {
    let mut settings = Settings::default();
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
    settings.limits.replica_percent = 100;
    settings.limits.budget_per_namespace = 100;
    settings.limits.budget_per_cluster = 100;
    settings
}

/// Orders one after the other, and looks at how each ended and at what the API server was asked to change.
async fn each_comes_to_its_end(cluster: &Cluster, hub: &Hub) {
    let mut wrong = Vec::new();
    for (name, order, changes) in orders(&cluster.model) {
        let before = cluster.effects();
        let done = hub.until_over(&hub.order(&order).await).await;
        let made = cluster.effects() - before;
        if done.phase != Phase::Completed || made != changes {
            wrong.push(format!(
                "{name}: {:?} with {made} of {changes} changes: {:?}",
                done.phase, done.reason
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let image = |name: &str, namespace: &str| {
        let object = cluster.model.object(&Key::new("Deployment", namespace, name)).unwrap();
        object["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    assert_eq!(image("back", "shop"), "registry.test/app:1");
    assert_eq!(image("chart", "chart"), "registry.test/chart:1");
    assert!(cluster.model.object(&Key::new("Secret", "chart", "sh.helm.release.v1.chart.v3")).is_some());
    assert!(cluster.model.object(&Key::new("Pod", "data", "import-x")).is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_the_process_every_action_comes_to_its_end_with_its_changes_made_once() {
    let cluster = Cluster::with(scene);
    let tasks = Tasks::new();
    let hub = Hub::with(&cluster, within(&cluster, &tasks), no_rows(), free());
    each_comes_to_its_end(&cluster, &hub).await;
    tasks.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_every_action_comes_to_its_end_with_its_changes_made_once() {
    let cluster = Cluster::with(scene);
    let tasks = Tasks::new();
    let serving = Serving::start(cluster.member("p1", "hub"), cluster.engine(), None).await;
    let (far, rows) = over_http(&serving.url(), &tasks);
    let hub = Hub::with(&cluster, far, rows, free());
    each_comes_to_its_end(&cluster, &hub).await;
    tasks.end();
}
