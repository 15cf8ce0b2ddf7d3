//! What is read quickly is what `serde_json` reads, and nothing else is taken.

use std::fmt::Write as _;

use proptest::{collection::vec, prelude::*, sample::Index, sample::select};
use schemas::Observation;
use schemas::wire::Format;
use serde_json::Value;

use crate::generate::Generate;

/// Both read the bytes alike, or both refuse them.
fn alike(bytes: &[u8]) -> Result<(), TestCaseError> {
    let ours = Format::Json.decode::<Observation>(bytes).ok();
    let theirs = serde_json::from_slice::<Observation>(bytes).ok().filter(|record| record.check().is_ok());
    // We take objects only, and they arrays of the fields in order as well.
    let theirs = theirs.filter(|_| bytes.trim_ascii_start().starts_with(b"{"));
    prop_assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(bytes));
    Ok(())
}

/// The same value with its fields turned round, and blanks between everything.
fn turned(value: &Value, blank: &str, into: &mut String) {
    match value {
        Value::Object(fields) => {
            into.push('{');
            for (i, (name, value)) in fields.iter().rev().enumerate() {
                let comma = if i > 0 { "," } else { "" };
                write!(into, "{comma}{blank}{}{blank}:{blank}", Value::from(name.as_str())).unwrap();
                turned(value, blank, into);
            }
            write!(into, "{blank}}}").unwrap();
        }
        Value::Array(values) => {
            into.push('[');
            for (i, value) in values.iter().enumerate() {
                into.push_str(if i > 0 { "," } else { blank });
                turned(value, blank, into);
            }
            write!(into, "{blank}]").unwrap();
        }
        other => write!(into, "{other}").unwrap(),
    }
}

/// What is put in where something is damaged: all that means something in JSON, and words that nearly do.
const TOKENS: [&str; 34] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\\"",
    "\\u0041",
    "-",
    "-0",
    "0",
    "00",
    "1",
    "9",
    "65536",
    "2147483648",
    "-2147483649",
    "18446744073709551615",
    "18446744073709551616",
    ".0",
    "e1",
    "null",
    "nul",
    "true",
    "\"frame\":1,",
    "\"lens\":{},",
    "\"kind\":\"car\",",
    " ",
    "\t",
    "\u{b}",
    "Đ",
    "\u{7f}",
];

/// Damage: where from, where to, and what takes its place.
type Damage = (Index, usize, &'static str);

/// Something put in at random hardly ever makes sense; where a value or a field begins it often does.
fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for (at, length, by) in damages {
        let begins: Vec<usize> = (1..bytes.len()).filter(|i| b"{[,:".contains(&bytes[i - 1])).collect();
        let from = if length % 2 == 0 && !begins.is_empty() { begins[at.index(begins.len())] } else { at.index(bytes.len() + 1) };
        let until = (from + length).min(bytes.len());
        bytes.splice(from..until, by.bytes());
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_it_is_written(record in Observation::any(), blank in select(vec!["", " ", "\n\t", "\r\n  "])) {
        let value = serde_json::to_value(&record).unwrap();
        let mut text = String::new();
        turned(&value, blank, &mut text);
        prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value);
        alike(text.as_bytes())?;
        alike(value.to_string().as_bytes())?;
        alike(serde_json::to_string_pretty(&record).unwrap().as_bytes())?;
    }

    #[test]
    fn however_it_is_damaged(record in Observation::any(), damages in vec((any::<Index>(), 0..4_usize, select(&TOKENS[..])), 1..4)) {
        alike(&damaged(serde_json::to_vec(&record).unwrap(), &damages))?;
    }

    #[test]
    fn wherever_bytes_are_others(record in Observation::any(), bytes in vec((any::<Index>(), any::<u8>()), 1..3), cut in any::<Option<Index>>()) {
        let mut json = serde_json::to_vec(&record).unwrap();
        bytes.iter().for_each(|(at, byte)| {
            let at = at.index(json.len());
            json[at] = *byte;
        });
        cut.iter().for_each(|at| json.truncate(at.index(json.len())));
        alike(&json)?;
    }
}
