//! The pool keeps order for each key, bounds what waits, drops by policy and tells of it, and does not hang on a panic.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use operators::stream::{Offload, OffloadLimits, PoolFailed, Turn, WhenFull, Work};
use proptest::prelude::*;

/// Numbers the items of a key as they come by, waits as long as it is told, and counts how many work at once.
#[derive(Clone, Default)]
struct Counting {
    busy: Arc<Mutex<BTreeMap<u8, usize>>>,
    held: Arc<AtomicBool>,
    largest: Arc<AtomicUsize>,
}

impl Work<u8, u32> for Counting {
    type State = u32;
    type Said = (u8, u32, u32);

    fn work(&mut self, turns: &mut [Turn<u8, u32, u32>], say: &mut Vec<(u8, u32, u32)>) {
        while self.held.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.largest.fetch_max(turns.iter().map(|turn| turn.items.len()).sum(), Ordering::Relaxed);
        for Turn { key, state, items } in turns {
            *self.busy.lock().unwrap().entry(*key).or_default() += 1;
            assert_eq!(self.busy.lock().unwrap()[key], 1, "a key is with one thread at a time");
            for item in items.drain(..) {
                assert!(item < 1_000_000, "told to panic");
                say.push((*key, *state, item));
                *state += 1;
            }
            *self.busy.lock().unwrap().entry(*key).or_default() -= 1;
        }
    }

    fn end(&mut self, key: &u8, state: &mut u32, say: &mut Vec<(u8, u32, u32)>) {
        say.push((*key, *state, u32::MAX));
    }
}

fn start(counting: &Counting, threads: usize, queue: usize, batch: usize) -> Offload<u8, u32, Counting> {
    Offload::start(vec![counting.clone(); threads], OffloadLimits { queue, batch }, |item| item % 10 == 0).unwrap()
}

fn all(pool: &Offload<u8, u32, Counting>) -> Vec<(u8, u32, u32)> {
    let mut said = Vec::new();
    while !pool.is_idle() {
        said.extend(pool.said(Duration::from_millis(5)).unwrap());
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Nothing is lost, nothing comes twice, and of each key everything comes in the order in which it was offered.
    #[test]
    fn each_key_keeps_its_order(items in prop::collection::vec((0..5_u8, 0..1_000_u32), 0..200), threads in 1..4_usize, queue in 1..20_usize, batch in 1..9_usize) {
        let counting = Counting::default();
        let pool = start(&counting, threads, queue, batch);
        for (key, item) in &items {
            prop_assert_eq!(pool.offer(*key, *item, WhenFull::Wait), Ok(None));
        }
        let said = all(&pool);
        for key in 0..5 {
            let given: Vec<(u32, u32)> = (0..).zip(items.iter().filter(|(of, _)| *of == key).map(|(_, item)| *item)).collect();
            let told: Vec<(u32, u32)> = said.iter().filter(|(of, ..)| *of == key).map(|(_, number, item)| (*number, *item)).collect();
            prop_assert_eq!(told, given);
        }
        prop_assert!(counting.largest.load(Ordering::Relaxed) <= batch);
    }
}

/// While nothing is taken out, the oldest goes, of the longest queue, and what is kept goes last.
#[test]
fn the_oldest_goes_first_and_what_is_kept_goes_last() {
    let counting = Counting::default();
    counting.held.store(true, Ordering::Relaxed);
    let pool = start(&counting, 1, 4, 1);
    pool.offer(9, 999, WhenFull::Wait).unwrap();
    // The thread has taken that one, and holds it.
    while !pool.has_room() || pool.is_idle() {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(20));
    for item in [10, 11, 12] {
        assert_eq!(pool.offer(1, item, WhenFull::DropOldest), Ok(None));
    }
    assert_eq!(pool.offer(2, 21, WhenFull::DropOldest), Ok(None));
    assert!(!pool.has_room());
    assert_eq!(pool.offer(1, 13, WhenFull::DropOldest), Ok(Some((1, 11))), "10 is kept");
    assert_eq!(pool.offer(1, 20, WhenFull::DropOldest), Ok(Some((1, 12))));
    assert_eq!(pool.offer(1, 30, WhenFull::DropOldest), Ok(Some((1, 13))));
    assert_eq!(pool.offer(1, 40, WhenFull::DropOldest), Ok(Some((2, 21))), "of another queue, rather than one that is kept");
    assert_eq!(pool.offer(1, 41, WhenFull::DropOldest), Ok(Some((1, 41))), "what is not kept gives way to what is");
    assert_eq!(pool.offer(1, 50, WhenFull::DropOldest), Ok(Some((1, 10))), "and at last the oldest of those");
    counting.held.store(false, Ordering::Relaxed);
    let said: Vec<u32> = all(&pool).into_iter().map(|(_, _, item)| item).collect();
    assert_eq!(said, [999, 20, 30, 40, 50]);
}

#[test]
fn a_key_that_ends_is_told_after_its_items_and_begins_anew() {
    let pool = start(&Counting::default(), 2, 100, 3);
    (0..10).for_each(|item| assert_eq!(pool.offer(1, item, WhenFull::Wait), Ok(None)));
    pool.end(&1);
    let said = all(&pool);
    assert_eq!((said.len(), said.last()), (11, Some(&(1, 10, u32::MAX))));
    pool.offer(1, 7, WhenFull::Wait).unwrap();
    assert_eq!(all(&pool), [(1, 0, 7)], "what was remembered of it is forgotten");
    pool.end(&3);
    assert!(all(&pool).is_empty(), "a key that nobody knows cannot end");
}

#[test]
fn who_waits_for_room_gets_it_and_a_panic_is_told() {
    let pool = start(&Counting::default(), 1, 1, 1);
    let began = Instant::now();
    (0..500).for_each(|item| assert_eq!(pool.offer(1, item, WhenFull::Wait), Ok(None)));
    assert_eq!(all(&pool).len(), 500);
    assert!(began.elapsed() < Duration::from_secs(20), "nobody sleeps over room that is there");
    pool.offer(1, 1_000_000, WhenFull::Wait).unwrap();
    while pool.said(Duration::from_millis(5)) != Err(PoolFailed) {}
    let offered = (0..10).map(|item| pool.offer(2, item, WhenFull::Wait)).find(Result::is_err);
    assert_eq!(offered, Some(Err(PoolFailed)), "nobody waits for a pool that is gone");
}
