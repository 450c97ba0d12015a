//! `cancel-workflow`: asks a workflow to stop.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::Coordination,
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
pub(super) struct CancelWorkflow;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Its id.
    #[schemars(length(max = 64))]
    workflow_id: String,
    /// Why.
    #[schemars(length(max = 1000))]
    reason: Option<String>,
    /// Seconds to wait until it stopped, as in trigger-remediation.
    #[schemars(range(min = 0, max = 300))]
    wait: Option<u32>,
}

impl CoordinatedTool for CancelWorkflow {
    const META: Meta = Meta {
        name: "cancel-workflow",
        title: "Cancel a workflow",
        description: "Stop a workflow: at once when nothing was done yet, else after the running step, undoing what was done.",
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
        let asked = coordination.cancel(&context.caller, &id, input.reason).await?;
        if input.wait.is_none_or(|wait| wait == 0) {
            return Ok(Run::of(&asked));
        }
        // That it is to stop is kept, whether it can be watched or not.
        let seen = waiting::wait(coordination, context, &id, input.wait, Until::Rest).await;
        Ok(Run::of(&seen.unwrap_or(asked)))
    }
}
