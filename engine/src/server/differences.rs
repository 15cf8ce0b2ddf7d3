//! Where two plans differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What was and what is, by path.
type Differences = BTreeMap<String, [Value; 2]>;

/// For each path at which two plans differ, what was and what is.
pub(super) fn differences(before: &Value, now: &Value) -> Differences {
    let mut found = BTreeMap::new();
    compare("", before, now, &mut found);
    found
}

fn compare(path: &str, before: &Value, now: &Value, found: &mut Differences) {
    match (before, now) {
        _ if before == now => {}
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(&path, a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null), found);
            }
        }
        _ => drop(found.insert(path.to_owned(), [before.clone(), now.clone()])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::differences;

    #[test]
    fn every_path_that_differs_is_told_with_both_values() {
        let before = json!({"steps": {"speed": {"limit": 50, "unit": "km/h"}}, "lateness_ms": 1});
        let now = json!({"steps": {"speed": {"limit": 60, "unit": "km/h"}, "more": 1}, "lateness_ms": 1});
        let found = differences(&before, &now);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["steps.more", "steps.speed.limit"]);
        assert_eq!(found["steps.speed.limit"], [json!(50), json!(60)]);
        assert_eq!(found["steps.more"], [json!(null), json!(1)]);
        assert!(differences(&now, &now).is_empty());
    }
}
