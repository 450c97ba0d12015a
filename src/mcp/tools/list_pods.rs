//! `list-pods`: pods, the unwell first.

use aiops_engine::{
    Engine, Error,
    requests::pods::{ListPods as Request, PodList},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct ListPods;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Namespace; all when absent.
    #[schemars(length(max = 253))]
    namespace: Option<String>,
    /// Label selector as in kubectl -l.
    label_selector: Option<String>,
    /// Field selector, such as status.phase=Pending or spec.nodeName=node-1.
    field_selector: Option<String>,
    /// Only pods that are not plainly well.
    troubled_only: Option<bool>,
    /// Rows at most; 0 or absent: as many as fit a short answer.
    #[schemars(range(min = 0, max = 5000))]
    limit: Option<u32>,
    /// next_cursor of the call before.
    cursor: Option<String>,
}

impl Tool for ListPods {
    const META: Meta = Meta {
        name: "list-pods",
        title: "List pods",
        description: "List pods, unwell ones first, with status, restarts, node and what is wrong. For the cause of one use diagnose-pod.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = PodList;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<PodList, Error> {
        engine.list_pods(&Request {
            namespace: input.namespace,
            label_selector: input.label_selector,
            field_selector: input.field_selector,
            troubled_only: input.troubled_only.unwrap_or(false),
            // The predecessor's 0 meant "no limit"; what fits a short answer is what its callers can use.
            limit: input.limit.filter(|limit| *limit > 0),
            cursor: input.cursor,
        })
    }
}
