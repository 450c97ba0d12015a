//! Pods without a node.

use serde_json::json;

use super::*;

fn unplaced(message: &str, spec: Value) -> Value {
    let mut it = pod(json!({"spec": spec, "status": {"phase": "Pending", "startTime": null, "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": ago(300)}]}}));
    it["spec"]["nodeName"] = json!(null);
    it
}

fn asks(cpu: &str, memory: &str) -> Value {
    json!({"containers": [{"name": "app", "image": "i", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]})
}

#[tokio::test]
async fn too_much_is_asked() {
    let message = "0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 Insufficient cpu. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.";
    let control = node(
        "control",
        json!({"spec": {"taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]}}),
    );
    let found = check(
        standard([unplaced(message, asks("64", "1Gi")), control]),
        &["insufficient_cpu", "untolerated_taint"],
    )
    .await;
    assert!(
        found.causes[0].what.contains("asks for 64000m CPU, more than any node has in all (4000m)"),
        "{}",
        found.causes[0].what
    );
    let placement = found.placement.unwrap();
    assert_eq!(
        (placement.asks_cpu_millicores, placement.most_free_cpu_millicores, placement.nodes),
        (Some(64_000), Some(4_000), 2)
    );
    let said: Vec<_> = placement.groups.iter().flat_map(|g| &g.excluded_by).collect();
    assert!(said.iter().any(|s| s.contains("node-role.kubernetes.io/control-plane:NoSchedule")), "{said:?}");

    let message = "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    let mut other = pod(json!({"spec": asks("1", "6Gi")}));
    other["metadata"]["name"] = json!("other");
    let found = check(standard([unplaced(message, asks("1", "3Gi")), other]), &["insufficient_memory"]).await;
    assert!(
        found.causes[0].what.contains("asks for 3072 MiB memory; the most any node has free is 2048 MiB"),
        "{}",
        found.causes[0].what
    );
}

#[tokio::test]
async fn nodes_that_are_not_for_this_pod() {
    let tainted = || {
        node(
            "n2",
            json!({"spec": {"taints": [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}]}, "metadata": {"labels": {"disk": "nvme"}}}),
        )
    };
    let message = "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {dedicated: gpu}. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    // The selector means n2, so the taint is what keeps the pod away.
    let found = check(
        standard([unplaced(message, json!({"nodeSelector": {"disk": "nvme"}})), tainted()]),
        &["untolerated_taint", "node_selector_mismatch"],
    )
    .await;
    assert!(found.causes[0].what.contains("dedicated=gpu:NoSchedule on 1"), "{}", found.causes[0].what);
    assert!(found.causes[0].evidence.iter().any(|e| e.object == "Node n2" && e.path == "spec.taints[0].key"));

    let message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    let found = check(
        standard([unplaced(message, json!({"nodeSelector": {"kubernetes.io/arch": "arm64"}}))]),
        &["node_selector_mismatch"],
    )
    .await;
    assert!(
        found.causes[0].what.contains("kubernetes.io/arch=arm64 (nodes have amd64)"),
        "{}",
        found.causes[0].what
    );
    let affinity = json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}]}}}});
    check(standard([unplaced(message, affinity)]), &["node_affinity_mismatch"]).await;

    let message = "0/1 nodes are available: 1 node(s) were unschedulable.";
    let mut objects = standard([unplaced(message, json!({}))]);
    objects[2] = node("n1", json!({"spec": {"unschedulable": true}}));
    check(objects, &["node_cordoned"]).await;
}

#[tokio::test]
async fn pods_that_must_or_must_not_be_together() {
    let term = |label: &str| json!([{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": label}}}]);
    let message = "0/1 nodes are available: 1 node(s) didn't match pod affinity rules. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    let near = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term("cache")}}});
    let found = check(standard([unplaced(message, near)]), &["pod_affinity_mismatch"]).await;
    assert_eq!(found.placement.unwrap().groups[0].excluded_by, ["pod_affinity_mismatch"]);
    let message = "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.";
    let apart = json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term("p")}}});
    let mut other = pod(json!({}));
    other["metadata"]["name"] = json!("other");
    let found = check(standard([unplaced(message, apart), other]), &["pod_anti_affinity_conflict"]).await;
    assert_eq!(found.placement.unwrap().groups[0].excluded_by, ["pod_anti_affinity_conflict"]);
}

#[tokio::test]
async fn claims_hold_pods_back() {
    let volume = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]});
    let message = r#"0/1 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.."#;
    check(standard([unplaced(message, volume.clone())]), &["pvc_missing"]).await;
    let message = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop", "creationTimestamp": ago(400)},
        "spec": {"storageClassName": "fsat"}, "status": {"phase": "Pending"}});
    let mut failed = event("data.a", "ProvisioningFailed", r#"storageclass.storage.k8s.io "fsat" not found"#);
    failed["involvedObject"] = json!({"kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data"});
    let found = check(standard([unplaced(message, volume), claim, failed]), &["pvc_pending"]).await;
    assert!(found.causes[0].what.contains("storage class fsat does not exist"), "{}", found.causes[0].what);
}

/// Pools that are kept for others are many in some clusters; what the other nodes lack comes first.
#[tokio::test]
async fn nodes_kept_for_others_do_not_decide() {
    let message = "0/3 nodes are available: 2 node(s) had untolerated taint(s), 1 Insufficient cpu. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.";
    let kept = |name: &str| {
        node(
            name,
            json!({"spec": {"taints": [{"key": "kept-for", "value": "batch", "effect": "NoSchedule"}]}}),
        )
    };
    let objects = standard([unplaced(message, asks("64", "1Gi")), kept("n2"), kept("n3")]);
    check(objects, &["insufficient_cpu", "untolerated_taint"]).await;
}

#[tokio::test]
async fn two_faults_of_a_pod_without_a_node() {
    let message = "0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: gpu}.";
    let mut spec = asks("64", "1Gi");
    spec["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "config"}}]);
    let mut objects = standard([unplaced(message, spec)]);
    objects[2] = node(
        "n1",
        json!({"spec": {"taints": [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}]}}),
    );
    check(objects, &["untolerated_taint", "insufficient_cpu", "config_map_missing"]).await;
}

#[tokio::test]
async fn gates_and_schedulers() {
    let gated = |age: i64| {
        let mut it = unplaced(
            "Scheduling is blocked due to non-empty scheduling gates",
            json!({"schedulingGates": [{"name": "example.com/wait"}]}),
        );
        it["status"]["conditions"][0]["reason"] = json!("SchedulingGated");
        it["metadata"]["creationTimestamp"] = json!(ago(age));
        it
    };
    check(standard([gated(300)]), &["scheduling_gated"]).await;
    check(standard([gated(3)]), &[]).await;
    let mut silent = unplaced("", json!({"schedulerName": "mine"}));
    silent["status"]["conditions"] = json!([]);
    let found = check(standard([silent]), &["scheduler_silent"]).await;
    assert!(found.causes[0].what.contains("mine"));
}

#[tokio::test]
async fn without_nodes_the_scheduler_still_speaks() {
    let message = "0/9 nodes are available: 9 Insufficient cpu.";
    let held = Held {
        objects: standard([unplaced(message, asks("64", "1Gi"))]),
        forbidden: vec!["Node"],
        ..Held::default()
    };
    let found = check_of(held, "p", &["insufficient_cpu"]).await;
    assert!(found.placement.is_none());
    assert!(found.unchecked.iter().any(|u| u.what == "nodes"), "{found:?}");
}
