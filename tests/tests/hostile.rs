//! No sequence of bytes brings down what reads records and definitions: real ones, changed at random.

use city::mutate::{again_and_again, below, change, one};
use engine::plan::Plan as JobPlan;
use jobs::catalogue::Traffic;
use jobs::ready::READY;
use schemas::wire::{Format, Record};
use schemas::{
    Acknowledgement, Alert, Assignment, CaptureHealth, City, Effectiveness, Frame, HotlistEntry, Journey, Observation, Patrol, Rejected,
    Review, Revised, Sighting, Signal,
};

/// A record that stands for its kind, in both formats, and what reads it.
struct Kind {
    examples: [Vec<u8>; 2],
    read: fn(&[u8]) -> bool,
}

/// Reads what may be a record, and whether it is one; what is read can be written, and read again as the same.
fn read<T: Record + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> bool {
    let Ok(record) = Format::of(bytes).decode::<T>(bytes) else { return false };
    for format in [Format::Json, Format::Bincode] {
        let mut again = Vec::new();
        format.encode(&record, &mut again);
        assert_eq!(format.decode::<T>(&again).as_ref(), Ok(&record), "{}", T::NAME);
    }
    true
}

fn kind<T: Record + PartialEq + std::fmt::Debug>(name: &str) -> Kind {
    let golden = |ending: &str| {
        let path = format!("{}/../schemas/tests/golden/{name}.{ending}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let bytes = |text: &str| (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect();
    let hex: String = golden("hex").split_whitespace().collect();
    let examples = [golden("json").trim().as_bytes().to_vec(), bytes(&hex)];
    examples.iter().for_each(|example| assert!(read::<T>(example), "{name} itself is not read"));
    Kind { examples, read: read::<T> }
}

#[test]
fn no_record_brings_its_reader_down_and_what_is_read_can_be_written() {
    let kinds = [
        kind::<Acknowledgement>("acknowledgement"),
        kind::<Revised<Alert>>("alert"),
        kind::<Revised<Assignment>>("assignment"),
        kind::<CaptureHealth>("capture_health"),
        kind::<City>("city"),
        kind::<Revised<Effectiveness>>("effectiveness"),
        kind::<Frame>("frame"),
        kind::<HotlistEntry>("hotlist_entry"),
        kind::<Revised<Journey>>("journey"),
        kind::<Observation>("observation"),
        kind::<Patrol>("patrol"),
        kind::<Rejected>("rejected"),
        kind::<Review>("review"),
        kind::<Revised<Sighting>>("sighting"),
        kind::<Signal>("signal"),
    ];
    let (mut read, mut refused) = (0, 0);
    again_and_again(|random| {
        let kind = one(random, &kinds);
        let mut bytes = one(random, &kind.examples).clone();
        change(&mut bytes, &one(random, &kinds).examples[below(random, 2)], random);
        if (kind.read)(&bytes) { read += 1 } else { refused += 1 }
    });
    assert!(read > 100 && refused > 100, "{read} read, {refused} refused: the changes are too few or too many");
}

#[test]
fn no_definition_brings_its_reader_down() {
    let (mut valid, mut refused) = (0, 0);
    again_and_again(|random| {
        let mut bytes = one(random, READY).text.as_bytes().to_vec();
        change(&mut bytes, one(random, READY).text.as_bytes(), random);
        match JobPlan::read(&Traffic, "job.yaml", &String::from_utf8_lossy(&bytes)) {
            Ok(_) => valid += 1,
            Err(problems) => {
                assert!(!problems.list.is_empty() && !problems.to_string().is_empty());
                refused += 1;
            }
        }
    });
    assert!(valid > 3 && refused > 30, "{valid} valid, {refused} refused: the changes are too few or too many");
}
