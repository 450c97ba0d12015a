//! What is normal is no cause.

use serde_json::json;

use super::*;

fn ready() -> Value {
    json!({"conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True", "lastTransitionTime": ago(500)}],
        "containerStatuses": [{"name": "app", "ready": true, "started": true, "restartCount": 0, "state": {"running": {"startedAt": ago(590)}}, "lastState": {}}]})
}

#[tokio::test]
async fn a_healthy_pod_has_no_cause() {
    let found = check(standard([pod(json!({"status": ready()}))]), &[]).await;
    assert_eq!((found.verdict, found.unchecked.len()), ("well", 0));
    assert!(found.fine.iter().any(|f| f == "all containers are ready"), "{:?}", found.fine);
}

#[tokio::test]
async fn pods_of_a_rolling_update_have_no_cause() {
    let young = |patch: Value| {
        let mut it = pod(patch);
        it["metadata"]["creationTimestamp"] = json!(ago(15));
        it["status"]["startTime"] = json!(ago(14));
        for condition in it["status"]["conditions"].as_array_mut().unwrap() {
            condition["lastTransitionTime"] = json!(ago(14));
        }
        it
    };
    let probe = json!({"containers": [{"name": "app", "image": "i", "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "initialDelaySeconds": 5}}]});
    let creating = young(
        json!({"status": {"phase": "Pending", "containerStatuses": app(waiting("ContainerCreating", ""), json!({}), 0)}}),
    );
    let warming = young(
        json!({"spec": probe, "status": {"containerStatuses": app(json!({"running": {"startedAt": ago(10)}}), json!({}), 0)}}),
    );
    let mut waits = young(
        json!({"status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Insufficient cpu."}]}}),
    );
    waits["spec"]["nodeName"] = json!(null);
    for it in [creating, warming, waits] {
        let found = check(
            standard([it, event("p.a", "Unhealthy", "Readiness probe failed: connection refused")]),
            &[],
        )
        .await;
        assert_eq!(found.verdict, "starting");
    }
    let mut leaving = pod(json!({"status": ready()}));
    leaving["metadata"]["deletionTimestamp"] = json!(ago(-20));
    assert_eq!(check(standard([leaving]), &[]).await.verdict, "terminating");
    let done = pod(
        json!({"status": {"phase": "Succeeded", "containerStatuses": app(terminated("Completed", 0, 5), json!({}), 0)}}),
    );
    assert_eq!(check(standard([done]), &[]).await.verdict, "finished");
}

#[tokio::test]
async fn a_pod_that_came_back_is_told_with_what_happened() {
    let mut status = ready();
    status["containerStatuses"][0]["restartCount"] = json!(1);
    status["containerStatuses"][0]["lastState"] = terminated("OOMKilled", 137, 300);
    let it = pod(
        json!({"spec": {"containers": [{"name": "app", "image": "i", "resources": {"limits": {"memory": "1Gi"}}}]}, "status": status}),
    );
    assert_eq!(check(standard([it.clone()]), &["oom_kill"]).await.verdict, "restarted");
    // What happened before breakfast is history.
    let mut old = it;
    old["status"]["containerStatuses"][0]["lastState"]["terminated"]["finishedAt"] = json!(ago(9_000));
    assert_eq!(check(standard([old]), &[]).await.verdict, "well");
}

#[tokio::test]
async fn deletions_that_do_not_end_are_told() {
    let mut held = pod(
        json!({"metadata": {"finalizers": ["example.com/backup"]}, "status": {"containerStatuses": app(terminated("Completed", 0, 5), json!({}), 0)}}),
    );
    held["metadata"]["deletionTimestamp"] = json!(ago(900));
    check(standard([held]), &["finalizer_stuck"]).await;
    let mut stuck = pod(json!({"status": ready()}));
    stuck["metadata"]["deletionTimestamp"] = json!(ago(900));
    stuck["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    check(standard([stuck]), &["terminating_stuck"]).await;
}
