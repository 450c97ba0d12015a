//! `get-workload`: one workload with rollout, pods, events and its last change.

use aiops_engine::{
    Engine, Error,
    requests::{
        workload::{GetWorkload as Request, WorkloadAnswer},
        workloads::WorkloadKind,
    },
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct GetWorkload;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Kind.
    kind: WorkloadKind,
    /// Namespace.
    #[schemars(length(max = 253))]
    namespace: String,
    /// Name.
    #[schemars(length(max = 253))]
    name: String,
}

impl Tool for GetWorkload {
    const META: Meta = Meta {
        name: "get-workload",
        title: "Get a workload",
        description: "One workload in full: rollout, revisions, pods, HPA/PDB/Services, events of its tree, who changed it last and what.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = WorkloadAnswer;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<WorkloadAnswer, Error> {
        let Input { kind, namespace, name } = input;
        engine.get_workload(&Request { kind, namespace, name }).await
    }
}
