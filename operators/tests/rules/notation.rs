//! A short notation for records: JSON with everything left out that a test does not care for.

use std::sync::Arc;

use operators::city::Itinerary;
use operators::{Arrived, Observed};
use schemas::{
    Acknowledgement, Alert, Assignment, City, Confidence, Crossing, Evidence, Id, Name, NearUnit, Plate, PlateColour, PlateKind, PlateText,
    Quantities, Sighting,
};
use serde_json::{Value, json};

use crate::dataflow::Record;

/// A kilometre of the equator, 1e-7 degrees.
pub(crate) const KM_E7: i32 = 89_932;

/// Four cameras in a row on the equator, a kilometre apart; `d`'s clock may be wrong by a second.
pub(crate) fn city() -> City {
    let camera = |id: &str, centre: &str, clock_error_ms: u32| {
        let lon_e7 = i32::from(id.as_bytes()[0] - b'a') * KM_E7;
        json!({
            "id": id, "centre": centre, "lon_e7": lon_e7, "lat_e7": 0, "heading_deg": 0, "fps": 5, "clock_error_ms": clock_error_ms, "ground": [],
            "lanes": [{"id": 0, "from_x": 0, "to_x": 40, "head": format!("{id}/0")}, {"id": 1, "from_x": 40, "to_x": 80, "head": null}],
            "lines": [{"id": "stop", "kind": "stop_line", "from": [0, 500], "to": [80, 500]},
                      {"id": "beyond", "kind": "conflict_line", "from": [0, 560], "to": [80, 560]}],
            "zones": [{"id": "shoulder", "kind": "no_stopping", "limit_ms": 60000, "polygon": []}],
        })
    };
    let link = |from: &str, to: &str| json!({"from": from, "to": to, "length_cm": 100_000, "adjacent": true});
    let city = json!({
        "name": "row", "centres": ["west", "east"],
        "cameras": [camera("a", "west", 50), camera("b", "west", 50), camera("c", "east", 50), camera("d", "east", 1000)],
        "links": [link("a", "b"), link("b", "c"), link("c", "d"), link("b", "a"), link("c", "b"), link("d", "c")],
        "sections": [{"id": "a-b", "from": "a", "to": "b", "length_cm": 100_000, "limit_kmh": 50},
                     {"id": "b-d", "from": "b", "to": "d", "length_cm": 200_000, "limit_kmh": 50}],
    });
    serde_json::from_value(city).expect("a city")
}

/// Reads `noun {json}`.
pub(crate) fn record(line: &str) -> Record {
    let (noun, rest) = line.split_once(' ').expect("a noun and its JSON");
    let value: Value = serde_json::from_str(rest).unwrap_or_else(|e| panic!("{e} in {rest}"));
    match noun {
        "sighting" => Record::Sighting(sighting(&value)),
        "journey" => Record::Journey(journey(&value)),
        "signal" => Record::Signal(serde_json::from_value(value).expect("a signal")),
        "entry" => Record::Entry(serde_json::from_value(value).expect("an entry")),
        "alert" => Record::Alert(alert(number(&value, "id"), text(&value, "camera"), number(&value, "at"))),
        "assigned" => {
            let alert = alert(number(&value, "id"), text(&value, "camera"), number(&value, "at"));
            let units = value["units"].as_array().expect("units").iter().map(|unit| unit.as_str().expect("a name"));
            Record::Assigned(assigned(alert, &units.collect::<Vec<_>>()))
        }
        "acknowledged" => {
            let (alert, who, at_ms) = (Id(number(&value, "id")), text(&value, "who").to_owned(), number(&value, "at"));
            Record::Acknowledged(Acknowledgement { alert, revision: 1, who, at_ms })
        }
        "patrol" => Record::Patrol(serde_json::from_value(value).expect("a patrol")),
        "frame" => {
            Record::Frame(frame(number(&value, "part") as u32, number(&value, "offset"), text(&value, "camera"), number(&value, "at")))
        }
        "observed" => Record::Observed(observed(number(&value, "part") as u32, number(&value, "until"))),
        other => panic!("no noun {other}"),
    }
}

/// What a rule might tell of a camera.
pub(crate) fn alert(id: u64, camera: &str, at_ms: u64) -> Alert {
    let camera = Name::of(camera);
    Alert {
        id: Id(id),
        rule: Name::of("test"),
        certain: true,
        priority: 50,
        at_ms,
        centre: Name::of("west"),
        plate: None,
        journey: None,
        // The last is where it is, in whatever order they stand.
        evidence: [(camera, at_ms), (Name::of("d"), at_ms - 1)].map(|(camera, at_ms)| Evidence { sighting: None, camera, at_ms }).to_vec(),
        measured: Quantities::default(),
        limit: Quantities::default(),
        text: String::new(),
    }
}

/// An alert with the units that are nearest, each a kilometre further away than the one before.
pub(crate) fn assigned(alert: Alert, units: &[&str]) -> Assignment {
    let near = |(unit, number): (&&str, u64)| NearUnit {
        unit: Name::of(unit),
        distance_cm: number * 100_000,
        by_road: false,
        seen_ms: alert.at_ms,
    };
    let units: Vec<NearUnit> = units.iter().zip(1..).map(near).collect();
    Assignment { id: alert.id, unit: units.first().map(|near| near.unit), units, unanswered: Vec::new(), alert }
}

/// One frame without objects.
pub(crate) fn frame(partition: u32, offset: u64, camera: &str, at_ms: u64) -> Arrived<schemas::Observation> {
    let record = schemas::Observation { camera: Name::of(camera), frame: offset, at_ms, objects: Arc::default(), received_ms: None };
    Arrived { place: place(partition, offset), record }
}

/// How far a partition has been observed.
pub(crate) fn observed(partition: u32, until_ms: u64) -> Observed {
    Observed { place: place(partition, 0), until_ms }
}

fn place(partition: u32, offset: u64) -> schemas::Place {
    schemas::Place { topic: Name::of("observations"), partition, offset }
}

fn journey(value: &Value) -> Arc<Itinerary> {
    let sightings: Vec<Arc<Sighting>> = value["sightings"].as_array().expect("sightings").iter().map(sighting).collect();
    itinerary(
        number(value, "id"),
        value.get("plate").and_then(Value::as_str).map(plate),
        value["certainty"].as_u64().unwrap_or(999) as u16,
        sightings,
    )
}

/// A journey of these sightings.
pub(crate) fn itinerary(id: u64, plate: Option<Plate>, certainty: u16, sightings: Vec<Arc<Sighting>>) -> Arc<Itinerary> {
    let journey = schemas::Journey {
        id: Id(id),
        plate,
        sightings: sightings.iter().map(|s| s.id).collect(),
        cameras: sightings.iter().map(|s| s.camera).collect(),
        from_ms: sightings.iter().map(|s| s.from_ms).min().unwrap_or(0),
        until_ms: sightings.iter().map(|s| s.until_ms).max().unwrap_or(0),
        certainty,
    };
    let certainties = vec![certainty; sightings.len().saturating_sub(1)];
    Arc::new(Itinerary { journey: Arc::new(journey), sightings, certainties })
}

/// `{"id", "camera", "from", "until", "stop", "beyond", "lane", "back": {line: at}, "plate", "speed", "against", "stays"}`.
fn sighting(value: &Value) -> Arc<Sighting> {
    let at = |name: &str| value.get(name).and_then(Value::as_u64);
    let lane = at("lane").map(|lane| lane as u32);
    let forward = ["stop", "beyond"].into_iter().filter_map(|line| Some(crossing(line, at(line)?, lane, true)));
    let back = value.get("back").and_then(Value::as_object).into_iter().flatten();
    let mut crossings: Vec<Crossing> =
        forward.chain(back.map(|(line, at)| crossing(line, at.as_u64().expect("a time"), lane, false))).collect();
    crossings.sort_by_key(|c| c.at_ms);
    let from_ms = at("from").or(crossings.first().map(|c| c.at_ms)).unwrap_or(0);
    let until_ms = at("until").or(crossings.last().map(|c| c.at_ms)).unwrap_or(from_ms);
    Arc::new(Sighting {
        id: Id(number(value, "id")),
        camera: Name::of(text(value, "camera")),
        class: schemas::Class::Car,
        body: None,
        from_ms,
        until_ms,
        plate: value.get("plate").and_then(Value::as_str).map(plate),
        crossings,
        stays: value.get("stays").map_or_else(Vec::new, |stays| serde_json::from_value(stays.clone()).expect("stays")),
        speed_cms: at("speed").map(|speed| speed as u32),
        boxes: 10,
        against_cm: at("against").map(|against| against as u32),
        against_from_ms: at("against_from"),
    })
}

/// A vehicle that passed a camera's stop line.
pub(crate) fn passed(id: u64, camera: &str, at_ms: u64, plate: Option<Plate>) -> Arc<Sighting> {
    let mut passed = Arc::unwrap_or_clone(sighting(&json!({"id": id, "camera": camera, "stop": at_ms, "lane": 0})));
    passed.plate = plate;
    Arc::new(passed)
}

fn crossing(line: &str, at_ms: u64, lane: Option<u32>, forward: bool) -> Crossing {
    Crossing { line: Name::of(line), at_ms, lane, forward }
}

/// `8B!A12345` is a car's white plate in which the `B` is doubtful (700 permille, all others 999).
pub(crate) fn plate(text: &str) -> Plate {
    let mut symbols: Vec<u8> = Vec::new();
    let mut confidence: Vec<u16> = Vec::new();
    for symbol in text.bytes() {
        match (symbol, confidence.last_mut()) {
            (b'!', Some(last)) => *last = 700,
            _ => {
                symbols.push(symbol);
                confidence.push(999);
            }
        }
    }
    let text = PlateText::of_symbols(&symbols).expect("a plate");
    Plate { text, kind: PlateKind::Car, colour: PlateColour::White, confidence: Confidence::of(&confidence).expect("confidences") }
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).map_or(0, |v| v.as_u64().unwrap_or_else(|| panic!("{name} is no number")))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is missing"))
}

/// A vehicle that passed a camera's stop line, and then its conflict line, in lane 0.
pub(crate) fn way(id: u64, camera: &str, stop_ms: u64, beyond_ms: u64) -> Arc<Sighting> {
    sighting(&json!({"id": id, "camera": camera, "stop": stop_ms, "beyond": beyond_ms, "lane": 0}))
}
