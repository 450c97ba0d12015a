//! What is of the cluster and not of a namespace: nodes, a pod on each of them, kinds of other people.
//!
//! It has a control plane of its own: a cordon is felt by every pod that wants a place.

use super::*;
use crate::support::Options;

/// Argo CD's Application as far as deeds read it; its own CRD forbids no more of what is written here.
fn application_kind() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "applications.argoproj.io"},
        "spec": {"group": "argoproj.io", "scope": "Namespaced",
            "names": {"kind": "Application", "plural": "applications", "singular": "application"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
}

#[tokio::test]
async fn nodes_daemon_sets_and_applications() {
    let plane = Plane::own(&Options { nodes: 2, ..Options::default() }).await;
    let hand = Hand::of(&plane, "admin").await;
    let nodes = plane.get("/api/v1/nodes").await.unwrap();
    let node = &nodes["items"][0]["metadata"];
    let (name, uid) = (node["name"].as_str().unwrap(), node["uid"].as_str().unwrap());
    let path = format!("/api/v1/nodes/{name}");
    let target = || Target::known("Node", "", name).with_uid(uid);

    // A cordon brings a taint of its controller with it, and takes it along.
    let without_taints = async |what: &str| {
        let has_none = |node: &Value| node["spec"].get("taints").is_none();
        plane.wait(&path, what, SOON, has_none).await
    };
    without_taints("free").await;
    let cordon = Action::CordonNode { target: target() };
    let before = wanted(&plane.get(&path).await.unwrap());
    let place = plane.audit_end();
    let (step, mutation, _) = hand.take(&cordon, "key-cordon").await;
    assert_eq!(hand.send(&mutation).await.unwrap_err().kind, NotDoneKind::Conflict);
    assert!(matches!(hand.judge(&cordon, "key-cordon").await, Observation::Applied { .. }));
    hand.verified(&cordon, "key-cordon").await;
    assert_eq!(plane.get(&path).await.unwrap()["spec"]["unschedulable"], true);
    hand.undo(&step).await;
    without_taints("free again").await;
    assert_eq!(wanted(&plane.get(&path).await.unwrap()), before);
    assert!(matches!(hand.judge_undo(&step).await, Observation::Applied { .. }));
    assert_eq!(accepted(&plane, &hand, place).values().sum::<usize>(), 2);

    // Taken over by somebody who wants it cordoned as well.
    let (step, ..) = hand.take(&cordon, "key-taken").await;
    plane.patch(&path, &json!({"metadata": {"annotations": {EFFECT: null}}})).await;
    let seen = hand.judge_undo(&step).await;
    assert!(matches!(seen, Observation::Conflict { .. }), "{seen:?}");
    let uncordon = Action::UncordonNode { target: target() };
    hand.take(&uncordon, "key-uncordon").await;
    hand.verified(&uncordon, "key-uncordon").await;
    assert_eq!(plane.get(&path).await.unwrap()["spec"].get("unschedulable"), None);

    super::workloads::of_kind(&plane, &hand, "DaemonSet", json!({})).await;
    applications(&plane, &hand).await;
}

async fn applications(plane: &Plane, hand: &Hand) {
    plane.apply(&application_kind().to_string()).await;
    let collection = "/apis/argoproj.io/v1alpha1/namespaces/default/applications";
    plane.wait(collection, "served", SOON, |_| true).await;
    let made = plane
        .post(
            collection,
            &json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "web"},
                "spec": {"project": "default"}, "status": {"sync": {"status": "OutOfSync"}}}),
        )
        .await;
    let uid = made["metadata"]["uid"].as_str().unwrap();
    let target = || Target::known("Application", "default", "web").with_uid(uid);
    let path = format!("{collection}/web");
    let sync = Action::SyncApplication { target: target() };
    let deadline = Instant::now() + SOON;
    while deeds::see(&*hand.cluster, &deeds::looks(&sync)).await.is_err() {
        assert!(Instant::now() < deadline, "the new kind is not discovered");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let place = plane.audit_end();
    hand.take(&sync, "key-sync").await;
    assert!(matches!(hand.judge(&sync, "key-sync").await, Observation::Applied { .. }));
    let other = hand.judge(&sync, "key-other").await;
    assert!(matches!(other, Observation::Wait { .. }), "{other:?}");
    // As its controller does when it is through.
    let operation = plane.get(&path).await.unwrap()["operation"].clone();
    let state = json!({"phase": "Succeeded", "operation": operation, "finishedAt": "2026-01-01T00:00:00Z"});
    plane
        .patch(
            &path,
            &json!({"operation": null, "status": {"operationState": state, "sync": {"status": "Synced"},
                "health": {"status": "Healthy"}, "reconciledAt": "2026-01-01T00:00:01Z"}}),
        )
        .await;
    hand.verified(&sync, "key-sync").await;
    let nudge = Action::NudgeOperator { target: target() };
    hand.take(&nudge, "key-nudge").await;
    assert!(matches!(hand.judge(&nudge, "key-nudge").await, Observation::Applied { .. }));
    assert_eq!(accepted(plane, hand, place).values().sum::<usize>(), 2);
}
