//! Takes a trigger: everything that makes it survive, in one transaction.

use aiops_engine::{
    keeping,
    model::{ids::WorkflowId, workflow::Workflow},
    ports::store::{Acceptance, Reported, StoreError, Taken},
};
use async_trait::async_trait;

use super::{
    audit,
    db::{Done, Tx, Unit},
    failure::Stop,
    incidents,
    rows::workflow::{self, workflow_columns},
    values::{Reader, V},
};

/// One trigger.
pub(super) struct Accept<'a>(pub(super) &'a Acceptance);

/// Inserts a workflow, unless its id or its fingerprint is taken.
pub(super) const INSERT: &str = concat!(
    "INSERT INTO workflow (",
    workflow_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, \
     $23, $24, $25) ON CONFLICT DO NOTHING RETURNING id"
);
const ACTIVE: &str = "SELECT id FROM workflow WHERE fingerprint = $1 AND finished_at IS NULL AND dry_run = 0";
const HOLDER: &str = "SELECT workflow_id FROM target_lock WHERE target_key = $1";
const EXISTS: &str = "SELECT id FROM workflow WHERE id = $1";
const LOCK: &str = "INSERT INTO target_lock (target_key, workflow_id, at) VALUES ($1, $2, $3) \
                    ON CONFLICT DO NOTHING RETURNING workflow_id";
pub(super) const KNOWN: &str =
    "SELECT request_hash, workflow_id, expires_at FROM idempotency WHERE principal = $1 AND idem_key = $2";
const FORGET: &str = "DELETE FROM idempotency WHERE principal = $1 AND idem_key = $2 AND expires_at <= $3";
const REMEMBER: &str = "INSERT INTO idempotency (principal, idem_key, request_hash, workflow_id, created_at, expires_at) \
                        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING idem_key";

#[async_trait]
impl Unit for Accept<'_> {
    type Out = Taken;

    fn takes_on(&self) -> bool {
        true
    }

    async fn run(&self, tx: &mut Tx) -> Result<Done<Taken>, Stop> {
        let acceptance = self.0;
        let workflow = &acceptance.workflow;
        keeping::check(workflow)?;
        if let Some(known) = self.known(tx).await? {
            return Ok(Done::Nothing(known));
        }
        if keeping::holds_fingerprint(workflow)
            && let Some(active) = one_id(tx, ACTIVE, &acceptance.fingerprint).await?
        {
            if acceptance.idempotency.is_none() {
                return Ok(Done::Nothing(Taken::Duplicate(active)));
            }
            self.remember(tx, &active).await?;
            return Ok(Done::Written(Taken::Duplicate(active)));
        }
        if acceptance.only_joins {
            return Ok(Done::Nothing(Taken::Alone));
        }
        let lock = acceptance.lock.as_ref().filter(|_| !workflow.dry_run);
        if let Some(key) = lock
            && let Some(holder) = one_id(tx, HOLDER, key).await?
        {
            // It may have been taken between the two looks, and for the same trouble: the next turn sees that.
            if keeping::holds_fingerprint(workflow)
                && one_id(tx, ACTIVE, &acceptance.fingerprint).await?.is_some()
            {
                return Err(Stop::Race);
            }
            return Ok(Done::Nothing(Taken::Locked(holder)));
        }
        let taken_up = |incident| keeping::taken_up(incident, acceptance);
        let Reported { id: incident, .. } = incidents::report(tx, &acceptance.incident, &taken_up).await?;
        let kept = Workflow { incident: incident.clone(), ..workflow.clone() };
        let values = workflow::values(&kept, &acceptance.fingerprint)?;
        if tx.optional(INSERT, values).await?.is_none() {
            if one_id(tx, EXISTS, workflow.id.as_str()).await?.is_some() {
                let why = format!("there is a workflow {} already", workflow.id);
                return Err(StoreError::Changed(why).into());
            }
            // Whoever is in the way came after the look above: the next turn sees it.
            return Err(Stop::Race);
        }
        if let Some(key) = lock {
            let values = [key.into(), workflow.id.as_str().into(), tx.now.into()];
            tx.optional(LOCK, values).await?.ok_or(Stop::Race)?;
        }
        audit::begin(tx, workflow.id.as_str(), &acceptance.audit).await?;
        self.remember(tx, &workflow.id).await?;
        Ok(Done::Written(Taken::New { incident }))
    }
}

impl Accept<'_> {
    /// What the same key was used for before.
    async fn known(&self, tx: &mut Tx) -> Result<Option<Taken>, Stop> {
        let Some(wish) = &self.0.idempotency else { return Ok(None) };
        let key: [V; 2] = [(&wish.principal).into(), (&wish.key).into()];
        let Some(row) = tx.optional(KNOWN, key).await? else { return Ok(None) };
        let mut row = Reader::plain("request", &row)?;
        let hash = row.text()?;
        let id = row.word(|text| WorkflowId::parse(text).ok())?;
        if row.int()? <= tx.now {
            return Ok(None);
        }
        let is_same = hash == wish.request_hash;
        Ok(Some(if is_same { Taken::Replayed(id) } else { Taken::Contradiction(id) }))
    }

    async fn remember(&self, tx: &mut Tx, workflow: &WorkflowId) -> Result<(), Stop> {
        let Some(wish) = &self.0.idempotency else { return Ok(()) };
        let old: [V; 3] = [(&wish.principal).into(), (&wish.key).into(), tx.now.into()];
        tx.execute(FORGET, old).await?;
        let values: [V; 6] = [
            (&wish.principal).into(),
            (&wish.key).into(),
            (&wish.request_hash).into(),
            workflow.as_str().into(),
            tx.now.into(),
            wish.expires_at.into(),
        ];
        tx.optional(REMEMBER, values).await?.ok_or(Stop::Race)?;
        Ok(())
    }
}

/// The workflow's id that a statement gives for one value.
pub(super) async fn one_id(
    tx: &mut Tx,
    statement: &'static str,
    value: &str,
) -> Result<Option<WorkflowId>, Stop> {
    let Some(row) = tx.optional(statement, [value.into()]).await? else { return Ok(None) };
    Reader::plain("workflow id", &row)?.word(|text| WorkflowId::parse(text).ok()).map(Some)
}
