//! What is worth saying and too early for an incident.

use serde_json::{Value, json};

use super::{ago, check, crashing, found, pod, warning};
use crate::issue::Issue;

/// A pod whose container ended a second ago and was restarted so often before.
fn ended(reason: &str, exit_code: i32, restarts: i64) -> Value {
    let state = json!({"terminated": {"reason": reason, "exitCode": exit_code, "startedAt": ago(20), "finishedAt": ago(1)}});
    pod(
        60,
        json!({"name": "app", "image": "i"}),
        json!({"phase": "Running", "containerStatuses": [{"name": "app", "ready": false, "started": false,
            "restartCount": restarts, "state": state}]}),
    )
}

#[test]
fn a_container_is_in_a_loop_from_its_second_restart_or_when_the_kubelet_says_so() {
    for restarts in 0..2 {
        let issue = check(&[ended("Error", 1, restarts)], "crash_loop", &["exit code 1"]);
        assert!(issue.is_early, "{restarts}");
    }
    assert!(!check(&[ended("Error", 1, 2)], "crash_loop", &[]).is_early);
    // A container that waits for an init container is not held back itself.
    let mut init = ended("Error", 1, 0);
    let of_init = init["status"]["containerStatuses"].take();
    init["status"]["initContainerStatuses"] = of_init;
    init["status"]["containerStatuses"] = json!([{"name": "app", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "PodInitializing"}}}]);
    init["spec"]["initContainers"] = json!([{"name": "app", "image": "i"}]);
    init["status"]["phase"] = json!("Pending");
    assert!(check(&[init], "crash_loop", &[]).is_early);
    let mut first = crashing(json!({"name": "app", "image": "i"}), "Error", 2, "");
    first["status"]["containerStatuses"][0]["restartCount"] = json!(1);
    assert!(!check(&[first], "crash_loop", &[]).is_early, "CrashLoopBackOff");
    assert!(!check(&[ended("OOMKilled", 137, 0)], "oom_kill", &[]).is_early);
}

#[test]
fn a_quota_is_full_at_once_when_it_refuses_somebody() {
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "compute", "namespace": "shop"},
        "spec": {"hard": {"pods": "2"}}, "status": {"hard": {"pods": "2"}, "used": {"pods": "2"}}});
    assert!(check(std::slice::from_ref(&quota), "quota_full", &["pods"]).is_early);
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "shop", "creationTimestamp": ago(900)},
        "spec": {"replicas": 2}, "status": {"replicas": 1}});
    let refused = |by: &str| {
        let why = format!(
            "create Pod db-1 in StatefulSet db failed error: pods \"db-1\" is forbidden: exceeded quota: {by}, requested: pods=1"
        );
        let all = found(&[quota.clone(), set.clone(), warning("StatefulSet", "db", "FailedCreate", &why)]);
        let of = |code: &str| all.iter().find(|i: &&Issue| i.code == code).unwrap().is_early;
        (of("quota_full"), of("quota_exceeded"))
    };
    assert_eq!(refused("compute"), (false, false));
    assert_eq!(refused("another"), (true, false));
}

#[test]
fn an_autoscaler_at_its_limit_is_told_and_not_yet_an_incident() {
    let scaler = |since: i64| {
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
            "status": {"conditions": [{"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas",
                "lastTransitionTime": ago(since)}]}})
    };
    // The condition may have been true for another reason before.
    for since in [1, 90_000] {
        assert!(check(&[scaler(since)], "hpa_at_limit", &["maximum of 5"]).is_early);
    }
}

#[test]
fn of_many_pods_one_that_loops_is_enough() {
    let mut other = ended("Error", 1, 4);
    other["metadata"]["name"] = json!("q");
    other["metadata"]["uid"] = json!("33333333-3333-3333-3333-333333333333");
    let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "controller": true,
        "uid": "22222222-2222-2222-2222-222222222222"}]);
    let mut once = ended("Error", 1, 0);
    for pod in [&mut once, &mut other] {
        pod["metadata"]["ownerReferences"] = owner.clone();
    }
    let issue = check(&[once, other], "crash_loop", &[]);
    assert_eq!((issue.count, issue.is_early), (2, false));
}
