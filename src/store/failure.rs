//! What databases say when they do not do it, in the words of the port.
//!
//! The difference that matters is kept: refused (nothing was written) is never mixed up with unknown (it may have
//! been). No text of a statement and no value gets into a message.

use aiops_engine::ports::store::StoreError;
use sqlx::error::ErrorKind;

/// Why a transaction stopped before its commit.
#[derive(Debug)]
pub(super) enum Stop {
    /// It is refused with this.
    Store(StoreError),
    /// Somebody else was quicker with the same row: once more from the beginning.
    Race,
    /// The database said no.
    Sql(sqlx::Error),
    /// What was read is not what was written.
    Damaged(String),
    /// What was read is of a release that knows more than this one.
    Foreign(String),
}

impl Stop {
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        Self::Store(StoreError::Internal(error.to_string()))
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// What to do about an error of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Again, from the beginning of the transaction: it lost against another one.
    Again,
    /// A unique key is taken.
    Unique,
    /// A row that is referred to is not there.
    Reference,
    /// No room.
    Full,
    /// It may not be written to.
    ReadOnly,
    /// Locked, down, too slow, not reachable.
    Down,
    /// Its file is not what it was.
    Damaged,
    /// A fault of ours, or one that nobody expected.
    Other,
}

/// Sorts an error.
pub(super) fn sort(error: &sqlx::Error) -> Sort {
    match error {
        sqlx::Error::Database(database) => {
            match database.kind() {
                ErrorKind::UniqueViolation => return Sort::Unique,
                ErrorKind::ForeignKeyViolation => return Sort::Reference,
                _ => {}
            }
            match sqlite_code(error) {
                // The sort is in the last byte.
                Some(number) => of_sqlite(number & 0xff),
                None => of_postgres(&database.code().unwrap_or_default()),
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_)
        | sqlx::Error::BeginFailed
        // Of a connection that is still in a transaction which it cannot leave.
        | sqlx::Error::InvalidSavePointStatement => Sort::Down,
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Sort::Damaged,
        _ => Sort::Other,
    }
}

/// SQLite could not read or write its files; what it could not do stands in the next byte.
const SQLITE_IOERR: u32 = 10;
/// It could not write: nothing of the commit is in the log that counts.
const SQLITE_IOERR_WRITE: u32 = SQLITE_IOERR | (3 << 8);

const fn of_sqlite(code: u32) -> Sort {
    match code {
        // BUSY, LOCKED, NOMEM, IOERR, PROTOCOL (of locking), CANTOPEN.
        5 | 6 | 7 | SQLITE_IOERR | 14 | 15 => Sort::Down,
        // READONLY, PERM, AUTH.
        3 | 8 | 23 => Sort::ReadOnly,
        // CORRUPT, NOTADB, FORMAT.
        11 | 24 | 26 => Sort::Damaged,
        13 => Sort::Full,
        _ => Sort::Other,
    }
}

fn of_postgres(code: &str) -> Sort {
    match code {
        // Serialization failure, deadlock.
        "40001" | "40P01" => Sort::Again,
        // Disk full.
        "53100" => Sort::Full,
        // A standby, which a fail-over may make the primary; time-outs of statements, locks and idle transactions.
        "25006" | "57014" | "55P03" | "25P03" => Sort::Down,
        "XX001" | "XX002" => Sort::Damaged,
        // Connections, authorisation, resources, an operator's intervention, system errors.
        _ if ["08", "28", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => Sort::Down,
        _ => Sort::Other,
    }
}

/// What an error is in the words of the port, when nothing was committed.
pub(super) fn told(error: &sqlx::Error) -> StoreError {
    let text = said(error);
    match sort(error) {
        Sort::Full => StoreError::Full(text),
        Sort::ReadOnly => StoreError::ReadOnly(text),
        Sort::Damaged => StoreError::ReadOnly(format!("it is damaged: {text}")),
        Sort::Down | Sort::Again => StoreError::Unavailable(text),
        Sort::Unique | Sort::Reference => StoreError::Changed(text),
        Sort::Other => StoreError::Internal(text),
    }
}

/// What an error is when it came from the commit itself.
pub(super) fn told_of_commit(error: &sqlx::Error) -> StoreError {
    let is_answer = matches!(error, sqlx::Error::Database(_));
    match sort(error) {
        // It said so before it wrote the commit.
        Sort::Full | Sort::ReadOnly | Sort::Again | Sort::Unique | Sort::Reference if is_answer => {
            told(error)
        }
        // SQLite was busy, locked or could not write its log; PostgreSQL being shut down says the same in the middle of a
        // commit. What was written and could not be synced may be there after a crash.
        Sort::Down
            if sqlite_code(error)
                .is_some_and(|code| code & 0xff != SQLITE_IOERR || code == SQLITE_IOERR_WRITE) =>
        {
            told(error)
        }
        _ => StoreError::Unknown(said(error)),
    }
}

/// SQLite's code of an error, if it is one of SQLite's: a number below 10,000. PostgreSQL's are five characters.
fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    if code.len() < 5 { code.parse().ok() } else { None }
}

/// Whether a connection would say the same again when its cause is gone: one that cannot leave its transaction, that could
/// only be opened for reading, or whose server was made a standby.
pub(super) fn stays_with_the_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::InvalidSavePointStatement | sqlx::Error::BeginFailed | sqlx::Error::WorkerCrashed => {
            true
        }
        sqlx::Error::Database(database) => match sqlite_code(error) {
            Some(code) => matches!(of_sqlite(code & 0xff), Sort::ReadOnly) || code & 0xff == SQLITE_IOERR,
            None => database.code().is_some_and(|code| code == "25006"),
        },
        _ => false,
    }
}

/// The database's own sentence.
pub(super) fn said(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        // A server that refuses connections is taken for one that starts, and is tried until the time is over.
        sqlx::Error::PoolTimedOut => {
            "no connection to the database was to be had in time: it cannot be reached, or all connections are in use; \
             see whether the server of store.url runs and answers"
                .to_owned()
        }
        other => other.to_string(),
    }
}
