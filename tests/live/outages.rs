//! What aiops says while its API server cannot be reached, and how soon it is right again.
//!
//! A proxy of the test's own breaks the network; the API server behind it is real and shared.

mod restarts;
mod rights;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Desktop, Dice, Open, Plane, Proxy, Served, Told, Weather, is_proof};

/// A handshake waits for no cluster. The figure is printed, and held to under `make proof-live`; otherwise, on a machine
/// that compiles and serves other tests meanwhile, what waits for a cluster is told by [`STARTED`].
const PROMISED: Duration = Duration::from_millis(50);
/// From the start of a process to its first answer on a machine that does other things at the same time.
const STARTED: Duration = Duration::from_secs(2);
/// How soon everything is fresh after the API server is back.
const FRESH: Duration = Duration::from_secs(5);
/// How soon a silence is noticed: a heartbeat, and two questions without an answer.
const NOTICED: Duration = Duration::from_secs(25);

/// The middle of several measurements: one that met another test's burst says nothing.
fn middle(mut taken: Vec<Duration>) -> Duration {
    taken.sort_unstable();
    taken[taken.len() / 2]
}

fn prompt(what: &str, taken: Vec<Duration>) {
    let (middle, most) = (middle(taken.clone()), taken.into_iter().max().unwrap());
    println!("{what}: {middle:?} in the middle, {most:?} at most; promised {PROMISED:?}");
    assert!(middle <= promised(), "{what} took {middle:?}");
}

fn promised() -> Duration {
    if is_proof() { PROMISED } else { STARTED }
}

/// How soon everything must be fresh again: what is promised, or on a busy machine what only a fault exceeds.
fn fresh_within() -> Duration {
    if is_proof() { FRESH } else { FRESH * 4 }
}

async fn handshakes(what: &str, served: &Served) {
    let mut open = served.open().await;
    let (mut initialized, mut discovered) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let begun = Instant::now();
        let answer = open.initialize().await;
        initialized.push(begun.elapsed());
        assert_eq!(answer["result"]["serverInfo"]["name"], "aiops", "{answer}");
        let begun = Instant::now();
        let answer = open.ask("server/discover", json!({})).await;
        discovered.push(begun.elapsed());
        assert!(answer["result"]["supportedVersions"].is_array(), "{answer}");
    }
    prompt(&format!("{what}: initialize over HTTP"), initialized);
    prompt(&format!("{what}: server/discover over HTTP"), discovered);
}

/// Every tool answers, and none counts what it cannot know.
pub(crate) async fn nothing_is_counted(open: &mut Open, why: &str) {
    for (tool, counts) in [
        ("list-nodes", &["total", "omitted", "ready"][..]),
        ("list-pods", &["total", "omitted", "summary"]),
        ("list-namespaces", &["total", "omitted"]),
        ("list-workloads", &["total", "omitted"]),
        ("list-events", &["total", "omitted", "events_total"]),
    ] {
        let told = open.call(tool, &json!({})).await;
        assert!(!told.is_error, "{tool}: {}", told.text);
        for count in counts {
            assert_eq!(told.facts.get(*count), Some(&Value::Null), "{tool} counts {count}: {}", told.facts);
        }
        says_why(tool, &told, why);
    }
    let told = open.call("get-cluster-health", &json!({"include_details": true})).await;
    says_why("get-cluster-health", &told, why);
    for count in ["nodes", "pods", "issues"] {
        assert_eq!(told.facts.get(count), Some(&Value::Null), "health counts {count}: {}", told.facts);
    }
    assert_eq!(told.facts["status"], "unknown", "{}", told.facts);
    for (tool, arguments) in [
        ("get-resource", json!({"kind": "Node", "name": "node-0"})),
        ("list-resources", json!({"kind": "ConfigMap"})),
        ("get-pod-logs", json!({"namespace": "default", "pod": "web"})),
        ("diagnose-pod", json!({"namespace": "default", "pod": "web"})),
        ("get-workload", json!({"namespace": "default", "kind": "Deployment", "name": "web"})),
        ("calculate-pod-capacity", json!({"namespace": "default"})),
        (
            "analyze-scaling-impact",
            json!({"namespace": "default", "deployment": "web", "current_replicas": 1, "target_replicas": 3}),
        ),
    ] {
        let begun = Instant::now();
        let told = open.call(tool, &arguments).await;
        assert!(begun.elapsed() < Duration::from_secs(15), "{tool} took {:?}", begun.elapsed());
        says_why(tool, &told, why);
    }
}

fn says_why(tool: &str, told: &Told, why: &str) {
    let said = format!("{} {}", told.text, told.facts);
    assert!(
        said.contains(why) || said.contains("not come in yet"),
        "{tool} does not say why ({why}): {said}"
    );
    if !told.is_error {
        assert!(!told.missing().is_empty() || told.facts.to_string().contains(why), "{tool}: {said}");
    }
}

/// Writes through nothing but the API server itself, and waits until aiops says so.
async fn sees_a_change(plane: &Plane, open: &mut Open, dice: &mut Dice) -> Duration {
    let name = plane.namespace(dice).await;
    let is_there = |told: &Told| told.is_fresh() && told.facts.to_string().contains(&name);
    open.until("list-namespaces", &json!({"limit": 500}), "changed", fresh_within(), is_there).await.1
}

/// Waits until every kind is fresh, all within the one limit.
async fn all_fresh(open: &mut Open) -> Duration {
    let begun = Instant::now();
    for tool in ["get-cluster-health", "list-nodes", "list-namespaces", "list-workloads", "list-events"] {
        let left = fresh_within().saturating_sub(begun.elapsed());
        open.until(tool, &json!({}), "fresh", left, Told::is_fresh).await;
    }
    begun.elapsed()
}

/// Begins in the fault, recovers, falls into it again, recovers again.
async fn weathers(fault: Weather, why: &str) {
    let plane = Plane::shared().await;
    let mut dice = Dice::new();
    let folder = tempfile::tempdir().unwrap();
    let proxy = Proxy::to(plane.server(), fault).await;
    let kubeconfig = proxy.kubeconfig(plane.kubeconfig("admin"), folder.path());
    let arguments = ["--kubeconfig", kubeconfig.to_str().unwrap()];
    let served = Served::start(&arguments, &[]);
    handshakes(&format!("{fault:?} from the start"), &served).await;
    let desktop = tokio::task::block_in_place(|| Desktop::start(&arguments, &[]));
    let (whole, asked) = desktop.first_answer;
    println!(
        "{fault:?} from the start: first answer on stdio {whole:?} after the start, the next after {asked:?}"
    );
    assert!(whole < STARTED && asked <= promised(), "{whole:?}, {asked:?}");
    drop(desktop);

    let mut open = served.open().await;
    let says = |told: &Told| told.facts.to_string().contains(why);
    open.until("list-pods", &json!({}), "told why", Duration::from_secs(10), says).await;
    nothing_is_counted(&mut open, why).await;

    proxy.turn(Weather::Fine).await;
    let health = json!({"include_details": true});
    let first = all_fresh(&mut open).await;
    let seen = sees_a_change(&plane, &mut open, &mut dice).await;
    let namespace = plane.namespace(&mut dice).await;
    plane.apply(&rights::workloads(&namespace)).await;
    let mut known = Vec::new();
    for tool in ["list-nodes", "list-namespaces", "list-pods", "list-workloads", "list-events"] {
        let has_some =
            |told: &Told| told.is_fresh() && told.facts["total"].as_i64().is_some_and(|total| total > 0);
        let (told, _) =
            open.until(tool, &json!({}), "fresh and not empty", Duration::from_secs(20), has_some).await;
        known.push((tool, told.facts["total"].as_i64().unwrap()));
    }

    proxy.turn(fault).await;
    let begun = Instant::now();
    let lost: jiff::Timestamp = jiff::Timestamp::now();
    // Before the loss is noticed, too, no answer claims to be true for a later moment; moments are whole seconds.
    let is_old = |told: &Told| {
        let as_of: jiff::Timestamp = told.facts["as_of"].as_str().unwrap().parse().unwrap();
        assert!(as_of.as_second() <= lost.as_second() + 1, "lost at {lost}: {}", told.facts);
        !told.facts["stale_since"].is_null()
    };
    open.until("get-cluster-health", &health, "marked as old", NOTICED, is_old).await;
    let noticed = begun.elapsed();
    for (tool, total) in known {
        let told = open.call(tool, &json!({})).await;
        assert_eq!(told.facts["as_of"], told.facts["stale_since"], "{}", told.facts);
        // Other tests change pods, workloads and events up to the moment of the fault; nodes are this many.
        let now = told.facts["total"].as_i64().unwrap();
        assert!(now > 0 && (tool != "list-nodes" || now == total), "{tool}: {now} after {total}");
        says_why(tool, &told, why);
    }
    handshakes(&format!("{fault:?} later"), &served).await;

    proxy.turn(Weather::Fine).await;
    let again = all_fresh(&mut open).await;
    let seen_again = sees_a_change(&plane, &mut open, &mut dice).await;
    println!(
        "{fault:?}: fresh {first:?} after the first return, a change seen {seen:?} later; noticed after {noticed:?}; \
         fresh {again:?} after the second return, a change seen {seen_again:?} later"
    );
}

/// All at once, since each is waiting most of the time.
#[tokio::test(flavor = "multi_thread")]
async fn the_network_fails_in_every_way() {
    tokio::join!(
        weathers(Weather::Dropping, "did not answer within"),
        weathers(Weather::Silent, "did not answer within"),
        weathers(Weather::Refusing, "nothing listens at"),
        weathers(Weather::Garbage, "does not speak TLS"),
    );
}
