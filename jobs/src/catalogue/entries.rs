//! What a step can be: every entry with its ports and its window.
//!
//! The parameters' manual is the struct beside the operator; here it only meets its ports. The *window* says how long after
//! an event further evidence may still change what the step says of it: 0 for rules that look at one journey or sighting,
//! for whatever changes those is already in their windows.
//!
//! A restart rebuilds what is open from what entered lately (`engine::pump::start`), so every step must be such that what it says
//! of an event depends on nothing that is older than the event by more than the sum of the windows up to it:
//!
//! | step | what of the past bears on a row |
//! |---|---|
//! | `perceive` | nothing: it is a stage of its own, whose results end in a topic (`engine::stage`) |
//! | `track` | the vehicles in view with it: they count as open since they came into view, told or not |
//! | `link` | sightings within the window; those compete, so one bond may hang on the next: see below |
//! | `assemble_journeys` | the chain the journey lies in; it is remembered as long as its last sighting, and so is its row |
//! | `red_light` | what the signal showed at the time: at most `red_most` old, else it is not known |
//! | `hotlist`, `as_of_join` | the table, which is read whole; the journeys of a window |
//! | `cloned_plate` | the sure reads of two windows; what it tells of is counted by windows of the clock |
//! | `camera_silent` | the camera's last frame, until what was told of the silence is final; then it is as good as new |
//! | `nearest_patrol` | where units were at the time: at most `stale` old, else that is not known |
//! | `escalate` | who was asked since the alert was told, and who answered by then |
//! | `effectiveness` | what became known within its hour; what was known of an alert before is in topics that are read whole |
//! | `suppress` | five windows: a series is counted anew every four |
//! | `deduplicate`, `interval_join` | one window |
//! | `sessionize` | the longest session and two gaps: a longer series is cut at moments of the clock |
//! | `retain`, `filter`, the other rules | nothing but the record itself |
//!
//! Where rows compete, a chain of decisions can reach further back than any window. It hardly ever does, and a restart that
//! was begun too late for it is found out by the fingerprint of what is open, and begun earlier.

use engine::definition::Parameters;
use engine::plan::{Entry, InputPort, OutputPort, REJECTED, Reading};
use operators::city::{JourneyParameters, LinkParameters, RETELL_MS, TrackParameters};
use operators::effectiveness::EffectivenessParameters;
use operators::rules::verbs::{
    AsOfJoinParameters, FilterParameters, IntervalJoinParameters, RetainParameters, SeriesParameters, SessionizeParameters,
};
use operators::rules::{
    CameraSilentParameters, ClonedPlateParameters, CustomParameters, EscalateParameters, HotlistParameters, NearestPatrolParameters,
    NoStoppingParameters, PointSpeedParameters, RedLightParameters, SectionSpeedParameters, WrongWayParameters,
};
use operators::stream::suppress_memory_ms;
use schemars::JsonSchema;
use schemas::Effectiveness;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Step;
use super::conditions::{check_custom, check_verb};
use super::kinds::{
    ACKNOWLEDGEMENTS, ALERTS, ANSWERS, ASSIGNMENTS, BONDS, EFFECTIVENESS, HOTLIST, JOURNEYS, OBSERVATIONS, PASSAGES, PATROLS, REVIEWS,
    SIGHTINGS, SIGNALS, TOLD_ALERTS, schema,
};

pub(super) const ENTRIES: &[Entry<Step>] = &[
    #[cfg(feature = "vision")]
    Entry {
        name: "perceive",
        summary: "Decodes frames and finds vehicles on them: encoded pictures become observations. The only step of its job.",
        inputs: &[one(&[super::kinds::FRAMES])],
        outputs: &[gives(super::kinds::PERCEIVED)],
        schema: manual::<operators::vision::PerceiveParameters>,
        read: |p| read(p, |_| 0, Step::Perceive),
        check: None,
    },
    Entry {
        name: "track",
        summary: "Follows vehicles through each camera's view: boxes become sightings, with their plate, crossings and stays.",
        inputs: &[one(&[OBSERVATIONS])],
        outputs: &[gives(SIGHTINGS), gives(REJECTED)],
        schema: manual::<TrackParameters>,
        read: |p| read(p, track_window_ms, Step::Track),
        check: None,
    },
    Entry {
        name: "link",
        summary: "Finds which sightings of different cameras are one vehicle: by plate, by look, by the time the way takes.",
        inputs: &[one(&[SIGHTINGS])],
        outputs: &[gives(BONDS)],
        schema: manual::<LinkParameters>,
        read: |p| read(p, |link: &LinkParameters| link.window.ms(), Step::Link),
        check: None,
    },
    Entry {
        name: "assemble_journeys",
        summary: "Assembles linked sightings into journeys: one vehicle through the city, with the plate all its cameras read.",
        inputs: &[one(&[SIGHTINGS]), one(&[BONDS])],
        outputs: &[gives(JOURNEYS)],
        schema: manual::<JourneyParameters>,
        read: |p| read(p, |journey: &JourneyParameters| journey.window.ms(), Step::AssembleJourneys),
        check: None,
    },
    Entry {
        read: |p| read(p, |_| 0, Step::SectionSpeed),
        ..rule::<SectionSpeedParameters>(
            "section_speed",
            "Raises an alert for every pass of a section above its limit.",
            &[one(&[JOURNEYS])],
        )
    },
    Entry {
        read: |p| read(p, |_| 0, Step::PointSpeed),
        ..rule::<PointSpeedParameters>("point_speed", "Raises an alert for every device reading above the limit.", &[one(&[SIGHTINGS])])
    },
    Entry {
        read: |p| read(p, |red: &RedLightParameters| red.through.ms(), Step::RedLight),
        ..rule::<RedLightParameters>(
            "red_light",
            "Raises an alert for every vehicle that ran a red light.",
            &[one(&[SIGHTINGS]), one(&[SIGNALS])],
        )
    },
    Entry {
        read: |p| read(p, |_| 0, Step::WrongWay),
        ..rule::<WrongWayParameters>("wrong_way", "Raises an alert for every vehicle that drove against its lane.", &[one(&[SIGHTINGS])])
    },
    Entry {
        read: |p| read(p, |_| 0, Step::NoStopping),
        ..rule::<NoStoppingParameters>("no_stopping", "Raises an alert for every stay beyond its zone's limit.", &[one(&[SIGHTINGS])])
    },
    Entry {
        read: |p| read(p, |hotlist: &HotlistParameters| hotlist.window.ms(), Step::Hotlist),
        ..rule::<HotlistParameters>(
            "hotlist",
            "Raises one alert for every wanted plate and journey that match, revised at each new sighting.",
            &[one(&[JOURNEYS]), one(&[HOTLIST])],
        )
    },
    Entry {
        read: |p| read(p, |cloned: &ClonedPlateParameters| cloned.window.ms().saturating_mul(2), Step::ClonedPlate),
        ..rule::<ClonedPlateParameters>(
            "cloned_plate",
            "Raises one alert for every plate that was in two places at once.",
            &[one(&[JOURNEYS])],
        )
    },
    Entry {
        read: |p| read(p, |silent: &CameraSilentParameters| silent.silence.ms(), Step::CameraSilent),
        ..rule::<CameraSilentParameters>(
            "camera_silent",
            "Raises an alert for every silence of a camera of the city, judged by how far its source has been read.",
            &[one(&[OBSERVATIONS])],
        )
    },
    Entry {
        read: |p| read(p, |_| 0, Step::Custom),
        check: Some(check_custom),
        ..rule::<CustomParameters>(
            "custom",
            "Raises an alert for every record for which a condition of your own holds, written in CEL.",
            &[InputPort { name: "records", kinds: &[SIGHTINGS, JOURNEYS], optional: false }],
        )
    },
    Entry {
        name: "nearest_patrol",
        summary: "Gives every alert the patrol unit on duty that is nearest at its time, by the roads of the map.",
        inputs: &[one(&[ALERTS]), one(&[PATROLS])],
        outputs: &[gives(ASSIGNMENTS)],
        schema: manual::<NearestPatrolParameters>,
        read: |p| read(p, |_| 0, Step::NearestPatrol),
        check: None,
    },
    Entry {
        name: "escalate",
        summary: "Passes an assignment on to the next nearest unit while nobody acknowledges its alert, and at last to the centre.",
        inputs: &[
            InputPort { name: "answers", kinds: &[ANSWERS], optional: false },
            InputPort { name: "assignments", kinds: &[ASSIGNMENTS], optional: false },
        ],
        outputs: &[gives(ASSIGNMENTS)],
        schema: manual::<EscalateParameters>,
        read: |p| read(p, |_| 0, Step::Escalate),
        check: None,
    },
    Entry {
        name: "effectiveness",
        summary: "Counts passages, and what became of alerts, by rule, camera, centre and hour.",
        inputs: &[one(&[PASSAGES]), one(&[TOLD_ALERTS]), one(&[REVIEWS]), one(&[ACKNOWLEDGEMENTS])],
        outputs: &[gives(EFFECTIVENESS)],
        schema: manual::<EffectivenessParameters>,
        read: |p| read(p, |_| Effectiveness::HOUR_MS, Step::Effectiveness),
        check: None,
    },
    verb::<FilterParameters>("filter", "Keeps the records for which a condition holds, written in CEL.", |p| read(p, |_| 0, Step::Filter)),
    verb::<RetainParameters>("retain", "Lets records change only so long after their time; then they stay as they are.", |p| {
        read(p, |retain: &RetainParameters| retain.window.ms(), Step::Retain)
    }),
    verb::<SeriesParameters>(
        "deduplicate",
        "Of records of one series, each less than a window after the one before, lets only the first stand.",
        |p| read(p, |series: &SeriesParameters| series.window.ms(), Step::Deduplicate),
    ),
    verb::<SeriesParameters>(
        "suppress",
        "Of records of one series lets one stand, which holds back the others for a window; then the next.",
        |p| read(p, |series: &SeriesParameters| suppress_memory_ms(series.window.ms()), Step::Suppress),
    ),
    Entry {
        read: |p| read(p, |s: &SessionizeParameters| s.longest.ms().saturating_add(2 * s.gap.ms()), Step::Sessionize),
        check: Some(check_verb),
        ..rule::<SessionizeParameters>("sessionize", "Raises one alert for each series of records that follow each other closely.", &[ANY])
    },
    Entry {
        read: |p| read(p, |join: &IntervalJoinParameters| join.within.ms(), Step::IntervalJoin),
        check: Some(check_verb),
        ..rule::<IntervalJoinParameters>(
            "interval_join",
            "Raises an alert for each pair of sightings that are equal in some fields, one so long after the other.",
            &[
                InputPort { name: "left", kinds: &[SIGHTINGS], optional: false },
                InputPort { name: "right", kinds: &[SIGHTINGS], optional: false },
            ],
        )
    },
    Entry {
        read: |p| read(p, |_| 0, Step::AsOfJoin),
        check: Some(check_verb),
        ..rule::<AsOfJoinParameters>(
            "as_of_join",
            "Raises an alert for each record and the hotlist entry that was in force at its time.",
            &[ANY, one(&[HOTLIST])],
        )
    },
];

/// Records of any kind that conditions can be asked of.
const ANY: InputPort = InputPort { name: "records", kinds: &[SIGHTINGS, JOURNEYS, ALERTS], optional: false };

/// An entry that gives records of the kind it takes.
const fn verb<P: JsonSchema>(
    name: &'static str,
    summary: &'static str,
    read: fn(&mut Parameters<'_>) -> Option<Reading<Step>>,
) -> Entry<Step> {
    let outputs = &[OutputPort { name: "records", kind: None }];
    Entry { name, summary, inputs: &[ANY], outputs, schema: manual::<P>, read, check: Some(check_verb) }
}

/// An input port called after the one kind it takes.
const fn one(kinds: &'static [&'static str; 1]) -> InputPort {
    InputPort { name: kinds[0], kinds, optional: false }
}

/// An output port called after its kind.
const fn gives(kind: &'static str) -> OutputPort {
    OutputPort { name: kind, kind: Some(kind) }
}

const ALERTS_ALONE: &[OutputPort] = &[gives(ALERTS)];

/// An entry that gives alerts; how it reads its parameters is still to be said.
const fn rule<P: JsonSchema>(name: &'static str, summary: &'static str, inputs: &'static [InputPort]) -> Entry<Step> {
    Entry { name, summary, inputs, outputs: ALERTS_ALONE, schema: manual::<P>, read: |_| None, check: None }
}

/// A field that operators must be told, but which is the job's to set.
const LATENESS: &str = "lateness";

/// Fields of parameter structs that a step cannot set: the job's, and the word that names the entry.
const HIDDEN: &[&str] = &[LATENESS, "step"];

/// The schema of parameters without what a step cannot set.
fn manual<P: JsonSchema>() -> Value {
    let mut schema = schema::<P>();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| !HIDDEN.contains(&name.as_str()));
    }
    schema
}

/// Reads the parameters of a step and checks what their names promise.
fn read<P: DeserializeOwned + Serialize>(
    parameters: &mut Parameters<'_>,
    window_ms: fn(&P) -> u64,
    step: fn(P) -> Step,
) -> Option<Reading<Step>> {
    parameters.reserve(LATENESS, "it is set once for the whole job");
    parameters.limit(most);
    let read: P = parameters.read()?;
    let mut canonical = serde_json::to_value(&read).ok()?;
    if let Some(all) = canonical.as_object_mut() {
        all.remove(LATENESS);
    }
    let (window_ms, step) = (window_ms(&read), step(read));
    Some(Reading { window_ms, looks_back_ms: looks_back_ms(&step), step, parameters: canonical })
}

/// How much further back than its window a step looks for what was in force.
fn looks_back_ms(step: &Step) -> u64 {
    match step {
        Step::RedLight(red) => red.red_most.ms(),
        Step::NearestPatrol(nearest) => nearest.stale.ms(),
        // What it says of a camera whose last frame it has not seen must be settled, a broken clock included.
        Step::CameraSilent(silent) => silent.silence.ms().saturating_mul(2).saturating_add(60_000),
        _ => 0,
    }
}

/// The most a parameter of this name can be: a priority is of a hundred, a share of a thousand.
fn most(name: &str) -> Option<u64> {
    if name == "priority" {
        return Some(100);
    }
    let share = ["permille", "certainty", "confidence"].iter().any(|word| name.ends_with(word));
    share.then_some(1_000)
}

/// A track that was told may go on until it is told again, and for as long as it may be hidden.
fn track_window_ms(track: &TrackParameters) -> u64 {
    RETELL_MS + track.age.ms().max(track.standing_age.ms()).max(track.unconfirmed_age.ms())
}
