//! Where nothing is wrong nothing is reported, and while a workload is renewed again and again neither.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Aiops, Dice, Plane, SOON, Scenario, evidence, is_proof};

/// Asserts that neither the namespace nor any of its pods is said to be unwell.
async fn nothing_is_reported(plane: &Plane, aiops: &Aiops, namespace: &str) -> usize {
    let health = aiops.answer("get-cluster-health", &json!({"namespace": namespace})).await;
    assert_eq!((&health["issues"]["total"], &health["status"]), (&json!(0), &json!("healthy")), "{health}");
    let pods = plane.get(&format!("/api/v1/namespaces/{namespace}/pods")).await.unwrap();
    let pods = pods["items"].as_array().unwrap();
    for pod in pods {
        let pod = pod["metadata"]["name"].as_str().unwrap();
        let answer = aiops.call("diagnose-pod", &json!({"namespace": namespace, "pod": pod})).await;
        // It may be gone by now.
        if !answer.is_error {
            assert_eq!(answer.structured["causes"], json!([]), "{}", answer.text);
        }
    }
    1 + pods.len()
}

#[tokio::test]
async fn nothing_is_reported_of_what_is_well() {
    let plane = Plane::shared().await;
    let aiops = Aiops::serve(plane.kubeconfig("viewer"), &[]).await;
    let mut dice = Dice::new();
    for _ in 0..if is_proof() { 20 } else { 2 } {
        let scenario = Scenario::load("healthy", &mut dice);
        scenario.play(&plane).await;
        let namespace = scenario.value("namespace");
        let all = |health: &crate::support::Answer| health.structured["pods"]["total"] == 6;
        let seen = json!({"namespace": namespace});
        aiops.until("get-cluster-health", &seen, "complete", SOON, all).await;
        nothing_is_reported(&plane, &aiops, namespace).await;
        plane.delete(&format!("/api/v1/namespaces/{namespace}")).await;
    }
}

#[tokio::test]
async fn nothing_is_reported_during_a_rolling_update() {
    let plane = Plane::shared().await;
    let aiops = Aiops::serve(plane.kubeconfig("viewer"), &[]).await;
    let mut dice = Dice::new();
    let scenario = Scenario::load("rolling-update", &mut dice);
    scenario.play(&plane).await;
    let (namespace, name) = (scenario.value("namespace"), scenario.value("name"));
    let deployment = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let length = Duration::from_secs(if is_proof() { 300 } else { 30 });
    let begun = Instant::now();
    let (mut asked, mut updates) = (0, 1);
    while begun.elapsed() < length {
        asked += nothing_is_reported(&plane, &aiops, namespace).await;
        let found = plane.get(&deployment).await.unwrap();
        let count = |key: &str| evidence::field(&found["status"], key).cloned().unwrap_or_default();
        let is_done = found["status"]["observedGeneration"] == found["metadata"]["generation"]
            && count("updatedReplicas") == 12
            && count("replicas") == 12
            && count("availableReplicas") == 12;
        if is_done {
            let mut container: Value = found["spec"]["template"]["spec"]["containers"][0].clone();
            container["image"] = json!(format!("registry.example.com/{namespace}/{name}:{}", dice.tag()));
            let template = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
            plane.patch(&deployment, &template).await;
            updates += 1;
        }
    }
    println!("{updates} rolling updates in {length:?}: {asked} questions, nothing reported");
    assert!(updates > 1);
    plane.delete(&format!("/api/v1/namespaces/{namespace}")).await;
}

/// A Deployment with a Service before it, whose pods need so long to answer.
fn slow(namespace: &str, name: &str, replicas: u32, strategy: &str, warmup: u64) -> String {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "strategy": {"type": strategy}, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{
                "name": "app", "image": "registry.example.com/app:1.0.0",
                "args": ["--port=8080", format!("--warmup={warmup}s")], "ports": [{"containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}}}]}}}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": name}, "ports": [{"port": 8080}]}});
    format!("{deployment}\n---\n{service}\n")
}

#[tokio::test]
async fn nothing_is_reported_while_a_rollout_makes_everything_anew() {
    let plane = Plane::shared().await;
    let aiops = Aiops::serve(plane.kubeconfig("viewer"), &[]).await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    // Longer than the grace of the Deployment, in the proof that of the Service as well.
    let warmup = if is_proof() { 135 } else { 70 };
    plane.apply(&slow(&namespace, "anew", 2, "Recreate", 1)).await;
    plane.apply(&slow(&namespace, "grown", 0, "RollingUpdate", warmup)).await;
    let path = |name: &str| format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let available = |found: &Value| found["status"]["availableReplicas"] == 2;
    plane.wait(&path("anew"), "available", SOON, available).await;
    let complete = |found: &Value| {
        let all = found["status"]["conditions"].as_array().into_iter().flatten();
        all.clone().any(|c| c["reason"] == "NewReplicaSetAvailable")
    };
    plane.wait(&path("grown"), "complete without a pod", SOON, complete).await;
    plane.apply(&slow(&namespace, "anew", 2, "Recreate", warmup)).await;
    plane.patch(&path("grown"), &json!({"spec": {"replicas": 2}})).await;
    let began = Instant::now();
    let mut asked = 0;
    loop {
        let health = aiops.answer("get-cluster-health", &json!({"namespace": namespace})).await;
        assert_eq!(health["problems"], json!([]), "{:?} after it began: {health}", began.elapsed());
        asked += 1;
        let mut are_up = began.elapsed() > Duration::from_secs(5);
        for name in ["anew", "grown"] {
            are_up &= available(&plane.get(&path(name)).await.unwrap());
        }
        if are_up {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(warmup + 120), "they do not come up");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let down = began.elapsed();
    println!("down for {down:?} in a rollout: {asked} questions, nothing reported");
    assert!(down > Duration::from_secs(warmup - 5), "{down:?}");
    plane.delete(&format!("/api/v1/namespaces/{namespace}")).await;
}
