//! `calculate-pod-capacity`: how many more pods of a size fit.

use aiops_engine::{
    Engine, Error,
    requests::capacity::{CapacityAnswer, PodCapacity as Request, Profile},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::tool::{CallContext, Hints, Meta, Tool, Toolset};

/// The tool.
#[derive(Debug)]
pub(super) struct CalculatePodCapacity;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Namespace; cluster (default) for all.
    #[schemars(length(max = 63))]
    namespace: Option<String>,
    /// Default medium.
    pod_profile: Option<Profile>,
    /// Size of custom.
    custom_resources: Option<Custom>,
    /// Percent kept free, default 15.
    #[schemars(range(min = 0, max = 50))]
    safety_margin: Option<f64>,
    /// Growth is null without metrics.
    include_trending: Option<bool>,
}

/// CPU and memory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Custom {
    /// Such as 250m.
    #[schemars(length(max = 40))]
    cpu: String,
    /// Such as 512Mi.
    #[schemars(length(max = 40))]
    memory: String,
}

impl Tool for CalculatePodCapacity {
    const META: Meta = Meta {
        name: "calculate-pod-capacity",
        title: "Calculate pod capacity",
        description: "How many more pods of a size fit a namespace or the cluster: per-node room, quotas, LimitRanges.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = CapacityAnswer;

    async fn call(engine: &Engine, _context: &CallContext, input: Input) -> Result<CapacityAnswer, Error> {
        engine.pod_capacity(&Request {
            namespace: input.namespace.unwrap_or_else(|| "cluster".to_owned()),
            profile: input.pod_profile.unwrap_or(Profile::Medium),
            custom: input.custom_resources.map(|Custom { cpu, memory }| (cpu, memory)),
            safety_margin: input.safety_margin.unwrap_or(15.0),
            include_trending: input.include_trending.unwrap_or(true),
        })
    }
}
