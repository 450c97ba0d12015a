//! Rollouts during which nothing can be available: quiet while they get on, told when they do not.

use serde_json::{Value, json};

use super::{ago, check, found, pod, silent};

/// A Deployment `shop/web` that is down for so long.
fn deployment(strategy: &str, reason: &str, updated: i64, down: i64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "generation": 4, "creationTimestamp": ago(90_000)},
        "spec": {"replicas": 1, "progressDeadlineSeconds": 300, "strategy": {"type": strategy},
            "selector": {"matchLabels": {"app": "web"}}},
        "status": {"observedGeneration": 4, "replicas": updated, "updatedReplicas": updated, "unavailableReplicas": 1,
            "conditions": [{"type": "Progressing", "status": "True", "reason": reason, "lastTransitionTime": ago(90_000)},
                {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "lastTransitionTime": ago(down)}]}})
}

/// Its ReplicaSet, a Service before it with the endpoint of its pod, and the pod, as old as that, in this state.
fn behind(age: i64, state: Value) -> Vec<Value> {
    let owner = |kind: &str, name: &str| {
        json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true,
        "uid": "22222222-2222-2222-2222-222222222222"}])
    };
    let phase = if state["waiting"].is_null() { "Running" } else { "Pending" };
    let mut starting = pod(
        age,
        json!({"name": "app", "image": "i"}),
        json!({"phase": phase, "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": ago(age)}],
            "containerStatuses": [{"name": "app", "ready": false, "started": true, "restartCount": 0, "state": state}]}),
    );
    starting["metadata"]["labels"] = json!({"app": "web"});
    starting["metadata"]["ownerReferences"] = owner("ReplicaSet", "web-2");
    vec![
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-2", "namespace": "shop",
            "creationTimestamp": ago(age), "ownerReferences": owner("Deployment", "web")}, "spec": {"replicas": 1}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop",
            "creationTimestamp": ago(90_000)}, "spec": {"selector": {"app": "web"}}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}]}),
        starting,
    ]
}

fn runs(age: i64) -> Value {
    json!({"running": {"startedAt": ago(age)}})
}

fn with(deployment: Value, mut behind: Vec<Value>) -> Vec<Value> {
    behind.insert(0, deployment);
    behind
}

fn codes(objects: &[Value]) -> Vec<&'static str> {
    found(objects).iter().map(|issue| issue.code).collect()
}

#[test]
fn a_rollout_that_ends_the_old_pods_first_is_quiet_until_its_deadline() {
    // The old pod still ends: the condition speaks of the rollout before.
    silent(&[deployment("Recreate", "NewReplicaSetAvailable", 0, 75)]);
    silent(&with(deployment("Recreate", "ReplicaSetUpdated", 1, 75), behind(70, runs(60))));
    // What needs minutes to start is no fault of the Service either.
    silent(&with(deployment("Recreate", "ReplicaSetUpdated", 1, 175), behind(170, runs(160))));
    let late = codes(&with(deployment("Recreate", "ReplicaSetUpdated", 1, 301), behind(298, runs(290))));
    assert_eq!(late, ["deployment_unavailable", "service_without_endpoints"]);
    let mut stuck = deployment("Recreate", "ProgressDeadlineExceeded", 1, 200);
    stuck["status"]["conditions"][0]["status"] = json!("False");
    assert_eq!(codes(&with(stuck, behind(190, runs(180)))), ["rollout_stuck", "service_without_endpoints"]);
}

#[test]
fn one_whose_new_pods_fail_is_told_with_its_cause() {
    let pull = json!({"waiting": {"reason": "ImagePullBackOff", "message": r#"Back-off pulling image "i": not found"#}});
    let all = found(&with(deployment("Recreate", "ReplicaSetUpdated", 1, 175), behind(170, pull)));
    let told: Vec<_> = crate::detectors::fold(all)
        .into_iter()
        .map(|finding| (finding.issue.object.to_string(), finding.issue.code, finding.also))
        .collect();
    assert_eq!(
        told,
        [
            ("Deployment shop/web".to_owned(), "image_pull", vec!["deployment_unavailable"]),
            ("Service shop/web".to_owned(), "service_without_endpoints", vec![]),
        ]
    );
}

#[test]
fn what_is_down_without_a_rollout_is_told_after_a_minute() {
    for strategy in ["Recreate", "RollingUpdate"] {
        silent(&[deployment(strategy, "NewReplicaSetAvailable", 1, 60)]);
        check(
            &[deployment(strategy, "NewReplicaSetAvailable", 1, 61)],
            "deployment_unavailable",
            &["0 of 1"],
        );
    }
    // A rolling update keeps what the strategy asks for.
    check(&[deployment("RollingUpdate", "ReplicaSetUpdated", 1, 61)], "deployment_unavailable", &[]);
}

#[test]
fn growth_from_nothing_is_quiet_until_the_deadline() {
    let event = |at: i64, message: &str| {
        json!({"apiVersion": "v1", "kind": "Event", "type": "Normal", "reason": "ScalingReplicaSet", "message": message,
            "metadata": {"name": "web.1", "namespace": "shop", "uid": "99999999-9999-9999-9999-999999999999"},
            "involvedObject": {"kind": "Deployment", "namespace": "shop", "name": "web"},
            "firstTimestamp": ago(at), "lastTimestamp": ago(at)})
    };
    let grown = |down: i64, event: Value| {
        let mut all =
            with(deployment("RollingUpdate", "NewReplicaSetAvailable", 1, down), behind(down, runs(down)));
        all.push(event);
        codes(&all)
    };
    let from_none = "Scaled up replica set web-2 from 0 to 1";
    assert!(grown(175, event(176, from_none)).is_empty());
    let both = ["deployment_unavailable", "service_without_endpoints"];
    // Each new ReplicaSet of a rollout grows from 0, and what serves nothing by that is down.
    let mut rolling = with(deployment("RollingUpdate", "ReplicaSetUpdated", 1, 175), behind(30, runs(20)));
    rolling.push(event(30, from_none));
    assert_eq!(codes(&rolling), ["deployment_unavailable"]);
    // They come up one after the other.
    let mut second =
        with(deployment("RollingUpdate", "NewReplicaSetAvailable", 2, 175), behind(175, runs(175)));
    second[0]["spec"]["replicas"] = json!(2);
    second[0]["status"]["availableReplicas"] = json!(1);
    second.push(event(176, "Scaled up replica set web-2 from 0 to 2"));
    assert!(codes(&second).is_empty());
    // Other growth, growth long before, and time that is over excuse nothing.
    assert_eq!(grown(175, event(176, "Scaled up replica set web-2 from 1 to 2")), both);
    assert_eq!(grown(175, event(3_000, from_none)), both);
    let late = ["deployment_unavailable", "service_without_endpoints", "pod_not_ready"];
    assert_eq!(grown(301, event(302, from_none)), late);
}

#[test]
fn a_service_waits_for_the_first_rollout_of_its_pods() {
    let mut new = deployment("RollingUpdate", "ReplicaSetUpdated", 1, 175);
    new["metadata"]["creationTimestamp"] = json!(ago(176));
    silent(&with(new.clone(), behind(175, runs(170))));
    new["metadata"]["creationTimestamp"] = json!(ago(301));
    assert_eq!(
        codes(&with(new, behind(175, runs(170)))),
        ["deployment_unavailable", "service_without_endpoints"]
    );
}
