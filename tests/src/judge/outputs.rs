//! What a run put out: the rows that stand, and of each only the fields that are judged.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The rows that stand: of each id the last record, unless it was withdrawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// Sightings.
    pub sightings: Vec<Sighting>,
    /// Journeys.
    pub journeys: Vec<Journey>,
    /// Alerts.
    pub alerts: Vec<Alert>,
    /// Alerts whose last record is a withdrawal.
    pub withdrawn_alerts: usize,
}

/// One vehicle through one camera's view.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Sighting {
    /// Its id.
    pub id: String,
    /// The camera.
    pub camera: String,
    /// Lines it crossed.
    #[serde(default)]
    pub crossings: Vec<Crossing>,
    /// What was read.
    #[serde(default)]
    pub plate: Option<Read>,
}

/// A line crossed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Crossing {
    /// The line.
    pub line: String,
    /// When.
    pub at_ms: i64,
    /// In which lane, if told.
    #[serde(default)]
    pub lane: Option<usize>,
    /// In the direction of travel.
    #[serde(default = "yes")]
    pub forward: bool,
}

/// A plate as read; only its text is judged.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Read {
    /// The text.
    pub text: String,
}

/// One vehicle through the city.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Journey {
    /// Its id.
    pub id: String,
    /// Its sightings.
    pub sightings: Vec<String>,
    /// What all its cameras together read.
    #[serde(default)]
    pub plate: Option<Read>,
}

/// What a person is told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Alert {
    /// Its id.
    pub id: String,
    /// The rule.
    pub rule: String,
    /// Whether it is a violation, not a suspicion.
    #[serde(default = "yes")]
    pub certain: bool,
    /// The plate.
    #[serde(default)]
    pub plate: Option<Read>,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// What was measured.
    #[serde(default)]
    pub measured: BTreeMap<String, i64>,
}

/// One thing an alert rests on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Evidence {
    /// The camera.
    pub camera: String,
    /// When.
    pub at_ms: i64,
}

fn yes() -> bool {
    true
}

impl Outputs {
    /// The rows that stand in a directory's `sightings.ndjson`, `journeys.ndjson` and `alerts.ndjson`; a missing file holds none.
    ///
    /// # Errors
    /// Those of the file system, and a line that is not such a record.
    pub fn read(from: &Path) -> io::Result<Self> {
        let text = |name: &str| match fs::read_to_string(from.join(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            other => other,
        };
        let (sightings, journeys, alerts) = (text("sightings.ndjson")?, text("journeys.ndjson")?, text("alerts.ndjson")?);
        Ok(Self::of(sightings.lines(), journeys.lines(), alerts.lines())?)
    }

    /// The rows that stand in changelogs of one JSON object a line.
    ///
    /// # Errors
    /// A line that is not such a record.
    pub fn of<'a>(
        sightings: impl IntoIterator<Item = &'a str>,
        journeys: impl IntoIterator<Item = &'a str>,
        alerts: impl IntoIterator<Item = &'a str>,
    ) -> serde_json::Result<Self> {
        let (sightings, _) = standing(sightings)?;
        let (journeys, _) = standing(journeys)?;
        let (alerts, withdrawn_alerts) = standing(alerts)?;
        Ok(Self { sightings, journeys, alerts, withdrawn_alerts })
    }
}

/// Of each id the last record, in the order in which the ids first came; and how many ids were withdrawn.
fn standing<'a, T: DeserializeOwned>(lines: impl IntoIterator<Item = &'a str>) -> serde_json::Result<(Vec<T>, usize)> {
    #[derive(Deserialize)]
    struct Head {
        id: String,
        #[serde(default)]
        status: String,
    }
    let mut place = BTreeMap::new();
    let mut last: Vec<(bool, &str)> = Vec::new();
    for line in lines.into_iter().filter(|line| !line.trim().is_empty()) {
        let head: Head = serde_json::from_str(line)?;
        let at = *place.entry(head.id).or_insert(last.len());
        let row = (head.status != "withdrawn", line);
        if at == last.len() { last.push(row) } else { last[at] = row }
    }
    let withdrawn = last.iter().filter(|(stands, _)| !stands).count();
    let rows = last.iter().filter(|(stands, _)| *stands).map(|(_, line)| serde_json::from_str(line)).collect::<Result<_, _>>()?;
    Ok((rows, withdrawn))
}
