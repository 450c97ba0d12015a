//! Requests about incidents: list, look, open by hand, close, tell the whole story.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Inner, report};
use crate::{
    answer::near,
    audit,
    coordination::{IncidentList, IncidentQuery, IncidentSummary, IncidentView, NewIncident},
    error::Error,
    fingerprint::{fingerprint, sha256},
    issue::Severity,
    issue_words,
    model::{
        Millis,
        caller::Caller,
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentBody, IncidentSource, IncidentStatus},
        target::Target,
        wire_time,
    },
    ports::store::{AuditLine, Entry, IncidentFilter, Report, StoreError, WorkflowFilter},
    redact::Redactor,
    settings::policy::severity_word,
};

mod writing;

pub(super) use self::writing::kept;

/// Incidents of one answer, when nobody says.
const DEFAULT_LIMIT: u32 = 50;
/// Most incidents of one answer.
const MOST: u32 = 1_000;
/// Workflows that are told with one incident.
const MOST_WORKFLOWS: u32 = 20;

impl Inner {
    pub(super) async fn incidents(&self, _: &Caller, query: IncidentQuery) -> Result<IncidentList, Error> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MOST).contains(&limit) {
            return Err(Error::invalid("limit", format!("must be 1 to {MOST}, not {limit}")));
        }
        let filter = IncidentFilter {
            namespace: query.namespace.filter(|namespace| !namespace.is_empty()),
            severity: severity(query.severity.as_deref())?,
            status: statuses(query.status.as_deref())?,
            source: Vec::new(),
            limit,
            offset: query.offset.unwrap_or(0),
        };
        let failed = |error| Error::from_store("listing incidents", error);
        let rows = self.store.incidents(&filter).await.map_err(failed)?;
        let counts = self.store.incident_counts(&filter).await.map_err(failed)?;
        let workflows: Vec<WorkflowId> = rows.rows.iter().filter_map(|row| row.workflow.clone()).collect();
        let began = if workflows.is_empty() {
            Vec::new()
        } else {
            self.store.began(&workflows).await.map_err(failed)?
        };
        let began: BTreeMap<WorkflowId, Millis> = began.into_iter().collect();
        let told = |incident: Incident| {
            let at = incident.workflow.as_ref().and_then(|workflow| began.get(workflow)).copied();
            IncidentView { started_at: at.and_then(wire_time), ..view(incident) }
        };
        Ok(IncidentList {
            incidents: rows.rows.into_iter().map(told).collect(),
            total: rows.total,
            summary: summary(&counts.by),
        })
    }

    pub(super) async fn incident(&self, caller: &Caller, id: &IncidentId) -> Result<IncidentView, Error> {
        let mut told = view(self.read_incident(id).await?);
        for workflow in self.workflows_of(id).await? {
            told.workflows.push(self.workflow(caller, &workflow).await?);
        }
        let last = told.workflows.iter().find(|workflow| told.workflow_id.as_deref() == Some(&*workflow.id));
        told.started_at = last.and_then(|workflow| workflow.started_at.clone());
        Ok(told)
    }

    pub(super) async fn create_incident(
        &self,
        caller: &Caller,
        new: NewIncident,
    ) -> Result<IncidentView, Error> {
        let now = self.stored_now("keeping the incident").await?;
        let id = IncidentId::of(&self.ids.unique());
        let written = writing::check(new)?;
        let cluster = self.cluster_uid().unwrap_or_default();
        let target = match &written.object {
            // An object is told by its owner, as detectors and alerts do.
            Some(object) => self.owner_of(object),
            None => Target::new("", "", written.namespace.clone(), ""),
        };
        let issue = written.issue.and_then(|word| issue_words::lookup_for(&word, &target.kind));
        let fingerprint = match (&written.object, issue) {
            (Some(_), Some(issue)) => fingerprint(&cluster, &target, issue.word),
            // What is not known to be the same is not merged: two people may write about two things.
            _ => sha256(&format!("written\n{id}")),
        };
        let incident = Incident {
            id,
            fingerprint,
            cluster,
            target,
            issue: issue.map_or(issue_words::UNSPECIFIED, |issue| issue.word).to_owned(),
            severity: written.severity,
            status: IncidentStatus::Active,
            source: IncidentSource::Manual,
            occurrences: 1,
            first_seen: now,
            last_seen: now,
            closed_at: None,
            workflow: None,
            body: IncidentBody {
                created_by: written.body.created_by.clone().or_else(|| Some(caller.name.clone())),
                ..written.body
            },
        };
        let line = Entry {
            at: now,
            actor: caller.name.clone(),
            via: caller.via,
            action: "incident_opened".to_owned(),
            object: incident.id.to_string(),
            body: json!({"title": incident.body.title}),
        };
        let report = Report { incident, into: None, line: Some(line) };
        let what = "keeping the incident";
        let reported = self.store.report(std::slice::from_ref(&report)).await;
        let reported = reported.map_err(|error| Error::from_store(what, error))?;
        let Some(reported) = reported.first() else {
            return Err(Error::Internal {
                what: what.to_owned(),
                source: Some("the store kept nothing".into()),
            });
        };
        self.touch();
        self.incident(caller, &reported.id).await
    }

    pub(super) async fn resolve_incident(
        &self,
        caller: &Caller,
        id: &IncidentId,
        resolution: Option<String>,
    ) -> Result<IncidentView, Error> {
        let what = || format!("closing incident {id}");
        let conflict = |why: String, workflow: Option<&WorkflowId>| Error::Conflict {
            what: what(),
            why,
            workflow: workflow.map(ToString::to_string),
        };
        let incident = self.read_incident(id).await?;
        match incident.status {
            // Saying it twice changes nothing.
            IncidentStatus::Resolved => return self.incident(caller, id).await,
            IncidentStatus::Remediated | IncidentStatus::Cancelled => {
                let when = incident.closed_at.and_then(wire_time).unwrap_or_default();
                return Err(conflict(format!("it is {} since {when}", incident.status.as_str()), None));
            }
            IncidentStatus::Remediating => {
                let workflow = incident.workflow.as_ref();
                let name = workflow.map_or_else(|| "a workflow".to_owned(), ToString::to_string);
                return Err(conflict(
                    format!("{name} acts on it; wait for it, or cancel it first"),
                    workflow,
                ));
            }
            IncidentStatus::Active | IncidentStatus::Failed => {}
        }
        let resolution = resolution.map(|text| kept(&text, 2_000)).filter(|text| !text.is_empty());
        let entry = Entry {
            at: self.stored_now("closing the incident").await?,
            actor: caller.name.clone(),
            via: caller.via,
            action: "incident_closed".to_owned(),
            object: id.to_string(),
            body: json!({"resolution": resolution}),
        };
        let from = [IncidentStatus::Active, IncidentStatus::Failed];
        let kept =
            self.store.set_incident(id, &from, IncidentStatus::Resolved, resolution.as_deref(), &entry).await;
        kept.map_err(|error| match error {
            StoreError::Changed(_) => conflict("it changed meanwhile; look at it again".to_owned(), None),
            error => Error::from_store(what(), error),
        })?;
        self.touch();
        self.incident(caller, id).await
    }

    pub(super) async fn incident_report(&self, _: &Caller, id: &IncidentId) -> Result<String, Error> {
        let failed = |error| Error::from_store(format!("reading the story of incident {id}"), error);
        let incident = self.read_incident(id).await?;
        let mut told = Vec::new();
        for workflow in self.workflows_of(id).await? {
            let record = self.store.workflow(&workflow).await.map_err(failed)?;
            let lines = self.store.audit(workflow.as_str(), 0, report::MOST_LINES).await.map_err(failed)?;
            told.extend(record.map(|record| report::Told { record, lines }));
        }
        let beside = self.circumstances(&incident).await.map_err(failed)?;
        let document = report::render(&incident, &told, &beside, self.now());
        Ok(Redactor.redact(&document).into_owned())
    }

    /// What was recorded about the incident itself, and of the kill switch and the breaker while it was open.
    async fn circumstances(&self, incident: &Incident) -> Result<Vec<AuditLine>, StoreError> {
        let last = self.store.audit_head(audit::CONTROL).await?.map_or(0, |(seq, _)| seq);
        let after = last.saturating_sub(i64::from(report::MOST_LINES)).max(0);
        let mut lines = self.store.audit(audit::CONTROL, after, report::MOST_LINES).await?;
        let until = incident.closed_at.unwrap_or_else(|| self.now());
        lines.retain(|line| {
            let is_then = (incident.first_seen..=until).contains(&line.entry.at);
            line.entry.object == incident.id.as_str() || (line.entry.action == "control" && is_then)
        });
        Ok(lines)
    }

    async fn read_incident(&self, id: &IncidentId) -> Result<Incident, Error> {
        let read = self.store.incident(id).await;
        let read = read.map_err(|error| Error::from_store(format!("reading incident {id}"), error))?;
        read.ok_or_else(|| Error::NotFound {
            what: format!("incident {id}"),
            hint: "; list-incidents names those that are kept".to_owned(),
        })
    }

    /// Its workflows, newest first.
    async fn workflows_of(&self, id: &IncidentId) -> Result<Vec<WorkflowId>, Error> {
        let filter =
            WorkflowFilter { incident: Some(id.clone()), limit: MOST_WORKFLOWS, ..WorkflowFilter::default() };
        let rows = self.store.workflows(&filter).await;
        let rows = rows.map_err(|error| Error::from_store(format!("reading workflows of {id}"), error))?;
        Ok(rows.rows.into_iter().map(|workflow| workflow.id).collect())
    }

    /// The workload at the top of a pod's or ReplicaSet's owner chain, as far as the rows tell; else the object.
    pub(super) fn owner_of(&self, object: &Target) -> Target {
        let inventory = self.engine.look();
        let (namespace, name) = (object.namespace.as_str(), object.name.as_str());
        let meta = match object.kind.as_str() {
            "Pod" => inventory.pods().get(namespace, name).map(|row| &row.meta),
            "ReplicaSet" => inventory.replica_sets().get(namespace, name).map(|row| &row.meta),
            "Job" => inventory.jobs().get(namespace, name).map(|row| &row.meta),
            _ => None,
        };
        let kind = match object.kind.as_str() {
            "Pod" => "Pod",
            "ReplicaSet" => "ReplicaSet",
            _ => "Job",
        };
        match meta {
            Some(meta) => {
                let top = crate::owners::top(&inventory, kind, meta);
                Target::known(&top.kind, &top.namespace, &top.name)
            }
            None => object.clone(),
        }
    }
}

/// The severity that a filter names; `None` for all.
fn severity(word: Option<&str>) -> Result<Option<Severity>, Error> {
    let Some(word) = word.map(str::trim).filter(|word| !word.is_empty()) else { return Ok(None) };
    if word.eq_ignore_ascii_case("all") {
        return Ok(None);
    }
    let all = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    let found = all.into_iter().find(|severity| severity_word(*severity).eq_ignore_ascii_case(word));
    found.map(Some).ok_or_else(|| {
        let shown: String = word.chars().take(80).collect();
        Error::invalid("severity", format!("{shown:?} is none of critical, high, medium, low, all"))
    })
}

/// The states that a filter names, in the words of any door; empty for all.
fn statuses(word: Option<&str>) -> Result<Vec<IncidentStatus>, Error> {
    let Some(word) = word.map(str::trim).filter(|word| !word.is_empty()) else { return Ok(Vec::new()) };
    let word = word.to_ascii_lowercase();
    // Every door's `active` also has what a workflow has in hand: it is not over before the workflow says so.
    if word == "active" {
        return Ok(vec![IncidentStatus::Active, IncidentStatus::Remediating]);
    }
    // Where doors share another word, that of the store has the say: `failed` is what failed.
    if let Some(status) = IncidentStatus::parse(&word) {
        return Ok(vec![status]);
    }
    let of = |is: fn(IncidentStatus) -> bool| IncidentStatus::ALL.into_iter().filter(|s| is(*s)).collect();
    Ok(match word.as_str() {
        "all" => Vec::new(),
        "open" => of(|status| !status.is_closed()),
        "closed" => of(IncidentStatus::is_closed),
        "pending" => vec![IncidentStatus::Active],
        "running" | "remediating" => vec![IncidentStatus::Remediating],
        "completed" => vec![IncidentStatus::Remediated, IncidentStatus::Resolved],
        other => {
            let words = ["active", "in_progress", "remediated", "failed", "resolved", "cancelled"];
            let words = words.into_iter().chain(["pending", "running", "completed", "open", "closed", "all"]);
            let hint = near(other, words.clone());
            let shown: String = other.chars().take(80).collect();
            let all = words.collect::<Vec<_>>().join(", ");
            return Err(Error::invalid("status", format!("{shown:?} is none of {all}{hint}")));
        }
    })
}

/// Counts in the old MCP server's words.
fn summary(by: &[(IncidentStatus, Severity, u64)]) -> IncidentSummary {
    let mut summary = IncidentSummary {
        by_severity: ["critical", "high", "medium", "low"].map(|word| (word.to_owned(), 0)).into(),
        ..IncidentSummary::default()
    };
    for (status, severity, count) in by {
        summary.total += count;
        *match status.old_mcp() {
            "pending" | "running" => &mut summary.active,
            "completed" => &mut summary.completed,
            _ => &mut summary.failed,
        } += count;
        *summary.by_severity.entry(severity_word(*severity).to_owned()).or_default() += count;
    }
    summary
}

/// An incident as doors show it, without its workflows.
pub(super) fn view(incident: Incident) -> IncidentView {
    let Incident { id, target, issue, severity, status, source, occurrences, .. } = incident;
    let body = incident.body;
    let place = if target.namespace.is_empty() { "cluster" } else { &target.namespace };
    let labels: BTreeMap<String, String> = body.labels;
    IncidentView {
        id: id.to_string(),
        title: body.title,
        description: body.description,
        severity,
        status,
        source,
        resource: (!target.kind.is_empty()).then(|| format!("{}/{}", target.kind, target.name)),
        target: body.reported_target.unwrap_or_else(|| place.to_owned()),
        namespace: target.namespace,
        issue_type: issue,
        occurrences,
        created_at: wire_time(incident.first_seen).unwrap_or_default(),
        last_seen: wire_time(incident.last_seen).unwrap_or_default(),
        resolved_at: incident.closed_at.and_then(wire_time),
        workflow_id: incident.workflow.map(|workflow| workflow.to_string()),
        started_at: None,
        affected_resources: body.affected_resources,
        labels,
        external_id: body.external_id,
        correlation_id: body.correlation_id,
        confidence: body.confidence,
        created_by: body.created_by,
        resolution: body.resolution,
        workflows: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
