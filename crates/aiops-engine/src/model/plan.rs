//! A plan: the chosen remedy's steps and checkpoints for one issue, and what the API server said about them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Millis,
    action::{Action, UndoClass},
    layer::Layer,
    method::Deployed,
    target::Target,
};
use crate::{issue::Severity, remedies::LAYERED};

/// What is to be repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Problem {
    /// The issue, in our own word; see `docs/issues.md` for the words it is known by elsewhere.
    pub issue: String,
    /// How bad.
    pub severity: Severity,
    /// What was reported or seen, in a sentence. Other people's text.
    #[serde(default)]
    pub description: String,
    /// The object it is about: the owner, when a pod was named.
    pub target: Target,
    /// The object that was named.
    pub named: Target,
}

/// Who has to agree before a plan is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Approval {
    /// Nobody: the trigger is the order.
    Auto,
    /// Any entitled person, the requester included.
    Approve,
    /// An entitled person other than the requester.
    TwoPerson,
    /// Nobody may.
    Deny,
}

/// How much can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Risk {
    /// Undone exactly, or harmless.
    Low,
    /// Pods are replaced.
    Medium,
    /// A node, a release, or several layers.
    High,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Plan {
    /// uid of the cluster (of its namespace kube-system) for which it was made: it is refused on another one.
    pub cluster: String,
    /// What is to be repaired.
    pub problem: Problem,
    /// How the target is deployed.
    pub deployed: Deployed,
    /// Layers that are touched, lowest first.
    pub layers: Vec<Layer>,
    /// The remedy's name in the catalogue.
    pub remedy: String,
    /// The remedy's version: a binary that does not know it leaves the plan alone.
    pub remedy_version: u32,
    /// Why this remedy.
    pub why: String,
    /// The steps, in order; irreversible ones last.
    pub steps: Vec<Step>,
    /// What must hold after which step.
    pub checkpoints: Vec<Checkpoint>,
    /// Who asks for what it is about to be left alone: such a plan is shown and refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_alone: Option<String>,
    /// How much can go wrong.
    pub risk: Risk,
    /// What is expected to be seen afterwards.
    pub expected: String,
    /// How long it is expected to take, in seconds, and no promise.
    pub estimated_seconds: u32,
    /// Who has to agree.
    pub approval: Approval,
    /// The rule that says so.
    pub rule: String,
    /// When it was made.
    pub at: Millis,
}

impl Plan {
    /// Whether it is over several objects or layers, which the policy calls `multi-layer`: also where the objects turn out to
    /// be of one layer, for that is what whoever ordered it was told.
    pub fn is_multi_layer(&self) -> bool {
        self.remedy == LAYERED || self.layers.len() > 1
    }
}

/// The number by which people know the step of this order: they count from 1.
pub const fn shown(order: u32) -> u32 {
    order.saturating_add(1)
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Step {
    /// Its place, from 0.
    pub order: u32,
    /// Its layer.
    pub layer: Layer,
    /// What it does, in a sentence.
    pub description: String,
    /// The action.
    pub action: Action,
    /// How it is undone.
    pub undo: UndoClass,
    /// Whether the workflow fails when it fails.
    pub required: bool,
    /// What the fields that it overwrites were when it was planned, by their path (a pod template by its hash): it is taken
    /// only while they are so. Empty where it overwrites nothing, or an earlier step of the plan writes the same object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub planned_on: BTreeMap<String, String>,
    /// Namespaces in which it changes something besides its target's own: those that an Application deploys to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deploys_to: Vec<String>,
    /// Ready pods that it takes away at once, because the workload's strategy keeps none: nobody is served until new ones are
    /// ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_down: Option<u32>,
    /// What the API server said to it before anybody approved; absent where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// What the API server said to a step that was not meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Proof {
    /// Whether we have the right to do it.
    pub allowed: Option<bool>,
    /// Whether a dry run was accepted.
    pub accepted: Option<bool>,
    /// What would change: `path: before -> after`, credentials replaced.
    #[serde(default)]
    pub diff: Vec<String>,
    /// Warnings and refusals of the API server, and what could not be proven, in its words.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What must hold after a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Checkpoint {
    /// Its layer.
    pub layer: Layer,
    /// After which step, by its order.
    pub after_step: u32,
    /// Names of the checks.
    pub checks: Vec<String>,
    /// How long they may take to hold, in seconds.
    pub timeout_seconds: u32,
    /// Whether the workflow fails when they do not.
    pub required: bool,
}
