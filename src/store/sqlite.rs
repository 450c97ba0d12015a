//! The store in a file of the state directory: made, examined and opened.
//!
//! It never makes anew, overwrites or repairs a file that is there. What cannot be trusted is opened for reading, with
//! the reason; what cannot even be read is left alone.

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
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use sqlx::{
    AnyPool, AssertSqlSafe, ConnectOptions as _,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use tokio::sync::OnceCell;

use self::place::exists;
pub(super) use self::place::{Place, holder, is_held, make_folder, private, sync_folder, take_lock};
use super::{
    Role,
    db::{Db, Dialect, Standing},
    examine::{Examine, Examined},
    failure,
    leases::EndLeases,
    mark::{self, Mark, Marked},
    migrate::{self, Migrate},
    readers::{self, Readers},
};

/// What became of opening.
pub(super) struct Attached {
    pub(super) db: Db,
    pub(super) role: Role,
    /// Held as long as the store is open.
    pub(super) lock: Option<File>,
}

/// How connections are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Reads and writes; the file is there.
    Write,
    /// Only reads.
    Read,
    /// Only reads, and nobody writes: the folder cannot be written to.
    Frozen,
}

/// Opens the store of a state directory. It always gives something that answers; why it may not be written to stands
/// in it.
pub(super) async fn open(
    folder: &Path,
    busy: Duration,
    max_bytes: Option<u64>,
    clock: Arc<dyn Clock>,
) -> Attached {
    let place = Place::of(folder);
    let refuse = |why: String| StoreError::ReadOnly(why);
    let closed = |error: StoreError, role: Role, lock: Option<File>| Attached {
        db: db(&clock, busy, None, None, Some(error), None),
        role,
        lock,
    };
    if let Err(error) = make_folder(folder) {
        let why = format!("the folder {} cannot be made: {error}", folder.display());
        return closed(refuse(why), Role::Reader, None);
    }
    let (role, lock, why_not) = match take_lock(&place.lock) {
        Ok(Some(lock)) => (Role::Sole, Some(lock), None),
        Ok(None) => {
            let who = holder(folder).map(|holder| format!(" (process {holder})")).unwrap_or_default();
            let why = format!("another aiops{who} executes on {}; this one reads", folder.display());
            (Role::Second, None, Some(refuse(why)))
        }
        Err(error) => {
            let why = format!("{} cannot be locked: {error}", place.lock.display());
            (Role::Reader, None, Some(refuse(why)))
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
        Ok((writer, mark)) => db(&clock, busy, Some(writer), reader, None, Some(mark)),
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
    }
}

/// Makes a store beside its place and moves it there when it is whole, so that what stands there is never half made.
async fn make(place: &Place, busy: Duration, clock: &Arc<dyn Clock>) -> Result<(), StoreError> {
    make_new(place, busy, clock).await?;
    fs::rename(&place.new, &place.database)
        .map_err(|error| StoreError::ReadOnly(format!("{} cannot be moved: {error}", place.new.display())))?;
    sync_folder(&place.folder);
    Ok(())
}

/// Makes a store beside its place.
pub(super) async fn make_new(
    place: &Place,
    busy: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<(), StoreError> {
    let wrong = |what: &str, error: std::io::Error| {
        let text = format!("{}: {what}: {error}", place.new.display());
        if error.kind() == std::io::ErrorKind::StorageFull {
            StoreError::Full(text)
        } else {
            StoreError::ReadOnly(text)
        }
    };
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

pub(super) async fn pool(
    path: &Path,
    access: Access,
    busy: Duration,
    pragmas: &str,
) -> Result<AnyPool, sqlx::Error> {
    let (options, pragmas) = prepared(path, access, busy, pragmas).await?;
    let connections = if access == Access::Write { 1 } else { 2 };
    connections_with(busy, pragmas)
        .min_connections(1)
        .max_connections(connections)
        .connect_with(options)
        .await
}

/// Connections to read with: one that stays, and another one while it is busy.
async fn readers(path: &Path, access: Access, busy: Duration, pragmas: &str) -> Result<Readers, sqlx::Error> {
    let (options, pragmas) = prepared(path, access, busy, pragmas).await?;
    let with = || connections_with(busy, Arc::clone(&pragmas)).max_connections(1);
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
) -> Result<(AnyConnectOptions, Arc<str>), sqlx::Error> {
    super::install_drivers();
    let pragmas = format!(
        "PRAGMA busy_timeout = {}; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; \
         PRAGMA trusted_schema = OFF; {pragmas}",
        busy.as_millis()
    );
    let options = url(path, access)?;
    let mut first = options.connect().await?;
    sqlx::raw_sql(AssertSqlSafe(pragmas.clone())).execute(&mut first).await?;
    sqlx::Connection::close(first).await?;
    Ok((options, pragmas.into()))
}

/// Connections that stay until they are closed, each with these pragmas.
fn connections_with(busy: Duration, pragmas: Arc<str>) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(busy.saturating_add(Duration::from_secs(1)))
        .after_connect(move |conn, _| {
            let pragmas = Arc::clone(&pragmas);
            Box::pin(async move {
                // Made of constants and a number.
                sqlx::raw_sql(AssertSqlSafe(pragmas.to_string())).execute(conn).await.map(drop)
            })
        })
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
    if opened.is_err() && fs::metadata(&place.log).map_or(0, |log| log.len()) == 0 {
        // On a medium that takes no writes there is nowhere to put the index of the log.
        opened = readers(&place.database, Access::Frozen, busy, READ).await;
    }
    let reader = match opened {
        Ok(reader) => reader,
        Err(error) => {
            let database = place.database.display();
            let why = format!("{database} cannot be opened: {}", failure::said(&error));
            return (None, Err(StoreError::ReadOnly(why)));
        }
    };
    // The mark first: beside one that writes, a commit that comes between the two looks is in the database then.
    let marked = mark::read(&place.mark);
    let looking = db(clock, busy, None, Some(reader.clone()), None, None);
    let size = fs::metadata(&place.database).map_or(0, |found| found.len());
    let examined = match looking.read(&Examine { size }).await {
        Ok(examined) => compare(place, marked, &examined).map(|()| examined),
        // What was down or locked while it was examined is not known to be good either.
        Err(error @ StoreError::ReadOnly(_)) => Err(error),
        Err(other) => Err(StoreError::ReadOnly(format!(
            "{} could not be examined: {other}; start aiops again when it is free",
            place.database.display()
        ))),
    };
    (Some(reader), examined)
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
) -> Result<(AnyPool, Mark), StoreError> {
    // What a commit touches fits into its cache; what is read again comes out of the kernel's.
    const WRITE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                         PRAGMA journal_size_limit = 16777216; PRAGMA cache_size = -400;";
    // Without a page size of our own, SQLite's is 4,096 bytes.
    let pages = max_bytes.map_or_else(|| u64::from(u32::MAX) - 1, |bytes| bytes / 4096);
    let pragmas = format!("{WRITE} PRAGMA max_page_count = {pages};");
    let writer = pool(&place.database, Access::Write, busy, &pragmas).await.map_err(|error| {
        let why =
            format!("{} cannot be opened for writing: {}", place.database.display(), failure::said(&error));
        match told(&error) {
            StoreError::Full(_) => StoreError::Full(why),
            _ => StoreError::ReadOnly(why),
        }
    })?;
    if examined.schema < migrate::known() {
        let at = clock.now().as_millisecond();
        let migrating = db(clock, busy, Some(writer.clone()), None, None, None);
        let done = migrating.write(&Migrate { store: &examined.store, at }).await?;
        tracing::info!(from = examined.schema, to = ?done.last(), "the store was migrated");
    }
    let mark = Mark::open(&place.mark, &examined.store, examined.commits).map_err(|error| {
        StoreError::ReadOnly(format!("{} cannot be written: {error}", place.mark.display()))
    })?;
    Ok((writer, mark))
}
