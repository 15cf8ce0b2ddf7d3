//! What comes in: records become rows. A revision that is not newer than what stands changes nothing.

use engine::view::Committed;
use rusqlite::{OptionalExtension as _, Transaction, params};
use schemas::{Acknowledgement, Alert, CaptureHealth, CaptureState, Decision, Id, Journey, Review, Revised, Sighting, Status};

use super::retention;

/// A moment as SQLite keeps it.
pub(super) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// An id as SQLite keeps it.
pub(super) fn key(id: Id) -> i64 {
    id.0.cast_signed()
}

/// How a status is written.
pub(super) fn name(status: Status) -> &'static str {
    match status {
        Status::Provisional => "provisional",
        Status::Final => "final",
        Status::Withdrawn => "withdrawn",
    }
}

/// A row as JSON. Records are made of integers, text and sequences, which JSON can hold.
fn json<T: serde::Serialize>(row: &T) -> String {
    serde_json::to_string(row).unwrap_or_default()
}

/// The number of the next change of an alert.
fn next_change(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    transaction.prepare_cached("UPDATE state SET change = change + 1 RETURNING change")?.query_row([], |row| row.get(0))
}

/// An alert stays when it is withdrawn, and says so.
pub(super) fn alert(transaction: &Transaction<'_>, record: &Committed<'_>, alert: &Revised<Alert>) -> rusqlite::Result<()> {
    let Revised { revision, status, row } = alert;
    let id = key(row.id);
    let stands = "SELECT revision FROM alerts WHERE id = ?1";
    let before: Option<u32> = transaction.prepare_cached(stands)?.query_row([id], |row| row.get(0)).optional()?;
    if before >= Some(*revision) {
        return Ok(());
    }
    let change = next_change(transaction)?;
    let put = "INSERT INTO alerts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT DO UPDATE SET revision = excluded.revision, status = excluded.status, rule = excluded.rule,
            centre = excluded.centre, at_ms = excluded.at_ms, changed_ms = excluded.changed_ms, change = excluded.change,
            partition = excluded.partition, offset = excluded.offset, row = excluded.row";
    let (rule, centre, at_ms) = (row.rule.as_str(), row.centre.as_str(), signed(row.at_ms));
    let (arrival_ms, offset) = (signed(record.arrival_ms), signed(record.offset));
    let values = params![id, revision, name(*status), rule, centre, at_ms, arrival_ms, change, record.partition, offset, json(alert)];
    transaction.prepare_cached(put)?.execute(values)?;
    transaction.prepare_cached("INSERT INTO alert_centres VALUES (?1, ?2) ON CONFLICT DO NOTHING")?.execute(params![id, centre])?;
    transaction.prepare_cached("DELETE FROM alert_cameras WHERE alert = ?1")?.execute([id])?;
    transaction.prepare_cached("DELETE FROM hits WHERE alert = ?1")?.execute([id])?;
    for evidence in &row.evidence {
        let camera = "INSERT INTO alert_cameras VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        transaction.prepare_cached(camera)?.execute(params![evidence.camera.as_str(), rule, at_ms, id])?;
    }
    if *status == Status::Withdrawn {
        // What it rested on may be no hit any more.
        let oldest = row.evidence.iter().map(|evidence| evidence.at_ms).chain([row.at_ms]).min().unwrap_or(0);
        return retention::look_again(transaction, &["alert", "journey", "sighting"], oldest);
    }
    let sightings = row.evidence.iter().filter_map(|evidence| evidence.sighting).map(|sighting| ("sighting", sighting));
    for (kind, hit) in sightings.chain(row.journey.map(|journey| ("journey", journey))) {
        let keep = "INSERT INTO hits VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        transaction.prepare_cached(keep)?.execute(params![kind, key(hit), id])?;
    }
    Ok(())
}

/// Of the reviews of an alert the newest stands.
pub(super) fn review(transaction: &Transaction<'_>, review: &Review) -> rusqlite::Result<()> {
    let put = "INSERT INTO reviews VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET decision = excluded.decision, at_ms = excluded.at_ms, row = excluded.row WHERE excluded.at_ms >= at_ms";
    let decision = match review.decision {
        Decision::Confirmed => "confirmed",
        Decision::Rejected => "rejected",
    };
    let values = params![key(review.alert), decision, signed(review.at_ms), json(review)];
    let changed = transaction.prepare_cached(put)?.execute(values)?;
    said(transaction, review.alert, changed)
}

/// Of the acknowledgements of an alert the first counts.
pub(super) fn acknowledgement(transaction: &Transaction<'_>, acknowledgement: &Acknowledgement) -> rusqlite::Result<()> {
    let put = "INSERT INTO acknowledgements VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, row = excluded.row WHERE excluded.at_ms < at_ms";
    let values = params![key(acknowledgement.alert), signed(acknowledgement.at_ms), json(acknowledgement)];
    let changed = transaction.prepare_cached(put)?.execute(values)?;
    said(transaction, acknowledgement.alert, changed)
}

/// Somebody said something about an alert, which is news to who follows alerts.
fn said(transaction: &Transaction<'_>, alert: Id, changed: usize) -> rusqlite::Result<()> {
    if changed > 0 {
        let change = next_change(transaction)?;
        transaction.prepare_cached("UPDATE alerts SET change = ?2 WHERE id = ?1")?.execute(params![key(alert), change])?;
    }
    Ok(())
}

/// A journey is asked for by its plate: without one, or withdrawn, it is not kept.
pub(super) fn journey(transaction: &Transaction<'_>, journey: &Revised<Journey>) -> rusqlite::Result<()> {
    let Revised { revision, status, row } = journey;
    let Some(plate) = row.plate.filter(|_| *status != Status::Withdrawn) else {
        transaction.prepare_cached("DELETE FROM journeys WHERE id = ?1 AND revision < ?2")?.execute(params![key(row.id), revision])?;
        return Ok(());
    };
    retention::look_again(transaction, &["journey"], row.until_ms)?;
    let put = "INSERT INTO journeys (id, revision, plate, from_ms, until_ms, row) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, plate = excluded.plate, from_ms = excluded.from_ms,
            until_ms = excluded.until_ms, row = excluded.row WHERE excluded.revision > revision";
    let (from, until) = (signed(row.from_ms), signed(row.until_ms));
    let values = params![key(row.id), revision, plate.text.to_string(), from, until, json(journey)];
    transaction.prepare_cached(put)?.execute(values)?;
    Ok(())
}

/// Of a sighting, where and when; and that its camera sees.
pub(super) fn sighting(transaction: &Transaction<'_>, record: &Committed<'_>, sighting: &Revised<Sighting>) -> rusqlite::Result<()> {
    let Revised { revision, status, row } = sighting;
    if *status == Status::Withdrawn {
        transaction.prepare_cached("DELETE FROM sightings WHERE id = ?1 AND revision < ?2")?.execute(params![key(row.id), revision])?;
        return Ok(());
    }
    retention::look_again(transaction, &["sighting"], row.until_ms)?;
    let put = "INSERT INTO sightings (id, revision, camera, from_ms, until_ms) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, camera = excluded.camera, from_ms = excluded.from_ms,
            until_ms = excluded.until_ms WHERE excluded.revision > revision";
    let (camera, from, until) = (row.camera.as_str(), signed(row.from_ms), signed(row.until_ms));
    transaction.prepare_cached(put)?.execute(params![key(row.id), revision, camera, from, until])?;
    // A revision without a newer frame, such as the final one, tells nothing of the camera.
    let seen = "INSERT INTO cameras (camera, seen_ms, lag_ms) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET seen_ms = excluded.seen_ms, lag_ms = excluded.lag_ms WHERE excluded.seen_ms > coalesce(seen_ms, 0)";
    let lag = signed(record.arrival_ms.saturating_sub(row.until_ms));
    transaction.prepare_cached(seen)?.execute(params![camera, until, lag])?;
    Ok(())
}

/// How well a camera is captured; pictures are a sign of life.
pub(super) fn capture_health(transaction: &Transaction<'_>, health: &CaptureHealth) -> rusqlite::Result<()> {
    let seen = (health.state == CaptureState::Streaming && health.frames > 0).then(|| signed(health.at_ms));
    let put = "INSERT INTO cameras (camera, seen_ms, capture) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET seen_ms = nullif(max(coalesce(seen_ms, 0), coalesce(excluded.seen_ms, 0)), 0), capture = excluded.capture";
    transaction.prepare_cached(put)?.execute(params![health.camera.as_str(), seen, json(health)])?;
    Ok(())
}
