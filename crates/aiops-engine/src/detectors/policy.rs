//! What limits workloads and is at its limit: claims, quotas, disruption budgets, autoscalers; namespaces that hang.

use aiops_inventory::{
    Row,
    labels::Selector,
    rows::{Meta, Seconds, Truth},
};

use super::{Look, View};
use crate::issue::{Issue, Object, Severity};

/// Provisioners take a minute or two.
const CLAIM_GRACE: Seconds = 120;
/// Metrics come and go; five minutes without are a fault.
const AUTOSCALER_GRACE: Seconds = 300;
/// Pods that start or restart come back within this; longer, and the budget stays blocked.
const BUDGET_GRACE: Seconds = 300;
/// Namespaces with many objects take minutes to empty.
const NAMESPACE_GRACE: Seconds = 600;

fn object(kind: &'static str, meta: &Meta) -> Object {
    Object::new(kind, meta.key.namespace.clone(), meta.key.name.clone())
}

/// Claims that are lost, or pending although a pod waits for them.
pub(super) fn claims(look: &Look<'_>, found: &mut Vec<Issue>) {
    let view = look.view;
    for row in view.inventory.claims().scoped(view.namespace) {
        let object = object("PersistentVolumeClaim", row.meta());
        if row.phase == "Lost" {
            let what = "the bound volume does not exist any more";
            found.push(Issue::new("pvc_lost", Severity::High, object, None, what));
        } else if row.phase == "Pending" && view.now - row.meta.created > CLAIM_GRACE {
            let waiting = view
                .inventory
                .pods()
                .in_namespace(&row.meta.key.namespace)
                .filter(|pod| !pod.is_terminal() && pod.claims.contains(&row.meta.key.name))
                .count();
            if waiting > 0 {
                let class = row.storage_class.as_deref().unwrap_or("(default)");
                let what = format!("not bound, storage class {class}; {waiting} pods wait for it");
                let since = Some(row.meta.created);
                found.push(Issue::new("pvc_pending", Severity::High, object, since, what));
            }
        }
    }
}

/// Quotas of which a resource is used up. Who is refused by them was found before.
pub(super) fn quotas(look: &Look<'_>, found: &mut Vec<Issue>) {
    let view = look.view;
    for row in view.inventory.quotas().scoped(view.namespace) {
        let full: Vec<&str> = row
            .items
            .iter()
            .filter(|item| item.hard > 0 && item.used.is_some_and(|used| used >= item.hard))
            .map(|item| item.resource.as_str())
            .collect();
        if !full.is_empty() {
            let what = format!("used up: {}; new pods that need it are refused", full.join(", "));
            let issue =
                Issue::new("quota_full", Severity::Medium, object("ResourceQuota", row.meta()), None, what);
            // A surge that just fits is used up too, until the rollout is over; what is refused is trouble at once.
            let named = format!("exceeded quota: {},", row.meta.key.name);
            let refused = |other: &Issue| {
                other.object.namespace == row.meta.key.namespace && other.what.contains(&named)
            };
            let is_refused = found.iter().any(refused);
            found.push(issue.early(!is_refused));
        }
    }
}

/// Budgets that no eviction can ever satisfy: all pods healthy and still none may leave.
pub(super) fn budgets(look: &Look<'_>, found: &mut Vec<Issue>) {
    let view = look.view;
    for row in view.inventory.disruption_budgets().scoped(view.namespace) {
        let observed = row.observed_generation >= row.meta.generation;
        if observed && row.allowed == 0 && row.expected > 0 && row.desired_healthy >= row.expected {
            let what = format!(
                "allows no disruption even with all {} pods healthy (wants {} healthy); drains of their nodes block",
                row.expected, row.desired_healthy
            );
            let object = object("PodDisruptionBudget", row.meta());
            found.push(Issue::new("pdb_deadlock", Severity::Medium, object, None, what));
        } else if observed && row.allowed == 0 && row.healthy < row.desired_healthy {
            let unready = unready_for_long(view, &row.meta.key.namespace, &row.selector);
            if unready > 0 {
                let what = format!(
                    "allows no disruption because {unready} of {} pods are not ready ({} healthy, wants {}); drains of their nodes block",
                    row.expected, row.healthy, row.desired_healthy
                );
                let object = object("PodDisruptionBudget", row.meta());
                found.push(Issue::new("pdb_blocked", Severity::Medium, object, None, what));
            }
        }
    }
}

/// Pods behind a selector that are unready for longer than a rollout or a restart takes.
fn unready_for_long(view: View<'_>, namespace: &str, selector: &Selector) -> usize {
    let pods = view.inventory.pods().in_namespace(namespace).filter(|pod| selector.matches(&pod.meta.labels));
    pods.filter(|pod| {
        let since = pod.ready_since.max(pod.meta.created);
        !pod.is_terminal() && !pod.ready && pod.meta.deleting.is_none() && view.now - since > BUDGET_GRACE
    })
    .count()
}

/// Autoscalers at their maximum that want more, or that cannot scale.
pub(super) fn autoscalers(look: &Look<'_>, found: &mut Vec<Issue>) {
    let view = look.view;
    for row in view.inventory.autoscalers().scoped(view.namespace) {
        let of = |kind: &str| row.conditions.iter().find(|c| c.kind == kind);
        let object = object("HorizontalPodAutoscaler", row.meta());
        if let Some(limited) = of("ScalingLimited")
            && limited.status == Truth::True
            && limited.reason == "TooManyReplicas"
        {
            let what = format!("at its maximum of {} replicas and would scale further", row.max);
            let since = Some(limited.since);
            // The condition was true before for another reason, so its moment says nothing of this one.
            found.push(Issue::new("hpa_at_limit", Severity::Medium, object.clone(), since, what).early(true));
        }
        let broken = ["AbleToScale", "ScalingActive"].into_iter().filter_map(of).find(|c| {
            c.status == Truth::False && c.reason != "ScalingDisabled" && view.now - c.since > AUTOSCALER_GRACE
        });
        if let Some(broken) = broken {
            let message = broken.message.as_deref().unwrap_or(&broken.reason);
            let what = format!("cannot scale: {message}");
            found.push(Issue::new("hpa_cannot_scale", Severity::Medium, object, Some(broken.since), what));
        }
    }
}

/// Namespaces that hang in deletion.
pub(super) fn namespaces(look: &Look<'_>, found: &mut Vec<Issue>) {
    let view = look.view;
    if view.namespace.is_some() {
        return;
    }
    for row in view.inventory.namespaces().iter() {
        if let Some(deleting) = row.meta.deleting.filter(|deleting| view.now - deleting > NAMESPACE_GRACE) {
            let why =
                row.conditions.iter().find(|c| c.status == Truth::True).and_then(|c| c.message.as_deref());
            let what = format!("hangs in deletion: {}", why.unwrap_or("no condition says why"));
            let object = Object::new("Namespace", "".into(), row.meta.key.name.clone());
            found.push(Issue::new("namespace_stuck", Severity::Low, object, Some(deleting), what));
        }
    }
}
