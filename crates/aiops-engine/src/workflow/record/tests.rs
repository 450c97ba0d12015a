//! Events that cannot follow are refused, and what a commit holds is whole.

use serde_json::json;

use super::*;
use crate::{
    issue::Severity,
    model::{
        action::Action,
        caller::Via,
        ids::{IncidentId, WorkflowId},
        phase::StepState,
        plan::Problem,
        target::Target,
        workflow::{Order, Workflow},
    },
    ports::store::Write,
};

const NOW: Millis = 1_800_000_000_000;

fn node(name: &str) -> Target {
    Target::known("Node", "", name)
}

fn done(order: u32, state: StepState) -> StepRecord {
    let at = StepAt { order, direction: Direction::Do };
    StepRecord {
        order,
        direction: Direction::Do,
        action: Action::CordonNode { target: node("n0") },
        state,
        effect_key: at.effect_key("wf-1"),
        pre_image: Some(json!({})),
        post_image: Some(json!({})),
        result: None,
        started_at: Some(NOW),
        finished_at: None,
    }
}

fn record(phase: Phase, steps: Vec<StepRecord>) -> Record {
    let workflow = Workflow {
        id: WorkflowId::of("1"),
        incident: IncidentId::of("1"),
        cluster: "c".to_owned(),
        problem: Problem {
            issue: "node_not_ready".to_owned(),
            severity: Severity::High,
            description: String::new(),
            target: node("n0"),
            named: node("n0"),
        },
        order: Order::default(),
        phase,
        plan: None,
        digest: None,
        dry_run: false,
        requested_by: Caller::anonymous(Via::Rest),
        cancel_requested: false,
        cursor: 0,
        recoveries: 3,
        wake_at: NOW,
        deadline: NOW + 1,
        created_at: NOW,
        started_at: Some(NOW),
        finished_at: None,
        reason: None,
        rule: None,
        version: 7,
    };
    Record { workflow, steps, attempts: Vec::new(), checks: Vec::new(), approvals: Vec::new() }
}

fn committed(record: &Record, event: Event, epoch: Option<i64>) -> Result<Vec<Write>, Illegal> {
    let settings = Settings::default();
    let context = Context { at: NOW, settings: &settings, epoch, cooldown: None, incident_is_left: false };
    commit(record, event, &context)
}

fn system() -> Caller {
    Caller::system(Via::System)
}

#[test]
fn a_workflow_that_did_something_neither_fails_nor_is_cancelled_without_its_way_back() {
    for state in StepState::ALL {
        let record = record(Phase::Running, vec![done(0, state)]);
        let is_clean = !may_have_effect(state);
        let fails = committed(&record, Event::Failed { why: "x".to_owned() }, Some(1));
        assert_eq!(fails.is_ok(), is_clean, "{state:?}");
        let stops = committed(&record, Event::Stopped, Some(1));
        assert_eq!(stops.is_ok(), is_clean, "{state:?}");
        let cancelled = committed(&record, Event::Cancelled { by: system(), why: None }, None);
        assert_eq!(cancelled.is_ok(), is_clean, "{state:?}");
    }
}

#[test]
fn nothing_turns_back_while_a_step_is_undecided() {
    for state in StepState::ALL {
        let record = record(Phase::Running, vec![done(0, state)]);
        let turned = committed(&record, Event::Unwound { why: "x".to_owned(), checks: Vec::new() }, Some(1));
        let is_open = matches!(state, StepState::Intent | StepState::Indeterminate);
        assert_eq!(turned.is_err(), is_open, "{state:?}");
    }
}

#[test]
fn an_intent_needs_a_lease() {
    let record = record(Phase::Running, vec![done(0, StepState::Pending)]);
    let intended = || Event::Intended {
        step: StepAt { order: 0, direction: Direction::Do },
        pre_image: json!({}),
        post_image: json!({}),
        intent: json!({}),
        takes: Vec::new(),
    };
    committed(&record, intended(), None).unwrap_err();
    let writes = committed(&record, intended(), Some(4)).unwrap();
    let attempt = writes.iter().find_map(|write| match write {
        Write::Attempt(attempt) => Some(attempt),
        _ => None,
    });
    let attempt = attempt.unwrap();
    assert_eq!((attempt.number, attempt.epoch, attempt.outcome), (1, 4, None));
}

#[test]
fn an_end_gives_everything_back_in_the_same_commit() {
    let applied = record(Phase::Verifying, vec![done(0, StepState::Verified)]);
    for (epoch, yields) in [(Some(1), true), (None, false)] {
        let writes = committed(&applied, Event::Passed { checks: Vec::new() }, epoch).unwrap();
        let Some(Write::Workflow(workflow)) = writes.first() else { panic!("{writes:?}") };
        assert_eq!((workflow.version, workflow.phase), (8, Phase::Completed));
        assert_eq!((workflow.finished_at, workflow.recoveries), (Some(NOW), 0));
        let has = |wanted: fn(&Write) -> bool| writes.iter().filter(|write| wanted(write)).count();
        assert_eq!(has(|write| matches!(write, Write::Release)), 1);
        assert_eq!(has(|write| matches!(write, Write::Cooldown(_))), 1);
        assert_eq!(has(|write| matches!(write, Write::Incident { .. })), 1);
        assert_eq!(has(|write| matches!(write, Write::Audit(_))), 1);
        assert_eq!(writes.last() == Some(&Write::Yield), yields);
    }
}

#[test]
fn an_approval_that_nobody_asked_for_is_none() {
    let waiting = record(Phase::AwaitingApproval, Vec::new());
    let decided = Event::Decided { approves: true, by: system(), reason: None };
    committed(&waiting, decided, None).unwrap_err();
}

#[test]
fn a_record_after_its_writes_is_what_the_store_would_tell() {
    let mut before = record(Phase::Running, vec![done(0, StepState::Applied)]);
    let writes = committed(&before, Event::Advanced { checks: Vec::new(), evidence: None }, Some(1)).unwrap();
    apply(&mut before, &writes);
    assert_eq!(before.workflow.phase, Phase::Verifying);
    assert_eq!(before.steps[0].state, StepState::Verified);
    assert_eq!(before.steps.len(), 1);
}
