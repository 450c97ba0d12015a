//! One short text that says how an object of any kind is: kubectl's own columns for the kinds everybody has, phase,
//! replicas and conditions for all others.
//!
//! It reads the object alone and judges nothing; `None` means that the object says nothing about itself.

use serde_json::Value;

/// Longest summary, in characters.
const LONGEST: usize = 120;

/// How the object is.
pub(super) fn of(kind: &str, object: &Value) -> Option<String> {
    let mut parts = Vec::new();
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        parts.push("Terminating".to_owned());
    }
    let at = |path: &str| object.pointer(path);
    let own = match kind {
        "Secret" => text(object, "/type"),
        "ConfigMap" => keys(object),
        "Service" => service(object),
        "Ingress" | "Route" => hosts(object),
        "Event" => event(object),
        "CronJob" => text(object, "/spec/schedule"),
        "StorageClass" => text(object, "/provisioner"),
        "Lease" => text(object, "/spec/holderIdentity"),
        "CustomResourceDefinition" => text(object, "/spec/group"),
        "RoleBinding" | "ClusterRoleBinding" => binding(object),
        "Role" | "ClusterRole" => {
            at("/rules").and_then(Value::as_array).map(|r| format!("{} rules", r.len()))
        }
        "PersistentVolume" => text(object, "/spec/capacity/storage"),
        "PersistentVolumeClaim" => text(object, "/status/capacity/storage"),
        "HorizontalPodAutoscaler" => autoscaler(object),
        "PodDisruptionBudget" => {
            number(object, "/status/disruptionsAllowed").map(|n| format!("{n} disruptions allowed"))
        }
        "Application" => text(object, "/status/health/status"),
        _ => None,
    };
    parts.extend(own);
    for path in ["/status/phase", "/status/state", "/status/sync/status"] {
        parts.extend(text(object, path));
    }
    parts.extend(replicas(object));
    parts.extend(conditions(object));
    if parts.is_empty() {
        return None;
    }
    let joined = parts.join(", ");
    let cut: String = joined.chars().take(LONGEST).collect();
    Some(if cut.len() < joined.len() { format!("{cut}…") } else { cut })
}

fn text(object: &Value, path: &str) -> Option<String> {
    object.pointer(path)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn number(object: &Value, path: &str) -> Option<i64> {
    object.pointer(path)?.as_i64()
}

/// The guard has turned the values of a ConfigMap into a list of its keys.
fn keys(object: &Value) -> Option<String> {
    let count = |path: &str| match object.pointer(path) {
        Some(Value::Array(keys)) => keys.len(),
        Some(Value::Object(keys)) => keys.len(),
        _ => 0,
    };
    Some(format!("{} keys", count("/data") + count("/binaryData")))
}

fn service(object: &Value) -> Option<String> {
    let ports = object.pointer("/spec/ports").and_then(Value::as_array);
    let ports: Vec<String> =
        ports.into_iter().flatten().filter_map(|p| number(p, "/port")).map(|p| p.to_string()).collect();
    Some(format!("{} {}", text(object, "/spec/type")?, ports.join(",")).trim_end().to_owned())
}

fn hosts(object: &Value) -> Option<String> {
    if let Some(host) = text(object, "/spec/host") {
        return Some(host);
    }
    let rules = object.pointer("/spec/rules")?.as_array()?;
    let hosts: Vec<String> = rules.iter().filter_map(|rule| text(rule, "/host")).collect();
    (!hosts.is_empty()).then(|| hosts.join(","))
}

fn event(object: &Value) -> Option<String> {
    let message = text(object, "/message").or_else(|| text(object, "/note")).unwrap_or_default();
    Some(format!("{}: {message}", text(object, "/reason")?))
}

fn binding(object: &Value) -> Option<String> {
    let subjects = object.pointer("/subjects").and_then(Value::as_array).map_or(0, Vec::len);
    Some(format!(
        "{} {} for {subjects} subjects",
        text(object, "/roleRef/kind")?,
        text(object, "/roleRef/name")?
    ))
}

fn autoscaler(object: &Value) -> Option<String> {
    let now =
        number(object, "/status/currentReplicas").map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let least = number(object, "/spec/minReplicas").unwrap_or(1);
    Some(format!("{least}..{}, now {now}", number(object, "/spec/maxReplicas")?))
}

fn replicas(object: &Value) -> Option<String> {
    if let Some(wanted) = number(object, "/status/desiredNumberScheduled") {
        return Some(format!("{}/{wanted} ready", number(object, "/status/numberReady")?));
    }
    let wanted = number(object, "/spec/replicas")?;
    // A 0 is left out of the status; that the status counts at all is seen by its `replicas`.
    let counts = number(object, "/status/replicas").map(|_| 0);
    let ready = number(object, "/status/readyReplicas").or(counts)?;
    Some(format!("{ready}/{wanted} ready"))
}

/// The condition that tells most: one that says Failed, then Ready or its like.
fn conditions(object: &Value) -> Option<String> {
    const TELLING: [&str; 10] = [
        "Failed",
        "Degraded",
        "Ready",
        "Available",
        "Complete",
        "Established",
        "Accepted",
        "Succeeded",
        "Synced",
        "Healthy",
    ];
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let find = |kind: &&str| conditions.iter().find(|c| c.get("type").and_then(Value::as_str) == Some(*kind));
    let told = TELLING.iter().filter_map(find).find(|condition| {
        let bad = matches!(text(condition, "/type").as_deref(), Some("Failed" | "Degraded"));
        !bad || text(condition, "/status").as_deref() == Some("True")
    })?;
    let reason = text(told, "/reason").filter(|_| text(told, "/status").as_deref() != Some("True"));
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    Some(format!("{}={}{reason}", text(told, "/type")?, text(told, "/status")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_say_how_they_are() {
        for (kind, object, want) in [
            (
                "Deployment",
                json!({"spec": {"replicas": 3}, "status": {"readyReplicas": 2, "conditions": [{"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"}]}}),
                Some("2/3 ready, Available=False (MinimumReplicasUnavailable)"),
            ),
            (
                "Pod",
                json!({"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
                Some("Terminating, Running, Ready=True"),
            ),
            (
                "Service",
                json!({"spec": {"type": "ClusterIP", "ports": [{"port": 80}, {"port": 443}]}}),
                Some("ClusterIP 80,443"),
            ),
            ("ConfigMap", json!({"data": ["a (1 bytes)", "b (2 bytes)"]}), Some("2 keys")),
            (
                "Certificate",
                json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Issuing"}]}}),
                Some("Ready=False (Issuing)"),
            ),
            (
                "Job",
                json!({"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "x"}]}}),
                Some("Failed=True"),
            ),
            ("Widget", json!({"spec": {}}), None),
            ("Widget", json!({"status": {"conditions": "nonsense", "phase": 7}}), None),
        ] {
            assert_eq!(of(kind, &object).as_deref(), want, "{kind}");
        }
    }
}
