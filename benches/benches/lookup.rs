//! How soon a look-up is answered: where a vehicle was in a day of 200 cameras, over HTTP, with its row in the audit log.
//!
//! ```text
//! a day, made up record by record ─▶ view ─▶ server ◀── GET /v1/vehicles/{plate}/journeys ── clients, one question after the other
//! ```
//!
//! 8.64 million sightings (100 a second) in 2.88 million journeys of 960 thousand vehicles. Every question is a vehicle drawn
//! anew, by a client bound to one centre of three, whose answer is cut to what that centre saw. Beside it what a row of the audit
//! log costs alone: it is on the disk before the answer leaves.
//!
//! The tables of the view are in SQLite, and then in PostgreSQL where Debian's is installed.
//!
//! `cargo bench -p giaolo-benches --bench lookup`; `LOOKUP_JOURNEYS=100000` takes a smaller day, `LOOKUP_QUESTIONS` more questions.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::iter;
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use city::postgres::{PASSWORD, Postgres};
use engine::Settings;
use engine::access::{Addition, Register, Scopes};
use engine::audit::{Audit, Deed};
use engine::server::{Config, Door, Pace, Server, listen};
use engine::transport::local::LocalTransport;
use engine::transport::{Batch, NewRecord, Position, Reader, TopicStore, TopicSummary, Transport, TransportError, Writer};
use engine::view;
use jobs::access::POLICY;
use jobs::lookup::{self, Retention};
use jobs::shared::TrafficHost;
use schemas::{Camera, City, Id, Name};

const CAMERAS: u64 = 200;
const CENTRES: [&str; 3] = ["west", "middle", "east"];
/// Sightings of a journey.
const PARTS: u64 = 3;
/// Journeys of a vehicle in the day.
const JOURNEYS: u64 = 3;
const DAY_MS: u64 = 86_400_000;

fn main() {
    let quick = benches::quick();
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let journeys = number("LOOKUP_JOURNEYS", if quick { 3_000 } else { 2_880_000 });
    let questions = number("LOOKUP_QUESTIONS", if quick { 50 } else { 5_000 });
    println!("SQLite");
    let folder = tempfile::tempdir().expect("a folder");
    ask(folder.path(), &folder.path().join("view.db").into(), journeys, questions);
    print("row of the audit log", &mut audit(folder.path(), questions));
    match Postgres::start() {
        Ok(postgres) => {
            println!("PostgreSQL");
            let folder = tempfile::tempdir().expect("a folder");
            let place = view::Server::read(&postgres.url(), Some(PASSWORD), None).expect("an address");
            ask(folder.path(), &view::Place::Postgres(place), journeys, questions);
        }
        Err(skipped) => println!("{skipped}"),
    }
}

/// Fills a view at a place with the day, and asks a server over it.
fn ask(folder: &Path, place: &view::Place, journeys: u64, questions: u64) {
    let began = Instant::now();
    let now_ms = u64::try_from(std::time::UNIX_EPOCH.elapsed().expect("a clock").as_millis()).expect("this century");
    let day = Arc::new(Day { journeys, began_ms: now_ms - DAY_MS });
    let (routes, following) = lookup::begin(place, Arc::clone(&day) as _, Some(&city()), Retention::default()).expect("a view");

    let state = folder.join("jobs.db");
    let scopes = Scopes::Of(vec![CENTRES[0].to_owned()]);
    let addition = Addition { name: "lan", role: "viewer", scopes: &scopes, certificate: false };
    let token = Register::open(&state).expect("a register").add(addition, "bench").expect("a token").expect("a token");
    let store: Arc<dyn Transport> = Arc::new(LocalTransport::open(folder.join("city.db")).expect("a store"));
    let config = Config {
        name: "lookup".to_owned(),
        identity: "1".to_owned(),
        source: Arc::clone(&store),
        sink: store,
        settings: Settings::default(),
        catalogue: state,
        stop: Arc::new(AtomicBool::new(false)),
    };
    let server = Server::open(config, Arc::new(TrafficHost { city: None, remember_ms: 0, ..TrafficHost::default() })).expect("a server");
    let pace = Pace { per_second: 1_000_000, burst: 1_000_000 };
    let door = Door { more: Some(routes), pace, ..Door::at("127.0.0.1:0".parse().expect("an address"), &POLICY) };
    let bound = listen(server, door).expect("a door");
    let mut client = Client::connect(bound.address, token.reveal());
    while !client.ask("/v1/cameras").1.contains("\"behind_ms\":0") {
        std::thread::sleep(Duration::from_millis(200));
    }
    let rows = journeys * (PARTS + 1);
    println!("{rows} records in {:.0} s", began.elapsed().as_secs_f64());

    for clients in [1, 4] {
        let asked = |seed: u64| {
            let mut client = Client::connect(bound.address, token.reveal());
            (0..questions / clients).map(|round| client.look_up(&day, seed * 7_919 + round)).collect::<Vec<Duration>>()
        };
        let mut spans: Vec<Duration> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..clients).map(|seed| scope.spawn(move || asked(seed))).collect();
            all.into_iter().flat_map(|one| one.join().expect("a client")).collect()
        });
        print(&format!("look-up, {clients} at once"), &mut spans);
    }
    drop(following);
    drop(bound);
}

/// What a row of the audit log costs, on the same disk.
fn audit(folder: &Path, rows: u64) -> Vec<Duration> {
    let audit = Audit::open(&folder.join("audit.db")).expect("a log");
    let deed = Deed { who: "lan", role: Some("viewer"), what: "GET /v1/vehicles/{plate}/journeys", subject: "88A12345", ..Deed::default() };
    let append = |_| {
        let began = Instant::now();
        audit.append(&Deed { reason: Some("hit and run"), case: Some("2026-0117"), outcome: "200", ..deed }).expect("a row");
        began.elapsed()
    };
    (0..rows).map(append).collect()
}

fn print(what: &str, spans: &mut [Duration]) {
    spans.sort_unstable();
    let ms = |permille: usize| spans[(spans.len() - 1) * permille / 1_000].as_secs_f64() * 1_000.0;
    println!("{what:22} p50 {:6.2}  p90 {:6.2}  p99 {:6.2}  most {:6.2}  ms", ms(500), ms(900), ms(990), ms(1_000));
}

fn camera(number: u64) -> Name {
    format!("c{number:03}").parse().expect("a name")
}

fn city() -> City {
    let centre = |number: u64| Name::of(CENTRES[usize::try_from(number).expect("few cameras") % 3]);
    let camera = |number| Camera {
        id: camera(number),
        centre: centre(number),
        lon_e7: 0,
        lat_e7: 0,
        heading_deg: 0,
        fps: 5,
        clock_error_ms: 50,
        ground: Vec::new(),
        lanes: Vec::new(),
        lines: Vec::new(),
        zones: Vec::new(),
    };
    City { name: "city".to_owned(), cameras: (0..CAMERAS).map(camera).collect(), ..City::default() }
}

/// A connection that asks one question after the other.
struct Client {
    stream: BufReader<TcpStream>,
    token: String,
}

impl Client {
    fn connect(address: SocketAddr, token: &str) -> Self {
        let stream = TcpStream::connect(address).expect("a server");
        stream.set_nodelay(true).expect("a socket");
        Self { stream: BufReader::new(stream), token: token.to_owned() }
    }

    fn ask(&mut self, path: &str) -> (String, String) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", self.token);
        self.stream.get_mut().write_all(request.as_bytes()).expect("a connection");
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let from = head.len();
            assert!(self.stream.read_line(&mut head).expect("an answer") > 0, "the connection ended");
            if let Some(value) = head[from..].strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("an answer");
        (head, String::from_utf8(body).expect("text"))
    }

    /// Asks where some vehicle was; returns how long it took.
    fn look_up(&mut self, day: &Day, draw: u64) -> Duration {
        let vehicle = draw.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (day.journeys / JOURNEYS);
        let path = format!("/v1/vehicles/{}/journeys?reason=bench&case=1", plate(vehicle));
        let began = Instant::now();
        let (head, body) = self.ask(&path);
        let span = began.elapsed();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}{body}");
        // Each journey passes three neighbouring cameras, and with them the three centres.
        assert_eq!(body.matches("\"sighting\"").count() as u64, JOURNEYS, "{body}");
        span
    }
}

fn plate(vehicle: u64) -> String {
    let letter = char::from(b"ABCDEFGHKLMNPSTUVXYZ"[usize::try_from(vehicle / 100_000).expect("few vehicles") % 20]);
    format!("30{letter}{:05}", vehicle % 100_000)
}

/// A day's sightings and journeys, made up as they are read.
struct Day {
    journeys: u64,
    began_ms: u64,
}

impl Day {
    fn sighting_id(number: u64) -> Id {
        Id::of("sighting").number(number).finish()
    }

    fn at_ms(&self, journey: u64, part: u64) -> u64 {
        self.began_ms + journey * (DAY_MS - 600_000) / self.journeys + part * 60_000
    }

    fn camera(journey: u64, part: u64) -> Name {
        camera((journey.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % (CAMERAS - PARTS) + part)
    }

    fn record(&self, topic: &str, offset: u64) -> String {
        if topic == "sightings" {
            let (journey, part) = (offset / PARTS, offset % PARTS);
            let (id, camera, at_ms) = (Self::sighting_id(offset), Self::camera(journey, part), self.at_ms(journey, part));
            return format!(
                r#"{{"id":"{id}","revision":1,"status":"final","camera":"{camera}","class":"car","body":null,"from_ms":{at_ms},"until_ms":{},"plate":null,"crossings":[],"stays":[],"speed_cms":null,"boxes":20}}"#,
                at_ms + 4_000
            );
        }
        let id = Id::of("journey").number(offset).finish();
        let listed = |part: fn(u64, u64) -> String| (0..PARTS).map(|i| format!("\"{}\"", part(offset, i))).collect::<Vec<_>>().join(",");
        let sightings = listed(|journey, part| Self::sighting_id(journey * PARTS + part).to_string());
        let cameras = listed(|journey, part| Self::camera(journey, part).to_string());
        let (from_ms, until_ms) = (self.at_ms(offset, 0), self.at_ms(offset, PARTS - 1) + 4_000);
        let plate = plate(offset % (self.journeys / JOURNEYS));
        format!(
            r#"{{"id":"{id}","revision":1,"status":"final","plate":{{"text":"{plate}","kind":"car","colour":"white","confidence":[990,990,990,990,990,990,990,990]}},"sightings":[{sightings}],"cameras":[{cameras}],"from_ms":{from_ms},"until_ms":{until_ms},"certainty":990}}"#
        )
    }

    fn end(&self, topic: &str) -> u64 {
        if topic == "sightings" { self.journeys * PARTS } else { self.journeys }
    }
}

impl Transport for Day {
    fn partitions(&self, _: &str) -> Result<Vec<u32>, TransportError> {
        Ok(vec![0])
    }

    fn reader(&self, topic: &str, _: u32, offset: u64) -> Result<Box<dyn Reader>, TransportError> {
        let day = Self { journeys: self.journeys, began_ms: self.began_ms };
        Ok(Box::new(DayReader { day, topic: topic.to_owned(), next: offset }))
    }

    fn writer(&self, _: &str, _: &[String]) -> Result<Box<dyn Writer>, TransportError> {
        Err(TransportError::lasting("a day that is over cannot be written"))
    }
}

impl TopicStore for Day {
    fn topics(&self) -> Result<Vec<TopicSummary>, TransportError> {
        let summary = |name: &str| TopicSummary { name: name.to_owned(), partitions: iter::once(0..self.end(name)).collect() };
        Ok(["sightings", "journeys"].map(summary).to_vec())
    }

    fn offsets(&self, topic: &str, _: u32) -> Result<Range<u64>, TransportError> {
        Ok(0..self.end(topic))
    }

    fn create_topic(&self, _: &str, _: u32) -> Result<(), TransportError> {
        Ok(())
    }

    fn append(&self, _: &str, _: &[NewRecord<'_>]) -> Result<(), TransportError> {
        Err(TransportError::lasting("a day that is over cannot be written"))
    }
}

struct DayReader {
    day: Day,
    topic: String,
    next: u64,
}

impl Reader for DayReader {
    fn read(&mut self, most_bytes: usize, batch: &mut Batch) -> Result<Position, TransportError> {
        let (from, end) = (batch.bytes.len(), self.day.end(&self.topic));
        while self.next < end && batch.bytes.len() - from < most_bytes {
            let record = self.day.record(&self.topic, self.next);
            batch.push(self.next, None, b"", Some(record.as_bytes()));
            self.next += 1;
        }
        Ok(if self.next < end { Position::More } else { Position::CaughtUp })
    }
}
