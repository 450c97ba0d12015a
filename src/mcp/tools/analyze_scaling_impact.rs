//! `analyze-scaling-impact`: what happens when a Deployment is scaled.

use aiops_engine::{
    Engine, Error,
    requests::scaling::{ScalingAnswer, ScalingImpact as Request},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct AnalyzeScalingImpact;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Deployment.
    #[schemars(length(max = 253))]
    deployment: String,
    /// Namespace.
    #[schemars(length(max = 63))]
    namespace: String,
    /// Replicas to look at.
    #[schemars(range(min = 0, max = 100000))]
    target_replicas: i32,
    /// Start from so many instead of the present.
    #[schemars(range(min = 0, max = 100000))]
    current_replicas: Option<i32>,
    /// HH:MM; not predicted without metrics.
    #[schemars(length(max = 5))]
    predict_at: Option<String>,
    /// Control plane load: null without metrics.
    include_infrastructure: Option<bool>,
}

impl Tool for AnalyzeScalingImpact {
    const META: Meta = Meta {
        name: "analyze-scaling-impact",
        title: "Analyze the impact of scaling",
        description: "What scaling a Deployment means for quotas, nodes, HPA and PDB. Changes nothing.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = ScalingAnswer;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<ScalingAnswer, Error> {
        engine.scaling_impact(&Request {
            deployment: input.deployment,
            namespace: input.namespace,
            target: input.target_replicas,
            current: input.current_replicas,
            predict_at: input.predict_at,
            include_infrastructure: input.include_infrastructure.unwrap_or(true),
        })
    }
}
