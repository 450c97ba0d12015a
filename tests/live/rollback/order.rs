//! How a plan that no remedy makes comes to be executed: it is kept as a trigger and its planning would have kept it.
//!
//! The engine, its adapter for the API server and its store are the real ones; that a step fails is the cluster's doing.

use std::time::{Duration, Instant};

use aiops_engine::{
    coordination::PolicyRule,
    fingerprint,
    issue::Severity,
    model::{
        Millis,
        action::Action,
        caller::{Caller, Via},
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentBody, IncidentSource, IncidentStatus},
        layer::Layer,
        method::{DeployMethod, Deployed},
        phase::{Direction, Phase, StepState},
        plan::{Approval, Checkpoint, Plan, Problem, Risk, Step},
        target::Target,
        workflow::{Order, StepRecord, Workflow},
    },
    ports::store::{Acceptance, Entry, Report, StoreError, Taken, Write},
    remedies,
    settings::{Policy, Settings},
};
use http::Request;
use serde_json::json;

use super::dice::{Failing, Planned};
use crate::support::{Desk, Dice, Plane};

const ISSUE: &str = "crash_loop";
/// How long a rollout may take before it counts as no help.
const VERIFY: Duration = Duration::from_secs(15);

/// The engine at work with a durable store; budgets and cooldowns are proven elsewhere.
pub(crate) async fn desk(plane: &Plane) -> Desk {
    let rule = PolicyRule {
        name: "all".to_owned(),
        namespaces: Vec::new(),
        severities: Vec::new(),
        actions: Vec::new(),
        then: Approval::Auto,
        autonomy: false,
        elicitation: false,
        annotation: false,
    };
    let mut settings =
        Settings { policy: Policy { source: "test".to_owned(), rules: vec![rule] }, ..Settings::default() };
    let limits = &mut settings.limits;
    limits.budget_per_namespace = 100_000;
    limits.budget_per_cluster = 100_000;
    limits.replica_percent = 100;
    limits.workflows_per_cluster = 100;
    limits.workflows_per_namespace = 100;
    limits.node_workflows = 100;
    limits.failures_to_escalate = 100_000;
    limits.error_min_outcomes = 100_000;
    for cooldown in [
        &mut limits.cooldown_success,
        &mut limits.cooldown_first_failure,
        &mut limits.cooldown_second_failure,
        &mut limits.failure_window,
    ] {
        *cooldown = Duration::ZERO;
    }
    settings.timing.verify = VERIFY;
    settings.timing.settle = Duration::from_millis(400);
    settings.timing.steady = Duration::from_millis(200);
    Desk::durable(plane, "acting.helm = true\ncluster.qps = 500\ncluster.burst = 500", settings).await
}

/// Admission that refuses the step whose number stands at the end of its workflow's id: with 422 where it says `i`, with
/// 403 where it says `f`.
pub(super) async fn refuse_failing_steps(plane: &Plane) {
    for (letter, reason) in [('i', "Invalid"), ('f', "Forbidden")] {
        let name = format!("refuse-{}", reason.to_lowercase());
        let rules = json!([
            {"apiGroups": ["apps"], "apiVersions": ["*"], "operations": ["UPDATE"],
                "resources": ["deployments", "statefulsets", "daemonsets"]},
            {"apiGroups": [""], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["nodes", "configmaps"]},
            {"apiGroups": ["autoscaling"], "apiVersions": ["*"], "operations": ["UPDATE"],
                "resources": ["horizontalpodautoscalers"]},
        ]);
        let key = "object.metadata.annotations['aiops.io/effect']";
        let refuses =
            format!("['0','1','2','3','4','5'].exists(k, {key}.endsWith('{letter}' + k + '/' + k + '/do'))");
        let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name}, "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules},
                "matchConditions": [{"name": "marked",
                    "expression": "has(object.metadata.annotations) && 'aiops.io/effect' in object.metadata.annotations"}],
                "validations": [{"expression": format!("!{refuses}"), "message": "this step may not be taken",
                    "reason": reason}]}});
        let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}});
        plane.apply(&policy.to_string()).await;
        plane.apply(&binding.to_string()).await;
        refused(plane, letter).await;
    }
}

/// Waits until admission refuses.
async fn refused(plane: &Plane, letter: char) {
    let namespace = plane.namespace(&mut Dice::new()).await;
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/probe");
    let made = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}});
    plane.post(path.rsplit_once('/').unwrap().0, &made).await;
    let patch = json!({"metadata": {"annotations": {"aiops.io/effect": format!("wf-x{letter}1/1/do")}}});
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let request = Request::patch(format!("{path}?dryRun=All"))
            .header("content-type", "application/merge-patch+json");
        let request = request.body(patch.to_string().into_bytes()).unwrap();
        if plane.attempt(request).await.is_err() {
            return;
        }
        assert!(Instant::now() < deadline, "admission lets everything pass");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The Deployment of a lane that never comes up. It has no deadline of its own and its pods no grace, or it would be given minutes.
const NEVER_WELL: &str = "never-well";

/// Makes it: a checkpoint of a plan that is for it cannot pass.
pub(super) async fn never_well(plane: &Plane, namespace: &str) {
    let set = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NEVER_WELL},
        "spec": {"progressDeadlineSeconds": i32::MAX, "selector": {"matchLabels": {"app": NEVER_WELL}}, "template": {
            "metadata": {"labels": {"app": NEVER_WELL}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": "registry.example.com/library/nginx:1.0-missing"}]}}}});
    let all = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    plane.post(&all, &set).await;
    let is_unwell = |set: &serde_json::Value| set["status"]["unavailableReplicas"].as_i64() > Some(0);
    plane.wait(&format!("{all}/{NEVER_WELL}"), "unwell", Duration::from_secs(60), is_unwell).await;
}

fn plan(planned: &Planned, namespace: &str, cluster: &str, at: Millis) -> Plan {
    let target = match planned.failing {
        Failing::Checkpoint => Target::known("Deployment", namespace, NEVER_WELL),
        _ => planned.actions[0].target().clone(),
    };
    let steps = (0_u32..).zip(&planned.actions).map(|(order, action)| Step {
        order,
        layer: Layer::Application,
        description: format!("{} on {}", action.name(), action.target()),
        action: action.clone(),
        undo: action.undo_class(),
        required: true,
        planned_on: std::collections::BTreeMap::new(),
        deploys_to: Vec::new(),
        takes_down: None,
        proof: None,
    });
    let steps: Vec<Step> = steps.collect();
    let last = u32::try_from(steps.len() - 1).unwrap();
    let checkpoint = |after_step: u32, check: &str| Checkpoint {
        layer: Layer::Application,
        after_step,
        checks: vec![check.to_owned()],
        timeout_seconds: 1,
        required: true,
    };
    let mut checkpoints = vec![checkpoint(last, "pods_running")];
    if planned.failing == Failing::Checkpoint {
        checkpoints.insert(0, checkpoint(u32::try_from(planned.fails_at).unwrap(), "deployments_ready"));
    }
    Plan {
        cluster: cluster.to_owned(),
        problem: Problem {
            issue: ISSUE.to_owned(),
            severity: Severity::High,
            description: String::new(),
            target: target.clone(),
            named: target,
        },
        deployed: Deployed { method: DeployMethod::Manual, ..Deployed::unknown("") },
        layers: vec![Layer::Application],
        remedy: remedies::LAYERED.to_owned(),
        remedy_version: 1,
        why: String::new(),
        steps,
        checkpoints,
        risk: Risk::Medium,
        expected: String::new(),
        left_alone: None,
        estimated_seconds: 60,
        approval: Approval::Auto,
        rule: "test".to_owned(),
        at,
    }
}

/// Keeps the plan as a workflow whose turn has come.
pub(super) async fn accept(plane: &Plane, desk: &Desk, namespace: &str, planned: &Planned) -> WorkflowId {
    let system = plane.get("/api/v1/namespaces/kube-system").await.unwrap();
    let cluster = system["metadata"]["uid"].as_str().unwrap();
    let at = patient(async || desk.store.time().await).await;
    let plan = plan(planned, namespace, cluster, at);
    let digest = fingerprint::digest(&plan).unwrap();
    let letter = match planned.failing {
        Failing::Invalid => 'i',
        Failing::Forbidden => 'f',
        _ => 'x',
    };
    let unique = Dice::new().name();
    let id = WorkflowId::of(&format!("{unique}{letter}{}", planned.fails_at));
    let target = plan.problem.target.clone();
    let print = fingerprint::fingerprint(cluster, &target, ISSUE);
    let incident = Incident {
        id: IncidentId::of(&unique),
        fingerprint: print.clone(),
        cluster: cluster.to_owned(),
        target: target.clone(),
        issue: ISSUE.to_owned(),
        severity: Severity::High,
        status: IncidentStatus::Remediating,
        source: IncidentSource::Trigger,
        occurrences: 1,
        first_seen: at,
        last_seen: at,
        closed_at: None,
        workflow: None,
        body: IncidentBody::default(),
    };
    let hour = 3_600_000;
    let workflow = Workflow {
        id: id.clone(),
        incident: incident.id.clone(),
        cluster: cluster.to_owned(),
        problem: plan.problem.clone(),
        order: Order::default(),
        phase: Phase::Queued,
        plan: Some(plan.clone()),
        digest: Some(digest.clone()),
        dry_run: false,
        requested_by: Caller::identified("tester", Vec::new(), Via::Cli),
        cancel_requested: false,
        cursor: 0,
        recoveries: 0,
        // Not before its steps are there.
        wake_at: at + hour,
        deadline: at + hour,
        created_at: at,
        started_at: None,
        finished_at: None,
        reason: None,
        rule: None,
        version: 1,
    };
    let line = |action: &str| Entry {
        at,
        actor: "tester".to_owned(),
        via: Via::Cli,
        action: action.to_owned(),
        object: target.to_string(),
        body: json!({ "digest": digest }),
    };
    let steps: Vec<Write> = plan.steps.iter().map(|step| pending(&id, step.order, &step.action)).collect();
    let acceptance = Acceptance {
        lock: Some(target.key()),
        only_joins: false,
        workflow,
        fingerprint: print,
        incident: Report { incident, into: None, line: None },
        idempotency: None,
        audit: vec![line("accepted"), line("planned")],
    };
    let taken = patient(async || desk.store.accept(&acceptance).await).await;
    assert!(matches!(taken, Taken::New { .. }), "{taken:?}");
    patient(async || desk.store.commit(&id, None, &steps).await).await;
    patient(async || desk.store.wake(&id).await).await;
    id
}

/// Asks a store again that is busy: it has few connections, and the machine may be slow.
pub(crate) async fn patient<T>(ask: impl AsyncFn() -> Result<T, StoreError>) -> T {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(StoreError::Unavailable(why)) => assert!(Instant::now() < deadline, "{why}"),
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn pending(id: &WorkflowId, order: u32, action: &Action) -> Write {
    Write::Step(Box::new(StepRecord {
        order,
        direction: Direction::Do,
        action: action.clone(),
        state: StepState::Pending,
        effect_key: format!("{id}/{order}/do"),
        pre_image: None,
        post_image: None,
        result: None,
        started_at: None,
        finished_at: None,
    }))
}
