//! Workflows as doors show them, from what is recorded.
//!
//! It decides nothing and adds nothing: what was not recorded is left out.

use crate::{
    coordination::{Awaiting, CheckpointView, DecisionView, StepView, WorkflowView},
    model::{
        method::DeployMethod,
        phase::{Direction, Phase, StepState, Verdict},
        plan::{Plan, Step},
        wire_time,
        workflow::{ApprovalRecord, ApprovalState, CheckRecord, Record, StepRecord, Workflow},
    },
};

/// A workflow with everything.
pub(crate) fn workflow(record: &Record, is_simulated: bool) -> WorkflowView {
    let workflow = &record.workflow;
    let mut view = summary(workflow, is_simulated);
    if let Some(plan) = &workflow.plan {
        view.steps = steps(plan, &record.steps);
        view.checkpoints = checkpoints(plan, &record.checks);
        view.decision = record.approvals.iter().rev().find_map(decision);
        let open = record.approvals.iter().find(|a| a.state == ApprovalState::Requested);
        view.awaiting = open.map(|open| Awaiting {
            digest: open.digest.clone(),
            approval: plan.approval,
            rule: plan.rule.clone(),
            expires_at: wire_time(open.expires_at).unwrap_or_default(),
        });
    }
    view
}

/// The answer that an approval was given; `None` while nobody has answered.
fn decision(approval: &ApprovalRecord) -> Option<DecisionView> {
    let approved = match approval.state {
        ApprovalState::Approved => true,
        ApprovalState::Denied => false,
        ApprovalState::Requested | ApprovalState::Expired => return None,
    };
    Some(DecisionView {
        approved,
        by: approval.decided_by.clone()?,
        via: approval.channel.clone(),
        at: approval.decided_at.and_then(wire_time).unwrap_or_default(),
        reason: approval.reason.clone(),
    })
}

/// A workflow without its steps.
pub(crate) fn summary(workflow: &Workflow, is_simulated: bool) -> WorkflowView {
    let plan = workflow.plan.as_ref();
    let target = &workflow.problem.target;
    WorkflowView {
        id: workflow.id.to_string(),
        incident_id: workflow.incident.to_string(),
        status: workflow.phase.contract().to_owned(),
        phase: workflow.phase,
        reason: workflow.reason.clone(),
        rule: workflow.rule.clone(),
        namespace: target.namespace.clone(),
        resource_kind: target.kind.clone(),
        resource_name: target.name.clone(),
        issue_type: workflow.problem.issue.clone(),
        severity: workflow.problem.severity,
        deployment_method: plan
            .map_or(DeployMethod::Unknown, |plan| plan.deployed.method)
            .as_str()
            .to_owned(),
        layers: plan.map(|plan| plan.layers.clone()).unwrap_or_default(),
        remedy: plan.map(|plan| plan.remedy.clone()),
        digest: workflow.digest.clone(),
        awaiting: None,
        decision: None,
        steps: Vec::new(),
        checkpoints: Vec::new(),
        rolled_back: workflow.phase == Phase::RolledBack,
        needs_operator: workflow.phase == Phase::NeedsOperator,
        requested_by: workflow.requested_by.name.clone(),
        created_at: wire_time(workflow.created_at).unwrap_or_default(),
        started_at: workflow.started_at.and_then(wire_time),
        completed_at: workflow.finished_at.and_then(wire_time),
        estimated_duration: plan.map_or_else(|| "5m".to_owned(), |plan| duration(plan.estimated_seconds)),
        simulated: is_simulated,
    }
}

/// Seconds as the contract writes durations: `45s`, `5m`, `1h30m`.
pub(crate) fn duration(seconds: u32) -> String {
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, rest) => format!("{rest}s"),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, rest) => format!("{minutes}m{rest}s"),
        (hours, 0, _) => format!("{hours}h"),
        (hours, minutes, _) => format!("{hours}h{minutes}m"),
    }
}

/// The steps that were recorded: forward in order, then those of the way back as they are taken, the last one first.
fn steps(plan: &Plan, recorded: &[StepRecord]) -> Vec<StepView> {
    let of = |direction: Direction| -> Vec<&StepRecord> {
        let mut steps: Vec<_> = recorded.iter().filter(|step| step.direction == direction).collect();
        steps.sort_by_key(|step| step.order);
        steps
    };
    let forward = of(Direction::Do);
    let back = of(Direction::Undo);
    forward
        .into_iter()
        .chain(back.into_iter().rev())
        .filter_map(|recorded| {
            let planned = plan.steps.iter().find(|step| step.order == recorded.order)?;
            Some(step(planned, recorded))
        })
        .collect()
}

fn step(planned: &Step, recorded: &StepRecord) -> StepView {
    let description = match recorded.direction {
        Direction::Do => planned.description.clone(),
        Direction::Undo => format!("undo: {}", planned.description),
    };
    StepView {
        order: recorded.order,
        layer: planned.layer,
        direction: recorded.direction,
        description,
        action: recorded.action.name().to_owned(),
        target: recorded.action.target().to_string(),
        undo: planned.undo,
        status: recorded.state.contract().to_owned(),
        state: recorded.state,
        result: recorded.result.clone(),
        proof: planned.proof.clone().filter(|_| recorded.state == StepState::Pending),
        started_at: recorded.started_at.and_then(wire_time),
        completed_at: recorded.finished_at.and_then(wire_time),
    }
}

fn checkpoints(plan: &Plan, recorded: &[CheckRecord]) -> Vec<CheckpointView> {
    let worst = |made: &[&CheckRecord], wanted: usize| {
        let has = |verdict: Verdict| made.iter().any(|check| check.verdict == verdict);
        if has(Verdict::Failed) {
            Verdict::Failed
        } else if has(Verdict::Unknown) {
            Verdict::Unknown
        } else if made.len() < wanted || has(Verdict::Pending) {
            Verdict::Pending
        } else {
            Verdict::Passed
        }
    };
    plan.checkpoints
        .iter()
        .map(|checkpoint| {
            let made: Vec<&CheckRecord> = recorded
                .iter()
                .filter(|check| {
                    check.after_order == checkpoint.after_step && checkpoint.checks.contains(&check.name)
                })
                .collect();
            let evidence = made.iter().filter_map(|check| {
                check.evidence.as_ref().map(|evidence| format!("{}: {evidence}", check.name))
            });
            CheckpointView {
                layer: checkpoint.layer,
                after_step: checkpoint.after_step,
                status: worst(&made, checkpoint.checks.len()),
                checks: checkpoint.checks.clone(),
                evidence: evidence.collect(),
            }
        })
        .collect()
}
