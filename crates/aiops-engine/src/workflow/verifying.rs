//! Did it help? Each step is watched until its objects have settled, and the whole until the target is healthy.
//!
//! Three answers: passed, failed, and not known. What is not known when its time is over counts as failed, and what passes
//! has to pass for a while: a container that crashes in ten seconds is running now.

use std::collections::BTreeMap;

use super::{
    checks::{self, Judged},
    held::Held,
    planning::chain,
    record::{self, Event, StepAt},
    runner::{Executor, Stop, Turn, Work},
};
use crate::{
    deeds,
    model::{
        Millis,
        action::Action,
        phase::{Direction, StepState, Verdict},
        plan::{Checkpoint, Plan, shown},
        workflow::{CheckRecord, StepRecord},
    },
    planner,
    settings::limits::millis,
};

/// The check that everything has held for a while.
const STEADY: &str = "steady";
/// The soonest look after a deed.
const FIRST_LOOK: Millis = 100;
/// Up to this pause a lease is kept instead of given back and claimed again, which costs two commits.
const SHORT: Millis = 1_000;

impl Executor {
    /// Whether what a step did has settled.
    async fn settled(&self, step: &StepRecord) -> Judged {
        let looks = deeds::verify_looks(&step.action);
        let cluster = match self.inner.engine.cluster("looking whether a step helped") {
            Ok(cluster) => cluster,
            Err(error) => return (Verdict::Unknown, chain(&error)),
        };
        match deeds::see(cluster, &looks).await {
            Ok(seen) => deeds::verify(&step.action, &step.effect_key, &seen),
            Err(error) => (Verdict::Unknown, error.message),
        }
    }

    /// A step that was applied: watched until it has settled.
    pub(super) async fn settle(
        &self,
        work: &mut Work<'_>,
        at: StepAt,
        step: &StepRecord,
    ) -> Result<Turn, Stop> {
        if work.workflow().cancel_requested {
            return self.cancelled(work).await;
        }
        if work.workflow().plan.as_ref().is_some_and(|plan| planner::is_judged_with_next(plan, at.order)) {
            let why = "it settles with the step after it, and is judged with that one".to_owned();
            return self.after_step(work, at, Some(why)).await;
        }
        let (verdict, evidence) = self.settled(step).await;
        let since = applied_at(work, at, step);
        let deadline = since.saturating_add(millis(self.inner.settings.timing.verify));
        let what =
            || format!("step {} ({} on {})", shown(at.order), step.action.name(), step.action.target());
        match verdict {
            Verdict::Passed => self.after_step(work, at, Some(evidence)).await,
            Verdict::Failed => self.unwind(work, format!("{} did not help: {evidence}", what())).await,
            Verdict::Unknown | Verdict::Pending if self.now(work.held) >= deadline => {
                self.unwind(work, format!("{} was not seen to help in time: {evidence}", what())).await
            }
            Verdict::Unknown | Verdict::Pending => self.look_again(work, since, deadline, evidence).await,
        }
    }

    /// Now, and after how long to look again at what began then: soon at first, then at the pace of what takes minutes.
    fn pace(&self, held: &Held, since: Millis) -> (Millis, Millis) {
        let now = self.now(held);
        let longest = millis(self.inner.settings.timing.settle).max(FIRST_LOOK);
        (now, (now.saturating_sub(since) / 2).clamp(FIRST_LOOK, longest))
    }

    async fn look_again(
        &self,
        work: &mut Work<'_>,
        since: Millis,
        deadline: Millis,
        why: String,
    ) -> Result<Turn, Stop> {
        let (now, by) = self.pace(work.held, since);
        let until = now.saturating_add(by).min(deadline.max(now.saturating_add(1)));
        if by < SHORT {
            return Ok(Turn::Hold(until));
        }
        self.wait(work, until, Some(why)).await
    }

    /// A step that is over without anything to wait for: what has to hold after it.
    pub(super) async fn checkpoint(&self, work: &mut Work<'_>, at: StepAt) -> Result<Turn, Stop> {
        self.after_step(work, at, None).await
    }

    /// What has to hold after this step; after the last one the whole is watched instead.
    async fn after_step(
        &self,
        work: &mut Work<'_>,
        at: StepAt,
        evidence: Option<String>,
    ) -> Result<Turn, Stop> {
        let plan = work.workflow().plan.clone();
        let step = record::step(&work.record, at).cloned();
        let (Some(plan), Some(step)) = (plan, step) else {
            let why = format!("step {} has no plan", shown(at.order));
            return self.park(work, Some("internal"), why).await;
        };
        let is_last = plan.steps.iter().all(|step| step.order <= at.order);
        let due: Vec<&Checkpoint> = plan.checkpoints.iter().filter(|c| c.after_step == at.order).collect();
        if is_last || due.is_empty() {
            self.commit(work, Event::Advanced { checks: Vec::new(), evidence }).await?;
            return Ok(Turn::Again);
        }
        let settled =
            (Verdict::Passed, evidence.clone().unwrap_or_else(|| "nothing had to be done".to_owned()));
        let made = self.make(work, &plan, &due, &settled).await;
        let since = applied_at(work, at, &step);
        match worst(&due, &made) {
            None => {
                self.commit(work, Event::Advanced { checks: made, evidence }).await?;
                Ok(Turn::Again)
            }
            Some((why, longest)) => {
                let deadline = since.saturating_add(longest);
                if self.now(work.held) < deadline {
                    return self.wait_with(work, since, made, why).await;
                }
                let why = format!("what has to hold after step {} does not: {why}", shown(at.order));
                self.commit(work, Event::Unwound { why, checks: made }).await?;
                Ok(self.next(work))
            }
        }
    }

    async fn wait_with(
        &self,
        work: &mut Work<'_>,
        since: Millis,
        checks: Vec<CheckRecord>,
        why: String,
    ) -> Result<Turn, Stop> {
        let (now, by) = self.pace(work.held, since);
        let until = now.saturating_add(by);
        if by < SHORT {
            return Ok(Turn::Hold(until));
        }
        self.commit(work, Event::Waits { until, why: Some(why), checks }).await?;
        Ok(Turn::WakeAt(until))
    }

    /// Makes the checks of these checkpoints, each name once.
    async fn make(
        &self,
        work: &Work<'_>,
        plan: &Plan,
        due: &[&Checkpoint],
        settled: &Judged,
    ) -> Vec<CheckRecord> {
        let began = work.workflow().started_at.unwrap_or_default();
        let mut made: Vec<CheckRecord> = Vec::new();
        let cluster = self.inner.engine.cluster("checking a checkpoint");
        for checkpoint in due {
            for name in &checkpoint.checks {
                let is_made = made.iter().any(|c| c.after_order == checkpoint.after_step && c.name == *name);
                if is_made {
                    continue;
                }
                let (verdict, evidence) = match &cluster {
                    Ok(cluster) => checks::check(*cluster, name, plan, began, settled).await,
                    Err(error) => (Verdict::Unknown, chain(error)),
                };
                made.push(self.checked(work.held, checkpoint.after_step, name, verdict, evidence));
            }
        }
        made
    }

    fn checked(
        &self,
        held: &Held,
        after_order: u32,
        name: &str,
        verdict: Verdict,
        evidence: String,
    ) -> CheckRecord {
        CheckRecord {
            after_order,
            name: name.to_owned(),
            verdict,
            evidence: Some(evidence),
            at: Some(self.now(held)),
        }
    }

    /// All steps are taken: the target is watched until it is healthy, and stays so for a while.
    pub(super) async fn verifying(&self, work: &mut Work<'_>) -> Result<Turn, Stop> {
        if work.workflow().cancel_requested {
            return self.cancelled(work).await;
        }
        let Some(plan) = work.workflow().plan.clone() else {
            return self.park(work, Some("internal"), "it has no plan to be verified".to_owned()).await;
        };
        let last = plan.steps.iter().map(|step| step.order).max().unwrap_or_default();
        let steps = lasting(&work.record.steps);
        let mut made = Vec::new();
        let mut settled = (Verdict::Passed, "nothing had to be done".to_owned());
        for step in steps {
            let (verdict, evidence) = self.settled(&step).await;
            made.push(self.checked(work.held, step.order, "settled", verdict, evidence.clone()));
            if verdict != Verdict::Passed && settled.0 != Verdict::Failed {
                settled = (verdict, evidence);
            } else if settled.0 == Verdict::Passed {
                settled.1 = evidence;
            }
        }
        if settled.0 == Verdict::Failed {
            let why = format!("it did not help: {}", settled.1);
            self.commit(work, Event::Unwound { why, checks: made }).await?;
            return Ok(self.next(work));
        }
        let due: Vec<&Checkpoint> = plan.checkpoints.iter().filter(|c| c.after_step >= last).collect();
        let checked = self.make(work, &plan, &due, &settled).await;
        let problem = match settled.0 {
            Verdict::Passed => worst(&due, &checked).map(|(why, _)| why),
            Verdict::Pending | Verdict::Failed | Verdict::Unknown => Some(settled.1),
        };
        made.extend(checked);
        match problem {
            None => self.steady(work, last, made).await,
            Some(why) => self.unsteady(work, last, made, why).await,
        }
    }

    /// Everything holds: it has to do so for a while.
    async fn steady(&self, work: &mut Work<'_>, last: u32, mut made: Vec<CheckRecord>) -> Result<Turn, Stop> {
        let now = self.now(work.held);
        let longest = millis(self.inner.settings.timing.steady);
        let begun = work.record.checks.iter().find(|c| c.name == STEADY && c.verdict == Verdict::Pending);
        let since = begun.and_then(|check| check.at);
        let until = since.unwrap_or(now).saturating_add(longest);
        if now >= until {
            let why = format!("everything held for {} s", now.saturating_sub(since.unwrap_or(now)) / 1_000);
            made.push(self.checked(work.held, last, STEADY, Verdict::Passed, why));
            self.commit(work, Event::Passed { checks: made }).await?;
            return Ok(self.next(work));
        }
        let pace = millis(self.inner.settings.timing.settle).max(FIRST_LOOK);
        let next = now.saturating_add(pace).min(until);
        if since.is_some() {
            // Nothing new to write down; the lease goes back all the same, for the pause is long.
            self.commit(work, Event::Waits { until: next, why: None, checks: Vec::new() }).await?;
            return Ok(Turn::WakeAt(next));
        }
        made.push(self.checked(work.held, last, STEADY, Verdict::Pending, "everything holds".to_owned()));
        let why = Some("everything holds; it has to do so for a while".to_owned());
        self.commit(work, Event::Waits { until: next, why, checks: made }).await?;
        Ok(Turn::WakeAt(next))
    }

    /// Something does not hold yet.
    async fn unsteady(
        &self,
        work: &mut Work<'_>,
        last: u32,
        mut made: Vec<CheckRecord>,
        why: String,
    ) -> Result<Turn, Stop> {
        let deadline = work.workflow().deadline;
        if self.now(work.held) >= deadline {
            let why = format!("the target was not seen healthy in time: {why}");
            self.commit(work, Event::Unwound { why, checks: made }).await?;
            return Ok(self.next(work));
        }
        if work.record.checks.iter().any(|c| c.name == STEADY && c.verdict == Verdict::Pending) {
            made.push(self.checked(work.held, last, STEADY, Verdict::Unknown, why.clone()));
        }
        let (now, by) =
            self.pace(work.held, deadline.saturating_sub(millis(self.inner.settings.timing.verify)));
        let until = now.saturating_add(by).min(deadline);
        let is_reset = made.last().is_some_and(|check| check.name == STEADY);
        if by < SHORT && !is_reset {
            return Ok(Turn::Hold(until));
        }
        self.commit(work, Event::Waits { until, why: Some(why), checks: made }).await?;
        Ok(Turn::WakeAt(until))
    }
}

/// The check that does not hold although it has to, and how long it may take, in milliseconds.
fn worst(due: &[&Checkpoint], made: &[CheckRecord]) -> Option<(String, Millis)> {
    let required = due.iter().filter(|checkpoint| checkpoint.required);
    let mut longest: Option<(String, Millis)> = None;
    for checkpoint in required {
        let open = made.iter().find(|check| {
            check.after_order == checkpoint.after_step
                && checkpoint.checks.contains(&check.name)
                && check.verdict != Verdict::Passed
        });
        if let Some(check) = open {
            let evidence = check.evidence.as_deref().unwrap_or_default();
            let may_take = i64::from(checkpoint.timeout_seconds).saturating_mul(1_000);
            if longest.as_ref().is_none_or(|(_, held)| *held < may_take) {
                longest =
                    Some((format!("{} is {}: {evidence}", check.name, check.verdict.as_str()), may_take));
            }
        }
    }
    longest
}

/// When a step's effect was known.
fn applied_at(work: &Work<'_>, at: StepAt, step: &StepRecord) -> Millis {
    let attempts = record::attempts(&work.record, at);
    let known = attempts.last().and_then(|attempt| attempt.observed_at);
    [known, step.finished_at, step.started_at, work.workflow().started_at]
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_default()
}

/// The steps whose effect is to be seen at the end: on each object the last one, for it may have overwritten the others.
/// One for which nothing had to be done is among them where its object tells without a marker: that it wants what it
/// should does not say that it is well.
fn lasting(steps: &[StepRecord]) -> Vec<StepRecord> {
    let mut last: BTreeMap<String, &StepRecord> = BTreeMap::new();
    for step in steps {
        let is_done = match step.state {
            StepState::Applied | StepState::Verified => true,
            StepState::Skipped => tells_without_marker(&step.action),
            StepState::Pending | StepState::Intent | StepState::Failed | StepState::Indeterminate => false,
        };
        if step.direction == Direction::Do && is_done {
            let held = last.entry(step.action.target().key()).or_insert(step);
            if held.order < step.order {
                *held = step;
            }
        }
    }
    let mut steps: Vec<StepRecord> = last.into_values().cloned().collect();
    steps.sort_by_key(|step| step.order);
    steps
}

const fn tells_without_marker(action: &Action) -> bool {
    matches!(
        action,
        Action::ScaleWorkload { .. }
            | Action::RollbackWorkload { .. }
            | Action::SetResources { .. }
            | Action::CordonNode { .. }
            | Action::UncordonNode { .. }
    )
}
