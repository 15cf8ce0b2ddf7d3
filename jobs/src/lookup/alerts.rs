//! Alerts: a page of them, newest first; one with what it rests on; those that changed since.

use engine::access::{Grant, Scopes};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use schemas::{Alert, Id, Name, Revised, Status};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::intake::{key, signed};
use super::sight::Sight;
use super::tables::ALERTS;

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

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let ms = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    Ok(Found {
        id: row.get(0)?,
        at_ms: row.get(1)?,
        alert: parsed(row, 2)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?,
        told_ms: ms(3)?,
        changed_ms: ms(4)?,
        review: parsed(row, 5)?,
        acknowledged: parsed(row, 6)?,
    })
}

/// A column that holds JSON, if it holds any.
pub(super) fn parsed<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    let parse = |text: String| serde_json::from_str(&text);
    let conversion = |error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error));
    text.map(parse).transpose().map_err(conversion)
}

/// The centres that a grant is bound to, as a list SQL can read; none: all.
fn bound(grant: &Grant) -> Option<String> {
    match &grant.scopes {
        Scopes::All => None,
        Scopes::Of(centres) => Some(json!(centres).to_string()),
    }
}

/// Which alerts, newest first.
pub(super) fn list(connection: &Connection, sight: &Sight, grant: &Grant, wanted: &Wanted) -> rusqlite::Result<Page> {
    let mut sql = format!("SELECT {COLUMNS} FROM alerts WHERE at_ms >= ?");
    let mut values: Vec<Sql> = vec![signed(wanted.from_ms).into()];
    let mut only = |condition: &str, more: &[Sql]| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.extend_from_slice(more);
    };
    if let Some(until_ms) = wanted.until_ms {
        only("at_ms <= ?", &[signed(until_ms).into()]);
    }
    if let Some(centres) = bound(grant) {
        only("centre IN (SELECT value FROM json_each(?))", &[centres.into()]);
    }
    if let Some(centre) = &wanted.centre {
        only("centre = ?", &[centre.clone().into()]);
    }
    if let Some(rule) = &wanted.rule {
        only("rule = ?", &[rule.clone().into()]);
    }
    if let Some(status) = wanted.status {
        only("status = ?", &[status.to_owned().into()]);
    }
    match wanted.review {
        Some("none") => only("id NOT IN (SELECT alert FROM reviews)", &[]),
        Some(decision) => only("id IN (SELECT alert FROM reviews WHERE decision = ?)", &[decision.to_owned().into()]),
        None => {}
    }
    if let Some(camera) = wanted.camera {
        // Which alerts rest on a camera of another centre is not told either.
        if !sight.shows(grant, camera) {
            return Ok(Page { alerts: Vec::new(), next: None });
        }
        only("id IN (SELECT alert FROM alert_cameras WHERE camera = ?)", &[camera.to_string().into()]);
    }
    if let Some(cursor) = wanted.cursor {
        only("(at_ms, id) < (?, ?)", &[cursor.at_ms.into(), cursor.id.into()]);
    }
    sql.push_str(" ORDER BY at_ms DESC, id DESC LIMIT ?");
    values.push((i64::from(wanted.limit) + 1).into());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query_map(params_from_iter(values), found)?.collect::<Result<Vec<_>, _>>()?;
    let more = rows.len() > wanted.limit as usize;
    rows.truncate(wanted.limit as usize);
    let next = rows.last().filter(|_| more).map(|last| Cursor { at_ms: last.at_ms, id: last.id });
    Ok(Page { alerts: rows.iter().map(|found| shown(sight, grant, found)).collect(), next })
}

/// One alert, with where its evidence was seen and where its record lies; `None`: there is none that may be shown.
pub(super) fn one(connection: &Connection, sight: &Sight, grant: &Grant, id: Id) -> rusqlite::Result<Option<Value>> {
    let sql = format!("SELECT {COLUMNS}, partition, offset FROM alerts WHERE id = ?1");
    let row = |row: &Row<'_>| Ok((found(row)?, row.get::<_, u32>(WIDTH)?, row.get::<_, i64>(WIDTH + 1)?));
    let Some((found, partition, offset)) = connection.prepare_cached(&sql)?.query_row([key(id)], row).optional()? else {
        return Ok(None);
    };
    if !grant.sees(found.alert.row.centre.as_str()) {
        return Ok(None);
    }
    let mut answer = shown(sight, grant, &found);
    answer["record"] = json!({"topic": ALERTS, "partition": partition, "offset": offset});
    let mut evidence = Vec::new();
    for one in found.alert.row.evidence.iter().filter(|one| sight.shows(grant, one.camera)) {
        let span = one.sighting.map(|sighting| span(connection, sighting)).transpose()?.flatten();
        evidence.push(json!({
            "sighting": one.sighting, "camera": one.camera, "centre": sight.centre(one.camera), "at_ms": one.at_ms,
            "from_ms": span.map(|(from, _)| from), "until_ms": span.map(|(_, until)| until),
        }));
    }
    answer["evidence"] = evidence.into();
    Ok(Some(answer))
}

/// How an alert stands that something is to be said about.
pub(super) struct Standing {
    pub(super) revision: u32,
    pub(super) status: Status,
    pub(super) acknowledged: Option<Value>,
}

/// How an alert stands; `None`: there is none that may be seen.
pub(super) fn standing(connection: &Connection, grant: &Grant, id: Id) -> rusqlite::Result<Option<Standing>> {
    let sql = format!("SELECT {COLUMNS} FROM alerts WHERE id = ?1");
    let found = connection.prepare_cached(&sql)?.query_row([key(id)], found).optional()?;
    let seen = found.filter(|found| grant.sees(found.alert.row.centre.as_str()));
    Ok(seen.map(|Found { alert: Revised { revision, status, .. }, acknowledged, .. }| Standing { revision, status, acknowledged }))
}

/// When a sighting began and ended.
pub(super) fn span(connection: &Connection, sighting: Id) -> rusqlite::Result<Option<(u64, u64)>> {
    let ms = |row: &Row<'_>, column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let mut statement = connection.prepare_cached("SELECT from_ms, until_ms FROM sightings WHERE id = ?1")?;
    statement.query_row([key(sighting)], |row| Ok((ms(row, 0)?, ms(row, 1)?))).optional()
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
pub(super) fn last_change(connection: &Connection) -> rusqlite::Result<(String, i64)> {
    connection.prepare_cached("SELECT instance, change FROM state")?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// What changed after a change, oldest first, each with its number; at most so many.
pub(super) fn changes(connection: &Connection, sight: &Sight, grant: &Grant, after: i64, most: u32) -> rusqlite::Result<Vec<(i64, News)>> {
    let centres = bound(grant);
    // Whoever was told of an alert is told when another centre gets it.
    let sql = format!(
        "SELECT {COLUMNS}, change FROM alerts WHERE change > ?1 AND (?2 IS NULL OR EXISTS (SELECT 1 FROM alert_centres
            WHERE alert = alerts.id AND alert_centres.centre IN (SELECT value FROM json_each(?2)))) ORDER BY change LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![after, centres, most], |row| {
        let (found, change) = (found(row)?, row.get(WIDTH)?);
        let news = match grant.sees(found.alert.row.centre.as_str()) {
            true => News::Alert(shown(sight, grant, &found)),
            false => News::Elsewhere(found.alert.row.id),
        };
        Ok((change, news))
    })?;
    rows.collect()
}
