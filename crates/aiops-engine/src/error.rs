//! What can go wrong with a request, sorted by what the caller can do about it.
//!
//! A [`PortError`] says what a room could not do; an [`Error`] says what a request could not do. `Display` never
//! repeats the source: whoever prints an error prints its chain.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ports::store::StoreError;

/// Why a request was not answered. Each variant has a stable [`Error::code`] and a paragraph in `docs/errors.md`.
///
/// It can be told to another process of ours; the cause of an [`Error::Internal`] stays here.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub enum Error {
    /// An argument is not acceptable; the message says which, why, and what is.
    #[error("{field}: {why}")]
    Invalid {
        /// The argument, as the caller spelt it.
        field: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// The object does not exist (as of the moment named in the message), with near names where there are some.
    #[error("{what} not found{hint}")]
    NotFound {
        /// Kind, namespace and name.
        what: String,
        /// A sentence that begins with a separator, or empty.
        hint: String,
    },
    /// The cluster's API server refused us: verb, resource and scope are in the message.
    #[error("{what} is not allowed: {why}")]
    Forbidden {
        /// What was attempted on what.
        what: String,
        /// What the API server said, and which right is missing.
        why: String,
    },
    /// Something else stands in the way: an active workflow on the same target, a state that has moved on, a key that was
    /// used for another request.
    #[error("{what} conflicts: {why}")]
    Conflict {
        /// What was attempted on what.
        what: String,
        /// With what, and what to do.
        why: String,
        /// The workflow that stands in the way.
        workflow: Option<String>,
    },
    /// A guard refused: a rule of the policy, a limit, an approval that is missing, the kill switch.
    #[error("{what} is refused by {rule}: {why}")]
    Refused {
        /// What was attempted on what.
        what: String,
        /// The rule, by the name under which it is configured.
        rule: String,
        /// With which figures, and what to do.
        why: String,
    },
    /// There is no room to keep it.
    #[error("{what} cannot be kept: {why}")]
    Full {
        /// What was attempted.
        what: String,
        /// What is full, and what to do.
        why: String,
    },
    /// This mode or this source (a recording) cannot do it.
    #[error("{what} is not possible here: {why}")]
    NotInThisMode {
        /// What was attempted.
        what: String,
        /// Why not, and what would be needed.
        why: String,
    },
    /// A part that the answer needs is down or not ready; it is worth asking again.
    #[error("{what} is unavailable: {why}")]
    Unavailable {
        /// What was attempted.
        what: String,
        /// Why, and what to do.
        why: String,
        /// When asking again makes sense.
        retry_after: Option<Duration>,
    },
    /// A part did not answer in time.
    #[error("{what} did not finish within {seconds} s: {why}")]
    Timeout {
        /// What was attempted.
        what: String,
        /// The limit that passed, in seconds.
        seconds: u64,
        /// What to do.
        why: String,
    },
    /// The caller went away.
    #[error("{what} was cancelled by the caller")]
    Cancelled {
        /// What was attempted.
        what: String,
    },
    /// A fault of ours.
    #[error("{what} failed for a reason inside aiops; report it with the request id")]
    Internal {
        /// What was attempted.
        what: String,
        /// The cause, for the log.
        #[source]
        #[serde(skip)]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl Error {
    /// The stable code of the variant.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid_request",
            Self::NotFound { .. } => "not_found",
            Self::Forbidden { .. } => "forbidden",
            Self::Conflict { .. } => "conflict",
            Self::Refused { .. } => "refused_by_guard",
            Self::Full { .. } => "store_full",
            Self::NotInThisMode { .. } => "not_in_this_mode",
            Self::Unavailable { .. } => "dependency_unavailable",
            Self::Timeout { .. } => "dependency_timeout",
            Self::Cancelled { .. } => "cancelled",
            Self::Internal { .. } => "internal",
        }
    }

    /// An argument that is not acceptable.
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), why: why.into() }
    }

    /// An object that does not exist.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into(), hint: String::new() }
    }

    /// A guard's refusal.
    pub fn refused(what: impl Into<String>, rule: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), rule: rule.into(), why: why.into() }
    }

    /// Turns the store's failure into the caller's terms; `what` says what was attempted on what.
    pub fn from_store(what: impl Into<String>, error: StoreError) -> Self {
        let (what, why) = (what.into(), error.to_string());
        let soon = Some(Duration::from_secs(1));
        match error {
            StoreError::Full(_) => Self::Full { what, why },
            StoreError::Taken { holder, .. } => {
                Self::Conflict { what, why, workflow: holder.map(|holder| holder.to_string()) }
            }
            StoreError::Changed(_) => Self::Conflict { what, why, workflow: None },
            StoreError::Fenced | StoreError::Unavailable(_) | StoreError::Unknown(_) => {
                Self::Unavailable { what, why, retry_after: soon }
            }
            StoreError::ReadOnly(_) => Self::Unavailable { what, why, retry_after: None },
            StoreError::Internal(_) => Self::Internal { what, source: Some(why.into()) },
        }
    }

    /// Turns a room's failure into the caller's terms; `what` says what was attempted on what.
    pub fn from_port(what: impl Into<String>, error: PortError) -> Self {
        let (what, why) = (what.into(), error.message);
        match error.kind {
            PortErrorKind::NotFound => Self::NotFound { what, hint: format!(": {why}") },
            PortErrorKind::Denied => Self::Forbidden { what, why },
            PortErrorKind::Invalid => Self::Invalid { field: what, why },
            PortErrorKind::Unsupported => Self::NotInThisMode { what, why },
            PortErrorKind::Timeout => {
                Self::Timeout { what, seconds: error.after.map_or(0, |after| after.as_secs()), why }
            }
            PortErrorKind::Unavailable | PortErrorKind::Expired => {
                Self::Unavailable { what, why, retry_after: error.after }
            }
            PortErrorKind::Internal => Self::Internal { what, source: Some(why.into()) },
        }
    }
}

/// Why a room could not do what it was asked. `kind` is for branching, `message` for reading.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct PortError {
    /// What to do about it.
    pub kind: PortErrorKind,
    /// What was attempted, why it failed and what to do; no credentials, no raw bodies.
    pub message: String,
    /// The limit that passed (`Timeout`) or when to ask again (`Unavailable`).
    pub after: Option<Duration>,
}

/// The kinds of [`PortError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortErrorKind {
    /// The other side does not answer or sheds load.
    Unavailable,
    /// It did not answer in time.
    Timeout,
    /// It refused us.
    Denied,
    /// It does not have the object.
    NotFound,
    /// It does not accept the request.
    Invalid,
    /// A continue token is too old; begin again.
    Expired,
    /// This source cannot do it (a recording has no logs of that container, …).
    Unsupported,
    /// Anything else.
    Internal,
}

impl PortErrorKind {
    /// Whether the same request may be answered in a moment: what it asked about is not known, and nothing was refused.
    pub const fn is_passing(self) -> bool {
        match self {
            Self::Unavailable | Self::Timeout | Self::Expired => true,
            Self::Denied | Self::NotFound | Self::Invalid | Self::Unsupported | Self::Internal => false,
        }
    }
}

impl PortError {
    /// A failure of this kind.
    pub fn new(kind: PortErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), after: None }
    }
}
