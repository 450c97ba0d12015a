//! Helm: a release that a bad upgrade broke goes back to the revision before.
//!
//! The steps are one revert an object and one record of the new revision, as Helm leaves it. They are made only when the
//! release was read and nothing stands against them (hooks, removed kinds, drift); otherwise the exact command is handed
//! out and nothing is done.

use super::{Draft, Move, Remedy, began, holds_still, rollout_seconds};
use crate::{
    model::{
        action::{Action, Release},
        plan::Risk,
        target::Target,
    },
    planner::Neighbourhood,
};

/// What was read of a Helm release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelmRelease {
    /// The revision that is deployed.
    pub current: i64,
    /// The newest revision before it that was deployed once, when there is one.
    pub earlier: Option<i64>,
    /// Which of the workload's own revisions have the template that the earlier revision's manifest says; none where the
    /// manifest was not read, or where something else writes into the templates.
    pub holds: Vec<i64>,
    /// The objects in which the two manifests differ and that can be reverted one by one, in the order of the manifest.
    pub changed: Vec<Target>,
    /// Why a rollback cannot be made object by object.
    pub obstacle: Option<String>,
}

/// The issue by which a caller orders this remedy and no other.
const ORDERED: &str = "release_rollback";

pub(super) struct Rollback;

impl Remedy for Rollback {
    fn name(&self) -> &'static str {
        "rollback-release"
    }

    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String> {
        let Some((namespace, name)) = &near.owners.release else {
            let is_ordered = near.problem.issue == ORDERED;
            return Err(if is_ordered {
                format!("{} belongs to no Helm release", near.target())
            } else {
                String::new()
            });
        };
        if near.owners.application.is_some() || near.owners.flux.is_some() {
            return Err(String::new());
        }
        // Who orders it needs no evidence that the last upgrade began the trouble.
        let read = near.release.clone().unwrap_or_default();
        let why = if near.problem.issue == ORDERED {
            "ordered by the caller".to_owned()
        } else {
            let back = began::good_revision(near)?;
            // The release goes back to what was before; that is for nothing where it was no better.
            if let Some(obstacle) = elsewhere(near, &read, &back) {
                return Err(by_history(namespace, name, &back, &obstacle));
            }
            back.why
        };
        let Some(to) = read.earlier else {
            return Err(command(namespace, name, None, &why, "its revisions could not be read"));
        };
        if let Some(obstacle) = &read.obstacle {
            return Err(command(namespace, name, Some(to), &why, obstacle));
        }
        if !read.changed.iter().any(|target| target.key() == near.target().key()) {
            let obstacle = format!("going back changes nothing of {}", near.target());
            return Err(command(namespace, name, Some(to), &why, &obstacle));
        }
        if let Some(scaler) = &near.owners.autoscaler {
            let obstacle = format!("{scaler} owns its replicas");
            return Err(command(namespace, name, Some(to), &why, &obstacle));
        }
        holds_still(near)?;
        Ok(draft(
            near,
            &Release { name: name.clone(), namespace: namespace.clone(), from: read.current, to },
            &read,
            why,
        ))
    }
}

/// Why the release's revision before is not the one that was good, as far as that can be told.
///
/// The workload's revisions are counted otherwise than the release's: an upgrade need not touch the workload, and somebody
/// may have touched it without one. So the manifest decides where it could be read and one of the revisions has its
/// template; the count speaks only where there is nothing else.
fn elsewhere(near: &Neighbourhood, read: &HelmRelease, back: &began::Back<'_>) -> Option<String> {
    let (target, good) = (near.target(), back.to.number);
    let stays = near.current().is_some_and(|current| read.holds.contains(&current.number));
    match (read.earlier, read.holds.first()) {
        (Some(to), Some(_)) if stays => {
            Some(format!("its revision {to} has the very template of {target} that is in trouble now"))
        }
        (Some(to), Some(_)) if !read.holds.contains(&good) => {
            Some(format!("its revision {to} holds another template than revision {good} of {target}"))
        }
        (_, None) if back.skipped > 0 => Some(format!(
            "{} other revision of {target} came after that one, so the release's revision before is not known to be good",
            back.skipped
        )),
        _ => None,
    }
}

/// What a person does where it is not the revision before to which the release should go back.
fn by_history(namespace: &str, name: &str, back: &began::Back<'_>, obstacle: &str) -> String {
    format!(
        "{}, so the Helm release {namespace}/{name} should go back to where it ran {}, which is not done from here ({obstacle}): find the revision with `helm history {name} -n {namespace}` and `helm get manifest {name} --revision N -n {namespace}`, then run `helm rollback {name} N -n {namespace} --wait`",
        back.why,
        back.to.images()
    )
}

/// What a person runs instead.
fn command(namespace: &str, name: &str, to: Option<i64>, why: &str, obstacle: &str) -> String {
    let revision = to.map(|to| format!(" {to}")).unwrap_or_default();
    format!(
        "{why}, so the Helm release {namespace}/{name} should go back, which is not done from here ({obstacle}): run `helm rollback {name}{revision} -n {namespace} --wait`"
    )
}

fn draft(near: &Neighbourhood, release: &Release, read: &HelmRelease, why: String) -> Draft {
    let mut moves: Vec<Move> = read
        .changed
        .iter()
        .map(|target| {
            let action = Action::RevertManifest { target: target.clone(), release: release.clone() };
            Move::new(
                format!("Revert {target} to revision {} of release {}", release.to, release.name),
                action,
            )
        })
        .collect();
    let next = release.from.saturating_add(1);
    let secret = crate::deeds::release::secret(release, next);
    moves.push(Move::new(
        format!("Record revision {next} of release {}: rollback to {}", release.name, release.to),
        Action::RecordRelease {
            target: Target::new("", "Secret", release.namespace.clone(), secret),
            release: release.clone(),
        },
    ));
    Draft {
        why,
        moves,
        expected: format!("release {} is deployed with the content of revision {}", release.name, release.to),
        risk: Risk::High,
        seconds: rollout_seconds(near),
    }
}
