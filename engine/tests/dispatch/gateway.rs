//! A patrol unit's gateway that behaves as the test says: a real server on this machine.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What came in.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) at: Instant,
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    /// The status it was answered with; 0: none.
    pub(super) status: u16,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Id and revision of what was told.
    pub(super) fn told(&self) -> (String, u32) {
        let (id, revision) = self.header("webhook-id").rsplit_once('.').unwrap();
        (id.to_owned(), revision.parse().unwrap())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Status(u16),
    With(u16, String),
    /// After so many milliseconds.
    Late(u16, u64),
    /// Never.
    Hang,
    /// The connection is cut.
    Cut,
    /// 200, and then a body that never ends.
    SlowBody,
    /// 200, and then five megabytes.
    Large,
    /// These bytes, whatever they are; then the connection is cut.
    Raw(Vec<u8>),
}

type Behaviour = dyn Fn(usize, &Request) -> Answer + Send + Sync;

#[derive(Clone)]
pub(super) struct Gateway {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
}

impl Gateway {
    /// `behaviour` is asked with how many requests came to the same path before, and the request.
    pub(super) fn open(behaviour: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = Self { address, requests: Arc::default(), connections: Arc::default() };
        let (accepting, behaviour): (_, Arc<Behaviour>) = (gateway.clone(), Arc::new(behaviour));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                accepting.connections.fetch_add(1, Ordering::Relaxed);
                let (gateway, behaviour) = (accepting.clone(), Arc::clone(&behaviour));
                thread::spawn(move || gateway.serve(stream, &*behaviour));
            }
        });
        gateway
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits for so many requests; fails after half a minute.
    pub(super) fn wait(&self, count: usize) -> Vec<Request> {
        let began = Instant::now();
        loop {
            let requests = self.requests();
            if requests.len() >= count {
                return requests;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{} of {count} requests came", requests.len());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn serve(&self, stream: TcpStream, behaviour: &Behaviour) {
        let mut reader = BufReader::new(stream);
        while let Some(mut request) = read(&mut reader) {
            let (answer, place) = {
                let mut requests = self.requests.lock().unwrap();
                let before = requests.iter().filter(|other| other.path == request.path).count();
                let answer = behaviour(before, &request);
                request.status = match &answer {
                    Answer::Status(status) | Answer::With(status, _) | Answer::Late(status, _) => *status,
                    Answer::SlowBody | Answer::Large => 200,
                    Answer::Hang | Answer::Cut | Answer::Raw(_) => 0,
                };
                requests.push(request);
                (answer, requests.len() - 1)
            };
            if !reply(reader.get_mut(), &answer) {
                // An answer that could not be given was none.
                self.requests.lock().unwrap()[place].status = 0;
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Request { at: Instant::now(), path, headers, body, status: 0 })
}

/// Answers; returns whether the connection goes on.
fn reply(stream: &mut TcpStream, answer: &Answer) -> bool {
    let mut plain = |status: u16, headers: &str| write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\n{headers}\r\n").is_ok();
    match answer {
        Answer::Status(status) => plain(*status, ""),
        Answer::With(status, headers) => plain(*status, headers),
        Answer::Late(status, wait_ms) => {
            thread::sleep(Duration::from_millis(*wait_ms));
            plain(*status, "")
        }
        Answer::Hang => {
            thread::sleep(Duration::from_secs(60));
            false
        }
        Answer::Cut => false,
        Answer::Raw(bytes) => {
            _ = stream.write_all(bytes);
            false
        }
        Answer::SlowBody => {
            _ = write!(stream, "HTTP/1.1 200 x\r\ncontent-length: 1000000\r\n\r\n");
            while stream.write_all(b".").is_ok() {
                thread::sleep(Duration::from_millis(100));
            }
            true
        }
        Answer::Large => {
            let body = vec![b'x'; 5 << 20];
            _ = write!(stream, "HTTP/1.1 200 x\r\ncontent-length: {}\r\n\r\n", body.len());
            _ = stream.write_all(&body);
            true
        }
    }
}
