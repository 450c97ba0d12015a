//! Detectors on rows made from objects, with the clock stopped: what is named, in which words, and what is not.

use aiops_inventory::{Change, Inventory, Kind, Sync};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{View, fold, issues};
use crate::issue::{Issue, Object, Severity};

mod early;
mod rollouts;

const NOW: i64 = 1_790_000_000;

fn ago(seconds: i64) -> String {
    Timestamp::from_second(NOW - seconds).unwrap().to_string()
}

fn found(objects: &[Value]) -> Vec<Issue> {
    let mut inventory = Inventory::with_event_capacity(1_000);
    for kind in Kind::ALL {
        inventory.set_sync(kind, Sync::Synced);
    }
    for object in objects {
        let kind =
            Kind::of_manifest(object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap())
                .unwrap();
        inventory.apply(kind, Change::Applied(object.to_string().as_bytes())).unwrap();
    }
    issues(View { inventory: &inventory, now: NOW, namespace: None })
}

/// Wants exactly one issue of this code, whose sentence has these words, documented in the table.
fn check(objects: &[Value], code: &str, words: &[&str]) -> Issue {
    let mut found = found(objects);
    assert_eq!(found.iter().map(|i| i.code).collect::<Vec<_>>(), [code], "{found:?}");
    let issue = found.remove(0);
    for word in words {
        assert!(issue.what.contains(word), "{word:?} is not in {:?}", issue.what);
    }
    let documented = include_str!("../../../../docs/issues.md").contains(&format!("`{code}`"));
    assert!(documented, "{code} is not in docs/issues.md");
    issue
}

fn silent(objects: &[Value]) {
    let found = found(objects);
    assert!(found.is_empty(), "{found:?}");
}

fn pod(age: i64, spec: Value, status: Value) -> Value {
    let mut status = status;
    if status["startTime"].is_null() {
        status["startTime"] = json!(ago(age));
    }
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop", "uid": "11111111-1111-1111-1111-111111111111", "creationTimestamp": ago(age)},
        "spec": {"nodeName": "n1", "containers": [spec]}, "status": status})
}

fn waiting(age: i64, spec: Value, reason: &str, message: &str, last: Value) -> Value {
    pod(
        age,
        spec,
        json!({"phase": "Pending", "containerStatuses": [{"name": "app", "ready": false, "started": false, "restartCount": 5,
        "state": {"waiting": {"reason": reason, "message": message}}, "lastState": last}]}),
    )
}

fn crashing(spec: Value, reason: &str, exit_code: i32, message: &str) -> Value {
    let last = json!({"terminated": {"reason": reason, "exitCode": exit_code, "message": message, "startedAt": ago(90), "finishedAt": ago(60)}});
    let mut pod = waiting(600, spec, "CrashLoopBackOff", "back-off 5m0s restarting failed container", last);
    pod["status"]["phase"] = json!("Running");
    pod
}

fn warning(kind: &str, name: &str, reason: &str, message: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": reason, "message": message,
        "metadata": {"name": format!("{name}.{reason}"), "namespace": "shop", "uid": "99999999-9999-9999-9999-999999999999"},
        "involvedObject": {"kind": kind, "namespace": "shop", "name": name}, "firstTimestamp": ago(200), "lastTimestamp": ago(30)})
}

#[test]
fn crash_loops_are_told_apart_in_words() {
    let app = || json!({"name": "app", "image": "i"});
    let exec = r#"failed to create containerd task: OCI runtime create failed: exec: "/bin/nope": stat /bin/nope: no such file or directory"#;
    check(
        &[crashing(app(), "StartError", 128, exec)],
        "crash_loop",
        &["by its command", "exec: \"/bin/nope\"", "no such file"],
    );
    check(&[waiting(60, app(), "RunContainerError", exec, json!({}))], "crash_loop", &["by its command"]);
    let key = "couldn't find key URL in ConfigMap shop/config";
    check(&[waiting(60, app(), "CreateContainerConfigError", key, json!({}))], "container_config", &[key]);
    let probed = json!({"name": "app", "image": "i", "livenessProbe": {"tcpSocket": {"port": 1}}});
    let unhealthy =
        warning("Pod", "p", "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 404");
    check(
        &[crashing(probed, "Error", 137, ""), unhealthy],
        "crash_loop",
        &["by a failing liveness probe", "404"],
    );
    let limited = json!({"name": "app", "image": "i", "resources": {"limits": {"memory": "128Mi"}}});
    check(&[crashing(limited, "OOMKilled", 137, "")], "oom_kill", &["memory limit of 128 MiB"]);
    check(&[crashing(app(), "Error", 2, "")], "crash_loop", &["exit code 2"]);
    let image = r#"Back-off pulling image "i": ErrImagePull: i: not found"#;
    check(
        &[waiting(60, app(), "ImagePullBackOff", image, json!({}))],
        "image_pull",
        &["does not have the image"],
    );
}

#[test]
fn pending_pods_name_the_reason_that_decides() {
    for (message, code) in [
        (
            "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu.",
            "insufficient_cpu",
        ),
        ("0/3 nodes are available: 3 node(s) had untolerated taint(s).", "untolerated_taint"),
        (
            "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
            "node_affinity_mismatch",
        ),
        (
            "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.",
            "pod_anti_affinity_conflict",
        ),
        ("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "pvc_pending"),
    ] {
        let mut it = pod(
            300,
            json!({"name": "app", "image": "i"}),
            json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": ago(299)}]}),
        );
        it["spec"]["nodeName"] = json!(null);
        check(std::slice::from_ref(&it), "pod_unschedulable", &[code, message]);
        it["metadata"]["creationTimestamp"] = json!(ago(5));
        it["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(5));
        silent(&[it]);
    }
}

#[test]
fn workloads_without_pods_are_told_from_their_events() {
    let set = |replicas: i64| {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop", "creationTimestamp": ago(900)},
        "spec": {"replicas": 2}, "status": {"replicas": replicas}})
    };
    let refused = warning(
        "StatefulSet",
        "db",
        "FailedCreate",
        r#"create Pod db-0 in StatefulSet db failed error: pods "db-0" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=2, limited: pods=2"#,
    );
    let issue =
        check(&[set(0), refused.clone()], "quota_exceeded", &["0 of 2 pods", "exceeded quota: compute"]);
    assert_eq!(
        (issue.severity, issue.object.to_string().as_str()),
        (Severity::Critical, "StatefulSet shop/db")
    );
    silent(&[set(2), refused]);
    silent(&[set(1)]);
}

#[test]
fn what_is_slow_is_told_with_the_kubelets_words() {
    let app = json!({"name": "app", "image": "i"});
    let creating = |age| waiting(age, app.clone(), "ContainerCreating", "", json!({}));
    let mount = || {
        warning(
            "Pod",
            "p",
            "FailedMount",
            r#"MountVolume.SetUp failed for volume "c" : configmap "settings" not found"#,
        )
    };
    check(&[creating(90), mount()], "pod_start_slow", &["settings", "not found"]);
    silent(&[creating(30), mount()]);
    silent(&[creating(90)]);
    check(&[creating(400)], "pod_start_slow", &[]);
    let unready = |age: i64| {
        pod(
            age,
            app.clone(),
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": ago(age)}],
        "containerStatuses": [{"name": "app", "ready": false, "started": true, "restartCount": 0, "state": {"running": {"startedAt": ago(age)}}}]}),
        )
    };
    let probe = || {
        warning(
            "Pod",
            "p",
            "Unhealthy",
            "Readiness probe failed: dial tcp 10.1.2.3:9090: connect: connection refused",
        )
    };
    check(&[unready(200), probe()], "pod_not_ready", &["connection refused"]);
    silent(&[unready(100), probe()]);
    silent(&[unready(200)]);
}

/// A pod of such an owner that is not ready since long: its main container as it is said, beside one that runs.
fn half_done(owner: (&str, &str), state: &Value) -> Value {
    let mut it = pod(
        900,
        json!({"name": "main", "image": "i"}),
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady",
            "lastTransitionTime": ago(700)}],
        "containerStatuses": [
            {"name": "main", "ready": false, "started": false, "restartCount": 0, "state": state},
            {"name": "proxy", "ready": true, "started": true, "restartCount": 0, "state": {"running": {"startedAt": ago(899)}}}]}),
    );
    it["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "proxy", "image": "p"}));
    let (api, kind) = owner;
    it["metadata"]["ownerReferences"] = json!([{"apiVersion": api, "kind": kind, "name": "o", "controller": true,
        "uid": "22222222-2222-2222-2222-222222222222"}]);
    it
}

#[test]
fn a_jobs_pod_of_which_a_container_has_ended_well_is_quiet() {
    let ended = json!({"terminated": {"reason": "Completed", "exitCode": 0, "startedAt": ago(899), "finishedAt": ago(700)}});
    let runs = json!({"running": {"startedAt": ago(899)}});
    let (job, set) = (("batch/v1", "Job"), ("apps/v1", "ReplicaSet"));
    silent(&[half_done(job, &ended)]);
    // One of which nothing has ended is as slow as any other, and a container of a ReplicaSet's pod is not to end.
    check(&[half_done(job, &runs)], "pod_not_ready", &["runs but is not ready: main"]);
    check(&[half_done(set, &ended)], "pod_not_ready", &["runs but is not ready: main"]);
}

#[test]
fn disruption_budgets_that_block() {
    let budget = |allowed: i64, healthy: i64, desired: i64| {
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": "shop", "generation": 1}, "spec": {"minAvailable": desired, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": 2, "observedGeneration": 1}})
    };
    check(&[budget(0, 2, 2)], "pdb_deadlock", &["no disruption"]);
    silent(&[budget(1, 2, 1)]);
    let mut unready = pod(
        900,
        json!({"name": "app", "image": "i"}),
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": ago(280)}],
        "containerStatuses": [{"name": "app", "ready": false, "started": true, "restartCount": 0, "state": {"running": {"startedAt": ago(900)}}}]}),
    );
    unready["metadata"]["labels"] = json!({"app": "web"});
    silent(&[budget(0, 0, 1), unready.clone()]);
    unready["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(400));
    let codes: Vec<_> = found(&[budget(0, 0, 1), unready]).iter().map(|i| i.code).collect();
    assert_eq!(codes, ["pod_not_ready", "pdb_blocked"]);
}

#[test]
fn a_rolling_update_is_silent() {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "generation": 4, "creationTimestamp": ago(90_000)},
        "spec": {"replicas": 3}, "status": {"observedGeneration": 4, "replicas": 4, "updatedReplicas": 1, "readyReplicas": 3, "availableReplicas": 3, "unavailableReplicas": 1,
        "conditions": [{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "lastTransitionTime": ago(90_000)},
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "lastTransitionTime": ago(90_000)}]}});
    let app = json!({"name": "app", "image": "i", "readinessProbe": {"tcpSocket": {"port": 1}}});
    let mut new = pod(
        20,
        app.clone(),
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": ago(19)}],
        "containerStatuses": [{"name": "app", "ready": false, "started": true, "restartCount": 0, "state": {"running": {"startedAt": ago(15)}}}]}),
    );
    new["metadata"]["name"] = json!("new");
    let mut leaving = pod(
        90_000,
        app,
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": ago(3)}],
        "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0, "state": {"terminated": {"reason": "Error", "exitCode": 143, "finishedAt": ago(2)}}}]}),
    );
    leaving["metadata"]["deletionTimestamp"] = json!(ago(-25));
    silent(&[
        deployment,
        new,
        leaving,
        warning("Pod", "new", "Unhealthy", "Readiness probe failed: connection refused"),
    ]);
}

#[test]
fn a_consequence_stands_beside_its_cause_and_keeps_its_weight() {
    let issue = |code, severity, name: &str| {
        Issue::new(code, severity, Object::new("Deployment", "shop".into(), name.into()), None, "what")
    };
    let found = fold(vec![
        issue("deployment_unavailable", Severity::Critical, "checkout"),
        issue("rollout_stuck", Severity::Critical, "alone"),
        issue("oom_kill", Severity::High, "other"),
        issue("crash_loop", Severity::High, "checkout"),
        issue("image_pull", Severity::High, "checkout"),
        issue("rollout_stuck", Severity::High, "checkout"),
    ]);
    let told: Vec<_> = found
        .iter()
        .map(|f| (f.severity, f.issue.object.name.as_str(), f.issue.code, f.also.as_slice()))
        .collect();
    let nothing: &[&str] = &[];
    assert_eq!(
        told,
        [
            (Severity::Critical, "alone", "rollout_stuck", nothing),
            (Severity::Critical, "checkout", "crash_loop", &["deployment_unavailable", "rollout_stuck"]),
            (Severity::High, "checkout", "image_pull", nothing),
            (Severity::High, "other", "oom_kill", nothing),
        ]
    );
}

#[test]
fn a_service_is_not_blamed_while_its_pods_are_unknown() {
    let meta = json!({"name": "web", "namespace": "shop", "creationTimestamp": ago(3_600)});
    let objects = [
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {"app": "web"}}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}]}),
    ];
    for (pods, blamed) in [(Sync::Warming, 0), (Sync::Synced, 1)] {
        let mut inventory = Inventory::with_event_capacity(100);
        inventory.set_sync(Kind::Pod, pods);
        for (kind, object) in [Kind::Service, Kind::EndpointSlice].into_iter().zip(&objects) {
            inventory.set_sync(kind, Sync::Synced);
            inventory.apply(kind, Change::Applied(object.to_string().as_bytes())).unwrap();
        }
        let found = issues(View { inventory: &inventory, now: NOW, namespace: None });
        assert_eq!(
            found.iter().filter(|i| i.code == "service_without_endpoints").count(),
            blamed,
            "{found:?}"
        );
    }
}
