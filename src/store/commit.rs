//! Commits to a workflow: the fence first, then every write in order, all or none.

use aiops_engine::{
    keeping,
    model::{
        ids::WorkflowId,
        workflow::{ApprovalRecord, ApprovalState, Attempt, CheckRecord, StepRecord, Workflow},
    },
    ports::store::{Control, Cooldown, Fence, Notice, Resource, StoreError, Write},
};
use async_trait::async_trait;

use super::{
    accept::one_id,
    audit,
    db::{Done, Tx, Unit, number},
    failure::{Sort, Stop, sort},
    incidents,
    reads::CONTROLS,
    rows::{
        records::{
            approval_values, attempt_values, check_values, cooldown_values, read_control, step_values,
        },
        workflow::{self, workflow_columns},
    },
    values::{Reader, V},
};

/// One commit.
pub(super) struct Commit<'a> {
    pub(super) workflow: &'a WorkflowId,
    pub(super) fence: Option<&'a Fence>,
    pub(super) writes: &'a [Write],
}

/// The lease is ours and has not ended. It writes what is there, and so holds the row until the transaction ends.
const FENCE: &str = "UPDATE workflow SET lease_until = lease_until \
                     WHERE id = $1 AND lease_owner = $2 AND lease_epoch = $3 AND lease_until > $4 RETURNING fingerprint";
/// The same for writes without a lease.
const HOLD: &str = "UPDATE workflow SET lease_until = lease_until WHERE id = $1 RETURNING fingerprint";
/// What somebody woke is put off no more until it is claimed again.
const UPDATE: &str = concat!(
    "UPDATE workflow SET (",
    workflow_columns!(),
    ") = ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, \
     $24, CASE WHEN woken = 1 AND wake_at < $25 THEN wake_at ELSE $25 END) WHERE id = $1 AND version = $23 - 1"
);
const VERSION: &str = "SELECT version FROM workflow WHERE id = $1";
const STEP: &str = "INSERT INTO step (workflow_id, ord, dir, action, state, effect_key, pre_image, post_image, result, \
                    started_at, finished_at, checksum) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
                    ON CONFLICT (workflow_id, ord, dir) DO UPDATE SET action = excluded.action, \
                    state = excluded.state, effect_key = excluded.effect_key, pre_image = excluded.pre_image, \
                    post_image = excluded.post_image, result = excluded.result, started_at = excluded.started_at, \
                    finished_at = excluded.finished_at, checksum = excluded.checksum";
const ATTEMPT: &str = "INSERT INTO step_attempt (workflow_id, ord, dir, attempt, epoch, intent, intent_at, outcome, \
                       http_status, observed, observed_at, checksum) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
                       ON CONFLICT (workflow_id, ord, dir, attempt) DO UPDATE SET epoch = excluded.epoch, \
                       intent = excluded.intent, intent_at = excluded.intent_at, outcome = excluded.outcome, \
                       http_status = excluded.http_status, observed = excluded.observed, \
                       observed_at = excluded.observed_at, checksum = excluded.checksum";
const CHECK: &str = "INSERT INTO checkpoint (workflow_id, after_ord, name, verdict, evidence, at, checksum) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (workflow_id, after_ord, name) \
                     DO UPDATE SET verdict = excluded.verdict, evidence = excluded.evidence, at = excluded.at, \
                     checksum = excluded.checksum";
const APPROVAL: &str = "INSERT INTO approval (id, workflow_id, digest, state, requested_at, expires_at, decided_by, \
                        decided_at, channel, reason, checksum) \
                        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO UPDATE SET \
                        digest = excluded.digest, state = excluded.state, requested_at = excluded.requested_at, \
                        expires_at = excluded.expires_at, decided_by = excluded.decided_by, \
                        decided_at = excluded.decided_at, channel = excluded.channel, reason = excluded.reason, \
                        checksum = excluded.checksum \
                        WHERE approval.state = 'requested' AND approval.workflow_id = excluded.workflow_id \
                        AND (excluded.state <> 'approved' OR approval.expires_at > $12) RETURNING id";
const APPROVED: &str = "SELECT workflow_id, state FROM approval WHERE id = $1";
const LOCK: &str = "INSERT INTO target_lock (target_key, workflow_id, at) VALUES ($1, $2, $3) \
                    ON CONFLICT (target_key) DO UPDATE SET at = target_lock.at \
                    WHERE target_lock.workflow_id = excluded.workflow_id RETURNING workflow_id";
const HOLDER: &str = "SELECT workflow_id FROM target_lock WHERE target_key = $1";
const SLOTS: &str = "SELECT n, workflow_id FROM slot WHERE scope = $1 ORDER BY n";
const SLOT: &str =
    "INSERT INTO slot (scope, n, workflow_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING n";
const SPEND: &str = "INSERT INTO budget (scope, bucket, used, at) VALUES ($1, $2, 1, $3) \
                     ON CONFLICT (scope, bucket) DO UPDATE SET used = budget.used + 1, at = excluded.at \
                     WHERE budget.used < $4 RETURNING used";
/// Many may decide under the controls at a time, and none while one is set. A lock of its own and not of the rows: a
/// control that was never set has none. In SQLite there is one writer.
const BESIDE_CONTROLS: &str = "SELECT pg_advisory_xact_lock_shared(24678)";
/// What who sets one takes.
pub(super) const ALONE_WITH_CONTROLS: &str = "SELECT pg_advisory_xact_lock(24678)";
const UNLOCK: &str = "DELETE FROM target_lock WHERE workflow_id = $1";
const VACATE: &str = "DELETE FROM slot WHERE workflow_id = $1";
const COOLDOWN: &str = "INSERT INTO cooldown (fingerprint, failures, not_before, window_start, checksum) \
                        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (fingerprint) DO UPDATE SET \
                        failures = excluded.failures, not_before = excluded.not_before, \
                        window_start = excluded.window_start, checksum = excluded.checksum";
const NOTICE: &str = "INSERT INTO notice (seq, kind, workflow_id, at, body, attempts, due_at) \
                      VALUES ($1, $2, $3, $4, $5, 0, $4)";
const YIELD: &str = "UPDATE workflow SET lease_owner = NULL, lease_until = 0 WHERE id = $1";

#[async_trait]
impl Unit for Commit<'_> {
    type Out = ();

    fn takes_on(&self) -> bool {
        self.writes.iter().any(|write| matches!(write, Write::Attempt(attempt) if attempt.outcome.is_none()))
    }

    async fn run(&self, tx: &mut Tx) -> Result<Done<()>, Stop> {
        let id = self.workflow;
        let held = match self.fence {
            Some(fence) if fence.workflow != *id => None,
            Some(fence) => {
                let values: [V; 4] =
                    [id.as_str().into(), (&fence.owner).into(), fence.epoch.into(), tx.now.into()];
                tx.optional(FENCE, values).await?
            }
            None => tx.optional(HOLD, [id.as_str().into()]).await?,
        };
        let Some(row) = held else {
            let fenced = self.fence.is_some();
            return Err(if fenced { StoreError::Fenced } else { keeping::no_workflow(id) }.into());
        };
        let fingerprint = Reader::plain("fingerprint", &row)?.text()?;
        for write in self.writes {
            self.write(tx, &fingerprint, write).await?;
        }
        Ok(if self.writes.is_empty() { Done::Nothing(()) } else { Done::Written(()) })
    }
}

impl Commit<'_> {
    async fn write(&self, tx: &mut Tx, fingerprint: &str, write: &Write) -> Result<(), Stop> {
        let id = self.workflow;
        match write {
            Write::Workflow(workflow) => put_workflow(tx, id, workflow, fingerprint).await,
            Write::Step(step) => put_step(tx, id, step).await,
            Write::Attempt(attempt) => put_attempt(tx, id, attempt).await,
            Write::Check(check) => put_check(tx, id, check).await,
            Write::Approval(approval) => put_approval(tx, id, approval).await,
            Write::Lock(key) => lock(tx, id, key).await,
            Write::Slot { scope, max } => take_slot(tx, id, scope, *max).await,
            Write::Spend { scope, bucket, max } => spend(tx, scope, *bucket, *max).await,
            Write::Under(then) => decided_under(tx, then).await,
            Write::Release => {
                tx.execute(UNLOCK, [id.as_str().into()]).await?;
                tx.execute(VACATE, [id.as_str().into()]).await?;
                Ok(())
            }
            Write::Cooldown(cooldown) => put_cooldown(tx, cooldown).await,
            Write::Incident { id: incident, status, closed_at } => {
                let mut changed =
                    incidents::find(tx, incident).await?.ok_or_else(|| keeping::no_incident(incident))?;
                keeping::acted_on(&mut changed, *status, *closed_at, id);
                incidents::put(tx, &changed).await
            }
            Write::Audit(entry) => {
                audit::append(tx, id.as_str(), std::slice::from_ref(entry)).await.map(drop)
            }
            Write::Notice(notice) => notify(tx, notice).await,
            Write::Yield if self.fence.is_some() => tx.execute(YIELD, [id.as_str().into()]).await.map(drop),
            Write::Yield => Err(keeping::no_lease_to_yield().into()),
        }
    }
}

async fn put_workflow(
    tx: &mut Tx,
    id: &WorkflowId,
    workflow: &Workflow,
    fingerprint: &str,
) -> Result<(), Stop> {
    keeping::check(workflow)?;
    if workflow.id != *id {
        return Err(keeping::foreign(id, &workflow.id).into());
    }
    match tx.execute(UPDATE, workflow::values(workflow, fingerprint)?).await {
        Ok(0) => {
            let row = tx.optional(VERSION, [id.as_str().into()]).await?.ok_or(Stop::Race)?;
            Err(keeping::moved_on(id, number(&row)?, workflow.version).into())
        }
        Ok(_) => Ok(()),
        Err(Stop::Sql(error)) if sort(&error) == Sort::Unique => {
            Err(StoreError::Taken { what: Resource::Fingerprint, holder: None }.into())
        }
        Err(stop) => Err(stop),
    }
}

async fn put_step(tx: &mut Tx, id: &WorkflowId, step: &StepRecord) -> Result<(), Stop> {
    match tx.execute(STEP, step_values(id, step)?).await {
        Err(Stop::Sql(error)) if sort(&error) == Sort::Unique => {
            Err(keeping::key_is_used(&step.effect_key).into())
        }
        done => done.map(drop),
    }
}

async fn put_attempt(tx: &mut Tx, id: &WorkflowId, attempt: &Attempt) -> Result<(), Stop> {
    match tx.execute(ATTEMPT, attempt_values(id, attempt)?).await {
        Err(Stop::Sql(error)) if sort(&error) == Sort::Reference => {
            Err(keeping::no_step(attempt.order).into())
        }
        done => done.map(drop),
    }
}

async fn put_check(tx: &mut Tx, id: &WorkflowId, check: &CheckRecord) -> Result<(), Stop> {
    tx.execute(CHECK, check_values(id, check)).await.map(drop)
}

async fn put_approval(tx: &mut Tx, id: &WorkflowId, approval: &ApprovalRecord) -> Result<(), Stop> {
    let mut values = approval_values(id, approval);
    values.push(tx.now.into());
    if tx.optional(APPROVAL, values).await?.is_some() {
        return Ok(());
    }
    let row = tx.optional(APPROVED, [approval.id.as_str().into()]).await?.ok_or(Stop::Race)?;
    let mut row = Reader::plain("approval", &row)?;
    let of = row.text()?;
    let state = row.word(ApprovalState::parse)?;
    let is_ours = of == id.as_str();
    Err(match state {
        _ if !is_ours => keeping::not_its_approval(&approval.id),
        ApprovalState::Requested => keeping::came_too_late(&approval.id),
        answered => keeping::answered(&approval.id, answered.as_str()),
    }
    .into())
}

async fn lock(tx: &mut Tx, id: &WorkflowId, key: &str) -> Result<(), Stop> {
    let values: [V; 3] = [key.into(), id.as_str().into(), tx.now.into()];
    if tx.optional(LOCK, values).await?.is_some() {
        return Ok(());
    }
    // Given back since: the next turn takes it.
    let holder = one_id(tx, HOLDER, key).await?.ok_or(Stop::Race)?;
    Err(StoreError::Taken { what: Resource::Target, holder: Some(holder) }.into())
}

async fn take_slot(tx: &mut Tx, id: &WorkflowId, scope: &str, max: u32) -> Result<(), Stop> {
    let mut taken = Vec::new();
    for row in tx.all(SLOTS, [scope.into()]).await? {
        let mut row = Reader::plain("slot", &row)?;
        let n = row.u32()?;
        if row.text()? == id.as_str() {
            return Ok(());
        }
        taken.push(n);
    }
    // Counted, not searched below `max`: those above it, from when there were more, count too.
    let is_free = taken.len() < usize::try_from(max).unwrap_or(usize::MAX);
    let Some(n) = (0..max).find(|n| !taken.contains(n)).filter(|_| is_free) else {
        return Err(StoreError::Taken { what: Resource::Slot(scope.to_owned()), holder: None }.into());
    };
    let values: [V; 3] = [scope.into(), n.into(), id.as_str().into()];
    tx.optional(SLOT, values).await?.ok_or(Stop::Race)?;
    Ok(())
}

async fn spend(tx: &mut Tx, scope: &str, bucket: i64, max: u32) -> Result<(), Stop> {
    let values: [V; 4] = [scope.into(), bucket.into(), tx.now.into(), max.into()];
    // The first one of a bucket is inserted without being compared.
    if max > 0 && tx.optional(SPEND, values).await?.is_some() {
        return Ok(());
    }
    Err(StoreError::Taken { what: Resource::Budget(scope.to_owned()), holder: None }.into())
}

/// The controls that are kept are those that it was decided under, and nobody sets one until this is committed.
async fn decided_under(tx: &mut Tx, then: &[Control]) -> Result<(), Stop> {
    if tx.is_shared() {
        tx.script(BESIDE_CONTROLS).await?;
    }
    let kept = tx.all(CONTROLS, []).await?.iter().map(read_control).collect::<Result<Vec<_>, _>>()?;
    Ok(keeping::decided_under(&kept, then)?)
}

async fn put_cooldown(tx: &mut Tx, cooldown: &Cooldown) -> Result<(), Stop> {
    tx.execute(COOLDOWN, cooldown_values(cooldown)).await.map(drop)
}

/// Keeps a message until it is delivered.
pub(super) async fn notify(tx: &mut Tx, notice: &Notice) -> Result<(), Stop> {
    let seq = tx.count("notices").await?;
    let values: [V; 5] = [
        seq.into(),
        (&notice.kind).into(),
        notice.workflow.as_ref().map(WorkflowId::as_str).into(),
        notice.at.into(),
        notice.body.to_string().into(),
    ];
    tx.execute(NOTICE, values).await.map(drop)
}
