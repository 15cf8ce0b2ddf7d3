//! The newest revision wins, nothing goes backwards, and who was told is told what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use engine::dispatch::Selection;

use crate::gateway::{Answer, Gateway, Request};
use crate::watch::{Watch, now_ms};

fn told(requests: &[Request]) -> Vec<String> {
    requests.iter().map(|request| request.header("webhook-id").to_owned()).collect()
}

/// A gateway that is down until the flag is set.
fn down_until(up: &Arc<AtomicBool>) -> Gateway {
    let up = Arc::clone(up);
    Gateway::open(move |_, _| Answer::Status(if up.load(Ordering::Relaxed) { 200 } else { 500 }))
}

#[test]
fn revisions_come_in_order_and_say_what_they_are() {
    let gateway = Gateway::open(|_, _| Answer::Status(200));
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/", gateway.address), "");
    let running = watch.begin(false);
    for (revision, status) in [(1, "provisional"), (2, "provisional"), (3, "final"), (4, "withdrawn")] {
        watch.tell("a1", revision, status);
        gateway.wait(revision as usize);
    }
    // A record that comes twice is told once.
    watch.tell("a1", 4, "withdrawn");
    watch.tell("a1", 2, "provisional");
    sleep(Duration::from_millis(400));
    running.stop().unwrap();
    assert_eq!(told(&gateway.requests()), ["a1.1", "a1.2", "a1.3", "a1.4"]);
    let types: Vec<_> = gateway.requests().iter().map(|request| request.json()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(types, ["ware.raised", "ware.revised", "ware.final", "ware.withdrawn"]);
}

#[test]
fn who_was_away_is_told_how_things_stand_and_nothing_that_came_to_nothing() {
    let up = Arc::new(AtomicBool::new(true));
    let gateway = down_until(&up);
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/", gateway.address), "concurrency: 1");
    watch.tell("known", 1, "provisional");
    watch.begin(true).join().unwrap();
    (1..=5).for_each(|revision| watch.tell("new", revision, if revision == 5 { "final" } else { "provisional" }));
    watch.tell("nothing", 1, "provisional");
    watch.tell("nothing", 2, "withdrawn");
    watch.tell("known", 2, "provisional");
    watch.tell("known", 3, "withdrawn");
    watch.begin(true).join().unwrap();
    assert_eq!(told(&gateway.requests()), ["known.1", "new.5", "known.3"]);
    assert_eq!(watch.listed("superseded").len(), 4 + 2 + 1);
}

#[test]
fn a_revision_that_failed_gives_way_to_a_newer_one() {
    let up = Arc::new(AtomicBool::new(false));
    let gateway = down_until(&up);
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/", gateway.address), "");
    let running = watch.begin(false);
    watch.tell("a1", 1, "provisional");
    gateway.wait(1);
    watch.tell("a1", 2, "provisional");
    gateway.wait(2);
    up.store(true, Ordering::Relaxed);
    watch.until("delivered", 1);
    running.stop().unwrap();
    let revisions: Vec<u32> = gateway.requests().iter().map(|request| request.told().1).collect();
    assert!(revisions.is_sorted() && revisions.last() == Some(&2), "{revisions:?}");
    assert_eq!(watch.listed("superseded").len(), 1);
}

#[test]
fn a_newer_revision_waits_until_the_older_one_is_through() {
    let gateway = Gateway::open(|before, _| if before == 0 { Answer::Late(200, 600) } else { Answer::Status(200) });
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/", gateway.address), "concurrency: 8");
    let running = watch.begin(false);
    watch.tell("a1", 1, "provisional");
    gateway.wait(1);
    watch.tell("a1", 2, "provisional");
    watch.tell("a2", 1, "provisional");
    let requests = gateway.wait(3);
    running.stop().unwrap();
    assert_eq!(told(&requests), ["a1.1", "a2.1", "a1.2"]);
    assert!(requests[2].at - requests[0].at >= Duration::from_millis(590));
}

#[test]
fn a_filter_chooses_what_is_told_but_not_whether_it_is_taken_back() {
    let gateway = Gateway::open(|_, _| Answer::Status(200));
    let mut watch = Watch::open();
    watch.endpoint("west", &format!("http://{}/", gateway.address), "concurrency: 1, filter: {areas: [west], weight_least: 5}");
    let running = watch.begin(false);
    watch.tell_of("east", 1, "provisional", "east", 9, None);
    watch.tell_of("light", 1, "provisional", "west", 4, None);
    watch.tell_of("heavy", 1, "provisional", "west", 5, None);
    gateway.wait(1);
    watch.tell_of("heavy", 2, "provisional", "east", 1, None);
    gateway.wait(2);
    watch.tell_of("heavy", 3, "withdrawn", "east", 1, None);
    watch.tell_of("light", 2, "withdrawn", "west", 4, None);
    watch.tell_of("east", 2, "provisional", "west", 9, None);
    gateway.wait(4);
    running.stop().unwrap();
    assert_eq!(told(&gateway.requests()), ["heavy.1", "heavy.2", "heavy.3", "east.2"]);
}

#[test]
fn what_is_replayed_never_goes_backwards() {
    let up = Arc::new(AtomicBool::new(false));
    let gateway = down_until(&up);
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/", gateway.address), "expires_after: 300 ms");
    for (id, revision) in [("a1", 1), ("a2", 1), ("a3", 1)] {
        watch.tell(id, revision, "provisional");
    }
    watch.begin(true).join().unwrap();
    assert_eq!(watch.listed("expired").len(), 3);
    up.store(true, Ordering::Relaxed);
    watch.tell("a1", 2, "provisional");
    watch.begin(true).join().unwrap();
    let before = gateway.requests().len();
    let one = Selection { id: Some("a2.1".to_owned()), ..Selection::default() };
    // The file is looked at while nobody dispatches: there is time until it expires again.
    assert_eq!(watch.outbox().replay(&one, now_ms() + 5_000).unwrap(), 1);
    assert_eq!(watch.outbox().replay(&Selection::default(), now_ms() + 5_000).unwrap(), 1, "a1.1 must stay, a1.2 was told");
    watch.begin(true).join().unwrap();
    let mut again = told(&gateway.requests()[before..]);
    again.sort();
    assert_eq!(again, ["a2.1", "a3.1"]);
}
