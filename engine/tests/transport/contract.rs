//! The tests of the contract. They know a place only by its traits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use engine::transport::{Batch, NewRecord, OutputRow, Position, Progress, Reader, Tick, TopicStore, Writer};

/// A place under test, and what keeps the names of one test from those of another.
pub(crate) struct Place {
    pub(crate) store: Box<dyn TopicStore>,
    pub(crate) suffix: String,
}

/// A record as it was read: offset, arrival, key, value.
pub(crate) type Read = (u64, Option<u64>, Vec<u8>, Option<Vec<u8>>);

impl Place {
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    fn topic(&self, name: &str, partitions: u32) -> String {
        let topic = self.name(name);
        self.store.create_topic(&topic, partitions).expect("a topic");
        topic
    }

    pub(crate) fn writer(&self, job: &str, outputs: &[&String]) -> Box<dyn Writer> {
        let outputs: Vec<String> = outputs.iter().map(|topic| (*topic).clone()).collect();
        self.store.writer(job, &outputs).expect("a writer")
    }

    fn read_from(&self, topic: &str, offset: u64) -> Vec<Read> {
        read_to_end(&mut *self.store.reader(topic, 0, offset).expect("a reader"), 1 << 20)
    }

    pub(crate) fn values(&self, topic: &str) -> Vec<String> {
        self.values_of(topic, 0)
    }

    pub(crate) fn values_of(&self, topic: &str, partition: u32) -> Vec<String> {
        let text = |value: Option<Vec<u8>>| String::from_utf8(value.expect("a value")).expect("text");
        let mut reader = self.store.reader(topic, partition, 0).expect("a reader");
        read_to_end(&mut *reader, 1 << 20).into_iter().map(|read| text(read.3)).collect()
    }
}

/// Reads until the reader has caught up. It may say `More` with nothing for as long as a broker needs to answer.
pub(crate) fn read_to_end(reader: &mut dyn Reader, most_bytes: usize) -> Vec<Read> {
    let mut all = Vec::new();
    let begun = Instant::now();
    loop {
        let mut batch = Batch::default();
        let position = reader.read(most_bytes, &mut batch).expect("a read");
        assert!(batch.bytes.len() <= most_bytes + 1000, "a batch is about as long as asked for");
        all.extend(
            batch
                .records
                .iter()
                .map(|record| (record.offset, record.arrival_ms, batch.key(record).to_vec(), batch.value(record).map(<[u8]>::to_vec))),
        );
        match position {
            Position::CaughtUp => return all,
            Position::End => panic!("a topic never ends"),
            Position::More if batch.records.is_empty() => thread::sleep(Duration::from_millis(1)),
            Position::More => {}
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the end was not reached after {} records", all.len());
    }
}

pub(crate) fn row(topic: &str, key: &str, value: impl Into<Vec<u8>>) -> OutputRow {
    OutputRow { topic: topic.into(), key: key.to_owned(), value: value.into(), headers: vec![("ce_id", format!("{key}.1").into())] }
}

pub(crate) fn progress(job: &str, epoch: u64) -> Progress {
    let ticks = vec![Tick { clock: 10 * epoch, offsets: vec![epoch], observed_ms: vec![10 * epoch] }];
    Progress { version: Progress::VERSION, job: job.to_owned(), epoch, frontier: u64::MAX, clock: 10 * epoch, ticks, ..Progress::default() }
}

fn record(value: &str) -> NewRecord<'_> {
    NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() }
}

pub(crate) fn a_missing_topic_is_named_with_what_there_is(place: &Place) {
    let topic = place.topic("observations", 1);
    let wrong = place.name("observation");
    for error in [place.store.partitions(&wrong).err(), place.store.reader(&wrong, 0, 0).err(), place.store.append(&wrong, &[]).err()] {
        let error = error.expect("there is no such topic");
        assert!(!error.retry && error.message.contains(&wrong), "{error}");
        assert!(error.hint.as_ref().is_some_and(|hint| hint.contains(&format!("Did you mean “{topic}”?"))), "{:?}", error.hint);
    }
    let error = place.store.reader(&topic, 1, 0).err().expect("there is no such partition");
    assert!(!error.retry && error.message.contains("has no partition 1"), "{error}");
}

pub(crate) fn records_arrive_as_they_were_added(place: &Place) {
    let topic = place.topic("hotlist", 1);
    let added = [
        NewRecord { partition: 0, arrival_ms: Some(1_700_000_000_000), key: b"k1", value: Some(b"one") },
        NewRecord { partition: 0, arrival_ms: Some(1_700_000_000_007), key: b"", value: Some(b"") },
        NewRecord { partition: 0, arrival_ms: Some(1_700_000_000_003), key: b"k1", value: None },
        NewRecord { partition: 0, arrival_ms: None, key: &[0, 255], value: Some(&[255, 0, 10]) },
    ];
    place.store.append(&topic, &added).expect("an append");
    let read = place.read_from(&topic, 0);
    assert_eq!(read.len(), added.len());
    for (offset, (read, added)) in read.iter().zip(added).enumerate() {
        assert_eq!((read.0, &*read.2, read.3.as_deref()), (offset as u64, added.key, added.value));
        assert!(added.arrival_ms.is_none_or(|arrival| read.1 == Some(arrival)), "{:?}", read.1);
    }
    assert!(read[3].1 > Some(1_700_000_000_000), "the place's own time, where none is given");
    assert_eq!(place.store.offsets(&topic, 0).expect("offsets"), 0..4);
}

pub(crate) fn a_reader_resumes_anywhere(place: &Place) {
    let topic = place.topic("observations", 1);
    let values: Vec<String> = (0..1000).map(|number| format!("value {number:04} {}", "·".repeat(number % 40))).collect();
    place.store.append(&topic, &values.iter().map(|value| record(value)).collect::<Vec<_>>()).expect("an append");
    for (from, most_bytes) in [(0, 1), (0, 700), (0, 1 << 20), (1, 1000), (499, 1 << 20), (999, 1 << 20), (1000, 1 << 20)] {
        let read = read_to_end(&mut *place.store.reader(&topic, 0, from).expect("a reader"), most_bytes);
        let offsets: Vec<u64> = read.iter().map(|read| read.0).collect();
        assert_eq!(offsets, (from..1000).collect::<Vec<_>>(), "from {from} by {most_bytes}");
        assert!(read.iter().all(|(offset, _, _, value)| value.as_deref() == Some(values[*offset as usize].as_bytes())));
    }
    // A reader that is dropped half-way leaves nothing behind for the next.
    let mut half = place.store.reader(&topic, 0, 0).expect("a reader");
    let mut batch = Batch::default();
    while batch.records.is_empty() {
        half.read(1, &mut batch).expect("a read");
    }
    drop(half);
    assert_eq!(place.read_from(&topic, 990).len(), 10);
    // Two at once do not share a position.
    let (mut one, mut two) = (place.store.reader(&topic, 0, 0).expect("a reader"), place.store.reader(&topic, 0, 500).expect("a reader"));
    assert_eq!((read_to_end(&mut *one, 100).len(), read_to_end(&mut *two, 100).len()), (1000, 500));
}

pub(crate) fn a_reader_notices_what_is_added_later(place: &Place) {
    let topic = place.topic("signals", 1);
    let mut reader = place.store.reader(&topic, 0, 0).expect("a reader");
    assert_eq!(read_to_end(&mut *reader, 1 << 20), []);
    for round in 0..3 {
        place.store.append(&topic, &[record("a"), record("b")]).expect("an append");
        let mut read = Vec::new();
        let begun = Instant::now();
        while read.len() < 2 && begun.elapsed() < Duration::from_secs(30) {
            read.extend(read_to_end(&mut *reader, 1 << 20).into_iter().map(|read| read.0));
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(read, [2 * round, 2 * round + 1]);
    }
}

pub(crate) fn an_offset_that_is_not_kept_is_an_error(place: &Place) {
    let topic = place.topic("signals", 1);
    place.store.append(&topic, &[record("a")]).expect("an append");
    assert_eq!(place.read_from(&topic, 1), []);
    let error = place.store.reader(&topic, 0, 2).err().expect("offset 2 was never written");
    assert!(!error.retry && error.message.contains("was never written: the topic ends at 1"), "{error}");
}

pub(crate) fn partitions_are_read_apart(place: &Place) {
    let topic = place.topic("observations", 3);
    assert_eq!(place.store.partitions(&topic).expect("partitions"), [0, 1, 2]);
    let keys: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    let records: Vec<_> = keys
        .iter()
        .zip(0..)
        .map(|(key, number)| NewRecord { partition: number % 3, key: key.as_bytes(), value: Some(b"v"), ..NewRecord::default() })
        .collect();
    place.store.append(&topic, &records).expect("an append");
    let mut readers: Vec<_> = (0..3).map(|partition| place.store.reader(&topic, partition, 0).expect("a reader")).collect();
    let read = thread::scope(|scope| {
        let reading: Vec<_> = readers.iter_mut().map(|reader| scope.spawn(|| read_to_end(&mut **reader, 500))).collect();
        reading.into_iter().map(|thread| thread.join().expect("a reader")).collect::<Vec<_>>()
    });
    for (partition, read) in read.into_iter().enumerate() {
        let expected: Vec<Vec<u8>> = keys.iter().skip(partition).step_by(3).map(|key| key.clone().into_bytes()).collect();
        assert_eq!(read.into_iter().map(|read| read.2).collect::<Vec<_>>(), expected);
    }
    let error = place.store.append(&topic, &[NewRecord { partition: 3, ..record("x") }]).expect_err("there is no partition 3");
    assert!(!error.retry && error.message.contains("has no partition 3"), "{error}");
}

pub(crate) fn a_commit_brings_rows_and_progress(place: &Place) {
    let (journeys, alerts, job) = (place.name("journeys"), place.name("alerts"), place.name("job"));
    let mut writer = place.writer(&job, &[&journeys, &alerts]);
    assert_eq!(writer.history().expect("a history"), []);
    assert_eq!(place.store.partitions(&alerts).expect("an output is made on demand"), [0]);
    writer.commit(&[row(&journeys, "j1", "a"), row(&alerts, "a1", "b"), row(&journeys, "j2", "c")], &progress(&job, 1)).expect("a commit");
    writer.commit(&[row(&alerts, "a1", "d")], &progress(&job, 2)).expect("a commit");
    assert_eq!(place.values(&journeys), ["a", "c"]);
    assert_eq!(place.values(&alerts), ["b", "d"]);
    let keys: Vec<Vec<u8>> = place.read_from(&journeys, 0).into_iter().map(|read| read.2).collect();
    assert_eq!(keys, [b"j1", b"j2"]);
    assert!(place.read_from(&journeys, 0).iter().all(|read| read.1 > Some(1_700_000_000_000)));
    assert_eq!(writer.history().expect("a history"), [progress(&job, 1), progress(&job, 2)]);
}

pub(crate) fn history_is_in_order_and_per_job(place: &Place) {
    let (alerts, one, two) = (place.name("alerts"), place.name("one"), place.name("two"));
    let mut writers = [place.writer(&one, &[&alerts]), place.writer(&two, &[&alerts])];
    for epoch in 1..=12 {
        writers[0].commit(&[row(&alerts, "a", "one")], &progress(&one, epoch)).expect("a commit");
        if epoch % 3 == 0 {
            writers[1].commit(&[row(&alerts, "b", "two")], &progress(&two, epoch)).expect("a commit");
        }
    }
    drop(writers);
    let epochs = |job| place.writer(job, &[&alerts]).history().expect("a history").iter().map(|p| p.epoch).collect::<Vec<_>>();
    assert_eq!(epochs(&one), (1..=12).collect::<Vec<_>>());
    assert_eq!(epochs(&two), [3, 6, 9, 12]);
    assert_eq!(epochs(&place.name("three")), [0; 0]);
    assert_eq!(place.values(&alerts).len(), 16);
}

pub(crate) fn progress_without_rows_is_kept(place: &Place) {
    let (alerts, job) = (place.name("alerts"), place.name("job"));
    let mut writer = place.writer(&job, &[&alerts]);
    writer.commit(&[], &progress(&job, 1)).expect("a commit");
    writer.commit(&[], &Progress { finished: true, ..progress(&job, 2) }).expect("a commit");
    assert_eq!(place.values(&alerts), [""; 0]);
    let history = place.writer(&job, &[&alerts]).history().expect("a history");
    assert_eq!(history.iter().map(|p| (p.epoch, p.finished)).collect::<Vec<_>>(), [(1, false), (2, true)]);
}

pub(crate) fn a_second_writer_fences_the_first(place: &Place) {
    let (alerts, job) = (place.name("alerts"), place.name("job"));
    let mut first = place.writer(&job, &[&alerts]);
    first.commit(&[row(&alerts, "a", "first")], &progress(&job, 1)).expect("a commit");
    let mut second = place.writer(&job, &[&alerts]);
    for _ in 0..2 {
        let error = first.commit(&[row(&alerts, "b", "zombie")], &progress(&job, 2)).expect_err("it was replaced");
        assert!(!error.retry && error.message.starts_with(&format!("another writer took over job “{job}”")), "{error}");
    }
    assert_eq!(second.history().expect("a history"), [progress(&job, 1)]);
    second.commit(&[row(&alerts, "c", "second")], &progress(&job, 2)).expect("a commit");
    first.commit(&[], &progress(&job, 3)).expect_err("it stays replaced");
    assert_eq!(place.values(&alerts), ["first", "second"]);
    assert_eq!(second.history().expect("a history"), [progress(&job, 1), progress(&job, 2)]);
}

pub(crate) fn a_refused_commit_leaves_nothing(place: &Place) {
    let (alerts, job) = (place.name("alerts"), place.name("job"));
    let mut writer = place.writer(&job, &[&alerts]);
    writer.commit(&[row(&alerts, "a", "a")], &progress(&job, 1)).expect("a commit");
    let stray = row(&place.name("elsewhere"), "c", "c");
    let error = writer.commit(&[row(&alerts, "b", "b"), stray], &progress(&job, 2)).expect_err("not an output");
    assert!(!error.retry && error.message.contains(&place.name("elsewhere")), "{error}");
    assert_eq!(place.values(&alerts), ["a"]);

    let mut writer = place.writer(&job, &[&alerts]);
    assert_eq!(writer.history().expect("a history"), [progress(&job, 1)]);
    writer.commit(&[row(&alerts, "b", "b")], &progress(&job, 2)).expect("a commit");
    assert_eq!(place.values(&alerts), ["a", "b"]);
}

/// Each commit writes a pair of rows to each of two topics. Whoever has caught up has seen whole pairs, in order.
pub(crate) fn readers_see_whole_commits(place: &Place) {
    const COMMITS: u64 = 60;
    let (journeys, alerts, job) = (place.name("journeys"), place.name("alerts"), place.name("job"));
    let mut writer = place.writer(&job, &[&journeys, &alerts]);
    let seen = [AtomicU64::new(0), AtomicU64::new(0)];
    let watch = |topic: &String, pairs: &AtomicU64| {
        let mut reader = place.store.reader(topic, 0, 0).expect("a reader");
        let mut keys = Vec::new();
        while pairs.load(Ordering::Relaxed) < COMMITS {
            keys.extend(read_to_end(&mut *reader, 64).into_iter().map(|read| String::from_utf8(read.2).expect("text")));
            assert!(keys.len().is_multiple_of(2), "half a commit was seen: {keys:?}");
            pairs.store(keys.len() as u64 / 2, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(keys, (1..=COMMITS).flat_map(|epoch| [format!("{epoch}a"), format!("{epoch}b")]).collect::<Vec<_>>());
    };
    thread::scope(|scope| {
        let watching = [scope.spawn(|| watch(&journeys, &seen[0])), scope.spawn(|| watch(&alerts, &seen[1]))];
        for epoch in 1..=COMMITS {
            let pair = |topic: &str| [row(topic, &format!("{epoch}a"), "x"), row(topic, &format!("{epoch}b"), "y")];
            writer.commit(&[pair(&journeys), pair(&alerts)].concat(), &progress(&job, epoch)).expect("a commit");
            // Who reads as fast as others write is never told of an end: let the readers come to one now and then.
            let behind = || seen.iter().any(|pairs| pairs.load(Ordering::Relaxed) < epoch);
            while epoch % 6 == 0 && behind() && watching.iter().all(|thread| !thread.is_finished()) {
                thread::sleep(Duration::from_millis(1));
            }
        }
    });
}

pub(crate) fn topics_are_made_once(place: &Place) {
    let topic = place.topic("patrols", 2);
    place.store.create_topic(&topic, 2).expect("it is there, as asked for");
    let error = place.store.create_topic(&topic, 5).expect_err("it has two partitions");
    assert!(!error.retry && error.message.contains("has 2 partitions, not 5"), "{error}");
    for name in ["", "a/b", ".hidden", "a b", &"x".repeat(250)] {
        let error = place.store.create_topic(name, 1).expect_err("no proper name");
        assert!(!error.retry && error.message.contains("cannot be the name of a topic"), "{error}");
    }
    place.store.append(&topic, &[NewRecord { partition: 1, ..record("a") }]).expect("an append");
    let all = place.store.topics().expect("topics");
    let summary = all.iter().find(|summary| summary.name == topic).expect("it is listed");
    assert_eq!(summary.partitions, [0..0, 0..1]);
    assert!(all.is_sorted_by_key(|summary| &summary.name));
}
