//! `plan-remediation`: what would be done about a trouble, proven by the API server; nothing changes.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::{Coordination, PlanRequest, Trigger},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::{
    remediation::{Planned, ordering::Trouble},
    tool::{CallContext, CoordinatedTool, Hints, Meta, Toolset},
};

/// The tool.
#[derive(Debug)]
pub(super) struct PlanRemediation;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Incident; what is not named below is taken from it.
    #[schemars(length(max = 64))]
    incident_id: Option<String>,
    /// Namespace; none for a Node.
    #[schemars(length(max = 253))]
    namespace: Option<String>,
    /// Object.
    #[schemars(length(max = 253))]
    resource_name: Option<String>,
    /// Deployment, StatefulSet, DaemonSet, Pod, Node, …
    #[schemars(length(max = 63))]
    resource_kind: Option<String>,
    /// pod_crash, oom_kill, image_pull, high_cpu, or an issue of any answer.
    #[schemars(length(max = 100))]
    issue_type: Option<String>,
}

impl CoordinatedTool for PlanRemediation {
    const META: Meta = Meta {
        name: "plan-remediation",
        title: "Plan a remediation",
        description: "What would repair this, changing nothing: steps with diff, dry run and undo, risk, who must approve, and the digest to trigger exactly this plan.",
        toolset: Toolset::Remediation,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = Planned;

    async fn call(
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
        input: Input,
    ) -> Result<Planned, Error> {
        let trouble = Trouble {
            incident_id: input.incident_id,
            namespace: input.namespace,
            resource_kind: input.resource_kind,
            resource_name: input.resource_name,
            issue_type: input.issue_type,
            ..Trouble::default()
        };
        let trigger = Trigger { dry_run: true, ..trouble.trigger(coordination, context).await? };
        coordination.plan(&context.caller, PlanRequest { trigger }).await.map(Planned::of)
    }
}
