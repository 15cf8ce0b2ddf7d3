//! Conditions and texts of custom rules, checked before anything runs.

use std::sync::Arc;

use engine::definition::Parameters;
use operators::city::Itinerary;
use operators::rules::verbs::{check_pairs, check_session};
use operators::rules::{Condition, Subject, check_by};
use schemas::{Alert, HotlistEntry, Sighting};

use super::Step;
use super::kinds::{ALERTS, JOURNEYS};

/// Whether a custom rule can be asked of the kind of record that flows into it.
pub(super) fn check_custom(step: &Step, kind: &str, parameters: &mut Parameters<'_>) {
    let Step::Custom(custom) = step else { return };
    let checked = if kind == JOURNEYS { check::<Arc<Itinerary>>(&custom.condition) } else { check::<Arc<Sighting>>(&custom.condition) };
    if let Err(message) = checked {
        parameters.refuse("where", &message, None);
    }
    let fields = if kind == JOURNEYS { <Arc<Itinerary>>::FIELDS } else { <Arc<Sighting>>::FIELDS };
    if let Err(message) = check_text(&custom.text, fields) {
        parameters.refuse("text", &message, None);
    }
}

/// Whether a general verb can be asked of the kind of record that flows into it: the fields it names, conditions and texts.
pub(super) fn check_verb(step: &Step, kind: &str, parameters: &mut Parameters<'_>) {
    match kind {
        JOURNEYS => check_verb_over::<Arc<Itinerary>>(step, parameters),
        ALERTS => check_verb_over::<Arc<Alert>>(step, parameters),
        _ => check_verb_over::<Arc<Sighting>>(step, parameters),
    }
}

fn check_verb_over<S: Subject>(step: &Step, parameters: &mut Parameters<'_>) {
    let mut hold = |parameter: &str, checked: Result<(), String>| {
        if let Err(message) = checked {
            parameters.refuse(parameter, &message, None);
        }
    };
    let by = |by: &[String]| check_by::<S>(by).map_err(|error| error.to_string());
    match step {
        Step::Filter(filter) => hold("where", check::<S>(&filter.condition)),
        Step::Deduplicate(series) | Step::Suppress(series) => hold("by", by(&series.by)),
        Step::Sessionize(session) => {
            hold("by", by(&session.by));
            hold("text", check_session::<S>(&session.text).map_err(|error| error.to_string()));
        }
        Step::IntervalJoin(join) => {
            hold("by", by(&join.by));
            hold("where", check_pairs::<S, S>(&join.condition).map_err(|error| error.to_string()));
            hold("text", check_text(&join.text, &["left", "right"]));
        }
        Step::AsOfJoin(join) => {
            hold("by", by(&join.by));
            hold("entry_by", check_by::<HotlistEntry>(&join.entry_by).map_err(|error| error.to_string()));
            hold("where", check_pairs::<S, HotlistEntry>(&join.condition).map_err(|error| error.to_string()));
            hold("text", check_text(&join.text, &["left", "right"]));
        }
        _ => {}
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
