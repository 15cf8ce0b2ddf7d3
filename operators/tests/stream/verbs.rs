//! `as_of_join`, `deduplicate`, `suppress`, `sessionize` and `retain` against what a reader would compute with pencil and paper.

use operators::stream::{Sessions, as_of_join, deduplicate, retain, sessionize, suppress};
use proptest::prelude::*;

use super::harness::{LATENESS_MS, Row, Table, histories, hold, run, table_at};

fn by(row: &Row) -> (u8, u64) {
    (row.0, row.1)
}

/// The rows of a table in order of time, each once.
fn rows(table: &Table<Row>) -> Vec<Row> {
    let mut rows: Vec<Row> = table.iter().filter(|(_, times)| **times > 0).map(|(row, _)| *row).collect();
    rows.sort_by_key(|row| (row.1, *row));
    rows
}

/// The right row in force for a left one, if exactly one is.
fn in_force(rights: &[Row], left: &Row) -> Option<Row> {
    let of_key: Vec<&Row> = rights.iter().filter(|right| right.0 == left.0 && right.1 <= left.1).collect();
    let latest_ms = of_key.iter().map(|right| right.1).max()?;
    let at_once: Vec<&&Row> = of_key.iter().filter(|right| right.1 == latest_ms).collect();
    if at_once.len() == 1 { Some(**at_once[0]) } else { None }
}

/// Whether a row stands by what `suppress` promises: it is a window away from the last of its round that stands, and from the
/// last row before its round.
fn rings(rows: &[Row], row: &Row, window_ms: u64) -> bool {
    let round = |at_ms: u64| at_ms / (4 * window_ms);
    let earlier = rows.iter().filter(|other| other.0 == row.0 && (other.1, **other) < (row.1, *row));
    let before_round = earlier.clone().filter(|other| round(other.1) < round(row.1)).map(|other| other.1).max();
    let stood = earlier.filter(|other| round(other.1) == round(row.1) && rings(rows, other, window_ms)).map(|other| other.1).max();
    [before_round, stood].into_iter().flatten().all(|at_ms| row.1 - at_ms >= window_ms)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn as_of_join_shows_what_was_in_force(history in histories(|side, row| (side == 0, row))) {
        hold(
            &history,
            |changes| {
                let left = changes.clone().flat_map(|(is_left, row)| is_left.then_some(row));
                let right = changes.flat_map(|(is_left, row)| (!is_left).then_some(row));
                as_of_join(left, right, "In force", by, by, LATENESS_MS, |a, b| (b.2 != 1).then_some((*a, *b)))
            },
            |table| {
                let side = |wanted| -> Table<Row> {
                    table.iter().filter(|((is_left, _), _)| *is_left == wanted).map(|((_, row), times)| (*row, *times)).collect()
                };
                let (lefts, rights) = (side(true), rows(&side(false)));
                let pair = |(left, times): (&Row, &isize)| in_force(&rights, left).filter(|b| b.2 != 1).map(|b| ((*left, b), *times));
                lefts.iter().filter_map(pair).collect()
            },
        );
    }

    #[test]
    fn deduplicate_lets_the_first_of_a_series_stand(history in histories(|_, row| row), window_ms in 1u64..15) {
        hold(
            &history,
            move |changes| deduplicate(changes, "First", by, window_ms, LATENESS_MS),
            move |table| {
                let rows = rows(table);
                let first = |row: &&Row| {
                    rows.iter().all(|other| other.0 != row.0 || (other.1, *other) >= (row.1, **row) || row.1 - other.1 >= window_ms)
                };
                rows.iter().filter(first).map(|row| (*row, 1)).collect()
            },
        );
    }

    #[test]
    fn suppress_lets_one_a_window_stand(history in histories(|_, row| row), window_ms in 1u64..15) {
        hold(
            &history,
            move |changes| suppress(changes, "Once", by, window_ms, LATENESS_MS),
            move |table| {
                let rows = rows(table);
                rows.iter().filter(|row| rings(&rows, row, window_ms)).map(|row| (*row, 1)).collect()
            },
        );
    }

    #[test]
    fn sessionize_joins_what_follows_closely(history in histories(|_, row| row), gap_ms in 0u64..6, longest_ms in 5u64..30) {
        let sessions = Sessions { gap_ms, longest_ms, lateness_ms: LATENESS_MS };
        hold(
            &history,
            move |changes| sessionize(changes, "Sessions", by, sessions, |rows| Some(rows.iter().map(|(_, row)| **row).collect::<Vec<_>>())),
            move |table| {
                let mut found: Vec<Vec<Row>> = Vec::new();
                for row in rows(table) {
                    match found.iter_mut().find(|s| s[0].0 == row.0 && s.iter().any(|o| row.1 - o.1 <= gap_ms)) {
                        Some(session) => session.push(row),
                        None => found.push(vec![row]),
                    }
                }
                let mut cut = Table::new();
                for series in found {
                    let too_long = series[series.len() - 1].1 - series[0].1 > longest_ms;
                    let mut parts = std::collections::BTreeMap::<u64, Vec<Row>>::new();
                    series.into_iter().for_each(|row| parts.entry(if too_long { row.1 / longest_ms } else { 0 }).or_default().push(row));
                    parts.into_values().for_each(|part| *cut.entry(part).or_default() += 1);
                }
                cut
            },
        );
    }

    #[test]
    fn retain_hears_only_what_comes_in_time(history in histories(|_, row| row), window_ms in 0u64..25) {
        let kept = run(2, true, &history, move |changes| retain(changes, |row: &Row| row.1, window_ms));
        let in_time: Vec<_> = history.iter().filter(|(row, now, _)| now.saturating_sub(row.1) <= window_ms).copied().collect();
        prop_assert_eq!(table_at(&kept, u64::MAX), table_at(&in_time, u64::MAX));
    }
}
