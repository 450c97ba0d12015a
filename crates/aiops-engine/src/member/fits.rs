//! Whether a change is one that its action may make: the member's check of what an engine elsewhere asks for.
//!
//! It says what an action may touch at most, and that the change is good for one state of one object. Whether it is wise the
//! engine has judged; whether it may happen, the API server does.

use serde_json::{Map, Value};

use crate::{
    deeds::{EFFECT, NUDGE, RESTART},
    model::action::Action,
    ports::acting::{Mutation, Verb},
};

/// Whether the change fits its action.
///
/// # Errors
/// What does not fit, in a sentence.
pub(super) fn check(mutation: &Mutation) -> Result<(), String> {
    let Mutation { action, target, verb, body, .. } = mutation;
    let name = action.name();
    let is_record = matches!(action, Action::RecordRelease { .. });
    if target.kind == "Secret" && !is_record {
        return Err(format!("{name} does not touch a Secret"));
    }
    if mutation.effect_key.is_empty() {
        return Err("a change carries the effect key of its step".to_owned());
    }
    pinned(mutation)?;
    let is_fine = match (action, verb) {
        (Action::RestartWorkload { .. }, Verb::MergePatch) => {
            merges(body, &[&["spec", "template", "metadata", "annotations", RESTART]])
        }
        (Action::ScaleWorkload { .. }, Verb::MergePatch) => merges(body, &[&["spec", "replicas"]]),
        (Action::CordonNode { .. } | Action::UncordonNode { .. }, Verb::MergePatch) => {
            merges(body, &[&["spec", "unschedulable"]])
        }
        (Action::SyncApplication { .. } | Action::RollbackApplication { .. }, Verb::MergePatch) => {
            merges(body, &[&["operation"]])
        }
        (Action::NudgeOperator { .. }, Verb::MergePatch) => merges(body, &[]),
        (Action::RollbackWorkload { .. }, Verb::JsonPatch) => patches(body, |path| path == "/spec/template"),
        (Action::SetResources { .. }, Verb::JsonPatch) => patches(body, is_of_resources),
        (Action::RevertManifest { .. }, Verb::JsonPatch) => patches(body, is_of_manifest),
        (Action::RecordRelease { .. }, Verb::Create) => records(body, mutation),
        (Action::EvictPod { .. }, Verb::Evict) | (Action::DeletePod { .. }, Verb::Delete) => {
            target.kind == "Pod" && target.group.is_empty()
        }
        _ => false,
    };
    if is_fine { Ok(()) } else { Err(format!("{name} makes no such change ({}) to {target}", verb.as_str())) }
}

/// Without these the API server could not refuse it for another state of the object.
fn pinned(mutation: &Mutation) -> Result<(), String> {
    let needs = match mutation.verb {
        Verb::MergePatch | Verb::JsonPatch | Verb::Evict | Verb::Delete => true,
        // The API server makes an object of a name once.
        Verb::Create => false,
    };
    let has = |pin: &Option<String>| pin.as_ref().is_some_and(|pin| !pin.is_empty());
    if needs && !(has(&mutation.uid) && has(&mutation.resource_version)) {
        return Err(
            "a change names the uid and the resourceVersion of the object that was looked at".to_owned()
        );
    }
    Ok(())
}

/// Annotations of ours that stand on the object itself.
fn is_ours(name: &str) -> bool {
    name == EFFECT || name == NUDGE
}

/// Whether a merge patch touches these places and our annotations alone.
fn merges(body: &Value, places: &[&[&str]]) -> bool {
    fn within(value: &Value, places: &[&[&str]]) -> bool {
        if places.iter().any(|place| place.is_empty()) {
            return true;
        }
        let Some(members) = value.as_object() else { return false };
        members.iter().all(|(name, value)| {
            let deeper: Vec<&[&str]> = places
                .iter()
                .filter_map(|place| {
                    place.split_first().filter(|(first, _)| *first == name).map(|(_, rest)| rest)
                })
                .collect();
            !deeper.is_empty() && within(value, &deeper)
        })
    }
    let Some(members) = body.as_object() else { return false };
    let mut rest = members.clone();
    let Some(metadata) = rest.remove("metadata") else { return within(&Value::Object(rest), places) };
    let is_marked = metadata.as_object().is_some_and(|metadata| {
        metadata.iter().all(|(name, value)| {
            name == "annotations"
                && match value {
                    // Ours was the only one: none are left.
                    Value::Null => true,
                    Value::Object(annotations) => annotations.keys().all(|name| is_ours(name)),
                    _ => false,
                }
        })
    });
    is_marked && within(&Value::Object(rest), places)
}

/// Whether a JSON patch touches such places and our annotations alone. What it only tests it does not touch.
fn patches(body: &Value, fits: impl Fn(&str) -> bool) -> bool {
    let Some(operations) = body.as_array().filter(|operations| !operations.is_empty()) else { return false };
    operations.iter().all(|operation| {
        let of = |member: &str| operation.get(member).and_then(Value::as_str).unwrap_or_default();
        let (op, path) = (of("op"), of("path"));
        match op {
            "test" => true,
            // Where there were none, and where ours was the only one.
            "add" if path == "/metadata/annotations" => {
                operation.get("value").and_then(Value::as_object).is_some_and(Map::is_empty)
            }
            "remove" if path == "/metadata/annotations" => true,
            "add" | "remove" | "replace" => is_annotation(path) || fits(path),
            // What is copied or moved comes from anywhere.
            _ => false,
        }
    })
}

fn is_annotation(path: &str) -> bool {
    let name =
        path.strip_prefix("/metadata/annotations/").map(|name| name.replace("~1", "/").replace("~0", "~"));
    name.is_some_and(|name| is_ours(&name))
}

/// `/spec/template/spec/containers/0/resources`.
fn is_of_resources(path: &str) -> bool {
    let rest = ["/spec/template/spec/containers/", "/spec/template/spec/initContainers/"]
        .into_iter()
        .find_map(|list| path.strip_prefix(list));
    let place = rest.and_then(|rest| rest.strip_suffix("/resources"));
    place.is_some_and(|place| !place.is_empty() && place.bytes().all(|digit| digit.is_ascii_digit()))
}

/// What a chart says of an object: neither what the API server keeps of it nor who owns it.
fn is_of_manifest(path: &str) -> bool {
    let is_below = |of: &str| path == of || path.strip_prefix(of).is_some_and(|rest| rest.starts_with('/'));
    let is_kept = ["/status", "/apiVersion", "/kind"].into_iter().any(is_below);
    let is_told = is_below("/metadata/labels") || is_below("/metadata/annotations");
    path.len() > 1 && path.starts_with('/') && !is_kept && (!is_below("/metadata") || is_told)
}

/// The record of a rollback: what it holds is put in by the room that reads releases.
fn records(body: &Value, mutation: &Mutation) -> bool {
    let of = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let only = |value: Option<&Value>, names: &[&str]| {
        value
            .and_then(Value::as_object)
            .is_some_and(|members| members.keys().all(|name| names.contains(&name.as_str())))
    };
    mutation.target.kind == "Secret"
        && of("/type") == Some("helm.sh/release.v1")
        && of("/metadata/name") == Some(&mutation.target.name)
        && of("/metadata/namespace") == Some(&mutation.target.namespace)
        && mutation.target.name.starts_with("sh.helm.release.v1.")
        && only(Some(body), &["apiVersion", "kind", "type", "metadata"])
        && only(body.get("metadata"), &["name", "namespace", "annotations"])
        && body
            .pointer("/metadata/annotations")
            .and_then(Value::as_object)
            .is_some_and(|all| all.keys().all(|name| is_ours(name)))
}
