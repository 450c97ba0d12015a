//! A transaction that is open, and the work that is done in one.
//!
//! It runs statements and reads rows. It begins nothing and commits nothing: that is for whoever opened it.

use aiops_engine::model::Millis;
use async_trait::async_trait;
use futures::{Stream, TryStreamExt as _};
use sqlx::{Any, Transaction, any::AnyRow};

use super::{
    super::{
        failure::Stop,
        values::{Reader, V, sql},
    },
    Dialect,
};

/// One transaction's work.
#[async_trait]
pub(in crate::store) trait Unit: Send + Sync {
    /// What it gives.
    type Out: Send;

    /// Does it. It may run several times, each time in a new transaction.
    async fn run(&self, tx: &mut Tx) -> Result<Done<Self::Out>, Stop>;

    /// Whether it begins something, instead of recording what is under way: the last room of a store is not for it.
    fn takes_on(&self) -> bool {
        false
    }
}

/// How a unit ended.
pub(in crate::store) enum Done<T> {
    /// To be committed.
    Written(T),
    /// Nothing was written.
    Nothing(T),
}

/// A transaction that is open.
pub(in crate::store) struct Tx {
    pub(super) conn: Transaction<'static, Any>,
    pub(in crate::store) dialect: Dialect,
    /// The store's time, at the beginning of the transaction.
    pub(in crate::store) now: Millis,
}

impl Tx {
    /// Whether others may write at the same time.
    pub(in crate::store) const fn is_shared(&self) -> bool {
        matches!(self.dialect, Dialect::Postgres)
    }

    /// The connection, for statements that are put together.
    pub(in crate::store) fn raw(&mut self) -> &mut <Any as sqlx::Database>::Connection {
        &mut self.conn
    }

    /// Runs a statement; how many rows it touched.
    pub(in crate::store) async fn execute(
        &mut self,
        statement: &'static str,
        values: impl IntoIterator<Item = V> + Send,
    ) -> Result<u64, Stop> {
        Ok(sql(statement, values).execute(&mut *self.conn).await?.rows_affected())
    }

    /// The one row that a statement gives, or none.
    pub(in crate::store) async fn optional(
        &mut self,
        statement: &'static str,
        values: impl IntoIterator<Item = V> + Send,
    ) -> Result<Option<AnyRow>, Stop> {
        Ok(sql(statement, values).fetch_optional(&mut *self.conn).await?)
    }

    /// All rows that a statement gives.
    pub(in crate::store) async fn all(
        &mut self,
        statement: &'static str,
        values: impl IntoIterator<Item = V> + Send,
    ) -> Result<Vec<AnyRow>, Stop> {
        Ok(sql(statement, values).fetch_all(&mut *self.conn).await?)
    }

    /// What is read of each row that a statement gives, one after the other: a row of SQLx weighs several times what is
    /// read of it, and no more of them are held than are under way.
    pub(in crate::store) async fn read<T: Send>(
        &mut self,
        statement: &'static str,
        values: impl IntoIterator<Item = V> + Send,
        read: impl Fn(&AnyRow) -> Result<T, Stop> + Send + Sync,
    ) -> Result<Vec<T>, Stop> {
        read_each(sql(statement, values).fetch(&mut *self.conn), read).await
    }

    /// Several statements without values.
    pub(in crate::store) async fn script(&mut self, statements: &'static str) -> Result<(), Stop> {
        sqlx::raw_sql(statements).execute(&mut *self.conn).await?;
        Ok(())
    }

    /// The next number of a counter.
    pub(in crate::store) async fn count(&mut self, counter: &str) -> Result<i64, Stop> {
        const NEXT: &str = "INSERT INTO counter (name, value) VALUES ($1, 1) \
                            ON CONFLICT (name) DO UPDATE SET value = counter.value + 1 RETURNING value";
        match self.optional(NEXT, [counter.into()]).await? {
            Some(row) => number(&row),
            None => Err(Stop::internal(&"a counter gave no number")),
        }
    }
}

/// The one number of a row.
pub(in crate::store) fn number(row: &AnyRow) -> Result<i64, Stop> {
    Reader::plain("number", row)?.int()
}

/// Reads rows as they come.
pub(super) async fn read_each<T>(
    mut rows: impl Stream<Item = Result<AnyRow, sqlx::Error>> + Unpin + Send,
    read: impl Fn(&AnyRow) -> Result<T, Stop> + Send + Sync,
) -> Result<Vec<T>, Stop> {
    let mut all = Vec::new();
    while let Some(row) = rows.try_next().await? {
        all.push(read(&row)?);
    }
    Ok(all)
}
