//! Who writes a job, and how far it has come.

use rusqlite::{Connection, ErrorCode, params};

use super::super::progress::taken_over;
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

/// A job's progress records, oldest first.
pub(super) fn history(database: &Database, job: &str) -> Result<Vec<Progress>, TransportError> {
    let records = database.explained(|connection| {
        let mut statement = connection.prepare_cached("SELECT record FROM progress WHERE job = ?1 ORDER BY epoch")?;
        statement.query_map([job], |row| row.get(0))?.collect::<Result<Vec<Vec<u8>>, _>>()
    })?;
    let place = database.place();
    records.iter().map(|record| Progress::from_json(record, &place)).collect()
}
