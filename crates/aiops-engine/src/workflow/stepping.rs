//! One step, in either direction: look, judge, and send what is to be sent.
//!
//! What a step did is never remembered but always seen: its marker, the uid, the fields. So the first look after a crash
//! and the first look of all are the same code. A step is given up only when no request of it can still arrive.

use super::{
    planning::chain,
    record::{self, Event, Found, StepAt},
    runner::{Executor, Stop, Turn, Work},
    sending::undecidable,
};
use crate::{
    deeds::{self, Observation, Ready, Sight},
    error::PortError,
    model::{
        Millis,
        action::Action,
        phase::{Direction, StepState},
        plan::shown,
        workflow::StepRecord,
    },
    settings::limits::millis,
};

/// Between two looks at what may change soon.
pub(super) const SOON: Millis = 2_000;
/// Between two looks at machines that are updated, each of which takes minutes.
const MACHINES: Millis = 15_000;

impl Executor {
    /// The forward way: the step at the cursor.
    pub(super) async fn running(&self, work: &mut Work<'_>) -> Result<Turn, Stop> {
        let at = StepAt { order: work.workflow().cursor, direction: Direction::Do };
        let Some(step) = record::step(&work.record, at).cloned() else {
            let why = format!("step {} of its plan is not there", shown(at.order));
            return self.park(work, Some("internal"), why).await;
        };
        match step.state {
            StepState::Pending if work.workflow().cancel_requested => self.cancelled(work).await,
            StepState::Pending | StepState::Intent => self.take(work, at, &step).await,
            StepState::Applied => self.settle(work, at, &step).await,
            // A step that failed then had no effect because it was stopped: that is no failure of it.
            StepState::Verified | StepState::Skipped | StepState::Failed
                if work.workflow().cancel_requested =>
            {
                self.cancelled(work).await
            }
            StepState::Verified | StepState::Skipped => self.checkpoint(work, at).await,
            StepState::Failed if is_required(work, at.order) => {
                let result = step.result.as_deref().unwrap_or("it was refused");
                let (number, name) = (shown(at.order), step.action.name());
                self.unwind(work, format!("step {number} ({name}) failed: {result}")).await
            }
            StepState::Failed => {
                self.commit(work, Event::Advanced { checks: Vec::new(), evidence: None }).await?;
                Ok(Turn::Again)
            }
            StepState::Indeterminate => {
                let result = step.result.as_deref().unwrap_or("it cannot be seen");
                let why = format!(
                    "whether step {} ({} on {}) had an effect cannot be told: {result}",
                    shown(at.order),
                    step.action.name(),
                    step.action.target()
                );
                self.park(work, Some("indeterminate"), why).await
            }
        }
    }

    /// Somebody asked to cancel it, and it stands between two steps.
    pub(super) async fn cancelled(&self, work: &mut Work<'_>) -> Result<Turn, Stop> {
        let why = work.workflow().reason.clone().unwrap_or_else(|| "it was cancelled".to_owned());
        if work.record.steps.iter().any(|step| record::may_have_effect(step.state)) {
            return self.unwind(work, why).await;
        }
        self.commit(work, Event::Stopped).await?;
        Ok(self.next(work))
    }

    /// Turns back.
    pub(super) async fn unwind(&self, work: &mut Work<'_>, why: String) -> Result<Turn, Stop> {
        self.commit(work, Event::Unwound { why, checks: Vec::new() }).await?;
        Ok(self.next(work))
    }

    /// Looks at what the step is about, and goes on by what is seen.
    pub(super) async fn take(
        &self,
        work: &mut Work<'_>,
        at: StepAt,
        step: &StepRecord,
    ) -> Result<Turn, Stop> {
        let looks = deeds::looks(&step.action);
        let cluster = match self.inner.engine.cluster("looking at a step's object") {
            Ok(cluster) => cluster,
            Err(error) => return self.blind(work, at, chain(&error)).await,
        };
        let seen = match deeds::see(cluster, &looks).await {
            Ok(seen) => seen,
            Err(PortError { message, .. }) => return self.blind(work, at, message).await,
        };
        let id = work.workflow().id.as_str().to_owned();
        let observation = match at.direction {
            Direction::Do => deeds::observe(&step.action, &step.effect_key, &id, &seen),
            Direction::Undo => {
                let done = StepAt { order: at.order, direction: Direction::Do };
                let Some(done) = record::step(&work.record, done) else {
                    let why = format!("step {} is to be undone, but was never taken", shown(at.order));
                    return self.park(work, Some("internal"), why).await;
                };
                deeds::observe_undo(done, &step.effect_key, &id, &seen)
            }
        };
        if let (Observation::Ready(_), Some(why)) = (&observation, changed(work, at, &seen)) {
            return self.give_up(work, at, why).await;
        }
        match observation {
            Observation::Applied { evidence } => self.found(work, at, Found::Applied, evidence).await,
            // Nothing is left to do. A pod that is gone was taken by the request of which nobody knew, or need not be; what
            // carries no marker was set by that request or by somebody else, and nobody can tell.
            Observation::Settled { why } if !record::outstanding(&work.record, at).is_empty() => {
                let is_pod = matches!(step.action, Action::EvictPod { .. } | Action::DeletePod { .. });
                let is_told = is_pod || at.direction == Direction::Undo;
                let found = if is_told { Found::Applied } else { Found::Settled };
                self.found(work, at, found, why).await
            }
            Observation::Settled { why } => self.found(work, at, Found::Skipped, why).await,
            Observation::Refused { why } | Observation::Conflict { why } if is_gone(step, &seen) => {
                // Made again from a copy of what the step had left: it had its effect, on an object that is no more.
                let is_copied = deeds::carries(&seen, &step.effect_key);
                let found = if is_copied { Found::Indeterminate } else { Found::Gone };
                self.give_up_as(work, at, found, why).await
            }
            Observation::Refused { why } | Observation::Conflict { why } => {
                let found =
                    if is_untold(work, at, step, &seen) { Found::Indeterminate } else { Found::Failed };
                self.give_up_as(work, at, found, why).await
            }
            Observation::Wait { why } => {
                let by = if matches!(step.action, Action::AwaitPool { .. }) { MACHINES } else { SOON };
                self.pause(work, at, by, why).await
            }
            Observation::Ready(ready) if at.direction == Direction::Undo && changes_nothing(&ready) => {
                let why =
                    "somebody else has set it back already; only our marker is left, and nothing is written \
                           against a controller that reverts"
                        .to_owned();
                self.give_up(work, at, why).await
            }
            Observation::Ready(ready) => self.send(work, at, step, *ready, seen.first()).await,
        }
    }

    async fn found(&self, work: &mut Work<'_>, at: StepAt, found: Found, why: String) -> Result<Turn, Stop> {
        self.commit(work, Event::Seen { step: at, found, why }).await?;
        Ok(Turn::Again)
    }

    /// The cluster cannot be read. A step of which nothing was sent waits until its time is over; one of which something
    /// was is for a person when it cannot be told for too long.
    async fn blind(&self, work: &mut Work<'_>, at: StepAt, why: String) -> Result<Turn, Stop> {
        let since = match record::outstanding(&work.record, at).pop() {
            None => return self.pause(work, at, SOON, format!("the cluster cannot be read: {why}")).await,
            Some(attempt) => attempt.observed_at,
        };
        let now = self.now(work.held);
        let longest = millis(self.inner.settings.timing.observe);
        match since {
            Some(since) if now >= since.saturating_add(longest) => {
                let seconds = longest / 1_000;
                let why =
                    format!("a request was sent, and for {seconds} s nobody could look what it did: {why}");
                self.found(work, at, Found::Indeterminate, why).await
            }
            _ => {
                let until = now.saturating_add(SOON);
                let why = format!("a request was sent, and the cluster cannot be read: {why}");
                self.commit(work, Event::Undecided { step: at, why, until }).await?;
                Ok(Turn::WakeAt(until))
            }
        }
    }

    /// Looks again later, until the step's time is over.
    pub(super) async fn pause(
        &self,
        work: &mut Work<'_>,
        at: StepAt,
        by: Millis,
        why: String,
    ) -> Result<Turn, Stop> {
        self.pause_as(work, at, by, Found::Failed, (None, why)).await
    }

    /// The same for a rule that holds it up, and to another end than that nothing came of it when its time is over.
    pub(super) async fn pause_as(
        &self,
        work: &mut Work<'_>,
        at: StepAt,
        by: Millis,
        spent: Found,
        (rule, why): (Option<&str>, String),
    ) -> Result<Turn, Stop> {
        let (now, deadline) = (self.now(work.held), work.workflow().deadline);
        if now >= deadline {
            return self.give_up_as(work, at, spent, format!("its time is over: {why}")).await;
        }
        let until = now.saturating_add(by.max(1)).min(deadline);
        self.wait_by(work, until, (rule, Some(why))).await
    }

    /// The step fails, unless a request of it may still be on its way: it is sent within a request's time of its intent, it
    /// arrives within another, and no API server works on a request for longer than a minute (its `--request-timeout` is
    /// 60 s), so after that a look decides.
    pub(super) async fn give_up(&self, work: &mut Work<'_>, at: StepAt, why: String) -> Result<Turn, Stop> {
        self.give_up_as(work, at, Found::Failed, why).await
    }

    /// The same, to another end than that nothing came of it.
    pub(super) async fn give_up_as(
        &self,
        work: &mut Work<'_>,
        at: StepAt,
        found: Found,
        why: String,
    ) -> Result<Turn, Stop> {
        let last = record::outstanding(&work.record, at).pop().map(|attempt| attempt.intent_at);
        let timing = &self.inner.settings.timing;
        let longest = millis(timing.request.saturating_mul(2).saturating_add(timing.observe));
        let decided = last.map(|at| at.saturating_add(longest));
        if let Some(until) = decided.filter(|until| *until > self.now(work.held)) {
            let why = format!("{why}; waits until no request of it can still arrive");
            return self.wait(work, until, Some(why)).await;
        }
        self.found(work, at, found, why).await
    }
}

/// Why a step is not begun: what it overwrites is not what the plan was made on. Only while no request of it can have had
/// an effect: after that, what is there may be ours.
fn changed(work: &Work<'_>, at: StepAt, seen: &[Sight]) -> Option<String> {
    if at.direction == Direction::Undo || !record::outstanding(&work.record, at).is_empty() {
        return None;
    }
    let planned = work.workflow().plan.as_ref()?.steps.iter().find(|step| step.order == at.order)?;
    let Some(Sight::Object(object)) = seen.first() else { return None };
    deeds::changed(&planned.action, &planned.planned_on, object)
}

/// Whether the object that a step is about is not there any more, or another one of its name is.
fn is_gone(step: &StepRecord, seen: &[Sight]) -> bool {
    let Some(wanted) = step.action.target().uid.as_deref() else { return false };
    match seen.first() {
        Some(Sight::Absent) => true,
        Some(Sight::Object(object)) => {
            object.pointer("/metadata/uid").and_then(serde_json::Value::as_str) != Some(wanted)
        }
        _ => false,
    }
}

/// Whether a request of a step that cannot be done any more may have had its effect, though the object does not say so:
/// forward it left a marker that somebody may have taken away since, and the way back took that marker away.
fn is_untold(work: &Work<'_>, at: StepAt, step: &StepRecord, seen: &[Sight]) -> bool {
    if record::outstanding(&work.record, at).is_empty() {
        return false;
    }
    let Some(Sight::Object(object)) = seen.first() else { return false };
    match at.direction {
        Direction::Do => deeds::carries(seen, &step.effect_key) || undecidable(work, at, object).is_some(),
        Direction::Undo => {
            let done = record::step(&work.record, StepAt { order: at.order, direction: Direction::Do });
            done.is_none_or(|done| !deeds::carries(seen, &done.effect_key))
        }
    }
}

/// Whether a way back would change no field: they are as they were before the step, though the step's marker says that
/// we wrote last.
fn changes_nothing(ready: &Ready) -> bool {
    let Some(after) = ready.post_image.as_object() else { return false };
    after.iter().all(|(member, value)| ready.pre_image.get(member) == Some(value))
}

/// Whether the workflow fails when this step does.
fn is_required(work: &Work<'_>, order: u32) -> bool {
    let steps = work.workflow().plan.iter().flat_map(|plan| &plan.steps);
    steps.filter(|step| step.order == order).all(|step| step.required)
}
