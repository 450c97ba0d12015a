//! Restarting a workload: all of its pods are made anew, one after another as its strategy says.
//!
//! The last resort of what a fresh start may end. It is an order of the caller: it runs though the target looks healthy,
//! and says so.

use super::{Change, Draft, Move, Remedy, allows, began, hanging};
use crate::{
    deeds,
    model::{action::Action, plan::Risk},
    planner::{Neighbourhood, value},
};

pub(super) struct Restart;

impl Remedy for Restart {
    fn name(&self) -> &'static str {
        "restart-rollout"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        let target = near.target();
        if target.kind == "Pod" && near.pods.iter().all(|pod| pod.owner.is_none()) {
            return Err(format!("{target} has no controller, so nobody would make it again"));
        }
        if !matches!(target.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet") {
            return Err(String::new());
        }
        allows(near, Change::Restart)?;
        // The release has to go back, and rollback-release says how; a restart would only hide that.
        if near.owners.release.is_some() && began::good_revision(near).is_ok() {
            return Err(format!("a restart of {target} would start the same template again"));
        }
        holds_still(near)?;
        if near.replicas() == 0 {
            return Err(format!("{target} is scaled to 0, so there is nothing to restart"));
        }
        draft(near, why(near))
    }
}

fn why(near: &Neighbourhood) -> String {
    let failing = near.failing();
    let all = near.pods.iter().filter(|pod| pod.is_alive()).count();
    match failing.first().and_then(|pod| pod.trouble.as_ref()) {
        Some(trouble) => format!(
            "{} of {all} pods are in trouble ({}), and going back to an earlier revision is not called for",
            failing.len(),
            trouble.reason
        ),
        None => format!("none of its {all} pods is in trouble now; it is restarted because it was asked for"),
    }
}

/// The draft of a restart.
///
/// # Errors
/// A pod hangs that would hold it up.
pub(crate) fn draft(near: &Neighbourhood, why: String) -> Result<Draft, String> {
    let target = near.target();
    let mut moves = vec![Move::new(
        format!("Restart {target}: all {} pods are made anew", near.replicas()),
        Action::RestartWorkload { target: target.clone() },
    )];
    let command = format!("kubectl rollout restart {}", hanging::named(target));
    moves.extend(hanging::unstick(near, |pod| pod.trouble.is_some(), &command)?);
    Ok(Draft {
        why,
        moves,
        expected: format!("all {} pods of {target} are new and ready", near.replicas()),
        risk: Risk::Medium,
        seconds: rollout_seconds(near),
    })
}

/// A change of the template replaces no pod while a workload is paused or waits for somebody to delete its pods.
pub(crate) fn holds_still(near: &Neighbourhood) -> Result<(), String> {
    match deeds::holds_still(&near.object) {
        Some(why) => Err(format!("{} {why}", near.target())),
        None => Ok(()),
    }
}

/// Seconds that a container may take to start and be ready, where nothing says more.
const START: i64 = 20;
/// Grace that Kubernetes gives a pod to end.
const GRACE: i64 = 30;
/// Longest estimate, in seconds: the rollout's own deadline.
const LONGEST: i64 = 3_600;

/// How long a rollout of all pods is expected to take, by the strategy, its probes and graces, in seconds.
pub(crate) fn rollout_seconds(near: &Neighbourhood) -> u32 {
    let object = &near.object;
    let replicas = near.replicas().max(1);
    let at_once = match near.target().kind.as_str() {
        "Deployment" if value::text(object, "/spec/strategy/type") == "Recreate" => replicas,
        "Deployment" => {
            let gone = of_strategy(object, "/spec/strategy/rollingUpdate/maxUnavailable", replicas);
            surge(near).saturating_add(gone.unwrap_or_else(|| replicas.saturating_mul(25) / 100))
        }
        "DaemonSet" => {
            of_strategy(object, "/spec/updateStrategy/rollingUpdate/maxUnavailable", replicas).unwrap_or(1)
        }
        // One after another, from the highest ordinal.
        _ => of_strategy(object, "/spec/updateStrategy/rollingUpdate/maxUnavailable", replicas).unwrap_or(1),
    };
    let at_once = at_once.max(1);
    let waves = replicas.saturating_add(at_once - 1) / at_once;
    let template = "/spec/template/spec";
    let delay = value::list(object, &format!("{template}/containers"))
        .filter_map(|container| value::int(container, "/readinessProbe/initialDelaySeconds"))
        .max()
        .unwrap_or(0);
    let ready = value::int(object, "/spec/minReadySeconds").unwrap_or(0);
    let grace = value::int(object, &format!("{template}/terminationGracePeriodSeconds")).unwrap_or(GRACE);
    let is_in_place = near.target().kind != "Deployment";
    let wave =
        START.saturating_add(delay).saturating_add(ready) + if is_in_place { grace.min(GRACE) } else { 0 };
    u32::try_from(waves.saturating_mul(wave).saturating_add(grace.min(GRACE)).clamp(30, LONGEST))
        .unwrap_or(600)
}

/// Pods beyond the replicas that a rollout makes at once.
pub(super) fn surge(near: &Neighbourhood) -> i64 {
    let object = &near.object;
    match near.target().kind.as_str() {
        "Deployment" if value::text(object, "/spec/strategy/type") == "Recreate" => 0,
        "Deployment" => {
            let replicas = near.replicas().max(1);
            let surge = of_strategy(object, "/spec/strategy/rollingUpdate/maxSurge", replicas);
            surge.unwrap_or_else(|| ceil(replicas, 25))
        }
        _ => 0,
    }
}

/// A number or a percentage of the replicas, rounded up as a surge is.
fn of_strategy(object: &serde_json::Value, place: &str, replicas: i64) -> Option<i64> {
    let value = object.pointer(place)?;
    match value.as_i64() {
        Some(number) => Some(number),
        None => Some(ceil(replicas, value.as_str()?.strip_suffix('%')?.parse().ok()?)),
    }
}

const fn ceil(replicas: i64, percent: i64) -> i64 {
    replicas.saturating_mul(percent).saturating_add(99) / 100
}
