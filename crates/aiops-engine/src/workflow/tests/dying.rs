//! Ports that die on demand, and a clock that is moved by hand.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::world::World;
use crate::{
    error::PortError,
    model::{
        Millis,
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentStatus},
        phase::Phase,
        workflow::{Record, Workflow},
    },
    ports::{
        ApiResource, Clock, Cluster, Ids, ListOptions, LogRequest, ObjectPage, Timer,
        acting::{Accepted, Acting, Announcement, Mutation, NotDone},
        store::{
            Acceptance, Active, AuditLine, Control, Cooldown, DueNotice, Entry, Fence, Filing, Horizon,
            Idempotency, IncidentCounts, IncidentFilter, Lease, Notice, Report, Reported, Rows, Store,
            StoreError, Taken, WorkflowFilter, Write,
        },
    },
    testing::memory_store::MemoryStore,
};

/// A clock that is moved by hand, and its timer.
#[derive(Debug)]
pub(super) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_800_000_000_000)))
    }

    pub(super) fn at(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) fn pass(&self, by: Millis) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    pub(super) fn reach(&self, at: Millis) {
        self.0.fetch_max(at, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.at()).unwrap()
    }
}

/// The engine's clock, which is off.
#[derive(Debug)]
pub(super) struct OffClock(pub(super) Arc<ManualClock>, pub(super) Millis);

impl Clock for OffClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.at() + self.1).unwrap()
    }
}

#[async_trait]
impl Timer for ManualClock {
    fn ticks(&self) -> Millis {
        self.at()
    }

    async fn sleep_until(&self, ticks: Millis) {
        while self.at() < ticks {
            tokio::task::yield_now().await;
        }
    }
}

/// Numbers that nobody had before.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU32);

impl Ids for Counter {
    fn unique(&self) -> String {
        format!("{:08}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// Counts port calls, twice each: before and after. At one of them the process dies: it waits for ever and is dropped.
#[derive(Debug)]
pub(super) struct Gate {
    passed: AtomicU32,
    dies_at: u32,
    /// At this one the process stands still until it may go on.
    waits_at: u32,
    is_waiting: AtomicBool,
    may_go: AtomicBool,
}

impl Gate {
    pub(super) fn open() -> Arc<Self> {
        Self::dying_at(u32::MAX)
    }

    pub(super) fn dying_at(dies_at: u32) -> Arc<Self> {
        Self::of(dies_at, u32::MAX)
    }

    /// At this one the process stands still until [`Self::go`].
    pub(super) fn waiting_at(waits_at: u32) -> Arc<Self> {
        Self::of(u32::MAX, waits_at)
    }

    fn of(dies_at: u32, waits_at: u32) -> Arc<Self> {
        let (is_waiting, may_go) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { passed: AtomicU32::new(0), dies_at, waits_at, is_waiting, may_go })
    }

    /// The process goes on.
    pub(super) fn go(&self) {
        self.may_go.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::SeqCst)
    }

    pub(super) fn passed(&self) -> u32 {
        self.passed.load(Ordering::SeqCst)
    }

    async fn pass(&self) {
        let number = self.passed.fetch_add(1, Ordering::SeqCst);
        if number == self.dies_at {
            std::future::pending::<()>().await;
        }
        if number == self.waits_at {
            self.is_waiting.store(true, Ordering::SeqCst);
            while !self.may_go.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// A store behind a gate.
pub(super) struct GatedStore(pub(super) Arc<MemoryStore>, pub(super) Arc<Gate>);

macro_rules! gated {
    ($(async fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        #[async_trait]
        impl Store for GatedStore {
            fn writable(&self) -> Result<(), StoreError> {
                self.0.writable()
            }
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$out, StoreError> {
                self.1.pass().await;
                let done = self.0.$name($($arg),*).await;
                self.1.pass().await;
                done
            })*
        }
    };
}

gated! {
    async fn accept(acceptance: &Acceptance) -> Taken;
    async fn time() -> Millis;
    async fn request(principal: &str, key: &str) -> Option<(Idempotency, WorkflowId)>;
    async fn commit(workflow: &WorkflowId, fence: Option<&Fence>, writes: &[Write]) -> ();
    async fn horizon() -> Option<Horizon>;
    async fn keep_horizon(horizon: &Horizon) -> ();
    async fn claim(owner: &str, ttl: Duration) -> Option<Lease>;
    async fn renew(lease: &Lease, ttl: Duration) -> bool;
    async fn wake(workflow: &WorkflowId) -> ();
    async fn next_due() -> Option<Millis>;
    async fn workflow(id: &WorkflowId) -> Option<Record>;
    async fn workflows(filter: &WorkflowFilter) -> Rows<Workflow>;
    async fn active(limit: u32) -> Vec<Active>;
    async fn began(workflows: &[WorkflowId]) -> Vec<(WorkflowId, Millis)>;
    async fn report(reports: &[Report]) -> Vec<Reported>;
    async fn incident(id: &IncidentId) -> Option<Incident>;
    async fn incidents(filter: &IncidentFilter) -> Rows<Incident>;
    async fn closed_since(since: Millis, limit: u32) -> Vec<Incident>;
    async fn incident_counts(filter: &IncidentFilter) -> IncidentCounts;
    async fn set_incident(
        id: &IncidentId, from: &[IncidentStatus], to: IncidentStatus, resolution: Option<&str>, entry: &Entry
    ) -> ();
    async fn quiet(id: &IncidentId, alerts: &[String], close: Option<(&str, &Entry)>) -> bool;
    async fn file_incident(id: &IncidentId, filing: &Filing, entry: &Entry) -> Option<IncidentId>;
    async fn cooldown(fingerprint: &str) -> Option<Cooldown>;
    async fn outcomes_since(since: Millis) -> Vec<Phase>;
    async fn budget_used(scope: &str, bucket: i64) -> u32;
    async fn incidents_since(since: Millis) -> u64;
    async fn controls() -> Vec<Control>;
    async fn set_control(control: &Control, entry: &Entry, notice: Option<&Notice>) -> ();
    async fn audit(chain: &str, after: i64, limit: u32) -> Vec<AuditLine>;
    async fn audit_heads() -> Vec<(String, i64, String)>;
    async fn audit_head(chain: &str) -> Option<(i64, String)>;
    async fn anchor(at: Millis) -> Option<(i64, String)>;
    async fn due_notices(now: Millis, limit: u32) -> Vec<DueNotice>;
    async fn settle_notice(seq: i64, again_at: Option<Millis>) -> ();
    async fn hold_duty(name: &str, owner: &str, ttl: Duration) -> bool;
    async fn retain(before: Millis, limit: u32) -> (u64, u64);
}

/// A cluster behind a gate, and what changes it.
pub(super) struct GatedCluster(pub(super) Arc<World>, pub(super) Arc<Gate>);

#[async_trait]
impl Cluster for GatedCluster {
    async fn resources(&self) -> Result<Vec<ApiResource>, PortError> {
        self.0.cluster.resources().await
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, PortError> {
        self.1.pass().await;
        let blind = self.0.blind.lock().clone();
        let got = match blind {
            Some(error) => Err(error),
            None => self.0.cluster.get(resource, namespace, name).await,
        };
        self.1.pass().await;
        got
    }

    async fn list(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<ObjectPage, PortError> {
        self.1.pass().await;
        let blind = self.0.blind.lock().clone();
        match blind {
            Some(error) => Err(error),
            None => self.0.cluster.list(resource, namespace, options).await,
        }
    }

    async fn logs(
        &self,
        _: &LogRequest,
        _: &mut (dyn for<'c> FnMut(&'c [u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), PortError> {
        Ok(())
    }

    async fn may(&self, _: &str, _: &str, _: &str, _: Option<&str>) -> Result<bool, PortError> {
        Ok(true)
    }
}

#[async_trait]
impl Acting for GatedCluster {
    async fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        self.1.pass().await;
        let done = self.0.perform(mutation);
        self.1.pass().await;
        done
    }

    async fn announce(&self, note: &Announcement) {
        self.1.pass().await;
        self.0.announced.lock().push(note.reason);
    }
}
