//! No answer of an endpoint brings the dispatcher down, nor keeps others waiting: real ones, changed at random.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use city::Random;
use city::mutate::{asked, change, one};

use crate::gateway::{Answer, Gateway};
use crate::watch::Watch;

const RIGHT: [&str; 5] = [
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nok",
    "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 503 Service Unavailable\r\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 301 Moved Permanently\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n",
];

#[test]
fn no_answer_brings_the_dispatcher_down() {
    let (time, seed) = asked();
    let random = Mutex::new(Random::of(seed, 0));
    let hostile = Gateway::open(move |_, _| {
        let mut random = random.lock().unwrap();
        let mut bytes = one(&mut random, &RIGHT).as_bytes().to_vec();
        change(&mut bytes, one(&mut random, &RIGHT).as_bytes(), &mut random);
        Answer::Raw(bytes)
    });
    let sound = Gateway::open(|_, _| Answer::Status(200));
    let mut watch = Watch::open();
    for number in 0..8 {
        watch.endpoint(&format!("hostile{number}"), &format!("http://{}/{number}", hostile.address), "timeout: 300 ms");
    }
    watch.endpoint("sound", &format!("http://{}/", sound.address), "");
    let running = watch.begin(false);
    let (began, mut told) = (Instant::now(), 0);
    while began.elapsed() < time {
        (0..20).for_each(|_| {
            told += 1;
            watch.tell(&format!("a{told}"), 1, "provisional");
        });
        let came = sound.wait(told);
        assert_eq!(came.len(), told);
        std::thread::sleep(Duration::from_millis(20));
    }
    let figures = running.stop().unwrap();
    let answered = hostile.requests().len();
    let of_hostile = |count: fn(&engine::dispatch::Tally) -> u64| {
        figures.endpoints.iter().filter(|endpoint| endpoint.name != "sound").map(|endpoint| count(&endpoint.tally)).sum::<u64>()
    };
    println!("{answered} answers, seed {seed}");
    assert!(answered > 30 && of_hostile(|tally| tally.delivered) > 0 && of_hostile(|tally| tally.failed) > 0, "{figures:?}");
}
