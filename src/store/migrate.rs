//! The schema: which steps lead to it, which of them a store has, and whether this binary may write to it.
//!
//! Rules and reasons stand in `migrations/README.md`. A step that ran is never run again, never undone, and never
//! repaired.

use aiops_engine::{fingerprint::sha256, model::Millis, ports::store::StoreError};
use async_trait::async_trait;

use super::{
    db::{Dialect, Done, Tx, Unit},
    failure::Stop,
    values::{Reader, V},
};

/// One step.
struct Migration {
    version: i64,
    /// The lowest schema that a binary must know to write to a store on which this step ran.
    compatible_from: i64,
    /// The release that brought it.
    release: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    compatible_from: 1,
    release: "0.1.0",
    sql: include_str!("../../migrations/0001_begin.sql"),
}];

/// The schema that this binary knows.
pub(super) fn known() -> i64 {
    MIGRATIONS.last().map_or(0, |last| last.version)
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migration (version BIGINT PRIMARY KEY, checksum TEXT NOT NULL, \
                     compatible_from BIGINT NOT NULL, needs TEXT NOT NULL, at BIGINT NOT NULL)";
const RAN: &str = "SELECT version, checksum, compatible_from, needs FROM schema_migration ORDER BY version";
const NOTE: &str = "INSERT INTO schema_migration (version, checksum, compatible_from, needs, at) \
                    VALUES ($1, $2, $3, $4, $5)";
const STORE: &str = "INSERT INTO meta (name, value) VALUES ('store', $1) ON CONFLICT (name) DO NOTHING";
/// One migrates, the others wait. The number is ours: `aiops` in letters of a telephone.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock(24677)";

/// Brings the schema up to what this binary knows.
pub(super) struct Migrate<'a> {
    /// The id of the store, if it begins now.
    pub(super) store: &'a str,
    pub(super) at: Millis,
}

#[async_trait]
impl Unit for Migrate<'_> {
    type Out = Vec<i64>;

    async fn run(&self, tx: &mut Tx) -> Result<Done<Vec<i64>>, Stop> {
        if tx.dialect == Dialect::Postgres {
            tx.execute(LOCK, []).await?;
        }
        tx.execute(TABLE, []).await?;
        let ran = ran(tx).await?;
        judge(&ran)?;
        let newest = ran.last().map_or(0, |step| step.version);
        let mut done = Vec::new();
        for step in MIGRATIONS.iter().filter(|step| step.version > newest) {
            tx.script(step.sql).await?;
            let values: [V; 5] = [
                step.version.into(),
                sha256(step.sql).into(),
                step.compatible_from.into(),
                step.release.into(),
                self.at.into(),
            ];
            tx.execute(NOTE, values).await?;
            done.push(step.version);
        }
        if done.is_empty() {
            return Ok(Done::Nothing(done));
        }
        tx.execute(STORE, [self.store.into()]).await?;
        Ok(Done::Written(done))
    }
}

/// Whether a store has the schema of this binary, so that everything in it is known.
///
/// It writes nothing.
pub(super) struct IsOurs;

#[async_trait]
impl Unit for IsOurs {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<Done<()>, Stop> {
        const IS_THERE: &str =
            "SELECT 1 FROM pg_catalog.pg_class WHERE oid = to_regclass('schema_migration')";
        if tx.optional(IS_THERE, []).await?.is_none() {
            return Err(
                StoreError::Unavailable("there is no store of aiops in the database".to_owned()).into()
            );
        }
        let newest = ran(tx).await?.last().map_or(0, |step| step.version);
        if newest == known() {
            return Ok(Done::Nothing(()));
        }
        let fix =
            if newest > known() { "take the release that wrote it" } else { "run `aiops db migrate` first" };
        Err(StoreError::ReadOnly(format!(
            "it is at schema {newest}, and this binary knows {}: {fix}",
            known()
        ))
        .into())
    }
}

/// A step that a store has.
pub(super) struct Ran {
    version: i64,
    checksum: String,
    compatible_from: i64,
    needs: String,
}

/// The steps that a store has, in order.
pub(super) async fn ran(tx: &mut Tx) -> Result<Vec<Ran>, Stop> {
    let rows = tx.all(RAN, []).await?;
    let read = |row| {
        let mut row = Reader::plain("migration", row)?;
        Ok(Ran {
            version: row.int()?,
            checksum: row.text()?,
            compatible_from: row.int()?,
            needs: row.text()?,
        })
    };
    rows.iter().map(read).collect()
}

/// Whether this binary may write to a store that has these steps.
///
/// # Errors
/// A newer release changed it so that only a newer one may write, or a step is not the one that this binary knows.
pub(super) fn judge(ran: &[Ran]) -> Result<(), StoreError> {
    for (step, place) in ran.iter().zip(1..) {
        if step.version != place {
            return Err(StoreError::ReadOnly(format!(
                "it is damaged: migration {place} is missing and {} is there",
                step.version
            )));
        }
        let ours = MIGRATIONS.iter().find(|ours| ours.version == step.version);
        if let Some(ours) = ours
            && sha256(ours.sql) != step.checksum
        {
            return Err(StoreError::ReadOnly(format!(
                "its migration {place} is not the one that this binary knows; start the release that wrote it"
            )));
        }
    }
    if let Some(newest) = ran.last().filter(|newest| newest.compatible_from > known()) {
        return Err(StoreError::ReadOnly(format!(
            "a newer release changed it (schema {}, this binary knows {}): aiops {} or newer is needed to write to it",
            newest.version,
            known(),
            newest.needs
        )));
    }
    Ok(())
}
