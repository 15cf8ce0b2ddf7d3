//! What the tables of a report show, for text and pages alike.

use super::gather::Report;
use super::group::Group;
use crate::catalogue::span;

/// A column: its heading, and what it shows of a group.
pub(super) struct Column {
    pub(super) heading: &'static str,
    pub(super) shows: fn(&Group) -> String,
}

/// A table: what it is by, its columns after the name, and its lines.
pub(super) struct Table<'a> {
    pub(super) by: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) groups: &'a [Group],
}

/// All tables of a report.
pub(super) fn tables(report: &Report) -> Vec<Table<'_>> {
    let [rate, told] = [PER_PASSAGE, TELLING].map(|columns| columns.iter());
    let by_rule = || REVIEWING.iter().chain(rate.clone()).chain(told.clone());
    let traffic = || TRAFFIC.iter().chain(rate.clone()).chain(REVIEWING).chain(told.clone());
    let columns = |columns: Vec<&Shown>| columns.into_iter().map(|(heading, shows)| Column { heading, shows: *shows }).collect::<Vec<_>>();
    let camera = || std::iter::once(&CENTRE).chain(traffic()).collect();
    vec![
        Table { by: "rule", columns: columns(by_rule().collect()), groups: &report.rules },
        Table { by: "centre", columns: columns(traffic().collect()), groups: &report.centres },
        Table { by: "camera", columns: columns(camera()), groups: &report.cameras },
        Table { by: "hour of day", columns: columns(traffic().collect()), groups: &report.hours },
        Table { by: "day of week", columns: columns(traffic().collect()), groups: &report.weekdays },
    ]
}

type Shown = (&'static str, fn(&Group) -> String);

const CENTRE: Shown = ("centre", |group| group.centre.clone().unwrap_or_default());
const TRAFFIC: &[Shown] =
    &[("passages", |group| group.counts.passages.to_string()), ("read", |group| percent(group.figures.read_permille))];
const PER_PASSAGE: &[Shown] = &[("per 1,000", |group| thousandths(group.figures.violations_per_million))];
const REVIEWING: &[Shown] = &[
    ("alerts", |group| group.counts.alerts.to_string()),
    ("withdrawn", |group| group.counts.withdrawn.to_string()),
    ("confirmed", |group| group.counts.confirmed.to_string()),
    ("rejected", |group| group.counts.rejected.to_string()),
    ("precision", |group| percent(group.figures.precision_permille)),
    ("between", |group| {
        group.figures.precision_between_permille.map_or_else(none, |[from, to]| format!("{}–{} %", from / 10, to.div_ceil(10)))
    }),
];
const TELLING: &[Shown] = &[
    ("told after", |group| lasting(group.figures.telling_mean_ms)),
    ("acknowledged", |group| percent(group.figures.acknowledged_permille)),
    ("after", |group| lasting(group.figures.acknowledging_mean_ms)),
];

fn none() -> String {
    "–".to_owned()
}

/// A share: `93.0 %`.
pub(super) fn percent(permille: Option<u32>) -> String {
    permille.map_or_else(none, |permille| format!("{}.{} %", permille / 10, permille % 10))
}

/// A number of a thousand: `17.4`.
pub(super) fn thousandths(per_million: Option<u64>) -> String {
    per_million.map_or_else(none, |per_million| {
        let tenths = (per_million + 50) / 100;
        format!("{}.{}", tenths / 10, tenths % 10)
    })
}

/// A span of time: `0.8 s`, `1 min 12 s`.
pub(super) fn lasting(ms: Option<u64>) -> String {
    match ms {
        None => none(),
        Some(ms) if ms < 10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        Some(ms) => span((ms + 500) / 1_000 * 1_000),
    }
}

/// What the whole says, each with its name.
pub(super) fn summary(total: &Group) -> Vec<(&'static str, String)> {
    let (counts, figures) = (&total.counts, &total.figures);
    let between =
        figures.precision_between_permille.map_or_else(String::new, |[from, to]| format!(" ({}–{} %)", from / 10, to.div_ceil(10)));
    vec![
        ("passages", counts.passages.to_string()),
        ("plates read", percent(figures.read_permille)),
        ("alerts", counts.alerts.to_string()),
        ("withdrawn", percent(figures.withdrawn_permille)),
        ("violations per 1,000 passages", thousandths(figures.violations_per_million)),
        ("reviewed", percent(figures.reviewed_permille)),
        ("precision by review", format!("{}{between}", percent(figures.precision_permille))),
        ("told after, on average", lasting(figures.telling_mean_ms)),
        ("acknowledged", percent(figures.acknowledged_permille)),
        ("acknowledged after, on average", lasting(figures.acknowledging_mean_ms)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_as_people_write_them() {
        assert_eq!([percent(Some(930)), percent(Some(1_000)), percent(Some(7)), percent(None)], ["93.0 %", "100.0 %", "0.7 %", "–"]);
        assert_eq!([thousandths(Some(17_449)), thousandths(Some(50)), thousandths(Some(49))], ["17.4", "0.1", "0.0"]);
        assert_eq!([lasting(Some(1_849)), lasting(Some(72_400)), lasting(Some(3_600_000))], ["1.8 s", "1 min 12 s", "1 h"]);
    }
}
