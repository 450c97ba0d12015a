//! A request that is made again under its key is told what came of it, whatever became of its object and its incident.

use super::{away, halfway::run_until, run::Sim, run::now, scene};
use crate::{
    coordination::{Coordination as _, NewIncident, Trigger, completed},
    issue::Severity,
    model::{
        action::Action,
        caller::{Caller, Via},
        ids::IncidentId,
        phase::Phase,
    },
    ports::store::{Report, Store as _},
    testing::model::Key,
};

fn ann() -> Caller {
    Caller::identified("ann", Vec::new(), Via::Rest)
}

#[test]
fn an_eviction_that_succeeded_is_told_though_its_pod_is_gone() {
    let mut sim = away::sim();
    let Action::EvictPod { target } = scene::named(&sim.model, "evict-pod") else { panic!("no eviction") };
    let order = Trigger {
        namespace: target.namespace.clone(),
        kind: "Pod".to_owned(),
        name: target.name.clone(),
        action: Some(Action::EvictPod { target: target.clone() }),
        idempotency_key: Some("once".to_owned()),
        ..Trigger::default()
    };
    sim.trigger(&ann(), order.clone());
    run_until(&mut sim, Sim::over);
    let done = sim.everything().remove(0);
    assert_eq!(done.phase, Phase::Completed, "{:?}", done.reason);
    assert!(sim.model.object(&Key::of_target(&target)).is_none());
    let door = sim.coordinator("door");
    let again = now(door.trigger(&ann(), order.clone())).unwrap();
    assert_eq!((again.workflow_id.as_deref(), again.deduplicated), (Some(done.id.as_str()), true));
    // Another request under the same key is none of it, and without a key it is a new one, about what is not there.
    let other = Trigger { description: "another".to_owned(), ..order.clone() };
    assert_eq!(now(door.trigger(&ann(), other)).unwrap_err().code(), "conflict");
    let unkeyed = Trigger { idempotency_key: None, ..order };
    assert_eq!(now(door.trigger(&ann(), unkeyed)).unwrap_err().code(), "not_found");
}

#[test]
fn a_request_by_its_incident_alone_is_the_same_when_the_incident_got_worse() {
    let sim = away::sim();
    let door = sim.coordinator("door");
    let written = NewIncident {
        title: "web is slow".to_owned(),
        description: "seen by ann".to_owned(),
        severity: "low".to_owned(),
        affected_resources: vec!["Deployment/shop/web".to_owned()],
        ..NewIncident::default()
    };
    let incident = now(door.create_incident(&ann(), written)).unwrap();
    let asked = |issue: &str| Trigger {
        incident: Some(incident.id.clone()),
        issue: issue.to_owned(),
        idempotency_key: Some("once".to_owned()),
        ..Trigger::default()
    };
    let filled = now(completed(&door, &ann(), asked("crash_loop"))).unwrap();
    assert_eq!((filled.name.as_str(), filled.severity), ("web", Some(Severity::Low)));
    let first = now(door.trigger(&ann(), filled)).unwrap();
    let id = IncidentId::parse(&incident.id).unwrap();
    let mut worse = now(sim.store.incident(&id)).unwrap().unwrap();
    worse.severity = Severity::Critical;
    // As the sweep reports it.
    now(sim.store.report(&[Report { incident: worse, into: Some(id.clone()), line: None }])).unwrap();
    assert_eq!(now(sim.store.incident(&id)).unwrap().unwrap().severity, Severity::Critical);
    let filled = now(completed(&door, &ann(), asked("crash_loop"))).unwrap();
    let again = now(door.trigger(&ann(), filled)).unwrap();
    assert_eq!((again.workflow_id, again.deduplicated), (first.workflow_id, true));
    let other = now(completed(&door, &ann(), asked("oom"))).unwrap();
    assert_eq!(now(door.trigger(&ann(), other)).unwrap_err().code(), "conflict");
}
