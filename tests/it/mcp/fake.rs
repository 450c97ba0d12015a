//! A coordination that remembers who asked what, plays the story that a test tells it, and accepts nothing that a door
//! must not hand over.

mod long;

use std::collections::BTreeMap;

use aiops_engine::{
    Error,
    coordination::*,
    issue::Severity,
    model::{
        action::UndoClass,
        caller::Caller,
        ids::{IncidentId, WorkflowId},
        incident::{IncidentSource, IncidentStatus},
        layer::Layer,
        method::{DeployMethod, Deployed},
        phase::{Direction, Phase, StepState, Verdict},
        plan::{Approval, Proof, Risk},
    },
};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

pub(crate) use self::long::TOKEN;

/// The digest of the one plan.
pub(crate) const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
/// The incident and the workflow of the story.
pub(crate) const INCIDENT: &str = "inc-01k3x9f2m4q7tz8b";
pub(crate) const WORKFLOW: &str = "wf-01k3x9f2m4q7tz8c";

/// What was asked, by whom.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) caller: Caller,
    pub(crate) what: Ask,
}

/// The requests that change something or carry much.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ask {
    Trigger(Trigger),
    Plan(Trigger),
    Decide(String, Decision),
    Cancel(String, Option<String>),
    Incidents(IncidentQuery),
    Workflows(WorkflowQuery),
    Create(NewIncident),
    Resolve(String, Option<String>),
    Method(WorkloadName),
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    incidents: Vec<IncidentView>,
    workflows: BTreeMap<String, WorkflowView>,
    /// Triggers wait for an approval instead of going on.
    needs_approval: bool,
    /// The answer of an elicitation counts.
    takes_elicitation: bool,
    /// The plan is long, and so many of its last steps cannot be undone.
    lasting: Option<usize>,
    /// What a trigger or an approval is followed by, one look after the other.
    story: Vec<Phase>,
}

/// The coordination.
pub(crate) struct Fake {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

impl Default for Fake {
    fn default() -> Self {
        Self { state: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Fake {
    /// With the incident of the story.
    pub(crate) fn with_incident() -> Self {
        let fake = Self::default();
        fake.put_incident(incident(INCIDENT, "web", IncidentStatus::Active));
        fake
    }

    pub(crate) fn put_incident(&self, incident: IncidentView) {
        let mut state = self.state.lock();
        state.incidents.retain(|known| known.id != incident.id);
        state.incidents.insert(0, incident);
        drop(state);
        self.touch();
    }

    pub(crate) fn put_workflow(&self, workflow: WorkflowView) {
        self.state.lock().workflows.insert(workflow.id.clone(), workflow);
        self.touch();
    }

    /// The workflow as it will be seen from now on.
    pub(crate) fn advance(&self, phase: Phase) {
        let mut state = self.state.lock();
        let workflow = state.workflows.get_mut(WORKFLOW).expect("a workflow that was triggered");
        *workflow = self::workflow(WORKFLOW, phase);
        drop(state);
        self.touch();
    }

    /// Triggers wait for an approval.
    pub(crate) fn needs_approval(self) -> Self {
        self.state.lock().needs_approval = true;
        self
    }

    /// And what a person answers at the client counts.
    pub(crate) fn takes_elicitation(self) -> Self {
        self.state.lock().takes_elicitation = true;
        self
    }

    /// The plan that waits has 50 steps, and so many of the last cannot be undone.
    pub(crate) fn long(self, lasting: usize) -> Self {
        self.state.lock().lasting = Some(lasting);
        self
    }

    /// What follows a trigger or an approval, one look after the other.
    pub(crate) fn story(self, phases: &[Phase]) -> Self {
        self.state.lock().story = phases.to_vec();
        self
    }

    /// Everything that was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().asked)
    }

    /// The one thing that was asked.
    pub(crate) fn one(&self) -> Asked {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }

    fn touch(&self) {
        self.changed.send_modify(|number| *number += 1);
    }

    fn note(&self, caller: &Caller, what: Ask) {
        assert!(!caller.name.is_empty(), "a caller without a name");
        self.state.lock().asked.push(Asked { caller: caller.clone(), what });
    }
}

fn nothing_of<T>(what: &str) -> Result<T, Error> {
    Err(Error::Internal { what: format!("{what}, which no test asks for"), source: None })
}

fn window<T>(all: Vec<T>, limit: Option<u32>, offset: Option<u32>, most: u32) -> Vec<T> {
    let limit = limit.unwrap_or(50);
    assert!((1..=most).contains(&limit), "limit {limit}");
    let (limit, offset) = (usize::try_from(limit).unwrap(), usize::try_from(offset.unwrap_or(0)).unwrap());
    all.into_iter().skip(offset).take(limit).collect()
}

/// An incident about a Deployment in `shop`.
pub(crate) fn incident(id: &str, name: &str, status: IncidentStatus) -> IncidentView {
    IncidentView {
        id: id.to_owned(),
        title: format!("ImagePullBackOff: Deployment shop/{name}"),
        description: "3 of 3 pods cannot pull registry.test/web:2.0 (manifest unknown)".to_owned(),
        severity: Severity::High,
        status,
        source: IncidentSource::Detector,
        namespace: "shop".to_owned(),
        resource: Some(format!("Deployment/{name}")),
        target: "shop".to_owned(),
        issue_type: "image_pull".to_owned(),
        occurrences: 4,
        created_at: "2026-11-24T09:41:07Z".to_owned(),
        last_seen: "2026-11-24T09:59:37Z".to_owned(),
        resolved_at: None,
        workflow_id: None,
        started_at: None,
        affected_resources: Vec::new(),
        labels: BTreeMap::new(),
        external_id: None,
        correlation_id: None,
        confidence: None,
        created_by: None,
        resolution: None,
        workflows: Vec::new(),
    }
}

fn step(state: StepState) -> StepView {
    StepView {
        order: 0,
        layer: Layer::Application,
        direction: Direction::Do,
        description: "Set the pod template of revision 6 (registry.test/web:1.9)".to_owned(),
        action: "rollback-workload".to_owned(),
        target: "Deployment shop/web".to_owned(),
        undo: UndoClass::Exact,
        status: state.contract().to_owned(),
        state,
        result: (state == StepState::Verified).then(|| "revision 6 is rolled out: 3 of 3 ready".to_owned()),
        proof: Some(Proof {
            allowed: Some(true),
            accepted: Some(true),
            diff: vec![
                "spec.template.spec.containers[web].image: registry.test/web:2.0 -> registry.test/web:1.9"
                    .to_owned(),
            ],
            notes: Vec::new(),
        }),
        started_at: None,
        completed_at: None,
    }
}

/// The plan of the story.
pub(crate) fn plan() -> PlanView {
    PlanView {
        remedy: "rollback-workload".to_owned(),
        problem: "image_pull: Deployment shop/web".to_owned(),
        why: "Revision 7 cannot pull its image; revision 6 ran 12 days with 3 of 3 pods ready".to_owned(),
        deployed: Deployed {
            method: DeployMethod::Manual,
            confidence: 0.6,
            source: "managedFields:kubectl-client-side-apply".to_owned(),
            details: BTreeMap::new(),
            owner: None,
            also: Vec::new(),
        },
        layers: vec![Layer::Application],
        steps: vec![step(StepState::Pending)],
        risk: Risk::Medium,
        expected: "3 of 3 pods of revision 6 ready within 2 minutes".to_owned(),
        estimated_duration: "2m".to_owned(),
        approval: Approval::Approve,
        rule: "policy/default-triggered".to_owned(),
        refused: None,
        digest: DIGEST.to_owned(),
        cluster: "5b1a6c1e-0000-4000-8000-000000000001".to_owned(),
        simulated: false,
    }
}

/// The workflow of the story in a phase.
pub(crate) fn workflow(id: &str, phase: Phase) -> WorkflowView {
    let state = match phase {
        Phase::Planning | Phase::Queued | Phase::AwaitingApproval => StepState::Pending,
        Phase::Running => StepState::Intent,
        Phase::Verifying => StepState::Applied,
        Phase::Failed => StepState::Failed,
        _ => StepState::Verified,
    };
    let is_over = phase.is_terminal();
    WorkflowView {
        id: id.to_owned(),
        incident_id: INCIDENT.to_owned(),
        status: phase.contract().to_owned(),
        phase,
        reason: (phase == Phase::NeedsOperator)
            .then(|| "somebody else changed the template meanwhile".to_owned()),
        rule: None,
        namespace: "shop".to_owned(),
        resource_kind: "Deployment".to_owned(),
        resource_name: "web".to_owned(),
        issue_type: "image_pull".to_owned(),
        severity: Severity::High,
        deployment_method: "manual".to_owned(),
        layers: vec![Layer::Application],
        remedy: Some("rollback-workload".to_owned()),
        digest: Some(DIGEST.to_owned()),
        awaiting: (phase == Phase::AwaitingApproval).then(|| Awaiting {
            digest: DIGEST.to_owned(),
            approval: Approval::Approve,
            rule: "policy/default-triggered".to_owned(),
            expires_at: "2026-11-24T10:30:00Z".to_owned(),
        }),
        decision: (phase == Phase::Completed).then(|| DecisionView {
            approved: true,
            by: "bob".to_owned(),
            via: Some("rest".to_owned()),
            at: "2026-11-24T10:00:01Z".to_owned(),
            reason: None,
        }),
        steps: if phase == Phase::Planning { Vec::new() } else { vec![step(state)] },
        checkpoints: vec![CheckpointView {
            layer: Layer::Application,
            after_step: 0,
            status: if phase == Phase::Completed { Verdict::Passed } else { Verdict::Pending },
            checks: vec!["rollout-complete".to_owned(), "pods-ready".to_owned()],
            evidence: if phase == Phase::Completed {
                vec![
                    "revision 6: 3 of 3 updated and ready for 30 s".to_owned(),
                    "no issue on the Deployment".to_owned(),
                ]
            } else {
                Vec::new()
            },
        }],
        rolled_back: phase == Phase::RolledBack,
        needs_operator: phase == Phase::NeedsOperator,
        requested_by: "ada".to_owned(),
        created_at: "2026-11-24T10:00:00Z".to_owned(),
        started_at: (phase > Phase::AwaitingApproval).then(|| "2026-11-24T10:00:01Z".to_owned()),
        completed_at: is_over.then(|| "2026-11-24T10:00:43Z".to_owned()),
        estimated_duration: "2m".to_owned(),
        simulated: false,
    }
}

#[async_trait]
impl Coordination for Fake {
    async fn trigger(&self, caller: &Caller, trigger: Trigger) -> Result<Triggered, Error> {
        self.note(caller, Ask::Trigger(trigger.clone()));
        assert!(!trigger.kind.is_empty() && !trigger.name.is_empty(), "{trigger:?}");
        assert!(trigger.action.is_some() || !trigger.issue.is_empty(), "{trigger:?}");
        if let Some(digest) = trigger.digest.as_ref().filter(|digest| *digest != DIGEST) {
            return Err(Error::Conflict {
                what: "the plan".to_owned(),
                why: format!("it is {DIGEST} now and not {digest}; plan again"),
                workflow: None,
            });
        }
        if !trigger.dry_run {
            let mut state = self.state.lock();
            let phase = if state.needs_approval { Phase::AwaitingApproval } else { Phase::Planning };
            let mut workflow = workflow(WORKFLOW, phase);
            if let Some(lasting) = state.lasting {
                workflow.steps = long::steps(lasting);
            }
            state.workflows.insert(WORKFLOW.to_owned(), workflow);
        }
        self.touch();
        Ok(Triggered {
            workflow_id: (!trigger.dry_run).then(|| WORKFLOW.to_owned()),
            incident_id: (!trigger.dry_run).then(|| INCIDENT.to_owned()),
            status: "in_progress".to_owned(),
            phase: Phase::Planning,
            deployment_method: "manual".to_owned(),
            estimated_duration: "2m".to_owned(),
            deduplicated: false,
            dry_run: trigger.dry_run,
            plan: trigger.dry_run.then(plan),
            message: if trigger.dry_run { "nothing was kept" } else { "accepted" }.to_owned(),
            simulated: false,
            affected_layers: Vec::new(),
            estimated_steps: None,
        })
    }

    async fn plan(&self, caller: &Caller, request: PlanRequest) -> Result<PlanView, Error> {
        assert!(request.trigger.dry_run, "a plan that is meant");
        self.note(caller, Ask::Plan(request.trigger));
        Ok(plan())
    }

    async fn workflow(&self, _: &Caller, id: &WorkflowId) -> Result<WorkflowView, Error> {
        let mut state = self.state.lock();
        let seen = state.workflows.get(id.as_str()).cloned();
        let seen = seen.ok_or_else(|| Error::not_found(format!("workflow {id}")))?;
        if id.as_str() == WORKFLOW && seen.phase != Phase::AwaitingApproval && !state.story.is_empty() {
            let next = state.story.remove(0);
            state.workflows.insert(WORKFLOW.to_owned(), workflow(WORKFLOW, next));
            drop(state);
            self.touch();
        }
        Ok(seen)
    }

    async fn workflows(&self, caller: &Caller, query: WorkflowQuery) -> Result<WorkflowList, Error> {
        self.note(caller, Ask::Workflows(query.clone()));
        let wanted = |w: &WorkflowView| {
            query.status.as_deref().is_none_or(|s| s == "all" || s == w.phase.as_str())
                && query.namespace.as_deref().is_none_or(|n| n == w.namespace)
        };
        let all: Vec<_> = self.state.lock().workflows.values().rev().filter(|w| wanted(w)).cloned().collect();
        let total = u64::try_from(all.len()).unwrap();
        let without = |w: WorkflowView| WorkflowView { steps: Vec::new(), checkpoints: Vec::new(), ..w };
        let workflows = window(all, query.limit, query.offset, 500).into_iter().map(without).collect();
        Ok(WorkflowList { workflows, total })
    }

    async fn decide(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        decision: Decision,
    ) -> Result<WorkflowView, Error> {
        self.note(caller, Ask::Decide(id.to_string(), decision.clone()));
        if !caller.is_identified {
            return Err(Error::refused(
                "the approval",
                "identified",
                "an anonymous caller cannot approve; use a token",
            ));
        }
        if decision.digest != DIGEST {
            return Err(Error::Conflict {
                what: "the approval".to_owned(),
                why: "it is for another plan".to_owned(),
                workflow: None,
            });
        }
        let mut state = self.state.lock();
        let seen =
            state.workflows.get_mut(id.as_str()).ok_or_else(|| Error::not_found(format!("workflow {id}")))?;
        assert_eq!(seen.phase, Phase::AwaitingApproval);
        *seen = workflow(id.as_str(), if decision.approve { Phase::Queued } else { Phase::Rejected });
        let seen = seen.clone();
        drop(state);
        self.touch();
        Ok(seen)
    }

    async fn cancel(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        reason: Option<String>,
    ) -> Result<WorkflowView, Error> {
        self.note(caller, Ask::Cancel(id.to_string(), reason));
        let mut state = self.state.lock();
        let seen =
            state.workflows.get_mut(id.as_str()).ok_or_else(|| Error::not_found(format!("workflow {id}")))?;
        *seen = workflow(id.as_str(), Phase::Cancelled);
        Ok(seen.clone())
    }

    async fn resolve(&self, _: &Caller, _: &WorkflowId, _: Resolution) -> Result<WorkflowView, Error> {
        nothing_of("resolve")
    }

    async fn why_not(&self, _: &Caller, _: WhyNot) -> Result<Verdicts, Error> {
        nothing_of("why_not")
    }

    async fn incidents(&self, caller: &Caller, query: IncidentQuery) -> Result<IncidentList, Error> {
        self.note(caller, Ask::Incidents(query.clone()));
        let word = |wanted: &Option<String>| wanted.clone().filter(|word| word != "all");
        let (status, severity) = (word(&query.status), word(&query.severity));
        let wanted = |i: &IncidentView| {
            // As the engine reads these words.
            let is_wanted = |word: &str| match word {
                "open" => !i.status.is_closed(),
                "closed" => i.status.is_closed(),
                "active" => matches!(i.status, IncidentStatus::Active | IncidentStatus::Remediating),
                "completed" => i.status.old_mcp() == "completed",
                word => word == i.status.as_str(),
            };
            status.as_deref().is_none_or(is_wanted)
                && severity.as_deref().is_none_or(|s| s == serde_json::to_value(i.severity).unwrap())
        };
        let all: Vec<_> = self.state.lock().incidents.iter().filter(|i| wanted(i)).cloned().collect();
        let count = |group: &[&str]| {
            u64::try_from(all.iter().filter(|i| group.contains(&i.status.old_mcp())).count()).unwrap()
        };
        let total = u64::try_from(all.len()).unwrap();
        let summary = IncidentSummary {
            total,
            active: count(&["pending", "running"]),
            completed: count(&["completed"]),
            failed: count(&["failed"]),
            by_severity: BTreeMap::from([("high".to_owned(), total)]),
        };
        Ok(IncidentList { incidents: window(all, query.limit, query.offset, 1_000), total, summary })
    }

    async fn incident(&self, _: &Caller, id: &IncidentId) -> Result<IncidentView, Error> {
        let state = self.state.lock();
        let known = state.incidents.iter().find(|incident| incident.id == id.as_str());
        let mut known = known.cloned().ok_or_else(|| Error::not_found(format!("incident {id}")))?;
        known.workflows = state.workflows.values().filter(|w| w.incident_id == known.id).cloned().collect();
        Ok(known)
    }

    async fn create_incident(&self, caller: &Caller, new: NewIncident) -> Result<IncidentView, Error> {
        self.note(caller, Ask::Create(new.clone()));
        let made = IncidentView {
            title: new.title,
            description: new.description,
            severity: serde_json::from_value(new.severity.into()).expect("a severity"),
            source: IncidentSource::Manual,
            occurrences: 1,
            ..incident("inc-new", "web", IncidentStatus::Active)
        };
        self.put_incident(made.clone());
        Ok(made)
    }

    async fn resolve_incident(
        &self,
        caller: &Caller,
        id: &IncidentId,
        resolution: Option<String>,
    ) -> Result<IncidentView, Error> {
        self.note(caller, Ask::Resolve(id.to_string(), resolution));
        let closed = IncidentView {
            resolved_at: Some("2026-11-24T10:05:00Z".to_owned()),
            ..incident(id.as_str(), "web", IncidentStatus::Resolved)
        };
        self.put_incident(closed.clone());
        Ok(closed)
    }

    async fn incident_report(&self, _: &Caller, _: &IncidentId) -> Result<String, Error> {
        nothing_of("a report")
    }

    async fn alerts(&self, _: &Caller, _: Vec<Alert>) -> Result<AlertsTaken, Error> {
        nothing_of("alerts")
    }

    async fn deployment_method(&self, caller: &Caller, workload: WorkloadName) -> Result<MethodView, Error> {
        self.note(caller, Ask::Method(workload.clone()));
        Ok(MethodView {
            deployed: plan().deployed,
            detected_at: "2026-11-24T10:00:00.000Z".to_owned(),
            namespace: workload.namespace,
            resource_name: workload.name,
            resource_kind: workload.kind,
        })
    }

    async fn method_cache(&self, _: &Caller) -> Result<MethodCache, Error> {
        nothing_of("the cache of methods")
    }

    async fn forget_methods(&self, _: &Caller) -> Result<(), Error> {
        nothing_of("forgetting methods")
    }

    async fn controls(&self, _: &Caller) -> Result<ControlView, Error> {
        nothing_of("the controls")
    }

    async fn set_control(&self, _: &Caller, _: ControlChange) -> Result<ControlView, Error> {
        nothing_of("setting a control")
    }

    async fn policy(&self, _: &Caller) -> Result<PolicyView, Error> {
        let rule = |name: &str, elicitation| PolicyRule {
            name: name.to_owned(),
            namespaces: Vec::new(),
            severities: Vec::new(),
            actions: Vec::new(),
            then: Approval::Approve,
            autonomy: false,
            elicitation,
            annotation: false,
        };
        let takes = self.state.lock().takes_elicitation;
        Ok(PolicyView {
            source: "the test".to_owned(),
            rules: vec![rule("another", true), rule("default-triggered", takes)],
            limits: BTreeMap::new(),
            warnings: Vec::new(),
        })
    }

    async fn audit(&self, _: &Caller, _: &str, _: i64, _: u32) -> Result<AuditView, Error> {
        nothing_of("the audit chain")
    }

    async fn standing(&self) -> EngineStanding {
        EngineStanding {
            status: "ok".to_owned(),
            why: None,
            acts: true,
            kill_switch: "run".to_owned(),
            breaker: "closed".to_owned(),
            active_workflows: Some(0),
            parked_workflows: Some(0),
        }
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
