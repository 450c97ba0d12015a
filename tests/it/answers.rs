//! Answers on 10,000 pods: short by default, with counts that add up, walked without loss, and with every critical fault.
//!
//! The cluster is a recording that is generated here; what is live in it is changed in the inventory alone.
#![expect(clippy::print_stdout, reason = "the figures are what one wants to read")]

mod big;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aiops::{
    config,
    mcp::{
        Server,
        tool::{Answer, CallContext},
        tools::TOOLS,
    },
    recording,
    shutdown::Tasks,
    telemetry::Metrics,
};
use aiops_engine::{Engine, SharedInventory, ports::Clock};
use aiops_inventory::{Kind, inventory::Change};
use jiff::Timestamp;
use serde_json::{Value, json};
use tiktoken_rs::CoreBPE;

/// A default answer takes at most so many tokens of o200k.
const MOST_TOKENS: usize = 2_000;

struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

struct Cluster {
    server: Server,
    inventory: SharedInventory,
    cluster: big::Big,
    _folder: tempfile::TempDir,
}

impl Cluster {
    fn new(faults: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = big::Big::new(faults);
        cluster.write(folder.path());
        let inventory = SharedInventory::default();
        let opened = recording::open(folder.path(), &inventory).unwrap();
        let engine =
            Engine::new(inventory.clone(), Some(Arc::clone(&opened.cluster)), Arc::new(Still(opened.at)));
        let settings = config::Mcp::default();
        let server = Server::new(engine, &settings, Arc::new(Metrics::new()), Tasks::new());
        Self { server, inventory, cluster, _folder: folder }
    }

    async fn call(&self, tool: &str, arguments: &Value) -> Answer {
        let arguments = arguments.as_object().unwrap().clone();
        let answer = self.server.call(tool, arguments, CallContext::detached()).await;
        answer.unwrap_or_else(|error| panic!("{tool}: {error}"))
    }
}

/// The least that each tool must be told, so that its answer is the largest.
fn default_arguments(cluster: &big::Big) -> Vec<(&'static str, Value)> {
    let (namespace, name, pod) = cluster.a_fault();
    vec![
        (
            "analyze-scaling-impact",
            json!({"namespace": namespace, "deployment": name, "target_replicas": 500}),
        ),
        ("calculate-pod-capacity", json!({"namespace": namespace})),
        ("calculate-pod-capacity", json!({"namespace": "cluster"})),
        ("diagnose-pod", json!({"namespace": namespace, "pod": pod})),
        ("diagnose-pod", json!({"namespace": namespace, "pod": format!("deployment/{name}")})),
        ("get-cluster-health", json!({})),
        ("get-cluster-health", json!({"namespace": namespace})),
        ("get-pod-logs", json!({"namespace": namespace, "pod": pod})),
        ("get-pod-logs", json!({"namespace": namespace, "pod": pod, "previous": true})),
        ("get-resource", json!({"kind": "pod", "namespace": namespace, "name": pod})),
        ("get-resource", json!({"kind": "deployment", "namespace": namespace, "name": name})),
        ("get-resource", json!({"kind": "configmap", "namespace": namespace, "name": "large"})),
        ("get-resource", json!({"kind": "node", "name": "node-0001"})),
        ("get-workload", json!({"namespace": namespace, "kind": "Deployment", "name": name})),
        ("get-workload", json!({"namespace": "team-00", "kind": "Deployment", "name": "team-00-service-0"})),
        ("list-events", json!({})),
        ("list-events", json!({"namespace": namespace})),
        ("list-namespaces", json!({})),
        ("list-nodes", json!({})),
        ("list-pods", json!({})),
        ("list-pods", json!({"namespace": namespace})),
        ("list-pods", json!({"troubled_only": true})),
        ("list-resources", json!({"kind": "pods"})),
        ("list-resources", json!({"kind": "deployments"})),
        ("list-resources", json!({"kind": "nodes"})),
        ("list-resources", json!({"kind": "events"})),
        ("list-resources", json!({"kind": "configmaps"})),
        ("list-workloads", json!({})),
        ("list-workloads", json!({"namespace": namespace})),
    ]
}

fn tokens(counter: &CoreBPE, text: &str) -> usize {
    counter.encode_ordinary(text).len()
}

/// One test, because the cluster takes longer to make than to ask; the walk changes it and comes last.
#[tokio::test]
async fn answers_on_ten_thousand_pods() {
    let cluster = Cluster::new(30);
    default_answers_are_short_on_ten_thousand_pods(&cluster).await;
    counts_add_up_to_what_there_is(&cluster).await;
    each_critical_fault_stands_in_the_default_answers(&cluster).await;
    a_walk_names_each_pod_once_while_pods_come_change_and_go(&cluster).await;
}

async fn default_answers_are_short_on_ten_thousand_pods(cluster: &Cluster) {
    let counter = tiktoken_rs::o200k_base().unwrap();
    let calls = default_arguments(&cluster.cluster);
    let called: BTreeSet<&str> = calls.iter().map(|(tool, _)| *tool).collect();
    let listed: BTreeSet<&str> = TOOLS
        .iter()
        .filter(|tool| !tool.is_coordinated() && !tool.is_membered())
        .map(|tool| tool.meta().name)
        .collect();
    assert_eq!(called, listed, "each tool that reads the cluster is called here");
    let mut long = Vec::new();
    for (tool, arguments) in &calls {
        let answer = cluster.call(tool, arguments).await;
        let structured = serde_json::to_string(&answer.structured).unwrap();
        let (text, structured) = (tokens(&counter, &answer.text), tokens(&counter, &structured));
        println!("{tool} {arguments}: text {text}, structured {structured} tokens");
        if text.max(structured) > MOST_TOKENS {
            long.push(format!("{tool} {arguments}: {text} and {structured} tokens: {}", answer.text));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

async fn counts_add_up_to_what_there_is(cluster: &Cluster) {
    let namespace = cluster.cluster.a_fault().0;
    for (tool, arguments, rows, count) in [
        ("list-pods", json!({}), "pods", cluster.cluster.pods.len()),
        ("list-pods", json!({"namespace": namespace}), "pods", cluster.cluster.pods_of(&namespace)),
        ("list-pods", json!({"limit": 500}), "pods", cluster.cluster.pods.len()),
        ("list-nodes", json!({}), "nodes", cluster.cluster.nodes.len()),
        ("list-namespaces", json!({}), "namespaces", cluster.cluster.namespaces.len()),
        ("list-workloads", json!({}), "workloads", cluster.cluster.deployments.len()),
        ("list-resources", json!({"kind": "pods"}), "items", cluster.cluster.pods.len()),
    ] {
        let answer = cluster.call(tool, &arguments).await.structured;
        let number = |key: &str| usize::try_from(answer[key].as_u64().unwrap()).unwrap();
        assert_eq!(number("total"), count, "{tool} {arguments}");
        assert_eq!(number("shown") + number("omitted"), count, "{tool} {arguments}");
        assert_eq!(answer[rows].as_array().unwrap().len(), number("shown"), "{tool} {arguments}");
    }
}

async fn each_critical_fault_stands_in_the_default_answers(cluster: &Cluster) {
    let health = cluster.call("get-cluster-health", &json!({})).await.structured;
    let named: BTreeSet<&str> =
        health["problems"].as_array().unwrap().iter().map(|p| p["object"].as_str().unwrap()).collect();
    let list = cluster.call("list-pods", &json!({})).await.structured;
    let rows: BTreeSet<(&str, &str)> = list["pods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pod| (pod["namespace"].as_str().unwrap(), pod["name"].as_str().unwrap()))
        .collect();
    let also: BTreeSet<&str> = list
        .get("also_unwell")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|workload| workload["workload"].as_str().unwrap())
        .collect();
    println!(
        "{} issues shown of {}; {} rows and {} workloads beside them",
        named.len(),
        health["issues"]["total"],
        rows.len(),
        also.len()
    );
    assert_eq!(cluster.cluster.faults.len(), 30);
    for fault in &cluster.cluster.faults {
        let object = format!("Deployment {}/{}", fault.namespace, fault.name);
        assert!(named.contains(object.as_str()), "{object} is not in get-cluster-health");
        let has_row = fault.pods.iter().any(|pod| rows.contains(&(fault.namespace.as_str(), pod.as_str())));
        assert!(has_row || also.contains(object.as_str()), "{object} is not in list-pods");
    }
}

/// Every pod that is there all the time is named exactly once, whatever happens to it and to others between the pages.
async fn a_walk_names_each_pod_once_while_pods_come_change_and_go(cluster: &Cluster) {
    let change = |change: Change<'_>| {
        cluster.inventory.change(|inventory| inventory.apply(Kind::Pod, change).unwrap());
    };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    let (mut cursor, mut pages) = (Value::Null, 0);
    loop {
        let mut arguments = json!({"limit": 200});
        if cursor.is_string() {
            arguments["cursor"] = cursor.clone();
        }
        let list = cluster.call("list-pods", &arguments).await.structured;
        for pod in list["pods"].as_array().unwrap() {
            let name = format!("{}/{}", pod["namespace"].as_str().unwrap(), pod["name"].as_str().unwrap());
            *seen.entry(name).or_default() += 1;
        }
        pages += 1;
        cursor = list.get("next_cursor").cloned().unwrap_or_default();
        if cursor.is_null() {
            break;
        }
        for step in 0..40 {
            let at = (pages * 997 + step * 7_919) % cluster.cluster.pods.len();
            let mut pod = cluster.cluster.pods[at].clone();
            let name = format!(
                "{}/{}",
                pod["metadata"]["namespace"].as_str().unwrap(),
                pod["metadata"]["name"].as_str().unwrap()
            );
            match step % 4 {
                // It fails, and so would be among the worst.
                0 | 1 if !gone.contains(&name) => {
                    pod["status"]["containerStatuses"][0]["ready"] = json!(false);
                    pod["status"]["containerStatuses"][0]["state"] =
                        json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}});
                    change(Change::Applied(pod.to_string().as_bytes()));
                }
                2 => {
                    change(Change::Deleted(pod.to_string().as_bytes()));
                    gone.insert(name);
                }
                _ => {
                    pod["metadata"]["name"] = json!(format!("new-{pages}-{step}"));
                    pod["metadata"]["uid"] = json!(big::uid(50_000 + pages * 100 + step));
                    change(Change::Applied(pod.to_string().as_bytes()));
                }
            }
        }
    }
    let twice: Vec<&String> = seen.iter().filter(|(_, times)| **times > 1).map(|(name, _)| name).collect();
    assert!(twice.is_empty(), "named twice: {twice:?}");
    let lost: Vec<String> = cluster
        .cluster
        .pods
        .iter()
        .map(|pod| {
            format!(
                "{}/{}",
                pod["metadata"]["namespace"].as_str().unwrap(),
                pod["metadata"]["name"].as_str().unwrap()
            )
        })
        .filter(|name| !gone.contains(name) && !seen.contains_key(name))
        .collect();
    println!("{pages} pages, {} pods named, {} went meanwhile", seen.len(), gone.len());
    assert!(lost.is_empty(), "never named: {lost:?}");
    assert!(pages > 20 && gone.len() > 100);
}
