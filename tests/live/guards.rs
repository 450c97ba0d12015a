//! What holds the engine back, on a real control plane: the breaker, the kill switch, approvals that do not count; and
//! that somebody is told.
//!
//! Whether anything was changed is read in the API server's audit log, never in what aiops says of itself.

mod annotation;
mod approvals;
mod disabled;
mod messages;
mod receiver;
mod storm;
mod switch;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Actor, Audited, Full, Plane, is_proof};

/// What is promised, or on a busy machine what only a fault exceeds.
fn within(promised: Duration) -> Duration {
    if is_proof() { promised } else { promised * 4 }
}

/// What this user's requests could have changed in a namespace since then.
fn changes(plane: &Plane, place: u64, actor: &Actor, namespace: &str) -> Vec<Audited> {
    let mut audited = plane.audit_since(place);
    audited.retain(|request| {
        request.user == actor.user
            && request.changes()
            && request.namespace == namespace
            && request.resource != "events"
            && request.status < 300
    });
    audited
}

/// A Deployment that runs, with these arguments and this memory limit.
async fn deployment(plane: &Plane, namespace: &str, name: &str, args: &[&str], memory: &str) {
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 0,
                "containers": [{"name": "app", "image": "registry.example.com/library/nginx:1.28", "args": args,
                    "resources": {"requests": {"memory": "16Mi"}, "limits": {"memory": memory}}}]}}}});
    plane.post(&format!("/apis/apps/v1/namespaces/{namespace}/deployments"), &object).await;
}

/// Orders one action on a Deployment, as soon as aiops has seen it; answers the id of the workflow.
async fn act(full: &Full, who: &str, namespace: &str, name: &str, more: Value) -> String {
    let mut action = json!({"target": {"kind": "Deployment", "namespace": namespace, "name": name}});
    action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let body = json!({"incident_id": format!("order-{namespace}-{name}"), "namespace": namespace,
        "resource": {"kind": "Deployment", "name": name}, "action": action});
    let deadline = tokio::time::Instant::now() + Duration::from_secs(180);
    loop {
        let reply = full.post(who, "/api/v1/remediation/trigger", &body).await;
        if reply.status == 202 {
            return reply.body["workflow_id"].as_str().unwrap().to_owned();
        }
        let is_unseen = matches!(reply.status, 404 | 503);
        assert!(is_unseen && tokio::time::Instant::now() < deadline, "{}: {}", reply.status, reply.body);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
