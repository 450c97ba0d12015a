//! What a sweep opens, leaves alone and closes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::issue::{Issue, Object, Severity};

#[derive(Default)]
struct Counter(AtomicU64);

impl Ids for Counter {
    fn unique(&self) -> String {
        format!("{:04}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn finding(code: &'static str, name: &str, severity: Severity, also: &[&'static str]) -> Finding {
    let object = Object::new("Deployment", "shop".into(), name.into());
    let issue = Issue::new(code, severity, object, Some(100), "it keeps ending; token=abc123secretvalue");
    Finding { severity, issue, also: also.to_vec() }
}

fn sight<'a>(findings: &'a [Finding], open: &'a [Incident], now: Millis) -> Sight<'a> {
    const ALL: &Hidden = &Hidden::ALL;
    Sight { cluster: "c", findings, open, closed: &[], early: &[], hidden: ALL, now, grace: 2 * MINUTE }
}

/// The incident that a finding opens.
fn opened(finding: &Finding) -> Incident {
    let swept = decide(
        sight(std::slice::from_ref(finding), &[], 1_000_000),
        &Counter::default(),
        &mut Memory::default(),
    );
    swept.reports[0].incident.clone()
}

#[test]
fn a_finding_opens_one_incident_and_then_nothing_is_written() {
    let crash = finding("crash_loop", "web", Severity::High, &["deployment_unavailable"]);
    let incident = opened(&crash);
    assert_eq!(incident.fingerprint, fingerprint("c", &incident.target, "crash_loop"));
    assert_eq!(incident.target.key(), "apps/Deployment/shop/web");
    assert_eq!(incident.source, IncidentSource::Detector);
    assert!(!incident.body.description.contains("abc123secretvalue"), "{}", incident.body.description);
    let mut memory = Memory::default();
    for at in 0..10 {
        let swept = decide(
            sight(std::slice::from_ref(&crash), std::slice::from_ref(&incident), at * MINUTE),
            &Counter::default(),
            &mut memory,
        );
        assert_eq!(swept, Swept::default());
    }
    assert!(!memory.is_waiting());
}

#[test]
fn what_got_worse_is_reported_into_the_open_incident() {
    let before = finding("crash_loop", "web", Severity::High, &[]);
    let open = [opened(&before)];
    let worse = [finding("crash_loop", "web", Severity::Critical, &[])];
    let swept = decide(sight(&worse, &open, 0), &Counter::default(), &mut Memory::default());
    assert_eq!(swept.reports.len(), 1);
    assert_eq!(swept.reports[0].into.as_ref(), Some(&open[0].id));
    assert_eq!(swept.reports[0].incident.severity, Severity::Critical);
}

#[test]
fn trouble_must_be_gone_for_the_grace_and_seen_to_be() {
    let open = [opened(&finding("crash_loop", "web", Severity::High, &[]))];
    let mut memory = Memory::default();
    let mut rows = aiops_inventory::Inventory::default();
    for kind in aiops_inventory::Kind::ALL {
        rows.set_sync(kind, aiops_inventory::Sync::Synced);
    }
    rows.set_sync(
        aiops_inventory::Kind::Pod,
        aiops_inventory::Sync::Stale { since: 0, reason: "the watch broke".into() },
    );
    let blurred = Hidden::of(&rows);
    let mut sweep = |now, is_complete: bool, findings: &[Finding]| {
        let hidden = if is_complete { &Hidden::ALL } else { &blurred };
        let sight = Sight { hidden, ..sight(findings, &open, now) };
        decide(sight, &Counter::default(), &mut memory).closures
    };
    assert!(sweep(0, true, &[]).is_empty());
    assert!(sweep(MINUTE, true, &[]).is_empty());
    // It comes back, or a watch breaks: the grace begins anew.
    assert!(sweep(2 * MINUTE, true, &[finding("crash_loop", "web", Severity::High, &[])]).is_empty());
    assert!(sweep(3 * MINUTE, true, &[]).is_empty());
    assert!(sweep(5 * MINUTE, false, &[]).is_empty());
    assert!(sweep(6 * MINUTE, true, &[]).is_empty());
    let closed = sweep(8 * MINUTE, true, &[]);
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].id, open[0].id);
    assert!(closed[0].resolution.contains("120 s"), "{}", closed[0].resolution);
}

#[test]
fn only_what_detectors_opened_and_nobody_works_on_is_closed() {
    let mut memory = Memory::default();
    for change in [
        (|i: &mut Incident| {
            i.source = IncidentSource::Alert;
            i.body.firing.insert("an alert".to_owned());
        }) as fn(&mut Incident),
        |i| i.source = IncidentSource::Manual,
        |i| i.source = IncidentSource::Trigger,
        |i| i.status = IncidentStatus::Remediating,
        |i| i.cluster = "another".to_owned(),
    ] {
        let mut incident = opened(&finding("crash_loop", "web", Severity::High, &[]));
        change(&mut incident);
        for at in 0..10 {
            let swept = decide(
                sight(&[], std::slice::from_ref(&incident), at * MINUTE),
                &Counter::default(),
                &mut memory,
            );
            assert_eq!(swept, Swept::default(), "{incident:?}");
        }
    }
}

#[test]
fn a_consequence_joins_its_cause() {
    let alone = finding("deployment_unavailable", "web", Severity::High, &[]);
    let open = [opened(&alone)];
    let cause = [finding("crash_loop", "web", Severity::High, &["deployment_unavailable"])];
    let swept = decide(sight(&cause, &open, 0), &Counter::default(), &mut Memory::default());
    assert_eq!(swept.reports.len(), 1);
    assert_eq!(swept.closures.len(), 1);
    assert!(swept.closures[0].resolution.contains("crash_loop"));
    // Somebody's alert under the name of the consequence is the same trouble: nothing is opened and nothing closed.
    let mut alert = open[0].clone();
    alert.source = IncidentSource::Alert;
    alert.body.firing.insert("an alert".to_owned());
    let swept = decide(sight(&cause, &[alert.clone()], 0), &Counter::default(), &mut Memory::default());
    assert_eq!(swept, Swept::default());
    // That alert is over, and the cause is not.
    alert.body.firing.clear();
    let swept = decide(sight(&cause, &[alert], 0), &Counter::default(), &mut Memory::default());
    assert_eq!(swept, Swept::default());
}

#[test]
fn what_detectors_still_remember_opens_nothing_again() {
    let kill = finding("oom_kill", "web", Severity::High, &[]);
    let mut closed = opened(&kill);
    closed.status = IncidentStatus::Remediated;
    closed.closed_at = Some(200_000);
    let closed = [closed];
    let new_at = |since, now| {
        let mut again = kill.clone();
        again.issue.since = since;
        let sight = Sight { closed: &closed, ..sight(std::slice::from_ref(&again), &[], now) };
        decide(sight, &Counter::default(), &mut Memory::default()).reports.len()
    };
    // It began at 100 s, before the incident was closed at 200 s.
    assert_eq!(new_at(Some(100), 210_000), 0);
    assert_eq!(new_at(Some(100), 200_000 + 64 * MINUTE), 0);
    assert_eq!(new_at(Some(100), 200_000 + 65 * MINUTE), 1);
    assert_eq!(new_at(Some(201), 210_000), 1);
    assert_eq!(new_at(None, 210_000), 0);
    assert_eq!(new_at(None, 200_000 + 5 * MINUTE), 1);
}

#[test]
fn what_lasts_is_trouble_again_soon_after_its_incident_was_closed() {
    for (code, quiet) in [("image_pull", 5), ("node_not_ready", 5), ("job_failed", 24 * 60)] {
        let lasting = finding(code, "web", Severity::High, &[]);
        let mut closed = opened(&lasting);
        closed.status = IncidentStatus::Resolved;
        closed.closed_at = Some(200_000);
        let closed = [closed];
        let new_at = |now| {
            let sight = Sight { closed: &closed, ..sight(std::slice::from_ref(&lasting), &[], now) };
            decide(sight, &Counter::default(), &mut Memory::default()).reports.len()
        };
        assert_eq!(new_at(200_000 + quiet * MINUTE - 1), 0, "{code}");
        assert_eq!(new_at(200_000 + quiet * MINUTE), 1, "{code}");
    }
}

#[test]
fn a_flood_is_spread_and_bounded() {
    let names: Vec<String> = (0..250).map(|n| format!("web-{n:03}")).collect();
    let findings: Vec<Finding> =
        names.iter().map(|name| finding("crash_loop", name, Severity::High, &[])).collect();
    let ids = Counter::default();
    let mut memory = Memory::default();
    let mut open: Vec<Incident> = Vec::new();
    for (opened, left) in [(100, 150), (100, 50), (50, 0), (0, 0)] {
        let swept = decide(sight(&findings, &open, 0), &ids, &mut memory);
        assert_eq!((swept.reports.len(), swept.left), (opened, left));
        open.extend(swept.reports.into_iter().map(|report| report.incident));
    }
    let ids: BTreeSet<_> = open.iter().map(|incident| &incident.id).collect();
    assert_eq!(ids.len(), 250);
}

#[test]
fn what_is_too_early_opens_an_incident_when_it_lasts_and_keeps_one_open() {
    let early = [finding("quota_full", "web", Severity::Medium, &[])];
    let (ids, mut memory) = (Counter::default(), Memory::default());
    let at = |memory: &mut Memory, early: &[Finding], open: &[Incident], now: Millis| {
        decide(Sight { early, ..sight(&[], open, now) }, &ids, memory)
    };
    assert_eq!(at(&mut memory, &early, &[], 0), Swept::default());
    assert!(memory.is_waiting());
    // A pause begins it anew.
    assert_eq!(at(&mut memory, &[], &[], 4 * MINUTE), Swept::default());
    assert!(!memory.is_waiting());
    for minute in 5..10 {
        assert_eq!(at(&mut memory, &early, &[], minute * MINUTE), Swept::default(), "{minute}");
    }
    let opened = at(&mut memory, &early, &[], 10 * MINUTE);
    let open: Vec<Incident> = opened.reports.into_iter().map(|report| report.incident).collect();
    assert_eq!(open.iter().map(|i| i.issue.as_str()).collect::<Vec<_>>(), ["quota_full"]);
    assert!(!memory.is_waiting(), "there is nothing to wait for");
    // One whose trouble looks like normal life again, for a moment or for long, is not over.
    for minute in 11..20 {
        let swept = at(&mut Memory::default(), &early, &open, minute * MINUTE);
        assert_eq!(swept, Swept::default(), "{minute}");
    }
}

#[test]
fn what_people_write_takes_no_room() {
    let names: Vec<String> = (0..MOST_OPEN).map(|n| format!("web-{n:04}")).collect();
    let mut open: Vec<Incident> =
        names.iter().map(|name| opened(&finding("crash_loop", name, Severity::Low, &[]))).collect();
    let new = [finding("crash_loop", "new", Severity::Critical, &[])];
    let decided = |open: &[Incident]| {
        let swept = decide(sight(&new, open, 0), &Counter::default(), &mut Memory::default());
        (swept.reports.len(), swept.left)
    };
    assert_eq!(decided(&open), (0, 1));
    // One that is known and got worse needs no room.
    let worse = [finding("crash_loop", "web-0000", Severity::Critical, &[])];
    let swept = decide(sight(&worse, &open, 0), &Counter::default(), &mut Memory::default());
    assert_eq!((swept.reports.len(), swept.left), (1, 0));
    open[7].source = IncidentSource::Manual;
    assert_eq!(decided(&open), (1, 0));
}
