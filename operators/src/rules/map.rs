//! What rules look up in the city's map: cameras, the kinds of their lines, the heads of their lanes, how exact their times are.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use schemas::{Camera, City, Crossing, LineKind, Name, Sighting, Zone};

use crate::city::road::CameraNumber;

/// The city with its cameras at hand.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    city: Arc<City>,
    cameras: FxHashMap<Name, usize>,
}

impl Map {
    /// Prepares the look-ups.
    pub(super) fn new(city: Arc<City>) -> Self {
        let cameras = city.cameras.iter().enumerate().map(|(i, camera)| (camera.id, i)).collect();
        Self { city, cameras }
    }

    /// The camera of that id.
    pub(super) fn camera(&self, id: Name) -> Option<&Camera> {
        self.cameras.get(&id).map(|i| &self.city.cameras[*i])
    }

    /// The camera's number, from 0 in the order of the map.
    pub(super) fn number(&self, id: Name) -> Option<CameraNumber> {
        self.cameras.get(&id).map(|i| *i as CameraNumber)
    }

    /// The camera of that number.
    pub(super) fn numbered(&self, number: CameraNumber) -> &Camera {
        &self.city.cameras[usize::from(number)]
    }

    /// The centre that looks after the camera; `unknown` where the map does not know it.
    pub(super) fn centre(&self, camera: Name) -> Name {
        self.camera(camera).map_or(Name::of("unknown"), |camera| camera.centre)
    }
}

/// When the vehicle passed the stop line forward, if it did; lengths of links and sections are measured between these moments.
pub(super) fn stop_crossing<'s>(camera: &Camera, sighting: &'s Sighting) -> Option<&'s Crossing> {
    sighting.crossings.iter().find(|c| c.forward && line_kind(camera, c.line) == Some(LineKind::StopLine))
}

/// What the line of that id means.
pub(super) fn line_kind(camera: &Camera, line: Name) -> Option<LineKind> {
    camera.lines.iter().find(|l| l.id == line).map(|l| l.kind)
}

/// The zone of that id.
pub(super) fn zone(camera: &Camera, id: Name) -> Option<&Zone> {
    camera.zones.iter().find(|z| z.id == id)
}

/// The signal head that governs the lane.
pub(super) fn head(camera: &Camera, lane: u32) -> Option<Name> {
    camera.lanes.iter().find(|l| l.id == lane).and_then(|l| l.head)
}

/// By how much a time interpolated between frames may be off: half the time between two frames, rounded up.
pub(super) fn interpolation_error_ms(camera: &Camera) -> u64 {
    500_u64.div_ceil(u64::from(camera.fps.max(1)))
}

/// By how much the time of a crossing may be off in all: the clock and the interpolation.
pub(super) fn crossing_error_ms(camera: &Camera) -> u64 {
    u64::from(camera.clock_error_ms) + interpolation_error_ms(camera)
}
