//! The engine in a world that a seed decides: the real recovery, pump, clock, workers and committer, on one thread, over a log
//! that fails in every way it may, through time that passes only when somebody rests.
//!
//! ```text
//! seed ─▶ story, faults ─▶ life after life of a job ─▶ what it committed ─▶ held to an oracle, transaction by transaction
//! ```
//!
//! A seed that fails is named, and gives the same life again: `SIMULATION_SEED=17 cargo test -p giaolo-engine --lib simulation`.

mod clock;
mod crew;
mod facts;
mod job;
mod life;
mod log;
mod oracle;
mod random;

use std::env;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use self::life::{Told, live};

/// Lives through a range of seeds until the time is up; says what happened in all of them.
fn many(seeds: std::ops::Range<u64>, most: Duration) -> (u64, Told) {
    let (began, mut lived, mut sum) = (Instant::now(), 0, Told::default());
    for seed in seeds {
        if began.elapsed() > most {
            break;
        }
        // What is assumed of the engine on the way panics, and must name the seed too.
        let ended = catch_unwind(|| live(seed)).unwrap_or_else(|_| Err("it panicked, see above".to_owned()));
        let told = ended.unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        lived += 1;
        sum.add(told);
    }
    (lived, sum)
}

impl Told {
    fn add(&mut self, other: Self) {
        self.commits += other.commits;
        (self.killed, self.fenced) = (self.killed + other.killed, self.fenced + other.fenced);
        (self.failed, self.stopped) = (self.failed + other.failed, self.stopped + other.stopped);
        let (sum, figures) = (&mut self.figures, other.figures);
        (sum.records, sum.rows, sum.rejected) = (sum.records + figures.records, sum.rows + figures.rows, sum.rejected + figures.rejected);
        (sum.withdrawn, sum.finals) = (sum.withdrawn + figures.withdrawn, sum.finals + figures.finals);
    }
}

#[test]
fn a_job_that_is_killed_frozen_and_failed_in_every_way_tells_what_it_should() {
    if let Some(seed) = env::var("SIMULATION_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return println!("{:?}", many(seed..seed + 1, Duration::MAX));
    }
    let (lived, told) = many(0..250, Duration::from_secs(45));
    println!("{lived} seeds: {told:?}");
    // On a slow machine there is time for some of them.
    assert!(lived >= 20, "{lived} seeds took longer than it may");
    assert!(told.killed > lived && told.fenced > 0 && told.failed > 0 && told.stopped > 0, "{told:?}");
    assert!(told.figures.withdrawn > 0 && told.figures.rejected > 0 && told.figures.finals > 0, "{told:?}");
}

#[test]
fn the_same_seed_gives_the_same_life() {
    for seed in [3, 4] {
        assert_eq!(format!("{:?}", live(seed)), format!("{:?}", live(seed)));
    }
}

/// Thousands of seeds, other ones each day: `make soak`.
#[test]
#[ignore = "takes minutes: `make soak`"]
fn soak() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let minutes = number("SOAK_MINUTES").unwrap_or(5);
    let today = crate::time::wall_ms() / 86_400_000;
    let first = number("SOAK_SEED").unwrap_or(today * 1_000_000);
    let (lived, told) = many(first..u64::MAX, Duration::from_secs(60 * minutes));
    println!("seeds {first} to {}: {told:?}", first + lived - 1);
}
