//! The city in one loop: a tracker a camera, one linker, one assembler, each called moment by moment as the job does.
//!
//! This does less than the job: of the rules only the one over sections, no changelog, no output.

use std::sync::Arc;

use operators::city::{Assembler, Bond, Itinerary, JourneyParameters, LinkParameters, Linker, Part, TrackParameters, Tracker};
use operators::rules::SectionSpeedParameters;
use operators::rules::section_speed::{Sections, alerts};
use rustc_hash::FxHashMap;
use schemas::{City, Name, Observation, Sighting};

use crate::recording::arrival_ms;

/// A change of a sighting at a moment of the clock.
pub type Change = (Arc<Sighting>, u64, isize);

/// The moment at which a frame enters: the end of the tenth of a second in which it arrived.
#[must_use]
pub fn moment_of(frame: &Observation) -> u64 {
    (arrival_ms(frame) / 100 + 1) * 100
}

/// Follows the vehicles of all frames; returns the sightings that change, in order of the clock.
///
/// # Panics
/// A camera of the city cannot be surveyed.
pub fn follow<O: std::borrow::Borrow<Observation>>(city: &City, frames: impl IntoIterator<Item = O>) -> Vec<Change> {
    let parameters = TrackParameters::default();
    let new = |camera| Tracker::new(camera, &parameters).expect("a surveyed camera");
    let mut trackers: FxHashMap<Name, Tracker> = city.cameras.iter().map(|camera| (camera.id, new(camera))).collect();
    let (mut changes, mut told, mut now) = (Vec::new(), Vec::new(), 0);
    for frame in frames {
        let frame = frame.borrow();
        now = moment_of(frame).max(now);
        let Some(tracker) = trackers.get_mut(&frame.camera) else { continue };
        // A frame that is late or came twice is not taken.
        let _ = tracker.observe(frame, &mut told);
        changes.extend(told.drain(..).map(|(sighting, diff)| (sighting, now, diff)));
    }
    changes
}

/// Links sightings, assembles journeys and judges sections; returns how many alerts stand.
#[must_use]
pub fn assemble(city: &City, changes: &[Change]) -> usize {
    let mut linker = Linker::new(city, LinkParameters::default());
    let mut assembler = Assembler::new(city, JourneyParameters::default());
    let sections = Sections::new(Arc::new(city.clone()));
    let parameters = SectionSpeedParameters::default();
    let mut standing = 0;
    for moment in changes.chunk_by(|a, b| a.1 == b.1) {
        let now = moment[0].1;
        let mut sightings: Vec<(Arc<Sighting>, isize)> = moment.iter().map(|(sighting, _, diff)| (Arc::clone(sighting), *diff)).collect();
        let mut parts: Vec<(Part, isize)> =
            sightings.iter().map(|(sighting, diff)| (Part::Sighting(Arc::clone(sighting)), *diff)).collect();
        let mut bonds: Vec<(Bond, isize)> = Vec::new();
        linker.apply(now, &mut sightings, &mut bonds);
        parts.extend(bonds.drain(..).map(|(bond, diff)| (Part::Bond(bond), diff)));
        let mut itineraries: Vec<(Arc<Itinerary>, isize)> = Vec::new();
        assembler.apply(now, &mut parts, &mut itineraries);
        for (itinerary, diff) in &itineraries {
            standing += alerts(itinerary, &sections, &parameters).len() as isize * diff;
        }
    }
    standing.max(0) as usize
}
