//! Every record comes back from its bytes as it went in, in both formats; damaged bytes never do harm.

use std::fmt::Debug;

use proptest::{prelude::*, sample::Index};
use schemas::{
    Acknowledgement, Alert, Assignment, CaptureHealth, City, Effectiveness, Frame, HotlistEntry, Journey, Observation, Patrol, Rejected,
    Review, Revised, Sighting, Signal,
    wire::{Format, Record},
};

use crate::generate::Generate;

fn encoded<T: Record>(format: Format, record: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    format.encode(record, &mut bytes);
    bytes
}

fn comes_back<T: Record + PartialEq + Debug>(record: &T) -> Result<(), TestCaseError> {
    for format in [Format::Json, Format::Bincode] {
        prop_assert_eq!(&format.decode::<T>(&encoded(format, record)).unwrap(), record, "{}", format);
    }
    Ok(())
}

/// One byte changed, or everything from somewhere on cut off: refused, or a record that itself comes back.
fn survives<T: Record + PartialEq + Debug>(record: &T, at: Index, byte: u8, cut: bool) -> Result<(), TestCaseError> {
    for format in [Format::Json, Format::Bincode] {
        let mut bytes = encoded(format, record);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        if let Ok(other) = format.decode::<T>(&bytes) {
            comes_back(&other)?;
        }
    }
    Ok(())
}

macro_rules! every_record {
    ($($name:ident: $type:ty,)*) => {$(
        mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

                #[test]
                fn comes_back_in_both_formats(record in <$type>::any()) {
                    comes_back(&record)?;
                }

                #[test]
                fn survives_damage(record in <$type>::any(), at: Index, byte: u8, cut: bool) {
                    survives(&record, at, byte, cut)?;
                }

                #[test]
                fn survives_noise(noise: Vec<u8>) {
                    let headed = [&[<$type>::SCHEMA, <$type>::VERSION], noise.as_slice()].concat();
                    let _ = Format::Bincode.decode::<$type>(&headed);
                    let _ = Format::Json.decode::<$type>(&noise);
                }
            }
        }
    )*

        #[test]
        fn schema_numbers_are_never_given_twice() {
            let mut numbers = vec![$(<$type>::SCHEMA),*];
            numbers.sort_unstable();
            let count = numbers.len();
            numbers.dedup();
            assert_eq!(numbers.len(), count);
        }
    };
}

every_record! {
    capture_health: CaptureHealth,
    city: City,
    frame: Frame,
    observation: Observation,
    signal: Signal,
    hotlist_entry: HotlistEntry,
    patrol: Patrol,
    sighting: Sighting,
    journey: Journey,
    alert: Alert,
    assignment: Assignment,
    effectiveness: Effectiveness,
    rejected: Rejected,
    review: Review,
    acknowledgement: Acknowledgement,
    revised_sighting: Revised<Sighting>,
    revised_journey: Revised<Journey>,
    revised_alert: Revised<Alert>,
    revised_assignment: Revised<Assignment>,
    revised_effectiveness: Revised<Effectiveness>,
}
