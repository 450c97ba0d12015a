//! The node under a pod: gone, not ready, out of something; and pods that a node or the scheduler threw out.

use aiops_inventory::Kind;

use super::{
    Case, Cause, Confidence, Findings, SLOW_START, Stage, container,
    document::{Document, words},
    reading::{Found, Told},
};

/// An event this old does not explain what happens now.
const FRESH: i64 = 900;

pub(super) fn look(case: &Case<'_>, found: &mut Findings) {
    thrown_out(case, found);
    let pod = &case.read.pod;
    if matches!(pod.text("status.phase"), "Succeeded" | "Failed") {
        return;
    }
    if let Some((name, node)) = &case.read.node {
        match node {
            Found::Yes(node) => health(case, node, found),
            Found::Missing => {
                let what =
                    format!("the pod is bound to node {}, which does not exist any more", words(name, 80));
                let cause = Cause::new("node_gone", Stage::Node, Confidence::Certain, what)
                    .by([pod.cite("spec.nodeName"), super::config::absent("Node", "", name)]);
                found.add(cause.next("the pod is collected by itself; delete it to be replaced sooner"));
            }
            Found::Unknown(why) => found.unchecked(format!("Node {}", words(name, 80)), why),
        }
    }
    sandbox(case, found);
    slow(case, found);
}

fn health(case: &Case<'_>, node: &Document, found: &mut Findings) {
    let name = words(&node.object.name, 80);
    let Some(ready) = node.condition("Ready") else { return };
    if node.text(&format!("{ready}.status")) != "True" {
        let message = words(node.text(&format!("{ready}.message")), 160);
        let what = format!("node {name}, on which the pod is, is not ready: {message}");
        let cause = Cause::new("node_not_ready", Stage::Node, Confidence::Certain, what).by([
            case.read.pod.cite("spec.nodeName"),
            node.cite(&format!("{ready}.status")),
            node.cite(&format!("{ready}.reason")),
            node.cite(&format!("{ready}.message")),
        ]);
        found.add(cause.next(
            "bring the node back; pods of controllers are made anew elsewhere after about five minutes",
        ));
        return;
    }
    let mut pressed = Vec::new();
    for kind in ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"] {
        let at = node.condition(kind).filter(|at| node.text(&format!("{at}.status")) == "True");
        if let Some(at) = at {
            let what = format!("node {name} reports {kind}");
            let cause = Cause::new("node_pressure", Stage::Node, Confidence::Possible, what)
                .by([node.cite(&format!("{at}.status")), node.cite(&format!("{at}.reason"))]);
            found.add(
                cause.next("list-nodes shows what is requested of the node; move pods away or give it more"),
            );
            pressed.push(kind);
        }
    }
    if pressed.is_empty() {
        found.fine(format!("node {name} is ready and under no pressure"));
    }
}

/// Pods that ended because somebody ended them: evicted, preempted, refused, shut down, timed out.
fn thrown_out(case: &Case<'_>, found: &mut Findings) {
    let pod = &case.read.pod;
    let disruption =
        pod.condition("DisruptionTarget").filter(|at| pod.text(&format!("{at}.status")) == "True");
    if pod.text("status.phase") != "Failed" {
        return;
    }
    let (reason, message) = (pod.text("status.reason"), pod.text("status.message"));
    let why = disruption.as_ref().map_or("", |at| pod.text(&format!("{at}.reason")));
    let (code, meaning, next) = match reason {
        "Evicted" if message.contains("exceeds the") => (
            "evicted_over_limit",
            "the pod was evicted because it used more local storage than its limit",
            "raise the ephemeral-storage or emptyDir limit, or write less",
        ),
        "Evicted" => (
            "evicted",
            "the kubelet evicted the pod because its node ran short",
            "set requests that match what the pod uses; list-nodes shows the node's pressure",
        ),
        "Preempting" => (
            "preempted",
            "the pod had to leave for one of higher priority",
            "raise its priorityClass, or add nodes",
        ),
        "Terminated" | "NodeShutdown" | "Shutdown"
            if message.contains("shutdown") || reason != "Terminated" =>
        {
            (
                "node_shutdown",
                "the pod was ended because its node was shut down",
                "nothing: its controller makes a new one",
            )
        }
        "DeadlineExceeded" => (
            "deadline_exceeded",
            "the pod ran longer than activeDeadlineSeconds",
            "raise activeDeadlineSeconds, or make the work shorter",
        ),
        "NodeLost" => {
            ("node_not_ready", "the pod's node was lost", "nothing: its controller makes a new one")
        }
        "NodeAffinity"
        | "NodeName"
        | "NodePorts"
        | "UnexpectedAdmissionError"
        | "TopologyAffinityError"
        | "PodOSNotSupported" => (
            "rejected_by_kubelet",
            "the kubelet refused the pod",
            "correct what the message names; its controller makes a new one",
        ),
        other if other.starts_with("OutOf") => (
            "rejected_by_kubelet",
            "the kubelet refused the pod because its node had no room",
            "its controller makes a new one; list-nodes shows what is requested of the node",
        ),
        _ if why.starts_with("PreemptionBy") => (
            "preempted",
            "the pod had to leave for one of higher priority",
            "raise its priorityClass, or add nodes",
        ),
        _ if matches!(why, "DeletionByTaintManager" | "EvictionByEvictionAPI" | "TerminationByKubelet") => {
            ("evicted", "the pod was evicted", "list-events of the pod tell by whom")
        }
        _ => return,
    };
    let said = if message.is_empty() { String::new() } else { format!(": {}", words(message, 200)) };
    let mut cause = Cause::new(code, Stage::Node, Confidence::Certain, format!("{meaning}{said}"));
    for path in ["status.reason", "status.message"] {
        cause.evidence.extend((!pod.text(path).is_empty()).then(|| pod.cite(path)));
    }
    cause.evidence.extend(disruption.map(|at| pod.cite(&format!("{at}.reason"))));
    found.add(cause.next(next));
}

/// The sandbox of the pod: its network, its runtime class.
fn sandbox(case: &Case<'_>, found: &mut Findings) {
    let started = container::all(&case.read.pod).iter().any(|c| c.is_running() || c.ended().is_some());
    let told = case.read.event(None, |e| {
        matches!(e.reason.as_str(), "FailedCreatePodSandBox" | "FailedSandbox" | "NetworkNotReady")
            && case.now - e.last < FRESH
    });
    let Some(event) = told.filter(|_| !started) else { return };
    let message = event.message();
    let lower = message.to_ascii_lowercase();
    let (code, meaning) = if lower.contains("runtimehandler") || lower.contains("runtime handler") {
        ("sandbox_runtime_missing", "the node does not know the pod's runtime class")
    } else if ["network", "cni", "ipam", "no ip addresses", "ip address"]
        .iter()
        .any(|word| lower.contains(word))
    {
        ("sandbox_network_failed", "the pod gets no network on its node")
    } else {
        ("sandbox_failed", "the runtime cannot make the pod's sandbox")
    };
    let what = format!("{meaning}: {}", words(message, 200));
    let cause = Cause::new(code, Stage::Sandbox, Confidence::Certain, what).by([event.cite()]);
    found.add(
        cause.next(
            "check the network plugin's or the runtime's pods on that node: list-pods with spec.nodeName",
        ),
    );
}

/// Nothing says what is wrong, but nothing goes on either.
fn slow(case: &Case<'_>, found: &mut Findings) {
    let pod = &case.read.pod;
    let containers = container::all(pod);
    if pod.text("status.phase") != "Pending"
        || pod.text("spec.nodeName").is_empty()
        || !found.causes.is_empty()
    {
        return;
    }
    if containers.iter().any(|c| {
        c.is_running()
            || c.ended().is_some()
            || !matches!(c.waiting().0, "" | "ContainerCreating" | "PodInitializing")
    }) {
        return;
    }
    let scheduled =
        pod.condition("PodScheduled").and_then(|at| pod.time(&format!("{at}.lastTransitionTime")));
    let since = pod.time("status.startTime").or(scheduled).or_else(|| pod.time("metadata.creationTimestamp"));
    let Some(since) = since.filter(|since| case.now - since >= SLOW_START) else { return };
    let now = jiff::Timestamp::from_second(case.now).unwrap_or_default();
    let waited = crate::answer::age(now, since);
    let pulling =
        case.read.event(None, |e| matches!(e.reason.as_str(), "Pulling" | "Pulled" | "Created" | "Started"));
    let mut cause = if let Some(event) = pulling.filter(|e| e.reason == "Pulling") {
        let what = format!("the image is being pulled, {waited} after the node got the pod");
        Cause::new("image_pull_slow", Stage::Image, Confidence::Likely, what)
            .by([event.cite()])
            .next("large images and slow registries take minutes; list-events of the node may tell of its disk or network")
    } else if !containers.iter().any(container::Container::is_reported) {
        let what = format!("the node's kubelet has not reported on the pod in {waited}");
        Cause::new("kubelet_silent", Stage::Node, Confidence::Likely, what)
            .next("list-nodes shows whether the node still reports")
    } else {
        let what = format!("the containers are not created after {waited}, and no event tells why");
        let known = case.inventory.status(Kind::Event).sync.is_known();
        let next = if known {
            "list-events of the node may tell"
        } else {
            "events are not known here; the kubelet's are needed"
        };
        Cause::new("pod_start_slow", Stage::Sandbox, Confidence::Possible, what).next(next)
    };
    cause.evidence.push(pod.cite("spec.nodeName"));
    cause.evidence.push(pod.cite("status.phase"));
    found.add(cause);
}

/// Warnings that no family knows, newest first, for the end of an answer that has no cause.
pub(super) fn other_warnings<'a>(case: &'a Case<'_>) -> Option<&'a Told> {
    case.read.event(None, |e| {
        e.event.text("type") != "Normal" && e.reason.starts_with("Failed") && case.now - e.last < FRESH
    })
}
