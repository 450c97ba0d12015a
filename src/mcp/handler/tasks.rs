//! Workflows as tasks of the tasks extension (SEP-2663), for clients that declare it: a task is the workflow itself, under
//! its id, so that it is as durable, and nothing about it is kept here.
//!
//! What begins a workflow answers such a client at once. A plan that waits is a question where the client's answer
//! counts, and work in progress where somebody else has to answer.

use aiops_engine::{
    Error,
    coordination::{Coordination, Decision, WorkflowView},
    model::{
        caller::Caller,
        ids::WorkflowId,
        phase::{Direction, Phase},
    },
};
use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CreateTaskResult, DetailedTask, InputResponses, Task,
        TaskPayload, TaskStatus,
    },
    service::RequestContext,
};
use serde_json::Value;

use super::{
    Handler,
    approving::{Said, said},
    calling::success,
    question::QUESTION,
};
use crate::mcp::{
    catalogue::{ORDERS, Offer},
    error,
    remediation::{next, ordering::Ordered},
    request::RequestId as Id,
    tool::Answer,
};

/// How often a client should ask, in milliseconds.
const POLL_MS: u64 = 1_000;

/// The workflow that a task of this name is; `None` when it is no name of a workflow.
pub(super) fn workflow(task: &str) -> Option<WorkflowId> {
    WorkflowId::parse(task).ok()
}

impl Handler {
    /// Whether a call of this tool is answered with a task: it begins a workflow, and the client knows tasks.
    pub(super) fn is_task(&self, offer: &Offer, context: &RequestContext<RoleServer>) -> bool {
        offer.begins_workflow() && context.client_capabilities().is_some_and(|client| client.supports_tasks())
    }

    /// Begins a workflow and answers with its task; with the tool's own answer where none goes on.
    pub(super) async fn begun(
        &self,
        offer: &Offer,
        mut request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> CallToolResponse {
        // The client waits by asking for the task.
        if let Some(arguments) = &mut request.arguments {
            arguments.remove("wait");
        }
        let answered = self.answer(offer, request, context).await;
        let begun =
            answered.structured_content.as_ref().and_then(|answer| answer.get("workflow_id")?.as_str());
        let Some(id) = begun.and_then(workflow) else { return answered.into() };
        match self.seen(&id, context).await {
            Ok(task) => CreateTaskResult::new(task.task).into(),
            // It was begun, and its id stands in the answer.
            Err(_) => answered.into(),
        }
    }

    /// The task, as its workflow is now.
    pub(super) async fn task(
        &self,
        id: &WorkflowId,
        context: &RequestContext<RoleServer>,
    ) -> Result<DetailedTask, ErrorData> {
        self.seen(id, context).await.map_err(|failure| refused(&failure, context))
    }

    async fn seen(
        &self,
        id: &WorkflowId,
        context: &RequestContext<RoleServer>,
    ) -> Result<DetailedTask, Error> {
        let work = async {
            let workflow = self.coordination()?.workflow(&self.caller(context), id).await?;
            let answer = Answer::of(ORDERS, &Ordered::of(&workflow, None))?;
            let payload = match workflow.phase {
                Phase::Cancelled => TaskPayload::Cancelled,
                phase if phase.is_terminal() => {
                    let result = serde_json::to_value(success(&answer)).ok();
                    let result = result.and_then(|result| match result {
                        Value::Object(result) => Some(result),
                        _ => None,
                    });
                    TaskPayload::Completed { result: result.unwrap_or_default() }
                }
                Phase::AwaitingApproval => match self.question(&workflow, context).await {
                    Some(asking) => asking.as_input().map_or(TaskPayload::Working, |question| {
                        let input_requests = std::iter::once((QUESTION.to_owned(), question)).collect();
                        TaskPayload::InputRequired { input_requests }
                    }),
                    None => TaskPayload::Working,
                },
                _ => TaskPayload::Working,
            };
            Ok(DetailedTask::new(base(&workflow), payload))
        };
        self.guarded("tasks/get", context, work).await
    }

    /// Hands the answer to a question on.
    pub(super) async fn answered(
        &self,
        id: &WorkflowId,
        answers: &InputResponses,
        context: &RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let Some(Said { approve, reason }) = answers.get(QUESTION).and_then(said) else {
            // Who turned the question away has decided nothing.
            return Ok(());
        };
        let work = async {
            let caller = self.caller(context);
            self.may_steer("tasks/update", &caller)?;
            let coordination = self.coordination()?;
            let waits = coordination.workflow(&caller, id).await?.awaiting;
            let waits = waits.ok_or_else(|| Error::Conflict {
                what: format!("the answer about {id}"),
                why: "its plan waits for none any more".to_owned(),
                workflow: Some(id.to_string()),
            })?;
            let decision = Decision { digest: waits.digest, approve, reason, by_elicitation: true };
            coordination.decide(&caller, id, decision).await.map(drop)
        };
        self.guarded("tasks/update", context, work).await.map_err(|failure| refused(&failure, context))
    }

    /// Asks the workflow to stop.
    pub(super) async fn stopped(
        &self,
        id: &WorkflowId,
        context: &RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let work = async {
            let caller = self.caller(context);
            self.may_steer("tasks/cancel", &caller)?;
            let why = Some("its task was cancelled".to_owned());
            self.coordination()?.cancel(&caller, id, why).await.map(drop)
        };
        self.guarded("tasks/cancel", context, work).await.map_err(|failure| refused(&failure, context))
    }

    /// Refuses who may not act, and everybody where no tool that begins tasks is offered: what is left out as a tool is not
    /// reached as a task.
    pub(super) fn may_steer(&self, what: &str, caller: &Caller) -> Result<(), Error> {
        self.may_act(what, caller)?;
        if self.core().catalogue.begins_workflows() {
            return Ok(());
        }
        let why = "no tool that begins a workflow is offered here (mcp.toolsets)".to_owned();
        Err(Error::NotInThisMode { what: what.to_owned(), why })
    }

    fn coordination(&self) -> Result<&dyn Coordination, Error> {
        self.core().desk.coordination("a task").map(AsRef::as_ref)
    }
}

fn base(workflow: &WorkflowView) -> Task {
    // All are of one form, so that their order is the order of their texts.
    let steps = workflow.steps.iter().flat_map(|step| [&step.started_at, &step.completed_at]);
    let times = steps.chain([&workflow.started_at, &workflow.completed_at]).flatten();
    let updated = times.chain([&workflow.created_at]).max().cloned().unwrap_or_default();
    let forward = workflow.steps.iter().filter(|step| step.direction == Direction::Do).count();
    let message = match forward {
        0 => format!("{}. {}", workflow.phase, next(workflow)),
        steps => format!("{}, {steps} steps. {}", workflow.phase, next(workflow)),
    };
    Task::new(&workflow.id, TaskStatus::Working, &workflow.created_at, updated)
        .with_status_message(message)
        .with_poll_interval_ms(POLL_MS)
}

fn refused(failure: &Error, context: &RequestContext<RoleServer>) -> ErrorData {
    let id = Id::of(context);
    error::log("tasks", failure, id);
    let text = error::words(failure, id);
    match failure {
        Error::NotFound { .. } | Error::Invalid { .. } => ErrorData::invalid_params(text, None),
        Error::Internal { .. } => ErrorData::internal_error(text, None),
        _ => ErrorData::invalid_request(text, None),
    }
}
