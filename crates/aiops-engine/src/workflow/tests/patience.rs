//! What passes by itself costs no step and no person: a webhook that is down for a moment, a read that fails once, a process
//! that is away while what it did has to hold, a cancellation of what had nothing to do.

use std::{sync::Arc, time::Duration};

use super::{
    dying::Gate,
    requests::caller,
    stories::live,
    world::{Trouble, World, node_target},
};
use crate::{
    coordination::Coordination as _,
    error::{PortError, PortErrorKind},
    model::{
        phase::{Phase, StepState, Verdict},
        workflow::{Outcome, Record},
    },
    ports::acting::NotDoneKind,
};

#[tokio::test]
async fn what_answers_at_once_that_it_failed_does_not_use_up_the_attempts() {
    let down: Vec<(usize, Trouble)> =
        (0..6).map(|n| (n, Trouble::Refuses(NotDoneKind::Unknown, 500))).collect();
    let (world, record) = live(World::new().scripted(&down), World::cordons(&["n0"])).await;
    assert_eq!(record.workflow.phase, Phase::Completed, "{:?}", record.workflow.reason);
    assert_eq!((record.attempts.len(), world.effects.lock().len()), (7, 1));
    let sent: Vec<_> = record.attempts.iter().map(|attempt| attempt.intent_at).collect();
    // After the first a look is enough to tell; then twice as long each time.
    let waits: Vec<_> = sent.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[0] < 1_000 && (15_000..20_000).contains(&waits[5]), "{waits:?}");
    assert!(waits[1..].windows(2).all(|pair| pair[1] >= pair[0] * 3 / 2), "{waits:?}");
}

#[tokio::test]
async fn one_read_that_fails_is_not_a_minute_in_which_nobody_could_look() {
    // Of the first request nobody knows; a budget puts off those that follow, for minutes.
    let mut troubles = vec![(0, Trouble::NeverArrives)];
    troubles.extend((1..12).map(|n| (n, Trouble::Refuses(NotDoneKind::Blocked, 429))));
    let world = Arc::new(World::new().scripted(&troubles));
    let id = world.planned(World::cordons(&["n0"])).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    world.drive_until(&executor, &id, |record| record.attempts.len() >= 10).await;
    *world.blind.lock() = Some(PortError::new(PortErrorKind::Unavailable, "connection refused"));
    let could_not =
        |record: &Record| record.workflow.reason.as_deref().is_some_and(|why| why.contains("cannot be read"));
    let blind = world.drive_until(&executor, &id, could_not).await;
    assert_eq!((blind.workflow.phase, blind.steps[0].state), (Phase::Running, StepState::Intent));
    assert!(blind.attempts[0].observed_at.is_some(), "{:#?}", blind.attempts[0]);
    *world.blind.lock() = None;
    // A look that works ends it, also where it leads to nothing but waiting.
    let seen = world.drive_until(&executor, &id, |record| record.attempts.len() >= 11).await;
    assert_eq!(seen.attempts[0].outcome, Some(Outcome::Indeterminate));
    let waits = world.drive_until(&executor, &id, |record| record.attempts[0].observed_at.is_none()).await;
    assert_eq!(waits.workflow.phase, Phase::Running);
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Completed, "{:?}", record.workflow.reason);
    assert_eq!(world.effects.lock().len(), 1);
}

#[tokio::test]
async fn what_held_while_nobody_looked_has_to_hold_anew() {
    let mut world = World::new();
    world.settings.timing.steady = Duration::from_secs(10);
    let world = Arc::new(world);
    let id = world.planned(World::cordons(&["n0"])).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let begun = |record: &Record| record.checks.iter().any(|check| check.name == "steady");
    world.drive_until(&executor, &id, begun).await;
    let away = world.clock.at();
    world.clock.pass(47_000);
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Completed, "{:?}", record.workflow.reason);
    let check = |name: &str| record.checks.iter().find(|check| check.name == name).cloned().unwrap();
    let (steady, anew) = (check("steady"), check("steady_anew"));
    assert_eq!((steady.verdict, anew.verdict), (Verdict::Passed, Verdict::Passed));
    assert!(anew.evidence.as_deref().unwrap().starts_with("nobody looked for 47 s"), "{anew:?}");
    assert_eq!(steady.evidence.as_deref(), Some("everything held for 10 s"));
    let lasted = record.workflow.finished_at.unwrap() - away;
    assert!((57_000..60_000).contains(&lasted), "{lasted} ms");
}

#[tokio::test]
async fn what_had_nothing_to_do_can_be_cancelled_while_it_is_verified() {
    let mut world = World::new();
    world.settings.timing.steady = Duration::from_secs(10);
    world.edit(&node_target("n0"), |node| node["spec"]["unschedulable"] = serde_json::json!(true));
    let world = Arc::new(world);
    let id = world.planned(World::cordons(&["n0"])).await;
    let (coordinator, executor) = world.process("one", &Gate::open());
    world.drive_until(&executor, &id, |record| record.workflow.phase == Phase::Verifying).await;
    coordinator.cancel(&caller("ann"), &id, Some("not needed".to_owned())).await.unwrap();
    let record = world.drive(&executor, &id).await;
    assert_eq!((record.workflow.phase, record.steps[0].state), (Phase::Cancelled, StepState::Skipped));
    let why = record.workflow.reason.unwrap();
    assert!(why.contains("ann") && why.contains("not needed"), "{why}");
    assert!(world.effects.lock().is_empty());
}
