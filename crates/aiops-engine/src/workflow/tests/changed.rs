//! What somebody changes between the plan and its step is not overwritten.

use std::sync::Arc;

use serde_json::json;

use super::{
    dying::Gate,
    world::{Trouble, World, node_target, web},
};
use crate::{
    deeds,
    model::{
        action::Action,
        phase::{Direction, Phase, StepState},
        plan::Plan,
    },
    ports::{acting::NotDoneKind, store::Store as _},
    workflow::record::{StepAt, step},
};

/// A plan as proving leaves it: it knows what it was made on.
fn on_what_is(world: &World, mut plan: Plan) -> Plan {
    for step in &mut plan.steps {
        step.planned_on = deeds::found(&step.action, &world.object(step.action.target()));
    }
    plan
}

#[tokio::test]
async fn a_plan_that_waited_while_somebody_scaled_is_refused_before_anything_is_taken() {
    let world = Arc::new(World::new());
    let id = world.planned(on_what_is(&world, World::scale(5))).await;
    world.edit(&web(), |web| web["spec"]["replicas"] = json!(30));
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Refused, "{:?}", record.workflow.reason);
    assert_eq!(record.workflow.rule.as_deref(), Some("changed"));
    let why = record.workflow.reason.unwrap();
    assert!(why.contains("spec.replicas was 2 and is 30 now"), "{why}");
    assert_eq!(world.object(&web())["spec"]["replicas"], json!(30));
    assert!(world.effects.lock().is_empty() && record.attempts.is_empty());
    assert!(world.store.locks().is_empty());
    // Whoever triggers it again is let pass: nothing was tried.
    let rests = world.store.cooldown(&World::fingerprint(&web())).await.unwrap();
    assert_eq!(rests, None);
    world.check(&id).await;
}

#[tokio::test]
async fn a_change_just_before_the_first_request_ends_the_step_and_what_was_done_before_is_undone() {
    let world = Arc::new(World::new());
    let scale = Action::ScaleWorkload { target: web(), replicas: 5 };
    let plan = World::plan(vec![Action::CordonNode { target: node_target("n0") }, scale]);
    let id = world.planned(on_what_is(&world, plan)).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    world.drive_until(&executor, &id, |record| record.workflow.cursor == 1).await;
    world.edit(&web(), |web| web["spec"]["replicas"] = json!(3));
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::RolledBack, "{:?}", record.workflow.reason);
    let second = step(&record, StepAt { order: 1, direction: Direction::Do }).unwrap();
    assert_eq!(second.state, StepState::Failed);
    assert!(second.result.as_deref().unwrap().contains("spec.replicas was 2 and is 3 now"));
    assert_eq!(world.object(&web())["spec"]["replicas"], json!(3));
    assert_eq!(world.object(&node_target("n0"))["spec"].get("unschedulable"), None);
    world.check(&id).await;
}

#[tokio::test]
async fn a_change_that_a_refused_request_met_is_seen_before_the_next_one() {
    // The first request is certainly without effect: what is there then is somebody's.
    let refused = Trouble::Refuses(NotDoneKind::Throttled, 429);
    let world = Arc::new(World::new().scripted(&[(0, refused)]));
    let id = world.planned(on_what_is(&world, World::scale(5))).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    world.drive_until(&executor, &id, |record| !record.attempts.is_empty()).await;
    world.edit(&web(), |web| web["spec"]["replicas"] = json!(4));
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Failed, "{:?}", record.workflow.reason);
    assert_eq!(world.object(&web())["spec"]["replicas"], json!(4));
    assert_eq!(record.attempts.len(), 1);
    world.check(&id).await;
}

#[tokio::test]
async fn what_is_there_after_an_answer_was_lost_is_judged_by_its_marker_alone() {
    let world = World::new().scripted(&[(0, Trouble::AnswerLost)]);
    let plan = on_what_is(&world, World::scale(5));
    let world = Arc::new(world);
    let id = world.planned(plan).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let applied = |record: &crate::model::workflow::Record| record.steps[0].state == StepState::Applied;
    world.drive_until(&executor, &id, applied).await;
    assert_eq!(world.effects.lock().len(), 1);
    assert_eq!(world.object(&web())["spec"]["replicas"], json!(5));
}

#[tokio::test]
async fn a_cluster_that_cannot_be_read_is_waited_for_before_it_begins() {
    use crate::error::{PortError, PortErrorKind};
    let world = Arc::new(World::new());
    let id = world.planned(on_what_is(&world, World::scale(5))).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    *world.blind.lock() = Some(PortError::new(PortErrorKind::Unavailable, "connection refused"));
    world
        .drive_until(&executor, &id, |record| {
            record.workflow.reason.as_deref().is_some_and(|why| why.contains("connection refused"))
        })
        .await;
    assert_eq!(world.record(&id).await.workflow.phase, Phase::Queued);
    *world.blind.lock() = None;
    world.drive_until(&executor, &id, |record| record.workflow.phase == Phase::Running).await;
}

#[tokio::test]
async fn a_plan_of_an_earlier_release_says_nothing_and_keeps_its_digest() {
    let world = World::new();
    let plan = World::scale(5);
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["steps"][0].get("planned_on"), None);
    let (old, new) = (plan.clone(), on_what_is(&world, plan));
    let digest = |plan: &Plan| crate::fingerprint::digest(plan).unwrap();
    assert_eq!(digest(&old), "764892046e68640ec9f3ec28a05dcbe85e29e0d0e2d5eead3ad36506de3a44ff");
    assert_ne!(digest(&new), digest(&old));
    let mut other = new.clone();
    other.steps[0].planned_on.insert("spec.replicas".to_owned(), "3".to_owned());
    assert_ne!(digest(&new), digest(&other), "what it was made on is agreed to");
}
