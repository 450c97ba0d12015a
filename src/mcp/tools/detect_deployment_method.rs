//! `detect-deployment-method`: who deployed a workload, and so owns it.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::{Coordination, MethodView, WorkloadName},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::{
    tool::{CallContext, CoordinatedTool, Hints, Meta, Toolset},
};

/// The tool.
#[derive(Debug)]
pub(super) struct DetectDeploymentMethod;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Namespace.
    #[schemars(length(max = 253))]
    namespace: String,
    /// Deployment, StatefulSet, DaemonSet or another workload.
    #[schemars(length(max = 63))]
    kind: String,
    /// Name.
    #[schemars(length(max = 253))]
    name: String,
}

impl CoordinatedTool for DetectDeploymentMethod {
    const META: Meta = Meta {
        name: "detect-deployment-method",
        title: "Detect the deployment method",
        description: "How a workload is deployed (argocd, helm, operator, manual), how sure that is, by what it was seen, and who else owns fields of it.",
        toolset: Toolset::Remediation,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = MethodView;

    async fn call(
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
        input: Input,
    ) -> Result<MethodView, Error> {
        let Input { namespace, kind, name } = input;
        coordination.deployment_method(&context.caller, WorkloadName { kind, namespace, name }).await
    }
}
