//! Capture: cameras and recordings in, encoded pictures into a topic. Nothing is decoded.
//!
//! ```text
//! camera ─▶ thread: connect ▸ read ▸ number, time ─┐
//! camera ─▶ thread  …                              ├─▶ queue, bounded ─▶ this thread: one append for many ─▶ topic
//! camera ─▶ thread: waits 1 … 30 s, tries again    ┘                └──▶ now and then how well it goes ───▶ topic
//! ```
//!
//! Each camera has a thread that owns its connection and shares nothing with the others but the queue, so that one that hangs
//! costs no more than its own waiting. A recording waits for room in the queue. A camera does not wait: what the store does not
//! take is let go up to the next key frame, counted, and marked as a gap.
//!
//! A picture's number grows by one from picture to picture, and begins, with every connection, at the time by then in milliseconds
//! since the epoch: no camera takes a thousand pictures a second, so a number never comes twice, whoever was restarted, and
//! nothing need be remembered for it.

mod annex_b;
mod clock;
mod config;
mod health;
mod numbering;
mod source;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

pub use self::config::{Address, Camera, Config, Origin};
use self::health::Counters;
pub use self::health::{Health, State};
use self::source::Source;
use crate::time::wall_ms;
use crate::transport::{NewRecord, TopicStore, TransportError};

/// How pictures are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// Each picture a JPEG.
    Mjpeg,
}

/// An encoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The camera.
    pub camera: Arc<str>,
    /// Its number: grows by one in the order in which pictures are taken.
    pub number: u64,
    /// When it was taken, milliseconds since the epoch.
    pub at_ms: u64,
    /// By how much that may be wrong, milliseconds.
    pub error_ms: u32,
    /// When it came, milliseconds since the epoch.
    pub arrival_ms: u64,
    /// How it is encoded.
    pub codec: Codec,
    /// Whether decoding can begin here.
    pub key: bool,
    /// Whether something before it was lost.
    pub gap: bool,
    /// Of a key frame, what a decoder must know beforehand.
    pub parameters: Vec<u8>,
    /// The picture; H.264 and H.265 behind start codes.
    pub bytes: Vec<u8>,
}

/// How what is captured is written: the words are not the engine's.
pub trait Records: Send + Sync {
    /// A picture as a record.
    fn picture(&self, packet: &Packet) -> Vec<u8>;

    /// How well a camera is captured, as a record.
    fn health(&self, health: &Health) -> Vec<u8>;

    /// The partition of a camera, of so many.
    fn partition(&self, camera: &str, partitions: u32) -> u32;
}

/// Everything that capturing needs.
pub struct Capture<'a> {
    /// What is captured.
    pub config: Config,
    /// Where it goes.
    pub store: &'a dyn TopicStore,
    /// How it is written.
    pub records: &'a dyn Records,
    /// Partitions of topics that are made.
    pub partitions: u32,
    /// No picture has more bytes; a larger one is let go, and told of.
    pub bytes_most: usize,
    /// Set it to stop: what was read is written first.
    pub stop: Arc<AtomicBool>,
}

/// How long something may still be waited for.
#[derive(Debug)]
struct Patience {
    began: Instant,
    since_ms: AtomicU64,
    timeout_ms: u64,
    stop: Arc<AtomicBool>,
}

/// Pictures and their bytes that wait for the store: two seconds of two hundred cameras.
const QUEUE: usize = 10_000;
/// Their bytes.
const QUEUE_BYTES: usize = 64 << 20;
/// Bytes that go into one append.
const APPEND_BYTES: usize = 4 << 20;
/// How long a picture waits for others to be appended with it.
const APPEND_AFTER: Duration = Duration::from_millis(50);
/// How long a store that failed is left alone, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// What the cameras' threads share: the way to the store.
#[derive(Clone)]
struct Queue {
    sender: Sender<Packet>,
    bytes: Arc<AtomicUsize>,
    bytes_most: usize,
}

impl Capture<'_> {
    /// Captures until all recordings have ended (if there are no cameras), or it is told to stop. `observe` is told how well it
    /// goes, camera by camera.
    ///
    /// # Errors
    /// The store cannot take what is captured, and never will.
    pub fn run(self, observe: &mut dyn FnMut(&Health)) -> Result<(), TransportError> {
        let topics = [self.config.topic.clone(), self.config.health.clone()];
        let mut partitions = [0; 2];
        for (topic, count) in topics.iter().zip(&mut partitions) {
            *count = match self.store.partitions(topic) {
                Ok(known) => known.len() as u32,
                Err(_) => self.store.create_topic(topic, self.partitions).map(|()| self.partitions)?,
            };
        }
        let (sender, receiver) = bounded(QUEUE);
        let queue = Queue { sender, bytes: Arc::default(), bytes_most: self.bytes_most };
        let (mut counters, mut threads) = (Vec::new(), Vec::new());
        for camera in self.config.cameras {
            let counted = Counters::new(&camera.name);
            counters.push(counted.clone());
            let source = Source::new(camera, counted, queue.clone(), Arc::clone(&self.stop));
            let thread = std::thread::Builder::new().name("camera".into()).stack_size(1 << 20).spawn(move || source.run());
            threads.push(thread.map_err(|error| TransportError::lasting("cannot start a thread").because(error))?);
        }
        let bytes = Arc::clone(&queue.bytes);
        drop(queue);
        let every = Duration::from_millis(self.config.health_every_ms);
        let mut writing = Writing {
            store: self.store,
            records: self.records,
            topics,
            partitions,
            counters,
            told: Instant::now(),
            every,
            stop: self.stop,
        };
        let written = writing.work(&receiver, &bytes, observe);
        writing.stop.store(true, Ordering::Relaxed);
        drop(receiver);
        // A thread that panicked has told so; the others ended well.
        threads.into_iter().for_each(|thread| _ = thread.join());
        written
    }
}

/// Writes what the cameras' threads read.
struct Writing<'a> {
    store: &'a dyn TopicStore,
    records: &'a dyn Records,
    /// That of pictures and that of health.
    topics: [String; 2],
    partitions: [u32; 2],
    counters: Vec<Counters>,
    told: Instant,
    every: Duration,
    stop: Arc<AtomicBool>,
}

impl Writing<'_> {
    fn work(&mut self, packets: &Receiver<Packet>, bytes: &AtomicUsize, observe: &mut dyn FnMut(&Health)) -> Result<(), TransportError> {
        loop {
            let mut batch = Vec::new();
            let ended = fill(packets, &mut batch);
            let written: usize = batch.iter().map(|packet| packet.bytes.len()).sum();
            self.append(&batch)?;
            bytes.fetch_sub(written, Ordering::Relaxed);
            if self.told.elapsed() >= self.every || ended {
                self.tell(observe)?;
            }
            if ended {
                return Ok(());
            }
        }
    }

    fn append(&self, batch: &[Packet]) -> Result<(), TransportError> {
        let values: Vec<Vec<u8>> = batch.iter().map(|packet| self.records.picture(packet)).collect();
        let pairs = batch.iter().zip(&values);
        let records: Vec<NewRecord<'_>> = pairs.map(|(packet, value)| self.record(0, &packet.camera, packet.arrival_ms, value)).collect();
        self.put(0, &records)
    }

    /// Tells of every camera.
    fn tell(&mut self, observe: &mut dyn FnMut(&Health)) -> Result<(), TransportError> {
        self.told = Instant::now();
        let now_ms = wall_ms();
        let healths: Vec<Health> = self.counters.iter().map(|counters| counters.tell(now_ms)).collect();
        let values: Vec<Vec<u8>> = healths.iter().map(|health| self.records.health(health)).collect();
        let pairs = healths.iter().zip(&values);
        let records: Vec<NewRecord<'_>> = pairs.map(|(health, value)| self.record(1, &health.camera, now_ms, value)).collect();
        self.put(1, &records)?;
        healths.iter().for_each(observe);
        Ok(())
    }

    /// A camera's record for the topic of that number.
    fn record<'r>(&self, topic: usize, camera: &'r str, arrival_ms: u64, value: &'r [u8]) -> NewRecord<'r> {
        let partition = self.records.partition(camera, self.partitions[topic]);
        NewRecord { partition, arrival_ms: Some(arrival_ms), key: camera.as_bytes(), value: Some(value) }
    }

    /// Appends, trying again while that may help. Once told to stop, what cannot be written now is given up.
    fn put(&self, topic: usize, records: &[NewRecord<'_>]) -> Result<(), TransportError> {
        if records.is_empty() {
            return Ok(());
        }
        let (topic, mut pause) = (&self.topics[topic], BACKOFF.0);
        while let Err(error) = self.store.append(topic, records) {
            if !error.retry || self.stop.load(Ordering::Relaxed) {
                return Err(error);
            }
            tracing::warn!(topic, %error, ?pause, "appending failed; trying again");
            std::thread::sleep(pause);
            pause = (pause * 2).min(BACKOFF.1);
        }
        Ok(())
    }
}

/// Takes what came, until there is enough or nothing more comes for a moment; returns whether all cameras have ended.
fn fill(packets: &Receiver<Packet>, batch: &mut Vec<Packet>) -> bool {
    let (deadline, mut bytes) = (Instant::now() + APPEND_AFTER, 0);
    while bytes < APPEND_BYTES {
        match packets.recv_deadline(deadline) {
            Ok(packet) => {
                bytes += packet.bytes.len();
                batch.push(packet);
            }
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => return true,
        }
    }
    false
}
