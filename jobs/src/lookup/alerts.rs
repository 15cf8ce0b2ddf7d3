//! Alerts: a page of them, newest first; one with what it rests on; those that changed since.

use std::ops::ControlFlow;

use engine::access::{Grant, Scopes};
use engine::transport::{TopicStore, TransportError, visit};
use engine::values;
use engine::view::{Row, Sql, SqlError, Value as Bound};
use schemas::wire::Format;
use schemas::{Alert, Id, Name, Revised, Sighting, Status};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::intake::{key, signed};
use super::journeys;
use super::sight::Sight;
use super::tables::{ALERTS, SIGHTINGS};

/// Which alerts are asked for. What is not given is not asked.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) from_ms: u64,
    /// Inclusive.
    pub(super) until_ms: Option<u64>,
    pub(super) rule: Option<String>,
    pub(super) centre: Option<String>,
    pub(super) camera: Option<Name>,
    /// `provisional`, `final` or `withdrawn`.
    pub(super) status: Option<&'static str>,
    /// `confirmed` or `rejected`; `none`: nobody has decided.
    pub(super) review: Option<&'static str>,
    /// Only those after this one.
    pub(super) cursor: Option<Cursor>,
    pub(super) limit: u32,
}

/// A place in the order of alerts: those after it are older. Written `AT_MS.ID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    at_ms: i64,
    id: i64,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.at_ms, Id(self.id.cast_unsigned()))
    }
}

impl std::str::FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (at_ms, id) = text.split_once('.')?;
            Some(Self { at_ms: at_ms.parse().ok()?, id: key(id.parse().ok()?) })
        };
        read().ok_or_else(|| "it is no cursor: take `next` of the answer before".to_owned())
    }
}

/// A page of alerts.
pub(super) struct Page {
    pub(super) alerts: Vec<Value>,
    /// Where the next page begins; `None`: there is none.
    pub(super) next: Option<Cursor>,
}

/// An alert as it stands.
struct Found {
    id: i64,
    at_ms: i64,
    alert: Revised<Alert>,
    told_ms: u64,
    changed_ms: u64,
    review: Option<Value>,
    acknowledged: Option<Value>,
}

/// What [`found`] reads, and how many columns that is.
const COLUMNS: &str = "id, at_ms, row, told_ms, changed_ms, (SELECT row FROM reviews WHERE alert = alerts.id),
    (SELECT row FROM acknowledgements WHERE alert = alerts.id)";
const WIDTH: usize = 7;

fn found(row: &Row) -> Result<Found, SqlError> {
    Ok(Found {
        id: row.get(0)?,
        at_ms: row.get(1)?,
        alert: parsed(row, 2)?.ok_or(SqlError::Column(2))?,
        told_ms: row.get(3)?,
        changed_ms: row.get(4)?,
        review: parsed(row, 5)?,
        acknowledged: parsed(row, 6)?,
    })
}

/// A column that holds JSON, if it holds any.
pub(super) fn parsed<T: DeserializeOwned>(row: &Row, column: usize) -> Result<Option<T>, SqlError> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| SqlError::Column(column))
}

/// Conditions that all hold, and what is bound to their placeholders.
struct Conditions {
    sql: String,
    values: Vec<Bound>,
}

impl Conditions {
    /// One more; a `?` in it is bound to the next of these values.
    fn and(&mut self, condition: &str, values: &[Bound]) {
        self.sql.push_str(" AND ");
        let mut parts = condition.split('?');
        self.sql.push_str(parts.next().unwrap_or_default());
        for (part, value) in parts.zip(values) {
            self.values.push(value.clone());
            self.sql.push_str(&format!("?{}{part}", self.values.len()));
        }
    }

    /// Only what is of the centres that a grant is bound to, which `?` stands for in the condition.
    fn bound(&mut self, grant: &Grant, condition: &str) {
        let Scopes::Of(centres) = &grant.scopes else { return };
        // None of no centre: a list may not be empty.
        let centres: Vec<Bound> = if centres.is_empty() { vec![Bound::Null] } else { centres.iter().map(|c| c.as_str().into()).collect() };
        self.and(&condition.replace('?', &vec!["?"; centres.len()].join(", ")), &centres);
    }
}

/// Which alerts, newest first.
pub(super) fn list(sql: &dyn Sql, sight: &Sight, grant: &Grant, wanted: &Wanted) -> Result<Page, SqlError> {
    let mut only =
        Conditions { sql: format!("SELECT {COLUMNS} FROM alerts WHERE at_ms >= ?1"), values: vec![signed(wanted.from_ms).into()] };
    if let Some(until_ms) = wanted.until_ms {
        only.and("at_ms <= ?", values![signed(until_ms)]);
    }
    only.bound(grant, "centre IN (?)");
    if let Some(centre) = &wanted.centre {
        only.and("centre = ?", values![centre.as_str()]);
    }
    if let Some(rule) = &wanted.rule {
        only.and("rule = ?", values![rule.as_str()]);
    }
    if let Some(status) = wanted.status {
        only.and("status = ?", values![status]);
    }
    match wanted.review {
        Some("none") => only.and("id NOT IN (SELECT alert FROM reviews)", &[]),
        Some(decision) => only.and("id IN (SELECT alert FROM reviews WHERE decision = ?)", values![decision]),
        None => {}
    }
    if let Some(camera) = wanted.camera {
        // Which alerts rest on a camera of another centre is not told either.
        if !sight.shows(grant, camera) {
            return Ok(Page { alerts: Vec::new(), next: None });
        }
        only.and("id IN (SELECT alert FROM alert_cameras WHERE camera = ?)", values![camera.as_str()]);
    }
    if let Some(cursor) = wanted.cursor {
        only.and("(at_ms, id) < (?, ?)", values![cursor.at_ms, cursor.id]);
    }
    let Conditions { sql: mut page, mut values } = only;
    values.push((wanted.limit + 1).into());
    page.push_str(&format!(" ORDER BY at_ms DESC, id DESC LIMIT ?{}", values.len()));
    let mut rows = sql.query(&page, &values)?.iter().map(found).collect::<Result<Vec<_>, _>>()?;
    let more = rows.len() > wanted.limit as usize;
    rows.truncate(wanted.limit as usize);
    let next = rows.last().filter(|_| more).map(|last| Cursor { at_ms: last.at_ms, id: last.id });
    Ok(Page { alerts: rows.iter().map(|found| shown(sight, grant, found)).collect(), next })
}

/// An alert, and the records of the sightings it rests on, in the order of its evidence.
pub(super) struct Whole {
    pub(super) alert: Value,
    pub(super) sightings: Vec<Option<At>>,
}

/// When a sighting began and ended, and where its record lies.
#[derive(Clone, Copy)]
pub(super) struct At {
    sighting: Id,
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
    partition: u32,
    offset: u64,
}

/// One alert, with where its evidence was seen, the journey it is about, and where the records lie; `None`: there is none that may
/// be shown.
pub(super) fn one(sql: &dyn Sql, sight: &Sight, grant: &Grant, id: Id) -> Result<Option<Whole>, SqlError> {
    let Some(row) = sql.first(&format!(r#"SELECT {COLUMNS}, partition, "offset" FROM alerts WHERE id = ?1"#), values![key(id)])? else {
        return Ok(None);
    };
    let (found, partition, offset) = (found(&row)?, row.get::<u32>(WIDTH)?, row.get::<i64>(WIDTH + 1)?);
    if !grant.sees(found.alert.row.centre.as_str()) {
        return Ok(None);
    }
    let mut alert = shown(sight, grant, &found);
    alert["record"] = json!({"topic": ALERTS, "partition": partition, "offset": offset});
    let (mut evidence, mut sightings) = (Vec::new(), Vec::new());
    for one in found.alert.row.evidence.iter().filter(|one| sight.shows(grant, one.camera)) {
        let at = one.sighting.map(|sighting| lies(sql, sighting)).transpose()?.flatten();
        evidence.push(json!({
            "sighting": one.sighting, "camera": one.camera, "centre": sight.centre(one.camera), "at_ms": one.at_ms,
            "from_ms": at.map(|at| at.from_ms), "until_ms": at.map(|at| at.until_ms), "row": null,
        }));
        sightings.push(at);
    }
    alert["evidence"] = evidence.into();
    alert["journey_row"] = found.alert.row.journey.map(|journey| journeys::one(sql, sight, grant, journey)).transpose()?.flatten().into();
    Ok(Some(Whole { alert, sightings }))
}

/// What is known of a sighting.
pub(super) fn lies(sql: &dyn Sql, sighting: Id) -> Result<Option<At>, SqlError> {
    let row = sql.first(r#"SELECT from_ms, until_ms, partition, "offset" FROM sightings WHERE id = ?1"#, values![key(sighting)])?;
    let read = |row: Row| Ok(At { sighting, from_ms: row.get(0)?, until_ms: row.get(1)?, partition: row.get(2)?, offset: row.get(3)? });
    row.map(read).transpose()
}

/// The rows of sightings, as their records tell them; none of what the topic keeps no longer.
pub(super) fn rows(store: &dyn TopicStore, sightings: &[Option<At>]) -> Result<Vec<Value>, TransportError> {
    let row = |at: &Option<At>| {
        let Some(At { sighting, partition, offset, .. }) = *at else { return Ok(Value::Null) };
        let mut found = Value::Null;
        if store.offsets(SIGHTINGS, partition)?.contains(&offset) {
            visit(store, SIGHTINGS, partition, offset, |batch, record| {
                let value = batch.value(record).filter(|_| record.offset == offset);
                let row = value.and_then(|value| Format::of(value).decode::<Revised<Sighting>>(value).ok());
                found = row.filter(|row| row.row.id == sighting).map_or(Value::Null, |row| json!(row));
                ControlFlow::Break(())
            })?;
        }
        Ok(found)
    };
    sightings.iter().map(row).collect()
}

/// How an alert stands that something is to be said about.
pub(super) struct Standing {
    pub(super) revision: u32,
    pub(super) status: Status,
    pub(super) acknowledged: Option<Value>,
}

/// How an alert stands; `None`: there is none that may be seen.
pub(super) fn standing(sql: &dyn Sql, grant: &Grant, id: Id) -> Result<Option<Standing>, SqlError> {
    let row = sql.first(&format!("SELECT {COLUMNS} FROM alerts WHERE id = ?1"), values![key(id)])?;
    let found = row.as_ref().map(found).transpose()?;
    let seen = found.filter(|found| grant.sees(found.alert.row.centre.as_str()));
    Ok(seen.map(|Found { alert: Revised { revision, status, .. }, acknowledged, .. }| Standing { revision, status, acknowledged }))
}

/// An alert as a grant may see it. Of an alert that rests on cameras of other centres too, what these saw is left out, and the
/// sentence, which names them.
fn shown(sight: &Sight, grant: &Grant, found: &Found) -> Value {
    let mut alert = found.alert.clone();
    let all = alert.row.evidence.len();
    alert.row.evidence.retain(|one| sight.shows(grant, one.camera));
    let withheld = alert.row.evidence.len() < all;
    let mut value = json!(alert);
    if withheld {
        value["text"] = Value::Null;
    }
    value["withheld"] = withheld.into();
    (value["told_ms"], value["changed_ms"]) = (found.told_ms.into(), found.changed_ms.into());
    (value["review"], value["acknowledged"]) = (json!(found.review), json!(found.acknowledged));
    value
}

/// What became of an alert, for who follows them.
pub(super) enum News {
    /// It stands like this.
    Alert(Value),
    /// Another centre has it now.
    Elsewhere(Id),
}

/// The number of the last change, and what numbers them: another view counts anew.
pub(super) fn last_change(sql: &dyn Sql) -> Result<(String, i64), SqlError> {
    let row = sql.first("SELECT instance, change FROM state", &[])?.ok_or(SqlError::Column(0))?;
    Ok((row.get(0)?, row.get(1)?))
}

/// What changed after a change, oldest first, each with its number; at most so many.
pub(super) fn changes(sql: &dyn Sql, sight: &Sight, grant: &Grant, after: i64, most: u32) -> Result<Vec<(i64, News)>, SqlError> {
    let mut only = Conditions { sql: format!("SELECT {COLUMNS}, change FROM alerts WHERE change > ?1"), values: vec![after.into()] };
    // Whoever was told of an alert is told when another centre gets it.
    only.bound(grant, "EXISTS (SELECT 1 FROM alert_centres WHERE alert = alerts.id AND alert_centres.centre IN (?))");
    let Conditions { sql: page, mut values } = only;
    values.push(most.into());
    let rows = sql.query(&format!("{page} ORDER BY change LIMIT ?{}", values.len()), &values)?;
    let news = |row: &Row| {
        let (found, change) = (found(row)?, row.get(WIDTH)?);
        let news = match grant.sees(found.alert.row.centre.as_str()) {
            true => News::Alert(shown(sight, grant, &found)),
            false => News::Elsewhere(found.alert.row.id),
        };
        Ok((change, news))
    };
    rows.iter().map(news).collect()
}
