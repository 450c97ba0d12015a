//! Requests about workflows: look, decide, cancel, resolve. The trigger, the views and the reasons stand beside.
//!
//! No request executes anything: it writes down what somebody decided, guarded by the version that they saw, and the work
//! loop goes on from there.

mod reasons;
mod trigger;
pub(super) mod views;

use super::Inner;
use crate::{
    coordination::{Decision, Resolution, WorkflowList, WorkflowQuery, WorkflowView},
    error::Error,
    guard,
    model::{
        Millis,
        caller::Caller,
        ids::{IncidentId, WorkflowId},
        phase::Phase,
        workflow::{ApprovalState, Record},
    },
    ports::store::{StoreError, WorkflowFilter},
    text,
    workflow::record::{self, Context, Event},
};

/// Longest reason that somebody gives, in bytes.
const LONGEST_REASON: usize = 500;
/// Tries of a change that an executor was faster than.
const TRIES: u32 = 5;

impl Inner {
    /// A workflow with everything that was recorded of it.
    pub(super) async fn record(&self, id: &WorkflowId) -> Result<Record, Error> {
        let read = self.store.workflow(id).await;
        let read = read.map_err(|error| Error::from_store(format!("reading workflow {id}"), error))?;
        read.ok_or_else(|| Error::NotFound {
            what: format!("workflow {id}"),
            hint: "; `list-workflows` (GET /api/v1/workflows) names those that are kept".to_owned(),
        })
    }

    pub(super) async fn workflow(&self, _: &Caller, id: &WorkflowId) -> Result<WorkflowView, Error> {
        Ok(views::workflow(&self.record(id).await?, self.settings.is_simulated))
    }

    pub(super) async fn workflows(&self, _: &Caller, query: WorkflowQuery) -> Result<WorkflowList, Error> {
        let limit = query.limit.unwrap_or(50);
        if !(1..=500).contains(&limit) {
            return Err(Error::invalid("limit", format!("{limit} is not between 1 and 500")));
        }
        let filter = WorkflowFilter {
            namespace: query.namespace.filter(|namespace| !namespace.is_empty()),
            phase: phases(query.status.as_deref())?,
            incident: query.incident.as_deref().map(IncidentId::parse).transpose()?,
            limit,
            offset: query.offset.unwrap_or_default(),
        };
        let rows = self.store.workflows(&filter).await;
        let rows = rows.map_err(|error| Error::from_store("listing workflows", error))?;
        let simulated = self.settings.is_simulated;
        let workflows = rows.rows.iter().map(|workflow| views::summary(workflow, simulated)).collect();
        Ok(WorkflowList { workflows, total: rows.total })
    }

    pub(super) async fn decide(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        decision: Decision,
    ) -> Result<WorkflowView, Error> {
        let verb = if decision.approve { "approving" } else { "denying" };
        let what = format!("{verb} workflow {id}");
        let reason = said(decision.reason.as_deref());
        self.change(id, &what, |record, now| {
            let workflow = &record.workflow;
            let Some(open) = record.approvals.iter().find(|a| a.state == ApprovalState::Requested) else {
                let last = record.approvals.last().map(|approval| approval.state.as_str());
                let why = match last {
                    Some(state) => {
                        format!("its plan was answered already ({state}); it is {}", workflow.phase)
                    }
                    None => format!("it is {} and waits for no approval", workflow.phase),
                };
                return Err(conflict(&what, why, id));
            };
            guard::may_decide(&self.settings, caller, workflow, open, &decision, now)
                .map_err(|verdict| Error::refused(&what, verdict.rule, verdict.why))?;
            let (by, reason) = (caller.clone(), reason.clone());
            Ok(Some(Event::Decided { approves: decision.approve, by, reason }))
        })
        .await
    }

    pub(super) async fn cancel(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        reason: Option<String>,
    ) -> Result<WorkflowView, Error> {
        let what = format!("cancelling workflow {id}");
        let why = said(reason.as_deref());
        self.change(id, &what, |record, _| {
            let workflow = &record.workflow;
            let is_own = caller.name == workflow.requested_by.name;
            if !is_own && !guard::is_entitled(&self.settings, caller) {
                let why = format!(
                    "{} did not ask for it, and else only who is entitled may: {}",
                    caller.name,
                    guard::not_entitled(&self.settings, caller)
                );
                return Err(Error::refused(&what, guard::names::GRANTED_TO, why));
            }
            let (by, why) = (caller.clone(), why.clone());
            match workflow.phase {
                Phase::Planning | Phase::AwaitingApproval | Phase::Queued => {
                    Ok(Some(Event::Cancelled { by, why }))
                }
                Phase::Running | Phase::Verifying if workflow.cancel_requested => Ok(None),
                Phase::Running | Phase::Verifying => Ok(Some(Event::CancelAsked { by, why })),
                Phase::Cancelled => Ok(None),
                Phase::RollingBack => Err(conflict(&what, "it is being undone already".to_owned(), id)),
                Phase::NeedsOperator => {
                    let why = format!(
                        "it is parked: look at it and resolve it as completed, rolled_back or failed (`aiops workflow \
                         resolve {id}`)"
                    );
                    Err(conflict(&what, why, id))
                }
                Phase::Completed
                | Phase::Failed
                | Phase::RolledBack
                | Phase::Refused
                | Phase::Rejected
                | Phase::Expired => Err(conflict(&what, format!("it is over: {}", workflow.phase), id)),
            }
        })
        .await
    }

    pub(super) async fn resolve(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        how: Resolution,
    ) -> Result<WorkflowView, Error> {
        let what = format!("resolving workflow {id}");
        let ending = match how.outcome.as_str() {
            "completed" => Phase::Completed,
            "rolled_back" => Phase::RolledBack,
            "failed" => Phase::Failed,
            other => {
                let shown: String = other.chars().take(80).collect();
                return Err(Error::invalid(
                    "outcome",
                    format!("{shown:?} is none of completed, rolled_back, failed"),
                ));
            }
        };
        if !guard::is_entitled(&self.settings, caller) {
            let why = guard::not_entitled(&self.settings, caller);
            return Err(Error::refused(what, guard::names::GRANTED_TO, why));
        }
        let Some(note) = said(Some(&how.note)) else {
            return Err(Error::invalid("note", "must say what was found and done"));
        };
        self.change(id, &what, |record, _| match record.workflow.phase {
            Phase::NeedsOperator => {
                Ok(Some(Event::Resolved { ending, by: caller.clone(), note: note.clone() }))
            }
            phase => {
                let why = format!("it is {phase}; only a parked one (needs_operator) is resolved");
                Err(conflict(&what, why, id))
            }
        })
        .await
    }

    /// Commits what somebody decided about a workflow as it is; again when an executor was faster. Times are the store's.
    async fn change(
        &self,
        id: &WorkflowId,
        what: &str,
        decide: impl Fn(&Record, Millis) -> Result<Option<Event>, Error>,
    ) -> Result<WorkflowView, Error> {
        let failed = |error| Error::from_store(what, error);
        let mut tries = 0;
        loop {
            let mut record = self.record(id).await?;
            let at = self.store.time().await.map_err(failed)?;
            let Some(event) = decide(&record, at)? else {
                return Ok(views::workflow(&record, self.settings.is_simulated));
            };
            let workflow = &record.workflow;
            let incident = self.store.incident(&workflow.incident).await.map_err(failed)?;
            let print = crate::fingerprint::fingerprint(
                &workflow.cluster,
                &workflow.problem.target,
                &workflow.problem.issue,
            );
            let context = Context {
                at,
                settings: &self.settings,
                epoch: None,
                cooldown: self.store.cooldown(&print).await.map_err(failed)?,
                incident_is_left: incident.is_none_or(|incident| incident.is_left_by(&workflow.id)),
            };
            let writes = record::commit(&record, event, &context)
                .map_err(|illegal| conflict(what, illegal.to_string(), id))?;
            match self.store.commit(id, None, &writes).await {
                Ok(()) => {
                    self.touch();
                    record::apply(&mut record, &writes);
                    return Ok(views::workflow(&record, self.settings.is_simulated));
                }
                Err(StoreError::Changed(_)) if tries < TRIES => tries += 1,
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

fn conflict(what: &str, why: String, id: &WorkflowId) -> Error {
    Error::Conflict { what: what.to_owned(), why, workflow: Some(id.to_string()) }
}

/// What somebody said, cut and cleaned; `None` when they said nothing.
fn said(reason: Option<&str>) -> Option<String> {
    let shown = text::show(&crate::redact::Redactor, reason?.trim(), LONGEST_REASON).text;
    (!shown.is_empty()).then_some(shown)
}

/// The phases that a status word of any door means.
fn phases(word: Option<&str>) -> Result<Vec<Phase>, Error> {
    let Some(word) = word.map(str::trim).filter(|word| !word.is_empty() && *word != "all") else {
        return Ok(Vec::new());
    };
    let of = |matches: &dyn Fn(Phase) -> bool| -> Vec<Phase> {
        Phase::ALL.into_iter().filter(|phase| matches(*phase)).collect()
    };
    let exact = Phase::parse(word).filter(|phase| !matches!(phase, Phase::Completed | Phase::Failed));
    if let Some(phase) = exact {
        return Ok(vec![phase]);
    }
    let found = match word {
        "active" => of(&|phase| !phase.is_terminal()),
        "executing" => of(&|phase| phase.coordination() == "executing"),
        "running" => of(&|phase| phase.old_mcp() == "running"),
        word => of(&|phase| phase.contract() == word),
    };
    if found.is_empty() {
        let shown: String = word.chars().take(80).collect();
        let why = format!(
            "{shown:?} is no status; say all, active, pending, in_progress, completed, failed, or a phase such as \
             awaiting_approval"
        );
        return Err(Error::invalid("status", why));
    }
    Ok(found)
}
