//! Faults of brokers and of the lines to them, on a real Kafka: what a job tells in the end is what a run tells that is left alone.
//!
//! ```text
//! the job, a process ─── line ─── broker      cut | dead | stopped | gone, says its controller
//!                                             the job itself frozen while another takes its place
//! ```

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use city::broker::{Broker, Skipped};
use city::line::Line;
use engine::RunError;
use engine::transport::{NewRecord, TopicStore as _, Transport};

use crate::crash::{hold, open, process, recording};
use crate::live::connect;
use crate::product::{Told, assert_same, definition, feed, job, replay};

/// The job in a process of its own.
struct Running {
    process: Child,
    said: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn on(store: &str) -> Self {
        let mut process = process(store, 1).spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, said }
    }

    /// Waits until it has committed so often.
    fn commits(&mut self, count: usize) {
        let seen = self.said.by_ref().map_while(Result::ok).filter(|line| line.ends_with("committed")).take(count).count();
        assert_eq!(seen, count, "it ended before");
    }

    fn signal(&self, name: &str) {
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
    }

    /// Waits for its end; gives whether it ended well, and what it said of errors.
    fn end(mut self) -> (bool, String) {
        self.said.by_ref().for_each(drop);
        let output = self.process.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn ends_well(self) {
        let (well, errors) = self.end();
        assert!(well, "it did not end well:\n{errors}");
    }
}

/// A broker behind a line, with the recording in its topics.
fn behind_a_line() -> Result<(Broker, Line, String), Skipped> {
    let (broker, line) = Broker::start_behind_a_line()?;
    let store = format!("kafka:{}", broker.brokers());
    feed(open(&store).as_ref(), &recording(), |_, _| true);
    Ok((broker, line, store))
}

#[test]
fn a_job_whose_line_is_cut_or_dead_or_whose_broker_stops_goes_on_by_itself() {
    let (mut broker, line, store) = match behind_a_line() {
        Ok(there) => there,
        Err(skipped) => return println!("{skipped}"),
    };
    let mut job = Running::on(&store);
    for commits in 1..=3 {
        job.commits(commits);
        line.cut();
        thread::sleep(Duration::from_secs(2));
        line.mend();
        job.commits(commits);
        line.die();
        // Longer than a message waits to be delivered, so that transactions are given up too.
        thread::sleep(Duration::from_secs(8 * commits as u64));
        line.mend();
    }
    job.commits(3);
    // Stopped, not killed, and between two transactions: a lone broker that goes away while it ends one (seen of 4.3.1) may say that it
    // is committed and have written that to none of its partitions. It stays open for good then, or ends as the next one does.
    job.signal("-STOP");
    thread::sleep(Duration::from_secs(1));
    broker.shut_down();
    job.signal("-CONT");
    thread::sleep(Duration::from_secs(10));
    broker.restart();
    job.ends_well();
    hold(&Told::at(open(&store).as_ref()), 0);
}

/// Where a cluster's controllers are away, its brokers answer and name no broker: clients forget all they knew.
#[test]
fn a_job_that_is_told_of_no_brokers_for_a_while_goes_on_by_itself() {
    let (broker, line) = match Broker::start_away_from_its_controller() {
        Ok(there) => there,
        Err(skipped) => return println!("{skipped}"),
    };
    let store = format!("kafka:{}", broker.brokers());
    feed(open(&store).as_ref(), &recording(), |_, _| true);
    let mut job = Running::on(&store);
    job.commits(3);
    line.die();
    thread::sleep(Duration::from_secs(20));
    let gone = open(&store).offsets("observations", 0).expect_err("the broker does not count as gone");
    assert!(gone.retry, "{gone}");
    line.mend();
    job.commits(1);
    job.ends_well();
    hold(&Told::at(open(&store).as_ref()), 0);
}

#[test]
fn of_two_processes_with_one_job_the_older_one_ends_and_nothing_is_told_twice() {
    let broker = match Broker::start() {
        Ok(broker) => broker,
        Err(skipped) => return println!("{skipped}"),
    };
    let store = format!("kafka:{}", broker.brokers());
    feed(open(&store).as_ref(), &recording(), |_, _| true);
    let mut older = Running::on(&store);
    older.commits(4);
    older.signal("-STOP");
    let mut younger = Running::on(&store);
    younger.commits(2);
    older.signal("-CONT");
    let (well, errors) = older.end();
    assert!(!well && errors.contains("another writer took over job “city”"), "{errors}");
    younger.ends_well();
    hold(&Told::at(open(&store).as_ref()), 0);
}

#[test]
fn a_topic_that_is_made_anew_stops_the_job_with_a_reason() {
    let broker = match Broker::start() {
        Ok(broker) => broker,
        Err(skipped) => return println!("{skipped}"),
    };
    let store = format!("kafka:{}", broker.brokers());
    feed(open(&store).as_ref(), &recording(), |_, _| true);
    let mut job = Running::on(&store);
    job.commits(4);
    job.signal("-KILL");
    drop(job.end());
    broker.delete_topic("observations");
    // As many records as there were, and more, but others.
    let mut others = recording();
    others.observations.iter_mut().for_each(|o| o.objects.clear());
    feed(open(&store).as_ref(), &others, |_, _| true);
    let (well, errors) = Running::on(&store).end();
    assert!(!well && errors.contains("is not what it was"), "{errors}");
    assert!(errors.contains("To begin anew with what is there, give the job another name."), "{errors}");
}

#[test]
fn records_of_a_megabyte_and_keys_as_long_are_rejected_and_stop_nobody() {
    let broker = match Broker::start() {
        Ok(broker) => broker,
        Err(skipped) => return println!("{skipped}"),
    };
    let (kafka, recording) = (connect(&broker), recording());
    feed(kafka.as_ref(), &recording, |_, _| true);
    let good = replay(&recording, |_| ());
    // As large as the broker takes them: text that grows sixfold in JSON, bytes that are no text, a string that a reason quotes.
    let control = vec![1_u8; 900_000];
    let no_text = vec![0xfe_u8; 900_000];
    let quoted = format!("{{\"camera\": \"{}\"}}", "x".repeat(900_000)).into_bytes();
    let long_key = vec![b'k'; 900_000];
    let bad = [(&b"c001"[..], &control), (b"c001", &no_text), (b"c001", &quoted), (&long_key, &b"{".to_vec())];
    for (partition, (key, value)) in (0..).zip(bad) {
        let arrival_ms = recording.observations.last().map(|o| o.received_ms.unsigned_abs());
        kafka.append("observations", &[NewRecord { partition, arrival_ms, key, value: Some(value) }]).unwrap();
    }
    let place = Arc::clone(&kafka) as Arc<dyn Transport>;
    assert!(job(definition(), &recording.city, &place, &place).run(&mut |_| ()).unwrap().finished);
    let told = Told::at(kafka.as_ref());
    assert_same("a megabyte", &good, &told);
    assert_eq!(told.rejected().len(), good.rejected().len() + bad.len());
}

#[test]
fn partitions_that_are_added_are_seen_and_a_deleted_topic_is_named() {
    let broker = match Broker::start() {
        Ok(broker) => broker,
        Err(skipped) => return println!("{skipped}"),
    };
    let kafka = connect(&broker);
    broker.create_topic("small", 1);
    assert_eq!(kafka.partitions("small").unwrap(), [0]);
    broker.grow_topic("small", 3);
    assert_eq!(kafka.partitions("small").unwrap(), [0, 1, 2]);
    kafka.append("small", &[NewRecord { partition: 2, key: b"k", value: Some(b"v"), ..NewRecord::default() }]).unwrap();
    assert_eq!(crate::product::read_all(kafka.as_ref(), "small"), ["v"]);

    let place = Arc::clone(&kafka) as Arc<dyn Transport>;
    feed(kafka.as_ref(), &recording(), |n, _| n < 10);
    let mut run = job(definition(), &recording().city, &place, &place);
    run.settings.bounded = false;
    let stop = Arc::clone(&run.stop);
    let running = thread::spawn(move || run.run(&mut |_| ()));
    thread::sleep(Duration::from_secs(3));
    broker.delete_topic("observations");
    for _ in 0..600 {
        if running.is_finished() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    match running.join().unwrap() {
        // Who reads it notices first (a broker empties a partition before it forgets it), or who looks whether there are more
        // partitions.
        Err(RunError::Transport(error)) => {
            let gone = ["was deleted while it was read", "no longer keeps what comes next", "does not exist"]
                .iter()
                .any(|words| error.message.contains(words));
            assert!(gone && error.message.contains("“observations”"), "{error}");
        }
        other => panic!("a job went on without its topic: {other:?}"),
    }
}
