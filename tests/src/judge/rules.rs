//! Whether each rule told what happened, and nothing else.

use std::collections::BTreeMap;

use super::{Alert, Ground, HotlistScore, PointScore, RuleScore, SectionScore, rate};
use crate::truth::{SectionDrive, Stopping};

/// A violation begins this much above the limit.
const TOLERANCE_KMH: i64 = 5;

/// Every case against every alert. An optional case may be told or not: telling it is no mistake, missing it neither.
fn compare<T>(alerts: &[&Alert], cases: &[T], matches: impl Fn(&Alert, &T) -> bool, optional: impl Fn(&T) -> bool) -> RuleScore {
    let right = alerts.iter().filter(|a| cases.iter().any(|c| matches(a, c))).count();
    let must: Vec<&T> = cases.iter().filter(|c| !optional(c)).collect();
    let told = must.iter().filter(|c| alerts.iter().any(|a| matches(a, c))).count();
    RuleScore { truth: must.len(), alerts: alerts.len(), recall: rate(told, must.len()), precision: rate(right, alerts.len()) }
}

fn of_rule<'a>(alerts: &'a [Alert], rule: &str) -> Vec<&'a Alert> {
    alerts.iter().filter(|a| a.rule == rule).collect()
}

fn certain<'a>(alerts: &'a [Alert], rule: &str) -> Vec<&'a Alert> {
    alerts.iter().filter(|a| a.rule == rule && a.certain).collect()
}

fn plate(alert: &Alert) -> Option<&str> {
    alert.plate.as_ref().map(|p| p.text.as_str())
}

/// A plate that one or two cameras saw may stay one character wrong.
fn like(read: Option<&str>, true_: &str) -> bool {
    let differences = |read: &str| read.chars().zip(true_.chars()).filter(|(a, b)| a != b).count();
    read.is_some_and(|read| read == true_ || (read.chars().count() == true_.chars().count() && differences(read) == 1))
}

/// Whether some evidence is of that camera between two moments.
fn saw(alert: &Alert, camera: &str, from_ms: i64, until_ms: i64) -> bool {
    alert.evidence.iter().any(|e| e.camera == camera && (from_ms..=until_ms).contains(&e.at_ms))
}

/// The section of an alert's first two pieces of evidence, and when the second was.
fn section_of(alert: &Alert) -> Option<(String, i64)> {
    let (from, to) = (alert.evidence.first()?, alert.evidence.get(1)?);
    Some((format!("{}-{}", from.camera, to.camera), to.at_ms))
}

pub(super) fn section_speed(ground: &Ground, alerts: &[Alert]) -> SectionScore {
    let of = |alert: &Alert, drive: &SectionDrive| {
        like(plate(alert), &drive.plate)
            && section_of(alert).is_some_and(|(section, to_ms)| section == drive.section && (to_ms - drive.to_ms).abs() < 3_000)
    };
    let ends = |drive: &SectionDrive| drive.section.split_once('-').map_or_else(Default::default, |(a, b)| (a.to_owned(), b.to_owned()));
    // Where a camera was dead, the plate cannot be read, or the excess is within the clocks' own error, either answer is right.
    let margin = |drive: &SectionDrive| {
        let (from, to) = ends(drive);
        let error_ms = ground.error_ms(&from) + ground.error_ms(&to);
        let took_ms = drive.to_ms - drive.from_ms + 2 * error_ms + 400;
        ground.dark(&from, drive.from_ms)
            || ground.dark(&to, drive.to_ms)
            || !ground.readable(&drive.vehicle)
            || drive.length_cm * 36 < (drive.limit_kmh + TOLERANCE_KMH) * took_ms
    };
    let over: Vec<&SectionDrive> = ground.truth.sections.iter().filter(|d| d.over).collect();
    let rule = compare(&certain(alerts, "section_speed"), &over, |a, d| of(a, d), |d| margin(d));
    let mut by_section = BTreeMap::<&str, Vec<&SectionDrive>>::new();
    ground.truth.sections.iter().for_each(|d| by_section.entry(&d.section).or_default().push(d));
    let (mut errors, mut bound_above_truth) = (Vec::new(), 0);
    for alert in of_rule(alerts, "section_speed") {
        let drives = section_of(alert).and_then(|(section, _)| by_section.get(section.as_str()));
        let Some(drive) = drives.into_iter().flatten().find(|d| of(alert, d)) else { continue };
        let measured = |name: &str| alert.measured.get(name).copied().unwrap_or(0);
        errors.push((measured("speed_cms") - drive.speed_cms).abs());
        let driven_cms = drive.driven_cm as f64 * 1_000.0 / (drive.to_ms - drive.from_ms) as f64;
        bound_above_truth += usize::from(measured("lower_cms") as f64 > driven_cms + 1.0);
    }
    SectionScore { rule, bound_above_truth, median_error_cms: median(errors) }
}

fn median(mut values: Vec<i64>) -> Option<f64> {
    values.sort_unstable();
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((low + high) as f64 / 2.0)
}

pub(super) fn red_light(ground: &Ground, alerts: &[Alert]) -> RuleScore {
    let cases: Vec<_> = ground.truth.red_light.iter().filter(|r| !ground.dark(&r.camera, r.at_ms)).collect();
    compare(
        &certain(alerts, "red_light"),
        &cases,
        |alert, r| {
            let reach_ms = 1_500 + ground.error_ms(&r.camera);
            saw(alert, &r.camera, r.at_ms - reach_ms, r.at_ms + reach_ms) && (plate(alert).is_none() || like(plate(alert), &r.plate))
        },
        |r| r.into_red_ms < 900,
    )
}

pub(super) fn wrong_way(ground: &Ground, alerts: &[Alert]) -> RuleScore {
    let cases: Vec<_> = ground.truth.wrong_way.iter().filter(|w| !ground.dark(&w.camera, w.from_ms)).collect();
    let matches = |alert: &Alert, w: &&crate::truth::WrongWay| saw(alert, &w.camera, w.from_ms - 2_000, w.to_ms + 2_000);
    compare(&certain(alerts, "wrong_way"), &cases, matches, |_| false)
}

pub(super) fn no_stopping(ground: &Ground, alerts: &[Alert]) -> RuleScore {
    let cases: Vec<&Stopping> = ground.truth.stopping.iter().filter(|s| s.stay_ms >= 60_000).collect();
    let matches = |alert: &Alert, s: &&Stopping| saw(alert, &s.camera, s.from_ms - 5_000, s.from_ms + s.stay_ms + 20_000);
    let lost = |s: &&Stopping| (0..s.stay_ms).step_by(5_000).any(|after| ground.dark(&s.camera, s.from_ms + after));
    compare(&certain(alerts, "no_stopping"), &cases, matches, lost)
}

pub(super) fn cloned_plate(ground: &Ground, alerts: &[Alert]) -> RuleScore {
    compare(&of_rule(alerts, "cloned_plate"), &ground.truth.cloned, |a, c| plate(a) == Some(&c.plate), |_| false)
}

pub(super) fn camera_silent(ground: &Ground, alerts: &[Alert]) -> RuleScore {
    // The camera and the moment may be of different evidence, as in the score program.
    let matches = |alert: &Alert, o: &crate::truth::Outage| {
        alert.evidence.iter().any(|e| e.camera == o.camera) && alert.evidence.iter().any(|e| (e.at_ms - o.from_ms).abs() < 20_000)
    };
    compare(&certain(alerts, "camera_silent"), &ground.truth.outages, matches, |_| false)
}

pub(super) fn hotlist(ground: &Ground, alerts: &[Alert]) -> HotlistScore {
    let hits: Vec<_> = ground.truth.hotlist_hits.iter().filter(|h| !ground.dark(&h.camera, h.at_ms)).collect();
    let told: Vec<(Option<&str>, &str, i64, bool)> = of_rule(alerts, "hotlist")
        .into_iter()
        .flat_map(|a| a.evidence.iter().map(move |e| (plate(a), e.camera.as_str(), e.at_ms, a.certain)))
        .collect();
    let close = |t: &(Option<&str>, &str, i64, bool), h: &crate::truth::HotlistHit| {
        t.0 == Some(&h.plate) && t.1 == h.camera && (t.2 - h.at_ms).abs() < 60_000
    };
    let sure = told.iter().filter(|t| t.3).count();
    let found = hits.iter().filter(|h| told.iter().any(|t| close(t, h))).count();
    let found_sure = hits.iter().filter(|h| told.iter().any(|t| t.3 && close(t, h))).count();
    let right = told.iter().filter(|t| t.3 && hits.iter().any(|h| close(t, h))).count();
    HotlistScore {
        truth: hits.len(),
        alerts: told.len(),
        recall: rate(found, hits.len()),
        recall_certain: rate(found_sure, hits.len()),
        precision: rate(right, sure),
    }
}

pub(super) fn point_speed(ground: &Ground, alerts: &[Alert]) -> PointScore {
    let told = of_rule(alerts, "point_speed");
    let truth = |alert: &Alert| {
        let here = |p: &&crate::truth::PointSpeed| saw(alert, &p.camera, p.at_ms - 5_000, p.at_ms + 5_000);
        ground.truth.point_speed.iter().filter(here).find(|p| like(plate(alert), &p.plate)).map(|p| p.speed_cms)
    };
    let matched: Vec<(i64, i64)> =
        told.iter().filter_map(|a| Some((truth(a)?, a.measured.get("lower_cms").copied().unwrap_or(0)))).collect();
    let bound_above_truth = matched.iter().filter(|(driven, lower)| lower > driven).count();
    PointScore { alerts: told.len(), matched: matched.len(), bound_above_truth }
}
