//! Records as jobs publish them.

use serde_json::{Value, json};

pub(crate) const BEGAN_MS: u64 = 1_767_250_800_000;

pub(crate) fn id(number: u64) -> String {
    // Spread, so that ids of all sizes come up, those with the highest bit too.
    format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

pub(crate) fn plate(text: &str, kind: &str) -> Value {
    json!({"text": text, "kind": kind, "colour": "white", "confidence": vec![990; text.chars().count()]})
}

pub(crate) fn sighting(id: &str, revision: u32, status: &str, camera: &str, from_ms: u64, until_ms: u64) -> Value {
    json!({"id": id, "revision": revision, "status": status, "camera": camera, "class": "car", "body": null, "from_ms": from_ms,
        "until_ms": until_ms, "plate": null, "crossings": [], "stays": [], "speed_cms": null, "boxes": 9, "against_cm": null,
        "against_from_ms": null})
}

/// `parts` are sightings and cameras.
pub(crate) fn journey(id: &str, revision: u32, status: &str, plate: &Value, parts: &[(&str, &str)], from_ms: u64, until_ms: u64) -> Value {
    let (sightings, cameras): (Vec<&str>, Vec<&str>) = parts.iter().copied().unzip();
    json!({"id": id, "revision": revision, "status": status, "plate": plate, "sightings": sightings, "cameras": cameras,
        "from_ms": from_ms, "until_ms": until_ms, "certainty": 940})
}

/// `evidence` are cameras, sightings and moments.
pub(crate) fn alert(id: &str, revision: u32, status: &str, rule: &str, centre: &str, at_ms: u64, evidence: &[(&str, Value, u64)]) -> Value {
    let evidence: Vec<Value> =
        evidence.iter().map(|(camera, sighting, at_ms)| json!({"sighting": sighting, "camera": camera, "at_ms": at_ms})).collect();
    let cameras: Vec<String> = evidence.iter().map(|one| one["camera"].as_str().unwrap().to_owned()).collect();
    json!({"id": id, "revision": revision, "status": status, "rule": rule, "certain": true, "priority": 60, "at_ms": at_ms,
        "centre": centre, "plate": plate("88A12345", "car"), "journey": null, "evidence": evidence, "measured": {"speed_cms": 1800},
        "limit": {"speed_cms": 1388}, "text": format!("Vehicle 88A12345 was seen at {}.", cameras.join(" and "))})
}
