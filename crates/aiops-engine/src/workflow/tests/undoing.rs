//! The way back: in reverse, only what is still ours, and a person where it is not.

use std::sync::Arc;

use serde_json::json;

use super::{
    dying::Gate,
    requests::caller,
    stories::live,
    world::{Trouble, World, node_target, web},
};
use crate::{
    coordination::{Coordination as _, Resolution},
    model::{
        action::Action,
        caller::{Caller, Via},
        phase::{Direction, Phase, StepState},
        workflow::Outcome,
    },
    ports::{acting::NotDoneKind, store::Store as _},
    workflow::record::{StepAt, step},
};

const DENIED: Trouble = Trouble::Refuses(NotDoneKind::Denied, 403);

#[tokio::test]
async fn what_was_done_is_undone_in_reverse_when_a_step_fails() {
    let world = World::new().scripted(&[(2, DENIED)]);
    let (world, record) = live(world, World::cordons(&["n0", "n1", "n2"])).await;
    assert_eq!(record.workflow.phase, Phase::RolledBack, "{:?}", record.workflow.reason);
    let id = &record.workflow.id;
    let keys = ["0/do", "1/do", "1/undo", "0/undo"].map(|key| format!("{id}/{key}"));
    assert_eq!(*world.effects.lock(), keys);
    let due = world.store.due_notices(i64::MAX, 10).await.unwrap();
    let kinds: Vec<&str> = due.iter().map(|due| due.notice.kind.as_str()).collect();
    assert_eq!(kinds, ["rolled_back"]);
}

#[tokio::test]
async fn what_somebody_changed_meanwhile_stays_and_the_rest_is_undone() {
    let world = Arc::new(World::new().scripted(&[(2, DENIED)]));
    let id = world.planned(World::cordons(&["n0", "n1", "n2"])).await;
    let (coordinator, executor) = world.process("one", &Gate::open());
    world.drive_until(&executor, &id, |record| record.workflow.phase == Phase::RollingBack).await;
    // Somebody takes the node over: the marker is theirs now.
    world.edit(&node_target("n1"), |node| {
        node["metadata"]["annotations"]["aiops.io/effect"] = json!("somebody");
    });
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::NeedsOperator, "{:?}", record.workflow.reason);
    assert_eq!(world.object(&node_target("n1"))["spec"]["unschedulable"], json!(true));
    assert_eq!(world.object(&node_target("n0"))["spec"].get("unschedulable"), None);
    assert!(record.workflow.reason.as_deref().unwrap().contains("not undone: step 2"));
    // It keeps its locks and gives its places back.
    assert_eq!(world.store.locks().len(), 3);
    assert!(world.store.slots().is_empty());
    let how = Resolution { outcome: "failed".to_owned(), note: "n1 stays cordoned".to_owned() };
    coordinator.resolve(&Caller::anonymous(Via::Rest), &id, how.clone()).await.unwrap_err();
    let view = coordinator.resolve(&caller("bob"), &id, how).await.unwrap();
    assert_eq!(view.phase, Phase::Failed);
    world.check(&id).await;
}

#[tokio::test]
async fn what_is_not_seen_to_help_in_time_is_undone() {
    // Nobody in this world makes pods, so that the rollout is never seen to be complete.
    let (world, record) = live(World::new(), World::scale(5)).await;
    assert_eq!(record.workflow.phase, Phase::RolledBack, "{:?}", record.workflow.reason);
    let why = record.workflow.reason.unwrap();
    assert!(why.contains("was not seen to help in time"), "{why}");
    assert_eq!(world.object(&web())["spec"]["replicas"], json!(2));
    let lasted = record.workflow.finished_at.unwrap() - record.workflow.started_at.unwrap();
    assert!((300_000..310_000).contains(&lasted), "{lasted} ms");
}

#[tokio::test]
async fn what_stands_still_is_undone_however_often_it_is_looked_at() {
    let mut world = World::new();
    world.settings.timing.settle = std::time::Duration::from_millis(400);
    world.edit(&web(), |web| {
        web["status"] = json!({"observedGeneration": 100, "updatedReplicas": 2, "replicas": 2});
    });
    let (world, record) = live(world, World::scale(5)).await;
    assert_eq!(record.workflow.phase, Phase::RolledBack, "{:?}", record.workflow.reason);
    let lasted = record.workflow.finished_at.unwrap() - record.workflow.started_at.unwrap();
    assert!((300_000..310_000).contains(&lasted), "{lasted} ms");
    assert_eq!(world.object(&web())["spec"]["replicas"], json!(2));
}

#[tokio::test]
async fn a_controller_that_reverts_gets_one_write() {
    let world = Arc::new(World::new());
    let id = world.planned(World::scale(5)).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let applied = |record: &crate::model::workflow::Record| {
        record.steps.iter().any(|step| step.state == StepState::Applied)
    };
    world.drive_until(&executor, &id, applied).await;
    world.edit(&web(), |web| web["spec"]["replicas"] = json!(2));
    let record = world.drive(&executor, &id).await;
    assert_eq!(world.effects.lock().len(), 1, "{record:#?}");
    assert_eq!(record.workflow.phase, Phase::NeedsOperator);
    let why = record.workflow.reason.unwrap();
    assert!(why.contains("a controller that reverts"), "{why}");
    assert_eq!(world.object(&web())["spec"]["replicas"], json!(2));
}

#[tokio::test]
async fn what_nobody_can_tell_to_be_ours_is_not_undone_and_not_claimed() {
    let world = Arc::new(World::new().scripted(&[(0, Trouble::NeverArrives)]));
    let id = world.planned(World::scale(5)).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let sent = |record: &crate::model::workflow::Record| {
        record.attempts.iter().any(|attempt| attempt.outcome == Some(Outcome::Indeterminate))
    };
    world.drive_until(&executor, &id, sent).await;
    // Somebody scales it as the step was to.
    world.edit(&web(), |web| web["spec"]["replicas"] = json!(5));
    let record = world.drive(&executor, &id).await;
    // No rollout is ever seen to be complete in this world, so it turns back.
    assert_eq!(record.workflow.phase, Phase::NeedsOperator, "{:?}", record.workflow.reason);
    let why = record.workflow.reason.as_deref().unwrap();
    assert!(why.contains("somebody else wrote it since"), "{why}");
    assert_eq!(world.object(&web())["spec"]["replicas"], json!(5));
    assert!(world.effects.lock().is_empty());
    assert_eq!(record.attempts[0].outcome, Some(Outcome::Indeterminate));
    let lines = world.store.audit(id.as_str(), 0, 100).await.unwrap();
    let words: Vec<&str> = lines.iter().map(|line| line.entry.action.as_str()).collect();
    assert!(words.contains(&"unknown") && !words.contains(&"effect"), "{words:?}");
}

/// The way back of a scaling, of which nothing was heard, and then somebody's hand; the answer to the attempt.
async fn lost_on_the_way_back(trouble: Trouble, hand: fn(&mut serde_json::Value)) -> Option<Outcome> {
    let world = Arc::new(World::new().scripted(&[(1, trouble)]));
    let id = world.planned(World::scale(5)).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let sent = |record: &crate::model::workflow::Record| {
        let mut back = record.attempts.iter().filter(|attempt| attempt.direction == Direction::Undo);
        back.any(|attempt| attempt.outcome == Some(Outcome::Indeterminate))
    };
    world.drive_until(&executor, &id, sent).await;
    world.edit(&web(), hand);
    let replicas = world.object(&web())["spec"]["replicas"].clone();
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::NeedsOperator, "{:?}", record.workflow.reason);
    let why = record.workflow.reason.as_deref().unwrap();
    assert!(why.contains("not undone: step 1 (scale-workload"), "{why}");
    assert_eq!(world.object(&web())["spec"]["replicas"], replicas);
    world.check(&id).await;
    let back = record.attempts.iter().find(|attempt| attempt.direction == Direction::Undo);
    back.and_then(|attempt| attempt.outcome)
}

#[tokio::test]
async fn a_way_back_that_somebody_wrote_over_is_not_said_to_have_done_nothing() {
    let scaled = |web: &mut serde_json::Value| web["spec"]["replicas"] = json!(7);
    let back = lost_on_the_way_back(Trouble::AnswerLost, scaled).await;
    assert_eq!(back, Some(Outcome::Indeterminate));
    // The marker of the step is still there, which the way back takes away: nothing came of it.
    let back = lost_on_the_way_back(Trouble::NeverArrives, scaled).await;
    assert_eq!(back, Some(Outcome::Rejected));
}

#[tokio::test]
async fn what_is_being_deleted_with_our_marker_had_our_effect() {
    let world = Arc::new(World::new().scripted(&[(0, Trouble::AnswerLost)]));
    let id = world.planned(World::scale(5)).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let sent = |record: &crate::model::workflow::Record| {
        record.attempts.iter().any(|attempt| attempt.outcome == Some(Outcome::Indeterminate))
    };
    world.drive_until(&executor, &id, sent).await;
    // With a finalizer of somebody's, or in the foreground.
    world.edit(&web(), |web| web["metadata"]["deletionTimestamp"] = json!("2026-11-27T11:00:00Z"));
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::NeedsOperator, "{:?}", record.workflow.reason);
    assert_eq!(record.attempts[0].outcome, Some(Outcome::Indeterminate));
    world.check(&id).await;
}

#[tokio::test]
async fn what_was_made_again_from_a_copy_of_our_effect_is_for_a_person() {
    // The key of a restart stands in the pod template alone.
    for action in
        [Action::ScaleWorkload { target: web(), replicas: 5 }, Action::RestartWorkload { target: web() }]
    {
        let world = Arc::new(World::new().scripted(&[(0, Trouble::AnswerLost)]));
        let id = world.planned(World::plan(vec![action])).await;
        let (_coordinator, executor) = world.process("one", &Gate::open());
        let sent = |record: &crate::model::workflow::Record| {
            record.attempts.iter().any(|attempt| attempt.outcome == Some(Outcome::Indeterminate))
        };
        world.drive_until(&executor, &id, sent).await;
        let left = world.object(&web())["spec"].clone();
        // As `kubectl replace --force` with what `kubectl get` had printed.
        world.edit(&web(), |web| web["metadata"]["uid"] = json!("another"));
        let record = world.drive(&executor, &id).await;
        assert_eq!(record.workflow.phase, Phase::NeedsOperator, "{:?}", record.workflow.reason);
        assert_eq!(world.effects.lock().len(), 1);
        assert_eq!(world.object(&web())["spec"], left);
    }
}

#[tokio::test]
async fn cancelling_undoes_what_was_done_at_the_next_boundary() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0", "n1", "n2"])).await;
    let (coordinator, executor) = world.process("one", &Gate::open());
    world.drive_until(&executor, &id, |record| record.workflow.cursor == 1).await;
    let view = coordinator.cancel(&caller("ann"), &id, Some("wrong node".to_owned())).await.unwrap();
    assert_eq!(view.phase, Phase::Running);
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::RolledBack, "{:?}", record.workflow.reason);
    assert!(record.workflow.reason.unwrap().contains("ann cancelled it: wrong node"));
    assert_eq!(world.effects.lock().len(), 2);
    world.check(&id).await;
}

#[tokio::test]
async fn an_undoing_that_fails_stops_those_below_it_on_the_same_object_and_no_others() {
    let actions = [("n0", true), ("n0", false), ("n1", true), ("n2", true)].map(|(name, cordons)| {
        let target = node_target(name);
        if cordons { Action::CordonNode { target } } else { Action::UncordonNode { target } }
    });
    let world = Arc::new(World::new().scripted(&[(3, DENIED)]));
    let id = world.planned(World::plan(actions.to_vec())).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    world.drive_until(&executor, &id, |record| record.workflow.phase == Phase::RollingBack).await;
    world.edit(&node_target("n0"), |node| {
        node["metadata"]["annotations"]["aiops.io/effect"] = json!("somebody");
    });
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::NeedsOperator);
    let state = |order: u32| {
        let at = StepAt { order, direction: Direction::Undo };
        step(&record, at).map(|step| step.state)
    };
    assert_eq!(
        [state(0), state(1), state(2), state(3)],
        [Some(StepState::Pending), Some(StepState::Failed), Some(StepState::Verified), None]
    );
    let why = record.workflow.reason.as_deref().unwrap();
    assert!(why.contains("step 2 (uncordon-node") && why.contains("step 1 (cordon-node"), "{why}");
    assert!(why.contains("not tried"), "{why}");
    world.check(&id).await;
}

#[tokio::test]
async fn what_cannot_be_undone_is_named_at_the_end() {
    let target = web();
    let plan = World::plan(vec![
        Action::CordonNode { target: node_target("n0") },
        Action::RestartWorkload { target },
    ]);
    // Nobody in this world makes pods: the restart is never seen to help.
    let (world, record) = live(World::new(), plan).await;
    assert_eq!(record.workflow.phase, Phase::Failed);
    let why = record.workflow.reason.unwrap();
    assert!(why.contains("what cannot be undone stays: restart-workload on Deployment shop/web"), "{why}");
    assert_eq!(world.object(&node_target("n0"))["spec"].get("unschedulable"), None);
}
