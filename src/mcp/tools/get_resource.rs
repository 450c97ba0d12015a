//! `get-resource`: one object of any kind, in short or by field paths.

use aiops_engine::{
    Engine, Error,
    requests::resources::{GetResource as Request, ResourceAnswer},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct GetResource;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// As in kubectl: deploy, certificates.cert-manager.io, apps/v1/Deployment.
    #[schemars(length(max = 253))]
    kind: String,
    /// Name.
    #[schemars(length(max = 253))]
    name: String,
    /// Namespace.
    #[schemars(length(max = 253))]
    namespace: Option<String>,
    /// Paths to show in full: spec.replicas, `status.conditions[*].type`, data.KEY of a ConfigMap.
    #[schemars(length(max = 20))]
    fields: Option<Vec<String>>,
}

impl Tool for GetResource {
    const META: Meta = Meta {
        name: "get-resource",
        title: "Get any object",
        description: "One object of any kind, read live. Secret data never, ConfigMap values only by fields.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: true,
    };
    type Input = Input;
    type Output = ResourceAnswer;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<ResourceAnswer, Error> {
        let Input { kind, name, namespace, fields } = input;
        engine.get_resource(&Request { kind, name, namespace, fields: fields.unwrap_or_default() }).await
    }
}
