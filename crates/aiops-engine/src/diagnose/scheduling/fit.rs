//! Whether a pod fits a node, by the rows: what would keep it away, all of it and not only the first as the scheduler.
//!
//! It computes taints, node selectors and affinity, pod affinity and anti-affinity, CPU, memory and the number of
//! pods. Host ports, topology spread, volumes, extended resources and anti-affinity of other pods are left to the
//! scheduler's words: rows do not hold what they need.

use std::collections::BTreeSet;

use aiops_inventory::{
    Inventory, Name,
    labels::{LabelSet, Requirement, Selector, Test},
    rows::{NodeRow, Taint, Truth, pod::Resources},
};
use serde_json::Value;

use super::message;
use crate::diagnose::document::{Document, at};

const NODE_AFFINITY: &str =
    "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";

/// Something that keeps a pod off a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Obstacle {
    /// Stable word.
    pub(crate) code: &'static str,
    /// What exactly, when several are possible: a taint.
    pub(crate) detail: String,
}

fn obstacle(code: &'static str) -> Obstacle {
    Obstacle { code, detail: String::new() }
}

/// What a node has left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Free {
    pub(crate) cpu_milli: Option<i64>,
    pub(crate) memory_bytes: Option<i64>,
    pub(crate) pods: Option<i64>,
}

/// What is allocatable and not requested by pods that have not ended.
pub(crate) fn free(inventory: &Inventory, node: &NodeRow) -> Free {
    let totals = inventory.node_totals(&node.meta.key.name).map(|t| t.pods).unwrap_or_default();
    let running = totals.counts.pending + totals.counts.running + totals.counts.unknown;
    let allocatable = &node.allocatable;
    Free {
        cpu_milli: allocatable.cpu_milli.map(|all| all - totals.requested_cpu_milli),
        memory_bytes: allocatable.memory_bytes.map(|all| all - totals.requested_memory_bytes),
        pods: allocatable.pods.map(|all| all - running),
    }
}

/// The rules of one pod, read once.
pub(crate) struct Rules<'a> {
    pod: &'a Document,
    asked: Resources,
    /// By term of the pod's (anti-)affinity: topology key, values of it where a matching pod runs, and whether that is
    /// wanted or not.
    neighbours: Vec<(String, BTreeSet<Name>, bool)>,
}

impl<'a> Rules<'a> {
    pub(crate) fn of(inventory: &Inventory, pod: &'a Document, asked: Resources) -> Self {
        let mut neighbours = Vec::new();
        for (member, wanted) in [("podAffinity", true), ("podAntiAffinity", false)] {
            let terms = format!("spec.affinity.{member}.requiredDuringSchedulingIgnoredDuringExecution");
            for term in pod.list(&terms).iter().take(20) {
                neighbours.extend(domains(inventory, pod, term, wanted));
            }
        }
        Self { pod, asked, neighbours }
    }

    /// Everything that keeps the pod off this node.
    pub(crate) fn obstacles(&self, node: &NodeRow, free: &Free) -> Vec<Obstacle> {
        let mut found = BTreeSet::new();
        if node.cordoned {
            found.insert(obstacle("node_cordoned"));
        }
        if node.ready_condition().is_some_and(|c| c.status != Truth::True) {
            found.insert(obstacle("node_not_ready"));
        }
        if !self.pod.from_row {
            self.taints(node, &mut found);
            if !matches_selector(self.pod, &node.meta.labels) {
                found.insert(obstacle("node_selector_mismatch"));
            }
            if !matches_affinity(self.pod, node) {
                found.insert(obstacle("node_affinity_mismatch"));
            }
            for (key, values, wanted) in &self.neighbours {
                let here = node.meta.labels.get(key).is_some_and(|value| values.contains(value));
                if *wanted && !here {
                    found.insert(obstacle("pod_affinity_mismatch"));
                } else if !*wanted && here {
                    found.insert(obstacle("pod_anti_affinity_conflict"));
                }
            }
        }
        let lacks = |asked: Option<i64>, free: Option<i64>| {
            asked.is_some_and(|asked| asked > 0 && free.is_some_and(|free| free < asked))
        };
        if lacks(self.asked.cpu_milli, free.cpu_milli) {
            found.insert(obstacle("insufficient_cpu"));
        }
        if lacks(self.asked.memory_bytes, free.memory_bytes) {
            found.insert(obstacle("insufficient_memory"));
        }
        if free.pods.is_some_and(|pods| pods < 1) {
            found.insert(obstacle("insufficient_pods"));
        }
        found.into_iter().collect()
    }

    fn taints(&self, node: &NodeRow, found: &mut BTreeSet<Obstacle>) {
        for taint in node.taints.iter().filter(|t| t.effect != "PreferNoSchedule") {
            if self.pod.list("spec.tolerations").iter().any(|toleration| tolerates(toleration, taint)) {
                continue;
            }
            let code = message::taint(&taint.key);
            let detail = if code == "untolerated_taint" { shown(taint) } else { String::new() };
            found.insert(Obstacle { code, detail });
        }
    }
}

/// `dedicated=gpu:NoSchedule`, as kubectl writes it.
pub(crate) fn shown(taint: &Taint) -> String {
    if taint.value.is_empty() {
        format!("{}:{}", taint.key, taint.effect)
    } else {
        format!("{}={}:{}", taint.key, taint.value, taint.effect)
    }
}

fn tolerates(toleration: &Value, taint: &Taint) -> bool {
    let text = |key: &str| toleration.get(key).and_then(Value::as_str).unwrap_or_default();
    let (key, effect) = (text("key"), text("effect"));
    if !effect.is_empty() && taint.effect != *effect {
        return false;
    }
    match text("operator") {
        "Exists" => key.is_empty() || taint.key == *key,
        "" | "Equal" => taint.key == *key && taint.value == *text("value"),
        "Gt" => taint.key == *key && compare(&taint.value, text("value"), |taint, value| taint > value),
        "Lt" => taint.key == *key && compare(&taint.value, text("value"), |taint, value| taint < value),
        _ => false,
    }
}

fn compare(left: &str, right: &str, holds: fn(i64, i64) -> bool) -> bool {
    left.parse().is_ok_and(|left| right.parse().is_ok_and(|right| holds(left, right)))
}

/// `spec.nodeSelector`.
fn matches_selector(pod: &Document, labels: &LabelSet) -> bool {
    let Some(wanted) = pod.at("spec.nodeSelector").as_object() else { return true };
    wanted
        .iter()
        .all(|(key, value)| labels.get(key).is_some_and(|have| value.as_str() == Some(have.as_str())))
}

/// `nodeSelectorTerms`: one of them must hold.
fn matches_affinity(pod: &Document, node: &NodeRow) -> bool {
    let terms = pod.list(NODE_AFFINITY);
    if pod.at(NODE_AFFINITY).is_null() {
        return true;
    }
    terms.iter().any(|term| {
        let list = |key: &str| term.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let (expressions, fields) = (list("matchExpressions"), list("matchFields"));
        let by_name = |key: &str| (key == "metadata.name").then(|| node.meta.key.name.clone());
        (!expressions.is_empty() || !fields.is_empty())
            && expressions.iter().all(|e| holds(e, |key| node.meta.labels.get(key).cloned()))
            && fields.iter().all(|e| holds(e, by_name))
    })
}

fn holds(expression: &Value, have: impl Fn(&str) -> Option<Name>) -> bool {
    let have = have(at(expression, "key").as_str().unwrap_or_default());
    let values: Vec<&str> =
        at(expression, "values").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let first = values.first().copied().unwrap_or_default();
    match at(expression, "operator").as_str().unwrap_or_default() {
        "In" => have.is_some_and(|have| values.contains(&have.as_str())),
        "NotIn" => have.is_none_or(|have| !values.contains(&have.as_str())),
        "Exists" => have.is_some(),
        "DoesNotExist" => have.is_none(),
        "Gt" => have.is_some_and(|have| compare(&have, first, |have, value| have > value)),
        "Lt" => have.is_some_and(|have| compare(&have, first, |have, value| have < value)),
        _ => false,
    }
}

/// Where pods that a term of (anti-)affinity means do run; `None` when the term keeps the pod from nowhere.
fn domains(
    inventory: &Inventory,
    pod: &Document,
    term: &Value,
    wanted: bool,
) -> Option<(String, BTreeSet<Name>, bool)> {
    let key = at(term, "topologyKey").as_str()?.to_owned();
    let selector = selector(at(term, "labelSelector"))?;
    let namespaces = namespaces(inventory, pod, term)?;
    let mut values = BTreeSet::new();
    for namespace in &namespaces {
        for row in inventory.pods().in_namespace(namespace).filter(|row| !row.is_terminal()) {
            let is_itself =
                row.meta.key.name == pod.object.name && row.meta.key.namespace == pod.object.namespace;
            if is_itself || !selector.matches(&row.meta.labels) {
                continue;
            }
            let node = row.node.as_ref().and_then(|node| inventory.nodes().get("", node));
            values.extend(node.and_then(|node| node.meta.labels.get(&key)).cloned());
        }
    }
    if wanted && values.is_empty() {
        // The first pod of a group that wants to be together may go anywhere.
        let labels = pod.at("metadata.labels").as_object().cloned().unwrap_or_default();
        let mut own: Vec<(Name, Name)> = labels
            .iter()
            .map(|(k, v)| (Name::from(k.as_str()), Name::from(v.as_str().unwrap_or_default())))
            .collect();
        own.sort();
        let own_namespace = namespaces.iter().any(|ns| *ns == pod.object.namespace.as_str());
        if own_namespace && selector.matches(&LabelSet(own.into())) {
            return None;
        }
    }
    Some((key, values, wanted))
}

fn namespaces(inventory: &Inventory, pod: &Document, term: &Value) -> Option<Vec<String>> {
    let mut names: Vec<String> = at(term, "namespaces")
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let by_label = at(term, "namespaceSelector");
    if by_label.is_object() {
        let by_label = selector(by_label)?;
        let rows = inventory.namespaces().iter().filter(|row| by_label.matches(&row.meta.labels));
        names.extend(rows.map(|row| row.meta.key.name.to_string()));
    } else if names.is_empty() {
        names.push(pod.object.namespace.to_string());
    }
    names.sort();
    names.dedup();
    Some(names)
}

/// A label selector of the API; `None` for the null selector, which matches nothing, and for one that is not understood.
fn selector(json: &Value) -> Option<Selector> {
    let object = json.as_object()?;
    let mut requirements = Vec::new();
    for (key, value) in object.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        let test = Test::In([Name::from(value.as_str()?)].into());
        requirements.push(Requirement { key: key.as_str().into(), test });
    }
    for expression in object.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let values = || {
            let values = at(expression, "values").as_array().into_iter().flatten();
            values.filter_map(Value::as_str).map(Name::from).collect::<Box<[Name]>>()
        };
        let test = match at(expression, "operator").as_str()? {
            "In" => Test::In(values()),
            "NotIn" => Test::NotIn(values()),
            "Exists" => Test::Exists,
            "DoesNotExist" => Test::Absent,
            _ => return None,
        };
        requirements.push(Requirement { key: at(expression, "key").as_str()?.into(), test });
    }
    Some(Selector(requirements.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tolerations_match_taints_as_the_scheduler_reads_them() {
        let taint =
            Taint { key: "dedicated".into(), value: "gpu".into(), effect: "NoSchedule".into(), since: None };
        for (toleration, want) in [
            (json!({"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}), true),
            (json!({"key": "dedicated", "operator": "Exists"}), true),
            (json!({"operator": "Exists"}), true),
            (json!({"key": "dedicated", "value": "cpu"}), false),
            (json!({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}), false),
            (json!({"key": "dedicated"}), false),
            (json!({}), false),
            (json!("nonsense"), false),
        ] {
            assert_eq!(tolerates(&toleration, &taint), want, "{toleration}");
        }
    }
}
