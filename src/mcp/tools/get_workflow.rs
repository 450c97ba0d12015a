//! `get-workflow`: one workflow, now or when it moved on.

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
pub(super) struct GetWorkflow;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Its id.
    #[schemars(length(max = 64))]
    workflow_id: String,
    /// Seconds to wait until it moves on or ends, as in trigger-remediation.
    #[schemars(range(min = 0, max = 300))]
    wait: Option<u32>,
}

impl CoordinatedTool for GetWorkflow {
    const META: Meta = Meta {
        name: "get-workflow",
        title: "Get a workflow",
        description: "One workflow: where it is and why, its steps with results, what was verified, and what it waits for.",
        toolset: Toolset::Remediation,
        hints: Hints::READ,
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
        let workflow = waiting::wait(coordination, context, &id, input.wait, Until::Move).await?;
        Ok(Run::of(&workflow))
    }
}
