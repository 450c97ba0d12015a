//! What the checks keep: records with every member set, so that none can be lost unseen.

use serde_json::json;

use crate::{
    issue::Severity,
    model::{
        Millis,
        action::{Action, UndoClass},
        caller::{Caller, Via},
        ids::{ApprovalId, IncidentId, WorkflowId},
        incident::{Incident, IncidentBody, IncidentSource, IncidentStatus},
        layer::Layer,
        method::Deployed,
        phase::{Direction, Phase, StepState, Verdict},
        plan::{Approval, Checkpoint, Plan, Problem, Proof, Risk, Step},
        target::Target,
        workflow::{
            ApprovalRecord, ApprovalState, Attempt, CheckRecord, Order, Outcome, StepRecord, Workflow,
        },
    },
    ports::store::{Acceptance, Control, Entry, Idempotency, Notice, Report, Store, StoreError, Taken},
};

/// A workload by its name.
pub(super) fn target(name: &str) -> Target {
    Target::known("Deployment", "shop", name).with_uid(format!("uid-{name}"))
}

pub(super) fn problem(name: &str) -> Problem {
    Problem {
        issue: "crash_loop".to_owned(),
        severity: Severity::High,
        description: format!("{name} restarts: \"quoted\", naïve, and a line\nbreak"),
        target: target(name),
        named: Target::known("Pod", "shop", &format!("{name}-7d9f")),
    }
}

pub(super) fn wf(name: &str) -> WorkflowId {
    WorkflowId::of(name)
}

pub(crate) fn inc(name: &str) -> IncidentId {
    IncidentId::of(name)
}

pub(super) fn restart(name: &str) -> Action {
    Action::RestartWorkload { target: target(name) }
}

pub(super) fn plan(name: &str, at: Millis) -> Plan {
    Plan {
        cluster: "c1".to_owned(),
        problem: problem(name),
        deployed: Deployed::unknown("not looked at"),
        layers: vec![Layer::Application],
        remedy: "restart".to_owned(),
        remedy_version: 1,
        why: "its pods crash".to_owned(),
        steps: vec![Step {
            order: 0,
            layer: Layer::Application,
            description: "restart it".to_owned(),
            action: restart(name),
            undo: UndoClass::Irreversible,
            required: true,
            planned_on: std::collections::BTreeMap::new(),
            deploys_to: Vec::new(),
            takes_down: None,
            proof: Some(Proof {
                allowed: Some(true),
                accepted: None,
                diff: vec![],
                notes: vec!["n".to_owned()],
            }),
        }],
        checkpoints: vec![Checkpoint {
            layer: Layer::Application,
            after_step: 0,
            checks: vec!["rollout".to_owned()],
            timeout_seconds: 300,
            required: true,
        }],
        risk: Risk::Medium,
        expected: "it runs".to_owned(),
        left_alone: None,
        estimated_seconds: 60,
        approval: Approval::Auto,
        rule: "default".to_owned(),
        at,
    }
}

/// A workflow as a trigger brings it, due now.
pub(super) fn workflow(name: &str, now: Millis) -> Workflow {
    Workflow {
        id: wf(name),
        incident: inc(name),
        cluster: "c1".to_owned(),
        problem: problem(name),
        order: Order {
            action: Some(restart(name)),
            digest: Some("d".to_owned()),
            resources: vec![problem("db")],
        },
        phase: Phase::Planning,
        plan: None,
        digest: None,
        dry_run: false,
        requested_by: Caller::identified("ann", vec!["sre".to_owned()], Via::Rest),
        cancel_requested: false,
        cursor: 0,
        recoveries: 0,
        wake_at: now,
        deadline: now + 1_800_000,
        created_at: now,
        started_at: None,
        finished_at: None,
        reason: None,
        rule: None,
        version: 1,
    }
}

pub(super) fn incident(name: &str, now: Millis) -> Incident {
    Incident {
        id: inc(name),
        fingerprint: format!("fp-{name}"),
        cluster: "c1".to_owned(),
        target: target(name),
        issue: "crash_loop".to_owned(),
        severity: Severity::High,
        status: IncidentStatus::Active,
        source: IncidentSource::Trigger,
        occurrences: 1,
        first_seen: now,
        last_seen: now,
        closed_at: None,
        workflow: None,
        body: IncidentBody {
            title: format!("{name} crashes"),
            description: "seen by a person".to_owned(),
            reported_target: Some("somewhere".to_owned()),
            affected_resources: vec!["pod/a".to_owned()],
            labels: [("team".to_owned(), "web".to_owned())].into(),
            external_id: None,
            correlation_id: Some("c-1".to_owned()),
            created_by: Some("ann".to_owned()),
            confidence: Some(0.5),
            resolution: None,
            began: Some(now - 60_000),
            firing: ["0123456789abcdef".to_owned()].into(),
        },
    }
}

pub(crate) fn report(name: &str, now: Millis) -> Report {
    Report { incident: incident(name, now), into: None, line: None }
}

pub(crate) fn entry(action: &str, at: Millis) -> Entry {
    Entry {
        at,
        actor: "ann".to_owned(),
        via: Via::Rest,
        action: action.to_owned(),
        object: "Deployment shop/web".to_owned(),
        body: json!({"b": [1, 2.5, null], "a": {"x": "é"}}),
    }
}

/// A trigger for one target, with its lock and a first line of audit.
pub(super) fn acceptance(name: &str, now: Millis) -> Acceptance {
    let mut report = report(name, now);
    report.incident.status = IncidentStatus::Remediating;
    Acceptance {
        workflow: workflow(name, now),
        fingerprint: format!("fp-{name}"),
        incident: report,
        idempotency: None,
        audit: vec![entry("accepted", now)],
        lock: Some(target(name).key()),
        only_joins: false,
    }
}

pub(super) fn key(of: &str, hash: &str, expires_at: Millis) -> Idempotency {
    Idempotency { principal: "ann".to_owned(), key: of.to_owned(), request_hash: hash.to_owned(), expires_at }
}

/// Keeps a workflow; it must be new.
pub(crate) async fn keep(store: &dyn Store, name: &str, now: Millis) -> Result<Workflow, StoreError> {
    match store.accept(&acceptance(name, now)).await? {
        Taken::New { incident } => Ok(Workflow { incident, ..workflow(name, now) }),
        other => Err(StoreError::Internal(format!("a new workflow was taken as {other:?}"))),
    }
}

/// The workflow one version on.
pub(super) fn next(workflow: &Workflow) -> Workflow {
    Workflow { version: workflow.version + 1, ..workflow.clone() }
}

/// The workflow one version on, and over.
pub(super) fn ended(workflow: &Workflow, phase: Phase, at: Millis) -> Workflow {
    Workflow { phase, finished_at: Some(at), ..next(workflow) }
}

pub(super) fn step(order: u32, direction: Direction, effect_key: &str, now: Millis) -> StepRecord {
    StepRecord {
        order,
        direction,
        action: restart("web"),
        state: StepState::Intent,
        effect_key: effect_key.to_owned(),
        pre_image: Some(json!({"replicas": 3})),
        post_image: Some(json!({"replicas": 4})),
        result: Some("as asked".to_owned()),
        started_at: Some(now),
        finished_at: Some(now + 1),
    }
}

pub(super) fn attempt(order: u32, direction: Direction, number: u32, now: Millis) -> Attempt {
    Attempt {
        order,
        direction,
        number,
        epoch: 1,
        intent: json!({"verb": "patch", "resourceVersion": "7"}),
        intent_at: now,
        outcome: Some(Outcome::Applied),
        http_status: Some(200),
        observed: Some("audit-1".to_owned()),
        observed_at: Some(now + 2),
    }
}

pub(super) fn check(after_order: u32, name: &str, now: Millis) -> CheckRecord {
    CheckRecord {
        after_order,
        name: name.to_owned(),
        verdict: Verdict::Unknown,
        evidence: Some("3 of 4".to_owned()),
        at: Some(now),
    }
}

pub(super) fn approval(id: &str, now: Millis) -> ApprovalRecord {
    ApprovalRecord {
        id: ApprovalId::of(id),
        digest: "d".to_owned(),
        state: ApprovalState::Requested,
        requested_at: now,
        expires_at: now + 3_600_000,
        decided_by: None,
        decided_at: None,
        channel: None,
        reason: None,
    }
}

pub(super) fn control(name: &str, mode: &str, at: Millis) -> Control {
    Control {
        name: name.to_owned(),
        mode: mode.to_owned(),
        reason: Some("because".to_owned()),
        set_by: "ann".to_owned(),
        at,
    }
}

pub(super) fn notice(kind: &str, at: Millis) -> Notice {
    Notice { kind: kind.to_owned(), workflow: Some(wf("web")), at, body: json!({"text": kind}) }
}
