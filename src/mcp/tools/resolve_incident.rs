//! `resolve-incident`: closes an incident.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::Coordination,
    model::ids::IncidentId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mcp::{
    tool::{CallContext, CoordinatedTool, Hints, Meta, Toolset},
};

/// The tool.
#[derive(Debug)]
pub(super) struct ResolveIncident;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Its id.
    #[schemars(length(max = 64))]
    incident_id: String,
    /// What was found and done.
    #[schemars(length(max = 2000))]
    resolution: Option<String>,
}

/// Its answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// Its id.
    incident_id: String,
    /// pending, running, completed or failed.
    status: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<String>,
    /// What became of it.
    message: String,
}

impl CoordinatedTool for ResolveIncident {
    const META: Meta = Meta {
        name: "resolve-incident",
        title: "Resolve an incident",
        description: "Close an incident that is over, with what was found. Changes nothing in the cluster; it opens anew when the trouble is seen again.",
        toolset: Toolset::Remediation,
        hints: Hints { idempotent: true, ..Hints::KEEP },
        needs_live: false,
    };
    type Input = Input;
    type Output = Output;

    async fn call(
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
        input: Input,
    ) -> Result<Output, Error> {
        let id = IncidentId::parse(&input.incident_id)?;
        let incident = coordination.resolve_incident(&context.caller, &id, input.resolution).await?;
        Ok(Output {
            status: incident.status.old_mcp().to_owned(),
            resolved_at: incident.resolved_at,
            message: format!("{} is {}", incident.id, incident.status.as_str()),
            incident_id: incident.id,
        })
    }
}
