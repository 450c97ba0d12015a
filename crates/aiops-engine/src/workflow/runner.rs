//! Takes workflows on, a turn at a time, through the ports.
//!
//! A turn is bounded: it reads, sends at most one request, and commits what became of it. Whatever is lost between two
//! commits is found again by looking at the cluster; so a crash needs no path of its own. Nothing is sent without a
//! committed intent and a lease that outlives the request.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::{
    held::Held,
    machine::Illegal,
    record::{self, Context, Event},
};
use crate::{
    Coordinator,
    coordinator::Inner,
    error::Error,
    fingerprint,
    model::{
        Millis,
        ids::WorkflowId,
        phase::Phase,
        workflow::{Record, Workflow},
    },
    ports::{
        Timer,
        store::{StoreError, Write},
    },
    settings::limits::millis,
};

/// What became of a turn. Moments are those of the store's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There is more to do now, under the same lease.
    Again,
    /// There is more to do then, under the same lease: it is too soon to give it back.
    Hold(Millis),
    /// Nothing to do before this moment; the lease was given back.
    WakeAt(Millis),
    /// The workflow is over, or waits for a person; the lease was given back.
    Done,
    /// Another executor has it, or the lease is too old to be trusted.
    Lost,
}

/// Takes workflows on. Cheap to clone.
#[derive(Clone)]
pub struct Executor {
    pub(super) inner: Arc<Inner>,
    pub(super) owner: String,
    pub(super) timer: Arc<dyn Timer>,
    /// The epoch under which we gave a workflow back ourselves: the claim after it is none that recovers anything.
    given_back: Arc<Mutex<HashMap<WorkflowId, i64>>>,
    /// Ticks at which it was made.
    began: Millis,
}

/// How long after a start a cluster that was not read yet holds a workflow up without costing it any of its tries: a
/// connection takes a moment, and what was under way must not end because of that.
const STARTING: Millis = 30_000;
/// Between two looks whether it was read.
const UNREAD: Millis = 250;
/// A process that is started again at once can be ended a dozen times within seconds, by whatever ends it, and no workflow gets
/// further in such lives. Only deaths that go on for longer than this are laid at the door of what is under way.
const POISONS: Millis = 60_000;
/// Workflows given back that are remembered. What ends in other hands is never asked for again; a claim too many that
/// counts as a recovery does no harm, because the next orderly pause forgets it.
const GIVEN_BACK: usize = 4_096;

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// Why a turn could not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The store did not take a commit, or cannot be read.
    Store(StoreError),
    /// The record is not what the code takes it for: a fault of ours.
    Illegal(Illegal),
    /// Something the guard judges by cannot be read.
    Error(Error),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Illegal> for Stop {
    fn from(error: Illegal) -> Self {
        Self::Illegal(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// A workflow during a turn.
pub(super) struct Work<'a> {
    pub(super) held: &'a Held,
    pub(super) record: Record,
}

impl Work<'_> {
    pub(super) fn workflow(&self) -> &Workflow {
        &self.record.workflow
    }
}

impl Executor {
    /// An executor of this coordinator's workflows. `owner` names it in leases: unique among all that share the store, and
    /// another one after each start.
    pub fn new(coordinator: &Coordinator, owner: impl Into<String>, timer: Arc<dyn Timer>) -> Self {
        let began = timer.ticks();
        Self { inner: coordinator.inner(), owner: owner.into(), timer, given_back: Arc::default(), began }
    }

    /// Now, by the time of the store that the workflow is in.
    pub(super) fn now(&self, held: &Held) -> Millis {
        held.time(self.timer.ticks())
    }

    fn timing(&self) -> &crate::settings::Timing {
        &self.inner.settings.timing
    }

    /// Takes the workflow that has waited longest of those that are due.
    ///
    /// # Errors
    /// The store cannot be written to.
    pub async fn claim(&self) -> Result<Option<Held>, StoreError> {
        let ttl = self.timing().lease;
        // Measured from before the store was asked: what it took counts against the trust.
        let began = self.timer.ticks();
        let Some(lease) = self.inner.store.claim(&self.owner, ttl).await? else { return Ok(None) };
        let before = lease.epoch.saturating_sub(1);
        // The very first claim recovers nothing either.
        let is_counted = before == 0 || self.given_back.lock().remove(&lease.workflow) == Some(before);
        // Without it nothing of the workflow could be timed: the lease ends by itself, and the next one asks again.
        let ahead = self.inner.store.time().await?.saturating_sub(self.timer.ticks());
        Ok(Some(Held::new(lease, self.trusted(began), is_counted, ahead)))
    }

    fn trusted(&self, began: Millis) -> Millis {
        let timing = self.timing();
        began.saturating_add(millis(timing.lease)).saturating_sub(millis(timing.lease_margin))
    }

    /// Holds a lease for longer. False when it was lost; an error leaves it as long as it was.
    ///
    /// # Errors
    /// The store cannot be written to.
    pub async fn renew(&self, held: &Held) -> Result<bool, StoreError> {
        let began = self.timer.ticks();
        let is_ours = self.inner.store.renew(held.lease(), self.timing().lease).await?;
        if is_ours {
            held.trust_until(self.trusted(began));
        } else {
            held.lose();
        }
        Ok(is_ours)
    }

    /// Gives a lease back without having finished: the workflow stays due, and whoever claims it need not recover it.
    pub async fn give_back(&self, held: &Held) {
        if held.is_lost() {
            return;
        }
        let lease = held.lease();
        match self.inner.store.commit(&lease.workflow, Some(lease), &[Write::Yield]).await {
            Ok(()) => self.gave_back(held),
            Err(error) => {
                tracing::warn!(workflow.id = %lease.workflow, %error, "a lease was not given back; it ends by itself");
            }
        }
    }

    fn gave_back(&self, held: &Held) {
        let mut given_back = self.given_back.lock();
        if given_back.len() >= GIVEN_BACK {
            given_back.clear();
        }
        given_back.insert(held.lease().workflow.clone(), held.lease().epoch);
    }

    /// Whether a request that is sent now ends while the lease may still be trusted; renews it when it would not.
    pub(super) async fn may_send(&self, held: &Held) -> bool {
        let request = self.timing().request;
        // A fifth more: between this look and the request's first byte there is a commit.
        let needed = millis(request.saturating_add(request / 5));
        if held.trust_left(self.timer.ticks()) >= needed {
            return true;
        }
        // A lease that cannot be renewed is no reason to fail: whoever has it next begins by looking.
        let renewed = self.renew(held).await.unwrap_or(false);
        renewed && held.trust_left(self.timer.ticks()) >= needed
    }

    /// Takes a workflow on by one turn. It never fails: what went wrong is in the store, or is tried again.
    pub async fn turn(&self, held: &Held) -> Turn {
        match Box::pin(self.try_turn(held)).await {
            Ok(turn) => turn,
            Err(stop) => self.stopped(held, stop).await,
        }
    }

    async fn try_turn(&self, held: &Held) -> Result<Turn, Stop> {
        if held.trust_left(self.timer.ticks()) == 0 {
            return Ok(Turn::Lost);
        }
        let recalled = held.recall();
        let record = match recalled {
            Some(record) => Some(record),
            None => self.inner.store.workflow(&held.lease().workflow).await?,
        };
        let Some(record) = record else { return Ok(Turn::Lost) };
        let mut work = Work { held, record };
        if work.workflow().phase.is_terminal() {
            return Ok(Turn::Done);
        }
        if let Some(event) = held.unsaved() {
            self.save(&mut work, event).await?;
        }
        // Before the claim is counted: what is only held did not end the process, however often that is ended.
        if self.is_starting(work.workflow().phase) {
            return Ok(Turn::Hold(self.now(held).saturating_add(UNREAD)));
        }
        if held.has_to_be_counted() {
            self.commit(&mut work, Event::Counted).await?;
            held.counted();
            let most = self.inner.settings.limits.recoveries;
            let since_first = self.now(held).saturating_sub(work.workflow().wake_at);
            let is_poison = work.workflow().recoveries > most && since_first >= POISONS;
            if is_poison && work.workflow().phase != Phase::NeedsOperator {
                let why = format!(
                    "it was taken up {} times within {} s without getting any further; look into the log of aiops for what \
                     ended it",
                    work.workflow().recoveries,
                    since_first / 1_000
                );
                return self.park(&mut work, Some("poison"), why).await;
            }
        }
        let turn = match work.workflow().phase {
            Phase::Planning => self.planning(&mut work).await,
            Phase::AwaitingApproval => self.awaiting(&mut work).await,
            Phase::Queued => self.starting(&mut work).await,
            Phase::Running => self.running(&mut work).await,
            Phase::Verifying => self.verifying(&mut work).await,
            Phase::RollingBack => self.rolling_back(&mut work).await,
            Phase::NeedsOperator => {
                let until = work.workflow().deadline;
                self.wait(&mut work, until, None).await
            }
            Phase::Completed
            | Phase::Failed
            | Phase::RolledBack
            | Phase::Cancelled
            | Phase::Refused
            | Phase::Rejected
            | Phase::Expired => Ok(Turn::Done),
        }?;
        held.hit();
        if turn == Turn::Again {
            held.remember(work.record);
        }
        Ok(turn)
    }

    /// Whether a workflow in this phase has to wait for the cluster to be reached after a start.
    fn is_starting(&self, phase: Phase) -> bool {
        let asks_the_cluster = matches!(
            phase,
            Phase::Planning | Phase::Queued | Phase::Running | Phase::Verifying | Phase::RollingBack
        );
        asks_the_cluster
            && self.timer.ticks().saturating_sub(self.began) < STARTING
            && self.inner.cluster_uid().is_none()
    }

    /// Commits an event, and takes what it says over into the record.
    pub(super) async fn commit(&self, work: &mut Work<'_>, event: Event) -> Result<(), Stop> {
        let lease = work.held.lease();
        let context = self.context(work, &event).await?;
        let writes = record::commit(&work.record, event, &context)?;
        self.inner.store.commit(&lease.workflow, Some(lease), &writes).await?;
        let before = work.workflow().phase;
        record::apply(&mut work.record, &writes);
        if writes.last() == Some(&Write::Yield) && !work.workflow().phase.is_terminal() {
            self.gave_back(work.held);
        }
        self.inner.note();
        let phase = work.workflow().phase;
        if phase != before {
            let reason = work.workflow().reason.as_deref().unwrap_or_default();
            tracing::info!(workflow.id = %lease.workflow, from = %before, to = %phase, reason, "a workflow moved");
            self.announce(work.workflow()).await;
        }
        Ok(())
    }

    /// Commits what became of a request. When the store cannot be told now, it is kept and tried again as long as the lease
    /// lasts; after that whoever comes next finds it by looking.
    pub(super) async fn save(&self, work: &mut Work<'_>, event: Event) -> Result<(), Stop> {
        for _ in 0..3 {
            match self.commit(work, event.clone()).await {
                Err(Stop::Store(StoreError::Changed(_))) => {
                    // Somebody asked to cancel while the request was under way.
                    let read = self.inner.store.workflow(&work.held.lease().workflow).await?;
                    let Some(read) = read else { return Err(StoreError::Fenced.into()) };
                    work.record = read;
                }
                Err(Stop::Store(
                    error @ (StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::ReadOnly(_)),
                )) => {
                    work.held.keep_unsaved(event);
                    return Err(error.into());
                }
                other => return other,
            }
        }
        Err(StoreError::Changed("the record kept changing".to_owned()).into())
    }

    async fn context(&self, work: &Work<'_>, event: &Event) -> Result<Context<'_>, Stop> {
        let workflow = work.workflow();
        let settings = &self.inner.settings;
        let epoch = Some(work.held.lease().epoch);
        let mut context =
            Context { at: self.now(work.held), settings, epoch, cooldown: None, incident_is_left: false };
        if event.may_change_the_incident() {
            let incident = self.inner.store.incident(&workflow.incident).await?;
            context.incident_is_left = incident.is_none_or(|incident| incident.is_left_by(&workflow.id));
            let print = fingerprint::fingerprint(
                &workflow.cluster,
                &workflow.problem.target,
                &workflow.problem.issue,
            );
            context.cooldown = self.inner.store.cooldown(&print).await?;
        }
        Ok(context)
    }

    /// Gives the lease back until this moment.
    pub(super) async fn wait(
        &self,
        work: &mut Work<'_>,
        until: Millis,
        why: Option<String>,
    ) -> Result<Turn, Stop> {
        self.wait_by(work, until, (None, why)).await
    }

    /// The same for a rule that holds it up.
    pub(super) async fn wait_by(
        &self,
        work: &mut Work<'_>,
        until: Millis,
        (rule, why): (Option<&str>, Option<String>),
    ) -> Result<Turn, Stop> {
        let rule = rule.map(str::to_owned);
        self.commit(work, Event::Waits { until, why, rule, checks: Vec::new() }).await?;
        Ok(Turn::WakeAt(until))
    }

    /// Hands the workflow to a person.
    pub(super) async fn park(
        &self,
        work: &mut Work<'_>,
        rule: Option<&str>,
        why: String,
    ) -> Result<Turn, Stop> {
        self.commit(work, Event::Parked { rule: rule.map(str::to_owned), why }).await?;
        Ok(Turn::Done)
    }

    /// The turn after a commit that may have ended the workflow.
    pub(super) fn next(&self, work: &Work<'_>) -> Turn {
        let phase = work.workflow().phase;
        if phase.is_terminal() || phase == Phase::NeedsOperator { Turn::Done } else { Turn::Again }
    }
}
