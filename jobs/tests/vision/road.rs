//! Thirty seconds of a real road, from the file to vehicles that cross a line, against what a person counts.
//!
//! `STRIPS=DIR cargo test -p giaolo-jobs --test vision real_road` also writes `DIR/road-1.png` and so on, one for each vehicle: its
//! pictures, with the line and the boxes that were seen.

use std::collections::BTreeMap;
use std::path::Path;

use schemas::{Observation, Revised, Sighting, Status};
use serde::de::DeserializeOwned;

use crate::program::{out, shared};
use crate::strips::Strip;

/// A vehicle as a person sees it, on a strip of two and a half pictures a second.
struct Vehicle {
    what: &'static str,
    /// Between which moments some of it is in the picture, milliseconds.
    at_ms: std::ops::Range<u64>,
    /// Between which columns its middle is.
    x: std::ops::Range<i32>,
    /// When its lower edge passes row 200, to a third of a second, and whether downwards.
    passes_ms: u64,
    down: bool,
}

/// All there are in the thirty seconds.
const VEHICLES: [Vehicle; 4] = [
    Vehicle { what: "a white one from below", at_ms: 4_300..8_300, x: 200..520, passes_ms: 7_000, down: false },
    Vehicle { what: "a silver one from above", at_ms: 14_300..18_600, x: 40..300, passes_ms: 15_700, down: true },
    Vehicle { what: "a red one from below", at_ms: 14_700..19_200, x: 300..520, passes_ms: 17_650, down: false },
    Vehicle { what: "a white one from above", at_ms: 24_900..28_100, x: 60..330, passes_ms: 26_050, down: true },
];

/// How sure a box is from which the tracker begins to follow, permille.
const CLEAR: u16 = 550;

/// One camera that looks down steeply. The red car is 183 cm wide: 165 pixels of the lowest row and 100 of the highest. It is 480 cm
/// long: from row 113 to row 409.
const CITY: &str = r#"{"name": "a road", "centres": ["west"], "links": [], "sections": [], "cameras": [{
    "id": "road", "centre": "west", "lon_e7": 1055981344, "lat_e7": 213071417, "heading_deg": 0, "fps": 12, "clock_error_ms": 50,
    "ground": [{"pixel": [0, 0], "cm": [-809, -703]}, {"pixel": [768, 0], "cm": [-809, 703]},
               {"pixel": [0, 432], "cm": [0, -416]}, {"pixel": [768, 432], "cm": [0, 416]}],
    "lanes": [], "zones": [], "lines": [{"id": "middle", "kind": "count", "from": [0, 200], "to": [768, 200]}]}]}"#;

/// The road lies in the square; pressed into one, the whole picture shows cars twice as long as they are.
const PERCEIVE: &str = "version: 1
job: perceive
sources: {frames: {kind: frames, format: bincode}}
steps:
  seen: {step: perceive, from: frames, detector: {fastestdet: {weights: WEIGHTS}}, every: 0 ms, regions: {road: [60, 0, 432, 432]}}
outputs: {observations: {from: seen}}
";

const TRACK: &str = "version: 1
job: track
sources: {observations: {kind: observations}}
steps: {vehicles: {step: track, from: observations}}
outputs: {sightings: {from: vehicles}}
";

fn lines<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs the walk in a folder: what was seen on each picture, and the vehicles that were followed.
fn walk(folder: &Path, video: &str, weights: &str) -> (Vec<Observation>, Vec<Sighting>) {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cameras = format!("version: 1\ncameras: {{road: {{file: {video}, pace: fast, begins: 2026-01-01T07:00:00Z}}}}\n");
    let (cameras, perceive) = (write("cameras.yaml", &cameras), write("perceive.yaml", &PERCEIVE.replace("WEIGHTS", weights)));
    let (track, store) = (write("track.yaml", TRACK), folder.join("frames.db"));
    let (seen, told) = (folder.join("seen"), folder.join("told"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    out(&["capture", &cameras, "--local", &text(&store)]);
    out(&["run", &perceive, "--local", &text(&store), "--output", &text(&seen), "--bounded"]);
    std::fs::write(seen.join("city.json"), CITY).unwrap();
    out(&["run", &track, "--input", &text(&seen), "--output", &text(&told)]);
    let mut sightings = BTreeMap::new();
    for sighting in lines::<Revised<Sighting>>(&told.join("sightings.ndjson")) {
        sightings.insert(sighting.row.id, sighting);
    }
    let standing = sightings.into_values().filter(|sighting| sighting.status != Status::Withdrawn);
    (lines(&seen.join("observations.ndjson")), standing.map(|sighting| sighting.row).collect())
}

#[test]
fn on_a_real_road_vehicles_are_counted_as_a_person_counts_them() {
    let (Some(video), Some(weights)) = (shared("video/car-detection.mp4"), shared("models/fastestdet.pth")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (observations, sightings) = walk(folder.path(), &video, &weights);
    if let Some(strips) = std::env::var_os("STRIPS") {
        let strip = Strip::of(&folder.path().join("frames.db"), &observations, CITY);
        for (number, vehicle) in (1..).zip(&VEHICLES) {
            strip.write(&vehicle.at_ms, &Path::new(&strips).join(format!("road-{number}.png")));
        }
    }

    assert_eq!(observations.len(), 377, "every picture is looked at");
    assert!(observations.windows(2).all(|pair| pair[0].frame + 1 == pair[1].frame && pair[0].at_ms < pair[1].at_ms));
    let mut boxes = [0; VEHICLES.len()];
    for (observation, object) in observations.iter().flat_map(|seen| seen.objects.iter().map(move |object| (seen, object))) {
        let (at_ms, x) = (observation.at_ms % 60_000, object.bounds.x + object.bounds.width / 2);
        let vehicle = VEHICLES.iter().position(|vehicle| vehicle.at_ms.contains(&at_ms) && vehicle.x.contains(&x));
        match vehicle {
            Some(vehicle) => boxes[vehicle] += u32::from(object.confidence >= CLEAR),
            // Two vehicles in one box, or a part of one.
            None => assert!(object.confidence < CLEAR, "nothing is there at {at_ms} ms: {object:?}"),
        }
    }
    for (vehicle, clear) in VEHICLES.iter().zip(boxes) {
        assert!(clear >= 8, "{}: {clear} clear boxes", vehicle.what);
    }

    let crossings: Vec<_> = sightings.iter().flat_map(|sighting| &sighting.crossings).collect();
    let mut counted = [0; VEHICLES.len()];
    for crossing in &crossings {
        let passes = |vehicle: &Vehicle| vehicle.down == crossing.forward && vehicle.passes_ms.abs_diff(crossing.at_ms % 60_000) < 500;
        let vehicle = VEHICLES.iter().position(passes).unwrap_or_else(|| panic!("nobody crosses: {crossing:?}"));
        counted[vehicle] += 1;
    }
    println!("clear boxes of each vehicle: {boxes:?}; crossings counted of each: {counted:?}");
    assert!(counted.iter().all(|times| *times <= 1), "counted twice: {crossings:?}");
    // The last one is seen clearly only when its lower edge has left the picture.
    assert!(crossings.len().abs_diff(VEHICLES.len()) <= 1, "{} crossings of {}: {crossings:?}", crossings.len(), VEHICLES.len());
}
