//! A view says of every record what it says, once: also when it is killed, taken over, or its topics come later.
//!
//! The tables are a till: sums and counts, in which a record that is lost or taken twice shows.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use engine::following::FileError;
use engine::transport::local::LocalTransport;
use engine::transport::{NewRecord, TopicStore as _};
use engine::view::{Committed, Following, Refused, Tables, View};
use rusqlite::{Connection, Transaction};

const STORE: &str = "VIEW_STORE";
const FILE: &str = "VIEW_FILE";
const PARTITIONS: u32 = 3;
const MOST: Duration = Duration::from_secs(60);

/// Sums by key: `key amount`. A key `old` is forgotten, ten at a time.
struct Till;

impl Tables for Till {
    const APPLICATION: [u8; 4] = *b"TILL";
    const VERSION: i32 = 1;
    const SQL: &'static str = "
        CREATE TABLE sums (key TEXT PRIMARY KEY, sum INTEGER NOT NULL, count INTEGER NOT NULL) STRICT;
        CREATE TABLE old (number INTEGER PRIMARY KEY) STRICT;
        CREATE TABLE batches (rows INTEGER NOT NULL) STRICT;
    ";

    fn topics(&self) -> Vec<String> {
        vec!["sales".to_owned(), "returns".to_owned()]
    }

    fn take(&self, transaction: &Transaction<'_>, record: &Committed<'_>) -> Result<bool, Refused> {
        let text = std::str::from_utf8(record.value).map_err(|_| Refused::Unreadable("it is no text".to_owned()))?;
        let (key, amount) = text.split_once(' ').ok_or_else(|| Refused::Unreadable("it has no amount".to_owned()))?;
        let amount: i64 = amount.parse().map_err(|_| Refused::Unreadable("its amount is no number".to_owned()))?;
        let signed = if record.topic == "returns" { -amount } else { amount };
        let add = "INSERT INTO sums VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET sum = sum + excluded.sum, count = count + 1";
        transaction.execute(add, rusqlite::params![key, signed])?;
        if key == "old" {
            transaction.execute("INSERT INTO old DEFAULT VALUES", [])?;
        }
        Ok(true)
    }

    fn forget(&self, transaction: &Transaction<'_>, _: u64) -> rusqlite::Result<bool> {
        let rows = transaction.execute("DELETE FROM old WHERE number IN (SELECT number FROM old LIMIT 10)", [])?;
        transaction.execute("INSERT INTO batches VALUES (?1)", [i64::try_from(rows).unwrap()])?;
        Ok(rows > 0)
    }
}

fn store(folder: &Path) -> Arc<LocalTransport> {
    Arc::new(LocalTransport::open(folder.join("topics.db")).unwrap())
}

fn begin(folder: &Path) -> (View, Following) {
    View::begin(&folder.join("view.db"), Till, store(folder)).unwrap()
}

fn append(store: &LocalTransport, topic: &str, partition: u32, text: &str) {
    store.append(topic, &[NewRecord { partition, value: Some(text.as_bytes()), ..NewRecord::default() }]).unwrap();
}

/// Sum and count by key.
fn sums(view: &View) -> BTreeMap<String, (i64, i64)> {
    let all = |connection: &Connection| {
        let mut statement = connection.prepare("SELECT key, sum, count FROM sums")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        rows.collect::<Result<_, _>>()
    };
    view.ask(all).unwrap()
}

fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < MOST, "it does not come about");
        sleep(Duration::from_millis(5));
    }
}

#[test]
#[ignore = "the test below starts it, in a process of its own"]
fn the_view_that_is_killed() {
    let (_view, following) =
        View::begin(Path::new(&env::var(FILE).unwrap()), Till, Arc::new(LocalTransport::open(env::var(STORE).unwrap()).unwrap())).unwrap();
    sleep(MOST);
    drop(following);
}

#[test]
fn a_view_that_is_killed_forty_times_has_every_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let store = store(folder);
    for topic in ["sales", "returns"] {
        store.create_topic(topic, PARTITIONS).unwrap();
    }
    let mut expected = BTreeMap::<String, (i64, i64)>::new();
    let (mut seed, mut process) = (11_u64, None::<std::process::Child>);
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for kill in 0..40 {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "the_view_that_is_killed"]).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.env(STORE, folder.join("topics.db")).env(FILE, folder.join("view.db")).spawn().unwrap();
        if let Some(mut before) = process.replace(child).filter(|_| kill % 5 != 0) {
            before.kill().unwrap();
            before.wait().unwrap();
        }
        for _ in 0..random(60) {
            let (key, amount) = (format!("k{}", random(9)), i64::try_from(random(1_000)).unwrap());
            let (topic, sign) = if random(4) == 0 { ("returns", -1) } else { ("sales", 1) };
            append(&store, topic, u32::try_from(random(u64::from(PARTITIONS))).unwrap(), &format!("{key} {amount}"));
            let sum = expected.entry(key).or_default();
            *sum = (sum.0 + sign * amount, sum.1 + 1);
        }
        sleep(Duration::from_millis(random(120)));
    }
    process.map(|mut process| process.kill().and_then(|()| process.wait()).unwrap());
    let (view, _following) = begin(folder);
    until(|| view.behind_ms() == Some(0));
    assert_eq!(sums(&view), expected);
    assert!(expected.values().map(|(_, count)| count).sum::<i64>() > 500);
}

#[test]
fn a_topic_that_comes_later_and_a_record_that_cannot_be_read_hold_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, store) = (folder.path(), store(folder.path()));
    store.create_topic("sales", 1).unwrap();
    append(&store, "sales", 0, "tea 3");
    append(&store, "sales", 0, "tea much");
    append(&store, "sales", 0, "tea 4");
    let (view, _following) = begin(folder);
    until(|| view.behind_ms() == Some(0));
    assert_eq!(sums(&view), [("tea".to_owned(), (7, 2))].into());
    let mut news = view.news();
    news.mark_unchanged();
    store.create_topic("returns", 1).unwrap();
    append(&store, "returns", 0, "tea 1");
    until(|| sums(&view)["tea"] == (6, 3));
    assert!(news.has_changed().unwrap());
}

#[test]
fn what_is_too_old_goes_a_batch_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, store) = (folder.path(), store(folder.path()));
    store.create_topic("sales", 1).unwrap();
    (0..35).for_each(|_| append(&store, "sales", 0, "old 1"));
    let (view, following) = begin(folder);
    let batches = |view: &View| {
        let all = |connection: &Connection| {
            let mut statement = connection.prepare("SELECT rows FROM batches WHERE rows > 0 ORDER BY rowid")?;
            statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()
        };
        view.ask(all).unwrap()
    };
    until(|| batches(&view).iter().sum::<i64>() == 35);
    assert_eq!(batches(&view), [10, 10, 10, 5]);
    drop(following);
    assert!(view.is_over());
}

#[test]
fn of_two_the_younger_takes_over_and_the_older_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, store) = (folder.path(), store(folder.path()));
    store.create_topic("sales", 1).unwrap();
    let (older, _one) = begin(folder);
    until(|| older.behind_ms() == Some(0));
    let (younger, _two) = begin(folder);
    (0..50).for_each(|_| append(&store, "sales", 0, "tea 1"));
    until(|| sums(&younger).get("tea") == Some(&(50, 50)));
    until(|| older.ask(|_| Ok(())).is_err());
    assert!(older.ask(|_| Ok(())).unwrap_err().to_string().contains("taken over"));
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("view.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    assert!(matches!(View::begin(&path, Till, store(folder.path())), Err(FileError::NotOurs { .. })));
    let _: i64 = Connection::open(&path).unwrap().query_one("SELECT count(*) FROM theirs", [], |row| row.get(0)).unwrap();
}
