//! The story of a remediation that was undone, as it is written.

use serde_json::json;

use super::*;
use crate::{
    issue::Severity,
    model::{
        action::{Action, UndoClass},
        caller::{Caller, Via},
        ids::{ApprovalId, IncidentId, WorkflowId},
        incident::{IncidentBody, IncidentSource, IncidentStatus},
        layer::Layer,
        method::Deployed,
        phase::{StepState, Verdict},
        plan::{Approval, Problem, Proof, Step},
        target::Target,
        workflow::{ApprovalRecord, ApprovalState, Attempt, CheckRecord, Order, Outcome, Workflow},
    },
    ports::store::Entry,
};

const AT: Millis = 1_790_000_000_000;

fn web() -> Target {
    Target::known("Deployment", "shop", "web")
}

fn incident() -> Incident {
    Incident {
        id: IncidentId::of("1"),
        fingerprint: "f".to_owned(),
        cluster: "c".to_owned(),
        target: web(),
        issue: "crash_loop".to_owned(),
        severity: Severity::High,
        status: IncidentStatus::Failed,
        source: IncidentSource::Detector,
        occurrences: 3,
        first_seen: AT,
        last_seen: AT + 30_000,
        closed_at: None,
        workflow: Some(WorkflowId::of("1")),
        body: IncidentBody {
            title: "crash_loop on Deployment shop/web".to_owned(),
            description: "exit code 1 `rm -rf` | <script>\n# a heading".to_owned(),
            ..IncidentBody::default()
        },
    }
}

fn told() -> Told {
    let action = Action::ScaleWorkload { target: web(), replicas: 4 };
    let problem = Problem {
        issue: "crash_loop".to_owned(),
        severity: Severity::High,
        description: String::new(),
        target: web(),
        named: web(),
    };
    let plan = Plan {
        cluster: "c".to_owned(),
        problem: problem.clone(),
        deployed: Deployed::unknown("x"),
        layers: vec![Layer::Application],
        remedy: "scale".to_owned(),
        remedy_version: 1,
        why: "too few pods".to_owned(),
        steps: vec![Step {
            order: 0,
            layer: Layer::Application,
            description: "scale".to_owned(),
            action: action.clone(),
            undo: UndoClass::Exact,
            required: true,
            planned_on: std::collections::BTreeMap::new(),
            deploys_to: Vec::new(),
            takes_down: None,
            proof: Some(Proof { diff: vec!["spec.replicas: 3 -> 4".to_owned()], ..Proof::default() }),
        }],
        checkpoints: Vec::new(),
        risk: Risk::Low,
        expected: "all pods are ready".to_owned(),
        left_alone: None,
        estimated_seconds: 60,
        approval: Approval::Approve,
        rule: "policy/with-approval".to_owned(),
        at: AT,
    };
    let step = |direction, state: StepState, result: &str| StepRecord {
        order: 0,
        direction,
        action: action.clone(),
        state,
        effect_key: "k".to_owned(),
        pre_image: None,
        post_image: None,
        result: Some(result.to_owned()),
        started_at: Some(AT),
        finished_at: Some(AT),
    };
    let workflow = Workflow {
        id: WorkflowId::of("1"),
        incident: IncidentId::of("1"),
        cluster: "c".to_owned(),
        problem,
        order: Order::default(),
        phase: Phase::RolledBack,
        plan: Some(plan),
        digest: Some("abc".to_owned()),
        dry_run: false,
        requested_by: Caller::identified("ann", Vec::new(), Via::Mcp),
        cancel_requested: false,
        cursor: 0,
        recoveries: 0,
        wake_at: 0,
        deadline: 0,
        created_at: AT + 1_000,
        started_at: Some(AT + 2_000),
        finished_at: Some(AT + 61_000),
        reason: Some("the pods still crash".to_owned()),
        rule: None,
        version: 9,
    };
    let attempt = Attempt {
        order: 0,
        direction: Direction::Do,
        number: 1,
        epoch: 1,
        intent: json!({}),
        intent_at: AT,
        outcome: Some(Outcome::Applied),
        http_status: Some(200),
        observed: None,
        observed_at: None,
    };
    let entry = |at, action: &str| Entry {
        at,
        actor: "ann".to_owned(),
        via: Via::Mcp,
        action: action.to_owned(),
        object: web().to_string(),
        body: json!({}),
    };
    let audit = |seq, at, action: &str| AuditLine {
        chain: "wf-1".to_owned(),
        seq,
        entry: entry(at, action),
        prev_hash: String::new(),
        hash: String::new(),
    };
    Told {
        record: Record {
            workflow,
            steps: vec![
                step(Direction::Do, StepState::Applied, "replicas 3 -> 4"),
                step(Direction::Undo, StepState::Verified, "replicas 4 -> 3"),
            ],
            attempts: vec![attempt],
            checks: vec![CheckRecord {
                after_order: 0,
                name: "rollout".to_owned(),
                verdict: Verdict::Failed,
                evidence: Some("0 of 4 pods are ready".to_owned()),
                at: Some(AT + 60_000),
            }],
            approvals: vec![ApprovalRecord {
                id: ApprovalId::of("1"),
                digest: "abc".to_owned(),
                state: ApprovalState::Approved,
                requested_at: AT + 1_000,
                expires_at: AT + 9_000,
                decided_by: Some("bob".to_owned()),
                decided_at: Some(AT + 2_000),
                channel: Some("cli".to_owned()),
                reason: None,
            }],
        },
        lines: vec![audit(1, AT + 1_000, "accepted"), audit(2, AT + 2_000, "approved")],
    }
}

#[test]
fn the_whole_story_is_told_in_order() {
    let story = render(&incident(), &[told()], &[], AT + 120_000);
    let mut from = 0;
    for part in [
        "# inc-1: crash\\_loop on Deployment shop/web",
        "| Object | `Deployment shop/web` |",
        "| Reports | 3 |",
        "| Closed | not yet, open for 2 min |",
        "## Timeline",
        "first reported by detector",
        "wf-1 #1: `accepted` by `ann` (mcp) on `Deployment shop/web`",
        "wf-1 #2: `approved`",
        "## Workflow wf-1",
        "it ended 2026-",
        "after 60 s",
        "Why: `the pods still crash`",
        "Remedy `scale`: `too few pods`",
        "approval approve by rule `policy/with-approval`; digest `abc`",
        "1. `scale-workload` on `Deployment shop/web` (undone exactly)",
        "`spec.replicas: 3 -> 4`",
        "approved by `bob` over `cli`",
        "| 1 | `scale-workload` | `Deployment shop/web` | applied | applied 200 | `replicas 3 -> 4` |",
        "| undo 1 | `scale-workload` | `Deployment shop/web` | verified | none | `replicas 4 -> 3` |",
        "after step 1, `rollout` failed: `0 of 4 pods are ready`",
        "## How it ended",
        "The last workflow did not help; everything it did was undone, and that was seen.",
    ] {
        let at = story
            .get(from..)
            .unwrap()
            .find(part)
            .unwrap_or_else(|| panic!("{part:?} is missing or too early in:\n{story}"));
        from += at;
    }
}

#[test]
fn text_of_others_cannot_become_markup() {
    let story = render(&incident(), &[], &[], AT);
    let line = story.lines().find(|line| line.contains("What was reported")).unwrap();
    assert_eq!(line, "What was reported: `exit code 1 'rm -rf' \\| <script> # a heading`");
    assert!(!story.lines().any(|line| line.starts_with("# a heading")), "{story}");
}
