//! A coordination engine that may still be on its way: its store is opened beside everything else, so that a slow
//! database delays no answer that needs none.
//!
//! Until it is there every request about incidents and workflows is refused as unavailable, with what is waited for.
//! Nothing is kept for later: what was refused was not accepted.

use std::{sync::Arc, time::Duration};

use aiops_engine::{
    Error,
    coordination::{
        Alert, AlertsTaken, AuditView, ControlChange, ControlView, Coordination, Decision, EngineStanding,
        IncidentList, IncidentQuery, IncidentView, MethodCache, MethodView, NewIncident, PlanRequest,
        PlanView, PolicyView, Resolution, Trigger, Triggered, Verdicts, WhyNot, WorkflowList, WorkflowQuery,
        WorkflowView, WorkloadName,
    },
    model::{
        caller::Caller,
        ids::{IncidentId, WorkflowId},
        workflow::Record,
    },
};
use async_trait::async_trait;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::shutdown::Tasks;

/// What callers are told to wait.
const SOON: Duration = Duration::from_secs(2);

/// An engine that comes later; cheap to clone.
#[derive(Clone)]
pub(super) struct Late(Arc<Inner>);

/// Called when something was accepted that will act.
type Hook = Box<dyn Fn() + Send + Sync>;

struct Inner {
    state: RwLock<State>,
    /// The demo's time begins to pass with the first order.
    on_order: Option<Hook>,
    changed: watch::Sender<u64>,
    /// Whether this process is the one that executes on its state directory.
    executes: watch::Sender<bool>,
    tasks: Tasks,
}

enum State {
    /// Not there; why, and whether asking again makes sense.
    Waiting { why: String, is_hopeless: bool },
    /// There.
    Here(Arc<dyn Coordination>),
}

impl Late {
    /// Not there yet.
    pub(super) fn new(why: &str, on_order: Option<Hook>, tasks: &Tasks) -> Self {
        let state = RwLock::new(State::Waiting { why: why.to_owned(), is_hopeless: false });
        Self(Arc::new(Inner {
            state,
            on_order,
            changed: watch::Sender::new(0),
            executes: watch::Sender::new(false),
            tasks: tasks.clone(),
        }))
    }

    /// From now on this process is the one that executes.
    pub(super) fn executes(&self) {
        self.0.executes.send_replace(true);
    }

    /// Tells when this process becomes the one that executes.
    pub(super) fn executing(&self) -> watch::Receiver<bool> {
        self.0.executes.subscribe()
    }

    /// Lets doors look again, because another process may have changed something.
    pub(super) fn look(&self) {
        self.0.changed.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// Still not there, because of this; `is_hopeless` when only a person can help.
    pub(super) fn waits(&self, why: String, is_hopeless: bool) {
        *self.0.state.write() = State::Waiting { why, is_hopeless };
    }

    /// There it is.
    pub(super) fn arrived(&self, engine: Arc<dyn Coordination>) {
        let mut theirs = engine.changed();
        *self.0.state.write() = State::Here(engine);
        let (ours, ending) = (self.0.changed.clone(), self.0.tasks.ending());
        // Doors registered with us, perhaps before it was there.
        ours.send_modify(|number| *number = number.wrapping_add(1));
        self.0.tasks.spawn("pass on changes of the engine", async move {
            loop {
                tokio::select! {
                    () = ending.cancelled() => return,
                    changed = theirs.changed() => if changed.is_err() { return },
                }
                ours.send_modify(|number| *number = number.wrapping_add(1));
            }
        });
    }

    fn engine(&self) -> Result<Arc<dyn Coordination>, Error> {
        match &*self.0.state.read() {
            State::Here(engine) => Ok(Arc::clone(engine)),
            State::Waiting { why, is_hopeless } => Err(Error::Unavailable {
                what: "the coordination engine".to_owned(),
                why: why.clone(),
                retry_after: (!is_hopeless).then_some(SOON),
            }),
        }
    }
}

#[async_trait]
impl Coordination for Late {
    async fn trigger(&self, caller: &Caller, trigger: Trigger) -> Result<Triggered, Error> {
        let is_order = !trigger.dry_run;
        let triggered = self.engine()?.trigger(caller, trigger).await?;
        if let Some(hook) = self.0.on_order.as_ref().filter(|_| is_order) {
            hook();
        }
        Ok(triggered)
    }

    async fn plan(&self, caller: &Caller, request: PlanRequest) -> Result<PlanView, Error> {
        self.engine()?.plan(caller, request).await
    }

    async fn workflow(&self, caller: &Caller, id: &WorkflowId) -> Result<WorkflowView, Error> {
        self.engine()?.workflow(caller, id).await
    }

    async fn record(&self, caller: &Caller, id: &WorkflowId) -> Result<Record, Error> {
        self.engine()?.record(caller, id).await
    }

    async fn workflows(&self, caller: &Caller, query: WorkflowQuery) -> Result<WorkflowList, Error> {
        self.engine()?.workflows(caller, query).await
    }

    async fn decide(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        decision: Decision,
    ) -> Result<WorkflowView, Error> {
        self.engine()?.decide(caller, id, decision).await
    }

    async fn cancel(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        reason: Option<String>,
    ) -> Result<WorkflowView, Error> {
        self.engine()?.cancel(caller, id, reason).await
    }

    async fn resolve(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        how: Resolution,
    ) -> Result<WorkflowView, Error> {
        self.engine()?.resolve(caller, id, how).await
    }

    async fn why_not(&self, caller: &Caller, question: WhyNot) -> Result<Verdicts, Error> {
        self.engine()?.why_not(caller, question).await
    }

    async fn incidents(&self, caller: &Caller, query: IncidentQuery) -> Result<IncidentList, Error> {
        self.engine()?.incidents(caller, query).await
    }

    async fn incident(&self, caller: &Caller, id: &IncidentId) -> Result<IncidentView, Error> {
        self.engine()?.incident(caller, id).await
    }

    async fn create_incident(&self, caller: &Caller, new: NewIncident) -> Result<IncidentView, Error> {
        self.engine()?.create_incident(caller, new).await
    }

    async fn resolve_incident(
        &self,
        caller: &Caller,
        id: &IncidentId,
        resolution: Option<String>,
    ) -> Result<IncidentView, Error> {
        self.engine()?.resolve_incident(caller, id, resolution).await
    }

    async fn incident_report(&self, caller: &Caller, id: &IncidentId) -> Result<String, Error> {
        self.engine()?.incident_report(caller, id).await
    }

    async fn alerts(&self, caller: &Caller, alerts: Vec<Alert>) -> Result<AlertsTaken, Error> {
        self.engine()?.alerts(caller, alerts).await
    }

    async fn deployment_method(&self, caller: &Caller, workload: WorkloadName) -> Result<MethodView, Error> {
        self.engine()?.deployment_method(caller, workload).await
    }

    async fn method_cache(&self, caller: &Caller) -> Result<MethodCache, Error> {
        self.engine()?.method_cache(caller).await
    }

    async fn forget_methods(&self, caller: &Caller) -> Result<(), Error> {
        self.engine()?.forget_methods(caller).await
    }

    async fn controls(&self, caller: &Caller) -> Result<ControlView, Error> {
        self.engine()?.controls(caller).await
    }

    async fn set_control(&self, caller: &Caller, change: ControlChange) -> Result<ControlView, Error> {
        self.engine()?.set_control(caller, change).await
    }

    async fn policy(&self, caller: &Caller) -> Result<PolicyView, Error> {
        self.engine()?.policy(caller).await
    }

    async fn audit(&self, caller: &Caller, chain: &str, after: i64, limit: u32) -> Result<AuditView, Error> {
        self.engine()?.audit(caller, chain, after, limit).await
    }

    async fn standing(&self) -> EngineStanding {
        match self.engine() {
            Ok(engine) => engine.standing().await,
            Err(error) => EngineStanding {
                status: "down".to_owned(),
                why: Some(error.to_string()),
                acts: false,
                kill_switch: "unknown".to_owned(),
                breaker: "unknown".to_owned(),
                active_workflows: None,
                parked_workflows: None,
            },
        }
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }
}
