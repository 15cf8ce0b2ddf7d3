//! Thirty seconds of a real road, from the file to vehicles, against what a person sees.
//!
//! The road is seen from straight above, which the network never was taught: it sees each vehicle on some pictures only. So the
//! vehicles that cross a line are not as many as a person counts, and the test does not say so: every vehicle is seen, nothing else
//! is, and none is counted that is not there.

use std::collections::BTreeMap;
use std::path::Path;

use schemas::{Observation, Revised, Sighting, Status};
use serde::de::DeserializeOwned;

use crate::program::{out, shared};

/// A vehicle as a person sees it, on a strip of two pictures a second.
struct Vehicle {
    what: &'static str,
    /// Between which moments some of it is in the picture, milliseconds.
    at_ms: std::ops::Range<u64>,
    /// Between which columns its middle is.
    x: std::ops::Range<i32>,
}

/// All there are in the thirty seconds.
const VEHICLES: [Vehicle; 4] = [
    Vehicle { what: "a white one from below", at_ms: 4_300..8_200, x: 200..520 },
    Vehicle { what: "a silver one from above", at_ms: 14_300..18_600, x: 40..300 },
    Vehicle { what: "a red one from below", at_ms: 14_700..19_200, x: 300..520 },
    Vehicle { what: "a white one from above", at_ms: 24_900..28_100, x: 60..330 },
];

/// How sure a box is from which the tracker begins to follow, permille.
const CLEAR: u16 = 550;

/// One camera high over the road: a car of four and a half metres is 250 pixels long.
const CITY: &str = r#"{"name": "a road", "centres": ["west"], "links": [], "sections": [], "cameras": [{
    "id": "road", "centre": "west", "lon_e7": 1055981344, "lat_e7": 213071417, "heading_deg": 0, "fps": 12, "clock_error_ms": 50,
    "ground": [{"pixel": [0, 0], "cm": [-390, -690]}, {"pixel": [768, 0], "cm": [-390, 690]},
               {"pixel": [0, 432], "cm": [390, -690]}, {"pixel": [768, 432], "cm": [390, 690]}],
    "lanes": [], "zones": [], "lines": [{"id": "far", "kind": "count", "from": [0, 100], "to": [768, 100]}]}]}"#;

const PERCEIVE: &str = "version: 1
job: perceive
sources: {frames: {kind: frames, format: bincode}}
steps:
  seen: {step: perceive, from: frames, detector: {fastestdet: {weights: WEIGHTS}}, every: 0 ms}
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

#[test]
fn on_a_real_road_every_vehicle_is_seen_and_nothing_else_is() {
    let (Some(video), Some(weights)) = (shared("video/car-detection.mp4"), shared("models/fastestdet.pth")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cameras = format!("version: 1\ncameras: {{road: {{file: {video}, pace: fast, begins: 2026-01-01T07:00:00Z}}}}\n");
    let (cameras, perceive) = (write("cameras.yaml", &cameras), write("perceive.yaml", &PERCEIVE.replace("WEIGHTS", &weights)));
    let (track, store) = (write("track.yaml", TRACK), folder.path().join("frames.db"));
    let (seen, told) = (folder.path().join("seen"), folder.path().join("told"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    out(&["capture", &cameras, "--local", &text(&store)]);
    out(&["run", &perceive, "--local", &text(&store), "--output", &text(&seen), "--bounded"]);
    std::fs::write(seen.join("city.json"), CITY).unwrap();
    out(&["run", &track, "--input", &text(&seen), "--output", &text(&told)]);

    let observations: Vec<Observation> = lines(&seen.join("observations.ndjson"));
    assert_eq!(observations.len(), 377, "every picture is looked at");
    assert!(observations.windows(2).all(|pair| pair[0].frame + 1 == pair[1].frame && pair[0].at_ms < pair[1].at_ms));
    let mut boxes = [(0, 0); VEHICLES.len()];
    for (observation, object) in observations.iter().flat_map(|seen| seen.objects.iter().map(move |object| (seen, object))) {
        let (at_ms, x) = (observation.at_ms % 60_000, object.bounds.x + object.bounds.width / 2);
        let vehicle = VEHICLES.iter().position(|vehicle| vehicle.at_ms.contains(&at_ms) && vehicle.x.contains(&x));
        let vehicle = vehicle.unwrap_or_else(|| panic!("nothing is there at {at_ms} ms: {object:?}"));
        boxes[vehicle].0 += 1;
        boxes[vehicle].1 += u32::from(object.confidence >= CLEAR);
    }
    for (vehicle, (all, clear)) in VEHICLES.iter().zip(boxes) {
        assert!(all >= 8 && clear >= 2, "{}: {all} boxes, {clear} of them clear", vehicle.what);
    }
    let mut counted = BTreeMap::new();
    for sighting in lines::<Revised<Sighting>>(&told.join("sightings.ndjson")) {
        counted.insert(sighting.row.id, sighting);
    }
    counted.retain(|_, sighting| sighting.status != Status::Withdrawn);
    assert!((1..=VEHICLES.len()).contains(&counted.len()), "{counted:?}");
    println!("boxes of each vehicle, and clear ones: {boxes:?}; {} of {} counted on the line", counted.len(), VEHICLES.len());
}
