//! Restarting a workload: an annotation of its pod template, set to the step's own key.
//!
//! Never a time: sent twice, the same key changes nothing. It is not undone, because pods do not come back.

use serde_json::{Value, json};

use super::{
    Deed, Observation, RESTART, Sight,
    object::{Change, members, present, refused, text},
    revision, rollout,
};
use crate::{
    model::{phase::Verdict, target::Target},
    ports::acting::Verb,
};

fn place() -> String {
    format!("/spec/template/metadata/annotations/{}", super::object::escaped(RESTART))
}

/// The key of the step that restarted it last.
pub(super) fn restarted(workload: &Value) -> Option<&str> {
    text(workload, &place())
}

pub(super) fn observe(deed: &Deed<'_>, seen: &[Sight]) -> Observation {
    let target = deed.action.target();
    if revision::holder(target).is_none() {
        return refused(format!(
            "{target} cannot be restarted; only a Deployment, StatefulSet or DaemonSet can"
        ));
    }
    let workload = match present(target, seen) {
        Ok(workload) => workload,
        Err(told) => return told,
    };
    let before = restarted(workload);
    if before == Some(deed.key) {
        let evidence = format!("the pod template of {target} carries {RESTART}={}", deed.key);
        return Observation::Applied { evidence };
    }
    if let Some(why) = rollout::holds_still(workload) {
        return refused(format!("{target} {why}"));
    }
    let body = json!({"spec": {"template": {"metadata": {"annotations": {RESTART: deed.key}}}}});
    let change = Change::of(
        workload,
        members(json!({ "restart": before })),
        json!({ "restart": deed.key }),
        vec![format!(
            "spec.template.metadata.annotations[{RESTART}]: {} -> {}",
            before.unwrap_or("none"),
            deed.key
        )],
    );
    deed.ready(Verb::MergePatch, workload, body, change)
}

pub(super) fn verify(target: &Target, key: &str, seen: &[Sight]) -> (Verdict, String) {
    match rollout::workload(target, seen) {
        Ok(workload) if restarted(workload) != Some(key) => (
            Verdict::Failed,
            format!("the pod template of {target} does not carry the restart any more: somebody set it back"),
        ),
        Ok(_) => rollout::verify(target, seen),
        Err(told) => told,
    }
}
