//! A commit that is being written: what happens to one step and its attempts.
//!
//! An attempt is written down before its request is sent and closed by what was answered or seen; it is never taken away.

use serde_json::{Value, json};

use super::{Found, StepAt, attempts, draft::Draft, outstanding, step};
use crate::{
    model::{
        phase::{Direction, StepState},
        workflow::{Attempt, Outcome, StepRecord},
    },
    ports::store::Write,
    workflow::{
        machine::{Illegal, Move, StepMove, follow_step},
        times,
    },
};

impl Draft<'_> {
    /// The step, moved as the machine says.
    fn moved(&self, at: StepAt, event: StepMove) -> Result<StepRecord, Illegal> {
        let held = step(self.record, at);
        let Some(held) = held else { return Err(Illegal::new("the step", "not there", event)) };
        let state = follow_step(held.state, event)?;
        Ok(StepRecord { state, ..held.clone() })
    }

    pub(super) fn intended(
        &mut self,
        at: StepAt,
        pre_image: Value,
        post_image: Value,
        intent: Value,
    ) -> Result<(), Illegal> {
        self.go(Move::Note)?;
        let Some(epoch) = self.context.epoch else {
            return Err(Illegal::new("the step", "without a lease", StepMove::Intend));
        };
        let mut step = self.moved(at, StepMove::Intend)?;
        step.pre_image = Some(pre_image);
        step.post_image = Some(post_image);
        step.started_at = Some(step.started_at.unwrap_or(self.context.at));
        let number = attempts(self.record, at).last().map_or(0, |last| last.number).saturating_add(1);
        let body = json!({
            "step": at.order, "direction": at.direction, "attempt": number, "epoch": epoch,
            "action": step.action.name(), "effectKey": step.effect_key, "intent": intent,
        });
        self.audit("intent", step.action.target().to_string(), body);
        self.write(Write::Step(Box::new(step)));
        let intent_at = self.at();
        self.write(Write::Attempt(Box::new(Attempt {
            order: at.order,
            direction: at.direction,
            number,
            epoch,
            intent,
            intent_at,
            outcome: None,
            http_status: None,
            observed: None,
            observed_at: None,
        })));
        Ok(())
    }

    pub(super) fn answered(
        &mut self,
        at: StepAt,
        outcome: Outcome,
        http_status: Option<u16>,
        observed: String,
        fails: bool,
    ) -> Result<(), Illegal> {
        self.go(Move::Note)?;
        let last = attempts(self.record, at).pop().cloned();
        let Some(attempt) = last else {
            return Err(Illegal::new("the step", "without an attempt", outcome));
        };
        let number = attempt.number;
        let now = self.at();
        self.write(Write::Attempt(Box::new(Attempt {
            outcome: Some(outcome),
            http_status,
            observed: Some(observed.clone()),
            // Of what is not known yet: since when nobody can look.
            observed_at: (outcome != Outcome::Indeterminate).then_some(now),
            ..attempt
        })));
        if outcome == Outcome::Applied {
            self.lay_to_rest(at, number);
        }
        let (event, word) = match (outcome, fails) {
            (Outcome::Applied | Outcome::Noop, _) => (Some(StepMove::Apply), "effect"),
            (Outcome::Rejected, true) => (Some(StepMove::Fail), "refused"),
            (Outcome::Rejected, false) => (None, "refused"),
            (Outcome::Indeterminate, _) => (None, "unknown"),
        };
        if let Some(event) = event {
            let mut step = self.moved(at, event)?;
            step.result = Some(observed.clone());
            if event == StepMove::Fail {
                step.finished_at = Some(now);
            } else {
                self.workflow.recoveries = 0;
            }
            self.write(Write::Step(Box::new(step)));
        }
        let body = json!({
            "step": at.order, "direction": at.direction, "attempt": number, "outcome": outcome,
            "status": http_status, "observed": observed,
        });
        let object = self.object_of(at);
        self.audit(word, object, body);
        Ok(())
    }

    /// Earlier attempts of which nobody knew: none of them had an effect, or this one would have been refused, because it
    /// demanded the object as they had found it (see `undecidable` in the sending).
    fn lay_to_rest(&mut self, at: StepAt, number: u32) {
        let now = self.at();
        let earlier = outstanding(self.record, at).into_iter().filter(|attempt| attempt.number != number);
        let earlier: Vec<Attempt> = earlier.cloned().collect();
        for attempt in earlier {
            self.write(Write::Attempt(Box::new(Attempt {
                outcome: Some(Outcome::Rejected),
                observed: Some(format!(
                    "it had no effect: attempt {number} was accepted on what it demanded"
                )),
                observed_at: Some(now),
                ..attempt
            })));
        }
    }

    fn object_of(&self, at: StepAt) -> String {
        step(self.record, at).map_or_else(String::new, |step| step.action.target().to_string())
    }

    pub(super) fn seen(&mut self, at: StepAt, found: Found, why: String) -> Result<(), Illegal> {
        self.go(Move::Note)?;
        let now = self.at();
        let (event, word) = match found {
            Found::Applied => (StepMove::Apply, "effect"),
            Found::Settled => (StepMove::Apply, "unknown"),
            Found::Skipped => (StepMove::Skip, "skipped"),
            Found::Failed | Found::Gone => (StepMove::Fail, "refused"),
            Found::Indeterminate => (StepMove::Lose, "unknown"),
        };
        let mut step = self.moved(at, event)?;
        step.result = Some(why.clone());
        step.started_at = Some(step.started_at.unwrap_or(now));
        if !matches!(found, Found::Applied | Found::Settled) {
            step.finished_at = Some(now);
        }
        self.workflow.recoveries = 0;
        let open = outstanding(self.record, at);
        let last = open.last().map(|attempt| attempt.number);
        for attempt in open {
            // Of several attempts one had the effect; an earlier one with an older resourceVersion cannot be it, for then
            // the marker would have been seen before the later one was intended.
            let is_last = Some(attempt.number) == last;
            let outcome = match found {
                Found::Applied if is_last => Outcome::Applied,
                Found::Skipped if is_last => Outcome::Noop,
                Found::Applied | Found::Skipped | Found::Failed => Outcome::Rejected,
                Found::Gone | Found::Settled | Found::Indeterminate => Outcome::Indeterminate,
            };
            self.write(Write::Attempt(Box::new(Attempt {
                outcome: Some(outcome),
                observed: Some(why.clone()),
                observed_at: Some(now),
                ..attempt.clone()
            })));
        }
        let body = json!({
            "step": at.order, "direction": at.direction, "seen": why, "state": step.state,
        });
        self.audit(word, step.action.target().to_string(), body);
        self.write(Write::Step(Box::new(step)));
        Ok(())
    }

    /// Whoever waits has looked: since when nobody could is over.
    pub(super) fn looked(&mut self) {
        let open = self.record.steps.iter().filter(|step| step.state == StepState::Intent);
        let places = open.map(|step| StepAt { order: step.order, direction: step.direction });
        let blind = places
            .flat_map(|at| outstanding(self.record, at))
            .filter(|attempt| attempt.observed_at.is_some());
        for attempt in blind.cloned().collect::<Vec<_>>() {
            self.write(Write::Attempt(Box::new(Attempt { observed_at: None, ..attempt })));
        }
    }

    /// Notes since when an attempt cannot be decided.
    pub(super) fn undecided(&mut self, at: StepAt, why: &str) {
        let now = self.at();
        let Some(attempt) = outstanding(self.record, at).pop() else { return };
        self.write(Write::Attempt(Box::new(Attempt {
            outcome: Some(Outcome::Indeterminate),
            observed: Some(why.to_owned()),
            observed_at: attempt.observed_at.or(Some(now)),
            ..attempt.clone()
        })));
    }

    pub(super) fn advanced(&mut self, evidence: Option<String>) -> Result<(), Illegal> {
        let at = StepAt { order: self.workflow.cursor, direction: Direction::Do };
        let Some(held) = step(self.record, at) else {
            return Err(Illegal::new("the step", "not there", Move::Advance));
        };
        match held.state {
            StepState::Applied => {
                let mut step = self.moved(at, StepMove::Verify)?;
                step.finished_at = Some(self.at());
                step.result = evidence.or(step.result);
                self.write(Write::Step(Box::new(step)));
            }
            StepState::Verified | StepState::Skipped | StepState::Failed => {}
            StepState::Pending | StepState::Intent | StepState::Indeterminate => {
                return Err(Illegal::new("the step", held.state.as_str(), Move::Advance));
            }
        }
        let next = at.order.saturating_add(1);
        let is_last = !self.record.steps.iter().any(|s| s.direction == Direction::Do && s.order == next);
        self.go(if is_last { Move::Watch } else { Move::Advance })?;
        if !is_last {
            let timing = &self.context.settings.timing;
            let plan = self.workflow.plan.as_ref();
            let began = self.workflow.started_at.unwrap_or(self.context.at);
            let ends = began.saturating_add(times::whole(plan, timing));
            let step = times::of_step(plan, next, timing);
            self.workflow.deadline = self.at().saturating_add(step).min(ends);
            self.workflow.cursor = next;
            self.workflow.wake_at = self.at();
            self.workflow.reason = None;
        }
        self.workflow.recoveries = 0;
        Ok(())
    }
}
