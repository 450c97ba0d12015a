//! Making an operator look at its resource again: an annotation of it, set to the step's own key.
//!
//! It changes nothing that the operator is told to do. Whether it helped is in what the resource says of itself.

use serde_json::json;

use super::{
    Deed, NUDGE, Observation, Sight,
    object::{Change, annotation, condition, members, number, present},
    rollout,
};
use crate::{
    model::{phase::Verdict, target::Target},
    ports::acting::Verb,
};

pub(super) fn observe(deed: &Deed<'_>, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    let resource = match present(target, seen) {
        Ok(resource) => resource,
        Err(told) => return told,
    };
    let before = annotation(resource, NUDGE);
    if before == Some(deed.key) {
        return Observation::Applied { evidence: format!("{target} carries {NUDGE}={}", deed.key) };
    }
    let body = json!({"metadata": {"annotations": {NUDGE: deed.key}}});
    let change = Change::of(
        resource,
        members(json!({ "nudge": before })),
        json!({ "nudge": deed.key }),
        vec![format!("metadata.annotations[{NUDGE}]: {} -> {}", before.unwrap_or("none"), deed.key)],
    );
    deed.ready(Verb::MergePatch, resource, body, change)
}

/// The conditions under which resources say that they are well.
const WELL: [&str; 4] = ["Ready", "Available", "Healthy", "Succeeded"];
/// And that they are not.
const UNWELL: [&str; 3] = ["Degraded", "Failed", "Stalled"];

pub(super) fn verify(target: &Target, seen: &[Sight]) -> (Verdict, String) {
    let resource = match rollout::workload(target, seen) {
        Ok(resource) => resource,
        Err(told) => return told,
    };
    let generation = number(resource, "/metadata/generation");
    if let (Some(generation), Some(observed)) = (generation, number(resource, "/status/observedGeneration"))
        && observed < generation
    {
        return (
            Verdict::Unknown,
            format!("the operator has not seen generation {generation} of {target} yet"),
        );
    }
    let is_true = |kind: &str| condition(resource, kind).filter(|(status, ..)| *status == "True");
    if let Some((kind, (_, reason, _))) = UNWELL.into_iter().find_map(|kind| Some((kind, is_true(kind)?))) {
        return (Verdict::Unknown, format!("{target} is {kind} ({reason})"));
    }
    match WELL.into_iter().find(|kind| condition(resource, kind).is_some()) {
        Some(kind) if is_true(kind).is_some() => (Verdict::Passed, format!("{target} is {kind}")),
        Some(kind) => (Verdict::Unknown, format!("{target} is not {kind}")),
        None => (Verdict::Unknown, format!("{target} does not say how it is")),
    }
}
