//! Values of rows as they pass between structs and statements, and the checksum over them.
//!
//! A database file has no checksum of its own pages: a bit that flips in a text would be read as if it had been
//! written. What is read and does not fit its checksum is refused. It knows no table.

use aiops_engine::fingerprint::sha256;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Any, Row as _, ValueRef as _,
    any::{AnyArguments, AnyRow, AnyTypeInfoKind},
    query::Query,
};

use super::failure::Stop;

/// A query of ours.
pub(super) type Sql = Query<'static, Any, AnyArguments>;

/// The value of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum V {
    Text(String),
    Int(i64),
    NoText,
    NoInt,
}

impl From<&str> for V {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for V {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<String> for V {
    /// PostgreSQL takes no NUL in a text.
    fn from(text: String) -> Self {
        Self::Text(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text })
    }
}

impl From<&Option<String>> for V {
    fn from(text: &Option<String>) -> Self {
        text.as_ref().map_or(Self::NoText, Self::from)
    }
}

impl From<Option<&str>> for V {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::NoText, Self::from)
    }
}

impl From<i64> for V {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for V {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for V {
    fn from(is: bool) -> Self {
        Self::Int(is.into())
    }
}

impl From<Option<i64>> for V {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::NoInt, Self::Int)
    }
}

impl V {
    /// A struct as JSON text.
    pub(super) fn json<T: Serialize>(value: &T) -> Result<Self, Stop> {
        serde_json::to_string(value).map(Self::Text).map_err(|error| Stop::internal(&error))
    }

    /// The same of something that may be absent.
    pub(super) fn json_opt<T: Serialize>(value: Option<&T>) -> Result<Self, Stop> {
        value.map_or(Ok(Self::NoText), Self::json)
    }
}

/// Gives the values to a statement, in order.
pub(super) fn bind(query: Sql, values: impl IntoIterator<Item = V>) -> Sql {
    values.into_iter().fold(query, |query, value| match value {
        V::Text(text) => query.bind(text),
        V::Int(number) => query.bind(number),
        V::NoText => query.bind(None::<String>),
        V::NoInt => query.bind(None::<i64>),
    })
}

/// A statement with these values.
pub(super) fn sql(statement: &'static str, values: impl IntoIterator<Item = V>) -> Sql {
    bind(sqlx::query(statement), values)
}

/// The checksum over the values of a row: the beginning of a SHA-256, hexadecimal.
pub(super) fn checksum(values: &[V]) -> String {
    let mut text = String::new();
    for value in values {
        match value {
            V::Text(of) => text.push_str(&format!("t{}:{of}", of.len())),
            V::Int(of) => text.push_str(&format!("i{of};")),
            V::NoText | V::NoInt => text.push('n'),
        }
    }
    sha256(&text).chars().take(16).collect()
}

/// The values with their checksum behind them.
pub(super) fn sealed(mut values: Vec<V>) -> Vec<V> {
    let sum = checksum(&values);
    values.push(sum.into());
    values
}

/// A row that is being read, column by column.
pub(super) struct Reader {
    what: &'static str,
    values: std::vec::IntoIter<V>,
}

impl Reader {
    /// A row whose columns are taken as they are.
    pub(super) fn plain(what: &'static str, row: &AnyRow) -> Result<Self, Stop> {
        Ok(Self { what, values: columns(what, row)?.into_iter() })
    }

    /// A row whose first `covered` columns are covered by the checksum in the column behind them. The columns after it
    /// follow in the reader.
    pub(super) fn sealed(what: &'static str, row: &AnyRow, covered: usize) -> Result<Self, Stop> {
        let mut values = columns(what, row)?;
        let after = values.split_off(covered.min(values.len()));
        let mut after = after.into_iter();
        let written = after.next();
        if written != Some(V::Text(checksum(&values))) {
            let key =
                values.iter().find_map(|v| if let V::Text(text) = v { Some(text.as_str()) } else { None });
            let key: String = key.unwrap_or_default().chars().take(80).collect();
            return Err(Stop::Damaged(format!("the record of {what} {key} is not what was written")));
        }
        values.extend(after);
        Ok(Self { what, values: values.into_iter() })
    }

    fn wrong(&self, why: &str) -> Stop {
        Stop::Foreign(format!("a {} of this store cannot be read: {why}", self.what))
    }

    pub(super) fn text(&mut self) -> Result<String, Stop> {
        self.text_opt()?.ok_or_else(|| self.wrong("a text is missing"))
    }

    pub(super) fn text_opt(&mut self) -> Result<Option<String>, Stop> {
        match self.values.next() {
            Some(V::Text(text)) => Ok(Some(text)),
            Some(V::NoText | V::NoInt) => Ok(None),
            _ => Err(self.wrong("a text is expected")),
        }
    }

    pub(super) fn int(&mut self) -> Result<i64, Stop> {
        self.int_opt()?.ok_or_else(|| self.wrong("a number is missing"))
    }

    pub(super) fn int_opt(&mut self) -> Result<Option<i64>, Stop> {
        match self.values.next() {
            Some(V::Int(number)) => Ok(Some(number)),
            Some(V::NoText | V::NoInt) => Ok(None),
            _ => Err(self.wrong("a number is expected")),
        }
    }

    pub(super) fn u32(&mut self) -> Result<u32, Stop> {
        let number = self.int()?;
        u32::try_from(number).map_err(|_| self.wrong("a number is out of its range"))
    }

    pub(super) fn flag(&mut self) -> Result<bool, Stop> {
        Ok(self.int()? != 0)
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self) -> Result<T, Stop> {
        let text = self.text()?;
        serde_json::from_str(&text).map_err(|error| self.wrong(&error.to_string()))
    }

    pub(super) fn json_opt<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Stop> {
        let text = self.text_opt()?;
        let read = text.map(|text| serde_json::from_str(&text)).transpose();
        read.map_err(|error: serde_json::Error| self.wrong(&error.to_string()))
    }

    /// One of a closed list of words, or nothing.
    pub(super) fn word_opt<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Stop> {
        let Some(text) = self.text_opt()? else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| self.unknown(&text))
    }

    fn unknown(&self, word: &str) -> Stop {
        let word: String = word.chars().take(80).collect();
        self.wrong(&format!("it has the word {word:?}, which this release does not know"))
    }

    /// One of a closed list of words.
    pub(super) fn word<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Stop> {
        let text = self.text()?;
        parse(&text).ok_or_else(|| self.unknown(&text))
    }
}

/// All values of a row; a null does not say of which type it is.
pub(super) fn columns(what: &'static str, row: &AnyRow) -> Result<Vec<V>, Stop> {
    (0..row.len()).map(|at| value(what, row, at)).collect()
}

fn value(what: &'static str, row: &AnyRow, at: usize) -> Result<V, Stop> {
    let raw = row.try_get_raw(at).map_err(Stop::Sql)?;
    if raw.is_null() {
        return Ok(V::NoText);
    }
    Ok(match raw.type_info().kind() {
        AnyTypeInfoKind::Text => V::Text(row.try_get(at).map_err(Stop::Sql)?),
        AnyTypeInfoKind::BigInt | AnyTypeInfoKind::Integer | AnyTypeInfoKind::SmallInt => {
            V::Int(row.try_get(at).map_err(Stop::Sql)?)
        }
        other => return Err(Stop::Damaged(format!("column {at} of a {what} holds a {other:?}"))),
    })
}
