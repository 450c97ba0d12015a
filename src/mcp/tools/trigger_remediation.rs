//! `trigger-remediation`: begins a repair, and can wait for its verified end.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::{Coordination, Trigger},
    issue::Severity,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::{
    remediation::ordering::{Ordered, Trouble, order},
    tool::{CallContext, CoordinatedTool, Hints, Meta, Toolset},
};

/// The tool.
#[derive(Debug)]
pub(super) struct TriggerRemediation;

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
    /// How bad.
    severity: Option<Severity>,
    /// What was seen.
    #[schemars(length(max = 2000))]
    description: Option<String>,
    /// Plan and prove only.
    dry_run: Option<bool>,
    /// Only the plan of this digest.
    #[schemars(length(max = 128))]
    digest: Option<String>,
    /// Makes repeating this call harmless.
    #[schemars(length(max = 128))]
    idempotency_key: Option<String>,
    /// Seconds to wait for its end, at most 300; over HTTP without progress at most 25.
    #[schemars(range(min = 0, max = 300))]
    wait: Option<u32>,
}

impl CoordinatedTool for TriggerRemediation {
    const META: Meta = Meta {
        name: "trigger-remediation",
        title: "Trigger a remediation",
        description: "Repair this: planned, guarded, executed once, verified, undone if it does not help. Ending the call does not end the repair. May have to be approved: approve-workflow.",
        toolset: Toolset::Remediation,
        hints: Hints::ACT,
        needs_live: false,
    };
    type Input = Input;
    type Output = Ordered;

    async fn call(
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
        input: Input,
    ) -> Result<Ordered, Error> {
        let trouble = Trouble {
            incident_id: input.incident_id,
            namespace: input.namespace,
            resource_kind: input.resource_kind,
            resource_name: input.resource_name,
            issue_type: input.issue_type,
            severity: input.severity,
            description: input.description,
        };
        let trigger = Trigger {
            dry_run: input.dry_run.unwrap_or(false),
            digest: input.digest,
            idempotency_key: input.idempotency_key,
            ..trouble.trigger(coordination, context).await?
        };
        order(coordination, context, trigger, input.wait).await
    }
}
