//! The store's writes, replayed: who held what when, which phase followed which, which intent was kept before which effect.
//!
//! I8, I12 and the lease part of I5 are judged on the way, because they are about what may follow what.

mod held;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use super::{Bounds, Findings, History, is_over};
use crate::{
    model::{
        Millis,
        ids::WorkflowId,
        phase::{Direction, Phase, StepState},
        plan::Approval,
        workflow::{ApprovalState, Attempt, Outcome, StepRecord, Workflow},
    },
    ports::store::{Entry, Lease, Taken, Write},
    testing::{
        model::Key,
        sim::notes::{Scene, What},
    },
};

/// An intent, from the commit that kept it.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    pub(crate) order: u64,
    pub(crate) at: Millis,
    pub(crate) workflow: WorkflowId,
    pub(crate) key: String,
    pub(crate) attempt: Attempt,
    pub(crate) namespace: String,
    /// The kill switch, the breaker and the workflow as they were.
    pub(crate) mode: String,
    pub(crate) breaker: String,
    pub(crate) is_dry: bool,
    pub(crate) is_approved: bool,
    /// The object of the step.
    pub(crate) target: Key,
}

impl Intent {
    /// A member of what was recorded to be sent, in either spelling.
    pub(crate) fn member(&self, plain: &str, other: &str) -> Option<String> {
        let found = self.attempt.intent.get(plain).or_else(|| self.attempt.intent.get(other))?;
        found.as_str().map(str::to_owned)
    }
}

/// A workflow as its writes tell it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) workflow: Option<Workflow>,
    pub(crate) epoch: i64,
    pub(crate) owner: Option<String>,
    pub(crate) steps: BTreeMap<(u32, Direction2), StepRecord>,
    pub(crate) attempts: BTreeMap<(u32, Direction2, u32), Attempt>,
    /// Until when its lease lasts; it was given back, or never taken, at 0.
    pub(crate) leased_until: Millis,
    /// The digest for which an approval was asked, the one that was approved, and by whom.
    pub(crate) asked: Option<String>,
    pub(crate) approved: Option<String>,
    pub(crate) approved_by: Option<String>,
    /// Who asked for it when it was accepted, whatever is kept of that later.
    pub(crate) asked_by: Option<String>,
    /// The lines of its audit chain, in order.
    pub(crate) lines: Vec<Entry>,
    /// How it ended, and how the cluster stood when that was decided, and then.
    pub(crate) end: Option<(Phase, Vec<Arc<Scene>>)>,
    pub(crate) ended_at: Option<Millis>,
    /// When it began to act.
    pub(crate) began_at: Option<Millis>,
    /// When it was accepted, and when its plan was kept, by their places among everything that was noted.
    pub(crate) accepted: u64,
    pub(crate) planned: Option<u64>,
    /// Phases, in order.
    pub(crate) phases: Vec<Phase>,
}

impl Told {
    /// Whether nobody could tell whether a request of a step had an effect.
    pub(crate) fn is_untold(&self, step: (u32, Direction2)) -> bool {
        let of_step = self.attempts.iter().filter(|((order, direction, _), _)| (*order, *direction) == step);
        let outcomes: Vec<_> = of_step.filter_map(|(_, attempt)| attempt.outcome).collect();
        outcomes.contains(&Outcome::Indeterminate) && !outcomes.contains(&Outcome::Applied)
    }
}

/// A direction that sorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction2 {
    Do,
    Undo,
}

impl From<Direction> for Direction2 {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Do => Self::Do,
            Direction::Undo => Self::Undo,
        }
    }
}

/// Everything replayed.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) told: BTreeMap<WorkflowId, Told>,
    pub(crate) intents: Vec<Intent>,
    locks: BTreeMap<String, WorkflowId>,
    slots: BTreeSet<(String, WorkflowId)>,
    mode: String,
    breaker: String,
}

/// Which phases may follow which; every phase may stay.
fn follows(from: Phase, to: Phase) -> bool {
    use Phase::{
        AwaitingApproval, Cancelled, Completed, Expired, Failed, NeedsOperator, Planning, Queued, Refused,
        Rejected, RolledBack, RollingBack, Running, Verifying,
    };
    let after: &[Phase] = match from {
        Planning => &[Queued, AwaitingApproval, Refused, Failed, NeedsOperator, Cancelled],
        AwaitingApproval => &[Queued, Rejected, Expired, NeedsOperator, Cancelled],
        Queued => &[Running, Refused, Failed, NeedsOperator, Cancelled],
        Running => &[Verifying, RollingBack, Failed, NeedsOperator, Cancelled],
        Verifying => &[Completed, RollingBack, Failed, NeedsOperator, Cancelled],
        RollingBack => &[RolledBack, Failed, NeedsOperator],
        NeedsOperator => &[Completed, RolledBack, Failed],
        Completed | Failed | RolledBack | Cancelled | Refused | Rejected | Expired => return false,
    };
    from == to || after.contains(&to)
}

fn step_follows(from: StepState, to: StepState) -> bool {
    use StepState::{Applied, Failed, Indeterminate, Intent, Pending, Skipped, Verified};
    let after: &[StepState] = match from {
        Pending => &[Intent, Applied, Skipped, Failed],
        Intent => &[Applied, Skipped, Failed, Indeterminate],
        Applied => &[Verified],
        Verified | Skipped | Failed | Indeterminate => &[],
    };
    from == to || after.contains(&to)
}

impl Replay {
    pub(crate) fn of(history: &History, findings: &mut Findings) -> Self {
        let (mode, breaker) = ("run".to_owned(), "closed".to_owned());
        let mut replay = Self { mode, breaker, ..Self::default() };
        for note in &history.notes {
            match &note.what {
                What::Accepted { acceptance, taken: Taken::New { .. } } => {
                    let id = &acceptance.workflow.id;
                    let told = replay.told.entry(id.clone()).or_default();
                    told.workflow = Some(acceptance.workflow.clone());
                    told.asked_by = Some(acceptance.workflow.requested_by.name.clone());
                    told.accepted = note.order;
                    told.planned = acceptance.workflow.plan.as_ref().map(|_| note.order);
                    told.phases.push(acceptance.workflow.phase);
                    told.lines.extend(acceptance.audit.iter().cloned());
                    if let Some(lock) = &acceptance.lock {
                        replay.lock(id, lock, findings);
                    }
                    replay.one_active(findings, id);
                }
                What::Accepted { .. }
                | What::Acknowledged { .. }
                | What::Reported { .. }
                | What::Heard { .. } => {}
                What::Claimed { lease, ttl } => replay.claimed(lease, note.at + ttl, findings),
                What::Renewed { lease, ttl } => {
                    let told = replay.told.entry(lease.workflow.clone()).or_default();
                    told.leased_until = note.at + ttl;
                }
                What::Sent { workflow, key } => {
                    replay.sent(workflow, key, (&note.actor, note.at), &history.limits, findings);
                }
                What::Controlled { control } if control.name == "kill_switch" => {
                    replay.mode.clone_from(&control.mode);
                }
                What::Controlled { control } if control.name == "breaker" => {
                    replay.breaker.clone_from(&control.mode);
                }
                What::Controlled { .. } => {}
                What::Committed { workflow, fence, writes, scenes } => {
                    replay.fence(workflow, fence.as_ref(), (&note.actor, note.at), writes, findings);
                    for write in writes {
                        replay.write(history, workflow, write, (note.order, note.at), findings);
                    }
                    if let Some(told) = replay.told.get_mut(workflow)
                        && let Some(phase) = told.workflow.as_ref().map(|w| w.phase).filter(|p| is_over(*p))
                        && told.end.is_none()
                    {
                        told.end = Some((phase, scenes.clone()));
                        told.ended_at = Some(note.at);
                    }
                    replay.nothing_held_by_the_dead(workflow, findings);
                    replay.one_active(findings, workflow);
                    replay.concurrency(history, findings);
                }
            }
        }
        replay
    }

    fn claimed(&mut self, lease: &Lease, until: Millis, findings: &mut Findings) {
        let told = self.told.entry(lease.workflow.clone()).or_default();
        findings.unless(lease.epoch > told.epoch, "I12", || {
            format!("{} was claimed under epoch {} after {}", lease.workflow, lease.epoch, told.epoch)
        });
        told.epoch = lease.epoch;
        told.owner = Some(lease.owner.clone());
        told.leased_until = until;
    }

    /// I5: a request is sent only by who holds the workflow, under a lease that outlives it.
    fn sent(
        &self,
        id: &str,
        key: &str,
        (actor, at): (&str, Millis),
        limits: &Bounds,
        findings: &mut Findings,
    ) {
        let Some((_, told)) = self.told.iter().find(|(known, _)| known.as_str() == id) else {
            findings.add("I5", format!("{actor} sent {key} of a workflow that nobody knows"));
            return;
        };
        findings.unless(told.owner.as_deref() == Some(actor), "I5", || {
            format!("{actor} sent {key}, and {:?} holds the workflow", told.owner)
        });
        let left = told.leased_until - at;
        findings.unless(left >= limits.lease_left, "I5", || {
            format!("{actor} sent {key} with {left} ms of its lease left")
        });
    }

    /// I5: what an executor writes it writes under the lease that was claimed last.
    fn fence(
        &mut self,
        id: &WorkflowId,
        fence: Option<&Lease>,
        (actor, at): (&str, Millis),
        writes: &[Write],
        findings: &mut Findings,
    ) {
        let Some(told) = self.told.get_mut(id) else { return };
        let is_executors = writes.iter().any(|write| matches!(write, Write::Step(_) | Write::Attempt(_)));
        match fence {
            Some(fence) => {
                let is_holder = fence.epoch == told.epoch && Some(&fence.owner) == told.owner.as_ref();
                findings.unless(is_holder, "I5", || format!("{actor} wrote {id} under {fence:?}"));
                findings.unless(at < told.leased_until, "I5", || {
                    format!("{actor} wrote {id} {} ms after its lease had ended", at - told.leased_until)
                });
                if writes.contains(&Write::Yield) {
                    told.leased_until = 0;
                }
            }
            None => {
                let is_door = !actor.starts_with("executor");
                findings.unless(is_door || !is_executors, "I5", || {
                    format!("{actor} wrote steps of {id} without a lease")
                });
            }
        }
    }

    fn lock(&mut self, id: &WorkflowId, key: &str, findings: &mut Findings) {
        let holder = self.locks.entry(key.to_owned()).or_insert_with(|| id.clone());
        findings.unless(holder == id, "I8", || format!("{id} locked {key}, which {holder} holds"));
    }

    fn write(
        &mut self,
        history: &History,
        id: &WorkflowId,
        write: &Write,
        (order, at): (u64, Millis),
        findings: &mut Findings,
    ) {
        match write {
            Write::Lock(key) => self.lock(id, key, findings),
            Write::Slot { scope, .. } => {
                self.slots.insert((scope.clone(), id.clone()));
            }
            Write::Release => {
                self.locks.retain(|_, holder| holder != id);
                self.slots.retain(|(_, holder)| holder != id);
            }
            _ => {}
        }
        let (mode, breaker) = (self.mode.clone(), self.breaker.clone());
        let told = self.told.entry(id.clone()).or_default();
        match write {
            Write::Workflow(new) => {
                if let Some(old) = &told.workflow {
                    findings.unless(follows(old.phase, new.phase), "I12", || {
                        format!("{id} went from {} to {}", old.phase, new.phase)
                    });
                    findings.unless(new.version > old.version, "I12", || {
                        format!("{id} went from version {} to {}", old.version, new.version)
                    });
                    findings.unless(
                        old.plan.is_none() || old.plan == new.plan && old.digest == new.digest,
                        "I11",
                        || format!("the plan of {id} was changed after it was made"),
                    );
                }
                if new.plan.is_some() && told.planned.is_none() {
                    told.planned = Some(order);
                }
                if new.phase == Phase::Running && told.began_at.is_none() {
                    told.began_at = Some(at);
                }
                if told.phases.last() != Some(&new.phase) {
                    told.phases.push(new.phase);
                }
                told.workflow = Some((**new).clone());
            }
            Write::Step(new) => {
                let place = (new.order, new.direction.into());
                if let Some(old) = told.steps.get(&place) {
                    findings.unless(step_follows(old.state, new.state), "I12", || {
                        format!(
                            "step {}/{} of {id} went from {} to {}",
                            new.order,
                            new.direction.as_str(),
                            old.state.as_str(),
                            new.state.as_str()
                        )
                    });
                    findings.unless(old.effect_key == new.effect_key, "I12", || {
                        format!("the marker of a step of {id} became another")
                    });
                }
                told.steps.insert(place, (**new).clone());
            }
            Write::Attempt(new) => {
                let place = (new.order, new.direction.into(), new.number);
                let is_new = told.attempts.insert(place, (**new).clone()).is_none();
                if !is_new {
                    return;
                }
                let of_step =
                    told.attempts.values().filter(|a| (a.order, a.direction) == (new.order, new.direction));
                let counted = of_step.filter(|attempt| attempt.http_status != Some(429)).count();
                findings.unless(counted <= usize::try_from(history.limits.attempts).unwrap(), "I9", || {
                    format!("step {} of {id} had {counted} attempts", new.order)
                });
                findings.unless(new.epoch == told.epoch, "I12", || {
                    format!("an attempt of {id} names epoch {} under epoch {}", new.epoch, told.epoch)
                });
                let step = told.steps.get(&(new.order, new.direction.into()));
                let workflow = told.workflow.as_ref();
                let asks = workflow.and_then(|w| w.plan.as_ref()).map(|plan| plan.approval);
                let digest = workflow.and_then(|w| w.digest.clone());
                let is_approved = told.approved.is_some() && told.approved == digest && told.asked == digest;
                let is_second = told.approved_by != told.asked_by;
                self.intents.push(Intent {
                    order,
                    at,
                    workflow: id.clone(),
                    key: step.map(|step| step.effect_key.clone()).unwrap_or_default(),
                    namespace: step.map(|step| step.action.target().namespace.clone()).unwrap_or_default(),
                    attempt: (**new).clone(),
                    mode,
                    breaker,
                    is_dry: workflow.is_some_and(|w| w.dry_run),
                    is_approved: match asks {
                        Some(Approval::Auto) => true,
                        Some(Approval::Approve) => is_approved,
                        Some(Approval::TwoPerson) => is_approved && is_second,
                        Some(Approval::Deny) | None => false,
                    },
                    target: step.map_or_else(|| Key::new("", "", ""), |s| Key::of_target(s.action.target())),
                });
            }
            Write::Approval(approval) => match approval.state {
                ApprovalState::Requested => told.asked = Some(approval.digest.clone()),
                ApprovalState::Approved => {
                    findings.unless(told.asked.as_ref() == Some(&approval.digest), "I11", || {
                        format!("{id}: another plan was approved than was asked about")
                    });
                    // Where clocks were wrong, by the one that dated the request too.
                    let decided = approval.decided_at.filter(|_| history.has_jumps).unwrap_or(at);
                    findings.unless(decided <= approval.expires_at, "I11", || {
                        format!("{id} was approved after the request had expired")
                    });
                    told.approved = Some(approval.digest.clone());
                    told.approved_by.clone_from(&approval.decided_by);
                }
                ApprovalState::Denied | ApprovalState::Expired => {}
            },
            Write::Audit(entry) => told.lines.push(entry.clone()),
            _ => {}
        }
    }
}

/// The text of a value, for what must not be in it.
pub(crate) fn shown(value: &Value) -> String {
    value.to_string()
}
