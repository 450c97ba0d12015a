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
    files, migrate, postgres,
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
            let from = looked_at(url, options, &clock).await?;
            let file = files::make_file(to, options.busy_timeout, &clock).await?;
            let rows = fill(reading(&from)?, &files::bare(&clock, options.busy_timeout, &file), None).await;
            file.close().await;
            if rows.is_err() {
                // It is ours, and not whole.
                let _ = std::fs::remove_file(to);
            }
            rows.map(|(rows, _)| rows)
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
                return Err(not_empty(&what, FORCE));
            }
            let file = files::make_beside(folder, busy, &clock).await?;
            let again = Reobserve { what: shown(from), by: RESTORED };
            let (rows, active) = fill(&backup, &files::bare(&clock, busy, &file), Some(&again)).await?;
            file.close().await;
            let set_aside = files::put_in_place(folder, clock.now().as_millisecond())?;
            drop(held);
            Restored { rows, active, set_aside }
        }
        Location::Postgres(url) => {
            let to = reached(url, options, &clock).await?;
            let again = Reobserve { what: shown(from), by: RESTORED };
            let (rows, active) = replace(&backup, &to, force, &again).await?;
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
    let source = match &from.location {
        Location::Folder(folder) => files::open_for_reading(folder, from.busy_timeout, &clock).await?,
        Location::Postgres(url) => reading(&looked_at(url, from, &clock).await?)?.clone(),
    };
    let target = match &to.location {
        Location::Folder(folder) => {
            let attached = sqlite::open(folder, busy, to.max_bytes, Arc::clone(&clock), None).await;
            if attached.role != Role::Sole {
                return Err(attached.db.writable().err().unwrap_or_else(|| not_empty("the target", OTHER)));
            }
            attached.db
        }
        Location::Postgres(url) => reached(url, to, &clock).await?,
    };
    target.writable()?;
    let again = Reobserve { what: "a copy".to_owned(), by: AFTER_COPY };
    let (rows, active) = fill(&source, &target, Some(&again)).await?;
    source.close().await;
    if let Some(writer) = &target.writer {
        writer.close().await;
    }
    Ok(Restored { rows, active, set_aside: None })
}

/// Copies everything into an empty store, and makes what is active in it due, in one transaction.
async fn fill(from: &AnyPool, to: &Db, again: Option<&Reobserve>) -> Result<(Counts, u64), StoreError> {
    let mut tx = to.begin_long().await?;
    if tx.is_shared() {
        lock(&mut tx).await?;
    }
    if tables::is_filled(tx.raw()).await? {
        return Err(not_empty("the target", OTHER));
    }
    // What an aiops without work counts is there too, and would be in the way of what is copied.
    tables::clear(&mut tx).await?;
    copied(from, to, tx, again).await
}

/// Puts what a backup has in the place of what PostgreSQL holds, in one transaction: until it is committed everybody sees what
/// was there, and when it is not that stays.
async fn replace(
    from: &AnyPool,
    to: &Db,
    force: bool,
    again: &Reobserve,
) -> Result<(Counts, u64), StoreError> {
    let mut tx = to.begin_long().await?;
    lock(&mut tx).await?;
    if tables::is_filled(tx.raw()).await? && !force {
        return Err(not_empty("the database", FORCE));
    }
    tables::clear(&mut tx).await?;
    copied(from, to, tx, Some(again)).await
}

async fn copied(
    from: &AnyPool,
    to: &Db,
    mut tx: Tx,
    again: Option<&Reobserve>,
) -> Result<(Counts, u64), StoreError> {
    let rows = tables::copy(from, &mut tx).await?;
    let active = match again {
        None => 0,
        Some(again) => match again.run(&mut tx).await.map_err(tables::stopped)? {
            Done::Written(active) | Done::Nothing(active) => active,
        },
    };
    to.commit_long(tx).await?;
    Ok((rows, active))
}

/// Has a PostgreSQL store to itself until the transaction ends: nobody migrates it, nobody writes to it, and nobody executes
/// on it.
async fn lock(tx: &mut Tx) -> Result<(), StoreError> {
    tx.execute(migrate::LOCK, []).await.map_err(tables::stopped)?;
    tables::lock(tx).await?;
    let Some(row) = tx.optional(HELD, [tx.now.into()]).await.map_err(tables::stopped)? else { return Ok(()) };
    let mut row = Reader::plain("lease", &row).map_err(tables::stopped)?;
    let what = row.text().map_err(tables::stopped)?;
    let until = row.int().map_err(tables::stopped)?;
    let seconds = until.saturating_sub(tx.now).saturating_add(999) / 1_000;
    Err(StoreError::Unavailable(format!(
        "an aiops executes on the database ({what} is held for {seconds} s more); end every replica and try again after that \
         time, so that nothing is done from two states"
    )))
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

/// What helps where something is kept already: with a restore, and with a copy.
const FORCE: &str = "--force replaces it";
const OTHER: &str = "name an empty one";

fn not_empty(what: &str, fix: &str) -> StoreError {
    StoreError::Changed(format!("{what} keeps something already; nothing was changed ({fix})"))
}

/// A PostgreSQL store as it is: nothing is made or brought up in it, for others may be using it.
async fn looked_at(url: &str, options: &Options, clock: &Arc<dyn Clock>) -> Result<Db, StoreError> {
    let db = postgres::open(url, options.busy_timeout, Arc::clone(clock))?;
    db.read(&migrate::IsOurs).await?;
    Ok(db)
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

/// Far beyond any epoch that was given out since the copy was taken. After a restore it is [`RESTORED`] beyond, which the
/// engine knows by: a copy is of now, a backup of some time ago.
const AFTER_COPY: i64 = 1_000_000;

/// The lease that ends last.
const HELD: &str = "SELECT what, until FROM (SELECT name AS what, until FROM duty_lease UNION ALL \
                    SELECT id AS what, lease_until AS until FROM workflow WHERE lease_owner IS NOT NULL) AS held \
                    WHERE until > $1 ORDER BY until DESC LIMIT 1";
const ACTIVE: &str = "SELECT id FROM workflow WHERE finished_at IS NULL ORDER BY id";
/// Messages that were told after the backup was taken had numbers that it does not know of, and a receiver that knows
/// them drops what has them again.
const NUMBER_ON: &str = "INSERT INTO counter (name, value) VALUES ('notices', $1) \
                         ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value";
const FENCE_OFF: &str = "UPDATE workflow SET lease_owner = NULL, lease_until = 0, lease_epoch = lease_epoch + $2, \
                         wake_at = $3, woken = 1 WHERE id = $1";

/// Fences off whoever executed before, numbers messages on from far beyond the last, and makes what was active due, with a
/// line in its chain.
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
        tx.execute(NUMBER_ON, [self.by.into()]).await?;
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
