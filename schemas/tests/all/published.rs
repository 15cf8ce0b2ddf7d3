//! The published JSON Schemas in `schemas/wire/` say what the code says. `REWRITE=1` accepts a change.

use schemars::JsonSchema;
use schemas::{
    Acknowledgement, Alert, Assignment, CaptureHealth, City, Effectiveness, Frame, HotlistEntry, Journey, Observation, Patrol, Rejected,
    Review, Revised, Sighting, Signal,
};

use crate::hold_against;

fn publish<T: JsonSchema>(name: &str) {
    let schema = schemars::schema_for!(T);
    hold_against(&format!("wire/{name}.json"), &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()));
}

#[test]
fn schemas_of_inputs_are_the_codes() {
    publish::<CaptureHealth>("capture_health");
    publish::<City>("city");
    publish::<Frame>("frame");
    publish::<Observation>("observation");
    publish::<Signal>("signal");
    publish::<HotlistEntry>("hotlist_entry");
    publish::<Patrol>("patrol");
}

#[test]
fn schemas_of_outputs_are_the_codes() {
    publish::<Revised<Sighting>>("sighting");
    publish::<Revised<Journey>>("journey");
    publish::<Revised<Alert>>("alert");
    publish::<Revised<Assignment>>("assignment");
    publish::<Revised<Effectiveness>>("effectiveness");
    publish::<Rejected>("rejected");
}

#[test]
fn schemas_of_what_people_do_are_the_codes() {
    publish::<Review>("review");
    publish::<Acknowledgement>("acknowledgement");
}
