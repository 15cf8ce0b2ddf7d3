//! The kinds of records that flow between steps.

use engine::definition::{DecodeError, Node, decode};
use engine::plan::{Kind, REJECTED};
use schemars::{JsonSchema, schema_for};
use schemas::{
    Acknowledgement, Alert, Assignment, Effectiveness, Frame, HotlistEntry, Journey, Observation, Patrol, Rejected, Review, Revised,
    Sighting, Signal,
};
use serde::de::{DeserializeOwned, Error as _};
use serde_json::Value;

pub(super) const FRAMES: &str = "frames";
pub(super) const PERCEIVED: &str = "perceived";
pub(super) const OBSERVATIONS: &str = "observations";
pub(super) const SIGHTINGS: &str = "sightings";
pub(super) const BONDS: &str = "bonds";
pub(super) const JOURNEYS: &str = "journeys";
pub(super) const SIGNALS: &str = "signals";
pub(super) const HOTLIST: &str = "hotlist";
pub(super) const PATROLS: &str = "patrols";
pub(super) const ALERTS: &str = "alerts";
pub(super) const ASSIGNMENTS: &str = "assignments";
pub(super) const PASSAGES: &str = "passages";
pub(super) const TOLD_ALERTS: &str = "told_alerts";
pub(crate) const REVIEWS: &str = "reviews";
pub(crate) const ACKNOWLEDGEMENTS: &str = "acknowledgements";
pub(crate) const ANSWERS: &str = "answers";
pub(super) const EFFECTIVENESS: &str = "effectiveness";

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: FRAMES,
        summary: "encoded pictures of cameras, as capture takes them",
        readable: true,
        table: false,
        writable: false,
        schema: schema::<Frame>,
        check: |node| row::<Frame>(node, Frame::check),
    },
    // What a decoder and a network make of pictures cannot be had again to the bit, so no step may rest on it directly.
    Kind {
        name: PERCEIVED,
        summary: "observations as they are made; they end in a topic, from which other jobs read them as observations",
        readable: false,
        table: false,
        writable: true,
        schema: schema::<Observation>,
        check: |node| row::<Observation>(node, Observation::check),
    },
    Kind {
        name: OBSERVATIONS,
        summary: "what a camera saw in one frame, after detection",
        readable: true,
        table: false,
        writable: false,
        schema: schema::<Observation>,
        check: |node| row::<Observation>(node, Observation::check),
    },
    Kind {
        name: SIGHTINGS,
        summary: "one vehicle through one camera's view",
        readable: true,
        table: true,
        writable: true,
        schema: schema::<Sighting>,
        check: |node| row::<Sighting>(node, |_| Ok(())),
    },
    Kind {
        name: BONDS,
        summary: "two sightings that are one vehicle",
        readable: false,
        table: false,
        writable: false,
        schema: || Value::Object(serde_json::Map::new()),
        check: |_| Err(DecodeError::custom("cannot be written by hand")),
    },
    Kind {
        name: JOURNEYS,
        summary: "one vehicle through the city",
        readable: false,
        table: false,
        writable: true,
        schema: schema::<Journey>,
        check: |node| row::<Journey>(node, |_| Ok(())),
    },
    Kind {
        name: SIGNALS,
        summary: "what a traffic signal shows from a moment on",
        readable: true,
        table: false,
        writable: false,
        schema: schema::<Signal>,
        check: |node| row::<Signal>(node, |_| Ok(())),
    },
    Kind {
        name: HOTLIST,
        summary: "plates somebody looks for, a table by list and plate",
        readable: true,
        table: true,
        writable: false,
        schema: schema::<HotlistEntry>,
        check: |node| row::<HotlistEntry>(node, HotlistEntry::check),
    },
    Kind {
        name: PATROLS,
        summary: "where a patrol unit is from a moment on, and whether it can be sent",
        readable: true,
        table: false,
        writable: false,
        schema: schema::<Patrol>,
        check: |node| row::<Patrol>(node, |_| Ok(())),
    },
    Kind {
        name: ALERTS,
        summary: "what a person is told",
        readable: false,
        table: false,
        writable: true,
        schema: schema::<Alert>,
        check: |node| row::<Alert>(node, |_| Ok(())),
    },
    Kind {
        name: ASSIGNMENTS,
        summary: "which patrol unit is nearest to what an alert tells of",
        readable: false,
        table: false,
        writable: true,
        schema: schema::<Assignment>,
        check: |node| row::<Assignment>(node, |_| Ok(())),
    },
    Kind {
        name: PASSAGES,
        summary: "vehicles that passed cameras: sightings, read from their topic once they are final",
        readable: true,
        table: false,
        writable: false,
        schema: schema::<Revised<Sighting>>,
        check: |node| row::<Revised<Sighting>>(node, |_| Ok(())),
    },
    // Tables for a restart, which reads them from the first record: an alert is reviewed long after it was told.
    Kind {
        name: TOLD_ALERTS,
        summary: "alerts as they were told, read from their topic: when first, and whether they stand",
        readable: true,
        table: true,
        writable: false,
        schema: schema::<Revised<Alert>>,
        check: |node| row::<Revised<Alert>>(node, |_| Ok(())),
    },
    Kind {
        name: REVIEWS,
        summary: "what officers decided of alerts",
        readable: true,
        table: true,
        writable: false,
        schema: schema::<Review>,
        check: |node| row::<Review>(node, Review::check),
    },
    Kind {
        name: ACKNOWLEDGEMENTS,
        summary: "who sees to alerts",
        readable: true,
        table: true,
        writable: false,
        schema: schema::<Acknowledgement>,
        check: |node| row::<Acknowledgement>(node, |_| Ok(())),
    },
    Kind {
        name: ANSWERS,
        summary: "who sees to alerts and since when, read from the topic of acknowledgements",
        readable: true,
        table: false,
        writable: false,
        schema: schema::<Acknowledgement>,
        check: |node| row::<Acknowledgement>(node, |_| Ok(())),
    },
    Kind {
        name: EFFECTIVENESS,
        summary: "how well rules and cameras do their work, by hours",
        readable: false,
        table: false,
        writable: true,
        schema: schema::<Effectiveness>,
        check: |node| row::<Effectiveness>(node, |_| Ok(())),
    },
    Kind {
        name: REJECTED,
        summary: "records that could not be taken, each with the reason",
        readable: false,
        table: false,
        writable: true,
        schema: schema::<Rejected>,
        check: |node| row::<Rejected>(node, |_| Ok(())),
    },
];

/// JSON Schema of a type.
pub(super) fn schema<T: JsonSchema>() -> Value {
    schema_for!(T).to_value()
}

/// Whether a row written by hand is such a record, and whether its values can be true.
fn row<T: DeserializeOwned>(node: &Node, check: fn(&T) -> Result<(), String>) -> Result<(), DecodeError> {
    decode::<T>(node).and_then(|record| check(&record).map_err(DecodeError::custom))
}
