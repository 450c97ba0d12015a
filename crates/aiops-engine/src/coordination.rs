//! What may be asked of the coordination engine, by any door: the one trait between them.
//!
//! The engine in this process implements it, and so does whatever speaks for one elsewhere. Doors turn what they receive
//! into a request of this file and print the answer; they decide nothing. Every request carries its [`Caller`].

pub mod incidents;
pub mod rules;
pub mod workflows;

use async_trait::async_trait;

pub use self::{incidents::*, rules::*, workflows::*};
use crate::{
    error::Error,
    model::{
        caller::Caller,
        ids::{IncidentId, WorkflowId},
        workflow::Record,
    },
};

/// The trigger with what it leaves out taken from its incident: the object together, the issue, how bad it is. Without an
/// incident, and where that is about no object, it stays as it is; whether it then says enough, the door judges.
///
/// # Errors
/// The incident is not known, or cannot be read.
pub async fn completed(
    engine: &dyn Coordination,
    caller: &Caller,
    mut trigger: Trigger,
) -> Result<Trigger, Error> {
    let names_object = !trigger.name.is_empty() && !trigger.kind.is_empty();
    let names_trouble = !trigger.issue.is_empty() || trigger.action.is_some();
    let Some(id) = trigger.incident.as_deref().filter(|_| !names_object || !names_trouble) else {
        return Ok(trigger);
    };
    let incident = engine.incident(caller, &IncidentId::parse(id)?).await?;
    trigger.asked = Some(trigger.hash()?);
    if !names_trouble {
        trigger.issue = incident.issue_type;
    }
    let resource = incident.resource.as_deref().and_then(|resource| resource.split_once('/'));
    if let Some((kind, name)) = resource.filter(|_| !names_object) {
        trigger.namespace = incident.namespace;
        trigger.kind = kind.to_owned();
        trigger.name = name.to_owned();
    }
    trigger.severity = trigger.severity.or(Some(incident.severity));
    Ok(trigger)
}

/// The coordination engine.
#[async_trait]
pub trait Coordination: Send + Sync {
    /// Accepts a remediation: validated, guarded and kept when this returns. A dry run is planned and proven instead, and
    /// nothing is kept.
    async fn trigger(&self, caller: &Caller, trigger: Trigger) -> Result<Triggered, Error>;

    /// Makes and proves a plan; nothing is kept and nothing changes.
    async fn plan(&self, caller: &Caller, request: PlanRequest) -> Result<PlanView, Error>;

    /// A workflow.
    async fn workflow(&self, caller: &Caller, id: &WorkflowId) -> Result<WorkflowView, Error>;

    /// A workflow with everything that was recorded of it, for the door whose old shape tells a plan in full. An engine
    /// that is asked over a wire has no records to give.
    async fn record(&self, _caller: &Caller, id: &WorkflowId) -> Result<Record, Error> {
        Err(Error::NotInThisMode {
            what: format!("the record of workflow {id}"),
            why: "the engine that keeps it is another process; ask that one".to_owned(),
        })
    }

    /// Workflows, newest first.
    async fn workflows(&self, caller: &Caller, query: WorkflowQuery) -> Result<WorkflowList, Error>;

    /// Approves or denies the plan that waits, by its digest.
    async fn decide(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        decision: Decision,
    ) -> Result<WorkflowView, Error>;

    /// Asks a workflow to stop: at once when nothing was done, else after the step that runs, undoing what was done.
    async fn cancel(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        reason: Option<String>,
    ) -> Result<WorkflowView, Error>;

    /// Ends a parked workflow as the person who looked at it says.
    async fn resolve(&self, caller: &Caller, id: &WorkflowId, how: Resolution)
    -> Result<WorkflowView, Error>;

    /// Which rules would refuse this trigger now, or why a workflow does not go on.
    async fn why_not(&self, caller: &Caller, question: WhyNot) -> Result<Verdicts, Error>;

    /// Incidents, newest first.
    async fn incidents(&self, caller: &Caller, query: IncidentQuery) -> Result<IncidentList, Error>;

    /// An incident with its workflows.
    async fn incident(&self, caller: &Caller, id: &IncidentId) -> Result<IncidentView, Error>;

    /// Opens an incident by hand.
    async fn create_incident(&self, caller: &Caller, new: NewIncident) -> Result<IncidentView, Error>;

    /// Closes an incident.
    async fn resolve_incident(
        &self,
        caller: &Caller,
        id: &IncidentId,
        resolution: Option<String>,
    ) -> Result<IncidentView, Error>;

    /// The whole story of an incident as one Markdown document.
    async fn incident_report(&self, caller: &Caller, id: &IncidentId) -> Result<String, Error>;

    /// Takes what Alertmanager sends: opens incidents, counts them, closes what is resolved.
    async fn alerts(&self, caller: &Caller, alerts: Vec<Alert>) -> Result<AlertsTaken, Error>;

    /// How a workload is deployed.
    async fn deployment_method(&self, caller: &Caller, workload: WorkloadName) -> Result<MethodView, Error>;

    /// What is remembered of deployment methods.
    async fn method_cache(&self, caller: &Caller) -> Result<MethodCache, Error>;

    /// Forgets it.
    async fn forget_methods(&self, caller: &Caller) -> Result<(), Error>;

    /// The kill switch and the breaker.
    async fn controls(&self, caller: &Caller) -> Result<ControlView, Error>;

    /// Sets the kill switch.
    async fn set_control(&self, caller: &Caller, change: ControlChange) -> Result<ControlView, Error>;

    /// The policy in force.
    async fn policy(&self, caller: &Caller) -> Result<PolicyView, Error>;

    /// Lines of an audit chain.
    async fn audit(&self, caller: &Caller, chain: &str, after: i64, limit: u32) -> Result<AuditView, Error>;

    /// How the engine is, for health.
    async fn standing(&self) -> EngineStanding;

    /// Wakes when a workflow or an incident changed; carries a number that grows, and nothing else.
    fn changed(&self) -> tokio::sync::watch::Receiver<u64>;
}
