//! What a person is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Id, Name, Plate};

/// What a person is told: one violation, hit or fault, with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Derived from the rule and the evidence that makes this alert the one it is.
    pub id: Id,
    /// The rule that raised it.
    pub rule: Name,
    /// Whether even the bound most favourable to the driver violates; else it is a suspicion.
    pub certain: bool,
    /// 0 to 100, highest first.
    pub priority: u8,
    /// When it happened, milliseconds since the epoch.
    pub at_ms: u64,
    /// The monitoring centre it concerns.
    pub centre: Name,
    /// The vehicle's plate, if known.
    pub plate: Option<Plate>,
    /// The vehicle's journey, if known.
    pub journey: Option<Id>,
    /// What it rests on, in the order the rule documents.
    pub evidence: Vec<Evidence>,
    /// What was measured, integers with units in their names.
    pub measured: Quantities,
    /// The limits it was held against, likewise.
    pub limit: Quantities,
    /// One sentence a person can read.
    pub text: String,
}

/// One thing an alert rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The sighting, if it is one.
    pub sighting: Option<Id>,
    /// The camera.
    pub camera: Name,
    /// When, milliseconds since the epoch.
    pub at_ms: u64,
}

/// Named integers, written as an object: `{"speed_cms": 1530, "lower_cms": 1508}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantities(pub Vec<(Name, i64)>);

impl Quantities {
    /// Quantities in the order given.
    #[must_use]
    pub fn of<const N: usize>(pairs: [(&str, i64); N]) -> Self {
        Self(pairs.iter().map(|(name, value)| (Name::of(name), *value)).collect())
    }

    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<i64> {
        self.0.iter().find(|(n, _)| n.as_str() == name).map(|(_, value)| *value)
    }
}

impl Serialize for Quantities {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Quantities {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> serde::de::Visitor<'de> for Pairs {
            type Value = Quantities;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of integers")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Quantities, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Quantities(pairs))
            }
        }
        d.deserialize_map(Pairs)
    }
}

impl JsonSchema for Quantities {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantities".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object", "additionalProperties": { "type": "integer" } })
    }
}
