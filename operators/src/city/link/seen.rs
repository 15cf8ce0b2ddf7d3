//! What linking looks at of a sighting: small, `Copy`, and the same for revisions that bring nothing new.

use schemas::{Body, Class, Id, PlateColour, PlateKind, Sighting};

use super::pace::Paces;
use super::timeline::Entry;
use crate::city::road::{CameraNumber, Road};
use crate::city::similarity::Read;

/// A sighting as linking sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) id: Id,
    pub(super) camera: CameraNumber,
    /// When it passed. Before it crosses the stop line: when it came into view, which stays the same from frame to frame.
    pub(super) at_ms: u64,
    /// Whether that was at the stop line.
    pub(super) crossed: bool,
    pub(super) class: Class,
    pub(super) body: Option<Body>,
    /// How fast it crossed the stop line, cm/s.
    pub(super) speed_cms: Option<u16>,
    pub(super) plate: Option<SeenPlate>,
}

/// Where and when a sighting was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) id: Id,
    pub(super) camera: CameraNumber,
    pub(super) at_ms: u64,
}

/// What tells at a glance that two sightings are not of one vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looks {
    pub(super) class: Class,
    pub(super) body: Option<Body>,
    /// Whether its plate was read.
    pub(super) is_read: bool,
}

/// A plate as linking sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SeenPlate {
    pub(super) read: Read,
    pub(super) kind: PlateKind,
    pub(super) colour: PlateColour,
}

/// Whether two plates may be one by how they are laid out; of one whose layout is not known anything may be.
pub(super) fn may_be_laid_out_alike(a: PlateKind, b: PlateKind) -> bool {
    a == b || a == PlateKind::Other || b == PlateKind::Other
}

impl Seen {
    /// `None` if the city does not know the camera.
    pub(super) fn of(sighting: &Sighting, road: &Road, paces: &Paces) -> Option<Self> {
        let camera = road.number(sighting.camera)?;
        let plate = sighting.plate.as_ref().and_then(|plate| {
            let read = Read::of(plate)?;
            Some(SeenPlate { read, kind: plate.kind, colour: plate.colour })
        });
        let crossed_ms = road.crossed_ms(camera, sighting);
        Some(Self {
            id: sighting.id,
            camera,
            at_ms: crossed_ms.unwrap_or(sighting.from_ms),
            crossed: crossed_ms.is_some(),
            class: sighting.class,
            body: sighting.body,
            speed_cms: paces.at(camera, sighting),
            plate,
        })
    }

    pub(super) fn spot(&self) -> Spot {
        Spot { id: self.id, camera: self.camera, at_ms: self.at_ms }
    }

    pub(super) fn looks(&self) -> Looks {
        Looks { class: self.class, body: self.body, is_read: self.plate.is_some() }
    }

    /// As a timeline has it that tells of looks.
    pub(super) fn entry(&self) -> Entry<Looks> {
        (self.at_ms, self.id, self.looks())
    }
}
