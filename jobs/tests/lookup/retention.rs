//! What is too old goes, and no trace of a plate with it; what an alert rests on stays.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use serde_json::json;

use crate::records::{alert, id, journey, plate, sighting};
use crate::town::Town;

const DAY_MS: u64 = 86_400_000;

#[test]
fn what_is_too_old_goes_unless_an_alert_rests_on_it_and_that_it_went_is_written_down() {
    goes(Town::found());
}

#[test]
fn so_it_does_from_a_database() {
    if let Some(town) = Town::found_on_postgres() {
        goes(town);
    }
}

fn goes(mut town: Town) {
    let all = town.token("a", "viewer", &[]);
    let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let (old, new) = (now_ms - 3 * DAY_MS, now_ms - DAY_MS);
    let plates = ["88A00001", "88A00002", "88A00003", "88A00004"];
    // Old; old and a hit; old and a hit until the alert was withdrawn; new.
    for (number, at_ms) in [(1, old), (2, old + 1), (3, old + 2), (4, new)] {
        let (seen, way) = (id(number), id(number + 10));
        town.tell("sightings", &sighting(&seen, 1, "final", "w1", at_ms, at_ms + 5));
        let plate = plate(plates[number as usize - 1], "car");
        town.tell("journeys", &journey(&way, 1, "final", &plate, &[(&seen, "w1")], at_ms, at_ms + 5));
        if number == 2 || number == 3 {
            let mut hit = alert(&id(number + 20), 1, "final", "hotlist", "west", at_ms, &[("w1", json!(seen), at_ms)]);
            (hit["journey"], hit["plate"]) = (json!(way), plate);
            town.tell("alerts", &hit);
        }
    }
    // More than one batch of them.
    for number in 100..2_600 {
        town.tell("sightings", &sighting(&id(number), 1, "final", "w2", old + number, old + number));
    }
    let journeys = |town: &Town, plate: &str| {
        town.ask(&format!("/v1/vehicles/{plate}/journeys?reason=a&case=7"), &all)["journeys"].as_array().unwrap().len()
    };
    town.start(&["--keep-days", "1000"]);
    town.settle(&all);
    assert_eq!(plates.map(|plate| journeys(&town, plate)), [1; 4]);
    town.start(&["--keep-days", "2"]);
    town.until(|| journeys(&town, plates[0]) == 0);
    let count = |sql: &str| ask(&town, sql)[0][0].parse::<u64>().unwrap();
    town.until(|| count("SELECT count(*) FROM sightings") == 3);
    assert_eq!(plates.map(|plate| journeys(&town, plate)), [0, 1, 1, 1]);

    let mut withdrawn = alert(&id(23), 2, "withdrawn", "hotlist", "west", old + 2, &[("w1", json!(id(3)), old + 2)]);
    withdrawn["journey"] = json!(id(13));
    town.tell("alerts", &withdrawn);
    town.settle(&all);
    town.start(&["--keep-days", "2"]);
    let count = |sql: &str| ask(&town, sql)[0][0].parse::<u64>().unwrap();
    town.until(|| journeys(&town, plates[2]) == 0);
    town.until(|| count("SELECT count(*) FROM alerts") == 1 && count("SELECT count(*) FROM sightings") == 2);
    assert_eq!(plates.map(|plate| journeys(&town, plate)), [0, 1, 0, 1]);

    let sql = "SELECT kind, sum(rows), max(rows), min(from_ms), max(until_ms) FROM deletions GROUP BY 1 ORDER BY 1";
    let log = ask(&town, sql);
    let told = |kind: &str, numbers: [u64; 4]| [vec![kind.to_owned()], numbers.map(|number| number.to_string()).to_vec()].concat();
    assert_eq!(log[0], told("alert", [1, 1, old + 2, old + 2]));
    assert_eq!(log[1], told("journey", [2, 1, old + 5, old + 7]));
    assert_eq!(log[2][..4], told("sighting", [2_502, 2_000, old + 5, 0])[..4]);

    if town.postgres.is_some() {
        return;
    }
    // Not even in the free pages of the file.
    let view = Connection::open(town.folder().join("city.view.db")).unwrap();
    view.query_one("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap();
    let bytes = std::fs::read(town.folder().join("city.view.db")).unwrap();
    let found = plates.map(|plate| bytes.windows(plate.len()).any(|part| part == plate.as_bytes()));
    assert_eq!(found, [false, true, false, true]);
}

/// What the view's tables answer, as text: rows of columns.
fn ask(town: &Town, sql: &str) -> Vec<Vec<String>> {
    if let Some(postgres) = &town.postgres {
        return postgres.ask(sql).lines().map(|line| line.split('|').map(str::to_owned).collect()).collect();
    }
    let view = Connection::open(town.folder().join("city.view.db")).unwrap();
    let mut statement = view.prepare(sql).unwrap();
    let width = statement.column_count();
    let text = |row: &rusqlite::Row<'_>, column| match row.get::<_, rusqlite::types::Value>(column).unwrap() {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => panic!("{other:?}"),
    };
    let rows = statement.query_map([], |row| Ok((0..width).map(|column| text(row, column)).collect())).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}
