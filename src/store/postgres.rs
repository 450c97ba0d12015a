//! The store in PostgreSQL: connections that promise what the store promises, prepared on first use.
//!
//! A database that is down when aiops starts does not keep it from starting: the schema is looked at, and brought up,
//! when it is first reached. It creates no database and no role.

use std::{sync::Arc, time::Duration};

use aiops_engine::ports::{Clock, store::StoreError};
use parking_lot::Mutex;
use sqlx::{
    Any, AnyPool, AssertSqlSafe, ConnectOptions as _, Connection as _,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use tokio::sync::OnceCell;

use super::{
    db::{Db, Dialect, Standing},
    doubt::Doubt,
    migrate::Migrate,
    sqlite::Common,
};

/// Connections of one process.
const CONNECTIONS: u32 = 8;
/// A connection that was idle has this part of the time for a new one to answer, so that there is time for a new one.
const PING_SHARE: u32 = 4;

/// A pool that is not connected yet.
///
/// # Errors
/// The URL is none. It is not repeated: it may hold a password.
pub(super) fn open(url: &str, busy: Duration, clock: Arc<dyn Clock>) -> Result<Db, StoreError> {
    super::install_drivers();
    let options: AnyConnectOptions = url.parse().map_err(|_: sqlx::Error| {
        StoreError::Internal(
            "store.url is no URL; write postgres://USER:PASSWORD@HOST/DATABASE, with % escapes where needed"
                .to_owned(),
        )
    })?;
    let milliseconds = busy.as_millis();
    // A commit must be on disk when it is answered, whatever the server's default; a process that was paused gives
    // back the rows that it held.
    let settings: Arc<str> = format!(
        "SET synchronous_commit = on; SET lock_timeout = {milliseconds}; SET statement_timeout = {}; \
         SET idle_in_transaction_session_timeout = {}; SET application_name = 'aiops'",
        milliseconds.saturating_mul(2),
        milliseconds.saturating_mul(4)
    )
    .into();
    let doubt = Doubt::default();
    let pool: AnyPool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(busy)
        .idle_timeout(Duration::from_secs(600))
        .test_before_acquire(false)
        .before_acquire({
            let doubt = doubt.clone();
            let patience = busy / PING_SHARE;
            move |conn, met| Box::pin(answers(conn, met.age, patience, doubt.clone()))
        })
        .after_release({
            let doubt = doubt.clone();
            // What it was asked last may still be under way.
            let patience = busy.saturating_mul(2);
            move |conn, met| Box::pin(answers(conn, met.age, patience, doubt.clone()))
        })
        .after_connect(move |conn, _| {
            let settings = Arc::clone(&settings);
            Box::pin(async move {
                // Made of constants and numbers.
                sqlx::raw_sql(AssertSqlSafe(settings.to_string())).execute(conn).await.map(drop)
            })
        })
        .connect_lazy_with(options.disable_statement_logging());
    Ok(Db {
        dialect: Dialect::Postgres,
        writer: Some(pool.clone()),
        reader: Some(pool.into()),
        clock,
        standing: Mutex::new(Standing::Good),
        mark: None,
        deadline: busy.saturating_mul(3).saturating_add(Duration::from_secs(1)),
        reserve: OnceCell::new(),
        common: Common { doubt, ..Common::default() },
    })
}

/// Whether a connection is as good as a new one.
///
/// A line that is cut without a word (a server that was switched off, a firewall that forgot it) is not an error before TCP
/// gives up, a quarter of an hour later. A pool waits as long for its connection, and soon for all of them.
async fn answers(
    conn: &mut <Any as sqlx::Database>::Connection,
    age: Duration,
    patience: Duration,
    doubt: Doubt,
) -> Result<bool, sqlx::Error> {
    if doubt.is_about(age) {
        return Ok(false);
    }
    match tokio::time::timeout(patience, conn.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => {
            // Those that were opened with it have most likely gone the same way.
            doubt.raise();
            let why = format!("a connection did not answer within {patience:?} and is given up");
            Err(std::io::Error::new(std::io::ErrorKind::TimedOut, why).into())
        }
    }
}

/// Looks at the schema and brings it up.
///
/// # Errors
/// The database cannot be reached, or may not be written to by this binary.
pub(super) async fn prepare(db: &Db) -> Result<(), StoreError> {
    let at = db.clock.now();
    let store = format!("pg{}", at.as_millisecond());
    let done = db.write(&Migrate { store: &store, at: at.as_millisecond() }).await;
    if let Err(error @ StoreError::ReadOnly(_)) = &done {
        *db.standing.lock() = Standing::ReadOnly(error.clone());
    }
    let done = done?;
    if !done.is_empty() {
        tracing::info!(to = ?done.last(), "the store was migrated");
    }
    Ok(())
}
