//! What one reason of the scheduler means for this pod: sentence, evidence, next step.

use std::collections::BTreeMap;

use aiops_inventory::rows::pod::Resources;

use super::{Verdict, message};
use crate::diagnose::{
    Case, Cause, Confidence, Evidence, Stage, container,
    document::{below, words},
    volumes,
};

pub(super) fn explain(
    case: &Case<'_>,
    code: &'static str,
    excluded: usize,
    text: Option<&str>,
    nodes: &[Verdict<'_>],
    asked: Resources,
) -> Cause {
    let pod = &case.read.pod;
    let total = nodes.len().max(excluded);
    let of = format!("{excluded} of {total} nodes");
    let (what, evidence, next): (String, Vec<Evidence>, &str) = match code {
        "insufficient_cpu" => {
            let free = nodes.iter().filter_map(|v| v.free.cpu_milli).max();
            let largest = nodes.iter().filter_map(|v| v.node.allocatable.cpu_milli).max();
            (lacking("CPU", "m", asked.cpu_milli, free, largest, &of), requests(case, "cpu"), NEXT_RESOURCES)
        }
        "insufficient_memory" => {
            let mib = |bytes: i64| bytes >> 20;
            let free = nodes.iter().filter_map(|v| v.free.memory_bytes).max().map(mib);
            let largest = nodes.iter().filter_map(|v| v.node.allocatable.memory_bytes).max().map(mib);
            let what = lacking("memory", " MiB", asked.memory_bytes.map(mib), free, largest, &of);
            (what, requests(case, "memory"), NEXT_RESOURCES)
        }
        "insufficient_pods" => (
            format!("{of} run as many pods as they may"),
            Vec::new(),
            "add nodes, or raise the kubelets' limit of pods",
        ),
        "untolerated_taint" | "node_pressure" => taints(code, &of, nodes),
        "node_selector_mismatch" => selector(case, &of, nodes),
        "node_affinity_mismatch" => affinity(case, &of),
        "node_cordoned" => (
            format!("{of} are cordoned"),
            cited(nodes, code),
            "uncordon them when their maintenance is over; list-nodes shows them",
        ),
        "node_not_ready" => {
            (format!("{of} are not ready"), cited(nodes, code), "list-nodes shows why they are not ready")
        }
        "pod_affinity_mismatch" => (
            format!("{of} do not run the pods that this one must be near (pod affinity)"),
            terms(case, "podAffinity"),
            "correct the labelSelector or topologyKey, or make the rule preferred instead of required",
        ),
        "pod_anti_affinity_conflict" => (
            format!("{of} run pods that this one must not be near (pod anti-affinity, its own or theirs)"),
            terms(case, "podAntiAffinity"),
            "add nodes, lower the number of replicas, or make the rule preferred instead of required",
        ),
        "topology_spread_conflict" => {
            let path = "spec.topologySpreadConstraints[0].topologyKey";
            let evidence = (!pod.at(path).is_null())
                .then(|| vec![pod.cite(path), pod.cite("spec.topologySpreadConstraints[0].maxSkew")]);
            (
                format!("{of} would make the spread of the pods too uneven"),
                evidence.unwrap_or_default(),
                "raise maxSkew, use ScheduleAnyway, or add nodes in the emptier zones",
            )
        }
        "host_port_conflict" => (
            format!("the host port is taken on {of}"),
            Vec::new(),
            "use a Service instead of hostPort, or run at most one such pod per node",
        ),
        "no_nodes" => ("the cluster has no node".to_owned(), Vec::new(), "add nodes"),
        "pvc_missing"
        | "pvc_pending"
        | "pvc_lost"
        | "volume_zone_conflict"
        | "volume_limit"
        | "volume_in_use" => volumes::placement(case, code, &of, text),
        _ => (
            format!("{of}: {}", words(text.unwrap_or("no reason is given"), 160)),
            Vec::new(),
            "list-nodes and get-resource of the pod show what the message names",
        ),
    };
    let said =
        text.filter(|text| !what.contains(text)).map(|text| format!(" (scheduler: {})", words(text, 100)));
    let what = what + said.as_deref().unwrap_or_default();
    Cause::new(code, Stage::Placement, Confidence::Certain, what).by(evidence).next(next)
}

const NEXT_RESOURCES: &str =
    "lower the requests, remove pods, or add nodes; calculate-pod-capacity shows what fits where";

fn lacking(
    what: &str,
    unit: &str,
    asked: Option<i64>,
    free: Option<i64>,
    largest: Option<i64>,
    of: &str,
) -> String {
    let asks = asked.map_or_else(
        || format!("the pod asks for more {what} than is free"),
        |n| format!("the pod asks for {n}{unit} {what}"),
    );
    match (free, largest, asked) {
        (_, Some(largest), Some(asked)) if asked > largest => {
            format!("{asks}, more than any node has in all ({largest}{unit}); it lacks on {of}")
        }
        (Some(free), ..) => format!("{asks}; the most any node has free is {free}{unit}; it lacks on {of}"),
        _ => format!("{asks}; it lacks on {of}"),
    }
}

/// What the containers ask of a resource, the two largest places only.
fn requests(case: &Case<'_>, resource: &str) -> Vec<Evidence> {
    let pod = &case.read.pod;
    let whole = format!("spec.resources.requests.{resource}");
    if !pod.at(&whole).is_null() {
        return vec![pod.cite(&whole)];
    }
    let containers = container::all(pod);
    let member = format!("resources.requests.{resource}");
    containers.iter().filter(|c| !c.spec(&member).is_null()).take(2).map(|c| c.cite_spec(&member)).collect()
}

/// One node as evidence; its row is as fresh as the watch.
fn cited(nodes: &[Verdict<'_>], code: &str) -> Vec<Evidence> {
    let Some(node) = nodes.iter().find(|v| v.obstacles.iter().any(|o| o.code == code)).map(|v| v.node) else {
        return Vec::new();
    };
    let cite = |path: String, value: serde_json::Value| Evidence {
        object: format!("Node {}", node.meta.key.name),
        path,
        value,
        inexact: false,
    };
    match code {
        "node_cordoned" if node.cordoned => vec![cite("spec.unschedulable".to_owned(), true.into())],
        "node_not_ready" => {
            let ready = node.ready_condition().map(|c| c.status.as_str());
            ready
                .map(|status| {
                    cite("status.conditions[?(@.type==\"Ready\")].status".to_owned(), status.into())
                })
                .into_iter()
                .collect()
        }
        _ => {
            let taint = node
                .taints
                .iter()
                .position(|t| t.effect != "PreferNoSchedule" && message::taint(&t.key) == code);
            let taint = taint.and_then(|at| node.taints.get(at).map(|taint| (at, taint)));
            let Some((at, taint)) = taint else { return Vec::new() };
            vec![
                cite(format!("spec.taints[{at}].key"), taint.key.as_str().into()),
                cite(format!("spec.taints[{at}].effect"), taint.effect.as_str().into()),
            ]
        }
    }
}

fn taints(code: &'static str, of: &str, nodes: &[Verdict<'_>]) -> (String, Vec<Evidence>, &'static str) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for obstacle in nodes.iter().flat_map(|v| &v.obstacles).filter(|o| o.code == code && !o.detail.is_empty())
    {
        *counts.entry(&obstacle.detail).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let list: Vec<String> =
        counts.iter().take(3).map(|(taint, n)| format!("{} on {n}", words(taint, 120))).collect();
    let list = if list.is_empty() { String::new() } else { format!(": {}", list.join(", ")) };
    let what = format!("{of} have a taint that the pod does not tolerate{list}");
    (what, cited(nodes, code), "add a toleration if the pod belongs there, or remove the taint")
}

fn selector(case: &Case<'_>, of: &str, nodes: &[Verdict<'_>]) -> (String, Vec<Evidence>, &'static str) {
    let pod = &case.read.pod;
    let (mut unmet, mut evidence) = (Vec::new(), Vec::new());
    for (key, value) in pod.at("spec.nodeSelector").as_object().into_iter().flatten().take(5) {
        let wanted = value.as_str().unwrap_or_default();
        let have =
            nodes.iter().filter(|v| v.node.meta.labels.get(key).is_some_and(|v| *v == *wanted)).count();
        if have == 0 {
            let mut others: Vec<&str> =
                nodes.iter().filter_map(|v| v.node.meta.labels.get(key)).map(|v| v.as_str()).collect();
            others.sort_unstable();
            others.dedup();
            let others = match others.len() {
                0 => "no node has that label".to_owned(),
                1..=4 => format!("nodes have {}", words(&others.join(", "), 120)),
                n => format!("nodes have {n} other values"),
            };
            unmet.push(format!("{}={} ({others})", words(key, 100), words(wanted, 60)));
        }
        evidence.push(pod.cite(&below("spec.nodeSelector", key)));
    }
    let matching =
        nodes.iter().filter(|v| !v.obstacles.iter().any(|o| o.code == "node_selector_mismatch")).count();
    let why = match (unmet.is_empty(), matching) {
        (false, _) => unmet.join(", "),
        (true, 0) => "no node has all the labels together".to_owned(),
        (true, n) => format!("it leaves {n} to the pod"),
    };
    let what = format!("{of} do not match the pod's node selector: {why}");
    (what, evidence, "correct nodeSelector in the workload's template, or label the nodes that are meant")
}

fn affinity(case: &Case<'_>, of: &str) -> (String, Vec<Evidence>, &'static str) {
    let pod = &case.read.pod;
    let term = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0]";
    let mut evidence = Vec::new();
    let mut wants = String::new();
    if pod.at(term).is_object() {
        let values: Vec<&str> = pod
            .list(&format!("{term}.values"))
            .iter()
            .filter_map(serde_json::Value::as_str)
            .take(4)
            .collect();
        let (key, operator) = (pod.text(&format!("{term}.key")), pod.text(&format!("{term}.operator")));
        wants = format!(
            ": it wants {} {} {}",
            words(key, 100),
            words(operator, 20),
            words(&values.join(", "), 120)
        );
        for member in ["key", "operator", "values[0]"] {
            let path = format!("{term}.{member}");
            evidence.extend((!pod.at(&path).is_null()).then(|| pod.cite(&path)));
        }
    }
    let what = format!("{of} do not match the pod's required node affinity{wants}");
    (what, evidence, "correct nodeAffinity in the workload's template, or label the nodes that are meant")
}

fn terms(case: &Case<'_>, member: &str) -> Vec<Evidence> {
    let pod = &case.read.pod;
    let path =
        format!("spec.affinity.{member}.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey");
    (!pod.at(&path).is_null()).then(|| pod.cite(&path)).into_iter().collect()
}
