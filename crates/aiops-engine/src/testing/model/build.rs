//! Small objects for tests and demonstrations, as a person would write them.
//!
//! Only what is needed to run; whoever needs more puts it in afterwards.

use serde_json::{Value, json};

use super::json::put;

/// A namespace.
pub fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": {
        "kubernetes.io/metadata.name": name } }, "spec": {}, "status": { "phase": "Active" } })
}

/// A ready node with room for 110 pods, 8 cores and 32 GiB.
pub fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } }, "spec": {},
        "status": {
            "allocatable": { "cpu": "8", "memory": "32Gi", "pods": "110" },
            "capacity": { "cpu": "8", "memory": "32Gi", "pods": "110" },
            "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady",
                "lastTransitionTime": "2026-01-01T00:00:00Z" }],
            "nodeInfo": { "kubeletVersion": "v1.36.0" },
        },
    })
}

fn template(name: &str, image: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": name } },
        "spec": { "containers": [{ "name": "app", "image": image, "resources": {
            "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "256Mi" } } }] },
    })
}

fn workload(kind: &str, namespace: &str, name: &str, image: &str, replicas: Option<i64>) -> Value {
    let mut workload = json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": { "name": name, "namespace": namespace, "labels": { "app": name } },
        "spec": {
            "selector": { "matchLabels": { "app": name } }, "template": template(name, image),
        },
    });
    if let Some(replicas) = replicas {
        put(&mut workload, "/spec/replicas", replicas);
    }
    workload
}

/// A Deployment of one container `app`.
pub fn deployment(namespace: &str, name: &str, image: &str, replicas: i64) -> Value {
    workload("Deployment", namespace, name, image, Some(replicas))
}

/// A StatefulSet of one container `app`.
pub fn stateful_set(namespace: &str, name: &str, image: &str, replicas: i64) -> Value {
    let mut set = workload("StatefulSet", namespace, name, image, Some(replicas));
    put(&mut set, "/spec/serviceName", name);
    set
}

/// A DaemonSet of one container `app`.
pub fn daemon_set(namespace: &str, name: &str, image: &str) -> Value {
    workload("DaemonSet", namespace, name, image, None)
}

/// A disruption budget over the pods of a workload.
pub fn budget(namespace: &str, name: &str, min_available: i64) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "minAvailable": min_available, "selector": { "matchLabels": { "app": name } } },
    })
}

/// An autoscaler of a Deployment, whose metrics ask for so many replicas.
pub fn autoscaler(namespace: &str, name: &str, min: i64, max: i64, wanted: i64) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": name, "namespace": namespace,
            "annotations": { "model.aiops.io/wanted": wanted.to_string() } },
        "spec": { "minReplicas": min, "maxReplicas": max,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name } },
    })
}

/// An Argo CD Application that behaves well, or as `model.aiops.io/argo` says.
pub fn application(namespace: &str, name: &str, revision: &str, behaviour: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": { "name": name, "namespace": namespace,
            "annotations": { "model.aiops.io/argo": behaviour } },
        "spec": { "project": "default", "source": { "repoURL": "https://git.example/shop.git", "path": name,
            "targetRevision": revision }, "destination": { "namespace": namespace } },
        "status": { "sync": { "status": "OutOfSync", "revision": revision }, "health": { "status": "Degraded" },
            "history": [{ "id": 0, "revision": revision, "deployedAt": "2026-01-01T00:00:00Z" }] },
    })
}

/// A pod that a Job left behind, on a node.
pub fn job_pod(namespace: &str, job: &str, name: &str, job_uid: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "labels": { "job-name": job },
            "ownerReferences": [{ "apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": job_uid,
                "controller": true, "blockOwnerDeletion": true }] },
        "spec": { "nodeName": node, "restartPolicy": "Never",
            "containers": [{ "name": "app", "image": "registry.example/job:1" }] },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "False" }],
            "containerStatuses": [{ "name": "app", "ready": false, "restartCount": 0, "image": "registry.example/job:1",
                "imageID": "", "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } }, "lastState": {} }] },
    })
}
