//! Who asks too often is told when to come again: a bucket of requests for each, filled at a steady pace.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Pace;

/// Buckets kept at once. Beyond it those that are full again are forgotten, which changes nothing; if none is, all are.
const MOST: usize = 10_000;

/// A bucket for each key.
pub(super) struct Buckets<K> {
    pace: Pace,
    levels: Mutex<HashMap<K, (f64, Instant)>>,
}

impl<K: Eq + Hash> Buckets<K> {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, levels: Mutex::default() }
    }

    /// Takes one; where there is none, how long until there is.
    pub(super) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let rate = f64::from(self.pace.per_second.max(1));
        let full = f64::from(self.pace.burst.max(1));
        let level_at = |(level, at): (f64, Instant)| (level + now.saturating_duration_since(at).as_secs_f64() * rate).min(full);
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if levels.len() >= MOST && !levels.contains_key(&key) {
            levels.retain(|_, bucket| level_at(*bucket) < full);
            if levels.len() >= MOST {
                levels.clear();
            }
        }
        let bucket = levels.entry(key).or_insert((full, now));
        let level = level_at(*bucket);
        let taken = level >= 1.0;
        *bucket = (if taken { level - 1.0 } else { level }, now);
        if taken { Ok(()) } else { Err(Duration::from_secs_f64((1.0 - level) / rate)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_pace_and_others_are_not_touched() {
        let buckets = Buckets::new(Pace { per_second: 2, burst: 3 });
        let begun = Instant::now();
        assert!((0..3).all(|_| buckets.take("a", begun).is_ok()));
        assert_eq!(buckets.take("a", begun), Err(Duration::from_millis(500)));
        assert!(buckets.take("b", begun).is_ok());
        let later = begun + Duration::from_millis(500);
        assert!(buckets.take("a", later).is_ok() && buckets.take("a", later).is_err());
        let much_later = begun + Duration::from_secs(60);
        assert!((0..3).all(|_| buckets.take("a", much_later).is_ok()) && buckets.take("a", much_later).is_err());
    }

    #[test]
    fn many_who_ask_once_do_not_fill_the_memory() {
        let buckets = Buckets::new(Pace { per_second: 1, burst: 1 });
        let now = Instant::now();
        assert!((0..3 * MOST).all(|key| buckets.take(key, now).is_ok()));
        assert!(buckets.levels.lock().unwrap().len() <= MOST);
    }
}
