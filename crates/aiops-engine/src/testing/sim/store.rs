//! The store as one process sees it: first its defect, then its faults, then the observer, then the store in memory.

mod past;
mod spoil;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    defects::Defect,
    faults::{Call, Fate, Faults},
    notes::{Notes, What},
};
use crate::{
    model::{
        Millis,
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentStatus},
        phase::Phase,
        workflow::{ApprovalState, Record, Workflow},
    },
    ports::store::{
        Acceptance, Active, AuditLine, Control, Cooldown, DueNotice, Entry, Fence, Filing, Horizon,
        Idempotency, IncidentCounts, IncidentFilter, Lease, Notice, Report, Reported, Rows, Store,
        StoreError, Taken, WorkflowFilter, Write,
    },
    settings::limits::millis,
    testing::memory_store::MemoryStore,
};

/// A value that must never be kept anywhere.
pub(crate) const CANARY: &str = "canary-7f3a";
/// The digest of a plan that nobody made.
pub(crate) const FORGED: &str = "forged";

/// A commit that is made too late.
type HeldBack = (WorkflowId, Option<Fence>, Vec<Write>);

/// The store of one process.
pub(crate) struct Handle {
    pub(crate) who: String,
    pub(crate) base: Arc<MemoryStore>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) defect: Option<Defect>,
    held_back: Mutex<Option<HeldBack>>,
}

impl Handle {
    pub(crate) fn new(
        who: &str,
        base: &Arc<MemoryStore>,
        notes: &Arc<Notes>,
        faults: &Arc<Faults>,
        defect: Option<Defect>,
    ) -> Arc<Self> {
        Arc::new(Self {
            who: who.to_owned(),
            base: Arc::clone(base),
            notes: Arc::clone(notes),
            faults: Arc::clone(faults),
            defect,
            held_back: Mutex::default(),
        })
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    /// Reads that a fault may hinder.
    async fn read(&self) -> Result<(), StoreError> {
        match self.faults.meet(Call::Recall, &self.who, None).await {
            Fate::CrashBefore | Fate::CrashAfter => self.faults.crash(&self.who).await,
            Fate::Busy => Err(StoreError::Unavailable("locked".to_owned())),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("who", &self.who).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Handle {
    fn writable(&self) -> Result<(), StoreError> {
        self.base.writable()
    }

    async fn accept(&self, acceptance: &Acceptance) -> Result<Taken, StoreError> {
        let mut acceptance = acceptance.clone();
        match self.defect {
            Some(Defect::LockIgnored) => acceptance.lock = None,
            Some(Defect::NotDeduplicated) => {
                acceptance.fingerprint = format!("{}/{}", acceptance.fingerprint, acceptance.workflow.id);
                acceptance.lock = None;
            }
            Some(Defect::TriggerLost) => {
                return Ok(Taken::New { incident: acceptance.workflow.incident.clone() });
            }
            _ => {}
        }
        let fate = self.faults.meet(Call::Accept, &self.who, None).await;
        match fate {
            Fate::CrashBefore => return self.faults.crash(&self.who).await,
            Fate::Busy => return Err(StoreError::Unavailable("locked".to_owned())),
            Fate::Vanished => return Err(StoreError::Unknown("the connection broke".to_owned())),
            _ => {}
        }
        let taken = self.base.accept(&acceptance).await?;
        let what = What::Accepted { acceptance: Box::new(acceptance), taken: taken.clone() };
        self.notes.write(&self.who, what);
        match fate {
            Fate::CrashAfter => self.faults.crash(&self.who).await,
            Fate::Lost => Err(StoreError::Unknown("the connection broke".to_owned())),
            _ => Ok(taken),
        }
    }

    async fn commit(
        &self,
        workflow: &WorkflowId,
        fence: Option<&Fence>,
        writes: &[Write],
    ) -> Result<(), StoreError> {
        let mut writes = self.spoilt(writes);
        if self.has(Defect::IntentAfterDeed) {
            let held_back = self.held_back.lock().take();
            if let Some((id, fence, before)) = held_back {
                self.put(&id, fence.as_ref(), &before).await?;
            }
            if writes.iter().any(|w| matches!(w, Write::Attempt(a) if a.outcome.is_none())) {
                *self.held_back.lock() = Some((workflow.clone(), fence.cloned(), writes));
                return Ok(());
            }
        }
        if self.has(Defect::NoFence) && fence.is_some() {
            let yields = writes.contains(&Write::Yield);
            writes.retain(|write| *write != Write::Yield);
            self.put(workflow, None, &writes).await?;
            if yields {
                // Whoever holds it by now may keep it.
                let _ = self.base.commit(workflow, fence, &[Write::Yield]).await;
            }
            return Ok(());
        }
        match self.put(workflow, fence, &writes).await {
            Err(StoreError::Fenced) if self.has(Defect::LeaseNotChecked) => Ok(()),
            done => done,
        }
    }

    async fn claim(&self, owner: &str, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        let fate = self.faults.meet(Call::Claim, &self.who, None).await;
        match fate {
            Fate::CrashBefore => return self.faults.crash(&self.who).await,
            Fate::Busy => return Err(StoreError::Unavailable("locked".to_owned())),
            _ => {}
        }
        let lease = self.base.claim(owner, ttl).await?;
        if let Some(lease) = &lease {
            self.faults.holds(&self.who, &lease.workflow);
            self.notes.write(&self.who, What::Claimed { lease: lease.clone(), ttl: millis(ttl) });
        }
        match fate {
            Fate::CrashAfter => self.faults.crash(&self.who).await,
            Fate::Lost => Err(StoreError::Unknown("the connection broke".to_owned())),
            _ => Ok(lease),
        }
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, StoreError> {
        let fate = self.faults.meet(Call::Renew, &self.who, Some(&lease.workflow)).await;
        match fate {
            Fate::CrashBefore => return self.faults.crash(&self.who).await,
            Fate::Busy => return Err(StoreError::Unavailable("locked".to_owned())),
            _ => {}
        }
        let held = self.base.renew(lease, ttl).await?;
        if held {
            self.notes.write(&self.who, What::Renewed { lease: lease.clone(), ttl: millis(ttl) });
        }
        match fate {
            Fate::CrashAfter => self.faults.crash(&self.who).await,
            Fate::Lost => Err(StoreError::Unknown("the connection broke".to_owned())),
            _ => Ok(held || self.has(Defect::LeaseNotChecked)),
        }
    }

    async fn workflow(&self, id: &WorkflowId) -> Result<Option<Record>, StoreError> {
        self.read().await?;
        let mut record = self.base.workflow(id).await?;
        if self.has(Defect::SelfApproved)
            && let Some(record) = &mut record
            && matches!(record.workflow.phase, Phase::AwaitingApproval | Phase::Queued)
        {
            record.workflow.requested_by.name = "nobody".to_owned();
        }
        if self.has(Defect::ApprovalNotBound)
            && let Some(record) = &mut record
            && record.workflow.phase == Phase::AwaitingApproval
        {
            record.workflow.digest = Some(FORGED.to_owned());
            for approval in &mut record.approvals {
                if approval.state == ApprovalState::Requested {
                    approval.digest = FORGED.to_owned();
                }
            }
        }
        Ok(record)
    }

    async fn controls(&self) -> Result<Vec<Control>, StoreError> {
        self.read().await?;
        if self.has(Defect::KillSwitchIgnored) { Ok(Vec::new()) } else { self.base.controls().await }
    }

    async fn set_control(
        &self,
        control: &Control,
        entry: &Entry,
        notice: Option<&Notice>,
    ) -> Result<(), StoreError> {
        self.keep(Call::Report, async {
            self.base.set_control(control, entry, notice).await?;
            self.notes.write(&self.who, What::Controlled { control: control.clone() });
            Ok(())
        })
        .await
    }

    async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, StoreError> {
        self.read().await?;
        self.base.incident(id).await
    }

    async fn cooldown(&self, fingerprint: &str) -> Result<Option<Cooldown>, StoreError> {
        self.read().await?;
        if self.has(Defect::RestForgotten) { Ok(None) } else { self.base.cooldown(fingerprint).await }
    }

    async fn outcomes_since(&self, since: Millis) -> Result<Vec<Phase>, StoreError> {
        self.read().await?;
        self.base.outcomes_since(since).await
    }

    async fn budget_used(&self, scope: &str, bucket: i64) -> Result<u32, StoreError> {
        self.read().await?;
        self.base.budget_used(scope, bucket).await
    }

    async fn wake(&self, workflow: &WorkflowId) -> Result<(), StoreError> {
        self.base.wake(workflow).await
    }

    async fn time(&self) -> Result<Millis, StoreError> {
        self.base.time().await
    }

    async fn request(
        &self,
        principal: &str,
        key: &str,
    ) -> Result<Option<(Idempotency, WorkflowId)>, StoreError> {
        self.base.request(principal, key).await
    }

    async fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        self.base.next_due().await
    }

    async fn active(&self, limit: u32) -> Result<Vec<Active>, StoreError> {
        self.read().await?;
        self.base.active(limit).await
    }

    async fn workflows(&self, filter: &WorkflowFilter) -> Result<Rows<Workflow>, StoreError> {
        self.base.workflows(filter).await
    }

    async fn began(&self, workflows: &[WorkflowId]) -> Result<Vec<(WorkflowId, Millis)>, StoreError> {
        self.base.began(workflows).await
    }

    async fn report(&self, reports: &[Report]) -> Result<Vec<Reported>, StoreError> {
        let mut reports = reports.to_vec();
        if self.has(Defect::IncidentDoubled) {
            for (report, number) in reports.iter_mut().zip(0..) {
                let print = &report.incident.fingerprint;
                report.incident.fingerprint = format!("{print}/{}/{number}", self.notes.list_len());
            }
        }
        self.keep(Call::Report, async {
            let done = self.base.report(&reports).await?;
            self.notes.write(&self.who, What::Reported { reports: reports.clone(), done: done.clone() });
            Ok(done)
        })
        .await
    }

    async fn incidents(&self, filter: &IncidentFilter) -> Result<Rows<Incident>, StoreError> {
        self.base.incidents(filter).await
    }

    async fn closed_since(&self, since: Millis, limit: u32) -> Result<Vec<Incident>, StoreError> {
        self.base.closed_since(since, limit).await
    }

    async fn incident_counts(&self, filter: &IncidentFilter) -> Result<IncidentCounts, StoreError> {
        self.base.incident_counts(filter).await
    }

    async fn set_incident(
        &self,
        id: &IncidentId,
        from: &[IncidentStatus],
        to: IncidentStatus,
        resolution: Option<&str>,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        self.keep(Call::Report, self.base.set_incident(id, from, to, resolution, entry)).await
    }

    async fn quiet(
        &self,
        id: &IncidentId,
        alerts: &[String],
        close: Option<(&str, &Entry)>,
    ) -> Result<bool, StoreError> {
        self.base.quiet(id, alerts, close).await
    }

    async fn file_incident(
        &self,
        id: &IncidentId,
        filing: &Filing,
        entry: &Entry,
    ) -> Result<Option<IncidentId>, StoreError> {
        self.base.file_incident(id, filing, entry).await
    }

    async fn incidents_since(&self, since: Millis) -> Result<u64, StoreError> {
        self.base.incidents_since(since).await
    }

    async fn audit(&self, chain: &str, after: i64, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        self.base.audit(chain, after, limit).await
    }

    async fn audit_heads(&self) -> Result<Vec<(String, i64, String)>, StoreError> {
        self.base.audit_heads().await
    }

    async fn audit_head(&self, chain: &str) -> Result<Option<(i64, String)>, StoreError> {
        self.base.audit_head(chain).await
    }

    async fn anchor(&self, at: Millis) -> Result<Option<(i64, String)>, StoreError> {
        self.keep(Call::House, self.base.anchor(at)).await
    }

    async fn due_notices(&self, now: Millis, limit: u32) -> Result<Vec<DueNotice>, StoreError> {
        self.base.due_notices(now, limit).await
    }

    async fn settle_notice(&self, seq: i64, again_at: Option<Millis>) -> Result<(), StoreError> {
        self.base.settle_notice(seq, again_at).await
    }

    async fn hold_duty(&self, name: &str, owner: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.keep(Call::House, self.base.hold_duty(name, owner, ttl)).await
    }

    async fn horizon(&self) -> Result<Option<Horizon>, StoreError> {
        self.read().await?;
        self.base.horizon().await
    }

    async fn keep_horizon(&self, horizon: &Horizon) -> Result<(), StoreError> {
        self.keep(Call::House, self.base.keep_horizon(horizon)).await
    }

    async fn retain(&self, before: Millis, limit: u32) -> Result<(u64, u64), StoreError> {
        self.keep(Call::House, self.base.retain(before, limit)).await
    }
}
