//! Room that is kept back for the day on which the disk is full, or the store as large as it may be: 16 MiB, given up so
//! that what was already sent to the cluster can still be recorded.
//!
//! While it is given up nothing new is taken on: no trigger, no report, no intent. It is taken back as soon as there is
//! room for it again. It keeps nothing back from others than this store, and a disk that others fill at once leaves
//! nothing to give.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use aiops_engine::ports::store::StoreError;
use parking_lot::Mutex;
use sqlx::{AnyPool, AssertSqlSafe};
use tokio::io::AsyncWriteExt as _;

use super::sqlite::{self, Pages};

/// How much is kept back on the disk, in bytes.
const BYTES: u64 = 16 * 1024 * 1024;
/// It is written in pieces of so many bytes. Smaller ones than those that glibc maps by themselves (128 KiB): one
/// that is freed makes it keep twice as much on top of every arena from then on.
const CHUNK: usize = 64 * 1024;
/// Of a file that may not grow further than so much, an eighth at most.
const SHARE: u64 = 8;
/// SQLite's page, in bytes.
const PAGE: u64 = 4_096;
/// Between two tries to take it back.
const AGAIN: Duration = Duration::from_secs(5);
/// How much must be free beside it before it is taken back, in bytes.
const SPARE: u64 = 4 * 1024 * 1024;
/// For so long what failed for want of room is worth another try after it was given up: it may have failed before.
const JUST: Duration = Duration::from_secs(1);

/// What is kept back.
#[derive(Debug)]
pub(super) struct Reserve {
    /// The file that holds the room on the disk.
    path: PathBuf,
    /// How much it holds.
    bytes: u64,
    /// Pages that the database may have while the reserve is kept, and when it is given up; where its size is limited.
    pages: Option<(u64, u64)>,
    /// What the connections of the store begin with.
    limit: Pages,
    is_given: AtomicBool,
    /// When it was last given up or tried to be taken back.
    tried_at: Mutex<Instant>,
}

impl Reserve {
    /// Keeps room back in a state directory. Where there is none left it counts as given up from the beginning.
    pub(super) async fn keep(folder: &Path, max_bytes: Option<u64>, limit: Pages, writer: &AnyPool) -> Self {
        let bytes = max_bytes.map_or(BYTES, |most| BYTES.min(most / SHARE));
        let reserve = Self {
            path: folder.join("aiops.reserve"),
            bytes,
            pages: max_bytes.map(|most| (most.saturating_sub(bytes) / PAGE, most / PAGE)),
            limit,
            is_given: AtomicBool::new(true),
            tried_at: Mutex::new(Instant::now()),
        };
        reserve.take(writer).await;
        reserve
    }

    /// Whether it is given up.
    pub(super) fn is_given(&self) -> bool {
        self.is_given.load(Ordering::Acquire)
    }

    /// Gives it up; false when it was already, and so long ago that there is no more room now than there was.
    pub(super) async fn give(&self, writer: &AnyPool) -> bool {
        {
            let mut tried_at = self.tried_at.lock();
            if self.is_given.swap(true, Ordering::AcqRel) {
                return tried_at.elapsed() < JUST;
            }
            *tried_at = Instant::now();
        }
        let file = tokio::fs::remove_file(&self.path).await.map_err(|error| error.to_string());
        let limit = match self.pages {
            Some((_, raised)) => self.limit(writer, raised).await,
            None => Ok(()),
        };
        match file.and(limit) {
            Ok(()) => tracing::error!(
                reserve = %self.path.display(),
                "the store is full; the room that was kept back is given up to record what is under way, and nothing new is \
                 taken on until there is room again"
            ),
            Err(error) => {
                tracing::error!(error, "the store is full, and the room kept back cannot be given up")
            }
        }
        true
    }

    /// Takes it back when there is room, and when the last try is long enough ago.
    pub(super) async fn take_back(&self, writer: &AnyPool) {
        {
            let mut tried_at = self.tried_at.lock();
            if !self.is_given() || tried_at.elapsed() < AGAIN {
                return;
            }
            *tried_at = Instant::now();
        }
        // To fill the disk and see whether that went well would take the room from what is written meanwhile.
        if free(&self.path).is_some_and(|free| free < self.bytes.saturating_add(SPARE)) {
            return;
        }
        self.take(writer).await;
        if !self.is_given() {
            tracing::info!("there is room in the store again");
        }
    }

    async fn take(&self, writer: &AnyPool) {
        let filled = fill(&self.path, self.bytes).await.map_err(|error| error.to_string());
        let taken = match (filled, self.pages) {
            (Ok(()), Some((kept, _))) => self.lower(writer, kept).await,
            (filled, _) => filled,
        };
        match taken {
            Ok(()) => self.is_given.store(false, Ordering::Release),
            Err(error) => tracing::warn!(error, "no room can be kept back in the store"),
        }
    }

    async fn limit(&self, writer: &AnyPool, pages: u64) -> Result<(), String> {
        self.limit.set(pages);
        // Made of a constant and a number.
        let pragma = AssertSqlSafe(self.limit.pragma());
        sqlx::raw_sql(pragma).execute(writer).await.map(drop).map_err(|error| error.to_string())
    }

    /// Lowers the limit, where fewer pages than that are in use.
    async fn lower(&self, writer: &AnyPool, pages: u64) -> Result<(), String> {
        let all = number(writer, "PRAGMA page_count").await?;
        let free = number(writer, "PRAGMA freelist_count").await?;
        if u64::try_from(all.saturating_sub(free)).unwrap_or(0) >= pages {
            return Err(format!("{all} pages are there, and {free} of them are free"));
        }
        self.limit(writer, pages).await
    }

    /// What new things are refused with while it is given up.
    pub(super) fn refusal() -> StoreError {
        StoreError::Full(
            "there is only room left to record what is under way; nothing new is taken on until there is more".to_owned(),
        )
    }
}

/// Writes the file: real bytes, for a file with holes holds no room.
async fn fill(path: &Path, bytes: u64) -> std::io::Result<()> {
    if tokio::fs::metadata(path).await.is_ok_and(|found| found.len() == bytes) {
        return Ok(());
    }
    let written = async {
        let file = sqlite::private().create(true).truncate(true).open(path)?;
        let mut file = tokio::fs::File::from_std(file);
        let chunk = vec![0x5a_u8; CHUNK];
        let mut left = bytes;
        while left > 0 {
            let piece = chunk.get(..usize::try_from(left).unwrap_or(CHUNK)).unwrap_or(&chunk);
            file.write_all(piece).await?;
            left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(left));
        }
        file.sync_all().await
    };
    let written = written.await;
    if written.is_err() {
        // Half of it would hold room that nobody knows of.
        let _ = tokio::fs::remove_file(path).await;
    }
    written
}

async fn number(writer: &AnyPool, pragma: &'static str) -> Result<i64, String> {
    let read = sqlx::query_scalar::<sqlx::Any, i64>(pragma).fetch_one(writer).await;
    read.map_err(|error| error.to_string())
}

/// What is free beside a file, in bytes, where the system tells.
#[cfg(unix)]
fn free(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path.parent()?).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}
