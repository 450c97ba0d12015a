//! The store's writes, replayed: who held what when, which phase followed which, which intent was kept before which effect.
//!
//! I8, I12 and the lease part of I5 are judged on the way, because they are about what may follow what.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Findings, History};
use crate::{
    model::{
        Millis,
        ids::WorkflowId,
        phase::{Direction, Phase, StepState},
        workflow::{ApprovalState, Attempt, StepRecord, Workflow},
    },
    ports::store::{Lease, Taken, Write},
    testing::sim::notes::{Scene, What},
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
    /// The control mode and the workflow as they were.
    pub(crate) mode: String,
    pub(crate) mode_since: Millis,
    pub(crate) is_dry: bool,
    pub(crate) is_approved: bool,
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
    /// The digest for which an approval was asked, and the one that was approved.
    pub(crate) asked: Option<String>,
    pub(crate) approved: Option<String>,
    /// Words of the lines of its audit chain, in order.
    pub(crate) lines: Vec<String>,
    /// When it ended, and how the cluster stood.
    pub(crate) end: Option<(Phase, Option<Scene>)>,
    /// Phases, in order.
    pub(crate) phases: Vec<Phase>,
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
    mode_since: Millis,
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
        Verifying => &[Completed, RollingBack, Failed, NeedsOperator],
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
        let mut replay = Self { mode: "run".to_owned(), ..Self::default() };
        for note in &history.notes {
            match &note.what {
                What::Accepted { acceptance, taken: Taken::New { .. } } => {
                    let id = &acceptance.workflow.id;
                    let told = replay.told.entry(id.clone()).or_default();
                    told.workflow = Some(acceptance.workflow.clone());
                    told.phases.push(acceptance.workflow.phase);
                    told.lines.extend(acceptance.audit.iter().map(|entry| entry.action.clone()));
                    if let Some(lock) = &acceptance.lock {
                        replay.lock(id, lock, findings);
                    }
                    replay.one_active(findings, id);
                }
                What::Accepted { .. } | What::Acknowledged { .. } => {}
                What::Claimed { lease } => replay.claimed(lease, findings),
                What::Controlled { control } if control.name == "kill_switch" => {
                    replay.mode.clone_from(&control.mode);
                    replay.mode_since = note.at;
                }
                What::Controlled { .. } => {}
                What::Committed { workflow, fence, writes, scene } => {
                    replay.fence(workflow, fence.as_ref(), &note.actor, writes, findings);
                    for write in writes {
                        replay.write(history, workflow, write, (note.order, note.at), findings);
                    }
                    if let Some(told) = replay.told.get_mut(workflow)
                        && let Some(phase) =
                            told.workflow.as_ref().map(|w| w.phase).filter(|p| p.is_terminal())
                        && told.end.is_none()
                    {
                        told.end = Some((phase, scene.clone()));
                    }
                    replay.nothing_held_by_the_dead(workflow, findings);
                    replay.one_active(findings, workflow);
                    replay.concurrency(history, findings);
                }
            }
        }
        replay
    }

    fn claimed(&mut self, lease: &Lease, findings: &mut Findings) {
        let told = self.told.entry(lease.workflow.clone()).or_default();
        findings.unless(lease.epoch > told.epoch, "I12", || {
            format!("{} was claimed under epoch {} after {}", lease.workflow, lease.epoch, told.epoch)
        });
        told.epoch = lease.epoch;
        told.owner = Some(lease.owner.clone());
    }

    /// I5: what an executor writes it writes under the lease that was claimed last.
    fn fence(
        &self,
        id: &WorkflowId,
        fence: Option<&Lease>,
        actor: &str,
        writes: &[Write],
        findings: &mut Findings,
    ) {
        let Some(told) = self.told.get(id) else { return };
        let is_executors = writes.iter().any(|write| matches!(write, Write::Step(_) | Write::Attempt(_)));
        match fence {
            Some(fence) => {
                let is_holder = fence.epoch == told.epoch && Some(&fence.owner) == told.owner.as_ref();
                findings.unless(is_holder, "I5", || format!("{actor} wrote {id} under {fence:?}"));
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
        let (mode, mode_since) = (self.mode.clone(), self.mode_since);
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
                findings.unless(new.number <= history.limits.attempts, "I9", || {
                    format!("step {} of {id} had {} attempts", new.order, new.number)
                });
                if !is_new {
                    return;
                }
                findings.unless(new.epoch == told.epoch, "I12", || {
                    format!("an attempt of {id} names epoch {} under epoch {}", new.epoch, told.epoch)
                });
                let step = told.steps.get(&(new.order, new.direction.into()));
                let workflow = told.workflow.as_ref();
                let needs = workflow
                    .and_then(|w| w.plan.as_ref())
                    .is_some_and(|plan| plan.approval != crate::model::plan::Approval::Auto);
                let digest = workflow.and_then(|w| w.digest.clone());
                self.intents.push(Intent {
                    order,
                    at,
                    workflow: id.clone(),
                    key: step.map(|step| step.effect_key.clone()).unwrap_or_default(),
                    namespace: step.map(|step| step.action.target().namespace.clone()).unwrap_or_default(),
                    attempt: (**new).clone(),
                    mode,
                    mode_since,
                    is_dry: workflow.is_some_and(|w| w.dry_run),
                    is_approved: !needs
                        || (told.approved.is_some() && told.approved == digest && told.asked == digest),
                });
            }
            Write::Approval(approval) => match approval.state {
                ApprovalState::Requested => told.asked = Some(approval.digest.clone()),
                ApprovalState::Approved => {
                    findings.unless(told.asked.as_ref() == Some(&approval.digest), "I11", || {
                        format!("{id}: another plan was approved than was asked about")
                    });
                    findings.unless(at <= approval.expires_at, "I11", || {
                        format!("{id} was approved after the request had expired")
                    });
                    told.approved = Some(approval.digest.clone());
                }
                ApprovalState::Denied | ApprovalState::Expired => {}
            },
            Write::Audit(entry) => told.lines.push(entry.action.clone()),
            _ => {}
        }
    }

    /// I8: what is over holds nothing; what is parked holds no place.
    fn nothing_held_by_the_dead(&self, id: &WorkflowId, findings: &mut Findings) {
        let Some(phase) = self.told.get(id).and_then(|told| told.workflow.as_ref()).map(|w| w.phase) else {
            return;
        };
        if phase.is_terminal() {
            let locks = self.locks.values().any(|holder| holder == id);
            let slots = self.slots.iter().any(|(_, holder)| holder == id);
            findings
                .unless(!locks && !slots, "I8", || format!("{id} is {phase} and holds a lock or a place"));
        } else if matches!(phase, Phase::Running | Phase::Verifying | Phase::RollingBack) {
            let is_dry = self.told.get(id).and_then(|t| t.workflow.as_ref()).is_some_and(|w| w.dry_run);
            let locks = self.locks.values().any(|holder| holder == id);
            let slots = self.slots.iter().any(|(_, holder)| holder == id);
            findings.unless(is_dry || (locks && slots), "I8", || {
                format!("{id} is {phase} without a lock of its target or without a place")
            });
        } else if phase == Phase::NeedsOperator {
            findings.unless(!self.slots.iter().any(|(_, holder)| holder == id), "I8", || {
                format!("{id} is parked and holds a place")
            });
        }
    }

    /// I8: one active workflow for each trouble.
    fn one_active(&self, findings: &mut Findings, id: &WorkflowId) {
        let trouble = |w: &Workflow| (w.cluster.clone(), w.problem.target.key(), w.problem.issue.clone());
        let Some(mine) = self.told.get(id).and_then(|told| told.workflow.as_ref()) else { return };
        let is_active = |w: &Workflow| !w.phase.is_terminal() && !w.dry_run;
        if !is_active(mine) {
            return;
        }
        let other = self.told.iter().find(|(other, told)| {
            *other != id
                && told.workflow.as_ref().is_some_and(|w| is_active(w) && trouble(w) == trouble(mine))
        });
        if let Some((other, _)) = other {
            findings.add("I8", format!("{id} and {other} are active for the same trouble"));
        }
    }

    /// I9: no more act at once than may.
    fn concurrency(&self, history: &History, findings: &mut Findings) {
        let acting: Vec<&Workflow> = self
            .told
            .values()
            .filter_map(|told| told.workflow.as_ref())
            .filter(|w| {
                matches!(w.phase, Phase::Running | Phase::Verifying | Phase::RollingBack) && !w.dry_run
            })
            .collect();
        findings.unless(acting.len() <= history.limits.workflows_per_cluster, "I9", || {
            format!("{} workflows act at once", acting.len())
        });
        let mut by: BTreeMap<&str, usize> = BTreeMap::new();
        for workflow in acting.iter().filter(|w| !w.problem.target.namespace.is_empty()) {
            *by.entry(&workflow.problem.target.namespace).or_default() += 1;
        }
        for (namespace, count) in by {
            findings.unless(count <= history.limits.workflows_per_namespace, "I9", || {
                format!("{count} workflows act at once in {namespace}")
            });
        }
    }
}

/// The text of a value, for what must not be in it.
pub(crate) fn shown(value: &Value) -> String {
    value.to_string()
}
