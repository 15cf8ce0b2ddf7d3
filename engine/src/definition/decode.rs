//! From a [`Node`] to any type that serde can read, with the place of whatever does not fit.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::node::{Field, Node, Value};
use super::{Position, did_you_mean};

/// What does not fit, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The place of the innermost value that does not fit; `None` if it is the whole.
    pub at: Option<Position>,
    /// What is wrong with it.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The field that is unknown or missing, if that is what is wrong.
    pub field: Option<FieldFault>,
}

/// What is wrong with a field as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldFault {
    /// There is no field of that name.
    Unknown(String),
    /// The field must be given.
    Missing(String),
}

/// Reads a value.
///
/// # Errors
/// The first thing in it that does not fit.
pub fn decode<T: DeserializeOwned>(node: &Node) -> Result<T, DecodeError> {
    T::deserialize(At(node))
}

/// Reads a mapping given by some of its fields.
///
/// # Errors
/// The first thing in it that does not fit.
pub fn decode_fields<T: DeserializeOwned>(fields: &[&Field]) -> Result<T, DecodeError> {
    T::deserialize(de::value::MapAccessDeserializer::new(FieldsAccess { rest: fields.iter().copied(), value: None }))
}

impl DecodeError {
    fn at(mut self, at: Position) -> Self {
        self.at.get_or_insert(at);
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { at: None, message: message.to_string(), hint: None, field: None }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = plain(expected);
        Self { hint: quotes(found, &expected), ..Self::custom(format_args!("must be {expected}, not {}", words(found))) }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("must be {}, not {}", plain(expected), words(found)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self {
            hint: did_you_mean(variant, expected.iter().copied()),
            ..Self::custom(format_args!("must be one of {}, not {variant:?}", expected.join(", ")))
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self {
            hint: did_you_mean(field, expected.iter().copied()),
            field: Some(FieldFault::Unknown(field.to_owned())),
            ..Self::custom(format_args!("unknown field {field:?}"))
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { field: Some(FieldFault::Missing(field.to_owned())), ..Self::custom(format_args!("missing field {field:?}")) }
    }
}

/// What was expected, in words a person uses who does not know the types of this program.
fn plain(expected: &dyn de::Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "a string" => "text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" | "u64" | "usize" => "a whole number, not below 0".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "unit" => "nothing".to_owned(),
        "newtype variant" | "struct variant" => "a mapping that begins with this word".to_owned(),
        _ if expected.starts_with("struct ") => "a mapping".to_owned(),
        _ => expected,
    }
}

/// A plate of digits alone, or a name such as `no`, is not text to YAML unless it stands in quotes.
fn quotes(found: Unexpected<'_>, expected: &str) -> Option<String> {
    let scalar = matches!(found, Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) | Unexpected::Bool(_));
    let other = ["such as", "number", "true or false", "list", "mapping"].iter().any(|word| expected.contains(word));
    (scalar && !other).then(|| "put it in quotes".to_owned())
}

fn words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Bool(flag) => flag.to_string(),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) => format!("the text {text:?}"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        Unexpected::UnitVariant => "this word alone".to_owned(),
        other => other.to_string(),
    }
}

/// A node to read from.
struct At<'a>(&'a Node);

impl<'de> Deserializer<'de> for At<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let read = match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (_, _, Some(number)) => visitor.visit_f64(number),
                _ => Err(DecodeError::custom("must be a number that fits 64 bits")),
            },
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(ItemsAccess { rest: items.iter() }),
            Value::Map(fields) => visitor.visit_map(FieldsAccess { rest: fields.iter(), value: None }),
        };
        read.map_err(|error| error.at(self.0.at))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.0.value == Value::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let at = self.0.at;
        let read = match &self.0.value {
            Value::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Map(fields) if fields.len() == 1 => {
                let access = FieldsAccess { rest: fields.iter(), value: None };
                visitor.visit_enum(de::value::MapAccessDeserializer::new(access))
            }
            _ => Err(DecodeError::custom(format_args!("must be one of {} ({name}), not {}", variants.join(", "), self.0.describe()))),
        };
        read.map_err(|error| error.at(at))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// The items of a list, one after the other.
struct ItemsAccess<'a> {
    rest: std::slice::Iter<'a, Node>,
}

impl<'de> de::SeqAccess<'de> for ItemsAccess<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        self.rest.next().map(|node| seed.deserialize(At(node)).map_err(|error| error.at(node.at))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The fields of a mapping, one after the other.
struct FieldsAccess<'a, I> {
    rest: I,
    value: Option<&'a Node>,
}

impl<'de, 'a, I: Iterator<Item = &'a Field>> de::MapAccess<'de> for FieldsAccess<'a, I> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some(field) = self.rest.next() else { return Ok(None) };
        self.value = Some(&field.value);
        let key: de::value::StrDeserializer<'_, DecodeError> = field.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.at(field.at))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let node = self.value.take().ok_or_else(|| DecodeError::custom("a value without a key"))?;
        seed.deserialize(At(node)).map_err(|error| error.at(node.at))
    }
}
