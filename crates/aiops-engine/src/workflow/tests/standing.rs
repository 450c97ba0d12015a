//! A process that stands still at any call of a port, while others act: what it had decided before does not count after it.
//!
//! Its lease lasts through all of it, so no fence stops it. Nothing here waits for time to pass by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    dying::Gate,
    requests::{caller, set},
    world::World,
};
use crate::{
    coordination::{Alert, Coordination as _},
    model::{Millis, ids::WorkflowId, incident::IncidentStatus, phase::Phase, workflow::Record},
    ports::store::{IncidentFilter, Store as _},
    settings::limits::millis,
    workflow::Executor,
};

/// Takes the workflow on until it is as wanted, and does this while the process stands still. `None` when it never did.
async fn beside<T>(
    world: &World,
    (executor, gate): (&Executor, &Gate),
    id: &WorkflowId,
    wanted: impl Fn(&Record) -> bool,
    meanwhile: impl Future<Output = T>,
) -> (Record, Option<T>) {
    let work = world.drive_until(executor, id, wanted);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            record = &mut work => return (record, None),
            () = tokio::task::yield_now() => if gate.is_waiting() { break },
        }
    }
    let done = meanwhile.await;
    gate.go();
    (work.await, Some(done))
}

fn is_over(record: &Record) -> bool {
    record.workflow.phase.is_terminal() || record.workflow.phase == Phase::NeedsOperator
}

fn is_held(record: &Record) -> bool {
    record.workflow.reason.as_deref().is_some_and(|why| why.starts_with("kill-switch"))
}

#[tokio::test]
async fn no_intent_is_kept_under_a_switch_that_was_thrown_after_it_was_decided() {
    let (mut stood, mut held) = (0, 0);
    for place in 0.. {
        let world = Arc::new(World::new());
        let id = world.planned(World::cordons(&["n0"])).await;
        let gate = Gate::waiting_at(place);
        let (_coordinator, executor) = world.process("one", &gate);
        let wanted = |record: &Record| is_over(record) || is_held(record);
        let throw = async {
            set(&world, "pause").await;
            world.record(&id).await.attempts.len()
        };
        let (record, before) = beside(&world, (&executor, &gate), &id, wanted, throw).await;
        let Some(before) = before else { break };
        stood += 1;
        assert_eq!(record.attempts.len(), before, "call {place}: {:#?}", record.attempts);
        assert_eq!(world.effects.lock().len(), before, "call {place}");
        held += usize::from(before == 0);
        // What waited is done once the switch is set back.
        set(&world, "run").await;
        let record = world.drive(&executor, &id).await;
        assert_eq!(record.workflow.phase, Phase::Completed, "call {place}: {:?}", record.workflow.reason);
        assert_eq!(world.effects.lock().len(), 1, "call {place}");
        world.check(&id).await;
    }
    assert!(stood > 20 && held > 5 && held < stood, "{held} of {stood}");
}

#[tokio::test]
async fn what_was_decided_too_long_ago_is_not_sent_but_decided_again() {
    let mut put_off = 0;
    for place in 0.. {
        let world = Arc::new(World::new());
        let id = world.planned(World::cordons(&["n0"])).await;
        let gate = Gate::waiting_at(place);
        let (_coordinator, executor) = world.process("one", &gate);
        // Shorter than a lease is trusted, longer than a decision counts.
        let longest = millis(world.settings.timing.request);
        let stands = async { world.clock.pass(longest + 500) };
        let (record, stood) = beside(&world, (&executor, &gate), &id, is_over, stands).await;
        if stood.is_none() {
            break;
        }
        assert_eq!(record.workflow.phase, Phase::Completed, "call {place}: {:?}", record.workflow.reason);
        assert_eq!(world.effects.lock().len(), 1, "call {place}");
        let was_put_off = |observed: &String| observed.contains("was not sent");
        let old = record.attempts.iter().filter(|a| a.observed.as_ref().is_some_and(was_put_off)).count();
        assert_eq!(record.attempts.len(), 1 + old, "call {place}: {:#?}", record.attempts);
        put_off += old;
        world.check(&id).await;
    }
    // At the looks of the guard, and at both sides of the commit.
    assert!(put_off >= 3, "{put_off}");
}

#[tokio::test]
async fn no_step_is_taken_after_a_cancellation_that_came_before_its_intent() {
    let mut stood = 0;
    for place in 0.. {
        let world = Arc::new(World::new());
        let id = world.planned(World::cordons(&["n0"])).await;
        let gate = Gate::waiting_at(place);
        let (_coordinator, executor) = world.process("one", &gate);
        let (door, _executor) = world.process("door", &Gate::open());
        let cancel = async {
            let _ = door.cancel(&caller("ann"), &id, None).await;
            world.record(&id).await.attempts.len()
        };
        let (record, before) = beside(&world, (&executor, &gate), &id, is_over, cancel).await;
        let Some(before) = before else { break };
        stood += 1;
        let done =
            record.attempts.iter().filter(|a| a.direction == crate::model::phase::Direction::Do).count();
        assert_eq!(done, before.min(1), "call {place}: {:#?}", record.attempts);
        world.check(&id).await;
    }
    assert!(stood > 20, "{stood}");
}

#[tokio::test]
async fn an_approval_that_comes_too_late_is_none_however_long_its_door_stood_still() {
    let hour: Millis = millis(Duration::from_secs(3_600));
    for place in 0.. {
        let mut world = World::new();
        world.settings.policy.rules[0].then = crate::model::plan::Approval::Approve;
        let mut plan = World::cordons(&["n0"]);
        plan.approval = crate::model::plan::Approval::Approve;
        let world = Arc::new(world);
        let id = world.planned(plan).await;
        let gate = Gate::waiting_at(place);
        let (door, _executor) = world.process("door", &gate);
        let digest = world.record(&id).await.workflow.digest.unwrap();
        let decision =
            crate::coordination::Decision { digest, approve: true, reason: None, by_elicitation: false };
        let bob = caller("bob");
        let mut decide = std::pin::pin!(door.decide(&bob, &id, decision));
        let mut done = None;
        while done.is_none() && !gate.is_waiting() {
            tokio::select! {
                biased;
                decided = &mut decide => done = Some(decided),
                () = tokio::task::yield_now() => {}
            }
        }
        if done.is_some() {
            break;
        }
        let was_open = world.record(&id).await.workflow.phase == Phase::AwaitingApproval;
        world.clock.pass(hour + 1);
        gate.go();
        let decided = decide.await;
        let phase = world.record(&id).await.workflow.phase;
        if was_open {
            assert!(decided.is_err(), "call {place}");
            assert_eq!(phase, Phase::AwaitingApproval, "call {place}");
        } else {
            assert_eq!(phase, Phase::Queued, "call {place}");
        }
    }
}

/// An alert about a Deployment.
fn alert(name: &str, is_resolved: bool) -> Alert {
    let labels = [("alertname", name), ("namespace", "shop"), ("deployment", "web")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Alert { is_resolved, labels, fingerprint: name.to_owned(), ..Alert::default() }
}

#[tokio::test]
async fn of_two_messages_of_alerts_at_once_none_closes_what_the_other_counts_with() {
    let mut stood = 0;
    for place in 0.. {
        let world = Arc::new(World::new());
        let (setting, _executor) = world.process("before", &Gate::open());
        let fires = setting.alerts(&caller("ann"), vec![alert("KubePodCrashLooping", false)]).await.unwrap();
        assert_eq!(fires.opened, 1);
        let gate = Gate::waiting_at(place);
        let (coordinator, _executor) = world.process("one", &gate);
        // The same trouble by another rule.
        let (firing, over) =
            (vec![alert("PodCrashLooping", false)], vec![alert("KubePodCrashLooping", true)]);
        let is_done = AtomicBool::new(false);
        let first = async {
            let taken = coordinator.alerts(&caller("ann"), firing).await.unwrap();
            is_done.store(true, Ordering::SeqCst);
            taken
        };
        let stands = || gate.is_waiting() || is_done.load(Ordering::SeqCst);
        let second = async {
            while !stands() {
                tokio::task::yield_now().await;
            }
            coordinator.alerts(&caller("ann"), over).await.unwrap()
        };
        let on = async {
            while !stands() {
                tokio::task::yield_now().await;
            }
            // The other goes as far as it can meanwhile.
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            gate.go();
        };
        let (first, second, ()) = tokio::join!(first, second, on);
        let filter = IncidentFilter { limit: 10, ..IncidentFilter::default() };
        let incidents = world.store.incidents(&filter).await.unwrap().rows;
        assert_eq!(incidents.len(), 1, "call {place}: {first:?}, {second:?}");
        assert_eq!(incidents[0].status, IncidentStatus::Active, "call {place}: one of its alerts fires");
        if !gate.is_waiting() {
            break;
        }
        stood += 1;
    }
    assert!(stood >= 6, "{stood}");
}
