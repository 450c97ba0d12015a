//! Why a pod has no node: the scheduler's own words, and beside them what the rows say of each group of nodes.

mod explain;
pub(crate) mod fit;
pub(crate) mod message;

use std::collections::BTreeMap;

use aiops_inventory::{
    Kind,
    rows::{NodeRow, pod::Resources},
};
use schemars::JsonSchema;
use serde::Serialize;

use self::{
    fit::{Free, Obstacle, Rules},
    message::Reason,
};
use super::{Case, Cause, Confidence, Findings, Stage, document::words};

/// The scheduler needs a moment, and an autoscaler or a pod that leaves may help by itself.
pub(crate) const GRACE: i64 = 20;
/// A scheduler that has not even looked by then does not run.
const SILENT: i64 = 60;

/// What a pod asks for, and what keeps it off the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Placement {
    /// CPU the pod asks for, millicores.
    pub asks_cpu_millicores: Option<i64>,
    /// Memory the pod asks for, MiB.
    pub asks_memory_mib: Option<i64>,
    /// The most CPU any node has unrequested, millicores.
    pub most_free_cpu_millicores: Option<i64>,
    /// The most memory any node has unrequested, MiB.
    pub most_free_memory_mib: Option<i64>,
    /// All nodes.
    pub nodes: usize,
    /// Nodes that are kept out by the same things, the largest group first, at most five.
    pub groups: Vec<NodeGroup>,
}

/// Nodes that are kept out by the same things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct NodeGroup {
    /// How many.
    pub nodes: usize,
    /// One of them.
    pub example: String,
    /// What keeps the pod out; empty when the rows show nothing.
    pub excluded_by: Vec<String>,
}

/// A node with what keeps the pod off it.
struct Verdict<'a> {
    node: &'a NodeRow,
    free: Free,
    obstacles: Vec<Obstacle>,
}

pub(super) fn look(case: &Case<'_>, found: &mut Findings) -> Option<Placement> {
    let pod = &case.read.pod;
    let node = pod.text("spec.nodeName");
    if !node.is_empty() {
        found.fine(format!("scheduled on node {}", words(node, 80)));
        return None;
    }
    if matches!(pod.text("status.phase"), "Succeeded" | "Failed") {
        return None;
    }
    let created = pod.time("metadata.creationTimestamp").unwrap_or(case.now);
    let condition = pod.condition("PodScheduled");
    if gated(case, condition.as_deref(), found) {
        return None;
    }
    let Some(at) = condition.filter(|at| pod.text(&format!("{at}.status")) == "False") else {
        silent(case, created, found);
        return None;
    };
    let since = pod.time(&format!("{at}.lastTransitionTime")).unwrap_or(created).max(created);
    if case.now - since < GRACE {
        return None;
    }
    let said = message::reasons(pod.text(&format!("{at}.message")));
    if !case.inventory.status(Kind::Node).sync.is_known() {
        found.unchecked("nodes", "they are not known here; only the scheduler's words tell");
    }
    if pod.from_row {
        found.unchecked(
            "tolerations, selectors and affinity",
            "the pod itself could not be read and rows do not keep them",
        );
    }
    let asked = asked(case);
    let rules = Rules::of(case.inventory, pod, asked);
    let nodes: Vec<Verdict<'_>> = case
        .inventory
        .nodes()
        .iter()
        .map(|node| {
            let free = fit::free(case.inventory, node);
            Verdict { node, free, obstacles: rules.obstacles(node, &free) }
        })
        .collect();
    let mut causes = causes(case, &said, &nodes, asked);
    if causes.is_empty() {
        let text = words(pod.text(&format!("{at}.message")), 200);
        causes.push(Cause::new(
            "unschedulable",
            Stage::Placement,
            Confidence::Certain,
            format!("no node takes the pod: {text}"),
        ));
    }
    if let Some(first) = causes.first_mut() {
        // The scheduler's words stand behind all of them; quoted once they cost less.
        first.evidence.insert(0, pod.cite(&format!("{at}.message")));
    }
    causes.into_iter().for_each(|cause| found.add(cause));
    nominated(case, found);
    (!nodes.is_empty()).then(|| placement(&nodes, asked))
}

fn gated(case: &Case<'_>, condition: Option<&str>, found: &mut Findings) -> bool {
    let pod = &case.read.pod;
    let gates = pod.list("spec.schedulingGates").len();
    let says = condition.is_some_and(|at| pod.text(&format!("{at}.reason")) == "SchedulingGated");
    if gates == 0 && !says {
        return false;
    }
    let created = pod.time("metadata.creationTimestamp").unwrap_or(case.now);
    if case.now - created < GRACE {
        return true;
    }
    let name = words(pod.text("spec.schedulingGates[0].name"), 120);
    let what = format!("the pod waits on purpose: scheduling gate {name} has not been removed");
    let mut cause = Cause::new("scheduling_gated", Stage::Placement, Confidence::Certain, what);
    cause.evidence.extend((gates > 0).then(|| pod.cite("spec.schedulingGates[0].name")));
    cause.evidence.extend(condition.map(|at| pod.cite(&format!("{at}.reason"))));
    found.add(cause.next("find the controller that set the gate; it removes it when its condition is met"));
    true
}

fn silent(case: &Case<'_>, created: i64, found: &mut Findings) {
    let pod = &case.read.pod;
    if case.now - created < SILENT {
        return;
    }
    let scheduler = match pod.text("spec.schedulerName") {
        "" => "default-scheduler".to_owned(),
        name => words(name, 80),
    };
    let what = format!("no scheduler has looked at the pod yet; it asks for {scheduler}");
    let mut cause = Cause::new("scheduler_silent", Stage::Placement, Confidence::Likely, what);
    cause.evidence.push(pod.cite("spec.schedulerName"));
    cause.evidence.push(pod.cite("spec.nodeName"));
    found.add(cause.next("check that a scheduler of this name runs: list-pods in kube-system"));
}

fn nominated(case: &Case<'_>, found: &mut Findings) {
    let node = case.read.pod.text("status.nominatedNodeName");
    if !node.is_empty() {
        found
            .fine(format!("preemption has chosen node {}: pods of lower priority leave it", words(node, 80)));
    }
}

/// What the scheduler counts; from the row, which sums containers, sidecars and overhead.
fn asked(case: &Case<'_>) -> Resources {
    let object = &case.read.pod.object;
    case.inventory.pods().get(&object.namespace, &object.name).map(|row| *row.requests).unwrap_or_default()
}

/// The causes, the deciding one first. A node selector that some nodes fulfil is no cause: what keeps the pod off those
/// nodes is. Control planes, cordoned nodes and those that a taint keeps for others are not the place to look either, while
/// there are others.
fn causes(case: &Case<'_>, said: &[Reason], nodes: &[Verdict<'_>], asked: Resources) -> Vec<Cause> {
    let mut named: Vec<(&'static str, usize, bool)> = Vec::new();
    let count = |code: &str| nodes.iter().filter(|v| v.obstacles.iter().any(|o| o.code == code)).count();
    let mut name = |code: &'static str, nodes: usize, last: bool| {
        if !named.iter().any(|(known, ..)| *known == code) {
            named.push((code, nodes, last));
        }
    };
    let selection = ["node_selector_mismatch", "node_affinity_mismatch"];
    let selected = nodes.iter().any(|v| !v.obstacles.iter().any(|o| selection.contains(&o.code)));
    let has = |v: &Verdict<'_>, code: &str| v.obstacles.iter().any(|o| o.code == code);
    let lost = nodes.iter().filter(|v| has(v, "node_not_ready") && !has(v, "untolerated_taint")).count();
    let spared = !nodes.is_empty()
        // Nodes that are lost are tainted too, and nobody keeps them for others.
        && count("untolerated_taint") > lost
        && message::taints_spare(said);
    for reason in said {
        if selection.contains(&reason.code) {
            // The scheduler has one sentence for both; the pod's own spec tells which it is.
            let both = selection.map(|code| (code, count(code)));
            if both.iter().all(|(_, n)| *n == 0) {
                name(reason.code, reason.nodes, selected && !nodes.is_empty());
            }
            for (code, n) in both.into_iter().filter(|(_, n)| *n > 0) {
                name(code, n, selected);
            }
        } else {
            let last = reason.is_control_plane
                || reason.code == "node_cordoned"
                || only_control_planes(reason.code, nodes)
                || (spared && reason.code == "untolerated_taint");
            name(reason.code, reason.nodes, last && said.len() > 1);
        }
    }
    // What keeps the pod off every node stays in the way when the scheduler's reason is gone.
    for code in [
        "insufficient_cpu",
        "insufficient_memory",
        "node_selector_mismatch",
        "node_affinity_mismatch",
        "untolerated_taint",
    ] {
        if !nodes.is_empty() && count(code) == nodes.len() {
            name(code, nodes.len(), false);
        }
    }
    let said_so = |code: &str| {
        said.iter().any(|r| r.code == code || (selection.contains(&r.code) && selection.contains(&code)))
    };
    named.sort_by_key(|(code, nodes, last)| (*last, !said_so(code), std::cmp::Reverse(*nodes)));
    named
        .into_iter()
        .map(|(code, excluded, _)| {
            let both =
                |r: &&Reason| r.code == code || (selection.contains(&r.code) && selection.contains(&code));
            let text = said.iter().find(both).map(|r| r.text.as_str());
            let mut cause = explain::explain(case, code, excluded, text, nodes, asked);
            if !said_so(code) {
                cause.confidence = Confidence::Likely;
            }
            cause
        })
        .collect()
}

/// Newer schedulers do not name taints: the rows tell whether they mean control planes only.
fn only_control_planes(code: &str, nodes: &[Verdict<'_>]) -> bool {
    let mut tainted = nodes.iter().flat_map(|v| &v.obstacles).filter(|o| o.code == code).peekable();
    code == "untolerated_taint"
        && tainted.peek().is_some()
        && tainted.all(|o| {
            o.detail.contains("node-role.kubernetes.io/control-plane")
                || o.detail.contains("node-role.kubernetes.io/master")
        })
}

fn placement(nodes: &[Verdict<'_>], asked: Resources) -> Placement {
    let mut groups: BTreeMap<&[Obstacle], Vec<&Verdict<'_>>> = BTreeMap::new();
    for verdict in nodes {
        groups.entry(&verdict.obstacles).or_default().push(verdict);
    }
    let mut groups: Vec<(&[Obstacle], Vec<&Verdict<'_>>)> = groups.into_iter().collect();
    groups.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    let wire = |(obstacles, members): &(&[Obstacle], Vec<&Verdict<'_>>)| NodeGroup {
        nodes: members.len(),
        example: members.first().map(|v| v.node.meta.key.name.to_string()).unwrap_or_default(),
        excluded_by: obstacles.iter().map(|o| phrase(o, members)).collect(),
    };
    Placement {
        asks_cpu_millicores: asked.cpu_milli,
        asks_memory_mib: asked.memory_bytes.map(|b| b >> 20),
        most_free_cpu_millicores: nodes.iter().filter_map(|v| v.free.cpu_milli).max(),
        most_free_memory_mib: nodes.iter().filter_map(|v| v.free.memory_bytes).max().map(|b| b >> 20),
        nodes: nodes.len(),
        groups: groups.iter().take(5).map(wire).collect(),
    }
}

fn phrase(obstacle: &Obstacle, members: &[&Verdict<'_>]) -> String {
    match obstacle.code {
        "insufficient_cpu" => {
            let most = members.iter().filter_map(|v| v.free.cpu_milli).max();
            most.map_or_else(|| "cpu".to_owned(), |most| format!("insufficient_cpu: at most {most}m free"))
        }
        "insufficient_memory" => {
            let most = members.iter().filter_map(|v| v.free.memory_bytes).max();
            most.map_or_else(
                || "memory".to_owned(),
                |most| format!("insufficient_memory: at most {} MiB free", most >> 20),
            )
        }
        code if obstacle.detail.is_empty() => code.to_owned(),
        code => format!("{code}: {}", words(&obstacle.detail, 120)),
    }
}
