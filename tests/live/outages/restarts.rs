//! An API server that is restarted again and again while callers ask and objects change: no answer is wrong for its moment.
//!
//! What is right is known from the writer: it remembers what it wrote, when it began to and when that was acknowledged.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Dice, Open, Options, Plane, Served, Told, is_proof};

const OBJECTS: usize = 12;
const CALLERS: usize = 4;
/// Pods and nodes that nobody touches: they are counted the same at all times.
const PODS: i64 = 25;
const NODES: i64 = 3;
/// How long after it was acknowledged a change may be unseen. Most are seen at once; the figure is printed.
const LATE: Duration = Duration::from_secs(2);
/// An answer is for the moment when the API server was last heard, and one of which nothing is heard is asked after so
/// long at the latest, before it is called lost.
const QUIET: Duration = Duration::from_secs(15);

/// A state of one Deployment: the replicas it wants, or `None` when it does not exist.
type State = Option<i64>;

/// One write.
#[derive(Debug, Clone)]
struct Written {
    begun: Timestamp,
    /// Not yet, while its outcome is not known.
    known: Option<Timestamp>,
    state: State,
}

/// Everything that was written, by object.
#[derive(Debug, Default)]
struct History(Mutex<BTreeMap<String, Vec<Written>>>);

impl History {
    fn begin(&self, name: &str, state: State) {
        let written = Written { begun: Timestamp::now(), known: None, state };
        self.0.lock().unwrap().entry(name.to_owned()).or_default().push(written);
    }

    fn acknowledge(&self, name: &str) {
        let mut all = self.0.lock().unwrap();
        all.get_mut(name).unwrap().last_mut().unwrap().known = Some(Timestamp::now());
    }

    /// The states in which the object may have been at some moment between the two.
    fn possible(&self, name: &str, from: Timestamp, to: Timestamp) -> Vec<State> {
        let all = self.0.lock().unwrap();
        let Some(writes) = all.get(name) else { return vec![None] };
        let mut possible = Vec::new();
        let mut ended = false;
        for written in writes.iter().rev() {
            if written.begun > to || ended {
                continue;
            }
            possible.push(written.state);
            // Before this one was certainly in effect nothing older counts.
            ended = written.known.is_some_and(|known| known <= from);
        }
        if !ended {
            possible.push(None);
        }
        possible
    }

    fn last(&self) -> BTreeMap<String, State> {
        let all = self.0.lock().unwrap();
        all.iter().map(|(name, writes)| (name.clone(), writes.last().unwrap().state)).collect()
    }
}

fn deployment(namespace: &str, name: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        // Paused, so that it makes no pods.
        "spec": {"paused": true, "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web", "image": "registry.example.com/web:1"}]},
        }},
    })
}

/// Changes objects one after the other, and each until that is acknowledged.
async fn churn(
    plane: Arc<Plane>,
    namespace: String,
    history: Arc<History>,
    ending: Arc<AtomicBool>,
) -> usize {
    let mut dice = Dice::new();
    let base = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let mut written = 0;
    while !ending.load(Ordering::Relaxed) {
        let name = format!("web-{}", dice.number(OBJECTS as u64));
        let now = history.last().get(&name).copied().flatten();
        let state = if now.is_some() && dice.number(4) == 0 {
            None
        } else {
            Some(i64::try_from(dice.number(50)).unwrap())
        };
        history.begin(&name, state);
        loop {
            let path = format!("{base}/{name}");
            let request = match state {
                None => Request::delete(path).body(Vec::new()),
                Some(replicas) => Request::patch(format!("{path}?fieldManager=churn&force=true"))
                    .header("content-type", "application/apply-patch+yaml")
                    .body(deployment(&namespace, &name, replicas).to_string().into_bytes()),
            };
            match plane.attempt(request.unwrap()).await {
                Ok(_) => break,
                // Deleted by a request whose answer was lost.
                Err(kube::Error::Api(status)) if status.code == 404 && state.is_none() => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        history.acknowledge(&name);
        written += 1;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    written
}

/// What callers saw.
#[derive(Debug, Default)]
struct Seen {
    answers: AtomicUsize,
    stale: AtomicUsize,
    late: AtomicUsize,
}

fn moment(told: &Told) -> Timestamp {
    told.facts["as_of"].as_str().unwrap_or_else(|| panic!("no moment: {}", told.facts)).parse().unwrap()
}

fn states(told: &Told) -> BTreeMap<String, State> {
    let rows = told.facts["workloads"].as_array().unwrap_or_else(|| panic!("no rows: {}", told.facts));
    let name = |row: &Value| row["name"].as_str().unwrap().to_owned();
    rows.iter().map(|row| (name(row), row["replicas"]["desired"].as_i64())).collect()
}

/// Every row is as the API server had it at the moment that the answer names.
fn check(told: &Told, history: &History, seen: &Seen, asked: Timestamp) {
    let at = moment(told);
    let is_stale = !told.facts["stale_since"].is_null();
    if !is_stale {
        assert!(at >= asked - QUIET, "it answers for {at}, was asked at {asked}, and does not call that old");
    }
    let rows = states(told);
    // Old answers may have newer rows: after an outage one kind is fresh before the other.
    let to = Timestamp::now();
    for index in 0..OBJECTS {
        let name = format!("web-{index}");
        let state = rows.get(&name).copied().flatten();
        if history.possible(&name, at, to).contains(&state) {
            continue;
        }
        seen.late.fetch_add(1, Ordering::Relaxed);
        let possible = history.possible(&name, at - LATE, to);
        assert!(
            possible.contains(&state),
            "{name} has {state:?} as of {at} (asked at {asked}, now {}); possible is {possible:?}: {:?}\n{}",
            Timestamp::now(),
            history.0.lock().unwrap().get(&name).map(|all| all
                .iter()
                .rev()
                .take(4)
                .cloned()
                .collect::<Vec<_>>()),
            told.facts
        );
    }
    seen.answers.fetch_add(1, Ordering::Relaxed);
    seen.stale.fetch_add(usize::from(is_stale), Ordering::Relaxed);
}

async fn ask(
    mut open: Open,
    namespace: String,
    history: Arc<History>,
    seen: Arc<Seen>,
    ending: Arc<AtomicBool>,
) {
    let workloads = json!({"namespace": namespace, "kind": "Deployment", "limit": 100});
    let pods = json!({"namespace": "resting"});
    while !ending.load(Ordering::Relaxed) {
        let asked = Timestamp::now();
        let told = open.call("list-workloads", &workloads).await;
        assert!(!told.is_error, "{}", told.text);
        check(&told, &history, &seen, asked);
        let told = open.call("list-pods", &pods).await;
        assert_eq!(told.facts["total"], PODS, "{}", told.facts);
        let told = open.call("list-nodes", &json!({})).await;
        assert_eq!(told.facts["total"], NODES, "{}", told.facts);
        let told = open.call("get-cluster-health", &json!({"include_details": true})).await;
        assert_eq!(
            (&told.facts["nodes"]["total"], &told.facts["pods"]["total"]),
            (&json!(NODES), &json!(PODS)),
            "{}",
            told.facts
        );
        let told = open.call("list-namespaces", &json!({})).await;
        assert!(told.facts["total"].as_i64().is_some_and(|total| total >= 6), "{}", told.facts);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Pods without a node: nothing ever happens to them.
fn resting() -> String {
    let pod = |index: i64| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("resting-{index}"), "namespace": "resting"},
            "spec": {"schedulerName": "nobody", "containers": [{"name": "web", "image": "registry.example.com/web:1"}]},
        })
    };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "resting"}});
    std::iter::once(namespace)
        .chain((0..PODS).map(pod))
        .map(|one| one.to_string())
        .collect::<Vec<_>>()
        .join("\n---\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_under_load() {
    let restarts = if is_proof() { 20 } else { 3 };
    let plane = Arc::new(Plane::own(&Options { nodes: 3, ..Options::default() }).await);
    plane.apply(&resting()).await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    let mut served = Served::start(&["--kubeconfig", plane.kubeconfig("admin").to_str().unwrap()], &[]);
    let mut open = served.open().await;
    let whole = |told: &Told| told.is_fresh() && told.facts["total"] == PODS;
    open.until("list-pods", &json!({"namespace": "resting"}), "whole", Duration::from_secs(30), whole).await;
    for tool in ["list-workloads", "list-namespaces", "list-nodes", "get-cluster-health"] {
        open.until(tool, &json!({}), "fresh", Duration::from_secs(10), Told::is_fresh).await;
    }

    let (history, seen, ending) =
        (Arc::<History>::default(), Arc::<Seen>::default(), Arc::new(AtomicBool::new(false)));
    let churner =
        tokio::spawn(churn(Arc::clone(&plane), namespace.clone(), Arc::clone(&history), Arc::clone(&ending)));
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let open = served.open().await;
        callers.push(tokio::spawn(ask(
            open,
            namespace.clone(),
            Arc::clone(&history),
            Arc::clone(&seen),
            Arc::clone(&ending),
        )));
    }
    let arguments = json!({"namespace": namespace, "kind": "Deployment", "limit": 100});
    let mut fresh = Vec::new();
    for _ in 0..restarts {
        tokio::time::sleep(Duration::from_secs(1)).await;
        plane.api_down().await;
        let is_old = |told: &Told| !told.facts["stale_since"].is_null();
        open.until("list-workloads", &arguments, "old", super::fresh_within(), is_old).await;
        let begun = Instant::now();
        plane.api_up().await;
        let up = begun.elapsed();
        // A connection that said nothing for so long may have been closed meanwhile.
        open = served.open().await;
        let (_, took) =
            open.until("list-workloads", &arguments, "fresh", super::fresh_within(), Told::is_fresh).await;
        fresh.push((up, took));
        assert!(callers.iter().all(|caller| !caller.is_finished()), "a caller saw something wrong");
    }
    ending.store(true, Ordering::Relaxed);
    let written = churner.await.unwrap();
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(served.runs(), "it ended");

    let mut expected = history.last();
    expected.retain(|_, state| state.is_some());
    let is_equal = |told: &Told| told.is_fresh() && states(told) == expected;
    open.until("list-workloads", &arguments, "equal to what was written", super::fresh_within(), is_equal)
        .await;
    let own = plane.get(&format!("/apis/apps/v1/namespaces/{namespace}/deployments")).await.unwrap();
    let name = |item: &Value| item["metadata"]["name"].as_str().unwrap().to_owned();
    let own: BTreeMap<String, State> = own["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (name(item), item["spec"]["replicas"].as_i64()))
        .collect();
    assert_eq!(own, expected);
    let (answers, stale, late) = (&seen.answers, &seen.stale, &seen.late);
    println!(
        "{restarts} restarts, {written} changes, {answers:?} answers of workloads checked against {OBJECTS} objects each, \
         {stale:?} of them marked as old; {late:?} rows seen later than their second; until ready and from there until fresh: {fresh:?}"
    );
    assert!(answers.load(Ordering::Relaxed) > 50 && stale.load(Ordering::Relaxed) > 0);
}
