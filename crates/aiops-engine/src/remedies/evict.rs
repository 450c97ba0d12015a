//! Evicting one pod that is in trouble by itself, while the others of its workload are well: its controller makes another.
//!
//! Through the eviction API, which keeps disruption budgets. Never a pod that nobody would make again.

use serde_json::Value;

use super::{Draft, Move, Remedy};
use crate::{
    model::{action::Action, plan::Risk},
    planner::{Neighbourhood, Pod, value},
};

pub(super) struct Evict;

impl Remedy for Evict {
    fn name(&self) -> &'static str {
        "evict-pod"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        if !matches!(near.target().kind.as_str(), "Deployment" | "StatefulSet" | "ReplicaSet") {
            return Err(String::new());
        }
        let failing = near.failing();
        let well = near.pods.iter().filter(|pod| pod.is_well()).count();
        let [pod] = failing.as_slice() else {
            return Err(match failing.len() {
                0 => String::new(),
                many => format!("{many} pods are in trouble, not one by itself"),
            });
        };
        if well == 0 {
            return Err(String::new());
        }
        if let Some(named) = near.named.as_ref().filter(|named| named.uid != pod.uid) {
            return Err(format!("pod {} was named, and pod {} is the one in trouble", named.name, pod.name));
        }
        may_go(near, pod)?;
        let trouble = pod.trouble.as_ref().map_or("", |trouble| trouble.reason.as_str());
        Ok(Draft {
            why: format!("only pod {} is in trouble ({trouble}), {well} others are well", pod.name),
            moves: vec![one(pod)],
            expected: format!("{} makes another pod, and it is ready", near.target()),
            risk: Risk::Medium,
            seconds: 90,
        })
    }
}

/// The move that evicts a pod.
pub(super) fn one(pod: &Pod) -> Move {
    let data = match pod.scratch.as_slice() {
        [] => String::new(),
        volumes => format!(", with the data in its emptyDir volumes ({})", volumes.join(", ")),
    };
    Move::new(
        format!("Evict pod {}/{}{data}: it cannot be brought back", pod.namespace, pod.name),
        Action::EvictPod { target: pod.target() },
    )
}

/// Why a pod may not be evicted, by what the API says.
pub(crate) fn may_go(near: &Neighbourhood, pod: &Pod) -> Result<(), String> {
    let shown = format!("pod {}/{}", pod.namespace, pod.name);
    if pod.is_mirror {
        return Err(format!("{shown} is made by its kubelet from a file"));
    }
    if pod.owner.is_none() {
        return Err(format!("{shown} has no controller, so nobody would make it again"));
    }
    if let Some(why) = &pod.stays {
        return Err(format!("{shown} is not taken away: {why}"));
    }
    // The eviction API keeps budgets that cannot be read here, and not the only pod of a workload that has none.
    if let Some(gap) = near.gaps.iter().find(|gap| gap.contains("poddisruptionbudgets")) {
        return Err(format!("whether a disruption budget covers {shown} is not known: {gap}"));
    }
    let budgets = budgets_of(near, pod);
    match budgets.as_slice() {
        [] => Ok(()),
        [budget] if is_kept(budget, pod) => {
            Err(format!("PodDisruptionBudget {} allows no disruption of {shown} now", value::name(budget)))
        }
        [_] => Ok(()),
        several => {
            let names: Vec<&str> = several.iter().map(|budget| value::name(budget)).collect();
            Err(format!(
                "{shown} is covered by {} disruption budgets ({}), which the eviction API refuses",
                several.len(),
                names.join(", ")
            ))
        }
    }
}

/// Whether a budget that covers a pod keeps it now, as the API server judges an eviction: a pod that is pending or has
/// ended always goes; one that runs and is not ready goes where the budget says so (`AlwaysAllow`) or is met without it.
fn is_kept(budget: &Value, pod: &Pod) -> bool {
    if !matches!(pod.phase.as_str(), "Running" | "Unknown" | "") {
        return false;
    }
    let count = |member: &str| value::int(budget, &format!("/status/{member}"));
    let is_met = match (count("currentHealthy"), count("desiredHealthy")) {
        (Some(healthy), Some(desired)) => desired > 0 && healthy >= desired,
        _ => false,
    };
    let always = value::text(budget, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow";
    let goes_unready = !pod.is_ready && (always || is_met);
    !goes_unready && count("disruptionsAllowed") == Some(0)
}

/// The disruption budgets that cover a pod.
fn budgets_of<'n>(near: &'n Neighbourhood, pod: &Pod) -> Vec<&'n Value> {
    let covers = |budget: &&Value| {
        value::namespace(budget) == pod.namespace
            && budget.pointer("/spec/selector").is_some_and(|selector| selects(selector, &pod.labels))
    };
    near.budgets.iter().filter(covers).collect()
}

/// Whether a label selector of the API selects these labels; an empty one selects all.
fn selects(selector: &Value, labels: &Value) -> bool {
    let value_of = |key: &str| labels.get(key).and_then(Value::as_str);
    let exact = selector.get("matchLabels").and_then(Value::as_object);
    let all_exact = exact.into_iter().flatten().all(|(key, wanted)| value_of(key) == wanted.as_str());
    all_exact
        && value::list(selector, "/matchExpressions").all(|expression| {
            let is = value_of(value::text(expression, "/key"));
            let among = || value::list(expression, "/values").any(|value| value.as_str() == is);
            match value::text(expression, "/operator") {
                "In" => is.is_some() && among(),
                "NotIn" => is.is_none() || !among(),
                "Exists" => is.is_some(),
                "DoesNotExist" => is.is_none(),
                // An operator that is not known here may select anything: it counts as covering.
                _ => true,
            }
        })
}
