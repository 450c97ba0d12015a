//! The work loop: many workflows, an end of the process, a turn that panics.

use std::sync::Arc;

use serde_json::json;

use super::{
    dying::Gate,
    world::{Trouble, World, web},
};
use crate::{
    model::{ids::WorkflowId, phase::Phase},
    ports::store::Store as _,
};

/// Lets time pass until these workflows are over or wait for a person.
async fn until_over(world: &World, ids: &[WorkflowId]) {
    for _ in 0..20_000 {
        let mut left = 0;
        for id in ids {
            let phase = world.record(id).await.workflow.phase;
            left += usize::from(!phase.is_terminal() && phase != Phase::NeedsOperator);
        }
        if left == 0 {
            return;
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        world.clock.pass(100);
    }
    panic!("they do not end");
}

#[tokio::test]
async fn all_that_is_due_is_done_and_the_end_gives_everything_back() {
    let world = Arc::new(World::new());
    let mut ids = Vec::new();
    for name in ["n0", "n1", "n2"] {
        ids.push(world.planned(World::cordons(&[name])).await);
    }
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let (end, ending) = tokio::sync::oneshot::channel::<()>();
    let running = executor.run(2, async { drop(ending.await) });
    let watching = async {
        until_over(&world, &ids).await;
        end.send(()).unwrap();
    };
    tokio::join!(running, watching);
    for id in &ids {
        assert_eq!(world.record(id).await.workflow.phase, Phase::Completed);
        world.check(id).await;
    }
}

#[tokio::test]
async fn an_ending_process_gives_its_leases_back_between_two_turns() {
    let mut world = World::new();
    world.settings.timing.steady = std::time::Duration::from_secs(3_600);
    let world = Arc::new(world);
    let id = world.planned(World::cordons(&["n0", "n1", "n2"])).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let (end, ending) = tokio::sync::oneshot::channel::<()>();
    let running = executor.run(4, async { drop(ending.await) });
    let watching = async {
        while world.effects.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        end.send(()).unwrap();
    };
    tokio::join!(running, watching);
    let (owner, _, until) = world.store.lease(&id).unwrap();
    assert_eq!((owner, until), (None, 0));
    assert!(!world.record(&id).await.workflow.phase.is_terminal());
}

#[tokio::test]
async fn a_claim_that_the_store_never_answers_holds_up_no_workflow_that_is_held() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0", "n1"])).await;
    // The first claim and the look at the store's time pass the gate four times; the second claim never comes back.
    let (_coordinator, executor) = world.process_of("one", &Gate::dying_at(4), &Gate::open());
    tokio::select! {
        () = executor.run(2, std::future::pending()) => panic!("nobody ended it"),
        () = until_over(&world, std::slice::from_ref(&id)) => {}
    }
    assert_eq!(world.record(&id).await.workflow.phase, Phase::Completed);
    world.check(&id).await;
}

#[tokio::test]
async fn a_turn_that_panics_each_time_costs_its_workflow_and_no_other() {
    let panics: Vec<(usize, Trouble)> = (0..50).map(|n| (n, Trouble::PanicsFor("n0"))).collect();
    let world = Arc::new(World::new().scripted(&panics));
    let poisoned = world.planned(World::cordons(&["n0"])).await;
    // It wants what it has, and is well.
    world.edit(&web(), |web| {
        web["status"] = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2,
            "availableReplicas": 2});
    });
    let fine = world.planned(World::scale(2)).await;
    let ids = [poisoned.clone(), fine.clone()];
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let (end, ending) = tokio::sync::oneshot::channel::<()>();
    let running = executor.run(2, async { drop(ending.await) });
    let watching = async {
        until_over(&world, &ids).await;
        end.send(()).unwrap();
    };
    tokio::join!(running, watching);
    let record = world.record(&poisoned).await;
    assert_eq!(record.workflow.phase, Phase::NeedsOperator, "{record:#?}");
    assert_eq!(record.workflow.rule.as_deref(), Some("poison"));
    assert!(record.workflow.reason.unwrap().contains("the story says so"));
    assert_eq!(world.record(&fine).await.workflow.phase, Phase::Completed);
    assert!(world.effects.lock().is_empty());
    assert!(
        world.store.due_notices(i64::MAX, 10).await.unwrap().iter().any(|due| due.notice.kind == "parked")
    );
}

#[tokio::test]
async fn a_claim_that_the_store_keeps_waiting_holds_up_nobody() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0"])).await;
    // Claiming is two calls with a gate before and after each; the second claim never comes back.
    let (_coordinator, executor) = world.process_of("one", &Gate::dying_at(4), &Gate::open());
    let running = executor.run(2, std::future::pending());
    let watching = until_over(&world, std::slice::from_ref(&id));
    let (running, watching) = (std::pin::pin!(running), std::pin::pin!(watching));
    futures_util::future::select(running, watching).await;
    assert_eq!(world.record(&id).await.workflow.phase, Phase::Completed);
}

#[tokio::test]
async fn a_clock_that_is_ahead_of_the_stores_makes_no_busy_loop() {
    let mut world = World::new();
    *world.clock_is_off_by.get_mut() = 3_600_000;
    let world = Arc::new(world);
    let mut plan = World::cordons(&["n0"]);
    plan.approval = crate::model::plan::Approval::Approve;
    world.planned(plan).await;
    let gate = Gate::open();
    let (_coordinator, executor) = world.process_of("one", &gate, &Gate::open());
    let running = executor.run(2, std::future::pending());
    let passing = async {
        for _ in 0..1_000 {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            world.clock.pass(10);
        }
    };
    let (running, passing) = (std::pin::pin!(running), std::pin::pin!(passing));
    futures_util::future::select(running, passing).await;
    // Ten seconds: a look a second, each of a few calls.
    assert!(gate.passed() < 150, "{} calls of the store", gate.passed());
}
