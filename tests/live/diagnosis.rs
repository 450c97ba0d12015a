//! Each fault of the scenarios is named by get-cluster-health and explained by diagnose-pod, alone and two at once; what
//! is well is left alone.
//!
//! Names, images and namespaces are random. What must be said stands in the scenario files; every value that an answer
//! cites is read again from the API server.

mod citation;
mod quiet;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{Aiops, Dice, Plane, SOON, Scenario, is_proof};

/// Scenarios that are played at the same time.
const AT_ONCE: usize = 6;
/// In which nothing is wrong, or which is a matter of size.
const NOT_FAULTS: [&str; 3] = ["healthy", "rolling-update", "ten-thousand-pods"];
/// Its quota would keep out the pods of any other fault in its namespace.
const ALONE: [&str; 1] = ["pending-quota"];

/// Issues that a pod which takes its time must not raise (docs/issues.md), and how long they may take.
const GRACED: [&str; 2] = ["pod_start_slow", "pod_not_ready"];
const LONG: Duration = Duration::from_secs(240);

/// What the runs found out.
#[derive(Default)]
struct Report {
    faults: usize,
    cited: usize,
    /// The code of the first cause, by scenario.
    causes: BTreeMap<String, BTreeSet<String>>,
    wrong: Vec<String>,
}

struct Ward {
    plane: Plane,
    aiops: Aiops,
    room: Semaphore,
    report: Mutex<Report>,
}

impl Ward {
    async fn open() -> Arc<Self> {
        let plane = Plane::shared().await;
        let aiops = Aiops::serve(plane.kubeconfig("viewer"), &[]).await;
        Arc::new(Self { plane, aiops, room: Semaphore::new(AT_ONCE), report: Mutex::default() })
    }

    fn wrong(&self, scenario: &Scenario, what: String) {
        let told = format!("{} {:?}: {what}", scenario.name, scenario.values);
        self.report.lock().unwrap().wrong.push(told);
    }

    /// Plays the scenarios of one namespace, and checks what is said about each and that nothing else is said.
    async fn check(self: Arc<Self>, scenarios: Vec<Scenario>) {
        let place = self.room.acquire().await.unwrap();
        for scenario in &scenarios {
            scenario.play(&self.plane).await;
        }
        // Waiting until a grace is over needs no room.
        drop(place);
        let namespace = scenarios[0].value("namespace").to_owned();
        self.issues(&namespace, &scenarios).await;
        for scenario in &scenarios {
            for expected in &scenario.expected {
                self.report.lock().unwrap().faults += 1;
                let (kind, name) = expected.object.split_once(' ').unwrap();
                let targets = match kind {
                    "Deployment" => {
                        let name = name.split_once('/').unwrap().1;
                        let mut targets = vec![format!("deployment/{name}")];
                        // Pods that were never made cannot be asked about, and those that were are well.
                        if expected.code != "quota_exceeded" {
                            targets.extend(self.unwell_pod(&namespace, name).await);
                        }
                        targets
                    }
                    "Node" => vec![self.pods(&namespace, scenario.value("name")).await[0].clone()],
                    _ => continue,
                };
                for target in targets {
                    self.explains(scenario, &namespace, &target, &expected.cause).await;
                }
            }
        }
        self.plane.delete(&format!("/api/v1/namespaces/{namespace}")).await;
        for node in scenarios.iter().filter_map(|scenario| scenario.values.get("node")) {
            self.plane.delete(&format!("/api/v1/nodes/{node}")).await;
        }
    }

    /// The issues of the namespace, and of the scenarios' nodes, are those expected and no others.
    async fn issues(&self, namespace: &str, scenarios: &[Scenario]) {
        let expected: BTreeSet<(String, String)> = scenarios
            .iter()
            .flat_map(|scenario| &scenario.expected)
            .map(|expected| (expected.object.clone(), expected.code.clone()))
            .collect();
        let nodes: Vec<&String> = scenarios.iter().filter_map(|s| s.values.get("node")).collect();
        let patience =
            if expected.iter().any(|(_, code)| GRACED.contains(&code.as_str())) { LONG } else { SOON };
        let deadline = tokio::time::Instant::now() + patience;
        let (found, problems) = loop {
            let within = self.aiops.answer("get-cluster-health", &json!({"namespace": namespace})).await;
            let mut problems = within["problems"].as_array().unwrap().clone();
            if !nodes.is_empty() {
                let all = self.aiops.answer("get-cluster-health", &json!({"limit": 200})).await;
                let of_nodes =
                    all["problems"].as_array().unwrap().iter().filter(|problem| {
                        nodes.iter().any(|node| problem["object"] == format!("Node {node}"))
                    });
                problems.extend(of_nodes.cloned());
            }
            // Said besides when it lasts: that nothing runs whose pods are on a dead node, that a claim waits.
            let follows = |(object, code): &(String, String)| {
                scenarios.iter().any(|scenario| {
                    let (name, has_node) = (scenario.value("name"), scenario.values.contains_key("node"));
                    let is_down = code == "deployment_unavailable" && has_node;
                    (is_down && *object == format!("Deployment {namespace}/{name}"))
                        || (code == "pvc_pending" && object.ends_with(&format!("/{name}-data")))
                })
            };
            let found: BTreeSet<(String, String)> =
                problems.iter().map(object_and_code).filter(|issue| !follows(issue)).collect();
            if expected.is_subset(&found) || tokio::time::Instant::now() > deadline {
                break (found, problems);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        if found != expected {
            let told = format!("issues are {found:?} and not {expected:?}: {problems:?}");
            self.wrong(&scenarios[0], told);
        }
        // What is not about a workload's pods has its cause in the sentence of the issue.
        for scenario in scenarios {
            for expected in scenario.expected.iter().filter(|expected| {
                !expected.object.starts_with("Deployment ") && !expected.object.starts_with("Node ")
            }) {
                let of = problems.iter().find(|problem| problem["object"] == *expected.object);
                let what = of.map(|problem| problem["what"].to_string()).unwrap_or_default();
                if !holds_all(&what, &expected.cause) {
                    self.wrong(scenario, format!("{what} does not hold {:?}", expected.cause));
                }
            }
        }
    }

    async fn explains(&self, scenario: &Scenario, namespace: &str, target: &str, words: &[String]) {
        let arguments = json!({"namespace": namespace, "pod": target});
        // One that the scheduler or the kubelet has not come to yet is starting, which is no wrong answer.
        let deadline = Instant::now() + SOON;
        let diagnosis = loop {
            let diagnosis = self.aiops.answer("diagnose-pod", &arguments).await;
            if diagnosis["verdict"] != "starting" || Instant::now() > deadline {
                break diagnosis;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let Some(first) = diagnosis["causes"].as_array().and_then(|causes| causes.first()) else {
            self.wrong(scenario, format!("{target} has no cause: {diagnosis}"));
            return;
        };
        let what = first["what"].as_str().unwrap();
        if !holds_all(what, words) {
            self.wrong(scenario, format!("{target}: {what:?} does not hold {words:?}: {first}"));
        }
        let code = first["code"].as_str().unwrap().to_owned();
        self.report.lock().unwrap().causes.entry(scenario.name.clone()).or_default().insert(code);
        match citation::all_hold(&self.plane, &self.aiops, &arguments).await {
            Ok(cited) => self.report.lock().unwrap().cited += cited,
            Err(why) => self.wrong(scenario, format!("{target}: {why}")),
        }
    }

    /// The names of a workload's pods.
    async fn pods(&self, namespace: &str, app: &str) -> Vec<String> {
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{app}");
        let list = self.plane.get(&path).await.unwrap();
        let names = list["items"].as_array().unwrap().iter().map(|pod| &pod["metadata"]["name"]);
        names.map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// One of its pods that is not ready now.
    async fn unwell_pod(&self, namespace: &str, app: &str) -> Option<String> {
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{app}");
        let list = self.plane.get(&path).await.unwrap();
        let is_ready = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array();
            conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
        };
        let found = list["items"].as_array().unwrap().iter().find(|pod| !is_ready(pod))?;
        Some(found["metadata"]["name"].as_str().unwrap().to_owned())
    }
}

fn object_and_code(problem: &Value) -> (String, String) {
    let text = |key: &str| problem[key].as_str().unwrap().to_owned();
    (text("object"), text("code"))
}

fn is_slow(scenario: &Scenario) -> bool {
    scenario.name == "node-not-ready"
        || scenario.expected.iter().any(|expected| GRACED.contains(&expected.code.as_str()))
}

fn holds_all(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(&word.to_lowercase()))
}

/// The faults of one run: each alone, or two at a time in one namespace.
fn groups(dice: &mut Dice, alone: bool) -> Vec<Vec<Scenario>> {
    let mut names: Vec<String> =
        Scenario::all().into_iter().filter(|name| !NOT_FAULTS.contains(&name.as_str())).collect();
    // Random partners.
    names.sort_by_cached_key(|_| dice.number(1 << 30));
    let mut groups: Vec<Vec<Scenario>> = Vec::new();
    let mut open: Option<Vec<Scenario>> = None;
    for name in &names {
        if alone || ALONE.contains(&name.as_str()) {
            groups.push(vec![Scenario::load(name, dice)]);
        } else if let Some(mut first) = open.take() {
            let namespace = first[0].value("namespace").to_owned();
            first.push(Scenario::load_with(name, dice, &[("namespace", &namespace)]));
            groups.push(first);
        } else {
            open = Some(vec![Scenario::load(name, dice)]);
        }
    }
    groups.extend(open);
    groups
}

#[tokio::test]
async fn each_fault_is_named_and_its_cause_comes_first() {
    let ward = Ward::open().await;
    let runs = if is_proof() { 20 } else { 2 };
    let mut dice = Dice::new();
    let mut groups: Vec<_> = (0..runs).flat_map(|run| groups(&mut dice, run == 0)).collect();
    // What takes longest begins first.
    groups.sort_by_key(|group| !group.iter().any(is_slow));
    futures::future::join_all(groups.into_iter().map(|group| Arc::clone(&ward).check(group))).await;
    assert_eq!(ward.plane.broken_stages(), Vec::<String>::new());
    let report = ward.report.lock().unwrap();
    println!(
        "{runs} runs: {} faults planted, {} values read again, {} wrong; causes: {:#?}",
        report.faults,
        report.cited,
        report.wrong.len(),
        report.causes
    );
    assert!(report.wrong.is_empty(), "{}", report.wrong.join("\n\n"));
    assert!(report.causes.values().all(|codes| codes.len() == 1), "{:?}", report.causes);
    let loops = report.causes.iter().filter(|(name, _)| name.starts_with("crash-loop-"));
    let loops: Vec<&String> = loops.flat_map(|(_, codes)| codes).collect();
    let told_apart: BTreeSet<&String> = loops.iter().copied().collect();
    assert_eq!((loops.len(), told_apart.len()), (5, 5), "{loops:?}");
}
