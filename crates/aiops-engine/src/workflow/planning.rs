//! Before the first step: the plan is made, proven, judged, approved, and waits for its turn.
//!
//! Nothing here changes a cluster. What was allowed is judged again when its turn has come, for by then another hour may
//! have passed; and a plan is executed only as it was approved, by its digest.

use super::{
    annotation,
    record::Event,
    runner::{Executor, Stop, Turn, Work},
};
use crate::{
    deeds::{self, Look, Sight},
    error::Error,
    fingerprint, guard,
    model::{
        Millis,
        action::Action,
        ids::ApprovalId,
        plan::{Approval, Plan},
        workflow::{ApprovalState, Workflow},
    },
    planner::{self, Planned},
    ports::store::{Resource, StoreError, Write},
    remedies,
    settings::limits::millis,
};

/// Between two tries of what may be possible soon.
const SOON: Millis = 2_000;
/// Between two tries of a plan for which something was not answered: as long as the order is old, within these. That
/// doubles the time from one to the next, and needs nothing to be kept.
const TRIES: std::ops::RangeInclusive<Millis> = 1_000..=30_000;

impl Executor {
    /// Makes the plan, from what is so now.
    pub(super) async fn planning(&self, work: &mut Work<'_>) -> Result<Turn, Stop> {
        let longest = millis(self.inner.settings.timing.workflow);
        let age = self.now(work.held).saturating_sub(work.workflow().created_at);
        if age >= longest {
            let last = work.workflow().reason.clone().unwrap_or_else(|| "nobody took it up".to_owned());
            let why = format!(
                "it was accepted {} min ago and could not be planned since; what was ordered then may not be wanted now: \
                 trigger it again (the last that was known: {last})",
                age / 60_000
            );
            self.commit(work, Event::Failed { why }).await?;
            return Ok(self.next(work));
        }
        if let Some(why) = self.unread_cluster() {
            return self
                .unplanned(work, Error::Unavailable { what: "planning".to_owned(), why, retry_after: None })
                .await;
        }
        let (problem, order) = (work.workflow().problem.clone(), work.workflow().order.clone());
        let (engine, limits) = (&self.inner.engine, &self.inner.settings.limits);
        let made = Box::pin(planner::plan(engine, &problem, &order, limits)).await;
        let mut plan = match made {
            Ok(Planned::Plan(plan)) => plan,
            Ok(Planned::NoRemedy { why }) => return self.refuse(work, "no-remedy", why).await,
            Err(error) => return self.unplanned(work, error).await,
        };
        let acting = self.inner.acting.as_deref();
        if let Err(error) = Box::pin(planner::prove(&self.inner.engine, acting, &mut plan)).await {
            return self.unplanned(work, error).await;
        }
        if let Some(why) = planner::refusal(&plan) {
            return self.refuse(work, "dry-run", why).await;
        }
        let ruling = match self.judge(work.workflow(), &plan).await {
            Ok(ruling) => ruling,
            Err(Stop::Error(error)) => return self.unplanned(work, error).await,
            Err(stop) => return Err(stop),
        };
        if ruling.approval == Approval::Deny {
            return self.refused(work, &ruling.rule, ruling.why).await;
        }
        plan.approval = ruling.approval;
        plan.rule = ruling.rule;
        let digest = fingerprint::digest(&plan)?;
        if let Some(wanted) = order.digest.as_deref().filter(|wanted| *wanted != digest) {
            let why = format!(
                "the plan that was asked for ({wanted:.16}) is not the one that the cluster calls for now \
                 ({digest:.16}); look at the plan again"
            );
            return self.refuse(work, "digest", why).await;
        }
        let ask = (plan.approval != Approval::Auto).then(|| ApprovalId::of(&self.inner.ids.unique()));
        let waits = ask.is_some();
        self.commit(work, Event::Planned { plan, digest, ask }).await?;
        Ok(if waits { Turn::WakeAt(work.workflow().deadline) } else { Turn::Again })
    }

    /// No plan came of it: made again where that may help, for as long as what was ordered counts.
    async fn unplanned(&self, work: &mut Work<'_>, error: Error) -> Result<Turn, Stop> {
        let why = chain(&error);
        let asked = match &error {
            Error::Unavailable { retry_after, .. } => retry_after.map_or(0, millis),
            _ => 0,
        };
        match error {
            // It was accepted: a moment in which nothing is known is no answer to it.
            Error::Unavailable { .. } | Error::Timeout { .. } | Error::Cancelled { .. } => {
                let (now, from) = (self.now(work.held), work.workflow().created_at);
                let age = now.saturating_sub(from);
                let by = age.max(asked).clamp(*TRIES.start(), *TRIES.end());
                let ends = from.saturating_add(millis(self.inner.settings.timing.workflow));
                let again = now.saturating_add(by).min(ends.max(now.saturating_add(1)));
                let seconds = again.saturating_sub(now).saturating_add(999) / 1_000;
                self.wait(work, again, Some(format!("{why}; it is planned again in {seconds} s"))).await
            }
            Error::Refused { rule, why, .. } => self.refuse(work, &rule, why).await,
            Error::Invalid { .. }
            | Error::NotFound { .. }
            | Error::Forbidden { .. }
            | Error::Conflict { .. }
            | Error::Full { .. }
            | Error::NotInThisMode { .. }
            | Error::Internal { .. } => {
                self.commit(work, Event::Failed { why: format!("no plan was made: {why}") }).await?;
                Ok(self.next(work))
            }
        }
    }

    /// Why nothing can be judged yet: after a start the cluster is not known before it was reached.
    pub(super) fn unread_cluster(&self) -> Option<String> {
        let is_unread = self.inner.cluster_uid().is_none();
        is_unread.then(|| "which cluster this is has not been read yet; it is waited for".to_owned())
    }

    async fn refuse(&self, work: &mut Work<'_>, rule: &str, why: String) -> Result<Turn, Stop> {
        self.commit(work, Event::Refused { rule: rule.to_owned(), why }).await?;
        Ok(self.next(work))
    }

    /// A rule refuses: waited for where it passes by itself, until the phase's time is over.
    async fn refused(&self, work: &mut Work<'_>, rule: &str, why: String) -> Result<Turn, Stop> {
        let soon = self.now(work.held).saturating_add(SOON);
        if guard::passes_by_itself(rule) && soon < work.workflow().deadline {
            return self.wait_by(work, soon, (Some(rule), Some(format!("{rule}: {why}")))).await;
        }
        self.refuse(work, rule, why).await
    }

    /// What the guard says to the whole plan now.
    async fn judge(&self, workflow: &Workflow, plan: &Plan) -> Result<guard::Ruling, Stop> {
        let actions: Vec<&Action> = plan.steps.iter().map(|step| &step.action).collect();
        let figures = self.inner.figures(&workflow.problem, &actions, Some(plan)).await?;
        let traits = (plan.deployed.method, plan.is_multi_layer());
        let (caller, problem) = (&workflow.requested_by, &workflow.problem);
        let question = guard::Question::of_order(caller, problem, &actions, traits, &figures);
        Ok(guard::rule(&self.inner.settings, &question))
    }

    /// Waits for somebody's answer; without one it expires.
    pub(super) async fn awaiting(&self, work: &mut Work<'_>) -> Result<Turn, Stop> {
        let deadline = work.workflow().deadline;
        if self.now(work.held) < deadline {
            let plan = work.workflow().plan.clone();
            let Some(plan) = plan.filter(|plan| annotation::counts(&self.inner.settings, plan)) else {
                return self.wait(work, deadline, None).await;
            };
            // A cluster that cannot be asked approves nothing.
            let found = match self.inner.engine.cluster("looking for an approval") {
                Ok(cluster) => annotation::found(cluster, work, &plan).await,
                Err(_) => None,
            };
            let Some((by, reason)) = found else {
                let soon = self.now(work.held).saturating_add(annotation::LOOK_EVERY);
                return self.wait(work, soon.min(deadline), None).await;
            };
            self.commit(work, Event::Decided { approves: true, by, reason: Some(reason) }).await?;
            return Ok(self.next(work));
        }
        self.commit(work, Event::Expired).await?;
        Ok(self.next(work))
    }

    /// Takes the first step's turn, when nothing stands in its way.
    pub(super) async fn starting(&self, work: &mut Work<'_>) -> Result<Turn, Stop> {
        let Some(plan) = work.workflow().plan.clone() else {
            return self.park(work, Some("internal"), "it was to begin without a plan".to_owned()).await;
        };
        if !remedies::knows(&plan.remedy, plan.remedy_version) {
            let why = format!(
                "its plan is of the remedy {} version {}, which this version of aiops does not know; run the version \
                 that made it",
                plan.remedy, plan.remedy_version
            );
            return self.park(work, Some("remedy-version"), why).await;
        }
        if self.now(work.held) >= work.workflow().deadline {
            let last = work.workflow().reason.clone().unwrap_or_else(|| "nobody took it up".to_owned());
            let why = format!("its turn did not come in time: {last}");
            self.commit(work, Event::Failed { why }).await?;
            return Ok(self.next(work));
        }
        if let Some(why) = self.unread_cluster() {
            let until = self.now(work.held).saturating_add(SOON).min(work.workflow().deadline);
            return self.wait(work, until, Some(why)).await;
        }
        let ruling = self.judge(work.workflow(), &plan).await?;
        if ruling.approval == Approval::Deny {
            return self.refused(work, &ruling.rule, ruling.why).await;
        }
        let asked = plan.approval.max(ruling.approval);
        if let Err(why) = approved(work, &plan, asked)? {
            return self.refuse(work, guard::names::APPROVAL, why).await;
        }
        match self.changed(&plan).await {
            Ok(None) => {}
            Ok(Some(why)) => return self.refuse(work, guard::names::CHANGED, why).await,
            Err(why) => {
                let until = self.now(work.held).saturating_add(SOON).min(work.workflow().deadline);
                return self.wait(work, until, Some(why)).await;
            }
        }
        let locks = plan.steps.iter().map(|step| Write::Lock(step.action.target().key()));
        let mut takes: Vec<Write> = locks.collect();
        takes.extend(guard::slots(&self.inner.settings.limits, plan.steps.iter().map(|step| &step.action)));
        match self.commit(work, Event::Started { takes }).await {
            Err(Stop::Store(StoreError::Taken { what, holder })) => {
                let by = holder.map(|holder| format!(", held by {holder}")).unwrap_or_default();
                let until = self.now(work.held).saturating_add(SOON).min(work.workflow().deadline);
                let rule = match what {
                    Resource::Slot(_) => guard::names::CONCURRENCY,
                    Resource::Budget(_) => guard::names::BUDGET,
                    Resource::Target | Resource::Fingerprint => guard::names::TARGET_LOCK,
                };
                self.wait_by(work, until, (Some(rule), Some(format!("waits for {what}{by}")))).await
            }
            Err(stop) => Err(stop),
            Ok(()) => Ok(Turn::Again),
        }
    }
}

impl Executor {
    /// What somebody changed of what the plan overwrites while it waited, by the objects as they are; it ends here, before
    /// anything is taken, and the trouble need not rest. An error is what could not be read.
    async fn changed(&self, plan: &Plan) -> Result<Option<String>, String> {
        for step in plan.steps.iter().filter(|step| !step.planned_on.is_empty()) {
            let look = [Look::Object(step.action.target().clone())];
            let cluster = self.inner.engine.cluster("looking at what a plan is about");
            let seen = match cluster {
                Ok(cluster) => deeds::see(cluster, &look).await.map_err(|error| error.message),
                Err(error) => Err(chain(&error)),
            };
            let seen = seen.map_err(|why| format!("the cluster cannot be read: {why}"))?;
            // An object that is not there any more is the step's to tell.
            let Some(Sight::Object(object)) = seen.first() else { continue };
            if let Some(why) = deeds::changed(&step.action, &step.planned_on, object) {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }
}

/// Whether the plan may be executed as it is: its digest is the one that was kept, and who has to agree did.
fn approved(work: &Work<'_>, plan: &Plan, asked: Approval) -> Result<Result<(), String>, Stop> {
    let workflow = work.workflow();
    let digest = fingerprint::digest(plan)?;
    if workflow.digest.as_deref() != Some(digest.as_str()) {
        return Ok(
            Err("the plan is not the one whose digest was kept; nothing is executed of it".to_owned()),
        );
    }
    let given =
        work.record.approvals.iter().find(|a| a.state == ApprovalState::Approved && a.digest == digest);
    Ok(match (asked, given) {
        (Approval::Auto, _) => Ok(()),
        (Approval::Approve, Some(_)) => Ok(()),
        (Approval::TwoPerson, Some(given))
            if given.decided_by.as_deref().is_some_and(|by| by != workflow.requested_by.name) =>
        {
            Ok(())
        }
        (Approval::Approve | Approval::TwoPerson | Approval::Deny, _) => Err(format!(
            "the policy asks for an approval ({asked:?}) that this plan does not have; trigger again to get one"
        )),
    })
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
