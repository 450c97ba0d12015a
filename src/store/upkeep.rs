//! Controls, messages to the outside, and retention, each in a transaction.

use aiops_engine::{
    audit::CONTROL,
    model::Millis,
    ports::store::{Control, Entry, Horizon, Notice},
};
use async_trait::async_trait;

use super::{
    audit,
    commit::{ALONE_WITH_CONTROLS, notify},
    db::{Done, Tx, Unit, number},
    failure::Stop,
    rows::records::control_values,
    values::{Reader, V},
};

const CONTROL_SET: &str = "INSERT INTO control (name, mode, reason, set_by, at, checksum) \
                           VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE SET mode = excluded.mode, \
                           reason = excluded.reason, set_by = excluded.set_by, at = excluded.at, \
                           checksum = excluded.checksum";
const DELIVERED: &str = "DELETE FROM notice WHERE seq = $1";
const AGAIN: &str = "UPDATE notice SET attempts = attempts + 1, due_at = $2 WHERE seq = $1";

/// Sets a control.
pub(super) struct SetControl<'a> {
    pub(super) control: &'a Control,
    pub(super) entry: &'a Entry,
    pub(super) notice: Option<&'a Notice>,
}

#[async_trait]
impl Unit for SetControl<'_> {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<Done<()>, Stop> {
        if tx.is_shared() {
            tx.script(ALONE_WITH_CONTROLS).await?;
        }
        tx.execute(CONTROL_SET, control_values(self.control)).await?;
        audit::append(tx, CONTROL, std::slice::from_ref(self.entry)).await?;
        if let Some(notice) = self.notice {
            notify(tx, notice).await?;
        }
        Ok(Done::Written(()))
    }
}

/// A message was delivered, or is tried again.
pub(super) struct SettleNotice {
    pub(super) seq: i64,
    pub(super) again_at: Option<Millis>,
}

#[async_trait]
impl Unit for SettleNotice {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<Done<()>, Stop> {
        match self.again_at {
            None => tx.execute(DELIVERED, [self.seq.into()]).await?,
            Some(at) => tx.execute(AGAIN, [self.seq.into(), at.into()]).await?,
        };
        Ok(Done::Written(()))
    }
}

const HORIZON: &str = "SELECT value FROM counter WHERE name = $1";
const HORIZON_SET: &str = "INSERT INTO counter (name, value) VALUES ($1, $2) \
                           ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const SEEN: &str = "retention.seen";
const SINCE: &str = "retention.since";
const BEFORE: &str = "retention.before";

/// How far retention came.
pub(super) struct ReadHorizon;

#[async_trait]
impl Unit for ReadHorizon {
    type Out = Option<Horizon>;

    async fn run(&self, tx: &mut Tx) -> Result<Done<Self::Out>, Stop> {
        let mut read = [None; 3];
        for (value, name) in read.iter_mut().zip([SEEN, SINCE, BEFORE]) {
            *value = tx.optional(HORIZON, [name.into()]).await?.map(|row| number(&row)).transpose()?;
        }
        let [Some(seen), Some(since), Some(before)] = read else { return Ok(Done::Nothing(None)) };
        Ok(Done::Nothing(Some(Horizon { seen, since, before })))
    }
}

/// Keeps how far retention has come.
pub(super) struct KeepHorizon(pub(super) Horizon);

#[async_trait]
impl Unit for KeepHorizon {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<Done<()>, Stop> {
        let Horizon { seen, since, before } = self.0;
        for (name, value) in [(SEEN, seen), (SINCE, since), (BEFORE, before)] {
            tx.execute(HORIZON_SET, [name.into(), value.into()]).await?;
        }
        Ok(Done::Written(()))
    }
}

const OVER: &str = "SELECT id FROM workflow WHERE finished_at IS NOT NULL AND finished_at < $1 \
                    ORDER BY finished_at, id LIMIT $2";
/// What belongs to a workflow, in an order in which nothing refers to what is gone. Audit lines are not among it.
const OF_A_WORKFLOW: [&str; 8] = [
    "DELETE FROM step_attempt WHERE workflow_id = $1",
    "DELETE FROM step WHERE workflow_id = $1",
    "DELETE FROM checkpoint WHERE workflow_id = $1",
    "DELETE FROM approval WHERE workflow_id = $1",
    "DELETE FROM target_lock WHERE workflow_id = $1",
    "DELETE FROM slot WHERE workflow_id = $1",
    "DELETE FROM idempotency WHERE workflow_id = $1",
    "DELETE FROM workflow WHERE id = $1",
];
const CLOSED: &str = "DELETE FROM incident WHERE id IN (SELECT incident.id FROM incident \
                      WHERE incident.closed_at IS NOT NULL AND incident.closed_at < $1 AND NOT EXISTS \
                      (SELECT 1 FROM workflow WHERE workflow.incident_id = incident.id) \
                      ORDER BY incident.closed_at, incident.id LIMIT $2)";
const REQUESTS: &str = "DELETE FROM idempotency WHERE expires_at <= $1";
const BUDGETS: &str = "DELETE FROM budget WHERE at < $1";
const COOLDOWNS: &str = "DELETE FROM cooldown WHERE not_before < $1 AND window_start < $1";

/// Deletes what ended before a moment.
pub(super) struct Retain {
    pub(super) before: Millis,
    pub(super) limit: u32,
}

#[async_trait]
impl Unit for Retain {
    type Out = (u64, u64);

    async fn run(&self, tx: &mut Tx) -> Result<Done<(u64, u64)>, Stop> {
        let (before, limit): (V, V) = (self.before.into(), self.limit.into());
        let mut workflows = 0;
        for row in tx.all(OVER, [before.clone(), limit.clone()]).await? {
            let id = Reader::plain("workflow id", &row)?.text()?;
            for statement in OF_A_WORKFLOW {
                tx.execute(statement, [(&id).into()]).await?;
            }
            workflows += 1;
        }
        let incidents = tx.execute(CLOSED, [before.clone(), limit]).await?;
        let mut others = tx.execute(REQUESTS, [tx.now.into()]).await?;
        others += tx.execute(BUDGETS, [before.clone()]).await?;
        others += tx.execute(COOLDOWNS, [before]).await?;
        let is_written = workflows + incidents + others > 0;
        let gone = (workflows, incidents);
        Ok(if is_written { Done::Written(gone) } else { Done::Nothing(gone) })
    }
}
