//! Which incident a trigger is filed under, and what the end of its workflow says about it.

use std::sync::Arc;

use super::{
    dying::Gate,
    requests::caller,
    triggers::{cordon, id_of, kept, trigger},
    world::World,
};
use crate::{
    Coordinator,
    coordination::{Coordination as _, IncidentView, NewIncident, Trigger},
    model::{caller::Via, ids::IncidentId, incident::IncidentStatus},
    ports::store::{Entry, Store as _, Write},
};

/// An incident about no object.
async fn about_nothing(coordinator: &Coordinator) -> IncidentView {
    let written = NewIncident {
        title: "all of it".to_owned(),
        description: "seen by ann".to_owned(),
        severity: "high".to_owned(),
        ..NewIncident::default()
    };
    coordinator.create_incident(&caller("ann"), written).await.unwrap()
}

#[tokio::test]
async fn an_incident_that_a_trigger_names_is_made_found_or_remembered() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let named = |id: &str, name: &str| Trigger { incident: Some(id.to_owned()), ..cordon(name) };
    // A free id that is well formed becomes the incident's.
    let first = trigger(&coordinator, named("inc-from-outside", "n0")).await.unwrap();
    assert_eq!(first.incident_id.as_deref(), Some("inc-from-outside"));
    // Somebody else's id is kept beside ours.
    let second = trigger(&coordinator, named("PD-17", "n1")).await.unwrap();
    let id = IncidentId::parse(second.incident_id.as_deref().unwrap()).unwrap();
    let incident = world.store.incident(&id).await.unwrap().unwrap();
    assert_eq!(incident.body.external_id.as_deref(), Some("PD-17"));
    for triggered in [&first, &second] {
        world.drive(&executor, &id_of(triggered)).await;
    }
    // A closed one is not opened again: its id is kept beside that of the new one.
    let closed = IncidentId::parse("inc-from-outside").unwrap();
    assert!(world.store.incident(&closed).await.unwrap().unwrap().status.is_closed());
    let third = trigger(&coordinator, named("inc-from-outside", "n2")).await.unwrap();
    let id = IncidentId::parse(third.incident_id.as_deref().unwrap()).unwrap();
    assert_ne!(id, closed);
    let incident = world.store.incident(&id).await.unwrap().unwrap();
    assert_eq!(incident.body.external_id.as_deref(), Some("inc-from-outside"));
    assert_eq!(
        trigger(&coordinator, named(&"x".repeat(129), "n1")).await.unwrap_err().code(),
        "invalid_request"
    );
}

#[tokio::test]
async fn an_incident_of_another_object_is_not_taken_over() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let named = |id: &str, name: &str| Trigger { incident: Some(id.to_owned()), ..cordon(name) };
    let first = trigger(&coordinator, named("inc-of-n0", "n0")).await.unwrap();
    let refused = trigger(&coordinator, named("inc-of-n0", "n1")).await.unwrap_err();
    assert_eq!(refused.code(), "conflict");
    assert!(refused.to_string().contains("inc-of-n0 is about Node n0"), "{refused}");
    assert_eq!(kept(&world).await, 1);
    let id = IncidentId::parse("inc-of-n0").unwrap();
    let held = world.store.incident(&id).await.unwrap().unwrap();
    assert_eq!((held.occurrences, held.workflow), (1, Some(id_of(&first))));
    // Its own object's repair takes it up, also for another issue; so does one over several objects that names it.
    world.drive(&executor, &id_of(&first)).await;
    let written = |title: &str, about: &[&str]| NewIncident {
        title: title.to_owned(),
        description: "seen by ann".to_owned(),
        severity: "high".to_owned(),
        affected_resources: about.iter().map(|about| (*about).to_owned()).collect(),
        ..NewIncident::default()
    };
    let ann = caller("ann");
    let of_node = coordinator.create_incident(&ann, written("the node", &["Node/n2"])).await.unwrap();
    let taken = trigger(&coordinator, named(&of_node.id, "n2")).await.unwrap();
    assert_eq!(taken.incident_id.as_deref(), Some(of_node.id.as_str()));
    // One about no object is what its writer says.
    let free = coordinator.create_incident(&ann, written("all of it", &[])).await.unwrap();
    let taken = trigger(&coordinator, named(&free.id, "n1")).await.unwrap();
    assert_eq!(taken.incident_id.as_deref(), Some(free.id.as_str()));
}

#[tokio::test]
async fn an_incident_on_which_a_workflow_acts_is_not_taken_up_by_another_one() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let free = about_nothing(&coordinator).await;
    let named = |name: &str| Trigger { incident: Some(free.id.clone()), ..cordon(name) };
    let first = id_of(&trigger(&coordinator, named("n0")).await.unwrap());
    // The same again is known, another trouble would end it twice.
    assert_eq!(id_of(&trigger(&coordinator, named("n0")).await.unwrap()), first);
    let refused = trigger(&coordinator, named("n1")).await.unwrap_err();
    assert_eq!(refused.code(), "conflict");
    let said = refused.to_string();
    assert!(said.contains(first.as_str()) && said.contains("Node n0") && said.contains(&free.id), "{said}");
    assert_eq!(kept(&world).await, 1);
    world.drive(&executor, &first).await;
    // It is over, and its end closed the incident.
    let incident = IncidentId::parse(&free.id).unwrap();
    let closed = world.store.incident(&incident).await.unwrap().unwrap();
    assert_eq!((closed.status, closed.workflow), (IncidentStatus::Remediated, Some(first)));
}

#[tokio::test]
async fn an_end_tells_nothing_of_an_incident_that_another_workflow_took_up() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let free = about_nothing(&coordinator).await;
    let named = |name: &str| Trigger { incident: Some(free.id.clone()), ..cordon(name) };
    let first = id_of(&trigger(&coordinator, named("n0")).await.unwrap());
    // As two doors at the same moment: both saw an incident that nobody acts on.
    let incident = IncidentId::parse(&free.id).unwrap();
    let held = world.store.incident(&incident).await.unwrap().unwrap();
    let entry = |at| Entry {
        at,
        actor: "ann".to_owned(),
        via: Via::Rest,
        action: "x".to_owned(),
        object: "x".to_owned(),
        body: serde_json::json!({}),
    };
    let write = Write::Incident { id: held.id, status: IncidentStatus::Active, closed_at: None };
    let now = world.clock.at();
    let writes = [write, Write::Audit(entry(now))];
    world.store.commit(&first, None, &writes).await.unwrap();
    let second = id_of(&trigger(&coordinator, named("n1")).await.unwrap());
    world.drive(&executor, &first).await;
    let open = world.store.incident(&incident).await.unwrap().unwrap();
    assert_eq!((open.status, open.workflow.as_ref()), (IncidentStatus::Remediating, Some(&second)));
    world.drive(&executor, &second).await;
    let closed = world.store.incident(&incident).await.unwrap().unwrap();
    assert_eq!((closed.status, closed.workflow), (IncidentStatus::Remediated, Some(second)));
}

#[tokio::test]
async fn the_id_that_a_trigger_names_is_kept_when_the_trouble_is_known_already() {
    let world = Arc::new(World::new());
    let (coordinator, _executor) = world.process("one", &Gate::open());
    let first = trigger(&coordinator, cordon("n0")).await.unwrap();
    let id = IncidentId::parse(first.incident_id.as_deref().unwrap()).unwrap();
    // The workflow is over, and did not repair it: the incident is open still.
    coordinator.cancel(&caller("ann"), &id_of(&first), None).await.unwrap();
    let named = Trigger { incident: Some("inc-12345".to_owned()), ..cordon("n0") };
    let second = trigger(&coordinator, named).await.unwrap();
    assert_eq!(second.incident_id.as_deref(), Some(id.as_str()));
    let kept = world.store.incident(&id).await.unwrap().unwrap();
    assert_eq!((kept.occurrences, kept.body.external_id.as_deref()), (2, Some("inc-12345")));
    let lines = world.store.audit(id_of(&second).as_str(), 0, 10).await.unwrap();
    let accepted = lines.iter().find(|line| line.entry.action == "accepted").unwrap();
    assert_eq!(accepted.entry.body["incident"], "inc-12345");
    // Free, it is the incident's own, and nothing is kept beside it.
    let named = Trigger { incident: Some("inc-67890".to_owned()), ..cordon("n1") };
    trigger(&coordinator, named).await.unwrap();
    let own = IncidentId::parse("inc-67890").unwrap();
    assert_eq!(world.store.incident(&own).await.unwrap().unwrap().body.external_id, None);
}
