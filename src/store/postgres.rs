//! The store in PostgreSQL: connections that promise what the store promises, prepared on first use.
//!
//! A database that is down when aiops starts does not keep it from starting: the schema is looked at, and brought up,
//! when it is first reached. It creates no database and no role.

use std::{sync::Arc, time::Duration};

use aiops_engine::ports::{Clock, store::StoreError};
use parking_lot::Mutex;
use sqlx::{
    AnyPool, AssertSqlSafe, ConnectOptions as _,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use tokio::sync::OnceCell;

use super::{
    db::{Db, Dialect, Standing},
    migrate::Migrate,
};

/// Connections of one process.
const CONNECTIONS: u32 = 8;

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
    let pool: AnyPool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(busy)
        .idle_timeout(Duration::from_secs(600))
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
    })
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
