//! The row of a workflow.

use aiops_engine::model::{
    ids::{IncidentId, WorkflowId},
    phase::Phase,
    workflow::Workflow,
};
use sqlx::any::AnyRow;

use crate::store::{
    failure::Stop,
    values::{Reader, V, sealed},
};

/// How many columns the checksum covers.
const COVERED: usize = 23;

/// Every column of the record, in order; the lease's are not among them.
macro_rules! workflow_columns {
    () => {
        "id, incident_id, fingerprint, cluster, namespace, target_key, problem, asked, phase, plan, digest, dry_run, \
         requested_by, cancel_requested, cursor_ord, recoveries, deadline, created_at, started_at, finished_at, \
         reason, rule, version, checksum, wake_at"
    };
}
pub(in crate::store) use workflow_columns;

/// The values of all columns.
pub(in crate::store) fn values(workflow: &Workflow, fingerprint: &str) -> Result<Vec<V>, Stop> {
    let Workflow {
        id,
        incident,
        cluster,
        problem,
        order,
        phase,
        plan,
        digest,
        dry_run,
        requested_by,
        cancel_requested,
        cursor,
        recoveries,
        wake_at,
        deadline,
        created_at,
        started_at,
        finished_at,
        reason,
        rule,
        version,
    } = workflow;
    let mut values = sealed(vec![
        id.as_str().into(),
        incident.as_str().into(),
        fingerprint.into(),
        cluster.into(),
        (&problem.target.namespace).into(),
        problem.target.key().into(),
        V::json(problem)?,
        V::json(order)?,
        phase.as_str().into(),
        V::json_opt(plan.as_ref())?,
        digest.into(),
        (*dry_run).into(),
        V::json(requested_by)?,
        (*cancel_requested).into(),
        (*cursor).into(),
        (*recoveries).into(),
        (*deadline).into(),
        (*created_at).into(),
        (*started_at).into(),
        (*finished_at).into(),
        reason.into(),
        rule.into(),
        (*version).into(),
    ]);
    values.push((*wake_at).into());
    Ok(values)
}

/// Reads a row of all columns.
pub(in crate::store) fn read(row: &AnyRow) -> Result<Workflow, Stop> {
    let mut row = Reader::sealed("workflow", row, COVERED)?;
    let id = row.word(|text| WorkflowId::parse(text).ok())?;
    let incident = row.word(|text| IncidentId::parse(text).ok())?;
    let _fingerprint = row.text()?;
    let cluster = row.text()?;
    let _namespace = row.text()?;
    let _target_key = row.text()?;
    let mut workflow = Workflow {
        id,
        incident,
        cluster,
        problem: row.json()?,
        order: row.json()?,
        phase: row.word(Phase::parse)?,
        plan: row.json_opt()?,
        digest: row.text_opt()?,
        dry_run: row.flag()?,
        requested_by: row.json()?,
        cancel_requested: row.flag()?,
        cursor: row.u32()?,
        recoveries: row.u32()?,
        wake_at: 0,
        deadline: row.int()?,
        created_at: row.int()?,
        started_at: row.int_opt()?,
        finished_at: row.int_opt()?,
        reason: row.text_opt()?,
        rule: row.text_opt()?,
        version: row.int()?,
    };
    workflow.wake_at = row.int()?;
    Ok(workflow)
}
