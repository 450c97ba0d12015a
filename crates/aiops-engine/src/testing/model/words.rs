//! What is said to the model and what it says: requests in its journal, refusals, ailments.
//!
//! Values only.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::kinds::Key;
use crate::ports::acting::Verb;

/// A mutation that the model was asked for.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its place among everything that was noted, the notes of observers included.
    pub order: u64,
    /// When.
    pub at: Timestamp,
    /// Who asked: `OURSELVES`, or the name of another writer.
    pub actor: String,
    /// How.
    pub verb: Verb,
    /// On which object.
    pub key: Key,
    /// Its uid, when there was such an object.
    pub uid: Option<String>,
    /// Its resourceVersion before.
    pub version: Option<String>,
    /// The uid that the request demanded.
    pub wants_uid: Option<String>,
    /// The resourceVersion that the request demanded.
    pub wants_version: Option<String>,
    /// The marker of the step.
    pub effect_key: String,
    /// The workflow, as the user agent names it.
    pub workflow: String,
    /// The request changes nothing.
    pub dry_run: bool,
    /// The answer's status.
    pub status: u16,
    /// Whether the object is another now.
    pub changed: bool,
    /// The object before.
    pub before: Option<Arc<Value>>,
    /// The object after.
    pub after: Option<Arc<Value>>,
    /// For pods that go: each disruption budget over them, how many healthy pods it counts now, and how many it wants.
    pub budgets: Vec<(String, i64, i64)>,
}

impl Entry {
    /// Whether it was accepted and meant.
    pub const fn is_effect(&self) -> bool {
        self.status < 300 && !self.dry_run
    }
}

/// A change of one object, as a watch tells it.
#[derive(Debug, Clone)]
pub struct Delta {
    /// Which object.
    pub key: Key,
    /// As it is now, or was at last.
    pub object: Arc<Value>,
    /// It is gone.
    pub is_deleted: bool,
}

/// A webhook's refusal.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Of writes to this kind.
    pub kind: String,
    /// In this namespace.
    pub namespace: String,
    /// What it says.
    pub message: String,
}

/// What is wrong with containers that look like this one.
#[derive(Debug, Clone, PartialEq)]
pub struct Symptom {
    /// Their image.
    pub image: String,
    /// Their command and arguments, when these matter.
    pub command: Option<Vec<String>>,
    /// What happens.
    pub trouble: Trouble,
}

/// What happens to a container.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// Its image cannot be pulled.
    Pull {
        /// The kubelet's words.
        message: String,
    },
    /// What it needs of a ConfigMap or Secret is not there.
    Config {
        /// The kubelet's words.
        message: String,
    },
    /// It ends with this code.
    Crash {
        /// The exit code.
        code: i64,
    },
    /// It is killed for want of memory unless its limit is above this.
    Memory {
        /// In bytes.
        needs: i64,
    },
}

/// The model accepted a mutation.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 200 or 201.
    pub status: u16,
    /// The object as it is now; an Eviction answers none.
    pub object: Option<Arc<Value>>,
    /// The number of its journal entry.
    pub order: u64,
}

/// The model refused a mutation; there was no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// Kubernetes's reason, such as `Conflict`.
    pub reason: &'static str,
    /// In a sentence.
    pub message: String,
    /// It is a disruption budget's.
    pub is_budget: bool,
    /// It is a test of a JSON patch that failed.
    pub is_test: bool,
}

impl Refusal {
    pub(super) fn new(status: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into(), is_budget: false, is_test: false }
    }
}
