//! Dataflows against recomputation: whatever comes late, is taken back, or is cut into other moments and spread over more
//! workers, the table that stands in the end is what a plain loop over all that stands says.
//!
//! The loops here are written from the rules' definitions and share no code with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use operators::city::Itinerary;
use proptest::prelude::*;
use schemas::{Acknowledgement, Alert, HotlistEntry, Name, Patrol, PlateKind, Signal, SignalState};

use crate::dataflow::{Change, Record, Rule, run, standing};
use crate::notation::{KM_E7, alert, assigned, city, frame, itinerary, observed, passed, plate, way};

/// Tells a rule about all records in the order given, some of them first wrongly added and taken back, a few at a moment.
fn told(rule: &str, records: &[Record], passing: &[Record], per_moment: usize, workers: usize) -> Vec<Alert> {
    let half = records.len() / 2;
    let come = |record: &Record| (record.clone(), 1);
    let mut order: Vec<(Record, isize)> = records[..half].iter().chain(passing).map(come).collect();
    order.extend(passing.iter().map(|record| (record.clone(), -1)));
    order.extend(records[half..].iter().map(come));
    let changes: Vec<Change> =
        order.into_iter().enumerate().map(|(i, (record, diff))| ((i / per_moment) as u64 + 1, record, diff)).collect();
    let rule = Rule { name: rule.to_owned(), parameters: serde_json::json!({}) };
    standing(&run(&rule, &city(), &changes, workers))
}

fn measured(alert: &Alert, name: &str) -> i64 {
    alert.measured.get(name).expect("measured")
}

fn times(alert: &Alert) -> Vec<u64> {
    alert.evidence.iter().map(|e| e.at_ms).collect()
}

const PLATES: [&str; 8] = ["88A12345", "8BA12345", "8B!A12345", "88A1234!S", "88A1234S", "88A!12345", "30A12345", "3!0A12345"];

prop_compose! {
    fn journeys(most: usize)(seen in prop::collection::vec((0usize..PLATES.len(), prop::collection::vec((0usize..4, 0u64..80_000), 1..4)), 0..most)) -> Vec<Arc<Itinerary>> {
        let journey = |(id, (text, seen)): (usize, (usize, Vec<(usize, u64)>))| {
            let mut seen = seen;
            seen.sort_by_key(|(_, at_ms)| *at_ms);
            let plate = plate(PLATES[text]);
            let sighting = |(i, (camera, at_ms)): (usize, (usize, u64))| {
                passed((id * 10 + i) as u64, ["a", "b", "c", "d"][camera], at_ms, Some(plate))
            };
            itinerary(id as u64, Some(plate), 999, seen.into_iter().enumerate().map(sighting).collect())
        };
        seen.into_iter().enumerate().map(journey).collect()
    }
}

prop_compose! {
    fn entries()(listed in prop::collection::btree_map((0usize..2, 0usize..4), (0u64..40_000, 1u64..60_000, 0u8..100), 0..5)) -> Vec<HotlistEntry> {
        let texts = ["88A12345", "8BA12345", "88A1234S", "30A12345"];
        listed.into_iter().map(|((list, text), (from_ms, lasts_ms, priority))| HotlistEntry {
            list: Name::of(["stolen", "wanted"][list]), plate: texts[text].parse().unwrap(), kind: PlateKind::Car, priority,
            reason: String::new(), from_ms, until_ms: from_ms + lasts_ms, deleted: false,
        }).collect()
    }
}

/// (list, plate, journey, certain, differences, times): written from the tiers, one symbol at a time.
fn hits(journeys: &[Arc<Itinerary>], entries: &[HotlistEntry]) -> BTreeSet<(String, String, u64, bool, i64, Vec<u64>)> {
    let alike = ["8B", "5S", "A4"];
    let mut hits = BTreeSet::new();
    for (journey, entry) in journeys.iter().flat_map(|j| entries.iter().map(move |e| (j, e))) {
        let plate = journey.journey.plate.expect("a plate");
        let (read, wanted) = (plate.text.to_string(), entry.plate.to_string());
        let different: Vec<usize> = (0..8).filter(|i| read.as_bytes()[*i] != wanted.as_bytes()[*i]).collect();
        let confidence = plate.confidence.values();
        let (certain, found) = match different[..] {
            [] => (confidence.iter().all(|c| *c == 999), true),
            [i] => {
                let pair = [read.as_bytes()[i] as char, wanted.as_bytes()[i] as char];
                (false, confidence[i] == 700 && alike.iter().any(|p| pair.iter().all(|s| p.contains(*s))))
            }
            _ => (false, false),
        };
        let times: Vec<u64> =
            journey.sightings.iter().map(|s| s.crossings[0].at_ms).filter(|at| entry.from_ms <= *at && *at < entry.until_ms).collect();
        if found && !times.is_empty() {
            hits.insert((entry.list.to_string(), wanted, journey.journey.id.0, certain, different.len() as i64, times));
        }
    }
    hits
}

/// Every pair of one plate at two cameras, each kilometre of which takes 22.5 s at 160 km/h.
fn clones(journeys: &[Arc<Itinerary>]) -> BTreeMap<String, (Vec<u64>, bool)> {
    let error = |camera: &str| if camera == "d" { 1_100i128 } else { 150 };
    let mut pairs: BTreeMap<String, Vec<[(i128, u64); 2]>> = BTreeMap::new();
    let sure = journeys.iter().filter(|j| j.journey.plate.expect("a plate").confidence.values().iter().all(|c| *c == 999));
    let seen: Vec<_> =
        sure.flat_map(|j| j.sightings.iter().map(move |s| (j.journey.plate.expect("a plate").text.to_string(), s))).collect();
    for ((text, s), (other, t)) in seen.iter().flat_map(|s| seen.iter().map(move |t| (s, t))) {
        let (at, then) = (i128::from(s.crossings[0].at_ms), i128::from(t.crossings[0].at_ms));
        let kilometres = (s.camera.as_str().as_bytes()[0] as i128 - t.camera.as_str().as_bytes()[0] as i128).abs();
        let apart = kilometres * 100_000 - 400;
        let spare = (then - at) + error(s.camera.as_str()) + error(t.camera.as_str());
        if text == other && kilometres > 0 && (at, s.id) < (then, t.id) && spare < apart * 1_000 / 4_444 {
            pairs.entry(text.clone()).or_default().push([(at, s.id.0), (then, t.id.0)]);
        }
    }
    let told = |mut pairs: Vec<[(i128, u64); 2]>| {
        pairs.sort_by_key(|[a, b]| (*b, *a));
        let first = pairs[0];
        let certain = pairs.iter().any(|pair| pair.iter().all(|read| !first.contains(read)));
        (first.iter().map(|(at, _)| *at as u64).collect(), certain)
    };
    pairs.into_iter().map(|(text, pairs)| (text, told(pairs))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn hotlist_hits_are_those_of_a_loop(journeys in journeys(6), entries in entries(), gone in journeys(3), seed in 0usize..1_000, per_moment in 1usize..6, workers in 1usize..3) {
        let mut records: Vec<Record> = journeys.iter().cloned().map(Record::Journey).chain(entries.iter().cloned().map(Record::Entry)).collect();
        rotate(&mut records, seed);
        let gone: Vec<Record> = gone.into_iter().map(Record::Journey).chain(entries.first().map(|e| Record::Entry(HotlistEntry { reason: "old".into(), ..e.clone() }))).collect();
        let alerts = told("hotlist", &records, &gone, per_moment, workers);
        let found: BTreeSet<_> = alerts.iter().map(|alert| {
            let list = alert.text.split("list ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a list");
            (list.to_owned(), alert.plate.unwrap().text.to_string(), alert.journey.unwrap().0, alert.certain, measured(alert, "differences"), times(alert))
        }).collect();
        prop_assert_eq!(found.len(), alerts.len());
        prop_assert_eq!(found, hits(&journeys, &entries));
    }

    #[test]
    fn cloned_plates_are_those_of_a_loop(journeys in journeys(8), gone in journeys(3), seed in 0usize..1_000, per_moment in 1usize..6, workers in 1usize..3) {
        let mut records: Vec<Record> = journeys.iter().cloned().map(Record::Journey).collect();
        rotate(&mut records, seed);
        let gone: Vec<Record> = gone.into_iter().map(Record::Journey).collect();
        let alerts = told("cloned_plate", &records, &gone, per_moment, workers);
        let found: BTreeMap<String, (Vec<u64>, bool)> = alerts.iter().map(|a| (a.plate.unwrap().text.to_string(), (times(a), a.certain))).collect();
        prop_assert_eq!(found, clones(&journeys));
    }

    /// The oracle asks every millisecond-interval of the lamp: red at the stop line and, without change, to the end.
    #[test]
    fn red_lights_are_those_of_a_loop(
        changes in prop::collection::btree_map((0usize..2, 0u64..30_000), 0usize..5, 0..8), passes in prop::collection::vec((0usize..2, 0u64..30_000, 1u64..9_000), 0..8),
        late in (0usize..2, 0u64..30_000, 0usize..5), seed in 0usize..1_000, per_moment in 1usize..6, workers in 1usize..3,
    ) {
        let states = [SignalState::Red, SignalState::Green, SignalState::Yellow, SignalState::Off, SignalState::Unknown];
        let lamp = |head: usize, at_ms: u64, state: usize| Signal { head: Name::of(["a/0", "b/0"][head]), state: states[state], at_ms, error_ms: 50 };
        let signals: Vec<Signal> = changes.iter().map(|((head, at_ms), state)| lamp(*head, *at_ms, *state)).collect();
        let sighting = |(i, (camera, at, through)): (usize, &(usize, u64, u64))| way(i as u64, ["a", "b"][*camera], *at, at + through);
        let passed: Vec<_> = passes.iter().enumerate().map(sighting).collect();
        let mut records: Vec<Record> = signals.iter().copied().map(Record::Signal).chain(passed.iter().cloned().map(Record::Sighting)).collect();
        rotate(&mut records, seed);
        let gone = [Record::Signal(lamp(late.0, late.1, late.2)), Record::Sighting(way(99, "a", late.1, late.1 + 500))];
        let alerts = told("red_light", &records, &gone, per_moment, workers);
        let found: BTreeSet<_> = alerts.iter().map(|a| (a.evidence[0].sighting.unwrap().0, measured(a, "into_red_ms"), a.certain)).collect();
        let mut expected = BTreeSet::new();
        for (i, (camera, at, through)) in passes.iter().enumerate() {
            let of_head = signals.iter().filter(|s| s.head.as_str() == ["a/0", "b/0"][*camera]);
            let last = of_head.clone().filter(|s| s.at_ms <= *at).max_by_key(|s| s.at_ms);
            let changed = of_head.clone().any(|s| s.at_ms > *at && s.at_ms <= at + through + 200);
            let Some(last) = last.filter(|s| s.state == SignalState::Red && !changed && *through <= 8_000) else { continue };
            let into_red = at - last.at_ms;
            if into_red >= 500 {
                expected.insert((i as u64, into_red as i64, into_red >= 700));
            }
        }
        prop_assert_eq!(found, expected);
    }

    /// All frames of all cameras, in order within each of two partitions, however the two are interleaved.
    #[test]
    fn silences_are_the_gaps_that_remain(
        gaps in prop::collection::vec((0usize..3, prop_oneof![3 => 100u64..3_000, 1 => 9_500u64..30_000]), 0..40), tail_ms in 0u64..30_000, batch in 1usize..8, workers in 1usize..3,
    ) {
        let cameras = ["a", "b", "c"];
        let mut clock = [0u64; 3];
        let mut frames: Vec<(usize, u64)> = gaps.into_iter().map(|(camera, gap)| { clock[camera] += gap; (camera, 1_000 + clock[camera]) }).collect();
        // Arrival: as taken, but for one camera whose line is up to half a minute slow.
        frames.sort_by_key(|(camera, at)| (if *camera == 2 { at + at % 30_000 } else { *at }, *camera));
        let mut of_slow: Vec<u64> = frames.iter().filter(|(c, _)| *c == 2).map(|(_, at)| *at).collect();
        of_slow.sort_unstable();
        let mut slow = of_slow.into_iter();
        for entry in frames.iter_mut().filter(|(c, _)| *c == 2) {
            entry.1 = slow.next().expect("as many");
        }
        let end = 1_000 + clock.iter().max().unwrap() + 60_000 + tail_ms;
        let mut changes: Vec<Change> = vec![(1, Record::Observed(observed(0, 1_000)), 1), (1, Record::Observed(observed(1, 1_000)), 1)];
        for (i, (camera, at)) in frames.iter().enumerate() {
            let (now, part) = ((i / batch) as u64 + 2, u32::from(*camera == 1));
            changes.push((now, Record::Frame(frame(part, i as u64, cameras[*camera], *at)), 1));
            changes.push((now, Record::Observed(observed(part, *at)), 1));
        }
        changes.extend([0, 1].map(|part| (1_000, Record::Observed(observed(part, end)), 1)));
        let rule = Rule { name: "camera_silent".to_owned(), parameters: serde_json::json!({}) };
        let alerts = standing(&run(&rule, &city(), &changes, workers));
        let found: BTreeSet<_> = alerts.iter().map(|a| (a.evidence[0].camera.to_string(), a.at_ms, measured(a, "silent_ms"))).collect();
        let mut expected = BTreeSet::from([("d".to_owned(), 1_000, 10_000)]);
        for (camera, name) in cameras.iter().enumerate() {
            let seen: Vec<u64> = std::iter::once(1_000).chain(frames.iter().filter(|(c, _)| *c == camera).map(|(_, at)| *at)).collect();
            expected.extend(seen.windows(2).filter(|w| w[1] - w[0] > 10_000).map(|w| ((*name).to_owned(), w[0], (w[1] - w[0]) as i64)));
            expected.extend(seen.last().filter(|last| *last + 10_050 < end).map(|last| ((*name).to_owned(), *last, 10_000)));
        }
        prop_assert_eq!(found, expected);
    }
}

prop_compose! {
    fn places(most: usize)(said in prop::collection::btree_set((0usize..3, 0u64..50, -130i32..160, prop::bool::weighted(0.8)), 0..most)) -> Vec<Patrol> {
        let place = |(unit, step, hectometres, on_duty): (usize, u64, i32, bool)| Patrol {
            unit: Name::of(["p1", "p2", "p3"][unit]), lon_e7: hectometres * KM_E7 / 10, lat_e7: 0, at_ms: step * 5_000, on_duty,
        };
        said.into_iter().map(place).collect()
    }
}

/// The units that are near and how far, the nearest first, and when the first was seen: all is on the equator, where distances are
/// differences of longitude.
fn near(alert: &Alert, places: &[Patrol]) -> Option<(Vec<String>, i64)> {
    let straight = |from: i32, to: i32| (f64::from((from - to).abs()) * 1e-7 * std::f64::consts::PI / 180.0 * 637_100_880.0).round() as i64;
    let camera = |number: i32| number * KM_E7;
    let there = i32::from(alert.evidence[0].camera.as_str().as_bytes()[0] - b'a');
    let mut found: Vec<(i64, &str, i64)> = Vec::new();
    for unit in ["p1", "p2", "p3"] {
        let told: Vec<&Patrol> = places.iter().filter(|p| p.unit.as_str() == unit && p.at_ms <= alert.at_ms).collect();
        let Some(last_ms) = told.iter().map(|p| p.at_ms).max() else { continue };
        let last: Vec<_> = told.iter().filter(|p| p.at_ms == last_ms).collect();
        if last.len() > 1 || !last[0].on_duty || alert.at_ms - last_ms > 120_000 {
            continue;
        }
        let mut first = 0;
        for number in 1..4 {
            if straight(last[0].lon_e7, camera(number)) < straight(last[0].lon_e7, camera(first)) {
                first = number;
            }
        }
        // The map has links between neighbours, and no others.
        let distance = if (first - there).abs() == 1 {
            straight(last[0].lon_e7, camera(first)) + 100_000
        } else {
            straight(last[0].lon_e7, camera(there))
        };
        if distance <= 1_000_000 {
            found.push((distance, unit, last_ms as i64));
        }
    }
    found.sort_unstable();
    let first_ms = found.first()?.2;
    Some((found.into_iter().map(|(distance, unit, _)| format!("{unit} {distance}")).collect(), first_ms))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_nearest_unit_is_sent_wherever_it_was_said_to_be(
        places in places(40), passing in places(10), alerts in prop::collection::vec((0usize..4, 1u64..250_000), 1..12), seed in 0usize..100, per_moment in 1usize..8, workers in 1usize..3,
    ) {
        let alerts: Vec<Alert> = alerts.into_iter().zip(1..).map(|((camera, at_ms), id)| alert(id, ["a", "b", "c", "d"][camera], at_ms)).collect();
        let mut records: Vec<Record> = places.iter().copied().map(Record::Patrol).chain(alerts.iter().cloned().map(Record::Alert)).collect();
        rotate(&mut records, seed);
        let passing: Vec<Record> = passing.into_iter().map(Record::Patrol).collect();
        let told = told("nearest_patrol", &records, &passing, per_moment, workers);
        let units = |alert: &Alert| -> Vec<String> {
            let (unit, rest) = alert.text.split_once(" of [").expect("who is to go, and all that are near");
            let near = rest.split(']').next().unwrap_or_default().replace(" by road", "");
            assert!(near.starts_with(unit), "the nearest is to go: {}", alert.text);
            near.split(", ").map(String::from).collect()
        };
        let found: BTreeMap<_, _> = told.iter().map(|a| (a.id, (units(a), measured(a, "seen_ms")))).collect();
        let expected: BTreeMap<_, _> = alerts.iter().filter_map(|alert| Some((alert.id, near(alert, &places)?))).collect();
        prop_assert_eq!(found, expected);
    }
}

/// Who is asked of one alert, and who did not answer, by going through all moments one by one.
fn asked(events: &[(u64, Event)], until: u64) -> Option<(String, Vec<&'static str>)> {
    let (mut near, mut heard, mut seen_to): (Option<&[usize]>, u64, Option<&str>) = (None, 0, None);
    let (mut asked, mut silent): (Option<(usize, u64)>, Vec<usize>) = (None, Vec::new());
    for now in 0..=until {
        let at_once: Vec<&Event> = events.iter().filter(|(at, _)| *at == now).map(|(_, event)| event).collect();
        for event in &at_once {
            match event {
                Event::Acknowledged(who) => seen_to = seen_to.or(Some(who)),
                Event::Assigned(units) => near = Some(units),
                Event::Withdrawn => near = None,
                Event::Observed => heard = now,
            }
        }
        let (Some(near), false) = (near, at_once.is_empty()) else { continue };
        let told = asked.is_some() || !silent.is_empty();
        let by = seen_to.and_then(|who| near.iter().chain(&silent).copied().find(|unit| UNITS[*unit] == who));
        if let Some(unit) = by {
            silent.retain(|other| *other != unit);
            asked = Some((unit, now));
        } else if seen_to.is_none() || !told {
            if let Some((unit, since)) = asked
                && seen_to.is_none()
                && since + 50 <= heard
            {
                silent.push(unit);
                asked = None;
            }
            let next = near.iter().copied().find(|unit| !silent.contains(unit));
            asked = next.map(|unit| asked.filter(|(known, _)| *known == unit).unwrap_or((unit, now)));
        }
    }
    let unit = asked.map_or("the centre", |(unit, _)| UNITS[unit]);
    near.map(|_| (unit.to_owned(), silent.into_iter().map(|unit| UNITS[unit]).collect()))
}

const UNITS: [&str; 3] = ["p1", "p2", "p3"];

/// What happens to one alert.
#[derive(Clone, Debug)]
enum Event {
    Acknowledged(&'static str),
    Assigned(Vec<usize>),
    Withdrawn,
    Observed,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => prop::sample::select(vec!["p1", "p2", "p3", "an officer"]).prop_map(Event::Acknowledged),
        4 => Just(vec![0, 1, 2]).prop_shuffle().prop_flat_map(|units| (1..4usize).prop_map(move |most| units[..most].to_vec())).prop_map(Event::Assigned),
        1 => Just(Event::Withdrawn),
        5 => Just(Event::Observed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_unit_that_does_not_answer_is_passed_over(
        events in prop::collection::btree_map(1u64..400, event(), 1..25), workers in 1usize..3,
    ) {
        let events: Vec<(u64, Event)> = events.into_iter().collect();
        let mut standing_row: Option<Record> = None;
        let mut changes: Vec<Change> = Vec::new();
        for (now, event) in &events {
            let alert = alert(1, "a", *now);
            match event {
                Event::Acknowledged(who) => {
                    let who = (*who).to_owned();
                    let record = Acknowledgement { alert: alert.id, revision: 1, who, at_ms: *now };
                    changes.push((*now, Record::Acknowledged(record), 1));
                }
                Event::Observed => changes.push((*now, Record::Observed(observed(0, *now)), 1)),
                Event::Assigned(_) | Event::Withdrawn => {
                    changes.extend(standing_row.take().map(|old| (*now, old, -1)));
                    if let Event::Assigned(units) = event {
                        let row = Record::Assigned(assigned(alert, &units.iter().map(|unit| UNITS[*unit]).collect::<Vec<_>>()));
                        standing_row = Some(row.clone());
                        changes.push((*now, row, 1));
                    }
                }
            }
        }
        let rule = Rule { name: "escalate".to_owned(), parameters: serde_json::json!({"answer": "50 ms", "lateness": "10 s"}) };
        let told = run(&rule, &city(), &changes, workers);
        // Not only in the end: at every moment.
        for (now, _) in &events {
            let by_then = told.iter().filter(|(at, ..)| at <= now).cloned().collect();
            let found: Vec<String> = standing(&by_then).iter().map(|alert| alert.text.clone()).collect();
            let expected = asked(&events, *now).map(|(unit, silent)| (format!("{unit} of "), format!("not [{}]", silent.join(", "))));
            prop_assert_eq!(found.len(), usize::from(expected.is_some()), "at {}: {:?}", now, found);
            for ((begins, ends), found) in expected.iter().zip(&found) {
                prop_assert!(found.starts_with(begins) && found.ends_with(ends), "at {}: {} and not {}…{}", now, found, begins, ends);
            }
        }
    }
}

fn rotate(records: &mut [Record], seed: usize) {
    let n = records.len();
    for i in 0..n {
        records.swap(i, (i * 7 + seed) % n);
    }
}

#[test]
fn revisions_that_do_not_matter_are_not_told() {
    let seen = |until_ms| {
        let mut sighting = Arc::unwrap_or_clone(way(1, "a", 12_000, 12_800));
        (sighting.until_ms, sighting.against_cm, sighting.speed_cms) = (until_ms, Some(1_000), Some(2_000));
        Record::Sighting(Arc::new(sighting))
    };
    let mut changes = vec![(1, seen(13_000), 1)];
    changes.extend((2..50).flat_map(|now| [(now, seen(13_000 + now - 2), -1), (now, seen(13_000 + now - 1), 1)]));
    changes[1].1 = seen(13_000);
    for name in ["wrong_way", "point_speed"] {
        let rule = Rule { name: name.to_owned(), parameters: serde_json::json!({}) };
        assert_eq!(run(&rule, &city(), &changes, 1).len(), 1, "{name}");
    }
}
