//! Says on the target, as Kubernetes Events, what happened to it.
//!
//! It is for people who look at the object; nothing is decided by it, and a failure is only logged by the adapter.

use super::runner::Executor;
use crate::{
    model::{phase::Phase, workflow::Workflow},
    ports::acting::Announcement,
};

impl Executor {
    /// Says on the target what happened to it; best effort, at least once.
    pub(super) async fn announce(&self, workflow: &Workflow) {
        let Some(acting) = &self.inner.acting else { return };
        let (reason, is_warning) = match workflow.phase {
            Phase::Running => ("RemediationStarted", false),
            Phase::Completed => ("RemediationCompleted", false),
            Phase::RollingBack => ("RemediationRollingBack", true),
            Phase::RolledBack => ("RemediationRolledBack", true),
            Phase::Failed if workflow.started_at.is_some() => ("RemediationFailed", true),
            Phase::NeedsOperator => ("RemediationNeedsOperator", true),
            Phase::Planning
            | Phase::Queued
            | Phase::AwaitingApproval
            | Phase::Verifying
            | Phase::Failed
            | Phase::Cancelled
            | Phase::Refused
            | Phase::Rejected
            | Phase::Expired => return,
        };
        let why = workflow.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        let remedy = workflow.plan.as_ref().map_or("a remedy", |plan| plan.remedy.as_str());
        let note = Announcement {
            about: workflow.problem.target.clone(),
            reason,
            message: format!("workflow {} ({remedy} for {}){why}", workflow.id, workflow.problem.issue),
            is_warning,
            action: remedy.to_owned(),
        };
        acting.announce(&note).await;
    }
}
