//! Pods that do not run or are not ready. Only suspect pods are looked at, see `PodRow::is_suspect`.

use std::borrow::Cow;

use aiops_inventory::{
    Inventory, Row,
    rows::{ContainerKind, ContainerRow, ContainerState, Phase, PodRow, Seconds, Termination},
};

use super::{Look, View, by_availability};
use crate::{
    diagnose::{image, names_a_command, scheduling::message},
    issue::{Issue, Object, Severity},
    owners,
};

/// The scheduler needs a moment, and an autoscaler or a freed node may help by itself.
const UNSCHEDULED_GRACE: Seconds = 20;
/// Large images and slow volumes take minutes.
const CREATING_GRACE: Seconds = 300;
/// The default progress deadline of a rollout is 600 s; half of it without becoming ready is worth a look.
const UNREADY_GRACE: Seconds = 300;
/// The same, when the kubelet says that the readiness probe still fails.
const PROBED_GRACE: Seconds = 180;
/// A mount that fails may be a cache that is not filled yet; that takes seconds.
const FAILING_GRACE: Seconds = 60;
/// `deletionTimestamp` includes the grace period already; finalizers and detaching volumes get five minutes more.
const TERMINATING_GRACE: Seconds = 300;
/// A restart longer ago than this is history.
const RECENT: Seconds = 3_600;
/// A pod that failed longer ago than this is rubbish to be collected, not trouble.
const FAILED_KEPT: Seconds = 86_400;
/// Two restarts happen in normal life (a dependency that starts later); from the third on it is a loop.
const LOOP_RESTARTS: u32 = 3;

pub(super) fn detect(look: &Look<'_>, found: &mut Vec<Issue>) {
    let view = look.view;
    for key in view.inventory.suspect_pods() {
        if view.namespace.is_some_and(|namespace| key.namespace != namespace) {
            continue;
        }
        if let Some(pod) = view.inventory.pods().get(&key.namespace, &key.name)
            && let Some(issue) = issue(look, pod)
        {
            found.push(issue);
        }
    }
}

/// Whether something is wrong with a pod.
pub(super) fn is_in_trouble(look: &Look<'_>, pod: &PodRow) -> bool {
    verdict(look, pod).is_some()
}

/// The one thing that is wrong with a pod; causes come before consequences.
fn issue(look: &Look<'_>, pod: &PodRow) -> Option<Issue> {
    let (code, severity, since, what) = verdict(look, pod)?;
    let is_early = code == "crash_loop" && ended_once(pod);
    let object = owners::top(look.view.inventory, "Pod", pod.meta());
    let mut issue = Issue::new(code, severity, object, since, what).early(is_early);
    if issue.object.kind != "Pod" {
        issue.example = Some(pod.meta.key.name.clone());
    }
    Some(issue)
}

/// Whether no container is held back, or has been started again twice: what ended once may well run from now on.
fn ended_once(pod: &PodRow) -> bool {
    let is_held = |c: &ContainerRow| match &c.state {
        ContainerState::Waiting(waiting) => {
            !matches!(waiting.reason.as_str(), "" | "PodInitializing" | "ContainerCreating")
        }
        _ => false,
    };
    !pod.containers.iter().any(|c| is_held(c) || c.restarts >= LOOP_RESTARTS - 1)
}

type Verdict = (&'static str, Severity, Option<Seconds>, Cow<'static, str>);

fn verdict(look: &Look<'_>, pod: &PodRow) -> Option<Verdict> {
    let view = look.view;
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
            ("pod_unschedulable", severity, Some(unscheduled.since), unplaced(&unscheduled.message))
        });
    }
    pod.containers.iter().find_map(|c| container(look, pod, c, severity)).or_else(|| slow(look, pod))
}

/// The scheduler's words, behind the codes of its reasons, the one that decides first.
fn unplaced(message: &str) -> Cow<'static, str> {
    let reasons = message::reasons(message);
    let Some(first) = message::deciding(&reasons) else { return quoted("no node fits", message) };
    let mut codes = vec![first.code];
    for reason in reasons.iter().filter(|reason| !reason.is_control_plane) {
        if !codes.contains(&reason.code) {
            codes.push(reason.code);
        }
    }
    quoted(&format!("no node fits ({})", codes.join(", ")), message)
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

fn container(look: &Look<'_>, pod: &PodRow, c: &ContainerRow, severity: Severity) -> Option<Verdict> {
    let view = look.view;
    let name = &c.spec.name;
    let last = c.last.as_deref();
    if let ContainerState::Waiting(waiting) = &c.state {
        let since = last.map(|t| t.finished).filter(|at| *at > 0).or(pod.started);
        match waiting.reason.as_str() {
            "CrashLoopBackOff" => return Some(crash(look, pod, c, last, severity, since)),
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "RegistryUnavailable" => {
                let (_, meaning, _) = image::classify(&waiting.reason, &waiting.message);
                let what = format!("container {name} waits for image {}: {meaning}", c.spec.image);
                return Some(("image_pull", severity, pod.started, what.into()));
            }
            "CreateContainerError" | "RunContainerError" if names_a_command(&waiting.message) => {
                return Some((
                    "crash_loop",
                    severity,
                    since,
                    never_starts(name, &waiting.message, c.restarts),
                ));
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
        return Some(crash(look, pod, c, Some(ended), severity, Some(ended.finished)));
    }
    let looping = c.restarts >= LOOP_RESTARTS && ended.exit_code != 0 && view.now - ended.finished < 600;
    (now_ended.is_some() || looping).then(|| crash(look, pod, c, Some(ended), severity, Some(ended.finished)))
}

fn crash(
    look: &Look<'_>,
    pod: &PodRow,
    c: &ContainerRow,
    last: Option<&Termination>,
    severity: Severity,
    since: Option<Seconds>,
) -> Verdict {
    let (name, restarts) = (&c.spec.name, c.restarts);
    let Some(last) = last else {
        let what = format!("crash loop: container {name} keeps ending ({restarts} restarts)");
        return ("crash_loop", severity, since, what.into());
    };
    if last.reason == "OOMKilled" {
        let limit =
            c.spec.limits.memory_bytes.map(|bytes| format!(" of {} MiB", bytes >> 20)).unwrap_or_default();
        let what = format!(
            "container {name} was killed for exceeding its memory limit{limit} ({restarts} restarts)"
        );
        return ("oom_kill", severity, since, what.into());
    }
    if last.reason == "StartError" || matches!(last.exit_code, 126..=128) {
        return ("crash_loop", severity, since, never_starts(name, &last.message, restarts));
    }
    if let Some(what) = killed_by_probe(look, pod, c, last) {
        return ("crash_loop", severity, since, what);
    }
    let what = format!(
        "crash loop: container {name} ends by itself with exit code {} ({restarts} restarts)",
        last.exit_code
    );
    ("crash_loop", severity, since, what.into())
}

fn never_starts(name: &str, message: &str, restarts: u32) -> Cow<'static, str> {
    let said = message.find("exec:").and_then(|at| message.get(at..)).unwrap_or(message);
    quoted(
        &format!("crash loop by its command: container {name} cannot be started ({restarts} restarts)"),
        said,
    )
}

/// A container that has a liveness or startup probe and was ended from outside, with the probe's failure if its event
/// is still known.
fn killed_by_probe(
    look: &Look<'_>,
    pod: &PodRow,
    c: &ContainerRow,
    last: &Termination,
) -> Option<Cow<'static, str>> {
    let probed = c.spec.has_liveness || c.spec.has_startup;
    if !probed || !matches!(last.exit_code, 137 | 143) {
        return None;
    }
    let kind = if c.spec.has_startup && c.started == Some(false) && !c.spec.has_liveness {
        "startup"
    } else {
        "liveness"
    };
    let statement = format!(
        "crash loop by a failing {kind} probe: container {} is killed ({} restarts)",
        c.spec.name, c.restarts
    );
    let key = &pod.meta.key;
    let told = look.warnings.find(look.view, (&key.namespace, "Pod", &key.name), |e| {
        e.reason == "Unhealthy" && !e.message.starts_with("Readiness")
    });
    Some(quoted(&statement, told.map_or("", |event| &event.message)))
}

/// Nothing says what is wrong, but it takes too long.
fn slow(look: &Look<'_>, pod: &PodRow) -> Option<Verdict> {
    let view = look.view;
    let started = pod.started.unwrap_or(pod.meta.created);
    if pod.phase == Phase::Unknown {
        let what = "the node that runs it does not report";
        return Some(("pod_unknown", Severity::High, Some(pod.ready_since), what.into()));
    }
    let key = &pod.meta.key;
    let about = (key.namespace.as_str(), "Pod", key.name.as_str());
    if pod.phase == Phase::Pending && view.now - started > FAILING_GRACE {
        let told = look.warnings.find(view, about, |e| {
            matches!(e.reason.as_str(), "FailedMount" | "FailedAttachVolume" | "FailedCreatePodSandBox")
                && view.now - e.last < CREATING_GRACE
        });
        if let Some(event) = told {
            let what = quoted("its containers are not created", &event.message);
            return Some(("pod_start_slow", Severity::High, Some(started), what));
        }
    }
    if pod.phase == Phase::Pending && view.now - started > CREATING_GRACE {
        let what = "its containers are not created after five minutes; diagnose-pod may tell why";
        return Some(("pod_start_slow", Severity::Medium, Some(started), what.into()));
    }
    let unready = pod.ready_since.max(started);
    if pod.phase == Phase::Running
        && !pod.ready
        && !has_done_its_work(pod)
        && view.now - unready > PROBED_GRACE
    {
        let told = look
            .warnings
            .find(view, about, |e| e.reason == "Unhealthy" && e.message.starts_with("Readiness probe"));
        let names: Vec<&str> =
            pod.containers.iter().filter(|c| !c.ready).map(|c| c.spec.name.as_str()).collect();
        let statement = format!("runs but is not ready: {}", names.join(", "));
        let still_fails = told.is_some_and(|event| view.now - event.last < UNREADY_GRACE);
        if still_fails || view.now - unready > UNREADY_GRACE {
            let what = quoted(&statement, told.map_or("", |event| &event.message));
            return Some(("pod_not_ready", Severity::High, Some(unready), what));
        }
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

/// A pod of a Job of which a container has ended well: kubelet takes its Ready away with that.
fn has_done_its_work(pod: &PodRow) -> bool {
    let is_of_job = pod.meta.owner.as_ref().is_some_and(|owner| owner.kind == "Job");
    let has_ended = |c: &ContainerRow| {
        c.spec.kind == ContainerKind::Main
            && matches!(&c.state, ContainerState::Terminated(end) if end.exit_code == 0)
    };
    is_of_job && pod.containers.iter().any(has_ended)
}
