//! A plan over several objects of one trouble, repaired from the lowest layer upwards: infrastructure, platform,
//! application, as the Go engine's planner ordered them.
//!
//! Each object gets the remedy of its issue where one fits, else the Go planner's step for its kind, under the same owner
//! rules. An object that nothing fits is named in the plan's reason and left alone.

use super::{Neighbourhood, Planned, Reader, assemble, look, value};
use crate::{
    Engine,
    error::Error,
    issue_words, layers,
    model::{
        action::Action,
        layer::Layer,
        plan::{Approval, Plan, Problem, Risk},
        workflow::Order,
    },
    remedies::{self, Change, LAYERED, Move, allows, pool_of},
    settings::Limits,
};

/// Objects that one plan looks at, the target included.
const MOST: usize = 10;

/// Makes a plan for the problem and the other objects of the order.
pub(super) async fn plan(
    engine: &Engine,
    reader: &Reader<'_>,
    problem: &Problem,
    order: &Order,
    limits: &Limits,
) -> Result<Planned, Error> {
    if order.action.is_some() {
        return Err(Error::invalid(
            "action",
            "an action is for one object, and several are named; leave one out",
        ));
    }
    let mut problems: Vec<&Problem> = vec![problem];
    problems.extend(&order.resources);
    let mut seen = std::collections::BTreeSet::new();
    problems.retain(|one| seen.insert(one.named.key()));
    if problems.len() > MOST {
        let why = format!("{} objects are named, and a plan looks at {MOST} at most", problems.len());
        return Err(Error::refused(format!("the plan for {}", problem.target), "plan-size", why));
    }
    let (mut nears, mut moves, mut left): (Vec<Neighbourhood>, Vec<Move>, Vec<String>) = Default::default();
    for one in problems {
        match look(engine, reader, one, limits).await {
            Ok(near) => {
                match for_object(&near) {
                    Ok(more) => {
                        moves.extend(more.into_iter().filter(|m| !moves_has(&moves, m)).collect::<Vec<_>>())
                    }
                    Err(why) => left.push(why),
                }
                nears.push(near);
            }
            // An object beside the target may be gone; the target may not.
            Err(Error::NotFound { what, .. }) if one != problem => {
                left.push(format!("{what} does not exist"))
            }
            Err(error) => return Err(error),
        }
    }
    let Some(first) = nears.first() else { return Err(Error::not_found(problem.target.to_string())) };
    if moves.is_empty() {
        let why = format!("no remedy fits any of the {} objects: {}", nears.len(), left.join("; "));
        return Ok(Planned::NoRemedy { why: crate::text::line(&why, 900) });
    }
    let kinds = nears.iter().map(|near| near.target().kind.as_str());
    let root = layers::affected(&problem.description, kinds).first().copied().unwrap_or(Layer::Application);
    let mut why =
        format!("the root cause is looked for in the {} layer, and repaired upwards", root.as_str());
    for one in &left {
        why.push_str("; ");
        why.push_str(one);
    }
    // From below upwards; within a layer, what cannot be undone comes last.
    let steps =
        assemble::steps(moves, |one| (layers::of_action(&one.action), assemble::is_irreversible(one)));
    let checkpoints = assemble::checkpoints(&steps, true);
    // A node and a machine config wait for their pool.
    let seconds = |near: &Neighbourhood| {
        pool_of(near).map_or_else(|| remedies::rollout_seconds(near), remedies::pool_seconds)
    };
    let seconds = nears.iter().map(seconds).fold(0, u32::saturating_add);
    let plan = Plan {
        cluster: engine.look().info().uid.to_string(),
        problem: first.problem.clone(),
        deployed: first.owners.deployed.clone(),
        layers: assemble::layers_of(&steps),
        remedy: LAYERED.to_owned(),
        remedy_version: 1,
        why: crate::text::line(&why, 600),
        expected: "the checks of every layer hold".to_owned(),
        risk: Risk::High,
        left_alone: nears.iter().find_map(|near| near.left_alone.clone()),
        estimated_seconds: seconds,
        approval: Approval::Deny,
        rule: String::new(),
        at: first.now.as_millisecond(),
        steps,
        checkpoints,
    };
    Ok(Planned::Plan(Box::new(plan)))
}

fn moves_has(moves: &[Move], one: &Move) -> bool {
    moves.iter().any(|known| known.action == one.action)
}

/// What is done about one object, or why nothing is.
fn for_object(near: &Neighbourhood) -> Result<Vec<Move>, String> {
    let target = near.target();
    // Waiting and nudging come from the kind alone, as the Go planner has it: whatever is wrong, it begins there.
    match target.kind.as_str() {
        "Node" | "MachineConfig" | "MachineConfigPool" => {
            let Some(pool) = pool_of(near) else {
                return Err(format!(
                    "{target} belongs to no MachineConfigPool, so there is nothing to wait for"
                ));
            };
            let pool = value::target(pool);
            let description = format!("Wait until {pool} is updated");
            return Ok(vec![required(description, Action::AwaitPool { target: pool }, true)]);
        }
        kind if kind.contains("Operator") => {
            let Some(resource) = near.nudged.clone() else {
                return Err(format!("{target} names no resource that its operator could be made to look at"));
            };
            let description = format!("Nudge the operator of {resource}");
            return Ok(vec![required(description, Action::NudgeOperator { target: resource }, true)]);
        }
        _ => {}
    }
    let by_issue = issue_words::lookup_for(&near.problem.issue, &target.kind);
    match by_issue.filter(|issue| !issue.remedies.is_empty()).map(|issue| remedies::choose(issue, near)) {
        Some(Ok((_, draft))) => {
            let optional = |one: Move| Move { required: false, ..one };
            Ok(draft.moves.into_iter().map(optional).collect())
        }
        chosen => by_kind(near).map_err(|why| match chosen {
            Some(Err(of_issue)) => of_issue,
            _ => why,
        }),
    }
}

/// The Go planner's step for an object of the application layer.
fn by_kind(near: &Neighbourhood) -> Result<Vec<Move>, String> {
    let target = near.target();
    match target.kind.as_str() {
        "Deployment" | "StatefulSet" => {
            if let Some(app) = &near.owners.application {
                let action = Action::SyncApplication { target: app.clone() };
                return Ok(vec![required(format!("Sync {app}"), action, false)]);
            }
            allows(near, Change::Restart)?;
            remedies::holds_still(near)?;
            let optional = |one: Move| Move { required: false, ..one };
            let draft = remedies::restart(near, String::new())?;
            Ok(draft.moves.into_iter().map(optional).collect())
        }
        kind => Err(format!("nothing is known that would help {target} (a {kind})")),
    }
}

fn required(description: String, action: Action, required: bool) -> Move {
    Move { description, action, required }
}
