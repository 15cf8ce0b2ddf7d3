//! Everything in a field that does not fit its type, and not the first thing alone.
//!
//! ```text
//! field ─▶ read ─▶ a fault ─▶ taken out of a copy ─▶ read again ─▶ the next fault … ─▶ what is left fits
//! ```

use serde::de::DeserializeOwned;

use super::decode::{DecodeError, FieldFault, decode_fields};
use super::{Field, Node, Position, Value, did_you_mean};

/// The most faults of one field that are told.
const FAULTS_MOST: usize = 32;

/// What was taken out of a copy.
#[derive(Default)]
struct Taken {
    /// The mapping something was taken from, and its key.
    keys: Vec<(Position, String)>,
    /// The mappings around it: what is wrong with one as a whole may be so for what is lacking now.
    around: Vec<Position>,
}

impl Taken {
    /// Whether a field was taken from the mapping at a place that has this name, or nearly so.
    fn was_meant(&self, at: Position, name: &str) -> bool {
        let is_meant = |key: &str| key == name || did_you_mean(key, [name]).is_some_and(|hint| hint.starts_with("did"));
        self.keys.iter().any(|(from, key)| *from == at && is_meant(key))
    }
}

/// What does not fit in one of the fields of `P`, in the order in which it is read.
pub(super) fn faults<P: DeserializeOwned>(field: &Field) -> Vec<DecodeError> {
    let (mut rest, mut taken, mut faults) = (field.clone(), Taken::default(), Vec::new());
    while faults.len() < FAULTS_MOST
        && let Err(error) = decode_fields::<P>(&[&rest])
    {
        let Some(at) = error.at else {
            // Of which field it is nobody said: that another one is missing is no fault of this one.
            faults.extend((!matches!(error.field, Some(FieldFault::Missing(_)))).then_some(error));
            break;
        };
        let (unknown, caused) = match &error.field {
            Some(FieldFault::Unknown(name)) => (Some(name.clone()), false),
            Some(FieldFault::Missing(name)) => (None, taken.was_meant(at, name)),
            None => (None, taken.around.contains(&at)),
        };
        if !caused {
            faults.push(error);
        }
        if !take_out(&mut rest.value, at, unknown.as_deref(), &mut taken) {
            break;
        }
    }
    faults
}

/// Takes out the field that is what stands at a place, or lists it, or is an unknown one there.
fn take_out(node: &mut Node, at: Position, unknown: Option<&str>, taken: &mut Taken) -> bool {
    let found = match &mut node.value {
        Value::Map(fields) => {
            let is_it = |field: &Field| match unknown {
                Some(name) => field.key == name && field.at == at,
                None => stands(&field.value, at),
            };
            if let Some(place) = fields.iter().position(is_it) {
                taken.keys.push((node.at, fields.remove(place).key));
                true
            } else {
                fields.iter_mut().any(|field| take_out(&mut field.value, at, unknown, taken))
            }
        }
        Value::List(items) => match items.iter().position(|item| item.at == at && unknown.is_none()) {
            Some(place) => {
                items.remove(place);
                true
            }
            None => items.iter_mut().any(|item| take_out(item, at, unknown, taken)),
        },
        _ => false,
    };
    if found {
        taken.around.push(node.at);
    }
    found
}

/// Whether a value stands at a place, or in a list an item that is no mapping: three numbers without one are of another kind.
fn stands(node: &Node, at: Position) -> bool {
    let listed = |item: &Node| !matches!(item.value, Value::Map(_)) && stands(item, at);
    node.at == at || matches!(&node.value, Value::List(items) if items.iter().any(listed))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::super::Problems;
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "lowercase")]
    #[expect(dead_code, reason = "it is only read")]
    enum Shape {
        Dot,
        Box(Sides),
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is only read")]
    struct Sides {
        sides: [u32; 2],
        name: String,
        #[serde(default)]
        inner: BTreeMap<String, u8>,
        #[serde(default)]
        several: Vec<Sides>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is only read")]
    struct Parameters {
        shape: Shape,
        other: u32,
    }

    fn told(text: &str) -> Vec<String> {
        let node = Node::read(text, &mut Problems::of("text")).unwrap();
        let place = |error: &DecodeError| error.at.map_or("-".to_owned(), |at| format!("{}:{}", at.line, at.column));
        faults::<Parameters>(&node.fields()[0]).iter().map(|error| format!("{} {}", place(error), error.message)).collect()
    }

    #[test]
    fn what_fits_has_no_faults() {
        assert!(told("shape: {box: {sides: [1, 2], name: a, inner: {b: 3}}}").is_empty());
        assert!(told("shape: dot").is_empty());
    }

    #[test]
    fn every_fault_of_a_field_is_told_once_with_its_place() {
        let block = "shape:\n  box:\n    nam: a\n    sides: [1, x]\n    name: [2]\n    inner:\n      a: 1\n      b: 300\n      c: y\n";
        let wanted = [
            "3:5 unknown field \"nam\"",
            "4:16 must be a whole number, not below 0, not the text \"x\"",
            "5:11 must be text, not a list",
            "8:10 must be a whole number from 0 to 255, not the number 300",
            "9:10 must be a whole number from 0 to 255, not the text \"y\"",
        ];
        assert_eq!(told(block), wanted);
    }

    #[test]
    fn what_is_missing_is_told_unless_it_was_wrong() {
        assert_eq!(told("shape: {box: {sides: [1, 2]}}"), ["1:14 missing field \"name\""]);
        assert_eq!(told("shape: {box: {sides: 7, name: a}}"), ["1:22 must be an array of length 2, not the number 7"]);
        assert_eq!(told("shape: {box: {name: 7}}"), ["1:21 must be text, not the number 7", "1:14 missing field \"sides\""]);
        let several = "shape: {box: {sides: [1, 2], name: a, several: [{sides: [1, 2]}, {nam: b, sides: [1, 2]}, {name: c}]}}";
        let wanted = ["1:49 missing field \"name\"", "1:67 unknown field \"nam\"", "1:91 missing field \"sides\""];
        assert_eq!(told(several), wanted);
        assert_eq!(told("shape: 7"), ["1:8 must be one of dot, box (Shape), not the number 7"]);
    }
}
