//! More alerts than there is room for: the worst are taken, the rest is sent back and nothing is counted twice.

use super::*;
use crate::{coordination::NewIncident, model::ids::IncidentId, ports::store::IncidentFilter};

fn job(n: usize, severity: &str) -> Alert {
    let name = format!("j{n}");
    let labels =
        [("alertname", "KubeJobFailed"), ("namespace", "shop"), ("job_name", &*name), ("severity", severity)];
    alert(false, &labels)
}

async fn send(world: &World, alerts: Vec<Alert>) -> Result<AlertsTaken, Error> {
    world.coordinator.alerts(&ann(), alerts).await
}

/// How many incidents are open by severity, and how often they were reported.
async fn open(world: &World) -> (u64, u64, i64) {
    let filter = IncidentFilter { limit: 5_000, ..IncidentFilter::default() };
    let rows = world.inner().store.incidents(&filter).await.unwrap().rows;
    let open: Vec<_> = rows.iter().filter(|i| i.closed_at.is_none()).collect();
    let critical = open.iter().filter(|i| i.severity == Severity::Critical).count();
    (count(open.len()), count(critical), open.iter().map(|i| i.occurrences).sum())
}

#[tokio::test]
async fn a_flood_is_sent_back_and_the_worst_of_it_is_kept() {
    let world = World::new();
    // What people write takes no room.
    for n in 0..3 {
        let written = NewIncident {
            title: format!("t{n}"),
            description: "x".to_owned(),
            severity: "low".to_owned(),
            ..NewIncident::default()
        };
        world.coordinator.create_incident(&ann(), written).await.unwrap();
    }
    let flood = || -> Vec<Alert> {
        (0..2_100).map(|n| job(n, if n % 3 == 0 { "critical" } else { "info" })).collect()
    };
    let error = send(&world, flood()).await.unwrap_err();
    let Error::Unavailable { why, retry_after, .. } = &error else { panic!("{error}") };
    assert!(why.contains("100 of 2100 alerts were not taken"), "{why}");
    assert!(retry_after.is_some());
    assert_eq!(open(&world).await, (2_003, 700, 2_003));
    let standing = world.coordinator.standing().await;
    assert_eq!(standing.status, "degraded");
    assert!(standing.why.unwrap().contains("2000 incidents of detectors and alerts are open"));
    // Alertmanager sends it again: nothing is counted again while it is sent back, nor when it is taken.
    send(&world, flood()).await.unwrap_err();
    assert_eq!(open(&world).await, (2_003, 700, 2_003));
    let rows = list(&world, "open").await;
    let jobs: Vec<_> = rows.incidents.iter().filter(|i| i.source == IncidentSource::Alert).collect();
    assert_eq!(jobs.len(), 50);
    for over in &jobs {
        let id = IncidentId::parse(&over.id).unwrap();
        world.coordinator.resolve_incident(&ann(), &id, None).await.unwrap();
    }
    world.pass(11 * MINUTE);
    let error = send(&world, flood()).await.unwrap_err();
    assert!(error.to_string().contains("100 of 2100"), "{error}");
    // Another message is as welcome as there is room for it.
    let known = send(&world, vec![job(0, "critical")]).await.unwrap();
    assert_eq!(known, taken(1, 0, 1, 0, 0));
    assert_eq!(open(&world).await, (2_003, 700, 2_004));
}

#[tokio::test]
async fn a_message_that_was_sent_back_is_taken_whole_when_there_is_room_and_counted_once() {
    let world = World::new();
    assert_eq!(
        send(&world, (0..1_999).map(|n| job(n, "info")).collect()).await.unwrap(),
        taken(1_999, 1_999, 0, 0, 0)
    );
    let two = || vec![job(5_000, "info"), job(5_001, "critical")];
    send(&world, two()).await.unwrap_err();
    assert_eq!(open(&world).await, (2_000, 1, 2_000), "the critical one was kept");
    let mut over = job(7, "info");
    over.is_resolved = true;
    assert_eq!(send(&world, vec![over]).await.unwrap(), taken(1, 0, 0, 1, 0));
    assert_eq!(world.coordinator.standing().await.status, "ok");
    assert_eq!(send(&world, two()).await.unwrap(), taken(2, 1, 1, 0, 0));
    assert_eq!(open(&world).await, (2_000, 1, 2_000));
    // A later one of the same alerts says again that they fire, as ever.
    assert_eq!(send(&world, two()).await.unwrap(), taken(2, 0, 2, 0, 0));
    assert_eq!(open(&world).await, (2_000, 1, 2_002));
}
