//! Whether the truth is true: what it says must agree with the map, the signals and the frames it is told about.

use std::collections::{BTreeMap, BTreeSet};

use crate::records::State;
use crate::truth::Passage;
use crate::{Noise, Plan, Recording, simulate};

/// FNV-1a, so that a change of any byte shows.
fn fingerprint(recording: &Recording) -> u64 {
    let rows = recording.observations.iter().map(|o| serde_json::to_vec(o).expect("a record is JSON"));
    let map = serde_json::to_vec(&recording.city).expect("a record is JSON");
    rows.chain([map]).flatten().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

fn hour() -> Recording {
    simulate(&Plan::new(3, 12, 3_600))
}

#[test]
fn the_same_plan_gives_the_same_bytes_for_ever() {
    let plan = Plan::small(7);
    assert_eq!(fingerprint(&simulate(&plan)), fingerprint(&simulate(&plan)));
    assert_eq!(fingerprint(&simulate(&plan)), 16_388_354_160_606_084_141, "a seed no longer gives the city it gave");
    assert_ne!(fingerprint(&simulate(&plan)), fingerprint(&simulate(&Plan::small(8))));
}

#[test]
fn switching_noise_off_leaves_the_traffic_as_it_was() {
    for seed in 0..20 {
        let (noisy, clean) = (simulate(&Plan::small(seed)), simulate(&Plan::small(seed).clean()));
        let when = |r: &Recording| r.truth.passages.iter().map(|p| (p.entered_ms, p.stop_ms, p.left_ms)).collect::<Vec<_>>();
        assert_eq!(when(&noisy), when(&clean));
        assert!(clean.observations.iter().all(|o| o.received_ms == o.at_ms));
        assert_eq!(clean.observations.len(), 4 * 60 * 5);
    }
}

#[test]
fn nobody_drives_faster_than_possible_nor_less_than_the_shortest_way() {
    let recording = hour();
    let lengths: BTreeMap<(&str, &str), i64> =
        recording.city.links.iter().map(|l| ((l.from.as_str(), l.to.as_str()), l.length_cm)).collect();
    let mut of = BTreeMap::<&str, Vec<&Passage>>::new();
    recording.truth.passages.iter().filter(|p| p.stop_ms.is_some()).for_each(|p| of.entry(&p.vehicle).or_default().push(p));
    let mut pairs = 0;
    for list in of.values() {
        for pair in list.windows(2) {
            let driven = pair[1].odometer_cm.unwrap() - pair[0].odometer_cm.unwrap();
            let took = pair[1].stop_ms.unwrap() - pair[0].stop_ms.unwrap();
            assert!(driven * 1_000 <= took * 3_100, "{driven} cm in {took} ms");
            assert!(driven + 1 >= lengths[&(pair[0].camera.as_str(), pair[1].camera.as_str())]);
            pairs += 1;
        }
    }
    assert!(pairs > 1_000);
}

#[test]
fn who_ran_a_red_light_crossed_while_the_signals_showed_red() {
    let recording = hour();
    assert!(recording.truth.red_light.len() > 20);
    for red in &recording.truth.red_light {
        let camera = recording.city.cameras.iter().find(|c| c.id == red.camera).unwrap();
        let passage = recording.truth.passages.iter().find(|p| p.vehicle == red.vehicle && p.stop_ms == Some(red.at_ms)).unwrap();
        let head = camera.lanes[passage.lane.unwrap()].head.as_ref().unwrap();
        let shown = recording.signals.iter().rfind(|s| s.head == *head && s.at_ms <= red.at_ms).unwrap();
        assert_eq!((shown.state, red.at_ms - shown.at_ms), (State::Red, red.into_red_ms));
    }
}

#[test]
fn the_lawful_stop_at_red() {
    let recording = simulate(&Plan::new(5, 12, 1_800).lawful());
    assert!(recording.truth.passages.len() > 1_000);
    assert!(recording.truth.red_light.iter().all(|r| r.into_red_ms < 500), "{:?}", recording.truth.red_light);
    assert!(recording.hotlist.is_empty() && recording.truth.wrong_way.is_empty() && recording.truth.stopping.is_empty());
}

#[test]
fn an_hour_has_some_of_everything() {
    let Recording { city, truth, hotlist, .. } = hour();
    assert!(city.sections.len() >= 5 && truth.sections.iter().filter(|s| s.over).count() >= 10);
    assert!(truth.wrong_way.len() == 15 && truth.stopping.iter().filter(|s| s.stay_ms > 60_000).count() >= 3);
    assert!(truth.cloned.len() >= 3 && hotlist.len() == 15 && truth.hotlist_hits.len() >= 15 && truth.outages.len() == 3);
    assert!(truth.point_speed.iter().any(|p| p.speed_cms > 1_900));
}

#[test]
fn perfect_cameras_read_every_plate_that_crosses() {
    let plan = Plan { behaviour: crate::Behaviour::lawful(), ..Plan::small(11).clean() };
    let recording = simulate(&plan);
    let read: BTreeSet<(&str, &str)> = recording
        .observations
        .iter()
        .flat_map(|o| o.objects.iter().filter_map(|b| b.plate.as_ref()).map(|p| (o.camera.as_str(), p.text.as_str())))
        .collect();
    let crossed: Vec<&Passage> = recording.truth.passages.iter().filter(|p| p.stop_ms.is_some()).collect();
    assert!(crossed.len() > 20);
    assert!(crossed.iter().all(|p| read.contains(&(p.camera.as_str(), p.plate.as_str()))));
}

#[test]
fn every_line_delivers_its_own_frames_in_order_but_for_repeats() {
    let recording = hour();
    let mut newest = BTreeMap::<&str, u64>::new();
    let (mut repeats, mut latest) = (0, 0);
    for o in &recording.observations {
        assert!(o.received_ms >= latest);
        latest = o.received_ms;
        let newest = newest.entry(&o.camera).or_default();
        repeats += usize::from(*newest >= o.frame && o.frame > 0);
        *newest = (*newest).max(o.frame);
    }
    assert!(repeats * 1_000 / recording.observations.len() <= 3 && repeats > 0);
}

#[test]
fn each_knob_works_alone() {
    let plan = |noise: Noise| Plan { noise, ..Plan::small(4) };
    let boxes = |r: &Recording| r.observations.iter().map(|o| o.objects.len()).sum::<usize>();
    let clean = simulate(&plan(Noise::none()));
    assert!(boxes(&simulate(&plan(Noise { missed: 0.3, ..Noise::none() }))) < boxes(&clean) * 4 / 5);
    assert!(boxes(&simulate(&plan(Noise { false_boxes: 0.3, ..Noise::none() }))) > boxes(&clean) + 100);
    let twice = simulate(&plan(Noise { duplicates: 0.5, ..Noise::none() }));
    assert!(twice.observations.len() > clean.observations.len() * 4 / 3);
    let late = simulate(&plan(Noise { slow_lines: 0.5, slow_most_ms: 15_000, ..Noise::none() }));
    assert!(late.observations.iter().any(|o| o.received_ms - o.at_ms > 3_000));
    let wrong = simulate(&plan(Noise { misread: 1.0, ..Noise::none() }));
    let plates: BTreeSet<&str> = wrong.truth.vehicles.iter().map(|v| v.plate.as_str()).collect();
    let read = wrong.observations.iter().flat_map(|o| &o.objects).filter_map(|o| o.plate.as_ref());
    assert!(read.filter(|p| !plates.contains(p.text.as_str())).count() > 100);
}
