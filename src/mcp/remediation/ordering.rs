//! From the arguments of a tool to a trigger, and from what became of it to an answer with the predecessor's members.
//!
//! Whether it is allowed, and what is to be done, the coordination decides.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::{Coordination, Trigger, WorkflowView, completed},
    issue::Severity,
    model::{ids::WorkflowId, phase::Phase},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Course, Planned, is_false, next, object,
    waiting::{self, Until},
};
use crate::mcp::tool::CallContext;

/// What a plan or a trigger is about, as callers name it.
#[derive(Debug, Default)]
pub(in crate::mcp) struct Trouble {
    pub(in crate::mcp) incident_id: Option<String>,
    pub(in crate::mcp) namespace: Option<String>,
    pub(in crate::mcp) resource_kind: Option<String>,
    pub(in crate::mcp) resource_name: Option<String>,
    pub(in crate::mcp) issue_type: Option<String>,
    pub(in crate::mcp) severity: Option<Severity>,
    pub(in crate::mcp) description: Option<String>,
}

impl Trouble {
    /// The trigger. What is not named is taken from the incident.
    ///
    /// # Errors
    /// Neither an incident that is about an object is named, nor an object and an issue.
    pub(in crate::mcp) async fn trigger(
        self,
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
    ) -> Result<Trigger, Error> {
        let text =
            |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let trigger = Trigger {
            incident: text(self.incident_id),
            namespace: text(self.namespace).unwrap_or_default(),
            kind: text(self.resource_kind).unwrap_or_default(),
            name: text(self.resource_name).unwrap_or_default(),
            issue: text(self.issue_type).unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            severity: self.severity,
            ..Trigger::default()
        };
        let trigger = completed(&**coordination, &context.caller, trigger).await?;
        let named = [
            ("resource_kind", &trigger.kind),
            ("resource_name", &trigger.name),
            ("issue_type", &trigger.issue),
        ];
        let missing = named.into_iter().find(|(_, value)| value.is_empty()).map(|(name, _)| name);
        match missing {
            None => Ok(trigger),
            Some(missing) => Err(Error::invalid(
                format!("argument {missing:?}"),
                "is needed: name an incident that is about an object, or resource_kind, resource_name, namespace and issue_type",
            )),
        }
    }
}

/// What became of a trigger.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(in crate::mcp) struct Ordered {
    /// pending, in_progress, completed or failed.
    status: String,
    /// Exactly where it is.
    phase: Phase,
    /// The workflow; absent for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<String>,
    /// Its incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident_id: Option<String>,
    /// argocd, helm, operator, manual or unknown.
    deployment_method: String,
    /// How long it is expected to take.
    estimated_duration: String,
    /// What comes next.
    message: String,
    /// It was a dry run.
    #[serde(skip_serializing_if = "is_false")]
    dry_run: bool,
    /// A workflow for the same was there already: nothing new was begun.
    #[serde(skip_serializing_if = "is_false")]
    deduplicated: bool,
    /// The plan of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Planned>,
    /// How it went, when it was waited for.
    #[serde(flatten)]
    course: Course,
}

impl Ordered {
    /// The answer about a workflow that was triggered before; `note` says what else there is to say.
    pub(in crate::mcp) fn of(workflow: &WorkflowView, note: Option<String>) -> Self {
        Self {
            status: workflow.status.clone(),
            phase: workflow.phase,
            workflow_id: Some(workflow.id.clone()),
            incident_id: Some(workflow.incident_id.clone()),
            deployment_method: workflow.deployment_method.clone(),
            estimated_duration: workflow.estimated_duration.clone(),
            message: note.unwrap_or_else(|| next(workflow)),
            dry_run: false,
            deduplicated: false,
            plan: None,
            course: Course::of(workflow),
        }
    }
}

/// Triggers, and waits.
///
/// # Errors
/// It was not accepted. When it was and cannot be watched, that is no error: the answer says so.
pub(in crate::mcp) async fn order(
    coordination: &Arc<dyn Coordination>,
    context: &CallContext,
    trigger: Trigger,
    wait: Option<u32>,
) -> Result<Ordered, Error> {
    let named = trigger.incident.clone();
    let what = object(&trigger.kind, &trigger.namespace, &trigger.name);
    let accepted = coordination.trigger(&context.caller, trigger).await?;
    let mut ordered = Ordered {
        status: accepted.status,
        phase: accepted.phase,
        message: match &accepted.workflow_id {
            _ if accepted.dry_run => format!("DRY RUN: {what}: {}", accepted.message),
            Some(id) if !accepted.message.contains(id.as_str()) => format!("{id}: {}", accepted.message),
            _ => accepted.message,
        },
        incident_id: accepted.incident_id.or(named),
        deployment_method: accepted.deployment_method,
        estimated_duration: accepted.estimated_duration,
        dry_run: accepted.dry_run,
        deduplicated: accepted.deduplicated,
        plan: accepted.plan.map(Planned::of),
        course: Course { simulated: accepted.simulated, ..Course::default() },
        workflow_id: accepted.workflow_id,
    };
    let Some(id) = ordered.workflow_id.as_deref().filter(|_| wait.is_some_and(|wait| wait > 0)) else {
        return Ok(ordered);
    };
    let id = WorkflowId::parse(id)?;
    match waiting::wait(coordination, context, &id, wait, Until::Rest).await {
        Ok(workflow) => {
            ordered.message = next(&workflow);
            ordered.status.clone_from(&workflow.status);
            ordered.phase = workflow.phase;
            ordered.deployment_method.clone_from(&workflow.deployment_method);
            ordered.estimated_duration.clone_from(&workflow.estimated_duration);
            ordered.course = Course::of(&workflow);
        }
        Err(error) => {
            ordered.message = format!("{id} was accepted and goes on, but cannot be watched: {error}")
        }
    }
    Ok(ordered)
}
