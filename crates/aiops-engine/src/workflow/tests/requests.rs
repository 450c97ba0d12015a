//! What people decide while workflows run: approvals, cancelling, the kill switch.

use std::sync::Arc;

use serde_json::json;

use super::{
    dying::Gate,
    world::{Trouble, World, node},
};
use crate::{
    coordination::{Coordination as _, Decision},
    model::{
        caller::{Caller, Via},
        ids::WorkflowId,
        phase::Phase,
        plan::{Approval, Plan},
        workflow::Record,
    },
    ports::{
        acting::NotDoneKind,
        store::{Control, Entry, Store as _},
    },
};

pub(super) fn caller(name: &str) -> Caller {
    Caller::identified(name, Vec::new(), Via::Rest)
}

#[tokio::test]
async fn cancelling_before_anything_was_done_ends_it_at_once() {
    let world = Arc::new(World::new());
    let id = world.planned(World::cordons(&["n0"])).await;
    let (coordinator, executor) = world.process("one", &Gate::open());
    coordinator.cancel(&Caller::anonymous(Via::Rest), &id, None).await.unwrap_err();
    coordinator.cancel(&caller("eve"), &id, None).await.unwrap();
    let record = world.record(&id).await;
    assert_eq!(record.workflow.phase, Phase::Cancelled);
    assert!(executor.claim().await.unwrap().is_none());
    world.check(&id).await;
    // Again is no error; cancelling what ended otherwise is.
    coordinator.cancel(&caller("eve"), &id, None).await.unwrap();
    let id = world.planned(World::cordons(&["n1"])).await;
    world.drive(&executor, &id).await;
    let over = coordinator.cancel(&caller("eve"), &id, None).await.unwrap_err();
    assert_eq!(over.code(), "conflict", "{over}");
}

fn approvable(approval: Approval) -> (Arc<World>, Plan) {
    let mut world = World::new();
    world.settings.policy.rules[0].then = approval;
    let mut plan = World::cordons(&["n0"]);
    plan.approval = approval;
    (Arc::new(world), plan)
}

fn decision(digest: &str, approve: bool) -> Decision {
    Decision { digest: digest.to_owned(), approve, reason: None, by_elicitation: false }
}

#[tokio::test]
async fn an_approved_plan_is_executed_once_and_the_approval_is_used_up() {
    let (world, plan) = approvable(Approval::Approve);
    let id = world.planned(plan).await;
    let (coordinator, executor) = world.process("one", &Gate::open());
    assert!(executor.claim().await.unwrap().is_none(), "nothing is due before somebody answers");
    let digest = world.record(&id).await.workflow.digest.unwrap();
    for (who, digest) in [(Caller::anonymous(Via::Rest), digest.as_str()), (caller("ann"), "another")] {
        let refused = coordinator.decide(&who, &id, decision(digest, true)).await.unwrap_err();
        assert_eq!(refused.code(), "refused_by_guard", "{refused}");
    }
    let by_model = Decision { by_elicitation: true, ..decision(&digest, true) };
    let refused = coordinator.decide(&caller("ann"), &id, by_model).await.unwrap_err();
    assert_eq!(refused.code(), "refused_by_guard", "{refused}");
    let view = coordinator.decide(&caller("ann"), &id, decision(&digest, true)).await.unwrap();
    assert_eq!(view.phase, Phase::Queued);
    let again = coordinator.decide(&caller("bob"), &id, decision(&digest, true)).await.unwrap_err();
    assert_eq!(again.code(), "conflict", "{again}");
    assert_eq!(world.drive(&executor, &id).await.workflow.phase, Phase::Completed);
    world.check(&id).await;
}

/// A plan that waits under a rule that takes annotations, and what the object would have to say.
async fn annotatable(approval: Approval) -> (Arc<World>, WorkflowId, String) {
    let mut world = World::new();
    let rule = &mut world.settings.policy.rules[0];
    (rule.then, rule.annotation) = (approval, true);
    // It is looked for every few seconds until then.
    world.settings.timing.approval = std::time::Duration::from_secs(60);
    let mut plan = World::cordons(&["n0"]);
    (plan.approval, plan.rule) = (approval, "policy/all".to_owned());
    let world = Arc::new(world);
    let id = world.planned(plan).await;
    let digest = world.record(&id).await.workflow.digest.unwrap();
    let wanted = format!("{id}/{digest}");
    (world, id, wanted)
}

fn annotate(world: &World, value: &str) {
    let mut node = node("n0");
    node["metadata"]["annotations"] = json!({ "aiops.io/approve": value });
    node["metadata"]["managedFields"] = json!([{ "manager": "kubectl-annotate", "operation": "Update",
        "fieldsV1": { "f:metadata": { "f:annotations": { "f:aiops.io/approve": {} } } } }]);
    world.cluster.put("nodes", node);
}

#[tokio::test]
async fn an_annotation_approves_where_the_policy_takes_it() {
    let (world, id, wanted) = annotatable(Approval::Approve).await;
    annotate(&world, &wanted);
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Completed, "{:?}", record.workflow.reason);
    let given = &record.approvals[0];
    assert_eq!(given.decided_by.as_deref(), Some("whoever may write Node n0"));
    let why = given.reason.as_deref().unwrap();
    assert!(why.contains("aiops.io/approve on Node n0") && why.contains("kubectl-annotate"), "{why}");
    world.check(&id).await;
}

#[tokio::test]
async fn an_annotation_that_does_not_count_approves_nothing() {
    for (approval, says) in [
        // Of another workflow, of another plan, without a workflow, and as the second person.
        (Approval::Approve, "wf-another/DIGEST"),
        (Approval::Approve, "ID/another"),
        (Approval::Approve, "DIGEST"),
        (Approval::TwoPerson, "ID/DIGEST"),
    ] {
        let (world, id, wanted) = annotatable(approval).await;
        let (own, digest) = wanted.split_once('/').unwrap();
        annotate(&world, &says.replace("ID/", &format!("{own}/")).replace("DIGEST", digest));
        let (_coordinator, executor) = world.process("one", &Gate::open());
        let record = world.drive(&executor, &id).await;
        assert_eq!(record.workflow.phase, Phase::Expired, "{says}");
        assert!(world.effects.lock().is_empty(), "{says}");
    }
    // Where the rule does not take them, an object may say what it wants.
    let (world, plan) = approvable(Approval::Approve);
    let id = world.planned(plan).await;
    let digest = world.record(&id).await.workflow.digest.unwrap();
    annotate(&world, &format!("{id}/{digest}"));
    let (_coordinator, executor) = world.process("one", &Gate::open());
    assert_eq!(world.drive(&executor, &id).await.workflow.phase, Phase::Expired);
}

#[tokio::test]
async fn two_persons_are_two() {
    let (world, plan) = approvable(Approval::TwoPerson);
    let id = world.planned(plan).await;
    let (coordinator, executor) = world.process("one", &Gate::open());
    let digest = world.record(&id).await.workflow.digest.unwrap();
    let own = coordinator.decide(&caller("ann"), &id, decision(&digest, true)).await.unwrap_err();
    assert_eq!(own.code(), "refused_by_guard", "{own}");
    coordinator.decide(&caller("bob"), &id, decision(&digest, true)).await.unwrap();
    assert_eq!(world.drive(&executor, &id).await.workflow.phase, Phase::Completed);
}

#[tokio::test]
async fn a_denied_plan_and_one_that_nobody_answers_are_not_executed() {
    let (world, plan) = approvable(Approval::Approve);
    let id = world.planned(plan.clone()).await;
    let (coordinator, executor) = world.process("one", &Gate::open());
    let digest = world.record(&id).await.workflow.digest.unwrap();
    let view = coordinator.decide(&caller("bob"), &id, decision(&digest, false)).await.unwrap();
    assert_eq!(view.phase, Phase::Rejected);
    world.check(&id).await;

    let id = world.planned(plan).await;
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Expired);
    let late = coordinator.decide(&caller("bob"), &id, decision(&digest, true)).await.unwrap_err();
    assert_eq!(late.code(), "conflict", "{late}");
    assert!(world.effects.lock().is_empty());
    world.check(&id).await;
}

#[tokio::test]
async fn a_policy_that_was_tightened_meanwhile_counts() {
    let (world, mut plan) = approvable(Approval::Approve);
    // It was allowed by itself when it was planned.
    plan.approval = Approval::Auto;
    let id = world.planned(plan).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Refused);
    assert_eq!(record.workflow.rule.as_deref(), Some("approval"));
    assert!(world.effects.lock().is_empty());
    world.check(&id).await;
}

#[tokio::test]
async fn the_kill_switch_holds_the_next_step_and_pause_lets_undo() {
    let denied = (1, Trouble::Refuses(NotDoneKind::Denied, 403));
    let world = Arc::new(World::new().scripted(&[denied]));
    let id = world.planned(World::cordons(&["n0", "n1"])).await;
    let (_coordinator, executor) = world.process("one", &Gate::open());
    world.drive_until(&executor, &id, |record| record.workflow.cursor == 1).await;
    set(&world, "stop").await;
    let stopped =
        |record: &Record| record.workflow.reason.as_deref().is_some_and(|why| why.starts_with("kill-switch"));
    world.drive_until(&executor, &id, stopped).await;
    assert_eq!(world.effects.lock().len(), 1);
    set(&world, "run").await;
    world.drive_until(&executor, &id, |record| record.workflow.phase == Phase::RollingBack).await;
    set(&world, "pause").await;
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::RolledBack, "{:?}", record.workflow.reason);
    world.check(&id).await;
}

pub(super) async fn set(world: &World, mode: &str) {
    let at = world.clock.at();
    let control = Control {
        name: "kill_switch".to_owned(),
        mode: mode.to_owned(),
        reason: Some("a test".to_owned()),
        set_by: "ann".to_owned(),
        at,
    };
    let entry = Entry {
        at,
        actor: "ann".to_owned(),
        via: Via::Rest,
        action: "control".to_owned(),
        object: "kill_switch".to_owned(),
        body: json!({}),
    };
    world.store.set_control(&control, &entry, None).await.unwrap();
}
