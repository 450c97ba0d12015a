//! What every store does in the same way: the rules of keeping that are more than rows.
//!
//! Pure, so that the store in memory and those on disk cannot differ in them. They decide nothing about remediation.

mod horizon;

pub use self::horizon::horizon;
use crate::{
    fingerprint::sha256,
    model::{
        Millis,
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentSource, IncidentStatus},
        workflow::Workflow,
    },
    ports::store::{Acceptance, Control, Filing, StoreError},
};

/// Alerts of one incident that are told apart, at most. Those beyond are counted, and do not keep it open.
const MOST_FIRING: usize = 500;

/// Whether a workflow counts as active: it holds its fingerprint and is claimed when it is due.
pub const fn is_active(workflow: &Workflow) -> bool {
    !workflow.phase.is_terminal()
}

/// Whether a workflow holds its fingerprint against others. A dry run does not: it changes nothing.
pub const fn holds_fingerprint(workflow: &Workflow) -> bool {
    is_active(workflow) && !workflow.dry_run
}

/// Refuses a workflow that no store may keep.
///
/// # Errors
/// It has ended without a moment, or has a moment without having ended.
pub fn check(workflow: &Workflow) -> Result<(), StoreError> {
    if is_active(workflow) == workflow.finished_at.is_some() {
        let phase = workflow.phase;
        return Err(StoreError::Internal(format!(
            "workflow {} in phase {phase} must have finished_at exactly when nothing follows any more",
            workflow.id
        )));
    }
    Ok(())
}

/// An incident as it is opened.
pub fn opened(report: &Incident) -> Incident {
    let mut opened = Incident { occurrences: report.occurrences.max(1), ..report.clone() };
    opened.body.firing = std::mem::take(&mut opened.body.firing).into_iter().take(MOST_FIRING).collect();
    // The id that its reporter wished for is its own now: nothing else knows it by another.
    if opened.body.external_id.as_deref() == Some(opened.id.as_str()) {
        opened.body.external_id = None;
    }
    opened
}

/// An open incident with one more report: counted, seen again, as bad as the worse of both. What was said first stays.
pub fn merged(open: &Incident, report: &Incident) -> Incident {
    let mut merged = open.clone();
    merged.occurrences = merged.occurrences.saturating_add(report.occurrences.max(1));
    merged.first_seen = merged.first_seen.min(report.first_seen);
    merged.last_seen = merged.last_seen.max(report.last_seen);
    // The worst severity comes first.
    merged.severity = merged.severity.min(report.severity);
    if merged.target.uid.is_none() {
        merged.target.uid.clone_from(&report.target.uid);
    }
    if merged.body.external_id.is_none() {
        merged.body.external_id.clone_from(&report.body.external_id);
    }
    merged.body.began = merged.body.began.into_iter().chain(report.body.began).min();
    for alert in &report.body.firing {
        if merged.body.firing.len() < MOST_FIRING {
            merged.body.firing.insert(alert.clone());
        }
    }
    merged
}

/// An incident of which these alerts fire no more.
pub fn quieted(incident: &Incident, alerts: &[String]) -> Incident {
    let mut quieted = incident.clone();
    quieted.body.firing.retain(|alert| !alerts.contains(alert));
    quieted
}

/// Whether an incident is over because its alerts are: they opened it, and nothing else has it in hand.
pub fn rests(incident: &Incident) -> bool {
    incident.source == IncidentSource::Alert
        && matches!(incident.status, IncidentStatus::Active | IncidentStatus::Failed)
        && incident.body.firing.is_empty()
}

/// Whether an incident may be filed elsewhere: it is open, and no workflow is bound to where it is.
pub fn may_move(incident: &Incident) -> bool {
    matches!(incident.status, IncidentStatus::Active | IncidentStatus::Failed)
}

/// An incident where it belongs.
pub fn filed(incident: &Incident, filing: &Filing) -> Incident {
    let Filing { cluster, target, fingerprint } = filing.clone();
    Incident { cluster, target, fingerprint, ..incident.clone() }
}

/// An incident that turned out to be another one's trouble.
pub fn taken_over(incident: &Incident, by: &IncidentId, at: Millis) -> Incident {
    let mut over = incident.clone();
    set(&mut over, IncidentStatus::Cancelled, Some(&format!("it is the same trouble as {by}")), at);
    over
}

/// The incident of an accepted workflow: its workflow becomes this one and, unless it is a dry run, its status the one
/// that the trigger's report has.
pub fn taken_up(mut incident: Incident, acceptance: &Acceptance) -> Incident {
    if !acceptance.workflow.dry_run {
        incident.workflow = Some(acceptance.workflow.id.clone());
        incident.status = acceptance.incident.incident.status;
    }
    incident
}

/// An incident whose id another one has already: the `n`th id to be tried instead, the same for the same wish. The
/// wished one stays as the id by which the reporter knows it.
pub fn renamed(incident: &Incident, n: u32) -> Incident {
    let digest = sha256(&format!("{}\n{n}", incident.id));
    let unique: String = digest.chars().take(20).collect();
    let mut renamed = incident.clone();
    renamed.id = IncidentId::of(&unique);
    if renamed.body.external_id.is_none() {
        renamed.body.external_id = Some(incident.id.to_string());
    }
    renamed
}

/// There is no such workflow.
pub fn no_workflow(id: &impl std::fmt::Display) -> StoreError {
    StoreError::Changed(format!("there is no workflow {id}"))
}

/// There is no such incident.
pub fn no_incident(id: &impl std::fmt::Display) -> StoreError {
    StoreError::Changed(format!("there is no incident {id}"))
}

/// Another incident of the same fingerprint is open, so that this one cannot be.
pub fn not_reopened(id: &impl std::fmt::Display, other: &impl std::fmt::Display) -> StoreError {
    StoreError::Changed(format!("incident {id} cannot be open: {other} is, for the same trouble"))
}

/// The version that was read is not the stored one any more.
pub fn moved_on(id: &impl std::fmt::Display, stored: i64, written: i64) -> StoreError {
    StoreError::Changed(format!(
        "workflow {id} is at version {stored}, so version {written} cannot be written; read it again"
    ))
}

/// An approval that was answered stays as it is.
pub fn answered(id: &impl std::fmt::Display, how: &str) -> StoreError {
    StoreError::Changed(format!("approval {id} was answered already: {how}"))
}

/// A request for approval had ended when it was approved.
pub fn came_too_late(id: &impl std::fmt::Display) -> StoreError {
    StoreError::Changed(format!("approval {id} had ended before it was given"))
}

/// An approval belongs to one workflow.
pub fn not_its_approval(id: &impl std::fmt::Display) -> StoreError {
    StoreError::Changed(format!("approval {id} belongs to another workflow"))
}

/// Refuses what was decided under other controls than those that are kept.
///
/// # Errors
/// One was set since, or taken away.
pub fn decided_under(kept: &[Control], then: &[Control]) -> Result<(), StoreError> {
    let other = |one: &Control, all: &[Control]| !all.contains(one);
    let changed = kept.iter().find(|control| other(control, then));
    let Some(control) = changed.or_else(|| then.iter().find(|control| other(control, kept))) else {
        return Ok(());
    };
    Err(StoreError::Changed(format!(
        "this was decided before {} was set to {} by {}; decide again",
        control.name, control.mode, control.set_by
    )))
}

/// A marker is of one step.
pub fn key_is_used(effect_key: &str) -> StoreError {
    StoreError::Internal(format!("the effect key {effect_key} belongs to another step"))
}

/// What was sent for a step is recorded below it.
pub fn no_step(order: u32) -> StoreError {
    StoreError::Internal(format!("an attempt of step {order} is recorded before the step is"))
}

/// A commit writes one workflow.
pub fn foreign(id: &impl std::fmt::Display, written: &impl std::fmt::Display) -> StoreError {
    StoreError::Internal(format!("a commit to workflow {id} holds workflow {written}"))
}

/// Only who holds a lease gives it back.
pub fn no_lease_to_yield() -> StoreError {
    StoreError::Internal("a commit without a fence has no lease to give back".to_owned())
}

/// Refuses a change of an incident that is not in one of the states demanded.
///
/// # Errors
/// It is not.
pub fn may_become(
    id: &IncidentId,
    status: IncidentStatus,
    from: &[IncidentStatus],
    to: IncidentStatus,
) -> Result<(), StoreError> {
    if from.contains(&status) {
        return Ok(());
    }
    let (status, to) = (status.as_str(), to.as_str());
    Err(StoreError::Changed(format!("incident {id} is {status} and cannot become {to}")))
}

/// An incident as its workflow leaves it.
pub fn acted_on(incident: &mut Incident, status: IncidentStatus, closed_at: Option<Millis>, by: &WorkflowId) {
    incident.status = status;
    incident.closed_at = closed_at;
    incident.workflow = Some(by.clone());
    if closed_at.is_none() {
        incident.body.resolution = None;
    }
}

/// An incident set to a status by hand.
pub fn set(incident: &mut Incident, to: IncidentStatus, resolution: Option<&str>, at: Millis) {
    incident.status = to;
    incident.closed_at = to.is_closed().then_some(at);
    if !to.is_closed() {
        // How it was closed is in the audit; it is not closed any more.
        incident.body.resolution = None;
    }
    if let Some(resolution) = resolution {
        incident.body.resolution = Some(resolution.to_owned());
    }
}
