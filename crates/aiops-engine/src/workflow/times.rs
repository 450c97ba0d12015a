//! How long a workflow, a step and its settling may take, and since when nothing has come nearer.
//!
//! It reads no clock and no cluster. The times are limits beside one another: what settles ends with the first that is over,
//! and nothing ends while it still comes nearer within the workflow's own time.

use super::{
    planning::chain,
    record::StepAt,
    runner::{Executor, Work},
};
use crate::{
    deeds::{self, Nearing},
    model::{
        Millis,
        action::Action,
        phase::Verdict,
        plan::Plan,
        workflow::{CheckRecord, StepRecord, Workflow},
    },
    settings::{Timing, limits::millis},
};

/// No workflow takes longer because of what its plan expects: `acting.times.workflow` may be as long.
const LONGEST: Millis = 24 * 3_600_000;
/// How long at least a step may be tried once a budget begins anew.
const TRY: Millis = 60_000;
/// The check that says how near a step's objects are.
pub(super) const OF_STEP: &str = "progress";
/// The check that says how near all of them are, once every step was taken.
pub(super) const OF_ALL: &str = "progress_of_all";

/// Twice what the plan is expected to take, in milliseconds.
fn expected(plan: Option<&Plan>) -> Millis {
    plan.map_or(0, |plan| i64::from(plan.estimated_seconds).saturating_mul(2_000))
}

/// How long a workflow may take from its first step on: `acting.times.workflow`, and twice what its plan says when that is
/// longer, at most a day.
pub(super) fn whole(plan: Option<&Plan>, timing: &Timing) -> Millis {
    millis(timing.workflow).max(expected(plan).min(LONGEST))
}

/// How long a step may take until it is sent or has nothing left to do: `acting.times.step`; one that only waits for
/// machines has the workflow's own time.
pub(super) fn of_step(plan: Option<&Plan>, order: u32, timing: &Timing) -> Millis {
    let step = plan.into_iter().flat_map(|plan| &plan.steps).find(|step| step.order == order);
    match step.map(|step| &step.action) {
        Some(Action::AwaitPool { .. }) => whole(plan, timing).max(millis(timing.step)),
        _ => millis(timing.step),
    }
}

/// The deadline of a step that waits for a budget until then: a minute more, for else its time and the budget's would end
/// together. `None` where the workflow's own time ends before.
pub(super) fn after_budget(workflow: &Workflow, timing: &Timing, until: Millis) -> Option<Millis> {
    let ends = workflow.started_at?.saturating_add(whole(workflow.plan.as_ref(), timing));
    let deadline = until.saturating_add(TRY);
    (deadline <= ends).then_some(deadline.max(workflow.deadline))
}

/// Until when what began then, and last came nearer then, may take: for as long as it may stand still, within the workflow's
/// own time; and never less than `acting.times.verify`.
pub(super) fn settles_until(
    workflow: &Workflow,
    timing: &Timing,
    (begun, moved): (Millis, Millis),
    nearing: Nearing,
) -> Millis {
    let verify = millis(timing.verify);
    let plan = workflow.plan.as_ref();
    // What shows no figures is given what the plan expects of all.
    let expected = if nearing.left.is_none() { expected(plan).min(LONGEST) } else { 0 };
    let still = verify.max(nearing.quiet.saturating_mul(1_000)).max(expected);
    let ends = workflow.started_at.unwrap_or(begun).saturating_add(whole(plan, timing));
    moved.saturating_add(still).min(ends).max(begun.saturating_add(verify))
}

/// Since when nothing has come nearer.
#[derive(Debug)]
pub(super) struct Clock {
    /// That moment.
    pub(super) moved: Millis,
    /// What is to be kept of it, when it is new.
    pub(super) note: Option<CheckRecord>,
}

/// The figure at the beginning of what is kept: how near something is, or for how long it has held.
pub(super) fn kept(check: &CheckRecord) -> Option<i64> {
    check.evidence.as_deref()?.split_once(' ')?.0.parse().ok()
}

impl Executor {
    /// What a step's own objects say, and how near they are.
    pub(super) async fn settled(&self, step: &StepRecord) -> (Verdict, String, Nearing) {
        let unknown = |why: String| (Verdict::Unknown, why, Nearing::default());
        let looks = deeds::verify_looks(&step.action);
        let cluster = match self.inner.engine.cluster("looking whether a step helped") {
            Ok(cluster) => cluster,
            Err(error) => return unknown(chain(&error)),
        };
        match deeds::see(cluster, &looks).await {
            Ok(seen) => {
                let (verdict, evidence) = deeds::verify(&step.action, &step.effect_key, &seen);
                (verdict, evidence, deeds::nearing(&step.action, &seen))
            }
            Err(error) => unknown(error.message),
        }
    }

    /// Whether something is nearer than it ever was since it began: then its time begins anew.
    pub(super) fn clock(
        &self,
        work: &Work<'_>,
        (after_order, name): (u32, &str),
        begun: Millis,
        (nearing, evidence): (Nearing, &str),
    ) -> Clock {
        let known = work.record.checks.iter().find(|c| c.after_order == after_order && c.name == name);
        let least = known.and_then(kept);
        match nearing.left {
            Some(left) if least.is_none_or(|least| left < least) => {
                let evidence = format!("{left} left: {evidence}");
                let note = self.checked(work.held, after_order, name, Verdict::Pending, evidence);
                Clock { moved: self.now(work.held), note: Some(note) }
            }
            _ => {
                let moved = known.and_then(|check| check.at).unwrap_or(begun).max(begun);
                Clock { moved, note: None }
            }
        }
    }
}

/// The place of a step among the checks.
pub(super) const fn place(at: StepAt) -> (u32, &'static str) {
    (at.order, OF_STEP)
}
