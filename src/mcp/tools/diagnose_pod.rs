//! `diagnose-pod`: why a pod does not run or is not ready, with evidence.

use aiops_engine::{
    Engine, Error,
    requests::diagnosis::{DiagnosePod as Request, Diagnosis},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct DiagnosePod;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Namespace.
    #[schemars(length(max = 253))]
    namespace: String,
    /// Pod name, or kind/name of a workload such as deployment/checkout (its worst pod, or why it has none).
    #[schemars(length(max = 300))]
    pod: String,
}

impl Tool for DiagnosePod {
    const META: Meta = Meta {
        name: "diagnose-pod",
        title: "Diagnose a pod",
        description: "Why is this pod not running or not ready: causes, the most likely first, each with evidence and the next step.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = Diagnosis;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<Diagnosis, Error> {
        engine.diagnose_pod(&Request { namespace: input.namespace, pod: input.pod }).await
    }
}
