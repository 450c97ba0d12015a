//! `get-incident`: one incident with what was done about it.
//!
//! What others wrote without end does not fill the answer: it is cut, counted, and whole in the incident's resource.

use std::{collections::BTreeMap, sync::Arc};

use aiops_engine::{
    Error,
    coordination::{Coordination, IncidentView, WorkflowView},
    issue::Severity,
    model::ids::IncidentId,
    text,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mcp::{
    remediation::{RunLine, fitting, of_incident},
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
    /// Its workflows, newest first, as many as fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    workflows: Vec<RunLine>,
    /// What is left out here, and where it is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
}

/// Bytes of each part: together they stay within a short answer.
const DESCRIPTION: usize = 800;
const RESOLUTION: usize = 400;
const RESOURCES: usize = 600;
const LABELS: usize = 600;
const WORKFLOWS: usize = 1_500;
/// The longest value of one label, and the longest reason of one workflow, in bytes.
const VALUE: usize = 120;

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
        Ok(Output::of(coordination.incident(&context.caller, &id).await?))
    }
}

impl Output {
    fn of(incident: IncidentView) -> Self {
        let mut left = Vec::new();
        let mut cut = |what: &str, said: &str, most: usize| {
            let shown = text::clean(said, most);
            if shown.truncated {
                left.push(format!("the rest of its {what}"));
            }
            shown.text
        };
        let description = cut("description", &incident.description, DESCRIPTION);
        let resolution = incident.resolution.as_deref().map(|said| cut("resolution", said, RESOLUTION));
        let (affected_resources, more) = fitting(incident.affected_resources.clone(), RESOURCES);
        counted(&mut left, more, "affected resource");
        let shorten = |(key, value): (&String, &String)| {
            (text::clean(key, VALUE).text, text::clean(value, VALUE).text)
        };
        let (labels, more) = fitting(incident.labels.iter().map(shorten).collect(), LABELS);
        counted(&mut left, more, "label");
        let workflows = incident.workflows.iter().cloned().map(|workflow| {
            let reason = workflow.reason.as_deref().map(|reason| text::clean(reason, VALUE).text);
            RunLine::below(WorkflowView { reason, ..workflow })
        });
        let (workflows, more) = fitting(workflows.collect(), WORKFLOWS);
        counted(&mut left, more, "workflow");
        let left_out = (!left.is_empty())
            .then(|| format!("{}; whole in the resource cluster://incidents/{}", left.join(", "), incident.id));
        Self {
            target: of_incident(&incident),
            status: incident.status.old_mcp().to_owned(),
            source: incident.source.as_str().to_owned(),
            id: incident.id,
            title: incident.title,
            description,
            severity: incident.severity,
            issue_type: incident.issue_type,
            occurrences: incident.occurrences,
            created_at: incident.created_at,
            last_seen: incident.last_seen,
            resolved_at: incident.resolved_at,
            resolution,
            affected_resources,
            labels: labels.into_iter().collect(),
            correlation_id: incident.correlation_id,
            external_id: incident.external_id,
            workflows,
            left_out,
        }
    }
}

fn counted(left: &mut Vec<String>, more: usize, what: &str) {
    if more > 0 {
        left.push(format!("{more} {what}{}", if more == 1 { "" } else { "s" }));
    }
}
