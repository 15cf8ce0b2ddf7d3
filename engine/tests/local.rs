//! What is particular to the embedded store: the file, other programs, and death at any moment.
//! The contract that it shares with Kafka is in `tests/transport`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs, thread};

use engine::transport::local::LocalTransport;
use engine::transport::{Batch, NewRecord, OutputRow, Position, Progress, TopicStore, Transport, TransportError};
use rusqlite::Connection;

type Checked = Result<(), Box<dyn std::error::Error>>;

fn row(topic: &str, key: &str, value: &str) -> OutputRow {
    OutputRow { topic: topic.into(), key: key.to_owned(), value: value.into(), headers: vec![("ce_id", format!("{key}.1").into())] }
}

fn progress(epoch: u64) -> Progress {
    Progress { version: Progress::VERSION, job: "job".to_owned(), epoch, ..Progress::default() }
}

fn refused(path: &Path) -> TransportError {
    LocalTransport::open(path).expect_err("this must not open")
}

#[test]
fn what_is_not_a_topic_store_is_left_alone() -> Checked {
    let folder = tempfile::tempdir()?;
    let text = folder.path().join("notes.txt");
    fs::write(&text, "these are notes, and long enough not to be taken for an empty file\n".repeat(100))?;
    let error = refused(&text);
    assert_eq!(error.message, format!("{} is not a topic store", text.display()));
    assert!(!error.retry && error.hint.is_some());

    let other = folder.path().join("other.db");
    Connection::open(&other)?.execute_batch("CREATE TABLE bills (amount INTEGER)")?;
    let before = fs::read(&other)?;
    assert_eq!(refused(&other).message, format!("{} is a database, but not a topic store", other.display()));
    assert_eq!(fs::read(&other)?, before);

    let nowhere = folder.path().join("no folder").join("store.db");
    assert_eq!(refused(&nowhere).message, format!("{} cannot be opened", nowhere.display()));

    let newer = folder.path().join("newer.db");
    drop(LocalTransport::open(&newer)?);
    Connection::open(&newer)?.pragma_update(None, "user_version", 2)?;
    assert!(refused(&newer).message.ends_with("has tables of version 2, this program knows 1"));
    Ok(())
}

#[test]
fn progress_that_no_restart_needs_is_deleted_and_the_rest_is_whole() -> Checked {
    let folder = tempfile::tempdir()?;
    let store = LocalTransport::open(folder.path().join("store.db"))?;
    let mut writer = store.writer("job", &[])?;
    // A commit each ten seconds; what is open rests on the last five minutes, but for a while on something older that lasts.
    let at = |epoch: u64| {
        let clock = 1_000_000_000 + epoch * 10_000;
        let rests_on_ms = if (600..900).contains(&epoch) { 1_005_700_000 } else { clock - 300_000 };
        Progress { clock, rests_on_ms, ..progress(epoch) }
    };
    let mut most = 0;
    for epoch in 1..=1_500 {
        if epoch % 300 == 150 {
            writer = store.writer("job", &[])?;
            let history = writer.history()?;
            let last = history.last().ok_or("nothing is left")?;
            assert_eq!(last, &at(epoch - 1));
            assert!(history[0].clock <= last.rests_on_ms || history[0].epoch == 1, "{} is left", history[0].clock);
            assert!(history.windows(2).all(|pair| pair[0].epoch + 1 == pair[1].epoch));
            most = most.max(history.len());
        }
        writer.commit(&[], &at(epoch))?;
    }
    let left = writer.history()?.len();
    assert!(left < 60 + 6 + 64 + 1 && most > left, "{left} are left, at most {most} were");
    Ok(())
}

#[test]
fn a_reader_that_would_begin_where_records_were_deleted_is_refused() -> Checked {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    let store = LocalTransport::open(&path)?;
    store.create_topic("observations", 1)?;
    store.append("observations", &[NewRecord { value: Some(b"v"), ..NewRecord::default() }; 10])?;
    Connection::open(&path)?.execute("DELETE FROM records WHERE offset < 6", [])?;
    let refused = store.reader("observations", 0, 5).err().ok_or("it began")?;
    assert!(refused.message.ends_with("is no longer kept: the oldest is 6") && !refused.retry, "{refused}");
    assert!(store.reader("observations", 0, 6).is_ok() && store.reader("observations", 0, 0).is_ok());
    Ok(())
}

#[test]
fn a_store_is_kept_and_many_may_open_it_at_once() -> Checked {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    thread::scope(|scope| {
        for number in 0..8 {
            let path = &path;
            scope.spawn(move || {
                let store = LocalTransport::open(path).expect("the store");
                store.create_topic("observations", 8).expect("a topic");
                for _ in 0..20 {
                    let records = [NewRecord { partition: number, value: Some(b"v"), ..NewRecord::default() }; 10];
                    store.append("observations", &records).expect("an append");
                }
            });
        }
    });
    let topics = LocalTransport::open(&path)?.topics()?;
    assert_eq!((topics.len(), &topics[0].name), (1, &"observations".to_owned()));
    assert_eq!(topics[0].partitions, vec![0..200; 8]);
    Ok(())
}

#[test]
fn inputs_may_be_fed_while_outputs_of_the_same_file_are_committed() -> Checked {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    let store = LocalTransport::open(&path)?;
    store.create_topic("observations", 1)?;
    let mut writer = store.writer("job", &["alerts".to_owned()])?;
    let mut reader = store.reader("observations", 0, 0)?;
    thread::scope(|scope| {
        let feeding = scope.spawn(|| {
            for number in 0..50_u8 {
                store
                    .append("observations", &[NewRecord { key: &[number], value: Some(b"v"), ..NewRecord::default() }])
                    .expect("an append");
            }
        });
        for epoch in 1..=50 {
            writer.commit(&[row("alerts", "a", "v")], &progress(epoch)).expect("a commit");
        }
        feeding.join().expect("the feeder");
    });
    let mut batch = Batch::default();
    assert_eq!(reader.read(1 << 20, &mut batch)?, Position::CaughtUp);
    assert_eq!(batch.records.iter().map(|record| batch.key(record)[0]).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    assert_eq!(store.offsets("alerts", 0)?, 0..50);
    Ok(())
}

#[test]
fn an_epoch_is_committed_once() -> Checked {
    let folder = tempfile::tempdir()?;
    let store = LocalTransport::open(folder.path().join("store.db"))?;
    let mut writer = store.writer("job", &["alerts".to_owned()])?;
    writer.commit(&[row("alerts", "a", "v")], &progress(1))?;
    // The progress record is the last thing written: what fails there has written all rows.
    let error = writer.commit(&[row("alerts", "b", "v"), row("alerts", "c", "v")], &progress(1)).unwrap_err();
    assert!(!error.retry && error.message.starts_with("epoch 1 of job “job” is already committed in"), "{error}");
    assert_eq!(store.offsets("alerts", 0)?, 0..1);
    writer.commit(&[row("alerts", "b", "v")], &progress(2))?;
    assert_eq!(store.offsets("alerts", 0)?, 0..2);
    Ok(())
}

#[test]
fn headers_are_kept_and_bad_progress_is_not_guessed_at() -> Checked {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    let store = LocalTransport::open(&path)?;
    let mut writer = store.writer("job", &["alerts".to_owned()])?;
    writer.commit(&[row("alerts", "a", "v")], &progress(1))?;
    let direct = Connection::open(&path)?;
    let headers: String = direct.query_one("SELECT headers FROM records", [], |row| row.get(0))?;
    assert_eq!(headers, r#"{"ce_id":"a.1"}"#);

    for (record, complaint) in [
        (r#"{"version":2,"shape":"unknown"}"#, "has version 2, this program knows 1"),
        (r#"{"version":1}"#, "cannot be understood"),
        ("nonsense", "cannot be understood"),
    ] {
        direct.execute("UPDATE progress SET record = ?1", [record.as_bytes()])?;
        let error = writer.history().unwrap_err();
        assert!(!error.retry && error.message.ends_with(complaint), "{error}");
    }
    Ok(())
}

/// The program of the next test: commits and says so, until it is killed.
#[test]
#[ignore = "started by the next test"]
fn child_that_commits() -> Checked {
    let Ok(path) = env::var("GIAOLO_TEST_STORE") else { return Ok(()) };
    let store = LocalTransport::open(path)?;
    let mut writer = store.writer("job", &["journeys".to_owned(), "alerts".to_owned()])?;
    let begin = writer.history()?.last().map_or(1, |last| last.epoch + 1);
    for epoch in begin.. {
        let rows: Vec<OutputRow> =
            (0..50).map(|number| row(["journeys", "alerts"][number % 2], &format!("{epoch}/{number}"), "v")).collect();
        writer.commit(&rows, &progress(epoch))?;
        println!("committed {epoch}");
    }
    Ok(())
}

#[test]
fn what_was_committed_survives_kill_and_nothing_else_does() -> Checked {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    let mut said = 0;
    for round in 1..=5 {
        let mut child = Command::new(env::current_exe()?)
            .args(["--ignored", "--exact", "child_that_commits", "--nocapture"])
            .env("GIAOLO_TEST_STORE", &path)
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("the child has an output")?;
        for line in BufReader::new(out).lines() {
            if let Some(epoch) = line?.strip_prefix("committed ") {
                assert_eq!(epoch.parse::<u64>()?, said + 1, "the child begins where its predecessor was killed, or one later");
                said += 1;
            }
            if said >= 10 * round {
                break;
            }
        }
        child.kill()?;
        child.wait()?;

        let store = LocalTransport::open(&path)?;
        let history: Vec<u64> = store.writer("job", &[])?.history()?.iter().map(|record| record.epoch).collect();
        assert_eq!(history, (1..=history.len() as u64).collect::<Vec<_>>());
        assert!(history.len() as u64 >= said, "epoch {said} was committed and is gone");
        for topic in ["journeys", "alerts"] {
            assert_eq!(store.offsets(topic, 0)?, 0..25 * history.len() as u64, "whole commits only");
        }
        said = history.len() as u64;
    }
    Ok(())
}
