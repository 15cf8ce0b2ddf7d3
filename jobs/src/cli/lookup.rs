//! `giaolo alerts`, `giaolo lookup`, `giaolo cameras`: what a server knows of traffic, for who may know it.

use std::fmt::Write as _;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use schemas::{PlateText, Status};
use serde_json::{Value, json};

use super::choice::choice;
use super::deliveries::time;
use super::remote::{Ask, Remote, encoded};
use super::submit::text;
use super::{Outcome, moment, say};

/// See alerts: those that stand, one with what it rests on, or those that come
///
/// Newest first, each as it stands by now; withdrawn ones say so. A token that is bound to centres sees the alerts of these
/// centres. That somebody looked is in the server's audit log.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo alerts                                            the last ones
  giaolo alerts --rule section_speed --from '2 h'          of the last two hours
  giaolo alerts --centre west --state withdrawn --from 2026-11-26T00:00 --to 2026-11-26T08:00
  giaolo alerts a32bfe7829f37f1c                           one, and what it rests on
  giaolo alerts --review none                              those nobody has decided about (giaolo review)
  giaolo alerts --follow                                   as they come, until stopped
  giaolo alerts --follow --after 6f1c2a9b0d3e4f58.1042     and first what changed since that event
  giaolo alerts --json | jq '.alerts[].text'")]
pub(super) struct Alerts {
    /// One alert, by its id
    #[arg(value_name = "ID", conflicts_with_all = ["from", "to", "rule", "centre", "camera", "state", "review", "last", "follow"])]
    id: Option<String>,
    #[command(flatten)]
    span: Span,
    /// By this rule
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Of this monitoring centre
    #[arg(long, value_name = "CENTRE")]
    centre: Option<String>,
    /// That rest on this camera
    #[arg(long, value_name = "CAMERA")]
    camera: Option<String>,
    /// That stand so
    #[arg(long, value_name = "STATE", value_parser = choice::<Status>())]
    state: Option<Status>,
    /// Of which this was decided
    #[arg(long, value_name = "DECISION")]
    review: Option<Reviewed>,
    /// How many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    last: u32,
    /// Those after the page that told this
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Tell of alerts as they come, until stopped
    #[arg(long, short, conflicts_with_all = ["from", "to", "rule", "centre", "camera", "state", "review", "cursor"])]
    follow: bool,
    /// Begin with what changed since this event; --follow --json tells the events' ids
    #[arg(long, value_name = "EVENT", requires = "follow")]
    after: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// What was decided of an alert.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reviewed {
    /// It is right
    Confirmed,
    /// It is not
    Rejected,
    /// Nothing yet
    None,
}

/// A choice as the server calls it.
fn name(choice: &impl ValueEnum) -> Option<String> {
    choice.to_possible_value().map(|value| value.get_name().to_owned())
}

/// A span of time.
#[derive(Debug, Args)]
struct Span {
    /// From when: a time in UTC (2026-11-26T08:00), with a zone (…+07:00), or how long ago ('2 h')
    #[arg(long, value_name = "TIME", value_parser = moment::read)]
    from: Option<u64>,
    /// Until when
    #[arg(long, value_name = "TIME", value_parser = moment::read)]
    to: Option<u64>,
}

/// See where a vehicle was
///
/// All journeys of vehicles with this plate, camera by camera. Who asks says why and for which case; both, the plate, and who
/// asked are in the server's audit log before the answer is given. A token that is bound to centres sees what their cameras saw.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo lookup 88A-123.45 --reason 'hit and run' --case 2026-0117
  giaolo lookup 88A12345 --reason 'hit and run' --case 2026-0117 --from '24 h'
  giaolo lookup 88A12345 --reason 'hit and run' --case 2026-0117 --json | jq '.journeys[].parts[].camera'

The same text on a car's and on a motorbike's plate are two vehicles: each journey says which it is.")]
pub(super) struct Lookup {
    /// The plate; case, spaces, dots and hyphens do not matter
    #[arg(value_name = "PLATE", value_parser = plate)]
    plate: PlateText,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// For which case
    #[arg(long, value_name = "NUMBER")]
    case: String,
    #[command(flatten)]
    span: Span,
    /// How many journeys
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    last: u32,
    #[command(flatten)]
    remote: Remote,
}

/// See how the cameras are
///
/// When something was last seen by each, how long after it was known, and whether it is silent. A token that is bound to centres
/// sees their cameras. The exit code is 1 if one of them is silent.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo cameras
  giaolo cameras --json | jq '.cameras[] | select(.silent)'")]
pub(super) struct Cameras {
    #[command(flatten)]
    remote: Remote,
}

fn plate(text: &str) -> Result<PlateText, String> {
    text.parse().map_err(|why| format!("it {why} (hint: letters and digits, such as 88A-123.45)"))
}

impl Span {
    fn query(&self) -> impl Iterator<Item = (&'static str, String)> {
        let one = |name, ms: Option<u64>| ms.map(|ms| (name, ms.to_string()));
        [one("from", self.from), one("to", self.to)].into_iter().flatten()
    }
}

impl Alerts {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        if self.follow {
            return self.follow();
        }
        if let Some(id) = &self.id {
            let alert = self.remote.ask(&Ask::Get, &format!("/v1/alerts/{}", encoded(id)), &[])?;
            say(&if self.remote.json { format!("{alert:#}\n") } else { one(&alert) })?;
            return Ok(Outcome::Well);
        }
        let state = self.state.and_then(|state| json!(state).as_str().map(str::to_owned));
        let review = self.review.as_ref().and_then(name);
        let named = [("rule", &self.rule), ("centre", &self.centre), ("camera", &self.camera), ("cursor", &self.cursor)];
        let named = named.into_iter().chain([("state", &state), ("review", &review)]);
        let mut query: Vec<(&str, String)> = self.span.query().chain([("limit", self.last.to_string())]).collect();
        query.extend(named.filter_map(|(name, value)| Some((name, value.clone()?))));
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let page = self.remote.ask(&Ask::Get, "/v1/alerts", &query)?;
        if self.remote.json {
            say(&format!("{page:#}\n"))?;
            return Ok(Outcome::Well);
        }
        let mut out: String = page["alerts"].as_array().into_iter().flatten().map(line).collect();
        if let Some(next) = page["next"].as_str() {
            _ = writeln!(out, "there are more (hint: --cursor {next})");
        }
        say(if out.is_empty() { "no alerts\n" } else { &out })?;
        behind(&page)
    }

    fn follow(&self) -> anyhow::Result<Outcome> {
        self.remote.follow("/v1/alerts/events", self.after.as_deref(), &mut |event| {
            if self.remote.json {
                return say(&format!("{}\n", serde_json::json!({"event": event.name, "id": event.id, "data": event.data})));
            }
            match event.name.as_str() {
                "alert" => say(&line(&event.data)),
                "elsewhere" => say(&format!("alert {} is another centre's now\n", text(&event.data, "id"))),
                "reset" => say("where to begin is not known any more: `giaolo alerts` tells how they stand; from here on they are told\n"),
                _ => Ok(()),
            }
        })?;
        Err(anyhow!("the server ended it: it stops, or the access was taken away (hint: --follow --after goes on where this ended)"))
    }
}

impl Lookup {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let purpose = [("reason", self.reason.clone()), ("case", self.case.clone()), ("limit", self.last.to_string())];
        let query: Vec<(&str, String)> = self.span.query().chain(purpose).collect();
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let path = format!("/v1/vehicles/{}/journeys", encoded(&self.plate.to_string()));
        let answer = self.remote.ask(&Ask::Get, &path, &query)?;
        if self.remote.json {
            say(&format!("{answer:#}\n"))?;
            return Ok(Outcome::Well);
        }
        let mut out = String::new();
        for journey in answer["journeys"].as_array().into_iter().flatten() {
            let plate = &journey["plate"];
            let sure = journey["certainty"].as_u64().map(|permille| format!(", {} % sure", permille / 10)).unwrap_or_default();
            let (kind, colour) = (text(plate, "kind"), text(plate, "colour"));
            _ = writeln!(out, "{} ({kind}, {colour}), journey {}{sure}", text(plate, "text"), text(journey, "id"));
            for part in journey["parts"].as_array().into_iter().flatten() {
                let from = part["from_ms"].as_u64().map_or_else(|| "at a time that is not known".to_owned(), time);
                _ = writeln!(out, "  {from}  {}  {}", text(part, "camera"), text(part, "centre"));
            }
        }
        if answer["more"] == true {
            out.push_str("there are more (hint: a later --from, or a larger --last)\n");
        }
        say(if out.is_empty() { "no journeys\n" } else { &out })?;
        behind(&answer)
    }
}

impl Cameras {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let answer = self.remote.ask(&Ask::Get, "/v1/cameras", &[])?;
        let cameras = answer["cameras"].as_array().map_or(&[][..], Vec::as_slice);
        let well = !cameras.iter().any(|camera| camera["silent"] == true);
        let outcome = if well { Outcome::Well } else { Outcome::NotWell };
        if self.remote.json {
            say(&format!("{answer:#}\n"))?;
            return Ok(outcome);
        }
        let mut out = format!("{:16} {:12} {:20} {:>10}  state\n", "camera", "centre", "last seen", "lag");
        for camera in cameras {
            let seen = camera["seen_ms"].as_u64().map_or_else(|| "never".to_owned(), time);
            let lag = camera["lag_ms"].as_u64().map_or_else(String::new, |ms| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100));
            let silent = camera["silent_since_ms"].as_u64().map(|since| format!("silent since {}", time(since)));
            let capture = camera["capture"]["state"].as_str().map(str::to_owned);
            let state = silent.or(capture).unwrap_or_else(|| "-".to_owned());
            _ = writeln!(out, "{:16} {:12} {seen:20} {lag:>10}  {state}", text(camera, "camera"), text(camera, "centre"));
        }
        say(&out)?;
        behind(&answer)?;
        Ok(outcome)
    }
}

/// Says so where an answer does not tell all that was published.
fn behind(answer: &Value) -> anyhow::Result<Outcome> {
    match answer["behind_ms"].as_u64() {
        Some(0..=9_999) => {}
        Some(ms) => say(&format!("the server still reads what was published before: it is {} s behind\n", ms / 1_000))?,
        None => say("the server has not begun to read what was published\n")?,
    }
    Ok(Outcome::Well)
}

fn line(alert: &Value) -> String {
    let at = alert["at_ms"].as_u64().map_or_else(String::new, time);
    let what = alert["text"].as_str().unwrap_or("It rests on what another centre's cameras saw, which is withheld.");
    let doubt = if alert["certain"] == true { "" } else { "suspicion, " };
    let (id, status, rule, centre) = (text(alert, "id"), text(alert, "status"), text(alert, "rule"), text(alert, "centre"));
    format!("{at}  {id}  {centre}  {rule} ({doubt}{status})  {what}\n")
}

fn one(alert: &Value) -> String {
    let mut out = line(alert);
    let told = |field: &str| alert[field].as_u64().map_or_else(String::new, time);
    _ = writeln!(out, "  revision {}, told {}, changed {}", alert["revision"], told("told_ms"), told("changed_ms"));
    for (name, field) in [("measured", "measured"), ("limit", "limit")] {
        for (quantity, value) in alert[field].as_object().into_iter().flatten() {
            _ = writeln!(out, "  {name:10} {quantity} {value}");
        }
    }
    for evidence in alert["evidence"].as_array().into_iter().flatten() {
        let at = evidence["at_ms"].as_u64().map_or_else(String::new, time);
        let sighting = evidence["sighting"].as_str().map(|id| format!("  sighting {id}")).unwrap_or_default();
        _ = writeln!(out, "  {:10} {at}  {}  {}{sighting}", "evidence", text(evidence, "camera"), text(evidence, "centre"));
    }
    let (review, seen) = (&alert["review"], &alert["acknowledged"]);
    if seen.is_object() {
        let at = seen["at_ms"].as_u64().map_or_else(String::new, time);
        _ = writeln!(out, "  {:10} {} sees to it since {at}", "ack", text(seen, "who"));
    }
    if review.is_object() {
        let at = review["at_ms"].as_u64().map_or_else(String::new, time);
        let why = review["reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let note = Some(text(review, "note")).filter(|note| !note.is_empty()).map(|note| format!(": {note}")).unwrap_or_default();
        let (decision, who, revision) = (text(review, "decision"), text(review, "who"), &review["revision"]);
        _ = writeln!(out, "  {:10} {decision}{why} by {who}, {at}, at revision {revision}{note}", "review");
    }
    let record = &alert["record"];
    _ = writeln!(out, "  {:10} {}/{} at {}", "record", text(record, "topic"), record["partition"], record["offset"]);
    out
}
