//! Who is bound to a centre tries everything to learn of another's.

use serde_json::json;

use crate::records::{BEGAN_MS, alert, id, journey, plate, sighting};
use crate::running::Running;
use crate::town::Town;

/// The answer as it comes over the wire.
fn raw(server: &Running, method: &str, path: &str, token: &str) -> String {
    server.ask(method, path, Some(token)).1
}

#[test]
fn who_is_bound_to_a_centre_learns_nothing_of_another_whatever_it_tries() {
    learns_nothing(Town::found());
}

#[test]
fn nor_does_it_where_the_view_is_in_a_database() {
    if let Some(town) = Town::found_on_postgres() {
        learns_nothing(town);
    }
}

fn learns_nothing(mut town: Town) {
    let (west, east, all) = (town.token("w", "viewer", &["west"]), town.token("e", "viewer", &["east"]), town.token("a", "viewer", &[]));
    let nowhere = town.token("n", "viewer", &["nowhere"]);
    // A vehicle past cameras of both; one that only east saw; alerts of east, of west, and of west that rest on east too.
    let (both, easts) = (plate("88A12345", "car"), plate("29A77777", "car"));
    let (far, near) = (BEGAN_MS + 1_111_111, BEGAN_MS + 2_222_222);
    town.tell("sightings", &sighting(&id(1), 1, "final", "e1", far, far + 7));
    town.tell("sightings", &sighting(&id(2), 1, "final", "w1", near, near + 7));
    town.tell("sightings", &sighting(&id(3), 1, "final", "e2", far + 11, far + 13));
    town.tell("journeys", &journey(&id(4), 17, "final", &both, &[(&id(1), "e1"), (&id(2), "w1")], far, near + 7));
    town.tell("journeys", &journey(&id(5), 1, "final", &easts, &[(&id(3), "e2")], far + 11, far + 13));
    town.tell("alerts", &alert(&id(6), 1, "final", "wrong_way", "east", far, &[("e2", json!(id(3)), far)]));
    let crossing = [("e1", json!(id(1)), far), ("w1", json!(id(2)), near)];
    let mut both_saw = alert(&id(7), 1, "final", "section_speed", "west", near, &crossing);
    both_saw["journey"] = json!(id(4));
    town.tell("alerts", &both_saw);
    town.tell("alerts", &alert(&id(8), 1, "final", "wrong_way", "west", near + 1, &[("w1", json!(id(2)), near)]));
    // A camera that is not on the map, and what it saw.
    town.tell("sightings", &sighting(&id(9), 1, "final", "zz9", far + 21, far + 23));
    town.tell("journeys", &journey(&id(10), 1, "final", &plate("30A11111", "car"), &[(&id(9), "zz9")], far + 21, far + 23));
    // What was west's and is east's now.
    town.tell("alerts", &alert(&id(11), 1, "provisional", "hotlist", "west", near, &[("w1", json!(id(2)), near)]));
    town.tell("alerts", &alert(&id(11), 2, "provisional", "hotlist", "east", far + 31, &[("e2", json!(id(3)), far + 31)]));
    town.start(&[]);
    town.settle(&all);

    let cursor = |token: &str| town.ask("/v1/alerts?limit=1", token)["next"].as_str().unwrap().to_owned();
    let ask = "reason=a&case=7";
    let mut paths = vec![
        "/v1/alerts".to_owned(),
        "/v1/alerts?centre=east".to_owned(),
        "/v1/alerts?centre=EAST".to_owned(),
        "/v1/alerts?centre=east%27%20OR%201=1%20--".to_owned(),
        "/v1/alerts?centre=%25".to_owned(),
        "/v1/alerts?rule=wrong_way".to_owned(),
        "/v1/alerts?state=final&limit=1000".to_owned(),
        "/v1/alerts?camera=e1".to_owned(),
        "/v1/alerts?camera=e2".to_owned(),
        "/v1/alerts?camera=zz9".to_owned(),
        format!("/v1/alerts?from={far}&to={}", far + 100),
        format!("/v1/alerts?cursor={}", cursor(&all)),
        format!("/v1/alerts?cursor={}.{}", far + 1, "f".repeat(16)),
        format!("/v1/alerts?cursor={}.{}&centre=east", i64::MAX, "f".repeat(16)),
        "/v1/cameras".to_owned(),
        format!("/v1/vehicles/29A77777/journeys?{ask}"),
        format!("/v1/vehicles/30A11111/journeys?{ask}"),
        format!("/v1/vehicles/88A12345/journeys?{ask}"),
        format!("/v1/vehicles/88A12345/journeys?{ask}&from={far}&to={}", far + 7),
        format!("/v1/vehicles/88A12345/journeys?{ask}&to={}", near - 1),
        "/v1/alerts/events".to_owned(),
        "/v1/audit".to_owned(),
    ];
    paths.extend((1..12).map(|number| format!("/v1/alerts/{}", id(number))));
    // What only east knows: its cameras, its ids, its moments. (That 11 was west's once, west knows.)
    let (far_text, ids) = ((far / 100).to_string(), [1, 3, 5, 6, 9, 10].map(id));
    let secrets: Vec<&str> = ["\"e1\"", "\"e2\"", "zz9", "\"east\"", "seen at e", &far_text, "\"revision\":17", "\"revision\":2"]
        .into_iter()
        .chain(ids.iter().map(String::as_str))
        .collect();
    let server = town.server();
    for path in &paths {
        for method in ["GET", "HEAD"] {
            for token in [&west, &nowhere] {
                let answer = raw(server, method, path, token);
                let asked = secrets.iter().filter(|secret| path.contains(secret.trim_matches('"')));
                let echoed = asked.count() > 0 && answer.split_once("\r\n\r\n").is_none_or(|(_, body)| body.len() < 200);
                for secret in secrets.iter().filter(|_| !echoed) {
                    assert!(!answer.contains(secret), "{method} {path} tells {secret}: {answer}");
                }
            }
        }
        // Of a centre that is not there nothing is told at all.
        let answer = raw(server, "GET", path, &nowhere);
        assert!(!answer.contains("w1") && !answer.contains(&id(8)), "{path}: {answer}");
    }
    // An alert of another centre, and one that there never was, are answered alike.
    let theirs = town.try_ask(&format!("/v1/alerts/{}", id(6)), &west);
    assert_eq!((theirs.0, &theirs), (404, &town.try_ask(&format!("/v1/alerts/{}", id(99)), &west)));
    assert_eq!(theirs, town.try_ask(&format!("/v1/alerts/{}", id(11)), &west));
    let whose = |token: &str| {
        let page = town.ask("/v1/alerts", token);
        page["alerts"].as_array().unwrap().iter().map(|alert| alert["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(whose(&west), [id(8), id(7)]);
    assert_eq!(whose(&east), [id(11), id(6)]);
    assert_eq!(whose(&all).len(), 4);

    // What is west's is told to west: its own part of what crosses the border, and that something is withheld.
    let crossing = town.ask(&format!("/v1/alerts/{}", id(7)), &west);
    assert_eq!((&crossing["withheld"], &crossing["text"]), (&json!(true), &json!(null)));
    assert_eq!((crossing["evidence"].as_array().unwrap().len(), &crossing["evidence"][0]["camera"]), (1, &json!("w1")));
    assert_eq!(crossing["measured"], json!({"speed_cms": 1800}));
    let part = json!({"sighting": id(2), "camera": "w1", "centre": "west", "from_ms": near, "until_ms": near + 7});
    let journey = &crossing["journey_row"];
    assert_eq!((&journey["parts"], &journey["from_ms"], &journey["revision"]), (&json!([part]), &json!(near), &json!(null)));
    assert_eq!((&crossing["evidence"][0]["row"]["id"], &crossing["evidence"][0]["row"]["boxes"]), (&json!(id(2)), &json!(9)));
    let whole = town.ask(&format!("/v1/alerts/{}", id(7)), &all);
    assert_eq!((whole["journey_row"]["parts"].as_array().unwrap().len(), &whole["journey_row"]["revision"]), (2, &json!(17)));
    assert_eq!((&whole["withheld"], whole["evidence"].as_array().unwrap().len()), (&json!(false), 2));
    let journeys = town.ask(&format!("/v1/vehicles/88A12345/journeys?{ask}"), &west);
    assert_eq!((&journeys["journeys"][0]["parts"], &journeys["journeys"][0]["from_ms"]), (&json!([part]), &json!(near)));
    assert_eq!(journeys["journeys"][0]["revision"], json!(null));
    let journeys = town.ask(&format!("/v1/vehicles/88A12345/journeys?{ask}"), &all);
    assert_eq!((journeys["journeys"][0]["parts"].as_array().unwrap().len(), &journeys["journeys"][0]["revision"]), (2, &json!(17)));
    assert_eq!(town.ask(&format!("/v1/vehicles/30A11111/journeys?{ask}"), &all)["journeys"].as_array().unwrap().len(), 1);
    let cameras = |token: &str| town.ask("/v1/cameras", token)["cameras"].as_array().unwrap().len();
    assert_eq!([cameras(&west), cameras(&east), cameras(&nowhere), cameras(&all)], [2, 2, 0, 7]);
}
