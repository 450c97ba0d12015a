//! Clocks that differ, processes that were away for long, and a cluster that is not reached yet: nothing ends because of them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::json;

use super::{
    dying::Gate,
    requests::caller,
    world::{Trouble, World, node_target},
};
use crate::{
    coordination::Coordination as _,
    error::{PortError, PortErrorKind},
    model::{
        Millis,
        action::Action,
        phase::{Direction, Phase, StepState},
        target::Target,
        workflow::Record,
    },
    ports::{acting::NotDoneKind, store::Store as _},
    workflow::{
        Turn,
        record::{Found, StepAt},
        runner::Work,
    },
};

const MINUTE: Millis = 60_000;

fn is_sent(record: &Record) -> bool {
    record.attempts.iter().any(|attempt| attempt.outcome.is_some())
}

#[tokio::test]
async fn a_successor_with_another_clock_gives_up_nothing_that_may_still_arrive() {
    for off in [-60 * MINUTE, 60 * MINUTE] {
        let world = Arc::new(World::new().scripted(&[(0, Trouble::Late)]));
        let id = world.planned(World::cordons(&["n0"])).await;
        let (_coordinator, first) = world.process("first", &Gate::open());
        let record = world.drive_until(&first, &id, is_sent).await;
        assert_eq!(record.steps[0].state, StepState::Intent);
        // Its successor's clock is an hour off: the step's time is not over by that.
        world.clock_is_off_by.store(off, Ordering::SeqCst);
        let (_coordinator, second) = world.process("second", &Gate::open());
        let record = world.drive(&second, &id).await;
        assert_eq!(record.workflow.phase, Phase::Completed, "{off}: {:?}", record.workflow.reason);
        assert_eq!(world.effects.lock().len(), 1, "{off}");
        world.check(&id).await;
    }
}

#[tokio::test]
async fn a_request_that_may_still_arrive_is_waited_for_as_long_as_it_may() {
    let world = Arc::new(World::new().scripted(&[(0, Trouble::Late)]));
    let id = world.planned(World::cordons(&["n0"])).await;
    let (coordinator, executor) = world.process("one", &Gate::open());
    world.drive_until(&executor, &id, is_sent).await;
    let sent = world.record(&id).await.attempts[0].intent_at;
    coordinator.cancel(&caller("ann"), &id, Some("wrong node".to_owned())).await.unwrap();
    let record = world.drive(&executor, &id).await;
    // It was stopped before it had an effect: cancelled, not failed, and by whom is still told.
    assert_eq!(record.workflow.phase, Phase::Cancelled, "{:?}", record.workflow.reason);
    assert_eq!(record.workflow.reason.as_deref(), Some("ann cancelled it: wrong node"));
    assert_eq!(record.steps[0].state, StepState::Failed);
    let waited = record.workflow.finished_at.unwrap() - sent;
    // The request's own 5 s, and the minute that an API server may work on it.
    assert!(waited >= 65_000, "{waited} ms");
}

/// Fails to be read.
fn away() -> PortError {
    PortError::new(PortErrorKind::Unavailable, "connection refused")
}

#[tokio::test]
async fn a_restart_that_took_longer_than_the_verification_undoes_nothing_that_helped() {
    let mut world = World::new();
    world.settings.timing.steady = Duration::from_secs(10);
    let world = Arc::new(world);
    let id = world.planned(World::cordons(&["n0"])).await;
    let (_coordinator, executor) = world.process("first", &Gate::open());
    world.drive_until(&executor, &id, |record| record.workflow.phase == Phase::Verifying).await;
    world.clock.pass(20 * MINUTE);
    // The next process finds the API server away at its first looks.
    *world.blind.lock() = Some(away());
    let (_coordinator, executor) = world.process("second", &Gate::open());
    let held = executor.claim().await.unwrap().unwrap();
    while executor.turn(&held).await == Turn::Again {}
    assert_eq!(world.record(&id).await.workflow.phase, Phase::Verifying);
    *world.blind.lock() = None;
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Completed, "{:?}", record.workflow.reason);
}

#[tokio::test]
async fn what_was_being_undone_is_undone_after_a_long_absence() {
    let world = World::new().scripted(&[(1, Trouble::Refuses(NotDoneKind::Rejected, 422))]);
    let world = Arc::new(world);
    let id = world.planned(World::cordons(&["n0", "n1"])).await;
    let (_coordinator, executor) = world.process("first", &Gate::open());
    world.drive_until(&executor, &id, |record| record.workflow.phase == Phase::RollingBack).await;
    world.clock.pass(60 * MINUTE);
    let (_coordinator, executor) = world.process("second", &Gate::open());
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::RolledBack, "{:?}", record.workflow.reason);
    assert_eq!(world.object(&node_target("n0"))["spec"], json!({}));
    world.check(&id).await;
}

#[tokio::test]
async fn a_cluster_that_is_not_reached_yet_after_a_start_ends_nothing() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0"])).await;
    // The whole time of its phase was slept through.
    world.clock.pass(29 * MINUTE);
    world.is_unreached.store(true, Ordering::SeqCst);
    let (_coordinator, executor) = world.process("first", &Gate::open());
    let held = executor.claim().await.unwrap().unwrap();
    let version = world.record(&id).await.workflow.version;
    let mut looks = 0;
    let began = world.clock.at();
    while let Turn::Hold(until) = executor.turn(&held).await {
        world.clock.reach(until);
        assert!(executor.renew(&held).await.unwrap());
        looks += 1;
        assert!(looks < 1_000);
    }
    assert!(world.clock.at() - began >= 30_000, "{looks}");
    let record = world.record(&id).await;
    assert_eq!(record.workflow.phase, Phase::Queued);
    assert!(record.workflow.version <= version + 2, "looking costs no commits");
    world.is_unreached.store(false, Ordering::SeqCst);
    let (_coordinator, executor) = world.process("second", &Gate::open());
    assert_eq!(world.drive(&executor, &id).await.workflow.phase, Phase::Completed);
}

#[tokio::test]
async fn what_is_only_held_until_the_cluster_is_reached_is_no_poison() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0"])).await;
    let (_coordinator, executor) = world.process("first", &Gate::open());
    world.drive_until(&executor, &id, |record| record.workflow.phase == Phase::Verifying).await;
    world.is_unreached.store(true, Ordering::SeqCst);
    for life in 0..10 {
        world.clock.pass(MINUTE);
        let (_coordinator, executor) = world.process(&format!("life-{life}"), &Gate::open());
        let held = executor.claim().await.unwrap().unwrap();
        assert!(matches!(executor.turn(&held).await, Turn::Hold(_)), "{life}");
        // It is killed there; its lease ends by itself.
    }
    world.is_unreached.store(false, Ordering::SeqCst);
    world.clock.pass(MINUTE);
    let (_coordinator, executor) = world.process("last", &Gate::open());
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Completed, "{:?}", record.workflow.reason);
}

#[tokio::test]
async fn what_is_looked_at_in_each_life_is_no_poison_however_short_these_are() {
    let mut world = World::new();
    world.settings.timing.settle = std::time::Duration::from_millis(400);
    let world = Arc::new(world);
    // Nobody in this world makes pods: it is looked at again and again.
    let id = world.planned(World::scale(5)).await;
    let (_coordinator, executor) = world.process("first", &Gate::open());
    let applied =
        |record: &crate::model::workflow::Record| record.steps.iter().any(|s| s.state == StepState::Applied);
    world.drive_until(&executor, &id, applied).await;
    for life in 0..10 {
        world.clock.pass(16_000);
        let (_coordinator, executor) = world.process(&format!("life-{life}"), &Gate::open());
        let held = executor.claim().await.unwrap().unwrap();
        while executor.turn(&held).await == Turn::Again {}
        assert_eq!(world.record(&id).await.workflow.phase, Phase::Running, "{life}");
    }
}

#[tokio::test]
async fn an_order_that_nobody_took_up_for_long_is_not_carried_out() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let target = crate::model::target::Target::known("Node", "", "n0");
    let order = crate::coordination::Trigger {
        action: Some(crate::model::action::Action::CordonNode { target }),
        ..crate::coordination::Trigger::default()
    };
    let triggered = coordinator.trigger(&caller("ann"), order).await.unwrap();
    let id = crate::model::ids::WorkflowId::parse(&triggered.workflow_id.unwrap()).unwrap();
    world.clock.pass(31 * MINUTE);
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Failed);
    let why = record.workflow.reason.unwrap();
    assert!(why.contains("31 min ago") && why.contains("trigger it again"), "{why}");
    assert!(world.effects.lock().is_empty());
}

#[tokio::test]
async fn nothing_to_do_is_no_proof_that_the_target_is_well() {
    // It wants 2 replicas already, and no pod of it is there.
    let world = Arc::new(World::new());
    let id = world.planned(World::scale(2)).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.steps[0].state, StepState::Skipped);
    assert_eq!(record.workflow.phase, Phase::Failed, "{:?}", record.workflow.reason);
    let why = record.workflow.reason.unwrap();
    assert!(why.contains("not seen healthy"), "{why}");
    assert!(world.effects.lock().is_empty());
}

#[tokio::test]
async fn a_workflow_is_parked_before_its_start_though_somebody_else_holds_what_its_steps_are_about() {
    let world = Arc::new(World::new());
    let first = world.planned(World::cordons(&["n1"])).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    world.drive_until(&executor, &first, |record| record.workflow.phase == Phase::Running).await;
    let mut plan = World::cordons(&["n0", "n1"]);
    plan.remedy_version = 99;
    let second = world.planned(plan).await;
    let record =
        world.drive_until(&executor, &second, |record| record.workflow.phase == Phase::NeedsOperator).await;
    assert_eq!(record.workflow.rule.as_deref(), Some("remedy-version"));
    assert_eq!(world.drive(&executor, &first).await.workflow.phase, Phase::Completed);
    assert!(world.store.lease(&second).is_some());
    let _ = world.store.writable();
}

/// A pool of eight machines, so many of which are updated.
fn pool(updated: u32) -> serde_json::Value {
    let is = |is: bool| if is { "True" } else { "False" };
    json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
        "metadata": {"name": "worker", "uid": "uid-worker", "resourceVersion": "3", "generation": 2}, "spec": {},
        "status": {"observedGeneration": 2, "machineCount": 8, "updatedMachineCount": updated, "conditions": [
            {"type": "Updated", "status": is(updated == 8)}, {"type": "Updating", "status": is(updated < 8)}]},
    })
}

#[tokio::test]
async fn a_pool_is_waited_for_as_long_as_its_machines_are_expected_to_take() {
    for comes in [true, false] {
        let world = Arc::new(World::new());
        world.cluster.put("machineconfigpools", pool(0));
        let target = Target::known("MachineConfigPool", "", "worker").with_uid("uid-worker");
        let mut plan = World::plan(vec![Action::AwaitPool { target }]);
        plan.estimated_seconds = crate::remedies::pool_seconds(&pool(0));
        assert_eq!(plan.estimated_seconds, 8 * 300);
        let id = world.planned(plan).await;
        let (_coordinator, executor) = world.process("one", &Gate::open());
        let began = world.clock.at();
        // Longer than a step, and than a workflow, may take otherwise.
        let is_late = |_: &Record| world.clock.at() - began > 70 * MINUTE;
        let record = world.drive_until(&executor, &id, is_late).await;
        assert_eq!(record.workflow.phase, Phase::Running, "{:?}", record.workflow.reason);
        assert!(record.workflow.reason.unwrap().contains("0 of 8 nodes"));
        if comes {
            world.cluster.put("machineconfigpools", pool(8));
        }
        let record = world.drive(&executor, &id).await;
        let (wanted, why) = (if comes { Phase::Completed } else { Phase::Failed }, record.workflow.reason);
        assert_eq!(record.workflow.phase, wanted, "{why:?}");
        let took = world.clock.at() - began;
        assert!(took < 82 * MINUTE, "{took} ms");
        assert!(comes || why.as_deref().is_some_and(|why| why.contains("its time is over")), "{why:?}");
    }
}

/// A process may stand still between its look at the time and the pause: what was begun is no less begun by that.
#[tokio::test]
async fn a_pause_for_which_no_time_is_left_ends_a_step_as_what_was_begun_of_it_says() {
    for (spent, state, phase) in [
        (Found::Failed, StepState::Failed, Phase::Failed),
        (Found::Indeterminate, StepState::Indeterminate, Phase::NeedsOperator),
    ] {
        let world = Arc::new(World::new().scripted(&[(0, Trouble::NeverArrives)]));
        let id = world.planned(World::cordons(&["n0"])).await;
        let (_coordinator, executor) = world.process("one", &Gate::open());
        let deadline = world.drive_until(&executor, &id, is_sent).await.workflow.deadline;
        // Longer than that request may still arrive.
        world.clock.reach(deadline + 5 * MINUTE);
        let held = executor.claim().await.unwrap().unwrap();
        let mut work = Work { held: &held, record: world.record(&id).await };
        let at = StepAt { order: 0, direction: Direction::Do };
        let why = (None, "no connection".to_owned());
        executor.pause_as(&mut work, at, 1_000, spent, why).await.unwrap();
        let step = &work.record.steps[0];
        assert_eq!(step.state, state);
        assert_eq!(step.result.as_deref(), Some("its time is over: no connection"));
        executor.give_back(&held).await;
        assert_eq!(world.drive(&executor, &id).await.workflow.phase, phase);
        world.check(&id).await;
    }
}
