//! Asks the person at the client about the plan that waits, where the policy lets such an answer count.
//!
//! A client of the stateless era is answered with the question and asks again with the answer; one of a session is asked
//! while its call runs. What comes back may be a model's word, and is handed on as that. No other tool asks anybody
//! anything, and no answer at all leaves the workflow waiting.

use std::{sync::Arc, time::Duration};

use aiops_engine::{
    Error,
    coordination::{Coordination, Decision, WorkflowView},
    model::{caller::Caller, ids::WorkflowId},
};
use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult, ProtocolVersion},
    service::RequestContext,
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Handler,
    calling::success,
    question::{Asking, QUESTION, Subject},
};
use crate::mcp::{
    calls,
    catalogue::Offer,
    error,
    remediation::{
        ordering::Ordered,
        waiting::{self, Until},
    },
    request::RequestId as Id,
    tool::{Answer, CallContext},
};

/// What stands before the name of a rule of the policy.
const POLICY: &str = "policy/";

/// What the person said.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) approve: bool,
    pub(super) reason: Option<String>,
}

/// How long the call asks to wait.
pub(super) fn wait(request: &CallToolRequestParams) -> Duration {
    request.arguments.as_ref().map(calls::wait).unwrap_or_default()
}

impl Handler {
    /// The answer of a tool; where it says that a plan waits and the person may be asked, what became of that.
    pub(super) async fn or_asked(
        &self,
        offer: &Offer,
        answered: CallToolResult,
        wait: Duration,
        context: &RequestContext<RoleServer>,
    ) -> CallToolResponse {
        let Some(asking) = self.asking(offer, &answered, context).await else { return answered.into() };
        let is_stateless =
            context.protocol_version().is_some_and(|spoken| spoken >= ProtocolVersion::V_2026_07_28);
        if is_stateless {
            return match asking.as_answer() {
                Some(question) => question.into(),
                None => answered.into(),
            };
        }
        let Some(params) = asking.as_request() else { return answered.into() };
        let patience = self.patience(context.meta.get_progress_token().is_some());
        let asked = context.peer.create_elicitation_with_timeout(params, Some(patience)).await;
        // Whoever does not answer, or turns away, has decided nothing.
        let said =
            asked.ok().and_then(|answer| serde_json::to_value(answer).ok()).and_then(|answer| said(&answer));
        match said {
            Some(said) => self.decided(offer, &asking.subject, Some(said), wait, context).await.into(),
            None => answered.into(),
        }
    }

    /// The second half of a call whose first half ended with the question. A tool that never asks has none: where those that
    /// do are not offered, nobody may decide by naming another.
    pub(super) async fn resumed(
        &self,
        offer: &Offer,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if !offer.begins_workflow() {
            let why = format!("requestState: {} asks nothing; call it without", offer.wire.name);
            return Err(ErrorData::invalid_params(why, None));
        }
        let state = request.request_state.as_deref().unwrap_or_default();
        let Ok(subject) = serde_json::from_str::<Subject>(state) else {
            let wrong = Error::invalid("requestState", "is none that this server gave out; call without it");
            return Ok(error::failed(&wrong, Id::of(context)).into());
        };
        let answer = request.input_responses.as_ref().and_then(|answers| answers.get(QUESTION));
        Ok(self.decided(offer, &subject, answer.and_then(said), wait(request), context).await.into())
    }

    /// What there is to ask; `None` where nothing waits, the client cannot be asked, or its answer would not count.
    async fn asking(
        &self,
        offer: &Offer,
        answered: &CallToolResult,
        context: &RequestContext<RoleServer>,
    ) -> Option<Asking> {
        if !offer.begins_workflow() {
            return None;
        }
        let ordered = answered.structured_content.as_ref()?;
        ordered.get("awaiting")?;
        let id = WorkflowId::parse(ordered.get("workflow_id")?.as_str()?).ok()?;
        // The answer is shortened; who is asked has to be shown more of the plan.
        let coordination = self.core().desk.coordination.as_ref()?;
        let workflow = coordination.workflow(&self.caller(context), &id).await.ok()?;
        self.question(&workflow, context).await
    }

    /// The question about the plan that waits, where the client can be asked and the policy lets its answer count.
    pub(super) async fn question(
        &self,
        workflow: &WorkflowView,
        context: &RequestContext<RoleServer>,
    ) -> Option<Asking> {
        let awaiting = workflow.awaiting.as_ref()?;
        context.client_capabilities()?.elicitation?;
        let caller = self.caller(context);
        // Who is nobody in particular may not decide in any case, nor anybody where nothing may be done; asking them would be
        // a promise.
        if !caller.is_identified || self.may_steer("the question", &caller).is_err() {
            return None;
        }
        let policy = self.core().desk.coordination.as_ref()?.policy(&caller).await.ok()?;
        // A plan names the rule with where it stands; other guards than the policy take no such answer.
        let named = awaiting.rule.strip_prefix(POLICY)?;
        let counts = policy.rules.iter().any(|rule| rule.elicitation && rule.name == named);
        counts.then(|| Asking::of(workflow, awaiting))
    }

    /// Hands the decision on, waits as the call asked to, and answers as the tool would have.
    async fn decided(
        &self,
        offer: &Offer,
        subject: &Subject,
        said: Option<Said>,
        wait: Duration,
        context: &RequestContext<RoleServer>,
    ) -> CallToolResult {
        let name = offer.tool.meta().name;
        let caller = self.caller(context);
        let cancelled = context.ct.child_token();
        let quiet = CallContext {
            cancelled: cancelled.clone(),
            progress: None,
            caller: caller.clone(),
            patience: self.patience(false),
        };
        let wait = wait.min(quiet.patience);
        let work = async {
            self.may_act(name, &caller)?;
            let coordination = self.core().desk.coordination(name)?;
            decide(coordination, &caller, subject, said, wait, &quiet).await
        };
        let done = self.core().calls.guard_waiting(name, &cancelled, wait, work).await;
        match done.and_then(|ordered| Answer::of(name, &ordered)) {
            Ok(answer) => success(&answer),
            Err(failure) => {
                let id = Id::of(context);
                error::log(name, &failure, id);
                error::failed(&failure, id)
            }
        }
    }
}

async fn decide(
    coordination: &Arc<dyn Coordination>,
    caller: &Caller,
    subject: &Subject,
    said: Option<Said>,
    wait: Duration,
    context: &CallContext,
) -> Result<Ordered, Error> {
    let id = WorkflowId::parse(&subject.workflow)?;
    let mut note = None;
    let has_decided = said.is_some();
    if let Some(Said { approve, reason }) = said {
        let decision = Decision { digest: subject.digest.clone(), approve, reason, by_elicitation: true };
        if let Err(refused) = coordination.decide(caller, &id, decision).await {
            note = Some(format!("The answer does not count: {refused}"));
        }
    }
    let seconds = u32::try_from(wait.as_secs()).ok().filter(|_| has_decided && note.is_none());
    let workflow = waiting::wait(coordination, context, &id, seconds, Until::Rest).await?;
    Ok(Ordered::of(&workflow, note))
}

/// The person's decision in an answer that was given. A form that was turned away or left is none.
pub(super) fn said(answer: &Value) -> Option<Said> {
    (answer.get("action")?.as_str()? == "accept")
        .then(|| serde_json::from_value(answer.get("content")?.clone()).ok())
        .flatten()
}
