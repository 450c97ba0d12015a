//! Did it help? Each step is watched until its objects have settled, and the whole until the target is healthy.
//!
//! Three answers: passed, failed, and not known. What is not known when its time is over counts as failed, but its time
//! begins anew whenever it comes nearer; and what passes has to pass for a while: a container that crashes in ten seconds is
//! running now.

mod taken;

use std::collections::BTreeSet;

use self::taken::{applied_at, lasting, settled_at, verifying_since, worst};
use super::{
    checks::{self, Judged},
    held::Held,
    planning::chain,
    record::{self, Event, StepAt},
    runner::{Executor, Stop, Turn, Work},
    times,
};
use crate::{
    deeds::Nearing,
    model::{
        Millis,
        action::Action,
        phase::{StepState, Verdict},
        plan::{Checkpoint, Plan, shown},
        workflow::{CheckRecord, StepRecord},
    },
    planner,
    settings::limits::millis,
};

/// The check that everything has held for a while.
const STEADY: &str = "steady";
/// That it had to begin anew, because nobody looked meanwhile.
const ANEW: &str = "steady_anew";
/// The check that a step's own objects have settled.
const SETTLED: &str = "settled";
/// The check that the target, the owners of pods that were taken away and a node that was emptied are as they should be.
const TARGET: &str = "target";
/// Looks that are so far apart, in milliseconds, are those of a process that was away; a busy one is seldom as late.
const AWAY: Millis = 8_000;
/// The soonest look after a deed.
const FIRST_LOOK: Millis = 100;
/// Up to this pause a lease is kept instead of given back and claimed again, which costs two commits.
const SHORT: Millis = 1_000;

/// Whether a wait is too short to write it down. What came nearer is written down after a moment all the same: what is not
/// kept would come nearer again at every look.
const fn is_brief((now, by): (Millis, Millis), since: Millis, has_note: bool) -> bool {
    by < SHORT && (!has_note || now.saturating_sub(since) < 2 * SHORT)
}

/// Whether it was taken up from a process that died, and nothing has been written down since. The first look that comes to
/// its end is, however brief the wait: it has got further, and is no poison.
const fn is_regained(work: &Work<'_>) -> bool {
    work.record.workflow.recoveries > 0
}

impl Executor {
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
            let why = "it settles with a later step, and is judged with that one".to_owned();
            return self.after_step(work, at, Some(why)).await;
        }
        let (verdict, evidence, nearing) = self.settled(step).await;
        let since = applied_at(work, at, step);
        let what =
            || format!("step {} ({} on {})", shown(at.order), step.action.name(), step.action.target());
        match verdict {
            Verdict::Passed => self.after_step(work, at, Some(evidence)).await,
            Verdict::Failed => self.unwind(work, format!("{} did not help: {evidence}", what())).await,
            Verdict::Unknown | Verdict::Pending => {
                let clock = self.clock(work, times::place(at), since, (nearing, &evidence));
                let timing = &self.inner.settings.timing;
                let deadline = times::settles_until(work.workflow(), timing, (since, clock.moved), nearing);
                let now = self.now(work.held);
                if now >= deadline {
                    let still = now.saturating_sub(clock.moved) / 1_000;
                    let why = format!(
                        "{} was not seen to help in time: {evidence}; nothing came nearer for {still} s",
                        what()
                    );
                    return self.unwind(work, why).await;
                }
                self.look_again(work, since, deadline, evidence, clock.note).await
            }
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
        note: Option<CheckRecord>,
    ) -> Result<Turn, Stop> {
        let (now, by) = self.pace(work.held, since);
        let until = now.saturating_add(by).min(deadline.max(now.saturating_add(1)));
        if is_brief((now, by), since, note.is_some()) && !is_regained(work) {
            return Ok(Turn::Hold(until));
        }
        let checks = note.into_iter().collect();
        self.commit(work, Event::Waits { until, why: Some(why), rule: None, checks }).await?;
        Ok(Turn::WakeAt(until))
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
        let mut made = self.make(work, &plan, &due, &settled).await;
        let known = settled_at(work, at.order);
        // Its own checks have their time from when it had settled, however long that took.
        let since = if step.state == StepState::Applied {
            known.unwrap_or_else(|| self.now(work.held))
        } else {
            applied_at(work, at, &step)
        };
        match worst(&due, &made) {
            None => {
                self.commit(work, Event::Advanced { checks: made, evidence }).await?;
                Ok(Turn::Again)
            }
            Some((why, longest)) => {
                let deadline = since.saturating_add(longest);
                if self.now(work.held) < deadline {
                    let is_new = step.state == StepState::Applied && known.is_none();
                    if is_new {
                        let (verdict, evidence) = settled;
                        made.push(self.checked(work.held, at.order, SETTLED, verdict, evidence));
                    }
                    return self.wait_with(work, since, (made, is_new), why).await;
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
        (checks, has_to_be_kept): (Vec<CheckRecord>, bool),
        why: String,
    ) -> Result<Turn, Stop> {
        let (now, by) = self.pace(work.held, since);
        let until = now.saturating_add(by);
        if by < SHORT && !has_to_be_kept && !is_regained(work) {
            return Ok(Turn::Hold(until));
        }
        self.commit(work, Event::Waits { until, why: Some(why), rule: None, checks }).await?;
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

    pub(super) fn checked(
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
        let mut nearing = Nearing::default();
        for step in steps {
            let (verdict, evidence, near) = self.settled(&step).await;
            nearing = nearing.and(near);
            made.push(self.checked(work.held, step.order, SETTLED, verdict, evidence.clone()));
            if verdict != Verdict::Passed && settled.0 != Verdict::Failed {
                settled = (verdict, evidence);
            } else if settled.0 == Verdict::Passed {
                settled.1 = evidence;
            }
        }
        if settled.0 == Verdict::Passed
            && let Some((judged, near)) = self.standing(work, &plan).await
        {
            nearing = nearing.and(near);
            made.push(self.checked(work.held, last, TARGET, judged.0, judged.1.clone()));
            if judged.0 != Verdict::Passed {
                settled = judged;
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
            Some(why) => self.unsteady(work, last, made, (why, nearing)).await,
        }
    }

    /// What has to be well beside the steps' own objects; `None` where that is nothing.
    async fn standing(&self, work: &Work<'_>, plan: &Plan) -> Option<(Judged, Nearing)> {
        let steps = lasting(&work.record.steps);
        // That a pod is gone tells nothing of who is to make another.
        let shows = |action: &Action| !matches!(action, Action::EvictPod { .. } | Action::DeletePod { .. });
        let told: BTreeSet<String> =
            steps.iter().filter(|step| shows(&step.action)).map(|step| step.action.target().key()).collect();
        match self.inner.engine.cluster("looking whether the target is well") {
            Ok(cluster) => checks::standing(cluster, &work.record, plan, &told).await,
            Err(error) => Some(((Verdict::Unknown, chain(&error)), Nearing::default())),
        }
    }

    /// Everything holds: it has to do so for a while.
    async fn steady(&self, work: &mut Work<'_>, last: u32, mut made: Vec<CheckRecord>) -> Result<Turn, Stop> {
        let now = self.now(work.held);
        let longest = millis(self.inner.settings.timing.steady);
        let begun = work.record.checks.iter().find(|c| c.name == STEADY && c.verdict == Verdict::Pending);
        let mut since = begun.and_then(|check| check.at);
        let seen = since.and_then(|since| Some(since.saturating_add(times::kept(begun?)?)));
        let away = now.saturating_sub(seen.unwrap_or(now));
        // Once: where every look comes late, that it held at each of them has to do.
        let is_anew = work.record.checks.iter().any(|check| check.name == ANEW);
        if away > longest.max(AWAY) && !is_anew {
            let why = format!("nobody looked for {} s, so it has to hold from here", away / 1_000);
            made.push(self.checked(work.held, last, ANEW, Verdict::Passed, why));
            since = None;
        }
        let until = since.unwrap_or(now).saturating_add(longest);
        if now >= until {
            let why = format!("everything held for {} s", now.saturating_sub(since.unwrap_or(now)) / 1_000);
            made.push(self.checked(work.held, last, STEADY, Verdict::Passed, why));
            self.commit(work, Event::Passed { checks: made }).await?;
            return Ok(self.next(work));
        }
        let pace = millis(self.inner.settings.timing.settle).max(FIRST_LOOK);
        let next = now.saturating_add(pace).min(until);
        let held = now.saturating_sub(since.unwrap_or(now));
        let evidence = format!("{held} ms so far: everything holds");
        let mut steady = self.checked(work.held, last, STEADY, Verdict::Pending, evidence);
        if since.is_some() {
            // The lease goes back too, for the pause is long.
            steady.at = since;
            self.commit(work, Event::Waits { until: next, why: None, rule: None, checks: vec![steady] })
                .await?;
            return Ok(Turn::WakeAt(next));
        }
        made.push(steady);
        let why = Some("everything holds; it has to do so for a while".to_owned());
        self.commit(work, Event::Waits { until: next, why, rule: None, checks: made }).await?;
        Ok(Turn::WakeAt(next))
    }

    /// Something does not hold yet.
    async fn unsteady(
        &self,
        work: &mut Work<'_>,
        last: u32,
        mut made: Vec<CheckRecord>,
        (why, nearing): (String, Nearing),
    ) -> Result<Turn, Stop> {
        let began = verifying_since(work);
        let clock = self.clock(work, (last, times::OF_ALL), began, (nearing, &why));
        let timing = &self.inner.settings.timing;
        let deadline = times::settles_until(work.workflow(), timing, (began, clock.moved), nearing)
            // What was taken over has a moment to be looked at.
            .max(work.workflow().deadline);
        let has_note = clock.note.is_some();
        made.extend(clock.note);
        let now = self.now(work.held);
        if now >= deadline {
            let still = now.saturating_sub(clock.moved) / 1_000;
            let why =
                format!("the target was not seen healthy in time: {why}; nothing came nearer for {still} s");
            self.commit(work, Event::Unwound { why, checks: made }).await?;
            return Ok(self.next(work));
        }
        if work.record.checks.iter().any(|c| c.name == STEADY && c.verdict == Verdict::Pending) {
            made.push(self.checked(work.held, last, STEADY, Verdict::Unknown, why.clone()));
        }
        let (now, by) = self.pace(work.held, began);
        let until = now.saturating_add(by).min(deadline);
        let is_reset = made.last().is_some_and(|check| check.name == STEADY);
        if is_brief((now, by), began, has_note) && !is_reset && !is_regained(work) {
            return Ok(Turn::Hold(until));
        }
        self.commit(work, Event::Waits { until, why: Some(why), rule: None, checks: made }).await?;
        Ok(Turn::WakeAt(until))
    }
}
