//! An hour of plate reads of 200 cameras, as they arrive: spoilt as real reads are, the same for the same seed.
//!
//! ```text
//! vehicle ─▶ a way over cameras 600 m apart, at its own speed ─▶ reads ─▶ order of arrival
//!    3 % speed       0.2 % share another's plate          3 % empty, 1 % misread, 2 % twice, up to 2 s out of order
//! ```

use city::Random;
use serde::{Deserialize, Serialize};

/// Cameras along and across the grid.
const GRID: [i64; 2] = [20, 10];
/// Metres between neighbours.
const SPACING_M: i64 = 600;
/// Milliseconds from one read to the next, on average: three million in an hour.
const EVERY_MS: f64 = 1.2;
/// Reads of one vehicle on its way, on average.
const READS: f64 = 8.5;

/// A plate read at a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlateRead {
    /// Seven symbols packed into a number; 0 is an empty plate.
    pub plate: u64,
    /// When it was taken, milliseconds.
    pub at_ms: u64,
    /// Its number in order of arrival.
    pub id: u32,
    /// Where the camera stands, metres.
    pub x_m: i32,
    /// Where the camera stands, metres.
    pub y_m: i32,
    /// The camera.
    pub camera: u16,
}

/// What is asked of a pair of reads: the same plate at two cameras, the second so soon that it was too fast.
impl PlateRead {
    /// The most time between the two, milliseconds.
    pub const WITHIN_MS: u64 = 600_000;

    /// Whether the way from `self` to the later read was driven at more than 25 m/s, as the crow flies.
    #[must_use]
    pub fn too_fast(&self, later: &Self) -> bool {
        let took_ms = later.at_ms.saturating_sub(self.at_ms) as i64;
        let (x, y) = (i64::from(self.x_m - later.x_m), i64::from(self.y_m - later.y_m));
        self.camera != later.camera && took_ms > 0 && (x * x + y * y) * 1_000_000 > 625 * took_ms * took_ms
    }
}

/// What came of a join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// How many.
    pub count: i64,
    /// A sum over which pairs they are.
    pub checksum: i64,
}

impl Alerts {
    /// Counts an alert `times` times.
    pub fn add(&mut self, earlier: u32, later: u32, times: i64) {
        self.count += times;
        self.checksum += (i64::from(earlier) * 31 + i64::from(later)) % 1_000_003 * times;
    }
}

/// A read with the moment of its arrival.
type Arriving = (i64, PlateRead);

/// So many reads in order of arrival, empty plates dropped (about 3 %): three million are an hour, fewer are less.
#[must_use]
pub fn plate_reads(seed: u64, amount: usize) -> Vec<PlateRead> {
    let mut random = Random::of(seed, 1);
    let span_ms = (amount as f64 * EVERY_MS) as i64;
    let mut reads: Vec<Arriving> = Vec::with_capacity(amount + 64);
    while reads.len() < amount {
        let plate = plate(&mut random);
        drive(plate, span_ms, &mut random, &mut reads);
        if random.chance(0.002) {
            drive(plate, span_ms, &mut random, &mut reads);
        }
    }
    reads.truncate(amount);
    reads.sort_unstable();
    (0..).zip(&mut reads).for_each(|(id, (_, read))| read.id = id);
    reads.into_iter().map(|(_, read)| read).filter(|read| read.plate != 0).collect()
}

/// One vehicle's way: from camera to camera, a read at each.
fn drive(plate: u64, span_ms: i64, random: &mut Random, reads: &mut Vec<Arriving>) {
    let speed = if random.chance(0.03) { random.between(26.0, 40.0) } else { random.between(6.0, 16.0) };
    let mut place = [random.range(0, GRID[0]), random.range(0, GRID[1])];
    let mut at_ms = random.range(-600_000, span_ms);
    let stops = 1 + random.range(0, (2.0 * READS) as i64 - 1);
    for _ in 0..stops {
        if (0..span_ms).contains(&at_ms) {
            read(plate, place, at_ms, random, reads);
        }
        let axis = usize::from(random.chance(0.5));
        let step = if random.chance(0.5) { 1 } else { -1 };
        place[axis] = (place[axis] + step).clamp(0, GRID[axis] - 1);
        at_ms += (SPACING_M as f64 / speed * random.between(0.95, 1.3) * 1_000.0) as i64;
    }
}

fn read(plate: u64, [x, y]: [i64; 2], at_ms: i64, random: &mut Random, reads: &mut Vec<Arriving>) {
    let plate = match random.unit() {
        chance if chance < 0.03 => 0,
        chance if chance < 0.04 => misread(plate, random),
        _ => plate,
    };
    let place = ((x * SPACING_M) as i32, (y * SPACING_M) as i32);
    let read = PlateRead { plate, at_ms: at_ms as u64, id: 0, x_m: place.0, y_m: place.1, camera: (y * GRID[0] + x) as u16 };
    for _ in 0..1 + usize::from(random.chance(0.02)) {
        reads.push((at_ms + random.range(0, 2_001), read));
    }
}

/// Two letters and five digits, eight bits each.
fn plate(random: &mut Random) -> u64 {
    let letters = (0..2).fold(0, |plate, _| plate << 8 | u64::from(random.pick(b"ABCDEFGHKLMNPSTUVXYZ")));
    (0..5).fold(letters, |plate, _| plate << 8 | u64::from(random.pick(b"0123456789")))
}

/// One of the digits becomes another.
fn misread(plate: u64, random: &mut Random) -> u64 {
    let place = 8 * random.range(0, 5) as u64;
    plate & !(0xff << place) | u64::from(random.pick(b"0123456789")) << place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_what_was_asked_for_and_the_same_every_time() {
        let reads = plate_reads(42, 20_000);
        assert_eq!(reads, plate_reads(42, 20_000));
        assert!((19_000..19_800).contains(&reads.len()), "{}", reads.len());
        let mut newest = 0;
        for read in &reads {
            newest = newest.max(read.at_ms);
            assert!(read.at_ms + 2_000 >= newest && read.camera < 200);
        }
    }
}
