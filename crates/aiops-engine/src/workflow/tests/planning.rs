//! An order that was accepted is planned when what it rests on can be read, and ends only when it counts no more.

use std::sync::Arc;

use super::{
    dying::Gate,
    requests::caller,
    world::{World, node_target},
};
use crate::{
    Coordinator,
    coordination::{Coordination as _, PlanRequest, Trigger},
    error::{Error, PortError, PortErrorKind},
    model::{Millis, action::Action, ids::WorkflowId, phase::Phase, target::Target},
    workflow::Turn,
};

const MINUTE: Millis = 60_000;

fn cordon() -> Trigger {
    let target = Target::known("Node", "", "n0");
    Trigger { action: Some(Action::CordonNode { target }), ..Trigger::default() }
}

async fn ordered(coordinator: &Coordinator) -> WorkflowId {
    let triggered = coordinator.trigger(&caller("ann"), cordon()).await.unwrap();
    WorkflowId::parse(triggered.workflow_id.as_deref().unwrap()).unwrap()
}

fn blinded(kind: PortErrorKind) -> Option<PortError> {
    Some(PortError::new(kind, "the API server at https://10.0.0.1:6443 says nothing"))
}

#[tokio::test]
async fn an_order_waits_out_a_cluster_that_cannot_be_read_and_is_planned_less_and_less_often() {
    for kind in [PortErrorKind::Unavailable, PortErrorKind::Timeout] {
        let world = Arc::new(World::new());
        let (coordinator, executor) = world.process("one", &Gate::open());
        *world.blind.lock() = blinded(kind);
        let began = world.clock.at();
        let id = ordered(&coordinator).await;
        // Ten minutes of darkness, far longer than a plan may take otherwise.
        let (mut tries, mut longest) = (0, 0);
        while world.clock.at() < began + 10 * MINUTE {
            let held = executor.claim().await.unwrap().expect("it is due");
            let Turn::WakeAt(until) = executor.turn(&held).await else { panic!("it does not wait") };
            longest = longest.max(until - world.clock.at());
            tries += 1;
            let workflow = world.record(&id).await.workflow;
            assert_eq!(workflow.phase, Phase::Planning);
            let why = workflow.reason.unwrap();
            assert!(why.contains("says nothing") && why.contains("planned again in"), "{why}");
            world.clock.reach(until);
        }
        assert!((10..=40).contains(&tries), "{tries} tries");
        assert_eq!(longest, 30_000);
        *world.blind.lock() = None;
        let record = world.drive(&executor, &id).await;
        assert_eq!(record.workflow.phase, Phase::Completed, "{:?}", record.workflow.reason);
        assert_eq!(*world.effects.lock(), [format!("{id}/0/do")]);
        world.check(&id).await;
    }
}

#[tokio::test]
async fn an_order_that_could_not_be_planned_for_half_an_hour_ends_with_what_was_in_the_way() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    *world.blind.lock() = blinded(PortErrorKind::Unavailable);
    let id = ordered(&coordinator).await;
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Failed);
    let lasted = record.workflow.finished_at.unwrap() - record.workflow.created_at;
    assert!((30 * MINUTE..31 * MINUTE).contains(&lasted), "{lasted} ms");
    let why = record.workflow.reason.unwrap();
    assert!(why.contains("trigger it again") && why.contains("says nothing"), "{why}");
    assert!(world.effects.lock().is_empty());
    world.check(&id).await;
}

#[tokio::test]
async fn what_will_not_pass_ends_an_order_at_once() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let id = ordered(&coordinator).await;
    *world.blind.lock() = blinded(PortErrorKind::Denied);
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Failed, "{:?}", record.workflow.reason);
    assert_eq!(record.workflow.finished_at.unwrap(), record.workflow.created_at);
    assert_eq!(world.object(&node_target("n0"))["spec"], serde_json::json!({}));
}

#[tokio::test]
async fn who_only_asks_for_a_plan_is_told_at_once_to_ask_again() {
    let world = Arc::new(World::new());
    let (coordinator, _executor) = world.process("one", &Gate::open());
    *world.blind.lock() = blinded(PortErrorKind::Unavailable);
    let dry = Trigger { dry_run: true, ..cordon() };
    let of_trigger = coordinator.trigger(&caller("ann"), dry).await.map(drop);
    let of_plan = coordinator.plan(&caller("ann"), PlanRequest { trigger: cordon() }).await.map(drop);
    for told in [of_trigger, of_plan] {
        let error = told.unwrap_err();
        assert!(error.to_string().contains("ask again in a moment"), "{error}");
        assert!(matches!(error, Error::Unavailable { retry_after: Some(_), .. }), "{error}");
    }
}
