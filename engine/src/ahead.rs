//! Decoding ahead: while the one worker there is works on an epoch, a thread beside it decodes the records of those that wait.
//!
//! ```text
//! pump ─┬─ epochs ─────────────────────────▶ worker: takes what is decoded, decodes what is not
//!       └─ the same ─▶ decoder: slice by slice, as long as the worker has something else to do
//! ```
//!
//! A slice is decoded once, by whoever comes to it first. Of a worker that waits for work nothing is kept back: the decoder leaves it
//! what has come, so nothing is later for it where little comes. Several workers share the decoding, and need no help.
//!
//! The decoder is never more than [`LEAD`] epochs ahead: what it has decoded is larger than what was read, and waits in memory.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::unbounded;

use crate::epoch::{Epoch, Order, Slice};
use crate::worker::Outlet;

/// How many epochs the decoder may be ahead of the worker.
const LEAD: usize = 3;
/// How long it waits before it looks whether the worker has come nearer.
const PAUSE: Duration = Duration::from_micros(200);

/// Decodes the records of a source.
pub(crate) trait Decode: Send + Sync {
    /// All records of a slice, in order: a `Vec` of whatever the source makes of them.
    fn decode(&self, epoch: &Epoch, slice: &Slice) -> Box<dyn Any + Send>;
}

/// What worker and decoder know of each other.
#[derive(Default)]
pub(crate) struct Ahead {
    /// Whether the worker waits for work, or is gone.
    idle: AtomicBool,
    /// How many epochs the worker has taken.
    taken: AtomicUsize,
    /// By source.
    decoders: Mutex<BTreeMap<usize, Weak<dyn Decode>>>,
}

impl Ahead {
    /// Lets the records of a source be decoded so, unless they already are otherwise; returns whether they are.
    pub(crate) fn register(&self, source: usize, decode: &Arc<dyn Decode>) -> bool {
        let mut decoders = self.decoders.lock().unwrap_or_else(PoisonError::into_inner);
        let free = decoders.get(&source).is_none_or(|known| known.strong_count() == 0);
        if free {
            decoders.insert(source, Arc::downgrade(decode));
        }
        free
    }

    /// Says that the worker wants no help: it waits for work, or is gone.
    pub(crate) fn wait(&self) {
        self.idle.store(true, Ordering::Relaxed);
    }

    /// Says that the worker has taken one epoch more.
    pub(crate) fn take(&self) {
        self.idle.store(false, Ordering::Relaxed);
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// Starts the decoder; it ends when it is told to, as a worker does.
    pub(crate) fn start(self: &Arc<Self>) -> std::io::Result<(Outlet, JoinHandle<()>)> {
        let (sender, orders) = unbounded();
        let ahead = Arc::clone(self);
        let work = move || {
            let mut before = 0;
            for order in orders {
                match order {
                    Order::Take(epoch) => {
                        ahead.stay_near(before);
                        ahead.decode(&epoch);
                        before += 1;
                    }
                    Order::Begin(_) | Order::End(_) => {}
                    Order::Finish | Order::Stop => return,
                }
            }
        };
        let thread = thread::Builder::new().name("decoder".to_owned()).spawn(work)?;
        Ok(((sender, thread.thread().clone()), thread))
    }

    /// Waits until the worker is near enough to the epoch before which so many came, or wants no help.
    fn stay_near(&self, before: usize) {
        while before > self.taken.load(Ordering::Relaxed) + LEAD && !self.idle.load(Ordering::Relaxed) {
            thread::sleep(PAUSE);
        }
    }

    fn decode(&self, epoch: &Epoch) {
        for slice in epoch.moments.iter().flat_map(|moment| &moment.slices) {
            if self.idle.load(Ordering::Relaxed) {
                return;
            }
            let source = epoch.partitions[slice.partition].source;
            let decoder = self.decoders.lock().unwrap_or_else(PoisonError::into_inner).get(&source).and_then(Weak::upgrade);
            if let Some(decoder) = decoder.filter(|_| slice.decoded.begin()) {
                // A record that panics is left to the worker, which knows whose fault that is.
                slice.decoded.finish(catch_unwind(AssertUnwindSafe(|| decoder.decode(epoch, slice))).ok());
            }
        }
    }
}

/// What the records of a slice were decoded to, if somebody has done so ahead.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    state: AtomicU8,
    values: Mutex<Option<Box<dyn Any + Send>>>,
}

/// Nobody has begun, somebody is at it, or nobody will be any more.
const FREE: u8 = 0;
const BEGUN: u8 = 1;
const DONE: u8 = 2;

impl Decoded {
    /// Whether nobody has begun.
    fn begin(&self) -> bool {
        self.state.compare_exchange(FREE, BEGUN, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn finish(&self, values: Option<Box<dyn Any + Send>>) {
        *self.values.lock().unwrap_or_else(PoisonError::into_inner) = values;
        self.state.store(DONE, Ordering::Release);
    }

    /// What there is; waits for whoever has begun. If nobody has, nobody will.
    pub(crate) fn take<T: 'static>(&self) -> Option<Vec<T>> {
        if self.state.compare_exchange(FREE, DONE, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            return None;
        }
        while self.state.load(Ordering::Acquire) == BEGUN {
            // A slice takes less than a millisecond.
            thread::yield_now();
        }
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        values.downcast().ok().map(|values| *values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_decoded_by_whoever_comes_first_and_by_nobody_else() {
        let first = Decoded::default();
        assert!(first.take::<u8>().is_none() && !first.begin(), "the worker came first");
        let other = Arc::new(Decoded::default());
        assert!(other.begin() && !other.begin());
        let waiting = thread::spawn({
            let other = Arc::clone(&other);
            move || other.take::<u8>()
        });
        other.finish(Some(Box::new(vec![1_u8, 2])));
        assert_eq!(waiting.join().unwrap(), Some(vec![1, 2]));
        assert!(other.take::<u8>().is_none(), "taken once");
        let failed = Decoded::default();
        assert!(failed.begin());
        failed.finish(None);
        assert!(failed.take::<u8>().is_none(), "the worker decodes what could not be");
    }

    #[test]
    fn of_two_that_decode_a_source_one_is_helped_until_it_is_gone() {
        struct Nothing;
        impl Decode for Nothing {
            fn decode(&self, _: &Epoch, _: &Slice) -> Box<dyn Any + Send> {
                unreachable!()
            }
        }
        let ahead = Ahead::default();
        let [one, two] = [const { Nothing }; 2].map(|nothing| Arc::new(nothing) as Arc<dyn Decode>);
        assert!(ahead.register(0, &one) && !ahead.register(0, &two) && ahead.register(1, &two));
        drop(one);
        assert!(ahead.register(0, &two));
    }
}
