//! Endpoints that misbehave.

use std::thread::sleep;
use std::time::{Duration, Instant};

use engine::dispatch::{Selection, check_address};

use crate::gateway::{Answer, Gateway};
use crate::watch::Watch;

#[test]
fn only_2xx_is_success_and_everything_else_is_tried_again_under_the_same_id() {
    let elsewhere = Gateway::open(|_, _| Answer::Status(200));
    let location = format!("location: http://{}/elsewhere\r\n", elsewhere.address);
    let gateway = Gateway::open(move |before, request| match (before, request.path.as_str()) {
        (0, "/hang") => Answer::Hang,
        (0, "/cut") => Answer::Cut,
        (0, "/moved") => Answer::With(301, location.clone()),
        (0, "/moved-for-now") => Answer::With(307, location.clone()),
        (0, "/broken") => Answer::Status(500),
        (0, "/refused") => Answer::Status(400),
        (0, "/busy") => Answer::Status(503),
        (0, "/slow") => Answer::SlowBody,
        (0, "/large") => Answer::Large,
        _ => Answer::Status(200),
    });
    let failing = ["hang", "cut", "moved", "moved-for-now", "broken", "refused", "busy"];
    let mut watch = Watch::open();
    for path in failing.into_iter().chain(["slow", "large"]) {
        watch.endpoint(path, &format!("http://{}/{path}", gateway.address), "timeout: 700 ms");
    }
    watch.tell("a1", 1, "provisional");
    let figures = watch.begin(true).join().unwrap();
    for endpoint in &figures.endpoints {
        let requests: Vec<_> = gateway.requests().into_iter().filter(|request| request.path[1..] == endpoint.name).collect();
        let tries = if failing.contains(&endpoint.name.as_str()) { 2 } else { 1 };
        assert_eq!((endpoint.tally.delivered, endpoint.tally.failed, requests.len()), (1, tries - 1, tries as usize), "{endpoint:?}");
        assert!(requests.iter().all(|request| request.header("webhook-id") == "a1.1" && request.body == requests[0].body));
    }
    assert_eq!(elsewhere.connections(), 0, "a redirect was followed");
}

#[test]
fn an_endpoint_that_is_gone_is_told_nothing_until_it_is_enabled() {
    let gateway = Gateway::open(|before, _| Answer::Status(if before == 0 { 410 } else { 200 }));
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/", gateway.address), "concurrency: 1");
    watch.tell("a1", 1, "provisional");
    watch.tell("a2", 1, "provisional");
    let running = watch.begin(false);
    let dead = watch.until("dead", 2);
    watch.tell("a3", 1, "provisional");
    watch.until("dead", 3);
    assert!(dead[0].reason.as_ref().unwrap().contains("410"), "{dead:?}");
    let figures = running.stop().unwrap();
    assert_eq!((figures.endpoints[0].state, figures.endpoints[0].tally.dead), ("disabled", 3));

    let running = watch.begin(false);
    sleep(Duration::from_millis(500));
    assert_eq!(gateway.requests().len(), 1, "an endpoint that is gone was told");
    assert_eq!(watch.outbox().replay(&Selection::default(), crate::watch::now_ms()).unwrap(), 0, "it is still disabled");
    assert!(watch.outbox().enable("unit").unwrap());
    assert_eq!(watch.outbox().replay(&Selection::default(), crate::watch::now_ms()).unwrap(), 3);
    watch.until("delivered", 3);
    running.stop().unwrap();
}

#[test]
fn who_asks_to_be_left_alone_is_left_alone_for_as_long() {
    let gateway =
        Gateway::open(|before, _| if before == 0 { Answer::With(429, "retry-after: 2\r\n".to_owned()) } else { Answer::Status(200) });
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/", gateway.address), "concurrency: 1");
    watch.tell("a1", 1, "provisional");
    watch.tell("a2", 1, "provisional");
    watch.begin(true).join().unwrap();
    let requests = gateway.requests();
    let pause = requests[1].at - requests[0].at;
    assert!(requests.len() == 3 && pause >= Duration::from_millis(1_990) && pause < Duration::from_secs(8), "{pause:?}");
}

#[test]
fn a_dead_endpoint_delays_no_other() {
    const COUNT: usize = 150;
    let dead = Gateway::open(|_, _| Answer::Hang);
    let live = Gateway::open(|_, _| Answer::Status(200));
    let mut watch = Watch::open();
    // Nobody listens on this one.
    watch.endpoint("closed", "http://127.0.0.1:9/", "");
    watch.endpoint("dead", &format!("http://{}/", dead.address), "timeout: 5 s");
    watch.endpoint("live", &format!("http://{}/", live.address), "");
    let running = watch.begin(false);
    let mut delays = Vec::new();
    for i in 0..COUNT {
        let told = Instant::now();
        watch.tell(&format!("a{i}"), 1, "provisional");
        delays.push(live.wait(i + 1)[i].at - told);
    }
    let began = Instant::now();
    let figures = running.stop().unwrap();
    assert!(began.elapsed() < Duration::from_secs(8), "stopping took {:?}", began.elapsed());
    delays.sort();
    println!("a live endpoint beside two dead ones: median {:?}, worst {:?}", delays[COUNT / 2], delays[COUNT - 1]);
    assert!(delays[COUNT / 2] < Duration::from_millis(400) && delays[COUNT - 1] < Duration::from_secs(3), "{delays:?}");
    let [closed, dead, live] = &figures.endpoints[..] else { panic!() };
    assert_eq!((closed.tally.delivered, dead.tally.delivered, live.tally.delivered), (0, 0, COUNT as u64));
    // An endpoint that is down is probed, not hammered.
    assert!(closed.tally.failed < 30 && closed.state == "waiting", "{closed:?}");
}

#[test]
fn a_name_that_leads_into_this_machine_is_not_connected_to() {
    let gateway = Gateway::open(|_, _| Answer::Status(200));
    let mut watch = Watch::open();
    let url = format!("http://localhost:{}/", gateway.address.port());
    watch.endpoint("inside", &url, "expires_after: 1500 ms");
    watch.endpoints = watch.endpoints.replace("allow_private: true, ", "");
    watch.tell("a1", 1, "provisional");
    watch.begin(true).join().unwrap();
    assert_eq!(gateway.connections(), 0);
    let expired = watch.listed("expired");
    assert!(expired[0].reason.as_ref().unwrap().contains("is a loopback address"), "{expired:?}");
    // The same with leave.
    watch.endpoints = watch.endpoints.replace("allow_http", "allow_private: true, allow_http");
    watch.tell("a2", 1, "provisional");
    watch.begin(true).join().unwrap();
    assert_eq!(gateway.requests().len(), 1);
}

#[test]
fn addresses_are_told_apart() {
    let check = |address: &str, private| check_address(address.parse().unwrap(), private).is_ok();
    for public in ["9.9.9.9", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2620:fe::fe", "2a00:1450::1", "64:ff9b::909:909"] {
        assert!(check(public, false), "{public}");
    }
    let private = [
        "127.0.0.1",
        "127.9.9.9",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "100.64.0.1",
        "198.18.0.1",
        "::1",
        "fc00::1",
        "fd12::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:a00:1::1",
    ];
    for private in private {
        assert!(!check(private, false) && check(private, true), "{private}");
    }
    let never = [
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "::",
        "::7f00:1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "fd00:ec2::254",
        "2001:db8::1",
        "2001::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ];
    for never in never {
        assert!(!check(never, true), "{never}");
    }
}
