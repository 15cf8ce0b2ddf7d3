//! The judge judged: what is made from the truth scores one, and each kind of mistake costs what it should.

use std::collections::BTreeMap;

use super::{Alert, Crossing, Evidence, Journey, Outputs, Read, Score, Sighting, judge};
use crate::truth::{Passage, Truth};
use crate::{Plan, Recording, simulate};

fn recording() -> Recording {
    simulate(&Plan::new(3, 8, 1_200))
}

fn read(plate: &str) -> Option<Read> {
    Some(Read { text: plate.to_owned() })
}

fn alert(rule: &str, plate: &str, evidence: &[(&str, i64)], measured: &[(&str, i64)]) -> Alert {
    let evidence = evidence.iter().map(|(camera, at_ms)| Evidence { camera: (*camera).to_owned(), at_ms: *at_ms }).collect();
    let measured: BTreeMap<String, i64> = measured.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Alert { id: String::new(), rule: rule.into(), certain: true, plate: read(plate), evidence, measured }
}

/// What a perfect product would put out.
fn perfect(truth: &Truth) -> Outputs {
    let crossed: Vec<&Passage> = truth.passages.iter().filter(|p| p.stop_ms.is_some()).collect();
    let sighting = |(n, p): (usize, &&Passage)| Sighting {
        id: format!("s{n}"),
        camera: p.camera.clone(),
        crossings: vec![Crossing { line: "stop".into(), at_ms: p.stop_ms.unwrap(), lane: p.lane, forward: true }],
        plate: read(&p.plate),
    };
    let mut of_vehicle = BTreeMap::<&str, (Vec<String>, &str)>::new();
    crossed.iter().enumerate().for_each(|(n, p)| of_vehicle.entry(&p.vehicle).or_insert((Vec::new(), &p.plate)).0.push(format!("s{n}")));
    let journey = |(v, (sightings, plate)): (&&str, &(Vec<String>, &str))| Journey {
        id: format!("j{v}"),
        sightings: sightings.clone(),
        plate: read(plate),
    };
    let mut alerts = Vec::new();
    for d in truth.sections.iter().filter(|d| d.over) {
        let (from, to) = d.section.split_once('-').unwrap();
        alerts.push(alert(
            "section_speed",
            &d.plate,
            &[(from, d.from_ms), (to, d.to_ms)],
            &[("speed_cms", d.speed_cms), ("lower_cms", d.speed_cms - 5)],
        ));
    }
    alerts.extend(truth.red_light.iter().map(|r| alert("red_light", &r.plate, &[(&r.camera, r.at_ms)], &[])));
    alerts.extend(truth.wrong_way.iter().map(|w| alert("wrong_way", &w.plate, &[(&w.camera, w.from_ms)], &[])));
    alerts.extend(
        truth.stopping.iter().filter(|s| s.stay_ms >= 60_000).map(|s| alert("no_stopping", &s.plate, &[(&s.camera, s.from_ms)], &[])),
    );
    alerts.extend(truth.cloned.iter().map(|c| alert("cloned_plate", &c.plate, &[], &[])));
    alerts.extend(truth.hotlist_hits.iter().map(|h| alert("hotlist", &h.plate, &[(&h.camera, h.at_ms)], &[])));
    alerts.extend(truth.outages.iter().map(|o| alert("camera_silent", "", &[(&o.camera, o.from_ms)], &[])));
    alerts.extend(truth.point_speed.iter().map(|p| alert("point_speed", &p.plate, &[(&p.camera, p.at_ms)], &[("lower_cms", p.speed_cms)])));
    let sightings: Vec<Sighting> = crossed.iter().enumerate().map(sighting).collect();
    Outputs { sightings, journeys: of_vehicle.iter().map(journey).collect(), alerts, withdrawn_alerts: 0 }
}

/// A recording in which no camera dies, so that nothing is excused.
fn lit() -> (Recording, Outputs) {
    let mut recording = recording();
    recording.truth.outages.clear();
    let outputs = perfect(&recording.truth);
    (recording, outputs)
}

fn score(recording: &Recording, outputs: &Outputs) -> Score {
    judge(&recording.truth, &recording.city, outputs)
}

#[test]
fn what_is_made_from_the_truth_scores_one() {
    let recording = recording();
    let (lit, outputs) = lit();
    for (recording, outputs, dark) in [(&recording, perfect(&recording.truth), true), (&lit, outputs, false)] {
        let score = score(recording, &outputs);
        let one = Some(1.0);
        assert_eq!((score.sightings.recall, score.sightings.plate_exact, score.journeys.plate_exact), (one, one, one));
        let rules = [&score.section_speed.rule, &score.red_light, &score.wrong_way, &score.no_stopping, &score.cloned_plate];
        for rule in rules {
            assert!(rule.truth > 0 && rule.recall == one && (dark || rule.precision == one), "{score:#?}");
        }
        assert_eq!(score.camera_silent.recall, dark.then_some(1.0));
        assert_eq!((score.section_speed.bound_above_truth, score.hotlist.recall_certain), (0, one));
        let point = score.point_speed.unwrap();
        assert!(point.alerts == point.matched && point.bound_above_truth == 0);
        if !dark {
            assert_eq!((score.sightings.precision, score.journeys.idf1, score.hotlist.precision), (one, one, one));
        }
    }
}

#[test]
fn each_mistake_costs_what_it_should() {
    let (recording, perfect) = lit();
    let all = perfect.sightings.len();
    let share = |part: usize| Some(super::rounded(part as f64 / all as f64));

    let missed = Outputs { sightings: perfect.sightings[10..].to_vec(), ..perfect.clone() };
    assert_eq!((score(&recording, &missed).sightings.recall, score(&recording, &missed).sightings.precision), (share(all - 10), Some(1.0)));

    let found_after = |change: &dyn Fn(&mut Crossing)| {
        let mut changed = perfect.clone();
        change(&mut changed.sightings[0].crossings[0]);
        score(&recording, &changed).sightings.found
    };
    assert_eq!(found_after(&|c| c.at_ms += 500), all);
    assert_eq!(found_after(&|c| c.at_ms += 600 + 1_000 + 1), all - 1, "beyond even a skewed clock");
    assert_eq!(found_after(&|c| c.lane = None), all);
    assert_eq!(found_after(&|c| c.lane = c.lane.map(|lane| 1 - lane)), all - 1);
    assert_eq!(found_after(&|c| c.forward = false), all - 1);

    let longest = perfect.journeys.iter().enumerate().max_by_key(|(_, j)| j.sightings.len()).map(|(n, _)| n).unwrap();
    let mut split = perfect.clone();
    let rest = split.journeys[longest].sightings.split_off(1);
    assert_eq!(score(&recording, &split).journeys.idr, share(all - rest.len()), "what has no journey is not named");

    let mut merged = perfect.clone();
    let (a, b) = (merged.journeys.remove(0), merged.journeys.remove(0));
    let fewer = a.sightings.len().min(b.sightings.len());
    merged.journeys.push(Journey { sightings: [a.sightings, b.sightings].concat(), ..a });
    assert_eq!(score(&recording, &merged).journeys.idp, share(all - fewer), "a journey bears one name");

    let mut bold = perfect.clone();
    let at = bold.alerts.iter().position(|a| a.rule == "section_speed").unwrap();
    *bold.alerts[at].measured.get_mut("lower_cms").unwrap() += 10;
    assert_eq!(score(&recording, &bold).section_speed.bound_above_truth, 1);

    let mut false_ = perfect.clone();
    let camera = recording.city.cameras[0].id.clone();
    false_.alerts.push(alert("red_light", "99Z99999", &[(&camera, crate::EPOCH_MS)], &[]));
    let red = score(&recording, &false_).red_light;
    assert_eq!((red.precision, red.recall), (Some(super::rounded((red.alerts - 1) as f64 / red.alerts as f64)), Some(1.0)));

    let mut unsure = perfect;
    unsure.alerts.iter_mut().for_each(|a| a.certain = false);
    let score = score(&recording, &unsure);
    assert_eq!((score.red_light.recall, score.hotlist.recall, score.hotlist.recall_certain), (Some(0.0), Some(1.0), Some(0.0)));
}

#[test]
fn the_last_record_of_an_id_stands_unless_withdrawn() {
    let alerts = [
        r#"{"id":"a","revision":1,"status":"provisional","rule":"red_light","evidence":[],"text":"first"}"#,
        r#"{"id":"b","revision":1,"status":"provisional","rule":"hotlist","evidence":[]}"#,
        r#"{"id":"a","revision":2,"status":"final","rule":"red_light","plate":{"text":"88A12345"},"evidence":[]}"#,
        r#"{"id":"b","revision":2,"status":"withdrawn","rule":"hotlist","evidence":[]}"#,
    ];
    let outputs = Outputs::of([], [], alerts).unwrap();
    assert_eq!((outputs.alerts.len(), outputs.withdrawn_alerts), (1, 1));
    assert_eq!(outputs.alerts[0].plate, read("88A12345"));
}
