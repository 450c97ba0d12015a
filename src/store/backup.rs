//! Backups, restores and copies of a store, while it is in use.
//!
//! A backup is always a SQLite file, whatever it was taken from, and restores into either database. Nothing that is
//! there is overwritten unasked, and even then it is set aside. What is restored or copied is older than the cluster:
//! its active workflows get epochs that nobody can hold any more and are due at once, so that whoever claims them
//! looks at the cluster before anything else. The epochs of what was restored tell the engine that the cluster may have
//! gone on without the record, and what the cluster does not show it then leaves to a person.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use aiops_engine::{
    model::caller::Via,
    ports::{
        Clock,
        store::{Entry, RESTORED, StoreError},
    },
};
use async_trait::async_trait;
use serde_json::json;
use sqlx::AnyPool;

use super::{
    Location, Options, Role, audit,
    db::{Db, Done, Tx, Unit},
    failure::Stop,
    files, postgres,
    readers::Readers,
    sqlite,
    tables::{self, Counts},
    values::{Reader, V},
};

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Rows, by table.
    pub rows: Counts,
    /// Workflows that were active in the backup and are looked at again.
    pub active: u64,
    /// Where the store went that was there before.
    pub set_aside: Option<PathBuf>,
}

/// Takes a backup of a store that may be in use, into a file that is not there yet.
///
/// # Errors
/// The file is there already, the store cannot be read, or is found damaged while it is read.
pub async fn backup(options: &Options, to: &Path, clock: Arc<dyn Clock>) -> Result<Counts, StoreError> {
    refuse_existing(to)?;
    match &options.location {
        Location::Folder(folder) => files::backup(folder, to, options.busy_timeout, &clock).await,
        Location::Postgres(url) => {
            let from = reached(url, options, &clock).await?;
            let file = files::make_file(to, options.busy_timeout, &clock).await?;
            let rows = tables::copy(reading(&from)?, &file).await;
            file.close().await;
            if rows.is_err() {
                // It is ours, and not whole.
                let _ = std::fs::remove_file(to);
            }
            rows
        }
    }
}

/// Puts a backup in the place of the store. With `force` also where something is kept, which is set aside (SQLite) or
/// deleted (PostgreSQL).
///
/// # Errors
/// The backup is none or damaged, something is kept and `force` was not given, or a process executes on the store.
pub async fn restore(
    options: &Options,
    from: &Path,
    force: bool,
    clock: Arc<dyn Clock>,
) -> Result<Restored, StoreError> {
    let busy = options.busy_timeout;
    let backup = files::open_backup(from, busy, &clock).await?;
    let restored = match &options.location {
        Location::Folder(folder) => {
            let held = files::hold(folder)?;
            if !force && files::is_filled(folder, busy, &clock).await? {
                let what = folder.display().to_string();
                return Err(not_empty(&what));
            }
            let file = files::make_beside(folder, busy, &clock).await?;
            let rows = tables::copy(&backup, &file).await?;
            let active = reobserve(&clock, busy, &file, from).await?;
            file.close().await;
            let set_aside = files::put_in_place(folder, clock.now().as_millisecond())?;
            drop(held);
            Restored { rows, active, set_aside }
        }
        Location::Postgres(url) => {
            let to = reached(url, options, &clock).await?;
            let pool = writing(&to)?;
            if tables::is_filled(pool).await? {
                if !force {
                    return Err(not_empty("the database"));
                }
                tables::clear(pool).await?;
            }
            let rows = tables::copy(&backup, pool).await?;
            let active = to.write(&Reobserve { what: shown(from), by: RESTORED }).await?;
            Restored { rows, active, set_aside: None }
        }
    };
    backup.close().await;
    Ok(restored)
}

/// Copies a store into another, empty one.
///
/// # Errors
/// The target keeps something already or cannot be written to, or the source cannot be read.
pub async fn copy(from: &Options, to: &Options, clock: Arc<dyn Clock>) -> Result<Restored, StoreError> {
    let busy = to.busy_timeout;
    let what = "a copy".to_owned();
    let source = match &from.location {
        Location::Folder(folder) => files::open_for_reading(folder, from.busy_timeout, &clock).await?,
        Location::Postgres(url) => reading(&reached(url, from, &clock).await?)?.clone(),
    };
    let target = match &to.location {
        Location::Folder(folder) => {
            let attached = sqlite::open(folder, busy, to.max_bytes, Arc::clone(&clock), None).await;
            if attached.role != Role::Sole {
                return Err(attached.db.writable().err().unwrap_or_else(|| not_empty("the target")));
            }
            attached.db
        }
        Location::Postgres(url) => reached(url, to, &clock).await?,
    };
    target.writable()?;
    let pool = writing(&target)?;
    if tables::is_filled(pool).await? {
        return Err(not_empty("the target"));
    }
    let rows = tables::copy(&source, pool).await?;
    let active = target.write(&Reobserve { what, by: AFTER_COPY }).await?;
    source.close().await;
    pool.close().await;
    Ok(Restored { rows, active, set_aside: None })
}

fn shown(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn refuse_existing(path: &Path) -> Result<(), StoreError> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(StoreError::Changed(format!("{} is there already; name a new file", path.display()))),
        Err(error) => Err(StoreError::Unavailable(format!("{}: {error}", path.display()))),
    }
}

fn not_empty(what: &str) -> StoreError {
    StoreError::Changed(format!("{what} keeps something already; nothing was changed (--force replaces it)"))
}

/// A PostgreSQL store, with its schema brought up.
async fn reached(url: &str, options: &Options, clock: &Arc<dyn Clock>) -> Result<Db, StoreError> {
    let db = postgres::open(url, options.busy_timeout, Arc::clone(clock))?;
    postgres::prepare(&db).await?;
    Ok(db)
}

fn reading(db: &Db) -> Result<&AnyPool, StoreError> {
    db.reader
        .as_ref()
        .map(Readers::kept)
        .ok_or_else(|| StoreError::Unavailable("it cannot be read".to_owned()))
}

fn writing(db: &Db) -> Result<&AnyPool, StoreError> {
    db.writer.as_ref().ok_or_else(|| StoreError::ReadOnly("it cannot be written to".to_owned()))
}

async fn reobserve(
    clock: &Arc<dyn Clock>,
    busy: std::time::Duration,
    pool: &AnyPool,
    from: &Path,
) -> Result<u64, StoreError> {
    let db = files::bare(clock, busy, pool);
    db.write(&Reobserve { what: shown(from), by: RESTORED }).await
}

/// Far beyond any epoch that was given out since the copy was taken. After a restore it is [`RESTORED`] beyond, which the
/// engine knows by: a copy is of now, a backup of some time ago.
const AFTER_COPY: i64 = 1_000_000;

const ACTIVE: &str = "SELECT id FROM workflow WHERE finished_at IS NULL ORDER BY id";
const FENCE_OFF: &str = "UPDATE workflow SET lease_owner = NULL, lease_until = 0, lease_epoch = lease_epoch + $2, \
                         wake_at = $3, woken = 1 WHERE id = $1";

/// Fences off whoever executed before, and makes what was active due, with a line in its chain.
struct Reobserve {
    /// What the records come from.
    what: String,
    /// By how much epochs grow.
    by: i64,
}

#[async_trait]
impl Unit for Reobserve {
    type Out = u64;

    async fn run(&self, tx: &mut Tx) -> Result<Done<u64>, Stop> {
        let mut active = 0;
        for row in tx.all(ACTIVE, []).await? {
            let id = Reader::plain("workflow id", &row)?.text()?;
            let values: [V; 3] = [(&id).into(), self.by.into(), tx.now.into()];
            tx.execute(FENCE_OFF, values).await?;
            let entry = Entry {
                at: tx.now,
                actor: "aiops".to_owned(),
                via: Via::Cli,
                action: "restored".to_owned(),
                object: id.clone(),
                body: json!({ "from": self.what }),
            };
            audit::append(tx, &id, &[entry]).await?;
            active += 1;
        }
        Ok(Done::Written(active))
    }
}
