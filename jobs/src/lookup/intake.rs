//! What comes in: records become rows. A revision that is not newer than what stands changes nothing.

use engine::values;
use engine::view::{Committed, Sql, SqlError};
use schemas::{Acknowledgement, Alert, CaptureHealth, CaptureState, Decision, Id, Journey, Review, Revised, Sighting, Status};

use super::retention;

/// A moment as databases keep it.
pub(super) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// An id as databases keep it.
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
fn next_change(sql: &dyn Sql) -> Result<i64, SqlError> {
    sql.one("UPDATE state SET change = change + 1 RETURNING change", &[])
}

/// An alert stays when it is withdrawn, and says so.
pub(super) fn alert(sql: &dyn Sql, record: &Committed<'_>, alert: &Revised<Alert>) -> Result<(), SqlError> {
    let Revised { revision, status, row } = alert;
    let id = key(row.id);
    let stands = "SELECT revision FROM alerts WHERE id = ?1";
    let before: Option<u32> = sql.first(stands, values![id])?.map(|row| row.get(0)).transpose()?;
    if before >= Some(*revision) {
        return Ok(());
    }
    let change = next_change(sql)?;
    let put = r#"INSERT INTO alerts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, status = excluded.status, rule = excluded.rule,
            centre = excluded.centre, at_ms = excluded.at_ms, changed_ms = excluded.changed_ms, change = excluded.change,
            partition = excluded.partition, "offset" = excluded."offset", row = excluded.row"#;
    let (rule, centre, at_ms) = (row.rule.as_str(), row.centre.as_str(), signed(row.at_ms));
    let (arrival_ms, offset) = (signed(record.arrival_ms), signed(record.offset));
    let values = values![id, *revision, name(*status), rule, centre, at_ms, arrival_ms, change, record.partition, offset, json(alert)];
    sql.execute(put, values)?;
    sql.execute("INSERT INTO alert_centres VALUES (?1, ?2) ON CONFLICT DO NOTHING", values![id, centre])?;
    sql.execute("DELETE FROM alert_cameras WHERE alert = ?1", values![id])?;
    sql.execute("DELETE FROM hits WHERE alert = ?1", values![id])?;
    for evidence in &row.evidence {
        let camera = "INSERT INTO alert_cameras VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        sql.execute(camera, values![evidence.camera.as_str(), rule, at_ms, id])?;
    }
    if *status == Status::Withdrawn {
        // What it rested on may be no hit any more.
        let oldest = row.evidence.iter().map(|evidence| evidence.at_ms).chain([row.at_ms]).min().unwrap_or(0);
        return retention::look_again(sql, &["alert", "journey", "sighting"], oldest);
    }
    let sightings = row.evidence.iter().filter_map(|evidence| evidence.sighting).map(|sighting| ("sighting", sighting));
    for (kind, hit) in sightings.chain(row.journey.map(|journey| ("journey", journey))) {
        let keep = "INSERT INTO hits VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        sql.execute(keep, values![kind, key(hit), id])?;
    }
    Ok(())
}

/// Of the reviews of an alert the newest stands.
pub(super) fn review(sql: &dyn Sql, review: &Review) -> Result<(), SqlError> {
    let put = "INSERT INTO reviews VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (alert) DO UPDATE SET decision = excluded.decision, at_ms = excluded.at_ms, row = excluded.row
            WHERE excluded.at_ms >= reviews.at_ms";
    let decision = match review.decision {
        Decision::Confirmed => "confirmed",
        Decision::Rejected => "rejected",
    };
    let values = values![key(review.alert), decision, signed(review.at_ms), json(review)];
    let changed = sql.execute(put, values)?;
    said(sql, review.alert, changed)
}

/// Of the acknowledgements of an alert the first counts.
pub(super) fn acknowledgement(sql: &dyn Sql, acknowledgement: &Acknowledgement) -> Result<(), SqlError> {
    let put = "INSERT INTO acknowledgements VALUES (?1, ?2, ?3)
        ON CONFLICT (alert) DO UPDATE SET at_ms = excluded.at_ms, row = excluded.row
            WHERE excluded.at_ms < acknowledgements.at_ms";
    let values = values![key(acknowledgement.alert), signed(acknowledgement.at_ms), json(acknowledgement)];
    let changed = sql.execute(put, values)?;
    said(sql, acknowledgement.alert, changed)
}

/// Somebody said something about an alert, which is news to who follows alerts.
fn said(sql: &dyn Sql, alert: Id, changed: u64) -> Result<(), SqlError> {
    if changed > 0 {
        let change = next_change(sql)?;
        sql.execute("UPDATE alerts SET change = ?2 WHERE id = ?1", values![key(alert), change])?;
    }
    Ok(())
}

/// A journey is asked for by its plate: without one, or withdrawn, it is not kept.
pub(super) fn journey(sql: &dyn Sql, journey: &Revised<Journey>) -> Result<(), SqlError> {
    let Revised { revision, status, row } = journey;
    let Some(plate) = row.plate.filter(|_| *status != Status::Withdrawn) else {
        sql.execute("DELETE FROM journeys WHERE id = ?1 AND revision < ?2", values![key(row.id), *revision])?;
        return Ok(());
    };
    retention::look_again(sql, &["journey"], row.until_ms)?;
    let put = "INSERT INTO journeys (id, revision, plate, from_ms, until_ms, row) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, plate = excluded.plate, from_ms = excluded.from_ms,
            until_ms = excluded.until_ms, row = excluded.row WHERE excluded.revision > journeys.revision";
    let (from, until) = (signed(row.from_ms), signed(row.until_ms));
    let values = values![key(row.id), *revision, plate.text.to_string(), from, until, json(journey)];
    sql.execute(put, values)?;
    Ok(())
}

/// Of a sighting, where and when, and where its record lies; and that its camera sees.
pub(super) fn sighting(sql: &dyn Sql, record: &Committed<'_>, sighting: &Revised<Sighting>) -> Result<(), SqlError> {
    let Revised { revision, status, row } = sighting;
    if *status == Status::Withdrawn {
        sql.execute("DELETE FROM sightings WHERE id = ?1 AND revision < ?2", values![key(row.id), *revision])?;
        return Ok(());
    }
    retention::look_again(sql, &["sighting"], row.until_ms)?;
    let put = r#"INSERT INTO sightings (id, revision, camera, from_ms, until_ms, partition, "offset") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, camera = excluded.camera, from_ms = excluded.from_ms,
            until_ms = excluded.until_ms, partition = excluded.partition, "offset" = excluded."offset"
            WHERE excluded.revision > sightings.revision"#;
    let (camera, from, until) = (row.camera.as_str(), signed(row.from_ms), signed(row.until_ms));
    sql.execute(put, values![key(row.id), *revision, camera, from, until, record.partition, signed(record.offset)])?;
    // A revision without a newer frame, such as the final one, tells nothing of the camera.
    let seen = "INSERT INTO cameras (camera, seen_ms, lag_ms) VALUES (?1, ?2, ?3)
        ON CONFLICT (camera) DO UPDATE SET seen_ms = excluded.seen_ms, lag_ms = excluded.lag_ms
            WHERE excluded.seen_ms > coalesce(cameras.seen_ms, 0)";
    let lag = signed(record.arrival_ms.saturating_sub(row.until_ms));
    sql.execute(seen, values![camera, until, lag])?;
    Ok(())
}

/// How well a camera is captured; pictures are a sign of life.
pub(super) fn capture_health(sql: &dyn Sql, health: &CaptureHealth) -> Result<(), SqlError> {
    let seen = (health.state == CaptureState::Streaming && health.frames > 0).then(|| signed(health.at_ms));
    let put = "INSERT INTO cameras (camera, seen_ms, capture) VALUES (?1, ?2, ?3)
        ON CONFLICT (camera) DO UPDATE SET capture = excluded.capture, seen_ms =
            CASE WHEN excluded.seen_ms > coalesce(cameras.seen_ms, 0) THEN excluded.seen_ms ELSE cameras.seen_ms END";
    sql.execute(put, values![health.camera.as_str(), seen, json(health)])?;
    Ok(())
}
