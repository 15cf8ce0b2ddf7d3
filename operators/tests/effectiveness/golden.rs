//! Golden scripts: what becomes known at which moment, and below `----` every change of a row and what then stands.
//!
//! ```text
//! 10:00:05 + told a1 red_light west c1 10:00:00        clock, sign, what, of which alert; then what it says
//! 10:00:05 + passage c1 9:59:00 read
//! ```
//!
//! It becomes known when it comes in, or at `known=9:59:59`. `REWRITE=1` accepts what comes out.

use std::fmt::Write as _;

use datadriven::TestCase;
use operators::effectiveness::{EffectivenessParameters, Fact, Passage, What};
use schemas::{Duration, Effectiveness, Id, Name};

use crate::harness::{Change, run, table_at};
use crate::{HOUR_MS, News, counted};

/// Reads `34:00:05`: hours, minutes, seconds.
fn time(text: &str) -> u64 {
    let parts = text.split(':').map(|part| part.parse::<u64>().expect("a number"));
    parts.fold(0, |sum, part| sum * 60 + part) * 1_000
}

fn hour(at_ms: u64) -> String {
    format!("{}h", at_ms / HOUR_MS)
}

fn change(line: &str) -> Change<News> {
    let (known, words): (Vec<&str>, Vec<&str>) = line.split_whitespace().partition(|word| word.starts_with("known="));
    let (now, sign, noun) = (time(words[0]), words[1], words[2]);
    let known_ms = known.first().map_or(now, |known| time(&known["known=".len()..]));
    let fact = |what| News::Fact(Fact { alert: Id(u64::from(words[3].as_bytes()[1])), known_ms, what });
    let name = |place: usize| Name::of(words[place]);
    let news = match noun {
        "passage" => News::Passage(Passage { camera: name(3), at_ms: time(words[4]), read: words.get(5) == Some(&"read"), known_ms }),
        "told" => fact(What::Told { rule: name(4), centre: name(5), camera: name(6), at_ms: time(words[7]) }),
        "revised" => fact(What::Revised { revision: words[4].parse().expect("a revision"), withdrawn: words.get(5) == Some(&"withdrawn") }),
        "confirmed" | "rejected" => fact(What::Reviewed { at_ms: time(words[4]), confirmed: noun == "confirmed" }),
        "acknowledged" => fact(What::Acknowledged { at_ms: time(words[4]) }),
        other => panic!("no noun {other}"),
    };
    (news, now, if sign == "+" { 1 } else { -1 })
}

fn shown(row: &Effectiveness) -> String {
    let counts = serde_json::to_value(row.counts).expect("integers");
    let counts = counts.as_object().into_iter().flatten().filter(|(_, count)| **count != 0).map(|(name, count)| format!(" {name} {count}"));
    let rule = row.rule.map_or_else(|| "-".to_owned(), |rule| rule.to_string());
    let (from, known) = (hour(row.from_ms), hour(row.known_from_ms));
    format!("{from} known {known} {} {} {rule}:{}", row.centre, row.camera, counts.collect::<String>())
}

fn script(case: &mut TestCase) -> String {
    let remember = case.args.get("remember").map_or("30 d".to_owned(), |hours| format!("{} h", hours[0]));
    let parameters = EffectivenessParameters { remember: remember.parse().expect("a span"), lateness: Duration::from_ms(900_000) };
    let history: Vec<_> = case.input.lines().map(change).collect();
    let mut changes = run(1, true, &history, move |news| counted(news, &parameters));
    changes.sort_by_key(|(row, now, diff)| (*now, *diff, row.clone()));
    let mut text = String::new();
    for (row, now, diff) in &changes {
        let s = now / 1_000;
        writeln!(text, "{}:{:02}:{:02} {diff:+} {}", s / 3_600, s / 60 % 60, s % 60, shown(row)).expect("text");
    }
    text.push_str("stands\n");
    table_at(&changes, u64::MAX).keys().for_each(|row| writeln!(text, "  {}", shown(row)).expect("text"));
    text
}

#[test]
fn scripts_say_what_is_counted() {
    datadriven::walk("tests/golden/effectiveness", |file| file.run(script));
}
