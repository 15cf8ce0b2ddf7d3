//! `custom`: a rule written in a job definition, as a condition over the fields of one record.
//!
//! ```text
//! where: class == "truck" && against_cm > 300        a condition in CEL, the Common Expression Language
//! text: "{plate.text} reversed at {camera}"          a sentence with fields in braces
//! ```
//!
//! CEL is total: no loops, no clock, no way out. Fields are named as in the record's JSON; all numbers are signed integers.
//! Where a field is `null`, whatever is asked of what lies inside it is false.

use std::sync::Arc;

use cel::Value;
use differential_dataflow::ExchangeData;
use schemars::JsonSchema;
use schemas::{Alert, City, Evidence, Id, Journey, Name, Plate, Quantities, Sighting};
use serde::{Deserialize, Serialize};

use super::condition::{Condition, ConditionError, some_fields};
use super::map::Map;
use super::raise::raise;
use super::template::Template;
use crate::Changes;
use crate::city::Itinerary;

/// How a `custom` rule decides, and what it says.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomParameters {
    /// The rule's name in its alerts. Default `custom`.
    #[serde(default = "custom_name")]
    pub name: Name,
    /// The condition, in CEL over the record's fields: `class == "truck" && against_cm > 300`.
    #[serde(rename = "where")]
    pub condition: String,
    /// What is said, one sentence; `{plate.text}` stands for that field.
    pub text: String,
    /// Whether its alerts are certain; only the author knows whether the condition leaves room for doubt. Default `false`.
    #[serde(default)]
    pub certain: bool,
    /// The alerts' priority, 0 to 100. Default 50.
    #[serde(default = "middle_priority")]
    pub priority: u8,
}

/// What alerts are named after whose author gives no name.
pub(super) fn custom_name() -> Name {
    Name::of("custom")
}

/// The priority of alerts whose author gives none.
pub(super) fn middle_priority() -> u8 {
    50
}

/// Raises an alert for every record for which the condition holds.
///
/// Evidence: the sighting, when it was first seen; of a journey, all its sightings' cameras at the journey's last moment.
/// A condition that fails on a record (a division by zero, a comparison of a number with a text) does not hold for it.
///
/// # Errors
/// The condition or the text is not valid for this kind of record.
pub fn custom<'scope, S: Subject>(
    records: Changes<'scope, S>,
    city: Arc<City>,
    parameters: CustomParameters,
) -> Result<Changes<'scope, Alert>, ConditionError> {
    let condition = Condition::compile(&parameters.condition)?;
    condition.check::<S>()?;
    let template = Template::parse(&parameters.text, S::FIELDS).map_err(ConditionError::Text)?;
    let (map, name) = (Map::new(city), parameters.name);
    let [asked, said] = [condition.asks_for(S::FIELDS), template.asks_for(S::FIELDS)];
    let alerts = records.flat_map(move |record| {
        condition.holds(&some_fields(&record, &asked).ok()?).then_some(())?;
        Some(alert(&record, template.fill(&some_fields(&record, &said).ok()?), &map, &parameters))
    });
    Ok(raise(alerts, name.as_str()))
}

fn alert(record: &impl Subject, text: String, map: &Map, parameters: &CustomParameters) -> Alert {
    let Description { id, at_ms, plate, journey, evidence } = record.describe();
    Alert {
        id: Id::of("custom").with(parameters.name.as_str().as_bytes()).number(id.0).finish(),
        rule: parameters.name,
        certain: parameters.certain,
        priority: parameters.priority,
        at_ms,
        centre: evidence.last().map_or(Name::of("unknown"), |last| map.centre(last.camera)),
        plate,
        journey,
        evidence,
        measured: Quantities::default(),
        limit: Quantities::default(),
        text,
    }
}

/// What an alert needs to know of a record.
#[derive(Clone, Debug)]
pub struct Description {
    /// The record's id.
    pub id: Id,
    /// When it happened.
    pub at_ms: u64,
    /// The vehicle's plate.
    pub plate: Option<Plate>,
    /// The vehicle's journey.
    pub journey: Option<Id>,
    /// What the alert rests on.
    pub evidence: Vec<Evidence>,
}

/// The fields of a record of which conditions are asked: their names, and what each holds.
macro_rules! named_fields {
    (|$record:ident| $of:expr; $($name:ident),*) => {
        const FIELDS: &'static [&'static str] = &[$(stringify!($name)),*];

        fn field(&self, name: &str) -> Result<cel::Value, String> {
            let $record = self;
            match name {
                $(stringify!($name) => cel::to_value(&$of.$name).map_err(|error| error.to_string()),)*
                _ => Ok(cel::Value::Null),
            }
        }
    };
}
pub(super) use named_fields;

/// A kind of record that conditions can be asked of.
pub trait Subject: ExchangeData {
    /// The names of its fields.
    const FIELDS: &'static [&'static str];
    /// What a field holds, as its schema writes it; nothing if there is none of this name.
    ///
    /// # Errors
    /// It cannot be a value of a condition.
    fn field(&self, name: &str) -> Result<Value, String>;
    /// What an alert needs to know of it.
    fn describe(&self) -> Description;
    /// One that has every field.
    fn specimen() -> Self;
}

impl Subject for Arc<Sighting> {
    named_fields!(|sighting| sighting; id, camera, class, body, from_ms, until_ms, plate, crossings, stays, speed_cms, boxes, against_cm, against_from_ms);

    fn describe(&self) -> Description {
        let evidence = vec![Evidence { sighting: Some(self.id), camera: self.camera, at_ms: self.from_ms }];
        Description { id: self.id, at_ms: self.from_ms, plate: self.plate, journey: None, evidence }
    }

    fn specimen() -> Self {
        let line = Name::of("stop");
        Self::new(Sighting {
            id: Id(1),
            camera: Name::of("camera"),
            class: schemas::Class::Car,
            body: Some(schemas::Body::White),
            from_ms: 1_000,
            until_ms: 9_000,
            plate: Some(specimen_plate()),
            crossings: vec![schemas::Crossing { line, at_ms: 5_000, lane: Some(0), forward: true }],
            stays: vec![schemas::Stay { zone: line, from_ms: 1_000, until_ms: 2_000 }],
            speed_cms: Some(1_000),
            boxes: 10,
            against_cm: Some(1),
            against_from_ms: Some(1),
        })
    }
}

impl Subject for Arc<Itinerary> {
    named_fields!(|itinerary| itinerary.journey; id, plate, sightings, cameras, from_ms, until_ms, certainty);

    fn describe(&self) -> Description {
        let evidence = |s: &Arc<Sighting>| Evidence { sighting: Some(s.id), camera: s.camera, at_ms: s.from_ms };
        let Journey { id, plate, from_ms, .. } = *self.journey;
        Description { id, at_ms: from_ms, plate, journey: Some(id), evidence: self.sightings.iter().map(evidence).collect() }
    }

    fn specimen() -> Self {
        let sighting = Arc::<Sighting>::specimen();
        let journey = Journey {
            id: Id(1),
            plate: Some(specimen_plate()),
            sightings: vec![sighting.id],
            cameras: vec![sighting.camera],
            from_ms: 1_000,
            until_ms: 9_000,
            certainty: 990,
        };
        Self::new(Itinerary { journey: Arc::new(journey), sightings: vec![sighting], certainties: Vec::new() })
    }
}

fn specimen_plate() -> Plate {
    Plate {
        text: schemas::PlateText::of_symbols(b"88A12345").unwrap_or_default(),
        kind: schemas::PlateKind::Car,
        colour: schemas::PlateColour::White,
        confidence: schemas::Confidence::of(&[990; 8]).unwrap_or_default(),
    }
}
