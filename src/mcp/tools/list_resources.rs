//! `list-resources`: objects of any kind, with their state or chosen fields.

use aiops_engine::{
    Engine, Error,
    requests::resources::{ListResources as Request, ResourceList},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct ListResources;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// As in get-resource.
    #[schemars(length(max = 253))]
    kind: String,
    /// Namespace; all when absent.
    #[schemars(length(max = 253))]
    namespace: Option<String>,
    /// As kubectl -l.
    label_selector: Option<String>,
    /// As kubectl --field-selector.
    field_selector: Option<String>,
    /// Paths to show of each.
    #[schemars(length(max = 20))]
    fields: Option<Vec<String>>,
    /// Rows at most.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// next_cursor of the call before.
    cursor: Option<String>,
}

impl Tool for ListResources {
    const META: Meta = Meta {
        name: "list-resources",
        title: "List objects of any kind",
        description: "List objects of any kind, read live: name, age, status, or chosen fields.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: true,
    };
    type Input = Input;
    type Output = ResourceList;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<ResourceList, Error> {
        engine
            .list_resources(&Request {
                kind: input.kind,
                namespace: input.namespace,
                label_selector: input.label_selector,
                field_selector: input.field_selector,
                fields: input.fields.unwrap_or_default(),
                limit: input.limit,
                cursor: input.cursor,
            })
            .await
    }
}
