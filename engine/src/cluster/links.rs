//! The links: what workers of different processes send each other, on timely's threads.
//!
//! Those threads panic when a connection is lost, and so does every worker that waits for them. Here a connection that is
//! lost is merely silent: whoever looks is told, the workers are told to leave, and then timely's threads leave too.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use timely::communication::Hooks;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::zero_copy::stream::Stream;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};

/// The links of one process in one round.
pub(super) struct Links {
    streams: Vec<TcpStream>,
    state: Arc<State>,
    /// Dropped when the round is over.
    _round: Sender<()>,
}

/// What the threads know.
struct State {
    /// Errors do not matter any more.
    over: AtomicBool,
    broken: AtomicBool,
    sent: AtomicU64,
}

/// One end of a link, as timely's threads have it.
struct End {
    stream: TcpStream,
    framing: Framing,
    state: Arc<State>,
    round: Receiver<()>,
}

/// Makes of connections to all others what timely's workers are built from.
pub(super) fn links(streams: Vec<Option<TcpStream>>, process: usize, workers: usize) -> io::Result<(Vec<AllocatorBuilder>, Links)> {
    let kept = streams.iter().flatten().map(TcpStream::try_clone).collect::<io::Result<_>>()?;
    let state = Arc::new(State { over: AtomicBool::new(false), broken: AtomicBool::new(false), sent: AtomicU64::new(0) });
    let (round, over) = bounded(0);
    let end = |stream: TcpStream| End { stream, framing: Framing::default(), state: Arc::clone(&state), round: over.clone() };
    let ends = streams.into_iter().map(|stream| stream.map(end)).collect();
    let hooks = Hooks::default();
    let inside = ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), None);
    let (builders, threads) = initialize_networking_from_sockets(inside, ends, process, workers, hooks)?;
    // They leave by themselves; to wait for one that was told to unwind would be a panic.
    std::mem::forget(threads);
    let links = Links { streams: kept, state, _round: round };
    Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), links))
}

impl Links {
    /// Whether a connection failed while it was needed.
    pub(super) fn is_broken(&self) -> bool {
        self.state.broken.load(Ordering::Relaxed)
    }

    /// They are not needed any more; they are closed when this is dropped.
    pub(super) fn end(&self) {
        self.state.over.store(true, Ordering::Relaxed);
    }

    /// Bytes sent.
    pub(super) fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.end();
        self.streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }
}

/// Where in timely's messages a stream is: a header of six numbers, big endian, of which the fifth is the length of what
/// follows, and is 0 in the last of all.
#[derive(Default)]
struct Framing {
    header: Vec<u8>,
    /// Bytes of the message still to come.
    left: usize,
    is_last: bool,
}

impl Framing {
    const HEADER: usize = 48;

    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            (self.left, bytes) = (self.left - skipped, &bytes[skipped..]);
            let (head, rest) = bytes.split_at(bytes.len().min(Self::HEADER - self.header.len()));
            self.header.extend_from_slice(head);
            bytes = rest;
            if self.header.len() == Self::HEADER {
                self.left = self.header[32..40].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
                self.is_last = self.left == 0;
                self.header.clear();
            }
        }
    }
}

impl End {
    fn fail(&self, error: &io::Error) {
        if !self.state.over.load(Ordering::Relaxed) && !self.state.broken.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "a connection between workers failed");
        }
    }
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(buffer) {
            Ok(read) if read > 0 => {
                self.framing.pass(&buffer[..read]);
                return Ok(read);
            }
            // The other's workers have left. Timely passes on what came last once it has seen that nothing follows.
            Ok(_) if self.framing.is_last => return Ok(0),
            // It is dead: that is heard elsewhere.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => self.fail(&error),
        }
        // An end that timely hears of would be a panic in every worker. So it hears nothing until they have left.
        let _ = self.round.recv();
        resume_unwind(Box::new("the round is over"))
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.write(bytes) {
            Ok(written) => {
                self.state.sent.fetch_add(written as u64, Ordering::Relaxed);
                Ok(written)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.fail(&error);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for End {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            stream: self.stream.try_clone()?,
            framing: Framing::default(),
            state: Arc::clone(&self.state),
            round: self.round.clone(),
        })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        // A connection that is closed already is as good.
        let _ = self.stream.shutdown(how);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use timely::communication::networking::MessageHeader;

    use super::*;

    #[test]
    fn the_last_message_is_known_however_the_stream_is_cut() {
        let mut stream = Vec::new();
        for length in [5, 300, 0] {
            let header = MessageHeader { channel: 1, source: 0, target_lower: 0, target_upper: 1, length, seqno: 2 };
            header.write_to(&mut stream).unwrap();
            // Zeros are no header where a message is.
            stream.resize(stream.len() + length, 0);
        }
        for cut in [1, 7, 47, 48, 49, 1_000] {
            let mut framing = Framing::default();
            let (most, last) = stream.split_at(stream.len() - 1);
            most.chunks(cut).for_each(|bytes| framing.pass(bytes));
            assert!(!framing.is_last, "cut in pieces of {cut}");
            framing.pass(last);
            assert!(framing.is_last, "cut in pieces of {cut}");
        }
    }
}
