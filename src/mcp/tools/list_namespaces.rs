//! `list-namespaces`: namespaces with their pods, workloads and troubles, worst first.

use aiops_engine::{
    Engine, Error,
    requests::namespaces::{ListNamespaces as Request, NamespaceList},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct ListNamespaces;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Rows at most; without it as many as fit a short answer.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// next_cursor of the call before.
    cursor: Option<String>,
}

impl Tool for ListNamespaces {
    const META: Meta = Meta {
        name: "list-namespaces",
        title: "List namespaces",
        description: "List namespaces with pod counts, workloads, requested resources and troubled pods, worst first.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = NamespaceList;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<NamespaceList, Error> {
        engine.list_namespaces(Request { limit: input.limit, cursor: input.cursor })
    }
}
