//! The shortest drivable way between any two cameras: a link's own length, or the shortest chain of links.

use std::sync::Arc;

use pathfinding::directed::dijkstra::dijkstra_all;
use rustc_hash::FxHashMap;
use schemas::{City, Name};

/// Lengths between cameras. A link is what the map says is the shortest way; only where there is none are links chained,
/// once for every camera asked about.
pub(super) struct Lengths {
    numbers: FxHashMap<Name, u32>,
    links: FxHashMap<(u32, u32), u64>,
    next: Vec<Vec<(u32, u64)>>,
    chained: FxHashMap<u32, FxHashMap<u32, u64>>,
}

impl Lengths {
    pub(super) fn new(city: Arc<City>) -> Self {
        let numbers: FxHashMap<Name, u32> = city.cameras.iter().map(|camera| camera.id).zip(0..).collect();
        let mut links = FxHashMap::default();
        let mut next = vec![Vec::new(); numbers.len()];
        for link in &city.links {
            if let (Some(from), Some(to)) = (numbers.get(&link.from), numbers.get(&link.to)) {
                links.insert((*from, *to), link.length_cm);
                next[*from as usize].push((*to, link.length_cm));
            }
        }
        Self { numbers, links, next, chained: FxHashMap::default() }
    }

    /// The shortest way from one camera to another; `None` if the map knows none.
    pub(super) fn between(&mut self, from: Name, to: Name) -> Option<u64> {
        let (from, to) = (*self.numbers.get(&from)?, *self.numbers.get(&to)?);
        if let Some(length_cm) = self.links.get(&(from, to)) {
            return Some(*length_cm);
        }
        let next = &self.next;
        let chained = self.chained.entry(from).or_insert_with(|| {
            let ways = dijkstra_all(&from, |at| next[*at as usize].iter().copied());
            ways.into_iter().map(|(to, (_, length_cm))| (to, length_cm)).collect()
        });
        chained.get(&to).copied()
    }
}
