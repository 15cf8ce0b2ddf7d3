//! Who writes a job, and how far it has come.

use std::collections::VecDeque;

use rusqlite::{Connection, ErrorCode, params};

use super::super::progress::{TIMES, taken_over};
use super::super::{Progress, TransportError};
use super::database::{Database, Refusal, signed};

/// Raises a job's generation: the new number belongs to the one who asked.
pub(super) fn take_over(connection: &Connection, job: &str) -> rusqlite::Result<i64> {
    let raise = "INSERT INTO writers (job, generation) VALUES (?1, 1)
                 ON CONFLICT (job) DO UPDATE SET generation = generation + 1 RETURNING generation";
    connection.query_one(raise, [job], |row| row.get(0))
}

/// Refuses who is no longer the writer. To be asked in the transaction that it is about.
pub(super) fn check_writer(connection: &Connection, job: &str, generation: i64, place: &str) -> Result<(), Refusal> {
    let current: i64 = connection.prepare_cached("SELECT generation FROM writers WHERE job = ?1")?.query_one([job], |row| row.get(0))?;
    if current == generation { Ok(()) } else { Err(taken_over(job, place).into()) }
}

/// Adds a progress record.
pub(super) fn add(connection: &Connection, job: &str, progress: &Progress, place: &str) -> Result<(), Refusal> {
    let record = progress.to_json()?;
    let mut statement = connection.prepare_cached("INSERT INTO progress (job, epoch, record) VALUES (?1, ?2, ?3)")?;
    match statement.execute(params![job, signed(progress.epoch), record]) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            let message = format!("epoch {} of job “{job}” is already committed in {place}", progress.epoch);
            Err(TransportError::lasting(message).because(error).into())
        }
        done => Ok(done.map(|_| ())?),
    }
}

/// Deletes a job's records before an epoch.
pub(super) fn forget(connection: &Connection, job: &str, before: u64) -> rusqlite::Result<()> {
    let forget = "DELETE FROM progress WHERE job = ?1 AND epoch < ?2";
    connection.prepare_cached(forget)?.execute(params![job, signed(before)]).map(|_| ())
}

/// Which of a job's records a restart may begin from, and which nobody needs any more. One a minute of the job clock is enough to
/// choose from.
#[derive(Default)]
pub(super) struct Steps {
    /// Epoch, and the latest that entered up to it, oldest first.
    steps: VecDeque<(u64, u64)>,
}

/// How far apart on the job clock the records are that are noted down.
const STEP_MS: u64 = 60_000;

/// Records are deleted at every so manieth commit: nobody waits for the space.
const EVERY: u64 = 64;

impl Steps {
    /// Notes down a record that is committed.
    pub(super) fn add(&mut self, progress: &Progress) {
        let until_ms = progress.entered_until_ms();
        if self.steps.back().is_none_or(|(_, last_ms)| until_ms >= last_ms.saturating_add(STEP_MS)) {
            self.steps.push_back((progress.epoch, until_ms));
        }
    }

    /// The epoch before which nothing is needed any more once this record is committed, if it is time to ask.
    pub(super) fn needed(&mut self, progress: &Progress) -> Option<u64> {
        let since_ms = progress.since_ms(TIMES).filter(|_| progress.epoch.is_multiple_of(EVERY))?;
        let first = self.steps.partition_point(|(_, until_ms)| *until_ms <= since_ms).checked_sub(1)?;
        self.steps.drain(..first);
        self.steps.front().map(|(epoch, _)| *epoch)
    }
}

/// A job's progress records, oldest first.
pub(super) fn history(database: &Database, job: &str) -> Result<Vec<Progress>, TransportError> {
    let records = database.explained(|connection| {
        let mut statement = connection.prepare_cached("SELECT record FROM progress WHERE job = ?1 ORDER BY epoch")?;
        statement.query_map([job], |row| row.get(0))?.collect::<Result<Vec<Vec<u8>>, _>>()
    })?;
    let place = database.place();
    records.iter().map(|record| Progress::from_json(record, &place)).collect()
}

/// The newest progress record of every job, by name.
pub(super) fn latest(database: &Database) -> Result<Vec<Progress>, TransportError> {
    let newest = "SELECT record FROM progress WHERE (job, epoch) IN (SELECT job, max(epoch) FROM progress GROUP BY job) ORDER BY job";
    let records = database.explained(|connection| {
        let mut statement = connection.prepare_cached(newest)?;
        statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<Vec<u8>>, _>>()
    })?;
    let place = database.place();
    records.iter().map(|record| Progress::from_json(record, &place)).collect()
}
