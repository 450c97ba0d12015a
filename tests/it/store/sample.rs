//! Workflows to fill a store with; shared by the tests that need a server and those that do not.

use aiops_engine::{
    issue::Severity,
    model::{
        Millis,
        caller::{Caller, Via},
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentBody, IncidentSource, IncidentStatus},
        phase::Phase,
        plan::Problem,
        target::Target,
        workflow::{Order, Workflow},
    },
    ports::store::{Acceptance, Entry, Report},
};

/// A trigger for a target of this name, with a line of audit.
pub(crate) fn acceptance(name: &str, now: Millis) -> Acceptance {
    let target = Target::known("Deployment", "shop", name);
    let problem = Problem {
        issue: "crash_loop".to_owned(),
        severity: Severity::High,
        description: "x".repeat(300),
        target: target.clone(),
        named: target.clone(),
    };
    let workflow = Workflow {
        id: WorkflowId::of(name),
        incident: IncidentId::of(name),
        cluster: "c1".to_owned(),
        problem,
        order: Order::default(),
        phase: Phase::Planning,
        plan: None,
        digest: None,
        dry_run: false,
        requested_by: Caller::anonymous(Via::Rest),
        cancel_requested: false,
        cursor: 0,
        recoveries: 0,
        wake_at: now,
        deadline: now + 60_000,
        created_at: now,
        started_at: None,
        finished_at: None,
        reason: None,
        rule: None,
        version: 1,
    };
    let incident = Incident {
        id: IncidentId::of(name),
        fingerprint: format!("fp-{name}"),
        cluster: "c1".to_owned(),
        target,
        issue: "crash_loop".to_owned(),
        severity: Severity::High,
        status: IncidentStatus::Remediating,
        source: IncidentSource::Trigger,
        occurrences: 1,
        first_seen: now,
        last_seen: now,
        closed_at: None,
        workflow: None,
        body: IncidentBody::default(),
    };
    Acceptance {
        workflow,
        fingerprint: format!("fp-{name}"),
        incident: Report { incident, into: None, line: None },
        idempotency: None,
        audit: vec![entry("accepted", now)],
        lock: Some(format!("apps/Deployment/shop/{name}")),
        only_joins: false,
    }
}

pub(crate) fn entry(action: &str, at: Millis) -> Entry {
    Entry {
        at,
        actor: "ann".to_owned(),
        via: Via::Rest,
        action: action.to_owned(),
        object: "Deployment shop/web".to_owned(),
        body: serde_json::json!({"why": "a test"}),
    }
}
