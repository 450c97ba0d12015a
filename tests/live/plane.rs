//! The control plane itself: each scenario reaches the state it is about, and mending the spec mends the pod.
//!
//! Nothing here asks aiops; what it says about these states is tested beside it.

mod access;
mod outage;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Dice, Plane, Scenario, evidence};

const SOON: Duration = Duration::from_secs(60);

/// Plays a scenario under random names and checks every field that it calls evidence.
async fn reach(name: &str) -> (Plane, Scenario) {
    let plane = Plane::shared().await;
    let scenario = Scenario::load(name, &mut Dice::new());
    scenario.play(&plane).await;
    evidence::holds(&plane, &scenario).await;
    assert_eq!(plane.broken_stages(), Vec::<String>::new());
    (plane, scenario)
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(#[tokio::test]
        async fn $test() {
            reach($name).await;
        })*

        #[test]
        fn every_scenario_has_its_test() {
            let mut tested = vec![$($name,)* "bad-image", "crash-loop-command", "crash-loop-config-key", "crash-loop-oom", "image-pull",
                "node-runtime-down", "pending-quota", "ten-thousand-pods"];
            tested.sort_unstable();
            assert_eq!(Scenario::all(), tested);
        }
    };
}

scenarios! {
    a_loop_by_a_refused_argument: "crash-loop-exit",
    a_loop_by_a_liveness_probe: "crash-loop-probe",
    everything_runs: "healthy",
    a_registry_that_does_not_exist: "image-registry",
    a_node_whose_kubelet_stopped: "node-not-ready",
    pods_that_never_become_ready: "not-ready",
    a_budget_that_allows_nothing: "pdb-deadlock",
    pending_for_affinity: "pending-affinity",
    pending_for_cpu: "pending-cpu",
    pending_for_a_node_selector: "pending-node-selector",
    pending_for_a_claim: "pending-pvc",
    pending_for_a_taint: "pending-taint",
    a_rollout_that_goes_well: "rolling-update",
    a_volume_that_cannot_be_mounted: "volume-missing",
}

fn deployment(scenario: &Scenario) -> String {
    format!("/apis/apps/v1/namespaces/{}/deployments/{}", scenario.value("namespace"), scenario.value("name"))
}

/// Changes the first container of the scenario's Deployment.
async fn mend(plane: &Plane, scenario: &Scenario, change: Value) {
    let path = deployment(scenario);
    let mut container = plane.get(&path).await.unwrap()["spec"]["template"]["spec"]["containers"][0].clone();
    for (key, value) in change.as_object().unwrap() {
        container[key] = value.clone();
    }
    plane.patch(&path, &json!({"spec": {"template": {"spec": {"containers": [container]}}}})).await;
}

async fn becomes_available(plane: &Plane, scenario: &Scenario, replicas: i64) {
    let wanted = |found: &Value| {
        let status = &found["status"];
        status["observedGeneration"] == found["metadata"]["generation"]
            && status["updatedReplicas"] == replicas
            && status["availableReplicas"] == replicas
            && status["replicas"] == replicas
    };
    plane.wait(&deployment(scenario), "available", SOON, wanted).await;
}

#[tokio::test]
async fn a_command_that_exists_ends_the_loop() {
    let (plane, scenario) = reach("crash-loop-command").await;
    mend(&plane, &scenario, json!({"command": ["/app/server"]})).await;
    becomes_available(&plane, &scenario, 2).await;
}

#[tokio::test]
async fn the_missing_key_lets_the_same_pods_start() {
    let (plane, scenario) = reach("crash-loop-config-key").await;
    let pods = format!("/api/v1/namespaces/{}/pods", scenario.value("namespace"));
    let names = |list: &Value| -> Vec<Value> {
        list["items"].as_array().unwrap().iter().map(|pod| pod["metadata"]["name"].clone()).collect()
    };
    let before = names(&plane.get(&pods).await.unwrap());
    let map = format!(
        "/api/v1/namespaces/{}/configmaps/{}-settings",
        scenario.value("namespace"),
        scenario.value("name")
    );
    plane.patch(&map, &json!({"data": {scenario.value("key"): "https://payments.example.com"}})).await;
    becomes_available(&plane, &scenario, 2).await;
    assert_eq!(names(&plane.get(&pods).await.unwrap()), before);
}

#[tokio::test]
async fn a_higher_limit_ends_the_killing() {
    let (plane, scenario) = reach("crash-loop-oom").await;
    mend(&plane, &scenario, json!({"resources": {"limits": {"memory": "512Mi"}}})).await;
    becomes_available(&plane, &scenario, 2).await;
}

/// The image of a running pod can be changed in place.
#[tokio::test]
async fn an_image_that_exists_is_pulled() {
    let (plane, scenario) = reach("image-pull").await;
    let pods = format!("/api/v1/namespaces/{}/pods", scenario.value("namespace"));
    let name = plane.get(&pods).await.unwrap()["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    let pod = format!("{pods}/{name}");
    let mut container = plane.get(&pod).await.unwrap()["spec"]["containers"][0].clone();
    container["image"] = json!("registry.example.com/library/nginx:1.29");
    plane.patch(&pod, &json!({"spec": {"containers": [container]}})).await;
    let runs = |found: &Value| found["status"]["containerStatuses"][0]["ready"] == true;
    plane.wait(&pod, "ready", SOON, runs).await;
}

#[tokio::test]
async fn a_larger_quota_lets_the_rest_be_made() {
    let (plane, scenario) = reach("pending-quota").await;
    let quota = format!(
        "/api/v1/namespaces/{}/resourcequotas/{}",
        scenario.value("namespace"),
        scenario.value("quota")
    );
    plane.patch(&quota, &json!({"spec": {"hard": {"pods": "8"}}})).await;
    becomes_available(&plane, &scenario, 4).await;
}

#[tokio::test]
async fn a_node_recovers_when_its_runtime_does() {
    let (plane, scenario) = reach("node-runtime-down").await;
    let node = format!("/api/v1/nodes/{}", scenario.value("node"));
    plane.patch(&node, &json!({"metadata": {"labels": {"kubelet.test/runtime-down": null}}})).await;
    let ready = |found: &Value| {
        evidence::field(found, "status.conditions[?type==Ready].status")
            .is_some_and(|status| status == "True")
    };
    plane.wait(&node, "ready", SOON, ready).await;
}
