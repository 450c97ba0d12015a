//! Whether the owners of pods have what they want: a workload as a whole, or an owner that has made again what it lost.
//!
//! An owner that the plan is not about owes as many pods as were taken from it and served, and nothing else: what ails it
//! beside that did so before.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Judged, name_of};
use crate::{
    deeds::{self, Look, Nearing, Sight},
    model::{Millis, phase::Verdict, target::Target},
    planner::value,
    ports::Cluster,
};

/// How far the API server's clock may be behind the store's, in seconds.
const SKEW: i64 = 30;

/// The pods that an owner lost, by their uids, and whether each has to be ready again.
pub(super) type Lost = BTreeMap<String, bool>;

/// Whether the figures of a kind say by themselves that it is well.
pub(super) fn is_known(target: &Target) -> bool {
    match (target.group.as_str(), target.kind.as_str()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => true,
        (group, kind) => group.is_empty() && kind == "ReplicationController",
    }
}

pub(super) fn looks_of(target: &Target) -> Vec<Look> {
    match target.kind.as_str() {
        "Job" => {
            let (by, group, kind) = (target.clone(), String::new(), "Pod".to_owned());
            vec![Look::Object(target.clone()), Look::Selected { by, group, kind }]
        }
        "ReplicaSet" | "ReplicationController" => vec![Look::Object(target.clone())],
        _ => deeds::rollout_looks(target),
    }
}

/// Whether a workload whose figures are known is well as a whole.
pub(super) fn well(target: &Target, seen: &[Sight]) -> (Judged, Nearing) {
    match target.kind.as_str() {
        "Job" => job(target, seen),
        "ReplicaSet" | "ReplicationController" => (set(target, seen), Nearing::default()),
        _ => {
            // What says that it will not become well may be older than what was done here.
            let (verdict, why) = deeds::well(target, seen);
            let verdict = if verdict == Verdict::Passed { verdict } else { Verdict::Unknown };
            ((verdict, why), deeds::nearing_of_workload(target, seen))
        }
    }
}

/// An owner has made again what it lost, or is well as it is (it may want fewer by now), or is not there any more.
pub(super) async fn maker(
    cluster: &dyn Cluster,
    owner: &Target,
    (lost, since): (&Lost, Millis),
    seen: &[Sight],
) -> (Judged, Nearing) {
    if !is_known(owner) {
        return made_again(owner, &by_owner(owner), (lost, since), seen);
    }
    let whole = match deeds::see(cluster, &looks_of(owner)).await {
        Ok(whole) => whole,
        Err(error) => return ((Verdict::Unknown, error.message), Nearing::default()),
    };
    if whole.first() == Some(&Sight::Absent) {
        let why = format!("{owner}, whose pods were taken away, is not there any more");
        return ((Verdict::Passed, why), Nearing::default());
    }
    let (as_whole, near) = well(owner, &whole);
    // A Job that has failed for good lost what it cannot make again.
    if matches!(as_whole.0, Verdict::Passed | Verdict::Failed) {
        return (as_whole, near);
    }
    let ((verdict, made), left) = match whole.as_slice() {
        // What its selector names, of whatever template.
        [_, .., selected] => made_again(owner, &|_| true, (lost, since), std::slice::from_ref(selected)),
        _ => made_again(owner, &by_owner(owner), (lost, since), seen),
    };
    let why = if verdict == Verdict::Passed { made } else { format!("{made}; {}", as_whole.1) };
    ((verdict, why), left.and(near))
}

fn by_owner(owner: &Target) -> impl Fn(&Value) -> bool + Send + Sync + '_ {
    // A record of before groups were written down knows none of an owner that is of no known kind.
    let is_of_group = |by: &Target| owner.group.is_empty() || by.group == owner.group;
    move |pod| {
        value::controller(pod)
            .is_some_and(|by| by.kind == owner.kind && by.name == owner.name && is_of_group(&by))
    }
}

/// The object that was looked at first, or what its absence means here.
fn object<'s>(target: &Target, seen: &'s [Sight]) -> Result<&'s Value, Judged> {
    match seen.first() {
        Some(Sight::Object(object)) => Ok(object),
        Some(Sight::Absent) => Err((
            Verdict::Unknown,
            format!("{target} is not there any more, so whether it was well cannot be seen"),
        )),
        _ => Err((Verdict::Unknown, format!("{target} was not looked at"))),
    }
}

/// A ReplicaSet or ReplicationController has as many ready pods as it wants.
fn set(target: &Target, seen: &[Sight]) -> Judged {
    let set = match object(target, seen) {
        Ok(set) => set,
        Err(told) => return told,
    };
    let count = |path: &str| value::int(set, path);
    if count("/status/observedGeneration").unwrap_or(0) < count("/metadata/generation").unwrap_or(0) {
        return (Verdict::Unknown, format!("the controller of {target} has not looked at it yet"));
    }
    let wanted = count("/spec/replicas").unwrap_or(1);
    let ready = count("/status/readyReplicas").unwrap_or(0);
    let available = count("/status/availableReplicas").unwrap_or(0);
    if ready < wanted || available < wanted {
        let why = format!("{target}: {ready} of {wanted} pods are ready, {available} available");
        return (Verdict::Unknown, why);
    }
    (Verdict::Passed, format!("{target}: {ready} of {wanted} pods are ready"))
}

fn is_ready(pod: &Value) -> bool {
    value::condition(pod, "Ready").is_some_and(|ready| ready.status == "True")
}

pub(super) fn is_going(pod: &Value) -> bool {
    !value::text(pod, "/metadata/deletionTimestamp").is_empty()
}

pub(super) fn is_over(pod: &Value) -> bool {
    matches!(value::text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// A pod whose containers run, or have ended well: kubelet takes its Ready away with the first that ends.
fn runs(pod: &Value) -> bool {
    let state = |status: &Value| {
        value::flag(status, "/ready") || value::int(status, "/state/terminated/exitCode") == Some(0)
    };
    let mut statuses = value::list(pod, "/status/containerStatuses").peekable();
    is_ready(pod) || (statuses.peek().is_some() && statuses.all(state))
}

/// A Job is complete, or has as many running pods as it still wants; one that failed stays so. It comes nearer with each
/// pod that succeeds.
fn job(target: &Target, seen: &[Sight]) -> (Judged, Nearing) {
    let left = match seen.first() {
        Some(Sight::Object(job)) => value::int(job, "/spec/completions")
            .map(|all| all.saturating_sub(value::int(job, "/status/succeeded").unwrap_or(0))),
        _ => None,
    };
    (job_now(target, seen), Nearing { left, quiet: 0 })
}

fn job_now(target: &Target, seen: &[Sight]) -> Judged {
    let job = match object(target, seen) {
        Ok(job) => job,
        Err(told) => return told,
    };
    let is = |kind: &str| value::condition(job, kind).filter(|condition| condition.status == "True");
    if let Some(failed) = is("Failed").or_else(|| is("FailureTarget")) {
        return (Verdict::Failed, format!("{target} has failed ({})", failed.reason));
    }
    if is("Complete").or_else(|| is("SuccessCriteriaMet")).is_some() {
        return (Verdict::Passed, format!("{target} is complete"));
    }
    let Some(Sight::List(pods)) = seen.get(1) else {
        return (Verdict::Unknown, format!("the pods of {target} were not looked at"));
    };
    let ours = |pod: &&Value| {
        value::controller(pod).is_some_and(|owner| owner.uid.as_deref() == Some(value::uid(job)))
    };
    let alive: Vec<&Value> = pods.iter().filter(ours).filter(|pod| !is_going(pod) && !is_over(pod)).collect();
    let count = |path: &str| value::int(job, path);
    let parallel = count("/spec/parallelism").unwrap_or(1);
    let succeeded = count("/status/succeeded").unwrap_or(0);
    // Without a number of completions no new pod is made once one of them has succeeded.
    let left = match count("/spec/completions") {
        Some(all) => all.saturating_sub(succeeded),
        None if succeeded > 0 => i64::try_from(alive.len()).unwrap_or(i64::MAX),
        None => parallel,
    };
    let wanted = parallel.min(left).max(0);
    let ready = i64::try_from(alive.iter().filter(|pod| runs(pod)).count()).unwrap_or(i64::MAX);
    let waits = alive.iter().find(|pod| !runs(pod));
    match waits {
        _ if value::flag(job, "/spec/suspend") => {
            (Verdict::Unknown, format!("{target} is suspended, so no pod of it runs"))
        }
        Some(pod) => (Verdict::Unknown, format!("pod {} of {target} is not ready yet", name_of(pod))),
        None if ready < wanted || wanted == 0 => {
            (Verdict::Unknown, format!("{target}: {ready} of {wanted} pods run, and it is not complete yet"))
        }
        None => (Verdict::Passed, format!("{target}: {ready} of {wanted} pods run")),
    }
}

/// As many new pods of an owner are ready as it lost.
fn made_again(
    owner: &Target,
    is_ours: &(dyn Fn(&Value) -> bool + Send + Sync),
    (lost, since): (&Lost, Millis),
    seen: &[Sight],
) -> (Judged, Nearing) {
    let Some(Sight::List(pods)) = seen.first() else {
        return ((Verdict::Unknown, format!("the pods of {owner} were not looked at")), Nearing::default());
    };
    let is_new = |pod: &&Value| {
        let made = value::time(pod, "/metadata/creationTimestamp");
        is_ours(pod)
            && !lost.contains_key(value::uid(pod))
            && made.is_some_and(|made| made.saturating_add(SKEW).saturating_mul(1_000) >= since)
    };
    let new = pods.iter().filter(is_new).filter(|pod| !is_going(pod));
    // Only a Job's container may end: any other's that ends well is started again, and may do so for ever.
    let serves = |pod: &&Value| if owner.kind == "Job" { runs(pod) } else { is_ready(pod) };
    let ready = new.filter(|pod| serves(pod) || value::text(pod, "/status/phase") == "Succeeded").count();
    let all = lost.values().filter(|has_to_be| **has_to_be).count();
    if all == 0 {
        let why = format!("no pod that {owner} lost was ready before");
        return ((Verdict::Passed, why), Nearing::default());
    }
    let left = i64::try_from(all.saturating_sub(ready)).unwrap_or(i64::MAX);
    let why = format!("{ready} of {all} pods that {owner} lost were made again and are ready");
    let verdict = if ready >= all { Verdict::Passed } else { Verdict::Unknown };
    ((verdict, why), Nearing { left: Some(left), quiet: 0 })
}
