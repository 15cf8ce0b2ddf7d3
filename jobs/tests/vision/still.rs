//! Evidence: the pictures that an alert rests on, cut out of a real store.

use std::path::Path;
use std::process::Command;

use engine::transport::local::LocalTransport;
use engine::transport::{NewRecord, TopicStore as _};
use serde_json::{Value, json};

use crate::program::{giaolo, out, recording};

/// 2026-01-01T07:00:00Z.
const SEVEN_MS: u64 = 1_767_250_800_000;
const CITY: &str = r#"{"name": "a road", "centres": ["west"], "links": [], "sections": [], "cameras": [{
    "id": "c1", "centre": "west", "lon_e7": 1055981344, "lat_e7": 213071417, "heading_deg": 0, "fps": 25, "clock_error_ms": 50,
    "ground": [{"pixel": [0, 0], "cm": [-390, -690]}, {"pixel": [160, 0], "cm": [-390, 690]},
               {"pixel": [0, 120], "cm": [390, -690]}, {"pixel": [160, 120], "cm": [390, 690]}],
    "lanes": [{"id": 0, "from_x": 0, "to_x": 80, "head": null}, {"id": 1, "from_x": 80, "to_x": 160, "head": null}], "zones": [],
    "lines": [{"id": "stop", "kind": "stop_line", "from": [0, 80], "to": [160, 80]}]}]}"#;

fn write(store: &Path, topic: &str, rows: &[Value]) {
    let store = LocalTransport::open(store).unwrap();
    store.create_topic(topic, 1).unwrap();
    let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
    let records: Vec<NewRecord<'_>> =
        rows.iter().map(|row| NewRecord { partition: 0, key: b"c1", value: Some(row.as_bytes()), arrival_ms: None }).collect();
    store.append(topic, &records).unwrap();
}

fn alert(id: &str, at_ms: u64) -> Value {
    json!({"id": id, "revision": 1, "status": "final", "rule": "red_light", "certain": true, "priority": 50, "at_ms": at_ms, "centre": "west",
        "plate": null, "journey": null, "evidence": [{"sighting": "00000000000000aa", "camera": "c1", "at_ms": at_ms}],
        "measured": {}, "limit": {}, "text": "Passed at red."})
}

/// The pixels of a file, as the program `ffmpeg` decodes it, or of one picture of a recording.
fn pixels(path: &Path, filter: &str) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(path).args(["-vf", filter, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]);
    command.output().unwrap().stdout
}

#[test]
fn an_alert_gives_its_picture_untouched_and_one_with_the_vehicle_marked() {
    let folder = tempfile::tempdir().unwrap();
    let (video, store, evidence) = (folder.path().join("c1.mp4"), folder.path().join("city.db"), folder.path().join("evidence"));
    // Key frames far apart, and pictures that change places: it must be decoded from far before, and from after it too.
    let encoder: &[&str] = &["-c:v", "libx264", "-preset", "medium", "-crf", "12", "-g", "60", "-bf", "3", "-b_strategy", "0"];
    let Some(()) = recording(&video, "160x120", 4, encoder) else { return };
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let config = folder.path().join("cameras.yaml");
    let camera = |name: &str| format!("  {name}: {{file: {}, pace: fast, begins: 2026-01-01T07:00:00Z}}\n", video.display());
    std::fs::write(&config, format!("version: 1\ncameras:\n{}{}", camera("c1"), camera("c2"))).unwrap();
    out(&["capture", &text(&config), "--local", &text(&store)]);

    // Picture 55 is taken 2.2 s after the first; two vehicles are on it, one of them on the line in lane 1.
    let at_ms = SEVEN_MS + 2_200;
    let object = |bounds: [i32; 4]| json!({"class": "car", "confidence": 900, "box": bounds});
    let seen =
        json!({"camera": "c1", "frame": SEVEN_MS + 55, "at_ms": at_ms, "objects": [object([10, 20, 40, 30]), object([100, 40, 40, 42])]});
    write(&store, "observations", &[seen]);
    let crossing = json!({"line": "stop", "at_ms": at_ms + 15, "lane": 1, "forward": true});
    write(
        &store,
        "sightings",
        &[json!({"id": "00000000000000aa", "revision": 1, "status": "final", "camera": "c1", "class": "car", "body": null,
        "from_ms": at_ms - 500, "until_ms": at_ms + 500, "plate": null, "crossings": [crossing], "stays": [], "speed_cms": null, "boxes": 9})],
    );
    write(
        &store,
        "alerts",
        &[
            alert("00000000000000a1", at_ms + 15),
            alert("00000000000000a2", SEVEN_MS - 60_000),
            alert("00000000000000a3", SEVEN_MS + 60_000),
        ],
    );
    let city = folder.path().join("city.json");
    std::fs::write(&city, CITY).unwrap();

    let still = |id: &str| giaolo(&["still", id, "--local", &text(&store), "--city", &text(&city), "--output", &text(&evidence), "--json"]);
    let output = still("00000000000000a1");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let one = &told["stills"][0];
    assert_eq!((&one["frame"], &one["at_ms"], &one["lane"]), (&json!(SEVEN_MS + 55), &json!(at_ms), &json!(1)));
    assert_eq!(one["box"], json!([100, 40, 40, 42]), "the vehicle on the line in the lane");
    assert!(one["records"]["offsets"].as_array().unwrap().len() > 40, "from the key frame on: {one}");

    let (original, marked) = (evidence.join("00000000000000a1-1.jpg"), evidence.join("00000000000000a1-1-marked.jpg"));
    let (original_pixels, marked_pixels) = (pixels(&original, "null"), pixels(&marked, "null"));
    let real = pixels(&video, "select=eq(n\\,55)");
    let other = pixels(&video, "select=eq(n\\,54)");
    let apart = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() as f64 / a.len() as f64;
    assert_eq!(original_pixels.len(), 160 * 120 * 3);
    assert!(apart(&original_pixels, &real) < 4.0, "{}", apart(&original_pixels, &real));
    assert!(apart(&original_pixels, &real) < apart(&original_pixels, &other), "it is that picture and not the one before");
    let at = |pixels: &[u8], x: usize, y: usize| <[u8; 3]>::try_from(&pixels[(y * 160 + x) * 3..][..3]).unwrap();
    let [blue, green, red] = at(&marked_pixels, 120, 41);
    assert!(red > 150 && blue < 110 && green < 110, "the upper edge of the box is red: {blue} {green} {red}");
    for (what, path) in [("original", &original), ("marked", &marked)] {
        let sum = Command::new("sha256sum").arg(path).output().unwrap().stdout;
        assert!(String::from_utf8(sum).unwrap().starts_with(one[what]["sha256"].as_str().unwrap()), "{what}");
    }

    let error = |id: &str| {
        let output = still(id);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert!(error("00000000000000ff").contains("there is no alert 00000000000000ff in the topic"));
    let gone = error("00000000000000a2");
    assert!(gone.contains("is not kept any more: what is kept of it begins 60000 ms later"), "{gone}");
    let never = error("00000000000000a3");
    assert!(never.contains("camera c1 sent no picture within a second of"), "{never}");
}
