//! How many of a workload's pods a change of its template takes away at once, by its strategy.
//!
//! It counts only what the strategy takes altogether: a rolling update that keeps some pods serving is not its business.

use serde_json::Value;

use super::{
    object::{number, text},
    rollout,
};
use crate::model::action::Action;

/// Ready pods that go at once when this action's new template comes: all of them, under `Recreate` or with a maxUnavailable
/// that covers them. `None` where some stay, where none serves, and where nothing is said: the defaults of Kubernetes keep
/// some.
pub fn takes_down(action: &Action, object: &Value) -> Option<u32> {
    let changes_template = matches!(
        action,
        Action::RestartWorkload { .. }
            | Action::RollbackWorkload { .. }
            | Action::SetResources { .. }
            | Action::RevertManifest { .. }
    );
    if !changes_template {
        return None;
    }
    let (takes_all, ready) = match action.target().kind.as_str() {
        "Deployment" => {
            let wanted = rollout::wanted(object);
            let is_recreated = text(object, "/spec/strategy/type") == Some("Recreate");
            let gone = object.pointer("/spec/strategy/rollingUpdate/maxUnavailable");
            (is_recreated || covers(gone, wanted, false), number(object, "/status/readyReplicas"))
        }
        "StatefulSet" => {
            let gone = object.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable");
            (covers(gone, rollout::wanted(object), true), number(object, "/status/readyReplicas"))
        }
        "DaemonSet" => {
            let wanted = number(object, "/status/desiredNumberScheduled").unwrap_or(0);
            let gone = object.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable");
            (covers(gone, wanted, true), number(object, "/status/numberReady"))
        }
        _ => return None,
    };
    let ready = u32::try_from(ready?).ok()?;
    (takes_all && ready > 0).then_some(ready)
}

/// Whether a number or a percentage (rounded up, or down as a Deployment's is) is all that are wanted.
fn covers(of: Option<&Value>, wanted: i64, rounds_up: bool) -> bool {
    let Some(of) = of else { return false };
    let most = match of.as_i64() {
        Some(most) => most,
        None => {
            let percent =
                of.as_str().and_then(|text| text.strip_suffix('%')).and_then(|text| text.parse::<i64>().ok());
            let Some(percent) = percent else { return false };
            wanted.saturating_mul(percent).saturating_add(if rounds_up { 99 } else { 0 }) / 100
        }
    };
    wanted > 0 && most >= wanted
}
