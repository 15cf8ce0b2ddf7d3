//! `offload`: slow work on a bounded pool of threads, in order for each key, in batches over keys.
//!
//! ```text
//! offer(key, item) ─▶ one queue a key ─▶ threads: each borrows some keys with their state and their next items ─▶ said
//!                      a │▪▪▪▪                 ┌─ a ▪▪   c ▪   (one batch)
//!                      b │▪▪        ─────▶     └─ b ▪▪
//!                      c │▪                    a key is lent to one thread at a time: its items stay in order
//! ```
//!
//! Queues are bounded together. When they are full, whoever offers waits, or the oldest item of the longest queue goes and is
//! given back: which, is the policy of the caller at each offer. Nothing is dropped that the caller is not told of.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Work that a thread of the pool does.
pub trait Work<K, T>: Send {
    /// What is remembered of a key from item to item.
    type State: Default + Send;
    /// What is said.
    type Said: Send;

    /// Does a batch: each turn is a key with what is remembered of it and its next items, oldest first.
    fn work(&mut self, turns: &mut [Turn<K, Self::State, T>], say: &mut Vec<Self::Said>);

    /// A key ends: what is remembered of it is forgotten afterwards.
    fn end(&mut self, key: &K, state: &mut Self::State, say: &mut Vec<Self::Said>);
}

/// A key's part in a batch.
#[derive(Debug)]
pub struct Turn<K, S, T> {
    /// The key.
    pub key: K,
    /// What is remembered of it.
    pub state: S,
    /// Its next items, oldest first.
    pub items: Vec<T>,
}

/// How a pool is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffloadLimits {
    /// Items that wait, over all keys.
    pub queue: usize,
    /// Items that are worked on together.
    pub batch: usize,
}

/// What to do with an item for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Wait until there is.
    Wait,
    /// Let the oldest item of the longest queue go, those that are `kept` last.
    DropOldest,
}

/// A thread of the pool panicked, and with it went what it worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a thread of the pool panicked")]
pub struct PoolFailed;

/// A pool of threads for slow work.
pub struct Offload<K, T, W: Work<K, T>> {
    shared: Arc<Shared<K, T, W>>,
    /// Which items go last when there is no room.
    kept: fn(&T) -> bool,
    threads: Vec<JoinHandle<()>>,
}

struct Shared<K, T, W: Work<K, T>> {
    limits: OffloadLimits,
    pool: Mutex<Pool<K, T, W>>,
    /// There is something to do, or the pool ends.
    work: Condvar,
    /// Something was said, or there is room.
    said: Condvar,
}

struct Pool<K, T, W: Work<K, T>> {
    lanes: BTreeMap<K, Lane<T, W::State>>,
    /// Keys whose turn it is, in order: those with something to do that no thread has.
    ready: VecDeque<K>,
    waiting: usize,
    working: usize,
    said: Vec<W::Said>,
    stopping: bool,
    failed: bool,
}

/// A key with its items; the state is away while a thread has it.
struct Lane<T, S> {
    items: VecDeque<T>,
    state: Option<S>,
    ending: bool,
}

impl<K, T, W> Offload<K, T, W>
where
    K: Ord + Clone + Send + 'static,
    T: Send + 'static,
    W: Work<K, T> + 'static,
{
    /// Starts a thread for each worker. `kept` says which items go last when there is no room.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(workers: Vec<W>, limits: OffloadLimits, kept: fn(&T) -> bool) -> std::io::Result<Self> {
        let (lanes, ready, said) = (BTreeMap::new(), VecDeque::new(), Vec::new());
        let pool = Mutex::new(Pool { lanes, ready, waiting: 0, working: 0, said, stopping: false, failed: false });
        let shared = Arc::new(Shared { limits, pool, work: Condvar::new(), said: Condvar::new() });
        let mut offload = Self { shared, kept, threads: Vec::new() };
        for (number, worker) in workers.into_iter().enumerate() {
            let shared = Arc::clone(&offload.shared);
            let thread = std::thread::Builder::new().name(format!("offload {number}")).spawn(move || shared.run(worker))?;
            offload.threads.push(thread);
        }
        Ok(offload)
    }

    /// Offers a key's next item. Returns what was let go for it, which may be of another key, or the item itself.
    ///
    /// # Errors
    /// The pool failed while there was no room.
    pub fn offer(&self, key: K, item: T, when_full: WhenFull) -> Result<Option<(K, T)>, PoolFailed> {
        let mut pool = self.shared.lock();
        let mut dropped = None;
        while pool.waiting >= self.shared.limits.queue && dropped.is_none() {
            if pool.failed {
                return Err(PoolFailed);
            }
            match when_full {
                WhenFull::Wait => pool = self.shared.said.wait(pool).unwrap_or_else(PoisonError::into_inner),
                WhenFull::DropOldest => {
                    dropped = pool.drop_oldest(self.kept, (self.kept)(&item));
                    if dropped.is_none() {
                        return Ok(Some((key, item)));
                    }
                }
            }
        }
        pool.lane(&key).items.push_back(item);
        pool.waiting += 1;
        pool.ready(&key);
        drop(pool);
        self.shared.work.notify_one();
        Ok(dropped)
    }

    /// Whether an offer would find room.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared.lock().waiting < self.shared.limits.queue
    }

    /// Lets a key end once its items are done.
    pub fn end(&self, key: &K) {
        let mut pool = self.shared.lock();
        if let Some(lane) = pool.lanes.get_mut(key) {
            lane.ending = true;
            pool.ready(key);
            self.shared.work.notify_one();
        }
    }

    /// What was said since the last time; waits for something for so long.
    ///
    /// # Errors
    /// A thread panicked.
    pub fn said(&self, wait: Duration) -> Result<Vec<W::Said>, PoolFailed> {
        let deadline = Instant::now() + wait;
        let mut pool = self.shared.lock();
        while pool.said.is_empty() && !pool.failed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            pool = self.shared.said.wait_timeout(pool, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if pool.failed { Err(PoolFailed) } else { Ok(std::mem::take(&mut pool.said)) }
    }

    /// Whether nothing waits, nothing is worked on, and everything said was taken.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let pool = self.shared.lock();
        pool.waiting == 0 && pool.working == 0 && pool.ready.is_empty() && pool.said.is_empty()
    }
}

impl<K, T, W: Work<K, T>> Drop for Offload<K, T, W> {
    /// Ends the threads; what still waits is not done.
    fn drop(&mut self) {
        self.shared.pool.lock().unwrap_or_else(PoisonError::into_inner).stopping = true;
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            // Why it panicked was told by the panic itself.
            let _ = thread.join();
        }
    }
}

impl<K, T, W> Shared<K, T, W>
where
    K: Ord + Clone,
    W: Work<K, T>,
{
    fn lock(&self) -> MutexGuard<'_, Pool<K, T, W>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread: takes batches until the pool ends.
    fn run(&self, mut worker: W) {
        let guard = FailsOnPanic(self);
        while let Some((mut turns, ended)) = self.next_batch() {
            let mut say = Vec::new();
            if !turns.is_empty() {
                worker.work(&mut turns, &mut say);
            }
            let ended = ended.map(|(key, mut state)| {
                worker.end(&key, &mut state, &mut say);
                key
            });
            self.give_back(turns, ended, say);
        }
        std::mem::forget(guard);
    }

    /// The next batch, or a key that ends; `None` at the end of the pool.
    #[expect(clippy::type_complexity, reason = "used once")]
    fn next_batch(&self) -> Option<(Vec<Turn<K, W::State, T>>, Option<(K, W::State)>)> {
        let mut pool = self.lock();
        while pool.ready.is_empty() {
            if pool.stopping {
                return None;
            }
            pool = self.work.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
        if pool.stopping {
            return None;
        }
        let batch = pool.take(self.limits.batch.max(1));
        pool.working += batch.0.len() + usize::from(batch.1.is_some());
        drop(pool);
        // There is room now.
        self.said.notify_all();
        Some(batch)
    }

    fn give_back(&self, turns: Vec<Turn<K, W::State, T>>, ended: Option<K>, mut say: Vec<W::Said>) {
        let mut pool = self.lock();
        pool.working -= turns.len() + usize::from(ended.is_some());
        pool.said.append(&mut say);
        for Turn { key, state, .. } in turns {
            pool.lane(&key).state = Some(state);
            pool.ready(&key);
        }
        if let Some(key) = ended
            && let Some(lane) = pool.lanes.get_mut(&key)
        {
            // What was offered meanwhile begins anew.
            (lane.state, lane.ending) = (Some(W::State::default()), false);
            if lane.items.is_empty() {
                pool.lanes.remove(&key);
            } else {
                pool.ready(&key);
            }
        }
        drop(pool);
        self.work.notify_all();
        self.said.notify_all();
    }
}

impl<K: Ord + Clone, T, W: Work<K, T>> Pool<K, T, W> {
    fn lane(&mut self, key: &K) -> &mut Lane<T, W::State> {
        let new = || Lane { items: VecDeque::new(), state: Some(W::State::default()), ending: false };
        self.lanes.entry(key.clone()).or_insert_with(new)
    }

    /// Gives a key its place in the order of turns, if it has something to do and none has it.
    fn ready(&mut self, key: &K) {
        let able = self.lanes.get(key).is_some_and(|lane| lane.state.is_some() && (lane.ending || !lane.items.is_empty()));
        if able && !self.ready.contains(key) {
            self.ready.push_back(key.clone());
        }
    }

    /// A batch: of each key whose turn it is as much as its share, until there is enough. A key that ends comes alone.
    #[expect(clippy::type_complexity, reason = "used once")]
    fn take(&mut self, most: usize) -> (Vec<Turn<K, W::State, T>>, Option<(K, W::State)>) {
        let share = most.div_ceil(self.ready.len().max(1));
        let (mut turns, mut taken) = (Vec::new(), 0);
        while taken < most
            && let Some(key) = self.ready.pop_front()
        {
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            let items: Vec<T> = lane.items.drain(..share.min(most - taken).min(lane.items.len())).collect();
            self.waiting -= items.len();
            let Some(state) = lane.state.take() else { continue };
            if items.is_empty() {
                if turns.is_empty() {
                    return (turns, Some((key, state)));
                }
                lane.state = Some(state);
                self.ready.push_front(key);
                break;
            }
            taken += items.len();
            turns.push(Turn { key, state, items });
        }
        (turns, None)
    }

    /// Lets the oldest item of the longest queue go, one that is kept only if `even_kept`.
    fn drop_oldest(&mut self, kept: fn(&T) -> bool, even_kept: bool) -> Option<(K, T)> {
        let longest = |spare: bool| {
            let lanes = self.lanes.iter().filter(|(_, lane)| !spare || lane.items.iter().any(|item| !kept(item)));
            lanes.max_by_key(|(_, lane)| lane.items.len()).map(|(key, _)| key.clone())
        };
        let key = longest(true).or_else(|| longest(false).filter(|_| even_kept))?;
        let lane = self.lanes.get_mut(&key)?;
        let place = lane.items.iter().position(|item| !kept(item)).unwrap_or(0);
        let item = lane.items.remove(place)?;
        self.waiting -= 1;
        if lane.items.is_empty() && !lane.ending {
            self.ready.retain(|ready| *ready != key);
        }
        Some((key, item))
    }
}

/// Tells those who wait that a thread is gone.
struct FailsOnPanic<'a, K: Ord + Clone, T, W: Work<K, T>>(&'a Shared<K, T, W>);

impl<K: Ord + Clone, T, W: Work<K, T>> Drop for FailsOnPanic<'_, K, T, W> {
    fn drop(&mut self) {
        self.0.lock().failed = true;
        self.0.said.notify_all();
    }
}
