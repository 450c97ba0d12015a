//! What two processes on one state directory say to each other: one executes, the others hand it what somebody orders.
//!
//! A process that may not write reads for itself (its own inventory, the same store) and decides nothing: an order goes to
//! the one that executes, which validates, guards and keeps it as if it had come through its own door. Whoever can speak
//! here could write to the state directory as well, so the caller that is named is believed; the cluster that is meant is
//! compared. Nothing is sent twice.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use aiops_engine::{
    Engine, Error,
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
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Where orders are taken, on the socket alone.
pub(crate) const ENGINE: &str = "/engine";

/// The socket of a state directory.
pub(crate) fn socket(folder: &Path) -> PathBuf {
    folder.join("aiops.sock")
}

/// Something that somebody orders, and what it needs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Who, as the door knows them through which they came.
    caller: Caller,
    /// The uid of the cluster that is meant; none while it is not known.
    cluster: Option<String>,
    asks: Asks,
}

#[derive(Debug, Serialize, Deserialize)]
enum Asks {
    Trigger(Box<Trigger>),
    Decide(WorkflowId, Decision),
    Cancel(WorkflowId, Option<String>),
    Resolve(WorkflowId, Resolution),
    CreateIncident(NewIncident),
    ResolveIncident(IncidentId, Option<String>),
    Alerts(Vec<Alert>),
    SetControl(ControlChange),
}

/// What came of it. What was changed is in the store, where both can read it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Came {
    /// A workflow was begun, or found.
    Triggered(Box<Triggered>),
    /// An incident was opened, or found.
    Incident(String),
    /// Alerts were counted.
    Alerts(AlertsTaken),
    /// It was done.
    Done,
}

/// Does what another process was asked for.
///
/// # Errors
/// As the engine's own; and another cluster is meant.
pub(crate) async fn perform(
    engine: &Engine,
    coordination: &dyn Coordination,
    order: Order,
) -> Result<Came, Error> {
    let Order { caller, cluster, asks } = order;
    same_cluster(&uid(engine), cluster.as_deref(), &asks)?;
    let caller = &caller;
    match asks {
        Asks::Trigger(trigger) => {
            coordination.trigger(caller, *trigger).await.map(|done| Came::Triggered(Box::new(done)))
        }
        Asks::Decide(id, decision) => coordination.decide(caller, &id, decision).await.map(done),
        Asks::Cancel(id, reason) => coordination.cancel(caller, &id, reason).await.map(done),
        Asks::Resolve(id, how) => coordination.resolve(caller, &id, how).await.map(done),
        Asks::CreateIncident(new) => {
            coordination.create_incident(caller, new).await.map(|incident| Came::Incident(incident.id))
        }
        Asks::ResolveIncident(id, resolution) => {
            coordination.resolve_incident(caller, &id, resolution).await.map(done)
        }
        Asks::Alerts(alerts) => coordination.alerts(caller, alerts).await.map(Came::Alerts),
        Asks::SetControl(change) => coordination.set_control(caller, change).await.map(done),
    }
}

fn done<T>(_: T) -> Came {
    Came::Done
}

fn uid(engine: &Engine) -> String {
    engine.look().info().uid.to_string()
}

/// Refuses what is meant for another cluster than the one that is worked on here.
fn same_cluster(ours: &str, theirs: Option<&str>, asks: &Asks) -> Result<(), Error> {
    let what = "an order of another process on this state directory";
    let theirs = theirs.filter(|uid| !uid.is_empty());
    // What is reported is about the cluster of whoever reports it; where neither is known, it is filed once this one is.
    let is_known = |asks: &Asks| match asks {
        Asks::Trigger(_) => theirs.is_some(),
        Asks::CreateIncident(_) | Asks::Alerts(_) => theirs.is_some() != ours.is_empty(),
        _ => true,
    };
    match theirs {
        Some(theirs) if !ours.is_empty() && theirs != ours => Err(Error::Conflict {
            what: what.to_owned(),
            why: format!(
                "it is meant for cluster {theirs}, and the process that executes here works on cluster {ours}; give each \
                 cluster a --state-dir of its own"
            ),
            workflow: None,
        }),
        _ if !is_known(asks) => Err(Error::Unavailable {
            what: what.to_owned(),
            why: "which cluster is meant has not been read yet; ask again in a moment".to_owned(),
            retry_after: Some(std::time::Duration::from_secs(2)),
        }),
        _ => Ok(()),
    }
}

/// Carries an order to the process that executes.
#[async_trait]
pub(crate) trait Carry: Send + Sync {
    /// What came of it.
    ///
    /// # Errors
    /// What the other process says, or that it could not be asked.
    async fn carry(&self, order: &Order) -> Result<Came, Error>;

    /// Which process executes, for people.
    fn executor(&self) -> String;
}

/// An engine that reads for itself and hands orders on.
pub(crate) struct Attached {
    engine: Engine,
    reads: Arc<dyn Coordination>,
    /// Whether this process may act at all. Where it may not, `reads` refuses what the other one would act on.
    acts: bool,
    to: Box<dyn Carry>,
}

impl Attached {
    /// `reads` answers what nothing has to be written for.
    pub(crate) fn new(engine: Engine, reads: Arc<dyn Coordination>, acts: bool, to: Box<dyn Carry>) -> Self {
        Self { engine, reads, acts, to }
    }

    async fn order(&self, caller: &Caller, asks: Asks) -> Result<Came, Error> {
        let cluster = Some(uid(&self.engine)).filter(|uid| !uid.is_empty());
        self.to.carry(&Order { caller: caller.clone(), cluster, asks }).await
    }

    fn strange(came: &Came) -> Error {
        Error::Internal {
            what: "an order to the process that executes".to_owned(),
            source: Some(format!("it answered {came:?}").into()),
        }
    }
}

#[async_trait]
impl Coordination for Attached {
    async fn trigger(&self, caller: &Caller, trigger: Trigger) -> Result<Triggered, Error> {
        if trigger.dry_run || !self.acts {
            return self.reads.trigger(caller, trigger).await;
        }
        match self.order(caller, Asks::Trigger(Box::new(trigger))).await? {
            Came::Triggered(triggered) => Ok(*triggered),
            other => Err(Self::strange(&other)),
        }
    }

    async fn plan(&self, caller: &Caller, request: PlanRequest) -> Result<PlanView, Error> {
        self.reads.plan(caller, request).await
    }

    async fn workflow(&self, caller: &Caller, id: &WorkflowId) -> Result<WorkflowView, Error> {
        self.reads.workflow(caller, id).await
    }

    async fn record(&self, caller: &Caller, id: &WorkflowId) -> Result<Record, Error> {
        self.reads.record(caller, id).await
    }

    async fn workflows(&self, caller: &Caller, query: WorkflowQuery) -> Result<WorkflowList, Error> {
        self.reads.workflows(caller, query).await
    }

    async fn decide(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        decision: Decision,
    ) -> Result<WorkflowView, Error> {
        if decision.approve && !self.acts {
            return self.reads.decide(caller, id, decision).await;
        }
        self.order(caller, Asks::Decide(id.clone(), decision)).await?;
        self.reads.workflow(caller, id).await
    }

    async fn cancel(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        reason: Option<String>,
    ) -> Result<WorkflowView, Error> {
        self.order(caller, Asks::Cancel(id.clone(), reason)).await?;
        self.reads.workflow(caller, id).await
    }

    async fn resolve(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        how: Resolution,
    ) -> Result<WorkflowView, Error> {
        self.order(caller, Asks::Resolve(id.clone(), how)).await?;
        self.reads.workflow(caller, id).await
    }

    async fn why_not(&self, caller: &Caller, question: WhyNot) -> Result<Verdicts, Error> {
        self.reads.why_not(caller, question).await
    }

    async fn incidents(&self, caller: &Caller, query: IncidentQuery) -> Result<IncidentList, Error> {
        self.reads.incidents(caller, query).await
    }

    async fn incident(&self, caller: &Caller, id: &IncidentId) -> Result<IncidentView, Error> {
        self.reads.incident(caller, id).await
    }

    async fn create_incident(&self, caller: &Caller, new: NewIncident) -> Result<IncidentView, Error> {
        match self.order(caller, Asks::CreateIncident(new)).await? {
            Came::Incident(id) => self.reads.incident(caller, &IncidentId::parse(&id)?).await,
            other => Err(Self::strange(&other)),
        }
    }

    async fn resolve_incident(
        &self,
        caller: &Caller,
        id: &IncidentId,
        resolution: Option<String>,
    ) -> Result<IncidentView, Error> {
        self.order(caller, Asks::ResolveIncident(id.clone(), resolution)).await?;
        self.reads.incident(caller, id).await
    }

    async fn incident_report(&self, caller: &Caller, id: &IncidentId) -> Result<String, Error> {
        self.reads.incident_report(caller, id).await
    }

    async fn alerts(&self, caller: &Caller, alerts: Vec<Alert>) -> Result<AlertsTaken, Error> {
        match self.order(caller, Asks::Alerts(alerts)).await? {
            Came::Alerts(taken) => Ok(taken),
            other => Err(Self::strange(&other)),
        }
    }

    async fn deployment_method(&self, caller: &Caller, workload: WorkloadName) -> Result<MethodView, Error> {
        self.reads.deployment_method(caller, workload).await
    }

    async fn method_cache(&self, caller: &Caller) -> Result<MethodCache, Error> {
        self.reads.method_cache(caller).await
    }

    async fn forget_methods(&self, caller: &Caller) -> Result<(), Error> {
        self.reads.forget_methods(caller).await
    }

    async fn controls(&self, caller: &Caller) -> Result<ControlView, Error> {
        self.reads.controls(caller).await
    }

    async fn set_control(&self, caller: &Caller, change: ControlChange) -> Result<ControlView, Error> {
        self.order(caller, Asks::SetControl(change)).await?;
        self.reads.controls(caller).await
    }

    async fn policy(&self, caller: &Caller) -> Result<PolicyView, Error> {
        self.reads.policy(caller).await
    }

    async fn audit(&self, caller: &Caller, chain: &str, after: i64, limit: u32) -> Result<AuditView, Error> {
        self.reads.audit(caller, chain, after, limit).await
    }

    async fn standing(&self) -> EngineStanding {
        let read = self.reads.standing().await;
        // That this process may not write is as it should be; that the store cannot be read is not.
        let is_read = read.active_workflows.is_some();
        EngineStanding {
            status: if is_read { "ok".to_owned() } else { read.status },
            why: if is_read { Some(format!("attached to {}", self.to.executor())) } else { read.why },
            ..read
        }
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.reads.changed()
    }
}
