//! How well each camera is captured: counted by its thread, told now and then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

/// How well a camera was captured since it was told the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The camera.
    pub camera: String,
    /// When it is told, milliseconds since the epoch.
    pub at_ms: u64,
    /// How the connection stands.
    pub state: State,
    /// How long it looks back, milliseconds.
    pub span_ms: u64,
    /// Pictures in that time.
    pub frames: u64,
    /// Their bits a second.
    pub bit_rate: u64,
    /// Times in that time when pictures were missing.
    pub gaps: u64,
    /// Pictures in that time that were let go because the store took no more, or because they were too large.
    pub dropped: u64,
    /// Times the connection was made anew since the beginning.
    pub reconnects: u64,
    /// Whether the times are those of the camera's own clock.
    pub own_clock: bool,
    /// Why the last connection ended, if one did.
    pub error: Option<String>,
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is being made.
    Connecting,
    /// Pictures come.
    Streaming,
    /// It failed, and is tried again after a pause.
    Waiting,
    /// The recording is at its end.
    Ended,
}

/// What a camera's thread counts.
#[derive(Clone, Debug)]
pub(super) struct Counters(Arc<Mutex<Counted>>);

#[derive(Debug)]
pub(super) struct Counted {
    camera: String,
    told: Instant,
    pub(super) state: State,
    frames: u64,
    bytes: u64,
    gaps: u64,
    dropped: u64,
    pub(super) reconnects: u64,
    pub(super) own_clock: bool,
    pub(super) error: Option<String>,
}

impl Counters {
    pub(super) fn new(camera: &str) -> Self {
        let (camera, told, state) = (camera.to_owned(), Instant::now(), State::Connecting);
        let (own_clock, error) = (false, None);
        Self(Arc::new(Mutex::new(Counted {
            camera,
            told,
            state,
            frames: 0,
            bytes: 0,
            gaps: 0,
            dropped: 0,
            reconnects: 0,
            own_clock,
            error,
        })))
    }

    /// Changes what is counted.
    pub(super) fn change(&self, change: impl FnOnce(&mut Counted)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// How it stands now; what is counted by time begins anew.
    pub(super) fn tell(&self, at_ms: u64) -> Health {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let span_ms = counted.told.elapsed().as_millis() as u64;
        let health = Health {
            camera: counted.camera.clone(),
            at_ms,
            state: counted.state,
            span_ms,
            frames: counted.frames,
            bit_rate: counted.bytes.saturating_mul(8_000) / span_ms.max(1),
            gaps: counted.gaps,
            dropped: counted.dropped,
            reconnects: counted.reconnects,
            own_clock: counted.own_clock,
            error: counted.error.clone(),
        };
        (counted.told, counted.frames, counted.bytes, counted.gaps, counted.dropped) = (Instant::now(), 0, 0, 0, 0);
        health
    }
}

impl Counted {
    /// A picture came.
    pub(super) fn picture(&mut self, bytes: usize, gap: bool) {
        self.frames += 1;
        self.bytes += bytes as u64;
        self.gaps += u64::from(gap);
    }

    /// A picture was let go.
    pub(super) fn drop_one(&mut self) {
        self.dropped += 1;
    }
}
