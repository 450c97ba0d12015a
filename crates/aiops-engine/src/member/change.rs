//! What a change is on the wire, and what became of it: the arguments and the answer of `perform-action`.
//!
//! Values only. An answer that contradicts itself is read as one that knows nothing.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    model::{action::Action, target::Target},
    ports::acting::{Accepted, Announcement, Mutation, NotDone, NotDoneKind, Verb},
};

/// The tool that performs.
pub const PERFORM: &str = "perform-action";

/// What is to be sent, by how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A JSON merge patch.
    Merge(Value),
    /// A JSON patch.
    Operations(Vec<Value>),
    /// A new object.
    Create(Value),
    /// An eviction.
    Evict {},
    /// A deletion.
    Delete {},
}

impl Change {
    /// The verb and the body of a mutation.
    pub fn parts(self) -> (Verb, Value) {
        match self {
            Self::Merge(body) => (Verb::MergePatch, body),
            Self::Operations(operations) => (Verb::JsonPatch, Value::Array(operations)),
            Self::Create(object) => (Verb::Create, object),
            Self::Evict {} => (Verb::Evict, Value::Null),
            Self::Delete {} => (Verb::Delete, Value::Null),
        }
    }

    /// A mutation's verb and body; `None` for a JSON patch that is no list.
    pub fn of(verb: Verb, body: &Value) -> Option<Self> {
        Some(match verb {
            Verb::MergePatch => Self::Merge(body.clone()),
            Verb::JsonPatch => Self::Operations(body.as_array()?.clone()),
            Verb::Create => Self::Create(body.clone()),
            Verb::Evict => Self::Evict {},
            Verb::Delete => Self::Delete {},
        })
    }
}

/// What a Kubernetes Event is to say about what the engine did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The object it is about.
    pub about: Target,
    /// One of the engine's own reasons, such as `RemediationCompleted`.
    pub reason: String,
    /// In a sentence.
    pub message: String,
    /// Whether it is a warning.
    pub is_warning: bool,
    /// The action.
    pub action: String,
}

/// The reasons of Events that the engine writes.
const REASONS: [&str; 6] = [
    "RemediationStarted",
    "RemediationCompleted",
    "RemediationRollingBack",
    "RemediationRolledBack",
    "RemediationFailed",
    "RemediationNeedsOperator",
];

impl Note {
    /// The announcement; `None` for a reason that is not the engine's.
    pub fn announcement(self) -> Option<Announcement> {
        let Self { about, reason, message, is_warning, action } = self;
        let reason = REASONS.into_iter().find(|known| *known == reason)?;
        Some(Announcement { about, reason, message, is_warning, action })
    }
}

impl From<&Announcement> for Note {
    fn from(note: &Announcement) -> Self {
        let Announcement { about, reason, message, is_warning, action } = note.clone();
        Self { about, reason: reason.to_owned(), message, is_warning, action }
    }
}

/// The arguments of `perform-action`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Perform {
    /// The `moment` of an observation at most 15 s ago.
    #[schemars(length(max = 128))]
    pub moment: String,
    /// Names this one request; a second one of the name is refused.
    #[schemars(length(max = 64))]
    pub request: String,
    /// uid of the cluster.
    #[schemars(length(max = 64))]
    pub cluster: String,
    /// What it is for: the action's word and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub action: Option<Action>,
    /// What to send: {merge}, {operations}, {create}, {evict} or {delete}. It may touch what the action is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub change: Option<Change>,
    /// Only the object of this uid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub uid: Option<String>,
    /// Only in this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub resource_version: Option<String>,
    /// Nothing is changed.
    #[serde(default)]
    pub dry_run: bool,
    /// The marker of the step.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub effect_key: String,
    /// The workflow.
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub workflow: String,
    /// Instead of a change: an Event to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub note: Option<Note>,
}

impl Perform {
    /// A mutation as a request of this name; `None` for a body that its verb does not have.
    pub fn of(mutation: &Mutation, request: String, moment: String, cluster: String) -> Option<Self> {
        Some(Self {
            moment,
            request,
            cluster,
            action: Some(mutation.action.clone()),
            change: Some(Change::of(mutation.verb, &mutation.body)?),
            uid: mutation.uid.clone(),
            resource_version: mutation.resource_version.clone(),
            dry_run: mutation.dry_run,
            effect_key: mutation.effect_key.clone(),
            workflow: mutation.workflow.clone(),
            note: None,
        })
    }
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Outcome {
    /// The API server accepted it.
    Done,
    /// It certainly had no effect.
    NotDone,
    /// Whether it had an effect only the cluster can tell.
    Unknown,
}

/// Why it had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Reason {
    /// The object is not what was looked at.
    Conflict,
    /// There is no such object.
    NotFound,
    /// The API server will never take it.
    Rejected,
    /// It is not allowed.
    Denied,
    /// A disruption budget is in the way now.
    Blocked,
    /// Not now: the API server sheds load, or the member is stopped.
    Throttled,
    /// It was not sent.
    NotSent,
    /// It cannot be done here at all.
    Unsupported,
}

/// The answer of `perform-action`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Performed {
    /// `done`, `not_done` or `unknown`.
    pub outcome: Outcome,
    /// Why it had no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The API server's status, or 429 of a member that is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// In a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When to try again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    /// `Audit-Id` of the API server's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_id: Option<String>,
    /// Warnings of the API server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl From<Result<Accepted, NotDone>> for Performed {
    fn from(done: Result<Accepted, NotDone>) -> Self {
        let empty = Self {
            outcome: Outcome::Done,
            reason: None,
            status: None,
            why: None,
            after_ms: None,
            audit_id: None,
            warnings: Vec::new(),
        };
        match done {
            Ok(Accepted { status, audit_id, warnings, .. }) => {
                Self { status: Some(status), audit_id, warnings, ..empty }
            }
            Err(NotDone { kind, status, why, after }) => {
                let reason = match kind {
                    NotDoneKind::Conflict => Some(Reason::Conflict),
                    NotDoneKind::NotFound => Some(Reason::NotFound),
                    NotDoneKind::Rejected => Some(Reason::Rejected),
                    NotDoneKind::Denied => Some(Reason::Denied),
                    NotDoneKind::Blocked => Some(Reason::Blocked),
                    NotDoneKind::Throttled => Some(Reason::Throttled),
                    NotDoneKind::NotSent => Some(Reason::NotSent),
                    NotDoneKind::Unsupported => Some(Reason::Unsupported),
                    NotDoneKind::Unknown => None,
                };
                Self {
                    outcome: if reason.is_some() { Outcome::NotDone } else { Outcome::Unknown },
                    reason,
                    status,
                    why: Some(why),
                    after_ms: after.and_then(|after| u64::try_from(after.as_millis()).ok()),
                    ..empty
                }
            }
        }
    }
}

impl From<Performed> for Result<Accepted, NotDone> {
    /// An answer that contradicts itself is no certainty.
    fn from(performed: Performed) -> Self {
        let Performed { outcome, reason, status, why, after_ms, audit_id, warnings } = performed;
        let kind = match (outcome, reason, status) {
            (Outcome::Done, None, Some(status)) => {
                return Ok(Accepted { status, audit_id, object: None, warnings });
            }
            (Outcome::NotDone, Some(reason), _) => match reason {
                Reason::Conflict => NotDoneKind::Conflict,
                Reason::NotFound => NotDoneKind::NotFound,
                Reason::Rejected => NotDoneKind::Rejected,
                Reason::Denied => NotDoneKind::Denied,
                Reason::Blocked => NotDoneKind::Blocked,
                Reason::Throttled => NotDoneKind::Throttled,
                Reason::NotSent => NotDoneKind::NotSent,
                Reason::Unsupported => NotDoneKind::Unsupported,
            },
            _ => NotDoneKind::Unknown,
        };
        let why = why.unwrap_or_else(|| "the member gave no reason".to_owned());
        Err(NotDone { kind, status, why, after: after_ms.map(Duration::from_millis) })
    }
}
