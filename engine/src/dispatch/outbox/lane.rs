//! What an endpoint's lane asks and tells: what is next, and what became of it.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::{Outbox, signed};
use crate::dispatch::DispatchError;
use crate::following::SqlError;

/// A revision on its way to an endpoint.
#[derive(Clone, Debug)]
pub(in crate::dispatch) struct Delivery {
    pub(in crate::dispatch) sequence: i64,
    pub(in crate::dispatch) id: String,
    pub(in crate::dispatch) revision: u32,
    pub(in crate::dispatch) kind: String,
    /// Attempts, this one included.
    pub(in crate::dispatch) attempts: u32,
    pub(in crate::dispatch) deadline_ms: u64,
    pub(in crate::dispatch) body: Vec<u8>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dispatch) enum Outcome {
    /// The endpoint has it.
    Delivered,
    /// It has to be tried again, not before this moment.
    Failed { reason: String, next_ms: u64 },
    /// The endpoint is gone and wants nothing any more.
    Gone { reason: String },
}

impl Outbox {
    /// What is to be sent to an endpoint now: the oldest that is due, of an alert of which nothing is under way. It counts as
    /// told from here on.
    pub(in crate::dispatch) fn take_next(&mut self, endpoint: &str, now_ms: u64) -> Result<Option<Delivery>, DispatchError> {
        const DUE: &str = "SELECT sequence, id, revision, kind, attempts + 1, deadline_ms, body FROM deliveries AS d
            WHERE endpoint = ?1 AND state = 'pending' AND next_ms <= ?2 AND deadline_ms > ?2
              AND NOT EXISTS (SELECT 1 FROM deliveries AS s WHERE s.endpoint = ?1 AND s.id = d.id AND s.state = 'sending')
            ORDER BY sequence LIMIT 1";
        let now = signed(now_ms);
        // Asked without a transaction first: most of the time there is nothing.
        if self.connection().prepare_cached(DUE)?.query_one(params![endpoint, now], |_| Ok(())).optional()?.is_none() {
            return Ok(None);
        }
        self.change(|transaction| {
            let found = transaction.prepare_cached(DUE)?.query_one(params![endpoint, now], delivery).optional()?;
            let Some(delivery) = found else { return Ok(None) };
            let told =
                "INSERT INTO told VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET revision = excluded.revision, at_ms = excluded.at_ms
                WHERE excluded.revision >= told.revision";
            let newest = transaction.prepare_cached(told)?.execute(params![endpoint, delivery.id, delivery.revision, now])? > 0;
            if !newest {
                put(transaction, delivery.sequence, "superseded", Some("a newer revision was told already"), now_ms)?;
                return Ok(None);
            }
            let begin = "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, changed_ms = ?2 WHERE sequence = ?1";
            transaction.prepare_cached(begin)?.execute(params![delivery.sequence, now])?;
            Ok(Some(delivery))
        })
    }

    /// Records what became of an attempt.
    pub(in crate::dispatch) fn finish(
        &mut self,
        endpoint: &str,
        delivery: &Delivery,
        outcome: &Outcome,
        now_ms: u64,
    ) -> Result<(), DispatchError> {
        let mut tally = self.tally(endpoint);
        self.change(|transaction| match outcome {
            Outcome::Delivered => {
                tally.delivered += 1;
                put(transaction, delivery.sequence, "delivered", None, now_ms)
            }
            Outcome::Failed { reason, next_ms } => {
                tally.failed += 1;
                let newer = "SELECT 1 FROM deliveries WHERE endpoint = ?1 AND id = ?2 AND state = 'pending' AND revision > ?3";
                let newer = transaction.prepare_cached(newer)?.exists(params![endpoint, delivery.id, delivery.revision])?;
                if newer {
                    tally.superseded += 1;
                    return put(transaction, delivery.sequence, "superseded", Some(reason), now_ms);
                }
                let again = "UPDATE deliveries SET state = 'pending', reason = ?2, next_ms = ?3, changed_ms = ?4 WHERE sequence = ?1";
                transaction.prepare_cached(again)?.execute(params![delivery.sequence, reason, signed(*next_ms), signed(now_ms)])?;
                Ok(())
            }
            Outcome::Gone { reason } => {
                tally.failed += 1;
                let give_up = "UPDATE deliveries SET state = 'dead', reason = ?2, changed_ms = ?3
                    WHERE endpoint = ?1 AND (state = 'pending' OR sequence = ?4)";
                let now = signed(now_ms);
                let given_up = transaction.prepare_cached(give_up)?.execute(params![endpoint, reason, now, delivery.sequence])?;
                tally.dead += given_up as u64;
                let disable = "INSERT INTO endpoints VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
                transaction.prepare_cached(disable)?.execute(params![endpoint, now, reason])?;
                Ok(())
            }
        })?;
        self.tallies.insert(endpoint.to_owned(), tally);
        Ok(())
    }

    /// Gives up what is too old to be sent; returns how much that was.
    pub(in crate::dispatch) fn expire(&mut self, endpoint: &str, now_ms: u64) -> Result<usize, DispatchError> {
        let due = "SELECT 1 FROM deliveries WHERE endpoint = ?1 AND state = 'pending' AND deadline_ms <= ?2";
        if !self.connection().prepare_cached(due)?.exists(params![endpoint, signed(now_ms)])? {
            return Ok(0);
        }
        let expired = self.change(|transaction| {
            let expire = "UPDATE deliveries SET state = 'expired', changed_ms = ?2,
                reason = CASE WHEN reason IS NULL THEN 'it waited too long' ELSE 'it waited too long; the last attempt: ' || reason END
                WHERE endpoint = ?1 AND state = 'pending' AND deadline_ms <= ?2";
            Ok(transaction.prepare_cached(expire)?.execute(params![endpoint, signed(now_ms)])?)
        })?;
        self.tallies.entry(endpoint.to_owned()).or_default().expired += expired as u64;
        Ok(expired)
    }

    /// An endpoint is back: what waits for its next attempt need not.
    pub(in crate::dispatch) fn hurry(&mut self, endpoint: &str) -> Result<(), DispatchError> {
        self.change(|transaction| {
            Ok(transaction.execute("UPDATE deliveries SET next_ms = 0 WHERE endpoint = ?1 AND state = 'pending'", [endpoint])?)
        })?;
        Ok(())
    }

    /// Why an endpoint is disabled, if it is.
    pub(in crate::dispatch) fn disabled(&self, endpoint: &str) -> Result<Option<String>, DispatchError> {
        let mut statement = self.connection().prepare_cached("SELECT reason FROM endpoints WHERE name = ?1")?;
        Ok(statement.query_one([endpoint], |row| row.get(0)).optional()?)
    }
}

/// Ends a delivery that needs its content no more.
fn put(transaction: &Transaction<'_>, sequence: i64, state: &str, reason: Option<&str>, now_ms: u64) -> Result<(), SqlError> {
    let update = "UPDATE deliveries SET state = ?2, reason = ?3, changed_ms = ?4, body = NULL WHERE sequence = ?1";
    transaction.prepare_cached(update)?.execute(params![sequence, state, reason, signed(now_ms)])?;
    Ok(())
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        sequence: row.get(0)?,
        id: row.get(1)?,
        revision: row.get(2)?,
        kind: row.get(3)?,
        attempts: row.get(4)?,
        deadline_ms: row.get::<_, i64>(5)?.cast_unsigned(),
        body: row.get::<_, Option<Vec<u8>>>(6)?.unwrap_or_default(),
    })
}
