//! Raising a limit that a container runs into: memory after it was killed for it, CPU after it was reported throttled.
//!
//! By changing the pod template, by a half, within what limit ranges and quotas leave. A container without a limit, or
//! without evidence, is left alone.

mod bounds;

use aiops_inventory::quantity;
use serde_json::Value;

use super::{Change, Draft, Move, Remedy, allows, hanging, holds_still, rollout_seconds};
use crate::{
    model::{
        action::{Action, Resources},
        plan::Risk,
    },
    planner::{Neighbourhood, value},
};

/// A resource that is limited.
struct Measure {
    /// `memory` or `cpu`.
    name: &'static str,
    /// Reads a quantity: bytes or millicores.
    read: fn(&str) -> Option<i64>,
    /// New limits are multiples of this.
    step: i64,
}

const MEMORY: Measure = Measure { name: "memory", read: quantity::bytes, step: 16 << 20 };
const CPU: Measure = Measure { name: "cpu", read: quantity::cpu_milli, step: 50 };

pub(super) struct RaiseMemory;
pub(super) struct RaiseCpu;

impl Remedy for RaiseMemory {
    fn name(&self) -> &'static str {
        "raise-memory-limit"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        let target = near.target();
        is_workload(near)?;
        let killed =
            near.pods.iter().filter_map(|pod| pod.trouble.as_ref()).filter(|t| t.reason == "OOMKilled");
        let Some(worst) = killed.max_by_key(|trouble| trouble.restarts) else {
            return Err(format!("no container of {target} was killed for memory lately"));
        };
        let why = format!(
            "container {} was killed at its memory limit, {} restarts",
            worst.container, worst.restarts
        );
        raise(near, &MEMORY, &worst.container, why)
    }
}

impl Remedy for RaiseCpu {
    fn name(&self) -> &'static str {
        "raise-cpu-limit"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        is_workload(near)?;
        let limited: Vec<&str> = containers(near)
            .filter(|container| limit(container, &CPU).is_some())
            .map(|container| value::text(container, "/name"))
            .collect();
        let description = &near.problem.description;
        let is_named = |name: &str| {
            description.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == name)
        };
        let container = match limited.as_slice() {
            [] => {
                return Err(format!(
                    "no container of {} has a CPU limit, so none is throttled",
                    near.target()
                ));
            }
            [only] => *only,
            several => match several.iter().filter(|name| is_named(name)).collect::<Vec<_>>().as_slice() {
                [named] => **named,
                _ => {
                    return Err(format!(
                        "{} containers have a CPU limit ({}) and the report does not say which is throttled",
                        several.len(),
                        several.join(", ")
                    ));
                }
            },
        };
        raise(near, &CPU, container, format!("container {container} was reported throttled at its CPU limit"))
    }
}

fn is_workload(near: &Neighbourhood) -> Result<(), String> {
    let is = matches!(near.target().kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet");
    if is { Ok(()) } else { Err(String::new()) }
}

fn containers(near: &Neighbourhood) -> std::slice::Iter<'_, Value> {
    value::list(&near.object, "/spec/template/spec/containers")
}

fn limit(container: &Value, measure: &Measure) -> Option<i64> {
    amount(container, "limits", measure)
}

fn amount(container: &Value, of: &str, measure: &Measure) -> Option<i64> {
    let amount = container.pointer(&format!("/resources/{of}/{}", measure.name))?;
    // People write `cpu: 1` without quotes; the API serves text.
    (measure.read)(amount.as_str()?)
}

fn raise(near: &Neighbourhood, measure: &Measure, name: &str, why: String) -> Result<Draft, String> {
    let target = near.target();
    let Some(container) = containers(near).find(|container| value::text(container, "/name") == name) else {
        return Err(format!("container {name} is not in the template of {target}"));
    };
    let Some(now) = limit(container, measure).filter(|now| *now > 0) else {
        return Err(format!(
            "container {name} of {target} has no {} limit, so there is none to raise: look at its node",
            measure.name
        ));
    };
    let request = amount(container, "requests", measure);
    let wanted = round_up(now.saturating_add(now / 2), measure.step);
    let bounds = bounds::of(near, measure, container, now, wanted)?;
    let new = wanted.min(round_down(bounds.most, measure.step));
    if new < now.saturating_add(now / 10) {
        return Err(format!(
            "{} leaves container {name} no more than {} {}, and it has {}",
            bounds.by,
            show(measure, bounds.most.max(0)),
            measure.name,
            show(measure, now)
        ));
    }
    allows(near, Change::Resources).map_err(|owner| {
        format!(
            "{why}; {owner}; set its {} limit to {} instead of {}",
            measure.name,
            show(measure, new),
            show(measure, now)
        )
    })?;
    holds_still(near)?;
    // A container whose request equals its limit keeps its quality of service.
    let with_request = request.filter(|request| *request == now).map(|_| show(measure, new));
    let limit = Some(show(measure, new));
    let resources = if measure.name == "memory" {
        Resources { memory_limit: limit, memory_request: with_request.clone(), ..Resources::default() }
    } else {
        Resources { cpu_limit: limit, cpu_request: with_request.clone(), ..Resources::default() }
    };
    let both = if with_request.is_some() { "limit and request" } else { "limit" };
    let capped = if new < wanted { format!(", as much as {} leaves", bounds.by) } else { String::new() };
    let mut moves = vec![Move::new(
        format!(
            "Raise the {} {both} of container {name} of {target} from {} to {}",
            measure.name,
            show(measure, now),
            show(measure, new)
        ),
        Action::SetResources { target: target.clone(), container: name.to_owned(), resources },
    )];
    let command = format!(
        "kubectl set resources {} -c {name} --limits={}={}",
        hanging::named(target),
        measure.name,
        show(measure, new)
    );
    moves.extend(hanging::unstick(near, |pod| pod.trouble.is_some(), &command)?);
    Ok(Draft {
        why: format!("{why}{capped}"),
        moves,
        expected: format!("the pods of {target} run with {} of {}", show(measure, new), measure.name),
        risk: Risk::Medium,
        seconds: rollout_seconds(near),
    })
}

const fn round_up(amount: i64, step: i64) -> i64 {
    round_down(amount.saturating_add(step - 1), step)
}

const fn round_down(amount: i64, step: i64) -> i64 {
    amount - amount.rem_euclid(step)
}

/// A quantity as people write it.
fn show(measure: &Measure, amount: i64) -> String {
    const MI: i64 = 1 << 20;
    const GI: i64 = 1 << 30;
    match measure.name {
        "cpu" if amount % 1_000 == 0 => (amount / 1_000).to_string(),
        "cpu" => format!("{amount}m"),
        _ if amount != 0 && amount % GI == 0 => format!("{}Gi", amount / GI),
        _ if amount % MI == 0 => format!("{}Mi", amount / MI),
        _ => amount.to_string(),
    }
}
