//! Workflows from their plan to their end, forward.

use std::sync::Arc;

use serde_json::json;

use super::{
    dying::Gate,
    world::{Trouble, World, node_target},
};
use crate::{
    error::{PortError, PortErrorKind},
    model::{
        phase::{Direction, Phase, StepState},
        plan::Plan,
        workflow::{Outcome, Record},
    },
    ports::{acting::NotDoneKind, store::Store as _},
    workflow::Turn,
};

/// Lives through a story without dying.
pub(super) async fn live(world: World, plan: Plan) -> (Arc<World>, Record) {
    let world = Arc::new(world);
    let id = world.planned(plan).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let record = world.drive(&executor, &id).await;
    world.check(&id).await;
    (world, record)
}

#[tokio::test]
async fn three_steps_are_taken_in_order_and_verified() {
    let (world, record) = live(World::new(), World::cordons(&["n0", "n1", "n2"])).await;
    assert_eq!(record.workflow.phase, Phase::Completed);
    let id = &record.workflow.id;
    let keys: Vec<String> = (0..3).map(|order| format!("{id}/{order}/do")).collect();
    assert_eq!(*world.effects.lock(), keys);
    assert_eq!(*world.announced.lock(), ["RemediationStarted", "RemediationCompleted"]);
    let lines = world.store.audit(id.as_str(), 0, 100).await.unwrap();
    let words: Vec<&str> = lines.iter().map(|line| line.entry.action.as_str()).collect();
    assert_eq!(
        words,
        [
            "planned", "phase", "phase", "intent", "effect", "intent", "effect", "intent", "effect", "phase",
            "phase"
        ]
    );
    let incident = world.store.incident(&record.workflow.incident).await.unwrap().unwrap();
    assert_eq!(incident.status.as_str(), "remediated");
}

#[tokio::test]
async fn a_step_that_has_nothing_to_do_is_skipped() {
    let world = World::new();
    world.edit(&node_target("n1"), |node| node["spec"]["unschedulable"] = json!(true));
    let (_, record) = live(world, World::cordons(&["n0", "n1"])).await;
    assert_eq!(record.workflow.phase, Phase::Completed);
    assert_eq!(record.steps[1].state, StepState::Skipped);
}

#[tokio::test]
async fn each_refusal_does_what_its_kind_says() {
    use NotDoneKind as K;
    for (trouble, ends, attempts) in [
        (Trouble::Refuses(K::Conflict, 409), Phase::Completed, 2),
        (Trouble::Refuses(K::NotFound, 404), Phase::Completed, 2),
        (Trouble::Refuses(K::Rejected, 422), Phase::Failed, 1),
        (Trouble::Refuses(K::Denied, 403), Phase::Failed, 1),
        (Trouble::Refuses(K::Unsupported, 501), Phase::Failed, 1),
        (Trouble::Refuses(K::Blocked, 429), Phase::Completed, 2),
        (Trouble::Refuses(K::Throttled, 429), Phase::Completed, 2),
        (Trouble::Refuses(K::NotSent, 0), Phase::Completed, 2),
        (Trouble::AnswerLost, Phase::Completed, 1),
        (Trouble::NeverArrives, Phase::Completed, 2),
        (Trouble::Late, Phase::Completed, 2),
    ] {
        let (_, record) = live(World::new().scripted(&[(0, trouble)]), World::cordons(&["n0"])).await;
        assert_eq!(record.workflow.phase, ends, "{trouble:?}: {:?}", record.workflow.reason);
        assert_eq!(record.attempts.len(), attempts, "{trouble:?}: {:#?}", record.attempts);
        let accepted = record.attempts.iter().filter(|a| a.outcome == Some(Outcome::Applied)).count();
        assert_eq!(accepted, usize::from(ends == Phase::Completed), "{trouble:?}: {:#?}", record.attempts);
    }
}

#[tokio::test]
async fn a_disruption_budget_is_waited_for_until_the_steps_time_is_over() {
    let blocked: Vec<(usize, Trouble)> =
        (0..200).map(|n| (n, Trouble::Refuses(NotDoneKind::Blocked, 429))).collect();
    let (world, record) = live(World::new().scripted(&blocked), World::cordons(&["n0"])).await;
    assert_eq!(record.workflow.phase, Phase::Failed);
    let waited = record.workflow.finished_at.unwrap() - record.workflow.started_at.unwrap();
    assert!((600_000..660_000).contains(&waited), "{waited} ms");
    // It is one effect at most, and so one part of the budget in each bucket.
    let used: u32 = world.store.spent().iter().map(|(_, _, used)| used).sum();
    assert!(used <= 2, "{used}");
}

#[tokio::test]
async fn somebody_who_is_always_faster_ends_the_step_after_eight_attempts() {
    let overtaken: Vec<(usize, Trouble)> = (0..50).map(|n| (n, Trouble::Overtaken)).collect();
    let (_, record) = live(World::new().scripted(&overtaken), World::cordons(&["n0"])).await;
    assert_eq!(record.workflow.phase, Phase::Failed);
    assert_eq!(record.attempts.len(), 8);
    assert!(record.attempts.iter().all(|a| a.outcome == Some(Outcome::Rejected)));
    // A status that a rollout changes again and again comes to rest meanwhile.
    let waited = record.workflow.finished_at.unwrap() - record.workflow.started_at.unwrap();
    assert!(waited >= 15_000, "{waited} ms");
}

#[tokio::test]
async fn an_effect_that_was_lost_and_reverted_is_not_made_again() {
    let world = World::new().scripted(&[(0, Trouble::AnswerLostAndReverted)]);
    let (world, record) = live(world, World::scale(5)).await;
    assert_eq!(record.workflow.phase, Phase::NeedsOperator);
    assert_eq!(record.steps[0].state, StepState::Indeterminate);
    assert_eq!(world.effects.lock().len(), 1);
    assert!(record.workflow.reason.unwrap().contains("cannot be told"));
}

#[tokio::test]
async fn what_cannot_be_looked_at_for_a_minute_is_for_a_person() {
    let world = Arc::new(World::new().scripted(&[(0, Trouble::AnswerLost)]));
    let id = world.planned(World::cordons(&["n0"])).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    world
        .drive_until(&executor, &id, |record| {
            record.attempts.iter().any(|a| a.outcome == Some(Outcome::Indeterminate))
        })
        .await;
    *world.blind.lock() = Some(PortError::new(PortErrorKind::Unavailable, "connection refused"));
    let began = world.clock.at();
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::NeedsOperator);
    let lasted = world.clock.at() - began;
    assert!((60_000..70_000).contains(&lasted), "{lasted} ms");
}

#[tokio::test]
async fn a_cluster_that_cannot_be_read_before_anything_was_sent_is_waited_for() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0"])).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    *world.blind.lock() = Some(PortError::new(PortErrorKind::Unavailable, "connection refused"));
    world
        .drive_until(&executor, &id, |record| {
            record.workflow.reason.as_deref().is_some_and(|why| why.contains("connection refused"))
        })
        .await;
    world.clock.pass(120_000);
    *world.blind.lock() = None;
    assert_eq!(world.drive(&executor, &id).await.workflow.phase, Phase::Completed);
}

#[tokio::test]
async fn a_failed_optional_step_does_not_end_the_workflow() {
    let mut plan = World::cordons(&["n0", "n1"]);
    plan.steps[0].required = false;
    let world = World::new().scripted(&[(0, Trouble::Refuses(NotDoneKind::Rejected, 422))]);
    let world = Arc::new(world);
    let id = world.planned(plan).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Completed);
    let states: Vec<StepState> = record.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Failed, StepState::Verified]);
    assert!(record.steps.iter().all(|step| step.direction == Direction::Do));
}

#[tokio::test]
async fn what_helps_has_to_hold_for_a_while() {
    let mut world = World::new();
    world.settings.timing.steady = std::time::Duration::from_secs(10);
    let world = Arc::new(world);
    let id = world.planned(World::cordons(&["n0"])).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let steady = |record: &Record| record.checks.iter().any(|check| check.name == "steady");
    world.drive_until(&executor, &id, steady).await;
    let began = world.clock.at();
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Completed);
    let lasted = world.clock.at() - began;
    assert!((10_000..12_000).contains(&lasted), "{lasted} ms");

    let id = world.planned(World::cordons(&["n1"])).await;
    world.drive_until(&executor, &id, steady).await;
    world.edit(&node_target("n1"), |node| node["spec"] = json!({}));
    let record = world.drive(&executor, &id).await;
    assert_ne!(record.workflow.phase, Phase::Completed);
}

#[tokio::test]
async fn an_executor_that_lost_its_lease_sends_nothing() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0"])).await;
    let (_a, first) = world.process("first", &Gate::open());
    let (_b, second) = world.process("second", &Gate::open());
    let held = first.claim().await.unwrap().unwrap();
    assert_eq!(first.turn(&held).await, Turn::Again);
    // The first one sleeps, its lease ends, the second one takes over.
    world.clock.pass(16_000);
    assert_eq!(first.turn(&held).await, Turn::Lost);
    let taken = second.claim().await.unwrap().unwrap();
    assert!(!first.renew(&held).await.unwrap());
    assert_eq!(first.turn(&held).await, Turn::Lost);
    assert!(world.effects.lock().is_empty());
    second.give_back(&taken).await;
    assert_eq!(world.drive(&second, &id).await.workflow.phase, Phase::Completed);
    world.check(&id).await;
}

#[tokio::test]
async fn a_lease_that_ends_too_soon_is_renewed_before_anything_is_sent() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0"])).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let held = executor.claim().await.unwrap().unwrap();
    assert_eq!(executor.turn(&held).await, Turn::Again);
    // 12 s of trust, of which 5 s are left: less than a request and a second.
    world.clock.pass(7_000);
    assert_eq!(executor.turn(&held).await, Turn::Again);
    assert_eq!(world.effects.lock().len(), 1);
    let (_, _, until) = world.store.lease(&id).unwrap();
    assert_eq!(until, world.clock.at() + 15_000);
}

#[tokio::test]
async fn a_workflow_that_kills_its_process_each_time_is_parked() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0"])).await;
    let (_coordinator, executor) = world.process("first", &Gate::open());
    world.drive_until(&executor, &id, |record| record.workflow.phase == Phase::Running).await;
    let mut lives = 0;
    while world.record(&id).await.workflow.phase != Phase::NeedsOperator {
        lives += 1;
        assert!(lives < 20, "{:#?}", world.record(&id).await);
        // It claims, counts the claim, and dies as soon as it looks at the node.
        let owner = format!("life-{lives}");
        let (_coordinator, executor) = world.process_of(&owner, &Gate::open(), &Gate::dying_at(0));
        let mut life = Box::pin(async {
            let Some(held) = executor.claim().await.unwrap() else { return };
            while executor.turn(&held).await == Turn::Again {}
        });
        let _ = futures_util::poll!(&mut life);
        drop(life);
        world.clock.pass(20_000);
    }
    let record = world.record(&id).await;
    assert_eq!(record.workflow.rule.as_deref(), Some("poison"));
    assert!(lives >= 6, "{lives}");
    assert!(world.effects.lock().is_empty());
}

#[tokio::test]
async fn lives_of_a_second_prove_nothing_against_a_workflow() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0"])).await;
    let (_coordinator, executor) = world.process("first", &Gate::open());
    world.drive_until(&executor, &id, |record| record.workflow.phase == Phase::Running).await;
    for life in 0..40 {
        let owner = format!("life-{life}");
        let (_coordinator, executor) = world.process_of(&owner, &Gate::open(), &Gate::dying_at(0));
        let mut life = Box::pin(async {
            let Some(held) = executor.claim().await.unwrap() else { return };
            while executor.turn(&held).await == Turn::Again {}
        });
        let _ = futures_util::poll!(&mut life);
        drop(life);
        // Whoever comes next knows that the process is dead.
        world.store.restart();
        world.clock.pass(1_000);
    }
    assert!(world.record(&id).await.workflow.recoveries > 20, "{:#?}", world.record(&id).await);
    let (_coordinator, executor) = world.process("last", &Gate::open());
    assert_eq!(world.drive(&executor, &id).await.workflow.phase, Phase::Completed);
    world.check(&id).await;
}

#[tokio::test]
async fn a_second_workflow_waits_for_the_first_ones_place() {
    let world = Arc::new(World::new());
    let first = world.planned(World::cordons(&["n0"])).await;
    world.clock.pass(1);
    let second = world.planned(World::cordons(&["n1"])).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let held = executor.claim().await.unwrap().unwrap();
    assert_eq!(executor.turn(&held).await, Turn::Again);
    let waits = executor.claim().await.unwrap().unwrap();
    assert!(matches!(executor.turn(&waits).await, Turn::WakeAt(_)));
    let reason = world.record(&second).await.workflow.reason.unwrap();
    assert!(reason.contains("every place for workflows in nodes"), "{reason}");
    executor.give_back(&held).await;
    assert_eq!(world.drive(&executor, &first).await.workflow.phase, Phase::Completed);
    assert_eq!(world.drive(&executor, &second).await.workflow.phase, Phase::Completed);
}

#[tokio::test]
async fn an_unknown_remedy_version_is_left_to_the_release_that_knows_it() {
    let mut plan = World::cordons(&["n0"]);
    plan.remedy_version = 99;
    let (world, record) = live(World::new(), plan).await;
    assert_eq!(record.workflow.phase, Phase::NeedsOperator);
    assert_eq!(record.workflow.rule.as_deref(), Some("remedy-version"));
    assert!(world.effects.lock().is_empty());
}
