//! Argo CD: what it deploys is changed through its Application, by a sync or by going back in its history.
//!
//! Nothing is written to the workloads themselves. An Application that syncs by itself is never rolled back: Argo CD
//! refuses it, and would undo it (Argo CD, "Automated Sync Policy").

use serde_json::Value;

use super::{Draft, Move, Remedy, began};
use crate::{
    issue_words::UNSPECIFIED,
    model::{action::Action, plan::Risk, target::Target},
    planner::{Neighbourhood, value},
};

/// A sync that ended within so many seconds of a new revision made it.
const SOON: i64 = 600;
/// How long a sync is expected to take, in seconds: the Go engine waited up to 5 minutes.
const SYNC: u32 = 120;

/// Issues that a sync may end though the Application is Synced, because its hooks and health checks run again. For what
/// only another template ends, it would apply the same one.
const AGAIN: [&str; 7] = [
    "crash_loop",
    "pod_not_ready",
    "deployment_unavailable",
    "high_memory",
    "network_issue",
    "out_of_sync",
    UNSPECIFIED,
];

pub(super) struct Sync;
pub(super) struct Rollback;

impl Remedy for Sync {
    fn name(&self) -> &'static str {
        "sync-application"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        let (app, target) = application(near)?;
        let (sync, health) = standing(app);
        if sync == "Synced" && !AGAIN.contains(&near.problem.issue.as_str()) {
            return Err(format!(
                "{target} is Synced already, so a sync would change nothing: change its source"
            ));
        }
        let auto = if is_automated(app) { ", which it also does by itself" } else { "" };
        Ok(Draft {
            why: format!(
                "{target} deploys it and is {sync} and {health}; a sync applies what its source says{auto}"
            ),
            moves: vec![Move::new(
                format!("Sync {target}"),
                Action::SyncApplication { target: target.clone() },
            )],
            expected: format!("{target} is Synced and Healthy"),
            risk: Risk::Medium,
            seconds: SYNC,
        })
    }
}

impl Remedy for Rollback {
    fn name(&self) -> &'static str {
        "rollback-application"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        let (app, target) = application(near)?;
        // Of an Application itself it is not known which revision of what began the trouble.
        let back = began::good_revision(near)?;
        let history: Vec<&Value> = value::list(app, "/status/history").collect();
        let (Some(last), Some(before)) =
            (history.last(), history.len().checked_sub(2).and_then(|at| history.get(at)))
        else {
            return Err(format!("{target} has no earlier entry in its history"));
        };
        let deployed = value::time(last, "/deployedAt").unwrap_or(0);
        let began = near.current().map_or(0, |current| current.created);
        if began.abs_diff(deployed) > SOON.unsigned_abs() {
            return Err(format!("the last sync of {target} did not make the current revision"));
        }
        if back.skipped > 0 {
            return Err(elsewhere(app, &target, &back));
        }
        if is_automated(app) {
            return Err(format!(
                "{target} syncs by itself, so it cannot be rolled back: revert the change in its source, or switch automated sync off and run `argocd app rollback {} {}`",
                target.name,
                value::int(before, "/id").unwrap_or(0)
            ));
        }
        let Some(history) = value::int(before, "/id") else {
            return Err(format!("the earlier entry in the history of {target} has no id"));
        };
        let revision: String = value::text(before, "/revision").chars().take(12).collect();
        Ok(Draft {
            why: format!("{}; the last sync of {target} made it", back.why),
            moves: vec![Move::new(
                format!("Roll {target} back to entry {history} of its history ({revision})"),
                Action::RollbackApplication { target: target.clone(), history },
            )],
            expected: format!("{target} runs what it ran before and is Healthy"),
            risk: Risk::Medium,
            seconds: SYNC,
        })
    }
}

/// What a person does where the entry before the last is not the one that was good. An entry names a commit and not what
/// it deployed, so which one it is cannot be told here.
fn elsewhere(app: &Value, target: &Target, back: &began::Back<'_>) -> String {
    let how = if is_automated(app) {
        "revert its source to that, for it syncs by itself".to_owned()
    } else {
        format!("run `argocd app rollback {} ID` with its id", target.name)
    };
    format!(
        "{}, but {} other lies between, so the entry before the last in the history of {target} is not known to be good: find the one that deployed {} with `argocd app history {}`, and {how}",
        back.why,
        back.skipped,
        back.to.images(),
        target.name
    )
}

/// The Application, free to be operated on.
fn application(near: &Neighbourhood) -> Result<(&Value, Target), String> {
    let Some(app) = &near.application else {
        return Err(near.owners.application.as_ref().map_or_else(String::new, |app| {
            format!("Argo CD {app} owns {}, and it could not be found or read", near.target())
        }));
    };
    let target = value::target(app);
    let is_busy = app.get("operation").is_some_and(|operation| !operation.is_null())
        || value::text(app, "/status/operationState/phase") == "Running";
    if is_busy {
        return Err(format!("{target} is running another operation; wait for it or stop it first"));
    }
    if !value::text(app, "/metadata/deletionTimestamp").is_empty() {
        return Err(format!("{target} is being deleted"));
    }
    Ok((app, target))
}

fn standing(app: &Value) -> (&str, &str) {
    let or = |text: &'static str, path: &str| match value::text(app, path) {
        "" => text,
        known => known_word(known),
    };
    (or("of unknown sync", "/status/sync/status"), or("of unknown health", "/status/health/status"))
}

/// The words of Argo CD; others are not repeated.
fn known_word(word: &str) -> &'static str {
    const WORDS: [&str; 8] =
        ["Synced", "OutOfSync", "Unknown", "Healthy", "Progressing", "Degraded", "Suspended", "Missing"];
    WORDS.into_iter().find(|known| *known == word).unwrap_or("in a state of its own")
}

/// It syncs by itself.
pub(super) fn is_automated(app: &Value) -> bool {
    let automated = app.pointer("/spec/syncPolicy/automated").filter(|automated| !automated.is_null());
    automated.is_some_and(|automated| automated.get("enabled").and_then(Value::as_bool) != Some(false))
}
