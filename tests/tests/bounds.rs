//! Bounds in time are exact: what lies within is told, what lies without is not.

use std::collections::BTreeMap;
use std::sync::Arc;

use city::records::{HotlistEntry, Observation};
use city::{Plan, Recording, simulate};
use engine::transport::Transport;
use serde_json::Value;

use crate::product::{Told, in_memory, job, remembering, replay};

/// The moments at which a wanted plate was told to have passed, in the alerts that stand.
fn told_ms(recording: &Recording, plate: &str) -> Vec<i64> {
    let table = replay(recording, |_| ()).table("alerts");
    let of = |row: &&serde_json::Map<String, Value>| row["rule"] == "hotlist" && row["plate"]["text"] == plate;
    let evidence = |row: &serde_json::Map<String, Value>| row["evidence"].as_array().cloned().unwrap_or_default();
    let rows: Vec<_> = table.standing().into_values().filter(of).flat_map(evidence).collect();
    let mut moments: Vec<i64> = rows.iter().filter_map(|evidence| evidence["at_ms"].as_i64()).collect();
    moments.sort_unstable();
    moments
}

/// The job itself says when a vehicle passed; an entry that begins or ends at that very moment must tell or not tell it.
#[test]
fn an_entry_of_the_hotlist_holds_from_its_first_moment_to_before_its_last() {
    let recording = simulate(&Plan::new(3, 8, 300).clean());
    let passed = recording.hotlist.iter().map(|entry| (entry, told_ms(&recording, &entry.plate)));
    let (entry, moments) = passed.max_by_key(|(_, moments)| moments.len()).unwrap();
    let (first, last) = (moments[0], moments[moments.len() - 1]);
    assert!(first < last, "it passed twice: {moments:?}");
    let with = |from_ms: i64, until_ms: i64| {
        let hotlist = vec![HotlistEntry { from_ms, until_ms, ..entry.clone() }];
        told_ms(&Recording { hotlist, ..recording.clone() }, &entry.plate)
    };
    assert_eq!(with(first, last + 1), moments);
    assert_eq!(with(first + 1, last + 1), moments[1..]);
    assert_eq!(with(first, last), moments[..moments.len() - 1]);
}

/// The most time between two sightings in a row of one journey, by when the vehicle came into view.
fn longest_gap_ms(told: &Told) -> i64 {
    let (sightings, journeys) = (told.table("sightings"), told.table("journeys"));
    let began: BTreeMap<&str, i64> = sightings.standing().iter().map(|(id, row)| (*id, row["from_ms"].as_i64().unwrap())).collect();
    let gaps = |row: &serde_json::Map<String, Value>| -> i64 {
        let at: Vec<i64> = row["sightings"].as_array().unwrap().iter().map(|id| began[id.as_str().unwrap()]).collect();
        at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
    };
    journeys.standing().into_values().map(gaps).max().unwrap_or(0)
}

#[test]
fn a_vehicle_that_comes_back_after_the_window_is_on_another_journey() {
    // Everybody drives the same way once more, ten minutes later.
    let mut recording = simulate(&Plan::new(6, 6, 180));
    let again = recording.observations.clone().into_iter().map(|o| Observation {
        frame: o.frame + 100_000,
        at_ms: o.at_ms + 600_000,
        received_ms: o.received_ms + 600_000,
        ..o
    });
    let again: Vec<Observation> = again.collect();
    recording.observations.extend(again);
    let with = |window: &str| {
        let memory = in_memory(&recording);
        let place: Arc<dyn Transport> = Arc::new(memory.clone());
        assert!(job(&remembering("15 min", window), &recording.city, &place, &place).run(&mut |_| ()).unwrap().finished);
        longest_gap_ms(&Told::in_memory(&memory))
    };
    let (long_ms, short_ms) = (with("30 min"), with("5 min"));
    assert!(long_ms > 400_000 && short_ms <= 300_000, "{long_ms} and {short_ms} ms");
}
