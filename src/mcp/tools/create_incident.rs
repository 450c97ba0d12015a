//! `create-incident`: records an incident by hand.

use std::{collections::BTreeMap, sync::Arc};

use aiops_engine::{
    Error,
    coordination::{Coordination, NewIncident},
    issue::Severity,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mcp::{
    remediation::{of_incident, word},
    tool::{CallContext, CoordinatedTool, Hints, Meta, Toolset},
};

/// The tool.
#[derive(Debug)]
pub(super) struct CreateIncident;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Title, 5 to 200 bytes.
    #[schemars(length(max = 200))]
    title: String,
    /// What happens, 10 to 2,000 bytes.
    #[schemars(length(max = 2000))]
    description: String,
    /// How bad.
    severity: Severity,
    /// Namespace, or cluster.
    #[schemars(length(max = 100))]
    target: Option<String>,
    /// Objects, such as Deployment/shop/web.
    affected_resources: Option<Vec<String>>,
    /// Labels.
    labels: Option<BTreeMap<String, String>>,
    /// Incident it belongs to.
    #[schemars(length(max = 128))]
    correlation_id: Option<String>,
    /// Its id elsewhere.
    #[schemars(length(max = 128))]
    external_id: Option<String>,
    /// How sure, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    confidence: Option<f64>,
}

/// Its answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// Its id.
    incident_id: String,
    /// Title.
    title: String,
    /// Description.
    description: String,
    /// How bad.
    severity: Severity,
    /// 1 (critical) to 4 (low): the severity as the predecessor's number.
    priority: u8,
    /// pending, running, completed or failed.
    status: String,
    /// What it is about.
    target: String,
    /// How often it was reported, this time included.
    occurrences: i64,
    /// RFC 3339.
    created_at: String,
    /// What became of the report.
    message: String,
}

impl CoordinatedTool for CreateIncident {
    const META: Meta = Meta {
        name: "create-incident",
        title: "Create an incident",
        description: "Record an incident by hand, also as the parent of others (correlation_id). The same trouble reported twice is counted, not kept twice.",
        toolset: Toolset::Remediation,
        hints: Hints::KEEP,
        needs_live: false,
    };
    type Input = Input;
    type Output = Output;

    async fn call(
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
        input: Input,
    ) -> Result<Output, Error> {
        for (name, text, least) in [("title", &input.title, 5), ("description", &input.description, 10)] {
            if text.trim().len() < least {
                return Err(Error::invalid(
                    format!("argument {name:?}"),
                    format!("must be at least {least} characters long"),
                ));
            }
        }
        let new = NewIncident {
            title: input.title,
            description: input.description,
            severity: word(&input.severity),
            target: input.target,
            affected_resources: input.affected_resources.unwrap_or_default(),
            labels: input.labels.unwrap_or_default(),
            correlation_id: input.correlation_id,
            external_id: input.external_id,
            created_by: Some(context.caller.name.clone()),
            confidence: input.confidence,
        };
        let incident = coordination.create_incident(&context.caller, new).await?;
        Ok(Output {
            target: of_incident(&incident),
            priority: match incident.severity {
                Severity::Critical => 1,
                Severity::High => 2,
                Severity::Medium => 3,
                Severity::Low => 4,
            },
            status: incident.status.old_mcp().to_owned(),
            message: if incident.occurrences > 1 {
                format!("{} was open already and was counted once more", incident.id)
            } else {
                format!("{} was recorded", incident.id)
            },
            incident_id: incident.id,
            title: incident.title,
            description: incident.description,
            severity: incident.severity,
            occurrences: incident.occurrences,
            created_at: incident.created_at,
        })
    }
}
