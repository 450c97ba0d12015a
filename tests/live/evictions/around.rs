//! What is evicted from, and what happens beside it: others who evict through the same API, pods that are deleted before
//! they were ever ready, workloads that grow, nodes that close and open.
//!
//! Nothing here takes a healthy pod away past a budget.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use http::Request;
use serde_json::{Value, json};

use crate::support::{Dice, Plane};

const SOON: Duration = Duration::from_secs(300);
const REPLICAS: u64 = 4;
/// How many an app that grows may come to.
const MOST: u64 = 9;

/// A workload and how many of its pods have to be healthy.
#[derive(Debug, Clone)]
pub(super) struct App {
    pub(super) name: String,
    pub(super) least: usize,
    /// Its budget is an absolute minimum, so it may grow.
    grows: bool,
}

impl App {
    /// Two kinds of workloads, three kinds of budgets, all of which let one pod go at a time at first.
    pub(super) async fn make_all(plane: &Plane, namespace: &str) -> Vec<Self> {
        let mut apps = Vec::new();
        let kinds = ["Deployment", "StatefulSet"];
        let budgets = [
            json!({"minAvailable": REPLICAS - 1}),
            json!({"maxUnavailable": 1}),
            json!({"minAvailable": "75%"}),
        ];
        for (number, (kind, budget)) in
            kinds.iter().flat_map(|kind| budgets.iter().map(move |budget| (kind, budget))).enumerate()
        {
            let name = format!("app-{number}");
            let is_set = *kind == "StatefulSet";
            let mut spec = json!({"replicas": REPLICAS, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "main", "image": "registry.example.com/library/nginx:1.27",
                        "command": ["/app/server", "--warmup=1s"],
                        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}}}]}}});
            if is_set {
                spec["serviceName"] = json!(name);
                spec["podManagementPolicy"] = json!("Parallel");
            }
            let made =
                json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
            plane
                .post(&format!("/apis/apps/v1/namespaces/{namespace}/{}s", kind.to_lowercase()), &made)
                .await;
            let mut spec = json!({"selector": {"matchLabels": {"app": name}}});
            spec.as_object_mut().unwrap().extend(budget.as_object().unwrap().clone());
            let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
                "spec": spec});
            let path = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
            plane.post(&path, &budget).await;
            let grows = !is_set && budget["spec"]["minAvailable"].is_u64();
            apps.push(Self { name, least: usize::try_from(REPLICAS - 1).unwrap(), grows });
        }
        for app in &apps {
            let path = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/{}", app.name);
            let is_known = |budget: &Value| budget["status"]["disruptionsAllowed"] == 1;
            plane.wait(&path, "known", SOON, is_known).await;
        }
        apps
    }
}

/// Goes on until it is over; answers how often something was done.
pub(super) async fn churn(plane: &Plane, namespace: &str, apps: &[App], is_over: &AtomicBool) -> usize {
    let mut dice = Dice::new();
    let mut done = 0;
    while !is_over.load(Ordering::Relaxed) {
        let is_done = match dice.number(8) {
            0 => grow(plane, namespace, apps, &mut dice).await,
            1 => close_and_open(plane, &mut dice).await,
            2 | 3 => delete_unready(plane, namespace).await,
            _ => evict(plane, namespace, &mut dice).await,
        };
        done += usize::from(is_done);
        tokio::time::sleep(Duration::from_millis(200 + dice.number(400))).await;
    }
    done
}

async fn pods(plane: &Plane, namespace: &str) -> Vec<Value> {
    let found = plane.get(&format!("/api/v1/namespaces/{namespace}/pods")).await.unwrap();
    found["items"].as_array().unwrap().clone()
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["conditions"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

/// Somebody else evicts, as `kubectl drain` does: within the budget.
async fn evict(plane: &Plane, namespace: &str, dice: &mut Dice) -> bool {
    let pods = pods(plane, namespace).await;
    let pod = &pods[usize::try_from(dice.number(u64::try_from(pods.len()).unwrap())).unwrap()];
    let name = pod["metadata"]["name"].as_str().unwrap();
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}});
    let request = Request::post(format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"))
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes());
    plane.attempt(request.unwrap()).await.is_ok()
}

/// A pod that was never ready is deleted, as it was seen.
async fn delete_unready(plane: &Plane, namespace: &str) -> bool {
    let pods = pods(plane, namespace).await;
    let Some(pod) = pods.iter().find(|pod| !is_ready(pod)) else { return false };
    let metadata = &pod["metadata"];
    let body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions":
        {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}});
    let path = format!("/api/v1/namespaces/{namespace}/pods/{}", metadata["name"].as_str().unwrap());
    let request = Request::delete(path).header("content-type", "application/json");
    plane.attempt(request.body(body.to_string().into_bytes()).unwrap()).await.is_ok()
}

/// A workload grows by one.
async fn grow(plane: &Plane, namespace: &str, apps: &[App], dice: &mut Dice) -> bool {
    let growing: Vec<&App> = apps.iter().filter(|app| app.grows).collect();
    let app = growing[usize::try_from(dice.number(u64::try_from(growing.len()).unwrap())).unwrap()];
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{}", app.name);
    let now = plane.get(&path).await.unwrap()["spec"]["replicas"].as_u64().unwrap();
    if now >= MOST {
        return false;
    }
    plane.patch(&path, &json!({"spec": {"replicas": now + 1}})).await;
    true
}

/// A node takes no pods for a moment.
async fn close_and_open(plane: &Plane, dice: &mut Dice) -> bool {
    let nodes = plane.get("/api/v1/nodes").await.unwrap();
    let all = nodes["items"].as_array().unwrap();
    let node = &all[usize::try_from(dice.number(u64::try_from(all.len()).unwrap())).unwrap()];
    let path = format!("/api/v1/nodes/{}", node["metadata"]["name"].as_str().unwrap());
    for value in [json!(true), Value::Null] {
        plane.patch(&path, &json!({"spec": {"unschedulable": value}})).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    true
}
