//! `interval_join` and `interval_self_join` against pairing everything with everything.

use operators::stream::{Interval, interval_join, interval_self_join};
use proptest::prelude::*;

use super::harness::{LATENESS_MS, Row, Table, histories, hold};

fn by(row: &Row) -> (u8, u64) {
    (row.0, row.1)
}

/// Everything with everything, in signed arithmetic.
fn pairs(table: &Table<(bool, Row)>, lower_ms: i64, upper_ms: i64) -> Table<(Row, Row)> {
    let mut found = Table::new();
    for ((_, left), many) in table.iter().filter(|((is_left, _), _)| *is_left) {
        for ((_, right), times) in table.iter().filter(|((is_left, _), _)| !is_left) {
            let apart = right.1 as i64 - left.1 as i64;
            if left.0 == right.0 && apart >= lower_ms && apart <= upper_ms && (left.2 + right.2) % 3 != 1 {
                *found.entry((*left, *right)).or_default() += many * times;
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn interval_join_is_all_pairs_within_bounds(
        history in histories(|side, row| (side == 0, row)),
        (lower_ms, upper_ms) in prop::sample::select(vec![(0, 10), (-10, 0), (-7, 12), (5, 15), (-9, -2), (0, 0), (3, 1)]),
    ) {
        let interval = Interval { lower_ms, upper_ms, lateness_ms: LATENESS_MS };
        hold(
            &history,
            move |rows| {
                let left = rows.clone().flat_map(|(is_left, row)| is_left.then_some(row));
                let right = rows.flat_map(|(is_left, row)| (!is_left).then_some(row));
                interval_join(left, right, "Join", by, by, interval, |a, b| ((a.2 + b.2) % 3 != 1).then_some((*a, *b)))
            },
            |table| pairs(table, lower_ms, upper_ms),
        );
    }

    #[test]
    fn interval_self_join_meets_every_pair_once(
        history in histories(|_, row| row),
        (lower_ms, upper_ms) in prop::sample::select(vec![(0, 10), (-4, 12), (5, 15), (0, 0), (-5, -1)]),
    ) {
        let interval = Interval { lower_ms, upper_ms, lateness_ms: LATENESS_MS };
        hold(
            &history,
            move |rows| interval_self_join(rows, "Join", by, interval, |a, b| ((a.2 + b.2) % 3 != 1).then_some((*a, *b))),
            |table| {
                let both = table.iter().flat_map(|(row, times)| [((true, *row), *times), ((false, *row), *times)]).collect();
                let mut found = pairs(&both, lower_ms.max(0), upper_ms);
                found.retain(|(a, b), _| (a.1, *a) < (b.1, *b));
                found
            },
        );
    }
}
