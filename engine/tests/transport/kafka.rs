//! The contract on a real Kafka, and what is particular to it. Tests that run at the same time share a broker.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use city::broker::Broker;
use city::line::{Line, request};
use engine::transport::kafka::{KafkaConfig, KafkaTransport};
use engine::transport::{Batch, OutputRow, Position, Progress, Reader, Transport, TransportError, Writer};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::contract::{Place, progress, read_to_end, row};
use crate::retention::delete_before;

crate::the_contract!();

/// The broker of the tests that run just now; `None` where there can be none, which is said.
fn shared_broker() -> Option<Arc<Broker>> {
    static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(broker) = shared.upgrade() {
        return Some(broker);
    }
    let broker = Arc::new(Broker::start().map_err(|skipped| println!("{skipped}")).ok()?);
    *shared = Arc::downgrade(&broker);
    Some(broker)
}

fn connect(broker: &Broker, properties: &[(&str, &str)]) -> KafkaTransport {
    let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    KafkaTransport::new(KafkaConfig { brokers: broker.brokers(), properties }).expect("a client")
}

fn with_place(test: fn(&Place)) {
    with_broker(|place, _| test(place));
}

/// Runs a test on names of its own.
fn with_broker(test: impl FnOnce(&Place, &str)) {
    static PLACES: AtomicU32 = AtomicU32::new(0);
    let Some(broker) = shared_broker() else { return };
    let suffix = format!("-{}", PLACES.fetch_add(1, Ordering::Relaxed));
    test(&Place { store: Box::new(connect(&broker, &[])), suffix }, &broker.brokers());
}

fn refused(config: KafkaConfig) -> TransportError {
    KafkaTransport::new(config).err().expect("this must be refused")
}

#[test]
fn properties_are_checked_and_never_shown() {
    let config =
        |name: &str, value: &str| KafkaConfig { brokers: "b:9092".to_owned(), properties: [(name.to_owned(), value.to_owned())].into() };
    let ours = refused(config("isolation.level", "read_uncommitted"));
    assert_eq!(ours.message, "property “isolation.level” of kafka is set by Giaolo and cannot be changed");
    let unknown = refused(config("sasl.passwort", "hunter2"));
    assert_eq!(unknown.message, "property “sasl.passwort” of kafka is not known, or its value is wrong");
    let wrong = refused(config("security.protocol", "hunter2"));
    for shown in [format!("{unknown:?}"), format!("{wrong:?}"), format!("{:?}", config("sasl.password", "hunter2"))] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn brokers_that_are_not_there_are_said_so_soon() {
    let config = KafkaConfig { brokers: "127.0.0.1:1".to_owned(), ..KafkaConfig::default() };
    let kafka = KafkaTransport::new(config).expect("clients are made without brokers");
    let begun = Instant::now();
    let error = kafka.partitions("observations").expect_err("there is no broker");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(error.retry, "a broker may come");
    assert_eq!(error.message, "topic “observations” cannot be looked up: kafka at 127.0.0.1:1 did not answer");
    assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("Connection refused")), "{:?}", error.hint);
}

#[test]
fn keys_and_headers_arrive() {
    with_broker(|place, brokers| {
        let (alerts, job) = (place.name("alerts"), place.name("job"));
        let mut writer = place.writer(&job, &[&alerts]);
        writer.commit(&[row(&alerts, "a1", "value")], &progress(&job, 1)).expect("a commit");
        let plain: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", "test").create().expect("a plain consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&alerts, 0, Offset::Beginning).expect("a partition");
        plain.assign(&list).expect("an assignment");
        let message = plain.poll(Duration::from_secs(20)).expect("a record in time").expect("a record");
        assert_eq!((message.key(), message.payload()), (Some(&b"a1"[..]), Some(&b"value"[..])));
        let headers = message.headers().expect("headers");
        assert_eq!(headers.count(), 1);
        assert_eq!((headers.get(0).key, headers.get(0).value), ("ce_id", Some(&b"a1.1"[..])));
    });
}

#[test]
fn a_row_too_large_is_named_and_nothing_of_its_commit_stays() {
    with_place(|place| {
        let (alerts, job) = (place.name("alerts"), place.name("job"));
        let mut writer = place.writer(&job, &[&alerts]);
        let rows = [row(&alerts, "small", "x"), row(&alerts, "large", vec![b'x'; 2_000_000])];
        let error = writer.commit(&rows, &progress(&job, 1)).expect_err("too large");
        assert!(!error.retry && error.message.contains("row “large”") && error.message.contains("2000000 bytes"), "{error}");
        // The small row was sent, and aborted: it is in the log, and nobody sees it.
        writer.commit(&[row(&alerts, "next", "y")], &progress(&job, 1)).expect("a commit");
        assert_eq!(place.values(&alerts), ["y"]);
        assert_eq!(writer.history().expect("a history"), [progress(&job, 1)]);
    });
}

#[test]
fn offsets_before_the_first_one_kept_are_an_error() {
    with_broker(|place, brokers| {
        let topic = place.name("observations");
        place.store.create_topic(&topic, 1).expect("a topic");
        let record = engine::transport::NewRecord { value: Some(b"v"), ..Default::default() };
        place.store.append(&topic, &[record; 10]).expect("an append");
        delete_before(brokers, &topic, 0, 6);
        let error = place.store.reader(&topic, 0, 5).err().expect("5 was deleted");
        assert!(!error.retry && error.message.ends_with("is no longer kept: the oldest is 6"), "{error}");
        let offsets = |from| read_to_end(&mut *place.store.reader(&topic, 0, from).expect("a reader"), 100).into_iter().map(|read| read.0);
        assert_eq!(offsets(0).collect::<Vec<_>>(), [6, 7, 8, 9]);
        assert_eq!(offsets(8).collect::<Vec<_>>(), [8, 9]);
    });
}

/// A job that has committed once and a reader of it that has caught up.
struct CaughtUp {
    place: Place,
    alerts: String,
    job: String,
    writer: Box<dyn Writer>,
    reader: Box<dyn Reader>,
    batch: Batch,
}

impl CaughtUp {
    fn on(broker: &Broker) -> Self {
        let place = Place { store: Box::new(connect(broker, &[("message.timeout.ms", "3000")])), suffix: String::new() };
        let (alerts, job) = (place.name("alerts"), place.name("job"));
        let mut writer = place.writer(&job, &[&alerts]);
        writer.commit(&[row(&alerts, "a", "1")], &progress(&job, 1)).expect("a commit");
        let mut reader = place.store.reader(&alerts, 0, 0).expect("a reader");
        assert_eq!(read_to_end(&mut *reader, 100).len(), 1);
        Self { place, alerts, job, writer, reader, batch: Batch::default() }
    }

    fn commit_again(&mut self) -> Result<(), TransportError> {
        self.writer.commit(&[row(&self.alerts, "b", "2")], &progress(&self.job, 2))
    }

    fn read(&mut self) -> Result<Position, TransportError> {
        self.reader.read(100, &mut self.batch)
    }

    /// Once the broker is back the second commit comes about, and the reader sees it.
    fn goes_on(mut self) {
        patiently(|| self.commit_again());
        assert_eq!(patiently(|| self.writer.history()), [progress(&self.job, 1), progress(&self.job, 2)]);
        let begun = Instant::now();
        while patiently(|| self.read()) != Position::CaughtUp || self.batch.records.is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the reader never goes on");
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(self.batch.records.len(), 1);
        assert_eq!(self.place.values(&self.alerts), ["1", "2"]);
    }
}

#[test]
fn a_frozen_broker_passes_and_the_same_commit_succeeds_later() {
    let broker = match Broker::start() {
        Ok(broker) => broker,
        Err(skipped) => return println!("{skipped}"),
    };
    let mut there = CaughtUp::on(&broker);

    broker.freeze();
    let begun = Instant::now();
    let first = there.commit_again();
    let took = begun.elapsed();
    let again = there.commit_again();
    thread::sleep(Duration::from_secs(8));
    let silent = there.read();
    broker.thaw();

    let (first, again) = (first.expect_err("the broker was frozen"), again.expect_err("the broker was frozen"));
    assert!(first.retry && again.retry && took < Duration::from_secs(12), "{first} · {again} · {took:?}");
    println!("{first} · {again} · {took:?}");
    let silent = silent.expect_err("a broker that does not answer is not caught up with");
    assert!(silent.retry && silent.message.ends_with("did not answer"), "{silent}");
    there.goes_on();
}

/// As when a cluster's controllers are gone for a while, or when all its brokers stood still.
#[test]
fn clients_that_were_told_of_no_brokers_find_them_again() {
    let (broker, line) = match Broker::start_away_from_its_controller() {
        Ok(started) => started,
        Err(skipped) => return println!("{skipped}"),
    };
    let mut there = CaughtUp::on(&broker);

    line.die();
    let begun = Instant::now();
    let silent = loop {
        match there.read() {
            Ok(_) => assert!(begun.elapsed() < Duration::from_secs(60), "a broker that counts as gone is read on"),
            Err(silent) => break silent,
        }
        thread::sleep(Duration::from_millis(100));
    };
    assert!(silent.retry && silent.message.ends_with("did not answer"), "{silent}");
    let (store, alerts) = (&there.place.store, &there.alerts);
    let nobody = store.partitions(alerts).and_then(|_| store.offsets(alerts, 0)).expect_err("there is no broker");
    assert!(nobody.retry, "{nobody}");
    line.mend();
    there.goes_on();
}

/// A job's writer behind a line, and how many epochs it has committed.
struct Behind {
    _broker: Broker,
    line: Line,
    place: Place,
    writer: Box<dyn Writer>,
    alerts: String,
    epochs: u64,
}

impl Behind {
    /// `None` where there can be no broker, which is said.
    fn a_line() -> Option<Self> {
        let (broker, line) = Broker::start_behind_a_line().map_err(|skipped| println!("{skipped}")).ok()?;
        let kafka = connect(&broker, &[("message.timeout.ms", "3000"), ("socket.timeout.ms", "3000"), ("transaction.timeout.ms", "4000")]);
        let place = Place { store: Box::new(kafka), suffix: String::new() };
        let alerts = place.name("alerts");
        let writer = place.writer("job", &[&alerts]);
        Some(Self { _broker: broker, line, place, writer, alerts, epochs: 0 })
    }

    fn commit(&mut self) {
        let (rows, progress) = self.next();
        patiently(|| self.writer.commit(&rows, &progress));
    }

    /// Commits while the line is cut behind such a request, and stays cut for so much longer than the writer tries once.
    fn commit_and_cut_behind(&mut self, request: i16, longer: Duration) {
        let (rows, progress) = self.next();
        self.line.cut_behind(request);
        let error = self.writer.commit(&rows, &progress).expect_err("the line is cut");
        assert!(error.retry && self.line.is_cut(), "{error:?}");
        thread::sleep(longer);
        self.line.mend();
        patiently(|| self.writer.commit(&rows, &progress));
    }

    fn next(&mut self) -> ([OutputRow; 2], Progress) {
        self.epochs += 1;
        let value = self.epochs.to_string();
        ([row(&self.alerts, "a", value.clone()), row(&self.alerts, "b", value)], progress("job", self.epochs))
    }

    /// Every epoch is there once.
    fn hold(&mut self) {
        let expected: Vec<String> = (1..=self.epochs).flat_map(|epoch| [epoch.to_string(), epoch.to_string()]).collect();
        assert_eq!(self.place.values(&self.alerts), expected);
        let history: Vec<u64> = patiently(|| self.writer.history()).iter().map(|progress| progress.epoch).collect();
        assert_eq!(history, (1..=self.epochs).collect::<Vec<_>>());
    }
}

/// The worst moments to lose the line: the broker has done what it was asked, the writer does not hear of it, and by the time
/// that it reaches the broker again it has given up its transaction.
#[test]
fn a_line_that_is_cut_behind_any_request_of_a_transaction_loses_and_repeats_nothing() {
    let Some(mut job) = Behind::a_line() else { return };
    for request in [request::PRODUCE, request::ADD_PARTITIONS_TO_TXN, request::END_TXN] {
        job.commit();
        job.commit_and_cut_behind(request, Duration::from_millis(500));
        job.commit();
    }
    job.hold();
}

/// A broker that is alone and shuts down may confirm a commit and not keep it.
#[test]
fn a_commit_that_was_confirmed_and_lost_is_written_again() {
    let Some(mut job) = Behind::a_line() else { return };
    job.commit();
    job.line.confirm_and_forget();
    job.commit();
    job.line.cut();
    thread::sleep(Duration::from_millis(200));
    job.line.mend();
    job.commit();
    job.hold();
}

/// A broker ends a transaction that is open for too long, in the same way in which it ends that of a writer that was replaced.
#[test]
fn a_transaction_that_the_broker_ended_is_written_again() {
    let Some(mut job) = Behind::a_line() else { return };
    job.commit();
    for request in [request::PRODUCE, request::ADD_PARTITIONS_TO_TXN] {
        // A broker looks for such every ten seconds.
        job.commit_and_cut_behind(request, Duration::from_secs(15));
        job.commit();
    }
    job.hold();
}

/// Tries again what may pass, as the engine does.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, TransportError>) -> T {
    let begun = Instant::now();
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => assert!(error.retry && begun.elapsed() < Duration::from_secs(60), "{error:?}"),
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// A broker that is alone has been seen to answer a commit while it shut down, and to forget the marks that end the transaction.
#[test]
#[ignore = "takes minutes: for `make soak`"]
fn a_broker_that_is_shut_down_again_and_again_loses_and_repeats_nothing() {
    let Ok(mut broker) = Broker::start() else { return };
    let place = Place { store: Box::new(connect(&broker, &[("message.timeout.ms", "3000")])), suffix: String::new() };
    let topics = ["alerts", "journeys", "rejected"].map(String::from);
    topics.iter().for_each(|topic| broker.create_topic(topic, 4));
    let mut writer = place.writer("job", &topics.each_ref());
    let epoch_rows = |epoch: u64| -> Vec<OutputRow> {
        let of = |topic: &str| (0..=epoch % 7).map(|n| row(topic, &format!("{n}"), format!("{epoch}-{n}"))).collect::<Vec<_>>();
        topics.iter().enumerate().filter(|(n, _)| epoch.is_multiple_of(*n as u64 + 1)).flat_map(|(_, topic)| of(topic)).collect()
    };
    let (committed, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let rounds: u64 = std::env::var("SOAK_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..rounds {
                let enough = committed.load(Ordering::SeqCst) + 50 + round * 37 % 50;
                while committed.load(Ordering::SeqCst) < enough {
                    thread::sleep(Duration::from_millis(1));
                }
                broker.shut_down();
                broker.restart();
                println!("round {round}");
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            let epoch = committed.load(Ordering::SeqCst) + 1;
            patiently(|| writer.commit(&epoch_rows(epoch), &progress("job", epoch)));
            committed.store(epoch, Ordering::SeqCst);
        }
    });
    let epoch = committed.into_inner();
    for topic in &topics {
        let mut found: Vec<String> = (0..4).flat_map(|partition| place.values_of(topic, partition)).collect();
        let mut expected: Vec<String> = (1..=epoch)
            .flat_map(|epoch| epoch_rows(epoch).into_iter().filter(|row| *row.topic == **topic))
            .map(|row| String::from_utf8(row.value).expect("text"))
            .collect();
        found.sort();
        expected.sort();
        let missing: Vec<_> = expected.iter().filter(|row| found.binary_search(row).is_err()).collect();
        println!("{topic}: {} of {} rows, missing {missing:?}", found.len(), expected.len());
        assert_eq!(found, expected, "{topic}");
    }
    let history: Vec<u64> = patiently(|| writer.history()).iter().map(|progress| progress.epoch).collect();
    assert!(history.windows(2).all(|pair| pair[1] == pair[0] + 1) && history.last() == Some(&epoch), "{history:?}");
}
