//! Records by fields that a definition names: `by: [camera, plate.text]`.

use cel::Value;
use cel::objects::{Key, Map};
use schemas::Id;
use serde::{Deserialize, Serialize};

use super::condition::{ConditionError, fields, some_fields};
use super::custom::Subject;
use super::template::{begun, field, written};
use crate::Changes;

/// A record with its key and its time, worked out once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Keyed<S> {
    pub(super) key: String,
    pub(super) at_ms: u64,
    pub(super) record: S,
}

impl<S> Keyed<S> {
    /// Key and event time, as the general verbs want them.
    pub(super) fn by(&self) -> (String, u64) {
        (self.key.clone(), self.at_ms)
    }
}

/// What becomes of a record that lacks a field of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyless {
    /// It meets no other record.
    Alone,
    /// It takes no part.
    Out,
}

/// Whether a kind of record has these fields.
///
/// # Errors
/// No field is named, or one that records of this kind do not have.
pub fn check_by<S: Subject>(by: &[String]) -> Result<(), ConditionError> {
    let specimen = fields(&S::specimen()).map_err(ConditionError::Fails)?;
    let known = || format!("there are {}", S::FIELDS.join(", "));
    if by.is_empty() {
        return Err(ConditionError::Key(format!("names no field; {}", known())));
    }
    match by.iter().find(|path| field(&names(path), &specimen).is_none()) {
        Some(path) => Err(ConditionError::Key(format!("there is no field {path:?}; {}", known()))),
        None => Ok(()),
    }
}

/// Gives every record its key: the fields' values as text.
pub(super) fn keyed<'scope, S: Subject>(records: Changes<'scope, S>, by: &[String], keyless: Keyless) -> Changes<'scope, Keyed<S>> {
    let paths: Vec<Vec<String>> = by.iter().map(|path| names(path)).collect();
    let named = begun(S::FIELDS, paths.iter());
    records.flat_map(move |record| {
        let fields = some_fields(&record, &named).unwrap_or_default();
        let value =
            |path: &Vec<String>| field(path, &fields).filter(|value| !matches!(value, Value::Null)).map(|value| written(Some(value)));
        let described = record.describe();
        let key = match paths.iter().map(value).collect::<Option<Vec<String>>>() {
            Some(values) => values.join("\u{1f}"),
            None if keyless == Keyless::Alone => alone(described.id),
            None => return None,
        };
        Some(Keyed { key, at_ms: described.at_ms, record })
    })
}

/// A key no other record has: no field's text begins like this.
fn alone(id: Id) -> String {
    format!("\u{1e}{id}")
}

fn names(path: &str) -> Vec<String> {
    path.split('.').map(|name| name.trim().to_owned()).collect()
}

/// A record's fields as one value, for conditions over two records.
pub(super) fn object(record: &impl Subject) -> Value {
    let named = fields(record).unwrap_or_default();
    Value::Map(Map { map: std::sync::Arc::new(named.into_iter().map(|(name, value)| (Key::from(name), value)).collect()) })
}
