//! What the guard judges by. Values only: who gathers them is the coordinator's business.
//!
//! `None` means not known, never zero.

use std::collections::BTreeMap;

use crate::model::{Millis, phase::Phase, target::Target};
pub use crate::ports::store::Active;
use crate::ports::store::{Control, Cooldown};

/// The label or annotation by which an object, or all that is in a namespace, asks to be left alone, with the value
/// `true`.
pub const OPT_OUT: &str = "aiops.io/ignore";

/// The control row of the kill switch as people set it. Rows `kill_switch/SOURCE` are other sources' (a ConfigMap that is
/// watched): the strictest of all counts.
pub const KILL_SWITCH: &str = "kill_switch";

/// How far everything is stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum KillSwitch {
    /// Nothing is stopped.
    #[default]
    Run,
    /// No new step; what was done may still be undone.
    Pause,
    /// No new intent at all; nothing is rolled back.
    Stop,
}

impl KillSwitch {
    /// The word in the store and on every door.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pause => "pause",
            Self::Stop => "stop",
        }
    }

    /// The mode of a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Run, Self::Pause, Self::Stop].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// What is known when a question is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// The kill switch: the strictest of all its sources.
    pub kill_switch: KillSwitch,
    /// Who set it and why.
    pub kill_switch_why: String,
    /// It says so in a ConfigMap, which nothing of ours sets back.
    pub kill_switch_is_elsewhere: bool,
    /// The control rows as they were read: what is decided by them holds only while the store keeps these.
    pub controls: Vec<Control>,
    /// When the controls were last read.
    pub controls_at: Millis,
    /// The breaker is open for everybody, and why.
    pub breaker: Option<String>,
    /// The breaker is open for what is automatic, and why.
    pub automation_breaker: Option<String>,
    /// uid of the cluster now.
    pub cluster: Option<String>,
    /// uid of the cluster for which the plan was made.
    pub plan_cluster: Option<String>,
    /// The cooldown of the fingerprint.
    pub cooldown: Option<Cooldown>,
    /// How workflows ended lately (within `limits.error_window`).
    pub outcomes: Vec<Phase>,
    /// The cluster is being upgraded, and what says so.
    pub upgrading: Option<String>,
    /// Somebody approved the plan that is executed; asked before a step alone.
    pub is_agreed: bool,
    /// Workflows that are not over, this one left out.
    pub active: Vec<Active>,
    /// How much of each budget is used up now, by its scope; asked for explanations alone, for the store itself keeps them.
    pub spent: BTreeMap<String, u32>,
    /// Who asked for the plan's objects to be left alone when it was made.
    pub left_alone: Option<String>,
    /// Bytes of the plan in JSON.
    pub plan_bytes: Option<usize>,
    /// What is known of each object that is acted on, by its [`Target::key`].
    pub facts: BTreeMap<String, Facts>,
}

/// What is known of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What says that it is to be left alone: a label or annotation of it, its owner or its namespace.
    pub opted_out_by: Option<String>,
    /// `spec.priorityClassName` of a pod.
    pub priority_class: Option<String>,
    /// Kind of the controller at the top of its owner chain; empty for one that has none.
    pub owner_kind: Option<String>,
    /// Name of that controller.
    pub owner_name: Option<String>,
    /// Replicas that the workload (of the pod) should have.
    pub replicas: Option<u32>,
    /// Whether a disruption budget covers the pod.
    pub has_budget: Option<bool>,
    /// How many more disruptions that budget allows.
    pub budget_allows: Option<i32>,
    /// The autoscaler that owns the number of replicas.
    pub autoscaler: Option<String>,
    /// The node belongs to the control plane.
    pub is_control_plane: Option<bool>,
    /// Ready pods that a step takes away at once, by the workload's strategy.
    pub takes_down: Option<u32>,
    /// Namespaces that an Application deploys to; of others none.
    pub deploys_to: Vec<String>,
    /// The pod is ready.
    pub is_ready: Option<bool>,
    /// The pod keeps data in an emptyDir that is not memory: it is lost with the pod.
    pub has_local_storage: Option<bool>,
}

impl Figures {
    /// What is known of this object.
    pub fn of(&self, target: &Target) -> Option<&Facts> {
        self.facts.get(&target.key())
    }

    /// Takes over what the control rows say; `at` is when they were read.
    pub fn set_controls(&mut self, controls: &[Control], at: Millis) {
        self.controls_at = at;
        self.controls = controls.to_vec();
        for control in controls {
            let why = || {
                let reason = control.reason.as_deref().unwrap_or("no reason was given");
                format!("set by {}: {reason}", control.set_by)
            };
            if control.name == KILL_SWITCH || control.name.starts_with("kill_switch/") {
                // A word that this version does not know stops, for it was written to stop something.
                let mode = KillSwitch::parse(&control.mode).unwrap_or(KillSwitch::Stop);
                if mode > self.kill_switch {
                    self.kill_switch = mode;
                    self.kill_switch_why = why();
                }
            } else if control.name == crate::breaker::CONTROL {
                let reason = || control.reason.clone().unwrap_or_else(|| "no reason was given".to_owned());
                match control.mode.as_str() {
                    "closed" => {}
                    "automation" => self.automation_breaker = Some(reason()),
                    _ => self.breaker = Some(reason()),
                }
            }
        }
    }
}
