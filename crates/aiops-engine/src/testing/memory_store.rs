//! A store in memory: the same answers as the stores on disk, deterministic, and quick to copy.
//!
//! Time is what its [`Clock`] says. A commit is made on a copy that takes the place of the state when everything went
//! well, so nothing is ever half done; a [`snapshot`](MemoryStore::snapshot) is what a crash at this moment would leave.
//! It is no cache and lies before no database: what it holds ends with it.

mod incidents;
mod reads;
mod state;
mod writes;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;

use self::state::State;
use crate::{
    model::{
        Millis,
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentStatus},
        phase::Phase,
        workflow::{Record, Workflow},
    },
    ports::{
        Clock,
        store::{
            Acceptance, Active, AuditLine, Control, Cooldown, DueNotice, Entry, Fence, Filing, Horizon,
            Idempotency, IncidentCounts, IncidentFilter, Lease, Notice, Report, Reported, Rows, Store,
            StoreError, Taken, WorkflowFilter, Write,
        },
    },
};

/// What a write meets, instead of being made.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is refused with this, and nothing is written.
    Refuse(StoreError),
    /// It is made, and the answer is [`StoreError::Unknown`].
    LoseAnswer,
}

/// A store in memory.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<Arc<State>>,
    fault: Mutex<Option<Fault>>,
}

impl MemoryStore {
    /// An empty store whose time is this clock's.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default(), fault: Mutex::default() }
    }

    /// A store of its own with everything that is in this one now, on the same clock; without faults.
    pub fn snapshot(&self) -> Self {
        Self {
            clock: Arc::clone(&self.clock),
            state: Mutex::new(Arc::clone(&self.state.lock())),
            fault: Mutex::default(),
        }
    }

    /// A snapshot as a new process finds it that alone may execute: what was held is due at once, under a new epoch.
    pub fn restarted(&self) -> Self {
        let store = self.snapshot();
        store.restart();
        store
    }

    /// The same for this one.
    pub fn restart(&self) {
        Arc::make_mut(&mut self.state.lock()).end_leases();
    }

    /// What writes meet from now on, until it is taken away with `None`. Reads are never hindered.
    pub fn set_fault(&self, fault: Option<Fault>) {
        *self.fault.lock() = fault;
    }

    /// Target locks, by key.
    pub fn locks(&self) -> Vec<(String, WorkflowId)> {
        let state = self.look();
        state.locks.iter().map(|(key, holder)| (key.clone(), holder.clone())).collect()
    }

    /// Places that are taken, by scope and number.
    pub fn slots(&self) -> Vec<(String, u32, WorkflowId)> {
        let state = self.look();
        state.slots.iter().map(|((scope, n), holder)| (scope.clone(), *n, holder.clone())).collect()
    }

    /// What was used of budgets, by scope and bucket.
    pub fn spent(&self) -> Vec<(String, i64, u32)> {
        let state = self.look();
        state.budgets.iter().map(|((scope, bucket), (used, _))| (scope.clone(), *bucket, *used)).collect()
    }

    /// Owner, epoch and end of a workflow's lease; an owner of `None` means that nobody holds it.
    pub fn lease(&self, id: &WorkflowId) -> Option<(Option<String>, i64, Millis)> {
        let state = self.look();
        state.workflows.get(id).map(|kept| (kept.owner.clone(), kept.epoch, kept.until))
    }

    /// Looks at a workflow and its steps without copying them.
    #[cfg(test)]
    pub(crate) fn peek<R>(
        &self,
        id: &WorkflowId,
        look: impl FnOnce(&Workflow, &[&crate::model::workflow::StepRecord]) -> R,
    ) -> Option<R> {
        let state = self.look();
        let kept = state.workflows.get(id)?;
        let steps: Vec<_> = kept.steps.values().collect();
        Some(look(&kept.workflow, &steps))
    }

    /// The phase of every workflow.
    #[cfg(test)]
    pub(crate) fn phases(&self) -> Vec<Phase> {
        self.look().workflows.values().map(|kept| kept.workflow.phase).collect()
    }

    /// Every incident there is.
    #[cfg(test)]
    pub(crate) fn every_incident(&self) -> Vec<Incident> {
        self.look().incidents.values().map(|kept| Incident::clone(kept)).collect()
    }

    fn look(&self) -> Arc<State> {
        Arc::clone(&self.state.lock())
    }

    fn now(&self) -> Millis {
        self.clock.now().as_millisecond()
    }

    /// One transaction.
    fn write<T>(
        &self,
        work: impl FnOnce(&mut State, Millis) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let fault = self.fault.lock().clone();
        if let Some(Fault::Refuse(error)) = fault {
            return Err(error);
        }
        let now = self.now();
        let mut state = self.state.lock();
        let mut next = State::clone(&state);
        let done = work(&mut next, now)?;
        *state = Arc::new(next);
        match fault {
            Some(Fault::LoseAnswer) => Err(StoreError::Unknown("the answer was lost".to_owned())),
            _ => Ok(done),
        }
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.look();
        f.debug_struct("MemoryStore")
            .field("workflows", &state.workflows.len())
            .field("incidents", &state.incidents.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn writable(&self) -> Result<(), StoreError> {
        match &*self.fault.lock() {
            Some(Fault::Refuse(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    async fn accept(&self, acceptance: &Acceptance) -> Result<Taken, StoreError> {
        self.write(|state, now| state.accept(acceptance, now))
    }

    async fn time(&self) -> Result<Millis, StoreError> {
        Ok(self.now())
    }

    async fn request(
        &self,
        principal: &str,
        key: &str,
    ) -> Result<Option<(Idempotency, WorkflowId)>, StoreError> {
        let place = (principal.to_owned(), key.to_owned());
        Ok(self.look().requests.get(&place).map(|known| {
            let (principal, key) = place.clone();
            let (request_hash, expires_at) = (known.hash.clone(), known.expires_at);
            (Idempotency { principal, key, request_hash, expires_at }, known.workflow.clone())
        }))
    }

    async fn commit(
        &self,
        workflow: &WorkflowId,
        fence: Option<&Fence>,
        writes: &[Write],
    ) -> Result<(), StoreError> {
        self.write(|state, now| state.commit(workflow, fence, writes, now))
    }

    async fn claim(&self, owner: &str, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        self.write(|state, now| Ok(state.claim(owner, after(now, ttl), now)))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, StoreError> {
        self.write(|state, now| Ok(state.renew(lease, after(now, ttl), now)))
    }

    async fn wake(&self, workflow: &WorkflowId) -> Result<(), StoreError> {
        self.write(|state, now| state.wake(workflow, now))
    }

    async fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        Ok(self.look().next_due())
    }

    async fn workflow(&self, id: &WorkflowId) -> Result<Option<Record>, StoreError> {
        Ok(self.look().workflows.get(id).map(|kept| kept.record()))
    }

    async fn workflows(&self, filter: &WorkflowFilter) -> Result<Rows<Workflow>, StoreError> {
        Ok(self.look().list_workflows(filter))
    }

    async fn active(&self, limit: u32) -> Result<Vec<Active>, StoreError> {
        Ok(self.look().active_ones(limit))
    }

    async fn began(&self, workflows: &[WorkflowId]) -> Result<Vec<(WorkflowId, Millis)>, StoreError> {
        let state = self.look();
        let of = |id: &WorkflowId| Some((id.clone(), state.workflows.get(id)?.workflow.started_at?));
        Ok(workflows.iter().filter_map(of).collect())
    }

    async fn report(&self, reports: &[Report]) -> Result<Vec<Reported>, StoreError> {
        self.write(|state, _| reports.iter().map(|report| state.report(report)).collect())
    }

    async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, StoreError> {
        Ok(self.look().incidents.get(id).map(|kept| Incident::clone(kept)))
    }

    async fn incidents(&self, filter: &IncidentFilter) -> Result<Rows<Incident>, StoreError> {
        Ok(self.look().list_incidents(filter))
    }

    async fn closed_since(&self, since: Millis, limit: u32) -> Result<Vec<Incident>, StoreError> {
        Ok(self.look().closed_since(since, limit))
    }

    async fn incident_counts(&self, filter: &IncidentFilter) -> Result<IncidentCounts, StoreError> {
        Ok(self.look().count_incidents(filter))
    }

    async fn set_incident(
        &self,
        id: &IncidentId,
        from: &[IncidentStatus],
        to: IncidentStatus,
        resolution: Option<&str>,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        self.write(|state, _| state.set_incident(id, from, to, resolution, entry))
    }

    async fn quiet(
        &self,
        id: &IncidentId,
        alerts: &[String],
        close: Option<(&str, &Entry)>,
    ) -> Result<bool, StoreError> {
        self.write(|state, _| state.quiet(id, alerts, close))
    }

    async fn file_incident(
        &self,
        id: &IncidentId,
        filing: &Filing,
        entry: &Entry,
    ) -> Result<Option<IncidentId>, StoreError> {
        self.write(|state, _| Ok(state.file_incident(id, filing, entry)))
    }

    async fn cooldown(&self, fingerprint: &str) -> Result<Option<Cooldown>, StoreError> {
        Ok(self.look().cooldowns.get(fingerprint).cloned())
    }

    async fn outcomes_since(&self, since: Millis) -> Result<Vec<Phase>, StoreError> {
        Ok(self.look().outcomes_since(since))
    }

    async fn budget_used(&self, scope: &str, bucket: i64) -> Result<u32, StoreError> {
        Ok(self.look().budgets.get(&(scope.to_owned(), bucket)).map_or(0, |(used, _)| *used))
    }

    async fn incidents_since(&self, since: Millis) -> Result<u64, StoreError> {
        let state = self.look();
        Ok(reads::count(state.incidents.values().filter(|incident| incident.first_seen >= since)))
    }

    async fn controls(&self) -> Result<Vec<Control>, StoreError> {
        Ok(self.look().controls.values().cloned().collect())
    }

    async fn set_control(
        &self,
        control: &Control,
        entry: &Entry,
        notice: Option<&Notice>,
    ) -> Result<(), StoreError> {
        self.write(|state, _| {
            state.set_control(control, entry, notice);
            Ok(())
        })
    }

    async fn audit(&self, chain: &str, after: i64, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        Ok(self.look().audit(chain, after, limit))
    }

    async fn audit_heads(&self) -> Result<Vec<(String, i64, String)>, StoreError> {
        Ok(self.look().heads().map(|(chain, head)| (chain.clone(), head.seq, head.hash)).collect())
    }

    async fn audit_head(&self, chain: &str) -> Result<Option<(i64, String)>, StoreError> {
        Ok(self.look().head(chain).map(|head| (head.seq, head.hash)))
    }

    async fn anchor(&self, at: Millis) -> Result<Option<(i64, String)>, StoreError> {
        self.write(|state, _| Ok(state.anchor(at)))
    }

    async fn due_notices(&self, now: Millis, limit: u32) -> Result<Vec<DueNotice>, StoreError> {
        Ok(self.look().due_notices(now, limit))
    }

    async fn settle_notice(&self, seq: i64, again_at: Option<Millis>) -> Result<(), StoreError> {
        self.write(|state, _| {
            state.settle_notice(seq, again_at);
            Ok(())
        })
    }

    async fn hold_duty(&self, name: &str, owner: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.write(|state, now| Ok(state.hold_duty(name, owner, after(now, ttl), now)))
    }

    async fn horizon(&self) -> Result<Option<Horizon>, StoreError> {
        Ok(self.look().horizon)
    }

    async fn keep_horizon(&self, horizon: &Horizon) -> Result<(), StoreError> {
        self.write(|state, _| {
            state.horizon = Some(*horizon);
            Ok(())
        })
    }

    async fn retain(&self, before: Millis, limit: u32) -> Result<(u64, u64), StoreError> {
        self.write(|state, now| Ok(state.retain(before, limit, now)))
    }
}

/// This much later; what the calendar cannot say is its end.
fn after(now: Millis, ttl: Duration) -> Millis {
    now.saturating_add(Millis::try_from(ttl.as_millis()).unwrap_or(Millis::MAX))
}
