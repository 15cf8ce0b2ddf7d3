//! Golden scripts: what comes in at which moment, and below `----` every change that comes out and what then stands.
//!
//! ```text
//! interval_join lower=0 upper=10 lateness=5        the verb and its parameters
//! 100 +left a 95                                   clock, sign, side, key, event time[, what]
//! ```
//!
//! `REWRITE=1 cargo test --test stream` accepts what comes out.

use std::fmt::Write;

use datadriven::TestCase;
use operators::Changes;
use operators::stream::{Interval, Sessions, as_of_join, deduplicate, interval_join, interval_self_join, sessionize, suppress};

use super::harness::{Change, Verb, run, table_at};

/// A row of a script: side, key, event time, what.
type Row = (String, String, u64, String);

fn by(row: &Row) -> (String, u64) {
    (row.1.clone(), row.2)
}

fn only<'scope>(rows: Changes<'scope, Row>, side: &'static str) -> Changes<'scope, Row> {
    rows.filter(move |row| row.0 == side)
}

/// Reads `100 +left a 95 what`.
fn change(line: &str) -> Change<Row> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (sign, side) = words[1].split_at(1);
    let what = words.get(4).copied().unwrap_or_default();
    let row = (side.to_string(), words[2].to_string(), words[3].parse().unwrap(), what.to_string());
    (row, words[0].parse().unwrap(), if sign == "+" { 1 } else { -1 })
}

/// Runs the script and writes what changed and what stands.
fn show(input: &str, verb: impl Verb<Row, String>) -> String {
    let history: Vec<_> = input.lines().map(change).collect();
    let mut changes = run(1, true, &history, verb);
    changes.sort_by_key(|(row, now, diff)| (*now, *diff, row.clone()));
    let mut text = String::new();
    for (row, now, diff) in &changes {
        writeln!(text, "{now} {diff:+} {row}").unwrap();
    }
    text.push_str("stands\n");
    for (row, times) in table_at(&changes, u64::MAX) {
        writeln!(text, "  {row}{}", if times == 1 { String::new() } else { format!(" × {times}") }).unwrap();
    }
    text
}

fn script(case: &mut TestCase) -> String {
    let mut number = |name: &str| case.try_take_arg::<i64>(name).unwrap().unwrap_or_default();
    let lateness_ms = number("lateness") as u64;
    let (lower_ms, upper_ms) = (number("lower"), number("upper"));
    let interval = Interval { lower_ms, upper_ms, lateness_ms };
    let (window_ms, gap_ms, longest_ms) = (number("window") as u64, number("gap") as u64, number("longest") as u64);
    let sessions = Sessions { gap_ms, longest_ms, lateness_ms };
    let pair = |a: &Row, b: &Row| Some(format!("{} {} {}", a.1, a.2, b.2));
    let one = |row: Row| format!("{} {}", row.1, row.2);
    match case.directive.as_str() {
        "interval_join" => {
            show(&case.input, move |rows| interval_join(only(rows.clone(), "left"), only(rows, "right"), "Join", by, by, interval, pair))
        }
        "interval_self_join" => show(&case.input, move |rows| interval_self_join(rows, "Join", by, interval, pair)),
        "as_of_join" => show(&case.input, move |rows| {
            let shown = |a: &Row, b: &Row| Some(format!("{} {} {}", a.1, a.2, b.3));
            as_of_join(only(rows.clone(), "left"), only(rows, "right"), "Join", by, by, lateness_ms, shown)
        }),
        "deduplicate" => show(&case.input, move |rows| deduplicate(rows, "First", by, window_ms, lateness_ms).map(one)),
        "suppress" => show(&case.input, move |rows| suppress(rows, "Once", by, window_ms, lateness_ms).map(one)),
        "sessionize" => show(&case.input, move |rows| {
            let told = |rows: &[(u64, &Row)]| Some(format!("{} {}..{} × {}", rows[0].1.1, rows[0].0, rows[rows.len() - 1].0, rows.len()));
            sessionize(rows, "Sessions", by, sessions, told)
        }),
        other => panic!("no verb {other:?}"),
    }
}

#[test]
fn scripts_say_what_comes_out() {
    datadriven::walk("tests/golden/stream", |file| file.run(script));
}
