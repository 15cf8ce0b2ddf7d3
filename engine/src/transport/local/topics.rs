//! Topics: found, listed, made and filled.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, params};

use super::super::topics::{check_name, missing, missing_partition};
use super::super::{NewRecord, Progress, TopicStore, TopicSummary, TransportError};
use super::LocalTransport;
use super::database::{Database, Refusal, signed};

impl TopicStore for LocalTransport {
    fn topics(&self) -> Result<Vec<TopicSummary>, TransportError> {
        let database = self.database();
        let found = database.explained(|connection| {
            let mut statement = connection.prepare_cached("SELECT id, name, partitions FROM topics ORDER BY name")?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<Vec<(i64, String, u32)>, _>>()
        })?;
        let summary = |(id, name, partitions): (i64, String, u32)| {
            let partitions = (0..partitions).map(|partition| offsets(&database, id, partition)).collect::<Result<_, _>>()?;
            Ok(TopicSummary { name, partitions })
        };
        found.into_iter().map(summary).collect()
    }

    fn offsets(&self, topic: &str, partition: u32) -> Result<Range<u64>, TransportError> {
        let database = self.database();
        let (id, partitions) = find(&database, topic)?;
        if partition >= partitions {
            return Err(missing_partition(topic, partition, partitions as usize, &database.place()));
        }
        offsets(&database, id, partition)
    }

    fn create_topic(&self, topic: &str, partitions: u32) -> Result<(), TransportError> {
        check_name(topic)?;
        if partitions == 0 {
            return Err(TransportError::lasting(format!("topic “{topic}” cannot have no partition")));
        }
        let mut database = self.database();
        let existing = database.change(|transaction| make(transaction, topic, partitions))?;
        if existing == partitions {
            return Ok(());
        }
        Err(TransportError::lasting(format!("topic “{topic}” in {} has {existing} partitions, not {partitions}", database.place())))
    }

    fn append(&self, topic: &str, records: &[NewRecord<'_>]) -> Result<(), TransportError> {
        let mut database = self.database();
        let place = database.place();
        let (id, partitions) = find(&database, topic)?;
        if let Some(record) = records.iter().find(|record| record.partition >= partitions) {
            return Err(missing_partition(topic, record.partition, partitions as usize, &place));
        }
        database.change::<_, Refusal>(|transaction| {
            let mut end = End::new(transaction);
            let now_ms = now_ms();
            for record in records {
                end.add(id, record, now_ms, None)?;
            }
            Ok(())
        })
    }

    fn progress(&self) -> Result<Vec<Progress>, TransportError> {
        super::progress::latest(&self.database())
    }
}

/// A topic's number and how many partitions it has.
pub(super) fn find(database: &Database, topic: &str) -> Result<(i64, u32), TransportError> {
    let found = database.explained(|connection| {
        let mut statement = connection.prepare_cached("SELECT id, partitions FROM topics WHERE name = ?1")?;
        statement.query_one([topic], |row| Ok((row.get(0)?, row.get(1)?))).optional()
    })?;
    if let Some(found) = found {
        return Ok(found);
    }
    let existing = database.explained(|connection| {
        let mut statement = connection.prepare_cached("SELECT name FROM topics ORDER BY name")?;
        statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()
    })?;
    Err(missing(topic, &database.place(), &existing))
}

/// Makes a topic unless it is there; says how many partitions it has.
pub(super) fn make(connection: &Connection, topic: &str, partitions: u32) -> rusqlite::Result<u32> {
    connection.execute("INSERT INTO topics (name, partitions) VALUES (?1, ?2) ON CONFLICT DO NOTHING", params![topic, partitions])?;
    connection.query_one("SELECT partitions FROM topics WHERE name = ?1", [topic], |row| row.get(0))
}

/// The offsets that a partition keeps.
pub(super) fn offsets(database: &Database, topic: i64, partition: u32) -> Result<Range<u64>, TransportError> {
    // Two look-ups in the key; asked for together, they would be a scan.
    let edge = |sql| {
        database.explained(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_one(params![topic, partition], |row| row.get::<_, Option<i64>>(0))
        })
    };
    let first = edge("SELECT min(offset) FROM records WHERE topic = ?1 AND partition = ?2")?;
    let last = edge("SELECT max(offset) FROM records WHERE topic = ?1 AND partition = ?2")?;
    Ok(first.unwrap_or(0).cast_unsigned()..last.map_or(0, |last| last + 1).cast_unsigned())
}

/// The ends of the partitions to which a transaction adds.
pub(super) struct End<'a> {
    connection: &'a Connection,
    next: BTreeMap<(i64, u32), i64>,
}

impl<'a> End<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, next: BTreeMap::new() }
    }

    /// Adds a record after the last one of its partition.
    pub(super) fn add(&mut self, topic: i64, record: &NewRecord<'_>, now_ms: u64, headers: Option<&str>) -> rusqlite::Result<()> {
        let partition = record.partition;
        let next = match self.next.get_mut(&(topic, partition)) {
            Some(next) => next,
            None => {
                let last = "SELECT coalesce(max(offset) + 1, 0) FROM records WHERE topic = ?1 AND partition = ?2";
                let end = self.connection.prepare_cached(last)?.query_one(params![topic, partition], |row| row.get(0))?;
                self.next.entry((topic, partition)).or_insert(end)
            }
        };
        let insert = "INSERT INTO records (topic, partition, offset, arrival_ms, key, value, headers) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let arrival_ms = signed(record.arrival_ms.unwrap_or(now_ms));
        self.connection.prepare_cached(insert)?.execute(params![topic, partition, *next, arrival_ms, record.key, record.value, headers])?;
        *next += 1;
        Ok(())
    }
}

/// The wall clock, milliseconds since the epoch: the log's own time of a record.
pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
