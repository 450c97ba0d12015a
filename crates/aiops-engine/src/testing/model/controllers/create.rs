//! Making a pod from a template, past quotas and limit ranges.

use aiops_inventory::quantity;
use serde_json::{Value, json};

use super::MANAGER;
use crate::testing::model::{
    json::{has, items, put, reference, text},
    kinds::Key,
    world::World,
};

/// Makes a pod of `owner` from a template.
///
/// # Errors
/// What a quota or a limit range says.
pub(super) fn pod(
    world: &mut World,
    owner: &Value,
    template: &Value,
    name: &str,
    labels: &[(&str, &str)],
    node: Option<&str>,
) -> Result<(), String> {
    let namespace = text(owner, "/metadata/namespace");
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": template.get("metadata").cloned().unwrap_or_else(|| json!({})),
        "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
        "status": { "phase": "Pending", "qosClass": "Burstable" },
    });
    super::super::json::take(&mut pod, "/metadata/creationTimestamp");
    put(&mut pod, "/metadata/name", name);
    put(&mut pod, "/metadata/namespace", namespace);
    put(&mut pod, "/metadata/ownerReferences", vec![reference(owner)]);
    for (key, value) in labels {
        put(&mut pod, &format!("/metadata/labels/{}", super::super::json::escaped(key)), *value);
    }
    if let Some(node) = node {
        put(&mut pod, "/spec/nodeName", node);
    }
    within_ranges(world, namespace, &mut pod).map_err(|why| format!("pods {name:?} is forbidden: {why}"))?;
    within_quotas(world, namespace, &pod).map_err(|why| format!("pods {name:?} is forbidden: {why}"))?;
    world.insert(MANAGER, pod);
    Ok(())
}

/// Applies the defaults of limit ranges and judges by their maxima.
fn within_ranges(world: &World, namespace: &str, pod: &mut Value) -> Result<(), String> {
    for (_, range) in world.within("LimitRange", namespace) {
        for limit in items(&range, "/spec/limits").filter(|limit| text(limit, "/type") == "Container") {
            let containers = pod.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                for (from, to) in [("default", "limits"), ("defaultRequest", "requests")] {
                    for (resource, amount) in limit.get(from).and_then(Value::as_object).into_iter().flatten()
                    {
                        let path = format!("/resources/{to}/{resource}");
                        if !has(container, &path) {
                            put(container, &path, amount.clone());
                        }
                    }
                }
                for (resource, most) in limit.get("max").and_then(Value::as_object).into_iter().flatten() {
                    let asked = amount(resource, container.pointer(&format!("/resources/limits/{resource}")));
                    if asked > amount(resource, Some(most)) {
                        return Err(format!("maximum {resource} usage per Container is {most}"));
                    }
                }
            }
        }
    }
    Ok(())
}

fn amount(resource: &str, value: Option<&Value>) -> i64 {
    let written = value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let read = if resource.ends_with("cpu") { quantity::cpu_milli } else { quantity::bytes };
    written.and_then(|written| read(&written)).unwrap_or_default()
}

/// What a pod takes of a resource as quotas and the scheduler count it.
pub(super) fn taken(pod: &Value, resource: &str) -> i64 {
    if resource == "pods" {
        return 1;
    }
    let (side, plain) = match resource.split_once('.') {
        Some(("limits", plain)) => ("limits", plain),
        Some((_, plain)) => ("requests", plain),
        None => ("requests", resource),
    };
    let path = format!("/resources/{side}/{plain}");
    items(pod, "/spec/containers").map(|container| amount(plain, container.pointer(&path))).sum()
}

fn within_quotas(world: &World, namespace: &str, pod: &Value) -> Result<(), String> {
    for (key, quota) in world.within("ResourceQuota", namespace) {
        for (resource, hard) in quota.pointer("/spec/hard").and_then(Value::as_object).into_iter().flatten() {
            if !is_counted(resource) {
                continue;
            }
            let used: i64 = living(world, namespace).map(|pod| taken(&pod, resource)).sum();
            let asked = taken(pod, resource);
            let most = amount(resource, Some(hard));
            if asked > 0 && used.saturating_add(asked) > most {
                return Err(format!(
                    "exceeded quota: {}, requested: {resource}={}, used: {resource}={}, limited: {resource}={}",
                    key.name,
                    written(resource, asked),
                    written(resource, used),
                    hard.as_str().map_or_else(|| hard.to_string(), str::to_owned)
                ));
            }
        }
    }
    Ok(())
}

/// Whether a quota's resource is one of pods.
pub(super) fn is_counted(resource: &str) -> bool {
    matches!(
        resource,
        "pods" | "cpu" | "memory" | "requests.cpu" | "requests.memory" | "limits.cpu" | "limits.memory"
    )
}

/// An amount as a quantity.
pub(super) fn written(resource: &str, amount: i64) -> String {
    if resource.ends_with("cpu") { format!("{amount}m") } else { amount.to_string() }
}

/// Pods of a namespace that have not ended.
pub(super) fn living(world: &World, namespace: &str) -> impl Iterator<Item = std::sync::Arc<Value>> + use<> {
    world
        .within("Pod", namespace)
        .into_iter()
        .filter(|(_, pod)| !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed"))
        .map(|(_, pod): (Key, _)| pod)
}
