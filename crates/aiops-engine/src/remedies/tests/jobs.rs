//! Pods of Jobs: which hang, and which a Job can spare.

use serde_json::{Value, json};

use super::{super::*, fits, misfits, node};
use crate::{
    guard::OPT_OUT,
    planner::fixtures::{self, World},
};

fn job(reason: &str) -> World {
    let world = World::empty();
    world.put(
        "jobs",
        json!({"metadata": {"name": "nightly", "namespace": "shop", "uid": "u-job"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}}, "status": {"active": 1}}),
    );
    let mut pod = fixtures::pod("nightly-x", "web-2");
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "nightly", "uid": "u-job", "controller": true}]);
    fixtures::trouble(&mut pod, reason);
    world.put("pods", pod);
    world
}

#[tokio::test]
async fn pods_that_hold_a_job_up_are_deleted() {
    let draft = fits(job("RunContainerError"), "Job", "nightly", "delete-stuck-job-pods").await;
    assert!(
        matches!(&draft.moves[0].action, Action::DeletePod { target } if target.uid.as_deref() == Some("u-nightly-x"))
    );
    // A new pod would meet the same registry.
    misfits(job("ImagePullBackOff"), "Job", "nightly", "delete-stuck-job-pods", "hangs").await;
    let over = job("RunContainerError");
    over.edit("jobs", "nightly", |job| {
        job["status"]["conditions"] = json!([{"type": "Failed", "status": "True"}]);
    });
    misfits(over, "Job", "nightly", "delete-stuck-job-pods", "over (Failed)").await;
    misfits(World::crashing(), "Deployment", "web", "delete-stuck-job-pods", "").await;
}

#[tokio::test]
async fn a_job_that_would_fail_for_good_keeps_its_stuck_pods() {
    let with = |spec: Value, status: Value| {
        let world = job("RunContainerError");
        world.edit("jobs", "nightly", |job| {
            for (key, value) in spec.as_object().unwrap() {
                job["spec"][key] = value.clone();
            }
            for (key, value) in status.as_object().unwrap() {
                job["status"][key] = value.clone();
            }
        });
        world
    };
    let uncounted = json!({"failed": 1, "uncountedTerminatedPods": {"failed": ["u-1"]}});
    for (spec, status, part) in [
        (json!({"backoffLimit": 0}), json!({}), "would be 1, and its backoffLimit is 0"),
        (json!({}), json!({"failed": 6}), "would be 7, and its backoffLimit is 6"),
        (json!({"backoffLimit": 2}), uncounted, "2 pods of Job shop/nightly failed already"),
        (json!({"podFailurePolicy": {"rules": []}}), json!({}), "has a podFailurePolicy"),
        (
            json!({"backoffLimitPerIndex": 3, "completionMode": "Indexed"}),
            json!({}),
            "has a backoffLimitPerIndex",
        ),
    ] {
        misfits(with(spec.clone(), status.clone()), "Job", "nightly", "delete-stuck-job-pods", part).await;
        // Nor by name.
        let delete = Action::DeletePod { target: fixtures::problem("Pod", "nightly-x", "").target };
        let why = fixtures::refused(with(spec, status).order("Pod", "nightly-x", delete).await.unwrap());
        assert!(why.contains(part), "{part}: {why}");
    }
    fits(with(json!({"backoffLimit": 1}), json!({})), "Job", "nightly", "delete-stuck-job-pods").await;
    let null = json!({"podFailurePolicy": null, "backoffLimit": 3});
    fits(with(null, json!({"failed": 2})), "Job", "nightly", "delete-stuck-job-pods").await;
}

/// The Job's pod runs since before its Ready went: `main` as it is said, beside a helper that runs on.
fn beside_a_helper(main: Value) -> World {
    let world = job("RunContainerError");
    world.edit("pods", "nightly-x", |pod| {
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False", "reason": "ContainersNotReady",
            "lastTransitionTime": "2026-01-01T11:55:20Z"}]);
        pod["status"]["containerStatuses"] = json!([
            {"name": "main", "ready": false, "restartCount": 0, "state": main},
            {"name": "istio-proxy", "ready": true, "restartCount": 0, "state": {"running": {}}},
        ]);
    });
    world
}

fn ended(code: i64) -> Value {
    let end = json!({"exitCode": code, "reason": "Completed", "finishedAt": "2026-01-01T11:55:20Z"});
    json!({"terminated": end})
}

#[tokio::test]
async fn a_jobs_pod_whose_work_is_done_does_not_hang_and_is_not_deleted() {
    let part = "no pod of Job shop/nightly hangs on its node";
    misfits(beside_a_helper(ended(0)), "Job", "nightly", "delete-stuck-job-pods", part).await;
    let why = fixtures::refused(beside_a_helper(ended(0)).plan("Job", "nightly", "job_stuck").await);
    assert!(why.contains(part), "{why}");
    // The helper may be what has ended, and the work goes on.
    let other = beside_a_helper(json!({"running": {}}));
    other.edit("pods", "nightly-x", |pod| pod["status"]["containerStatuses"][1]["state"] = ended(0));
    misfits(other, "Job", "nightly", "delete-stuck-job-pods", part).await;
}

#[tokio::test]
async fn a_jobs_pod_that_runs_and_is_not_ready_hangs_where_nothing_of_it_has_ended_well() {
    let twin = || beside_a_helper(json!({"running": {}}));
    fits(twin(), "Job", "nightly", "delete-stuck-job-pods").await;
    let plan = fixtures::made(twin().plan("Job", "nightly", "job_stuck").await);
    assert_eq!(plan.remedy, "delete-stuck-job-pods");
    // Nor is an end an excuse in a pod of a ReplicaSet: nothing of that is to end.
    let of_set = beside_a_helper(ended(0));
    of_set
        .edit("pods", "nightly-x", |pod| pod["metadata"]["ownerReferences"][0]["kind"] = json!("ReplicaSet"));
    let near = of_set.near("Pod", "nightly-x", "unspecified").await;
    assert_eq!(near.pods[0].trouble.as_ref().map(|trouble| &*trouble.reason), Some("NotReady"));
}

/// The Job may have so many failures.
fn with_limit(world: World, backoff: i64) -> World {
    world.edit("jobs", "nightly", |job| job["spec"]["backoffLimit"] = json!(backoff));
    world
}

#[tokio::test]
async fn an_eviction_that_its_job_cannot_spare_is_not_planned() {
    let evict = || Action::EvictPod { target: fixtures::problem("Pod", "nightly-x", "").target };
    let world = || job("RunContainerError");
    let planned = with_limit(world(), 0).order("Pod", "nightly-x", evict()).await.unwrap();
    let why = fixtures::refused(planned);
    assert!(
        why.contains(
            "0 pods of Job shop/nightly failed already, 1 more would be 1, and its backoffLimit is 0"
        ),
        "{why}"
    );
    fixtures::made(with_limit(world(), 1).order("Pod", "nightly-x", evict()).await.unwrap());
    // What asks to be left alone is said before.
    let left = with_limit(world(), 1);
    left.edit("pods", "nightly-x", |pod| pod["metadata"]["annotations"][OPT_OUT] = json!("true"));
    let why = fixtures::refused(left.order("Pod", "nightly-x", evict()).await.unwrap());
    assert!(why.contains("asks to be left alone"), "{why}");
}

/// A node with so many well pods of a Job with this backoffLimit.
fn on_node(pods: &[&str], backoff: i64) -> World {
    let world = node(|_| ());
    world.put(
        "jobs",
        json!({"metadata": {"name": "nightly", "namespace": "shop", "uid": "u-job"},
            "spec": {"backoffLimit": backoff}, "status": {}}),
    );
    for name in pods {
        let mut pod = fixtures::pod(name, "web-2");
        pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "nightly", "uid": "u-job", "controller": true}]);
        world.put("pods", pod);
    }
    world
}

#[tokio::test]
async fn a_drain_takes_no_more_pods_of_a_job_than_it_can_spare() {
    let part = "pod shop/nightly-a is not taken away: 0 pods of Job shop/nightly failed already, 1 more would be 1, and \
        its backoffLimit is 0";
    misfits(on_node(&["nightly-a"], 0), "Node", "node-1", "drain-node", part).await;
    fits(on_node(&["nightly-a"], 1), "Node", "node-1", "drain-node").await;
    let part = "pod shop/nightly-b is not taken away: 0 pods of Job shop/nightly failed already, 2 more would be 2, and \
        its backoffLimit is 1";
    misfits(on_node(&["nightly-a", "nightly-b"], 1), "Node", "node-1", "drain-node", part).await;
    fits(on_node(&["nightly-a", "nightly-b"], 2), "Node", "node-1", "drain-node").await;
    // One that has ended goes nowhere, and one that went failed already.
    let over = on_node(&["nightly-a", "nightly-b"], 1);
    over.edit("pods", "nightly-b", |pod| pod["status"]["phase"] = json!("Succeeded"));
    fits(over, "Node", "node-1", "drain-node").await;
    let failed = on_node(&["nightly-a"], 1);
    failed.edit("jobs", "nightly", |job| job["status"]["failed"] = json!(1));
    misfits(failed, "Node", "node-1", "drain-node", "1 pods of Job shop/nightly failed already").await;
}
