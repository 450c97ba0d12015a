//! Files of a SQLite store in their places: backups of it, restores into it.
//!
//! It moves what is in the way aside and deletes only what it made itself and did not finish.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aiops_engine::{
    model::Millis,
    ports::{Clock, store::StoreError},
};
use sqlx::AnyPool;

use super::{
    db::Db,
    sqlite::{Access, Place, db, examine, make_new, pool, private, sync_folder, take_lock, told},
    tables::{self, Counts},
};

/// Pragmas of a file that nobody else has open.
const ALONE: &str = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// A place whose database is this file.
fn at(path: &Path) -> Place {
    let with = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    Place {
        folder: path.parent().map(Path::to_owned).unwrap_or_default(),
        database: path.to_owned(),
        log: with("-wal"),
        mark: with(".mark"),
        lock: with(".lock"),
        new: with(".new"),
    }
}

/// A database around connections, without a mark.
pub(super) fn bare(clock: &Arc<dyn Clock>, busy: Duration, pool: &AnyPool) -> Db {
    db(clock, busy, Some(pool.clone()), Some(pool.clone().into()), None, None)
}

/// Copies a store that may be in use into a file, as it is at one moment.
pub(super) async fn backup(
    folder: &Path,
    to: &Path,
    busy: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<Counts, StoreError> {
    let source = open_for_reading(folder, busy, clock).await?;
    // It takes an empty file, so that nobody else can read it for a moment.
    private()
        .create_new(true)
        .open(to)
        .map_err(|error| StoreError::Unavailable(format!("{} cannot be made: {error}", to.display())))?;
    let name = to.to_string_lossy().into_owned();
    let done = sqlx::query("VACUUM INTO $1").bind(name).execute(&source).await;
    source.close().await;
    let counted = match done {
        Ok(_) => match open_backup(to, busy, clock).await {
            Ok(file) => {
                let counts = tables::count(&file).await;
                file.close().await;
                counts
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(told(&error)),
    };
    if counted.is_err() {
        // It is ours, and not whole.
        let _ = fs::remove_file(to);
    }
    counted
}

/// A store that is only read, whoever executes on it.
pub(super) async fn look(folder: &Path, busy: Duration, clock: &Arc<dyn Clock>) -> Result<Db, StoreError> {
    let reader = open_for_reading(folder, busy, clock).await?;
    Ok(db(clock, busy, None, Some(reader.into()), None, None))
}

/// Connections that read a store which may be in use, after it was found good.
pub(super) async fn open_for_reading(
    folder: &Path,
    busy: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<AnyPool, StoreError> {
    let place = Place::of(folder);
    if !place.database.exists() {
        return Err(StoreError::Unavailable(format!(
            "there is no store in {}; name the --state-dir of one, or store.url",
            folder.display()
        )));
    }
    checked(&place, busy, clock).await
}

/// Opens a backup for reading, after it was found good.
pub(super) async fn open_backup(
    path: &Path,
    busy: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<AnyPool, StoreError> {
    if !path.exists() {
        return Err(StoreError::Unavailable(format!(
            "there is no file {}; name a backup that `aiops db backup` made",
            path.display()
        )));
    }
    checked(&at(path), busy, clock).await
}

async fn checked(place: &Place, busy: Duration, clock: &Arc<dyn Clock>) -> Result<AnyPool, StoreError> {
    let (reader, examined) = examine(place, busy, clock).await;
    if let Some(reader) = reader {
        reader.close().await;
    }
    examined?;
    // Without the guard against writes: it would keep a copy from being written too. The file is open for reading.
    pool(&place.database, Access::Read, busy, "").await.map_err(|error| told(&error))
}

/// Makes a store in a file that is not there.
pub(super) async fn make_file(
    path: &Path,
    busy: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<AnyPool, StoreError> {
    let place = at(path);
    make_new(&place, busy, clock).await?;
    fs::rename(&place.new, path)
        .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
    pool(path, Access::Write, busy, ALONE).await.map_err(|error| told(&error))
}

/// Holds a state directory, so that nobody executes on it.
pub(super) fn hold(folder: &Path) -> Result<File, StoreError> {
    super::sqlite::make_folder(folder)
        .map_err(|error| StoreError::ReadOnly(format!("{} cannot be made: {error}", folder.display())))?;
    match take_lock(&Place::of(folder).lock) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(StoreError::Unavailable(format!(
            "an aiops executes on {}; end it first, so that nothing is done from two states",
            folder.display()
        ))),
        Err(error) => Err(StoreError::ReadOnly(format!("{} cannot be locked: {error}", folder.display()))),
    }
}

/// Whether a state directory keeps something. What cannot be read is something.
pub(super) async fn is_filled(
    folder: &Path,
    busy: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<bool, StoreError> {
    if !Place::of(folder).database.exists() {
        return Ok(false);
    }
    let Ok(reader) = open_for_reading(folder, busy, clock).await else { return Ok(true) };
    let filled = match reader.acquire().await {
        Ok(mut conn) => tables::is_filled(&mut conn).await,
        Err(error) => Err(told(&error)),
    };
    reader.close().await;
    filled
}

/// Makes an empty store beside the place of a state directory's.
pub(super) async fn make_beside(
    folder: &Path,
    busy: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<AnyPool, StoreError> {
    let place = Place::of(folder);
    make_new(&place, busy, clock).await?;
    pool(&place.new, Access::Write, busy, ALONE).await.map_err(|error| told(&error))
}

/// Moves the new store to its place and what was there aside; where that went.
///
/// The mark goes last: until it is gone nothing that stands in the place is opened for writing, made anew or deleted, wherever
/// this is cut off, and it can be begun again.
pub(super) fn put_in_place(folder: &Path, now: Millis) -> Result<Option<PathBuf>, StoreError> {
    let place = Place::of(folder);
    let wrong = |path: &Path, error: std::io::Error| {
        StoreError::Unavailable(format!("{} cannot be moved: {error}", path.display()))
    };
    let aside = |old: &Path| {
        let mut name = old.as_os_str().to_owned();
        name.push(format!(".replaced-{now}"));
        let aside = PathBuf::from(name);
        match fs::rename(old, &aside) {
            Ok(()) => Ok(Some(aside)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(wrong(old, error)),
        }
    };
    if place.database.exists() && !place.mark.exists() {
        let written = private().create_new(true).open(&place.mark);
        written
            .and_then(|mut mark| writeln!(mark, "a backup is being restored"))
            .map_err(|error| wrong(&place.mark, error))?;
        sync_folder(folder);
    }
    let went = aside(&place.database)?;
    aside(&place.log)?;
    // The index of a log that is not there any more.
    let _ = fs::remove_file(folder.join("aiops.db-shm"));
    fs::rename(&place.new, &place.database).map_err(|error| wrong(&place.new, error))?;
    sync_folder(folder);
    aside(&place.mark)?;
    sync_folder(folder);
    Ok(went)
}
