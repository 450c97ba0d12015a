//! Workflows that stand at every place at which a process can end, made by the engine itself; how they came there is part of
//! what a stored format is.
//!
//! One Deployment each, by whose name a workflow is known. Nothing here looks at what becomes of them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test sets up must work")]

use aiops_engine::{
    coordination::Coordination as _,
    model::{
        action::{Action, Resources},
        ids::WorkflowId,
        phase::Phase,
        target::Target,
        workflow::Workflow,
    },
};
use serde_json::Value;

use super::engine::{Cut, Process, caller, deployment};

/// The Deployments, each of which one workflow is about.
pub(super) const NAMES: [&str; 15] = [
    "over",
    "waiting",
    "unanswered",
    "agreed",
    "planning",
    "queued",
    "begun",
    "heard-not",
    "restarted-unheard",
    "unsent",
    "restart-unsent",
    "touched",
    "verifying",
    "undone-unheard",
    "undo-unsent",
];

pub(super) fn deployments() -> Vec<Value> {
    NAMES.iter().enumerate().map(|(number, name)| deployment(number, name)).collect()
}

fn target(name: &str) -> Target {
    Target::known("Deployment", "shop", name)
}

pub(super) fn scale(name: &str, replicas: u32) -> Action {
    Action::ScaleWorkload { target: target(name), replicas }
}

fn restart(name: &str) -> Action {
    Action::RestartWorkload { target: target(name) }
}

/// What has to be approved.
fn grow(name: &str) -> Action {
    let resources = Resources { memory_limit: Some("512Mi".to_owned()), ..Resources::default() };
    Action::SetResources { target: target(name), container: "app".to_owned(), resources }
}

/// The oldest workflow about the Deployment of this name.
pub(super) fn about<'a>(all: &'a [Workflow], name: &str) -> &'a Workflow {
    let found = all.iter().find(|workflow| workflow.problem.target.name == name);
    found.unwrap_or_else(|| panic!("there is no workflow about {name}"))
}

/// Brings a workflow each to where it is named after.
pub(super) async fn bring_about(process: &Process<'_>) {
    let over = process.order(scale("over", 2)).await;
    process.until(&over, Phase::Completed).await;
    for name in ["waiting", "unanswered", "agreed"] {
        let id = process.order(grow(name)).await;
        process.until(&id, Phase::AwaitingApproval).await;
    }
    for (name, cut) in [("undone-unheard", Cut::Unheard), ("undo-unsent", Cut::Unsent)] {
        let id = undoing(process, name).await;
        process.cut(&id, cut).await;
    }
    let id = process.order(scale("verifying", 2)).await;
    process.until(&id, Phase::Verifying).await;
    for (action, cut) in [
        (scale("heard-not", 2), Cut::Unheard),
        (restart("restarted-unheard"), Cut::Unheard),
        (scale("unsent", 2), Cut::Unsent),
        (restart("restart-unsent"), Cut::Unsent),
        (scale("touched", 2), Cut::Unsent),
    ] {
        let id = process.order(action).await;
        process.cut(&id, cut).await;
    }
    for (name, phase) in [("begun", Phase::Running), ("queued", Phase::Queued)] {
        let id = process.order(scale(name, 2)).await;
        process.until(&id, phase).await;
    }
    process.order(scale("planning", 2)).await;
    let all = process.all().await;
    process.approve(&about(&all, "agreed").id).await.unwrap();
}

/// A workflow that is to be undone, before the request that does it.
async fn undoing(process: &Process<'_>, name: &str) -> WorkflowId {
    let id = process.order(scale(name, 2)).await;
    process.until(&id, Phase::Verifying).await;
    process.give_back().await;
    process.coordinator.cancel(&caller("ann"), &id, Some("it is not wanted".to_owned())).await.unwrap();
    id
}

/// Where they stand, as the store has it.
pub(super) const PLACES: [(&str, Phase); 15] = [
    ("over", Phase::Completed),
    ("waiting", Phase::AwaitingApproval),
    ("unanswered", Phase::AwaitingApproval),
    ("agreed", Phase::Queued),
    ("planning", Phase::Planning),
    ("queued", Phase::Queued),
    ("begun", Phase::Running),
    ("heard-not", Phase::Running),
    ("restarted-unheard", Phase::Running),
    ("unsent", Phase::Running),
    ("restart-unsent", Phase::Running),
    ("touched", Phase::Running),
    ("verifying", Phase::Verifying),
    ("undone-unheard", Phase::RollingBack),
    ("undo-unsent", Phase::RollingBack),
];

/// Those of which a request was about to be sent: an attempt of theirs has no outcome.
pub(super) const OPEN: [&str; 7] = [
    "heard-not",
    "restarted-unheard",
    "unsent",
    "restart-unsent",
    "touched",
    "undone-unheard",
    "undo-unsent",
];

/// Every workflow stands where it is said to, with what was not answered yet.
pub(super) async fn assert_standing(process: &Process<'_>) {
    let all = process.all().await;
    assert_eq!(all.len(), PLACES.len(), "one each");
    for (name, phase) in PLACES {
        let workflow = about(&all, name);
        assert_eq!(workflow.phase, phase, "{name}: {:?}", workflow.reason);
        let attempts = process.record(&workflow.id).await.attempts;
        let open = attempts.iter().filter(|attempt| attempt.outcome.is_none()).count();
        assert_eq!(open, usize::from(OPEN.contains(&name)), "open attempts of {name}: {attempts:?}");
    }
}
