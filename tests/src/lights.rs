//! The signal heads: fixed-time programmes, one head per lane of an approach.

use crate::random::Random;
use crate::records::{Signal, State};

/// Yellow before red.
const YELLOW_MS: i64 = 3_000;
/// Both streets red, so that the crossing clears.
const ALL_RED_MS: i64 = 2_000;

/// One head: green from `offset_ms` for `green_ms`, then yellow, then red until the cycle begins again.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    offset_ms: i64,
    green_ms: i64,
    cycle_ms: i64,
}

impl Head {
    /// What it shows at a moment of the recording, and for how long already.
    pub(crate) fn at(&self, ms: i64) -> (State, i64) {
        let phase = (ms - self.offset_ms).rem_euclid(self.cycle_ms);
        let red_from = self.green_ms + YELLOW_MS;
        match phase {
            _ if phase < self.green_ms => (State::Green, phase),
            _ if phase < red_from => (State::Yellow, phase - self.green_ms),
            _ => (State::Red, phase - red_from),
        }
    }

    /// Its changes from a full cycle before the recording to its end.
    pub(crate) fn changes(&self, name: &str, epoch_ms: i64, until_ms: i64) -> Vec<Signal> {
        let first = self.offset_ms - self.cycle_ms * 2;
        let cycles = (first..until_ms).step_by(self.cycle_ms as usize);
        let parts = [(0, State::Green), (self.green_ms, State::Yellow), (self.green_ms + YELLOW_MS, State::Red)];
        let change = |at_ms: i64, state| Signal { head: name.to_owned(), state, at_ms: epoch_ms + at_ms, error_ms: 50 };
        cycles
            .flat_map(|start| parts.map(|(after, state)| change(start + after, state)))
            .filter(|s| s.at_ms < epoch_ms + until_ms)
            .collect()
    }
}

/// The heads of all crossings; `head(crossing, heading, lane)`.
pub(crate) struct Lights(Vec<[[Head; 2]; 4]>);

impl Lights {
    /// Programmes of 50 to 80 s; at a third of the crossings the inner (left) lane starts 4 s later than the outer.
    pub(crate) fn new(crossings: usize, random: &mut Random) -> Self {
        let crossing = |random: &mut Random| {
            let greens = [random.range(20, 36) * 1_000, random.range(20, 36) * 1_000];
            let cycle_ms = greens[0] + greens[1] + 2 * (YELLOW_MS + ALL_RED_MS);
            let start = random.range(0, cycle_ms);
            let later_ms = if random.chance(0.33) { 4_000 } else { 0 };
            std::array::from_fn(|heading| {
                let street = heading % 2;
                let offset = start + if street == 0 { 0 } else { greens[0] + YELLOW_MS + ALL_RED_MS };
                [0, later_ms].map(|late| Head { offset_ms: (offset + late) % cycle_ms, green_ms: greens[street] - late, cycle_ms })
            })
        };
        Self((0..crossings).map(|_| crossing(random)).collect())
    }

    /// The head that governs a lane.
    pub(crate) fn head(&self, crossing: usize, heading: usize, lane: usize) -> Head {
        self.0[crossing][heading][lane]
    }

    /// That head's name.
    pub(crate) fn name(crossing: usize, heading: usize, lane: usize) -> String {
        format!("{crossing}/{}", heading * 2 + lane)
    }
}
