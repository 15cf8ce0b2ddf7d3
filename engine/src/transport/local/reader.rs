//! Reading one partition: ranges of the table, each in a snapshot of its own.

use rusqlite::params;

use super::super::topics::{missing_partition, not_kept};
use super::super::{Batch, Position, Reader, TransportError};
use super::database::{Database, signed};
use super::topics;

const RANGE: &str =
    "SELECT offset, arrival_ms, key, value FROM records WHERE topic = ?1 AND partition = ?2 AND offset >= ?3 ORDER BY offset";

/// Reads one partition.
pub(super) struct LocalReader {
    database: Database,
    topic: i64,
    partition: u32,
    next_offset: i64,
}

impl LocalReader {
    /// Begins at an offset.
    pub(super) fn begin(database: Database, topic: &str, partition: u32, offset: u64) -> Result<Self, TransportError> {
        let (id, partitions) = topics::find(&database, topic)?;
        if partition >= partitions {
            return Err(missing_partition(topic, partition, partitions as usize, &database.place()));
        }
        let kept = topics::offsets(&database, id, partition)?;
        // 0 asks for what is kept, whatever that is.
        if offset > kept.end || (offset > 0 && offset < kept.start) {
            return Err(not_kept(topic, partition, offset, &kept, &database.place()));
        }
        Ok(Self { database, topic: id, partition, next_offset: signed(offset) })
    }
}

impl Reader for LocalReader {
    fn read(&mut self, most_bytes: usize, batch: &mut Batch) -> Result<Position, TransportError> {
        let Self { database, topic, partition, next_offset } = self;
        database.explained(|connection| {
            let mut statement = connection.prepare_cached(RANGE)?;
            let mut rows = statement.query(params![*topic, *partition, *next_offset])?;
            let enough = batch.bytes.len() + most_bytes;
            while let Some(row) = rows.next()? {
                let offset: i64 = row.get(0)?;
                let arrival_ms: i64 = row.get(1)?;
                let value = row.get_ref(3)?.as_blob_or_null()?;
                batch.push(offset.cast_unsigned(), Some(arrival_ms.cast_unsigned()), row.get_ref(2)?.as_blob()?, value);
                *next_offset = offset + 1;
                if batch.bytes.len() >= enough {
                    return Ok(Position::More);
                }
            }
            Ok(Position::CaughtUp)
        })
    }
}
