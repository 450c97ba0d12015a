//! Nothing is overwritten that somebody changed between a plan and its step.
//!
//! I21. What a field held while the plan was made is told by the journal of writes alone, whatever the plan says of it; it has
//! to be so when the step has its effect.

use serde_json::Value;

use super::{Findings, History, replay::Replay};
use crate::{
    model::action::Action,
    testing::model::{
        Entry, Key, OURSELVES,
        json::{take, text},
    },
};

pub(super) fn check(history: &History, replay: &Replay, findings: &mut Findings) {
    for effect in history.journal.iter().filter(|entry| entry.actor == OURSELVES && entry.is_effect()) {
        let Some((id, told)) = replay.told.iter().find(|(id, _)| id.as_str() == effect.workflow) else {
            continue;
        };
        let Some(made) = told.planned else { continue };
        let plan = told.workflow.as_ref().and_then(|workflow| workflow.plan.as_ref());
        let step = plan.into_iter().flat_map(|plan| &plan.steps).find(|step| {
            format!("{id}/{}/do", step.order) == effect.effect_key
                && Key::of_target(step.action.target()) == effect.key
        });
        let (Some(step), Some(plan), Some(before)) = (step, plan, &effect.before) else { continue };
        // What an earlier step left behind is the plan's own.
        let is_own = |other: &crate::model::plan::Step| {
            other.order < step.order && other.action.target().key() == step.action.target().key()
        };
        if plan.steps.iter().any(is_own) {
            continue;
        }
        let Some(found) = overwritten(&step.action, before) else { continue };
        let held = held(history, effect, (told.accepted, made), &step.action);
        findings.unless(held.contains(&found), "I21", || {
            format!(
                "{} overwrote {found} of {}, and it was made on one of {held:?}",
                effect.effect_key, effect.key
            )
        });
    }
}

/// What an action overwrites that others set as well; `None` where it overwrites nothing.
fn overwritten(action: &Action, object: &Value) -> Option<Value> {
    match action {
        Action::ScaleWorkload { .. } => {
            Some(object.pointer("/spec/replicas").cloned().unwrap_or_else(|| 1.into()))
        }
        Action::SetResources { container, .. } => {
            let containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array);
            let mut containers = containers.into_iter().flatten();
            let container = containers.find(|known| text(known, "/name") == container)?;
            // The actions of the runs set this one alone.
            container.pointer("/resources/limits/memory").cloned()
        }
        Action::RollbackWorkload { .. } => {
            let mut template = object.pointer("/spec/template")?.clone();
            take(&mut template, "/metadata/annotations/aiops.io~1restart");
            let annotations = template.pointer("/metadata/annotations").and_then(Value::as_object);
            if annotations.is_some_and(serde_json::Map::is_empty) {
                take(&mut template, "/metadata/annotations");
            }
            Some(template)
        }
        _ => None,
    }
}

/// Every value that the field had from the moment at which the workflow was accepted to the one at which its plan was kept.
fn held(history: &History, effect: &Entry, (from, to): (u64, u64), action: &Action) -> Vec<Value> {
    let writes = history.journal.iter().filter(|entry| {
        entry.key == effect.key && entry.status < 300 && !entry.dry_run && entry.order <= effect.order
    });
    let mut values = Vec::new();
    for write in writes {
        let (before, after) = (write.before.as_deref(), write.after.as_deref());
        if write.order > to {
            // The first one after the plan says what was there until then.
            values
                .extend(before.and_then(|before| overwritten(action, before)).filter(|_| values.is_empty()));
            break;
        }
        if write.order >= from {
            values.extend(before.and_then(|before| overwritten(action, before)));
        } else {
            values.clear();
        }
        values.extend(after.and_then(|after| overwritten(action, after)));
    }
    values
}
