//! Triggers, from the request to the end: kept once, planned, executed.

use std::sync::Arc;

use super::{
    dying::Gate,
    requests::{caller, set},
    world::{World, node_target},
};
use crate::{
    Coordinator,
    coordination::{Coordination as _, Decision, Trigger, Triggered, WhyNot, WorkflowQuery},
    error::Error,
    model::{
        action::Action,
        caller::{Caller, Via},
        ids::{IncidentId, WorkflowId},
        incident::IncidentStatus,
        phase::Phase,
        plan::Approval,
    },
    ports::store::{Entry, IncidentFilter, Store as _, WorkflowFilter},
};

pub(super) fn cordon(name: &str) -> Trigger {
    let target = crate::model::target::Target::known("Node", "", name);
    Trigger { action: Some(Action::CordonNode { target }), ..Trigger::default() }
}

pub(super) async fn trigger(coordinator: &Coordinator, trigger: Trigger) -> Result<Triggered, Error> {
    coordinator.trigger(&caller("ann"), trigger).await
}

pub(super) fn id_of(triggered: &Triggered) -> WorkflowId {
    WorkflowId::parse(triggered.workflow_id.as_deref().unwrap()).unwrap()
}

pub(super) async fn kept(world: &World) -> u64 {
    world.store.workflows(&WorkflowFilter { limit: 100, ..WorkflowFilter::default() }).await.unwrap().total
}

#[tokio::test]
async fn an_order_is_kept_planned_and_carried_out() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let triggered = trigger(&coordinator, cordon("n0")).await.unwrap();
    assert_eq!((triggered.status.as_str(), triggered.phase), ("in_progress", Phase::Planning));
    let id = id_of(&triggered);
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Completed, "{:?}", record.workflow.reason);
    assert_eq!(*world.effects.lock(), [format!("{id}/0/do")]);
    world.check(&id).await;
    let view = coordinator.workflow(&caller("ann"), &id).await.unwrap();
    assert_eq!((view.status.as_str(), view.steps.len()), ("completed", 1));
    let incident = IncidentId::parse(triggered.incident_id.as_deref().unwrap()).unwrap();
    let incident = world.store.incident(&incident).await.unwrap().unwrap();
    assert_eq!((incident.status, incident.workflow), (IncidentStatus::Remediated, Some(id)));
}

#[tokio::test]
async fn a_clock_that_is_an_hour_off_delays_nothing_and_spins_for_nothing() {
    for off in [-3_600_000, 3_600_000] {
        let mut world = World::new();
        *world.clock_is_off_by.get_mut() = off;
        world.settings.timing.steady = std::time::Duration::from_secs(10);
        world.settings.policy.rules[0].then = Approval::Approve;
        let world = Arc::new(world);
        let began = world.clock.at();
        let (coordinator, executor) = world.process("one", &Gate::open());
        let id = id_of(&trigger(&coordinator, cordon("n0")).await.unwrap());
        let asked = world
            .drive_until(&executor, &id, |record| record.workflow.phase == Phase::AwaitingApproval)
            .await;
        assert!(executor.claim().await.unwrap().is_none(), "{off}: nothing is due");
        let digest = asked.workflow.digest.unwrap();
        let decision = Decision { digest, approve: true, reason: None, by_elicitation: false };
        coordinator.decide(&caller("ann"), &id, decision).await.unwrap();
        let record = world.drive(&executor, &id).await;
        assert_eq!(record.workflow.phase, Phase::Completed, "{off}: {:?}", record.workflow.reason);
        let lasted = world.clock.at() - began;
        assert!((10_000..20_000).contains(&lasted), "{off}: {lasted} ms");
        world.check(&id).await;
    }
}

#[tokio::test]
async fn a_thousand_triggers_for_one_trouble_are_one_workflow() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let first = id_of(&trigger(&coordinator, cordon("n0")).await.unwrap());
    let all = (0..1_000).map(|_| trigger(&coordinator, cordon("n0")));
    for again in futures_util::future::join_all(all).await {
        let again = again.unwrap();
        assert!(again.deduplicated);
        assert_eq!(id_of(&again), first);
    }
    assert_eq!(kept(&world).await, 1);
    let other = Trigger {
        action: Some(Action::UncordonNode { target: crate::model::target::Target::known("Node", "", "n0") }),
        ..Trigger::default()
    };
    let refused = trigger(&coordinator, other).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Conflict { workflow: Some(id), .. } if *id == first.to_string()),
        "{refused}"
    );
    assert_eq!(world.drive(&executor, &first).await.workflow.phase, Phase::Completed);
    assert_eq!(world.effects.lock().len(), 1);
}

#[tokio::test]
async fn a_repeated_request_is_answered_with_what_came_of_it() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let keyed = |name: &str| Trigger { idempotency_key: Some("k".to_owned()), ..cordon(name) };
    let first = id_of(&trigger(&coordinator, keyed("n0")).await.unwrap());
    world.drive(&executor, &first).await;
    let again = trigger(&coordinator, keyed("n0")).await.unwrap();
    assert_eq!((id_of(&again), again.deduplicated, again.status.as_str()), (first, true, "completed"));
    let other = trigger(&coordinator, keyed("n1")).await.unwrap_err();
    assert_eq!(other.code(), "conflict", "{other}");
    // Another caller's key is another key.
    coordinator.trigger(&caller("bob"), keyed("n1")).await.unwrap();
    let long = Trigger { idempotency_key: Some("k".repeat(256)), ..cordon("n2") };
    assert_eq!(trigger(&coordinator, long).await.unwrap_err().code(), "invalid_request");
    assert_eq!(kept(&world).await, 2);
}

#[tokio::test]
async fn a_key_that_met_what_is_active_while_all_is_stopped_keeps_its_answer() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let first = id_of(&trigger(&coordinator, cordon("n0")).await.unwrap());
    set(&world, "stop").await;
    let keyed = |name: &str| Trigger { idempotency_key: Some(format!("key-{name}")), ..cordon(name) };
    let met = trigger(&coordinator, keyed("n0")).await.unwrap();
    assert!(met.deduplicated);
    assert_eq!(id_of(&met), first);
    let refused = trigger(&coordinator, keyed("n1")).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    assert_eq!(kept(&world).await, 1);
    set(&world, "run").await;
    assert_eq!(world.drive(&executor, &first).await.workflow.phase, Phase::Completed);
    // The same request is no new one, also when what it met is over; what was refused may be asked again.
    assert_eq!(id_of(&trigger(&coordinator, keyed("n0")).await.unwrap()), first);
    assert_ne!(id_of(&trigger(&coordinator, keyed("n1")).await.unwrap()), first);
    assert_eq!(kept(&world).await, 2);
}

#[tokio::test]
async fn what_the_policy_denies_is_refused_and_not_kept() {
    let mut world = World::new();
    world.settings.policy.rules[0].then = Approval::Deny;
    let world = Arc::new(world);
    let (coordinator, _executor) = world.process("one", &Gate::open());
    let refused = trigger(&coordinator, cordon("n0")).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { rule, .. } if rule == "policy/all"), "{refused}");
    assert_eq!(kept(&world).await, 0);
    let incidents = world.store.incidents(&IncidentFilter { limit: 10, ..IncidentFilter::default() }).await;
    assert_eq!(incidents.unwrap().total, 0);
    let verdicts =
        coordinator.why_not(&caller("ann"), WhyNot::Trigger(Box::new(cordon("n0")))).await.unwrap();
    assert!(!verdicts.allowed);
    let refuses: Vec<&str> =
        verdicts.rules.iter().filter(|rule| !rule.passes).map(|rule| rule.rule.as_str()).collect();
    assert_eq!(refuses, ["policy/all"]);
}

#[tokio::test]
async fn a_dry_run_shows_the_plan_and_keeps_nothing() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let triggered = trigger(&coordinator, Trigger { dry_run: true, ..cordon("n0") }).await.unwrap();
    assert!(triggered.dry_run && triggered.workflow_id.is_none());
    assert_eq!(triggered.plan.unwrap().steps.len(), 1);
    assert_eq!(kept(&world).await, 0);
    assert!(executor.claim().await.unwrap().is_none());
    assert!(world.effects.lock().is_empty());
}

#[tokio::test]
async fn a_plan_is_bound_to_the_digest_that_was_seen() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let shown = trigger(&coordinator, Trigger { dry_run: true, ..cordon("n0") }).await.unwrap();
    let digest = shown.plan.unwrap().digest;
    let wrong = Trigger { digest: Some("0".repeat(64)), ..cordon("n0") };
    let id = id_of(&trigger(&coordinator, wrong).await.unwrap());
    let record = world.drive(&executor, &id).await;
    assert_eq!((record.workflow.phase, record.workflow.rule.as_deref()), (Phase::Refused, Some("digest")));
    let right = Trigger { digest: Some(digest), ..cordon("n0") };
    let id = id_of(&trigger(&coordinator, right).await.unwrap());
    assert_eq!(world.drive(&executor, &id).await.workflow.phase, Phase::Completed);
}

#[tokio::test]
async fn an_incident_that_was_closed_meanwhile_stays_closed() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let triggered = trigger(&coordinator, cordon("n0")).await.unwrap();
    let id = id_of(&triggered);
    world.drive_until(&executor, &id, |record| record.workflow.phase == Phase::Running).await;
    let incident = IncidentId::parse(triggered.incident_id.as_deref().unwrap()).unwrap();
    let entry = Entry {
        at: world.clock.at(),
        actor: "bob".to_owned(),
        via: Via::Rest,
        action: "resolved".to_owned(),
        object: incident.to_string(),
        body: serde_json::json!({}),
    };
    let open = [IncidentStatus::Remediating];
    let to = IncidentStatus::Resolved;
    world.store.set_incident(&incident, &open, to, Some("by hand"), &entry).await.unwrap();
    world.edit(&node_target("n0"), |node| node["metadata"]["uid"] = "another".into());
    let record = world.drive(&executor, &id).await;
    assert_eq!(record.workflow.phase, Phase::Failed, "{:?}", record.workflow.reason);
    assert!(record.workflow.reason.unwrap().contains("made again"));
    assert_eq!(world.store.incident(&incident).await.unwrap().unwrap().status, IncidentStatus::Resolved);
    assert!(world.effects.lock().is_empty());
}

#[tokio::test]
async fn nonsense_is_refused_by_name() {
    let world = Arc::new(World::new());
    let (coordinator, _executor) = world.process("one", &Gate::open());
    let of = |kind: &str, name: &str, issue: &str| Trigger {
        kind: kind.to_owned(),
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        issue: issue.to_owned(),
        ..Trigger::default()
    };
    for nonsense in [
        of("Toaster", "web", "crash_loop"),
        of("Deployment", "../web", "crash_loop"),
        of("Deployment", "web", "burnt_toast"),
        of("Deployment", "web", ""),
        of("Deployment", "", "crash_loop"),
    ] {
        let refused = trigger(&coordinator, nonsense.clone()).await.unwrap_err();
        assert_eq!(refused.code(), "invalid_request", "{nonsense:?}: {refused}");
    }
    assert_eq!(kept(&world).await, 0);
    let unknown = WorkflowId::parse("wf-unknown").unwrap();
    let missing = coordinator.workflow(&caller("ann"), &unknown).await.unwrap_err();
    assert_eq!(missing.code(), "not_found");
}

#[tokio::test]
async fn workflows_are_listed_by_the_words_of_every_door() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let done = id_of(&trigger(&coordinator, cordon("n0")).await.unwrap());
    world.drive(&executor, &done).await;
    trigger(&coordinator, cordon("n1")).await.unwrap();
    let ann = caller("ann");
    let counted = async |status: &str| {
        let query = WorkflowQuery { status: Some(status.to_owned()), ..WorkflowQuery::default() };
        coordinator.workflows(&ann, query).await.map(|list| list.total)
    };
    for (status, want) in [
        ("all", 2),
        ("completed", 1),
        ("in_progress", 1),
        ("planning", 1),
        ("active", 1),
        ("executing", 1),
        ("pending", 0),
        ("failed", 0),
        ("awaiting_approval", 0),
    ] {
        assert_eq!(counted(status).await.unwrap(), want, "{status}");
    }
    assert_eq!(counted("burnt").await.unwrap_err().code(), "invalid_request");
    let standing = coordinator.standing().await;
    assert_eq!((standing.status.as_str(), standing.active_workflows), ("ok", Some(1)));
    let why = coordinator.why_not(&ann, WhyNot::Workflow(done)).await.unwrap();
    assert_eq!((why.allowed, why.rules.len()), (false, 1));
}

#[tokio::test]
async fn nobody_in_particular_may_trigger_what_needs_nobodys_approval() {
    let world = Arc::new(World::new());
    let (coordinator, executor) = world.process("one", &Gate::open());
    let nobody = Caller::anonymous(Via::Mcp);
    let id = id_of(&coordinator.trigger(&nobody, cordon("n0")).await.unwrap());
    assert_eq!(world.drive(&executor, &id).await.workflow.phase, Phase::Completed);
}
