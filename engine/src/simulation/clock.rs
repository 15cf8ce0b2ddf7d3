//! Time that passes only when somebody rests: then others go on, on the same thread.

use std::cell::RefCell;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, TryRecvError};

use crate::time::Time;

/// When it begins, milliseconds since the epoch.
const BEGINS_MS: u64 = 1_700_000_000_000;

/// A life that lasts longer is stuck.
const LASTS_MS: u64 = 24 * 3_600_000;

type Others = Box<dyn FnMut()>;

thread_local! {
    /// Who goes on while somebody rests.
    static OTHERS: RefCell<Option<Others>> = const { RefCell::new(None) };
}

/// Made-up time.
#[derive(Default)]
pub(super) struct MadeUpTime {
    elapsed_us: AtomicU64,
    /// By how much the wall clock is off.
    off_ms: AtomicI64,
}

impl MadeUpTime {
    /// Lets time pass in which nobody does anything.
    pub(super) fn pass(&self, span: Duration) {
        let now_us = self.elapsed_us.fetch_add(span.as_micros() as u64, Ordering::Relaxed);
        assert!(now_us / 1_000 < LASTS_MS, "it is stuck");
    }

    /// Somebody sets the wall clock.
    pub(super) fn set_off_ms(&self, off_ms: i64) {
        self.off_ms.store(off_ms, Ordering::Relaxed);
    }

    /// Milliseconds since the beginning.
    pub(super) fn elapsed_ms(&self) -> u64 {
        self.elapsed_us.load(Ordering::Relaxed) / 1_000
    }
}

/// Says who goes on while somebody rests, until this is dropped.
pub(super) struct Employed(Option<Others>);

impl Employed {
    pub(super) fn new(others: Others) -> Self {
        Self(OTHERS.replace(Some(others)))
    }
}

impl Drop for Employed {
    fn drop(&mut self) {
        drop(OTHERS.replace(self.0.take()));
    }
}

impl Time for MadeUpTime {
    fn wall_ms(&self) -> u64 {
        (BEGINS_MS + self.elapsed_ms()).saturating_add_signed(self.off_ms.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.elapsed_us.load(Ordering::Relaxed))
    }

    fn rest(&self, span: Duration) {
        self.pass(span.max(Duration::from_micros(10)));
        // Whoever rests while the others go on is one of them.
        if let Some(mut others) = OTHERS.take() {
            others();
            OTHERS.set(Some(others));
        }
    }

    fn hear(&self, from: &Receiver<usize>) -> Option<usize> {
        loop {
            match from.try_recv() {
                Ok(heard) => return Some(heard),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => self.rest(Duration::from_millis(1)),
            }
        }
    }
}
