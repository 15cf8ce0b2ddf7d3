//! Where other processes come in: a listener that hears who they are and lets whoever waits for them have them.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::hello::Hello;

/// How often it is looked whether somebody has come.
const LOOK: Duration = Duration::from_millis(20);
/// How long a process may take to say who it is.
const MANNERS: Duration = Duration::from_secs(5);

/// A process that came, and the connection to it.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) hello: Hello,
    pub(super) stream: TcpStream,
}

/// Open until it is dropped.
#[derive(Debug)]
pub(super) struct Door {
    enter: Sender<Arrival>,
    entered: Receiver<Arrival>,
    shut: Arc<AtomicBool>,
}

impl Door {
    pub(super) fn open(address: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let (enter, entered) = unbounded();
        let shut = Arc::new(AtomicBool::new(false));
        let (is_shut, inside) = (Arc::clone(&shut), enter.clone());
        let admit = move || {
            while !is_shut.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => introduce(stream, inside.clone()),
                    Err(_) => thread::sleep(LOOK),
                }
            }
        };
        thread::Builder::new().name("door".into()).spawn(admit)?;
        Ok(Self { enter, entered, shut })
    }

    /// Waits for somebody to come.
    pub(super) fn wait(&self, most: Duration) -> Option<Arrival> {
        self.entered.recv_timeout(most).ok()
    }

    /// Lets somebody come again later.
    pub(super) fn put_back(&self, arrival: Arrival) {
        let _ = self.enter.send(arrival);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shut.store(true, Ordering::Relaxed);
    }
}

/// Hears who somebody is, beside everything else: whoever says nothing, such as a probe, keeps nobody waiting.
fn introduce(mut stream: TcpStream, enter: Sender<Arrival>) {
    let hear = move || {
        let hello = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(MANNERS)));
        let hello = hello.and_then(|()| stream.set_nodelay(true)).and_then(|()| Hello::hear(&mut stream));
        match hello.and_then(|hello| stream.set_read_timeout(None).map(|()| hello)) {
            Ok(hello) => drop(enter.send(Arrival { hello, stream })),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => tracing::warn!(%error, from = ?stream.peer_addr().ok(), "somebody came who is no process of this cluster"),
        }
    };
    // Without a thread the connection is closed, and whoever came tries again.
    let _ = thread::Builder::new().name("hello".into()).spawn(hear);
}
