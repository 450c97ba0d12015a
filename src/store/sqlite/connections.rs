//! Connections to a SQLite file: how they are opened, and which of them are never used again.
//!
//! It opens what is there and makes no file. A connection that did not come out of its transaction, or was opened before
//! something showed that those of its time are of no use, does not stay in its pool.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use sqlx::{
    Any, AnyPool, AssertSqlSafe, ConnectOptions as _, Connection as _,
    any::{AnyConnectOptions, AnyPoolOptions},
};

use super::super::{
    doubt::Doubt,
    install_drivers,
    readers::{self, Readers},
};

/// How connections are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Access {
    /// Reads and writes; the file is there.
    Write,
    /// Only reads.
    Read,
    /// Only reads, and nobody writes: the folder cannot be written to.
    Frozen,
}

/// The most pages that the file may have; 0 leaves it to SQLite. A connection forgets it with its end, so each begins with
/// what stands here.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Pages(Arc<AtomicU64>);

impl Pages {
    pub(in crate::store) fn of(pages: u64) -> Self {
        Self(Arc::new(AtomicU64::new(pages)))
    }

    /// What the next connection begins with.
    pub(in crate::store) fn set(&self, pages: u64) {
        self.0.store(pages, Ordering::Release);
    }

    /// The statement that tells a connection, if there is anything to tell.
    pub(in crate::store) fn pragma(&self) -> String {
        match self.0.load(Ordering::Acquire) {
            0 => String::new(),
            pages => format!("PRAGMA max_page_count = {pages};"),
        }
    }
}

/// What the connections of one pool have in common.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Common {
    pub(in crate::store) pages: Pages,
    pub(in crate::store) doubt: Doubt,
}

/// A path as SQLx wants it.
fn url(path: &Path, access: Access) -> Result<AnyConnectOptions, sqlx::Error> {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
    let path = std::path::absolute(path).map_err(sqlx::Error::Io)?;
    let path = percent_encode(path.as_os_str().as_encoded_bytes(), PLAIN);
    let access = match access {
        Access::Write => "mode=rw",
        Access::Read => "mode=ro",
        Access::Frozen => "mode=ro&immutable=1",
    };
    let options: AnyConnectOptions = format!("sqlite://{path}?{access}").parse()?;
    Ok(options.disable_statement_logging())
}

pub(in crate::store) async fn pool(
    path: &Path,
    access: Access,
    busy: Duration,
    pragmas: &str,
) -> Result<AnyPool, sqlx::Error> {
    pool_of(path, access, busy, pragmas, &Common::default()).await
}

/// A pool whose connections have something in common with those that come after them.
pub(super) async fn pool_of(
    path: &Path,
    access: Access,
    busy: Duration,
    pragmas: &str,
    common: &Common,
) -> Result<AnyPool, sqlx::Error> {
    let (options, pragmas) = prepared(path, access, busy, pragmas, &common.pages).await?;
    let connections = if access == Access::Write { 1 } else { 2 };
    connections_with(busy, pragmas, common)
        .min_connections(1)
        .max_connections(connections)
        .connect_with(options)
        .await
}

/// Connections to read with: one that stays, and another one while it is busy.
pub(super) async fn readers(
    path: &Path,
    access: Access,
    busy: Duration,
    pragmas: &str,
) -> Result<Readers, sqlx::Error> {
    let common = Common::default();
    let (options, pragmas) = prepared(path, access, busy, pragmas, &common.pages).await?;
    let with = || connections_with(busy, Arc::clone(&pragmas), &common).max_connections(1);
    let more = with().idle_timeout(readers::IDLE).connect_lazy_with(options.clone());
    Ok(Readers::of(with().min_connections(1).connect_with(options).await?, more))
}

/// What connections are opened with, after one was. A pool tries again until its time is over; what is damaged says so at
/// once.
async fn prepared(
    path: &Path,
    access: Access,
    busy: Duration,
    pragmas: &str,
    pages: &Pages,
) -> Result<(AnyConnectOptions, Arc<str>), sqlx::Error> {
    install_drivers();
    let pragmas = format!(
        "PRAGMA busy_timeout = {}; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; \
         PRAGMA trusted_schema = OFF; {pragmas}",
        busy.as_millis()
    );
    let options = url(path, access)?;
    let mut first = options.connect().await?;
    let all = format!("{pragmas} {}", pages.pragma());
    sqlx::raw_sql(AssertSqlSafe(all)).execute(&mut first).await?;
    first.close().await?;
    Ok((options, pragmas.into()))
}

/// Connections that stay until they are closed or of no use any more, each with these pragmas.
fn connections_with(busy: Duration, pragmas: Arc<str>, common: &Common) -> AnyPoolOptions {
    let (pages, doubt) = (common.pages.clone(), common.doubt.clone());
    AnyPoolOptions::new()
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(busy.saturating_add(Duration::from_secs(1)))
        .after_connect(move |conn, _| {
            // Made of constants and numbers.
            let all = AssertSqlSafe(format!("{pragmas} {}", pages.pragma()));
            Box::pin(async move { sqlx::raw_sql(all).execute(conn).await.map(drop) })
        })
        .before_acquire(move |_, met| {
            let is_good = !doubt.is_about(met.age);
            Box::pin(async move { Ok(is_good) })
        })
        .after_release(|conn, _| Box::pin(is_free(conn)))
}

/// Whether a connection has come out of its transaction.
///
/// SQLite rolls back by itself when it has no room or cannot write. SQLx does not hear of it: for it the transaction is open
/// for ever, a new one becomes a part of it, and the rollback that it sends fails each time.
async fn is_free(conn: &mut <Any as sqlx::Database>::Connection) -> Result<bool, sqlx::Error> {
    if !conn.is_in_transaction() {
        return Ok(true);
    }
    // The rollback of a transaction that was dropped may be in its queue.
    conn.ping().await?;
    let is_free = !conn.is_in_transaction();
    if !is_free {
        tracing::debug!(
            "a connection to the store did not come out of its transaction; another one takes its place"
        );
    }
    Ok(is_free)
}
