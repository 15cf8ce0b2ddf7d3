//! How the cameras are.

use std::collections::BTreeMap;

use engine::access::Grant;
use engine::values;
use engine::view::{Sql, SqlError};
use schemas::{Alert, Name, Revised};
use serde_json::{Value, json};

use super::sight::Sight;

/// What is known of a camera.
#[derive(Default)]
struct Known {
    seen_ms: Option<u64>,
    lag_ms: Option<u64>,
    capture: Option<String>,
}

/// The cameras of the map, and those that were seen without being on it, by name.
pub(super) fn list(sql: &dyn Sql, sight: &Sight, grant: &Grant) -> Result<Vec<Value>, SqlError> {
    let mut cameras: BTreeMap<Name, Known> = sight.cameras().map(|(camera, _)| (camera, Known::default())).collect();
    for row in sql.query("SELECT camera, seen_ms, lag_ms, capture FROM cameras", &[])? {
        let (camera, known) = (row.get::<String>(0)?, Known { seen_ms: row.get(1)?, lag_ms: row.get(2)?, capture: row.get(3)? });
        if let Ok(camera) = camera.parse() {
            cameras.insert(camera, known);
        }
    }
    let mut shown = Vec::new();
    for (camera, known) in cameras.into_iter().filter(|(camera, _)| sight.shows(grant, *camera)) {
        let silent = silent_since(sql, camera, known.seen_ms)?;
        let capture: Option<Value> = known.capture.and_then(|text| serde_json::from_str(&text).ok());
        shown.push(json!({
            "camera": camera, "centre": sight.centre(camera), "seen_ms": known.seen_ms, "lag_ms": known.lag_ms,
            "silent": silent.is_some(), "silent_since_ms": silent, "capture": capture,
        }));
    }
    Ok(shown)
}

/// Since when a camera is silent: `camera_silent` says so, its silence has not ended, and nothing was seen by it since.
fn silent_since(sql: &dyn Sql, camera: Name, seen_ms: Option<u64>) -> Result<Option<u64>, SqlError> {
    let newest = "SELECT row FROM alert_cameras JOIN alerts ON id = alert
        WHERE camera = ?1 AND alert_cameras.rule = 'camera_silent' AND status <> 'withdrawn' ORDER BY alert_cameras.at_ms DESC LIMIT 1";
    let text: Option<String> = sql.first(newest, values![camera.as_str()])?.map(|row| row.get(0)).transpose()?;
    let Some(alert) = text.and_then(|text| serde_json::from_str::<Revised<Alert>>(&text).ok()) else { return Ok(None) };
    let last_frame_ms = alert.row.evidence.first().map_or(alert.row.at_ms, |evidence| evidence.at_ms);
    // While it lasts the alert tells the limit; once the camera is back, how long it was.
    let lasts = alert.row.measured.get("silent_ms") == alert.row.limit.get("silent_ms");
    Ok((lasts && seen_ms.is_none_or(|seen| seen <= last_frame_ms)).then_some(last_frame_ms))
}
