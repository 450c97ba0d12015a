//! How far what a deed changed still is from what is wanted, and for how long nothing may be seen of it while all is well.
//!
//! It judges nothing: whether that is near enough [`super::verify`] says, and when it took too long whoever asks. What
//! shows no figures has no distance, and never one of 0.

use serde_json::Value;

use super::{
    Sight,
    object::{Found, find, is_deleted, number},
    rollout::{START, wanted},
};
use crate::model::{action::Action, target::Target};

/// What is added to a time that a controller of the cluster keeps, so that it says so itself before we do, in seconds.
const MARGIN: i64 = 60;
/// Nothing is waited for longer because of what an object says of itself, in seconds.
const LONGEST: i64 = 24 * 3_600;
/// From here on a `progressDeadlineSeconds` means that there is none (Kubernetes, `HasProgressDeadline`).
const NO_DEADLINE: i64 = 2_147_483_647;

/// How near something is to what is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nearing {
    /// How many things are left to happen: pods to be made, to become ready, to go. `None` where that cannot be told.
    pub left: Option<i64>,
    /// For how long the figures may stand still while all is well, in seconds, as far as the objects say.
    pub quiet: i64,
}

impl Nearing {
    /// Of both: all that is left of either, and the longer quiet.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let left = match (self.left, other.left) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        Self { left, quiet: self.quiet.max(other.quiet) }
    }
}

/// How near what a deed changed is, by what [`super::verify_looks`] names.
pub fn nearing(action: &Action, seen: &[Sight]) -> Nearing {
    match action {
        Action::EvictPod { target } | Action::DeletePod { target } => going(target, seen),
        other => of_workload(other.target(), seen),
    }
}

/// How near a workload's rollout is, by what [`super::rollout_looks`] names; nothing for what has none.
pub(crate) fn of_workload(target: &Target, seen: &[Sight]) -> Nearing {
    let Found::Here(workload) = find(target, seen) else { return Nearing::default() };
    let status = |member: &str| number(workload, &format!("/status/{member}")).unwrap_or(0);
    let short = |wanted: i64, is: i64| wanted.saturating_sub(is).max(0);
    let left = match (target.group.as_str(), target.kind.as_str()) {
        ("apps", "Deployment") => {
            let (wanted, all, updated) = (wanted(workload), status("replicas"), status("updatedReplicas"));
            [
                short(wanted, updated),
                short(all, updated),
                short(updated, wanted),
                short(wanted, status("readyReplicas")),
                short(wanted, status("availableReplicas")),
            ]
        }
        ("apps", "StatefulSet") => {
            let wanted = wanted(workload);
            let partition = number(workload, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
            let (all, ready) = (status("replicas"), status("readyReplicas"));
            [
                short(wanted, all),
                short(all, wanted),
                short(wanted.saturating_sub(partition), status("updatedReplicas")),
                short(wanted, ready),
                short(wanted, number(workload, "/status/availableReplicas").unwrap_or(ready)),
            ]
        }
        ("apps", "DaemonSet") => {
            let wanted = status("desiredNumberScheduled");
            let of = |member: &str| short(wanted, status(member));
            [of("updatedNumberScheduled"), of("numberReady"), of("numberAvailable"), 0, 0]
        }
        _ => return Nearing::default(),
    };
    // Before its controller has looked, the figures are those of what was wanted before.
    let is_seen = status("observedGeneration") >= number(workload, "/metadata/generation").unwrap_or(0);
    let left = is_seen.then(|| left.into_iter().fold(0, i64::saturating_add));
    // Where nothing is left to happen nothing is waited for.
    let quiet = if left == Some(0) { 0 } else { quiet(&target.kind, workload).clamp(0, LONGEST) };
    Nearing { left, quiet }
}

/// For how long a rollout may stand still: twice what one pod takes by its own probes and graces, and a Deployment until its
/// controller itself says that it does not progress.
fn quiet(kind: &str, workload: &Value) -> i64 {
    let of = |path: &str| number(workload, path);
    let containers = workload.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let start = |container: &Value| {
        let of = |path: &str| number(container, path);
        // Kubernetes's own defaults where a probe does not say.
        let tries = container.get("startupProbe").map_or(0, |_| {
            let each = of("/startupProbe/periodSeconds").unwrap_or(10);
            let times = of("/startupProbe/failureThreshold").unwrap_or(3);
            of("/startupProbe/initialDelaySeconds").unwrap_or(0).saturating_add(each.saturating_mul(times))
        });
        tries.saturating_add(of("/readinessProbe/initialDelaySeconds").unwrap_or(0))
    };
    let probes = containers.into_iter().flatten().map(start).max().unwrap_or(0);
    let grace = of("/spec/template/spec/terminationGracePeriodSeconds").unwrap_or(30);
    let ready = of("/spec/minReadySeconds").unwrap_or(0);
    let one = [START, probes, ready, grace].into_iter().fold(0, i64::saturating_add);
    let own = of("/spec/progressDeadlineSeconds")
        .filter(|seconds| kind == "Deployment" && *seconds < NO_DEADLINE)
        .map_or(0, |seconds| seconds.saturating_add(MARGIN));
    one.saturating_mul(2).max(own)
}

/// A pod that is on its way out has the time that it was given.
fn going(target: &Target, seen: &[Sight]) -> Nearing {
    let Found::Here(pod) = find(target, seen) else { return Nearing::default() };
    let given = number(pod, "/metadata/deletionGracePeriodSeconds").filter(|_| is_deleted(pod));
    let grace = given.or_else(|| number(pod, "/spec/terminationGracePeriodSeconds")).unwrap_or(30);
    Nearing { left: None, quiet: grace.saturating_add(MARGIN).clamp(0, LONGEST) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(workload: &Value) -> Vec<Sight> {
        vec![Sight::Object(workload.clone())]
    }

    fn left(kind: &str, spec: Value, status: Value) -> Option<i64> {
        let workload = json!({"metadata": {"generation": 2}, "spec": spec, "status": status});
        of_workload(&Target::known(kind, "shop", "web"), &seen(&workload)).left
    }

    #[test]
    fn each_pod_that_is_made_or_becomes_ready_brings_a_rollout_nearer() {
        let deployment = |updated, all, ready| {
            left(
                "Deployment",
                json!({"replicas": 3}),
                json!({"observedGeneration": 2, "replicas": all, "updatedReplicas": updated,
                    "readyReplicas": ready, "availableReplicas": ready}),
            )
        };
        let path = [(0, 3, 3), (1, 4, 3), (1, 3, 3), (2, 4, 3), (2, 3, 3), (3, 4, 3), (3, 3, 3)];
        let lefts: Vec<_> = path.into_iter().map(|(u, a, r)| deployment(u, a, r).unwrap()).collect();
        assert_eq!(lefts, [6, 5, 4, 3, 2, 1, 0]);
        let set = |updated, ready| {
            left(
                "StatefulSet",
                json!({"replicas": 3}),
                json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": updated, "readyReplicas": ready}),
            )
        };
        assert_eq!([set(0, 2), set(1, 2), set(1, 3), set(3, 3)], [Some(5), Some(4), Some(2), Some(0)]);
        let set = json!({"observedGeneration": 2, "desiredNumberScheduled": 4, "updatedNumberScheduled": 1,
            "numberReady": 3, "numberAvailable": 3});
        assert_eq!(left("DaemonSet", json!({}), set), Some(5));
    }

    #[test]
    fn what_its_controller_has_not_seen_is_at_no_distance_and_neither_is_what_has_no_pods() {
        assert_eq!(left("Deployment", json!({"replicas": 3}), json!({"observedGeneration": 1})), None);
        assert_eq!(left("ConfigMap", json!({}), json!({})), None);
        let target = Target::known("Deployment", "shop", "web");
        assert_eq!(of_workload(&target, &[Sight::Absent]), Nearing::default());
    }

    #[test]
    fn an_object_says_for_how_long_nothing_may_be_seen_of_it() {
        let quiet = |kind: &str, spec: Value| {
            of_workload(&Target::known(kind, "shop", "web"), &seen(&json!({"spec": spec}))).quiet
        };
        let done = json!({"spec": {"replicas": 0}, "status": {}});
        let at_rest = of_workload(&Target::known("Deployment", "shop", "web"), &seen(&done));
        assert_eq!(at_rest, Nearing { left: Some(0), quiet: 0 });
        assert_eq!(quiet("StatefulSet", json!({})), 100);
        assert_eq!(quiet("Deployment", json!({"progressDeadlineSeconds": 600})), 660);
        assert_eq!(quiet("Deployment", json!({"progressDeadlineSeconds": i32::MAX})), 100);
        let slow = json!({"minReadySeconds": 30, "template": {"spec": {"terminationGracePeriodSeconds": 120,
            "containers": [{"startupProbe": {"periodSeconds": 20, "failureThreshold": 30}},
                {"readinessProbe": {"initialDelaySeconds": 5}}]}}});
        assert_eq!(quiet("StatefulSet", slow), 2 * (20 + 600 + 30 + 120));
        let pod = Target::known("Pod", "shop", "web-1");
        let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 900}});
        assert_eq!(nearing(&Action::EvictPod { target: pod }, &seen(&going)).quiet, 960);
    }
}
