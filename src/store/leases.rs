//! Leases on workflows and duties, in the store's own time.

use std::time::Duration;

use aiops_engine::{
    keeping,
    model::{Millis, ids::WorkflowId},
    ports::store::Lease,
};
use async_trait::async_trait;

use super::{
    db::{Done, Tx, Unit},
    failure::Stop,
    values::{Reader, V},
};

const CLAIM: &str = "UPDATE workflow SET lease_owner = $1, lease_epoch = lease_epoch + 1, lease_until = $2, woken = 0 \
                     WHERE id = (SELECT id FROM workflow WHERE finished_at IS NULL AND wake_at <= $3 \
                     AND lease_until <= $3 ORDER BY wake_at, id LIMIT 1) RETURNING id, lease_epoch";
/// Where several claim at once, each passes over the rows that the others are taking.
const CLAIM_SHARED: &str = "UPDATE workflow SET lease_owner = $1, lease_epoch = lease_epoch + 1, lease_until = $2, \
                            woken = 0 WHERE id = (SELECT id FROM workflow WHERE finished_at IS NULL \
                            AND wake_at <= $3 AND lease_until <= $3 ORDER BY wake_at, id LIMIT 1 \
                            FOR UPDATE SKIP LOCKED) RETURNING id, lease_epoch";
const RENEW: &str = "UPDATE workflow SET lease_until = $5 \
                     WHERE id = $1 AND lease_owner = $2 AND lease_epoch = $3 AND lease_until > $4";
const WAKE: &str = "UPDATE workflow SET woken = CASE WHEN finished_at IS NULL THEN 1 ELSE woken END, \
                    wake_at = CASE WHEN finished_at IS NULL AND wake_at > $2 THEN $2 ELSE wake_at END WHERE id = $1";
const HOLD_DUTY: &str = "INSERT INTO duty_lease (name, owner, until) VALUES ($1, $2, $3) \
                         ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until \
                         WHERE duty_lease.owner = excluded.owner OR duty_lease.until <= $4 RETURNING name";
/// What was held by a process that is gone is nobody's, under an epoch that fences it.
const END_LEASES: &str = "UPDATE workflow SET lease_owner = NULL, lease_until = 0, lease_epoch = lease_epoch + 1 \
                          WHERE finished_at IS NULL AND lease_owner IS NOT NULL";
const END_DUTIES: &str = "DELETE FROM duty_lease";

/// This much later; what the calendar cannot say is its end.
fn after(now: Millis, ttl: Duration) -> Millis {
    now.saturating_add(Millis::try_from(ttl.as_millis()).unwrap_or(Millis::MAX))
}

/// Takes the workflow that has waited longest.
pub(super) struct Claim<'a> {
    pub(super) owner: &'a str,
    pub(super) ttl: Duration,
}

#[async_trait]
impl Unit for Claim<'_> {
    type Out = Option<Lease>;

    async fn run(&self, tx: &mut Tx) -> Result<Done<Self::Out>, Stop> {
        let statement = if tx.is_shared() { CLAIM_SHARED } else { CLAIM };
        let values: [V; 3] = [self.owner.into(), after(tx.now, self.ttl).into(), tx.now.into()];
        let Some(row) = tx.optional(statement, values).await? else { return Ok(Done::Nothing(None)) };
        let mut row = Reader::plain("lease", &row)?;
        let workflow = row.word(|text| WorkflowId::parse(text).ok())?;
        Ok(Done::Written(Some(Lease { workflow, owner: self.owner.to_owned(), epoch: row.int()? })))
    }
}

/// Holds a lease longer.
pub(super) struct Renew<'a> {
    pub(super) lease: &'a Lease,
    pub(super) ttl: Duration,
}

#[async_trait]
impl Unit for Renew<'_> {
    type Out = bool;

    async fn run(&self, tx: &mut Tx) -> Result<Done<bool>, Stop> {
        let Lease { workflow, owner, epoch } = self.lease;
        let until = after(tx.now, self.ttl);
        let values: [V; 5] =
            [workflow.as_str().into(), owner.into(), (*epoch).into(), tx.now.into(), until.into()];
        let is_held = tx.execute(RENEW, values).await? > 0;
        Ok(if is_held { Done::Written(true) } else { Done::Nothing(false) })
    }
}

/// Makes a workflow due now.
pub(super) struct Wake<'a>(pub(super) &'a WorkflowId);

#[async_trait]
impl Unit for Wake<'_> {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<Done<()>, Stop> {
        let values: [V; 2] = [self.0.as_str().into(), tx.now.into()];
        if tx.execute(WAKE, values).await? == 0 {
            return Err(keeping::no_workflow(self.0).into());
        }
        Ok(Done::Written(()))
    }
}

/// Takes or holds a duty.
pub(super) struct HoldDuty<'a> {
    pub(super) name: &'a str,
    pub(super) owner: &'a str,
    pub(super) ttl: Duration,
}

#[async_trait]
impl Unit for HoldDuty<'_> {
    type Out = bool;

    async fn run(&self, tx: &mut Tx) -> Result<Done<bool>, Stop> {
        let until = after(tx.now, self.ttl);
        let values: [V; 4] = [self.name.into(), self.owner.into(), until.into(), tx.now.into()];
        let is_held = tx.optional(HOLD_DUTY, values).await?.is_some();
        Ok(if is_held { Done::Written(true) } else { Done::Nothing(false) })
    }
}

/// Ends the leases of a process that is gone: for a store that one process alone executes on.
pub(super) struct EndLeases;

#[async_trait]
impl Unit for EndLeases {
    type Out = u64;

    async fn run(&self, tx: &mut Tx) -> Result<Done<u64>, Stop> {
        let ended = tx.execute(END_LEASES, []).await?;
        tx.execute(END_DUTIES, []).await?;
        Ok(Done::Written(ended))
    }
}
