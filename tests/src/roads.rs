//! The roads: a grid of signalised crossings with a stub of road to the outside on every side.
//!
//! ```text
//!          │   │            A road is one direction of a street: two lanes from behind one crossing to the stop
//!       ───┼───┼───         line of the next. Lane 0 is the outer (right) one. A crossing is a square of 28 m; in it
//!          │   │            one goes straight, or along a quarter circle: right from lane 0, left from lane 1.
//!       ───┼───┼───
//!          │   │            Distances: metres, from the road's beginning; negative while still inside the crossing.
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::f64::consts::FRAC_PI_2;

use crate::random::{Random, sine_cosine};

/// From a crossing's centre to its stop lines.
const HALF_CROSSING_M: f64 = 14.0;
/// From a road's middle to the middle of a lane.
const LANE_TO_AXIS_M: [f64; 2] = [5.1, 1.7];
/// From an approach's middle (half-way between its two lanes) to the right.
pub(crate) const LANE_M: [f64; 2] = [1.7, -1.7];
/// From an approach's middle to its edge.
pub(crate) const HALF_APPROACH_M: f64 = 3.4;

/// One direction of a street.
pub(crate) struct Road {
    /// The crossing it leads to; none if it leaves the city.
    pub(crate) to: Option<usize>,
    /// 0 north, 1 east, 2 south, 3 west.
    pub(crate) heading: usize,
    pub(crate) length_m: f64,
    pub(crate) limit_ms: f64,
    /// Where its stop line is, metres east and north of the city's corner.
    pub(crate) end: (f64, f64),
}

/// What one does at a crossing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Movement {
    Straight,
    Right,
    Left,
}

impl Movement {
    /// The movement from one heading to another; none if it were a turn back.
    pub(crate) fn between(from: usize, to: usize) -> Option<Self> {
        [Some(Self::Straight), Some(Self::Right), None, Some(Self::Left)][(to + 4 - from) % 4]
    }

    /// The lane it is made from, if only from one.
    pub(crate) fn lane(self) -> Option<usize> {
        [None, Some(0), Some(1)][self as usize]
    }

    /// Radius of the quarter circle; none when straight.
    fn radius_m(self) -> f64 {
        [0.0, HALF_CROSSING_M - LANE_TO_AXIS_M[0], HALF_CROSSING_M + LANE_TO_AXIS_M[1]][self as usize]
    }

    /// How far it is from the stop line to the beginning of the next road.
    pub(crate) fn length_m(self) -> f64 {
        match self {
            Self::Straight => 2.0 * HALF_CROSSING_M,
            turn => FRAC_PI_2 * turn.radius_m(),
        }
    }

    /// The speed one takes it with.
    pub(crate) fn speed_ms(self) -> f64 {
        [f64::INFINITY, 5.0, 7.0][self as usize]
    }

    /// Where one is, `beyond_m` after a stop line crossed `d` to the right of the approach's middle: (along, to the right).
    pub(crate) fn place(self, d: f64, beyond_m: f64) -> (f64, f64) {
        let (radius, length) = (self.radius_m(), self.length_m());
        let side = if self == Self::Right { 1.0 } else { -1.0 };
        if self == Self::Straight || beyond_m <= 0.0 {
            (beyond_m, d)
        } else if beyond_m < length {
            let (sine, cosine) = sine_cosine(beyond_m / radius);
            (radius * sine, d + side * radius * (1.0 - cosine))
        } else {
            (radius, d + side * (radius + beyond_m - length))
        }
    }
}

/// The grid.
pub(crate) struct Roads {
    pub(crate) roads: Vec<Road>,
    /// Roads that enter from outside.
    pub(crate) entries: Vec<usize>,
    /// Which road leaves a crossing in each heading.
    leaving: Vec<[usize; 4]>,
    columns: usize,
}

impl Roads {
    /// A grid with at least `crossings` crossings, as square as it goes, of blocks of 240 to 420 m.
    pub(crate) fn grid(crossings: usize, random: &mut Random) -> Self {
        let rows = (1..).take_while(|n| n * n <= crossings.max(4)).last().unwrap_or(2);
        let columns = crossings.max(4).div_ceil(rows);
        let places = |n: usize, random: &mut Random| {
            let steps: Vec<f64> = (0..n).map(|_| random.between(240.0, 420.0)).collect();
            steps.iter().scan(0.0, |sum, step| Some(std::mem::replace(sum, *sum + step))).collect::<Vec<f64>>()
        };
        let (east, north) = (places(columns, random), places(rows, random));
        let mut grid = Self { roads: Vec::new(), entries: Vec::new(), leaving: vec![[0; 4]; rows * columns], columns };
        for crossing in 0..rows * columns {
            for heading in 0..4 {
                let limit_ms = if random.chance(0.3) { 16.7 } else { 13.9 };
                grid.leave(crossing, heading, (&east, &north), limit_ms);
            }
        }
        grid
    }

    /// Adds the road that leaves a crossing in that heading and, if it leads outside, the road that comes in from there.
    fn leave(&mut self, crossing: usize, heading: usize, (east, north): (&[f64], &[f64]), limit_ms: f64) {
        let (row, column) = (crossing / self.columns, crossing % self.columns);
        let (x, y) = (east[column], north[row]);
        let (dx, dy) = [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)][heading];
        let next = match heading {
            0 if row + 1 < north.len() => Some((crossing + self.columns, north[row + 1] - y)),
            1 if column + 1 < east.len() => Some((crossing + 1, east[column + 1] - x)),
            2 if row > 0 => Some((crossing - self.columns, y - north[row - 1])),
            3 if column > 0 => Some((crossing - 1, x - east[column - 1])),
            _ => None,
        };
        let block = next.map_or(240.0, |(_, distance)| distance);
        let length_m = block - 2.0 * HALF_CROSSING_M;
        let reach = block - HALF_CROSSING_M;
        self.leaving[crossing][heading] = self.roads.len();
        self.roads.push(Road { to: next.map(|n| n.0), heading, length_m, limit_ms, end: (x + dx * reach, y + dy * reach) });
        if next.is_none() {
            self.entries.push(self.roads.len());
            let end = (x + dx * HALF_CROSSING_M, y + dy * HALF_CROSSING_M);
            self.roads.push(Road { to: Some(crossing), heading: (heading + 2) % 4, length_m, limit_ms, end });
        }
    }

    /// How many crossings there are.
    pub(crate) fn crossings(&self) -> usize {
        self.leaving.len()
    }

    /// The roads one may take after a road, with the movement that leads there.
    pub(crate) fn after(&self, road: usize) -> impl Iterator<Item = (Movement, usize)> + '_ {
        let heading = self.roads[road].heading;
        self.roads[road]
            .to
            .into_iter()
            .flat_map(move |crossing| (0..4).filter_map(move |to| Some((Movement::between(heading, to)?, self.leaving[crossing][to]))))
    }

    /// A way from an entry to a random exit: at each crossing one of the turns that lead nearer.
    pub(crate) fn route(&self, entry: usize, random: &mut Random) -> Vec<usize> {
        let exits: Vec<(usize, usize)> = self.entries.iter().filter(|e| **e != entry).map(|e| (*e, *e - 1)).collect();
        let (opposite, exit) = random.pick(&exits);
        let goal = self.roads[opposite].to.unwrap_or(0);
        let blocks = |crossing: usize| {
            (crossing / self.columns).abs_diff(goal / self.columns) + (crossing % self.columns).abs_diff(goal % self.columns)
        };
        let mut route = vec![entry];
        while let Some(crossing) = self.roads[route[route.len() - 1]].to {
            let road = route[route.len() - 1];
            let ways: Vec<usize> = self.after(road).map(|(_, next)| next).collect();
            if crossing == goal {
                route.push(if ways.contains(&exit) { exit } else { random.pick(&ways) });
                continue;
            }
            let nearer: Vec<usize> =
                ways.iter().copied().filter(|w| self.roads[*w].to.is_some_and(|to| blocks(to) < blocks(crossing))).collect();
            let inside: Vec<usize> = ways.iter().copied().filter(|w| self.roads[*w].to.is_some()).collect();
            route.push(random.pick([&nearer, &inside, &ways].into_iter().find(|w| !w.is_empty()).unwrap_or(&ways)));
        }
        route
    }

    /// The shortest way from the stop line of a road to the stop line of every road, metres (infinite where none leads).
    pub(crate) fn distances(&self, from: usize) -> Vec<f64> {
        let mut shortest = vec![f64::INFINITY; self.roads.len()];
        let mut open = BinaryHeap::from([(Reverse(0_u64), from)]);
        // Whole tenths of millimetres order the heap, since floats have no order; sums stay in metres.
        let mut reached = vec![f64::INFINITY; self.roads.len()];
        reached[from] = 0.0;
        while let Some((_, road)) = open.pop() {
            for (movement, next) in self.after(road) {
                let metres = reached[road] + movement.length_m() + self.roads[next].length_m;
                if metres < shortest[next] {
                    shortest[next] = metres;
                    reached[next] = reached[next].min(metres);
                    open.push((Reverse((metres * 10_000.0) as u64), next));
                }
            }
        }
        shortest
    }
}

#[cfg(test)]
mod tests {
    use super::{Movement, Roads};
    use crate::random::Random;

    #[test]
    fn every_route_leads_from_its_entry_out_of_the_city() {
        let mut random = Random::of(3, 0);
        for crossings in [4, 9, 12] {
            let roads = Roads::grid(crossings, &mut random);
            for n in 0..500 {
                let entry = roads.entries[n % roads.entries.len()];
                let route = roads.route(entry, &mut random);
                assert!(route.windows(2).all(|w| roads.after(w[0]).any(|(_, next)| next == w[1])));
                assert!(roads.roads[route[route.len() - 1]].to.is_none() && route.len() < 30);
            }
        }
    }

    #[test]
    fn no_route_is_shorter_than_the_shortest_way() {
        let mut random = Random::of(4, 0);
        let roads = Roads::grid(9, &mut random);
        let distances: Vec<Vec<f64>> = (0..roads.roads.len()).map(|r| roads.distances(r)).collect();
        for n in 0..500 {
            let route = roads.route(roads.entries[n % roads.entries.len()], &mut random);
            let mut driven = 0.0;
            for pair in route.windows(2) {
                let step = roads.after(pair[0]).find(|(_, next)| *next == pair[1]);
                driven += step.map_or(0.0, |(m, _)| m.length_m()) + roads.roads[pair[1]].length_m;
                assert!(distances[route[0]][pair[1]] <= driven + 1e-9);
            }
        }
    }

    #[test]
    fn a_turn_is_continuous_and_as_long_as_it_says() {
        for (movement, end) in [(Movement::Right, (8.9, 1.7 + 8.9)), (Movement::Left, (15.7, -1.7 - 15.7))] {
            let d = if movement == Movement::Right { 1.7 } else { -1.7 };
            let (s, across) = movement.place(d, movement.length_m());
            assert!((s - end.0).abs() < 1e-3 && (across - end.1).abs() < 1e-3);
            let step = |x: f64| {
                let (a, b) = (movement.place(d, x), movement.place(d, x + 0.1));
                (a.0 - b.0).hypot(a.1 - b.1)
            };
            assert!((0..300).all(|i| (step(f64::from(i) / 10.0) - 0.1).abs() < 1e-3));
        }
    }
}
