//! A report of a few rows, as text, values and page. `REWRITE=1` accepts a change.

use std::path::Path;

use jobs::report::{Period, Report, csv, gather, html, text, zone};
use schemas::{Counts, Effectiveness, Name};

use crate::page;

/// Thursday 2026-11-26, 8:00 in Hanoi.
const MORNING_MS: u64 = 1_795_654_800_000;
const HOUR_MS: u64 = 3_600_000;

fn row(hour: u64, known: u64, centre: &str, camera: &str, rule: Option<&str>, counts: Counts) -> Effectiveness {
    let (from_ms, known_from_ms) = (MORNING_MS + hour * HOUR_MS, MORNING_MS + known * HOUR_MS);
    let (centre, camera, rule) = (Name::of(centre), Name::of(camera), rule.map(Name::of));
    Effectiveness {
        id: Effectiveness::id_of(from_ms, known_from_ms, centre, camera, rule),
        from_ms,
        known_from_ms,
        centre,
        camera,
        rule,
        counts,
    }
}

fn passed(hour: u64, centre: &str, camera: &str, passages: i64, reads: i64) -> Effectiveness {
    row(hour, hour, centre, camera, None, Counts { passages, reads, ..Counts::NONE })
}

fn rows() -> Vec<Effectiveness> {
    let told = Counts { alerts: 4, prompt: 4, telling_ms: 7_400, acknowledged: 2, acknowledging_ms: 144_000, ..Counts::NONE };
    vec![
        passed(0, "west", "w1", 900, 850),
        passed(1, "west", "w1", 400, 390),
        passed(0, "west", "w2", 3, 1),
        passed(0, "west", "w3", 60, 30),
        passed(2, "east", "e<1>", 240, 12),
        passed(26, "east", "e<1>", 4, 4),
        passed(0, "south", "s1", 2, 2),
        row(0, 0, "west", "w1", Some("red_light"), told),
        row(0, 3, "west", "w1", Some("red_light"), Counts { confirmed: 3, rejected: 1, ..Counts::NONE }),
        row(0, 30, "west", "w1", Some("red_light"), Counts { confirmed: -1, withdrawn: 1, ..Counts::NONE }),
        row(2, 2, "east", "e<1>", Some("hotlist"), Counts { alerts: 1, prompt: 1, telling_ms: 900, ..Counts::NONE }),
        // Of another week.
        row(24 * 7, 24 * 7, "west", "w1", Some("red_light"), told),
        passed(24 * 7, "west", "w1", 100, 100),
    ]
}

fn report(rows: Vec<Effectiveness>, centre: Option<&str>) -> Report {
    gather(rows, &Period::read_week("2026-W48", &zone("Asia/Ho_Chi_Minh").unwrap()).unwrap(), centre.map(Name::of))
}

fn hold(file: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/golden").join(file);
    if std::env::var_os("REWRITE").is_some_and(|value| value == "1") {
        std::fs::write(&path, actual).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), actual, "{file}; REWRITE=1 accepts it");
}

#[test]
fn a_week_as_text_values_and_page() {
    let report = report(rows(), None);
    hold("week.txt", &text(&report));
    hold("week.csv", &csv(&report));
    hold("week.json", &format!("{:#}\n", serde_json::to_value(&report).unwrap()));
    let page = html(&report);
    page::check(&page);
    hold("week.html", &page);
}

#[test]
fn what_is_summed_is_what_the_rows_say() {
    let report = report(rows(), None);
    let total = report.total.unwrap();
    assert_eq!((total.counts.passages, total.counts.reads, total.counts.alerts, total.violations), (1_609, 1_289, 5, 3));
    let red = &report.rules[0];
    assert_eq!(
        (red.name.as_str(), red.counts.alerts, red.counts.withdrawn, red.counts.confirmed, red.counts.rejected),
        ("red_light", 4, 1, 2, 1)
    );
    assert_eq!(
        (red.figures.precision_permille, red.figures.telling_mean_ms, red.figures.acknowledging_mean_ms),
        (Some(667), Some(1_850), Some(72_000))
    );
    // Three red lights of 1,609 passages.
    assert_eq!((red.figures.violations_per_million, report.rules[1].figures.violations_per_million), (Some(1_865), None));
}

#[test]
fn no_small_group_is_told_of_nor_can_be_had_as_a_difference() {
    let report = report(rows(), None);
    let passages =
        |groups: &[jobs::report::Group]| groups.iter().map(|group| (group.name.clone(), group.counts.passages)).collect::<Vec<_>>();
    let named = |groups: &[(&str, i64)]| groups.iter().map(|(name, passages)| ((*name).to_owned(), *passages)).collect::<Vec<_>>();
    // The south alone would be two vehicles, and the east is the smallest that can hide them.
    assert_eq!(passages(&report.centres), named(&[("west", 1_363), ("other centres", 246)]));
    assert_eq!(passages(&report.cameras), named(&[("cameras of other centres", 246), ("w1", 1_300), ("other cameras of west", 63)]));
    // Friday had four, and so Thursday goes with it: nothing is told of days.
    let days: Vec<_> = passages(&report.weekdays).into_iter().filter(|(_, passages)| *passages > 0).collect();
    assert_eq!(days, named(&[("other days", 1_609)]));
    assert!(report.hours.iter().all(|hour| hour.is_empty() || hour.counts.passages >= 5));
}

#[test]
fn of_too_few_nothing_is_told() {
    let few = report(vec![passed(0, "west", "w1", 4, 4)], None);
    assert!(few.total.is_none() && few.cameras.is_empty() && few.hours.is_empty());
    assert!(text(&few).contains("Fewer than five"));
    page::check(&html(&few));
    let south = report(rows(), Some("south"));
    assert!(south.total.is_none());
    assert_eq!(report(rows(), Some("west")).total.unwrap().counts.passages, 1_363);
}

#[test]
fn whatever_a_rule_is_called_the_page_stays_one_and_a_value_stays_one() {
    let odd = "a<b>&\"c\",\u{7}d";
    let report =
        report(vec![passed(0, "west", "w1", 9, 9), row(0, 0, "west", "w1", Some(odd), Counts { alerts: 1, ..Counts::NONE })], None);
    let page = html(&report);
    page::check(&page);
    assert!(page.contains("<tr><th>a&lt;b&gt;&amp;&quot;c&quot;, d</th>"), "{page}");
    assert!(csv(&report).contains("\r\nrule,\"a<b>&\"\"c\"\",\u{7}d\",,"), "{}", csv(&report));
}
