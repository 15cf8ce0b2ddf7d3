//! What may stand on the wire: each record's name, its schema number and version, and what its values must satisfy.
//!
//! Numbers are never given twice. A row of an output table travels as [`Revised`], with the row's number plus 128.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use super::quick;
use crate::{
    Acknowledgement, Alert, Assignment, CaptureHealth, City, Effectiveness, Frame, HotlistEntry, Journey, Observation, Patrol, Plate,
    Rejected, Review, Revised, Sighting, Signal,
};

/// A record that may stand on the wire.
pub trait Record: Serialize + DeserializeOwned {
    /// What people call it.
    const NAME: &'static str;
    /// First byte of the header in binary formats: which record it is.
    const SCHEMA: u8;
    /// Second byte of the header in binary formats: which arrangement of its fields.
    const VERSION: u8;

    /// Whether the values can be true at all; the error names the first that cannot.
    ///
    /// # Errors
    /// A value that no camera, signal or step of ours could mean.
    fn check(&self) -> Result<(), String>;

    /// The record that this JSON is, where there is a quicker way to read it and the JSON is of the ordinary kind.
    #[must_use]
    fn quick(_json: &[u8]) -> Option<Self> {
        None
    }
}

/// Gives records their place on the wire: `Type = number "name", version, check`, and how their JSON is read quickly, if it is.
macro_rules! records {
    ($($type:ty = $schema:literal $name:literal, $version:literal, $check:expr $(, $quick:path)?;)*) => {$(
        impl Record for $type {
            const NAME: &'static str = $name;
            const SCHEMA: u8 = $schema;
            const VERSION: u8 = $version;

            fn check(&self) -> Result<(), String> {
                let check: fn(&Self) -> Result<(), String> = $check;
                check(self)
            }

            $(fn quick(json: &[u8]) -> Option<Self> {
                $quick(json)
            })?
        }
    )*};
}

records! {
    City = 1 "city", 1, |_| Ok(());
    Observation = 2 "observation", 1, Observation::check, quick::observation;
    Signal = 3 "signal", 1, |_| Ok(());
    HotlistEntry = 4 "hotlist entry", 1, HotlistEntry::check;
    Patrol = 5 "patrol", 1, check_patrol;
    Sighting = 6 "sighting", 1, check_sighting;
    Journey = 7 "journey", 1, check_journey;
    Alert = 8 "alert", 1, check_alert;
    Rejected = 9 "rejected record", 1, |_| Ok(());
    // 10 to 13 are left out: JSON may begin with them, for they are white space.
    Frame = 14 "frame", 1, Frame::check;
    CaptureHealth = 15 "capture health", 1, |_| Ok(());
    Review = 16 "review", 1, Review::check;
    Acknowledgement = 17 "acknowledgement", 1, |_| Ok(());
    Assignment = 18 "assignment", 2, check_assignment;
    Effectiveness = 19 "effectiveness", 1, check_effectiveness;
}

impl<T: Record> Record for Revised<T> {
    const NAME: &'static str = T::NAME;
    const SCHEMA: u8 = T::SCHEMA | 0x80;
    const VERSION: u8 = T::VERSION;

    fn check(&self) -> Result<(), String> {
        if self.revision == 0 {
            return Err("revision is 0; the first is 1".into());
        }
        self.row.check()
    }
}

impl<T: Record> Record for Arc<T> {
    const NAME: &'static str = T::NAME;
    const SCHEMA: u8 = T::SCHEMA;
    const VERSION: u8 = T::VERSION;

    fn check(&self) -> Result<(), String> {
        T::check(self)
    }

    fn quick(json: &[u8]) -> Option<Self> {
        T::quick(json).map(Self::new)
    }
}

fn check_patrol(patrol: &Patrol) -> Result<(), String> {
    let on_earth = patrol.lon_e7.unsigned_abs() <= 1_800_000_000 && patrol.lat_e7.unsigned_abs() <= 900_000_000;
    on_earth.then_some(()).ok_or_else(|| format!("lon_e7 {}, lat_e7 {} is no place on earth", patrol.lon_e7, patrol.lat_e7))
}

fn check_sighting(sighting: &Sighting) -> Result<(), String> {
    check_interval(sighting.from_ms, sighting.until_ms)?;
    sighting
        .stays
        .iter()
        .enumerate()
        .try_for_each(|(i, s)| check_interval(s.from_ms, s.until_ms).map_err(|e| format!("stays[{i}]: {e}")))?;
    sighting.plate.as_ref().map_or(Ok(()), Plate::check)
}

fn check_journey(journey: &Journey) -> Result<(), String> {
    check_interval(journey.from_ms, journey.until_ms)?;
    if journey.sightings.len() != journey.cameras.len() {
        return Err(format!("{} sightings but {} cameras", journey.sightings.len(), journey.cameras.len()));
    }
    if journey.certainty > 1_000 {
        return Err(format!("certainty is {} permille; at most 1000 is allowed", journey.certainty));
    }
    journey.plate.as_ref().map_or(Ok(()), Plate::check)
}

fn check_alert(alert: &Alert) -> Result<(), String> {
    if alert.priority > 100 {
        return Err(format!("priority is {}; at most 100 is allowed", alert.priority));
    }
    alert.plate.as_ref().map_or(Ok(()), Plate::check)
}

fn check_assignment(assignment: &Assignment) -> Result<(), String> {
    if assignment.id != assignment.alert.id {
        return Err(format!("id is {}, but that of its alert is {}", assignment.id, assignment.alert.id));
    }
    check_alert(&assignment.alert)
}

fn check_effectiveness(row: &Effectiveness) -> Result<(), String> {
    let hours = [("from_ms", row.from_ms), ("known_from_ms", row.known_from_ms)];
    match hours.iter().find(|(_, at_ms)| *at_ms != Effectiveness::hour_of(*at_ms)) {
        Some((name, at_ms)) => Err(format!("{name} {at_ms} is not where an hour begins")),
        None => Ok(()),
    }
}

/// An interval of one moment is allowed: a vehicle may be seen in a single frame.
fn check_interval(from_ms: u64, until_ms: u64) -> Result<(), String> {
    if until_ms < from_ms {
        return Err(format!("until_ms {until_ms} is before from_ms {from_ms}"));
    }
    Ok(())
}
