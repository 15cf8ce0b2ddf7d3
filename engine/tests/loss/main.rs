//! Records are gone that a restart needs: the job stops and says so, or goes on with what is there, and its revisions go on with it.

mod job;
mod place;
#[cfg(feature = "kafka")]
#[path = "../transport/retention.rs"]
mod retention;
#[path = "../sums/mod.rs"]
#[allow(dead_code, reason = "of the sums, only how they are published is of use here")]
mod sums;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use engine::transport::Progress;
use engine::{OnDataLoss, RunError, Standing};
use job::{LATENESS_MS, STRETCH_MS, begins_ms, job, progress, table, until};
use place::{Local, Place, memory};

/// A record: partition, arrival and value.
type Record = (u32, u64, String);

/// An hour ago.
fn begin_ms() -> u64 {
    engine::wall_ms() / STRETCH_MS * STRETCH_MS - 3_600_000
}

/// Two entries a second over two partitions, of which one comes two seconds late.
fn facts(begin_ms: u64, numbers: std::ops::Range<u64>) -> Vec<Record> {
    let fact = |i: u64| {
        let at_ms = begin_ms + i * 500;
        ((i % 2) as u32, at_ms + if i % 2 == 1 { 2_000 } else { 5 }, format!("[{},{at_ms},{}]", i % 13, i + 1))
    };
    numbers.map(fact).collect()
}

/// What is there of a partition.
fn of(records: &[Record], partition: u32) -> Vec<Record> {
    records.iter().filter(|record| record.0 == partition).cloned().collect()
}

/// How a place loses records: it is given all that it held, and how far they were read, and says what is left that counts.
type Harm = fn(&dyn Place, &[Record], &Progress, u64) -> Vec<Record>;

fn read(progress: &Progress, partition: usize) -> usize {
    usize::try_from(progress.partitions[partition].next_offset).unwrap()
}

/// What of some records is not late to who reads them after a loss.
fn in_time(records: &[Record], last: &Progress) -> Vec<Record> {
    let at_ms = |record: &Record| record.1 - if record.0 == 1 { 2_000 } else { 5 };
    records.iter().filter(|record| at_ms(record) + LATENESS_MS >= last.clock + 2).cloned().collect()
}

/// Retention has taken some of what a restart needs of one partition: all but the last half minute.
fn cut(place: &dyn Place, held: &[Record], last: &Progress, begin_ms: u64) -> Vec<Record> {
    let left = read(last, 0) - 30;
    place.cut(0, left as u64);
    let more = facts(begin_ms, 400..600);
    place.append(&more);
    [of(held, 0).split_off(left), of(held, 1), more].concat()
}

/// Retention has taken all that was read of one partition, and some that was not.
fn cut_further(place: &dyn Place, held: &[Record], last: &Progress, begin_ms: u64) -> Vec<Record> {
    let left = read(last, 0) + 10;
    place.cut(0, left as u64);
    let more = facts(begin_ms, 400..600);
    place.append(&more);
    [of(held, 0).split_off(left), of(held, 1), more].concat()
}

/// The topic was made anew, and holds less than was read.
fn remade(place: &dyn Place, _: &[Record], last: &Progress, begin_ms: u64) -> Vec<Record> {
    place.remake();
    let more = facts(begin_ms, 320..500);
    place.append(&more);
    in_time(&more, last)
}

/// The topic was made anew, and holds more than was read.
fn remade_longer(place: &dyn Place, _: &[Record], last: &Progress, begin_ms: u64) -> Vec<Record> {
    place.remake();
    let more = facts(begin_ms, 320..1_200);
    place.append(&more);
    in_time(&more, last)
}

/// A partition lost its end: it is read again from its beginning, so that what it holds is late or comes again.
fn shrunk(place: &dyn Place, held: &[Record], last: &Progress, _: u64) -> Vec<Record> {
    place.remake();
    let kept = of(held, 0)[..read(last, 0) - 6].to_vec();
    place.append(&[kept.clone(), of(held, 1)].concat());
    [in_time(&kept, last), of(held, 1)].concat()
}

/// Runs a job until it is amid its work, lets the place lose records, and holds what is told then to what it should be.
fn lose(place: &dyn Place, (name, harm): (&str, Harm)) {
    let begin_ms = begin_ms();
    let held = facts(begin_ms, 0..400);
    place.append(&held);
    assert!(!until(job(place, OnDataLoss::Fail), 300).unwrap().finished);
    let (last, before) = (progress(place), table(&*place.connect()));
    println!("{name}");
    let left = harm(place, &held, &last, begin_ms);

    match until(job(place, OnDataLoss::Fail), u64::MAX) {
        Err(RunError::Transport(error)) => {
            let hint = error.hint.as_deref().unwrap_or_default();
            assert!(!error.retry && !error.lost.is_empty() && hint.contains("`--on-data-loss skip`."), "{error:?}");
        }
        other => panic!("it went on: {other:?}"),
    }
    assert_eq!(table(&*place.connect()), before, "whoever fails tells nothing");

    let mut lost = 0;
    for workers in [1, 2].into_iter().cycle() {
        // What it was told to skip once it does not need again.
        let mut run = job(place, if lost == 0 { OnDataLoss::Skip } else { OnDataLoss::Fail });
        run.settings.workers = workers;
        let report = until(run, 40).unwrap();
        assert!(lost == 0 || report.lost == 0, "a loss is told once");
        lost += report.lost;
        if report.finished {
            break;
        }
    }
    assert!(lost > 0);

    let alone = memory();
    Place::append(&alone, &left);
    assert!(until(job(&alone, OnDataLoss::Fail), u64::MAX).unwrap().finished);
    let (alone, now) = (table(&alone), table(&*place.connect()));
    let (mut open, mut alike) = (0, 0);
    for (id, told) in &before {
        let now = &now[id];
        match (told.standing, alone.get(id)) {
            (Standing::Final, _) => assert_eq!(now, told),
            (_, Some(left)) => {
                assert_eq!((now.standing, now.sum), (Standing::Final, left.sum), "{name}: {id} was {told:?}");
                // What nothing was lost of is not told again.
                let again = name == "cut" && told.sum == left.sum && now.revision != told.revision + 1;
                assert!(!again, "{name}: {id} was {told:?}, is {now:?}");
                alike += usize::from(told.sum == left.sum);
            }
            (_, None) => assert_eq!(now.standing, Standing::Withdrawn, "{id}"),
        }
        open += usize::from(told.standing == Standing::Provisional);
    }
    assert!(open > 5 && (alike > 0 || name != "cut"), "{open} were open, and {alike} of them whole");
    let (mut new, mut over) = (0, 0);
    for (id, left) in alone.iter().filter(|(id, _)| !before.contains_key(id)) {
        // Nobody is told any more of what would have been final by then.
        if begins_ms(*id) + STRETCH_MS + LATENESS_MS > last.clock {
            assert_eq!((now[id].standing, now[id].sum), (Standing::Final, left.sum), "{id}");
            new += 1;
        } else {
            over += 1;
        }
    }
    assert!(new > 0 && over == 0, "{new} are new, {over} were never told");
    assert!(now.keys().all(|id| before.contains_key(id) || alone.contains_key(id)));
}

const HARMS: [(&str, Harm); 5] =
    [("cut", cut), ("cut further", cut_further), ("made anew", remade), ("made anew and longer", remade_longer), ("shrunk", shrunk)];

#[test]
fn in_memory() {
    HARMS.into_iter().for_each(|harm| lose(&memory(), harm));
}

#[test]
fn in_a_store_in_one_file() {
    HARMS.into_iter().for_each(|harm| lose(&Local::new(), harm));
}

#[cfg(feature = "kafka")]
#[test]
fn on_kafka() {
    // A broker takes long to start: one kind of each.
    for harm in [HARMS[0], HARMS[3], HARMS[4]] {
        let Some(kafka) = place::Kafka::start() else { return };
        lose(&kafka, harm);
    }
}

/// Waits until so many ids were told of.
fn until_told(place: &dyn Place, ids: usize) {
    let began = Instant::now();
    while table(&*place.connect()).len() < ids {
        assert!(began.elapsed() < Duration::from_secs(60), "{} of {ids} ids were told", table(&*place.connect()).len());
        thread::sleep(Duration::from_millis(20));
    }
}

/// A topic is made anew under a job that runs.
fn lose_while_it_runs(place: &dyn Place) {
    let now = |keys: std::ops::Range<u64>| -> Vec<Record> {
        let at_ms = engine::wall_ms();
        keys.map(|key| ((key % 2) as u32, at_ms, format!("[{key},{at_ms},1]"))).collect()
    };
    place.append(&now(0..20));
    let mut run = job(place, OnDataLoss::Skip);
    run.settings.bounded = false;
    let stop = Arc::clone(&run.stop);
    let running = thread::spawn(move || run.run(&mut |_| ()));
    until_told(place, 20);
    place.remake();
    place.append(&now(100..110));
    until_told(place, 30);
    place.append(&now(200..210));
    until_told(place, 40);
    stop.store(true, Ordering::Relaxed);
    running.join().unwrap().unwrap();
    let told = table(&*place.connect());
    let of = |keys: std::ops::Range<u64>| told.iter().filter(move |(id, _)| keys.contains(&(*id >> 44))).map(|(_, told)| told.standing);
    assert!(of(0..20).all(|standing| standing == Standing::Withdrawn), "{told:?}");
    assert!(of(100..210).all(|standing| standing == Standing::Provisional), "{told:?}");
}

#[test]
fn in_memory_while_it_runs() {
    lose_while_it_runs(&memory());
}
