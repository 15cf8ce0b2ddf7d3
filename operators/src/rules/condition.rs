//! Conditions in CEL over the fields of a record, compiled once and checked before they are ever asked.

use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr};
use cel::{Context, ExecutionError, IdedExpr, Program, Value};

use super::custom::Subject;

/// A condition that compiles.
///
/// ```
/// use operators::rules::Condition;
///
/// assert!(Condition::compile("boxes > 10 && plate.text.startsWith('88A')").is_ok());
/// let error = Condition::compile("boxes > ").unwrap_err().to_string();
/// assert!(error.starts_with("line 1, column 9: "), "{error}");
/// ```
pub struct Condition {
    text: String,
    program: Program,
    functions: Context<'static, 'static>,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.program.fmt(f)
    }
}

/// Why a condition cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// It is longer than a condition may be.
    #[error("is {0} bytes long; at most {most} are allowed", most = Condition::MOST)]
    TooLong(usize),
    /// It is not CEL.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// It names a field that the record does not have.
    #[error("line {line}, column {column}: there is no field {field}; there are {known}")]
    UnknownField {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// The field named.
        field: String,
        /// The fields there are.
        known: String,
    },
    /// It fails even on a record that has every field.
    #[error("would fail on every record: {0}")]
    Fails(String),
    /// It gives something else than true or false.
    #[error("must be true or false, not {0}")]
    NoCondition(String),
    /// It names fields to compare records by that they do not have, or none.
    #[error("{0}")]
    Key(String),
    /// The text is not a sentence with fields in braces.
    #[error("text: {0}")]
    Text(String),
}

impl Condition {
    /// The most bytes a condition may have.
    pub const MOST: usize = 4_096;

    /// Compiles a condition.
    ///
    /// # Errors
    /// It is too long, or not CEL: then the error says where.
    pub fn compile(text: &str) -> Result<Self, ConditionError> {
        if text.len() > Self::MOST {
            return Err(ConditionError::TooLong(text.len()));
        }
        let program = Program::compile(text).map_err(|errors| {
            let first = errors.errors.first();
            let (line, column) = first.map_or((1, 1), |error| (place(error.pos.0), place(error.pos.1)));
            let message = first.map_or_else(|| "is not an expression".to_owned(), |error| error.msg.clone());
            ConditionError::Syntax { line, column, message }
        })?;
        Ok(Self { text: text.to_owned(), program, functions: Context::default() })
    }

    /// Whether the condition can be asked of this kind of record.
    ///
    /// # Errors
    /// It names unknown fields, fails on a record that has every field, or gives no truth value.
    pub fn check<S: Subject>(&self) -> Result<(), ConditionError> {
        self.check_over(S::FIELDS, &fields(&S::specimen()).map_err(ConditionError::Fails)?)
    }

    /// Whether it can be asked of these fields, given what each of them holds.
    pub(super) fn check_over(&self, known: &[&str], specimen: &[(String, Value)]) -> Result<(), ConditionError> {
        if let Some((id, field)) = unknown(self.program.expression(), &mut known.to_vec()) {
            let (line, column) = self.place_of(id);
            return Err(ConditionError::UnknownField { line, column, field: field.to_owned(), known: known.join(", ") });
        }
        match self.evaluate(specimen) {
            Ok(Value::Bool(_)) => Ok(()),
            Ok(value) => Err(ConditionError::NoCondition(value.type_of().to_string())),
            // What depends on the values alone may well succeed on other records.
            Err(ExecutionError::IndexOutOfBounds(_) | ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_)) => Ok(()),
            Err(error) => Err(ConditionError::Fails(error.to_string())),
        }
    }

    /// Where a part of it begins, line and column from 1, in characters.
    fn place_of(&self, id: u64) -> (usize, usize) {
        let (begin, _) = self.program.source_info().offset_for(id).unwrap_or_default();
        let before = &self.text[..self.text.floor_char_boundary(begin as usize)];
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }

    /// Those of some fields that it names.
    pub(super) fn asks_for(&self, fields: &[&'static str]) -> Vec<&'static str> {
        // A field is named if the condition does not do without it.
        let others = |field: &str| fields.iter().copied().filter(|other| *other != field).collect::<Vec<_>>();
        fields.iter().copied().filter(|field| unknown(self.program.expression(), &mut others(field)).is_some()).collect()
    }

    /// Whether it holds; one that fails does not.
    pub(super) fn holds(&self, fields: &[(String, Value)]) -> bool {
        matches!(self.evaluate(fields), Ok(Value::Bool(true)))
    }

    pub(super) fn evaluate(&self, fields: &[(String, Value)]) -> Result<Value, ExecutionError> {
        let mut context = self.functions.new_inner_scope();
        for (name, value) in fields {
            context.add_variable_from_value(name.as_str(), value.clone());
        }
        self.program.execute(&context)
    }
}

/// All fields of a record by name, numbers as signed integers.
pub(super) fn fields<S: Subject>(record: &S) -> Result<Vec<(String, Value)>, String> {
    some_fields(record, S::FIELDS)
}

/// Some of them: to make a value of each costs more than most conditions do.
pub(super) fn some_fields<S: Subject>(record: &S, names: &[&str]) -> Result<Vec<(String, Value)>, String> {
    names.iter().map(|name| Ok(((*name).to_owned(), signed(record.field(name)?)))).collect()
}

/// The same value with signed integers: CEL never compares or adds signed and unsigned ones, and literals are signed.
fn signed(mut value: Value) -> Value {
    fn sign(value: &mut Value) {
        match value {
            Value::UInt(n) => *value = Value::Int(i64::try_from(*n).unwrap_or(i64::MAX)),
            // Nobody else has them yet, so nothing is copied.
            Value::List(items) => Arc::make_mut(items).iter_mut().for_each(sign),
            Value::Map(map) => Arc::make_mut(&mut map.map).values_mut().for_each(sign),
            _ => {}
        }
    }
    sign(&mut value);
    value
}

/// A line or column as people count them.
fn place(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or(1).max(1)
}

/// The first name that is neither a field nor bound by a macro around it, and the node it stands at.
fn unknown<'e>(expression: &'e IdedExpr, known: &mut Vec<&'e str>) -> Option<(u64, &'e str)> {
    let entry = |entry: &'e EntryExpr, known: &mut Vec<&'e str>| match entry {
        EntryExpr::StructField(field) => unknown(&field.value, known),
        EntryExpr::MapEntry(pair) => unknown(&pair.key, known).or_else(|| unknown(&pair.value, known)),
    };
    match &expression.expr {
        Expr::Ident(name) if !name.starts_with('@') && !known.contains(&name.as_str()) => Some((expression.id, name)),
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => None,
        Expr::Call(call) => call.target.iter().map(|t| &**t).chain(&call.args).find_map(|part| unknown(part, known)),
        Expr::List(list) => list.elements.iter().find_map(|part| unknown(part, known)),
        Expr::Map(map) => map.entries.iter().find_map(|part| entry(&part.expr, known)),
        Expr::Struct(record) => record.entries.iter().find_map(|part| entry(&part.expr, known)),
        Expr::Select(select) => unknown(&select.operand, known),
        Expr::Comprehension(each) => unknown(&each.iter_range, known).or_else(|| {
            let outside = known.len();
            known.extend([each.iter_var.as_str(), each.accu_var.as_str()]);
            known.extend(each.iter_var2.as_deref());
            let found = [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result].into_iter().find_map(|part| unknown(part, known));
            known.truncate(outside);
            found
        }),
    }
}

#[cfg(test)]
mod tests {
    use schemas::{Alert, HotlistEntry, Sighting};

    use super::*;
    use crate::city::Itinerary;

    /// Holds the fields of a record to the object that its schema makes of all of it.
    fn hold<S: Subject>(whole: impl serde::Serialize) {
        let record = S::specimen();
        let Value::Map(whole) = cel::to_value(whole).unwrap() else { panic!("no object") };
        assert_eq!(whole.map.len(), S::FIELDS.len(), "{:?}", S::FIELDS);
        for name in S::FIELDS {
            assert_eq!(whole.map.get(&cel::objects::Key::from(*name)), Some(&record.field(name).unwrap()), "{name}");
        }
        assert_eq!(record.field("nothing"), Ok(Value::Null));
    }

    #[test]
    fn every_field_is_what_the_record_as_a_whole_says() {
        hold::<Arc<Sighting>>(Sighting::clone(&Arc::<Sighting>::specimen()));
        hold::<Arc<Itinerary>>(schemas::Journey::clone(&Arc::<Itinerary>::specimen().journey));
        hold::<Arc<Alert>>(Arc::<Alert>::specimen());
        hold::<HotlistEntry>(HotlistEntry::specimen());
    }

    #[test]
    fn a_condition_asks_for_the_fields_it_names_and_for_no_others() {
        let asked = |text: &str| Condition::compile(text).unwrap().asks_for(<Arc<Sighting>>::FIELDS);
        assert_eq!(asked("crossings.exists(id, id.line == 'stop') && boxes > 3"), ["crossings", "boxes"]);
        assert_eq!(asked("true"), [""; 0]);
        assert_eq!(asked("[boxes, {'id': from_ms}['id']][0] == 1 && plate.text == 'stays'"), ["from_ms", "plate", "boxes"]);
    }
}
