//! Evicting a pod, and deleting one that a Job left stuck.
//!
//! Both are pinned to the pod's uid and resourceVersion: a pod of the same name that took its place is another one, and one
//! that is terminating has been dealt with. A pod that nobody would make again is never touched, nor one that the kubelet
//! runs from a file.

use serde_json::{Value, json};

use super::{
    Deed, Observation, Sight,
    object::{Change, Found, controller, find, is_deleted, members, refused, text, unseen},
};
use crate::{
    model::{phase::Verdict, target::Target},
    ports::acting::Verb,
};

/// The annotation of the copy that a kubelet makes of a pod which it runs from a file.
const MIRROR: &str = "/metadata/annotations/kubernetes.io~1config.mirror";

/// The pod that is to go, or what is to be said instead.
fn going<'a>(target: &Target, seen: &'a [Sight]) -> Result<&'a Value, Observation> {
    if !target.group.is_empty() || target.kind != "Pod" {
        return Err(refused(format!("{target} is no pod")));
    }
    let settled = |why: String| Err(Observation::Settled { why });
    let pod = match find(target, seen) {
        Found::Here(pod) => pod,
        Found::Gone => return settled(format!("{target} is gone")),
        Found::Other => return settled(format!("{target} is gone; another pod has its name now")),
        Found::Unseen => return Err(unseen(target)),
    };
    if is_deleted(pod) {
        return settled(format!("{target} is being deleted already"));
    }
    if text(pod, MIRROR).is_some() {
        return Err(refused(format!(
            "{target} is run by its kubelet from a file; only that file can end it"
        )));
    }
    if controller(pod).is_none() {
        return Err(refused(format!("{target} has no owner, so nobody would make it again")));
    }
    Ok(pod)
}

/// What going away changes.
fn change(pod: &Value, target: &Target, how: &str) -> Change {
    let owner = controller(pod).map(|(kind, name, _)| format!("{kind} {name}")).unwrap_or_default();
    let group = crate::planner::value::controller(pod).map(|owner| owner.group);
    let node = text(pod, "/spec/nodeName").unwrap_or("no node");
    let is_ready = crate::planner::value::condition(pod, "Ready").is_some_and(|ready| ready.status == "True");
    Change::of(
        pod,
        members(json!({ "owner": owner, "ownerGroup": group, "node": node, "ready": is_ready })),
        json!({ "exists": false }),
        vec![format!("{target} on {node}, owned by {owner}: {how}")],
    )
}

pub(super) fn observe_evict(deed: &Deed<'_>, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    let pod = match going(target, seen) {
        Ok(pod) => pod,
        Err(told) => return told,
    };
    // By its uid alone a pod that is terminating could be evicted again, by a request that was held up on its way.
    deed.ready(Verb::Evict, pod, Value::Null, change(pod, target, "evicted"))
}

pub(super) fn observe_delete(deed: &Deed<'_>, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    let pod = match going(target, seen) {
        Ok(pod) => pod,
        Err(told) => return told,
    };
    if let Some((kind, name, _)) = controller(pod).filter(|(kind, ..)| *kind != "Job") {
        return refused(format!(
            "{target} belongs to {kind} {name}, not to a Job; evict it, which keeps its budgets"
        ));
    }
    deed.ready(Verb::Delete, pod, Value::Null, change(pod, target, "deleted"))
}

pub(super) fn verify(target: &Target, seen: &[Sight]) -> (Verdict, String) {
    match find(target, seen) {
        Found::Gone => (Verdict::Passed, format!("{target} is gone")),
        Found::Other => (Verdict::Passed, format!("{target} is gone; another pod has its name now")),
        Found::Here(pod) if is_deleted(pod) => (Verdict::Unknown, format!("{target} is terminating")),
        Found::Here(_) => (Verdict::Unknown, format!("{target} is still there")),
        Found::Unseen => (Verdict::Unknown, format!("{target} was not looked at")),
    }
}
