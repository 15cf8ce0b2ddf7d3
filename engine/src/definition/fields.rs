//! A mapping of a configuration, field by field: everything that is wrong is told, each with its place.

use serde::de::DeserializeOwned;

use super::{DecodeError, Field, FieldFault, Problems, Value, decode_fields};

/// Reads a mapping into a struct whose fields all have defaults; each field is tried on its own, so that all faults are told.
pub(crate) fn read_fields<T: DeserializeOwned>(field: &Field, what: &str, problems: &mut Problems) -> Option<T> {
    if !matches!(field.value.value, Value::Map(_)) {
        problems.error(field.value.at, format!("{what} must be a mapping, not {}", field.value.describe()), None);
        return None;
    }
    let given: Vec<&Field> = field.value.fields().iter().collect();
    let faults = given.iter().filter_map(|field| decode_fields::<T>(&[field]).err().map(|error| (*field, error)));
    let faults: Vec<_> = faults.collect();
    let sound = faults.is_empty();
    faults.into_iter().for_each(|(field, error)| tell(error, field, what, problems));
    if sound { decode_fields(&given).ok() } else { None }
}

/// Tells what is wrong with a field of something.
pub(crate) fn tell(error: DecodeError, field: &Field, what: &str, problems: &mut Problems) {
    match &error.field {
        Some(FieldFault::Unknown(name)) => {
            problems.error(error.at.unwrap_or(field.at), format!("unknown field {name:?} in {what}"), error.hint);
        }
        _ => {
            let message = format!("wrong value for {:?} in {what}: {}", field.key, error.message);
            problems.error(error.at.unwrap_or(field.value.at), message, error.hint);
        }
    }
}
