//! The general verbs as a definition uses them: records of any kind by the fields it names.
//!
//! ```text
//! filter · retain · deduplicate · suppress      records in, fewer of them out
//! sessionize                                    records in, one alert for each series
//! interval_join · as_of_join                    two kinds of records in, one alert for each pair
//! ```
//!
//! What they mean for streams is said in [`stream`]; here they meet the words of a definition. A record that
//! lacks a field it is to be compared by meets no other.

use std::sync::Arc;

use cel::Value;
use schemars::JsonSchema;
use schemas::{Alert, City, Duration, HotlistEntry, Id, Name, Quantities, Sighting};
use serde::{Deserialize, Serialize};

use super::condition::{Condition, ConditionError, some_fields};
use super::custom::{Description, Subject, custom_name, middle_priority, named_fields};
use super::keyed::{Keyed, Keyless, check_by, keyed, object};
use super::map::Map;
use super::raise::raise;
use super::template::Template;
use crate::Changes;
use crate::stream::{self, Interval, Sessions};

/// Which records `filter` keeps.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterParameters {
    /// The condition, in CEL over the record's fields: `class == "truck"`. One that fails on a record does not hold for it.
    #[serde(rename = "where")]
    pub condition: String,
}

/// How long `retain` hears of a record.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetainParameters {
    /// How long after its event time a record may still come, be revised or be taken back, such as `2 min`.
    pub window: Duration,
}

/// What makes records one series, and for how long: for `deduplicate` and `suppress`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesParameters {
    /// Fields in which records of one series are equal: `[rule, plate.text]`. A record that lacks one of them stands.
    pub by: Vec<String>,
    /// How close in event time they follow each other, such as `10 min`.
    pub window: Duration,
    /// How late a record may come, or be taken back. Default `15 min`, a job's own.
    #[serde(default = "usual_lateness")]
    pub lateness: Duration,
}

/// Which series `sessionize` tells, and what it says.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionizeParameters {
    /// Fields in which the records of a session are equal: `[camera, plate.text]`. A record that lacks one takes no part.
    pub by: Vec<String>,
    /// The most time between a record and the next of its session, such as `5 min`.
    pub gap: Duration,
    /// The most time from the first to the last; a longer series is cut at the clock's multiples of it. Default `2 h`.
    #[serde(default = "two_hours")]
    pub longest: Duration,
    /// How many records a session has at least to be told. Default 2.
    #[serde(default = "two")]
    pub at_least: u32,
    /// The rule's name in its alerts. Default `custom`.
    #[serde(default = "custom_name")]
    pub name: Name,
    /// What is said. `{count}` stands for the number of records; other fields are the last record's.
    pub text: String,
    /// Whether its alerts are certain; only the author knows whether that leaves room for doubt. Default `false`.
    #[serde(default)]
    pub certain: bool,
    /// The alerts' priority, 0 to 100. Default 50.
    #[serde(default = "middle_priority")]
    pub priority: u8,
    /// How late a record may come, or be taken back. Default `15 min`, a job's own.
    #[serde(default = "usual_lateness")]
    pub lateness: Duration,
}

/// Which pairs `interval_join` tells, and what it says.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntervalJoinParameters {
    /// Fields in which both sightings are equal: `[plate.text]`. A sighting that lacks one takes no part.
    pub by: Vec<String>,
    /// How long after the left sighting the right one is at the earliest. Default `0 s`.
    #[serde(default = "no_time")]
    pub after: Duration,
    /// How long after it at the latest, such as `10 min`.
    pub within: Duration,
    /// The condition, in CEL over the two: `left.camera != right.camera`. Default: every pair.
    #[serde(rename = "where", default = "always")]
    pub condition: String,
    /// The rule's name in its alerts. Default `custom`.
    #[serde(default = "custom_name")]
    pub name: Name,
    /// What is said: `{left.plate.text} was at {left.camera} and {right.camera}`.
    pub text: String,
    /// Whether its alerts are certain; only the author knows whether that leaves room for doubt. Default `false`.
    #[serde(default)]
    pub certain: bool,
    /// The alerts' priority, 0 to 100. Default 50.
    #[serde(default = "middle_priority")]
    pub priority: u8,
    /// How late a record may come, or be taken back. Default `15 min`, a job's own.
    #[serde(default = "usual_lateness")]
    pub lateness: Duration,
}

/// Which records `as_of_join` tells, and what it says.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AsOfJoinParameters {
    /// Fields of the record by which its entry is found: `[plate.text]`.
    pub by: Vec<String>,
    /// The entry's fields that must be equal to those, in the same order. Default `[plate]`.
    #[serde(default = "plate")]
    pub entry_by: Vec<String>,
    /// The condition, in CEL over the two: `right.list == "stolen" && left.until_ms < right.until_ms`. Default: every pair.
    #[serde(rename = "where", default = "always")]
    pub condition: String,
    /// The rule's name in its alerts. Default `custom`.
    #[serde(default = "custom_name")]
    pub name: Name,
    /// What is said: `{left.plate.text} is on the list {right.list}`.
    pub text: String,
    /// Whether its alerts are certain; only the author knows whether that leaves room for doubt. Default `false`.
    #[serde(default)]
    pub certain: bool,
    /// The alerts' priority, 0 to 100. Default 50.
    #[serde(default = "middle_priority")]
    pub priority: u8,
    /// How late a record may come, or be taken back. Default `15 min`, a job's own.
    #[serde(default = "usual_lateness")]
    pub lateness: Duration,
}

fn usual_lateness() -> Duration {
    Duration::from_ms(900_000)
}

fn two_hours() -> Duration {
    Duration::from_ms(7_200_000)
}

fn no_time() -> Duration {
    Duration::from_ms(0)
}

fn two() -> u32 {
    2
}

fn always() -> String {
    "true".to_owned()
}

fn plate() -> Vec<String> {
    vec!["plate".to_owned()]
}

/// Keeps the records for which the condition holds.
///
/// # Errors
/// The condition is not valid for this kind of record.
pub fn filter<'scope, S: Subject>(
    records: Changes<'scope, S>,
    parameters: &FilterParameters,
) -> Result<Changes<'scope, S>, ConditionError> {
    let condition = Condition::compile(&parameters.condition)?;
    condition.check::<S>()?;
    let asked = condition.asks_for(S::FIELDS);
    Ok(records.filter(move |record| some_fields(record, &asked).is_ok_and(|fields| condition.holds(&fields))))
}

/// Lets a record come, be revised and be taken back only so long after its event time; then it stays as it is.
pub fn retain<'scope, S: Subject>(records: Changes<'scope, S>, parameters: &RetainParameters) -> Changes<'scope, S> {
    stream::retain(records, |record| record.describe().at_ms, parameters.window.ms())
}

/// Of records of one series, each less than a window after the one before, only the first stands.
///
/// # Errors
/// Records of this kind lack a field.
pub fn deduplicate<'scope, S: Subject>(
    records: Changes<'scope, S>,
    parameters: &SeriesParameters,
) -> Result<Changes<'scope, S>, ConditionError> {
    check_by::<S>(&parameters.by)?;
    let rows = keyed(records, &parameters.by, Keyless::Alone);
    let (window_ms, lateness_ms) = (parameters.window.ms(), parameters.lateness.ms());
    Ok(stream::deduplicate(rows, "deduplicate", Keyed::by, window_ms, lateness_ms).map(|row| row.record))
}

/// Of records of one series one stands and holds back the others for a window.
///
/// # Errors
/// Records of this kind lack a field.
pub fn suppress<'scope, S: Subject>(
    records: Changes<'scope, S>,
    parameters: &SeriesParameters,
) -> Result<Changes<'scope, S>, ConditionError> {
    check_by::<S>(&parameters.by)?;
    let rows = keyed(records, &parameters.by, Keyless::Alone);
    let (window_ms, lateness_ms) = (parameters.window.ms(), parameters.lateness.ms());
    Ok(stream::suppress(rows, "suppress", Keyed::by, window_ms, lateness_ms).map(|row| row.record))
}

/// Raises one alert for each series of records, if it is long enough.
///
/// # Errors
/// Records of this kind lack a field, or the text names one they lack.
pub fn sessionize<'scope, S: Subject>(
    records: Changes<'scope, S>,
    city: Arc<City>,
    parameters: SessionizeParameters,
) -> Result<Changes<'scope, Alert>, ConditionError> {
    check_by::<S>(&parameters.by)?;
    let template = session_text::<S>(&parameters.text)?;
    let said = template.asks_for(S::FIELDS);
    let (gap_ms, longest_ms) = (parameters.gap.ms(), parameters.longest.ms());
    let sessions = Sessions { gap_ms, longest_ms, lateness_ms: parameters.lateness.ms() };
    let rows = keyed(records, &parameters.by, Keyless::Out);
    let (map, name, at_least) = (Map::new(city), parameters.name, parameters.at_least as usize);
    let saying = saying(parameters.name, parameters.text, parameters.certain, parameters.priority);
    let alerts = stream::sessionize(rows, name.as_str(), Keyed::by, sessions, move |rows: &[(u64, &Keyed<S>)]| {
        let (first, last) = (rows.first()?.1, rows.last()?.1);
        (rows.len() >= at_least).then(|| {
            let mut named = some_fields(&last.record, &said).unwrap_or_default();
            named.push(("count".to_owned(), Value::Int(rows.len() as i64)));
            let parts: Vec<Description> = rows.iter().map(|(_, row)| row.record.describe()).collect();
            let id = Id::of("session").number(first.record.describe().id.0);
            tell(id, &parts, template.fill(&named), &map, &saying)
        })
    });
    Ok(raise(alerts, name.as_str()))
}

/// Raises an alert for each pair of sightings, the right one so long after the left one, for which the condition holds.
///
/// # Errors
/// Sightings lack a field, or the condition or the text is not valid.
pub fn interval_join<'scope>(
    left: Changes<'scope, Arc<Sighting>>,
    right: Changes<'scope, Arc<Sighting>>,
    city: Arc<City>,
    parameters: IntervalJoinParameters,
) -> Result<Changes<'scope, Alert>, ConditionError> {
    check_by::<Arc<Sighting>>(&parameters.by)?;
    let saying = saying(parameters.name, parameters.text, parameters.certain, parameters.priority);
    let pairs = Pairs::new::<Arc<Sighting>, Arc<Sighting>>(&parameters.condition, saying, city)?;
    let [lower_ms, upper_ms] = [parameters.after, parameters.within].map(|span| i64::try_from(span.ms()).unwrap_or(i64::MAX));
    let interval = Interval { lower_ms, upper_ms, lateness_ms: parameters.lateness.ms() };
    let [left, right] = [left, right].map(|side| keyed(side, &parameters.by, Keyless::Out));
    let name = pairs.saying.name;
    let alerts =
        stream::interval_join(left, right, name.as_str(), Keyed::by, Keyed::by, interval, move |a, b| pairs.tell(&a.record, &b.record));
    Ok(raise(alerts, name.as_str()))
}

/// Raises an alert for each record and the hotlist entry in force at its time, for which the condition holds.
///
/// # Errors
/// Records of this kind lack a field, or the condition or the text is not valid.
pub fn as_of_join<'scope, S: Subject>(
    records: Changes<'scope, S>,
    entries: Changes<'scope, HotlistEntry>,
    city: Arc<City>,
    parameters: AsOfJoinParameters,
) -> Result<Changes<'scope, Alert>, ConditionError> {
    check_by::<S>(&parameters.by)?;
    check_by::<HotlistEntry>(&parameters.entry_by)?;
    let saying = saying(parameters.name, parameters.text, parameters.certain, parameters.priority);
    let pairs = Pairs::new::<S, HotlistEntry>(&parameters.condition, saying, city)?;
    let records = keyed(records, &parameters.by, Keyless::Out);
    let entries = keyed(entries, &parameters.entry_by, Keyless::Out);
    let (name, lateness_ms) = (pairs.saying.name, parameters.lateness.ms());
    let tell = move |a: &Keyed<S>, b: &Keyed<HotlistEntry>| pairs.tell(&a.record, &b.record);
    Ok(raise(stream::as_of_join(records, entries, name.as_str(), Keyed::by, Keyed::by, lateness_ms, tell), name.as_str()))
}

/// Whether a condition can be asked of pairs of these kinds of records.
///
/// # Errors
/// It is not CEL, names something else than `left` and `right`, or fails on records that have every field.
pub fn check_pairs<L: Subject, R: Subject>(condition: &str) -> Result<(), ConditionError> {
    Condition::compile(condition)?.check_over(&SIDES, &sides(&L::specimen(), &R::specimen()))
}

/// Whether a text can be said of a session of these records.
///
/// # Errors
/// A brace is not closed, or names a field they lack.
pub fn check_session<S: Subject>(text: &str) -> Result<(), ConditionError> {
    session_text::<S>(text).map(drop)
}

fn session_text<S: Subject>(text: &str) -> Result<Template, ConditionError> {
    let known: Vec<&str> = S::FIELDS.iter().copied().chain(["count"]).collect();
    Template::parse(text, &known).map_err(ConditionError::Text)
}

/// The names of the two records of a pair, in conditions and texts.
const SIDES: [&str; 2] = ["left", "right"];

/// What is asked and said of two records.
struct Pairs {
    condition: Condition,
    template: Template,
    saying: Saying,
    map: Map,
}

impl Pairs {
    fn new<L: Subject, R: Subject>(condition: &str, saying: Saying, city: Arc<City>) -> Result<Self, ConditionError> {
        check_pairs::<L, R>(condition)?;
        let condition = Condition::compile(condition)?;
        let template = Template::parse(&saying.text, &SIDES).map_err(ConditionError::Text)?;
        Ok(Self { condition, template, saying, map: Map::new(city) })
    }

    fn tell(&self, left: &impl Subject, right: &impl Subject) -> Option<Alert> {
        let named = sides(left, right);
        let parts = [left.describe(), right.describe()];
        let id = Id::of("pair").number(parts[0].id.0).number(parts[1].id.0);
        self.condition.holds(&named).then(|| tell(id, &parts, self.template.fill(&named), &self.map, &self.saying))
    }
}

fn sides(left: &impl Subject, right: &impl Subject) -> Vec<(String, Value)> {
    SIDES.into_iter().map(str::to_owned).zip([object(left), object(right)]).collect()
}

/// What an alert of a general verb says.
struct Saying {
    name: Name,
    text: String,
    certain: bool,
    priority: u8,
}

fn saying(name: Name, text: String, certain: bool, priority: u8) -> Saying {
    Saying { name, text, certain, priority }
}

/// An alert that rests on some records: it happened at the last of them.
fn tell(id: schemas::IdHasher, parts: &[Description], text: String, map: &Map, saying: &Saying) -> Alert {
    let evidence: Vec<_> = parts.iter().flat_map(|part| part.evidence.iter().copied()).collect();
    let last = evidence.iter().max_by_key(|one| one.at_ms);
    Alert {
        id: id.with(saying.name.as_str().as_bytes()).finish(),
        rule: saying.name,
        certain: saying.certain,
        priority: saying.priority,
        at_ms: last.map_or_else(|| parts.iter().map(|part| part.at_ms).max().unwrap_or_default(), |last| last.at_ms),
        centre: last.map_or(Name::of("unknown"), |last| map.centre(last.camera)),
        plate: parts.iter().find_map(|part| part.plate),
        journey: parts.iter().find_map(|part| part.journey),
        evidence,
        measured: Quantities::default(),
        limit: Quantities::default(),
        text,
    }
}

impl Subject for Arc<Alert> {
    named_fields!(|alert| alert; id, rule, certain, priority, at_ms, centre, plate, journey, evidence, measured, limit, text);

    fn describe(&self) -> Description {
        let Alert { id, at_ms, plate, journey, .. } = **self;
        Description { id, at_ms, plate, journey, evidence: self.evidence.clone() }
    }

    fn specimen() -> Self {
        let sighting = Arc::<Sighting>::specimen();
        let mut alert = Alert {
            id: Id(1),
            rule: Name::of("rule"),
            certain: true,
            priority: 50,
            at_ms: 9_000,
            centre: Name::of("centre"),
            plate: sighting.plate,
            journey: Some(Id(1)),
            evidence: sighting.describe().evidence,
            measured: Quantities::default(),
            limit: Quantities::default(),
            text: "text".to_owned(),
        };
        alert.measured = Quantities::of([("speed_cms", 1)]);
        Self::new(alert)
    }
}

impl Subject for HotlistEntry {
    named_fields!(|entry| entry; list, plate, kind, priority, reason, from_ms, until_ms, deleted);

    fn describe(&self) -> Description {
        let id = Id::of("entry").with(self.list.as_str().as_bytes()).with(self.plate.symbols()).finish();
        Description { id, at_ms: self.from_ms, plate: None, journey: None, evidence: Vec::new() }
    }

    fn specimen() -> Self {
        Self {
            list: Name::of("list"),
            plate: Arc::<Sighting>::specimen().plate.map_or_else(Default::default, |plate| plate.text),
            kind: schemas::PlateKind::Car,
            priority: 50,
            reason: "reason".to_owned(),
            from_ms: 1_000,
            until_ms: 9_000,
            deleted: false,
        }
    }
}
