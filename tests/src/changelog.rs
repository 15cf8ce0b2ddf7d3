//! Whether an output is a proper changelog, and whether two of them end in the same table.
//!
//! ```
//! use city::changelog::Table;
//! let table = Table::of([
//!     r#"{"id":"a","revision":1,"status":"provisional","speed":5}"#,
//!     r#"{"id":"a","revision":2,"status":"final","speed":6}"#,
//! ]).unwrap();
//! assert_eq!(table.standing()["a"]["speed"], 6);
//! let again = [r#"{"id":"a","revision":1,"status":"final"}"#, r#"{"id":"a","revision":1,"status":"final"}"#];
//! assert_eq!(Table::of(again).unwrap_err().len(), 2, "after final, and not the next revision");
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// What is left of a changelog: of each id the last row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    last: BTreeMap<String, Map<String, Value>>,
}

impl Table {
    /// Reads a changelog, one JSON object a line, and checks it: per id revisions 1, 2, 3 … without gap or repeat, nothing after
    /// `final`, nothing withdrawn that was never told.
    ///
    /// # Errors
    /// Every fault, each with its line (from 1) and id.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<String>> {
        let (mut table, mut faults) = (Self::default(), Vec::new());
        for (number, line) in (1..).zip(lines).filter(|(_, line)| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(row) => faults.extend(table.take(row).into_iter().map(|fault| format!("line {number}: {fault}"))),
                Err(e) => faults.push(format!("line {number}: {e}")),
            }
        }
        if faults.is_empty() { Ok(table) } else { Err(faults) }
    }

    /// Adds a row and says what is wrong with it.
    fn take(&mut self, row: Map<String, Value>) -> Vec<String> {
        let text = |row: &Map<String, Value>, field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let revision = |row: &Map<String, Value>| row.get("revision").and_then(Value::as_u64).unwrap_or(0);
        let (id, status) = (text(&row, "id"), text(&row, "status"));
        let mut faults = Vec::new();
        if id.is_empty() {
            faults.push("a row has no id".to_owned());
        }
        if !["provisional", "final", "withdrawn"].contains(&status.as_str()) {
            faults.push(format!("{id}: status is {status:?}"));
        }
        let before = self.last.get(&id);
        let expected = before.map_or(0, revision) + 1;
        if revision(&row) != expected {
            faults.push(format!("{id}: revision is {} where {expected} is next", revision(&row)));
        }
        if before.is_some_and(|b| text(b, "status") == "final") {
            faults.push(format!("{id}: a row follows the final one"));
        }
        if before.is_none() && status == "withdrawn" {
            faults.push(format!("{id}: withdrawn before it was told"));
        }
        self.last.insert(id, row);
        faults
    }

    /// The rows that stand: the last of each id, unless it is a withdrawal.
    #[must_use]
    pub fn standing(&self) -> BTreeMap<&str, &Map<String, Value>> {
        let stands = |row: &Map<String, Value>| row.get("status").and_then(Value::as_str) != Some("withdrawn");
        self.last.iter().filter(|(_, row)| stands(row)).map(|(id, row)| (id.as_str(), row)).collect()
    }

    /// Ids whose last row is not yet final (nor a withdrawal): none after a replay has come to its end.
    #[must_use]
    pub fn provisional(&self) -> Vec<&str> {
        let open = |row: &Map<String, Value>| row.get("status").and_then(Value::as_str) == Some("provisional");
        self.last.iter().filter(|(_, row)| open(row)).map(|(id, _)| id.as_str()).collect()
    }
}

/// Whether two tables hold the same rows under the same ids. Revisions may differ: how often a result was corrected on the way
/// depends on the order in which evidence came, what is said in the end does not.
///
/// # Errors
/// One sentence for each id that differs, with both rows.
pub fn tables_equal(left: &Table, right: &Table) -> Result<(), Vec<String>> {
    let (left, right) = (left.standing(), right.standing());
    let ids: BTreeSet<&str> = left.keys().chain(right.keys()).copied().collect();
    let said = |row: Option<&&Map<String, Value>>| {
        row.map(|row| row.iter().filter(|(field, _)| *field != "revision").map(|(f, v)| (f.clone(), v.clone())).collect::<Map<_, _>>())
    };
    let show = |row: Option<Map<String, Value>>| row.map_or_else(|| "nothing".to_owned(), |row| Value::Object(row).to_string());
    let mut differences = Vec::new();
    for id in ids {
        let (a, b) = (said(left.get(id)), said(right.get(id)));
        if a != b {
            differences.push(format!("{id}: left {}, right {}", show(a), show(b)));
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences) }
}

#[cfg(test)]
mod tests {
    use super::{Table, tables_equal};

    fn row(id: &str, revision: u32, status: &str, value: u32) -> String {
        format!(r#"{{"id":"{id}","revision":{revision},"status":"{status}","value":{value}}}"#)
    }

    fn table(rows: &[(&str, u32, &str, u32)]) -> Result<Table, Vec<String>> {
        let lines: Vec<String> = rows.iter().map(|(id, revision, status, value)| row(id, *revision, status, *value)).collect();
        Table::of(lines.iter().map(String::as_str))
    }

    #[test]
    fn every_fault_of_a_changelog_is_told() {
        let faulty: [&[(&str, u32, &str, u32)]; 7] = [
            &[("a", 2, "final", 0)],
            &[("a", 1, "provisional", 0), ("a", 3, "final", 0)],
            &[("a", 1, "provisional", 0), ("a", 1, "provisional", 0)],
            &[("a", 1, "final", 0), ("a", 2, "provisional", 0)],
            &[("a", 1, "withdrawn", 0)],
            &[("a", 1, "done", 0)],
            &[("", 1, "final", 0)],
        ];
        for rows in faulty {
            assert_eq!(table(rows).unwrap_err().len(), 1, "{rows:?}");
        }
        assert_eq!(Table::of(["{\"id\":"]).unwrap_err().len(), 1);
        table(&[("a", 1, "provisional", 0), ("b", 1, "final", 0), ("a", 2, "withdrawn", 0), ("a", 3, "final", 0)]).unwrap();
    }

    #[test]
    fn tables_are_equal_if_they_say_the_same_in_the_end() {
        let direct = table(&[("a", 1, "final", 1)]).unwrap();
        let corrected =
            table(&[("a", 1, "provisional", 7), ("b", 1, "provisional", 2), ("a", 2, "final", 1), ("b", 2, "withdrawn", 2)]).unwrap();
        tables_equal(&direct, &corrected).unwrap();
        assert_eq!(tables_equal(&direct, &table(&[("a", 1, "final", 2)]).unwrap()).unwrap_err().len(), 1);
        assert_eq!(tables_equal(&direct, &table(&[("b", 1, "final", 1)]).unwrap()).unwrap_err().len(), 2);
        let open = table(&[("a", 1, "provisional", 1)]).unwrap();
        assert_eq!((open.provisional(), direct.provisional()), (vec!["a"], vec![]));
    }
}
