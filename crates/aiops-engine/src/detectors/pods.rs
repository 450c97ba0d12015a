//! Pods that do not run or are not ready. Only suspect pods are looked at, see `PodRow::is_suspect`.

use std::borrow::Cow;

use aiops_inventory::{
    Inventory, Row,
    rows::{ContainerRow, ContainerState, Phase, PodRow, Seconds, Termination},
};

use super::{View, by_availability};
use crate::{
    issue::{Issue, Object, Severity},
    owners,
};

/// The scheduler needs a moment, and an autoscaler or a freed node may help by itself.
const UNSCHEDULED_GRACE: Seconds = 20;
/// Large images and slow volumes take minutes.
const CREATING_GRACE: Seconds = 300;
/// The default progress deadline of a rollout is 600 s; half of it without becoming ready is worth a look.
const UNREADY_GRACE: Seconds = 300;
/// `deletionTimestamp` includes the grace period already; finalizers and detaching volumes get five minutes more.
const TERMINATING_GRACE: Seconds = 300;
/// A restart longer ago than this is history.
const RECENT: Seconds = 3_600;
/// A pod that failed longer ago than this is rubbish to be collected, not trouble.
const FAILED_KEPT: Seconds = 86_400;
/// Two restarts happen in normal life (a dependency that starts later); from the third on it is a loop.
const LOOP_RESTARTS: u32 = 3;

pub(super) fn detect(view: View<'_>, found: &mut Vec<Issue>) {
    for key in view.inventory.suspect_pods() {
        if view.namespace.is_some_and(|namespace| key.namespace != namespace) {
            continue;
        }
        if let Some(pod) = view.inventory.pods().get(&key.namespace, &key.name)
            && let Some(issue) = issue(view, pod)
        {
            found.push(issue);
        }
    }
}

/// The one thing that is wrong with a pod; causes come before consequences.
fn issue(view: View<'_>, pod: &PodRow) -> Option<Issue> {
    let (code, severity, since, what) = verdict(view, pod)?;
    let object = owners::top(view.inventory, "Pod", pod.meta());
    let mut issue = Issue::new(code, severity, object, since, what);
    if issue.object.kind != "Pod" {
        issue.example = Some(pod.meta.key.name.clone());
    }
    Some(issue)
}

type Verdict = (&'static str, Severity, Option<Seconds>, Cow<'static, str>);

fn verdict(view: View<'_>, pod: &PodRow) -> Option<Verdict> {
    if let Some(deleting) = pod.meta.deleting {
        let stuck = view.now - deleting > TERMINATING_GRACE;
        return stuck.then(|| {
            let what =
                "deletion was asked for and has not finished: a finalizer, a volume or the node holds it";
            ("terminating_stuck", Severity::Medium, Some(deleting), what.into())
        });
    }
    if pod.phase == Phase::Succeeded {
        return None;
    }
    if pod.phase == Phase::Failed {
        return failed(view, pod);
    }
    let severity = by_availability(available(view.inventory, pod));
    if let Some(unscheduled) = &pod.unscheduled {
        let late = view.now - unscheduled.since.max(pod.meta.created) >= UNSCHEDULED_GRACE;
        let gated = unscheduled.reason == "SchedulingGated";
        return (late && !gated).then(|| {
            (
                "pod_unschedulable",
                severity,
                Some(unscheduled.since),
                quoted("no node fits", &unscheduled.message),
            )
        });
    }
    pod.containers.iter().find_map(|c| container(view, pod, c, severity)).or_else(|| slow(view, pod))
}

fn failed(view: View<'_>, pod: &PodRow) -> Option<Verdict> {
    let owned_by_job = pod.meta.owner.as_ref().is_some_and(|owner| owner.kind == "Job");
    let ended = pod
        .containers
        .iter()
        .filter_map(|c| match &c.state {
            ContainerState::Terminated(t) => Some(t.finished),
            _ => None,
        })
        .max()
        .unwrap_or(pod.meta.created);
    if owned_by_job || view.now - ended > FAILED_KEPT {
        return None;
    }
    if pod.reason == "Evicted" {
        let why = pod.message.as_deref().unwrap_or("the kubelet gave no reason");
        return Some(("pod_evicted", Severity::Medium, Some(ended), quoted("evicted", why)));
    }
    Some((
        "pod_failed",
        Severity::Medium,
        Some(ended),
        "the pod ended in failure and is not restarted".into(),
    ))
}

fn container(view: View<'_>, pod: &PodRow, c: &ContainerRow, severity: Severity) -> Option<Verdict> {
    let name = &c.spec.name;
    let last = c.last.as_deref();
    if let ContainerState::Waiting(waiting) = &c.state {
        let since = last.map(|t| t.finished).filter(|at| *at > 0).or(pod.started);
        match waiting.reason.as_str() {
            "CrashLoopBackOff" => return Some(crash(name, last, c.restarts, severity, since)),
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "RegistryUnavailable" => {
                let what = format!("container {name} cannot pull image {}: {}", c.spec.image, waiting.reason);
                return Some(("image_pull", severity, pod.started, what.into()));
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                let what = quoted(&format!("container {name} cannot be created"), &waiting.message);
                return Some(("container_config", severity, pod.started, what));
            }
            _ => {}
        }
    }
    let now_ended = match &c.state {
        ContainerState::Terminated(t) if t.exit_code != 0 => Some(&**t),
        _ => None,
    };
    let ended = now_ended.or(last).filter(|t| view.now - t.finished < RECENT)?;
    if ended.reason == "OOMKilled" {
        return Some(crash(name, Some(ended), c.restarts, severity, Some(ended.finished)));
    }
    let looping = c.restarts >= LOOP_RESTARTS && ended.exit_code != 0 && view.now - ended.finished < 600;
    (now_ended.is_some() || looping)
        .then(|| crash(name, Some(ended), c.restarts, severity, Some(ended.finished)))
}

fn crash(
    name: &str,
    last: Option<&Termination>,
    restarts: u32,
    severity: Severity,
    since: Option<Seconds>,
) -> Verdict {
    let Some(last) = last else {
        let what = format!("container {name} keeps ending ({restarts} restarts)");
        return ("crash_loop", severity, since, what.into());
    };
    if last.reason == "OOMKilled" {
        let what =
            format!("container {name} was killed for exceeding its memory limit ({restarts} restarts)");
        return ("oom_kill", severity, since, what.into());
    }
    let what = format!("container {name} exits with code {} ({restarts} restarts)", last.exit_code);
    ("crash_loop", severity, since, what.into())
}

/// Nothing says what is wrong, but it takes too long.
fn slow(view: View<'_>, pod: &PodRow) -> Option<Verdict> {
    let started = pod.started.unwrap_or(pod.meta.created);
    if pod.phase == Phase::Unknown {
        let what = "the node that runs it does not report";
        return Some(("pod_unknown", Severity::High, Some(pod.ready_since), what.into()));
    }
    if pod.phase == Phase::Pending && view.now - started > CREATING_GRACE {
        let what = "its containers are not created after five minutes; list-events or diagnose-pod tell why";
        return Some(("pod_start_slow", Severity::Medium, Some(started), what.into()));
    }
    let unready = pod.ready_since.max(started);
    if pod.phase == Phase::Running && !pod.ready && view.now - unready > UNREADY_GRACE {
        let names: Vec<&str> =
            pod.containers.iter().filter(|c| !c.ready).map(|c| c.spec.name.as_str()).collect();
        let what = format!("runs but is not ready: {}", names.join(", "));
        return Some(("pod_not_ready", Severity::High, Some(unready), what.into()));
    }
    None
}

/// How many replicas of the pod's workload serve; `None` when the workload is not known.
fn available(inventory: &Inventory, pod: &PodRow) -> Option<i32> {
    let Object { kind, namespace, name } = owners::top(inventory, "Pod", pod.meta());
    match kind.as_str() {
        "Deployment" => inventory.deployments().get(&namespace, &name).map(|d| d.available),
        "StatefulSet" => inventory.stateful_sets().get(&namespace, &name).map(|s| s.ready),
        "ReplicaSet" => inventory.replica_sets().get(&namespace, &name).map(|r| r.available),
        "DaemonSet" => inventory.daemon_sets().get(&namespace, &name).map(|d| d.ready),
        _ => None,
    }
}

/// A statement with somebody else's words behind it.
fn quoted(statement: &str, text: &str) -> Cow<'static, str> {
    if text.is_empty() { statement.to_owned().into() } else { format!("{statement}: {text}").into() }
}
