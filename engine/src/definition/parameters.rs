//! A step's parameters, on their way into the struct that is their manual.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::decode::{DecodeError, FieldFault, decode_fields};
use super::faults::faults;
use super::{Field, Position, Problems, Value, Word};

/// What a step was given besides its entry and its inputs.
#[derive(Debug)]
pub struct Parameters<'a> {
    step: &'a Word,
    fields: &'a [Field],
    problems: &'a mut Problems,
}

impl<'a> Parameters<'a> {
    /// Of a step; what is wrong with them is added to `problems`.
    pub fn of(step: &'a Word, fields: &'a [Field], problems: &'a mut Problems) -> Self {
        Self { step, fields, problems }
    }

    /// Reads them all. The struct should be `#[serde(deny_unknown_fields, default)]`.
    ///
    /// Serde stops at the first thing that does not fit, so every field is tried on its own as well: a person is told all of them.
    pub fn read<P: DeserializeOwned + Serialize>(&mut self) -> Option<P> {
        let mut wrong = false;
        for field in self.fields {
            for error in faults::<P>(field) {
                wrong = true;
                self.tell(field, error);
            }
        }
        if wrong {
            return None;
        }
        let all: Vec<&Field> = self.fields.iter().collect();
        decode_fields::<P>(&all)
            .map_err(|error| {
                let message = match &error.field {
                    Some(FieldFault::Missing(name)) => format!("step {:?} needs {name:?}", self.step.text),
                    _ => format!("parameters of step {:?}: {}", self.step.text, error.message),
                };
                self.problems.error(error.at.unwrap_or(self.step.at), message, error.hint);
            })
            .ok()
    }

    /// Refuses a parameter that is in the struct but is not the step's to set.
    pub fn reserve(&mut self, parameter: &str, reason: &str) {
        if let Some(field) = self.fields.iter().find(|field| field.key == parameter) {
            self.problems.error(field.at, format!("{parameter:?} cannot be set in step {:?}", self.step.text), Some(reason.to_owned()));
        }
    }

    /// Refuses whole numbers above what `most` says of their name.
    pub fn limit(&mut self, most: fn(&str) -> Option<u64>) {
        for field in self.fields {
            let Value::Number(number) = &field.value.value else { continue };
            if let Some(most) = most(&field.key).filter(|most| number.as_u64().is_some_and(|number| number > *most)) {
                self.refuse(&field.key, &format!("must be at most {most}, not {number}"), None);
            }
        }
    }

    /// Refuses a parameter that fits its type but makes no sense.
    pub fn refuse(&mut self, parameter: &str, message: &str, hint: Option<String>) {
        let given = self.fields.iter().find(|field| field.key == parameter);
        let at: Position = given.map_or(self.step.at, |field| field.value.at);
        self.problems.error(at, format!("wrong value for {parameter:?} in step {:?}: {message}", self.step.text), hint);
    }

    fn tell(&mut self, field: &Field, error: DecodeError) {
        let step = &self.step.text;
        let (at, message) = match &error.field {
            Some(FieldFault::Unknown(name)) if error.at.is_none_or(|at| at == field.at) => {
                (field.at, format!("unknown field {name:?} in step {step:?}"))
            }
            _ => (error.at.unwrap_or(field.value.at), format!("wrong value for {:?} in step {step:?}: {}", field.key, error.message)),
        };
        self.problems.error(at, message, error.hint);
    }
}
