//! Rows become a report: summed by rule, camera, centre, hour of day and day of week.

use std::collections::BTreeMap;

use schemas::{Counts, Effectiveness, Name};
use serde::Serialize;

use super::group::Group;
use super::guard::{LEAST, guard};
use super::period::Period;

/// Rules whose alerts tell of no violation: who is looked for, and cameras.
const NO_VIOLATIONS: [&str; 2] = ["hotlist", "camera_silent"];

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// What a report tells. No group has fewer than five passages; those that had are together in one, or not there.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The span of time, for people.
    pub period: String,
    /// Its beginning, milliseconds since the epoch.
    pub from_ms: i64,
    /// Its end, which is not in it.
    pub until_ms: i64,
    /// Whose hours and days are meant.
    pub zone: String,
    /// The only centre that is told of.
    pub centre: Option<String>,
    /// Everything; `null` where that is too little to be told.
    pub total: Option<Group>,
    /// By rule, most alerts first.
    pub rules: Vec<Group>,
    /// By monitoring centre.
    pub centres: Vec<Group>,
    /// By camera.
    pub cameras: Vec<Group>,
    /// By local hour of the day.
    pub hours: Vec<Group>,
    /// By local day of the week.
    pub weekdays: Vec<Group>,
}

/// Counts, and alerts that stand and tell of a violation.
#[derive(Clone, Copy)]
struct Sum(Counts, i64);

impl Default for Sum {
    fn default() -> Self {
        Self(Counts::NONE, 0)
    }
}

impl Sum {
    fn add(&mut self, row: &Effectiveness) {
        self.0 = self.0.plus(row.counts, 1);
        if row.rule.is_some_and(|rule| !NO_VIOLATIONS.contains(&rule.as_str())) {
            self.1 += row.counts.alerts - row.counts.withdrawn;
        }
    }

    fn named(self, name: impl Into<String>, centre: Option<String>) -> Group {
        Group::new(name, centre, self.0, self.1)
    }
}

/// Sums the rows of what happened in a span of time, of one centre or of all.
#[must_use]
pub fn gather(rows: impl IntoIterator<Item = Effectiveness>, period: &Period, centre: Option<Name>) -> Report {
    let (mut total, mut rules, mut centres) = (Sum::default(), BTreeMap::<Name, Sum>::new(), BTreeMap::<Name, Sum>::new());
    let mut cameras = BTreeMap::<Name, (Option<Name>, Sum)>::new();
    let (mut hours, mut days) = ([Sum::default(); 24], [Sum::default(); 7]);
    let of_it = |row: &Effectiveness| period.holds(row.from_ms) && centre.is_none_or(|centre| centre == row.centre);
    for row in rows.into_iter().filter(of_it) {
        total.add(&row);
        row.rule.into_iter().for_each(|rule| rules.entry(rule).or_default().add(&row));
        centres.entry(row.centre).or_default().add(&row);
        let (place, sum) = cameras.entry(row.camera).or_default();
        // An alert is of the centre it concerns, a passage of its camera's.
        if place.is_none() || row.rule.is_none() {
            *place = Some(row.centre);
        }
        sum.add(&row);
        if let Some((hour, day)) = period.place_in_week(row.from_ms) {
            hours[hour].add(&row);
            days[day].add(&row);
        }
    }
    let tellable = total.0.passages >= LEAST;
    let mut report = Report {
        period: period.to_string(),
        from_ms: period.from_ms(),
        until_ms: period.until_ms(),
        zone: period.zone_name().to_owned(),
        centre: centre.map(|centre| centre.to_string()),
        total: tellable.then(|| total.named("all", None)),
        rules: Vec::new(),
        centres: Vec::new(),
        cameras: Vec::new(),
        hours: Vec::new(),
        weekdays: Vec::new(),
    };
    if !tellable {
        return report;
    }
    report.rules = rules.into_iter().map(|(rule, sum)| of_passages(sum.named(rule.as_str(), None), total.0.passages)).collect();
    report.rules.sort_by_key(|rule| std::cmp::Reverse(rule.counts.alerts));
    report.centres = guard(centres.iter().map(|(name, sum)| sum.named(name.as_str(), None)).collect(), "other centres");
    report.cameras = guarded_cameras(&cameras, &report.centres);
    report.hours = guard((0..).zip(hours).map(|(hour, sum): (u32, Sum)| sum.named(format!("{hour:02}:00"), None)).collect(), "other hours");
    report.weekdays = guard(DAYS.iter().zip(days).map(|(day, sum)| sum.named(*day, None)).collect(), "other days");
    report
}

/// A rule has no passages of its own: its violations are held against all of them.
fn of_passages(rule: Group, passages: i64) -> Group {
    let held_against = Group::new("", None, Counts { passages, ..Counts::NONE }, rule.violations).figures.violations_per_million;
    let mut rule = rule;
    rule.figures.violations_per_million = held_against.filter(|_| !NO_VIOLATIONS.contains(&rule.name.as_str()));
    rule
}

/// Cameras within their centres, so that what is merged cannot be had as the difference to a centre.
fn guarded_cameras(cameras: &BTreeMap<Name, (Option<Name>, Sum)>, centres: &[Group]) -> Vec<Group> {
    let shown = |centre: &str| centres.iter().any(|group| group.name == centre);
    let mut by_centre = BTreeMap::<Option<String>, Vec<Group>>::new();
    for (camera, (centre, sum)) in cameras {
        let centre = centre.map(|centre| centre.to_string()).filter(|centre| shown(centre));
        by_centre.entry(centre.clone()).or_default().push(sum.named(camera.as_str(), centre));
    }
    let of_centre = |(centre, cameras): (Option<String>, Vec<Group>)| match centre {
        Some(centre) => guard(cameras, &format!("other cameras of {centre}")),
        None => {
            let sum = cameras.iter().fold(Group::new("cameras of other centres", None, Counts::NONE, 0), Group::and);
            if sum.counts.passages < LEAST { Vec::new() } else { vec![sum] }
        }
    };
    by_centre.into_iter().flat_map(of_centre).collect()
}
