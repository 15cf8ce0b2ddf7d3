//! One camera or one recording, on its thread: connects, reads, numbers, and begins anew when it must.
//!
//! ```text
//! connect ─▶ stream ─▶ … ─▶ it fails ─▶ wait 1, 2, 4 … 30 s, less up to half of it by chance ─┐
//!    ▲                                                                                        │
//!    └────────────────────────────────────────────────────────────────────────────────────────┘
//! ```

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::clock::{Clock, Time};
use super::config::{Camera, Origin};
use super::health::{Counters, State};
use super::numbering::Numbering;
use super::stream::{Picture, Stream, StreamError};
use super::{Packet, QUEUE_BYTES, Queue};
use crate::time::wall_ms;

/// The first and the longest pause before a connection is tried again, milliseconds.
const PAUSE_MS: (u64, u64) = (1_000, 30_000);
/// A connection that has held for so long is as good as new: the next pause is the first again.
const HELD: Duration = Duration::from_secs(30);
/// How long it takes to notice that capture stops.
const NAP: Duration = Duration::from_millis(20);

/// A camera at work.
pub(super) struct Source {
    camera: Camera,
    name: Arc<str>,
    counters: Counters,
    queue: Queue,
    stop: Arc<AtomicBool>,
    clock: Clock,
    /// The number that no picture has had yet.
    next: u64,
    /// Whether something was lost since the picture before.
    gap: bool,
    /// Pictures are let go up to the next key frame.
    dropping: bool,
}

impl Source {
    pub(super) fn new(camera: Camera, counters: Counters, queue: Queue, stop: Arc<AtomicBool>) -> Self {
        let (name, clock) = (Arc::from(camera.name.as_str()), Clock::new(camera.clock_error_ms));
        Self { camera, name, counters, queue, stop, clock, next: 0, gap: false, dropping: false }
    }

    /// Runs until it is told to stop, or the recording ends.
    pub(super) fn run(mut self) {
        let mut failures = 0;
        while !self.stop.load(Ordering::Relaxed) {
            self.counters.change(|counted| counted.state = State::Connecting);
            let began = Instant::now();
            let error = match Stream::open(&self.camera, &self.stop) {
                Ok(stream) => self.stream(stream).err(),
                Err(error) => Some(error),
            };
            let live = matches!(self.camera.origin, Origin::Live { .. });
            match error {
                Some(StreamError::Stopped) => return,
                None if !live => return self.counters.change(|counted| counted.state = State::Ended),
                error => {
                    failures = if began.elapsed() > HELD { 1 } else { failures + 1 };
                    let error = error.map_or_else(|| "the camera hung up".to_owned(), |error| error.to_string());
                    tracing::warn!(camera = &*self.name, error, "the connection ended; trying again");
                    self.counters.change(|counted| {
                        (counted.state, counted.error) = (State::Waiting, Some(error));
                        counted.reconnects += 1;
                    });
                    self.gap = true;
                    self.sleep(Duration::from_millis(pause_ms(failures, RandomState::new().hash_one(failures))));
                }
            }
        }
    }

    /// Reads a stream to its end.
    fn stream(&mut self, mut stream: Stream) -> Result<(), StreamError> {
        self.counters.change(|counted| counted.state = State::Streaming);
        let opened = Instant::now();
        let (mut begins, mut numbering) = (None, None);
        while let Some(picture) = stream.next()? {
            let first = || (self.begins_ms(), picture.pts_us, picture.dts_us.unwrap_or(picture.pts_us));
            let (begins_ms, first_us, decoded_us) = *begins.get_or_insert_with(first);
            self.keep_pace(&picture, decoded_us, opened);
            if self.stop.load(Ordering::Relaxed) {
                return Err(StreamError::Stopped);
            }
            let time = self.time(&picture, begins_ms, first_us);
            let numbering = numbering.get_or_insert_with(|| Numbering::new(self.next.max(time.at_ms), stream.reorders));
            let (pts_us, dts_us, codec) = (picture.pts_us, picture.dts_us, stream.codec);
            let mut given = Vec::new();
            numbering.push(pts_us, dts_us, (picture, time), |number, what| given.push((number, what)));
            self.next = numbering.next();
            given.into_iter().for_each(|(number, (picture, time))| self.put(number, picture, time, codec));
        }
        if let Some(mut numbering) = numbering {
            let mut given = Vec::new();
            numbering.finish(|number, what| given.push((number, what)));
            self.next = numbering.next();
            given.into_iter().for_each(|(number, (picture, time))| self.put(number, picture, time, stream.codec));
        }
        Ok(())
    }

    /// When a recording begins, by the wall clock unless its configuration says so.
    fn begins_ms(&self) -> u64 {
        match self.camera.origin {
            Origin::File { begins_ms: Some(begins_ms), .. } => begins_ms,
            _ => wall_ms(),
        }
    }

    fn time(&mut self, picture: &Picture, begins_ms: u64, first_us: i64) -> Time {
        match self.camera.origin {
            Origin::Live { .. } => self.clock.live(picture.pts_us, wall_ms(), picture.reference_us),
            Origin::File { .. } => self.clock.recorded(begins_ms, picture.pts_us.saturating_sub(first_us)),
        }
    }

    /// Waits until a picture of a recording is due.
    fn keep_pace(&self, picture: &Picture, first_us: i64, opened: Instant) {
        if let Origin::File { paced: true, .. } = self.camera.origin {
            let due_us = picture.dts_us.unwrap_or(picture.pts_us).saturating_sub(first_us);
            let due = opened + Duration::from_micros(u64::try_from(due_us).unwrap_or(0).min(86_400_000_000));
            self.sleep(due.saturating_duration_since(Instant::now()));
        }
    }

    /// Hands a picture over to be written.
    fn put(&mut self, number: u64, picture: Picture, time: Time, codec: super::Codec) {
        let size = picture.bytes.len();
        let paced = matches!(self.camera.origin, Origin::File { paced: false, .. });
        let arrival_ms = if paced { time.at_ms } else { wall_ms() };
        let gap = std::mem::take(&mut self.gap) || picture.damaged;
        self.counters.change(|counted| {
            counted.picture(size, gap);
            counted.own_clock = time.own_clock;
        });
        if size > self.queue.bytes_most {
            let error = format!("a picture of {size} bytes was let go: at most {} are taken", self.queue.bytes_most);
            self.counters.change(|counted| counted.error = Some(error));
            return self.let_go();
        }
        if self.dropping && !picture.key {
            return self.let_go();
        }
        let packet = Packet {
            camera: Arc::clone(&self.name),
            number,
            at_ms: time.at_ms,
            error_ms: time.error_ms,
            arrival_ms,
            codec,
            key: picture.key,
            gap,
            parameters: picture.parameters,
            bytes: picture.bytes,
        };
        let waits = matches!(self.camera.origin, Origin::File { .. });
        self.dropping = false;
        if !self.queue.put(packet, waits, &self.stop) {
            self.let_go();
        }
    }

    /// A picture is not written: those after it cannot be decoded before the next key frame.
    fn let_go(&mut self) {
        (self.gap, self.dropping) = (true, true);
        self.counters.change(super::health::Counted::drop_one);
    }

    fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.stop.load(Ordering::Relaxed) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

impl Queue {
    /// Puts a picture into the queue, if there is room or it may wait for it; returns whether it is there.
    fn put(&self, packet: Packet, waits: bool, stop: &AtomicBool) -> bool {
        let size = packet.bytes.len();
        while self.bytes.load(Ordering::Relaxed) + size > QUEUE_BYTES {
            if !waits || stop.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::sleep(NAP);
        }
        // Counted first, so that whoever takes it out never counts below zero.
        self.bytes.fetch_add(size, Ordering::Relaxed);
        // If whoever writes is gone, so is the reason to read.
        let sent = if waits { self.sender.send(packet).is_ok() } else { self.sender.try_send(packet).is_ok() };
        if !sent {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
        }
        sent
    }
}

/// How long to wait after so many failures: half to all of 1 s, 2 s, 4 s … 30 s. `chance` is any number.
fn pause_ms(failures: u32, chance: u64) -> u64 {
    let (first, longest) = PAUSE_MS;
    let whole = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest);
    (whole / 2 + chance % (whole / 2 + 1)).max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_one_second_to_thirty_within_their_jitter() {
        for (failures, least, most) in
            [(1, 1_000, 1_000), (2, 1_000, 2_000), (4, 4_000, 8_000), (6, 15_000, 30_000), (u32::MAX, 15_000, 30_000)]
        {
            for chance in [0, 1, 977, u64::MAX] {
                let pause = pause_ms(failures, chance);
                assert!((least..=most).contains(&pause), "{failures} failures, {pause} ms");
            }
        }
    }
}
