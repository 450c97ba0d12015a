//! Whether an object may be stored: the part of Kubernetes's validation that remedies can run into.
//!
//! Unknown members of a workload's spec are refused as with strict field validation; deeper ones are not looked for.

use aiops_inventory::quantity;
use serde_json::Value;

use super::{
    Refusal,
    json::{has, items, number, selects, text},
};

const DEPLOYMENT: [&str; 8] = [
    "replicas",
    "selector",
    "template",
    "strategy",
    "minReadySeconds",
    "revisionHistoryLimit",
    "paused",
    "progressDeadlineSeconds",
];
const STATEFUL_SET: [&str; 11] = [
    "replicas",
    "selector",
    "template",
    "volumeClaimTemplates",
    "serviceName",
    "podManagementPolicy",
    "updateStrategy",
    "revisionHistoryLimit",
    "minReadySeconds",
    "persistentVolumeClaimRetentionPolicy",
    "ordinals",
];
const DAEMON_SET: [&str; 5] =
    ["selector", "template", "updateStrategy", "minReadySeconds", "revisionHistoryLimit"];

/// Judges an object, beside what it was.
pub(super) fn object(old: Option<&Value>, new: &Value) -> Result<(), Refusal> {
    let kind = text(new, "/kind");
    if let Some(old) = old {
        for path in ["/kind", "/metadata/name", "/metadata/namespace"] {
            if old.pointer(path) != new.pointer(path) {
                return Err(invalid(new, format!("{path}: field is immutable")));
            }
        }
    }
    for path in ["/metadata/annotations", "/metadata/labels", "/spec/template/metadata/annotations"] {
        let members = new.pointer(path).and_then(Value::as_object);
        if let Some((name, _)) = members.into_iter().flatten().find(|(_, value)| !value.is_string()) {
            return Err(Refusal::new(400, "BadRequest", format!("{path}/{name}: expected a string")));
        }
    }
    match kind {
        "Deployment" => workload(old, new, &DEPLOYMENT, &["selector"]),
        "StatefulSet" => workload(
            old,
            new,
            &STATEFUL_SET,
            &["selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"],
        ),
        "DaemonSet" => workload(old, new, &DAEMON_SET, &["selector"]),
        "Pod" => containers(new, "/spec"),
        "Node"
            if has(new, "/spec/unschedulable")
                && !new.pointer("/spec/unschedulable").is_some_and(Value::is_boolean) =>
        {
            Err(Refusal::new(400, "BadRequest", "spec.unschedulable: expected a boolean"))
        }
        "HorizontalPodAutoscaler"
            if number(new, "/spec/maxReplicas") < number(new, "/spec/minReplicas").max(1) =>
        {
            Err(invalid(new, "spec.maxReplicas: must be greater than or equal to `minReplicas`"))
        }
        _ => Ok(()),
    }
}

fn invalid(object: &Value, why: impl std::fmt::Display) -> Refusal {
    let name = text(object, "/metadata/name");
    Refusal::new(422, "Invalid", format!("{} {name:?} is invalid: {why}", text(object, "/kind")))
}

fn workload(old: Option<&Value>, new: &Value, members: &[&str], immutable: &[&str]) -> Result<(), Refusal> {
    let spec = new.get("spec").and_then(Value::as_object);
    if let Some((name, _)) = spec.into_iter().flatten().find(|(name, _)| !members.contains(&name.as_str())) {
        let message = format!("strict decoding error: unknown field \"spec.{name}\"");
        return Err(Refusal::new(400, "BadRequest", message));
    }
    for member in immutable {
        let path = format!("/spec/{member}");
        if old.is_some_and(|old| old.pointer(&path) != new.pointer(&path)) {
            return Err(invalid(new, format!("spec.{member}: field is immutable")));
        }
    }
    if let Some(replicas) = new.pointer("/spec/replicas") {
        match replicas.as_i64() {
            Some(0..) => {}
            Some(_) => return Err(invalid(new, "spec.replicas: must be greater than or equal to 0")),
            None => return Err(Refusal::new(400, "BadRequest", "spec.replicas: expected an integer")),
        }
    }
    if !selects(new.pointer("/spec/selector"), new.pointer("/spec/template/metadata/labels")) {
        return Err(invalid(
            new,
            "spec.template.metadata.labels: `selector` does not match template `labels`",
        ));
    }
    containers(new, "/spec/template/spec")
}

fn containers(object: &Value, at: &str) -> Result<(), Refusal> {
    let mut found = items(object, &format!("{at}/containers")).peekable();
    if found.peek().is_none() {
        return Err(invalid(object, format!("{at}/containers: Required value")));
    }
    for container in found {
        for member in ["name", "image"] {
            if text(container, &format!("/{member}")).is_empty() {
                return Err(invalid(object, format!("{at}/containers/{member}: Required value")));
            }
        }
        for resource in ["cpu", "memory"] {
            let read = |side: &str| -> Result<Option<i64>, Refusal> {
                let path = format!("/resources/{side}/{resource}");
                let Some(value) = container.pointer(&path) else { return Ok(None) };
                let written = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let amount =
                    if resource == "cpu" { quantity::cpu_milli(&written) } else { quantity::bytes(&written) };
                amount.map(Some).ok_or_else(|| {
                    invalid(object, format!("{path}: Invalid value: {written:?}: quantities must match"))
                })
            };
            if let (Some(request), Some(limit)) = (read("requests")?, read("limits")?)
                && request > limit
            {
                let why = format!("resources.requests: must be less than or equal to {resource} limit");
                return Err(invalid(object, why));
            }
        }
    }
    Ok(())
}
