//! What the scheduler says when no node fits, taken apart: `0/5 nodes are available: 3 Insufficient cpu, 2 node(s) …`.
//!
//! The words are those of the scheduler's plugins, also of older releases; what is not known keeps its text.

/// One reason and how many nodes it excludes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    /// Stable word.
    pub(crate) code: &'static str,
    /// Nodes it excludes; all of them when the scheduler looked at none.
    pub(crate) nodes: usize,
    /// The scheduler's words.
    pub(crate) text: String,
    /// It concerns control planes, which are not meant for ordinary pods.
    pub(crate) is_control_plane: bool,
}

/// The reasons in a message of the scheduler, as they stand in it.
pub(crate) fn reasons(message: &str) -> Vec<Reason> {
    let Some((counts, rest)) = message.split_once(" nodes are available: ") else {
        let code = code(message);
        let known = code != "unschedulable" || message.contains("nodes available");
        return if known { vec![reason(0, message)] } else { Vec::new() };
    };
    let total = counts.rsplit('/').next().and_then(|n| n.trim().parse().ok()).unwrap_or(0);
    let rest = rest.split(" preemption:").next().unwrap_or_default();
    let rest = rest.split(" no new claims to deallocate").next().unwrap_or_default();
    // Old schedulers wrote a comma inside this reason.
    let rest = rest.replace("}, that the pod didn't tolerate", "} that the pod didn't tolerate");
    let parts = rest.trim().trim_end_matches('.').split(", ").filter(|part| !part.is_empty()).take(20);
    parts
        .map(|part| match part.split_once(' ') {
            Some((number, text)) => match number.parse() {
                Ok(nodes) => reason(nodes, text),
                Err(_) => reason(total, part),
            },
            None => reason(total, part),
        })
        .collect()
}

fn reason(nodes: usize, text: &str) -> Reason {
    let text = text.trim().trim_end_matches('.');
    let is_control_plane = text.contains("node-role.kubernetes.io/control-plane")
        || text.contains("node-role.kubernetes.io/master");
    Reason { code: code(text), nodes, text: text.chars().take(200).collect(), is_control_plane }
}

fn code(text: &str) -> &'static str {
    let has = |words: &str| text.contains(words);
    if let Some(resource) = text.strip_prefix("Insufficient ") {
        return match resource.trim_end_matches('.') {
            "cpu" => "insufficient_cpu",
            "memory" => "insufficient_memory",
            "pods" => "insufficient_pods",
            _ => "insufficient_resource",
        };
    }
    if has("Too many pods") {
        return "insufficient_pods";
    }
    if has("untolerated taint") || has("that the pod didn't tolerate") {
        return taint(text);
    }
    for (words, code) in [
        ("no nodes available", "no_nodes"),
        ("were unschedulable", "node_cordoned"),
        ("pod topology spread", "topology_spread_conflict"),
        ("anti-affinity", "pod_anti_affinity_conflict"),
        ("pod affinity", "pod_affinity_mismatch"),
        ("node affinity/selector", "node_affinity_mismatch"),
        ("node selector", "node_selector_mismatch"),
        ("free ports", "host_port_conflict"),
        ("volume node affinity conflict", "volume_zone_conflict"),
        ("available volume zone", "volume_zone_conflict"),
        ("max volume count", "volume_limit"),
        ("ReadWriteOncePod", "volume_in_use"),
        ("persistent volumes to bind", "pvc_pending"),
        ("unbound immediate PersistentVolumeClaims", "pvc_pending"),
        ("bound to non-existent pv", "pvc_lost"),
        ("scheduling gates", "scheduling_gated"),
        ("cannot allocate all claims", "insufficient_resource"),
    ] {
        if has(words) {
            return code;
        }
    }
    if has("persistentvolumeclaim \"") && has("not found") {
        return "pvc_missing";
    }
    if has("persistentvolumeclaim") || has("PersistentVolumeClaim") {
        return "pvc_pending";
    }
    "unschedulable"
}

/// What a taint means: the node's own state, or somebody's wish.
pub(crate) fn taint(text: &str) -> &'static str {
    if text.contains("node.kubernetes.io/unschedulable") {
        "node_cordoned"
    } else if [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
        "node.cloudprovider.kubernetes.io/uninitialized",
    ]
    .iter()
    .any(|key| text.contains(key))
    {
        "node_not_ready"
    } else if text.contains("-pressure") && text.contains("node.kubernetes.io/") {
        "node_pressure"
    } else {
        "untolerated_taint"
    }
}

/// Whether taints keep nodes for other pods while some node without one is refused for a reason of this pod's own. A
/// selector is no such reason: it may mean the tainted nodes.
pub(crate) fn taints_spare(reasons: &[Reason]) -> bool {
    reasons.iter().any(|r| {
        let other = [
            "untolerated_taint",
            "node_cordoned",
            "unschedulable",
            "node_selector_mismatch",
            "node_affinity_mismatch",
        ];
        !r.is_control_plane && !other.contains(&r.code)
    })
}

/// The reason that decides: the one that excludes most nodes; control planes, cordons and nodes kept for others last.
pub(crate) fn deciding(reasons: &[Reason]) -> Option<&Reason> {
    let spared = taints_spare(reasons);
    let weight = |r: &Reason| {
        let is_aside = r.is_control_plane
            || matches!(r.code, "node_cordoned" | "unschedulable")
            || (spared && r.code == "untolerated_taint");
        (!is_aside, r.nodes, r.code.starts_with("insufficient"))
    };
    // Of equals the first: max_by_key would take the last.
    reasons.iter().rev().max_by_key(|r| weight(r))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_scheduler_are_taken_apart() {
        let check = |message: &str, want: &[(&str, usize)], deciding_code: &str| {
            let found = reasons(message);
            let got: Vec<(&str, usize)> = found.iter().map(|r| (r.code, r.nodes)).collect();
            assert_eq!(got, want, "{message}");
            assert_eq!(deciding(&found).map(|r| r.code), Some(deciding_code), "{message}");
        };
        check(
            "0/4 nodes are available: 1 node(s) had untolerated taint(s), 3 Insufficient cpu. preemption: 0/4 nodes are available: 1 Preemption is not helpful for scheduling, 3 No preemption victims found for incoming pod.",
            &[("untolerated_taint", 1), ("insufficient_cpu", 3)],
            "insufficient_cpu",
        );
        check(
            "0/19 nodes are available: 13 node(s) had untolerated taint(s), 6 Insufficient cpu. preemption: 0/19 nodes are available: 19 Preemption is not helpful for scheduling.",
            &[("untolerated_taint", 13), ("insufficient_cpu", 6)],
            "insufficient_cpu",
        );
        check(
            "0/2 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
            &[("insufficient_memory", 1), ("untolerated_taint", 1)],
            "insufficient_memory",
        );
        check(
            "0/3 nodes are available: 3 node(s) had untolerated taint {dedicated: gpu}. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
            &[("untolerated_taint", 3)],
            "untolerated_taint",
        );
        check(
            "0/1 nodes are available: 1 node(s) had taint {dedicated: gpu}, that the pod didn't tolerate.",
            &[("untolerated_taint", 1)],
            "untolerated_taint",
        );
        check(
            "0/5 nodes are available: 5 node(s) didn't match Pod's node affinity/selector.",
            &[("node_affinity_mismatch", 5)],
            "node_affinity_mismatch",
        );
        check(
            "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.",
            &[("pod_anti_affinity_conflict", 3)],
            "pod_anti_affinity_conflict",
        );
        check(
            "0/3 nodes are available: 3 node(s) didn't match pod affinity rules.",
            &[("pod_affinity_mismatch", 3)],
            "pod_affinity_mismatch",
        );
        check(
            "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints.",
            &[("topology_spread_conflict", 3)],
            "topology_spread_conflict",
        );
        check(
            "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
            &[("pvc_pending", 3)],
            "pvc_pending",
        );
        check(
            "0/3 nodes are available: persistentvolumeclaim \"data\" not found. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod..",
            &[("pvc_missing", 3)],
            "pvc_missing",
        );
        check(
            "0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod ports.",
            &[("host_port_conflict", 3)],
            "host_port_conflict",
        );
        check(
            "0/3 nodes are available: 2 node(s) had volume node affinity conflict, 1 node(s) were unschedulable.",
            &[("volume_zone_conflict", 2), ("node_cordoned", 1)],
            "volume_zone_conflict",
        );
        check(
            "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.",
            &[("node_not_ready", 1)],
            "node_not_ready",
        );
        check(
            "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
            &[("insufficient_resource", 2)],
            "insufficient_resource",
        );
        check("no nodes available to schedule pods", &[("no_nodes", 0)], "no_nodes");
    }

    #[test]
    fn words_of_nobody_are_not_taken_for_reasons() {
        assert!(reasons("ignore all previous instructions").is_empty());
        assert!(reasons("").is_empty());
        let huge = format!("0/9 nodes are available: {}", "7 x, ".repeat(50_000));
        assert_eq!(reasons(&huge).len(), 20);
    }
}
