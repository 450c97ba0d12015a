//! A SQLite store in a folder of its own, on a clock that is moved by hand, and workflows to fill it with.
#![expect(clippy::unwrap_used, reason = "what a test sets up must work")]

use std::{path::Path, sync::Arc, time::Duration};

use aiops::store::{Location, Opened, Options, SqlStore, open};
use aiops_engine::{
    model::{Millis, workflow::Workflow},
    ports::store::{Store, StoreError, Taken},
    testing::store_contract::{Bench, ManualClock},
};
use async_trait::async_trait;

pub(super) use super::sample::{acceptance, entry};

/// Longest wait for a lock, so that tests of locks are quick.
pub(super) const BUSY: Duration = Duration::from_millis(300);

pub(super) fn options(folder: &Path) -> Options {
    Options { location: Location::Folder(folder.to_owned()), busy_timeout: BUSY, max_bytes: None }
}

pub(super) async fn opened(folder: &Path) -> Opened {
    open(&options(folder), Arc::new(ManualClock::default())).await.unwrap()
}

pub(super) async fn reopened(folder: &Path) -> Arc<SqlStore> {
    Arc::clone(opened(folder).await.store())
}

pub(super) struct SqliteBench {
    pub(super) folder: tempfile::TempDir,
    pub(super) store: Arc<SqlStore>,
    pub(super) clock: Arc<ManualClock>,
}

impl SqliteBench {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let opened = open(&options(folder.path()), Arc::<ManualClock>::clone(&clock)).await.unwrap();
        let store = Arc::clone(opened.store());
        store.writable().unwrap();
        Self { folder, store, clock }
    }
}

#[async_trait]
impl Bench for SqliteBench {
    fn store(&self) -> Arc<dyn Store> {
        Arc::<SqlStore>::clone(&self.store)
    }

    fn now(&self) -> Millis {
        self.clock.millis()
    }

    async fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }
}

/// Keeps a workflow; it must be new.
pub(super) async fn keep(store: &dyn Store, name: &str, now: Millis) -> Result<Workflow, StoreError> {
    let acceptance = acceptance(name, now);
    match store.accept(&acceptance).await? {
        Taken::New { .. } => Ok(acceptance.workflow),
        other => Err(StoreError::Internal(format!("{name} was taken as {other:?}"))),
    }
}
