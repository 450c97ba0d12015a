//! A strict fake of the coordination engine: it notes every request with its caller, answers fixed views, and fails the
//! test that has not looked at everything that was asked.
//!
//! It decides nothing and keeps nothing.

use std::sync::Arc;

use aiops_engine::{
    Error,
    coordination::*,
    issue::Severity,
    model::{
        action::{Action, UndoClass},
        caller::Caller,
        ids::{IncidentId, WorkflowId},
        incident::{IncidentSource, IncidentStatus},
        layer::Layer,
        method::{DeployMethod, Deployed},
        phase::{Direction, Phase, StepState, Verdict},
        plan::{Approval, Checkpoint, Plan, Problem, Risk, Step},
        target::Target,
        workflow::{Order, Record, StepRecord, Workflow},
    },
};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

/// What was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Trigger(Trigger),
    Plan(PlanRequest),
    Workflow(String),
    Record(String),
    Workflows(WorkflowQuery),
    Decide(String, Decision),
    Cancel(String, Option<String>),
    Resolve(String, Resolution),
    WhyNot(WhyNot),
    Incidents(IncidentQuery),
    Incident(String),
    CreateIncident(NewIncident),
    ResolveIncident(String, Option<String>),
    Report(String),
    Alerts(Vec<Alert>),
    Method(WorkloadName),
    MethodCache,
    ForgetMethods,
    Controls,
    SetControl(ControlChange),
    Policy,
    Audit(String, i64, u32),
}

/// The fake.
pub(crate) struct Fake {
    asked: Mutex<Vec<(Caller, Asked)>>,
    /// What the next request fails with.
    pub(crate) fails: Mutex<Option<Error>>,
    pub(crate) workflow: Mutex<WorkflowView>,
    pub(crate) triggered: Mutex<Triggered>,
    pub(crate) incident: Mutex<IncidentView>,
    pub(crate) record: Mutex<Record>,
    changed: watch::Sender<u64>,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            asked: Mutex::default(),
            fails: Mutex::default(),
            workflow: Mutex::new(workflow()),
            triggered: Mutex::new(triggered()),
            incident: Mutex::new(incident()),
            record: Mutex::new(record()),
            changed: watch::Sender::new(0),
        })
    }

    /// What was asked since the last look, with who asked.
    pub(crate) fn took(&self) -> Vec<(Caller, Asked)> {
        std::mem::take(&mut *self.asked.lock())
    }

    /// The one thing that was asked since the last look.
    #[track_caller]
    pub(crate) fn one(&self) -> Asked {
        let asked = self.took();
        assert_eq!(asked.len(), 1, "one request was expected: {asked:?}");
        asked.into_iter().next().unwrap().1
    }

    /// Nothing was asked.
    #[track_caller]
    pub(crate) fn nothing(&self) {
        let asked = self.took();
        assert!(asked.is_empty(), "nothing was to reach the engine: {asked:?}");
    }

    /// The workflow is now so, and whoever listens is told.
    pub(crate) fn moves(&self, change: impl FnOnce(&mut WorkflowView)) {
        change(&mut self.workflow.lock());
        self.changed.send_modify(|number| *number += 1);
    }

    fn note<T>(&self, caller: &Caller, asked: Asked, answer: impl FnOnce() -> T) -> Result<T, Error> {
        self.asked.lock().push((caller.clone(), asked));
        match self.fails.lock().take() {
            Some(error) => Err(error),
            None => Ok(answer()),
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.asked.lock().is_empty(), "nobody looked at {:?}", self.asked.lock());
        }
    }
}

#[async_trait]
impl Coordination for Fake {
    async fn trigger(&self, caller: &Caller, trigger: Trigger) -> Result<Triggered, Error> {
        self.note(caller, Asked::Trigger(trigger), || self.triggered.lock().clone())
    }
    async fn plan(&self, caller: &Caller, request: PlanRequest) -> Result<PlanView, Error> {
        self.note(caller, Asked::Plan(request), plan_view)
    }
    async fn workflow(&self, caller: &Caller, id: &WorkflowId) -> Result<WorkflowView, Error> {
        self.note(caller, Asked::Workflow(id.to_string()), || self.workflow.lock().clone())
    }
    async fn record(&self, caller: &Caller, id: &WorkflowId) -> Result<Record, Error> {
        self.note(caller, Asked::Record(id.to_string()), || self.record.lock().clone())
    }
    async fn workflows(&self, caller: &Caller, query: WorkflowQuery) -> Result<WorkflowList, Error> {
        let list = || WorkflowList { workflows: vec![self.workflow.lock().clone()], total: 7 };
        self.note(caller, Asked::Workflows(query), list)
    }
    async fn decide(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        decision: Decision,
    ) -> Result<WorkflowView, Error> {
        self.note(caller, Asked::Decide(id.to_string(), decision), || self.workflow.lock().clone())
    }
    async fn cancel(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        reason: Option<String>,
    ) -> Result<WorkflowView, Error> {
        self.note(caller, Asked::Cancel(id.to_string(), reason), || self.workflow.lock().clone())
    }
    async fn resolve(
        &self,
        caller: &Caller,
        id: &WorkflowId,
        how: Resolution,
    ) -> Result<WorkflowView, Error> {
        self.note(caller, Asked::Resolve(id.to_string(), how), || self.workflow.lock().clone())
    }
    async fn why_not(&self, caller: &Caller, question: WhyNot) -> Result<Verdicts, Error> {
        self.note(caller, Asked::WhyNot(question), || Verdicts {
            allowed: false,
            approval: Approval::Deny,
            rules: vec![RuleVerdict {
                rule: "cooldown".to_owned(),
                passes: false,
                why: "the last one ended 2 of 10 minutes ago".to_owned(),
            }],
        })
    }
    async fn incidents(&self, caller: &Caller, query: IncidentQuery) -> Result<IncidentList, Error> {
        self.note(caller, Asked::Incidents(query), || IncidentList {
            incidents: vec![IncidentView { workflows: Vec::new(), ..self.incident.lock().clone() }],
            total: 1,
            summary: IncidentSummary {
                total: 1,
                completed: 1,
                by_severity: [("high".to_owned(), 1)].into(),
                ..IncidentSummary::default()
            },
        })
    }
    async fn incident(&self, caller: &Caller, id: &IncidentId) -> Result<IncidentView, Error> {
        self.note(caller, Asked::Incident(id.to_string()), || self.incident.lock().clone())
    }
    async fn create_incident(&self, caller: &Caller, new: NewIncident) -> Result<IncidentView, Error> {
        self.note(caller, Asked::CreateIncident(new), || self.incident.lock().clone())
    }
    async fn resolve_incident(
        &self,
        caller: &Caller,
        id: &IncidentId,
        resolution: Option<String>,
    ) -> Result<IncidentView, Error> {
        self.note(caller, Asked::ResolveIncident(id.to_string(), resolution), || self.incident.lock().clone())
    }
    async fn incident_report(&self, caller: &Caller, id: &IncidentId) -> Result<String, Error> {
        self.note(caller, Asked::Report(id.to_string()), || "# Pods in CrashLoopBackOff\n".to_owned())
    }
    async fn alerts(&self, caller: &Caller, alerts: Vec<Alert>) -> Result<AlertsTaken, Error> {
        let received = u64::try_from(alerts.len()).unwrap();
        let taken = || AlertsTaken { received, opened: received, ..AlertsTaken::default() };
        self.note(caller, Asked::Alerts(alerts), taken)
    }
    async fn deployment_method(&self, caller: &Caller, workload: WorkloadName) -> Result<MethodView, Error> {
        let view = MethodView {
            deployed: deployed(DeployMethod::Helm),
            detected_at: "2026-05-01T10:00:00.100Z".to_owned(),
            namespace: workload.namespace.clone(),
            resource_name: workload.name.clone(),
            resource_kind: workload.kind.clone(),
        };
        self.note(caller, Asked::Method(workload), || view)
    }
    async fn method_cache(&self, caller: &Caller) -> Result<MethodCache, Error> {
        let cache = MethodCache { total_entries: 3, valid_entries: 3, expired_entries: 0, ttl_seconds: 300 };
        self.note(caller, Asked::MethodCache, || cache)
    }
    async fn forget_methods(&self, caller: &Caller) -> Result<(), Error> {
        self.note(caller, Asked::ForgetMethods, || ())
    }
    async fn controls(&self, caller: &Caller) -> Result<ControlView, Error> {
        self.note(caller, Asked::Controls, control)
    }
    async fn set_control(&self, caller: &Caller, change: ControlChange) -> Result<ControlView, Error> {
        self.note(caller, Asked::SetControl(change), control)
    }
    async fn policy(&self, caller: &Caller) -> Result<PolicyView, Error> {
        self.note(caller, Asked::Policy, || PolicyView {
            source: "defaults".to_owned(),
            rules: vec![PolicyRule {
                name: "system".to_owned(),
                namespaces: vec!["kube-*".to_owned()],
                severities: Vec::new(),
                actions: Vec::new(),
                then: Approval::Deny,
                autonomy: false,
                elicitation: false,
                annotation: false,
            }],
            limits: [("acting.maxConcurrent".to_owned(), 5.into())].into(),
            warnings: Vec::new(),
        })
    }
    async fn audit(&self, caller: &Caller, chain: &str, after: i64, limit: u32) -> Result<AuditView, Error> {
        self.note(caller, Asked::Audit(chain.to_owned(), after, limit), || AuditView {
            chain: chain.to_owned(),
            lines: vec![AuditLineView {
                seq: 1,
                at: "2025-12-18T09:50:00.000Z".to_owned(),
                actor: "ana".to_owned(),
                via: "rest".to_owned(),
                action: "triggered".to_owned(),
                object: "Deployment production/payment-service".to_owned(),
                body: serde_json::json!({ "issue": "crash_loop" }),
                hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
            }],
        })
    }
    async fn standing(&self) -> EngineStanding {
        EngineStanding {
            status: "ok".to_owned(),
            why: None,
            acts: true,
            kill_switch: "run".to_owned(),
            breaker: "closed".to_owned(),
            active_workflows: Some(1),
            parked_workflows: Some(0),
        }
    }
    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

/// The digest of the plan in all views.
pub(crate) const DIGEST: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

fn control() -> ControlView {
    ControlView {
        kill_switch: "pause".to_owned(),
        kill_switch_reason: Some("ana: upgrade".to_owned()),
        breaker: "closed".to_owned(),
        breaker_reason: None,
    }
}

fn deployed(method: DeployMethod) -> Deployed {
    Deployed {
        method,
        confidence: 0.9,
        source: "annotation:meta.helm.sh/release-name".to_owned(),
        details: [("release_name".to_owned(), "payment".to_owned())].into(),
        owner: None,
        also: Vec::new(),
    }
}

fn triggered() -> Triggered {
    Triggered {
        workflow_id: Some("wf-67890".to_owned()),
        incident_id: Some("inc-12345".to_owned()),
        status: "in_progress".to_owned(),
        phase: Phase::Planning,
        deployment_method: "argocd".to_owned(),
        estimated_duration: "5m".to_owned(),
        deduplicated: false,
        dry_run: false,
        plan: None,
        message: "the plan is being made".to_owned(),
        simulated: false,
        affected_layers: Vec::new(),
        estimated_steps: None,
    }
}

/// The plan that a dry run shows.
pub(crate) fn plan_view() -> PlanView {
    PlanView {
        remedy: "argocd-sync".to_owned(),
        problem: "crash_loop of Deployment production/payment-service".to_owned(),
        why: "the Application owns it".to_owned(),
        deployed: deployed(DeployMethod::Argocd),
        layers: vec![Layer::Application],
        steps: vec![step_view()],
        risk: Risk::Medium,
        expected: "all replicas are ready".to_owned(),
        estimated_duration: "5m".to_owned(),
        approval: Approval::Auto,
        rule: "ordinary namespaces".to_owned(),
        refused: None,
        digest: DIGEST.to_owned(),
        cluster: "0f7c".to_owned(),
        simulated: false,
    }
}

fn step_view() -> StepView {
    StepView {
        order: 0,
        layer: Layer::Application,
        direction: Direction::Do,
        description: "Trigger ArgoCD sync for payment-service".to_owned(),
        action: "sync-application".to_owned(),
        target: "Application argocd/payment-service".to_owned(),
        undo: UndoClass::Irreversible,
        status: "completed".to_owned(),
        state: StepState::Verified,
        result: None,
        proof: None,
        started_at: Some("2025-12-18T09:50:00Z".to_owned()),
        completed_at: Some("2025-12-18T09:52:00Z".to_owned()),
    }
}

/// The workflow of the contract's example.
pub(crate) fn workflow() -> WorkflowView {
    WorkflowView {
        id: "wf-67890".to_owned(),
        incident_id: "inc-12345".to_owned(),
        status: "completed".to_owned(),
        phase: Phase::Completed,
        reason: None,
        rule: None,
        namespace: "production".to_owned(),
        resource_kind: "Deployment".to_owned(),
        resource_name: "payment-service".to_owned(),
        issue_type: "pod_crash_loop".to_owned(),
        severity: Severity::High,
        deployment_method: "argocd".to_owned(),
        layers: vec![Layer::Application],
        remedy: Some("argocd-sync".to_owned()),
        digest: Some(DIGEST.to_owned()),
        awaiting: None,
        decision: None,
        steps: vec![step_view()],
        checkpoints: vec![CheckpointView {
            layer: Layer::Application,
            after_step: 0,
            status: Verdict::Passed,
            checks: vec!["pods_running".to_owned(), "endpoints_healthy".to_owned()],
            evidence: Vec::new(),
        }],
        rolled_back: false,
        needs_operator: false,
        requested_by: "ana".to_owned(),
        created_at: "2025-12-18T09:50:00Z".to_owned(),
        started_at: Some("2025-12-18T09:50:00Z".to_owned()),
        completed_at: Some("2025-12-18T09:52:00Z".to_owned()),
        estimated_duration: "5m".to_owned(),
        simulated: false,
    }
}

/// The incident of the contract's example.
pub(crate) fn incident() -> IncidentView {
    IncidentView {
        id: "inc-12345".to_owned(),
        title: "Pods in CrashLoopBackOff".to_owned(),
        description: "Deployment production/payment-service crashes".to_owned(),
        severity: Severity::High,
        status: IncidentStatus::Remediated,
        source: IncidentSource::Trigger,
        namespace: "production".to_owned(),
        resource: Some("Deployment/payment-service".to_owned()),
        target: "production".to_owned(),
        issue_type: "pod_crash_loop".to_owned(),
        occurrences: 1,
        created_at: "2025-12-18T09:45:00Z".to_owned(),
        last_seen: "2025-12-18T09:46:00Z".to_owned(),
        resolved_at: Some("2025-12-18T09:52:00Z".to_owned()),
        workflow_id: Some("wf-67890".to_owned()),
        started_at: Some("2025-12-18T09:50:00Z".to_owned()),
        affected_resources: vec!["Deployment/production/payment-service".to_owned()],
        labels: [("team".to_owned(), "payments".to_owned())].into(),
        external_id: None,
        correlation_id: None,
        confidence: None,
        created_by: Some("ana".to_owned()),
        resolution: None,
        workflows: vec![workflow()],
    }
}

/// A workflow over two layers, as it is recorded: a node and a pod; the second step failed.
pub(crate) fn record() -> Record {
    let node = Target::known("Node", "", "worker-1");
    let web = Target::known("Deployment", "shop", "web");
    let problem = |issue: &str, target: &Target, named: Target| Problem {
        issue: issue.to_owned(),
        severity: Severity::High,
        description: "Node worker-1 NotReady, pods evicted".to_owned(),
        target: target.clone(),
        named,
    };
    let step = |order, layer, description: &str, action: Action| Step {
        order,
        layer,
        description: description.to_owned(),
        undo: action.undo_class(),
        action,
        required: order == 0,
        planned_on: std::collections::BTreeMap::new(),
        deploys_to: Vec::new(),
        takes_down: None,
        proof: None,
    };
    let taken = |order, action: Action, state| StepRecord {
        order,
        direction: Direction::Do,
        action,
        state,
        effect_key: format!("wf-9-{order}"),
        pre_image: None,
        post_image: None,
        result: None,
        started_at: Some(1_777_629_600_000),
        finished_at: Some(1_777_629_700_000),
    };
    let cordon = Action::CordonNode { target: node.clone() };
    let restart = Action::RestartWorkload { target: web.clone() };
    let plan = Plan {
        cluster: "0f7c".to_owned(),
        problem: problem("node_not_ready", &node, node.clone()),
        deployed: Deployed::unknown("a node"),
        layers: vec![Layer::Infrastructure, Layer::Application],
        remedy: "layers".to_owned(),
        remedy_version: 1,
        why: "from below upwards".to_owned(),
        steps: vec![
            step(0, Layer::Infrastructure, "Cordon node worker-1", cordon.clone()),
            step(1, Layer::Application, "Restart Deployment shop/web", restart.clone()),
        ],
        checkpoints: vec![Checkpoint {
            layer: Layer::Infrastructure,
            after_step: 0,
            checks: vec!["nodes_ready".to_owned()],
            timeout_seconds: 600,
            required: true,
        }],
        risk: Risk::High,
        expected: "the pods run elsewhere".to_owned(),
        left_alone: None,
        estimated_seconds: 300,
        approval: Approval::Approve,
        rule: "multi-layer".to_owned(),
        at: 1_777_629_600_000,
    };
    Record {
        workflow: Workflow {
            id: WorkflowId::parse("wf-9").unwrap(),
            incident: IncidentId::parse("inc-9").unwrap(),
            cluster: "0f7c".to_owned(),
            problem: problem("node_not_ready", &node, node.clone()),
            order: Order {
                resources: vec![problem("evicted", &web, Target::known("Pod", "shop", "web-1"))],
                ..Order::default()
            },
            phase: Phase::Failed,
            plan: Some(plan),
            digest: Some(DIGEST.to_owned()),
            dry_run: false,
            requested_by: Caller::anonymous(aiops_engine::model::caller::Via::Rest),
            cancel_requested: false,
            cursor: 1,
            recoveries: 0,
            wake_at: 0,
            deadline: 0,
            created_at: 1_777_629_600_000,
            started_at: Some(1_777_629_600_000),
            finished_at: Some(1_777_630_021_000),
            reason: Some("the rollout did not finish".to_owned()),
            rule: None,
            version: 4,
        },
        steps: vec![taken(0, cordon, StepState::Verified), taken(1, restart, StepState::Failed)],
        attempts: Vec::new(),
        checks: Vec::new(),
        approvals: Vec::new(),
    }
}
