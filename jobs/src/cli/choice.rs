//! Choices on the command line that the records name: each as its schema calls and explains it, with hyphens for underscores.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads one of the values of an enum whose values are explained one by one.
pub(super) fn choice<T: JsonSchema + DeserializeOwned + Clone + Send + Sync + 'static>() -> impl TypedValueParser<Value = T> {
    let schema = schema_for!(T).to_value();
    let text = |one: &Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
    let value = |one: &Value| {
        let help = text(one, "description").trim_end_matches('.').to_owned();
        PossibleValue::new(text(one, "const").replace('_', "-")).help(help)
    };
    let values: Vec<PossibleValue> = schema["oneOf"].as_array().into_iter().flatten().map(value).collect();
    PossibleValuesParser::new(values).try_map(|text| serde_json::from_value(Value::String(text.replace('-', "_"))))
}
