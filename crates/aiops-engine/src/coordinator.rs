//! The coordination engine in this process: [`Coordination`] over the inventory and the ports.
//!
//! It holds no workflow in memory: what was decided is in the store, what is true is in the cluster. One file a topic,
//! each with the requests about it; the work itself stands in [`crate::workflow`], [`crate::planner`] and
//! [`crate::guard`].

mod alerts;
mod figures;
mod incidents;
mod plans;
mod report;
mod rules;
mod sweeping;
pub(crate) mod switch;
mod workflows;
#[cfg(test)]
mod world;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, Notify, watch};

#[cfg(test)]
pub(crate) use self::sweeping::Sweeper;

use crate::{
    Engine,
    coordination::{
        Alert, AlertsTaken, AuditView, ControlChange, ControlView, Coordination, Decision, EngineStanding,
        IncidentList, IncidentQuery, IncidentView, MethodCache, MethodView, NewIncident, PlanRequest,
        PlanView, PolicyView, Resolution, Trigger, Triggered, Verdicts, WhyNot, WorkflowList, WorkflowQuery,
        WorkflowView, WorkloadName,
    },
    error::Error,
    model::{
        Millis,
        caller::Caller,
        ids::{IncidentId, WorkflowId},
        workflow::Record,
    },
    ports::{Ids, acting::Acting, store::Store},
    settings::Settings,
};

/// The coordination engine in this process.
#[derive(Clone)]
pub struct Coordinator(Arc<Inner>);

/// What it is made of.
pub(crate) struct Inner {
    /// Rows, live reads, and the time.
    pub(crate) engine: Engine,
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What changes the cluster; absent where nothing may.
    pub(crate) acting: Option<Arc<dyn Acting>>,
    /// Unique parts of ids.
    pub(crate) ids: Arc<dyn Ids>,
    /// Policy and limits.
    pub(crate) settings: Settings,
    /// Wakes the work loop, without data: it reads the store again.
    pub(crate) wake: Notify,
    /// Tells doors that something changed.
    pub(crate) changed: watch::Sender<u64>,
    /// Deployment methods that were looked at lately.
    pub(crate) methods: plans::Methods,
    /// What the ConfigMap of the kill switch said last.
    pub(crate) switch: switch::Switch,
    /// Held while a message of alerts is taken: of two at once, one may close what the other counts with.
    pub(crate) taking_alerts: Mutex<alerts::Taking>,
}

/// The parts of a coordinator.
pub struct Parts {
    /// Rows, live reads, and the time.
    pub engine: Engine,
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// What changes the cluster; absent where nothing may.
    pub acting: Option<Arc<dyn Acting>>,
    /// Unique parts of ids.
    pub ids: Arc<dyn Ids>,
    /// Policy and limits.
    pub settings: Settings,
}

impl Coordinator {
    /// A coordinator of these parts. Nothing runs until the work loop is started.
    pub fn new(parts: Parts) -> Self {
        let Parts { engine, store, acting, ids, settings } = parts;
        Self(Arc::new(Inner {
            engine,
            store,
            acting,
            ids,
            settings,
            wake: Notify::new(),
            changed: watch::Sender::new(0),
            methods: plans::Methods::default(),
            switch: switch::Switch::default(),
            taking_alerts: Mutex::default(),
        }))
    }
}

impl Coordinator {
    /// What the executors of the same process work with.
    pub(crate) fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.0)
    }
}

impl Inner {
    /// Now, in the store's unit.
    pub(crate) fn now(&self) -> Millis {
        self.engine.now().as_millisecond()
    }

    /// Now, by the store's time: what is kept is dated by it, however wrong this process's clock is. `what` is being done.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub(crate) async fn stored_now(&self, what: &str) -> Result<Millis, Error> {
        self.store.time().await.map_err(|error| Error::from_store(what, error))
    }

    /// Tells doors that something changed.
    pub(crate) fn note(&self) {
        self.changed.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// Tells doors, and the work loop, that something changed.
    pub(crate) fn touch(&self) {
        self.note();
        self.wake.notify_one();
    }
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator").field("acts", &self.0.acting.is_some()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Coordination for Coordinator {
    async fn trigger(&self, caller: &Caller, trigger: Trigger) -> Result<Triggered, Error> {
        self.0.trigger(caller, trigger).await
    }

    async fn plan(&self, caller: &Caller, request: PlanRequest) -> Result<PlanView, Error> {
        self.0.plan(caller, request).await
    }

    async fn workflow(&self, caller: &Caller, id: &WorkflowId) -> Result<WorkflowView, Error> {
        self.0.workflow(caller, id).await
    }

    async fn record(&self, caller: &Caller, id: &WorkflowId) -> Result<Record, Error> {
        // Whoever may look at the workflow may look at its record.
        self.0.workflow(caller, id).await?;
        let what = || format!("workflow {id}");
        let found = self.0.store.workflow(id).await.map_err(|error| Error::from_store(what(), error))?;
        found.ok_or_else(|| Error::not_found(what()))
    }

    async fn workflows(&self, caller: &Caller, query: WorkflowQuery) -> Result<WorkflowList, Error> {
        self.0.workflows(caller, query).await
    }

    async fn decide(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        decision: Decision,
    ) -> Result<WorkflowView, Error> {
        self.0.decide(caller, id, decision).await
    }

    async fn cancel(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        reason: Option<String>,
    ) -> Result<WorkflowView, Error> {
        self.0.cancel(caller, id, reason).await
    }

    async fn resolve(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        how: Resolution,
    ) -> Result<WorkflowView, Error> {
        self.0.resolve(caller, id, how).await
    }

    async fn why_not(&self, caller: &Caller, question: WhyNot) -> Result<Verdicts, Error> {
        self.0.why_not(caller, question).await
    }

    async fn incidents(&self, caller: &Caller, query: IncidentQuery) -> Result<IncidentList, Error> {
        self.0.incidents(caller, query).await
    }

    async fn incident(&self, caller: &Caller, id: &IncidentId) -> Result<IncidentView, Error> {
        self.0.incident(caller, id).await
    }

    async fn create_incident(&self, caller: &Caller, new: NewIncident) -> Result<IncidentView, Error> {
        self.0.create_incident(caller, new).await
    }

    async fn resolve_incident(
        &self,
        caller: &Caller,
        id: &IncidentId,
        resolution: Option<String>,
    ) -> Result<IncidentView, Error> {
        self.0.resolve_incident(caller, id, resolution).await
    }

    async fn incident_report(&self, caller: &Caller, id: &IncidentId) -> Result<String, Error> {
        self.0.incident_report(caller, id).await
    }

    async fn alerts(&self, caller: &Caller, alerts: Vec<Alert>) -> Result<AlertsTaken, Error> {
        self.0.alerts(caller, alerts).await
    }

    async fn deployment_method(&self, caller: &Caller, workload: WorkloadName) -> Result<MethodView, Error> {
        self.0.deployment_method(caller, workload).await
    }

    async fn method_cache(&self, _: &Caller) -> Result<MethodCache, Error> {
        Ok(self.0.methods.standing(self.0.now()))
    }

    async fn forget_methods(&self, _: &Caller) -> Result<(), Error> {
        self.0.methods.forget();
        Ok(())
    }

    async fn controls(&self, caller: &Caller) -> Result<ControlView, Error> {
        self.0.controls(caller).await
    }

    async fn set_control(&self, caller: &Caller, change: ControlChange) -> Result<ControlView, Error> {
        self.0.set_control(caller, change).await
    }

    async fn policy(&self, caller: &Caller) -> Result<PolicyView, Error> {
        self.0.policy(caller).await
    }

    async fn audit(&self, caller: &Caller, chain: &str, after: i64, limit: u32) -> Result<AuditView, Error> {
        self.0.audit(caller, chain, after, limit).await
    }

    async fn standing(&self) -> EngineStanding {
        self.0.standing().await
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }
}
