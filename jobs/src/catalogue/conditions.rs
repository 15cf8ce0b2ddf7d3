//! Conditions and texts of custom rules, checked before anything runs.

use std::sync::Arc;

use engine::definition::Parameters;
use operators::city::Itinerary;
use operators::rules::{Condition, Subject};
use schemas::Sighting;

use super::Step;
use super::kinds::JOURNEYS;

/// Whether a custom rule can be asked of the kind of record that flows into it.
pub(super) fn check_custom(step: &Step, kind: &str, parameters: &mut Parameters<'_>) {
    let Step::Custom(custom) = step else { return };
    let checked = if kind == JOURNEYS { check::<Itinerary>(&custom.condition) } else { check::<Arc<Sighting>>(&custom.condition) };
    if let Err(message) = checked {
        parameters.refuse("where", &message, None);
    }
    let fields = if kind == JOURNEYS { Itinerary::FIELDS } else { <Arc<Sighting>>::FIELDS };
    if let Err(message) = check_text(&custom.text, fields) {
        parameters.refuse("text", &message, None);
    }
}

fn check<S: Subject>(condition: &str) -> Result<(), String> {
    Condition::compile(condition).and_then(|condition| condition.check::<S>()).map_err(|error| error.to_string())
}

/// Whether every `{field}` of a text is closed and names a field of the record.
fn check_text(text: &str, known: &[&str]) -> Result<(), String> {
    for after in text.split('{').skip(1) {
        let (path, _) = after.split_once('}').ok_or_else(|| format!("the brace before {after:?} is never closed"))?;
        let field = path.split('.').next().unwrap_or(path).trim();
        if !known.contains(&field) {
            return Err(format!("there is no field {field:?}; there are {}", known.join(", ")));
        }
    }
    Ok(())
}
