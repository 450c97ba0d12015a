//! The layers of a trouble: infrastructure, platform, application, by the Go engine's words and kinds.
//!
//! Unlike it, words are compared as whole words: "os" is not in "postgres", nor "node" in "nodejs". It says which layers
//! are touched and which steps its planner would take by kind; what becomes of a step, [`crate::planner`] decides.

use crate::model::{action::Action, layer::Layer};

/// Words of a description, in lower case; two words stand for two neighbouring ones.
const WORDS: [(Layer, &[&str]); 3] = [
    (
        Layer::Infrastructure,
        &[
            "node",
            "nodes",
            "machineconfig",
            "mco",
            "kubelet",
            "memory pressure",
            "disk pressure",
            "pid pressure",
            "os",
            "kernel",
            "systemd",
            "coreos",
            "notready",
            "networkunavailable",
        ],
    ),
    (
        Layer::Platform,
        &[
            "operator",
            "operators",
            "sdn",
            "networking",
            "ovn",
            "storage",
            "csi",
            "ingress",
            "router",
            "api server",
            "controller manager",
            "scheduler",
            "clusteroperator",
            "degraded",
            "progressing",
        ],
    ),
    (
        Layer::Application,
        &[
            "pod",
            "pods",
            "deployment",
            "deployments",
            "replicaset",
            "statefulset",
            "crashloop",
            "imagepull",
            "container",
            "containers",
            "oom",
            "application",
            "service",
            "services",
            "endpoint",
            "endpoints",
            "crashloopbackoff",
            "imagepullbackoff",
        ],
    ),
];

/// The layer in which an object of this kind stands.
pub fn of_kind(kind: &str) -> Layer {
    match kind {
        "Node" | "MachineConfig" | "MachineConfigPool" => Layer::Infrastructure,
        "ClusterOperator" | "NetworkPolicy" => Layer::Platform,
        other if other.contains("Operator") => Layer::Platform,
        _ => Layer::Application,
    }
}

/// The layer in which an action changes something.
pub fn of_action(action: &Action) -> Layer {
    match action {
        Action::NudgeOperator { .. } => Layer::Platform,
        other => of_kind(&other.target().kind),
    }
}

/// The layers that a description and the kinds of the objects in it touch, lowest first: the first one is where the
/// root cause is looked for. Never empty: what names none is of the application.
pub fn affected<'k>(description: &str, kinds: impl IntoIterator<Item = &'k str>) -> Vec<Layer> {
    let words = words(description);
    let mut layers: Vec<Layer> = kinds.into_iter().map(of_kind).collect();
    layers.extend(WORDS.iter().filter(|(_, known)| known.iter().any(|w| names(&words, w))).map(|(l, _)| *l));
    if layers.is_empty() {
        layers.push(Layer::Application);
    }
    layers.sort_unstable();
    layers.dedup();
    layers
}

/// Longest description that is looked through, in words.
const MOST_WORDS: usize = 1_000;

fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    parts.take(MOST_WORDS).map(str::to_lowercase).collect()
}

fn names(words: &[String], wanted: &str) -> bool {
    match wanted.split_once(' ') {
        Some((first, second)) => words.windows(2).any(|pair| {
            pair.first().is_some_and(|word| word == first) && pair.last().is_some_and(|word| word == second)
        }),
        None => words.iter().any(|word| word == wanted),
    }
}

/// What the Go planner does for an object of this kind, in its words: `action_type`, how long it waits afterwards in
/// seconds, and whether the workflow fails when the step does. Empty for kinds that it has no step for.
pub fn steps_for(kind: &str) -> &'static [(&'static str, u32, bool)] {
    match kind {
        "Node" => &[("monitor_mco", 300, true)],
        "MachineConfig" => &[("monitor_machineconfig", 600, true)],
        "MachineConfigPool" => &[("monitor_mcp", 900, true)],
        "ClusterOperator" => {
            &[("trigger_operator_reconciliation", 180, true), ("monitor_clusteroperator", 300, true)]
        }
        "Pod" => &[("restart_pod", 120, false)],
        "Deployment" => &[("restart_deployment", 120, false)],
        "StatefulSet" => &[("restart_statefulset", 180, false)],
        other if other.contains("Operator") => &[("trigger_operator_reconciliation", 180, true)],
        _ => &[],
    }
}

/// How many steps the Go planner would take for objects of these kinds: what a trigger can say before anything is read.
pub fn expected_steps<'k>(kinds: impl IntoIterator<Item = &'k str>) -> u32 {
    let steps: usize = kinds.into_iter().map(|kind| steps_for(kind).len()).sum();
    u32::try_from(steps).unwrap_or(u32::MAX)
}

/// Names of what is checked after the last step in a layer.
pub const fn checks(layer: Layer) -> &'static [&'static str] {
    match layer {
        Layer::Infrastructure => &["nodes_ready", "mco_stable", "storage_available", "system_pods_running"],
        Layer::Platform => {
            &["operators_ready", "clusteroperators_available", "networking_functional", "ingress_available"]
        }
        Layer::Application => {
            &["pods_running", "deployments_ready", "endpoints_healthy", "services_responding"]
        }
    }
}

/// How long the checks of a layer may take to hold, in seconds.
pub const CHECK_SECONDS: u32 = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_whole() {
        use Layer::{Application, Infrastructure, Platform};
        for (text, want) in [
            ("Node worker-1 NotReady, pods evicted", vec![Infrastructure, Application]),
            ("postgres host exposed", vec![Application]),
            ("nodejs container crashes", vec![Application]),
            ("the OS of a machine", vec![Infrastructure]),
            ("Memory  pressure!", vec![Infrastructure]),
            ("memory without pressure", vec![Application]),
            ("the API-server is slow", vec![Platform]),
            ("ovn is degraded, kubelet down, pods pending", vec![Infrastructure, Platform, Application]),
            ("", vec![Application]),
        ] {
            assert_eq!(affected(text, []), want, "{text}");
        }
    }

    #[test]
    fn kinds_name_their_layers() {
        use Layer::{Application, Infrastructure, Platform};
        assert_eq!(affected("", ["Deployment", "Node"]), [Infrastructure, Application]);
        assert_eq!(affected("", ["ClusterOperator", "Service"]), [Platform, Application]);
        assert_eq!(affected("", ["IngressOperatorConfig"]), [Platform]);
        assert_eq!(of_kind("MachineConfigPool"), Infrastructure);
        assert_eq!(of_kind("PersistentVolumeClaim"), Application);
    }

    #[test]
    fn steps_are_the_go_planners() {
        assert_eq!(expected_steps(["Node", "Pod"]), 2);
        assert_eq!(expected_steps(["ClusterOperator"]), 2);
        assert_eq!(expected_steps(["DaemonSet", "ReplicaSet", "NetworkPolicy", "Service"]), 0);
        assert_eq!(steps_for("StatefulSet"), [("restart_statefulset", 180, false)]);
    }
}
