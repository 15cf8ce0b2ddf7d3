//! A line between a program and a broker that can be cut, or go dead with everything still connected.
//!
//! ```text
//! client ─▶ line (a port of its own) ─▶ broker      whole | cut: refused, and what was open is closed | dead: open, nothing moves
//! ```

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

const WHOLE: u8 = 0;
const CUT: u8 = 1;
const DEAD: u8 = 2;

/// How often a connection looks at the state of the line.
const LOOK: Duration = Duration::from_millis(5);

/// A line that is laid. Its threads end with the process.
#[derive(Debug)]
pub struct Line {
    port: u16,
    state: Arc<AtomicU8>,
}

impl Line {
    /// Lays a line to a port of this machine.
    ///
    /// # Panics
    /// No port is free.
    #[must_use]
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let line = Self { port: listener.local_addr().expect("a bound port").port(), state: Arc::new(AtomicU8::new(WHOLE)) };
        let state = Arc::clone(&line.state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // One that is refused is closed by being dropped.
                if state.load(Ordering::SeqCst) != CUT
                    && let Ok(server) = TcpStream::connect(("127.0.0.1", port))
                {
                    carry(&client, &server, &state);
                    carry(&server, &client, &state);
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
        self.state.store(CUT, Ordering::SeqCst);
    }

    /// Nothing moves any more, in connections that stay open: neither side learns of it.
    pub fn die(&self) {
        self.state.store(DEAD, Ordering::SeqCst);
    }

    /// Everything is well again, for what is still connected too.
    pub fn mend(&self) {
        self.state.store(WHOLE, Ordering::SeqCst);
    }
}

/// Carries bytes one way until an end closes or the line is cut.
fn carry(from: &TcpStream, to: &TcpStream, state: &Arc<AtomicU8>) {
    let (Ok(mut from), Ok(mut to), state) = (from.try_clone(), to.try_clone(), Arc::clone(state)) else { return };
    thread::spawn(move || {
        let _ = from.set_read_timeout(Some(LOOK));
        let mut buffer = vec![0; 64 << 10];
        loop {
            match state.load(Ordering::SeqCst) {
                CUT => break,
                DEAD => thread::sleep(LOOK),
                _ => match from.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) if to.write_all(&buffer[..count]).is_ok() => {}
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                    _ => break,
                },
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}
