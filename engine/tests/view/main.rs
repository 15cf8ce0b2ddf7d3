//! A view says of every record what it says, once: also when it is killed, taken over, or its topics come later.
//!
//! The tables are a till: sums and counts, in which a record that is lost or taken twice shows.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use city::postgres::Postgres;
use engine::following::FileError;
use engine::transport::local::LocalTransport;
use engine::transport::{NewRecord, TopicStore as _};
use engine::values;
use engine::view::{Committed, Following, Place, PlaceError, PostgresError, Refused, Server, Sql, SqlError, Tables, View};
use rusqlite::Connection;

const STORE: &str = "VIEW_STORE";
const PLACE: &str = "VIEW_PLACE";
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
        CREATE TABLE batches (number INTEGER PRIMARY KEY, rows INTEGER NOT NULL) STRICT;
    ";

    fn topics(&self) -> Vec<String> {
        vec!["sales".to_owned(), "returns".to_owned()]
    }

    fn take(&self, sql: &dyn Sql, record: &Committed<'_>) -> Result<bool, Refused> {
        let text = std::str::from_utf8(record.value).map_err(|_| Refused::Unreadable("it is no text".to_owned()))?;
        let (key, amount) = text.split_once(' ').ok_or_else(|| Refused::Unreadable("it has no amount".to_owned()))?;
        let amount: i64 = amount.parse().map_err(|_| Refused::Unreadable("its amount is no number".to_owned()))?;
        let signed = if record.topic == "returns" { -amount } else { amount };
        let add = "INSERT INTO sums VALUES (?1, ?2, 1)
            ON CONFLICT (key) DO UPDATE SET sum = sums.sum + excluded.sum, count = sums.count + 1";
        sql.execute(add, values![key, signed])?;
        if key == "old" {
            sql.execute("INSERT INTO old DEFAULT VALUES", &[])?;
        }
        Ok(true)
    }

    fn forget(&self, sql: &dyn Sql, _: u64) -> Result<bool, SqlError> {
        let rows = sql.execute("DELETE FROM old WHERE number IN (SELECT number FROM old LIMIT 10)", &[])?;
        sql.execute("INSERT INTO batches (rows) VALUES (?1)", values![i64::try_from(rows).unwrap()])?;
        Ok(rows > 0)
    }
}

fn store(folder: &Path) -> Arc<LocalTransport> {
    Arc::new(LocalTransport::open(folder.join("topics.db")).unwrap())
}

fn begin(folder: &Path, place: &str) -> (View, Following) {
    View::begin(&read(place), Till, store(folder)).unwrap()
}

/// A file or a URL.
fn read(place: &str) -> Place {
    match place.contains("://") {
        true => Place::Postgres(Server::read(place, Some(city::postgres::PASSWORD), None).unwrap()),
        false => PathBuf::from(place).into(),
    }
}

fn file(folder: &Path) -> String {
    folder.join("view.db").display().to_string()
}

fn append(store: &LocalTransport, topic: &str, partition: u32, text: &str) {
    store.append(topic, &[NewRecord { partition, value: Some(text.as_bytes()), ..NewRecord::default() }]).unwrap();
}

/// Sum and count by key.
fn sums(view: &View) -> BTreeMap<String, (i64, i64)> {
    let all = |sql: &dyn Sql| {
        let rows = sql.query("SELECT key, sum, count FROM sums", &[])?;
        rows.iter().map(|row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).collect()
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
    let store = Arc::new(LocalTransport::open(env::var(STORE).unwrap()).unwrap());
    let (_view, following) = View::begin(&read(&env::var(PLACE).unwrap()), Till, store).unwrap();
    sleep(MOST);
    drop(following);
}

#[test]
fn a_view_that_is_killed_forty_times_has_every_record_once() {
    let folder = tempfile::tempdir().unwrap();
    has_every_record_once(folder.path(), &file(folder.path()));
}

#[test]
fn a_view_in_postgres_that_is_killed_forty_times_has_every_record_once() {
    let Ok(postgres) = Postgres::start().inspect_err(|skipped| println!("{skipped}")) else { return };
    has_every_record_once(tempfile::tempdir().unwrap().path(), &postgres.url());
}

fn has_every_record_once(folder: &Path, place: &str) {
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
        let child = command.env(STORE, folder.join("topics.db")).env(PLACE, place).spawn().unwrap();
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
    let (view, _following) = begin(folder, place);
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
    let (view, _following) = begin(folder, &file(folder));
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
    goes_a_batch_at_a_time(folder.path(), &file(folder.path()));
}

fn goes_a_batch_at_a_time(folder: &Path, place: &str) {
    let store = store(folder);
    store.create_topic("sales", 1).unwrap();
    (0..35).for_each(|_| append(&store, "sales", 0, "old 1"));
    let (view, following) = begin(folder, place);
    let batches = |view: &View| {
        let all = |sql: &dyn Sql| {
            let rows = sql.query("SELECT rows FROM batches WHERE rows > 0 ORDER BY number", &[])?;
            rows.iter().map(|row| row.get(0)).collect::<Result<Vec<i64>, _>>()
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
    takes_over(folder.path(), &file(folder.path()));
}

fn takes_over(folder: &Path, place: &str) {
    let store = store(folder);
    store.create_topic("sales", 1).unwrap();
    let (older, _one) = begin(folder, place);
    until(|| older.behind_ms() == Some(0));
    let (younger, _two) = begin(folder, place);
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
    let refused = View::begin(&path.clone().into(), Till, store(folder.path()));
    assert!(matches!(refused, Err(PlaceError::File(FileError::NotOurs { .. }))));
    let _: i64 = Connection::open(&path).unwrap().query_one("SELECT count(*) FROM theirs", [], |row| row.get(0)).unwrap();
}

#[test]
fn in_postgres_all_is_as_in_a_file_and_a_database_that_goes_and_comes_back_loses_nothing() {
    let Ok(mut postgres) = Postgres::start().inspect_err(|skipped| println!("{skipped}")) else { return };
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    goes_a_batch_at_a_time(folders[0].path(), &postgres.schema("batches"));
    takes_over(folders[1].path(), &postgres.schema("owners"));

    // Tables of another program, and of another version of this one.
    let theirs = postgres.schema("theirs");
    postgres.ask("CREATE TABLE theirs.sums (a text)");
    let refused = |place: &str| View::begin(&read(place), Till, store(folders[2].path())).map(drop);
    assert!(matches!(refused(&theirs), Err(PlaceError::Postgres(PostgresError::NotOurs))));
    assert_eq!(postgres.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'theirs'"), "sums");
    postgres.ask("UPDATE batches.follower SET version = 2");
    assert!(matches!(
        refused(&format!("{}?options=-csearch_path%3Dbatches", postgres.url())),
        Err(PlaceError::Postgres(PostgresError::NotOurs))
    ));

    // Ended in the midst of changes, again and again, it is gone on with, from what it says it has.
    let folder = folders[2].path();
    let store = store(folder);
    store.create_topic("sales", 2).unwrap();
    // It is away when the view begins.
    let place = postgres.schema("faults");
    postgres.stop();
    let (view, _following) = begin(folder, &place);
    assert!(view.ask(|_| Ok(())).is_err() && view.behind_ms().is_none());
    postgres.restart();
    for round in 0..8_u32 {
        (0..300).for_each(|n| append(&store, "sales", n % 2, &format!("tea\0{round} 1")));
        sleep(Duration::from_millis(u64::from(round) * 3));
        postgres.stop();
        if round % 2 == 0 {
            assert!(view.ask(|_| Ok(())).is_err(), "nobody is there to answer");
        }
        postgres.restart();
        (0..100).for_each(|n| append(&store, "sales", n % 2, "tea 1"));
    }
    until(|| view.behind_ms() == Some(0) && view.ask(|sql| sql.one::<i64>("SELECT count(*) FROM sums", &[])).is_ok_and(|keys| keys == 9));
    until(|| sums(&view)["tea"] == (800, 800));
    // The one character that the database cannot hold stands as the sign of one that cannot be read.
    (0..8).for_each(|round| assert_eq!(sums(&view)[&format!("tea\u{fffd}{round}")], (300, 300)));
}

#[test]
fn a_database_is_not_named_with_its_password_nor_reached_over_a_network_unchecked() {
    let refused = |url: &str| Server::read(url, None, None).map(drop).unwrap_err().to_string();
    let told = refused("postgresql://ops:sesame@localhost/city");
    assert!(told.contains("password") && !told.contains("sesame"), "{told}");
    for elsewhere in [
        "postgresql://ops@db.example/city",
        "postgresql://ops@localhost,10.0.0.1/city?sslmode=disable",
        "postgresql://ops@localhost/city?hostaddr=10.0.0.1",
    ] {
        assert!(refused(elsewhere).contains("another machine"), "{elsewhere}");
    }
    let told = refused("postgresql://ops:sesame@localhost:port/city");
    assert!(told.contains("cannot be read") && !told.contains("sesame"), "{told}");
    for here in ["postgresql://ops@127.0.0.1/city", "postgresql://ops@[::1]/city", "postgresql:///city?host=/var/run/postgresql&user=ops"] {
        Server::read(here, None, None).unwrap();
    }
}
