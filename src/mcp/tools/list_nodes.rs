//! `list-nodes`: nodes with readiness, taints and what is requested of them.

use aiops_engine::{
    Engine, Error,
    requests::nodes::{ListNodes as Request, NodeList},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct ListNodes;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Label selector as in kubectl -l.
    label_selector: Option<String>,
    /// Rows at most; without it as many as fit a short answer.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// next_cursor of the call before.
    cursor: Option<String>,
}

impl Tool for ListNodes {
    const META: Meta = Meta {
        name: "list-nodes",
        title: "List nodes",
        description: "List nodes: readiness, pressure, cordon, taints, version, requested against allocatable. Troubled first.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = NodeList;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<NodeList, Error> {
        engine.list_nodes(&Request {
            label_selector: input.label_selector,
            limit: input.limit,
            cursor: input.cursor,
        })
    }
}
