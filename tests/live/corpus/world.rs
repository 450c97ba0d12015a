//! What the calls are about: for each call that can act an object of its own, once for each round.
//!
//! The server under test signs in as a user of its own, so that the audit log tells its requests from everybody's.

use std::{path::PathBuf, time::Duration};

use kube::config::Kubeconfig;
use serde_json::{Value, json};

use crate::support::{Dice, Plane};

const SOON: Duration = Duration::from_secs(300);
/// Deployments with two revisions, both good.
const ROLLED: [&str; 2] = ["mcp-rollback", "mcp-restart"];
/// Deployments whose second revision names an image that is not there.
const BROKEN: [&str; 3] = ["mcp-trigger", "rest-trigger", "rest-layers"];
/// Deployments with one revision.
const PLAIN: [&str; 14] = [
    "member",
    "mcp-scale",
    "mcp-resources",
    "mcp-evict",
    "rest-action",
    "cli-call",
    "ask-mcp",
    "ask-rest",
    "ask-cli",
    "deny-rest",
    "deny-cli",
    "cancel-mcp",
    "cancel-rest",
    "cancel-cli",
];

/// The Deployment on the node to drain, and the taint that keeps all others away.
const DRAINED: &str = "mcp-drain";

pub(super) struct Round {
    pub(super) namespace: String,
    /// One to cordon, one that is cordoned, one to drain.
    pub(super) nodes: [String; 3],
}

pub(super) struct World {
    pub(super) rounds: Vec<Round>,
    /// As the audit log names the server's user.
    pub(super) user: String,
    pub(super) kubeconfig: PathBuf,
    _folder: tempfile::TempDir,
}

fn deployment(name: &str, tag: &str) -> Value {
    // The only pod of a workload is not evicted.
    let replicas = if name == "mcp-evict" { 2 } else { 1 };
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "progressDeadlineSeconds": 600,
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": format!("registry.example.com/library/nginx:{tag}"),
                "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}}}]}}}})
}

/// Two pods that go to this node as long as it takes any.
fn drained(node: &str) -> Value {
    let mut made = deployment(DRAINED, "1.27");
    made["spec"]["replicas"] = json!(2);
    let is_node = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
    let pods = &mut made["spec"]["template"]["spec"];
    pods["tolerations"] = json!([{"key": DRAINED, "operator": "Equal", "value": node}]);
    pods["affinity"] = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
        [{"weight": 100, "preference": is_node}]}});
    made
}

fn application_kind() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "applications.argoproj.io"},
        "spec": {"group": "argoproj.io", "scope": "Namespaced",
            "names": {"kind": "Application", "plural": "applications", "singular": "application"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
}

impl World {
    pub(super) async fn make(plane: &Plane, rounds: usize) -> Self {
        let mut dice = Dice::new();
        plane.apply(&application_kind().to_string()).await;
        let applications = "/apis/argoproj.io/v1alpha1/applications";
        plane.wait(applications, "served", SOON, |_| true).await;
        let nodes = plane.get("/api/v1/nodes").await.unwrap();
        let names: Vec<String> = nodes["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();
        let mut made = Vec::new();
        for round in 0..rounds {
            let namespace = plane.namespace(&mut dice).await;
            let nodes = [0, 1, 2].map(|place| names[3 * round + place].clone());
            let cordon = json!({"spec": {"unschedulable": true}});
            plane.patch(&format!("/api/v1/nodes/{}", nodes[1]), &cordon).await;
            // What stands on the node to drain must be allowed to go: the only pod of a workload is not evicted, and the
            // pods of the other calls come and go. So nothing runs there but what is for this drain, not even what other
            // rounds' drains made leave.
            let apart =
                json!({"spec": {"taints": [{"key": DRAINED, "value": nodes[2], "effect": "NoSchedule"}]}});
            plane.patch(&format!("/api/v1/nodes/{}", nodes[2]), &apart).await;
            made.push(Round { namespace, nodes });
        }
        for round in &made {
            round.fill(plane).await;
        }
        for round in &made {
            round.settle(plane).await;
        }
        let folder = tempfile::tempdir().unwrap();
        let (user, kubeconfig) = sign_in(plane, &made[0].namespace, folder.path()).await;
        Self { rounds: made, user, kubeconfig, _folder: folder }
    }
}

/// A service account that may do everything, and its kubeconfig.
async fn sign_in(plane: &Plane, namespace: &str, folder: &std::path::Path) -> (String, PathBuf) {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "corpus", "namespace": namespace}});
    plane.apply(&account.to_string()).await;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "corpus"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "corpus", "namespace": namespace}]});
    plane.apply(&binding.to_string()).await;
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/corpus/token");
    let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 86_400}});
    let token = plane.post(&path, &asked).await["status"]["token"].clone();
    let mut config = serde_json::to_value(Kubeconfig::read_from(plane.kubeconfig("admin")).unwrap()).unwrap();
    config["users"][0]["user"] = json!({ "token": token });
    let file = folder.join("corpus.kubeconfig");
    std::fs::write(&file, config.to_string()).unwrap();
    (format!("system:serviceaccount:{namespace}:corpus"), file)
}

impl Round {
    fn deployments(&self) -> String {
        format!("/apis/apps/v1/namespaces/{}/deployments", self.namespace)
    }

    async fn fill(&self, plane: &Plane) {
        for name in PLAIN.iter().chain(&ROLLED).chain(&BROKEN) {
            plane.post(&self.deployments(), &deployment(name, "1.27")).await;
        }
        plane.post(&self.deployments(), &drained(&self.nodes[2])).await;
        let applications = format!("/apis/argoproj.io/v1alpha1/namespaces/{}/applications", self.namespace);
        for name in ["app", "app-old", "app-nudge"] {
            let application = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                "metadata": {"name": name}, "spec": {"project": "default"},
                "status": {"sync": {"status": "OutOfSync"}, "health": {"status": "Degraded"},
                    "history": [{"id": 0, "revision": "v1", "deployedAt": "2026-01-01T00:00:00Z"}]}});
            plane.post(&applications, &application).await;
        }
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "stuck"}, "spec": {"template": {
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [{"name": "main",
                "image": "registry.example.com/library/nginx:1.28-missing"}]}}}});
        plane.post(&format!("/apis/batch/v1/namespaces/{}/jobs", self.namespace), &job).await;
        for (name, tag) in
            ROLLED.map(|name| (name, "1.28")).into_iter().chain(BROKEN.map(|name| (name, "1.28-missing")))
        {
            let path = format!("{}/{name}", self.deployments());
            let is_recorded =
                |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
            plane.wait(&path, "recorded", SOON, is_recorded).await;
            let containers = &deployment(name, tag)["spec"]["template"]["spec"]["containers"];
            plane.patch(&path, &json!({"spec": {"template": {"spec": {"containers": containers}}}})).await;
        }
    }

    /// Waits until what is good is ready, and what is broken is known to be.
    async fn settle(&self, plane: &Plane) {
        let is_ready = |list: &Value| {
            list["items"].as_array().is_some_and(|all| {
                all.iter().all(|object| {
                    let is_broken = BROKEN.iter().any(|name| object["metadata"]["name"] == *name);
                    let status = &object["status"];
                    let is_seen = status["observedGeneration"] == object["metadata"]["generation"];
                    let wanted = &object["spec"]["replicas"];
                    is_seen
                        && status["readyReplicas"] == *wanted
                        && (is_broken || status["updatedReplicas"] == *wanted)
                })
            })
        };
        plane.wait(&self.deployments(), "ready", SOON, is_ready).await;
        let pods = format!("/api/v1/namespaces/{}/pods", self.namespace);
        let are_broken = |list: &Value| {
            let all = list["items"].as_array().unwrap();
            all.iter().filter(|pod| pod["status"].to_string().contains("ImagePull")).count() > BROKEN.len()
        };
        plane.wait(&pods, "broken", SOON, are_broken).await;
    }

    /// The name of a pod that this selector names.
    pub(super) async fn pod(&self, plane: &Plane, selector: &str) -> String {
        let path = format!("/api/v1/namespaces/{}/pods?labelSelector={selector}", self.namespace);
        let pods = plane.get(&path).await.unwrap();
        pods["items"][0]["metadata"]["name"].as_str().unwrap_or("none").to_owned()
    }
}
