//! A filmed city, from its cameras' pictures to alerts, against what truly happened in it.
//!
//! The films are of a city that no network learnt from. Motorbikes have no plate in front, so a camera that looks at fronts cannot
//! read them; what can be read is held to the truth, symbol by symbol.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use city::Plan;
use city::film::{Film, Light};
use city::judge::{Outputs, judge};
use city::records::Class;
use serde_json::Value;

use crate::program::out;

/// A city in which somebody passes a red light, somebody drives against the direction, and wanted vehicles come by.
const SEED: u64 = 16;
const CAMERAS: usize = 2;
const SECONDS: u32 = 30;

#[test]
fn of_what_is_filmed_the_alerts_are_told_that_are_true_and_no_others() {
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        assert!(std::env::var_os("REQUIRE_LIVE").is_none_or(|v| v != "1"), "REQUIRE_LIVE=1, but there is no ffmpeg");
        println!("skipped: there is no ffmpeg");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let film = Film::of(&Plan::filmed(SEED, CAMERAS, SECONDS), Light::Day);
    film.write(folder.path(), &|| ()).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (local, told) = (folder.path().join("city.db"), folder.path().join("told"));
    let perceive = concat!(env!("CARGO_MANIFEST_DIR"), "/definitions/perceive-drawn.yaml");
    let said = out(&["demo", "--film", &text(folder.path()), "--perceive", perceive, "--local", &text(&local)]);
    let (seen, sheet) = (folder.path().join("city/seen"), folder.path().join("city/evidence/contact-sheet.png"));
    assert!(said.contains("contact-sheet.png"), "{said}");
    assert!(std::fs::read(&sheet).unwrap().starts_with(b"\x89PNG"));
    // What the store holds is what files hold: the same job over what was seen, as a recording.
    out(&["run", "city", "--input", &text(&seen), "--output", &text(&told)]);
    let alerts = stand(&std::fs::read_to_string(told.join("alerts.ndjson")).unwrap());
    assert!(said.contains(&format!("\n{} alerts\n", alerts.len())), "{} alerts in files, in the store: {said}", alerts.len());

    let truth = &film.recording().truth;
    let score = judge(truth, &film.recording().city, &Outputs::read(&told).unwrap());
    println!("{}", serde_json::to_string(&score).unwrap());
    assert!(score.sightings.recall >= Some(0.95) && score.sightings.precision >= Some(0.95), "{:?}", score.sightings);
    for (rule, score) in [("red_light", &score.red_light), ("wrong_way", &score.wrong_way), ("cloned_plate", &score.cloned_plate)] {
        assert!(score.recall.is_none_or(|recall| recall == 1.0), "{rule}: {score:?}");
        assert!(score.precision.is_none_or(|precision| precision == 1.0), "{rule}: {score:?}");
    }
    assert!(score.red_light.truth + score.wrong_way.truth > 0, "there is something to find");
    assert!(score.section_speed.rule.precision.is_none_or(|precision| precision == 1.0), "{:?}", score.section_speed);

    let readable: BTreeSet<&str> =
        truth.vehicles.iter().filter(|v| v.readable && v.class != Class::Motorbike).map(|v| v.plate.as_str()).collect();
    let read: BTreeSet<String> = stand(&std::fs::read_to_string(told.join("sightings.ndjson")).unwrap())
        .values()
        .filter_map(|row| row["plate"]["text"].as_str().map(str::to_owned))
        .collect();
    let passed: BTreeSet<&str> =
        truth.passages.iter().filter(|p| p.stop_ms.is_some()).map(|p| p.plate.as_str()).filter(|p| readable.contains(p)).collect();
    let exact = passed.iter().filter(|plate| read.contains(**plate)).count();
    assert!(passed.len() >= 5 && exact == passed.len(), "{exact} of {} plates: {read:?}, not {passed:?}", passed.len());
    // A wanted plate that was read is told, and no other is.
    let wanted: BTreeSet<&str> = truth.hotlist_hits.iter().map(|hit| hit.plate.as_str()).filter(|p| passed.contains(p)).collect();
    let told: BTreeSet<&str> =
        alerts.values().filter(|row| row["rule"] == "hotlist").filter_map(|row| row["plate"]["text"].as_str()).collect();
    assert_eq!(told, wanted);

    // The pictures go into a package of evidence too.
    let (key, package) = (folder.path().join("own.key"), folder.path().join("evidence.zip"));
    let public = out(&["evidence", "key", &text(&key)]);
    let (id, _) = alerts.iter().find(|(_, row)| row["rule"] == "red_light" || row["rule"] == "wrong_way").expect("an alert that was seen");
    let map = text(&seen.join("city.json"));
    let more = ["--reason", "objection", "--case", "7", "--output", &text(&package), "--json"];
    let told = out(&[&["evidence", id, "--local", &text(&local), "--city", &map, "--key", &text(&key)], &more[..]].concat());
    let stills = serde_json::from_str::<Value>(&told).unwrap()["manifest"]["stills"].take();
    assert!(stills[0]["original"]["sha256"].is_string() && stills[0]["records"]["offsets"][0].is_u64(), "{stills}");
    let whole = out(&["evidence", "verify", &text(&package), "--trust", public.trim(), "--json"]);
    let files = serde_json::from_str::<Value>(&whole).unwrap()["manifest"]["files"].take();
    for what in ["original", "marked"] {
        let packed = |file: &&Value| file["name"] == format!("stills/{}", stills[0][what]["file"].as_str().unwrap());
        assert_eq!(files.as_array().unwrap().iter().find(packed).unwrap()["sha256"], stills[0][what]["sha256"]);
    }
}

/// The rows of a changelog that stand.
fn stand(changelog: &str) -> BTreeMap<String, Value> {
    let rows = changelog.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut all: BTreeMap<String, Value> = rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect();
    all.retain(|_, row| row["status"] != "withdrawn");
    all
}
