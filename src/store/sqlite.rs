//! The store in a file of the state directory: made, examined and opened.
//!
//! It never makes anew, overwrites or repairs a file that is there. What cannot be trusted is opened for reading, with
//! the reason; what cannot even be read is left alone.

mod connections;
mod place;

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
    time::Duration,
};

use aiops_engine::{
    fingerprint::sha256,
    ports::{Clock, store::StoreError},
};
use parking_lot::Mutex;
use sqlx::AnyPool;
use tokio::sync::OnceCell;

pub(super) use self::connections::{Access, Common, Pages, pool};
pub(super) use self::place::{Place, holder, is_held, make_folder, private, sync_folder, take_lock};
use self::{
    connections::{pool_of, readers},
    place::exists,
};
use super::{
    Role,
    db::{Db, Dialect, Standing},
    examine::{Examine, Examined},
    failure,
    leases::EndLeases,
    mark::{self, Mark, Marked},
    migrate::{self, Migrate},
    readers::Readers,
};

/// What became of opening.
pub(super) struct Attached {
    pub(super) db: Db,
    pub(super) role: Role,
    /// Held as long as the store is open.
    pub(super) lock: Option<Arc<File>>,
}

/// Opens the store of a state directory. It always gives something that answers; why it may not be written to stands
/// in it. `held` is the lock, where this process has it already.
pub(super) async fn open(
    folder: &Path,
    busy: Duration,
    max_bytes: Option<u64>,
    clock: Arc<dyn Clock>,
    held: Option<Arc<File>>,
) -> Attached {
    let place = Place::of(folder);
    let refuse = |why: String| StoreError::ReadOnly(why);
    let closed = |error: StoreError, role: Role, lock: Option<Arc<File>>| Attached {
        db: db(&clock, busy, None, None, Some(error), None),
        role,
        lock,
    };
    if let Err(error) = make_folder(folder) {
        let why = format!("the folder {} cannot be made: {error}", folder.display());
        return closed(io(why, &error), Role::Reader, None);
    }
    let locked = held.map_or_else(|| Ok(take_lock(&place.lock)?.map(Arc::new)), |lock| Ok(Some(lock)));
    let (role, lock, why_not) = match locked {
        Ok(Some(lock)) => (Role::Sole, Some(lock), None),
        Ok(None) => {
            let who = holder(folder).map(|holder| format!(" (process {holder})")).unwrap_or_default();
            let why = format!("another aiops{who} executes on {}; this one reads", folder.display());
            (Role::Second, None, Some(refuse(why)))
        }
        Err(error) => {
            let why = format!("{} cannot be locked: {error}", place.lock.display());
            (Role::Reader, None, Some(io(why, &error)))
        }
    };
    match exists(&place) {
        Ok(true) => {}
        Ok(false) if role == Role::Sole => {
            if let Err(error) = make(&place, busy, &clock).await {
                return closed(error, role, lock);
            }
        }
        Ok(false) => {
            let error =
                why_not.unwrap_or_else(|| refuse(format!("there is no store in {}", folder.display())));
            return closed(error, role, lock);
        }
        Err(error) => return closed(error, role, lock),
    }
    let (reader, examined) = examine(&place, busy, &clock).await;
    let ready = match (examined, why_not) {
        (Err(error), _) | (Ok(_), Some(error)) => Err(error),
        (Ok(examined), None) => write_to(&place, busy, max_bytes, &clock, examined).await,
    };
    let db = match ready {
        Ok((writer, mark, common)) => {
            Db { common, ..db(&clock, busy, Some(writer), reader, None, Some(mark)) }
        }
        Err(error) => db(&clock, busy, None, reader, Some(error), None),
    };
    if role == Role::Sole
        && db.writer.is_some()
        && let Err(error) = db.write(&EndLeases).await
    {
        tracing::warn!(%error, "what the last process held is due only when its leases end");
    }
    Attached { db, role, lock }
}

pub(super) fn db(
    clock: &Arc<dyn Clock>,
    busy: Duration,
    writer: Option<AnyPool>,
    reader: Option<Readers>,
    refused: Option<StoreError>,
    mark: Option<Mark>,
) -> Db {
    Db {
        dialect: Dialect::Sqlite,
        writer,
        reader,
        clock: Arc::clone(clock),
        standing: Mutex::new(refused.map_or(Standing::Good, Standing::ReadOnly)),
        mark,
        deadline: busy.saturating_mul(2).saturating_add(Duration::from_secs(5)),
        reserve: OnceCell::new(),
        common: Common::default(),
    }
}

/// Makes a store beside its place and moves it there when it is whole, so that what stands there is never half made.
async fn make(place: &Place, busy: Duration, clock: &Arc<dyn Clock>) -> Result<(), StoreError> {
    make_new(place, busy, clock).await?;
    fs::rename(&place.new, &place.database)
        .map_err(|error| io(format!("{} cannot be moved: {error}", place.new.display()), &error))?;
    sync_folder(&place.folder);
    Ok(())
}

/// What a file said; only that there is no room passes by itself.
fn io(why: String, error: &std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full(why),
        _ => StoreError::ReadOnly(why),
    }
}

/// The same error with more words, if it is one that passes; nothing is written until then.
fn passing(error: StoreError, why: String) -> StoreError {
    match error {
        StoreError::Full(_) => StoreError::Full(why),
        StoreError::Unavailable(_) => StoreError::Unavailable(why),
        _ => StoreError::ReadOnly(why),
    }
}

/// Makes a store beside its place.
pub(super) async fn make_new(
    place: &Place,
    busy: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<(), StoreError> {
    let wrong =
        |what: &str, error: std::io::Error| io(format!("{}: {what}: {error}", place.new.display()), &error);
    match fs::remove_file(&place.new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(wrong("cannot be removed", error));
        }
        _ => {}
    }
    let file = private().create_new(true).open(&place.new).map_err(|error| wrong("cannot be made", error))?;
    let pool = pool(&place.new, Access::Write, busy, "PRAGMA synchronous = FULL;")
        .await
        .map_err(|error| told(&error))?;
    let now = clock.now();
    let unique = format!("{} {} {}", now.as_nanosecond(), std::process::id(), place.database.display());
    let id: String = sha256(&unique).chars().take(20).collect();
    let new = db(clock, busy, Some(pool.clone()), Some(pool.clone().into()), None, None);
    new.write(&Migrate { store: &id, at: now.as_millisecond() }).await?;
    pool.close().await;
    file.sync_all().map_err(|error| wrong("cannot be synced", error))
}

pub(super) fn told(error: &sqlx::Error) -> StoreError {
    failure::told(error)
}

/// Looks at everything that decides whether the store may be trusted, through connections that cannot write. They are
/// kept for reading.
pub(super) async fn examine(
    place: &Place,
    busy: Duration,
    clock: &Arc<dyn Clock>,
) -> (Option<Readers>, Result<Examined, StoreError>) {
    const READ: &str = "PRAGMA query_only = ON; PRAGMA cache_size = -128;";
    if let Err(why) = is_database(&place.database) {
        return (None, Err(StoreError::ReadOnly(why)));
    }
    let mut opened = readers(&place.database, Access::Read, busy, READ).await;
    if opened.is_err()
        && !takes_writes(&place.folder)
        && fs::metadata(&place.log).map_or(0, |log| log.len()) == 0
    {
        // On a medium that takes no writes there is nowhere to put the index of the log. One that is only full takes them
        // again, and whoever reads so would never see what is written then.
        opened = readers(&place.database, Access::Frozen, busy, READ).await;
    }
    let reader = match opened {
        Ok(reader) => reader,
        Err(error) => {
            let database = place.database.display();
            let why = format!("{database} cannot be opened: {}", failure::said(&error));
            return (None, Err(passing(told(&error), why)));
        }
    };
    // The mark first: beside one that writes, a commit that comes between the two looks is in the database then.
    let marked = mark::read(&place.mark);
    let size = fs::metadata(&place.database).map_or(0, |found| found.len());
    let mut looking = db(clock, busy, None, Some(reader.clone()), None, None);
    looking.deadline = looking.deadline.saturating_add(time_to_examine(size));
    let examined = match looking.read(&Examine { size }).await {
        Ok(examined) => compare(place, marked, &examined).map(|()| examined),
        // What was down or locked while it was examined is not known to be good either.
        Err(error @ StoreError::ReadOnly(_)) => Err(error),
        Err(other) => {
            let why = format!(
                "{} could not be examined: {other}; it is tried again, and may be free then",
                place.database.display()
            );
            Err(passing(other, why))
        }
    };
    (Some(reader), examined)
}

/// All of a file is read, from a disk that gives 10 MiB a second at least.
fn time_to_examine(size: u64) -> Duration {
    Duration::from_millis((size >> 20).saturating_mul(100))
}

/// Whether this process may write to a folder, as far as the system tells; whether there is room is another question.
#[cfg(unix)]
fn takes_writes(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn takes_writes(_: &Path) -> bool {
    false
}

/// The first bytes of every SQLite file.
fn is_database(path: &Path) -> Result<(), String> {
    use std::io::Read as _;
    let mut head = [0_u8; 16];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    match read {
        Ok(()) if head == *b"SQLite format 3\0" => Ok(()),
        Ok(()) => Err(format!("{} is damaged: it does not begin as a SQLite file does", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(format!("{} is damaged: it is cut off at its beginning", path.display()))
        }
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

/// Compares the database with the number of the last commit that somebody was told of.
fn compare(place: &Place, marked: std::io::Result<Marked>, examined: &Examined) -> Result<(), StoreError> {
    let (database, mark) = (place.database.display(), place.mark.display());
    let accept = format!(
        "restore a backup with `aiops db restore`, or delete {mark} to go on with what is there, knowing that \
         something may be done twice"
    );
    match marked {
        Ok(Marked::Nothing) => Ok(()),
        Ok(Marked::At { store, commit }) if store == examined.store => {
            if commit <= examined.commits {
                return Ok(());
            }
            Err(StoreError::ReadOnly(format!(
                "{database} is behind: {commit} commits were acknowledged and {} are there. {accept}",
                examined.commits
            )))
        }
        Ok(Marked::At { .. }) => {
            Err(StoreError::ReadOnly(format!("{mark} belongs to another store than {database}: {accept}")))
        }
        Ok(Marked::Unreadable) => Err(StoreError::ReadOnly(format!(
            "{mark} is damaged, so whether {database} is whole is not known: {accept}"
        ))),
        Err(error) => Err(StoreError::ReadOnly(format!("{mark} cannot be read: {error}"))),
    }
}

/// Opens a store that was found good for writing, and brings its schema up.
async fn write_to(
    place: &Place,
    busy: Duration,
    max_bytes: Option<u64>,
    clock: &Arc<dyn Clock>,
    examined: Examined,
) -> Result<(AnyPool, Mark, Common), StoreError> {
    // What a commit touches fits into its cache; what is read again comes out of the kernel's.
    const WRITE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                         PRAGMA journal_size_limit = 16777216; PRAGMA cache_size = -400;";
    // Without a page size of our own, SQLite's is 4,096 bytes.
    let pages = max_bytes.map_or_else(Pages::default, |bytes| Pages::of(bytes / 4096));
    let common = Common { pages, ..Common::default() };
    let opened = pool_of(&place.database, Access::Write, busy, WRITE, &common).await;
    let writer = opened.map_err(|error| {
        let why =
            format!("{} cannot be opened for writing: {}", place.database.display(), failure::said(&error));
        passing(told(&error), why)
    })?;
    if examined.schema < migrate::known() {
        let at = clock.now().as_millisecond();
        let migrating = db(clock, busy, Some(writer.clone()), None, None, None);
        let done = migrating.write(&Migrate { store: &examined.store, at }).await?;
        tracing::info!(from = examined.schema, to = ?done.last(), "the store was migrated");
    }
    let mark = Mark::open(&place.mark, &examined.store, examined.commits)
        .map_err(|error| io(format!("{} cannot be written: {error}", place.mark.display()), &error))?;
    Ok((writer, mark, common))
}
