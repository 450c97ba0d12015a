//! `approve-workflow`: approves or denies the plan that waits.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::{Coordination, Decision},
    model::ids::WorkflowId,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::{
    remediation::{
        Run,
        waiting::{self, Until},
    },
    tool::{CallContext, CoordinatedTool, Hints, Meta, Toolset},
};

/// The tool.
#[derive(Debug)]
pub(super) struct ApproveWorkflow;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Its id.
    #[schemars(length(max = 64))]
    workflow_id: String,
    /// Digest of the plan that was seen.
    #[schemars(length(max = 128))]
    digest: String,
    /// false denies it.
    approve: Option<bool>,
    /// Why.
    #[schemars(length(max = 1000))]
    reason: Option<String>,
    /// Seconds to wait for its end, at most 300; over HTTP without progress at most 25.
    #[schemars(range(min = 0, max = 300))]
    wait: Option<u32>,
}

impl CoordinatedTool for ApproveWorkflow {
    const META: Meta = Meta {
        name: "approve-workflow",
        title: "Approve a workflow",
        description: "Approve (or deny) the plan that waits, by its digest, for the person on whose behalf you ask. Show them the plan first.",
        toolset: Toolset::Remediation,
        hints: Hints::SET,
        needs_live: false,
    };
    type Input = Input;
    type Output = Run;

    async fn call(
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
        input: Input,
    ) -> Result<Run, Error> {
        let id = WorkflowId::parse(&input.workflow_id)?;
        let decision = Decision {
            digest: input.digest,
            approve: input.approve.unwrap_or(true),
            reason: input.reason,
            by_elicitation: false,
        };
        let decided = coordination.decide(&context.caller, &id, decision).await?;
        if input.wait.is_none_or(|wait| wait == 0) {
            return Ok(Run::of(&decided));
        }
        // What was decided is kept, whether it can be watched or not.
        let seen = waiting::wait(coordination, context, &id, input.wait, Until::Rest).await;
        Ok(Run::of(&seen.unwrap_or(decided)))
    }
}
