//! Questions to the store. Each is one statement or one consistent view; none writes.

use aiops_engine::{
    audit::link,
    issue::Severity,
    model::{
        Millis,
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentStatus},
        phase::Phase,
        plan::Problem,
        workflow::{Record, Workflow},
    },
    ports::store::{
        Active, AuditLine, Control, Cooldown, DueNotice, Idempotency, IncidentCounts, IncidentFilter, Notice,
        Rows, StoreError, WorkflowFilter,
    },
};
use async_trait::async_trait;

use super::{
    accept::KNOWN,
    db::{Db, Dialect, Done, NOW, Tx, Unit, number},
    failure::Stop,
    rows::{
        incident::{self, SEVERITIES, incident_columns, parse_severity},
        records::{
            read_approval, read_attempt, read_audit, read_check, read_control, read_cooldown, read_step,
        },
        workflow::{self, workflow_columns},
    },
    values::{Reader, V},
};

const WORKFLOW: &str = concat!("SELECT ", workflow_columns!(), " FROM workflow WHERE id = $1");
const STEPS: &str = "SELECT workflow_id, ord, dir, action, state, effect_key, pre_image, post_image, result, \
                     started_at, finished_at, checksum FROM step WHERE workflow_id = $1 ORDER BY ord, dir";
const ATTEMPTS: &str = "SELECT workflow_id, ord, dir, attempt, epoch, intent, intent_at, outcome, http_status, \
                        observed, observed_at, checksum FROM step_attempt WHERE workflow_id = $1 \
                        ORDER BY ord, dir, attempt";
const CHECKS: &str = "SELECT workflow_id, after_ord, name, verdict, evidence, at, checksum FROM checkpoint \
                      WHERE workflow_id = $1 ORDER BY after_ord, name";
const APPROVALS: &str = "SELECT id, workflow_id, digest, state, requested_at, expires_at, decided_by, decided_at, \
                         channel, reason, checksum FROM approval WHERE workflow_id = $1 ORDER BY requested_at, id";

/// What a list of workflows is narrowed by; the same in the list and in its count.
macro_rules! workflow_filter {
    () => {
        " FROM workflow WHERE ($1 IS NULL OR namespace = $1) AND ($2 = '' OR $2 LIKE '%,' || phase || ',%') \
         AND ($3 IS NULL OR incident_id = $3)"
    };
}
const WORKFLOWS: &str = concat!(
    "SELECT ",
    workflow_columns!(),
    workflow_filter!(),
    " ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5"
);
const COUNT_WORKFLOWS: &str = concat!("SELECT COUNT(*)", workflow_filter!());
/// The same where none that is over can pass: few of all that are kept, and they have an index of their own.
const WORKFLOWS_NOT_OVER: &str = concat!(
    "SELECT ",
    workflow_columns!(),
    workflow_filter!(),
    " AND finished_at IS NULL ORDER BY created_at + 0 DESC, id DESC LIMIT $4 OFFSET $5"
);
const COUNT_NOT_OVER: &str = concat!("SELECT COUNT(*)", workflow_filter!(), " AND finished_at IS NULL");

/// Sorted by what no index has, so that SQLite takes an index of those that are not over and not the one of all.
const ACTIVE: &str = "SELECT id, phase, problem FROM workflow WHERE finished_at IS NULL AND dry_run = 0 \
                      ORDER BY created_at + 0 DESC, id DESC LIMIT $1";

/// Workflows that are looked up at once.
const TOGETHER: usize = 16;
const BEGAN: &str = "SELECT id, started_at FROM workflow WHERE id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
                     $13, $14, $15, $16) AND started_at IS NOT NULL";

macro_rules! incident_filter {
    () => {
        " FROM incident WHERE ($1 IS NULL OR namespace = $1 OR reported_target = $1) \
         AND ($2 IS NULL OR severity = $2) AND ($3 = '' OR $3 LIKE '%,' || status || ',%') \
         AND ($4 = '' OR $4 LIKE '%,' || source || ',%')"
    };
}
const INCIDENT: &str = concat!("SELECT ", incident_columns!(), " FROM incident WHERE id = $1");
const INCIDENTS: &str = concat!(
    "SELECT ",
    incident_columns!(),
    incident_filter!(),
    " ORDER BY first_seen DESC, id DESC LIMIT $5 OFFSET $6"
);
const COUNT_INCIDENTS: &str = concat!("SELECT COUNT(*)", incident_filter!());
/// The same where none that is closed can pass: few of all that are kept, and they have an index of their own.
const INCIDENTS_OPEN: &str = concat!(
    "SELECT ",
    incident_columns!(),
    incident_filter!(),
    " AND closed_at IS NULL ORDER BY first_seen + 0 DESC, id DESC LIMIT $5 OFFSET $6"
);
const COUNT_OPEN: &str = concat!("SELECT COUNT(*)", incident_filter!(), " AND closed_at IS NULL");
const CLOSED_SINCE: &str = concat!(
    "SELECT ",
    incident_columns!(),
    " FROM incident WHERE closed_at >= $1 ORDER BY closed_at DESC, id DESC LIMIT $2"
);
const INCIDENT_COUNTS: &str =
    concat!("SELECT status, severity, COUNT(*)", incident_filter!(), " GROUP BY status, severity");
const INCIDENTS_SINCE: &str = "SELECT COUNT(*) FROM incident WHERE first_seen >= $1";
const NEXT_DUE: &str = "SELECT MIN(CASE WHEN lease_until > wake_at THEN lease_until ELSE wake_at END) FROM workflow \
                        WHERE finished_at IS NULL";
const COOLDOWN: &str =
    "SELECT fingerprint, failures, not_before, window_start, checksum FROM cooldown WHERE fingerprint = $1";
const OUTCOMES: &str = "SELECT phase FROM workflow WHERE finished_at IS NOT NULL AND finished_at >= $1 \
                        AND dry_run = 0 ORDER BY finished_at DESC, id DESC LIMIT 100";
const SPENT: &str = "SELECT used FROM budget WHERE scope = $1 AND bucket = $2";
pub(super) const CONTROLS: &str =
    "SELECT name, mode, reason, set_by, at, checksum FROM control ORDER BY name";
const AUDIT: &str = "SELECT chain, seq, at, actor, via, action, object, body, prev_hash, hash FROM audit \
                     WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const HEADS: &str = "SELECT chain, seq, hash FROM audit_head WHERE seq > 0";
const HEAD: &str = "SELECT seq, hash FROM audit_head WHERE chain = $1 AND seq > 0";
const NOTICES: &str = "SELECT seq, kind, workflow_id, at, body, attempts FROM notice WHERE due_at <= $1 \
                       ORDER BY seq LIMIT $2";

/// One workflow with everything below it.
struct WholeWorkflow<'a>(&'a WorkflowId);

#[async_trait]
impl Unit for WholeWorkflow<'_> {
    type Out = Option<Record>;

    async fn run(&self, tx: &mut Tx) -> Result<Done<Self::Out>, Stop> {
        let id = || -> [V; 1] { [self.0.as_str().into()] };
        let Some(row) = tx.optional(WORKFLOW, id()).await? else { return Ok(Done::Nothing(None)) };
        let record = Record {
            workflow: workflow::read(&row)?,
            steps: tx.read(STEPS, id(), read_step).await?,
            attempts: tx.read(ATTEMPTS, id(), read_attempt).await?,
            checks: tx.read(CHECKS, id(), read_check).await?,
            approvals: tx.read(APPROVALS, id(), read_approval).await?,
        };
        Ok(Done::Nothing(Some(record)))
    }
}

/// `,a,b,` of words, to be looked up in; empty for no words.
fn among(words: impl Iterator<Item = &'static str>) -> V {
    let mut text = String::new();
    for word in words {
        text.push(',');
        text.push_str(word);
    }
    if !text.is_empty() {
        text.push(',');
    }
    text.into()
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl Db {
    async fn one<T: Send>(
        &self,
        statement: &'static str,
        values: Vec<V>,
        read: impl Fn(&sqlx::any::AnyRow) -> Result<T, Stop> + Send + Sync,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.rows(statement, values, read).await?.into_iter().next())
    }

    async fn how_many(&self, statement: &'static str, values: Vec<V>) -> Result<u64, StoreError> {
        Ok(self.one(statement, values, number).await?.map_or(0, unsigned))
    }

    pub(super) async fn workflow(&self, id: &WorkflowId) -> Result<Option<Record>, StoreError> {
        self.read(&WholeWorkflow(id)).await
    }

    pub(super) async fn workflows(&self, filter: &WorkflowFilter) -> Result<Rows<Workflow>, StoreError> {
        let by = || -> Vec<V> {
            vec![
                (&filter.namespace).into(),
                among(filter.phase.iter().map(|phase| phase.as_str())),
                filter.incident.as_ref().map(IncidentId::as_str).into(),
            ]
        };
        let none_is_over = !filter.phase.is_empty() && !filter.phase.iter().any(|phase| phase.is_terminal());
        let (count, list) =
            if none_is_over { (COUNT_NOT_OVER, WORKFLOWS_NOT_OVER) } else { (COUNT_WORKFLOWS, WORKFLOWS) };
        let total = self.how_many(count, by()).await?;
        let mut page = by();
        page.extend([filter.limit.into(), filter.offset.into()]);
        let rows = self.rows(list, page, workflow::read).await?;
        Ok(Rows { rows, total })
    }

    pub(super) async fn active(&self, limit: u32) -> Result<Vec<Active>, StoreError> {
        let read = |row: &sqlx::any::AnyRow| {
            let mut row = Reader::plain("active workflow", row)?;
            let id = row.word(|text| WorkflowId::parse(text).ok())?;
            let phase = row.word(Phase::parse)?;
            let Problem { target, issue, .. } = row.json()?;
            Ok(Active { id, phase, target, issue })
        };
        self.rows(ACTIVE, vec![limit.into()], read).await
    }

    pub(super) async fn began(
        &self,
        workflows: &[WorkflowId],
    ) -> Result<Vec<(WorkflowId, Millis)>, StoreError> {
        let read = |row: &sqlx::any::AnyRow| {
            let mut row = Reader::plain("beginning of a workflow", row)?;
            Ok((row.word(|text| WorkflowId::parse(text).ok())?, row.int()?))
        };
        let mut all = Vec::new();
        for some in workflows.chunks(TOGETHER) {
            // No workflow has an empty id.
            let ids = some.iter().map(WorkflowId::as_str).chain(std::iter::repeat("")).take(TOGETHER);
            all.extend(self.rows(BEGAN, ids.map(V::from).collect(), read).await?);
        }
        Ok(all)
    }

    pub(super) async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, StoreError> {
        self.one(INCIDENT, vec![id.as_str().into()], incident::read).await
    }

    pub(super) async fn incidents(&self, filter: &IncidentFilter) -> Result<Rows<Incident>, StoreError> {
        let none_is_closed =
            !filter.status.is_empty() && !filter.status.iter().any(|status| status.is_closed());
        let (count, list) =
            if none_is_closed { (COUNT_OPEN, INCIDENTS_OPEN) } else { (COUNT_INCIDENTS, INCIDENTS) };
        let total = self.how_many(count, incidents_by(filter)).await?;
        let mut page = incidents_by(filter);
        page.extend([filter.limit.into(), filter.offset.into()]);
        Ok(Rows { rows: self.rows(list, page, incident::read).await?, total })
    }

    pub(super) async fn closed_since(&self, since: Millis, limit: u32) -> Result<Vec<Incident>, StoreError> {
        self.rows(CLOSED_SINCE, vec![since.into(), limit.into()], incident::read).await
    }

    pub(super) async fn incident_counts(
        &self,
        filter: &IncidentFilter,
    ) -> Result<IncidentCounts, StoreError> {
        let read = |row: &sqlx::any::AnyRow| {
            let mut row = Reader::plain("count", row)?;
            Ok((row.word(IncidentStatus::parse)?, row.word(parse_severity)?, unsigned(row.int()?)))
        };
        let mut by = self.rows(INCIDENT_COUNTS, incidents_by(filter), read).await?;
        let place = |status: IncidentStatus, severity: Severity| {
            let status = IncidentStatus::ALL.iter().position(|s| *s == status);
            (status, SEVERITIES.iter().position(|s| *s == severity))
        };
        by.sort_by_key(|(status, severity, _)| place(*status, *severity));
        Ok(IncidentCounts { by })
    }

    pub(super) async fn incidents_since(&self, since: Millis) -> Result<u64, StoreError> {
        self.how_many(INCIDENTS_SINCE, vec![since.into()]).await
    }

    pub(super) async fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        let read = |row: &sqlx::any::AnyRow| Reader::plain("moment", row)?.int_opt();
        Ok(self.one(NEXT_DUE, Vec::new(), read).await?.flatten())
    }

    /// The store's time, outside of a transaction.
    pub(super) async fn now(&self) -> Result<Millis, StoreError> {
        if let Some(clock) = self.own_clock() {
            return Ok(clock.now().as_millisecond());
        }
        let read = |row: &sqlx::any::AnyRow| Reader::plain("time", row)?.int();
        let now = self.one(NOW, Vec::new(), read).await?;
        now.ok_or_else(|| StoreError::Internal("the database told no time".to_owned()))
    }

    /// What was asked for under a key.
    pub(super) async fn request(
        &self,
        principal: &str,
        key: &str,
    ) -> Result<Option<(Idempotency, WorkflowId)>, StoreError> {
        let read = |row: &sqlx::any::AnyRow| {
            let mut row = Reader::plain("request", row)?;
            let request_hash = row.text()?;
            let workflow = row.word(|text| WorkflowId::parse(text).ok())?;
            Ok((request_hash, workflow, row.int()?))
        };
        let known = self.one(KNOWN, vec![principal.into(), key.into()], read).await?;
        Ok(known.map(|(request_hash, workflow, expires_at)| {
            let (principal, key) = (principal.to_owned(), key.to_owned());
            (Idempotency { principal, key, request_hash, expires_at }, workflow)
        }))
    }

    pub(super) async fn cooldown(&self, fingerprint: &str) -> Result<Option<Cooldown>, StoreError> {
        self.one(COOLDOWN, vec![fingerprint.into()], read_cooldown).await
    }

    pub(super) async fn outcomes_since(&self, since: Millis) -> Result<Vec<Phase>, StoreError> {
        let read = |row: &sqlx::any::AnyRow| Reader::plain("phase", row)?.word(Phase::parse);
        self.rows(OUTCOMES, vec![since.into()], read).await
    }

    pub(super) async fn budget_used(&self, scope: &str, bucket: i64) -> Result<u32, StoreError> {
        let read = |row: &sqlx::any::AnyRow| Reader::plain("budget", row)?.u32();
        Ok(self.one(SPENT, vec![scope.into(), bucket.into()], read).await?.unwrap_or_default())
    }

    pub(super) async fn controls(&self) -> Result<Vec<Control>, StoreError> {
        self.rows(CONTROLS, Vec::new(), read_control).await
    }

    pub(super) async fn audit(
        &self,
        chain: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<AuditLine>, StoreError> {
        let lines = self.rows(AUDIT, vec![chain.into(), after.into(), limit.into()], read_audit).await?;
        // Given out as it stands: whoever proves the chain says where it is broken.
        let is_written =
            |line: &AuditLine| link(&line.chain, &line.prev_hash, line.seq, &line.entry) == line.hash;
        if self.dialect == Dialect::Sqlite
            && let Some(line) = lines.iter().find(|line| !is_written(line))
        {
            self.condemn(&format!("line {} of the audit chain {chain} is not what was written", line.seq));
        }
        Ok(lines)
    }

    pub(super) async fn audit_heads(&self) -> Result<Vec<(String, i64, String)>, StoreError> {
        let read = |row: &sqlx::any::AnyRow| {
            let mut row = Reader::plain("audit head", row)?;
            Ok((row.text()?, row.int()?, row.text()?))
        };
        let mut heads = self.rows(HEADS, Vec::new(), read).await?;
        // Databases do not agree on the order of texts.
        heads.sort();
        Ok(heads)
    }

    pub(super) async fn audit_head(&self, chain: &str) -> Result<Option<(i64, String)>, StoreError> {
        let read = |row: &sqlx::any::AnyRow| {
            let mut row = Reader::plain("audit head", row)?;
            Ok((row.int()?, row.text()?))
        };
        self.one(HEAD, vec![chain.into()], read).await
    }

    pub(super) async fn due_notices(&self, now: Millis, limit: u32) -> Result<Vec<DueNotice>, StoreError> {
        let read = |row: &sqlx::any::AnyRow| {
            let mut row = Reader::plain("notice", row)?;
            let seq = row.int()?;
            let notice = Notice {
                kind: row.text()?,
                workflow: row.word_opt(|text| WorkflowId::parse(text).ok())?,
                at: row.int()?,
                body: row.json()?,
            };
            Ok(DueNotice { seq, notice, attempts: row.u32()? })
        };
        self.rows(NOTICES, vec![now.into(), limit.into()], read).await
    }
}

fn incidents_by(filter: &IncidentFilter) -> Vec<V> {
    vec![
        (&filter.namespace).into(),
        filter.severity.map(incident::severity).into(),
        among(filter.status.iter().map(|status| status.as_str())),
        among(filter.source.iter().map(|source| source.as_str())),
    ]
}
