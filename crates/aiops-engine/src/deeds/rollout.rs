//! Whether a workload's pods are all of its current template and well: the rules of `kubectl rollout status`, and more; or
//! only whether they are all there and well.
//!
//! It is what is so now; it does not know for how long. A rollout fails early when its new pods cannot start.

use serde_json::Value;

use super::{
    Look, Sight,
    object::{Found, condition, find, is_deleted, label, listed, name, number, text},
    revision,
};
use crate::model::{phase::Verdict, target::Target};

/// A container that crashed and was started again so often will not come up by itself.
const CRASHES: i64 = 2;
/// Seconds that a pod may take to be scheduled, to pull its image and to start, where nothing says more.
pub(super) const START: i64 = 20;

/// The pods of a workload.
pub(super) fn pods(target: &Target) -> Look {
    Look::Selected { by: target.clone(), group: String::new(), kind: "Pod".to_owned() }
}

/// Why a change of the template would replace no pod; `None` when it would.
pub(crate) fn holds_still(workload: &Value) -> Option<&'static str> {
    if workload.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        return Some("is paused: no pod is replaced until `kubectl rollout resume`");
    }
    if text(workload, "/spec/updateStrategy/type") == Some("OnDelete") {
        return Some(
            "has the update strategy OnDelete: its pods are replaced only when somebody deletes them",
        );
    }
    // Only a StatefulSet has one: pods of lower ordinals keep their template.
    let partition = number(workload, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    (partition > 0 && partition >= wanted(workload))
        .then_some("has a partition that none of its pods is above: no pod is replaced until that is lowered")
}

/// Replicas that are wanted; a workload that does not say wants one.
pub(super) fn wanted(workload: &Value) -> i64 {
    number(workload, "/spec/replicas").unwrap_or(1)
}

/// The workload as it was seen, or what its absence means for a step that changed it.
pub(super) fn workload<'a>(target: &Target, seen: &'a [Sight]) -> Result<&'a Value, (Verdict, String)> {
    match find(target, seen) {
        Found::Here(workload) => Ok(workload),
        Found::Gone => Err((Verdict::Failed, format!("{target} does not exist any more"))),
        Found::Other => Err((Verdict::Failed, format!("{target} was deleted and made again"))),
        Found::Unseen => Err((Verdict::Unknown, format!("{target} was not looked at"))),
    }
}

/// Whether the rollout of the current template is complete.
pub(crate) fn verify(target: &Target, seen: &[Sight]) -> (Verdict, String) {
    let workload = match workload(target, seen) {
        Ok(workload) => workload,
        Err(told) => return told,
    };
    let generation = number(workload, "/metadata/generation").unwrap_or(0);
    if number(workload, "/status/observedGeneration").unwrap_or(0) < generation {
        return (Verdict::Unknown, unobserved(target, generation));
    }
    if let Some(("False", "ProgressDeadlineExceeded", message)) = condition(workload, "Progressing")
        && !is_of_another_template(workload, seen, message)
    {
        return (Verdict::Failed, format!("the rollout of {target} does not progress: {message}"));
    }
    if let Some(why) = new_pods(workload, seen).into_iter().flatten().find_map(cannot_start) {
        return (Verdict::Failed, format!("the new pods of {target} do not start: {why}"));
    }
    let counts = match target.kind.as_str() {
        "Deployment" => deployment(workload),
        "StatefulSet" => stateful_set(workload),
        "DaemonSet" => daemon_set(workload),
        kind => return (Verdict::Unknown, format!("a {kind} has no rollout")),
    };
    match counts {
        Ok(done) => (Verdict::Passed, format!("{target}: {done}")),
        Err(waits) => (Verdict::Unknown, format!("{target}: {waits}")),
    }
}

/// Whether the controller said this of another template than the current one: it leaves the condition of a rollout that
/// timed out as it is until pods of the next one come, and the sentence names the ReplicaSet that timed out
/// (kube-controller-manager, `syncRolloutStatus`).
fn is_of_another_template(workload: &Value, seen: &[Sight], message: &str) -> bool {
    let Some(revisions) = listed(seen, 1).map(|found| revision::all(workload, found)) else { return false };
    let is_named = |name: &str| message.contains(&format!("ReplicaSet \"{name}\""));
    let current = workload.pointer("/spec/template").and_then(|now| revision::of_template(&revisions, now));
    let is_of_current = current.is_some_and(|current| is_named(current.name()));
    !is_of_current && revisions.iter().any(|known| is_named(known.name()))
}

/// Whether a workload is well, where nobody changed its template: one that holds its pods still is not asked of which
/// template they are.
pub(crate) fn well(target: &Target, seen: &[Sight]) -> (Verdict, String) {
    match workload(target, seen) {
        Ok(workload) if holds_still(workload).is_some() => serving(target, seen),
        Ok(_) => verify(target, seen),
        Err(told) => told,
    }
}

/// Whether as many pods as are wanted are there and ready, of whatever template.
///
/// Nothing fails it early: that pods of a template cannot start, or that a rollout timed out, may be older than what was
/// done here, and a rollout that is under way has a surge of its own.
pub(super) fn serving(target: &Target, seen: &[Sight]) -> (Verdict, String) {
    let workload = match workload(target, seen) {
        Ok(workload) => workload,
        Err(told) => return told,
    };
    let generation = number(workload, "/metadata/generation").unwrap_or(0);
    if status(workload, "observedGeneration") < generation {
        return (Verdict::Unknown, unobserved(target, generation));
    }
    let (wanted, all, ready, most) = if target.kind == "DaemonSet" {
        let wanted = status(workload, "desiredNumberScheduled");
        (wanted, wanted, status(workload, "numberReady"), wanted)
    } else {
        let (wanted, all) = (wanted(workload), status(workload, "replicas"));
        // A Deployment between two templates has more pods for a while, as its strategy lets it.
        let is_between = target.kind == "Deployment" && status(workload, "updatedReplicas") != all;
        let most = if is_between { wanted.saturating_add(surge(workload, wanted)) } else { wanted };
        (wanted, all, status(workload, "readyReplicas"), most)
    };
    let available = match target.kind.as_str() {
        "Deployment" => status(workload, "availableReplicas"),
        "DaemonSet" => status(workload, "numberAvailable"),
        _ => available(workload, ready),
    };
    if all > most {
        (Verdict::Unknown, format!("{target}: {} pods are more than wanted", all.saturating_sub(most)))
    } else if ready < wanted || available < wanted {
        let told = format!("{target}: {ready} of {wanted} pods are ready, {available} available");
        (Verdict::Unknown, told)
    } else {
        (Verdict::Passed, format!("{target}: {wanted} of {wanted} pods are there, ready and available"))
    }
}

/// How many pods a Deployment may have beyond what is wanted: a number, or percent of what is wanted, rounded up.
fn surge(workload: &Value, wanted: i64) -> i64 {
    let allowed = workload.pointer("/spec/strategy/rollingUpdate/maxSurge");
    let percent = |text: &str| text.strip_suffix('%')?.parse::<i64>().ok();
    match (allowed, allowed.and_then(Value::as_str).and_then(percent)) {
        (_, Some(percent)) => wanted.saturating_mul(percent).saturating_add(99) / 100,
        (allowed, None) => allowed.and_then(Value::as_i64).unwrap_or(0),
    }
}

fn unobserved(target: &Target, generation: i64) -> String {
    format!("the controller of {target} has not seen generation {generation} yet")
}

/// What is complete, or what is awaited.
type Counts = Result<String, String>;

fn status(workload: &Value, member: &str) -> i64 {
    number(workload, &format!("/status/{member}")).unwrap_or(0)
}

/// Pods of a StatefulSet that have been ready for its `minReadySeconds`; a cluster that does not count them (before 1.22)
/// knows none that has to be.
fn available(workload: &Value, ready: i64) -> i64 {
    number(workload, "/status/availableReplicas").unwrap_or(ready)
}

fn deployment(workload: &Value) -> Counts {
    let wanted = wanted(workload);
    let [updated, all, ready, available] =
        ["updatedReplicas", "replicas", "readyReplicas", "availableReplicas"].map(|of| status(workload, of));
    if updated < wanted {
        Err(format!("{updated} of {wanted} pods are of the current template"))
    } else if all > updated {
        Err(format!("{} pods of an earlier template are still there", all - updated))
    } else if all > wanted {
        Err(format!("{} pods are more than wanted", all - wanted))
    } else if ready < wanted || available < wanted {
        Err(format!("{ready} of {wanted} pods are ready, {available} available"))
    } else {
        Ok(format!("{wanted} of {wanted} pods are of the current template, ready and available"))
    }
}

fn stateful_set(workload: &Value) -> Counts {
    let wanted = wanted(workload);
    let [updated, all, ready] =
        ["updatedReplicas", "replicas", "readyReplicas"].map(|of| status(workload, of));
    let available = available(workload, ready);
    let partition = number(workload, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    let to_update = (wanted - partition).max(0);
    let (current, update) =
        (text(workload, "/status/currentRevision"), text(workload, "/status/updateRevision"));
    if all != wanted {
        Err(format!("{all} of {wanted} pods are there"))
    } else if ready < wanted {
        Err(format!("{ready} of {wanted} pods are ready"))
    } else if available < wanted {
        Err(format!("{ready} of {wanted} pods are ready, {available} available"))
    } else if partition == 0 && current != update {
        Err(format!("{updated} of {wanted} pods are of the current template"))
    } else if partition > 0 && updated < to_update {
        Err(format!("{updated} of the {to_update} pods from ordinal {partition} are of the current template"))
    } else if partition > 0 {
        Ok(format!(
            "{to_update} pods from ordinal {partition} are of the current template, all {wanted} ready"
        ))
    } else {
        Ok(format!("{wanted} of {wanted} pods are of the current template and ready"))
    }
}

fn daemon_set(workload: &Value) -> Counts {
    let [wanted, updated, ready, available] =
        ["desiredNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable"]
            .map(|of| status(workload, of));
    if updated < wanted {
        Err(format!("{updated} of {wanted} nodes have a pod of the current template"))
    } else if ready < wanted || available < wanted {
        Err(format!("{ready} of {wanted} pods are ready, {available} available"))
    } else {
        Ok(format!("{wanted} of {wanted} nodes have a ready pod of the current template"))
    }
}

/// The pods of the current template; `None` while they cannot be told from the others.
fn new_pods<'a>(workload: &Value, seen: &'a [Sight]) -> Option<Vec<&'a Value>> {
    let revisions = revision::all(workload, listed(seen, 1)?);
    let current = revision::of_template(&revisions, workload.pointer("/spec/template")?)?;
    let (key, value) = current.of_pods()?;
    let pods = listed(seen, 2)?.iter();
    Some(pods.filter(|pod| label(pod, key) == Some(value) && !is_deleted(pod)).collect())
}

/// Why a pod will not start by itself.
fn cannot_start(pod: &Value) -> Option<String> {
    let statuses = |of: &str| pod.pointer(of).and_then(Value::as_array).into_iter().flatten();
    statuses("/status/initContainerStatuses").chain(statuses("/status/containerStatuses")).find_map(
        |status| {
            let reason = text(status, "/state/waiting/reason")?;
            let container = status.get("name").and_then(Value::as_str).unwrap_or_default();
            let place = format!("container {container} of pod {}", name(pod));
            match reason {
                "CrashLoopBackOff" => {
                    let crashes = number(status, "/restartCount").unwrap_or(0);
                    let exit = number(status, "/lastState/terminated/exitCode");
                    let exit = exit.map(|code| format!(", last with exit code {code}")).unwrap_or_default();
                    (crashes >= CRASHES).then(|| {
                        format!("{place} was started again {crashes} times{exit} (CrashLoopBackOff)")
                    })
                }
                "ImagePullBackOff"
                | "InvalidImageName"
                | "ErrImageNeverPull"
                | "CreateContainerConfigError" => Some(format!("{place} waits ({reason})")),
                _ => None,
            }
        },
    )
}
