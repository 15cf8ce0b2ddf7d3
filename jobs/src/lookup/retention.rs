//! What is too old and rests on nobody's alert is deleted, a bounded batch at a time, and that it was deleted is written down.
//!
//! Sightings and journeys that a standing alert rests on are hits and stay, as do the alerts; a withdrawn alert is none. From
//! the topics a record goes by their own retention.

use engine::values;
use engine::view::{Sql, SqlError};

use super::intake::signed;

/// Rows deleted in one transaction.
const ROWS_MOST: u32 = 2_000;
/// Rows looked at in one transaction, hits among them.
const LOOK_MOST: u32 = 20_000;

/// How long what is no hit is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Milliseconds from its last moment. Default 30 days, the shortest in use for reads without a hit.
    pub kept_ms: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { kept_ms: 30 * 86_400_000 }
    }
}

/// A kind of row, where its rows are, when they were, and which of them are to stay whatever their age.
struct Kind {
    name: &'static str,
    table: &'static str,
    time: &'static str,
    stays: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind { name: "alert", table: "alerts", time: "at_ms", stays: "status <> 'withdrawn'" },
    Kind {
        name: "journey",
        table: "journeys",
        time: "until_ms",
        stays: "EXISTS (SELECT 1 FROM hits WHERE kind = 'journey' AND hits.id = journeys.id)",
    },
    Kind {
        name: "sighting",
        table: "sightings",
        time: "until_ms",
        stays: "EXISTS (SELECT 1 FROM hits WHERE kind = 'sighting' AND hits.id = sightings.id)",
    },
];

/// Something came, or is no hit any more, that is as old as this: there may be something to be deleted again.
pub(super) fn look_again(sql: &dyn Sql, kinds: &[&str], at_ms: u64) -> Result<(), SqlError> {
    for kind in kinds {
        sql.execute("UPDATE tidied SET until_ms = ?2 WHERE kind = ?1 AND until_ms > ?2", values![*kind, signed(at_ms)])?;
    }
    Ok(())
}

/// Deletes one batch; returns whether there may be more.
pub(super) fn forget(sql: &dyn Sql, retention: &Retention, now_ms: u64) -> Result<bool, SqlError> {
    let before = signed(now_ms.saturating_sub(retention.kept_ms));
    for kind in &KINDS {
        if forget_some(sql, kind, before, now_ms)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes a batch of a kind, oldest first, from where all older ones are hits; returns whether there may be more.
fn forget_some(sql: &dyn Sql, kind: &Kind, before: i64, now_ms: u64) -> Result<bool, SqlError> {
    let Kind { name, table, time, stays } = kind;
    let begin: i64 = sql.one("SELECT until_ms FROM tidied WHERE kind = ?1", values![*name])?;
    let old = format!("SELECT id, {time}, {stays} FROM {table} WHERE {time} >= ?1 AND {time} < ?2 ORDER BY {time} LIMIT ?3");
    let (mut looked, mut reached, mut ids, mut span) = (0, before, Vec::new(), None);
    for row in sql.query(&old, values![begin, before, LOOK_MOST])? {
        let at_ms: i64 = row.get(1)?;
        (looked, reached) = (looked + 1, at_ms);
        if !row.get::<bool>(2)? {
            ids.push(row.get::<i64>(0)?);
            span = Some((span.map_or(at_ms, |(from, _): (i64, i64)| from), at_ms));
            if ids.len() == ROWS_MOST as usize {
                break;
            }
        }
    }
    // So many rows of one moment that none is another's are passed over; they would be looked at for ever.
    let more = ids.len() == ROWS_MOST as usize || (looked == LOOK_MOST && reached > begin);
    for id in &ids {
        sql.execute(&format!("DELETE FROM {table} WHERE id = ?1"), values![*id])?;
        if *table == "alerts" {
            for about in ["alert_cameras", "alert_centres", "reviews", "acknowledgements"] {
                sql.execute(&format!("DELETE FROM {about} WHERE alert = ?1"), values![*id])?;
            }
        }
    }
    if let Some((from, until)) = span {
        let (now, count) = (signed(now_ms), ids.len() as u64);
        sql.execute("INSERT INTO deletions VALUES (?1, ?2, ?3, ?4, ?5)", values![now, *name, signed(count), from, until])?;
    }
    // Of the last moment looked at there may be more rows.
    let until = if more { reached } else { before };
    sql.execute("UPDATE tidied SET until_ms = ?2 WHERE kind = ?1", values![*name, until])?;
    Ok(more)
}
