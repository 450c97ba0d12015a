//! Alerts of trouble that was repaired or closed a moment ago.

use jiff::Timestamp;

use super::*;
use crate::model::{caller::Via as Through, incident::IncidentStatus};

/// The alert of a pod, firing since so long before now.
fn since(world: &World, before: Millis) -> Alert {
    let at = Timestamp::from_millisecond(world.inner().now() - before).unwrap();
    Alert { starts_at: at.to_string(), ..pod(0, false) }
}

/// Sets the only open incident to this state, as a workflow does.
async fn set(world: &World, to: IncidentStatus) {
    let incident = list(world, "open").await.incidents[0].clone();
    let id = IncidentId::parse(&incident.id).unwrap();
    let entry = Entry { via: Through::System, ..entry(&ann(), world.inner().now(), "x", &id, "x") };
    world.inner().store.set_incident(&id, &[IncidentStatus::Active], to, None, &entry).await.unwrap();
}

#[tokio::test]
async fn an_alert_that_still_fires_after_the_repair_is_late() {
    let world = World::new();
    let first = since(&world, 0);
    assert_eq!(take(&world, vec![first.clone()]).await, taken(1, 1, 0, 0, 0));
    set(&world, IncidentStatus::Remediated).await;
    for _ in 0..2 {
        world.pass(5 * MINUTE);
        assert_eq!(take(&world, vec![first.clone()]).await, taken(1, 0, 1, 0, 0));
        let all = list(&world, "all").await;
        assert_eq!((all.total, all.incidents[0].status), (1, IncidentStatus::Remediated));
    }
    // It has gone on for too long to be late.
    world.pass(MINUTE);
    assert_eq!(take(&world, vec![first]).await, taken(1, 1, 0, 0, 0));
    assert_eq!(list(&world, "all").await.total, 2);
}

#[tokio::test]
async fn a_late_alert_that_nobody_resolves_opens_an_incident_without_being_sent_again() {
    for is_resolved in [false, true] {
        let world = World::new();
        let mut sweeper = Default::default();
        let first = since(&world, 0);
        assert_eq!(take(&world, vec![first.clone()]).await, taken(1, 1, 0, 0, 0));
        set(&world, IncidentStatus::Remediated).await;
        world.pass(5 * MINUTE);
        assert_eq!(take(&world, vec![first.clone()]).await, taken(1, 0, 1, 0, 0));
        if is_resolved {
            // Its pod is not known here, as when it is gone: the alert's own id tells.
            world.put(&crashing("web", 100, 1)[..2]);
            assert_eq!(take(&world, vec![pod(0, true)]).await, taken(1, 0, 0, 0, 1));
        }
        for minute in 5..10 {
            world.inner().duties("one", &mut sweeper, minute * MINUTE).await.unwrap();
            assert_eq!(list(&world, "all").await.total, 1, "{minute}");
            world.pass(MINUTE);
        }
        world.pass(1);
        for minute in 10..12 {
            world.inner().duties("one", &mut sweeper, minute * MINUTE).await.unwrap();
            let all = list(&world, "all").await;
            assert_eq!(all.total, if is_resolved { 1 } else { 2 }, "{minute}");
        }
        if !is_resolved {
            // The same alert closes it.
            assert_eq!(take(&world, vec![pod(0, true)]).await, taken(1, 0, 0, 1, 0));
            assert_eq!(list(&world, "open").await.total, 0);
        }
    }
}

#[tokio::test]
async fn an_alert_that_began_after_the_repair_is_new_trouble() {
    let world = World::new();
    assert_eq!(take(&world, vec![since(&world, 0)]).await, taken(1, 1, 0, 0, 0));
    set(&world, IncidentStatus::Remediated).await;
    world.pass(2 * MINUTE);
    assert_eq!(take(&world, vec![since(&world, MINUTE)]).await, taken(1, 1, 0, 0, 0));
    assert_eq!(list(&world, "open").await.total, 1);
}

#[tokio::test]
async fn an_alert_of_what_the_detectors_saw_gone_is_late() {
    let world = World::new();
    let objects = crashing("web", 100, 1);
    world.put(&objects);
    let mut sweeper = Default::default();
    world.inner().sweep_once(&mut sweeper).await.unwrap();
    let fires = since(&world, 0);
    assert_eq!(take(&world, vec![fires.clone()]).await, taken(1, 0, 1, 0, 0));
    // The pods are well again: their owner is known and nothing is wrong.
    let mut well = objects.clone();
    well[2]["status"] =
        serde_json::json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    world.put(&well);
    world.inner().sweep_once(&mut sweeper).await.unwrap();
    world.pass(3 * MINUTE);
    assert_eq!(world.inner().sweep_once(&mut sweeper).await.unwrap().closed, 1);
    world.pass(MINUTE);
    assert_eq!(take(&world, vec![fires]).await, taken(1, 0, 1, 0, 0));
    let all = list(&world, "all").await;
    assert_eq!((all.total, all.incidents[0].status), (1, IncidentStatus::Resolved));
}

#[tokio::test]
async fn a_post_mortem_says_since_when_the_alerts_fire() {
    let world = World::new();
    let zero = |n| Alert { starts_at: "0001-01-01T00:00:00Z".to_owned(), ..pod(n, false) };
    world.put(&crashing("web", 100, 3));
    take(&world, vec![zero(1), since(&world, 30 * MINUTE), since(&world, 20 * MINUTE)]).await;
    // Later ones do not change it, nor does one from the future.
    take(&world, vec![Alert { starts_at: "2999-01-01T00:00:00Z".to_owned(), ..pod(2, false) }]).await;
    let story = async |nth: usize| {
        let all = list(&world, "all").await;
        let id = IncidentId::parse(&all.incidents[nth].id).unwrap();
        world.coordinator.incident_report(&ann(), &id).await.unwrap()
    };
    let told = story(0).await;
    let began = crate::model::wire_time(world.inner().now() - 30 * MINUTE).unwrap();
    assert!(told.contains(&format!("| Began | {began}, by its alerts |")), "{told}");
    let first = crate::model::wire_time(world.inner().now()).unwrap();
    assert!(told.contains(&format!("| First seen | {first} |")), "{told}");
    take(&world, vec![alert(false, &[("alertname", "Strange")])]).await;
    assert!(!story(0).await.contains("Began"), "it does not say");
}
