//! A plan as doors show it: short, because a model reads it.
//!
//! It leaves out what the reader can ask for elsewhere and hides nothing that decides.

use super::Ruled;
use crate::{
    Engine,
    coordination::{PlanView, StepView},
    coordinator::workflows::views::duration,
    model::{
        method::Deployed,
        phase::{Direction, StepState},
        plan::{Approval, Plan, Problem, Risk, Step},
    },
};

/// Details of a deployment method that say nothing about how to act.
const IDLE: [&str; 5] = ["reason", "app", "version", "field_managers", "tracking_id"];

/// The name of no remedy, and of the rule that then refuses.
const NONE: &str = "none";

pub(super) fn of(plan: &Plan, ruled: Ruled, digest: String, simulated: bool) -> PlanView {
    PlanView {
        remedy: plan.remedy.clone(),
        problem: problem(&plan.problem),
        why: plan.why.clone(),
        deployed: short(&plan.deployed),
        layers: plan.layers.clone(),
        steps: plan.steps.iter().map(step).collect(),
        risk: plan.risk,
        expected: plan.expected.clone(),
        estimated_duration: duration(plan.estimated_seconds),
        approval: ruled.approval,
        rule: ruled.rule,
        refused: ruled.refused,
        digest,
        cluster: plan.cluster.clone(),
        simulated,
    }
}

/// No remedy fits.
pub(super) fn none(engine: &Engine, of: &Problem, why: String, simulated: bool) -> PlanView {
    PlanView {
        remedy: NONE.to_owned(),
        problem: problem(of),
        why,
        deployed: Deployed::unknown("no plan was made"),
        layers: Vec::new(),
        steps: Vec::new(),
        risk: Risk::Low,
        expected: "nothing changes".to_owned(),
        estimated_duration: duration(0),
        approval: Approval::Deny,
        rule: "no-remedy".to_owned(),
        refused: Some("no remedy fits".to_owned()),
        digest: String::new(),
        cluster: engine.look().info().uid.to_string(),
        simulated,
    }
}

fn problem(problem: &Problem) -> String {
    format!("{} on {}", problem.issue, problem.target)
}

fn short(deployed: &Deployed) -> Deployed {
    let mut short = deployed.clone();
    short.details.retain(|key, _| !IDLE.contains(&key.as_str()));
    short
}

fn step(step: &Step) -> StepView {
    StepView {
        order: step.order,
        layer: step.layer,
        direction: Direction::Do,
        description: step.description.clone(),
        action: step.action.name().to_owned(),
        target: step.action.target().to_string(),
        undo: step.undo,
        status: StepState::Pending.contract().to_owned(),
        state: StepState::Pending,
        result: None,
        proof: step.proof.clone(),
        started_at: None,
        completed_at: None,
    }
}
