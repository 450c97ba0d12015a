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
    let data = if pod.has_local_storage { ", with the data that it keeps on its node" } else { "" };
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
    // Pods that are not ready, or have ended, may go without asking: the API's own rule.
    let budgets = budgets_of(near, pod);
    match budgets.as_slice() {
        [] => Ok(()),
        [budget] if pod.is_ready && value::int(budget, "/status/disruptionsAllowed") == Some(0) => {
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
