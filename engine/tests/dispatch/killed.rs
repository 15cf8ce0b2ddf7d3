//! Killed at random moments, without a chance to say goodbye: every alert is told as it stands in the end, and nothing ever
//! goes backwards.
//!
//! ```text
//! this test ──starts──▶ itself as another process: the dispatcher on the state file   ─ ─ kill −9 ─ ─▶ again
//!     ├────goes on writing revisions to the topic
//!     └────is the gateway, and remembers what it was told, in order
//! ```

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::Duration;

use engine::transport::local::LocalTransport;

use crate::gateway::{Answer, Gateway};
use crate::watch::{Watch, dispatch};

const STORE: &str = "DISPATCH_STORE";
const CONFIG: &str = "DISPATCH_CONFIG";
const STATE: &str = "DISPATCH_STATE";
const BOUNDED: &str = "DISPATCH_BOUNDED";
const KILLS: u64 = 40;

#[test]
#[ignore = "the test below starts it, in a process of its own"]
fn the_process_that_is_killed() {
    let variable = |name: &str| env::var(name).unwrap();
    let store = Arc::new(LocalTransport::open(variable(STORE)).unwrap());
    let config = std::fs::read_to_string(variable(CONFIG)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    dispatch(&config, store, Path::new(&variable(STATE)), variable(BOUNDED) == "true", stop).run(&mut |_| ()).unwrap();
}

fn spawn(watch: &Watch, bounded: bool) -> Child {
    let mut process = Command::new(env::current_exe().unwrap());
    process.args(["--ignored", "--exact", "killed::the_process_that_is_killed"]);
    process.env(STORE, watch.path("topics.db")).env(CONFIG, watch.path("dispatch.yaml"));
    process.env(STATE, watch.path("state.db")).env(BOUNDED, bounded.to_string());
    process.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Numbers that look like chance, the same in every run.
fn random(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[test]
fn a_dispatcher_that_is_killed_forty_times_forgets_nothing_and_never_goes_backwards() {
    let mut watch = Watch::open();
    let gateway = Gateway::open(|before, _| match before % 17 {
        3 => Answer::Status(500),
        4 => Answer::Late(200, 15),
        5 => Answer::Cut,
        _ => Answer::Status(200),
    });
    watch.endpoint("one", &format!("http://{}/one", gateway.address), "");
    watch.endpoint("two", &format!("http://{}/two", gateway.address), "concurrency: 1");
    std::fs::write(watch.path("dispatch.yaml"), watch.config()).unwrap();
    let (mut seed, mut newest, mut next) = (7, BTreeMap::<String, u32>::new(), 0);
    let mut rewritten = 0;
    for kill in 0..KILLS {
        let mut process = spawn(&watch, false);
        let before = gateway.requests().len();
        for _ in 0..random(&mut seed, 30) {
            let id = if next > 0 && random(&mut seed, 2) == 0 { random(&mut seed, next) } else { next };
            next = next.max(id + 1);
            let revision = newest.entry(format!("a{id}")).or_default();
            *revision += 1;
            watch.tell(&format!("a{id}"), *revision, "provisional");
            rewritten += u32::from(*revision > 1);
        }
        // Every fourth time before it can have begun, else after something was sent.
        if kill % 4 != 3 {
            gateway.wait(before + 1 + random(&mut seed, 3) as usize);
        }
        sleep(Duration::from_millis(random(&mut seed, 40)));
        process.kill().unwrap();
        let why = process.wait_with_output().unwrap().stderr;
        assert!(!String::from_utf8_lossy(&why).contains("panicked"), "kill {kill}: {}", String::from_utf8_lossy(&why));
        // Something is always left to be told.
        watch.tell(&format!("k{kill}"), 1, "provisional");
        newest.insert(format!("k{kill}"), 1);
    }
    let output = spawn(&watch, true).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let requests = gateway.requests();
    for path in ["/one", "/two"] {
        let mut told = BTreeMap::<String, u32>::new();
        let mut taken = BTreeMap::<String, u32>::new();
        for request in requests.iter().filter(|request| request.path == path) {
            let (id, revision) = request.told();
            let before = told.insert(id.clone(), revision).unwrap_or(0);
            assert!(revision >= before, "{path}: {id}.{revision} came after {id}.{before}");
            if request.status == 200 {
                taken.insert(id, revision);
            }
        }
        assert_eq!(taken, newest, "{path}");
    }
    let again = requests.len() - 2 * newest.len();
    println!(
        "{KILLS} kills, {} alerts, {rewritten} revisions of them, {} requests, {again} more than alerts",
        newest.len(),
        requests.len()
    );
}
