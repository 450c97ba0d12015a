//! Alertmanager's alerts: which incident they are, what opens, what is counted, what closes.

use std::collections::BTreeMap;

mod floods;
mod lately;

use super::*;
use crate::{
    coordination::{Coordination as _, IncidentList, IncidentQuery},
    coordinator::world::{MINUTE, World, ann, crashing},
    issue::Severity,
};

fn alert(is_resolved: bool, labels: &[(&str, &str)]) -> Alert {
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let fingerprint = crate::fingerprint::sha256(&format!("{labels:?}")).chars().take(16).collect();
    let annotations = [("summary".to_owned(), "it is down".to_owned())].into();
    Alert { is_resolved, labels, annotations, fingerprint, ..Alert::default() }
}

fn pod(n: usize, is_resolved: bool) -> Alert {
    let name = format!("web-7d9c8f6b5-{n:05}");
    let labels = [
        ("alertname", "KubePodCrashLooping"),
        ("namespace", "shop"),
        ("pod", &name),
        ("severity", "warning"),
    ];
    alert(is_resolved, &labels)
}

async fn take(world: &World, alerts: Vec<Alert>) -> AlertsTaken {
    let received = count(alerts.len());
    let taken = world.coordinator.alerts(&ann(), alerts).await.unwrap();
    assert_eq!(taken.received, received);
    assert_eq!(
        taken.opened + taken.merged + taken.waiting + taken.resolved + taken.ignored,
        received,
        "{taken:?}"
    );
    taken
}

async fn list(world: &World, status: &str) -> IncidentList {
    let query = IncidentQuery { status: Some(status.to_owned()), ..IncidentQuery::default() };
    world.coordinator.incidents(&ann(), query).await.unwrap()
}

fn taken(received: u64, opened: u64, merged: u64, resolved: u64, ignored: u64) -> AlertsTaken {
    AlertsTaken { received, opened, merged, waiting: 0, resolved, ignored }
}

#[tokio::test]
async fn fifty_pods_of_one_workload_are_one_incident() {
    let world = World::new();
    world.put(&crashing("web", 100, 50));
    let all = || (0..50).map(|n| pod(n, false)).collect::<Vec<_>>();
    assert_eq!(take(&world, all()).await, taken(50, 1, 49, 0, 0));
    assert_eq!(take(&world, all()).await, taken(50, 0, 50, 0, 0));
    let open = list(&world, "open").await;
    assert_eq!(open.total, 1);
    let incident = &open.incidents[0];
    assert_eq!(incident.resource.as_deref(), Some("Deployment/web"));
    assert_eq!((incident.issue_type.as_str(), incident.occurrences), ("crash_loop", 100));
    assert_eq!((incident.source, incident.severity), (IncidentSource::Alert, Severity::Medium));
    assert_eq!(incident.title, "it is down");
}

#[tokio::test]
async fn an_alert_and_a_detector_report_the_same_trouble() {
    let world = World::new();
    world.put(&crashing("web", 100, 3));
    let swept = world.inner().sweep_once(&mut Default::default()).await.unwrap();
    assert_eq!(swept.opened, 1);
    assert_eq!(take(&world, vec![pod(0, false)]).await, taken(1, 0, 1, 0, 0));
    // What a detector opened no alert closes.
    assert_eq!(take(&world, vec![pod(0, true)]).await, taken(1, 0, 0, 0, 1));
    assert_eq!(list(&world, "open").await.total, 1);
}

#[tokio::test]
async fn resolved_closes_what_alerts_opened_and_the_same_soon_again_opens_it_again() {
    let world = World::new();
    let fires = || vec![pod(0, false)];
    assert_eq!(take(&world, fires()).await, taken(1, 1, 0, 0, 0));
    assert_eq!(take(&world, vec![pod(0, true)]).await, taken(1, 0, 0, 1, 0));
    assert_eq!(list(&world, "open").await.total, 0);
    assert_eq!(take(&world, vec![pod(0, true)]).await, taken(1, 0, 0, 0, 1));
    world.pass(5 * MINUTE);
    assert_eq!(take(&world, fires()).await, taken(1, 0, 1, 0, 0));
    let again = list(&world, "all").await;
    assert_eq!((again.total, again.incidents[0].occurrences), (1, 2));
    assert_eq!(take(&world, vec![pod(0, true)]).await, taken(1, 0, 0, 1, 0));
    world.pass(11 * MINUTE);
    assert_eq!(take(&world, fires()).await, taken(1, 1, 0, 0, 0));
    assert_eq!(list(&world, "all").await.total, 2);
}

#[tokio::test]
async fn nothing_is_closed_while_another_alert_fires_or_a_detector_sees_it() {
    let world = World::new();
    let objects = crashing("web", 100, 2);
    world.put(&objects);
    assert_eq!(take(&world, vec![pod(0, false), pod(1, false)]).await, taken(2, 1, 1, 0, 0));
    assert_eq!(take(&world, vec![pod(0, true), pod(1, false)]).await, taken(2, 0, 1, 0, 1));
    assert_eq!(take(&world, vec![pod(0, true), pod(1, true)]).await, taken(2, 0, 0, 0, 2));
    // The pods are gone: their owner cannot be told from the rows any more, the alert's own id tells.
    for object in &objects {
        world.remove(object);
    }
    let last = take(&world, vec![pod(1, true), pod(0, true)]).await;
    assert_eq!(last, taken(2, 0, 0, 1, 1));
    assert_eq!(list(&world, "open").await.total, 0);
}

#[tokio::test]
async fn the_last_of_its_alerts_closes_it_in_whichever_message_it_comes() {
    let world = World::new();
    let strange = |pod: &str, is_resolved| {
        alert(
            is_resolved,
            &[("alertname", "Strange"), ("namespace", "shop"), ("deployment", "web"), ("pod", pod)],
        )
    };
    assert_eq!(take(&world, vec![strange("a", false)]).await, taken(1, 1, 0, 0, 0));
    assert_eq!(take(&world, vec![strange("b", false)]).await, taken(1, 0, 1, 0, 0));
    // Each group of Alertmanager's is a message of its own.
    assert_eq!(take(&world, vec![strange("a", true)]).await, taken(1, 0, 0, 0, 1));
    assert_eq!(list(&world, "open").await.total, 1, "b fires");
    assert_eq!(take(&world, vec![strange("b", true)]).await, taken(1, 0, 0, 1, 0));
    assert_eq!(list(&world, "open").await.total, 0);
}

#[tokio::test]
async fn what_was_resolved_while_a_detector_saw_it_is_closed_by_the_sweep() {
    let world = World::new();
    let objects = crashing("web", 100, 2);
    world.put(&objects);
    assert_eq!(take(&world, vec![pod(0, false)]).await, taken(1, 1, 0, 0, 0));
    let mut sweeper = Default::default();
    world.inner().sweep_once(&mut sweeper).await.unwrap();
    assert_eq!(take(&world, vec![pod(0, true)]).await, taken(1, 0, 0, 0, 1));
    for object in &objects {
        world.remove(object);
    }
    world.inner().sweep_once(&mut sweeper).await.unwrap();
    world.pass(3 * MINUTE);
    assert_eq!(world.inner().sweep_once(&mut sweeper).await.unwrap().closed, 1);
    let all = list(&world, "all").await;
    let resolution = all.incidents[0].resolution.as_deref().unwrap();
    assert!(resolution.starts_with("its alerts are resolved, and crash_loop"), "{resolution}");
}

#[tokio::test]
async fn what_came_in_before_the_cluster_was_known_is_filed_with_the_rest() {
    let world = World::new();
    let is = |uid: &str, connection: Connection| {
        world.rows.change(|rows| {
            rows.set_info(|info| {
                info.uid = uid.into();
                info.connection = connection;
            });
        });
    };
    is("", Connection::Down { since: 0, reason: "no route".into() });
    let named =
        |name: &str| alert(false, &[("alertname", "Strange"), ("namespace", "shop"), ("deployment", name)]);
    assert_eq!(take(&world, vec![pod(0, false), named("db")]).await, taken(2, 2, 0, 0, 0));
    is("cluster-1", Connection::Up);
    world.put(&crashing("web", 100, 2));
    // The same trouble again, now that everything is known, and by a detector.
    assert_eq!(take(&world, vec![pod(1, false)]).await, taken(1, 1, 0, 0, 0));
    world.inner().sweep_once(&mut Default::default()).await.unwrap();
    let open = list(&world, "open").await;
    let mut told: Vec<_> = open
        .incidents
        .iter()
        .map(|i| (i.resource.as_deref().unwrap(), i.issue_type.as_str(), i.occurrences))
        .collect();
    told.sort_unstable();
    // Two alerts, and the detector, to which it is worse.
    assert_eq!(told, [("Deployment/db", "unspecified", 1), ("Deployment/web", "crash_loop", 3)]);
    assert_eq!(take(&world, vec![pod(0, false), named("db")]).await, taken(2, 0, 2, 0, 0));
    let cancelled = list(&world, "cancelled").await;
    assert_eq!(cancelled.total, 1);
    let resolution = cancelled.incidents[0].resolution.as_deref().unwrap();
    assert!(resolution.starts_with("it is the same trouble as inc-"), "{resolution}");
    // Both alerts of it have to be over.
    for object in &crashing("web", 100, 2) {
        world.remove(object);
    }
    assert_eq!(take(&world, vec![pod(1, true)]).await, taken(1, 0, 0, 0, 1));
    assert_eq!(take(&world, vec![pod(0, true)]).await, taken(1, 0, 0, 1, 0));
}

#[tokio::test]
async fn whoever_sends_alerts_while_the_cluster_is_read_for_the_first_time_sends_them_again() {
    let world = World::new();
    let is = |connection: Connection, pods: Sync| {
        world.rows.change(|rows| {
            rows.set_info(|info| info.connection = connection);
            rows.set_sync(Kind::Pod, pods);
        });
    };
    let send = async || world.coordinator.alerts(&ann(), vec![pod(0, false)]).await;
    world.rows.change(|rows| rows.set_info(|info| info.uid = "".into()));
    assert!(matches!(send().await, Err(Error::Unavailable { .. })));
    is(Connection::Up, Sync::Warming);
    assert!(matches!(send().await, Err(Error::Unavailable { .. })));
    assert_eq!(list(&world, "all").await.total, 0);
    // What cannot be had is not waited for.
    is(Connection::Up, Sync::Forbidden { reason: "no rights".into() });
    assert_eq!(send().await.unwrap(), taken(1, 1, 0, 0, 0));
    is(Connection::Down { since: 0, reason: "no route".into() }, Sync::Warming);
    assert_eq!(send().await.unwrap(), taken(1, 0, 1, 0, 0));
}

#[tokio::test]
async fn a_thousand_mixed_alerts_are_counted_right() {
    let world = World::new();
    let (mut opened, mut closed) = (0, 0);
    for batch in 0..10 {
        let alerts = (0..100)
            .map(|n| {
                let name = format!("job-{}", n % 20);
                let labels =
                    [("alertname", "KubeJobFailed"), ("namespace", "shop"), ("job_name", name.as_str())];
                alert(batch % 2 == 1, &labels)
            })
            .collect();
        let taken = take(&world, alerts).await;
        opened += taken.opened;
        closed += taken.resolved;
        // Long enough that the next is new trouble.
        world.pass(20 * MINUTE);
    }
    assert_eq!((opened, closed), (100, 100));
    let all = list(&world, "all").await;
    assert_eq!((all.total, all.summary.active, all.summary.completed), (100, 0, 100));
}

#[tokio::test]
async fn what_names_no_trouble_is_ignored() {
    let world = World::new();
    let alerts = vec![
        alert(false, &[]),
        alert(false, &[("alertname", "Watchdog"), ("severity", "none")]),
        alert(false, &[("alertname", "Anything"), ("severity", "none")]),
        alert(false, &[("alertname", "InfoInhibitor"), ("namespace", "shop")]),
        alert(true, &[("alertname", "KubeJobFailed"), ("namespace", "shop")]),
    ];
    assert_eq!(take(&world, alerts).await, taken(5, 0, 0, 0, 5));
}

/// The labels of an alert of kube-prometheus' node-exporter.
fn exporter<'a>(name: &'a str, instance: &'a str) -> [(&'static str, &'a str); 8] {
    [
        ("alertname", name),
        ("container", "node-exporter"),
        ("endpoint", "http-metrics"),
        ("instance", instance),
        ("job", "node-exporter"),
        ("namespace", "monitoring"),
        ("pod", "node-exporter-x7k2p"),
        ("service", "node-exporter"),
    ]
}

#[test]
fn labels_say_which_object_it_is() {
    let read = |labels: &[(&str, &str)]| {
        let node_called = |host: &str| matches!(host, "10.0.0.5" | "n5").then(|| "n5".to_owned());
        let read = reading::read(&alert(false, labels), &node_called).unwrap();
        (read.target.key(), read.key)
    };
    for (labels, target, key) in [
        // The exporter's pod is beside the workload.
        (
            &[
                ("alertname", "KubeDeploymentReplicasMismatch"),
                ("namespace", "shop"),
                ("deployment", "web"),
                ("pod", "kube-state-metrics-0"),
            ][..],
            "apps/Deployment/shop/web",
            "deployment_unavailable",
        ),
        (
            &[
                ("alertname", "KubeNodeNotReady"),
                ("node", "n1"),
                ("namespace", "monitoring"),
                ("pod", "ksm-0"),
            ],
            "/Node//n1",
            "node_not_ready",
        ),
        // What kube-prometheus says of a node: its exporter's pod and namespace, and the node only as an instance.
        (&exporter("NodeFilesystemAlmostOutOfSpace", "10.0.0.5:9100"), "/Node//n5", "node_pressure"),
        (&exporter("NodeMemoryHighUtilization", "n5:9100"), "/Node//n5", "node_pressure"),
        (&exporter("NodeRAIDDegraded", "n5"), "/Node//n5", "alert:NodeRAIDDegraded"),
        (&exporter("NodeRAIDDegraded", "[fd00::5]:9100"), "////", "alert:NodeRAIDDegraded@[fd00::5]:9100"),
        (&exporter("NodeMemoryHighUtilization", "10.0.0.6:9100"), "////", "node_pressure@10.0.0.6:9100"),
        // The exporter itself is in trouble, says another.
        (
            &[
                ("alertname", "KubePodCrashLooping"),
                ("job", "kube-state-metrics"),
                ("instance", "10.244.1.7:8080"),
                ("namespace", "monitoring"),
                ("pod", "node-exporter-x7k2p"),
                ("container", "node-exporter"),
            ],
            "/Pod/monitoring/node-exporter-x7k2p",
            "crash_loop",
        ),
        (
            &[("alertname", "TargetDown"), ("job", "node-exporter"), ("namespace", "monitoring")],
            "///monitoring/",
            "alert:TargetDown",
        ),
        (&[("alertname", "Strange"), ("namespace", "shop")], "///shop/", "alert:Strange"),
        (&[("alertname", "Strange"), ("node", "n1")], "/Node//n1", "alert:Strange"),
        (&[("alertname", "Strange")], "////", "alert:Strange"),
        (
            &[
                ("alertname", "Mine"),
                ("issue_type", "oom_kill"),
                ("namespace", "shop"),
                ("statefulset", "db"),
            ],
            "apps/StatefulSet/shop/db",
            "oom_kill",
        ),
    ] {
        let (found, found_key) = read(labels);
        let want = if target.starts_with("///") { target.trim_start_matches('/') } else { target };
        assert_eq!(found.trim_start_matches('/'), want.trim_start_matches('/'), "{labels:?}");
        assert_eq!(found_key, key, "{labels:?}");
    }
}

#[test]
fn severities_of_all_houses_are_understood() {
    for (word, want) in [
        ("critical", Severity::Critical),
        ("page", Severity::Critical),
        ("error", Severity::High),
        ("Warning", Severity::Medium),
        ("info", Severity::Low),
        ("purple", Severity::Medium),
    ] {
        let labels = [("alertname", "Strange"), ("severity", word)];
        let read = reading::read(&alert(false, &labels), &|_| None).unwrap();
        let incident = read.incident("c", "f", IncidentId::of("1"), 0);
        assert_eq!(incident.severity, want, "{word}");
    }
}
