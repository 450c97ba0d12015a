//! What may begin between two steps of a workflow, and holds the next one.

use std::sync::{Arc, atomic::Ordering};

use super::{
    dying::Gate,
    requests::caller,
    world::{Trouble, World, deployment, node_target},
};
use crate::{
    coordination::{Coordination as _, Decision, WhyNot},
    model::{
        action::Action,
        caller::{Caller, Via},
        phase::{Phase, StepState},
        plan::Approval,
        target::Target,
        workflow::Record,
    },
    ports::acting::NotDoneKind,
    workflow::record::Event,
};

fn is_between(record: &Record) -> bool {
    record.steps.first().is_some_and(|step| step.state == StepState::Verified)
}

fn waits_for(record: &Record, rule: &str) -> bool {
    record.workflow.phase == Phase::Running
        && record.workflow.reason.as_deref().is_some_and(|why| why.starts_with(rule))
}

#[tokio::test]
async fn a_workflow_waits_out_an_upgrade_that_begins_between_two_steps() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0", "n1"])).await;
    let (_coordinator, before) = world.process("before", &Gate::open());
    world.drive_until(&before, &id, is_between).await;
    world.is_upgrading.store(true, Ordering::SeqCst);
    let (_coordinator, during) = world.process("during", &Gate::open());
    world.drive_until(&during, &id, |record| waits_for(record, "upgrade: ")).await;
    assert_eq!(*world.effects.lock(), [format!("{id}/0/do")]);
    world.is_upgrading.store(false, Ordering::SeqCst);
    let (_coordinator, after) = world.process("after", &Gate::open());
    let record = world.drive(&after, &id).await;
    assert_eq!(record.workflow.phase, Phase::Completed, "{:?}", record.workflow.reason);
    assert_eq!(world.effects.lock().len(), 2);
    world.check(&id).await;
}

#[tokio::test]
async fn an_upgrade_that_lasts_longer_than_a_step_may_take_undoes_what_was_begun() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0", "n1"])).await;
    let (_coordinator, before) = world.process("before", &Gate::open());
    world.drive_until(&before, &id, is_between).await;
    world.is_upgrading.store(true, Ordering::SeqCst);
    let (_coordinator, during) = world.process("during", &Gate::open());
    let record = world.drive(&during, &id).await;
    assert_eq!(record.workflow.phase, Phase::RolledBack, "{:?}", record.workflow.reason);
    assert_eq!(*world.effects.lock(), [format!("{id}/0/do"), format!("{id}/0/undo")]);
    world.check(&id).await;
}

#[tokio::test]
async fn what_somebody_agreed_to_goes_on_during_an_upgrade() {
    let mut world = World::new();
    world.settings.policy.rules[0].then = Approval::Approve;
    let mut plan = World::cordons(&["n0", "n1"]);
    plan.approval = Approval::Approve;
    world.is_upgrading.store(true, Ordering::SeqCst);
    let world = Arc::new(world);
    let id = world.planned(plan).await;
    let (coordinator, executor) = world.process("one", &Gate::open());
    let digest = world.record(&id).await.workflow.digest.unwrap();
    let decision = Decision { digest, approve: true, reason: None, by_elicitation: false };
    coordinator.decide(&caller("bob"), &id, decision).await.unwrap();
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Completed, "{:?}", record.workflow.reason);
    assert_eq!(world.effects.lock().len(), 2);
    world.check(&id).await;
}

#[tokio::test]
async fn failures_elsewhere_hold_the_next_step_of_what_a_machine_began_and_of_nothing_else() {
    for (by, is_held) in [(Caller::system(Via::Alert), true), (caller("ann"), false)] {
        let refused = Trouble::Refuses(NotDoneKind::Rejected, 422);
        let mut world = World::new().scripted(&(1..=5).map(|n| (n, refused)).collect::<Vec<_>>());
        world.settings.policy.rules[0].autonomy = true;
        let limits = &mut world.settings.limits;
        (limits.workflows_per_namespace, limits.workflows_per_cluster) = (9, 9);
        let world = Arc::new(world);
        let id = world.planned_for(World::cordons(&["n0", "n1"]), by).await;
        let (_coordinator, executor) = world.process("one", &Gate::open());
        world.drive_until(&executor, &id, is_between).await;
        // It is not due while the others fail.
        let until = world.clock.at() + 20_000;
        world.decide(&id, Event::Waits { until, why: None, rule: None, checks: Vec::new() }).await;
        for n in 0..5 {
            let name = format!("w{n}");
            world.cluster.put("deployments", deployment(&name, 2));
            let target = Target::known("Deployment", "shop", &name).with_uid(format!("uid-{name}"));
            let other = world.planned(World::plan(vec![Action::ScaleWorkload { target, replicas: 3 }])).await;
            let ended = world.drive(&executor, &other).await;
            assert_eq!(ended.workflow.phase, Phase::Failed, "{:?}", ended.workflow.reason);
        }
        let record = if is_held {
            let held = world.drive_until(&executor, &id, |record| waits_for(record, "error-budget: ")).await;
            assert_eq!(*world.effects.lock(), [format!("{id}/0/do")]);
            held
        } else {
            world.drive(&executor, &id).await
        };
        let phase = if is_held { Phase::Running } else { Phase::Completed };
        assert_eq!(record.workflow.phase, phase, "{:?}", record.workflow.reason);
        world.check(&id).await;
    }
}

#[tokio::test]
async fn a_step_that_waits_for_a_budget_says_so_with_its_figures() {
    let mut world = World::new();
    world.settings.limits.budget_per_cluster = 1;
    let world = Arc::new(world);
    let id = world.planned(World::cordons(&["n0", "n1"])).await;
    let (coordinator, executor) = world.process("one", &Gate::open());
    let waits = |record: &Record| record.workflow.rule.as_deref() == Some("budget");
    let record = world.drive_until(&executor, &id, waits).await;
    assert_eq!(record.workflow.phase, Phase::Running);
    let told = coordinator.why_not(&caller("ann"), WhyNot::Workflow(id.clone())).await.unwrap();
    let budgets: Vec<_> = told.rules.iter().filter(|rule| rule.rule == "budget").collect();
    let [own, figures] = budgets.as_slice() else { panic!("{:#?}", told.rules) };
    assert!(!own.passes && own.why.contains("is used up"), "{own:?}");
    assert!(!figures.passes && figures.why.contains("1 of 1 changes in cluster"), "{figures:?}");
    // What was decided when it began is not asked again.
    assert!(told.rules.iter().all(|rule| rule.rule != "cooldown"), "{:#?}", told.rules);
    let record = world.drive(&executor, &id).await;
    let ended = (record.workflow.phase, record.workflow.rule);
    assert_eq!(ended, (Phase::Completed, None), "{:?}", record.workflow.reason);
    // A trigger is told before.
    let order = crate::coordination::Trigger {
        action: Some(crate::model::action::Action::CordonNode { target: node_target("n2") }),
        ..crate::coordination::Trigger::default()
    };
    let told = coordinator.why_not(&caller("ann"), WhyNot::Trigger(Box::new(order))).await.unwrap();
    let budget = told.rules.iter().find(|rule| rule.rule == "budget").unwrap();
    assert!(budget.why.contains("1 of 1 changes in cluster"), "{budget:?}");
}
