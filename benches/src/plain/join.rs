//! The plate join in one loop: a ring of rows, chains of rows of one hash through it, and blocks that are fetched together.

use std::hint::black_box;

use crate::plate_reads::{Alerts, PlateRead};

/// Rows fetched into the cache together.
const BLOCK: usize = 64;
/// Rows of a chain fetched.
const DEPTH: usize = 8;
/// How far event times may be out of order, milliseconds.
const DISORDER_MS: u64 = 2_000;
/// No row.
const NONE: u32 = u32::MAX;

/// A read as it is remembered: half a cache line, so that none lies across two.
#[derive(Clone, Copy)]
struct Row {
    plate: u64,
    at_ms: u32,
    id: u32,
    x_m: i32,
    y_m: i32,
    /// The row before it of the same hash.
    earlier: u32,
    camera: u16,
}

impl Row {
    const EMPTY: Self = Self { plate: 0, at_ms: 0, id: 0, x_m: 0, y_m: 0, earlier: NONE, camera: 0 };

    fn of(read: &PlateRead, earlier: u32) -> Self {
        let PlateRead { plate, at_ms, id, x_m, y_m, camera } = *read;
        Self { plate, at_ms: at_ms as u32, id, x_m, y_m, earlier, camera }
    }

    fn read(&self) -> PlateRead {
        let Self { plate, at_ms, id, x_m, y_m, camera, .. } = *self;
        PlateRead { plate, at_ms: u64::from(at_ms), id, x_m, y_m, camera }
    }
}

/// Everything that is remembered: about ten minutes of rows.
struct Ring {
    rows: Vec<Row>,
    /// By hash of the plate: the row that arrived last.
    newest: Vec<u32>,
    next: u32,
}

/// Joins the reads, which are in order of arrival, within 49 days (so that a time fits 32 bits). `rows` is how many may have to be remembered at once.
///
/// # Panics
/// The ring is too small for ten minutes of reads.
#[must_use]
pub fn join(reads: &[PlateRead], rows: usize) -> Alerts {
    let rows = rows.next_power_of_two();
    let mut ring = Ring { rows: vec![Row::EMPTY; rows], newest: vec![NONE; rows], next: 0 };
    let mut alerts = Alerts::default();
    for block in reads.chunks(BLOCK) {
        ring.touch(block);
        block.iter().for_each(|read| ring.take(read, &mut alerts));
    }
    alerts
}

impl Ring {
    fn hash(&self, plate: u64) -> usize {
        (plate.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - self.newest.len().ilog2())) as usize
    }

    fn place(&self, row: u32) -> usize {
        row as usize & (self.rows.len() - 1)
    }

    /// Fetches the heads of the chains of a block, then their rows, then the rows before: all loads of a step at once.
    fn touch(&self, block: &[PlateRead]) {
        let mut rows = [NONE; BLOCK];
        for (row, read) in rows.iter_mut().zip(block) {
            *row = self.newest[self.hash(read.plate)];
        }
        for _ in 0..DEPTH {
            for row in &mut rows[..block.len()] {
                *row = self.rows[self.place(*row)].earlier;
            }
        }
        black_box(rows);
    }

    fn take(&mut self, read: &PlateRead, alerts: &mut Alerts) {
        let hash = self.hash(read.plate);
        let mut at = self.newest[hash];
        while at != NONE && self.next - at <= self.rows.len() as u32 {
            let row = &self.rows[self.place(at)];
            let row_ms = u64::from(row.at_ms);
            // Beyond this no row of the chain, however much out of order, can be within reach.
            if row_ms + PlateRead::WITHIN_MS + DISORDER_MS < read.at_ms {
                break;
            }
            if row.plate == read.plate && row_ms.abs_diff(read.at_ms) <= PlateRead::WITHIN_MS {
                let other = row.read();
                if other.too_fast(read) {
                    alerts.add(other.id, read.id, 1);
                } else if read.too_fast(&other) {
                    alerts.add(read.id, other.id, 1);
                }
            }
            at = row.earlier;
        }
        let place = self.place(self.next);
        let over_ms = u64::from(self.rows[place].at_ms);
        let spent = self.next as usize >= self.rows.len();
        assert!(!spent || over_ms + PlateRead::WITHIN_MS + 2 * DISORDER_MS < read.at_ms, "the ring is too small");
        self.rows[place] = Row::of(read, self.newest[hash]);
        self.newest[hash] = self.next;
        self.next += 1;
    }
}
