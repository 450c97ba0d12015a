//! Back to the last good revision: the pod template of an earlier ReplicaSet or ControllerRevision comes back.
//!
//! Only where the last rollout began the trouble and the earlier revision is seen to have been good.

use super::{Change, Draft, Move, Remedy, allows, began, hanging, holds_still, rollout_seconds};
use crate::{
    model::{action::Action, plan::Risk},
    planner::{Neighbourhood, Pod, Revision},
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
    let of_others = |pod: &Pod| !to.is_of(pod) && (pod.trouble.is_some() || !pod.is_ready);
    let command = format!("kubectl rollout undo {} --to-revision={}", hanging::named(target), to.number);
    moves.extend(hanging::unstick(near, of_others, &command)?);
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
