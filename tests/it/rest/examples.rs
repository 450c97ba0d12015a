//! The examples of the REST contract, and whether an answer is of their form, member by member.
//!
//! A member of an example must be there, not null, of the same JSON type and of the form that the example's value has:
//! a moment in whole seconds of UTC, an id, a duration, `Kind/name`, or one of the words that the contract and the
//! documented tables have for it. What an answer holds beyond the example is for the OpenAPI document to allow.

use jiff::Timestamp;
use serde_json::{Value, json};

/// An example, and the words that may stand at its paths.
pub(super) struct Example {
    text: &'static str,
    words: &'static [(&'static str, &'static [&'static str])],
}

const STATUS: &[&str] = &["pending", "in_progress", "completed", "failed"];
const METHOD: &[&str] = &["argocd", "helm", "operator", "manual", "unknown"];
const LAYER: &[&str] = &["infrastructure", "platform", "application"];
pub(super) const SEVERITY: &[&str] = &["low", "medium", "high", "critical"];
const INCIDENT: &[&str] = &["active", "in_progress", "remediated", "failed", "resolved", "cancelled"];
const DEPENDENCY: &[&str] =
    &["ok", "degraded", "connecting", "down", "missing", "disabled", "absent", "unknown"];

pub(super) const HEALTH: Example = Example {
    text: r#"{
        "status": "healthy",
        "timestamp": "2025-12-18T10:00:00Z",
        "version": "1.0.0",
        "dependencies": { "kubernetes": "ok", "ml_service": "ok", "argocd": "ok" }
    }"#,
    words: &[
        ("/status", &["healthy", "degraded", "unhealthy"]),
        ("/dependencies/kubernetes", DEPENDENCY),
        ("/dependencies/ml_service", DEPENDENCY),
        ("/dependencies/argocd", DEPENDENCY),
    ],
};

pub(super) const TRIGGERED: Example = Example {
    text: r#"{
        "workflow_id": "wf-67890",
        "status": "in_progress",
        "deployment_method": "argocd",
        "estimated_duration": "5m"
    }"#,
    words: &[("/status", STATUS), ("/deployment_method", METHOD)],
};

pub(super) const INCIDENTS: Example = Example {
    text: r#"{
        "incidents": [{
            "id": "inc-12345",
            "namespace": "production",
            "resource": "Deployment/payment-service",
            "issue_type": "pod_crash_loop",
            "severity": "high",
            "created_at": "2025-12-18T09:45:00Z",
            "status": "remediated",
            "workflow_id": "wf-67890"
        }],
        "total": 1
    }"#,
    words: &[("/incidents/severity", SEVERITY), ("/incidents/status", INCIDENT)],
};

pub(super) const WORKFLOW: Example = Example {
    text: r#"{
        "id": "wf-67890",
        "incident_id": "inc-12345",
        "status": "completed",
        "deployment_method": "argocd",
        "layers": ["application"],
        "steps": [{
            "order": 0,
            "layer": "application",
            "description": "Trigger ArgoCD sync for payment-service",
            "status": "completed",
            "started_at": "2025-12-18T09:50:00Z",
            "completed_at": "2025-12-18T09:52:00Z"
        }],
        "checkpoints": [{
            "layer": "application",
            "after_step": 0,
            "status": "passed",
            "checks": ["pods_running", "endpoints_healthy"]
        }],
        "created_at": "2025-12-18T09:50:00Z",
        "completed_at": "2025-12-18T09:52:00Z"
    }"#,
    words: &[
        ("/status", STATUS),
        ("/deployment_method", METHOD),
        ("/layers", LAYER),
        ("/steps/layer", LAYER),
        ("/steps/status", STATUS),
        ("/checkpoints/layer", LAYER),
        ("/checkpoints/status", &["pending", "passed", "failed", "unknown"]),
    ],
};

/// The request of the contract's example.
pub(super) fn trigger() -> Value {
    json!({
        "incident_id": "inc-12345",
        "namespace": "production",
        "resource": { "kind": "Deployment", "name": "payment-service" },
        "issue": { "type": "pod_crash_loop", "description": "Pods in CrashLoopBackOff", "severity": "high" },
    })
}

impl Example {
    /// The example itself.
    pub(super) fn value(&self) -> Value {
        serde_json::from_str(self.text).unwrap()
    }

    /// The answer is of the example's form, but for these members (by path, entries of lists without a number), which
    /// this answer must not have: absent, null or an empty list.
    #[track_caller]
    pub(super) fn is_form_of(&self, given: &Value, without: &[&str]) {
        let faults = self.faults(given, without);
        assert!(faults.is_empty(), "{}\nin {given:#}", faults.join("\n"));
    }

    fn faults(&self, given: &Value, without: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        self.compare(given, &self.value(), "", without, &mut faults);
        moments(given, "", &mut faults);
        faults
    }

    fn compare(&self, given: &Value, example: &Value, at: &str, without: &[&str], faults: &mut Vec<String>) {
        if without.contains(&at) {
            if !(given.is_null() || given.as_array().is_some_and(Vec::is_empty)) {
                faults.push(format!("{at} must not be there, and is {given}"));
            }
            return;
        }
        match (given, example) {
            (Value::Object(given), Value::Object(example)) => {
                for (name, example) in example {
                    let member = given.get(name).unwrap_or(&Value::Null);
                    self.compare(member, example, &format!("{at}/{name}"), without, faults);
                }
            }
            (Value::Array(given), Value::Array(example)) => {
                if given.is_empty() {
                    faults.push(format!("{at} is empty"));
                }
                for given in given {
                    self.compare(given, &example[0], at, without, faults);
                }
            }
            (Value::Number(given), Value::Number(_)) => {
                if !given.is_u64() {
                    faults.push(format!("{at} is {given}, not a whole number"));
                }
            }
            (Value::String(given), Value::String(example)) => {
                let words = self.words.iter().find(|(path, _)| *path == at).map(|(_, words)| *words);
                let is_right =
                    words.map_or_else(|| is_of_form(given, example), |words| words.contains(&given.as_str()));
                if !is_right {
                    let wanted = words.map_or_else(|| example.to_owned(), |words| words.join(", "));
                    faults.push(format!("{at} is {given:?}; wanted as {wanted}"));
                }
            }
            _ => faults.push(format!("{at} is {given}; wanted as {example}")),
        }
    }
}

/// Every moment, the example's and others, is told in the contract's one form.
fn moments(given: &Value, at: &str, faults: &mut Vec<String>) {
    match given {
        Value::Object(members) => {
            for (name, value) in members {
                let at = format!("{at}/{name}");
                let is_moment = name.ends_with("_at") || name == "timestamp";
                if let (true, Value::String(text)) = (is_moment, value)
                    && !is_second(text)
                {
                    faults.push(format!("{at} is {text:?}, not a moment in whole seconds"));
                }
                moments(value, &at, faults);
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| moments(entry, at, faults)),
        _ => {}
    }
}

fn is_second(text: &str) -> bool {
    text.len() == "2025-12-18T10:00:00Z".len()
        && text.as_bytes()[10] == b'T'
        && text.ends_with('Z')
        && text.parse::<Timestamp>().is_ok()
}

fn is_of_form(given: &str, example: &str) -> bool {
    let is_word =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if example.parse::<Timestamp>().is_ok() {
        return is_second(given);
    }
    if let Some(prefix) = ["inc-", "wf-"].into_iter().find(|prefix| example.starts_with(prefix)) {
        return given.strip_prefix(prefix).is_some_and(is_word);
    }
    if let Some((kind, _)) = example.split_once('/') {
        let is_kind = |text: &str| is_word(text) && text.starts_with(char::is_uppercase);
        return is_kind(kind)
            && given.split_once('/').is_some_and(|(kind, name)| is_kind(kind) && is_word(name));
    }
    let (is_version, is_duration) = (
        |text: &str| text.split('.').count() == 3 && text.split('.').all(|part| part.parse::<u32>().is_ok()),
        |text: &str| {
            text.starts_with(|c: char| c.is_ascii_digit())
                && text.ends_with(['h', 'm', 's'])
                && text.chars().all(|c| c.is_ascii_digit() || "hms".contains(c))
        },
    );
    if is_version(example) {
        return is_version(given);
    }
    if is_duration(example) {
        return is_duration(given);
    }
    !given.is_empty()
}

#[test]
fn each_example_is_of_its_own_form_and_nothing_less_is() {
    for example in [HEALTH, TRIGGERED, INCIDENTS, WORKFLOW] {
        example.is_form_of(&example.value(), &[]);
    }
    for (pointer, value) in [
        ("/id", json!("67890")),
        ("/status", json!("executing")),
        ("/layers", json!([])),
        ("/layers/0", json!("Application")),
        ("/steps/0/order", json!("0")),
        ("/steps/0/order", json!(0.5)),
        ("/steps/0/completed_at", Value::Null),
        ("/checkpoints/0/checks", json!("pods_running")),
        ("/checkpoints/0/status", json!("completed")),
        ("/created_at", json!("2025-12-18T09:50:00.5Z")),
        ("/created_at", json!("2025-12-18T10:50:00+01:00")),
        ("/created_at", json!(1_766_051_400)),
    ] {
        let mut wrong = WORKFLOW.value();
        *wrong.pointer_mut(pointer).unwrap() = value;
        assert!(!WORKFLOW.faults(&wrong, &[]).is_empty(), "{pointer}: {wrong}");
    }
    let mut wrong = WORKFLOW.value();
    wrong["decision"] = json!({ "decided_at": "yesterday" });
    assert_eq!(WORKFLOW.faults(&wrong, &[]).len(), 1, "a moment beside the example's members");
    assert_eq!(WORKFLOW.faults(&WORKFLOW.value(), &["/completed_at"]).len(), 1, "it was not to be there");
    let long = json!({ "workflow_id": "wf-1", "status": "pending", "deployment_method": "helm", "estimated_duration": "five" });
    assert_eq!(TRIGGERED.faults(&long, &[]).len(), 1, "no duration");
}
