//! Containers that do not start, end, or are not ready.

use serde_json::json;

use super::*;
use crate::diagnose::Confidence;

const NO_PROGRAM: &str = r#"failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "/bin/nope": stat /bin/nope: no such file or directory"#;

fn bad_command() -> Value {
    json!({"terminated": {"reason": "StartError", "exitCode": 128, "message": NO_PROGRAM, "startedAt": "1970-01-01T00:00:00Z", "finishedAt": ago(60)}})
}

fn with_probe(kind: &str) -> Value {
    json!({"name": "app", "image": "i", "ports": [{"containerPort": 8080, "name": "http"}], kind: {"httpGet": {"path": "/healthz", "port": 8080},
        "periodSeconds": 5, "failureThreshold": 3}})
}

#[tokio::test]
async fn the_four_crash_loops_are_told_apart() {
    let bad = pod(json!({
        "spec": {"containers": [{"name": "app", "image": "i", "command": ["/bin/nope"]}]},
        "status": {"containerStatuses": app(back_off(), bad_command(), 6)}
    }));
    let found = check(standard([bad]), &["bad_command"]).await;
    assert_eq!(found.causes[0].confidence, Confidence::Certain);
    assert!(
        found.causes[0].what.contains("\"/bin/nope\" does not exist in the image (6 restarts): exec: \"/bin/nope\": stat /bin/nope: no such file or directory"),
        "{}",
        found.causes[0].what
    );

    let key = pod(json!({
        "spec": {"containers": [{"name": "app", "image": "i", "env": [{"name": "DATABASE_URL",
            "valueFrom": {"configMapKeyRef": {"name": "config", "key": "DATABASE_URL"}}}]}]},
        "status": {"phase": "Pending", "containerStatuses":
            app(waiting("CreateContainerConfigError", "couldn't find key DATABASE_URL in ConfigMap shop/config"), json!({}), 0)}
    }));
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config", "namespace": "shop"},
        "data": {"DATABASE_URI": "postgres://u:hunter2@db/x"}});
    let found = check(standard([key, config]), &["config_key_missing"]).await;
    assert!(found.causes[0].what.contains("did you mean DATABASE_URI?"), "{}", found.causes[0].what);
    assert!(!serde_json::to_string(&found).unwrap().contains("hunter2"));

    let probed = pod(json!({
        "spec": {"containers": [with_probe("livenessProbe")]},
        "status": {"containerStatuses": app(back_off(), terminated("Error", 137, 25), 5)}
    }));
    let unhealthy =
        event("p.a", "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500");
    let killing = event("p.bb", "Killing", "Container app failed liveness probe, will be restarted");
    let found = check(standard([probed, unhealthy, killing]), &["liveness_probe_failing"]).await;
    assert_eq!(found.causes[0].confidence, Confidence::Certain);
    assert!(
        found.causes[0].what.contains("HTTP /healthz on port 8080, 3 failures 5 s apart"),
        "{}",
        found.causes[0].what
    );

    let oom = pod(json!({
        "spec": {"containers": [{"name": "app", "image": "i", "resources": {"limits": {"memory": "64Mi"}}}]},
        "status": {"containerStatuses": app(back_off(), terminated("OOMKilled", 137, 90), 5)}
    }));
    let found = check(standard([oom]), &["oom_kill"]).await;
    assert!(found.causes[0].what.contains("64Mi"), "{}", found.causes[0].what);
    assert_eq!(found.verdict, "unwell");
}

#[tokio::test]
async fn a_probe_and_a_lack_of_memory_both_end_with_137() {
    let probe = with_probe("livenessProbe");
    let status = |reason| json!({"spec": {"containers": [probe.clone()]}, "status": {"containerStatuses": app(back_off(), terminated(reason, 137, 25), 5)}});
    check(standard([pod(status("OOMKilled"))]), &["node_out_of_memory"]).await;
    let without_events = check(standard([pod(status("Error"))]), &["liveness_probe_failing"]).await;
    assert_eq!(without_events.causes[0].confidence, Confidence::Possible);
    let no_probe =
        pod(json!({"status": {"containerStatuses": app(back_off(), terminated("Error", 137, 25), 5)}}));
    check(standard([no_probe]), &["container_killed"]).await;
}

#[tokio::test]
async fn a_startup_probe_is_not_a_liveness_probe() {
    let startup = pod(json!({
        "spec": {"containers": [with_probe("startupProbe")]},
        "status": {"containerStatuses": app(back_off(), terminated("Error", 143, 25), 5)}
    }));
    let killing = event("p.a", "Killing", "Container app failed startup probe, will be restarted");
    check(standard([startup, killing]), &["startup_probe_failing"]).await;
}

#[tokio::test]
async fn exit_codes_say_what_they_say() {
    for (code, want) in
        [(1, "app_exit"), (127, "bad_command"), (126, "bad_command"), (139, "app_exit"), (128, "bad_command")]
    {
        let it =
            pod(json!({"status": {"containerStatuses": app(back_off(), terminated("Error", code, 2), 5)}}));
        check(standard([it]), &[want]).await;
    }
    let completes =
        pod(json!({"status": {"containerStatuses": app(back_off(), terminated("Completed", 0, 2), 5)}}));
    check(standard([completes]), &["container_completes"]).await;
    let held = Held {
        objects: standard([pod(
            json!({"status": {"containerStatuses": app(back_off(), terminated("Error", 1, 2), 5)}}),
        )]),
        log: "hello\nERROR: cannot reach db: connection refused\nbye\n".to_owned(),
        ..Held::default()
    };
    let found = check_of(held, "p", &["app_exit"]).await;
    assert_eq!(found.causes[0].log.as_deref(), Some("ERROR: cannot reach db: connection refused"));
    assert!(found.causes[0].what.contains("right after its start"), "{}", found.causes[0].what);
}

#[tokio::test]
async fn an_optional_key_that_is_missing_explains_an_exit() {
    let it = pod(json!({
        "spec": {"containers": [{"name": "app", "image": "i", "env": [{"name": "URL", "valueFrom":
            {"configMapKeyRef": {"name": "config", "key": "URL", "optional": true}}}]}]},
        "status": {"containerStatuses": app(back_off(), terminated("Error", 1, 2), 5)}
    }));
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config", "namespace": "shop"}, "data": {}});
    check(standard([it, config]), &["config_key_missing"]).await;
}

#[tokio::test]
async fn init_containers_hold_the_others_up() {
    let failing = pod(json!({
        "spec": {"initContainers": [{"name": "migrate", "image": "i"}]},
        "status": {"phase": "Pending", "containerStatuses": app(waiting("PodInitializing", ""), json!({}), 0),
            "initContainerStatuses": [{"name": "migrate", "restartCount": 4, "state": back_off(), "lastState": terminated("Error", 2, 3)}]}
    }));
    check(standard([failing]), &["init_container_failing"]).await;
    let waits = pod(json!({
        "spec": {"initContainers": [{"name": "wait-for-db", "image": "i"}]},
        "status": {"phase": "Pending", "containerStatuses": app(waiting("PodInitializing", ""), json!({}), 0),
            "initContainerStatuses": [{"name": "wait-for-db", "restartCount": 0, "state": {"running": {"startedAt": ago(595)}}, "lastState": {}}]}
    }));
    check(standard([waits]), &["init_container_waiting"]).await;
}

#[tokio::test]
async fn images_that_do_not_come() {
    let message = r#"Back-off pulling image "registry.example/shop/app:v1": ErrImagePull: failed to resolve reference "registry.example/shop/app:v1": registry.example/shop/app:v1: not found"#;
    let new = pod(
        json!({"status": {"phase": "Pending", "containerStatuses": app(waiting("ImagePullBackOff", message), json!({}), 0)}}),
    );
    check(standard([new]), &["image_not_found"]).await;
    // An older kubelet tells the reason in an event only.
    let short = r#"Back-off pulling image "registry.example/shop/app:v1""#;
    let old = pod(
        json!({"status": {"phase": "Pending", "containerStatuses": app(waiting("ImagePullBackOff", short), json!({}), 0)}}),
    );
    let failed = event(
        "p.a",
        "Failed",
        r#"Failed to pull image "registry.example/shop/app:v1": rpc error: code = Unknown desc = failed to authorize: 401 Unauthorized"#,
    );
    let error = event("p.bb", "Failed", "Error: ErrImagePull");
    let found = check(standard([old, failed, error]), &["image_unauthorized"]).await;
    assert!(found.causes[0].what.contains("names no imagePullSecrets"));
    let private = pod(json!({"spec": {"imagePullSecrets": [{"name": "regcred"}]},
        "status": {"phase": "Pending", "containerStatuses": app(waiting("ErrImagePull", "401 Unauthorized"), json!({}), 0)}}));
    let found = check(standard([private]), &["image_unauthorized"]).await;
    assert!(found.causes[0].what.contains("regcred does not exist"), "{}", found.causes[0].what);
}

#[tokio::test]
async fn configuration_that_is_not_there() {
    let spec =
        json!({"containers": [{"name": "app", "image": "i", "envFrom": [{"secretRef": {"name": "db"}}]}]});
    let message = r#"secret "db" not found"#;
    let status = json!({"phase": "Pending", "containerStatuses": app(waiting("CreateContainerConfigError", message), json!({}), 0)});
    let it = pod(json!({"spec": spec, "status": status}));
    check(standard([it.clone()]), &["secret_missing"]).await;
    // When Secrets may not be read, the kubelet's words still tell, and what was not checked is said.
    let held = Held { objects: standard([it]), forbidden: vec!["Secret"], ..Held::default() };
    let found = check_of(held, "p", &["secret_missing"]).await;
    assert!(
        found.unchecked.iter().any(|u| u.what == "Secret shop/db" && u.why.contains("forbidden")),
        "{found:?}"
    );
    assert!(
        found.causes[0].evidence.iter().any(|e| e.path == "spec.containers[0].envFrom[0].secretRef.name")
    );
    // A volume with a key that is missing.
    let volume = pod(json!({
        "spec": {"volumes": [{"name": "c", "configMap": {"name": "config", "items": [{"key": "app.yaml", "path": "a"}]}}]},
        "status": {"phase": "Pending", "containerStatuses": app(waiting("ContainerCreating", ""), json!({}), 0)}
    }));
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config", "namespace": "shop"}, "data": {"other.yaml": ""}});
    let mount = event(
        "p.a",
        "FailedMount",
        r#"MountVolume.SetUp failed for volume "c" : configmap references non-existent config key: app.yaml"#,
    );
    let found = check(standard([volume, config, mount]), &["config_key_missing"]).await;
    assert!(
        found.causes[0].evidence.iter().any(|e| e.path == r#"data["app.yaml"]"# && e.value.is_null()),
        "{found:?}"
    );
}

#[tokio::test]
async fn pods_that_run_and_are_not_ready() {
    let it = pod(json!({
        "spec": {"containers": [with_probe("readinessProbe")]},
        "status": {"containerStatuses": app(json!({"running": {"startedAt": ago(590)}}), json!({}), 0)}
    }));
    let unhealthy = event(
        "p.a",
        "Unhealthy",
        r#"Readiness probe failed: Get "http://10.1.2.3:8080/healthz": dial tcp 10.1.2.3:8080: connect: connection refused"#,
    );
    check(standard([it, unhealthy]), &["readiness_probe_failing"]).await;
    let gate = pod(json!({
        "spec": {"readinessGates": [{"conditionType": "target-health.elbv2.k8s.aws/x"}]},
        "status": {"containerStatuses": [{"name": "app", "ready": true, "started": true, "restartCount": 0, "state": {"running": {"startedAt": ago(590)}}}]}
    }));
    check(standard([gate]), &["readiness_gate_closed"]).await;
}

#[tokio::test]
async fn two_faults_are_both_named_and_the_one_that_blocks_first_is_first() {
    // One container lacks memory, the other's image is missing.
    let statuses = json!([
        {"name": "app", "ready": false, "restartCount": 5, "state": back_off(), "lastState": terminated("OOMKilled", 137, 30)},
        {"name": "side", "ready": false, "restartCount": 0, "state": waiting("ErrImagePull", "manifest unknown")},
    ]);
    let it = pod(json!({
        "spec": {"containers": [{"name": "app", "image": "i", "resources": {"limits": {"memory": "64Mi"}}}, {"name": "side", "image": "j:v9"}]},
        "status": {"containerStatuses": statuses}
    }));
    check(standard([it]), &["image_not_found", "oom_kill"]).await;
    // A program that is not there in one, a failing probe in the other.
    let mut probed = with_probe("livenessProbe");
    probed["name"] = json!("side");
    let statuses = json!([
        {"name": "app", "ready": false, "restartCount": 5, "state": back_off(), "lastState": bad_command()},
        {"name": "side", "ready": false, "restartCount": 5, "state": back_off(), "lastState": terminated("Error", 137, 20)},
    ]);
    let it = pod(json!({
        "spec": {"containers": [{"name": "app", "image": "i", "command": ["/bin/nope"]}, probed]},
        "status": {"containerStatuses": statuses}
    }));
    let mut killing = event("p.a", "Killing", "Container side failed liveness probe, will be restarted");
    killing["involvedObject"]["fieldPath"] = json!("spec.containers{side}");
    let found = check(standard([it, killing]), &["bad_command", "liveness_probe_failing"]).await;
    assert_eq!(found.causes[1].container.as_deref(), Some("side"));
}

#[tokio::test]
async fn nodes_and_kubelets_end_pods() {
    for (reason, message, want) in [
        (
            "Evicted",
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. Container app was using 45Mi, request is 0, has larger consumption of memory. ",
            "evicted",
        ),
        (
            "Evicted",
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
            "evicted_over_limit",
        ),
        ("Preempting", "Preempted in order to admit critical pod", "preempted"),
        (
            "OutOfcpu",
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 100, used: 3900, capacity: 3920",
            "rejected_by_kubelet",
        ),
        (
            "DeadlineExceeded",
            "Pod was active on the node longer than the specified deadline",
            "deadline_exceeded",
        ),
        ("Terminated", "Pod was terminated in response to imminent node shutdown.", "node_shutdown"),
    ] {
        let it = pod(json!({"status": {"phase": "Failed", "reason": reason, "message": message}}));
        check(standard([it]), &[want]).await;
    }
    let down = json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.", "lastTransitionTime": ago(500)}]}});
    let mut objects = standard([pod(
        json!({"status": {"containerStatuses": [{"name": "app", "ready": true, "started": true, "restartCount": 0,
        "state": {"running": {"startedAt": ago(590)}}}]}}),
    )]);
    objects[2] = node("n1", down);
    check(objects, &["node_not_ready"]).await;
    let gone = pod(
        json!({"spec": {"nodeName": "n9"}, "status": {"containerStatuses": app(json!({"running": {"startedAt": ago(590)}}), json!({}), 0)}}),
    );
    check(standard([gone]), &["node_gone"]).await;
}

#[tokio::test]
async fn sandboxes_and_volumes_that_do_not_come() {
    let creating = || {
        pod(json!({"spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]},
        "status": {"phase": "Pending", "containerStatuses": app(waiting("ContainerCreating", ""), json!({}), 0)}}))
    };
    let claim = || {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop",
        "creationTimestamp": ago(900)}, "spec": {"storageClassName": "fast", "volumeName": "pv1"}, "status": {"phase": "Bound"}})
    };
    let attach = event(
        "p.a",
        "FailedAttachVolume",
        r#"Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node and can't be attached to another"#,
    );
    check(standard([creating(), claim(), attach]), &["volume_multi_attach"]).await;
    let sandbox = event(
        "p.a",
        "FailedCreatePodSandBox",
        r#"Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "ab": plugin type="calico" failed (add): stat /var/lib/calico/nodename: no such file or directory"#,
    );
    check(standard([creating(), claim(), sandbox]), &["sandbox_network_failed"]).await;
    check(standard([creating(), claim()]), &["pod_start_slow"]).await;
}
