//! Asking Argo CD to sync an Application, or to sync it to an earlier entry of its history.
//!
//! The request is the Application's `operation`, the same that Argo CD's own API server writes (operator manual, "Sync
//! Applications with kubectl"); its controller takes it up and says in `status.operationState` how it goes. What Argo CD
//! deploys is never written to. Nothing is pruned.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    Deed, EFFECT, INFO, Observation, Sight,
    object::{Change, marker, members, present, refused, text},
    rollout,
};
use crate::{
    model::{action::Action, phase::Verdict, target::Target},
    ports::acting::Verb,
};

/// The namespaces in which an action through an Application changes something: its destination's, and those of what it
/// manages, each once. Those of a cluster elsewhere are told by the same names, which is the stricter reading.
pub fn deploys_to(action: &Action, application: &Value) -> Vec<String> {
    if !matches!(action, Action::SyncApplication { .. } | Action::RollbackApplication { .. }) {
        return Vec::new();
    }
    let managed = application.pointer("/status/resources").and_then(Value::as_array);
    let managed = managed.into_iter().flatten().filter_map(|resource| text(resource, "/namespace"));
    let all: BTreeSet<&str> =
        text(application, "/spec/destination/namespace").into_iter().chain(managed).collect();
    all.into_iter().filter(|namespace| !namespace.is_empty()).map(str::to_owned).collect()
}

/// The operation that runs, or waits to be taken up.
fn requested(application: &Value) -> Option<&Value> {
    application.get("operation").filter(|operation| operation.is_object())
}

/// The operation that ran last, or runs.
fn state(application: &Value) -> Option<&Value> {
    application.pointer("/status/operationState")
}

/// Whether an operation carries this key.
fn carries(operation: &Value, key: &str) -> bool {
    let info = operation.get("info").and_then(Value::as_array);
    let mut info = info.into_iter().flatten();
    info.any(|info| text(info, "/name") == Some(INFO) && text(info, "/value") == Some(key))
}

/// Whether the operation that ran last is this step's.
fn is_ours(state: &Value, key: &str) -> bool {
    state.get("operation").is_some_and(|operation| carries(operation, key))
}

fn is_running(state: &Value) -> bool {
    matches!(text(state, "/phase"), Some("Running" | "Terminating"))
}

/// The Application, when an operation may be asked for.
fn idle<'a>(deed: &Deed<'_>, seen: &'a [Sight]) -> Result<&'a Value, Observation> {
    let (target, key) = (deed.action.target(), deed.key);
    if target.group != "argoproj.io" || target.kind != "Application" {
        return Err(refused(format!("{target} is no Application of Argo CD")));
    }
    let application = present(target, seen)?;
    let state = state(application);
    let is_done = requested(application).is_some_and(|operation| carries(operation, key))
        || state.is_some_and(|state| is_ours(state, key))
        // Another operation may have run since; the marker stays.
        || marker(application) == Some(key);
    if is_done {
        return Err(Observation::Applied { evidence: format!("{target} was asked with {INFO}={key}") });
    }
    if requested(application).is_some() || state.is_some_and(is_running) {
        return Err(Observation::Wait { why: format!("another operation of {target} is running") });
    }
    Ok(application)
}

/// What Argo CD does without being asked; `None` when nothing.
fn automated(application: &Value) -> Option<&Value> {
    let automated = application.pointer("/spec/syncPolicy/automated").filter(|policy| policy.is_object())?;
    (automated.get("enabled") != Some(&Value::Bool(false))).then_some(automated)
}

/// Sends the operation.
fn ask(
    deed: &Deed<'_>,
    application: &Value,
    mut sync: Map<String, Value>,
    after: Value,
    mut diff: Vec<String>,
) -> Observation {
    if let Some(options) = application.pointer("/spec/syncPolicy/syncOptions") {
        sync.insert("syncOptions".to_owned(), options.clone());
    }
    if let Some(automated) = automated(application) {
        let heals = automated.get("selfHeal") == Some(&Value::Bool(true));
        let also = if heals { " and self-heal" } else { "" };
        diff.push(format!("automated sync{also} is on: Argo CD syncs by itself as well"));
    }
    let body = json!({
        "metadata": {"annotations": {EFFECT: deed.key}},
        "operation": {
            "initiatedBy": {"username": "aiops"},
            "info": [{"name": INFO, "value": deed.key}],
            "sync": sync,
        },
    });
    let before = json!({ "revision": application.pointer("/status/sync/revision") });
    let change = Change::of(application, members(before), after, diff);
    deed.ready(Verb::MergePatch, application, body, change)
}

pub(super) fn observe_sync(deed: &Deed<'_>, seen: &[Sight]) -> Observation {
    let application = match idle(deed, seen) {
        Ok(application) => application,
        Err(told) => return told,
    };
    let sync = members(json!({"syncStrategy": {"hook": {}}}));
    let now = text(application, "/status/sync/status").unwrap_or("unknown");
    let diff = vec![format!("operation: none -> sync (sync status now: {now})")];
    ask(deed, application, sync, json!({"operation": "sync"}), diff)
}

pub(super) fn observe_rollback(deed: &Deed<'_>, history: i64, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    let application = match idle(deed, seen) {
        Ok(application) => application,
        Err(told) => return told,
    };
    if automated(application).is_some() {
        return refused(format!(
            "automated sync of {target} is on, so Argo CD would undo a rollback; switch it off or revert in git"
        ));
    }
    let entries = application.pointer("/status/history").and_then(Value::as_array);
    let is_wanted = |entry: &&Value| entry.get("id").and_then(Value::as_i64) == Some(history);
    let Some(entry) = entries.and_then(|entries| entries.iter().find(is_wanted)) else {
        return refused(format!("the history of {target} has no entry {history}"));
    };
    let mut sync = members(json!({"syncStrategy": {"apply": {}}}));
    for member in ["revision", "revisions", "source", "sources"] {
        if let Some(value) = entry.get(member).filter(|value| !value.is_null()) {
            sync.insert(member.to_owned(), value.clone());
        }
    }
    if !sync.contains_key("revision") && !sync.contains_key("revisions") {
        return refused(format!("entry {history} in the history of {target} names no revision"));
    }
    let now = text(application, "/status/sync/revision").unwrap_or("unknown");
    let to = entry.get("revision").and_then(Value::as_str).unwrap_or("several");
    let diff = vec![format!("operation: none -> sync to history entry {history} (revision {now} -> {to})")];
    ask(deed, application, sync, json!({"operation": "rollback", "history": history}), diff)
}

/// After an operation has succeeded, the Application has to be healthy, and synced when it was asked to sync to what git
/// says: a rollback leaves it out of sync by intent.
pub(super) fn verify(target: &Target, key: &str, to_git: bool, seen: &[Sight]) -> (Verdict, String) {
    let application = match rollout::workload(target, seen) {
        Ok(application) => application,
        Err(told) => return told,
    };
    if requested(application).is_some_and(|operation| carries(operation, key)) {
        return (Verdict::Unknown, format!("Argo CD has not finished the operation of {target}"));
    }
    if let Some(state) = state(application).filter(|state| is_ours(state, key)) {
        let (phase, message) =
            (text(state, "/phase").unwrap_or("unknown"), text(state, "/message").unwrap_or("no message"));
        match phase {
            "Failed" | "Error" => {
                return (
                    Verdict::Failed,
                    format!("Argo CD's operation of {target} ended {phase}: {message}"),
                );
            }
            "Succeeded" => {}
            _ => return (Verdict::Unknown, format!("Argo CD's operation of {target} is {phase}: {message}")),
        }
    } else if requested(application).is_some() || state(application).is_some_and(is_running) {
        return (Verdict::Unknown, format!("another operation of {target} is running"));
    }
    let sync = text(application, "/status/sync/status").unwrap_or("Unknown");
    let health = text(application, "/status/health/status").unwrap_or("Unknown");
    let told = format!("{target} is {sync} and {health}");
    // Both are RFC 3339 in UTC with whole seconds, which sort as text.
    let (finished, compared) =
        (text(application, "/status/operationState/finishedAt"), text(application, "/status/reconciledAt"));
    if let (Some(finished), Some(compared)) = (finished, compared)
        && compared < finished
    {
        return (Verdict::Unknown, format!("{told}, as of before the operation ended"));
    }
    let is_well = health == "Healthy" && (!to_git || sync == "Synced");
    (if is_well { Verdict::Passed } else { Verdict::Unknown }, told)
}
