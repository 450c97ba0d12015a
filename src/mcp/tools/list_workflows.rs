//! `list-workflows`: workflows, the newest first.

use std::sync::Arc;

use aiops_engine::{
    Error, budget,
    coordination::{Coordination, WorkflowQuery},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mcp::{
    remediation::{RunLine, fitting},
    tool::{CallContext, CoordinatedTool, Hints, Meta, Toolset},
};

/// The tool.
#[derive(Debug)]
pub(super) struct ListWorkflows;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Namespace; all when absent.
    #[schemars(length(max = 253))]
    namespace: Option<String>,
    /// all, active, completed, failed or a phase such as awaiting_approval.
    #[schemars(length(max = 32))]
    status: Option<String>,
    /// Of this incident.
    #[schemars(length(max = 64))]
    incident_id: Option<String>,
    /// Rows at most; absent: as many as fit a short answer.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// Rows to skip.
    #[schemars(range(min = 0, max = 1_000_000))]
    offset: Option<u32>,
}

/// Its answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// Newest first.
    workflows: Vec<RunLine>,
    /// How many match.
    total: u64,
    /// Matching ones that this answer does not show: before offset, and after its rows.
    omitted: u64,
    /// The offset that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
}

impl CoordinatedTool for ListWorkflows {
    const META: Meta = Meta {
        name: "list-workflows",
        title: "List workflows",
        description: "List workflows, newest first: object, issue, remedy, phase and why they are there. For steps use get-workflow.",
        toolset: Toolset::Remediation,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = Output;

    async fn call(
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
        input: Input,
    ) -> Result<Output, Error> {
        let offset = input.offset.unwrap_or(0);
        let query = WorkflowQuery {
            namespace: input.namespace,
            status: input.status,
            incident: input.incident_id,
            limit: input.limit,
            offset: Some(offset),
        };
        let listed = coordination.workflows(&context.caller, query).await?;
        let rows = listed.workflows.into_iter().map(RunLine::of).collect();
        let (workflows, _) = fitting(rows, budget::of(input.limit));
        let shown = u64::try_from(workflows.len()).unwrap_or(u64::MAX);
        let reached = u64::from(offset).saturating_add(shown);
        Ok(Output {
            workflows,
            total: listed.total,
            omitted: listed.total.saturating_sub(shown),
            next_offset: (reached < listed.total && shown > 0).then_some(reached),
        })
    }
}
