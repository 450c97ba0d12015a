//! `get-cluster-health`: the state of the cluster and what is wrong with it, worst first.

use aiops_engine::{
    Engine, Error,
    requests::health::{ClusterHealth, HealthAnswer},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct GetClusterHealth;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Counts beside the verdict (default true).
    include_details: Option<bool>,
    /// Namespace; all when absent.
    #[schemars(length(max = 253))]
    namespace: Option<String>,
    /// Issues at most; without it as many as fit a short answer.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
}

impl Tool for GetClusterHealth {
    const META: Meta = Meta {
        name: "get-cluster-health",
        title: "Cluster health",
        description: "Is the cluster healthy, and what is wrong, worst first: nodes, pods by phase, issues with cause words. Start here.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = HealthAnswer;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<HealthAnswer, Error> {
        engine.cluster_health(&ClusterHealth {
            details: input.include_details.unwrap_or(true),
            namespace: input.namespace,
            limit: input.limit,
        })
    }
}
