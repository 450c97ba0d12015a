//! What is handed to a store and read from it, beside the records of the model.
//!
//! It decides nothing; which of it is written together stands at the port.

use serde_json::Value;

use crate::{
    issue::Severity,
    model::{
        Millis,
        caller::Via,
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentSource, IncidentStatus},
        phase::Phase,
        target::Target,
        workflow::Workflow,
    },
};

/// A line of an audit chain, before it is linked.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Millis,
    /// Who.
    pub actor: String,
    /// Through which door.
    pub via: Via,
    /// What, in a word: `accepted`, `planned`, `approved`, `intent`, `effect`, `phase`, …
    pub action: String,
    /// On what.
    pub object: String,
    /// Details; redacted, without bodies.
    pub body: Value,
}

/// A line of an audit chain.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditLine {
    /// The chain: a workflow's id, `control` ([`audit::CONTROL`](crate::audit::CONTROL)) or `anchors`
    /// ([`audit::ANCHORS`](crate::audit::ANCHORS)).
    pub chain: String,
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// The line.
    pub entry: Entry,
    /// Hash of the line before, empty at the beginning.
    pub prev_hash: String,
    /// SHA-256 over the hash before and the line in canonical JSON, hexadecimal.
    pub hash: String,
}

/// How often a fingerprint failed lately, and until when it rests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cooldown {
    /// The fingerprint.
    pub fingerprint: String,
    /// Failures since `window_start`.
    pub failures: u32,
    /// Not before.
    pub not_before: Millis,
    /// Since when failures are counted.
    pub window_start: Millis,
}

/// A message to the outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What happened: `approval_requested`, `parked`, `rolled_back`, `breaker_open`, …
    pub kind: String,
    /// The workflow it is about.
    pub workflow: Option<WorkflowId>,
    /// When it happened.
    pub at: Millis,
    /// What the message says.
    pub body: Value,
}

/// A message that has not been delivered yet.
#[derive(Debug, Clone, PartialEq)]
pub struct DueNotice {
    /// Its number.
    pub seq: i64,
    /// The message.
    pub notice: Notice,
    /// How often it was tried.
    pub attempts: u32,
}

/// A mode of the whole engine: the kill switch, a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// `kill_switch` or `breaker`.
    pub name: String,
    /// `run`, `pause` or `stop`; for the breaker `closed` or `open`.
    pub mode: String,
    /// Why.
    pub reason: Option<String>,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub at: Millis,
}

/// How far back things are kept, and by which clock; [`keeping::horizon`](crate::keeping::horizon) moves it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// The store's time when it was last looked.
    pub seen: Millis,
    /// Since when the store's time has run evenly.
    pub since: Millis,
    /// What ended before this moment goes.
    pub before: Millis,
}

/// What a trigger brings to be kept, in one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Acceptance {
    /// The workflow, in phase `planning` (or `awaiting_approval`, …) at version 1. Its incident is set to the one that
    /// [`Taken::New`] names.
    pub workflow: Workflow,
    /// One active workflow for each fingerprint; dry runs are not counted.
    pub fingerprint: String,
    /// The incident it belongs to, opened or seen again by its fingerprint. Unless this is a dry run, its workflow becomes
    /// this one and its status the one that the report has.
    pub incident: Report,
    /// Who repeats this request gets the same workflow again: this one, or the active one it was a duplicate of.
    pub idempotency: Option<Idempotency>,
    /// First lines of the workflow's audit chain.
    pub audit: Vec<Entry>,
    /// Take the lock of this target, unless the workflow is a dry run.
    pub lock: Option<String>,
    /// Nothing is taken on: it joins what is active for the same trouble, under its key, or comes to nothing.
    pub only_joins: bool,
}

/// A key under which a request is known to its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's name.
    pub principal: String,
    /// The key.
    pub key: String,
    /// SHA-256 of the request in canonical JSON.
    pub request_hash: String,
    /// Until when it is kept.
    pub expires_at: Millis,
}

/// What became of a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is kept.
    New {
        /// The incident, which may be an older one.
        incident: IncidentId,
    },
    /// Nothing is active that it could join, and it was only to join.
    Alone,
    /// The same request was made before.
    Replayed(WorkflowId),
    /// The same key was used for another request.
    Contradiction(WorkflowId),
    /// A workflow for the same fingerprint is active.
    Duplicate(WorkflowId),
    /// Another workflow holds the target.
    Locked(WorkflowId),
}

/// Something that was reported: opens an incident, or is counted with an open one of the same fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The incident as it would be opened. Its id is used when no open incident has the fingerprint and the id is free.
    pub incident: Incident,
    /// Merge with this open incident instead, whatever its fingerprint: the caller named it.
    pub into: Option<IncidentId>,
    /// A line of the chain `control` that is written with it when it opens an incident; its object is that incident. Reports
    /// of the sweep and of alerts have none: a flood would fill the chain.
    pub line: Option<Entry>,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The incident.
    pub id: IncidentId,
    /// It was opened now.
    pub is_new: bool,
    /// How often it was reported.
    pub occurrences: i64,
}

/// Where an incident belongs, when that is known later than the incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filing {
    /// uid of the cluster.
    pub cluster: String,
    /// The object that it is about.
    pub target: Target,
    /// The fingerprint of both and its issue.
    pub fingerprint: String,
}

/// Which incidents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IncidentFilter {
    /// In this namespace; `target` of incidents that people wrote counts as one.
    pub namespace: Option<String>,
    /// Of this severity.
    pub severity: Option<Severity>,
    /// In one of these states; empty for all.
    pub status: Vec<IncidentStatus>,
    /// From one of these; empty for all.
    pub source: Vec<IncidentSource>,
    /// At most.
    pub limit: u32,
    /// After so many.
    pub offset: u32,
}

/// Which workflows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkflowFilter {
    /// In this namespace.
    pub namespace: Option<String>,
    /// In one of these phases; empty for all.
    pub phase: Vec<Phase>,
    /// Of this incident.
    pub incident: Option<IncidentId>,
    /// At most.
    pub limit: u32,
    /// After so many.
    pub offset: u32,
}

/// A workflow that is not over, as far as others have to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// Its id.
    pub id: WorkflowId,
    /// Where it is.
    pub phase: Phase,
    /// Its target.
    pub target: Target,
    /// Its issue.
    pub issue: String,
}

/// Rows, newest first, and how many there are in all.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many pass the filter, before the limit.
    pub total: u64,
}

/// How many incidents there are, for summaries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncidentCounts {
    /// By status word and severity word.
    pub by: Vec<(IncidentStatus, Severity, u64)>,
}
