//! Workflows as planning would leave them, of any actions: the runs prove the execution, not the choice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{dice::Dice, scene};
use crate::{
    deeds, fingerprint,
    issue::Severity,
    model::{
        Millis,
        action::{Action, Resources},
        caller::{Caller, Via},
        ids::{ApprovalId, IncidentId, WorkflowId},
        incident::{Incident, IncidentBody, IncidentSource, IncidentStatus},
        layer::Layer,
        method::{DeployMethod, Deployed},
        phase::{Direction, Phase, StepState},
        plan::{Approval, Checkpoint, Plan, Problem, Risk, Step},
        workflow::{ApprovalRecord, ApprovalState, Order, StepRecord, Workflow},
    },
    ports::store::{Acceptance, Entry, Report, Write},
    testing::model::{Key, Model},
};

/// What a door and planning bring.
pub(crate) struct Made {
    pub(crate) acceptance: Acceptance,
    pub(crate) steps: Vec<Write>,
}

/// The issue of every run's problem.
const ISSUE: &str = "crash_loop";

pub(crate) fn plan(model: &Model, actions: &[Action], approval: Approval, at: Millis) -> Plan {
    let target = actions[0].target().clone();
    let problem = Problem {
        issue: ISSUE.to_owned(),
        severity: Severity::High,
        description: String::new(),
        target: target.clone(),
        named: target,
    };
    let steps = (0_u32..).zip(actions).map(|(order, action)| Step {
        order,
        layer: Layer::Application,
        description: format!("{} on {}", action.name(), action.target()),
        action: action.clone(),
        undo: action.undo_class(),
        required: true,
        planned_on: BTreeMap::new(),
        deploys_to: Vec::new(),
        takes_down: None,
        proof: None,
    });
    let mut steps: Vec<Step> = steps.collect();
    let mut written = BTreeSet::new();
    for step in &mut steps {
        let target = step.action.target();
        if written.insert(target.key())
            && let Some(object) = model.object(&Key::of_target(target))
        {
            step.planned_on = deeds::found(&step.action, &object);
        }
    }
    let last = u32::try_from(steps.len()).unwrap() - 1;
    Plan {
        cluster: scene::CLUSTER.to_owned(),
        problem,
        deployed: Deployed { method: DeployMethod::Manual, ..Deployed::unknown("") },
        layers: vec![Layer::Application],
        remedy: crate::remedies::LAYERED.to_owned(),
        remedy_version: 1,
        why: String::new(),
        steps,
        checkpoints: vec![Checkpoint {
            layer: Layer::Application,
            after_step: last,
            checks: vec!["pods_running".to_owned()],
            timeout_seconds: 120,
            required: true,
        }],
        risk: Risk::Medium,
        expected: String::new(),
        left_alone: None,
        estimated_seconds: 60,
        approval,
        rule: "test".to_owned(),
        at,
    }
}

/// A workflow of these actions, queued, or waiting for an approval.
pub(crate) fn workflow(
    model: &Model,
    number: u64,
    actions: &[Action],
    (asks, expires_in): (Approval, Millis),
    at: Millis,
) -> Made {
    of_plan(number, plan(model, actions, asks, at), expires_in)
}

/// A workflow of this plan.
pub(crate) fn of_plan(number: u64, plan: Plan, expires_in: Millis) -> Made {
    let id = WorkflowId::of(&format!("{number:06}"));
    let (asks, at) = (plan.approval, plan.at);
    let digest = fingerprint::digest(&plan).unwrap();
    let waits = asks != Approval::Auto;
    let incident_id = IncidentId::of(&format!("{number:06}"));
    let target = plan.problem.target.clone();
    let print = fingerprint::fingerprint(scene::CLUSTER, &target, ISSUE);
    let caller = Caller::identified("ann", Vec::new(), Via::Rest);
    let incident = Incident {
        id: incident_id.clone(),
        fingerprint: print.clone(),
        cluster: scene::CLUSTER.to_owned(),
        target: target.clone(),
        issue: ISSUE.to_owned(),
        severity: Severity::High,
        status: IncidentStatus::Remediating,
        source: IncidentSource::Trigger,
        occurrences: 1,
        first_seen: at,
        last_seen: at,
        closed_at: None,
        workflow: None,
        body: IncidentBody::default(),
    };
    let workflow = Workflow {
        id: id.clone(),
        incident: incident_id,
        cluster: scene::CLUSTER.to_owned(),
        problem: plan.problem.clone(),
        order: Order::default(),
        phase: if waits { Phase::AwaitingApproval } else { Phase::Queued },
        plan: Some(plan.clone()),
        digest: Some(digest.clone()),
        dry_run: false,
        requested_by: caller,
        cancel_requested: false,
        cursor: 0,
        recoveries: 0,
        wake_at: if waits { at + expires_in } else { at },
        deadline: at + if waits { expires_in } else { 1_800_000 },
        created_at: at,
        started_at: None,
        finished_at: None,
        reason: None,
        rule: None,
        version: 1,
    };
    let line = |action: &str| Entry {
        at,
        actor: "ann".to_owned(),
        via: Via::Rest,
        action: action.to_owned(),
        object: target.to_string(),
        body: json!({ "digest": digest }),
    };
    let mut steps: Vec<Write> = plan
        .steps
        .iter()
        .map(|step| {
            Write::Step(Box::new(StepRecord {
                order: step.order,
                direction: Direction::Do,
                action: step.action.clone(),
                state: StepState::Pending,
                effect_key: format!("{id}/{}/do", step.order),
                pre_image: None,
                post_image: None,
                result: None,
                started_at: None,
                finished_at: None,
            }))
        })
        .collect();
    if waits {
        steps.push(Write::Approval(ApprovalRecord {
            id: ApprovalId::of(&format!("{number:06}")),
            digest: digest.clone(),
            state: ApprovalState::Requested,
            requested_at: at,
            expires_at: at + expires_in,
            decided_by: None,
            decided_at: None,
            channel: None,
            reason: None,
        }));
    }
    let acceptance = Acceptance {
        lock: Some(target.key()),
        only_joins: false,
        workflow,
        fingerprint: print,
        incident: Report { incident, into: None, line: None },
        idempotency: None,
        audit: vec![line("accepted"), line("planned")],
    };
    Made { acceptance, steps }
}

/// A plan by the dice: reversible steps, then irreversible ones, each object as often as it comes.
pub(crate) fn any(dice: &mut Dice, catalogue: &[(&'static str, Action)], length: usize) -> Vec<Action> {
    let mut actions: Vec<Action> = (0..length)
        .map(|_| {
            let (_, action) = dice.pick(catalogue);
            match action.clone() {
                Action::ScaleWorkload { target, .. } => {
                    Action::ScaleWorkload { target, replicas: 1 + u32::try_from(dice.below(5)).unwrap() }
                }
                Action::SetResources { target, container, .. } => {
                    let limit = *dice.pick(&["300Mi", "384Mi", "512Mi", "1Gi"]);
                    let resources =
                        Resources { memory_limit: Some(limit.to_owned()), ..Resources::default() };
                    Action::SetResources { target, container, resources }
                }
                other => other,
            }
        })
        .collect();
    actions.sort_by_key(|action| !scene::is_reversible(action));
    actions
}
