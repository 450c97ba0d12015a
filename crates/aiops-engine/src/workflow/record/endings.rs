//! How a workflow turns back, is parked, and ends.
//!
//! An end gives everything back in the commit in which it is reached: there is no moment in which an ended workflow holds a
//! lock or a place.

use serde_json::json;

use super::{StepAt, draft::Draft, step};
use crate::{
    fingerprint, guard,
    model::{
        Millis,
        action::UndoClass,
        caller::Caller,
        incident::IncidentStatus,
        phase::{Direction, Phase, StepState},
        plan::shown,
        workflow::{ApprovalState, StepRecord},
    },
    ports::store::Write,
    settings::limits::millis,
    workflow::machine::{Illegal, Move, StepMove, follow_step},
};

/// A moment that does not come: parked workflows wait for a person, not for the clock. 9999-12-31, which RFC 3339 has.
pub(super) const NEVER: Millis = 253_402_214_400_000;

impl Draft<'_> {
    /// Where the incident is now. One that somebody closed meanwhile, or that another workflow took up, is left alone.
    pub(super) fn incident(&mut self, status: IncidentStatus) {
        if self.context.incident_is_left {
            return;
        }
        let closed_at = status.is_closed().then(|| self.at());
        let id = self.workflow.incident.clone();
        self.write(Write::Incident { id, status, closed_at });
    }

    /// The locks stay, the places go: whoever looks at it must find it as it is, and others may work meanwhile.
    pub(super) fn park(&mut self) {
        self.workflow.wake_at = NEVER;
        self.workflow.deadline = NEVER;
        self.write(Write::Release);
        for key in self.targets() {
            self.write(Write::Lock(key));
        }
        self.incident(IncidentStatus::Failed);
        self.give_back();
        self.tell("parked");
    }

    /// Keys of the objects that are locked: the target and, once it has begun, what the steps change. Before that the
    /// steps' objects may be somebody else's, and a lock that cannot be had would keep it from being parked.
    fn targets(&self) -> Vec<String> {
        let plan = self.workflow.plan.iter().filter(|_| self.workflow.started_at.is_some());
        let steps = plan.flat_map(|plan| &plan.steps);
        let mut keys = vec![self.workflow.problem.target.key()];
        for key in steps.map(|step| step.action.target().key()) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// Everything goes back.
    pub(super) fn end(&mut self, phase: Phase) {
        let at = self.at();
        self.workflow.finished_at = Some(at);
        self.workflow.wake_at = at;
        self.write(Write::Release);
        let workflow = &self.workflow;
        let print =
            fingerprint::fingerprint(&workflow.cluster, &workflow.problem.target, &workflow.problem.issue);
        let limits = &self.context.settings.limits;
        let rests = guard::cooldown_after(limits, self.context.cooldown.as_ref(), &print, phase, at);
        if let Some(cooldown) = rests {
            self.write(Write::Cooldown(cooldown));
        }
        self.incident(match phase {
            Phase::Completed => IncidentStatus::Remediated,
            Phase::Failed | Phase::RolledBack => IncidentStatus::Failed,
            Phase::Cancelled | Phase::Refused | Phase::Rejected | Phase::Expired => IncidentStatus::Active,
            // These do not end; written out so that a new phase is thought of here.
            Phase::Planning
            | Phase::Queued
            | Phase::AwaitingApproval
            | Phase::Running
            | Phase::Verifying
            | Phase::RollingBack
            | Phase::NeedsOperator => IncidentStatus::Remediating,
        });
        if phase == Phase::RolledBack {
            self.tell("rolled_back");
        } else if phase == Phase::Failed {
            self.tell("failed");
        }
        self.give_back();
    }

    pub(super) fn cancelled(&mut self, by: &Caller, why: Option<&str>) -> Result<(), Illegal> {
        if self.record.approvals.iter().any(|a| a.state == ApprovalState::Requested) {
            self.answer(ApprovalState::Expired, None, Some("the workflow was cancelled".to_owned()))?;
        }
        self.cancel_line(by, why);
        self.go(Move::Cancel)
    }

    pub(super) fn cancel_asked(&mut self, by: &Caller, why: Option<&str>) -> Result<(), Illegal> {
        self.go(Move::AskCancel)?;
        self.cancel_line(by, why);
        self.workflow.cancel_requested = true;
        self.workflow.wake_at = self.at();
        Ok(())
    }

    fn cancel_line(&mut self, by: &Caller, why: Option<&str>) {
        let said = why.map(|why| format!(": {why}")).unwrap_or_default();
        self.workflow.reason = Some(format!("{} cancelled it{said}", by.name));
        let object = self.workflow.problem.target.to_string();
        self.audit_by(&by.name, by.via, "cancel", object, json!({ "reason": why }));
    }

    pub(super) fn resolved(&mut self, ending: Phase, by: &Caller, note: String) -> Result<(), Illegal> {
        let event = match ending {
            Phase::Completed => Move::ResolveCompleted,
            Phase::RolledBack => Move::ResolveRolledBack,
            Phase::Failed => Move::ResolveFailed,
            Phase::Planning
            | Phase::Queued
            | Phase::AwaitingApproval
            | Phase::Running
            | Phase::Verifying
            | Phase::RollingBack
            | Phase::NeedsOperator
            | Phase::Cancelled
            | Phase::Refused
            | Phase::Rejected
            | Phase::Expired => {
                return Err(Illegal::new("the workflow", self.workflow.phase.as_str(), ending));
            }
        };
        let object = self.workflow.problem.target.to_string();
        let was = self.workflow.reason.take();
        let body = json!({ "ending": ending, "note": note, "was": was });
        self.audit_by(&by.name, by.via, "resolved", object, body);
        self.workflow.reason = Some(format!("{} resolved it: {note}", by.name));
        self.go(event)
    }

    /// Turns back: every step that changed something and can be undone gets its way back; without any it fails.
    pub(super) fn unwound(&mut self, why: String) -> Result<(), Illegal> {
        let open = |state| matches!(state, StepState::Intent | StepState::Indeterminate);
        if let Some(step) = self.record.steps.iter().find(|step| open(step.state)) {
            return Err(Illegal::new("the step", step.state.as_str(), Move::Unwind));
        }
        let done: Vec<&StepRecord> = self.record.steps.iter().filter(|step| is_done(step)).collect();
        let undoable: Vec<&&StepRecord> =
            done.iter().filter(|step| step.action.undo_class() == UndoClass::Exact).collect();
        let id = self.workflow.id.as_str().to_owned();
        for step in &undoable {
            let at = StepAt { order: step.order, direction: Direction::Undo };
            self.write(Write::Step(Box::new(StepRecord {
                order: step.order,
                direction: Direction::Undo,
                action: step.action.clone(),
                state: StepState::Pending,
                effect_key: at.effect_key(&id),
                pre_image: None,
                post_image: None,
                result: None,
                started_at: None,
                finished_at: None,
            })));
        }
        let last = undoable.iter().map(|step| step.order).max();
        let stays = staying(&done);
        match last {
            Some(order) => {
                self.workflow.reason = Some(why);
                self.workflow.cursor = order;
                self.go(Move::Unwind)
            }
            None => {
                self.workflow.reason = Some(format!("{why}{stays}"));
                self.go(Move::Fail)
            }
        }
    }

    /// The undoing at the cursor is over; the next that does not depend on a failed one follows, or the end.
    pub(super) fn went_back(&mut self) -> Result<(), Illegal> {
        let at = StepAt { order: self.workflow.cursor, direction: Direction::Undo };
        let Some(held) = step(self.record, at) else {
            return Err(Illegal::new("the step", "not there", Move::Back));
        };
        let mut current = held.clone();
        match held.state {
            StepState::Applied => {
                current.state = follow_step(held.state, StepMove::Verify)?;
                current.finished_at = Some(self.at());
                self.write(Write::Step(Box::new(current.clone())));
            }
            StepState::Verified | StepState::Skipped | StepState::Failed | StepState::Indeterminate => {}
            StepState::Pending | StepState::Intent => {
                return Err(Illegal::new("the step", held.state.as_str(), Move::Back));
            }
        }
        let undos: Vec<&StepRecord> = self
            .record
            .steps
            .iter()
            .filter(|step| step.direction == Direction::Undo)
            .map(|step| if step.order == at.order { &current } else { step })
            .collect();
        let broken = |step: &StepRecord| matches!(step.state, StepState::Failed | StepState::Indeterminate);
        // An object on which one undoing failed is left as it is: what lies below rests on what was not undone.
        let is_blocked = |step: &StepRecord| {
            undos
                .iter()
                .any(|other| broken(other) && other.action.target().key() == step.action.target().key())
        };
        let next = undos
            .iter()
            .filter(|step| step.state == StepState::Pending && step.order < at.order && !is_blocked(step))
            .map(|step| step.order)
            .max();
        self.workflow.recoveries = 0;
        if let Some(order) = next {
            let step = self.context.settings.timing.step;
            self.workflow.cursor = order;
            self.workflow.wake_at = self.at();
            self.workflow.deadline = self.at().saturating_add(millis(step));
            return self.go(Move::Back);
        }
        let why = self.workflow.reason.clone().unwrap_or_default();
        let left: Vec<String> = undos
            .iter()
            .filter(|step| broken(step) || step.state == StepState::Pending)
            .map(|step| {
                let result = step
                    .result
                    .as_deref()
                    .unwrap_or("not tried, because an undoing on the same object failed");
                let (name, target) = (step.action.name(), step.action.target());
                format!("step {} ({name} on {target}): {result}", shown(step.order))
            })
            .collect();
        if !left.is_empty() {
            self.workflow.reason = Some(format!("{why}; not undone: {}", left.join("; ")));
            return self.go(Move::Park);
        }
        let done: Vec<&StepRecord> = self.record.steps.iter().filter(|step| is_done(step)).collect();
        let stays = staying(&done);
        if stays.is_empty() {
            self.go(Move::Undone)
        } else {
            self.workflow.reason = Some(format!("{why}{stays}"));
            self.go(Move::Fail)
        }
    }
}

/// A step that went forward and changed something.
fn is_done(step: &StepRecord) -> bool {
    step.direction == Direction::Do && matches!(step.state, StepState::Applied | StepState::Verified)
}

/// What was done and stays, as the end of a sentence; empty when everything can be undone.
fn staying(done: &[&StepRecord]) -> String {
    let kept: Vec<String> = done
        .iter()
        .filter(|step| step.action.undo_class() == UndoClass::Irreversible)
        .map(|step| format!("{} on {}", step.action.name(), step.action.target()))
        .collect();
    if kept.is_empty() {
        String::new()
    } else {
        format!("; what cannot be undone stays: {}", kept.join(", "))
    }
}
