//! The remedies: what may be done about an issue, each with the conditions under which it fits and the steps it takes.
//!
//! One list, [`REMEDIES`]; which of them are tried for an issue, and in which order, stands in [`crate::issue_words`]. A
//! remedy judges what was read and reads nothing itself. It never fights the owner of a target, it fits only on evidence,
//! and where none fits the answer is what a person should look at.

mod argocd;
mod began;
mod evict;
mod hanging;
mod helm;
mod jobs;
mod limits;
mod nodes;
mod operators;
mod owner;
mod pools;
mod restart;
mod rollback;
mod scale;
#[cfg(test)]
mod tests;
mod words;

pub use self::helm::HelmRelease;
pub(crate) use self::{
    evict::may_go,
    hanging::{named, unstick},
    jobs::spares,
    nodes::{pool_of, pool_of_node},
    owner::{Change, allows, change_of, owned},
    pools::seconds as pool_seconds,
    restart::{draft as restart, holds_still, rollout_seconds},
    rollback::explicit as rollback_to,
    scale::has_room,
    words::words,
};
use crate::{
    issue_words::IssueWord,
    model::{action::Action, plan::Risk},
    planner::Neighbourhood,
};

/// Something that may be done about an issue.
pub trait Remedy: Sync {
    /// Its name, in plans and in the table of issues.
    fn name(&self) -> &'static str;

    /// Grows when the steps change their meaning: a binary that does not know the version leaves the plan alone.
    fn version(&self) -> u32 {
        1
    }

    /// What it would do here, or why it does not fit: a sentence for a person, empty where the remedy is about other
    /// objects altogether.
    ///
    /// # Errors
    /// It does not fit.
    fn fits(&self, near: &Neighbourhood) -> Result<Draft, String>;
}

/// What a remedy would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Why it fits, in a sentence with its figures.
    pub why: String,
    /// What is done, in order.
    pub moves: Vec<Move>,
    /// What is expected afterwards.
    pub expected: String,
    /// How much can go wrong.
    pub risk: Risk,
    /// How long it is expected to take, in seconds.
    pub seconds: u32,
}

/// One move of a remedy.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// What it does, in a sentence.
    pub description: String,
    /// The action.
    pub action: Action,
    /// Whether all fails when it fails.
    pub required: bool,
}

impl Move {
    fn new(description: impl Into<String>, action: Action) -> Self {
        Self { description: description.into(), action, required: true }
    }
}

/// Every remedy.
pub static REMEDIES: &[&dyn Remedy] = &[
    &argocd::Rollback,
    &argocd::Sync,
    &helm::Rollback,
    &operators::Nudge,
    &rollback::Rollback,
    &restart::Restart,
    &limits::RaiseMemory,
    &limits::RaiseCpu,
    &scale::ScaleOut,
    &evict::Evict,
    &jobs::DeleteStuckPods,
    &nodes::Cordon,
    &nodes::Uncordon,
    &nodes::Drain,
    &pools::Await,
];

/// Whether a plan of this remedy and version may be executed by this binary.
pub fn knows(name: &str, version: u32) -> bool {
    let of_list = REMEDIES.iter().any(|remedy| remedy.name() == name && remedy.version() >= version);
    of_list || (version == 1 && (name == LAYERED || ORDERED.contains(&name)))
}

/// Actions that a caller may order by name: each is a plan of its own.
pub const ORDERED: [&str; 12] = [
    "restart-workload",
    "scale-workload",
    "rollback-workload",
    "set-resources",
    "evict-pod",
    "delete-pod",
    "cordon-node",
    "uncordon-node",
    "sync-application",
    "rollback-application",
    "nudge-operator",
    "await-pool",
];

/// The name of plans over several layers.
pub const LAYERED: &str = "layers";

/// The first remedy of the issue's list that fits, or what a person should look at.
///
/// # Errors
/// None fits; the text says what to look at and why each one that is about such objects does not fit.
pub fn choose(issue: &IssueWord, near: &Neighbourhood) -> Result<(&'static dyn Remedy, Draft), String> {
    let mut misfits: Vec<String> = Vec::new();
    for name in issue.remedies {
        let Some(remedy) = REMEDIES.iter().find(|remedy| remedy.name() == *name) else { continue };
        match remedy.fits(near) {
            Ok(draft) => return Ok((*remedy, draft)),
            Err(why) if why.is_empty() || misfits.contains(&why) => {}
            Err(why) => misfits.push(why),
        }
    }
    let mut why = format!("no remedy fits {} on {}: {}", issue.word, near.target(), issue.look_at);
    for misfit in misfits.iter().take(4) {
        why.push_str("; ");
        why.push_str(misfit);
    }
    Err(crate::text::line(&why, 900))
}
