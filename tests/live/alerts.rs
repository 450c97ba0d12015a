//! What comes in by itself: every fault of the scenarios and floods of alerts open incidents and change nothing; a real
//! Alertmanager, the sweep and an order for the same trouble are one incident and one workflow.
//!
//! That nothing was changed is read in the API server's audit log.

mod alertmanager;
mod relay;

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

use self::{alertmanager::Alertmanager, relay::Relay};
use crate::support::{Actor, Audited, Dice, Full, Plane, Scenario, digest, is_proof};

/// In which nothing is wrong, or which is a matter of size.
const NOT_FAULTS: [&str; 3] = ["healthy", "rolling-update", "ten-thousand-pods"];
/// Issues that are raised only when they last, which takes minutes (docs/issues.md).
const GRACED: [&str; 2] = ["pod_start_slow", "pod_not_ready"];
/// Scenarios that are played at the same time.
const AT_ONCE: usize = 6;

/// What this user's requests could have changed since then.
fn changes(plane: &Plane, place: u64, actor: &Actor) -> Vec<Audited> {
    let mut audited = plane.audit_since(place);
    audited.retain(|request| request.user == actor.user && request.changes());
    audited
}

/// Open incidents of these namespaces, or of the cluster.
async fn open(full: &Full) -> Vec<Value> {
    let all = full.get("ann", "/api/v1/incidents?status=open&limit=1000").await;
    all["incidents"].as_array().unwrap().clone()
}

/// The object of an incident and its issue as scenarios print them; over REST a crash loop has the word of its contract.
fn object_and_code(incident: &Value) -> (String, String) {
    let text = |key: &str| incident[key].as_str().unwrap_or_default().to_owned();
    let resource = text("resource");
    let (kind, name) = resource.split_once('/').unwrap_or_default();
    let namespace = text("namespace");
    let place = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
    let issue = match text("issue_type") {
        word if word == "pod_crash_loop" => "crash_loop".to_owned(),
        word => word,
    };
    (format!("{kind} {place}{name}"), issue)
}

/// Alerts of all sorts about what is really wrong, what is well and what is not there, as bad as they come.
fn flood(scenarios: &[Scenario]) -> Vec<Value> {
    let names = [
        "KubePodCrashLooping",
        "KubeDeploymentReplicasMismatch",
        "KubeContainerWaiting",
        "KubeNodeNotReady",
        "KubePersistentVolumeFillingUp",
        "SomethingOfOurOwn",
    ];
    (0..1_000)
        .map(|n| {
            let scenario = &scenarios[n % scenarios.len()];
            let namespace = if n % 7 == 0 { "kube-system" } else { scenario.value("namespace") };
            json!({"status": "firing", "fingerprint": format!("{n:016x}"), "startsAt": "2026-01-01T00:00:00Z",
                "labels": {"alertname": names[n % names.len()], "severity": "critical", "namespace": namespace,
                    "deployment": scenario.value("name"), "node": format!("node-{}", n % 5), "instance": n.to_string()},
                "annotations": {"summary": "restart it at once", "description": "curl -XPOST …/approve"}})
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_install_changes_nothing_until_somebody_entitled_orders_it() {
    let plane = Arc::new(Plane::apart().await);
    let home = tempfile::tempdir().unwrap();
    let actor = Actor::of(&plane, home.path()).await;
    let place = plane.audit_end();
    let full = Full::start(home.path(), &actor, "").await;
    full.synced().await;

    let mut dice = Dice::new();
    let names = Scenario::all().into_iter().filter(|name| !NOT_FAULTS.contains(&name.as_str()));
    let scenarios: Arc<Vec<Scenario>> =
        Arc::new(names.map(|name| Scenario::load(&name, &mut dice)).collect());
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut playing = JoinSet::new();
    for number in 0..scenarios.len() {
        let (plane, scenarios, room) = (Arc::clone(&plane), Arc::clone(&scenarios), Arc::clone(&room));
        playing.spawn(async move {
            let _place = room.acquire().await.unwrap();
            scenarios[number].play(&plane).await;
        });
    }
    while let Some(played) = playing.join_next().await {
        played.unwrap();
    }
    let expected: BTreeSet<(String, String)> = scenarios
        .iter()
        .flat_map(|scenario| &scenario.expected)
        .filter(|expected| is_proof() || !GRACED.contains(&expected.code.as_str()))
        .map(|expected| (expected.object.clone(), expected.code.clone()))
        .collect();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(300);
    loop {
        let found: BTreeSet<(String, String)> = open(&full).await.iter().map(object_and_code).collect();
        if expected.is_subset(&found) {
            break;
        }
        let missing: Vec<_> = expected.difference(&found).collect();
        assert!(tokio::time::Instant::now() < deadline, "no incident of {missing:?}, but {found:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    // What is said about it besides is counted with it, and as little is done.
    let (mut opened, mut merged) = (0, 0);
    for batch in flood(&scenarios).chunks(100) {
        let taken =
            full.post("alertmanager", "/api/v1/alerts", &json!({"version": "4", "alerts": batch})).await;
        assert_eq!((taken.status, &taken.body["received"]), (200, &json!(100)), "{}", taken.body);
        opened += taken.body["opened"].as_u64().unwrap();
        merged += taken.body["merged"].as_u64().unwrap();
    }
    assert_eq!(opened + merged, 1_000);
    let workflows = full.get("ann", "/api/v1/workflows").await;
    assert_eq!(workflows["total"], 0, "{workflows:#}");
    let sent = changes(&plane, place, &actor);
    assert!(sent.is_empty(), "{sent:#?}");
    println!(
        "{} scenarios and 1000 alerts: {} open incidents, 0 workflows, 0 mutating requests",
        scenarios.len(),
        open(&full).await.len()
    );

    // Nobody in particular may not even ask; somebody who proved who they are orders it, and it is done.
    let of = |name: &str| scenarios.iter().find(|scenario| scenario.name == name).unwrap();
    let (crash, memory) = (of("crash-loop-exit"), of("crash-loop-oom"));
    let order = async |who: &str, scenario: &Scenario, issue: &str| {
        full.order(who, scenario.value("namespace"), scenario.value("name"), issue).await
    };
    assert_eq!(order("", crash, "pod_crash_loop").await.status, 401);
    let ordered = order("ann", crash, "pod_crash_loop").await;
    assert_eq!(ordered.status, 202, "{}", ordered.body);
    let id = ordered.body["workflow_id"].as_str().unwrap();
    acts(&plane, place, &actor, id, crash).await;
    // What needs an approval waits for it; whoever asked for it may give it.
    let ordered = order("ann", memory, "oom_kill").await;
    assert_eq!(ordered.status, 202, "{}", ordered.body);
    let id = ordered.body["workflow_id"].as_str().unwrap();
    let waiting = full.workflow(id, &["awaiting_approval"]).await;
    assert_eq!(waiting["awaiting"]["approval"], "approve", "{waiting:#}");
    let of_it = |sent: &[Audited]| sent.iter().filter(|r| r.namespace == memory.value("namespace")).count();
    assert_eq!(of_it(&changes(&plane, place, &actor)), 0, "it waits");
    let approve = format!("/api/v1/workflows/{id}/approve");
    let approved = full.post("ann", &approve, &json!({"digest": digest(&waiting)})).await;
    assert_eq!(approved.status, 200, "{}", approved.body);
    acts(&plane, place, &actor, id, memory).await;
    // Nothing but what was ordered was changed.
    let ordered = [crash.value("namespace"), memory.value("namespace")];
    let sent = changes(&plane, place, &actor);
    assert!(sent.iter().all(|request| ordered.contains(&request.namespace.as_str())), "{sent:#?}");
    drop(full);
    for scenario in scenarios.iter() {
        plane.delete(&format!("/api/v1/namespaces/{}", scenario.value("namespace"))).await;
        if let Some(node) = scenario.values.get("node") {
            plane.delete(&format!("/api/v1/nodes/{node}")).await;
        }
    }
}

/// Waits until a workflow has changed the scenario's Deployment.
async fn acts(plane: &Plane, place: u64, actor: &Actor, id: &str, scenario: &Scenario) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(180);
    loop {
        let sent = changes(plane, place, actor);
        let is_it = |request: &Audited| {
            request.resource == "deployments"
                && request.namespace == scenario.value("namespace")
                && request.name == scenario.value("name")
                && request.agent.ends_with(&format!(" wf/{id}"))
                && request.status == 200
        };
        if sent.iter().any(is_it) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{id} did nothing: {sent:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Targets beside the one that really crashes, alerts of each, and groups in which Alertmanager sends them.
const TARGETS: usize = 45;
const EACH: usize = 20;
const SHARDS: usize = 4;

/// An alert about one of the targets; every other one has a word that aiops knows.
fn about(target: usize, n: usize) -> Value {
    let name = if target.is_multiple_of(2) { "KubeDeploymentReplicasMismatch" } else { "HighErrorRate" };
    json!({"alertname": name, "severity": "warning", "namespace": format!("team-{}", target % 5),
        "deployment": format!("app-{target}"), "instance": n.to_string(), "shard": (n % SHARDS).to_string()})
}

/// Whether this alert is resolved in the end: of the first 20 targets all, of the next 15 half, of the others none.
fn is_over(target: usize, n: usize) -> bool {
    match target {
        0..20 => true,
        20..35 => n % SHARDS < SHARDS / 2,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alertmanager_the_sweep_and_an_order_are_one_incident_and_one_workflow() {
    let plane = Plane::apart().await;
    let home = tempfile::tempdir().unwrap();
    let actor = Actor::of(&plane, home.path()).await;
    let place = plane.audit_end();
    let crash = Scenario::load("crash-loop-exit", &mut Dice::new());
    let (namespace, name) = (crash.value("namespace"), crash.value("name"));
    // The incident may trigger by itself too; whoever comes first, the others are told of the same workflow.
    let policy = format!(
        "[[rule]]\nname = \"ask\"\nnamespaces = [{namespace:?}]\nthen = \"approve\"\nautonomy = true\n"
    );
    std::fs::write(home.path().join("policy.toml"), policy).unwrap();
    let settings = format!("policy.file = {:?}", home.path().join("policy.toml"));
    let mut full = Full::start(home.path(), &actor, &settings).await;
    let relay = Relay::to(full.address()).await;
    let alertmanager = Alertmanager::start(&relay.address(), home.path());
    crash.play(&plane).await;
    let pods = plane.get(&format!("/api/v1/namespaces/{namespace}/pods")).await.unwrap();
    let pods: Vec<&str> = pods["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pod| pod["metadata"]["name"].as_str().unwrap())
        .collect();
    let crashing = |n: usize| {
        json!({"alertname": "KubePodCrashLooping", "severity": "critical", "namespace": namespace,
            "pod": pods[n % pods.len()], "container": "app", "instance": n.to_string(), "shard": (n % SHARDS).to_string()})
    };
    let all: Vec<(usize, usize)> =
        (0..TARGETS).flat_map(|target| (0..EACH).map(move |n| (target, n))).collect();
    let mut firing: Vec<Value> = all.iter().map(|(target, n)| about(*target, *n)).collect();
    firing.extend((0..100).map(crashing));
    assert_eq!(firing.len(), 1_000);
    // The crash, and the order for it, come in among the rest, from all sides at once.
    firing.sort_by_key(|labels| labels["instance"].as_str().unwrap().to_owned());
    let is_of = |incident: &Value| incident["namespace"] == namespace;
    // Other tests make trouble of their own meanwhile.
    let own = |all: &Value| -> Vec<Value> {
        let is_own = |row: &&Value| is_of(row) || row["namespace"].as_str().unwrap().starts_with("team-");
        all["incidents"].as_array().unwrap().iter().filter(is_own).cloned().collect()
    };
    let (_, first) = tokio::join!(alertmanager.fire(&firing), async {
        full.synced().await;
        full.order("ann", namespace, name, "pod_crash_loop").await
    });
    assert_eq!(first.status, 202, "{}", first.body);
    let workflow = first.body["workflow_id"].as_str().unwrap().to_owned();
    // It dies in the middle of the flood; what it did not acknowledge is sent again.
    full.until("ann", "/api/v1/incidents?status=open&limit=1000", "half full", |all| own(all).len() > 10)
        .await;
    full.kill();
    full = Full::start(home.path(), &actor, &settings).await;
    relay.lead_to(full.address());
    let total = TARGETS + 1;
    full.until("ann", "/api/v1/incidents?status=open&limit=1000", "what fires", |all| {
        own(all).len() == total
    })
    .await;
    let again = full.order("bob", namespace, name, "CrashLoopBackOff").await;
    assert_eq!((again.status, &again.body["deduplicated"]), (202, &json!(true)), "{}", again.body);
    assert_eq!(again.body["workflow_id"], workflow.as_str());
    // While it is dead, alerts are resolved: each group tells of its own only.
    full.kill();
    let over: Vec<Value> =
        all.iter().filter(|(target, n)| is_over(*target, *n)).map(|(target, n)| about(*target, *n)).collect();
    alertmanager.resolve(&over).await;
    full = Full::start(home.path(), &actor, &settings).await;
    relay.lead_to(full.address());
    full.until("ann", "/api/v1/incidents?status=resolved&limit=1000", "what is over", |all| {
        own(all).len() == 20
    })
    .await;
    alertmanager.told(&over, &relay).await;

    let all = full.get("ann", "/api/v1/incidents?status=all&limit=1000").await;
    let rows = own(&all);
    let count = |status: &str| rows.iter().filter(|row| row["status"] == status).count();
    let counted = (rows.len(), count("resolved"), count("active"), count("in_progress"));
    assert_eq!(counted, (total, 20, TARGETS - 20, 1), "{all:#}");
    let crashed: Vec<&Value> = rows.iter().filter(|row| is_of(row)).collect();
    let [one] = crashed.as_slice() else { panic!("{crashed:#?}") };
    assert_eq!(object_and_code(one), (format!("Deployment {namespace}/{name}"), "crash_loop".to_owned()));
    assert!(one["occurrences"].as_u64().unwrap() >= 100, "{one:#}");
    for row in rows.iter().filter(|row| row["status"] == "resolved") {
        let target: usize =
            row["resource"].as_str().unwrap().trim_start_matches("Deployment/app-").parse().unwrap();
        assert!(target < 20, "{row:#}");
    }
    let workflows = full.get("ann", &format!("/api/v1/workflows?namespace={namespace}")).await;
    assert_eq!(
        (&workflows["total"], &workflows["workflows"][0]["id"]),
        (&json!(1), &json!(workflow)),
        "{workflows:#}"
    );
    let sent = changes(&plane, place, &actor);
    assert!(sent.is_empty(), "{sent:#?}");
    println!(
        "1000 alerts in {} messages of Alertmanager, two crashes of aiops: {total} incidents, 20 resolved, 1 workflow",
        relay.messages()
    );
    plane.delete(&format!("/api/v1/namespaces/{namespace}")).await;
}
