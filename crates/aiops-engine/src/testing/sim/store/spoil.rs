//! What a defective engine would write: the writes of a commit, changed by the run's defect.
//!
//! Without a defect nothing is changed.

use serde_json::Value;

use super::{CANARY, Handle};
use crate::{
    model::phase::{Direction, Phase, StepState},
    ports::store::Write,
    testing::sim::defects::Defect,
};

impl Handle {
    /// What a defective engine would write instead.
    pub(super) fn spoilt(&self, writes: &[Write]) -> Vec<Write> {
        let Some(defect) = self.defect else { return writes.to_vec() };
        let yields = writes.contains(&Write::Yield);
        writes
            .iter()
            .filter(|write| match (defect, write) {
                (Defect::AuditSkipped, Write::Audit(entry)) => entry.action != "intent",
                (Defect::EffectNotAudited, Write::Audit(entry)) => entry.action != "effect",
                (Defect::BudgetIgnored, Write::Spend { .. })
                | (Defect::KillSwitchIgnored | Defect::SwitchNotBound, Write::Under(_))
                | (Defect::SlotIgnored, Write::Slot { .. })
                | (Defect::LockIgnored, Write::Lock(_))
                | (Defect::NothingReleased, Write::Release) => false,
                (Defect::OutcomeDropped, Write::Attempt(attempt)) => attempt.outcome.is_none(),
                _ => true,
            })
            .cloned()
            .map(|write| match (defect, write) {
                (Defect::WrongPreImage, Write::Step(mut step))
                    if step.direction == Direction::Do
                        && matches!(step.state, StepState::Intent | StepState::Applied) =>
                {
                    for member in ["replicas", "unschedulable"] {
                        if let Some(value) = step.pre_image.as_mut().and_then(|image| image.get_mut(member)) {
                            *value = match value.take() {
                                Value::Number(n) => (n.as_i64().unwrap_or_default() + 1).into(),
                                Value::Bool(is) => (!is).into(),
                                other => other,
                            };
                        }
                    }
                    Write::Step(step)
                }
                (Defect::EpochKept, Write::Attempt(mut attempt)) => {
                    attempt.epoch = 1;
                    Write::Attempt(attempt)
                }
                (Defect::SecretKept, Write::Attempt(mut attempt)) => {
                    attempt.observed = Some(format!("answered with {CANARY}"));
                    Write::Attempt(attempt)
                }
                (Defect::WakeUpLost, Write::Workflow(mut workflow))
                    if yields && !workflow.phase.is_terminal() && workflow.phase != Phase::NeedsOperator =>
                {
                    workflow.wake_at = 253_402_214_400_000;
                    Write::Workflow(workflow)
                }
                (_, write) => write,
            })
            .collect()
    }
}
