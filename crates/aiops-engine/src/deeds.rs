//! How an action becomes a request, how it is seen to have been done, and how it is undone. Pure: it is given what was
//! seen and answers what to send.
//!
//! Every deed carries a marker that tells its own effect from everybody else's, and a precondition that lets the API
//! server refuse it when the object is not what was looked at. A deed that can have neither is not in the catalogue.

use serde_json::Value;

use crate::{
    model::{
        action::{Action, Release},
        phase::Verdict,
        target::Target,
        workflow::StepRecord,
    },
    ports::acting::Mutation,
};

/// The annotation that carries the effect key of the step that wrote an object last.
pub const EFFECT: &str = "aiops.io/effect";
/// The annotation of a pod template that a restart sets to its effect key: never a time, so that repeating it changes
/// nothing.
pub const RESTART: &str = "aiops.io/restart";

/// What has to be read before a deed can be judged; live, never from memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// One object.
    Object(Target),
    /// Objects of a kind in a namespace.
    List {
        /// API group.
        group: String,
        /// Kind.
        kind: String,
        /// Namespace, empty for all.
        namespace: String,
        /// Label selector.
        selector: Option<String>,
    },
    /// One revision of a Helm release.
    Release {
        /// The release.
        release: Release,
        /// The revision.
        revision: i64,
    },
}

/// What was seen where a deed looked.
#[derive(Debug, Clone, PartialEq)]
pub enum Sight {
    /// The object.
    Object(Value),
    /// There is no such object.
    Absent,
    /// The objects.
    List(Vec<Value>),
    /// What a revision of a Helm release holds: its state and the objects of its manifest.
    Release {
        /// `deployed`, `superseded`, `failed`, …
        status: String,
        /// The objects of its manifest.
        objects: Vec<Value>,
        /// Whether it has hooks.
        has_hooks: bool,
    },
}

/// What a deed says about what was seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// It has not been done; this is what to send.
    Ready(Box<Ready>),
    /// It has been done, by this very step: the marker says so.
    Applied {
        /// What shows it.
        evidence: String,
    },
    /// Nothing has to be done.
    Settled {
        /// Why.
        why: String,
    },
    /// It cannot be done, and looking again will not help.
    Refused {
        /// Why.
        why: String,
    },
    /// Somebody else changed what we wrote: undoing would overwrite them.
    Conflict {
        /// What differs.
        why: String,
    },
    /// It cannot be done now; look again later.
    Wait {
        /// For what.
        why: String,
    },
}

/// A deed that can be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    /// The request.
    pub mutation: Mutation,
    /// The fields that it writes, as they are now: what undoing brings back. No Secret and no environment in it.
    pub pre_image: Value,
    /// The fields as it leaves them: undoing is refused where they are not so any more.
    pub post_image: Value,
    /// What changes, `path: before -> after`.
    pub diff: Vec<String>,
}

/// What to read before [`observe`], the changed object first.
pub fn looks(action: &Action) -> Vec<Look> {
    vec![Look::Object(action.target().clone())]
}

/// Judges what was seen, in the order of [`looks`]. `key` is the step's effect key, `workflow` its workflow's id.
pub fn observe(action: &Action, key: &str, workflow: &str, seen: &[Sight]) -> Observation {
    let _ = (action, key, workflow, seen);
    Observation::Refused { why: "not built yet".to_owned() }
}

/// Judges how to undo a step that was done, from its record; `key` is the effect key of the way back.
pub fn observe_undo(done: &StepRecord, key: &str, workflow: &str, seen: &[Sight]) -> Observation {
    let _ = (done, key, workflow, seen);
    Observation::Refused { why: "not built yet".to_owned() }
}

/// What to read to see whether a deed helped.
pub fn verify_looks(action: &Action) -> Vec<Look> {
    looks(action)
}

/// Whether a deed that was done has settled and helped, as far as the objects it touches tell: passed, failed (it will
/// not), or unknown (not yet, or it cannot be told). The sentence is the evidence.
pub fn verify(action: &Action, key: &str, seen: &[Sight]) -> (Verdict, String) {
    let _ = (action, key, seen);
    (Verdict::Unknown, "not built yet".to_owned())
}
