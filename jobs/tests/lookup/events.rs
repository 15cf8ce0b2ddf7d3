//! Alerts as they come: who was away is told what changed, whoever may not see them any more is told nothing.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::records::{BEGAN_MS, alert, id};
use crate::running::giaolo;
use crate::town::Town;

/// Events as they come over the wire.
struct Events {
    lines: std::io::Lines<BufReader<TcpStream>>,
    last: String,
}

impl Events {
    fn follow(town: &Town, token: &str, last: Option<&str>) -> Self {
        let head = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
        let stream = town.server().send("GET", "/v1/alerts/events", Some(token), &head, "");
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut events = Self { lines: BufReader::new(stream).lines(), last: String::new() };
        assert!(events.lines.next().unwrap().unwrap().contains("200"));
        assert!(events.lines.by_ref().any(|line| line.unwrap().is_empty()));
        events
    }

    /// The next event; `None`: there are no more.
    fn next(&mut self) -> Option<(String, Value)> {
        let (mut name, mut data) = (String::new(), None);
        for line in self.lines.by_ref() {
            let line = line.ok()?;
            match line.split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut self.last),
                Some(("event", event)) => event.clone_into(&mut name),
                Some(("data", text)) => data = Some(serde_json::from_str(text).unwrap()),
                _ if line.is_empty() && data.is_some() => return Some((name, data.unwrap())),
                _ => {}
            }
        }
        None
    }

    /// So many events, in whatever order: alerts of several partitions have none.
    fn gather(&mut self, count: usize) -> BTreeSet<String> {
        let event = |(name, data): (String, Value)| format!("{name} {} {}", data["id"].as_str().unwrap(), data["revision"]);
        (0..count).map(|_| event(self.next().unwrap())).collect()
    }

    fn expect(&mut self, id: &str, revision: u32) {
        let (name, alert) = self.next().unwrap();
        assert_eq!((name.as_str(), alert["id"].as_str(), &alert["revision"]), ("alert", Some(id), &json!(revision)));
    }
}

fn told(town: &Town, number: u64, revision: u32, status: &str, centre: &str) {
    let camera = if centre == "west" { "w1" } else { "e1" };
    let at_ms = BEGAN_MS + number;
    town.tell("alerts", &alert(&id(number), revision, status, "hotlist", centre, at_ms, &[(camera, Value::Null, at_ms)]));
}

#[test]
fn who_was_away_is_told_what_changed_meanwhile_once_and_as_it_stands() {
    let mut town = Town::found();
    let (west, all) = (town.token("w", "viewer", &["west"]), town.token("a", "viewer", &[]));
    told(&town, 1, 1, "provisional", "west");
    town.start(&[]);
    town.settle(&all);
    let mut events = Events::follow(&town, &west, None);
    assert_eq!(events.next().unwrap().0, "begin");
    let began = events.last.clone();
    told(&town, 2, 1, "provisional", "east");
    told(&town, 3, 1, "provisional", "west");
    events.expect(&id(3), 1);
    told(&town, 1, 2, "withdrawn", "west");
    events.expect(&id(1), 2);
    let last = events.last.clone();
    drop(events);

    // Away, and the server killed meanwhile.
    town.server = None;
    told(&town, 4, 1, "provisional", "west");
    told(&town, 4, 2, "provisional", "west");
    told(&town, 3, 2, "provisional", "east");
    told(&town, 5, 1, "final", "east");
    town.start(&[]);
    town.settle(&all);
    let mut events = Events::follow(&town, &west, Some(&last));
    assert_eq!(events.next().unwrap().0, "begin");
    assert_eq!(events.gather(2), [format!("alert {} 2", id(4)), format!("elsewhere {} null", id(3))].into());
    told(&town, 6, 1, "final", "west");
    events.expect(&id(6), 1);
    // From the very beginning, each as it stands now.
    let mut events = Events::follow(&town, &all, Some(&began));
    assert_eq!(events.next().unwrap().0, "begin");
    let stand = [(1, 2), (2, 1), (3, 2), (4, 2), (5, 1), (6, 1)];
    assert_eq!(events.gather(6), stand.map(|(number, revision)| format!("alert {} {revision}", id(number))).into());
    for unknown in ["0123456789abcdef.1", "nonsense", &format!("{}9", events.last), "-1"] {
        let mut reset = Events::follow(&town, &all, Some(unknown));
        assert_eq!(reset.next().unwrap().0, "reset", "{unknown}");
        assert_eq!(reset.last, events.last, "it goes on from here");
    }
}

#[test]
fn who_may_not_see_alerts_any_more_is_told_no_more() {
    let mut town = Town::found();
    let (west, all) = (town.token("w", "viewer", &["west"]), town.token("a", "viewer", &[]));
    town.start(&[]);
    town.settle(&all);
    let (mut events, mut others) = (Events::follow(&town, &west, None), Events::follow(&town, &all, None));
    assert_eq!((events.next().unwrap().0.as_str(), others.next().unwrap().0.as_str()), ("begin", "begin"));
    assert!(giaolo(town.folder(), &["access", "revoke", "w", "--state", "city.jobs.db"]).status.success());
    told(&town, 1, 1, "provisional", "west");
    others.expect(&id(1), 1);
    assert_eq!(events.next(), None);
}

#[test]
fn a_server_that_is_stopped_lets_go_who_follows() {
    let mut town = Town::found();
    let all = town.token("a", "viewer", &[]);
    town.start(&[]);
    town.settle(&all);
    let mut events = Events::follow(&town, &all, None);
    assert_eq!(events.next().unwrap().0, "begin");
    let pid = town.server().child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(events.next(), None);
    let status = town.server.as_mut().unwrap().child.wait().unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn what_people_say_about_an_alert_is_told_to_who_follows_alerts() {
    let mut town = Town::found();
    let (west, east) = (town.token("w", "reviewer", &["west"]), town.token("e", "viewer", &["east"]));
    told(&town, 1, 1, "final", "west");
    town.start(&[]);
    town.settle(&west);
    let (mut events, mut others) = (Events::follow(&town, &west, None), Events::follow(&town, &east, None));
    assert_eq!((events.next().unwrap().0.as_str(), others.next().unwrap().0.as_str()), ("begin", "begin"));
    let path = format!("/v1/alerts/{}", id(1));
    assert_eq!(town.server().post("POST", &format!("{path}/ack"), Some(&west), "{}").0, 201);
    let (_, alert) = events.next().unwrap();
    assert_eq!((&alert["id"], &alert["acknowledged"]["who"], &alert["review"]), (&json!(id(1)), &json!("w"), &Value::Null));
    assert_eq!(town.server().post("POST", &format!("{path}/review"), Some(&west), r#"{"decision":"confirmed"}"#).0, 201);
    let (_, alert) = events.next().unwrap();
    assert_eq!((&alert["review"]["decision"], &alert["acknowledged"]["who"]), (&json!("confirmed"), &json!("w")));
    // The others hear of their own next alert, and of nothing before it.
    told(&town, 2, 1, "final", "east");
    others.expect(&id(2), 1);
}
