//! The port to the store: what was decided and done, kept so that it survives everything.
//!
//! Two rules carry the design. A commit is one transaction: all of its writes are there when it returns, or none. And
//! every write of an executor names its [`Fence`]: when another one has taken over, nothing is written and the caller
//! learns that it lost. Time in leases is the store's own.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    issue::Severity,
    model::{
        Millis,
        caller::Via,
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentStatus},
        phase::Phase,
        target::Target,
        workflow::{ApprovalRecord, Attempt, CheckRecord, Record, StepRecord, Workflow},
    },
};

/// Why the store did not do it. Nothing was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another executor has the workflow now: stop, send nothing.
    #[error("another executor has taken over")]
    Fenced,
    /// Somebody else holds what was to be taken.
    #[error("{what} is taken{}", held_by(holder))]
    Taken {
        /// What.
        what: Resource,
        /// By which workflow, when one holds it.
        holder: Option<WorkflowId>,
    },
    /// The record has changed since it was read, or is not in the state that the write demands.
    #[error("{0}")]
    Changed(String),
    /// Nothing may be written now: the disk is full.
    #[error("the store is full: {0}")]
    Full(String),
    /// Nothing may be written at all: it is damaged, read-only, or of a newer release.
    #[error("the store may only be read: {0}")]
    ReadOnly(String),
    /// It is locked or down; worth trying again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Whether a commit is there is not known: the connection broke while it was made. Read again before anything else.
    #[error("whether the store took it is not known: {0}")]
    Unknown(String),
    /// A fault of ours.
    #[error("the store failed: {0}")]
    Internal(String),
}

fn held_by(holder: &Option<WorkflowId>) -> String {
    holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
}

/// What can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// The one active workflow of a fingerprint.
    Fingerprint,
    /// The lock of a target.
    Target,
    /// A place among those that run at once, by its scope.
    Slot(String),
    /// What is left of a budget, by its scope.
    Budget(String),
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fingerprint => f.write_str("the issue on this target"),
            Self::Target => f.write_str("the target"),
            Self::Slot(scope) => write!(f, "every place for workflows in {scope}"),
            Self::Budget(scope) => write!(f, "the budget of {scope}"),
        }
    }
}

/// A lease on a workflow. The epoch grows with each claim; a write under an older one is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Who holds it.
    pub owner: String,
    /// Since which claim.
    pub epoch: i64,
}

/// Epochs from here on are those of workflows that were active in a backup when it was restored. No number of claims leads
/// here: what has such an epoch may have been taken further than its record knows.
pub const RESTORED: i64 = 1_000_000_000;

impl Lease {
    /// Whether the workflow was active in a backup that was restored.
    pub const fn is_restored(&self) -> bool {
        self.epoch >= RESTORED
    }
}

/// What a commit demands to hold before it writes: the lease is ours and has not ended.
pub type Fence = Lease;

/// One write of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// The workflow as it is now, at this version; refused as `Changed` when the stored version is not one less.
    /// Leases are not touched.
    Workflow(Box<Workflow>),
    /// A step, inserted or replaced.
    Step(Box<StepRecord>),
    /// An attempt, inserted or replaced.
    Attempt(Box<Attempt>),
    /// A check, inserted or replaced.
    Check(CheckRecord),
    /// An approval, inserted or replaced. One that was answered is never replaced, and one that has ended by the store's
    /// time is not approved any more (`Changed`).
    Approval(ApprovalRecord),
    /// Takes the lock of a target for this workflow; again is no error.
    Lock(String),
    /// Takes a free place of `0..max` in a scope; again is no error.
    Slot {
        /// Such as `cluster`, `namespace/shop`, `nodes`.
        scope: String,
        /// How many there are.
        max: u32,
    },
    /// Uses up one of a budget's bucket.
    Spend {
        /// Such as `cluster`, `namespace/shop`.
        scope: String,
        /// The bucket: the time divided by the length of the window.
        bucket: i64,
        /// How many it has.
        max: u32,
    },
    /// Demands that the controls are still these, by every row: what is written was decided under them. Refused as
    /// `Changed` when one was set since, also while nobody looked, so that a decision that waited is made anew. Who sets
    /// a control waits for the commits that are under way with this demand; those that come later see it.
    Under(Vec<Control>),
    /// Gives back the lock and the places of this workflow.
    Release,
    /// Until when a fingerprint rests.
    Cooldown(Cooldown),
    /// Where the incident is; its workflow becomes this one.
    Incident {
        /// The incident.
        id: IncidentId,
        /// Its status.
        status: IncidentStatus,
        /// When it was closed.
        closed_at: Option<Millis>,
    },
    /// A line in the audit chain of this workflow.
    Audit(Entry),
    /// A message that somebody outside is to be told, kept until it is delivered.
    Notice(Notice),
    /// Gives back the lease with the next wake-up, in the same transaction.
    Yield,
}

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

/// Keeps what was decided and done.
#[async_trait]
pub trait Store: Send + Sync {
    /// Whether it may be written to, and if not, why. Cheap: nothing is asked of the database.
    fn writable(&self) -> Result<(), StoreError>;

    /// Takes a trigger, in one commit. When it returns `New`, the workflow survives everything.
    async fn accept(&self, acceptance: &Acceptance) -> Result<Taken, StoreError>;

    /// The store's own time, by which leases run: what is counted in windows over all that share the store is counted by
    /// it, whatever this process's clock says.
    async fn time(&self) -> Result<Millis, StoreError>;

    /// What a caller asked for under this key, and the workflow that came of it: a repeated request is answered before
    /// anything is judged anew. It may be past its `expires_at`, and counts for nothing then.
    async fn request(
        &self,
        principal: &str,
        key: &str,
    ) -> Result<Option<(Idempotency, WorkflowId)>, StoreError>;

    /// All writes or none. With a fence they are an executor's; without one (an approval, a cancellation, a resolution)
    /// the version of the workflow guards them.
    async fn commit(
        &self,
        workflow: &WorkflowId,
        fence: Option<&Fence>,
        writes: &[Write],
    ) -> Result<(), StoreError>;

    /// Takes the workflow that has waited longest of those that are due and that nobody holds.
    async fn claim(&self, owner: &str, ttl: Duration) -> Result<Option<Lease>, StoreError>;

    /// Holds a lease for `ttl` from now; false when it was lost.
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, StoreError>;

    /// Makes a workflow due now, whoever holds it: what its executor writes under its present lease does not put it off
    /// again. One that has ended stays as it is; one that is not there is `Changed`.
    async fn wake(&self, workflow: &WorkflowId) -> Result<(), StoreError>;

    /// When the next workflow can be claimed: the earliest moment at which one is due and its lease, if somebody holds it,
    /// has ended; `None` when none is active.
    async fn next_due(&self) -> Result<Option<Millis>, StoreError>;

    /// A workflow with everything that was recorded of it.
    async fn workflow(&self, id: &WorkflowId) -> Result<Option<Record>, StoreError>;

    /// Workflows, newest first.
    async fn workflows(&self, filter: &WorkflowFilter) -> Result<Rows<Workflow>, StoreError>;

    /// Workflows that are not over, newest first, dry runs left out. What it costs depends on them, not on how many are kept.
    async fn active(&self, limit: u32) -> Result<Vec<Active>, StoreError>;

    /// Opens incidents or counts their reports, in one commit, in order.
    async fn report(&self, reports: &[Report]) -> Result<Vec<Reported>, StoreError>;

    /// An incident.
    async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, StoreError>;

    /// Incidents, newest first.
    async fn incidents(&self, filter: &IncidentFilter) -> Result<Rows<Incident>, StoreError>;

    /// Incidents that were closed at this moment or later, the last ones first, `limit` at most. It reads no others,
    /// however many are kept.
    async fn closed_since(&self, since: Millis, limit: u32) -> Result<Vec<Incident>, StoreError>;

    /// How many incidents there are.
    async fn incident_counts(&self, filter: &IncidentFilter) -> Result<IncidentCounts, StoreError>;

    /// Closes an incident, or opens it again, with a line in the chain `control`; refused as `Changed` unless it is in one
    /// of the states named.
    async fn set_incident(
        &self,
        id: &IncidentId,
        from: &[IncidentStatus],
        to: IncidentStatus,
        resolution: Option<&str>,
        entry: &Entry,
    ) -> Result<(), StoreError>;

    /// These alerts of an incident fire no more. With words and a line, it is closed in the same commit when alerts opened
    /// it, none of them fires any more and nothing acts on it; returns whether it was.
    async fn quiet(
        &self,
        id: &IncidentId,
        alerts: &[String],
        close: Option<(&str, &Entry)>,
    ) -> Result<bool, StoreError>;

    /// Files an open incident, on which nothing acts, where it belongs. When another one is open there, that one counts its
    /// reports and this one is closed as `cancelled`. Returns the incident that is open now, `None` when nothing was done.
    async fn file_incident(
        &self,
        id: &IncidentId,
        filing: &Filing,
        entry: &Entry,
    ) -> Result<Option<IncidentId>, StoreError>;

    /// The cooldown of a fingerprint.
    async fn cooldown(&self, fingerprint: &str) -> Result<Option<Cooldown>, StoreError>;

    /// How workflows ended since then, dry runs left out: the last, newest first, at most 100.
    async fn outcomes_since(&self, since: Millis) -> Result<Vec<Phase>, StoreError>;

    /// How many incidents were opened since then.
    async fn incidents_since(&self, since: Millis) -> Result<u64, StoreError>;

    /// Every control that was set.
    async fn controls(&self) -> Result<Vec<Control>, StoreError>;

    /// Sets a control, with its line in the chain `control` and what is to be told outside.
    async fn set_control(
        &self,
        control: &Control,
        entry: &Entry,
        notice: Option<&Notice>,
    ) -> Result<(), StoreError>;

    /// The lines of a chain after a place, in order.
    async fn audit(&self, chain: &str, after: i64, limit: u32) -> Result<Vec<AuditLine>, StoreError>;

    /// Every chain with its last place and hash: as many as there ever were workflows. For whoever proves all of them.
    async fn audit_heads(&self) -> Result<Vec<(String, i64, String)>, StoreError>;

    /// One chain's last place and hash; `None` while it has no line.
    async fn audit_head(&self, chain: &str) -> Result<Option<(i64, String)>, StoreError>;

    /// Anchors heads that moved since they were last anchored, in one line: [`MOST_HEADS`](crate::audit::MOST_HEADS) at
    /// most, so that neither the line nor the commit grows with the store. Who wants all of them asks again until there is
    /// nothing left. Returns the anchor's number and hash when there was something to anchor.
    async fn anchor(&self, at: Millis) -> Result<Option<(i64, String)>, StoreError>;

    /// Messages that are due, in the order in which they came up.
    async fn due_notices(&self, now: Millis, limit: u32) -> Result<Vec<DueNotice>, StoreError>;

    /// A message was delivered, or is to be tried again then.
    async fn settle_notice(&self, seq: i64, again_at: Option<Millis>) -> Result<(), StoreError>;

    /// Takes or holds a duty that one process at a time has (the sweep, the breaker, retention).
    async fn hold_duty(&self, name: &str, owner: &str, ttl: Duration) -> Result<bool, StoreError>;

    /// How far retention had come when it last looked; `None` where it never did.
    async fn horizon(&self) -> Result<Option<Horizon>, StoreError>;

    /// Keeps how far retention has come.
    async fn keep_horizon(&self, horizon: &Horizon) -> Result<(), StoreError>;

    /// Deletes workflows and incidents that ended before `before`, at most `limit` of each, never their audit lines.
    /// Returns how many workflows and incidents went.
    async fn retain(&self, before: Millis, limit: u32) -> Result<(u64, u64), StoreError>;
}
