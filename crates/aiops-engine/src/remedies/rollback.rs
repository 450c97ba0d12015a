//! Back to the last good revision: the pod template of an earlier ReplicaSet or ControllerRevision comes back.
//!
//! Only where the last rollout began the trouble and the earlier revision is seen to have been good.

use super::{Change, Draft, Move, Remedy, allows, began, holds_still, rollout_seconds};
use crate::{
    model::{action::Action, plan::Risk},
    planner::{Neighbourhood, Revision},
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
        Ok(draft(near, back.to, back.why))
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
    Ok(draft(near, wanted, "ordered by the caller".to_owned()))
}

fn draft(near: &Neighbourhood, to: &Revision, why: String) -> Draft {
    let target = near.target();
    let action =
        Action::RollbackWorkload { target: target.clone(), revision: to.number, source: to.source.clone() };
    Draft {
        why,
        moves: vec![Move::new(
            format!("Roll {target} back to revision {} ({})", to.number, to.images()),
            action,
        )],
        expected: format!(
            "all {} pods of {target} run revision {}'s template and are ready",
            near.replicas(),
            to.number
        ),
        risk: Risk::Low,
        seconds: rollout_seconds(near),
    }
}
