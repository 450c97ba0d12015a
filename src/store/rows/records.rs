//! The rows below a workflow (steps, attempts, checks, approvals) and those of controls, cooldowns and audit lines.

use aiops_engine::{
    model::{
        caller::Via,
        ids::{ApprovalId, WorkflowId},
        phase::{Direction, StepState, Verdict},
        workflow::{ApprovalRecord, ApprovalState, Attempt, CheckRecord, Outcome, StepRecord},
    },
    ports::store::{AuditLine, Control, Cooldown, Entry},
};
use sqlx::any::AnyRow;

use crate::store::{
    failure::Stop,
    values::{Reader, V, sealed},
};

fn direction(word: &str) -> Option<Direction> {
    [Direction::Do, Direction::Undo].into_iter().find(|d| d.as_str() == word)
}

fn via(word: &str) -> Option<Via> {
    [Via::Rest, Via::Mcp, Via::Cli, Via::Alert, Via::Sweep, Via::Annotation, Via::System]
        .into_iter()
        .find(|v| v.as_str() == word)
}

pub(in crate::store) fn step_values(workflow: &WorkflowId, step: &StepRecord) -> Result<Vec<V>, Stop> {
    Ok(sealed(vec![
        workflow.as_str().into(),
        step.order.into(),
        step.direction.as_str().into(),
        V::json(&step.action)?,
        step.state.as_str().into(),
        (&step.effect_key).into(),
        V::json_opt(step.pre_image.as_ref())?,
        V::json_opt(step.post_image.as_ref())?,
        (&step.result).into(),
        step.started_at.into(),
        step.finished_at.into(),
    ]))
}

pub(in crate::store) fn read_step(row: &AnyRow) -> Result<StepRecord, Stop> {
    let mut row = Reader::sealed("step", row, 11)?;
    let _workflow = row.text()?;
    Ok(StepRecord {
        order: row.u32()?,
        direction: row.word(direction)?,
        action: row.json()?,
        state: row.word(StepState::parse)?,
        effect_key: row.text()?,
        pre_image: row.json_opt()?,
        post_image: row.json_opt()?,
        result: row.text_opt()?,
        started_at: row.int_opt()?,
        finished_at: row.int_opt()?,
    })
}

pub(in crate::store) fn attempt_values(workflow: &WorkflowId, attempt: &Attempt) -> Result<Vec<V>, Stop> {
    Ok(sealed(vec![
        workflow.as_str().into(),
        attempt.order.into(),
        attempt.direction.as_str().into(),
        attempt.number.into(),
        attempt.epoch.into(),
        V::json(&attempt.intent)?,
        attempt.intent_at.into(),
        attempt.outcome.map(Outcome::as_str).into(),
        attempt.http_status.map(i64::from).into(),
        (&attempt.observed).into(),
        attempt.observed_at.into(),
    ]))
}

pub(in crate::store) fn read_attempt(row: &AnyRow) -> Result<Attempt, Stop> {
    let mut row = Reader::sealed("step attempt", row, 11)?;
    let _workflow = row.text()?;
    Ok(Attempt {
        order: row.u32()?,
        direction: row.word(direction)?,
        number: row.u32()?,
        epoch: row.int()?,
        intent: row.json()?,
        intent_at: row.int()?,
        outcome: row.word_opt(Outcome::parse)?,
        http_status: row.int_opt()?.and_then(|status| u16::try_from(status).ok()),
        observed: row.text_opt()?,
        observed_at: row.int_opt()?,
    })
}

pub(in crate::store) fn check_values(workflow: &WorkflowId, check: &CheckRecord) -> Vec<V> {
    sealed(vec![
        workflow.as_str().into(),
        check.after_order.into(),
        (&check.name).into(),
        check.verdict.as_str().into(),
        (&check.evidence).into(),
        check.at.into(),
    ])
}

pub(in crate::store) fn read_check(row: &AnyRow) -> Result<CheckRecord, Stop> {
    let mut row = Reader::sealed("checkpoint", row, 6)?;
    let _workflow = row.text()?;
    Ok(CheckRecord {
        after_order: row.u32()?,
        name: row.text()?,
        verdict: row.word(Verdict::parse)?,
        evidence: row.text_opt()?,
        at: row.int_opt()?,
    })
}

pub(in crate::store) fn approval_values(workflow: &WorkflowId, approval: &ApprovalRecord) -> Vec<V> {
    sealed(vec![
        approval.id.as_str().into(),
        workflow.as_str().into(),
        (&approval.digest).into(),
        approval.state.as_str().into(),
        approval.requested_at.into(),
        approval.expires_at.into(),
        (&approval.decided_by).into(),
        approval.decided_at.into(),
        (&approval.channel).into(),
        (&approval.reason).into(),
    ])
}

pub(in crate::store) fn read_approval(row: &AnyRow) -> Result<ApprovalRecord, Stop> {
    let mut row = Reader::sealed("approval", row, 10)?;
    let id = row.word(|text| ApprovalId::parse(text).ok())?;
    let _workflow = row.text()?;
    Ok(ApprovalRecord {
        id,
        digest: row.text()?,
        state: row.word(ApprovalState::parse)?,
        requested_at: row.int()?,
        expires_at: row.int()?,
        decided_by: row.text_opt()?,
        decided_at: row.int_opt()?,
        channel: row.text_opt()?,
        reason: row.text_opt()?,
    })
}

pub(in crate::store) fn control_values(control: &Control) -> Vec<V> {
    sealed(vec![
        (&control.name).into(),
        (&control.mode).into(),
        (&control.reason).into(),
        (&control.set_by).into(),
        control.at.into(),
    ])
}

pub(in crate::store) fn read_control(row: &AnyRow) -> Result<Control, Stop> {
    let mut row = Reader::sealed("control", row, 5)?;
    Ok(Control {
        name: row.text()?,
        mode: row.text()?,
        reason: row.text_opt()?,
        set_by: row.text()?,
        at: row.int()?,
    })
}

pub(in crate::store) fn cooldown_values(cooldown: &Cooldown) -> Vec<V> {
    sealed(vec![
        (&cooldown.fingerprint).into(),
        cooldown.failures.into(),
        cooldown.not_before.into(),
        cooldown.window_start.into(),
    ])
}

pub(in crate::store) fn read_cooldown(row: &AnyRow) -> Result<Cooldown, Stop> {
    let mut row = Reader::sealed("cooldown", row, 4)?;
    Ok(Cooldown {
        fingerprint: row.text()?,
        failures: row.u32()?,
        not_before: row.int()?,
        window_start: row.int()?,
    })
}

pub(in crate::store) fn audit_values(line: &AuditLine) -> Vec<V> {
    let Entry { at, actor, via, action, object, body } = &line.entry;
    vec![
        (&line.chain).into(),
        line.seq.into(),
        (*at).into(),
        actor.into(),
        via.as_str().into(),
        action.into(),
        object.into(),
        body.to_string().into(),
        (&line.prev_hash).into(),
        (&line.hash).into(),
    ]
}

/// Reads a line. Whether it is what was written its chain tells.
pub(in crate::store) fn read_audit(row: &AnyRow) -> Result<AuditLine, Stop> {
    let mut row = Reader::plain("audit line", row)?;
    let chain = row.text()?;
    let seq = row.int()?;
    let entry = Entry {
        at: row.int()?,
        actor: row.text()?,
        via: row.word(via)?,
        action: row.text()?,
        object: row.text()?,
        body: row.json()?,
    };
    Ok(AuditLine { chain, seq, entry, prev_hash: row.text()?, hash: row.text()? })
}
