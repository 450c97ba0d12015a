//! The row of an incident.

use aiops_engine::{
    issue::Severity,
    model::{
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentSource, IncidentStatus},
    },
};
use sqlx::any::AnyRow;

use crate::store::{
    failure::Stop,
    values::{Reader, V, sealed},
};

/// How many columns the checksum covers.
const COVERED: usize = 16;

/// Every column, in order.
macro_rules! incident_columns {
    () => {
        "id, fingerprint, cluster, target, namespace, issue, severity, status, source, occurrences, first_seen, \
         last_seen, closed_at, workflow_id, reported_target, body, checksum"
    };
}
pub(in crate::store) use incident_columns;

/// All severities, the worst first.
pub(in crate::store) const SEVERITIES: [Severity; 4] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];

/// The word of a severity.
pub(in crate::store) const fn severity(of: Severity) -> &'static str {
    match of {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
    }
}

/// The severity of a word.
pub(in crate::store) fn parse_severity(word: &str) -> Option<Severity> {
    SEVERITIES.into_iter().find(|of| severity(*of) == word)
}

/// The values of all columns.
pub(in crate::store) fn values(incident: &Incident) -> Result<Vec<V>, Stop> {
    let Incident {
        id,
        fingerprint,
        cluster,
        target,
        issue,
        severity: bad,
        status,
        source,
        occurrences,
        first_seen,
        last_seen,
        closed_at,
        workflow,
        body,
    } = incident;
    Ok(sealed(vec![
        id.as_str().into(),
        fingerprint.into(),
        cluster.into(),
        V::json(target)?,
        (&target.namespace).into(),
        issue.into(),
        severity(*bad).into(),
        status.as_str().into(),
        source.as_str().into(),
        (*occurrences).into(),
        (*first_seen).into(),
        (*last_seen).into(),
        (*closed_at).into(),
        workflow.as_ref().map(WorkflowId::as_str).into(),
        (&body.reported_target).into(),
        V::json(body)?,
    ]))
}

/// Reads a row of all columns.
pub(in crate::store) fn read(row: &AnyRow) -> Result<Incident, Stop> {
    let mut row = Reader::sealed("incident", row, COVERED)?;
    let id = row.word(|text| IncidentId::parse(text).ok())?;
    let fingerprint = row.text()?;
    let cluster = row.text()?;
    let target = row.json()?;
    let _namespace = row.text()?;
    Ok(Incident {
        id,
        fingerprint,
        cluster,
        target,
        issue: row.text()?,
        severity: row.word(parse_severity)?,
        status: row.word(IncidentStatus::parse)?,
        source: row.word(IncidentSource::parse)?,
        occurrences: row.int()?,
        first_seen: row.int()?,
        last_seen: row.int()?,
        closed_at: row.int_opt()?,
        workflow: row.word_opt(|text| WorkflowId::parse(text).ok())?,
        body: {
            let _reported = row.text_opt()?;
            row.json()?
        },
    })
}
