//! Connections to read with: one that stays, and others while it is busy.
//!
//! A connection of SQLite is a thread with a cache, a schema and statements of its own, about half a MiB, so none is kept
//! that nobody needs. It decides nothing about what is read.

use std::time::Duration;

use sqlx::{Any, AnyPool, Transaction, pool::PoolConnection};

/// How long a question waits for the connection that stays before it takes another one: longer than nearly every question,
/// shorter than it takes to notice.
const SOON: Duration = Duration::from_millis(10);
/// How long another one is kept that nobody asks.
pub(super) const IDLE: Duration = Duration::from_secs(10);

/// Connections that read; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    kept: AnyPool,
    /// Taken while the others are busy; absent where `kept` is as many as there may be.
    more: Option<AnyPool>,
}

impl From<AnyPool> for Readers {
    fn from(kept: AnyPool) -> Self {
        Self { kept, more: None }
    }
}

impl Readers {
    /// One that stays, and others that come and go.
    pub(super) const fn of(kept: AnyPool, more: AnyPool) -> Self {
        Self { kept, more: Some(more) }
    }

    /// Those that stay.
    pub(super) const fn kept(&self) -> &AnyPool {
        &self.kept
    }

    /// A connection.
    pub(super) async fn acquire(&self) -> Result<PoolConnection<Any>, sqlx::Error> {
        match &self.more {
            Some(more) => either(self.kept.acquire(), more.acquire()).await,
            None => self.kept.acquire().await,
        }
    }

    /// A transaction; `how` is what it begins with, where that is not the database's own way.
    pub(super) async fn begin(
        &self,
        how: Option<&'static str>,
    ) -> Result<Transaction<'static, Any>, sqlx::Error> {
        match &self.more {
            Some(more) => either(begin(&self.kept, how), begin(more, how)).await,
            None => begin(&self.kept, how).await,
        }
    }

    /// Ends all of them.
    pub(super) async fn close(&self) {
        if let Some(more) = &self.more {
            more.close().await;
        }
        self.kept.close().await;
    }
}

async fn begin(pool: &AnyPool, how: Option<&'static str>) -> Result<Transaction<'static, Any>, sqlx::Error> {
    match how {
        Some(statement) => pool.begin_with(statement).await,
        None => pool.begin().await,
    }
}

/// The first of both; the second is asked only when the first takes long.
async fn either<T>(kept: impl Future<Output = T>, more: impl Future<Output = T>) -> T {
    let mut kept = std::pin::pin!(kept);
    match tokio::time::timeout(SOON, kept.as_mut()).await {
        Ok(got) => got,
        // It keeps its place in the line.
        Err(_) => tokio::select! {
            biased;
            got = kept => got,
            got = more => got,
        },
    }
}
