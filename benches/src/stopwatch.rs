//! What a run cost: on the clock on the wall, in processor time, and in that of its busiest thread.
//!
//! On a machine with a core to spare for every thread the busiest one is what the wall clock waits for, and unlike the wall
//! clock it does not count what other programs took. Where the system does not tell (it is read from Linux's `/proc`), the
//! wall clock stands in.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the threads are looked at: one that ends is seen up to this long before its end.
const LOOK: Duration = Duration::from_millis(5);

/// What a run cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// On the clock on the wall.
    pub wall: Duration,
    /// Processor time of all threads.
    pub all: Duration,
    /// Processor time of the busiest thread.
    pub busiest: Duration,
}

/// Runs something and measures it.
pub fn measure<R>(run: impl FnOnce() -> R) -> (Cost, R) {
    let before = threads();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&stop));
        let began = Instant::now();
        let result = run();
        let wall = began.elapsed();
        stop.store(true, Ordering::Relaxed);
        let last = threads();
        watch.thread().unpark();
        let mut spent = watch.join().unwrap_or_default();
        spent.extend(last);
        let spent: Vec<Duration> =
            spent.iter().map(|(id, spent)| spent.saturating_sub(before.get(id).copied().unwrap_or_default())).collect();
        let busiest = spent.iter().max().copied().filter(|busiest| !busiest.is_zero()).unwrap_or(wall);
        (Cost { wall, all: spent.iter().sum::<Duration>().max(busiest), busiest }, result)
    })
}

/// Looks at the threads until told to stop; returns what each, but the looking one, had spent when last seen.
fn watch(stop: &AtomicBool) -> BTreeMap<u64, Duration> {
    let mut seen = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        seen.extend(threads());
        std::thread::park_timeout(LOOK);
    }
    let myself = fs::read_link("/proc/thread-self").ok();
    let myself = myself.and_then(|path| path.file_name()?.to_str()?.parse().ok());
    seen.retain(|id, _| Some(*id) != myself);
    seen
}

/// Processor time of each thread of this process so far.
fn threads() -> BTreeMap<u64, Duration> {
    let entries = fs::read_dir("/proc/self/task").into_iter().flatten();
    let spent = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let text = fs::read_to_string(entry.path().join("schedstat")).ok()?;
        let nanoseconds = text.split_ascii_whitespace().next()?.parse().ok()?;
        Some((entry.file_name().to_str()?.parse().ok()?, Duration::from_nanos(nanoseconds)))
    };
    entries.filter_map(spent).collect()
}
