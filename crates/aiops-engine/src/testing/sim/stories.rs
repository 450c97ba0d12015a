//! What happens to one action in the crash matrix: it is taken, undone, planned, approved, cancelled, or does not help.
//!
//! A story makes its run by itself, the same each time; where faults strike is for the matrix to say.

use std::sync::Arc;

use super::{
    faults::{Call, Faults, Made},
    run::{Base, Options, Sim, tried},
    scene, settings,
};
use crate::{
    coordination::{Coordination as _, Decision, Trigger},
    model::{
        action::Action,
        caller::{Caller, Via},
        phase::Phase,
        plan::Approval,
    },
};

/// A story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Story {
    /// The action alone, planned already.
    Taken,
    /// A second step is refused, so the first one is undone.
    Undone,
    /// A door's trigger by name: accepted, planned, proven, taken.
    Planned,
    /// It waits for an approval, which somebody gives.
    Approved,
    /// Somebody cancels it once it has begun.
    Cancelled,
    /// What it is about crashes afterwards, so it does not help.
    Hopeless,
}

impl Story {
    pub(crate) const ALL: [Self; 6] =
        [Self::Taken, Self::Undone, Self::Planned, Self::Approved, Self::Cancelled, Self::Hopeless];

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|story| format!("{story:?}").eq_ignore_ascii_case(word))
    }

    /// Whether this story is one of this action.
    pub(crate) fn is_of(self, action: &Action) -> bool {
        match self {
            Self::Taken | Self::Approved | Self::Cancelled => true,
            Self::Undone => scene::is_reversible(action),
            // A release is planned as a whole, never one object of it by name; and what is no row cannot be named.
            Self::Planned => {
                !scene::is_about_a_release_alone(action) && !matches!(action, Action::NudgeOperator { .. })
            }
            Self::Hopeless => {
                matches!(action.target().kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet")
            }
        }
    }

    /// Whether a fault at this call tells something that no other story of the action does.
    pub(crate) fn strikes(self, made: &Made) -> bool {
        let phase = made.place.map_or("-", |place| place.phase);
        match self {
            Self::Taken => true,
            Self::Undone => phase == "rolling_back" || (phase == "running" && made.call == Call::Commit),
            Self::Planned => matches!(phase, "planning" | "queued" | "-"),
            Self::Approved => matches!(phase, "awaiting_approval" | "queued" | "-"),
            // Once it has begun: the calls before that are those of the first story.
            Self::Cancelled => {
                matches!(phase, "rolling_back") || (phase == "running" && made.call != Call::Send)
            }
            // It watches for minutes, and every look is like the one before: writes are enough.
            Self::Hopeless => {
                phase == "rolling_back"
                    || (matches!(phase, "running" | "verifying")
                        && matches!(made.call, Call::Commit | Call::Learn))
            }
        }
    }

    /// Tells it, with these faults, to the end.
    pub(crate) fn run(self, base: &Base, action: &Action, faults: Arc<Faults>) -> Sim {
        let mut settings = settings();
        if self == Self::Approved {
            settings.policy.rules[0].then = Approval::TwoPerson;
        }
        let options = Options { seed: 1, processes: 2, defect: None, settings, jumps: false, sweeps: false };
        let mut sim = Sim::new(base, faults, options);
        match self {
            Self::Taken => {
                sim.order(std::slice::from_ref(action), Approval::Auto);
            }
            Self::Undone => {
                sim.model.refuse_effect("/1/do");
                let second = scene::named(&base.model, "nudge-operator");
                sim.order(&[action.clone(), second], Approval::Auto);
            }
            Self::Planned => {
                let target = action.target();
                let trigger = Trigger {
                    namespace: target.namespace.clone(),
                    kind: target.kind.clone(),
                    name: target.name.clone(),
                    action: Some(action.clone()),
                    ..Trigger::default()
                };
                sim.trigger(&Caller::identified("ann", Vec::new(), Via::Rest), trigger);
            }
            Self::Approved => {
                sim.order(std::slice::from_ref(action), Approval::TwoPerson);
                // Twice: the first answer may have been lost. No time passes, or nobody would have answered in time.
                approve(&sim);
                approve(&sim);
            }
            Self::Cancelled => {
                sim.order(std::slice::from_ref(action), Approval::Auto);
                for _ in 0..4_000 {
                    if sim.store.phases().first() == Some(&Phase::Running) && sim.has_acted() {
                        break;
                    }
                    sim.rush(1);
                }
                cancel(&sim);
            }
            Self::Hopeless => {
                for image in scene::images(&sim.model, action.target()) {
                    sim.model.ail(crate::testing::model::Symptom {
                        image,
                        command: None,
                        trouble: crate::testing::model::Trouble::Crash { code: 1 },
                    });
                }
                sim.order(std::slice::from_ref(action), Approval::Auto);
            }
        }
        sim.rush(4_000);
        sim.calm();
        sim
    }
}

/// Somebody else approves what waits.
fn approve(sim: &Sim) {
    let all = sim.everything();
    let Some(workflow) = all.iter().find(|w| w.phase == Phase::AwaitingApproval) else { return };
    let digest = workflow.digest.clone().unwrap();
    let decision = Decision { digest, approve: true, reason: None, by_elicitation: false };
    let ben = Caller::identified("ben", Vec::new(), Via::Rest);
    let _ = tried(sim.coordinator("door").decide(&ben, &workflow.id, decision));
}

fn cancel(sim: &Sim) {
    let ann = Caller::identified("ann", Vec::new(), Via::Rest);
    for workflow in sim.everything() {
        let _ = tried(sim.coordinator("door").cancel(&ann, &workflow.id, Some("enough".to_owned())));
    }
}
