//! The port to the store: what was decided and done, kept so that it survives everything.
//!
//! Two rules carry the design. A commit is one transaction: all of its writes are there when it returns, or none. And
//! every write of an executor names its [`Fence`]: when another one has taken over, nothing is written and the caller
//! learns that it lost. Time in leases is the store's own.

mod failure;
mod kept;

use std::time::Duration;

use async_trait::async_trait;

pub use self::{failure::*, kept::*};
use crate::model::{
    Millis,
    ids::{IncidentId, WorkflowId},
    incident::{Incident, IncidentStatus},
    phase::Phase,
    workflow::{ApprovalRecord, Attempt, CheckRecord, Record, StepRecord, Workflow},
};

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

    /// When the first step of each of these workflows began, of those in which one did. It reads nothing else of them.
    async fn began(&self, workflows: &[WorkflowId]) -> Result<Vec<(WorkflowId, Millis)>, StoreError>;

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

    /// How much of a budget's bucket is used up; 0 where nothing is.
    async fn budget_used(&self, scope: &str, bucket: i64) -> Result<u32, StoreError>;

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
