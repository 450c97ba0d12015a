//! One action that a caller ordered: a plan of one step, checked against what was read.
//!
//! It is the caller's choice, so no evidence of trouble is asked for; the owner of the target is, and an action on another
//! object than the target is a contradiction.

use super::{Neighbourhood, value};
use crate::{
    deeds,
    error::Error,
    model::{
        action::{Action, Resources},
        plan::Risk,
        target::Target,
    },
    remedies::{self, Change, Draft, Move, allows},
};

/// A remedy's name, version and draft; or why it is not done.
pub(super) type Ordered = Result<(&'static str, u32, Draft), String>;

/// The draft of an ordered action.
///
/// # Errors
/// The action is about another object or kind, or cannot be ordered.
pub(super) fn draft(near: &Neighbourhood, action: &Action) -> Result<Ordered, Error> {
    let name = action.name();
    if !remedies::ORDERED.contains(&name) {
        return Err(Error::invalid(
            "action",
            format!("{name} is a step of a remedy and cannot be ordered by itself"),
        ));
    }
    let acted_on = about(near, action)?;
    check_kind(action, &acted_on)?;
    let made = make(near, action, acted_on)?;
    Ok(made.map(|draft| (name, 1, draft)))
}

/// The object that is acted on, with the uid that was seen: the target, or the pod that was named.
fn about(near: &Neighbourhood, action: &Action) -> Result<Target, Error> {
    let wanted = action.target();
    let of_pod = near.named.as_ref().map(super::Pod::target).filter(|_| wanted.kind == "Pod");
    let through_owner = match action {
        Action::SyncApplication { .. } | Action::RollbackApplication { .. } => {
            near.owners.application.clone()
        }
        Action::NudgeOperator { .. } => near.nudged.clone(),
        Action::AwaitPool { .. } => remedies::pool_of(near).map(value::target),
        _ => None,
    };
    let candidates = [Some(near.target().clone()), of_pod, through_owner];
    let found = candidates.into_iter().flatten().find(|known| known.key() == wanted.key());
    let Some(found) = found else {
        let why = format!("{} is about {wanted}, and the target is {}", action.name(), near.target());
        return Err(Error::invalid("action", why));
    };
    match (&wanted.uid, &found.uid) {
        (Some(named), Some(seen)) if named != seen => Err(Error::Conflict {
            what: format!("{} on {wanted}", action.name()),
            why: "it was deleted and made again since it was named; name it again".to_owned(),
            workflow: None,
        }),
        _ => Ok(found),
    }
}

fn check_kind(action: &Action, target: &Target) -> Result<(), Error> {
    let kinds: &[&str] = match action {
        Action::RestartWorkload { .. } | Action::RollbackWorkload { .. } | Action::SetResources { .. } => {
            &["Deployment", "StatefulSet", "DaemonSet"]
        }
        Action::ScaleWorkload { .. } => &["Deployment", "StatefulSet"],
        Action::EvictPod { .. } | Action::DeletePod { .. } => &["Pod"],
        Action::CordonNode { .. } | Action::UncordonNode { .. } => &["Node"],
        Action::SyncApplication { .. } | Action::RollbackApplication { .. } => &["Application"],
        Action::AwaitPool { .. } => &["MachineConfigPool"],
        _ => return Ok(()),
    };
    if kinds.contains(&target.kind.as_str()) {
        return Ok(());
    }
    let why = format!("{} is for a {}, and {target} is none", action.name(), kinds.join(", "));
    Err(Error::invalid("action", why))
}

fn make(near: &Neighbourhood, action: &Action, target: Target) -> Result<Result<Draft, String>, Error> {
    let refused = |why: String| Ok(Err(why));
    if let Some(change) = remedies::change_of(action) {
        if let Err(why) = allows(near, change) {
            return refused(why);
        }
        if change != Change::Replicas
            && let Err(why) = remedies::holds_still(near)
        {
            return refused(why);
        }
    }
    if let Err(why) = may_lose(near, action, &target) {
        return refused(why);
    }
    let seconds = remedies::rollout_seconds(near);
    let why = "ordered by the caller".to_owned();
    Ok(match action {
        Action::RestartWorkload { .. } => remedies::restart(near, why),
        Action::RollbackWorkload { revision, .. } => remedies::rollback_to(near, *revision),
        Action::ScaleWorkload { replicas, .. } => {
            let now = near.replicas();
            if now == i64::from(*replicas) {
                return refused(format!("{target} has {now} replicas already"));
            }
            if let Some(why) = deeds::loses_volumes(&target, &near.object, i64::from(*replicas)) {
                return refused(why);
            }
            if let Err(why) = remedies::has_room(near, i64::from(*replicas).saturating_sub(now)) {
                return refused(why);
            }
            let what = format!("Scale {target} from {now} to {replicas} replicas");
            let expected = format!("{replicas} pods of {target} are ready");
            Ok(one(why, what, Action::ScaleWorkload { target, replicas: *replicas }, expected, Risk::Low, 60))
        }
        Action::SetResources { container, resources, .. } => {
            check_resources(near, container, resources)?;
            let what = format!("Set {} of container {container} of {target}", shown(resources));
            let expected = format!("the pods of {target} run with {}", shown(resources));
            let command = format!("kubectl set resources {} -c {container}", remedies::named(&target));
            let action =
                Action::SetResources { target, container: container.clone(), resources: resources.clone() };
            remedies::unstick(near, |pod| pod.trouble.is_some(), &command).map(|evict| {
                let mut draft = one(why, what, action, expected, Risk::Medium, seconds);
                draft.moves.extend(evict);
                draft
            })
        }
        other => {
            let what = sentence(other, &target);
            let (risk, seconds) = match other {
                Action::CordonNode { .. } | Action::UncordonNode { .. } => (Risk::Medium, 10),
                Action::AwaitPool { .. } => (Risk::Low, remedies::pool_seconds(&near.object)),
                _ => (Risk::Medium, 120),
            };
            let expected = format!("{target} is as {} leaves it", other.name());
            Ok(one(why, what, retarget(other, target), expected, risk, seconds))
        }
    })
}

/// A pod is given up only when somebody makes it again; deletion, which asks no disruption budget, is for Jobs' pods.
fn may_lose(near: &Neighbourhood, action: &Action, target: &Target) -> Result<(), String> {
    let mut pods = near.pods.iter().chain(&near.named);
    let Some(pod) = pods.find(|pod| pod.target() == *target) else { return Ok(()) };
    match action {
        Action::EvictPod { .. } if near.target().kind == "Job" => {
            remedies::may_go(near, pod).and_then(|()| remedies::spares(near.target(), &near.object, 1))
        }
        Action::EvictPod { .. } => remedies::may_go(near, pod),
        Action::DeletePod { .. } if pod.owner.as_ref().is_none_or(|owner| owner.kind != "Job") => Err(
            format!("{target} belongs to no Job, so it is not deleted past its disruption budgets: evict it"),
        ),
        Action::DeletePod { .. } if near.target().kind == "Job" => {
            remedies::spares(near.target(), &near.object, 1)
        }
        _ => Ok(()),
    }
}

fn one(
    why: String,
    description: String,
    action: Action,
    expected: String,
    risk: Risk,
    seconds: u32,
) -> Draft {
    Draft { why, moves: vec![Move { description, action, required: true }], expected, risk, seconds }
}

fn sentence(action: &Action, target: &Target) -> String {
    match action {
        Action::EvictPod { .. } => format!("Evict {target}: it cannot be brought back"),
        Action::DeletePod { .. } => format!("Delete {target}: it cannot be brought back"),
        Action::CordonNode { .. } => format!("Cordon {target}: no new pods are scheduled to it"),
        Action::UncordonNode { .. } => format!("Uncordon {target}: pods may be scheduled to it again"),
        Action::SyncApplication { .. } => format!("Sync {target}"),
        Action::RollbackApplication { history, .. } => {
            format!("Roll {target} back to entry {history} of its history")
        }
        Action::NudgeOperator { .. } => format!("Nudge the operator of {target}"),
        Action::AwaitPool { .. } => format!("Wait until {target} is updated"),
        other => format!("{} on {target}", other.name()),
    }
}

/// The same action on the object as it was seen.
fn retarget(action: &Action, target: Target) -> Action {
    match action {
        Action::EvictPod { .. } => Action::EvictPod { target },
        Action::DeletePod { .. } => Action::DeletePod { target },
        Action::CordonNode { .. } => Action::CordonNode { target },
        Action::UncordonNode { .. } => Action::UncordonNode { target },
        Action::SyncApplication { .. } => Action::SyncApplication { target },
        Action::RollbackApplication { history, .. } => {
            Action::RollbackApplication { target, history: *history }
        }
        Action::NudgeOperator { .. } => Action::NudgeOperator { target },
        Action::AwaitPool { .. } => Action::AwaitPool { target },
        other => other.clone(),
    }
}

fn check_resources(near: &Neighbourhood, container: &str, resources: &Resources) -> Result<(), Error> {
    let mut containers = value::list(&near.object, "/spec/template/spec/containers");
    if !containers.any(|known| value::text(known, "/name") == container) {
        let why = format!(
            "{} has no container {:?}",
            near.target(),
            container.chars().take(80).collect::<String>()
        );
        return Err(Error::invalid("container", why));
    }
    let given = quantities(resources);
    if given.is_empty() {
        return Err(Error::invalid("resources", "name at least one request or limit"));
    }
    for (what, text) in given {
        let read = if what.starts_with("CPU") {
            aiops_inventory::quantity::cpu_milli(text)
        } else {
            aiops_inventory::quantity::bytes(text)
        };
        if read.is_none_or(|amount| amount <= 0) {
            let shown: String = text.chars().take(40).collect();
            return Err(Error::invalid(
                what,
                format!("{shown:?} is no quantity above 0, such as 250m or 256Mi"),
            ));
        }
    }
    Ok(())
}

fn quantities(resources: &Resources) -> Vec<(&'static str, &str)> {
    [
        ("CPU request", &resources.cpu_request),
        ("CPU limit", &resources.cpu_limit),
        ("memory request", &resources.memory_request),
        ("memory limit", &resources.memory_limit),
    ]
    .into_iter()
    .filter_map(|(what, text)| Some((what, text.as_deref()?)))
    .collect()
}

fn shown(resources: &Resources) -> String {
    let parts: Vec<String> =
        quantities(resources).into_iter().map(|(what, text)| format!("{what} {text}")).collect();
    parts.join(", ")
}
