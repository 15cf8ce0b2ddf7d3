//! The journeys of a plate.

use engine::access::{Grant, Scopes};
use engine::values;
use engine::view::{Sql, SqlError};
use schemas::{Id, Journey, PlateText, Revised};
use serde_json::{Value, json};

use super::alerts::{lies, parsed};
use super::intake::{key, signed};
use super::sight::Sight;

/// A vehicle's way past cameras.
struct Part {
    value: Value,
    /// When; not known where the job publishes no sightings, or they were deleted.
    span: Option<(u64, u64)>,
}

/// The journeys of vehicles with this text on their plate that overlap a span of time, oldest first, and whether there are more
/// than so many. The same text on another kind of plate is another vehicle: each says which it is.
///
/// Who is bound to centres sees the parts before their cameras, as if there were no others: neither the journey's own span and
/// revision, nor how sure it is, for all of these change with what other centres see.
pub(super) fn list(
    sql: &dyn Sql,
    sight: &Sight,
    grant: &Grant,
    plate: PlateText,
    (from_ms, until_ms): (u64, u64),
    limit: u32,
) -> Result<(Vec<Value>, bool), SqlError> {
    let overlapping = "SELECT row FROM journeys WHERE plate = ?1 AND from_ms <= ?3 AND until_ms >= ?2 ORDER BY from_ms, id";
    let mut journeys = Vec::new();
    for row in sql.query(overlapping, values![plate.to_string(), signed(from_ms), signed(until_ms)])? {
        let Some(journey) = parsed::<Revised<Journey>>(&row, 0)? else { continue };
        let whole = grant.scopes == Scopes::All;
        let parts = parts(sql, sight, grant, &journey.row)?;
        let overlaps = |part: &Part| part.span.is_some_and(|(from, until)| from <= until_ms && until >= from_ms);
        if !whole && !parts.iter().any(overlaps) {
            continue;
        }
        if journeys.len() == limit as usize {
            return Ok((journeys, true));
        }
        journeys.push(shown(&journey, &parts, whole));
    }
    Ok((journeys, false))
}

/// One journey as it may be shown; `None`: it is not there any more, or nothing of it may be seen.
pub(super) fn one(sql: &dyn Sql, sight: &Sight, grant: &Grant, id: Id) -> Result<Option<Value>, SqlError> {
    let Some(row) = sql.first("SELECT row FROM journeys WHERE id = ?1", values![key(id)])? else { return Ok(None) };
    let Some(journey) = parsed::<Revised<Journey>>(&row, 0)? else { return Ok(None) };
    let (whole, parts) = (grant.scopes == Scopes::All, parts(sql, sight, grant, &journey.row)?);
    Ok((whole || !parts.is_empty()).then(|| shown(&journey, &parts, whole)))
}

/// The parts of a journey that may be shown, in order of time.
fn parts(sql: &dyn Sql, sight: &Sight, grant: &Grant, journey: &Journey) -> Result<Vec<Part>, SqlError> {
    let mut parts = Vec::new();
    for (sighting, camera) in journey.sightings.iter().zip(&journey.cameras).filter(|(_, camera)| sight.shows(grant, **camera)) {
        let span = lies(sql, *sighting)?.map(|at| (at.from_ms, at.until_ms));
        let (from, until) = (span.map(|span| span.0), span.map(|span| span.1));
        let sighting: &Id = sighting;
        let value = json!({"sighting": sighting, "camera": camera, "centre": sight.centre(*camera), "from_ms": from, "until_ms": until});
        parts.push(Part { value, span });
    }
    Ok(parts)
}

fn shown(journey: &Revised<Journey>, parts: &[Part], whole: bool) -> Value {
    let Revised { revision, status, row } = journey;
    let spans = || parts.iter().filter_map(|part| part.span);
    let (from, until) = match whole {
        true => (Some(row.from_ms), Some(row.until_ms)),
        false => (spans().map(|span| span.0).min(), spans().map(|span| span.1).max()),
    };
    let plate = row.plate.map(|plate| plate.key());
    json!({
        "id": row.id, "plate": plate, "from_ms": from, "until_ms": until,
        "revision": whole.then_some(revision), "status": whole.then_some(status), "certainty": whole.then_some(row.certainty),
        "parts": parts.iter().map(|part| &part.value).collect::<Vec<_>>(),
    })
}
