//! `list-workloads`: Deployments, StatefulSets, DaemonSets, Jobs and CronJobs, those in trouble first.

use aiops_engine::{
    Engine, Error,
    requests::workloads::{ListWorkloads as Request, WorkloadKind, WorkloadList},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct ListWorkloads;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Namespace; all when absent.
    #[schemars(length(max = 253))]
    namespace: Option<String>,
    /// Only this kind.
    kind: Option<WorkloadKind>,
    /// Label selector as in kubectl -l.
    label_selector: Option<String>,
    /// Rows at most; without it as many as fit a short answer.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// next_cursor of the call before.
    cursor: Option<String>,
}

impl Tool for ListWorkloads {
    const META: Meta = Meta {
        name: "list-workloads",
        title: "List workloads",
        description: "List Deployments, StatefulSets, DaemonSets, Jobs, CronJobs with rollout state and issues, troubled first.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = WorkloadList;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<WorkloadList, Error> {
        engine.list_workloads(&Request {
            namespace: input.namespace,
            kind: input.kind,
            label_selector: input.label_selector,
            limit: input.limit,
            cursor: input.cursor,
        })
    }
}
