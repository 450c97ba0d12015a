//! All tables row by row, for copies between databases.
//!
//! The statements are put together from the names that stand here, and from nothing else. Leases on duties stay behind,
//! and so do what a store is called and how many commits it had: those are each store's own.

use aiops_engine::ports::store::StoreError;
use futures::TryStreamExt as _;
use sqlx::{Any, AnyPool, AssertSqlSafe};

use super::{
    db::{Tx, number},
    failure::{self, Stop},
    values::{V, bind, columns},
};

/// A table with its columns; those with `#` hold numbers.
struct Table {
    name: &'static str,
    columns: &'static str,
    /// What is not copied.
    but: &'static str,
}

/// In an order in which nothing refers to what comes later.
const TABLES: [Table; 16] = [
    Table { name: "counter", columns: "name value#", but: " WHERE name <> 'commits'" },
    Table {
        name: "incident",
        columns: "id fingerprint cluster target namespace issue severity status source occurrences# first_seen# \
                  last_seen# closed_at# workflow_id reported_target body checksum",
        but: "",
    },
    Table {
        name: "workflow",
        columns: "id incident_id fingerprint cluster namespace target_key problem asked phase plan digest dry_run# \
                  requested_by cancel_requested# cursor_ord# recoveries# deadline# created_at# started_at# \
                  finished_at# reason rule version# checksum wake_at# woken# lease_owner lease_epoch# lease_until#",
        but: "",
    },
    Table {
        name: "step",
        columns: "workflow_id ord# dir action state effect_key pre_image post_image result started_at# finished_at# \
                  checksum",
        but: "",
    },
    Table {
        name: "step_attempt",
        columns: "workflow_id ord# dir attempt# epoch# intent intent_at# outcome http_status# observed observed_at# \
                  checksum",
        but: "",
    },
    Table {
        name: "checkpoint",
        columns: "workflow_id after_ord# name verdict evidence at# checksum",
        but: "",
    },
    Table {
        name: "approval",
        columns: "id workflow_id digest state requested_at# expires_at# decided_by decided_at# channel reason \
                  checksum",
        but: "",
    },
    Table { name: "target_lock", columns: "target_key workflow_id at#", but: "" },
    Table { name: "slot", columns: "scope n# workflow_id", but: "" },
    Table { name: "budget", columns: "scope bucket# used# at#", but: "" },
    Table { name: "cooldown", columns: "fingerprint failures# not_before# window_start# checksum", but: "" },
    Table {
        name: "idempotency",
        columns: "principal idem_key request_hash workflow_id created_at# expires_at#",
        but: "",
    },
    Table { name: "control", columns: "name mode reason set_by at# checksum", but: "" },
    Table { name: "notice", columns: "seq# kind workflow_id at# body attempts# due_at#", but: "" },
    Table { name: "audit", columns: "chain seq# at# actor via action object body prev_hash hash", but: "" },
    Table { name: "audit_head", columns: "chain seq# hash anchored#", but: "" },
];

/// Rows, by table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(pub Vec<(&'static str, u64)>);

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, rows)| rows).sum()
    }

    /// Those of one table.
    pub fn of(&self, table: &str) -> u64 {
        self.0.iter().find(|(name, _)| *name == table).map_or(0, |(_, rows)| *rows)
    }
}

impl Table {
    fn names(&self) -> Vec<&'static str> {
        self.columns.split_whitespace().map(|column| column.trim_end_matches('#')).collect()
    }

    fn select(&self) -> String {
        format!("SELECT {} FROM {}{}", self.names().join(", "), self.name, self.but)
    }

    fn insert(&self) -> String {
        let names = self.names();
        let places: Vec<String> = (1..=names.len()).map(|n| format!("${n}")).collect();
        format!("INSERT INTO {} ({}) VALUES ({})", self.name, names.join(", "), places.join(", "))
    }

    /// A null must say of which type it is.
    fn typed(&self, values: Vec<V>) -> Vec<V> {
        let kinds = self.columns.split_whitespace().map(|column| column.ends_with('#'));
        let typed = |(value, is_number)| match value {
            V::NoText if is_number => V::NoInt,
            other => other,
        };
        values.into_iter().zip(kinds).map(typed).collect()
    }
}

fn told(error: &sqlx::Error) -> StoreError {
    failure::told(error)
}

pub(super) fn stopped(stop: Stop) -> StoreError {
    match stop {
        Stop::Store(error) => error,
        Stop::Sql(error) => told(&error),
        Stop::Race => StoreError::Unavailable("somebody else writes to it".to_owned()),
        Stop::Damaged(why) => StoreError::ReadOnly(format!("it is damaged: {why}")),
        Stop::Foreign(why) => StoreError::ReadOnly(why),
    }
}

/// Of a transaction of PostgreSQL's that reads a table by one statement, which lasts as long as its rows are written on the other
/// side; what has been sent is written there while it waits for the next.
const READING: &str =
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 600000";

/// Copies every table, as it is at one moment, in the transaction of whoever asks.
pub(super) async fn copy(from: &AnyPool, to: &mut Tx) -> Result<Counts, StoreError> {
    let error = |error: sqlx::Error| told(&error);
    let mut source = from.acquire().await.map_err(error)?;
    let is_postgres = source.backend_name() == "PostgreSQL";
    let begin = if is_postgres { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" } else { "BEGIN" };
    let mut reading = sqlx::Connection::begin_with(&mut *source, begin).await.map_err(error)?;
    if is_postgres {
        sqlx::raw_sql(READING).execute(&mut *reading).await.map_err(error)?;
    }
    let mut counts = Counts::default();
    for table in &TABLES {
        let insert = table.insert();
        let mut copied = 0;
        // Made of the names above.
        let mut rows = sqlx::query(AssertSqlSafe(table.select())).fetch(&mut *reading);
        while let Some(row) = rows.try_next().await.map_err(error)? {
            let values = table.typed(columns(table.name, &row).map_err(stopped)?);
            let query = bind(sqlx::query(AssertSqlSafe(insert.clone())), values);
            query.execute(to.raw()).await.map_err(error)?;
            copied += 1;
        }
        counts.0.push((table.name, copied));
    }
    reading.rollback().await.map_err(error)?;
    Ok(counts)
}

/// Keeps everybody else from writing to a PostgreSQL store until the transaction ends; they read what was there.
pub(super) async fn lock(to: &mut Tx) -> Result<(), StoreError> {
    let names: Vec<&str> = TABLES.iter().map(|table| table.name).chain(["duty_lease"]).collect();
    // Made of the names above.
    let lock = format!("LOCK TABLE {} IN EXCLUSIVE MODE", names.join(", "));
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(to.raw()).await.map(drop).map_err(|error| told(&error))
}

/// How many rows each table has.
pub(super) async fn count(pool: &AnyPool) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for table in &TABLES {
        // Made of the names above.
        let count = format!("SELECT COUNT(*) FROM {}{}", table.name, table.but);
        let row = sqlx::query(AssertSqlSafe(count)).fetch_one(pool).await.map_err(|error| told(&error))?;
        counts.0.push((table.name, u64::try_from(number(&row).map_err(stopped)?).unwrap_or(0)));
    }
    Ok(counts)
}

/// Whether anything is kept that matters.
pub(super) async fn is_filled(from: &mut <Any as sqlx::Database>::Connection) -> Result<bool, StoreError> {
    const KEPT: &str = "SELECT (SELECT COUNT(*) FROM incident) + (SELECT COUNT(*) FROM workflow) \
                        + (SELECT COUNT(*) FROM audit)";
    let row = sqlx::query(KEPT).fetch_one(from).await.map_err(|error| told(&error))?;
    Ok(number(&row).map_err(stopped)? > 0)
}

/// Deletes every row, in the transaction of whoever asks.
pub(super) async fn clear(to: &mut Tx) -> Result<(), StoreError> {
    for table in TABLES.iter().rev() {
        // Made of the names above.
        let delete = format!("DELETE FROM {}{}", table.name, table.but);
        sqlx::query(AssertSqlSafe(delete)).execute(to.raw()).await.map_err(|error| told(&error))?;
    }
    Ok(())
}
