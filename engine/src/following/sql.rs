//! The SQL that SQLite and PostgreSQL have in common, so that who keeps tables need not know in which of them they are.
//!
//! Placeholders are `?1`, `?2`, …; a conflict is resolved with its columns named; what both read differently (`offset`) stands in
//! quotes. Tables are written as SQLite's strict ones, of `INTEGER` (64 bits, signed) and `TEXT`; see [`Sql`] for the rest.

use std::collections::BTreeMap;

use rusqlite::types::{ToSqlOutput, ValueRef};

/// A value that is bound to a placeholder, or stands in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// None.
    Null,
    /// A number, or 0 and 1 for what is so or not.
    Integer(i64),
    /// Text.
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(i64::from(number))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The [values](crate::view::Value) of a statement, in order.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::view::Value::from($value)),*]
    };
}

/// What a column is read as.
pub trait Column: Sized {
    /// The value as that, if it is one.
    fn read(value: &Value) -> Option<Self>;
}

impl Column for i64 {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

/// A moment, an offset or an id, of which the 64 bits are kept.
impl Column for u64 {
    fn read(value: &Value) -> Option<Self> {
        i64::read(value).map(i64::cast_unsigned)
    }
}

impl Column for u32 {
    fn read(value: &Value) -> Option<Self> {
        i64::read(value)?.try_into().ok()
    }
}

impl Column for bool {
    fn read(value: &Value) -> Option<Self> {
        i64::read(value).map(|number| number != 0)
    }
}

impl Column for String {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl<T: Column> Column for Option<T> {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::read(value).map(Some),
        }
    }
}

/// A row of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(pub(crate) Vec<Value>);

impl Row {
    /// A column, counted from 0.
    ///
    /// # Errors
    /// There is none, or it holds something else.
    pub fn get<T: Column>(&self, column: usize) -> Result<T, SqlError> {
        self.0.get(column).and_then(T::read).ok_or(SqlError::Column(column))
    }
}

/// A question or a change cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// SQLite says why.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL says why; without the details, in which values stand.
    #[cfg(feature = "postgres")]
    #[error("{}", super::postgres::told(.0))]
    Postgres(#[from] postgres::Error),
    /// A column does not hold what it is to hold.
    #[error("column {0} does not hold what it is to hold")]
    Column(usize),
}

/// A transaction or a snapshot in which questions are asked and changes made.
pub trait Sql {
    /// The rows of an answer.
    ///
    /// # Errors
    /// The database cannot answer.
    fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, SqlError>;

    /// Makes a change; returns how many rows it was made to.
    ///
    /// # Errors
    /// The database cannot make it.
    fn execute(&self, sql: &str, values: &[Value]) -> Result<u64, SqlError>;
}

impl dyn Sql + '_ {
    /// The first row of an answer, if there is one.
    ///
    /// # Errors
    /// The database cannot answer.
    pub fn first(&self, sql: &str, values: &[Value]) -> Result<Option<Row>, SqlError> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// The first column of the first row of an answer that has one.
    ///
    /// # Errors
    /// The database cannot answer, or not with such a thing.
    pub fn one<T: Column>(&self, sql: &str, values: &[Value]) -> Result<T, SqlError> {
        self.first(sql, values)?.ok_or(SqlError::Column(0))?.get(0)
    }
}

impl Sql for rusqlite::Connection {
    fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, SqlError> {
        let mut statement = self.prepare_cached(sql)?;
        let width = statement.column_count();
        let mut answer = statement.query(rusqlite::params_from_iter(values))?;
        let mut rows = Vec::new();
        while let Some(row) = answer.next()? {
            let mut columns = Vec::with_capacity(width);
            for column in 0..width {
                columns.push(match row.get_ref(column)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(number) => Value::Integer(number),
                    ValueRef::Text(_) => Value::Text(row.get(column)?),
                    ValueRef::Real(_) | ValueRef::Blob(_) => return Err(SqlError::Column(column)),
                });
            }
            rows.push(Row(columns));
        }
        Ok(rows)
    }

    fn execute(&self, sql: &str, values: &[Value]) -> Result<u64, SqlError> {
        Ok(self.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))? as u64)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// What tells one kind of store from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Marks it: four letters.
    pub(crate) application: i32,
    /// Version of the tables.
    pub(crate) version: i32,
    /// The tables, beside positions and owner.
    pub(crate) tables: &'static str,
    /// What survives the death of the machine, for a file: `FULL` is everything; with `NORMAL` the last changes, positions
    /// included, may not.
    pub(crate) synchronous: &'static str,
}

/// What every store of a follower holds.
pub(crate) const TABLES: &str = "
    CREATE TABLE positions (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE owner (generation INTEGER NOT NULL) STRICT;
    INSERT INTO owner VALUES (0);
";

/// Where reading of a topic goes on, by partition.
pub(crate) fn positions(sql: &dyn Sql, topic: &str) -> Result<BTreeMap<u32, u64>, SqlError> {
    let rows = sql.query("SELECT partition, next_offset FROM positions WHERE topic = ?1", &[topic.into()])?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Writes down how far a partition was read, in the transaction that holds what was read.
pub(crate) fn advance(sql: &dyn Sql, topic: &str, partition: u32, next_offset: u64) -> Result<(), SqlError> {
    let position = "INSERT INTO positions VALUES (?1, ?2, ?3)
        ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset";
    sql.execute(position, values![topic, partition, signed(next_offset)])?;
    Ok(())
}

/// A moment or an offset as databases keep it.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
