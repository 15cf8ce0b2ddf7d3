//! Random histories, told while the server is killed again and again; then every question is answered as a model answers it that
//! goes through all records anew each time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::records::{BEGAN_MS, alert, id, journey, plate, sighting};
use crate::town::{CAMERAS, CENTRES, Town};

const GRID_MS: u64 = 100_000;
const RULES: [&str; 3] = ["section_speed", "hotlist", "wrong_way"];
const STATES: [&str; 3] = ["provisional", "final", "withdrawn"];
const PLATES: [&str; 4] = ["88A12345", "29MĐ112345", "19B99999", "TM1234"];

struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// The last word on every id of a topic.
type Table = BTreeMap<String, Value>;

#[derive(Default)]
struct Model {
    alerts: Table,
    journeys: Table,
    sightings: Table,
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn centre(camera: &str) -> &'static str {
    CAMERAS.iter().find(|(id, _)| *id == camera).unwrap().1
}

fn sees(bound: &[&str], camera: &str) -> bool {
    bound.is_empty() || bound.contains(&centre(camera))
}

impl Model {
    /// Which alerts, by id and revision, newest first.
    fn alerts(&self, bound: &[&str], keep: impl Fn(&Value) -> bool) -> Vec<(String, u64)> {
        let mut alerts: Vec<&Value> = self.alerts.values().filter(|alert| keep(alert)).collect();
        alerts.retain(|alert| bound.is_empty() || bound.contains(&alert["centre"].as_str().unwrap()));
        let order = |alert: &&Value| {
            let id = u64::from_str_radix(alert["id"].as_str().unwrap(), 16).unwrap().cast_signed();
            std::cmp::Reverse((number(&alert["at_ms"]), id))
        };
        alerts.sort_by_key(order);
        alerts.iter().map(|alert| (alert["id"].as_str().unwrap().to_owned(), number(&alert["revision"]))).collect()
    }

    /// The journeys of a plate, each with its parts: sighting, camera, from, until.
    fn journeys(&self, bound: &[&str], plate: &str, from_ms: u64, until_ms: u64) -> Vec<(String, Vec<Value>)> {
        let mut found = Vec::new();
        for journey in self.journeys.values() {
            if journey["status"] == "withdrawn" || journey["plate"]["text"] != plate {
                continue;
            }
            let mut parts = Vec::new();
            for (sighting, camera) in journey["sightings"].as_array().unwrap().iter().zip(journey["cameras"].as_array().unwrap()) {
                if !sees(bound, camera.as_str().unwrap()) {
                    continue;
                }
                let seen = self.sightings.get(sighting.as_str().unwrap()).filter(|seen| seen["status"] != "withdrawn");
                let (from, until) = seen.map_or((&Value::Null, &Value::Null), |seen| (&seen["from_ms"], &seen["until_ms"]));
                parts.push(json!({"sighting": sighting, "camera": camera, "centre": centre(camera.as_str().unwrap()),
                    "from_ms": from, "until_ms": until}));
            }
            let within = |value: &Value| {
                value["from_ms"].as_u64().is_some_and(|from| from <= until_ms)
                    && value["until_ms"].as_u64().is_some_and(|until| until >= from_ms)
            };
            if (bound.is_empty() && within(journey)) || (!bound.is_empty() && parts.iter().any(within) && within(journey)) {
                found.push((journey["id"].as_str().unwrap().to_owned(), parts));
            }
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found
    }
}

/// Something that a job could publish next.
fn next(random: &mut Random, model: &mut Model, town: &Town) {
    let number = random.below(60);
    // On a coarse grid, on which questions lie too: what is at the edge of a span comes up, as do alerts of one moment.
    let at_ms = BEGAN_MS + random.below(36) * GRID_MS;
    let until_ms = at_ms + random.below(4) * GRID_MS;
    let status = random.of(&STATES);
    let (topic, table) = match random.below(3) {
        0 => ("alerts", &mut model.alerts),
        1 => ("journeys", &mut model.journeys),
        _ => ("sightings", &mut model.sightings),
    };
    let id = id(number * 3 + topic.len() as u64);
    let revision = table.get(&id).map_or(1, |row| row["revision"].as_u64().unwrap() as u32 + 1);
    let camera = |random: &mut Random| CAMERAS[random.below(6) as usize].0;
    let (one, other) = (camera(random), camera(random));
    let (first, second) = (crate::records::id(random.below(60) * 3 + 9), crate::records::id(random.below(60) * 3 + 9));
    let record = match topic {
        "alerts" => {
            let evidence = [(one, json!(first), at_ms), (other, Value::Null, at_ms + 1)];
            alert(&id, revision, status, random.of(&RULES), random.of(&CENTRES), at_ms, &evidence)
        }
        "journeys" => {
            let plate = if random.below(5) == 0 { Value::Null } else { plate(random.of(&PLATES), random.of(&["car", "bike"])) };
            journey(&id, revision, status, &plate, &[(&first, one), (&second, other)], at_ms, until_ms)
        }
        _ => sighting(&id, revision, status, one, at_ms, until_ms),
    };
    town.tell(topic, &record);
    table.insert(id, record);
}

fn answered(town: &Town, token: &str, query: &str, limit: usize) -> Vec<(String, u64)> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = town.ask(&format!("/v1/alerts?limit={limit}{query}{cursor}"), token);
        let alerts = page["alerts"].as_array().unwrap();
        all.extend(alerts.iter().map(|alert| (alert["id"].as_str().unwrap().to_owned(), number(&alert["revision"]))));
        let Some(next) = page["next"].as_str() else { return all };
        assert_eq!(alerts.len(), limit);
        cursor = format!("&cursor={next}");
    }
}

#[test]
fn every_question_is_answered_as_the_records_say_however_often_the_server_was_killed() {
    every_question(Town::found());
}

#[test]
fn so_is_every_question_of_a_view_in_a_database() {
    if let Some(town) = Town::found_on_postgres() {
        every_question(town);
    }
}

fn every_question(mut town: Town) {
    let grants = [("all", &[][..]), ("west", &["west"][..]), ("two", &["east", "south"][..])];
    let tokens = grants.map(|(name, centres)| (town.token(name, "viewer", centres), centres));
    let (mut random, mut model) = (Random(5), Model::default());
    for _ in 0..12 {
        town.start(&[]);
        for _ in 0..random.below(120) {
            next(&mut random, &mut model, &town);
        }
        std::thread::sleep(std::time::Duration::from_millis(random.below(150)));
    }
    town.start(&[]);
    town.settle(&tokens[0].0);
    assert!(model.alerts.len() > 40 && model.journeys.len() > 40);
    let mut found = 0;
    for (token, bound) in &tokens {
        for round in 0..40 {
            let (from, to) = (BEGAN_MS + random.below(36) * GRID_MS, BEGAN_MS + random.below(37) * GRID_MS);
            let (from, to) = (from.min(to), from.max(to));
            let (rule, centre, state) = (random.of(&RULES), random.of(&CENTRES), random.of(&STATES));
            let asked = |field: &str, value: &str, one: u64| if one == 0 { format!("&{field}={value}") } else { String::new() };
            let [with_rule, with_centre, with_state] = [random.below(2), random.below(2), random.below(3)];
            let query = format!("&from={from}&to={to}")
                + &asked("rule", rule, with_rule)
                + &asked("centre", centre, with_centre)
                + &asked("state", state, with_state);
            let expected = model.alerts(bound, |alert| {
                (from..=to).contains(&number(&alert["at_ms"]))
                    && (with_rule != 0 || alert["rule"] == rule)
                    && (with_centre != 0 || alert["centre"] == centre)
                    && (with_state != 0 || alert["status"] == state)
            });
            assert_eq!(answered(&town, token, &query, 1 + round % 7), expected, "{query} {bound:?}");
            let camera = CAMERAS[round % 6].0;
            let at = |alert: &Value| alert["evidence"].as_array().unwrap().iter().any(|one| one["camera"] == camera);
            let expected = if sees(bound, camera) { model.alerts(bound, at) } else { Vec::new() };
            assert_eq!(answered(&town, token, &format!("&camera={camera}"), 9), expected, "{camera} {bound:?}");

            let plate = random.of(&PLATES);
            let written = plate.replace('Đ', "%C4%90").to_lowercase().replace('5', "-5.").replace("%c4%90", "%C4%91");
            let path = format!("/v1/vehicles/{written}/journeys?from={from}&to={to}&reason=test&case=7&limit=1000");
            let answer = town.ask(&path, token);
            let mut told: Vec<(String, Vec<Value>)> = Vec::new();
            for journey in answer["journeys"].as_array().unwrap() {
                told.push((journey["id"].as_str().unwrap().to_owned(), journey["parts"].as_array().unwrap().clone()));
                assert_eq!(journey["plate"]["text"], plate);
            }
            told.sort_by(|one, other| one.0.cmp(&other.0));
            assert_eq!(told, model.journeys(bound, plate, from, to), "{path} {bound:?}");
            found += told.len();
        }
    }
    assert!(found > 100, "{found}");
    for alert in model.alerts.values() {
        let id = alert["id"].as_str().unwrap();
        let shown = town.ask(&format!("/v1/alerts/{id}"), &tokens[0].0);
        for field in ["revision", "status", "rule", "certain", "at_ms", "plate", "measured", "limit", "text"] {
            assert_eq!(shown[field], alert[field], "{field} of {id}");
        }
        for (shown, evidence) in shown["evidence"].as_array().unwrap().iter().zip(alert["evidence"].as_array().unwrap()) {
            let seen = evidence["sighting"].as_str().and_then(|id| model.sightings.get(id)).filter(|seen| seen["status"] != "withdrawn");
            assert_eq!((&shown["camera"], &shown["at_ms"]), (&evidence["camera"], &evidence["at_ms"]));
            assert_eq!(&shown["from_ms"], seen.map_or(&Value::Null, |seen| &seen["from_ms"]), "{id}");
            assert_eq!(&shown["row"], seen.unwrap_or(&Value::Null), "{id}");
        }
    }
}
