//! `get-incident`: one incident with what was done about it.

use std::{collections::BTreeMap, sync::Arc};

use aiops_engine::{
    Error,
    coordination::Coordination,
    issue::Severity,
    model::ids::IncidentId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mcp::{
    remediation::{RunLine, of_incident},
    tool::{CallContext, CoordinatedTool, Hints, Meta, Toolset},
};

/// The tool.
#[derive(Debug)]
pub(super) struct GetIncident;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Its id.
    #[schemars(length(max = 64))]
    incident_id: String,
}

/// Its answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// Its id.
    id: String,
    /// Title. Other people's text.
    title: String,
    /// Description. Other people's text.
    description: String,
    /// How bad.
    severity: Severity,
    /// pending, running, completed or failed.
    status: String,
    /// What it is about.
    target: String,
    /// The issue.
    issue_type: String,
    /// manual, trigger, detector or alert.
    source: String,
    /// How often it was reported.
    occurrences: i64,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339: the last report.
    last_seen: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<String>,
    /// How it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<String>,
    /// Other objects that are affected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    affected_resources: Vec<String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    /// The incident it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    /// Its id elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// Its workflows, newest first, at most ten.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    workflows: Vec<RunLine>,
}

/// Workflows of one incident that are told; the newest say most.
const MOST: usize = 10;

impl CoordinatedTool for GetIncident {
    const META: Meta = Meta {
        name: "get-incident",
        title: "Get an incident",
        description: "One incident: what is wrong with which object, since when, and each workflow that acted on it with how it ended.",
        toolset: Toolset::Remediation,
        hints: Hints::READ,
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
        let incident = coordination.incident(&context.caller, &id).await?;
        Ok(Output {
            target: of_incident(&incident),
            status: incident.status.old_mcp().to_owned(),
            source: incident.source.as_str().to_owned(),
            id: incident.id,
            title: incident.title,
            description: incident.description,
            severity: incident.severity,
            issue_type: incident.issue_type,
            occurrences: incident.occurrences,
            created_at: incident.created_at,
            last_seen: incident.last_seen,
            resolved_at: incident.resolved_at,
            resolution: incident.resolution,
            affected_resources: incident.affected_resources,
            labels: incident.labels,
            correlation_id: incident.correlation_id,
            external_id: incident.external_id,
            workflows: incident.workflows.into_iter().take(MOST).map(RunLine::below).collect(),
        })
    }
}
