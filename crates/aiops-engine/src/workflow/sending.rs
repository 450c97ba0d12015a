//! From what is to be sent to what became of it: the guard once more, the intent, the request, the outcome.
//!
//! The intent is committed before the request is sent, under the controls that it was decided by, and the request is sent at
//! most once for each intent, only under a lease that outlives it and only while the decision is young. What a lost answer
//! means is never guessed.

use serde_json::{Value, json};

use super::{
    planning::chain,
    record::{self, Event, Found, StepAt},
    runner::{Executor, Stop, Turn, Work},
    stepping::SOON,
    times,
};
use crate::{
    deeds::{self, Look, Ready, Sight},
    guard,
    model::{
        Millis,
        action::Action,
        method::DeployMethod,
        phase::Direction,
        plan::{Plan, shown},
        workflow::{ApprovalState, Attempt, Outcome, Record, StepRecord},
    },
    planner::value,
    ports::{
        acting::{Accepted, Mutation, NotDone, NotDoneKind, Verb},
        store::{Control, StoreError, Write},
    },
    remedies,
    settings::limits::millis,
};

/// How often a step is tried that somebody else gets ahead of.
const CONFLICTS: usize = 8;
/// From the second one on it waits, twice as long each time: while a rollout is under way its controller writes the status
/// again and again.
const CONFLICTED: Millis = 250;
/// How long a disruption budget is waited for before the next try, unless the API server says otherwise.
const BLOCKED: Millis = 10_000;
/// How long an API server is left alone that sheds load or was not reached.
const THROTTLED: Millis = 1_000;

impl Executor {
    /// Sends what a step is to do, when everything allows it.
    pub(super) async fn send(
        &self,
        work: &mut Work<'_>,
        at: StepAt,
        step: &StepRecord,
        ready: Ready,
        fresh: Option<&Sight>,
    ) -> Result<Turn, Stop> {
        let object = match fresh {
            Some(Sight::Object(object)) => object.clone(),
            _ => Value::Null,
        };
        if let Some(why) = undecidable(work, at, &object) {
            self.commit(work, Event::Seen { step: at, found: Found::Indeterminate, why }).await?;
            return Ok(Turn::Again);
        }
        if work.held.lease().is_restored() {
            let what = if at.direction == Direction::Undo { "the undoing of step" } else { "step" };
            let why = format!(
                "the record is from a backup, and {} does not show {what} {}: whether it was taken since, and then undone or \
                 overwritten, cannot be told; look at it, and resolve the workflow",
                step.action.target(),
                shown(at.order)
            );
            return self.park(work, Some("restored"), why).await;
        }
        // What is there in part is made whole, or is for a person: it is nothing that had no effect.
        let spent = if ready.completes { Found::Indeterminate } else { Found::Failed };
        if let Some(why) = self.is_over(work, at, ready.completes) {
            return self.give_up_as(work, at, spent, why).await;
        }
        let Some(acting) = self.inner.acting.clone() else {
            let why =
                format!("{}: this aiops may not change anything (it is read-only)", guard::names::ACTING);
            return self.give_up_as(work, at, spent, why).await;
        };
        // Before the guard is asked: a switch that is thrown while this waits counts.
        acting.turn().await;
        if let Some(why) = self.unread_cluster() {
            return self.pause_as(work, at, SOON, spent, (None, why)).await;
        }
        let decided = self.timer.ticks();
        match self.spared(step, &object).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                let why = format!("{}: {why}", guard::names::EVICTION);
                return self.give_up_as(work, at, spent, why).await;
            }
            Err(why) => return self.pause_as(work, at, SOON, spent, (None, why)).await,
        }
        let controls = match self.may(work, at, step, &object).await? {
            Ok(controls) => controls,
            Err((rule, why)) => {
                let why = format!("{rule}: {why}");
                if guard::passes_by_itself(&rule) {
                    return self.pause_as(work, at, SOON, spent, (Some(&rule), why)).await;
                }
                return self.give_up_as(work, at, spent, why).await;
            }
        };
        if !self.may_send(work.held).await {
            return Ok(Turn::Lost);
        }
        let time = self.now(work.held);
        // This process may stand still here for as long as its lease lasts; the store alone knows what was switched meanwhile.
        let mut takes = vec![Write::Under(controls)];
        takes.extend(self.spends(work, at, step, time));
        let event = Event::Intended {
            step: at,
            pre_image: ready.pre_image,
            post_image: ready.post_image,
            intent: intent(&ready.mutation, &object, time),
            takes,
        };
        match self.commit(work, event).await {
            Err(Stop::Store(StoreError::Taken { what, .. })) => {
                let window = millis(self.inner.settings.limits.budget_window).max(1);
                let rest = window.saturating_sub(time.rem_euclid(window));
                let why = format!("{what} is used up");
                let until = time.saturating_add(rest);
                let rule = Some(guard::names::BUDGET);
                // It has its time once the budget begins anew, and no other than the workflow's until then.
                let timing = &self.inner.settings.timing;
                if times::after_budget(work.workflow(), timing, until).is_some() {
                    return self.wait_by(work, until, (rule, Some(why))).await;
                }
                return self.pause_as(work, at, rest, spent, (rule, why)).await;
            }
            other => other?,
        }
        // The commit may have taken long. Without trust the intent stays, and whoever comes next begins by looking.
        if !self.may_send(work.held).await {
            return Ok(Turn::Lost);
        }
        // What no store knows (the object's labels, a switch in the cluster) is bound by time: older than a request may take,
        // it is looked at again.
        let age = self.timer.ticks().saturating_sub(decided);
        let sent = if age > millis(self.inner.settings.timing.request) {
            let why = format!("it was decided {age} ms before it was to be sent, and was not sent");
            Err(NotDone::new(NotDoneKind::NotSent, why))
        } else {
            acting.perform(&ready.mutation).await
        };
        self.learn(work, at, sent, spent).await
    }

    /// Why nothing may be tried any more. What was begun is finished also when it was cancelled.
    fn is_over(&self, work: &Work<'_>, at: StepAt, completes: bool) -> Option<String> {
        let attempts = record::attempts(&work.record, at);
        let conflicts = conflicts(&work.record, at);
        if conflicts >= CONFLICTS {
            return Some(format!("somebody else changed the object before each of {conflicts} attempts"));
        }
        // Attempts that a disruption budget put off are bounded by the step's time.
        let counted = attempts.iter().filter(|attempt| attempt.http_status != Some(429)).count();
        let most = self.inner.settings.limits.attempts;
        if u32::try_from(counted).unwrap_or(u32::MAX) >= most {
            return Some(format!("{counted} attempts came to nothing"));
        }
        if self.now(work.held) >= work.workflow().deadline {
            return Some("its time is over".to_owned());
        }
        let is_cancelled = work.workflow().cancel_requested && at.direction == Direction::Do && !completes;
        is_cancelled.then(|| "it was cancelled".to_owned())
    }

    /// Whether the Job of a pod that is to go has a failure to spare for it by now; why that could not be read. The plan asked
    /// that too, but pods may have failed while somebody was asked for an approval, and a Job that has failed stays so.
    async fn spared(&self, step: &StepRecord, pod: &Value) -> Result<Result<(), String>, String> {
        let (Action::EvictPod { .. } | Action::DeletePod { .. }) = &step.action else { return Ok(Ok(())) };
        let owner = value::controller(pod).filter(|by| (&*by.group, &*by.kind) == ("batch", "Job"));
        let Some(job) = owner else { return Ok(Ok(())) };
        let cluster = self.inner.engine.cluster("looking at the pod's Job").map_err(|error| chain(&error))?;
        let unread = |why: String| format!("whether {job} can spare the pod is not known: {why}");
        let seen = deeds::see(cluster, &[Look::Object(job.clone())]).await;
        match seen.map_err(|error| unread(error.message))?.first() {
            Some(Sight::Object(object)) if job.uid.as_deref() == Some(value::uid(object)) => {
                Ok(remedies::spares(&job, object, 1))
            }
            // Its Job is gone, and so is what could fail.
            _ => Ok(Ok(())),
        }
    }

    /// What the guard says to this step on the object as it is now: the controls under which it may be taken, or the rule
    /// that refuses, and why.
    async fn may(
        &self,
        work: &Work<'_>,
        at: StepAt,
        step: &StepRecord,
        object: &Value,
    ) -> Result<Result<Vec<Control>, (String, String)>, Stop> {
        let workflow = work.workflow();
        let actions = [&step.action];
        let plan = workflow.plan.as_ref();
        let mut figures = self.inner.step_figures(&actions, plan).await?;
        figures.is_agreed = workflow.digest.as_deref().is_some_and(|digest| is_agreed(&work.record, digest));
        if at.direction == Direction::Do && workflow.requested_by.via.is_automatic() {
            figures.outcomes = self.inner.outcomes(&figures).await?;
        }
        let method = plan.map_or(DeployMethod::Unknown, |plan| plan.deployed.method);
        let traits = (method, plan.is_some_and(Plan::is_multi_layer));
        let (caller, problem) = (&workflow.requested_by, &workflow.problem);
        let question = guard::Question::of_order(caller, problem, &actions, traits, &figures);
        let settings = &self.inner.settings;
        let said = match at.direction {
            Direction::Do => guard::may_step(settings, &question, object),
            Direction::Undo => guard::may_undo(settings, &question),
        };
        Ok(said.map_err(|verdict| (verdict.rule, verdict.why)).map(|()| figures.controls))
    }

    /// What a step uses up of the budgets: once, however often it is tried, for it has one effect at most; but once more in
    /// a new bucket, because the effect may come to lie in it. `time` is the store's.
    fn spends(&self, work: &Work<'_>, at: StepAt, step: &StepRecord, time: Millis) -> Vec<Write> {
        let limits = &self.inner.settings.limits;
        let window = millis(limits.budget_window).max(1);
        let bucket = |at: Millis| at.div_euclid(window);
        let attempts = record::attempts(&work.record, at);
        let last = attempts.last().and_then(|attempt| attempt.intent.get("storeTime")?.as_i64());
        if last.map(bucket) == Some(bucket(time)) {
            return Vec::new();
        }
        guard::spends(limits, step.action.target(), time)
    }

    /// Commits what became of a request; `spent` is what the step is when it is not to be had.
    async fn learn(
        &self,
        work: &mut Work<'_>,
        at: StepAt,
        sent: Result<Accepted, NotDone>,
        spent: Found,
    ) -> Result<Turn, Stop> {
        let not_done = match sent {
            Ok(accepted) => {
                self.save(work, applied(at, &accepted)).await?;
                return Ok(Turn::Again);
            }
            Err(not_done) => not_done,
        };
        let after = not_done.after.map(millis);
        let NotDone { kind, status, why, .. } = not_done;
        let answered = |outcome, fails| Event::Answered {
            step: at,
            outcome,
            http_status: status,
            observed: why.clone(),
            fails,
        };
        match kind {
            // Nothing came of it, and another look may show something else.
            NotDoneKind::NotFound => {
                self.save(work, answered(Outcome::Rejected, false)).await?;
                Ok(Turn::Again)
            }
            NotDoneKind::Conflict => {
                self.save(work, answered(Outcome::Rejected, false)).await?;
                match conflicts(&work.record, at) {
                    0 | 1 => Ok(Turn::Again),
                    met => {
                        let by = CONFLICTED << met.saturating_sub(2).min(CONFLICTS);
                        self.pause_as(work, at, by, spent, (None, why)).await
                    }
                }
            }
            NotDoneKind::Rejected | NotDoneKind::Denied | NotDoneKind::Unsupported => {
                let others = record::outstanding(&work.record, at).len() > 1 || spent != Found::Failed;
                // An earlier request may still be on its way: it is given up by a look, not by this answer.
                self.save(work, answered(Outcome::Rejected, !others)).await?;
                if others {
                    return self.give_up_as(work, at, spent, why).await;
                }
                Ok(Turn::Again)
            }
            NotDoneKind::Blocked => {
                self.save(work, answered(Outcome::Rejected, false)).await?;
                self.pause_as(work, at, after.unwrap_or(BLOCKED), spent, (None, why)).await
            }
            NotDoneKind::Throttled | NotDoneKind::NotSent => {
                self.save(work, answered(Outcome::Rejected, false)).await?;
                // Twice as long each time, up to half a minute: whoever sheds load is not helped by asking again.
                let by = growing(record::attempts(&work.record, at).len());
                self.pause_as(work, at, after.unwrap_or_default().max(by), spent, (None, why)).await
            }
            NotDoneKind::Unknown => {
                self.save(work, answered(Outcome::Indeterminate, false)).await?;
                match record::outstanding(&work.record, at).len() {
                    // Mostly it had its effect, and a look tells.
                    0 | 1 => Ok(Turn::Again),
                    // What answers at once that it failed (a webhook that is down) would use up all attempts in a second.
                    met => {
                        let by = growing(met.saturating_sub(1));
                        self.pause_as(work, at, after.unwrap_or_default().max(by), spent, (None, why)).await
                    }
                }
            }
        }
    }
}

/// How long to wait after so many tries.
fn growing(tries: usize) -> Millis {
    THROTTLED << tries.saturating_sub(1).min(5)
}

/// Whether somebody approved the plan of this digest.
fn is_agreed(record: &Record, digest: &str) -> bool {
    record.approvals.iter().any(|given| given.state == ApprovalState::Approved && given.digest == digest)
}

/// How often somebody else had changed the object meanwhile.
fn conflicts(record: &Record, at: StepAt) -> usize {
    record::attempts(record, at).iter().filter(|attempt| attempt.http_status == Some(409)).count()
}

fn applied(at: StepAt, accepted: &Accepted) -> Event {
    let audit = accepted.audit_id.as_deref().unwrap_or("unknown");
    let warned = if accepted.warnings.is_empty() {
        String::new()
    } else {
        format!("; warnings: {}", accepted.warnings.join("; "))
    };
    Event::Answered {
        step: at,
        outcome: Outcome::Applied,
        http_status: Some(accepted.status),
        observed: format!("accepted with {}, audit id {audit}{warned}", accepted.status),
        fails: false,
    }
}

/// What is recorded of a request before it is sent: no body, which may hold what is not ours to keep.
fn intent(mutation: &Mutation, object: &Value, time: Millis) -> Value {
    json!({
        "verb": mutation.verb,
        "target": mutation.target,
        "uid": mutation.uid,
        "resourceVersion": mutation.resource_version,
        "generation": object.pointer("/metadata/generation"),
        "storeTime": time,
    })
}

/// Why it cannot be told whether an earlier request of this step had an effect, although the object does not show it.
///
/// While the resourceVersion is the one that the request demands, it may still arrive, and then the next one is refused:
/// one effect either way. With the generation unchanged nobody changed what the object asks for, so it did not arrive, and
/// cannot any more. But a changed generation without our marker may be our effect and somebody's hand that took it away:
/// doing it again could be the second time.
pub(super) fn undecidable(work: &Work<'_>, at: StepAt, object: &Value) -> Option<String> {
    let now = object.pointer("/metadata/generation").and_then(Value::as_i64)?;
    let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    let doubt = |attempt: &&Attempt| {
        let verb = attempt.intent.get("verb").cloned().map(serde_json::from_value);
        let is_patch = matches!(verb, Some(Ok(Verb::MergePatch | Verb::JsonPatch)));
        let was = attempt.intent.get("resourceVersion").and_then(Value::as_str);
        let generation = attempt.intent.get("generation").and_then(Value::as_i64);
        is_patch && was != version && generation.is_some_and(|generation| generation != now)
    };
    let attempt = record::outstanding(&work.record, at).into_iter().find(doubt)?;
    Some(format!(
        "the answer to attempt {} was lost, and somebody changed the object since (generation {} is {now} now) so that it \
         does not show whether that attempt had an effect",
        attempt.number,
        attempt.intent.get("generation").cloned().unwrap_or_default()
    ))
}
