//! The port that changes a cluster. Without an adapter for it nothing acts: read-only is the absence of this port.
//!
//! One call is one request, sent at most once: the adapter retries nothing and has a hard deadline. What became of a
//! request that was not answered is for the engine to find out by looking.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{action::Action, target::Target};

/// How a mutation is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// `PATCH` with a JSON merge patch (RFC 7386).
    MergePatch,
    /// `PATCH` with a JSON patch (RFC 6902): for lists, whose places a test operation pins.
    JsonPatch,
    /// `POST` of a new object.
    Create,
    /// `POST` of an Eviction to a pod.
    Evict,
    /// `DELETE` with preconditions.
    Delete,
}

impl Verb {
    /// Kubernetes's verb, for rights and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MergePatch | Self::JsonPatch => "patch",
            Self::Create | Self::Evict => "create",
            Self::Delete => "delete",
        }
    }
}

/// One request that changes an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Mutation {
    /// How.
    pub verb: Verb,
    /// Which object.
    pub target: Target,
    /// The patch, or the object to create. For `Evict` and `Delete` the adapter builds the body from what follows.
    pub body: Value,
    /// Only when the object still has this uid.
    pub uid: Option<String>,
    /// Only when it still has this resourceVersion.
    pub resource_version: Option<String>,
    /// The API server judges it and changes nothing.
    pub dry_run: bool,
    /// The marker of the step it belongs to; a member aiops refuses a second one with the same key.
    pub effect_key: String,
    /// The workflow, for the user agent.
    pub workflow: String,
    /// What it is for; a member aiops checks the request against it.
    pub action: Action,
}

/// The API server accepted a mutation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Accepted {
    /// The status: 200, 201 or 202.
    pub status: u16,
    /// The answer's `Audit-Id`.
    pub audit_id: Option<String>,
    /// The object as it is now, when the answer holds it. Secrets come without data.
    pub object: Option<Value>,
    /// Warnings of the API server.
    pub warnings: Vec<String>,
}

/// A mutation was not accepted, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotDone {
    /// What to do about it.
    pub kind: NotDoneKind,
    /// The status, when there was an answer.
    pub status: Option<u16>,
    /// In a sentence, without credentials.
    pub why: String,
    /// When the API server wants to be asked again.
    pub after: Option<Duration>,
}

/// The kinds of [`NotDone`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotDoneKind {
    /// 409, or a failed test of a JSON patch: the object is not what was looked at. No effect.
    Conflict,
    /// 404. No effect.
    NotFound,
    /// 400, 405, 413, 415, 422: the API server will never take it. No effect.
    Rejected,
    /// 401 and 403. No effect.
    Denied,
    /// 429 because of a disruption budget. No effect yet, try again later.
    Blocked,
    /// 429 for another reason: the API server sheds load. No effect.
    Throttled,
    /// It was certainly not sent: no connection was had. No effect.
    NotSent,
    /// This port cannot do it at all: a recording, a member without the grant. No effect.
    Unsupported,
    /// Timeout, reset, 5xx: whether it had an effect only the cluster can tell.
    Unknown,
}

impl NotDone {
    /// A mutation that was not accepted.
    pub fn new(kind: NotDoneKind, why: impl Into<String>) -> Self {
        Self { kind, status: None, why: why.into(), after: None }
    }

    /// It certainly had no effect.
    pub const fn is_without_effect(&self) -> bool {
        !matches!(self.kind, NotDoneKind::Unknown)
    }
}

/// Changes a cluster.
#[async_trait]
pub trait Acting: Send + Sync {
    /// Waits until a change may be sent, where changes have a rate. It is asked before the guard and the intent, so that
    /// what waits for its turn is stopped with everything else. A dry run takes its turn by itself.
    async fn turn(&self) {}

    /// Sends a mutation, once. When it returns `Ok`, the API server has accepted it.
    async fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone>;

    /// Writes a Kubernetes Event about what we did; at least once, and its failure is only logged.
    async fn announce(&self, note: &Announcement);
}

/// What a Kubernetes Event says about what we did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The object it is about.
    pub about: Target,
    /// CamelCase, such as `RemediationCompleted`.
    pub reason: &'static str,
    /// In a sentence.
    pub message: String,
    /// Whether it is a warning.
    pub is_warning: bool,
    /// The action, for the Event's `action`.
    pub action: String,
}
