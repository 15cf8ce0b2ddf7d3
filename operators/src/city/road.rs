//! The city as those need it who ask how a vehicle gets from one camera to another.
//!
//! ```text
//! City (names, a list of links) ──▶ Road (numbers, look-up by pair of cameras)
//! ```

use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use rustc_hash::FxHashMap;
use schemas::{Camera, City, LineKind, Name, Sighting, Speed};
use smallvec::SmallVec;

/// A camera's number within its [`Road`].
pub type CameraNumber = u16;

/// How far vehicles are followed over cameras that did not see them: links driven in a row.
const REACH_HOPS: u8 = 2;

/// Stands for *no way* among lengths.
const NO_WAY: u32 = u32::MAX;

/// The usual way between two cameras, along links that drivers commonly take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsualWay {
    /// Its length, cm.
    pub length_cm: u32,
    /// How many links; 1 means that no camera lies between.
    pub hops: u8,
}

/// Cameras as numbers, and the ways between any two of them.
#[derive(Clone, Debug)]
pub struct Road {
    numbers: FxHashMap<Name, CameraNumber>,
    clock_error_ms: Vec<u64>,
    /// Of each camera the lines where vehicles wait at red.
    stop_lines: Vec<SmallVec<[Name; 1]>>,
    shortest_cm: Vec<u32>,
    usual: Vec<Option<UsualWay>>,
    onward: Vec<Vec<CameraNumber>>,
    backward: Vec<Vec<CameraNumber>>,
    within_reach: Vec<Vec<CameraNumber>>,
    reached_from: Vec<Vec<CameraNumber>>,
}

impl Road {
    /// Reads the map. Links that name unknown cameras are left out.
    #[must_use]
    pub fn of(city: &City) -> Self {
        let numbers: FxHashMap<_, _> = city.cameras.iter().zip(0..).map(|(camera, number)| (camera.id, number)).collect();
        let count = city.cameras.len();
        let stop_lines = |camera: &Camera| camera.lines.iter().filter(|line| line.kind == LineKind::StopLine).map(|line| line.id).collect();
        let mut road = Self {
            numbers,
            clock_error_ms: city.cameras.iter().map(|camera| u64::from(camera.clock_error_ms)).collect(),
            stop_lines: city.cameras.iter().map(stop_lines).collect(),
            shortest_cm: vec![NO_WAY; count * count],
            usual: vec![None; count * count],
            onward: vec![Vec::new(); count],
            backward: vec![Vec::new(); count],
            within_reach: vec![Vec::new(); count],
            reached_from: vec![Vec::new(); count],
        };
        let mut driven = DiGraph::<(), u64, CameraNumber>::default();
        for _ in &city.cameras {
            driven.add_node(());
        }
        for link in &city.links {
            let (Some(from), Some(to)) = (road.number(link.from), road.number(link.to)) else { continue };
            let cell = road.cell(from, to);
            road.shortest_cm[cell] = u32::try_from(link.length_cm).unwrap_or(NO_WAY - 1);
            if link.adjacent && from != to {
                // One link in the low byte: the shortest way comes with the number of its links.
                driven.update_edge(from.into(), to.into(), (link.length_cm << 8) | 1);
            }
        }
        road.follow_usual_ways(&driven);
        road
    }

    /// The number of a camera, if the city knows it.
    #[must_use]
    pub fn number(&self, camera: Name) -> Option<CameraNumber> {
        self.numbers.get(&camera).copied()
    }

    /// How many cameras there are.
    #[must_use]
    pub fn cameras(&self) -> usize {
        self.clock_error_ms.len()
    }

    /// When a vehicle crossed its camera's stop line, between which links are measured; `None` if it did not.
    #[must_use]
    pub fn crossed_ms(&self, camera: CameraNumber, sighting: &Sighting) -> Option<u64> {
        let stop_lines = &self.stop_lines[usize::from(camera)];
        sighting.crossings.iter().find(|crossing| stop_lines.contains(&crossing.line)).map(|crossing| crossing.at_ms)
    }

    /// The shortest drivable way, cm; `None` where there is none.
    #[must_use]
    pub fn shortest_cm(&self, from: CameraNumber, to: CameraNumber) -> Option<u32> {
        Some(self.shortest_cm[self.cell(from, to)]).filter(|length| *length != NO_WAY)
    }

    /// The way drivers commonly take; `None` where it is unknown or a long way round.
    #[must_use]
    pub fn usual(&self, from: CameraNumber, to: CameraNumber) -> Option<UsualWay> {
        self.usual[self.cell(from, to)]
    }

    /// Whether drivers commonly go from one to the other with no camera between.
    #[must_use]
    pub fn adjacent(&self, from: CameraNumber, to: CameraNumber) -> bool {
        self.onward[usize::from(from)].binary_search(&to).is_ok()
    }

    /// The cameras drivers commonly come to next, ascending.
    #[must_use]
    pub fn onward(&self, from: CameraNumber) -> &[CameraNumber] {
        &self.onward[usize::from(from)]
    }

    /// The cameras drivers commonly come from, ascending.
    #[must_use]
    pub fn backward(&self, to: CameraNumber) -> &[CameraNumber] {
        &self.backward[usize::from(to)]
    }

    /// The cameras at most two usual links onward.
    #[must_use]
    pub fn within_reach(&self, from: CameraNumber) -> &[CameraNumber] {
        &self.within_reach[usize::from(from)]
    }

    /// The cameras at most two usual links back.
    #[must_use]
    pub fn reached_from(&self, to: CameraNumber) -> &[CameraNumber] {
        &self.reached_from[usize::from(to)]
    }

    /// Whether one vehicle can have passed `from` and, `took_ms` later, `to` without ever driving faster than `fastest`,
    /// both clocks being as wrong as they may be.
    #[must_use]
    pub fn possible(&self, from: CameraNumber, to: CameraNumber, took_ms: u64, fastest: Speed) -> bool {
        let slack_ms = self.clock_error_ms[usize::from(from)] + self.clock_error_ms[usize::from(to)];
        self.shortest_cm(from, to).is_some_and(|length| (took_ms + slack_ms) * fastest.cms() >= u64::from(length) * 1_000)
    }

    fn cell(&self, from: CameraNumber, to: CameraNumber) -> usize {
        usize::from(from) * self.cameras() + usize::from(to)
    }

    fn follow_usual_ways(&mut self, driven: &DiGraph<(), u64, CameraNumber>) {
        for from in driven.node_indices() {
            let mut ways: Vec<_> = dijkstra(driven, from, None, |link| *link.weight()).into_iter().filter(|(to, _)| *to != from).collect();
            ways.sort_unstable();
            for (to, way) in ways {
                let adjacent = driven.contains_edge(from, to);
                let (from, to): (NodeIndex<CameraNumber>, NodeIndex<CameraNumber>) = (from, to);
                let (from, to) = (from.index() as CameraNumber, to.index() as CameraNumber);
                let (length, hops) = (way >> 8, (way & 0xff) as u8);
                let Some(shortest) = self.shortest_cm(from, to) else { continue };
                if adjacent {
                    self.onward[usize::from(from)].push(to);
                    self.backward[usize::from(to)].push(from);
                }
                // A third longer than need be (and a block, for short ways): nobody commonly drives that.
                if length <= u64::from(shortest) * 4 / 3 + 5_000 {
                    let cell = self.cell(from, to);
                    self.usual[cell] = Some(UsualWay { length_cm: length as u32, hops });
                }
                if hops <= REACH_HOPS {
                    self.within_reach[usize::from(from)].push(to);
                    self.reached_from[usize::from(to)].push(from);
                }
            }
        }
        self.backward.iter_mut().chain(&mut self.reached_from).for_each(|cameras| cameras.sort_unstable());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn city() -> City {
        let camera = |id: &str| {
            format!(
                r#"{{"id":"{id}","centre":"x","lon_e7":0,"lat_e7":0,"heading_deg":0,"fps":5,"clock_error_ms":50,"ground":[],"lanes":[],"lines":[],"zones":[]}}"#
            )
        };
        let link = |from: &str, to: &str, length: u32, adjacent: bool| {
            format!(r#"{{"from":"{from}","to":"{to}","length_cm":{length},"adjacent":{adjacent}}}"#)
        };
        let links =
            [link("a", "b", 30_000, true), link("b", "c", 40_000, true), link("a", "c", 70_000, false), link("c", "a", 90_000, false)];
        let json = format!(
            r#"{{"name":"t","centres":["x"],"cameras":[{}],"links":[{}],"sections":[]}}"#,
            ["a", "b", "c"].map(camera).join(","),
            links.join(",")
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn a_way_over_two_links_counts_both() {
        let road = Road::of(&city());
        assert_eq!(road.usual(0, 2), Some(UsualWay { length_cm: 70_000, hops: 2 }));
        assert_eq!((road.onward(0), road.within_reach(0), road.reached_from(2)), (&[1][..], &[1, 2][..], &[0, 1][..]));
        assert!(road.adjacent(0, 1) && !road.adjacent(0, 2) && road.usual(2, 0).is_none());
    }

    #[test]
    fn what_is_possible_counts_in_both_clocks() {
        let (road, fastest) = (Road::of(&city()), Speed::from_cms(3_000));
        assert!(road.possible(0, 1, 9_900, fastest));
        assert!(!road.possible(0, 1, 9_899, fastest));
        assert!(!road.possible(1, 0, 1_000_000, fastest), "there is no way back");
    }
}
