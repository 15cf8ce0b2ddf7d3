//! The shortest drivable way between any two cameras: a link's own length, or the shortest chain of links.

use pathfinding::directed::dijkstra::dijkstra_all;
use rustc_hash::FxHashMap;
use schemas::City;

use super::map::Map;
use crate::city::road::CameraNumber;

/// Lengths between cameras. A link is what the map says is the shortest way; only where there is none are links chained,
/// once for every camera asked about.
pub(super) struct Lengths {
    links: FxHashMap<(CameraNumber, CameraNumber), u64>,
    next: Vec<Vec<(CameraNumber, u64)>>,
    chained: FxHashMap<CameraNumber, FxHashMap<CameraNumber, u64>>,
}

impl Lengths {
    pub(super) fn new(city: &City, map: &Map) -> Self {
        let mut links = FxHashMap::default();
        let mut next = vec![Vec::new(); city.cameras.len()];
        for link in &city.links {
            if let Some((from, to)) = map.number(link.from).zip(map.number(link.to)) {
                links.insert((from, to), link.length_cm);
                next[usize::from(from)].push((to, link.length_cm));
            }
        }
        Self { links, next, chained: FxHashMap::default() }
    }

    /// The shortest way from one camera to another; `None` if the map knows none.
    pub(super) fn between(&mut self, from: CameraNumber, to: CameraNumber) -> Option<u64> {
        if let Some(length_cm) = self.links.get(&(from, to)) {
            return Some(*length_cm);
        }
        let next = &self.next;
        let chained = self.chained.entry(from).or_insert_with(|| {
            let ways = dijkstra_all(&from, |at| next[usize::from(*at)].iter().copied());
            ways.into_iter().map(|(to, (_, length_cm))| (to, length_cm)).collect()
        });
        chained.get(&to).copied()
    }
}
