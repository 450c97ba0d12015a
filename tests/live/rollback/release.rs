//! A Helm release as Helm 3 keeps it: its objects live, and the Secrets of two revisions.
//!
//! It is written by the test itself, as `pkg/storage/driver` writes it; that aiops and the real helm agree is proven
//! elsewhere.

use std::io::Write as _;

use aiops_engine::model::{
    action::{Action, Release},
    target::Target,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::support::Plane;

/// The name of the release, of its Deployment and of its autoscaler.
pub(super) const NAME: &str = "front";

pub(super) fn release(namespace: &str) -> Release {
    Release { name: NAME.to_owned(), namespace: namespace.to_owned(), from: 2, to: 1 }
}

/// The objects of a revision as the chart renders them: the API version's path, and the object.
fn rendered(revision: i64) -> Vec<Value> {
    let is_new = revision == 2;
    let mut settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME},
        "data": {"mode": if is_new { "fast" } else { "safe" }, "always": "so"}});
    if is_new {
        settings["metadata"]["labels"] = json!({"tier": "gold"});
        settings["data"]["extra"] = json!("yes");
    } else {
        settings["metadata"]["annotations"] = json!({"example.com/owner": "ann"});
    }
    let memory = if is_new { "96Mi" } else { "64Mi" };
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME}, "spec": {
        "progressDeadlineSeconds": i32::MAX,
        "replicas": 2, "selector": {"matchLabels": {"app": NAME}},
        "template": {"metadata": {"labels": {"app": NAME}}, "spec": {"terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": super::lane::image(if is_new { 1 } else { 0 }),
                "env": [{"name": "MODE", "value": if is_new { "fast" } else { "safe" }}],
                "resources": {"limits": {"memory": memory}}}]}}}});
    let autoscaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME}, "spec": {"minReplicas": 1, "maxReplicas": if is_new { 6 } else { 3 },
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": if is_new { 80 } else { 50 }}}}]}});
    vec![settings, deployment, autoscaler]
}

pub(super) fn path(namespace: &str, kind: &str) -> String {
    match kind {
        "ConfigMap" => format!("/api/v1/namespaces/{namespace}/configmaps/{NAME}"),
        "Deployment" => format!("/apis/apps/v1/namespaces/{namespace}/deployments/{NAME}"),
        _ => format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/{NAME}"),
    }
}

fn secret(namespace: &str, revision: i64) -> Value {
    let manifest: Vec<String> = rendered(revision).iter().map(Value::to_string).collect();
    let status = if revision == 2 { "deployed" } else { "superseded" };
    let release = json!({
        "name": NAME, "namespace": namespace, "version": revision,
        "info": {"first_deployed": "2026-11-01T00:00:00Z", "last_deployed": "2026-11-02T00:00:00Z", "deleted": "",
            "description": "Upgrade complete", "status": status},
        "chart": {"metadata": {"name": NAME, "version": "0.1.0", "apiVersion": "v2"}, "templates": [], "values": {}},
        "config": {}, "manifest": format!("---\n{}\n", manifest.join("\n---\n")),
    });
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(release.to_string().as_bytes()).unwrap();
    let data = STANDARD.encode(STANDARD.encode(packed.finish().unwrap()));
    json!({"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
        "metadata": {"name": format!("sh.helm.release.v1.{NAME}.v{revision}"),
            "labels": {"name": NAME, "owner": "helm", "status": status, "version": revision.to_string()}},
        "data": {"release": data}})
}

/// Makes the release, with what Helm puts on the objects it owns.
pub(super) async fn install(plane: &Plane, namespace: &str) {
    for revision in [1, 2] {
        plane.post(&format!("/api/v1/namespaces/{namespace}/secrets"), &secret(namespace, revision)).await;
    }
    for mut object in rendered(2) {
        object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("Helm");
        object["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!(NAME);
        object["metadata"]["annotations"]["meta.helm.sh/release-namespace"] = json!(namespace);
        let path = path(namespace, object["kind"].as_str().unwrap());
        plane.post(path.rsplit_once('/').unwrap().0, &object).await;
    }
}

/// Sets one of its objects back to the earlier revision.
pub(super) fn revert(namespace: &str, kind: &str, uid: &str) -> Action {
    let target = Target::known(kind, namespace, NAME).with_uid(uid);
    Action::RevertManifest { target, release: release(namespace) }
}
