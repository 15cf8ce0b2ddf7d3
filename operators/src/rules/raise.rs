//! The last part of every rule: only real differences are told, and people read units they know.

use differential_dataflow::consolidation::consolidate;
use schemas::{Alert, Plate};

use crate::Changes;
use crate::stream::{Footprint, fold};

/// Lets only real differences through.
///
/// A record that is revised without bearing on an alert takes the alert away and puts an equal one in its place, at one
/// moment; such pairs end here.
pub(super) fn raise<'scope>(alerts: Changes<'scope, Alert>, rule: &str) -> Changes<'scope, Alert> {
    fold(
        alerts,
        rule,
        |alert| alert.id.0,
        |_now, changes, out| {
            consolidate(changes);
            out.append(changes);
            Footprint::NOTHING
        },
    )
}

/// A speed in km/h with one decimal, rounded down, so that no sentence claims more than was measured.
pub(super) fn kmh(speed_cms: u64) -> String {
    let tenths = speed_cms * 36 / 100;
    format!("{}.{} km/h", tenths / 10, tenths % 10)
}

/// A time span in seconds with one decimal, rounded down.
pub(super) fn seconds(span_ms: u64) -> String {
    format!("{}.{} s", span_ms / 1_000, span_ms % 1_000 / 100)
}

/// From this probability of all its symbols together on, a plate read by one camera alone names a vehicle, permille.
const SURE_PERMILLE: u64 = 900;

/// Whom an alert of one camera is about: its plate, if that is sure. An unsure one would accuse somebody else.
pub(super) fn subject(plate: Option<Plate>) -> Option<Plate> {
    plate.filter(|plate| posterior_permille(plate) >= SURE_PERMILLE)
}

/// How probable all symbols of a plate together are, permille, rounded down.
pub(super) fn posterior_permille(plate: &Plate) -> u64 {
    let confidence = plate.confidence.values();
    if confidence.len() < plate.text.len() {
        return 0;
    }
    confidence.iter().fold(1_000_000_000, |all, permille| all * u64::from(*permille) / 1_000) / 1_000_000
}

/// How a sentence names the vehicle.
pub(super) fn vehicle(plate: Option<&Plate>) -> String {
    match plate {
        Some(plate) if posterior_permille(plate) >= SURE_PERMILLE => format!("Vehicle {}", plate.text),
        Some(plate) => format!("A vehicle whose plate may be {}", plate.text),
        None => "A vehicle whose plate was not read".to_owned(),
    }
}
