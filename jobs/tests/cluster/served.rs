//! A server of several processes, of which some are killed, fall silent, or fail: what it tells is what one process tells that
//! is left alone, as far as both have come.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use city::Random;
use city::broker::Broker;
use engine::transport::Transport;
use engine::transport::kafka::{KafkaConfig, KafkaTransport};
use engine::transport::local::LocalTransport;
use serde_json::Value;
use tempfile::TempDir;

use crate::processes::{CITY, DEMO, MOST, Process, giaolo, hosts, told};

/// So long may a process be silent before it is lost (`engine/src/cluster/mod.rs`).
const SILENCE: Duration = Duration::from_secs(10);

/// Where the first frames of the recording are, as if the last came now, in pieces that follow one another.
struct Recording(TempDir);

impl Recording {
    fn just_now(pieces: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = flate2::read::GzDecoder::new(File::open(format!("{DEMO}/observations.ndjson.gz")).unwrap());
        let read = |line: std::io::Result<String>| serde_json::from_str::<Value>(&line.unwrap()).unwrap();
        let mut lines: Vec<Value> = BufReader::new(file).lines().take(30_000).map(read).collect();
        let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64;
        let late_ms = now_ms - lines.last().unwrap()["received_ms"].as_i64().unwrap();
        for line in &mut lines {
            for field in ["at_ms", "received_ms"] {
                line[field] = (line[field].as_i64().unwrap() + late_ms).into();
            }
        }
        for (piece, lines) in lines.chunks(lines.len().div_ceil(pieces)).enumerate() {
            let path = folder.path().join(piece.to_string());
            fs::create_dir(&path).unwrap();
            let text: Vec<String> = lines.iter().map(Value::to_string).collect();
            fs::write(path.join("observations.ndjson"), text.join("\n")).unwrap();
            if piece == 0 {
                ["signals", "hotlist"].iter().for_each(|topic| fs::write(path.join(topic).with_extension("ndjson"), "").unwrap());
            }
        }
        Self(folder)
    }

    fn piece(&self, piece: usize) -> PathBuf {
        self.0.path().join(piece.to_string())
    }
}

/// Servers on a store of their own.
struct Place {
    folder: TempDir,
    /// The option that names the store.
    option: [String; 2],
    store: Arc<dyn Transport>,
}

impl Place {
    /// A store in one file, with the first piece of a recording.
    fn with(recording: &Recording) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.db");
        let option = ["--local".to_owned(), path.to_str().unwrap().to_owned()];
        Self { folder, option, store: Arc::new(LocalTransport::open(&path).unwrap()) }.begun(recording)
    }

    /// Topics of a broker, with the first piece of a recording.
    fn on(broker: &Broker, recording: &Recording) -> Self {
        let brokers = broker.brokers();
        let option = ["--brokers".to_owned(), brokers.clone()];
        let store = KafkaTransport::new(KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), option, store: Arc::new(store) }.begun(recording)
    }

    fn begun(self, recording: &Recording) -> Self {
        self.feed(&recording.piece(0));
        self
    }

    fn feed(&self, piece: &Path) {
        self.try_feed(piece).unwrap();
    }

    fn try_feed(&self, piece: &Path) -> Result<(), String> {
        let [option, store] = &self.option;
        let fed = giaolo(&["feed", piece.to_str().unwrap(), option, store, "--partitions", "4"]);
        if fed.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&fed.stderr).into_owned()) }
    }

    /// A server in so many processes, with the job `city`.
    fn serve(&self, processes: usize) -> Served<'_> {
        let served = self.begin(processes, &[]);
        served.until(&["submit", "city"], "city is ");
        served
    }

    /// A server in so many processes, some of them with variables of their environment; nobody has submitted anything.
    fn begin(&self, processes: usize, environment: &[(usize, (&str, &str))]) -> Served<'_> {
        let hosts = (processes > 1).then(|| hosts(self.folder.path(), processes));
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut served = Served { place: self, hosts, address, processes: BTreeMap::new() };
        for process in 0..processes {
            let own: Vec<_> = environment.iter().filter(|(of, _)| *of == process).map(|(_, variable)| *variable).collect();
            served.start(process, &own);
        }
        served
    }

    /// What stands: the last row of every id, without its number and whether it is final, and no rows that were withdrawn. Along
    /// the way revisions are held to be 1, 2, 3 …
    fn stands(&self) -> BTreeMap<String, Value> {
        let mut last: BTreeMap<String, (u64, Value)> = BTreeMap::new();
        for told in told(self.store.as_ref()) {
            let (table, row) = told.split_once(' ').unwrap();
            let mut row: Value = serde_json::from_str(row).unwrap();
            let id = format!("{table} {}", row["id"].as_str().unwrap());
            let fields = row.as_object_mut().unwrap();
            let revision = fields.remove("revision").and_then(|revision| revision.as_u64()).unwrap();
            let withdrawn = fields.remove("status").unwrap() == "withdrawn";
            let before = last.get(&id).map_or(0, |(before, _)| *before);
            assert_eq!(revision, before + 1, "a revision of {id} is missing, or stands there twice");
            last.insert(id, (revision, if withdrawn { Value::Null } else { row }));
        }
        last.into_iter().filter(|(_, (_, row))| !row.is_null()).map(|(id, (_, row))| (id, row)).collect()
    }
}

/// A server of one or more processes.
struct Served<'a> {
    place: &'a Place,
    hosts: Option<PathBuf>,
    address: String,
    processes: BTreeMap<usize, Process>,
}

impl Served<'_> {
    /// Starts a process, the first time or again.
    fn start(&mut self, process: usize, environment: &[(&str, &str)]) {
        let number = process.to_string();
        let file = |name: &str| self.place.folder.path().join(name).to_str().unwrap().to_owned();
        let (view, catalogue, [option, store]) = (file(&format!("view-{}", self.address)), file("jobs.db"), &self.place.option);
        let mut arguments = vec!["serve", option, store, "--city", CITY, "--listen", &self.address];
        arguments.extend(["--view", &view, "--catalogue", &catalogue]);
        if let Some(hosts) = &self.hosts {
            arguments.extend(["--hosts", hosts.to_str().unwrap(), "--process", &number]);
        }
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        let log = self.place.folder.path().join(format!("log-{}-{process}", self.address));
        self.processes.insert(process, Process::start_with(&log, &arguments, environment));
    }

    /// Kills a process as the machine does that loses power.
    fn kill(&mut self, process: usize) {
        drop(self.processes.remove(&process));
    }

    /// Asks until it says something.
    fn until(&self, arguments: &[&str], wanted: &str) -> String {
        let began = Instant::now();
        loop {
            let output = giaolo(&[arguments, &["--server", &self.address]].concat());
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success() && text.contains(wanted) {
                return text;
            }
            let leader = self.processes[&0].said();
            assert!(began.elapsed() < MOST, "{arguments:?}: {text}{}\n{leader}", String::from_utf8_lossy(&output.stderr));
            sleep(Duration::from_millis(100));
        }
    }

    /// What its status says in one place.
    fn figure(&self, pointer: &str) -> Value {
        let status: Value = serde_json::from_str(&self.until(&["status", "--json"], "figures")).unwrap();
        status.pointer(pointer).cloned().unwrap_or_default()
    }

    /// Waits until more than so many rows stand; returns how many.
    fn until_more_stand_than(&self, least: usize) -> usize {
        let began = Instant::now();
        loop {
            let stands = self.place.stands().len();
            if stands > least {
                return stands;
            }
            assert!(began.elapsed() < MOST, "no more than {least} rows:\n{}", self.processes[&0].said());
            sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the same stands here as with another, and goes on to.
    fn until_it_tells_what(&self, other: &Self) {
        let began = Instant::now();
        let mut settled = None;
        loop {
            let (here, there) = (self.place.stands(), other.place.stands());
            let differs =
                there.iter().find(|(id, row)| here.get(*id) != Some(row)).or(here.iter().find(|(id, _)| !there.contains_key(*id)));
            if differs.is_none() && here.len() > 300 && settled.as_ref() == Some(&here) {
                return;
            }
            assert!(began.elapsed() < MOST, "of {} rows, {differs:?} is not here, or not there", there.len());
            settled = differs.is_none().then_some(here);
            sleep(Duration::from_secs(1));
        }
    }

    /// Waits until the leader says that a process was lost, and why.
    fn loses(&self, process: usize, why: &str) {
        self.processes[&0].until_it_says(&format!("process {process} at "));
        self.processes[&0].until_it_says(why);
    }
}

#[test]
fn a_server_of_three_processes_tells_what_one_tells_also_when_one_was_killed() {
    let recording = Recording::just_now(2);
    let (alone, together) = (Place::with(&recording), Place::with(&recording));
    let (alone, mut together) = (alone.serve(1), together.serve(3));
    together.until_it_tells_what(&alone);
    together.kill(2);
    together.loses(2, "the connection was closed");
    [&alone, &together].iter().for_each(|served| served.place.feed(&recording.piece(1)));
    assert!(together.until(&["list"], "city").contains("running"));
    together.start(2, &[]);
    together.until_it_tells_what(&alone);
    let status = together.until(&["status"], "at work");
    assert!(status.contains(" 1 restarts"), "{status}");
    // Where vehicles are linked is not where the leader is: what is held there is told by whoever holds it.
    assert!(together.figure("/figures/held/bonds/rows").as_u64() > Some(0));
}

#[test]
fn a_follower_that_stands_still_is_lost_and_does_no_harm_when_it_goes_on() {
    let recording = Recording::just_now(2);
    let (alone, together) = (Place::with(&recording), Place::with(&recording));
    let (alone, together) = (alone.serve(1), together.serve(2));
    together.until_it_tells_what(&alone);
    let follower = &together.processes[&1];
    follower.signal("-STOP");
    let began = Instant::now();
    [&alone, &together].iter().for_each(|served| served.place.feed(&recording.piece(1)));
    together.loses(1, "nothing was heard of it for 10s");
    assert!(began.elapsed() < SILENCE + Duration::from_secs(5), "it took {:?}", began.elapsed());
    follower.signal("-CONT");
    together.until_it_tells_what(&alone);
    assert!(!follower.said().contains("panicked"), "{}", follower.said());
}

#[test]
fn a_leader_that_stands_still_takes_nothing_from_who_took_its_place() {
    let recording = Recording::just_now(2);
    superseded(&Place::with(&recording), &recording);
}

#[test]
fn a_leader_that_stands_still_takes_nothing_from_who_took_its_place_on_kafka() {
    let recording = Recording::just_now(2);
    match Broker::start() {
        Ok(broker) => superseded(&Place::on(&broker, &recording), &recording),
        Err(skipped) => println!("{skipped}"),
    }
}

fn superseded(place: &Place, recording: &Recording) {
    let mut together = place.serve(2);
    let stands = together.until_more_stand_than(100);
    together.processes[&0].signal("-STOP");
    while let Err(locked) = place.try_feed(&recording.piece(1)) {
        // It stood still with a transaction open, and so nobody could take its place.
        assert!(locked.contains("database is locked"), "{locked}");
        together.processes[&0].signal("-CONT");
        sleep(Duration::from_millis(500));
        together.processes[&0].signal("-STOP");
    }
    // Of the same name, in another number of processes.
    let successor = place.begin(1, &[]);
    successor.until_more_stand_than(stands + 100);
    // By now its follower has given it up, so that it hears at once that it is alone.
    together.processes[&1].until_it_says("the leader is gone");
    together.processes[&0].signal("-CONT");
    let leader = together.processes.get_mut(&0).unwrap();
    assert_eq!(leader.end(), Some(1), "{}", leader.said());
    assert!(leader.said().contains("another writer took over job “giaolo”"), "{}", leader.said());
    let alone = Place::with(recording);
    let alone = alone.serve(1);
    alone.place.feed(&recording.piece(1));
    successor.until_it_tells_what(&alone);
}

#[test]
fn a_server_that_loses_a_follower_again_and_again_gives_up_and_says_why() {
    let recording = Recording::just_now(2);
    let place = Place::with(&recording);
    let mut together = place.serve(2);
    for restarts in 1..=5 {
        together.until(&["status"], "at work");
        together.kill(1);
        together.start(1, &[]);
        let status = together.until(&["status"], &format!(" {restarts} restarts"));
        assert!(status.contains("started anew the last time because process 1 at "), "{status}");
    }
    together.until(&["status"], "at work");
    together.kill(1);
    let leader = together.processes.get_mut(&0).unwrap();
    assert_eq!(leader.end(), Some(1), "{}", leader.said());
    let said = leader.said();
    let last = said.lines().last().unwrap();
    assert!(last.contains("process 1 at ") && last.contains("It was lost too often."), "{last}");
    // What is to run is known to the next one.
    together.start(0, &[]);
    together.start(1, &[]);
    assert!(together.until(&["status"], "at work").contains("city  running"));
}

#[test]
fn a_follower_whose_worker_panics_is_as_good_as_lost_and_what_it_said_is_told() {
    let recording = Recording::just_now(2);
    let (alone, together) = (Place::with(&recording), Place::with(&recording));
    let alone = alone.serve(1);
    let together = together.begin(2, &[(1, ("GIAOLO_DIE_AT", "in-worker:10"))]);
    together.until(&["submit", "city"], "city is ");
    let status = together.until(&["status"], " 1 restarts");
    assert!(status.contains("started anew the last time because") && status.contains("told to panic in-worker"), "{status}");
    together.until_it_tells_what(&alone);
}

#[test]
fn a_job_that_makes_a_follower_panic_fails_alone_and_goes_on_when_it_is_submitted_again() {
    let recording = Recording::just_now(2);
    let (alone, together) = (Place::with(&recording), Place::with(&recording));
    let alone = alone.serve(1);
    let together = together.begin(2, &[(1, ("GIAOLO_DIE_AT", "in-part:10"))]);
    together.until(&["submit", "city"], "city is ");
    let failed = together.until(&["list"], "city  failed");
    assert!(failed.contains("told to panic in-part"), "{failed}");
    together.until(&["status"], "at work");
    together.until(&["submit", "city"], "city is ");
    together.until_it_tells_what(&alone);
}

/// Processes of a server are killed, or stand still until they are given up, at random moments while more and more comes.
#[test]
#[ignore = "takes minutes"]
fn many_processes_of_a_server_die_or_stand_still() {
    const PIECES: usize = 12;
    for seed in 1..=3 {
        let mut random = Random::of(seed, 6);
        let recording = Recording::just_now(PIECES);
        let (alone, together) = (Place::with(&recording), Place::with(&recording));
        let (alone, mut together) = (alone.serve(1), together.serve(3));
        for piece in 1..PIECES {
            let who = random.range(0, 2) as usize;
            sleep(Duration::from_millis(random.range(0, 1_500) as u64));
            let stands_still = who > 0 && random.range(0, 3) == 0;
            if stands_still {
                together.processes[&who].signal("-STOP");
            } else {
                together.kill(who);
            }
            [&alone, &together].iter().for_each(|served| served.place.feed(&recording.piece(piece)));
            if stands_still {
                sleep(SILENCE + Duration::from_secs(1));
                together.processes[&who].signal("-CONT");
            } else {
                together.start(who, &[]);
            }
            // Whoever has lost others too often gives up, and is started again by whoever looks after it.
            if together.processes.get_mut(&0).unwrap().has_ended() {
                together.start(0, &[]);
            }
        }
        together.until_it_tells_what(&alone);
        println!("seed {seed} is well");
    }
}
