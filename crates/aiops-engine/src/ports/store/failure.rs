//! Why a store did not do what it was asked to.
//!
//! Every way but [`StoreError::Unknown`] means that nothing was written.

use crate::model::ids::WorkflowId;

/// Why the store did not do it. Nothing was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another executor has the workflow now: stop, send nothing.
    #[error("another executor has taken over")]
    Fenced,
    /// Somebody else holds what was to be taken.
    #[error("{what} is taken{}", held_by(holder))]
    Taken {
        /// What.
        what: Resource,
        /// By which workflow, when one holds it.
        holder: Option<WorkflowId>,
    },
    /// The record has changed since it was read, or is not in the state that the write demands.
    #[error("{0}")]
    Changed(String),
    /// Nothing may be written now: the disk is full.
    #[error("the store is full: {0}")]
    Full(String),
    /// Nothing may be written at all: it is damaged, read-only, or of a newer release.
    #[error("the store may only be read: {0}")]
    ReadOnly(String),
    /// It is locked or down; worth trying again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Whether a commit is there is not known: the connection broke while it was made. Read again before anything else.
    #[error("whether the store took it is not known: {0}")]
    Unknown(String),
    /// A fault of ours.
    #[error("the store failed: {0}")]
    Internal(String),
}

fn held_by(holder: &Option<WorkflowId>) -> String {
    holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
}

/// What can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// The one active workflow of a fingerprint.
    Fingerprint,
    /// The lock of a target.
    Target,
    /// A place among those that run at once, by its scope.
    Slot(String),
    /// What is left of a budget, by its scope.
    Budget(String),
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fingerprint => f.write_str("the issue on this target"),
            Self::Target => f.write_str("the target"),
            Self::Slot(scope) => write!(f, "every place for workflows in {scope}"),
            Self::Budget(scope) => write!(f, "the budget of {scope}"),
        }
    }
}
