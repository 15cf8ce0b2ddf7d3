//! How soon a server that was killed tells something new, how fast it works through what it missed, and how soon a job says
//! something that comes to a server that has run for long.
//!
//! ```text
//!            backlog: so many minutes of 200 cameras                     kill −9
//! frames ───────────────────────────────────────────┬──── live ─────────────┼───── live ─────┬──────────▶
//! server                                            └ start … caught up ────┘ └ start … first row      └ a second job … its first row
//! ```
//!
//! The server is a process of its own, on the local store. `cargo bench -p giaolo-benches --bench restart` takes the promise: 10,000 boxes a
//! second for 45 minutes, 270,000 sightings within the hour that the job remembers; `RESTART_MINUTES=10` and
//! `RESTART_BOXES=1000` other loads, `RESTART_WORKERS=2` more workers.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use benches::serving::{Place, Serving, make_topics, now_ms, prepare, produce, readers};
use benches::{numbers, quick};
use city::Load;
use engine::server::Submission;
use engine::transport::local::LocalTransport;
use engine::transport::{Batch, Reader, TopicStore as _};
use serde_json::Value;

/// Where the process that is killed finds its store.
const FOLDER: &str = "RESTART_FOLDER";
/// How often the outputs are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Who has told something of the last so many milliseconds has caught up.
const CAUGHT_UP_MS: u64 = 2_000;
/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// A job that shares the step `track` with the job `city`.
const SECOND: &str = "version: 1
job: second
description: Vehicles that crossed a line.
city: city.json
lateness: 15 min
max_skew: 5 s
sources:
  observations: {kind: observations}
steps:
  sightings:
    step: track
    from: observations
  crossed:
    step: custom
    from: sightings
    name: crossed
    where: crossings.size() > 0
    text: it crossed a line at {camera}
    priority: 10
outputs:
  second: {from: crossed}
";

fn main() {
    let load = load();
    if let Some(folder) = env::var_os(FOLDER) {
        let serving = Serving::start(&load, &place(Path::new(&folder)), workers());
        println!("started");
        // Until whoever started it is gone or kills it.
        _ = BufReader::new(std::io::stdin()).lines().count();
        return serving.stop();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let place = place(folder.path());
    make_topics(place.input.as_ref());

    prepare(&load, &place);
    let (enough, caught_up, backlog) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)), minutes() * 60_000);
    let began_ms = now_ms() - backlog;
    let producing = {
        let (load, input, enough, caught_up) = (load.clone(), Arc::clone(&place.input), Arc::clone(&enough), Arc::clone(&caught_up));
        thread::spawn(move || produce(&load, began_ms, input.as_ref(), &enough, &caught_up))
    };
    // A server that keeps up with the producer would take what is 45 minutes old for late.
    while !caught_up.load(Ordering::Relaxed) {
        thread::sleep(LOOK_EVERY);
    }

    let mut server = serve(folder.path());
    let began = Instant::now();
    await_news(&place, "sightings", |until_ms| until_ms + CAUGHT_UP_MS > now_ms());
    let caught_up = began.elapsed();
    let times = (now_ms() - began_ms) as f64 / caught_up.as_millis().max(1) as f64;
    let boxes = (now_ms() - began_ms) as f64 / 1_000.0 * load.boxes_per_second / caught_up.as_secs_f64();
    let refused = place.output.offsets("rejected", 0).map_or(0, |offsets| offsets.end);
    assert_eq!(refused, 0, "records of the backlog are refused");
    let told = place.output.offsets("sightings", 0).map_or(0, |offsets| offsets.end);
    println!("{told} revisions of sightings");
    println!("the backlog of {} min was worked through in {caught_up:.1?}: {times:.0} × real time, {boxes:.0} boxes/s", backlog / 60_000);
    thread::sleep(Duration::from_secs(if quick() { 1 } else { 20 }));

    server.kill().and_then(|()| server.wait()).expect("a process of ours");
    let (killed_ms, began) = (now_ms(), Instant::now());
    let mut server = serve(folder.path());
    thread::scope(|scope| {
        for topic in ["sightings", "journeys"] {
            let place = &place;
            scope.spawn(move || {
                await_news(place, topic, |until_ms| until_ms > killed_ms);
                println!("killed and started again: the first new row of {topic} after {:.1?}", began.elapsed());
            });
        }
    });
    server.kill().and_then(|()| server.wait()).expect("a process of ours");

    let serving = Serving::start(&load, &place, workers());
    await_news(&place, "sightings", |until_ms| until_ms + CAUGHT_UP_MS > now_ms());
    let began = Instant::now();
    serving
        .server
        .submit("second.yaml", SECOND, Submission { tell_final: true, ..Submission::default() })
        .expect("the second job is right");
    await_news(&place, "second", |_| true);
    println!("a second job: its first row after {:.2?}", began.elapsed());
    enough.store(true, Ordering::Relaxed);
    producing.join().expect("the producer");
    serving.stop();
}

fn minutes() -> u64 {
    numbers("RESTART_MINUTES", &[if quick() { 1 } else { 45 }])[0] as u64
}

fn workers() -> usize {
    numbers("RESTART_WORKERS", &[1])[0]
}

fn load() -> Load {
    let boxes = numbers("RESTART_BOXES", &[if quick() { 500 } else { 10_000 }])[0] as f64;
    // Long enough for all that follows.
    let hours = minutes() as f64 / 60.0 + 1.0;
    Load { seed: 1, cameras: 200, fps: 5, boxes_per_second: boxes, sightings_per_second: boxes / 100.0, hours }
}

fn place(folder: &Path) -> Place<LocalTransport> {
    let store = |name: &str| Arc::new(LocalTransport::open(folder.join(name)).expect("a store"));
    Place { input: store("in.db"), output: store("out.db"), folder: folder.to_owned() }
}

/// Starts the server in a process of its own.
fn serve(folder: &Path) -> Child {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(env::args().skip(1)).env(FOLDER, folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("this program starts")
}

/// Waits for a row that is added from now on to an output, whose last evidence has such a time.
fn await_news(place: &Place<LocalTransport>, topic: &str, new: impl Fn(u64) -> bool) {
    let (began, mut found): (_, Vec<Box<dyn Reader>>) = (Instant::now(), Vec::new());
    // What stands in a topic is known; all of one that is yet to be made is new.
    let mut from_end = true;
    loop {
        if found.is_empty() {
            found = readers(place.output.as_ref(), topic, from_end);
            from_end = false;
        }
        for reader in &mut found {
            let mut batch = Batch::default();
            reader.read(1 << 20, &mut batch).expect("an output");
            let rows = batch.records.iter().filter_map(|record| serde_json::from_slice::<Value>(batch.value(record)?).ok());
            if rows.filter_map(|row| row["until_ms"].as_u64().or_else(|| row["at_ms"].as_u64())).any(&new) {
                return;
            }
        }
        assert!(began.elapsed() < PATIENCE, "{topic} says nothing new");
        thread::sleep(LOOK_EVERY);
    }
}
