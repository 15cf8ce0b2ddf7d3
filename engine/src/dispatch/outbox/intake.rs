//! What comes in: a batch of the topic and its new position, in one transaction.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Outbox, Tally, signed};
use crate::dispatch::{DispatchError, Kind, Notice};
use crate::following::advance;

/// A revision for an endpoint.
pub(in crate::dispatch) struct Entry<'a> {
    pub(in crate::dispatch) endpoint: &'a str,
    pub(in crate::dispatch) notice: &'a Notice,
    /// What is to be sent, or why it cannot be.
    pub(in crate::dispatch) body: Result<&'a [u8], &'a str>,
    /// Whether the endpoint's filter takes it.
    pub(in crate::dispatch) wanted: bool,
    pub(in crate::dispatch) arrived_ms: u64,
    pub(in crate::dispatch) deadline_ms: u64,
}

/// A record that could not be read.
pub(in crate::dispatch) struct Unreadable {
    pub(in crate::dispatch) place: String,
    pub(in crate::dispatch) reason: String,
}

/// How many revisions may wait for an endpoint.
pub(in crate::dispatch) type Bounds<'a> = [(&'a str, usize)];

impl Outbox {
    /// Takes what was read from a partition, and with it the position.
    pub(in crate::dispatch) fn take(
        &mut self,
        (topic, partition, next_offset): (&str, u32, u64),
        entries: &[Entry<'_>],
        unreadable: &[Unreadable],
        bounds: &Bounds<'_>,
        now_ms: u64,
    ) -> Result<(), DispatchError> {
        let mut tallies = self.tallies.clone();
        self.change(|transaction| {
            for record in unreadable {
                let insert = "INSERT INTO deliveries (endpoint, id, revision, kind, state, reason, arrived_ms, deadline_ms, changed_ms)
                    VALUES ('*', ?1, 0, 'unreadable', 'dead', ?2, ?3, ?3, ?3)";
                transaction.prepare_cached(insert)?.execute(params![record.place, record.reason, signed(now_ms)])?;
            }
            for entry in entries {
                take_one(transaction, entry, tallies.entry(entry.endpoint.to_owned()).or_default(), now_ms)?;
            }
            for (endpoint, most) in bounds {
                let given_up = keep_newest(transaction, endpoint, *most, now_ms)?;
                tallies.entry((*endpoint).to_owned()).or_default().dead += given_up;
            }
            advance(&**transaction, topic, partition, next_offset)
        })?;
        self.tallies = tallies;
        Ok(())
    }
}

fn take_one(transaction: &Transaction<'_>, entry: &Entry<'_>, tally: &mut Tally, now_ms: u64) -> rusqlite::Result<()> {
    let Entry { endpoint, notice, .. } = entry;
    let told = newest(transaction, "SELECT revision FROM told WHERE endpoint = ?1 AND id = ?2", endpoint, &notice.id)?;
    let waits = "SELECT max(revision) FROM deliveries WHERE endpoint = ?1 AND id = ?2 AND state IN ('pending', 'sending')";
    let waits = newest(transaction, waits, endpoint, &notice.id)?;
    if told.max(waits) >= Some(notice.revision) {
        return Ok(());
    }
    let supersede = "UPDATE deliveries SET state = 'superseded', reason = ?3, changed_ms = ?4, body = NULL
        WHERE endpoint = ?1 AND id = ?2 AND state = 'pending'";
    let reason = format!("revision {} came before it was sent", notice.revision);
    let replaced = transaction.prepare_cached(supersede)?.execute(params![endpoint, notice.id, reason, signed(now_ms)])?;
    tally.superseded += replaced as u64;
    let disabled: Option<String> =
        transaction.prepare_cached("SELECT reason FROM endpoints WHERE name = ?1")?.query_one([endpoint], |row| row.get(0)).optional()?;
    // Who was told of an alert is told what became of it, whatever its filter says of the newer revision.
    let (state, reason) = match (told, disabled, entry.body) {
        (None, ..) if !entry.wanted => return Ok(()),
        (None, ..) if notice.kind() == Kind::Withdrawn => ("superseded", Some("withdrawn before it was told".to_owned())),
        (_, Some(reason), _) => ("dead", Some(reason)),
        (.., Err(reason)) => ("dead", Some(reason.to_owned())),
        _ if entry.deadline_ms <= now_ms => ("expired", Some("it was too old when it was read".to_owned())),
        _ => ("pending", None),
    };
    match state {
        "superseded" => tally.superseded += 1,
        "dead" => tally.dead += 1,
        "expired" => tally.expired += 1,
        _ => {}
    }
    let body = entry.body.ok().filter(|_| state != "superseded");
    let insert = "INSERT INTO deliveries (endpoint, id, revision, kind, state, reason, arrived_ms, deadline_ms, changed_ms, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let (arrived, deadline, now) = (signed(entry.arrived_ms), signed(entry.deadline_ms), signed(now_ms));
    let (id, revision, kind) = (&notice.id, notice.revision, notice.kind().name());
    transaction.prepare_cached(insert)?.execute(params![endpoint, id, revision, kind, state, reason, arrived, deadline, now, body])?;
    Ok(())
}

/// The newest revision that a question about an endpoint and an id finds.
fn newest(transaction: &Transaction<'_>, sql: &str, endpoint: &str, id: &str) -> rusqlite::Result<Option<u32>> {
    let found = transaction.prepare_cached(sql)?.query_one(params![endpoint, id], |row| row.get::<_, Option<u32>>(0)).optional()?;
    Ok(found.flatten())
}

/// Gives up the oldest of what waits where more waits than may; returns how many.
fn keep_newest(transaction: &Transaction<'_>, endpoint: &str, most: usize, now_ms: u64) -> rusqlite::Result<u64> {
    let count = "SELECT count(*) FROM deliveries WHERE endpoint = ?1 AND state = 'pending'";
    let waiting: i64 = transaction.prepare_cached(count)?.query_one([endpoint], |row| row.get(0))?;
    let excess = waiting - i64::try_from(most).unwrap_or(i64::MAX);
    if excess <= 0 {
        return Ok(0);
    }
    let give_up = "UPDATE deliveries SET state = 'dead', reason = 'more waited for the endpoint than may', changed_ms = ?3
        WHERE sequence IN (SELECT sequence FROM deliveries WHERE endpoint = ?1 AND state = 'pending' ORDER BY sequence LIMIT ?2)";
    Ok(transaction.prepare_cached(give_up)?.execute(params![endpoint, excess, signed(now_ms)])? as u64)
}
