//! Pods whose deletion does not end: finalizers, a node that cannot confirm, a process that does not stop.

use super::{Case, Cause, Confidence, Findings, Stage, container, document::words, reading::Found};

/// `deletionTimestamp` includes the grace period already; the kubelet needs a moment more.
const GRACE: i64 = 60;

/// Looks at a pod that is being deleted; nothing else matters then.
pub(super) fn look(case: &Case<'_>, deleting: i64, found: &mut Findings) {
    let pod = &case.read.pod;
    if case.now - deleting < GRACE {
        return;
    }
    let now = jiff::Timestamp::from_second(case.now).unwrap_or_default();
    let late = crate::answer::age(now, deleting);
    let cite = || pod.cite("metadata.deletionTimestamp");
    if let Some((name, Found::Missing)) = &case.read.node {
        let what = format!(
            "the pod should be gone since {late}, but its node {} does not exist any more",
            words(name, 80)
        );
        let cause = Cause::new("node_gone", Stage::Node, Confidence::Certain, what).by([
            cite(),
            pod.cite("spec.nodeName"),
            super::config::absent("Node", "", name),
        ]);
        found
            .add(cause.next("the pod collector removes it; deleting it with grace period 0 does so at once"));
    }
    if let Some((name, Found::Yes(node))) = &case.read.node
        && let Some(ready) = node.condition("Ready")
        && node.text(&format!("{ready}.status")) != "True"
    {
        let name = words(name, 80);
        let what = format!(
            "the pod should be gone since {late}, but its node {name} is not ready and cannot confirm that it stopped"
        );
        let cause = Cause::new("node_not_ready", Stage::Node, Confidence::Certain, what).by([
            cite(),
            node.cite(&format!("{ready}.status")),
            node.cite(&format!("{ready}.message")),
        ]);
        found.add(
            cause.next("bring the node back; only if the machine is surely off, taint it out-of-service"),
        );
    }
    let finalizers = pod.list("metadata.finalizers").len();
    let running = container::all(pod).iter().any(container::Container::is_running);
    if finalizers > 0 && (!running || found.causes.is_empty()) {
        let name = words(pod.text("metadata.finalizers[0]"), 120);
        let what = format!("the pod should be gone since {late}, but finalizer {name} has not been removed");
        let cause = Cause::new("finalizer_stuck", Stage::End, Confidence::Certain, what)
            .by([pod.cite("metadata.finalizers[0]"), cite()]);
        found.add(cause.next("the controller that set the finalizer must remove it; check that it runs"));
    }
    let kill = case.read.event(None, |e| e.reason == "FailedKillPod" || e.reason == "FailedPreStopHook");
    if let Some(event) = kill {
        let what = format!("the kubelet cannot stop the pod: {}", words(event.message(), 200));
        let cause =
            Cause::new("kill_failed", Stage::End, Confidence::Certain, what).by([event.cite(), cite()]);
        found.add(cause.next("check the container runtime of the node, or the preStop hook"));
    }
    if found.causes.is_empty() {
        let what = if running {
            format!("the pod should be gone since {late}, but a container of it still runs")
        } else {
            format!("the pod should be gone since {late}; a volume or the runtime of its node may hold it")
        };
        let mut cause = Cause::new("terminating_stuck", Stage::End, Confidence::Possible, what).by([cite()]);
        cause.evidence.push(pod.cite("metadata.deletionGracePeriodSeconds"));
        found.add(
            cause.next("list-events of the pod and of its node may tell; the kubelet of the node decides"),
        );
    }
}
