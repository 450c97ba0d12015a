//! What decides whether a SQLite store may be trusted, read in one view.
//!
//! It reads what is needed to go on: the structure of the file, the schema, the commits, and every record of what is
//! not over yet. What is over is checked when somebody asks for it.

use aiops_engine::ports::store::StoreError;
use async_trait::async_trait;

use super::{
    db::{Done, Tx, Unit, number},
    failure::Stop,
    migrate,
    rows::{
        incident::{self, incident_columns},
        records::{read_approval, read_attempt, read_control, read_step},
        workflow::{self, workflow_columns},
    },
    values::Reader,
};

/// Up to this size, in bytes, indexes are compared with their tables too; it takes about 10 ms for each MiB.
const SMALL: u64 = 16 << 20;

/// Looks at everything.
pub(super) struct Examine {
    /// Size of the file, in bytes.
    pub(super) size: u64,
}

/// A store that was found good.
#[derive(Debug, Clone)]
pub(super) struct Examined {
    pub(super) store: String,
    pub(super) schema: i64,
    pub(super) commits: i64,
}

const COMMITS: &str = "SELECT value FROM counter WHERE name = 'commits'";
const STORE: &str = "SELECT value FROM meta WHERE name = 'store'";
const SCHEMA: &str = "SELECT COALESCE(MAX(version), 0) FROM schema_migration";
const WORKFLOWS: &str = concat!("SELECT ", workflow_columns!(), " FROM workflow WHERE finished_at IS NULL");
const INCIDENTS: &str = concat!("SELECT ", incident_columns!(), " FROM incident WHERE closed_at IS NULL");
const STEPS: &str = "SELECT workflow_id, ord, dir, action, state, effect_key, pre_image, post_image, result, \
                     started_at, finished_at, checksum FROM step \
                     WHERE workflow_id IN (SELECT id FROM workflow WHERE finished_at IS NULL)";
const ATTEMPTS: &str = "SELECT workflow_id, ord, dir, attempt, epoch, intent, intent_at, outcome, http_status, \
                        observed, observed_at, checksum FROM step_attempt \
                        WHERE workflow_id IN (SELECT id FROM workflow WHERE finished_at IS NULL)";
const APPROVALS: &str = "SELECT id, workflow_id, digest, state, requested_at, expires_at, decided_by, decided_at, \
                         channel, reason, checksum FROM approval \
                         WHERE workflow_id IN (SELECT id FROM workflow WHERE finished_at IS NULL)";
const CONTROLS: &str = "SELECT name, mode, reason, set_by, at, checksum FROM control";

#[async_trait]
impl Unit for Examine {
    type Out = Examined;

    async fn run(&self, tx: &mut Tx) -> Result<Done<Examined>, Stop> {
        let check = if self.size <= SMALL { "PRAGMA integrity_check(1)" } else { "PRAGMA quick_check(1)" };
        for row in tx.all(check, []).await? {
            let said = Reader::plain("check", &row)?.text()?;
            if said != "ok" {
                return Err(Stop::Damaged(said));
            }
        }
        let ran = migrate::ran(tx).await.map_err(no_store)?;
        migrate::judge(&ran)?;
        let schema = number(&tx.optional(SCHEMA, []).await?.ok_or_else(nothing)?)?;
        let row = tx.optional(STORE, []).await?.ok_or_else(nothing)?;
        let store = Reader::plain("store", &row)?.text()?;
        let commits = tx.optional(COMMITS, []).await?.map_or(Ok(0), |row| number(&row))?;
        // Each is dropped once it was found to be what was written.
        tx.read(WORKFLOWS, [], |row| workflow::read(row).map(drop)).await?;
        tx.read(INCIDENTS, [], |row| incident::read(row).map(drop)).await?;
        tx.read(STEPS, [], |row| read_step(row).map(drop)).await?;
        tx.read(ATTEMPTS, [], |row| read_attempt(row).map(drop)).await?;
        tx.read(APPROVALS, [], |row| read_approval(row).map(drop)).await?;
        tx.read(CONTROLS, [], |row| read_control(row).map(drop)).await?;
        Ok(Done::Nothing(Examined { store, schema, commits }))
    }
}

fn nothing() -> Stop {
    Stop::Damaged("it says neither which store nor which schema it is".to_owned())
}

/// A SQLite file without our tables is none of ours.
fn no_store(stop: Stop) -> Stop {
    match stop {
        Stop::Sql(error) if error.as_database_error().is_some() && is_missing_table(&error) => {
            StoreError::ReadOnly("it is a SQLite file, but no store of aiops".to_owned()).into()
        }
        other => other,
    }
}

fn is_missing_table(error: &sqlx::Error) -> bool {
    super::failure::said(error).contains("no such table")
}
