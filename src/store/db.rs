//! Connections and transactions: one way to write, one way to read, for both databases.
//!
//! A [`Unit`] of work is one transaction: it is begun, run and committed here, and begun again when it lost against
//! another one. Nothing above this file knows whether a commit was retried; nothing below it knows what is kept.

mod tx;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aiops_engine::{
    model::Millis,
    ports::{Clock, store::StoreError},
};
use parking_lot::Mutex;
use sqlx::{AnyPool, any::AnyRow};
use tokio::sync::OnceCell;

use self::tx::read_each;
pub(super) use self::tx::{Done, Tx, Unit, number};
use super::{
    failure::{self, Sort, Stop},
    mark::Mark,
    readers::Readers,
    reserve::Reserve,
    sqlite::Common,
    values::{Sql, V, sql},
};

/// How often a transaction that lost against others is begun again.
const TRIES: u32 = 20;

/// Which database it is, where statements differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// PostgreSQL's own time.
pub(super) const NOW: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";

/// The commits that were counted.
const COMMITS: &str = "commits";

/// Whether writes are worth trying.
#[derive(Default)]
pub(super) enum Standing {
    /// As far as we know.
    #[default]
    Good,
    /// The last write found it full or down.
    Troubled(StoreError, Instant),
    /// Never again in this process.
    ReadOnly(StoreError),
}

/// How long a full disk or a database that was down is believed to be so without another try.
const TROUBLED: Duration = Duration::from_secs(5);

/// The database.
pub(super) struct Db {
    pub(super) dialect: Dialect,
    /// Absent where nothing may be written.
    pub(super) writer: Option<AnyPool>,
    /// Absent where nothing can be read either.
    pub(super) reader: Option<Readers>,
    pub(super) clock: Arc<dyn Clock>,
    /// Why nothing may be written, or why the last write failed in a way that the next one will too.
    pub(super) standing: Mutex<Standing>,
    /// Where the number of the last acknowledged commit is kept beside the database.
    pub(super) mark: Option<Mark>,
    /// Longest that a transaction may take, connection included.
    pub(super) deadline: Duration,
    /// Room for the day on which there is none, once it is kept.
    pub(super) reserve: OnceCell<Reserve>,
    /// What its connections for writing have in common.
    pub(super) common: Common,
}

impl Db {
    /// Why nothing may be written, if nothing may.
    pub(super) fn writable(&self) -> Result<(), StoreError> {
        if self.reserve.get().is_some_and(Reserve::is_given) {
            return Err(Reserve::refusal());
        }
        match &*self.standing.lock() {
            Standing::ReadOnly(error) => Err(error.clone()),
            Standing::Troubled(error, since) if since.elapsed() < TROUBLED => Err(error.clone()),
            Standing::Good | Standing::Troubled(..) => Ok(()),
        }
    }

    /// From now on nothing is written any more: what was read is not what was written.
    pub(super) fn condemn(&self, why: &str) -> StoreError {
        let error = StoreError::ReadOnly(format!(
            "it is damaged: {why}; nothing is written to it any more. Restore a backup with `aiops db restore`"
        ));
        tracing::error!(why, "the store is damaged and is only read from now on");
        *self.standing.lock() = Standing::ReadOnly(error.clone());
        error
    }

    fn stopped(&self, stop: Stop) -> StoreError {
        match stop {
            Stop::Store(error) => error,
            Stop::Race => StoreError::Unavailable("others were quicker each time; try again".to_owned()),
            Stop::Damaged(why) => self.condemn(&why),
            Stop::Foreign(why) => {
                StoreError::ReadOnly(format!("{why}; start the release that wrote it, or a newer one"))
            }
            Stop::Sql(error) => self.sql_failed(&error),
        }
    }

    fn sql_failed(&self, error: &sqlx::Error) -> StoreError {
        self.doubt_after(error);
        match failure::sort(error) {
            Sort::Damaged => self.condemn(&failure::said(error)),
            _ => failure::told(error),
        }
    }

    /// Connections that are open are not used again after an error that they would give again.
    fn doubt_after(&self, error: &sqlx::Error) {
        if failure::stays_with_the_connection(error) {
            self.common.doubt.raise();
        }
    }

    /// What a write's end says about the next one.
    fn remember(&self, standing: Standing) {
        let mut now = self.standing.lock();
        // What may only be read stays so.
        if !matches!(*now, Standing::ReadOnly(_)) {
            *now = standing;
        }
    }

    /// The connections to write with.
    fn writer(&self) -> Result<&AnyPool, StoreError> {
        if let Standing::ReadOnly(error) = &*self.standing.lock() {
            return Err(error.clone());
        }
        self.writer.as_ref().ok_or_else(|| StoreError::ReadOnly("it was opened for reading".to_owned()))
    }

    async fn begin(&self, pool: &AnyPool) -> Result<Tx, sqlx::Error> {
        let conn = match self.dialect {
            Dialect::Sqlite => pool.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => pool.begin().await?,
        };
        let mut tx = Tx { conn, dialect: self.dialect, now: 0 };
        tx.now = self.time(&mut tx).await?;
        Ok(tx)
    }

    /// The clock that tells this store's time, where no database does.
    pub(super) fn own_clock(&self) -> Option<&dyn Clock> {
        match self.dialect {
            Dialect::Sqlite => Some(&*self.clock),
            Dialect::Postgres => None,
        }
    }

    /// Now: the database's own time where several processes share it.
    async fn time(&self, tx: &mut Tx) -> Result<Millis, sqlx::Error> {
        match self.dialect {
            Dialect::Sqlite => Ok(self.clock.now().as_millisecond()),
            Dialect::Postgres => sqlx::query_scalar(NOW).fetch_one(&mut *tx.conn).await,
        }
    }

    /// Runs a unit and commits it.
    ///
    /// # Errors
    /// Nothing was written, unless it is [`StoreError::Unknown`].
    pub(super) async fn write<U: Unit>(&self, unit: &U) -> Result<U::Out, StoreError> {
        let pool = self.writer()?;
        let reserve = self.reserve.get();
        if let Some(reserve) = reserve {
            reserve.take_back(pool).await;
            if reserve.is_given() && unit.takes_on() {
                return Err(Reserve::refusal());
            }
        }
        for turn in 0..TRIES {
            match self.attempt(pool, unit).await {
                Ok(out) => return Ok(out),
                Err(Turn::Again) => {
                    if turn > 2 {
                        // Two that met will not meet again at once.
                        tokio::time::sleep(Duration::from_millis(u64::from(turn) * 3)).await;
                    }
                }
                Err(Turn::Over(error)) => {
                    if let (StoreError::Full(_), Some(reserve)) = (&error, reserve)
                        && reserve.give(pool).await
                        && !unit.takes_on()
                    {
                        // Another one may be giving it up at this moment.
                        tokio::time::sleep(Duration::from_millis(u64::from(turn) * 10)).await;
                        continue;
                    }
                    if matches!(
                        error,
                        StoreError::Full(_) | StoreError::Unavailable(_) | StoreError::Unknown(_)
                    ) {
                        self.remember(Standing::Troubled(error.clone(), Instant::now()));
                    }
                    return Err(error);
                }
            }
        }
        Err(StoreError::Unavailable("others were quicker each time; try again".to_owned()))
    }

    async fn attempt<U: Unit>(&self, pool: &AnyPool, unit: &U) -> Result<U::Out, Turn> {
        let late =
            |what: &str| StoreError::Unavailable(format!("{what} took longer than {:?}", self.deadline));
        let work = async {
            let mut tx = self.begin(pool).await.map_err(|error| self.turn(Stop::Sql(error)))?;
            match unit.run(&mut tx).await {
                Ok(Done::Written(out)) => {
                    let number = match &self.mark {
                        Some(_) => Some(tx.count(COMMITS).await.map_err(|stop| self.turn(stop))?),
                        None => None,
                    };
                    Ok::<_, Ended<U::Out>>((tx, out, number))
                }
                Ok(Done::Nothing(out)) => {
                    // It is ended by the drop too; this way the connection is free at once.
                    let _ = tx.conn.rollback().await;
                    Err(Ended::Nothing(out))
                }
                Err(stop) => {
                    let _ = tx.conn.rollback().await;
                    Err(Ended::Turn(self.turn(stop)))
                }
            }
        };
        let (tx, out, number) = match tokio::time::timeout(self.deadline, work).await {
            Ok(Ok(ready)) => ready,
            Ok(Err(Ended::Nothing(out))) => return Ok(out),
            Ok(Err(Ended::Turn(turn))) => return Err(turn),
            Err(_) => return Err(Turn::Over(late("a transaction"))),
        };
        match tokio::time::timeout(self.deadline, tx.conn.commit()).await {
            Ok(Ok(())) => {
                if let (Some(mark), Some(number)) = (&self.mark, number) {
                    mark.set(number);
                }
                // Only this proves that there is room.
                self.remember(Standing::Good);
                Ok(out)
            }
            Ok(Err(error)) if failure::sort(&error) == Sort::Again => Err(Turn::Again),
            Ok(Err(error)) => {
                self.doubt_after(&error);
                Err(Turn::Over(failure::told_of_commit(&error)))
            }
            Err(_) => Err(Turn::Over(StoreError::Unknown("the commit was not answered in time".to_owned()))),
        }
    }

    /// Begins a transaction that may take as long as it takes, for whoever has the store to itself; one of a machine that is
    /// gone is ended by PostgreSQL, which would else keep its locks for hours.
    pub(super) async fn begin_long(&self) -> Result<Tx, StoreError> {
        const UNHURRIED: &str =
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 60000";
        let mut tx = self.begin(self.writer()?).await.map_err(|error| self.sql_failed(&error))?;
        if tx.is_shared() {
            tx.script(UNHURRIED).await.map_err(|stop| self.stopped(stop))?;
        }
        Ok(tx)
    }

    /// Commits it.
    pub(super) async fn commit_long(&self, mut tx: Tx) -> Result<(), StoreError> {
        let number = match &self.mark {
            Some(_) => Some(tx.count(COMMITS).await.map_err(|stop| self.stopped(stop))?),
            None => None,
        };
        tx.conn.commit().await.map_err(|error| failure::told_of_commit(&error))?;
        if let (Some(mark), Some(number)) = (&self.mark, number) {
            mark.set(number);
        }
        Ok(())
    }

    fn turn(&self, stop: Stop) -> Turn {
        match stop {
            Stop::Race => Turn::Again,
            Stop::Sql(error) if failure::sort(&error) == Sort::Again => Turn::Again,
            stop => Turn::Over(self.stopped(stop)),
        }
    }

    fn reader(&self) -> Result<&Readers, StoreError> {
        self.reader.as_ref().ok_or_else(|| {
            self.writable().err().unwrap_or_else(|| StoreError::Unavailable("it is not open".to_owned()))
        })
    }

    /// Runs a unit on one consistent view, and writes nothing.
    pub(super) async fn read<U: Unit>(&self, unit: &U) -> Result<U::Out, StoreError> {
        let readers = self.reader()?;
        let how = match self.dialect {
            Dialect::Sqlite => None,
            Dialect::Postgres => Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        };
        let work = async {
            let conn = readers.begin(how).await?;
            let mut tx = Tx { conn, dialect: self.dialect, now: 0 };
            let done = unit.run(&mut tx).await;
            let _ = tx.conn.rollback().await;
            done
        };
        match tokio::time::timeout(self.deadline, work).await {
            Ok(Ok(Done::Written(out) | Done::Nothing(out))) => Ok(out),
            Ok(Err(stop)) => Err(self.stopped(stop)),
            Err(_) => {
                Err(StoreError::Unavailable(format!("a question took longer than {:?}", self.deadline)))
            }
        }
    }

    /// Rows of one statement, read.
    pub(super) async fn rows<T: Send>(
        &self,
        statement: &'static str,
        values: Vec<V>,
        read: impl Fn(&AnyRow) -> Result<T, Stop> + Send + Sync,
    ) -> Result<Vec<T>, StoreError> {
        let readers = self.reader()?;
        let query: Sql = sql(statement, values);
        let work = async {
            let mut conn = readers.acquire().await?;
            read_each(query.fetch(&mut *conn), read).await
        };
        match tokio::time::timeout(self.deadline, work).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(stop)) => Err(self.stopped(stop)),
            Err(_) => {
                Err(StoreError::Unavailable(format!("a question took longer than {:?}", self.deadline)))
            }
        }
    }
}

/// How one turn of a write ended without a commit.
enum Turn {
    Again,
    Over(StoreError),
}

enum Ended<T> {
    Nothing(T),
    Turn(Turn),
}

impl<T> From<Turn> for Ended<T> {
    fn from(turn: Turn) -> Self {
        Self::Turn(turn)
    }
}
