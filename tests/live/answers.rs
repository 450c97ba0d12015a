//! Answers on a real cluster: short by default, with counts that are the API server's own, walked without loss while pods
//! are replaced, and with every critical fault. `make proof` does it on 10,000 pods.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{Aiops, Dice, Options, Plane, Scenario, is_proof};

/// A default answer takes at most so many tokens of o200k.
const MOST_TOKENS: usize = 2_000;
/// No replica of these is available, so each of them is critical.
const CRITICAL: [&str; 6] = [
    "crash-loop-command",
    "crash-loop-config-key",
    "crash-loop-exit",
    "crash-loop-oom",
    "image-pull",
    "image-registry",
];

/// Where there are pods enough: a namespace of the shared control plane, or one of 10,000 pods of its own.
struct Crowd {
    plane: Plane,
    /// The namespace that is looked at; the whole cluster otherwise.
    namespace: Option<String>,
    deployment: (String, &'static str),
}

impl Crowd {
    async fn gather(dice: &mut Dice) -> Self {
        if is_proof() {
            let plane = Plane::own(&Options { nodes: 100, ..Options::default() }).await;
            let scenario = Scenario::load("ten-thousand-pods", dice);
            scenario.play(&plane).await;
            let deployment = (format!("{}-000", scenario.value("namespace")), "api");
            return Self { plane, namespace: None, deployment };
        }
        let plane = Plane::shared().await;
        let namespace = plane.namespace(dice).await;
        let template = json!({"metadata": {"labels": {"app": "crowd"}},
            "spec": {"containers": [{"name": "app", "image": "registry.example.com/crowd:1"}]}});
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "crowd", "namespace": namespace},
            "spec": {"replicas": 120, "selector": {"matchLabels": {"app": "crowd"}}, "template": template}});
        plane.apply(&deployment.to_string()).await;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/crowd");
        let there = |found: &Value| found["status"]["availableReplicas"] == 120;
        plane.wait(&path, "available", Duration::from_secs(120), there).await;
        Self { plane, namespace: Some(namespace.clone()), deployment: (namespace, "crowd") }
    }

    /// Where the API server lists the objects of a kind.
    fn path(&self, group: &str, plural: &str) -> String {
        match &self.namespace {
            Some(namespace) => format!("/{group}/namespaces/{namespace}/{plural}"),
            None => format!("/{group}/{plural}"),
        }
    }

    /// The uids and names of its pods now, by the API server.
    async fn pods(&self) -> BTreeMap<String, String> {
        let list = self.plane.get(&self.path("api/v1", "pods")).await.unwrap();
        let pods = list["items"].as_array().unwrap().iter().map(|pod| {
            let text = |key: &str| pod["metadata"][key].as_str().unwrap();
            (text("uid").to_owned(), format!("{}/{}", text("namespace"), text("name")))
        });
        pods.collect()
    }

    fn arguments(&self, mut of: Value) -> Value {
        if let Some(namespace) = &self.namespace {
            of["namespace"] = json!(namespace);
        }
        of
    }
}

#[tokio::test]
async fn answers_are_short_and_add_up_and_walks_lose_nothing() {
    let mut dice = Dice::new();
    let crowd = Arc::new(Crowd::gather(&mut dice).await);
    let aiops = Aiops::serve(crowd.plane.kubeconfig("viewer"), &[]).await;
    add_up(&crowd, &aiops).await;
    short(&crowd, &aiops).await;
    if is_proof() {
        critical_ones_are_named(&crowd, &aiops, &mut dice).await;
        short(&crowd, &aiops).await;
    }
    walk(&crowd, &aiops).await;
    if let Some(namespace) = &crowd.namespace {
        crowd.plane.delete(&format!("/api/v1/namespaces/{namespace}")).await;
    }
}

/// Shown and omitted together are what the API server counts.
async fn add_up(crowd: &Crowd, aiops: &Aiops) {
    for (tool, arguments, path) in [
        ("list-pods", json!({}), crowd.path("api/v1", "pods")),
        ("list-resources", json!({"kind": "pods"}), crowd.path("api/v1", "pods")),
        ("list-resources", json!({"kind": "configmaps"}), crowd.path("api/v1", "configmaps")),
        ("list-resources", json!({"kind": "replicasets.apps"}), crowd.path("apis/apps/v1", "replicasets")),
    ] {
        let list = crowd.plane.get(&path).await.unwrap();
        let count = list["items"].as_array().unwrap().len() as u64;
        let arguments = crowd.arguments(arguments);
        let adds_up = |answer: &crate::support::Answer| {
            let number = |key: &str| answer.structured[key].as_u64().unwrap();
            number("total") == count && number("shown") + number("omitted") == count
        };
        let limit = Duration::from_secs(10);
        let answer = aiops.until(tool, &arguments, &format!("{count} as {path}"), limit, adds_up).await;
        println!("{tool} {arguments}: {} of {count} shown", answer.structured["shown"]);
    }
}

/// No default answer is long, neither as text nor as structured content.
async fn short(crowd: &Crowd, aiops: &Aiops) {
    let counter = tiktoken_rs::o200k_base().unwrap();
    let tokens = |text: &str| counter.encode_ordinary(text).len();
    let (namespace, name) = (&crowd.deployment.0, crowd.deployment.1);
    let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{name}");
    let pods = crowd.plane.get(&path).await.unwrap();
    let pod = &pods["items"][0]["metadata"]["name"];
    let mut calls = vec![
        (
            "analyze-scaling-impact",
            json!({"namespace": namespace, "deployment": name, "target_replicas": 900}),
        ),
        ("calculate-pod-capacity", json!({"namespace": namespace})),
        ("calculate-pod-capacity", json!({"namespace": "cluster"})),
        ("diagnose-pod", json!({"namespace": namespace, "pod": pod})),
        ("get-cluster-health", json!({})),
        ("get-pod-logs", json!({"namespace": namespace, "pod": pod})),
        ("get-resource", json!({"kind": "pod", "namespace": namespace, "name": pod})),
        ("get-resource", json!({"kind": "deployment", "namespace": namespace, "name": name})),
        (
            "get-resource",
            json!({"kind": "configmap", "namespace": "kube-system", "name": "extension-apiserver-authentication"}),
        ),
        ("get-workload", json!({"namespace": namespace, "kind": "Deployment", "name": name})),
        ("list-events", json!({})),
        ("list-namespaces", json!({})),
        ("list-nodes", json!({})),
        ("list-pods", json!({})),
        ("list-workloads", json!({})),
    ];
    calls.extend(
        ["pods", "nodes", "events", "replicasets", "leases", "clusterroles"]
            .map(|kind| ("list-resources", json!({ "kind": kind }))),
    );
    let mut longest = (0, "");
    for (tool, arguments) in &calls {
        let answer = aiops.call(tool, arguments).await;
        let count = tokens(&answer.text).max(tokens(&answer.structured.to_string()));
        assert!(count <= MOST_TOKENS, "{tool} {arguments}: {count} tokens: {}", answer.text);
        longest = longest.max((count, tool));
    }
    println!("{} default answers, the longest is that of {}: {} tokens", calls.len(), longest.1, longest.0);
}

/// Thirty faults more: each stands in the default answers about the whole cluster.
async fn critical_ones_are_named(crowd: &Crowd, aiops: &Aiops, dice: &mut Dice) {
    let faults: Vec<Scenario> = (0..30).map(|n| Scenario::load(CRITICAL[n % CRITICAL.len()], dice)).collect();
    for some in faults.chunks(6) {
        futures::future::join_all(some.iter().map(|fault| fault.play(&crowd.plane))).await;
    }
    let objects: BTreeSet<String> =
        faults.iter().flat_map(|fault| &fault.expected).map(|expected| expected.object.clone()).collect();
    assert_eq!(objects.len(), 30);
    let lacking = |answer: &crate::support::Answer, tool: &str| -> Vec<String> {
        let is_named = |object: &&String| {
            let (namespace, name) = object.trim_start_matches("Deployment ").split_once('/').unwrap();
            let in_list = |list: &str, is: &dyn Fn(&Value) -> bool| {
                answer.structured[list].as_array().is_some_and(|items| items.iter().any(is))
            };
            let start = format!("{name}-");
            if tool == "get-cluster-health" {
                return in_list("problems", &|problem| problem["object"] == **object);
            }
            let is_pod = |pod: &Value| {
                pod["namespace"] == namespace && pod["name"].as_str().unwrap().starts_with(&start)
            };
            in_list("pods", &is_pod) || in_list("also_unwell", &|unwell| unwell["workload"] == **object)
        };
        objects.iter().filter(|object| !is_named(object)).cloned().collect()
    };
    for tool in ["get-cluster-health", "list-pods"] {
        let limit = Duration::from_secs(30);
        let all = |answer: &crate::support::Answer| lacking(answer, tool).is_empty();
        aiops.until(tool, &json!({}), "naming all thirty", limit, all).await;
        println!("{tool} names all 30 faults");
    }
}

/// Walks all pages while pods are replaced: what is there from beginning to end is named once, and nothing is named twice.
async fn walk(crowd: &Arc<Crowd>, aiops: &Aiops) {
    let before = crowd.pods().await;
    let (rate, limit) = if is_proof() { ("20", 200) } else { ("8", 6) };
    let churned = {
        let crowd = Arc::clone(crowd);
        async move {
            let mut args = vec!["churn", "--replace", "--rate", rate, "--for", "8s"];
            if let Some(namespace) = &crowd.namespace {
                args.extend(["--namespace", namespace]);
            }
            crowd.plane.command(&args).await.unwrap()
        }
    };
    let walked = async {
        let mut named: BTreeMap<String, usize> = BTreeMap::new();
        let (mut cursor, mut pages) = (Value::Null, 0);
        loop {
            let mut arguments = crowd.arguments(json!({ "limit": limit }));
            if cursor.is_string() {
                arguments["cursor"] = cursor;
            }
            let list = aiops.answer("list-pods", &arguments).await;
            for pod in list["pods"].as_array().unwrap() {
                let name =
                    format!("{}/{}", pod["namespace"].as_str().unwrap(), pod["name"].as_str().unwrap());
                *named.entry(name).or_default() += 1;
            }
            pages += 1;
            cursor = list["next_cursor"].clone();
            if cursor.is_null() {
                return (named, pages);
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    };
    let (said, (named, pages)) = tokio::join!(churned, walked);
    let after = crowd.pods().await;
    let stayed: Vec<&String> =
        before.iter().filter(|(uid, _)| after.contains_key(*uid)).map(|(_, name)| name).collect();
    let twice: Vec<&String> = named.iter().filter(|(_, times)| **times > 1).map(|(name, _)| name).collect();
    let lost: Vec<&&String> = stayed.iter().filter(|name| !named.contains_key(**name)).collect();
    println!(
        "{pages} pages, {} pods named, {} of {} stayed; {}",
        named.len(),
        stayed.len(),
        before.len(),
        said.trim()
    );
    assert!(twice.is_empty(), "named twice: {twice:?}");
    assert!(lost.is_empty(), "never named: {lost:?}");
    assert!(pages >= 20 && stayed.len() < before.len(), "nothing was replaced meanwhile");
}
