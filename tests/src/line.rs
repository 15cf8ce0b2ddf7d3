//! A line between a program and a broker that can be cut, or go dead with everything still connected.
//!
//! ```text
//! client ─▶ line (a port of its own) ─▶ broker      whole | cut: refused, and what was open is closed | dead: open, nothing moves
//!                                                   deaf: requests come through, replies do not
//! ```
//!
//! It can also keep a commit to itself and confirm it, as a broker in effect does that forgets one.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI16, AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

const WHOLE: u8 = 0;
const CUT: u8 = 1;
const DEAD: u8 = 2;
const DEAF: u8 = 3;

/// Requests of Kafka's protocol, by their numbers there.
pub mod request {
    /// Messages for partitions.
    pub const PRODUCE: i16 = 0;
    /// Partitions that are to be part of a transaction.
    pub const ADD_PARTITIONS_TO_TXN: i16 = 24;
    /// A transaction is to be committed or aborted.
    pub const END_TXN: i16 = 26;
}

/// No request has this number.
const NONE: i16 = -1;

/// How long a broker may take to read what it was sent before the line is cut.
const HEARD: Duration = Duration::from_millis(200);

/// How often a connection looks at the state of the line.
const LOOK: Duration = Duration::from_millis(5);

/// A line that is laid. Its threads end with the process.
#[derive(Debug)]
pub struct Line {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    now: AtomicU8,
    /// The request behind which the line is cut.
    last: AtomicI16,
    /// Whether the next end of a transaction is kept and confirmed.
    confirms: AtomicBool,
}

impl State {
    fn is(&self, state: u8) -> bool {
        self.now.load(Ordering::SeqCst) == state
    }

    fn set(&self, state: u8) {
        self.now.store(state, Ordering::SeqCst);
    }
}

/// The two ways of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

impl Line {
    /// Lays a line to a port of this machine.
    ///
    /// # Panics
    /// No port is free.
    #[must_use]
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let line = Self {
            port: listener.local_addr().expect("a bound port").port(),
            state: Arc::new(State { now: AtomicU8::new(WHOLE), last: AtomicI16::new(NONE), confirms: AtomicBool::new(false) }),
        };
        let state = Arc::clone(&line.state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // One that is refused is closed by being dropped.
                if !state.is(CUT)
                    && let Ok(server) = TcpStream::connect(("127.0.0.1", port))
                {
                    carry(&client, &server, &state, Way::There);
                    carry(&server, &client, &state, Way::Back);
                }
            }
        });
        line
    }

    /// Where clients connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections and refuses new ones.
    pub fn cut(&self) {
        self.state.set(CUT);
    }

    /// Is cut as soon as the next request of this number has come through; its reply does not.
    pub fn cut_behind(&self, request: i16) {
        self.state.last.store(request, Ordering::SeqCst);
    }

    /// The next transaction that is to be committed or aborted is not: the broker hears nothing of it, the client is told that it is.
    pub fn confirm_and_forget(&self) {
        self.state.confirms.store(true, Ordering::SeqCst);
    }

    /// Whether it is cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.state.is(CUT)
    }

    /// Nothing moves any more, in connections that stay open: neither side learns of it.
    pub fn die(&self) {
        self.state.set(DEAD);
    }

    /// Everything is well again, for what is still connected too.
    pub fn mend(&self) {
        self.state.set(WHOLE);
    }
}

/// Carries bytes one way until an end closes or the line is cut.
fn carry(from: &TcpStream, to: &TcpStream, state: &Arc<State>, way: Way) {
    let (Ok(mut from), Ok(mut to), state) = (from.try_clone(), to.try_clone(), Arc::clone(state)) else { return };
    thread::spawn(move || {
        let _ = from.set_read_timeout(Some(LOOK));
        let mut buffer = vec![0; 64 << 10];
        let mut requests = Requests::default();
        while !state.is(CUT) {
            if state.is(DEAD) {
                thread::sleep(LOOK);
                continue;
            }
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) if way == Way::Back && state.is(DEAF) => {}
                Ok(count)
                    if way == Way::There
                        && let Some(reply) = confirmation(&buffer[..count])
                        && state.confirms.swap(false, Ordering::SeqCst) =>
                {
                    if from.write_all(&reply).is_err() {
                        break;
                    }
                }
                Ok(count) => {
                    let last = way == Way::There && requests.hold(&buffer[..count], state.last.load(Ordering::SeqCst));
                    if last {
                        state.set(DEAF);
                    }
                    if to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                    if last {
                        thread::sleep(HEARD);
                        state.last.store(NONE, Ordering::SeqCst);
                        state.set(CUT);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                Err(_) => break,
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}

/// The reply by which a broker confirms the end of a transaction: its length, the request's number, no delay, no error. `None` if
/// this is not such a request and nothing else.
fn confirmation(bytes: &[u8]) -> Option<Vec<u8>> {
    let (length, request) = bytes.split_first_chunk::<4>()?;
    let whole = u32::from_be_bytes(*length) as usize == request.len() && request.starts_with(&request::END_TXN.to_be_bytes());
    let number = request.get(4..8)?;
    whole.then(|| [&10_u32.to_be_bytes(), number, &[0; 6]].concat())
}

/// Finds the requests in what a client sends: each a length of four bytes, then its number of two.
#[derive(Default)]
struct Requests {
    header: Vec<u8>,
    /// How much of the request is to come.
    left: usize,
}

impl Requests {
    /// Whether one with this number begins in what comes next.
    fn hold(&mut self, bytes: &[u8], number: i16) -> bool {
        let mut found = false;
        for byte in bytes {
            if self.left > 0 {
                self.left -= 1;
                continue;
            }
            self.header.push(*byte);
            if let [a, b, c, d, high, low] = self.header[..] {
                found |= i16::from_be_bytes([high, low]) == number;
                self.left = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(2);
                self.header.clear();
            }
        }
        found
    }
}
