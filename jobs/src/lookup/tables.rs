//! The tables of the view, and which record goes where.

use engine::view::{Committed, Refused, Sql, SqlError, Tables};
use schemas::wire::{Format, Record};
use schemas::{CaptureHealth, Reason, Revised};

use super::{Retention, intake, retention};

pub(super) const ALERTS: &str = "alerts";
const JOURNEYS: &str = "journeys";
pub(super) const SIGHTINGS: &str = "sightings";
const CAPTURE_HEALTH: &str = "capture_health";
pub(super) const REVIEWS: &str = "reviews";
pub(super) const ACKNOWLEDGEMENTS: &str = "acknowledgements";

/// What is asked about traffic. Ids are their 64 bits, signed.
///
/// Journeys and sightings lie in the order in which they came, not of their ids, which are hashes: what is revised lies together,
/// and a quarter as much is written.
///
/// Of a sighting the row is not kept here, but where its record lies: what a plate was read as is looked at when an alert is.
///
/// `hits` are the journeys and sightings that alerts rest on which stand. `tidied` says up to when there is nothing left that
/// is too old and no hit.
const SQL: &str = r#"
    CREATE TABLE alerts (
        id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, status TEXT NOT NULL, rule TEXT NOT NULL, centre TEXT NOT NULL,
        at_ms INTEGER NOT NULL, told_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, change INTEGER NOT NULL,
        partition INTEGER NOT NULL, "offset" INTEGER NOT NULL, row TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX alerts_by_change ON alerts (change);
    CREATE INDEX alerts_by_time ON alerts (at_ms, id);
    CREATE INDEX alerts_by_centre ON alerts (centre, at_ms, id);
    CREATE INDEX alerts_by_rule ON alerts (rule, at_ms, id);
    CREATE TABLE alert_cameras (
        camera TEXT NOT NULL, rule TEXT NOT NULL, at_ms INTEGER NOT NULL, alert INTEGER NOT NULL, PRIMARY KEY (camera, rule, at_ms, alert)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX alert_cameras_by_alert ON alert_cameras (alert);
    CREATE TABLE alert_centres (alert INTEGER NOT NULL, centre TEXT NOT NULL, PRIMARY KEY (alert, centre)) STRICT, WITHOUT ROWID;
    CREATE TABLE reviews (alert INTEGER PRIMARY KEY, decision TEXT NOT NULL, at_ms INTEGER NOT NULL, row TEXT NOT NULL) STRICT;
    CREATE TABLE acknowledgements (alert INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, row TEXT NOT NULL) STRICT;
    CREATE TABLE hits (
        kind TEXT NOT NULL, id INTEGER NOT NULL, alert INTEGER NOT NULL, PRIMARY KEY (kind, id, alert)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX hits_by_alert ON hits (alert);

    CREATE TABLE journeys (
        place INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE, revision INTEGER NOT NULL, plate TEXT NOT NULL,
        from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, row TEXT NOT NULL
    ) STRICT;
    CREATE INDEX journeys_by_plate ON journeys (plate, from_ms, id);
    CREATE INDEX journeys_by_age ON journeys (until_ms);
    CREATE TABLE sightings (
        place INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE, revision INTEGER NOT NULL, camera TEXT NOT NULL,
        from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX sightings_by_age ON sightings (until_ms);
    CREATE TABLE cameras (camera TEXT PRIMARY KEY, seen_ms INTEGER, lag_ms INTEGER, capture TEXT) STRICT, WITHOUT ROWID;

    CREATE TABLE state (instance TEXT NOT NULL, change INTEGER NOT NULL) STRICT;
    INSERT INTO state VALUES (lower(hex(randomblob(8))), 0);
    CREATE TABLE tidied (kind TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO tidied VALUES ('alert', 0), ('journey', 0), ('sighting', 0);
    CREATE TABLE deletions (
        at_ms INTEGER NOT NULL, kind TEXT NOT NULL, rows INTEGER NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL
    ) STRICT;
"#;

/// The outputs of traffic jobs as tables.
pub(super) struct Traffic {
    pub(super) retention: Retention,
}

impl Tables for Traffic {
    const APPLICATION: [u8; 4] = *b"GIAL";
    const VERSION: i32 = 4;
    const SQL: &'static str = SQL;

    fn topics(&self) -> Vec<String> {
        [ALERTS, JOURNEYS, SIGHTINGS, CAPTURE_HEALTH, REVIEWS, ACKNOWLEDGEMENTS].map(str::to_owned).to_vec()
    }

    fn take(&self, sql: &dyn Sql, record: &Committed<'_>) -> Result<bool, Refused> {
        match record.topic {
            ALERTS => intake::alert(sql, record, &read(record.value)?)?,
            JOURNEYS => intake::journey(sql, &read(record.value)?)?,
            SIGHTINGS => intake::sighting(sql, record, &read(record.value)?)?,
            REVIEWS => intake::review(sql, &read_plain(record.value)?)?,
            ACKNOWLEDGEMENTS => intake::acknowledgement(sql, &read_plain(record.value)?)?,
            _ => intake::capture_health(sql, &read_plain::<CaptureHealth>(record.value)?)?,
        }
        Ok(matches!(record.topic, ALERTS | REVIEWS | ACKNOWLEDGEMENTS))
    }

    fn forget(&self, sql: &dyn Sql, now_ms: u64) -> Result<bool, SqlError> {
        retention::forget(sql, &self.retention, now_ms)
    }
}

fn read<T: Record>(bytes: &[u8]) -> Result<Revised<T>, Refused> {
    read_plain(bytes)
}

fn read_plain<T: Record>(bytes: &[u8]) -> Result<T, Refused> {
    Format::of(bytes).decode(bytes).map_err(|refusal| {
        // The refusal's own words may quote the record, and with it a plate.
        let what = if refusal.reason == Reason::Unreadable { "it cannot be read" } else { "it is not what it is to be" };
        Refused::Unreadable(format!("{what}: no {}", T::NAME))
    })
}
