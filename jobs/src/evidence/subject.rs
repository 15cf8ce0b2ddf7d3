//! Whom an alert is about: of the inputs, what is packed, so that a package tells of nobody else.
//!
//! ```text
//! observations   of the cameras and spans of the alert's sightings ── plates of others are left out, their boxes stay
//! signals        all of the span: they are nobody's                    sightings   those that the alert names
//! hotlist        entries that its plate may be                         patrols     none
//! ```

use operators::city::similarity::{Millinats, Read, Similarity};
use schemas::wire::{Format, Record};
use schemas::{Confidence, HotlistEntry, Id, Name, Observation, Plate, PlateColour, PlateKind, PlateText, Revised, Sighting};

use super::Gathered;
use crate::dataflow::alerted;

/// How much before and after its sightings a camera's pictures are packed, milliseconds: a vehicle is followed before its track is
/// told, and its track ends some time after it was last seen.
const AROUND_MS: u64 = 5_000;

/// From here on upwards a read is taken for the alert's plate: 150 to one. A read of it with a symbol missing has more; of others on
/// the same road, many share half of the symbols.
const LIKELY: Millinats = 5_000;

/// Whom an alert is about.
pub struct Subject {
    /// Where and when it was seen, milliseconds since the epoch, both ends included.
    seen: Vec<(Name, u64, u64)>,
    /// Its plate, as it was read by then.
    plates: Vec<Read>,
    sightings: Vec<Id>,
    similarity: Similarity,
}

/// What is kept of a record.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// How many plates were left out of it.
    pub withheld: u64,
}

impl Subject {
    /// By which rule, for people.
    pub const RULE: &str = "Packed of the inputs are the pictures of the cameras that the alert names, from 5 s before to 5 s after it was seen \
         there, with the boxes of all vehicles but no plate except reads that are likely the alert's; the signals of the whole span; of lists the \
         entries that the alert's plate may be; the sightings that the alert names. All else is named by its offsets.";

    /// Whom an alert is about, as far as its rows tell.
    #[must_use]
    pub fn of(gathered: &Gathered) -> Self {
        let alert = &gathered.last.row;
        let around = |(from_ms, until_ms): (u64, u64)| (from_ms.saturating_sub(AROUND_MS), until_ms.saturating_add(AROUND_MS));
        // What names no sighting is about a camera, from its first to its last evidence.
        let (from_ms, until_ms) = around(alerted(alert));
        let mut seen: Vec<_> =
            alert.evidence.iter().filter(|evidence| evidence.sighting.is_none()).map(|e| (e.camera, from_ms, until_ms)).collect();
        for sighting in &gathered.seen {
            let (from_ms, until_ms) = around((sighting.from_ms, sighting.until_ms));
            seen.push((sighting.camera, from_ms, until_ms));
        }
        let plates = gathered.seen.iter().filter_map(|sighting| sighting.plate.as_ref()).chain(&alert.plate).filter_map(Read::of);
        let sightings = gathered.seen.iter().map(|sighting| sighting.id).collect();
        Self { seen, plates: plates.collect(), sightings, similarity: Similarity::default() }
    }

    /// What is packed of a record of a kind; nothing, if it is not.
    #[must_use]
    pub fn keep(&self, kind: &str, key: &[u8], value: Option<&[u8]>) -> Option<Kept> {
        let whole = || Some(Kept { value: value.map(<[u8]>::to_vec), withheld: 0 });
        match (kind, value) {
            ("signals", _) => whole(),
            ("observations", Some(value)) => self.keep_picture(value),
            ("sightings", Some(value)) => {
                whole().filter(|_| decode(value).is_some_and(|row: Revised<Sighting>| self.sightings.contains(&row.row.id)))
            }
            ("hotlist", Some(value)) => {
                whole().filter(|_| decode(value).is_some_and(|entry: HotlistEntry| self.may_be(&surely(entry.plate, entry.kind))))
            }
            // What takes an entry back is keyed by list and plate.
            ("hotlist", None) => whole().filter(|_| self.is_listed(key)),
            _ => None,
        }
    }

    fn keep_picture(&self, value: &[u8]) -> Option<Kept> {
        let mut picture: Observation = decode(value)?;
        let within =
            |(camera, from_ms, until_ms): &(Name, u64, u64)| *camera == picture.camera && (*from_ms..=*until_ms).contains(&picture.at_ms);
        if !self.seen.iter().any(within) {
            return None;
        }
        let others = |plate: &Plate| !self.may_be(plate);
        let withheld = picture.objects.iter().filter(|object| object.plate.as_ref().is_some_and(others)).count() as u64;
        if withheld == 0 {
            return Some(Kept { value: Some(value.to_vec()), withheld });
        }
        let mut objects = picture.objects.to_vec();
        objects.iter_mut().for_each(|object| object.plate = object.plate.filter(|plate| self.may_be(plate)));
        picture.objects = objects.into();
        let mut kept = Vec::new();
        Format::of(value).encode(&picture, &mut kept);
        Some(Kept { value: Some(kept), withheld })
    }

    /// Whether a plate may be the alert's: the likelihood by which vehicles are linked speaks for it.
    fn may_be(&self, plate: &Plate) -> bool {
        Read::of(plate).is_some_and(|read| self.plates.iter().any(|own| self.similarity.of(own, &read) >= LIKELY))
    }

    fn is_listed(&self, key: &[u8]) -> bool {
        let plate = std::str::from_utf8(key).ok().and_then(|key| key.rsplit_once('/')).and_then(|(_, plate)| plate.parse().ok());
        plate.is_some_and(|plate| self.may_be(&surely(plate, PlateKind::Car)))
    }
}

/// A plate that somebody wrote.
fn surely(text: PlateText, kind: PlateKind) -> Plate {
    let confidence = Confidence::of(&vec![1_000; text.len()]).unwrap_or_default();
    Plate { text, kind, colour: PlateColour::White, confidence }
}

fn decode<R: Record>(value: &[u8]) -> Option<R> {
    Format::of(value).decode(value).ok()
}
