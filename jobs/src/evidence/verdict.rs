//! What an alert says, and whether a replay says the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use engine::transport::{OutputRow, Progress, Reader, Transport, TransportError, Writer};
use schemas::{Alert, Id, Plate, Revised, Status};
use serde::{Deserialize, Serialize};

/// What an alert says of whom: not when it was told, nor in which words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The rule.
    pub rule: String,
    /// Whether even the bound most favourable to the driver violates.
    pub certain: bool,
    /// The plate.
    pub plate: Option<Plate>,
    /// What was measured, bounds included.
    pub measured: BTreeMap<String, i64>,
    /// What it was held against.
    pub limit: BTreeMap<String, i64>,
}

impl Verdict {
    /// What a revision says; nothing, if it takes the alert back.
    #[must_use]
    pub fn of(revised: &Revised<Alert>) -> Option<Self> {
        let Alert { rule, certain, plate, measured, limit, .. } = &revised.row;
        let named = |quantities: &schemas::Quantities| quantities.0.iter().map(|(name, value)| (name.to_string(), *value)).collect();
        (revised.status != Status::Withdrawn).then(|| Self {
            rule: rule.to_string(),
            certain: *certain,
            plate: *plate,
            measured: named(measured),
            limit: named(limit),
        })
    }
}

/// In what a verdict differs from what it was, in words; nothing if it is the same.
#[must_use]
pub fn differences(was: Option<&Verdict>, is: Option<&Verdict>) -> Vec<String> {
    let (was, is) = match (was, is) {
        (None, None) => return Vec::new(),
        (Some(_), None) => return vec!["no alert stands, and one did".to_owned()],
        (None, Some(_)) => return vec!["an alert stands, and was withdrawn".to_owned()],
        (Some(was), Some(is)) => (was, is),
    };
    let mut told = Vec::new();
    let mut tell = |what: &str, was: String, is: String| {
        if was != is {
            told.push(format!("{what} is {is}, and was {was}"));
        }
    };
    tell("rule", was.rule.clone(), is.rule.clone());
    tell("certain", was.certain.to_string(), is.certain.to_string());
    let plate = |plate: &Option<Plate>| serde_json::to_string(plate).unwrap_or_default();
    tell("plate", plate(&was.plate), plate(&is.plate));
    for (what, was, is) in [("measured", &was.measured, &is.measured), ("limit", &was.limit, &is.limit)] {
        let names: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        let said = |values: &BTreeMap<String, i64>, name: &String| values.get(name).map_or_else(|| "not there".to_owned(), i64::to_string);
        names.into_iter().for_each(|name| tell(&format!("{what} {name}"), said(was, name), said(is, name)));
    }
    told
}

/// Where a replay writes to: keeps what it says of one alert, and nothing else.
#[derive(Clone)]
pub struct Watched {
    topic: Arc<str>,
    id: Arc<str>,
    last: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Watched {
    /// Watches an alert in a topic.
    #[must_use]
    pub fn new(topic: &str, id: Id) -> Self {
        Self { topic: topic.into(), id: id.to_string().into(), last: Arc::default() }
    }

    /// What stands in the end.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_deref().and_then(|row| serde_json::from_slice(row).ok()).as_ref().and_then(Verdict::of)
    }
}

impl Transport for Watched {
    fn partitions(&self, topic: &str) -> Result<Vec<u32>, TransportError> {
        Err(TransportError::lasting(format!("a replay does not read {topic:?} here")))
    }

    fn reader(&self, topic: &str, _: u32, _: u64) -> Result<Box<dyn Reader>, TransportError> {
        self.partitions(topic).map(|_| unreachable!("nothing is read here"))
    }

    fn writer(&self, _: &str, _: &[String]) -> Result<Box<dyn Writer>, TransportError> {
        Ok(Box::new(self.clone()))
    }
}

impl Writer for Watched {
    fn history(&mut self) -> Result<Vec<Progress>, TransportError> {
        Ok(Vec::new())
    }

    fn add_outputs(&mut self, _: &[String]) -> Result<(), TransportError> {
        Ok(())
    }

    fn commit(&mut self, rows: &[OutputRow], _: &Progress) -> Result<(), TransportError> {
        if let Some(row) = rows.iter().rfind(|row| *row.topic == *self.topic && *row.key == *self.id) {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(row.value.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_verdict_counts() {
        let was = Verdict {
            rule: "section_speed".to_owned(),
            certain: true,
            plate: serde_json::from_str(r#"{"text":"88A12345","kind":"car","colour":"white","confidence":[]}"#).unwrap(),
            measured: BTreeMap::from([("speed_cms".to_owned(), 1_900), ("lower_cms".to_owned(), 1_850)]),
            limit: BTreeMap::from([("limit_kmh".to_owned(), 60)]),
        };
        let changed = |change: &dyn Fn(&mut Verdict)| {
            let mut is = was.clone();
            change(&mut is);
            differences(Some(&was), Some(&is)).join("; ")
        };
        assert_eq!(changed(&|_| ()), "");
        assert_eq!(changed(&|is| is.rule = "point_speed".to_owned()), "rule is point_speed, and was section_speed");
        assert_eq!(changed(&|is| is.certain = false), "certain is false, and was true");
        assert!(changed(&|is| is.plate = None).starts_with("plate is null, and was {"));
        assert_eq!(changed(&|is| _ = is.measured.remove("lower_cms")), "measured lower_cms is not there, and was 1850");
        assert_eq!(changed(&|is| _ = is.limit.insert("limit_kmh".to_owned(), 70)), "limit limit_kmh is 70, and was 60");
        assert_eq!(changed(&|is| _ = is.limit.insert("b".to_owned(), 7)), "limit b is 7, and was not there");
        assert_eq!(differences(Some(&was), None).len() + differences(None, Some(&was)).len(), 2);
    }
}
