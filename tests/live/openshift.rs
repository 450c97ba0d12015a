//! The kinds that only OpenShift has: they come while aiops runs, are used, and leave again.
//!
//! The control plane is one of the test's own, since kinds are everybody's.

use std::time::{Duration, Instant};

use http::Request;
use serde_json::{Value, json};

use crate::support::{Open, Options, Plane, Served, Told};

/// How soon new kinds are used, and gone ones forgotten.
const USED: Duration = Duration::from_secs(10);

fn condition(kind: &str, status: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": "AsExpected", "message": message,
        // Long enough ago to be no flapping.
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    })
}

const OPERATORS: &str = "/apis/config.openshift.io/v1/clusteroperators";
const VERSIONS: &str = "/apis/config.openshift.io/v1/clusterversions";
const POOLS: &str = "/apis/machineconfiguration.openshift.io/v1/machineconfigpools";

/// Creates an object and writes its status.
async fn create(plane: &Plane, path: &str, kind: &str, name: &str, spec: Value, status: Value) {
    let (group, _) = path.trim_start_matches("/apis/").rsplit_once('/').unwrap();
    let object = json!({"apiVersion": group, "kind": kind, "metadata": {"name": name}, "spec": spec, "status": status});
    let post = |path: String| {
        let request = Request::post(path).header("content-type", "application/json");
        request.body(object.to_string().into_bytes()).unwrap()
    };
    // Discovery tells of a kind a moment before its objects can be written.
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = plane.attempt(post(path.to_owned())).await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let request = Request::patch(format!("{path}/{name}/status"))
        .header("content-type", "application/merge-patch+json");
    plane.attempt(request.body(json!({"status": status}).to_string().into_bytes()).unwrap()).await.unwrap();
}

fn names(told: &Told, code: &str, object: &str) -> bool {
    let problems = told.facts["problems"].as_array().cloned().unwrap_or_default();
    problems.iter().any(|problem| problem["code"] == code && problem["object"] == object)
}

async fn degrade(plane: &Plane) {
    let operator = json!({"conditions": [
        condition("Available", "True", ""), condition("Progressing", "False", ""),
        condition("Degraded", "True", "OAuthServerRouteEndpointAccessibleControllerDegraded: no such host"),
    ]});
    create(plane, OPERATORS, "ClusterOperator", "authentication", json!({}), operator).await;
    let pool = json!({
        "conditions": [
            condition("Updated", "False", ""), condition("Updating", "True", "All nodes are updating to rendered-worker-2"),
            condition("Degraded", "True", "Node node-1 is reporting: \"unexpected on-disk state\""),
        ],
        "machineCount": 3, "readyMachineCount": 1, "updatedMachineCount": 1, "unavailableMachineCount": 1, "degradedMachineCount": 1,
        "observedGeneration": 1,
    });
    let selector = json!({"nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}}});
    create(plane, POOLS, "MachineConfigPool", "worker", selector, pool).await;
    let version = json!({
        "conditions": [condition("Available", "True", ""), condition("Failing", "True", "Cluster operator authentication is degraded")],
        "desired": {"version": "4.18.3", "image": "quay.io/openshift-release-dev/ocp-release@sha256:0"},
        "observedGeneration": 1, "versionHash": "abc", "availableUpdates": [],
        "history": [{"state": "Completed", "startedTime": "2026-01-02T03:04:05Z", "completionTime": "2026-01-02T04:04:05Z", "version": "4.18.3", "image": "quay.io/a@sha256:0", "verified": true}],
    });
    let spec = json!({"clusterID": "8c2b9a2e-6f0c-4c83-8d4b-0a1b2c3d4e5f"});
    create(plane, VERSIONS, "ClusterVersion", "version", spec, version).await;
}

async fn health(open: &mut Open) -> Told {
    open.call("get-cluster-health", &json!({"limit": 50})).await
}

#[tokio::test]
async fn its_kinds_come_are_used_and_leave() {
    let plane = Plane::own(&Options { nodes: 2, ..Options::default() }).await;
    for node in plane.get("/api/v1/nodes").await.unwrap()["items"].as_array().unwrap() {
        let path = format!("/api/v1/nodes/{}", node["metadata"]["name"].as_str().unwrap());
        plane.patch(&path, &json!({"metadata": {"labels": {"node-role.kubernetes.io/worker": ""}}})).await;
    }
    let mut served = Served::start(&["--kubeconfig", plane.kubeconfig("admin").to_str().unwrap()], &[]);
    let mut open = served.open().await;
    open.until("get-cluster-health", &json!({}), "fresh", Duration::from_secs(30), Told::is_fresh).await;
    let before = health(&mut open).await;
    assert_eq!(before.facts["status"], "healthy", "{}", before.facts);

    for round in ["first", "second"] {
        plane.command(&["crds", "openshift"]).await.unwrap();
        let begun = Instant::now();
        degrade(&plane).await;
        let written = begun.elapsed();
        let (told, _) = open
            .until("get-cluster-health", &json!({"limit": 50}), "told of all three", USED, |told| {
                names(told, "operator_degraded", "ClusterOperator authentication")
                    && names(told, "machine_config_pool_degraded", "MachineConfigPool worker")
                    && names(told, "cluster_version_failing", "ClusterVersion version")
            })
            .await;
        let used = begun.elapsed();
        assert!(told.is_fresh(), "{}", told.facts);
        assert_eq!(told.facts["status"], "degraded", "{}", told.facts);
        for message in ["no such host", "on-disk state", "authentication is degraded"] {
            assert!(told.facts.to_string().contains(message), "{message}: {}", told.facts);
        }
        let listed = |told: &Told| told.facts["machine_config_pools"][0]["name"] == "worker";
        let (nodes, _) = open.until("list-nodes", &json!({}), "told of the pool", USED, listed).await;
        let pool = &nodes.facts["machine_config_pools"][0];
        assert_eq!(
            (&pool["updating"], &pool["degraded"], &pool["machines"], &pool["updated"]),
            (&json!(true), &json!(true), &json!(3), &json!(1)),
            "{pool}"
        );
        assert!(nodes.text.contains("worker"), "{}", nodes.text);
        let found =
            open.call("get-resource", &json!({"kind": "ClusterOperator", "name": "authentication"})).await;
        assert!(!found.is_error && found.text.contains("no such host"), "{}", found.text);

        plane.command(&["remove-crds", "openshift"]).await.unwrap();
        let begun = Instant::now();
        let gone = |told: &Told| {
            let text = told.facts.to_string();
            told.is_fresh()
                && !["ClusterOperator", "MachineConfigPool", "ClusterVersion"]
                    .iter()
                    .any(|kind| text.contains(kind))
        };
        let (told, _) =
            open.until("get-cluster-health", &json!({"limit": 50}), "forgetting them", USED, gone).await;
        println!(
            "{round} time: used {used:?} after the definitions were there ({written:?} until their objects could be written), forgotten after {:?}",
            begun.elapsed()
        );
        assert_eq!(told.facts["status"], "healthy", "{}", told.facts);
        let nodes = open.call("list-nodes", &json!({})).await;
        assert!(nodes.facts.get("machine_config_pools").is_none(), "{}", nodes.facts);
        assert_eq!(nodes.facts["total"], 2, "{}", nodes.facts);
        let absent =
            open.call("get-resource", &json!({"kind": "ClusterOperator", "name": "authentication"})).await;
        assert!(absent.is_error, "{}", absent.text);
    }
    assert!(served.runs());
}
