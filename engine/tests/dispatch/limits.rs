//! What is too old, too much or too large is not sent, and stands where it can be seen.

use std::thread::sleep;
use std::time::{Duration, Instant};

use engine::dispatch::DispatchError;
use engine::following::FileError;
use engine::transport::{NewRecord, TopicStore as _};

use crate::gateway::{Answer, Gateway};
use crate::watch::{Watch, now_ms};

#[test]
fn what_is_older_than_it_may_be_is_never_sent() {
    let gateway = Gateway::open(|before, _| Answer::Status(if before == 0 { 500 } else { 200 }));
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/", gateway.address), "concurrency: 1, expires_after: 10 s");
    // One arrived too long ago, one has a little time left: its first attempt fails, and no second one is in time.
    watch.tell_of("old", 1, "provisional", "west", 9, Some(now_ms() - 10_001));
    watch.tell_of("late", 1, "provisional", "west", 9, Some(now_ms() - 9_600));
    watch.begin(true).join().unwrap();
    let expired = watch.listed("expired");
    assert_eq!(expired.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["old", "late"]);
    assert!(gateway.requests().iter().all(|request| request.told().0 == "late"));
    // A clock that is ahead gives no more time than others have.
    watch.tell_of("ahead", 1, "provisional", "west", 9, Some(now_ms() + 3_600_000));
    watch.begin(true).join().unwrap();
    let ahead = watch.listed("delivered");
    assert!(ahead[0].arrived_ms <= now_ms(), "{ahead:?}");
}

#[test]
fn no_more_waits_than_may_and_the_oldest_go_first() {
    let gateway = Gateway::open(|_, _| Answer::Hang);
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/", gateway.address), "concurrency: 1, queue: 5, timeout: 2 s");
    watch.tell("first", 1, "provisional");
    let running = watch.begin(false);
    gateway.wait(1);
    (0..40).for_each(|i| watch.tell(&format!("a{i}"), 1, "provisional"));
    let dead = watch.until("dead", 35);
    running.stop().unwrap();
    assert!(dead.iter().all(|row| row.reason.as_deref() == Some("more waited for the endpoint than may")));
    let waiting: Vec<String> = watch.listed("pending").into_iter().map(|row| row.id).collect();
    assert!(waiting.ends_with(&(35..40).map(|i| format!("a{i}")).collect::<Vec<_>>()), "{waiting:?}");
}

#[test]
fn what_is_too_large_or_cannot_be_read_is_dead_and_holds_up_nothing() {
    let gateway = Gateway::open(|_, _| Answer::Status(200));
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/", gateway.address), "");
    watch.tell_of("large", 1, "provisional", &"x".repeat(20_000), 9, None);
    watch.tell_of("a\r\nb", 1, "provisional", "west", 9, None);
    watch.store.append("alerts", &[NewRecord { value: Some(b"no"), ..NewRecord::default() }, NewRecord::default()]).unwrap();
    watch.tell("a1", 1, "provisional");
    watch.begin(true).join().unwrap();
    assert_eq!(gateway.requests().len(), 1);
    let dead: Vec<_> = watch.listed("dead").into_iter().map(|row| (row.endpoint, row.reason.unwrap())).collect();
    assert_eq!(dead.len(), 3, "{dead:?}");
    assert!(dead.iter().any(|(endpoint, reason)| endpoint == "unit" && reason.ends_with("messages are under 20000")), "{dead:?}");
    assert!(dead.iter().any(|(endpoint, _)| endpoint == "*"));
}

#[test]
fn stopping_ends_what_is_under_way_and_takes_nothing_new() {
    let gateway = Gateway::open(|_, _| Answer::Late(200, 700));
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/", gateway.address), "concurrency: 1");
    watch.tell("a1", 1, "provisional");
    watch.tell("a2", 1, "provisional");
    let running = watch.begin(false);
    gateway.wait(1);
    let began = Instant::now();
    running.stop().unwrap();
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!((gateway.requests().len(), watch.listed("delivered").len(), watch.listed("pending").len()), (1, 1, 1));
}

#[test]
fn of_two_dispatchers_the_younger_takes_over() {
    let gateway = Gateway::open(|_, _| Answer::Status(200));
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/", gateway.address), "");
    let first = watch.begin(false);
    watch.tell("a1", 1, "provisional");
    watch.until("delivered", 1);
    let second = watch.begin(false);
    sleep(Duration::from_millis(300));
    watch.tell("a2", 1, "provisional");
    assert!(matches!(first.join(), Err(DispatchError::File(FileError::TakenOver { .. }))));
    watch.until("delivered", 2);
    second.stop().unwrap();
    assert_eq!(gateway.requests().len(), 2);
}
