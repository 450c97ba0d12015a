//! The sweep and the breaker over rows and the store.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aiops_inventory::{Kind, Sync};
use async_trait::async_trait;
use serde_json::Value;

use super::*;
use crate::{
    audit,
    coordination::Coordination as _,
    coordinator::world::{MINUTE, World, ann, crashing, node},
    error::{PortError, PortErrorKind},
    ports::{ApiResource, Cluster, ListOptions, LogRequest, ObjectPage},
    settings::Settings,
    testing::store_contract::samples::keep,
};

async fn sweep(world: &World, sweeper: &mut Sweeper) -> (usize, usize, usize) {
    let swept = world.inner().sweep_once(sweeper).await.unwrap();
    (swept.opened, swept.worsened, swept.closed)
}

#[tokio::test]
async fn fifty_crashing_pods_are_one_incident_until_they_are_well_for_a_while() {
    let world = World::new();
    let mut sweeper = Sweeper::default();
    assert_eq!(sweep(&world, &mut sweeper).await, (0, 0, 0));
    let objects = crashing("web", 100, 50);
    world.put(&objects);
    assert_eq!(sweep(&world, &mut sweeper).await, (1, 0, 0));
    let before = *world.coordinator.changed().borrow();
    for _ in 0..20 {
        world.pass(MINUTE);
        assert_eq!(sweep(&world, &mut sweeper).await, (0, 0, 0));
    }
    assert_eq!(*world.coordinator.changed().borrow(), before, "nothing was written");
    let list = world.coordinator.incidents(&ann(), Default::default()).await.unwrap();
    assert_eq!(list.total, 1);
    let incident = &list.incidents[0];
    assert_eq!(
        (incident.resource.as_deref(), incident.issue_type.as_str()),
        (Some("Deployment/web"), "crash_loop")
    );
    assert_eq!(incident.occurrences, 1);
    assert!(incident.description.contains("50 affected"), "{}", incident.description);
    for object in &objects {
        world.remove(object);
    }
    assert_eq!(sweep(&world, &mut sweeper).await, (0, 0, 0));
    world.pass(MINUTE);
    assert_eq!(sweep(&world, &mut sweeper).await, (0, 0, 0));
    world.pass(MINUTE);
    assert_eq!(sweep(&world, &mut sweeper).await, (0, 0, 1));
    let lines = world.coordinator.audit(&ann(), "control", 0, 10).await.unwrap().lines;
    assert_eq!(
        (lines.len(), lines[0].action.as_str(), lines[0].via.as_str()),
        (1, "incident_closed", "sweep")
    );
}

#[tokio::test]
async fn a_broken_watch_closes_nothing() {
    let world = World::new();
    let mut sweeper = Sweeper::default();
    let objects = crashing("web", 100, 1);
    world.put(&objects);
    assert_eq!(sweep(&world, &mut sweeper).await, (1, 0, 0));
    for object in &objects {
        world.remove(object);
    }
    let stale = Sync::Stale { since: 0, reason: "the watch broke".into() };
    world.rows.change(|rows| rows.set_sync(Kind::Pod, stale));
    for _ in 0..10 {
        world.pass(MINUTE);
        assert_eq!(sweep(&world, &mut sweeper).await, (0, 0, 0));
    }
    world.rows.change(|rows| rows.set_sync(Kind::Pod, Sync::Synced));
    sweep(&world, &mut sweeper).await;
    world.pass(2 * MINUTE);
    assert_eq!(sweep(&world, &mut sweeper).await, (0, 0, 1));
}

/// Kinds that a far cluster's token, bound to namespaces, may not list.
fn narrow(world: &World) {
    world.rows.change(|rows| {
        for kind in [Kind::Node, Kind::Namespace, Kind::LimitRange, Kind::PodDisruptionBudget] {
            rows.set_sync(kind, Sync::Forbidden { reason: "no rights".into() });
        }
    });
}

#[tokio::test]
async fn rights_that_no_detector_of_it_needs_keep_no_incident_open() {
    let world = World::new();
    narrow(&world);
    let mut sweeper = Sweeper::default();
    let objects = crashing("web", 100, 1);
    world.put(&objects);
    assert_eq!(sweep(&world, &mut sweeper).await, (1, 0, 0));
    for object in &objects {
        world.remove(object);
    }
    assert_eq!(sweep(&world, &mut sweeper).await, (0, 0, 0));
    world.pass(2 * MINUTE);
    assert_eq!(sweep(&world, &mut sweeper).await, (0, 0, 1));
}

#[tokio::test]
async fn the_breaker_closes_where_nodes_may_not_be_listed() {
    let world = World::new();
    narrow(&world);
    let mut sweeper = Sweeper::default();
    let all: Vec<Value> = (0..31).flat_map(|n| crashing(&format!("web-{n}"), 100 + n * 100, 1)).collect();
    world.put(&all);
    assert_eq!(sweep(&world, &mut sweeper).await, (31, 0, 0));
    let watch =
        async |sweeper: &mut Sweeper| world.inner().watch_storms(sweeper, world.inner().now()).await.unwrap();
    assert_eq!(watch(&mut sweeper).await, Some(breaker::Mode::Automation));
    for object in &all {
        world.remove(object);
    }
    // Five minutes until no incident is new, and ten calm ones.
    for minute in 0..=16 {
        sweep(&world, &mut sweeper).await;
        let changed = watch(&mut sweeper).await;
        assert_eq!(changed, (minute == 16).then_some(breaker::Mode::Closed), "after {minute} min");
        world.pass(MINUTE);
    }
}

#[tokio::test]
async fn nothing_is_opened_under_a_replica_set_while_deployments_come_in() {
    let world = World::new();
    let mut sweeper = Sweeper::default();
    let objects = crashing("web", 100, 2);
    let (deployment, rest) = objects.split_first().unwrap();
    world.put(rest);
    world.rows.change(|rows| rows.set_sync(Kind::Deployment, Sync::Warming));
    assert_eq!(sweep(&world, &mut sweeper).await, (0, 0, 0));
    world.put(std::slice::from_ref(deployment));
    world.rows.change(|rows| rows.set_sync(Kind::Deployment, Sync::Synced));
    assert_eq!(sweep(&world, &mut sweeper).await, (1, 0, 0));
    let list = world.coordinator.incidents(&ann(), Default::default()).await.unwrap();
    assert_eq!(list.incidents[0].resource.as_deref(), Some("Deployment/web"));
    // One whose list never comes keeps no trouble back.
    let alone = World::new();
    alone.put(rest);
    alone.rows.change(|rows| rows.set_sync(Kind::Deployment, Sync::Forbidden { reason: "no rights".into() }));
    assert_eq!(sweep(&alone, &mut Sweeper::default()).await, (1, 0, 0));
}

#[tokio::test]
async fn without_a_cluster_that_is_known_nothing_is_opened() {
    let world = World::new();
    world.rows.change(|rows| rows.set_info(|info| info.uid = "".into()));
    world.put(&crashing("web", 100, 1));
    assert_eq!(sweep(&world, &mut Sweeper::default()).await, (0, 0, 0));
}

#[tokio::test]
async fn a_flood_of_heads_is_anchored_in_lines_of_bounded_length() {
    let world = World::new();
    let (store, now) = (&world.inner().store, world.inner().now());
    for n in 0..2 * audit::MOST_HEADS + 1 {
        keep(&**store, &format!("web-{n}"), now).await.unwrap();
    }
    world.inner().keep_house(&mut Sweeper::default(), now).await.unwrap();
    let lines = store.audit(audit::ANCHORS, 0, 100).await.unwrap();
    let heads: Vec<usize> = lines.iter().map(|line| audit::anchored(line).len()).collect();
    let most = usize::try_from(audit::MOST_HEADS).unwrap();
    assert_eq!(heads, [most, most, 1]);
    assert_eq!(store.anchor(now).await.unwrap(), None, "nothing was left over");
}

#[tokio::test]
async fn a_storm_of_nodes_opens_the_breaker_and_tells_somebody() {
    let world = World::new();
    let mut sweeper = Sweeper::default();
    let nodes = |bad: u64| (0..10).map(|n| node(n, n >= bad)).collect::<Vec<_>>();
    world.put(&nodes(0));
    sweep(&world, &mut sweeper).await;
    assert_eq!(world.inner().watch_storms(&mut sweeper, world.inner().now()).await.unwrap(), None);
    world.put(&nodes(6));
    sweep(&world, &mut sweeper).await;
    assert_eq!(
        world.inner().watch_storms(&mut sweeper, world.inner().now()).await.unwrap(),
        Some(breaker::Mode::Open)
    );
    assert_eq!(world.inner().watch_storms(&mut sweeper, world.inner().now()).await.unwrap(), None);
    let view = world.coordinator.controls(&ann()).await.unwrap();
    assert_eq!(view.breaker, "open");
    assert!(view.breaker_reason.unwrap().contains("6 of 10 nodes"));
    let due = world.inner().store.due_notices(world.inner().now(), 10).await.unwrap();
    assert_eq!(due.iter().map(|n| n.notice.kind.as_str()).collect::<Vec<_>>(), ["breaker_open"]);
    // Another process takes over with the breaker as it stands.
    let mut other = Sweeper::default();
    world.put(&nodes(0));
    for minute in 0..=11 {
        sweep(&world, &mut other).await;
        let changed = world.inner().watch_storms(&mut other, world.inner().now()).await.unwrap();
        assert_eq!(changed, (minute == 10).then_some(breaker::Mode::Closed), "after {minute} min");
        world.pass(MINUTE);
    }
    assert_eq!(world.coordinator.controls(&ann()).await.unwrap().breaker, "closed");
}

#[tokio::test]
async fn a_flood_of_incidents_holds_what_is_automatic() {
    let world = World::new();
    let mut sweeper = Sweeper::default();
    for n in 0..31 {
        world.put(&crashing(&format!("web-{n}"), 100 + n * 100, 1));
    }
    assert_eq!(sweep(&world, &mut sweeper).await, (31, 0, 0));
    assert_eq!(
        world.inner().watch_storms(&mut sweeper, world.inner().now()).await.unwrap(),
        Some(breaker::Mode::Automation)
    );
    let view = world.coordinator.controls(&ann()).await.unwrap();
    assert!(view.breaker_reason.unwrap().contains("for what is automatic"));
}

#[tokio::test]
async fn incidents_trigger_by_themselves_only_where_a_rule_says_so() {
    let with = |autonomy: bool, severities: &[&str]| {
        let mut settings = Settings::default();
        for rule in settings.policy.rules.iter_mut().filter(|rule| rule.name == "ordinary") {
            rule.autonomy = autonomy;
            rule.severities = severities.iter().map(|s| (*s).to_owned()).collect();
        }
        settings
    };
    for (settings, want) in [
        (with(false, &[]), 0),
        (with(true, &[]), 1),
        // A crash loop without an available replica is critical.
        (with(true, &["critical"]), 1),
        (with(true, &["low"]), 0),
        // A person stopped everything: incidents are opened all the same.
        (Settings { is_enabled: false, ..with(true, &[]) }, 0),
    ] {
        let shown = format!("{:?}", settings.policy.rules.last());
        let world = World::that_acts(settings);
        world.put(&crashing("web", 100, 2));
        let mut sweeper = Sweeper::default();
        assert_eq!(sweep(&world, &mut sweeper).await, (1, 0, 0));
        assert_eq!(sweep(&world, &mut sweeper).await, (0, 0, 0));
        let found = world.coordinator.workflows(&ann(), Default::default()).await.unwrap();
        assert_eq!(found.total, want, "{shown}");
        let incidents = world.coordinator.incidents(&ann(), Default::default()).await.unwrap();
        assert_eq!(incidents.total, 1);
        if let Some(workflow) = found.workflows.first() {
            assert_eq!(workflow.requested_by, "aiops");
            assert_eq!(workflow.incident_id, incidents.incidents[0].id);
        }
    }
}

#[tokio::test]
async fn one_of_two_processes_sweeps() {
    let world = World::new();
    world.put(&crashing("web", 100, 1));
    let (mut one, mut two) = (Sweeper::default(), Sweeper::default());
    world.inner().duties("one", &mut one, world.inner().now()).await.unwrap();
    world.inner().duties("two", &mut two, world.inner().now()).await.unwrap();
    assert!(one.last.is_some() && two.last.is_none());
    world.pass(16_000);
    world.inner().duties("two", &mut two, world.inner().now()).await.unwrap();
    assert!(two.last.is_some(), "the first fell silent");
    let heads = world.inner().store.audit_heads().await.unwrap();
    assert!(heads.iter().all(|(chain, ..)| chain == "control" || chain == "anchors"), "{heads:?}");
}

#[tokio::test]
async fn failures_of_the_api_server_within_a_minute_are_a_storm() {
    let counts = Arc::new(Counted::default());
    let world = World::over(Settings::default(), Some(Arc::<Counted>::clone(&counts)));
    let mut sweeper = Sweeper::default();
    sweep(&world, &mut sweeper).await;
    let mut count = async |all: u64, bad: u64| {
        counts.0.fetch_add(all, Ordering::Relaxed);
        counts.1.fetch_add(bad, Ordering::Relaxed);
        world.pass(30_000);
        world.inner().watch_storms(&mut sweeper, world.inner().now()).await.unwrap()
    };
    // Before the first look nothing is judged.
    assert_eq!(count(1_000, 1_000).await, None);
    assert_eq!(count(100, 10).await, None);
    assert_eq!(count(100, 19).await, None);
    assert_eq!(count(100, 50).await, Some(breaker::Mode::Open));
}

/// A cluster that only counts.
#[derive(Default)]
struct Counted(AtomicU64, AtomicU64);

#[async_trait]
impl Cluster for Counted {
    fn counts(&self) -> Option<(u64, u64)> {
        Some((self.0.load(Ordering::Relaxed), self.1.load(Ordering::Relaxed)))
    }

    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        Ok(Vec::new())
    }

    async fn get(&self, _: &ApiResource, _: Option<&str>, _: &str) -> Result<Value, PortError> {
        Err(PortError::new(PortErrorKind::NotFound, "nothing is here"))
    }

    async fn list(&self, _: &ApiResource, _: Option<&str>, _: &ListOptions) -> Result<ObjectPage, PortError> {
        Ok(ObjectPage::default())
    }

    async fn logs(
        &self,
        _: &LogRequest,
        _: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        Ok(())
    }

    async fn may(&self, _: &str, _: &str, _: &str, _: Option<&str>) -> Result<bool, PortError> {
        Ok(true)
    }
}

#[tokio::test]
async fn a_clock_that_jumps_a_year_neither_loses_an_incident_nor_closes_the_breaker() {
    const DAY: Millis = 24 * 60 * MINUTE;
    let world = World::new();
    let (mut sweeper, mut ticks) = (Sweeper::default(), 0);
    let at = |ticks: &mut Millis, by: Millis, jump: Millis| {
        world.pass(by + jump);
        *ticks += by;
        *ticks
    };
    for n in 0..31 {
        world.put(&crashing(&format!("web-{n}"), 100 + n * 100, 1));
    }
    world.inner().duties("one", &mut sweeper, ticks).await.unwrap();
    assert_eq!(world.coordinator.controls(&ann()).await.unwrap().breaker, "open");
    let first = world.coordinator.incidents(&ann(), Default::default()).await.unwrap().incidents[0].clone();
    let id = crate::model::ids::IncidentId::parse(&first.id).unwrap();
    world.coordinator.resolve_incident(&ann(), &id, None).await.unwrap();
    let now = at(&mut ticks, MINUTE, 365 * DAY);
    world.inner().duties("one", &mut sweeper, now).await.unwrap();
    let now = at(&mut ticks, MINUTE, 0);
    world.inner().duties("one", &mut sweeper, now).await.unwrap();
    // No incident is new any more by the year's clock, but it was calm for two minutes only.
    assert_eq!(world.coordinator.controls(&ann()).await.unwrap().breaker, "open");
    for _ in 0..29 {
        let now = at(&mut ticks, DAY, 0);
        world.inner().duties("one", &mut sweeper, now).await.unwrap();
        assert!(world.inner().store.incident(&id).await.unwrap().is_some(), "{} days", ticks / DAY);
    }
    for _ in 0..2 {
        let now = at(&mut ticks, DAY, 0);
        world.inner().duties("one", &mut sweeper, now).await.unwrap();
    }
    assert!(world.inner().store.incident(&id).await.unwrap().is_none(), "{} days", ticks / DAY);
}
