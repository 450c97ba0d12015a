//! What the store in memory holds, and leases on it.
//!
//! Everything large is behind an `Arc`, so that a copy of the whole costs pointers.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    keeping,
    model::{
        Millis,
        ids::{IncidentId, WorkflowId},
        incident::Incident,
        phase::Direction,
        workflow::{ApprovalRecord, Attempt, CheckRecord, Record, StepRecord, Workflow},
    },
    ports::store::{AuditLine, Control, Cooldown, DueNotice, Horizon, Lease, StoreError},
};

/// A part of the state that copies of it share until one of them writes it: a commit touches few of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared<T>(Arc<T>);

impl<T> std::ops::Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> std::ops::DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

/// Everything that is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) workflows: BTreeMap<WorkflowId, Arc<Kept>>,
    pub(super) incidents: Shared<BTreeMap<IncidentId, Arc<Incident>>>,
    pub(super) locks: Shared<BTreeMap<String, WorkflowId>>,
    pub(super) slots: Shared<BTreeMap<(String, u32), WorkflowId>>,
    /// How many were used, and when the last one was.
    pub(super) budgets: Shared<BTreeMap<(String, i64), (u32, Millis)>>,
    pub(super) cooldowns: Shared<BTreeMap<String, Cooldown>>,
    pub(super) requests: Shared<BTreeMap<(String, String), Request>>,
    pub(super) chains: Shared<BTreeMap<String, Arc<Vec<Arc<AuditLine>>>>>,
    /// Up to which place each chain is anchored.
    pub(super) anchored: Shared<BTreeMap<String, i64>>,
    pub(super) notices: Shared<BTreeMap<i64, (DueNotice, Millis)>>,
    pub(super) notice_seq: i64,
    pub(super) horizon: Option<Horizon>,
    pub(super) duties: Shared<BTreeMap<String, (String, Millis)>>,
    pub(super) controls: Shared<BTreeMap<String, Control>>,
    /// Which step each effect key belongs to.
    pub(super) effect_keys: Shared<BTreeMap<String, (WorkflowId, u32, Direction)>>,
}

/// A request that its caller may repeat.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) hash: String,
    pub(super) workflow: WorkflowId,
    pub(super) expires_at: Millis,
}

/// A workflow with everything that belongs to it.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) workflow: Workflow,
    pub(super) fingerprint: String,
    pub(super) steps: BTreeMap<(u32, Direction), StepRecord>,
    pub(super) attempts: BTreeMap<(u32, Direction, u32), Attempt>,
    pub(super) checks: BTreeMap<(u32, String), CheckRecord>,
    pub(super) approvals: Vec<ApprovalRecord>,
    pub(super) owner: Option<String>,
    pub(super) epoch: i64,
    pub(super) until: Millis,
    /// Somebody woke it since it was claimed: what its executor writes puts it off no more.
    pub(super) is_woken: bool,
}

impl Kept {
    pub(super) fn new(workflow: Workflow, fingerprint: String) -> Self {
        Self {
            workflow,
            fingerprint,
            steps: BTreeMap::new(),
            attempts: BTreeMap::new(),
            checks: BTreeMap::new(),
            approvals: Vec::new(),
            owner: None,
            epoch: 0,
            until: 0,
            is_woken: false,
        }
    }

    pub(super) fn is_held_under(&self, lease: &Lease, now: Millis) -> bool {
        self.owner.as_deref() == Some(&lease.owner) && self.epoch == lease.epoch && self.until > now
    }

    pub(super) fn record(&self) -> Record {
        let mut approvals = self.approvals.clone();
        approvals.sort_by(|a, b| (a.requested_at, &a.id).cmp(&(b.requested_at, &b.id)));
        Record {
            workflow: self.workflow.clone(),
            steps: self.steps.values().cloned().collect(),
            attempts: self.attempts.values().cloned().collect(),
            checks: self.checks.values().cloned().collect(),
            approvals,
        }
    }

    fn is_free(&self, now: Millis) -> bool {
        keeping::is_active(&self.workflow) && self.until <= now
    }
}

impl State {
    pub(super) fn claim(&mut self, owner: &str, until: Millis, now: Millis) -> Option<Lease> {
        let due = self.workflows.values().filter(|kept| kept.is_free(now) && kept.workflow.wake_at <= now);
        let first = due.min_by_key(|kept| (kept.workflow.wake_at, kept.workflow.id.clone()))?;
        let id = first.workflow.id.clone();
        let kept = Arc::make_mut(self.workflows.get_mut(&id)?);
        kept.owner = Some(owner.to_owned());
        kept.epoch += 1;
        kept.until = until;
        kept.is_woken = false;
        Some(Lease { workflow: id, owner: owner.to_owned(), epoch: kept.epoch })
    }

    pub(super) fn renew(&mut self, lease: &Lease, until: Millis, now: Millis) -> bool {
        match self.workflows.get_mut(&lease.workflow) {
            Some(kept) if kept.is_held_under(lease, now) => {
                Arc::make_mut(kept).until = until;
                true
            }
            _ => false,
        }
    }

    pub(super) fn wake(&mut self, id: &WorkflowId, now: Millis) -> Result<(), StoreError> {
        let kept = self.workflows.get_mut(id).ok_or_else(|| keeping::no_workflow(id))?;
        if keeping::is_active(&kept.workflow) {
            let kept = Arc::make_mut(kept);
            kept.workflow.wake_at = kept.workflow.wake_at.min(now);
            kept.is_woken = true;
        }
        Ok(())
    }

    /// What was held under a lease is nobody's, under an epoch that fences who held it.
    pub(super) fn end_leases(&mut self) {
        for kept in self.workflows.values_mut().filter(|kept| kept.owner.is_some()) {
            let kept = Arc::make_mut(kept);
            kept.owner = None;
            kept.until = 0;
            kept.epoch += 1;
        }
        self.duties.clear();
    }

    pub(super) fn next_due(&self) -> Option<Millis> {
        let active = self.workflows.values().filter(|kept| keeping::is_active(&kept.workflow));
        active.map(|kept| kept.workflow.wake_at.max(kept.until)).min()
    }

    pub(super) fn hold_duty(&mut self, name: &str, owner: &str, until: Millis, now: Millis) -> bool {
        match self.duties.get(name) {
            Some((holder, ends)) if holder != owner && *ends > now => false,
            _ => {
                self.duties.insert(name.to_owned(), (owner.to_owned(), until));
                true
            }
        }
    }
}
