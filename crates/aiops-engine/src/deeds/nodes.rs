//! Cordoning a node and taking that back: `spec.unschedulable` and the marker in one request.
//!
//! It moves no pod. A cordon that somebody else set meanwhile, or took over, is theirs.

use serde_json::{Value, json};

use super::{
    Back, Deed, EFFECT, Observation, Sight,
    object::{Change, members, present, refused, standing},
    rollout,
};
use crate::{
    model::{phase::Verdict, target::Target},
    ports::acting::Verb,
};

fn is_cordoned(node: &Value) -> bool {
    node.pointer("/spec/unschedulable") == Some(&Value::Bool(true))
}

/// The member as the API server keeps it: a node that pods may be scheduled to has none.
const fn member(cordoned: bool) -> Value {
    if cordoned { Value::Bool(true) } else { Value::Null }
}

fn said(target: &Target, cordoned: bool) -> String {
    let not = if cordoned { "not " } else { "" };
    format!("pods may {not}be scheduled to {target}")
}

pub(super) fn observe(deed: &Deed<'_>, cordon: bool, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    if !target.group.is_empty() || target.kind != "Node" {
        return refused(format!("{target} is no node"));
    }
    let node = match present(target, seen) {
        Ok(node) => node,
        Err(told) => return told,
    };
    if let Some(applied) = deed.applied(node) {
        return applied;
    }
    if is_cordoned(node) == cordon {
        return Observation::Settled { why: format!("{} already", said(target, cordon)) };
    }
    let body =
        json!({"metadata": {"annotations": {EFFECT: deed.key}}, "spec": {"unschedulable": member(cordon)}});
    let change = Change::of(
        node,
        members(json!({ "unschedulable": !cordon })),
        json!({ "unschedulable": cordon }),
        vec![format!("spec.unschedulable: {} -> {cordon}", !cordon)],
    );
    deed.ready(Verb::MergePatch, node, body, change)
}

pub(super) fn undo(deed: &Deed<'_>, back: &Back<'_>, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    let node = match standing(target, back, seen) {
        Ok(node) => node,
        Err(told) => return told,
    };
    let of = |image: &Value| image.get("unschedulable").and_then(Value::as_bool);
    let (Some(before), Some(after)) = (of(back.before), of(back.after)) else {
        return refused(format!("it was not recorded whether {target} was cordoned before"));
    };
    let now = is_cordoned(node);
    if let Some(judged) = back.judge(node, now == before, now == after, &said(target, now)) {
        return judged;
    }
    let body = json!({
        "metadata": {"annotations": back.annotations(node)}, "spec": {"unschedulable": member(before)},
    });
    let change = Change::of(
        node,
        members(json!({ "unschedulable": now })),
        json!({ "unschedulable": before }),
        vec![format!("spec.unschedulable: {now} -> {before}")],
    );
    deed.ready(Verb::MergePatch, node, body, change)
}

pub(super) fn verify(target: &Target, cordon: bool, seen: &[Sight]) -> (Verdict, String) {
    match rollout::workload(target, seen) {
        Ok(node) if is_cordoned(node) == cordon => (Verdict::Passed, said(target, cordon)),
        Ok(_) => (Verdict::Failed, format!("{} again: somebody set it back", said(target, !cordon))),
        Err(told) => told,
    }
}
