//! A record of any kind, in either format: what is read can be written, and read again as the same.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use schemas::wire::{Format, Record};
use schemas::{
    Acknowledgement, Alert, Assignment, CaptureHealth, City, Effectiveness, Frame, HotlistEntry, Journey, Observation, Patrol, Rejected,
    Review, Revised, Sighting, Signal,
};

fn read<T: Record + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(record) = Format::of(bytes).decode::<T>(bytes) else { return };
    for format in [Format::Json, Format::Bincode] {
        let mut again = Vec::new();
        format.encode(&record, &mut again);
        assert_eq!(format.decode::<T>(&again).as_ref(), Ok(&record), "{}", T::NAME);
    }
}

fuzz_target!(|bytes: &[u8]| {
    read::<Acknowledgement>(bytes);
    read::<Revised<Alert>>(bytes);
    read::<Revised<Assignment>>(bytes);
    read::<CaptureHealth>(bytes);
    read::<City>(bytes);
    read::<Revised<Effectiveness>>(bytes);
    read::<Frame>(bytes);
    read::<HotlistEntry>(bytes);
    read::<Revised<Journey>>(bytes);
    read::<Observation>(bytes);
    read::<Patrol>(bytes);
    read::<Rejected>(bytes);
    read::<Review>(bytes);
    read::<Revised<Sighting>>(bytes);
    read::<Signal>(bytes);
});
