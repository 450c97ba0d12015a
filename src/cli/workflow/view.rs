//! A workflow for people: where it is, what it does, what was seen, what it waits for.
//!
//! Text of others is escaped; nothing is coloured, so that it reads the same in a file.

use serde_json::Value;

use crate::cli::{
    asking::{issue, items, object, text},
    table::clean,
};

/// The whole view.
pub(super) fn whole(workflow: &Value) -> String {
    let mut lines = lines(workflow);
    lines.push(String::new());
    lines.join("\n")
}

/// The view, line by line.
pub(super) fn lines(workflow: &Value) -> Vec<String> {
    let member = |name| clean(text(workflow, name));
    let target =
        object(text(workflow, "resource_kind"), text(workflow, "namespace"), text(workflow, "resource_name"));
    let mut lines = vec![
        format!("{}  {}  {} ({})", member("id"), clean(&target), clean(&issue(workflow)), member("severity")),
        format!("{} {}", sign(text(workflow, "phase")), headline(workflow)),
        format!(
            "  incident {} · {} · deployed: {} · asked for by {} at {}",
            member("incident_id"),
            remedy(workflow),
            member("deployment_method"),
            member("requested_by"),
            member("created_at")
        ),
    ];
    lines.extend(workflow.get("decision").filter(|decision| decision.is_object()).map(decided));
    let steps: Vec<&Value> = items(workflow, "steps").collect();
    if !steps.is_empty() {
        lines.push("steps".to_owned());
    }
    for step in steps {
        lines.push(format!("  {} {}", sign(text(step, "state")), step_line(step)));
        if text(step, "state") == "pending" {
            let proof = step.get("proof").unwrap_or(&Value::Null);
            match proof.get("accepted").and_then(Value::as_bool) {
                Some(true) => lines.push("      dry run: the API server accepts it".to_owned()),
                Some(false) => lines.push("      dry run: the API server refuses it".to_owned()),
                None => {}
            }
            lines.extend(
                items(proof, "diff").filter_map(Value::as_str).map(|diff| format!("      {}", clean(diff))),
            );
            lines.extend(
                items(proof, "notes")
                    .filter_map(Value::as_str)
                    .map(|note| format!("      note: {}", clean(note))),
            );
        }
    }
    let checks: Vec<&Value> =
        items(workflow, "checkpoints").filter(|check| text(check, "status") != "pending").collect();
    if !checks.is_empty() {
        lines.push("checks".to_owned());
    }
    for check in checks {
        let seen: Vec<&str> = items(check, "evidence").filter_map(Value::as_str).collect();
        let names: Vec<&str> = items(check, "checks").filter_map(Value::as_str).collect();
        let said = if seen.is_empty() { names.join(", ") } else { seen.join("; ") };
        lines.push(format!("  {} {}", sign(text(check, "status")), clean(&said)));
    }
    if let Some(awaiting) = workflow.get("awaiting").filter(|awaiting| awaiting.is_object()) {
        lines.push(format!(
            "waits until {} for an approval ({}, rule {}):",
            clean(text(awaiting, "expires_at")),
            clean(text(awaiting, "approval")),
            clean(text(awaiting, "rule"))
        ));
        lines.push(format!(
            "  aiops workflow approve {} --digest {}",
            member("id"),
            clean(text(awaiting, "digest"))
        ));
    }
    lines
}

/// Who approved or denied the plan.
fn decided(decision: &Value) -> String {
    let member = |name| clean(text(decision, name));
    let is_approved = decision.get("approved").and_then(Value::as_bool) == Some(true);
    let what = if is_approved { "approved" } else { "denied" };
    let behind = |word: &str, name| match text(decision, name) {
        "" => String::new(),
        said => format!("{word}{}", clean(said)),
    };
    format!(
        "  {what} by {}{} at {}{}",
        member("by"),
        behind(" over ", "via"),
        member("at"),
        behind(": ", "reason")
    )
}

/// The phase, and why it is that one.
pub(super) fn headline(workflow: &Value) -> String {
    let mut said = clean(text(workflow, "phase"));
    let reason = text(workflow, "reason");
    if !reason.is_empty() {
        said.push_str(&format!(": {}", clean(reason)));
    }
    let rule = text(workflow, "rule");
    if !rule.is_empty() {
        said.push_str(&format!(" (rule {})", clean(rule)));
    }
    let is_set = |name: &str| workflow.get(name).and_then(Value::as_bool) == Some(true);
    if is_set("rolled_back") && text(workflow, "phase") != "rolled_back" {
        said.push_str("; everything it did was undone");
    }
    if is_set("simulated") {
        said.push_str(" [model cluster]");
    }
    said
}

/// What a step does and what came of it.
pub(super) fn step_line(step: &Value) -> String {
    let is_said = text(step, "direction") != "undo" || text(step, "description").starts_with("undo: ");
    let back = if is_said { "" } else { "undo: " };
    let mut said = format!("{back}{}", clean(text(step, "description")));
    let result = text(step, "result");
    if !result.is_empty() {
        said.push_str(&format!(" — {}", clean(result)));
    }
    if text(step, "undo") == "irreversible" && text(step, "state") == "pending" {
        said.push_str(" [cannot be undone]");
    }
    said
}

fn remedy(workflow: &Value) -> String {
    let remedy = text(workflow, "remedy");
    if remedy.is_empty() { "no remedy chosen yet".to_owned() } else { clean(remedy) }
}

/// Good, bad, in work, or still ahead.
const fn sign(state: &str) -> &'static str {
    match state.as_bytes() {
        b"completed" | b"verified" | b"applied" | b"skipped" | b"passed" => "✓",
        b"failed" | b"indeterminate" | b"refused" | b"rejected" | b"expired" | b"cancelled"
        | b"needs_operator" | b"rolled_back" | b"unknown" => "✗",
        b"intent" | b"running" | b"verifying" | b"rolling_back" => "▸",
        _ => "·",
    }
}
