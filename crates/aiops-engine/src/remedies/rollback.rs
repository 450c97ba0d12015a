//! Back to the last good revision: the pod template of an earlier ReplicaSet or ControllerRevision comes back.
//!
//! Only where the last rollout began the trouble and the earlier revision is seen to have been good.

use super::{
    Change, Draft, Move, Remedy, allows, began,
    evict::{may_go, one},
    holds_still, rollout_seconds,
};
use crate::{
    model::{action::Action, plan::Risk},
    planner::{Neighbourhood, Pod, Revision, value},
};

pub(super) struct Rollback;

impl Remedy for Rollback {
    fn name(&self) -> &'static str {
        "rollback-to-good-revision"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        if !matches!(near.target().kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet") {
            return Err(String::new());
        }
        let back = began::good_revision(near)?;
        allows(near, Change::Template)?;
        holds_still(near)?;
        draft(near, back.to, back.why)
    }
}

/// A rollback that a caller ordered: to a revision by its number, or to the newest one before the current for 0.
pub(crate) fn explicit(near: &Neighbourhood, number: i64) -> Result<Draft, String> {
    let target = near.target();
    let current = near.current().map(|revision| revision.number);
    let wanted = near.revisions.iter().find(|revision| {
        if number == 0 {
            !revision.is_current && current.is_some_and(|current| revision.number < current)
        } else {
            revision.number == number
        }
    });
    let Some(wanted) = wanted else {
        let known: Vec<String> = near.revisions.iter().map(|revision| revision.number.to_string()).collect();
        let asked = if number == 0 { "an earlier revision".to_owned() } else { format!("revision {number}") };
        return Err(format!("{target} has not kept {asked}; it has {}", known.join(", ")));
    };
    if wanted.is_current {
        return Err(format!("{target} is at revision {} already", wanted.number));
    }
    draft(near, wanted, "ordered by the caller".to_owned())
}

fn draft(near: &Neighbourhood, to: &Revision, why: String) -> Result<Draft, String> {
    let target = near.target();
    let action =
        Action::RollbackWorkload { target: target.clone(), revision: to.number, source: to.source.clone() };
    let what = format!("Roll {target} back to revision {} ({})", to.number, to.images());
    let mut moves = vec![Move::new(what, action)];
    moves.extend(unstick(near, to)?);
    Ok(Draft {
        why,
        moves,
        expected: format!(
            "all {} pods of {target} run revision {}'s template and are ready",
            near.replicas(),
            to.number
        ),
        risk: Risk::Low,
        seconds: rollout_seconds(near),
    })
}

/// A StatefulSet whose pods come one after another waits for one that hangs before it replaces any, also with the good
/// template (Kubernetes, "StatefulSets: Forced rollback"): that pod has to go.
fn unstick(near: &Neighbourhood, to: &Revision) -> Result<Option<Move>, String> {
    let target = near.target();
    let is_ordered = value::text(&near.object, "/spec/podManagementPolicy") != "Parallel";
    if target.kind != "StatefulSet" || !is_ordered {
        return Ok(None);
    }
    let hanging: Vec<&Pod> =
        near.pods.iter().filter(|pod| pod.is_alive() && !pod.is_ready && !to.is_of(pod)).collect();
    let names = hanging.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>().join(" ");
    let by_hand = || {
        format!(
            "`kubectl rollout undo statefulset/{} --to-revision={} -n {2}`, then `kubectl delete pod {names} -n {2}`",
            target.name, to.number, target.namespace
        )
    };
    match hanging.as_slice() {
        [] => Ok(None),
        [pod] => {
            may_go(near, pod)
                .map_err(|why| format!("{why}, and {target} would keep it: run {}", by_hand()))?;
            Ok(Some(one(pod)))
        }
        many => Err(format!(
            "{} pods of {target} hang, and it would keep them after a rollback: run {}",
            many.len(),
            by_hand()
        )),
    }
}
