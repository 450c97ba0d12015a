//! Rollouts that do not get on, Jobs that failed, Services that nobody answers.

use std::collections::HashMap;

use aiops_inventory::{
    Kind, Row,
    labels::LabelSet,
    rows::{Condition, DeploymentRow, Meta, PodRow, Seconds, Truth},
};

use super::{Look, by_availability, progress};
use crate::{
    diagnose::admission::classify,
    issue::{Issue, Object, Severity},
};

/// The Deployment controller reports Available=False at once when a node dies; pods elsewhere start within this.
const UNAVAILABLE_GRACE: Seconds = 60;
/// A failed Job is news for a day.
const FAILED_KEPT: Seconds = 86_400;
/// Controllers make pods within seconds; a workload that is new has not tried yet.
const REFUSAL_GRACE: Seconds = 10;
/// Controllers try again with growing pauses, at most a quarter of an hour apart.
const REFUSAL_FRESH: Seconds = 1_200;
/// Endpoints follow pods by seconds; a restart of the only pod may take a minute.
const ENDPOINTS_GRACE: Seconds = 120;

fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.kind == kind)
}

fn object(kind: &'static str, meta: &Meta) -> Object {
    Object::new(kind, meta.key.namespace.clone(), meta.key.name.clone())
}

/// Deployments past their progress deadline, refused by quota or admission, or below their availability.
pub(super) fn rollouts(look: &Look<'_>, found: &mut Vec<Issue>) {
    let view = look.view;
    for row in view.inventory.deployments().scoped(view.namespace) {
        let severity = by_availability(Some(row.available));
        let numbers = format!("{} of {} available, {} updated", row.available, row.desired, row.updated);
        if let Some(failure) =
            condition(&row.conditions, "ReplicaFailure").filter(|c| c.status == Truth::True)
        {
            found.push(refused(object("Deployment", row.meta()), severity, failure));
        }
        let progressing = condition(&row.conditions, "Progressing");
        if let Some(stuck) = progressing.filter(|c| c.reason == "ProgressDeadlineExceeded") {
            let what = format!("the rollout exceeded its progress deadline: {numbers}");
            found.push(Issue::new(
                "rollout_stuck",
                severity,
                object("Deployment", row.meta()),
                Some(stuck.since),
                what,
            ));
            continue;
        }
        if let Some(down) = condition(&row.conditions, "Available").filter(|c| c.status == Truth::False) {
            let is_due = row.desired > 0 && view.now - down.since > UNAVAILABLE_GRACE;
            if is_due && !is_excused(look, row) {
                let what =
                    format!("fewer replicas are available than the rollout strategy requires: {numbers}");
                let object = object("Deployment", row.meta());
                found.push(Issue::new("deployment_unavailable", severity, object, Some(down.since), what));
            }
        }
    }
    for row in view.inventory.replica_sets().scoped(view.namespace).filter(|row| row.meta.owner.is_none()) {
        if let Some(failure) =
            condition(&row.conditions, "ReplicaFailure").filter(|c| c.status == Truth::True)
        {
            found.push(refused(
                object("ReplicaSet", row.meta()),
                by_availability(Some(row.available)),
                failure,
            ));
        }
    }
}

/// Whether that too little is available belongs to the rollout that is under way.
fn is_excused<'a>(look: &Look<'a>, row: &'a DeploymentRow) -> bool {
    progress::is_first(look.view, row)
        || (progress::is_from_nothing(look, row)
            && !progress::is_in_trouble(look, progress::pods_of(look, row)))
}

fn refused(object: Object, severity: Severity, failure: &Condition) -> Issue {
    let message = failure.message.as_deref().unwrap_or(&failure.reason);
    let code = classify(message).0;
    Issue::new(code, severity, object, Some(failure.since), format!("pods cannot be created: {message}"))
}

/// StatefulSets, DaemonSets and Jobs with fewer pods than they want, whose events say that pods are refused. They have
/// no condition for it, as Deployments and ReplicaSets have.
pub(super) fn refusals(look: &Look<'_>, found: &mut Vec<Issue>) {
    let view = look.view;
    let mut see = |kind: &'static str, meta: &Meta, have: i32, want: i32, severity: Severity| {
        if have >= want || view.now - meta.created < REFUSAL_GRACE {
            return;
        }
        let about = (meta.key.namespace.as_str(), kind, meta.key.name.as_str());
        let told = look
            .warnings
            .find(view, about, |e| e.reason == "FailedCreate" && view.now - e.last < REFUSAL_FRESH);
        if let Some(event) = told {
            let what = format!("{have} of {want} pods, more cannot be created: {}", event.message);
            let code = classify(&event.message).0;
            found.push(Issue::new(code, severity, object(kind, meta), Some(event.first), what));
        }
    };
    for row in view.inventory.stateful_sets().scoped(view.namespace) {
        see("StatefulSet", row.meta(), row.replicas, row.desired, by_availability(Some(row.available)));
    }
    for row in view.inventory.daemon_sets().scoped(view.namespace) {
        see("DaemonSet", row.meta(), row.current, row.desired, by_availability(Some(row.available)));
    }
    for row in view.inventory.jobs().scoped(view.namespace) {
        let is_over = row.conditions.iter().any(|c| matches!(c.kind.as_str(), "Complete" | "Failed"));
        if !row.suspended && !is_over && row.succeeded == 0 && row.failed == 0 {
            see("Job", row.meta(), row.active, row.parallelism.min(1), Severity::High);
        }
    }
}

/// Jobs that failed within the last day.
pub(super) fn jobs(look: &Look<'_>, found: &mut Vec<Issue>) {
    let view = look.view;
    for row in view.inventory.jobs().scoped(view.namespace) {
        if let Some(failed) = condition(&row.conditions, "Failed")
            && failed.status == Truth::True
            && view.now - failed.since < FAILED_KEPT
        {
            let message = failed.message.as_deref().unwrap_or(&failed.reason);
            let object = crate::owners::top(view.inventory, "Job", row.meta());
            let what = format!("a job failed after {} attempts: {message}", row.failed);
            let mut issue = Issue::new("job_failed", Severity::Medium, object, Some(failed.since), what);
            if issue.object.kind != "Job" {
                issue.example = Some(row.meta.key.name.clone());
            }
            found.push(issue);
        }
    }
}

/// Services whose endpoints exist and none is ready.
pub(super) fn services(look: &Look<'_>, found: &mut Vec<Issue>) {
    let view = look.view;
    let mut endpoints: HashMap<(&str, &str), (u32, u32)> = HashMap::new();
    for slice in view.inventory.endpoint_slices().scoped(view.namespace).filter(|s| !s.service.is_empty()) {
        let sum = endpoints.entry((&slice.meta.key.namespace, &slice.service)).or_default();
        sum.0 += slice.ready;
        sum.1 += slice.not_ready;
    }
    for ((namespace, name), (ready, not_ready)) in endpoints {
        if ready > 0 || not_ready == 0 {
            continue;
        }
        let Some(service) = view.inventory.services().get(namespace, name) else { continue };
        let old_enough = view.now - service.meta.created > ENDPOINTS_GRACE;
        if old_enough && all_unready_long_enough(look, namespace, &service.selector) {
            let what = format!("no endpoint is ready ({not_ready} are not ready)");
            let object = object("Service", service.meta());
            found.push(Issue::new("service_without_endpoints", Severity::Critical, object, None, what));
        }
    }
}

/// Whether the pods behind a selector are unready for longer than a restart takes, and not because they are all of
/// rollouts under way. While pods are not known nobody can say for how long.
fn all_unready_long_enough(look: &Look<'_>, namespace: &str, selector: &LabelSet) -> bool {
    let view = look.view;
    if selector.is_empty() {
        return true;
    }
    if !view.inventory.status(Kind::Pod).sync.is_known() {
        return false;
    }
    let pods: Vec<&PodRow> = view
        .inventory
        .pods()
        .in_namespace(namespace)
        .map(|pod| &**pod)
        .filter(|pod| selector.iter().all(|(k, v)| pod.meta.labels.get(k).is_some_and(|value| value == v)))
        .collect();
    let is_long =
        |pod: &&PodRow| !pod.ready && view.now - pod.ready_since.max(pod.meta.created) > ENDPOINTS_GRACE;
    pods.iter().all(is_long) && !are_under_way(look, &pods)
}

/// Whether all these pods are of Deployments whose rollout is under way, and none is in trouble.
fn are_under_way(look: &Look<'_>, pods: &[&PodRow]) -> bool {
    let of_rollout = |pod: &&PodRow| {
        let owner = crate::owners::top(look.view.inventory, "Pod", pod.meta());
        let rows = look.view.inventory.deployments();
        let row = rows.get(&owner.namespace, &owner.name).filter(|_| owner.kind == "Deployment");
        row.is_some_and(|row| progress::is_first(look.view, row) || progress::is_from_nothing(look, row))
    };
    !pods.is_empty() && pods.iter().all(of_rollout) && !progress::is_in_trouble(look, pods.iter().copied())
}
