//! An issue: something that is wrong with an object, as a detector saw it.
//!
//! An issue says what was observed, never what to do about it.

use std::borrow::Cow;

use aiops_inventory::{Name, rows::Seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Severity {
    /// Users are hit, or the cluster is losing capacity.
    Critical,
    /// Something does not run that should; redundancy still carries it.
    High,
    /// Degraded, or will block the next change.
    Medium,
    /// Worth knowing.
    Low,
}

/// An object, by its coordinates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// Kind.
    pub kind: Name,
    /// Namespace, empty for objects of the cluster.
    pub namespace: Name,
    /// Name.
    pub name: Name,
}

impl Object {
    /// An object by its coordinates.
    pub fn new(kind: impl Into<Name>, namespace: Name, name: Name) -> Self {
        Self { kind: kind.into(), namespace, name }
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Stable word for what is wrong, such as `crash_loop`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The object it is about: the owner when several pods of one owner share the trouble.
    pub object: Object,
    /// How many pods (or other dependents) are affected; 1 for the object itself.
    pub count: usize,
    /// Since when, when the API tells.
    pub since: Option<Seconds>,
    /// One affected pod, when `object` is its owner.
    pub example: Option<Name>,
    /// Worth saying when somebody asks, and too early for an incident: normal life looks like this for a moment.
    pub is_early: bool,
    /// What was observed, in one sentence; may quote other people's text.
    pub what: Cow<'static, str>,
}

impl Issue {
    /// An issue about one object.
    pub fn new(
        code: &'static str,
        severity: Severity,
        object: Object,
        since: Option<Seconds>,
        what: impl Into<Cow<'static, str>>,
    ) -> Self {
        // 0 stands for a time that the API did not tell.
        let since = since.filter(|since| *since != 0);
        Self { code, severity, object, count: 1, since, example: None, is_early: false, what: what.into() }
    }

    /// The same, too early for an incident when that is so.
    pub fn early(self, is_early: bool) -> Self {
        Self { is_early, ..self }
    }
}
