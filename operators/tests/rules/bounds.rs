//! Bounds against exact arithmetic: what a rule calls certain is true in every world that the measurements allow.
//!
//! The oracle draws a true world (where the front was, what the clocks showed), derives what would be measured, and holds
//! the rule's answer against the world itself, in exact fractions of `i128`. It shares no formula with the rules.

use operators::rules::cloned_plate::{ClonedPlateParameters, Read, impossible};
use operators::rules::point_speed::{PointSpeedParameters, lower_mkmh};
use operators::rules::red_light::{Entry, RedLightParameters, violation};
use operators::rules::section_speed::{Pass, SectionSpeedParameters, mean_speed};
use proptest::prelude::*;
use schemas::{Id, Name, PlateColour, Signal, SignalState};

proptest! {
    /// The true way is the surveyed one, less what a survey may err, or longer; the front was up to 2 m off at either line.
    #[test]
    fn the_least_speed_never_exceeds_the_true_one(
        surveyed_cm in 5_000i128..1_000_000, shorter_millionths in 0i128..=2_000, longer_cm in 0i128..50_000,
        off_cm in prop::array::uniform2(-200i128..=200), took_ms in 1_000i128..600_000, error_ms in 0i128..3_000, late_ms in -1_000i128..=1_000, limit in 20u32..120,
    ) {
        let measured_ms = took_ms + error_ms * late_ms / 1_000;
        prop_assume!(measured_ms > 0);
        let pass = Pass { length_cm: surveyed_cm as u64, took_ms: measured_ms as u64, error_ms: error_ms as u64 };
        let speed = mean_speed(pass, limit, &surveyed()).unwrap();
        // In millionths of a centimetre, over milliseconds.
        let true_way = surveyed_cm * (1_000_000 - shorter_millionths) + longer_cm * 1_000_000 + (off_cm[0] + off_cm[1]) * 1_000_000;
        prop_assert!(i128::from(speed.lower_cms) * took_ms * 1_000 <= true_way.max(0), "lower {} cm/s", speed.lower_cms);
        if speed.surely_over {
            // km/h = cm/ms × 36
            prop_assert!(true_way * 36 >= i128::from(limit + 5) * took_ms * 1_000_000);
        }
    }

    /// The bound is not lower than it has to be: in the world most favourable to the driver it is the truth, rounded down.
    #[test]
    fn the_least_speed_is_reached_in_the_worst_world(surveyed_cm in 1_000i128..1_000_000, took_ms in 1_000i128..600_000, error_ms in 0i128..3_000, limit in 20u32..120) {
        let pass = Pass { length_cm: surveyed_cm as u64, took_ms: took_ms as u64, error_ms: error_ms as u64 };
        let speed = mean_speed(pass, limit, &surveyed()).unwrap();
        let (way, ms) = ((surveyed_cm * 998 - 400_000).max(0), took_ms + error_ms);        // thousandths of a centimetre
        let lower = i128::from(speed.lower_cms);
        prop_assert!(lower * ms <= way && way - 1_000 < (lower + 1) * ms);
        let (needed, least) = (i128::from(limit + 5) * ms * 1_000, way * 36);
        prop_assert!(!speed.surely_over || least >= needed);
        prop_assert!(speed.surely_over || least - 36_000 < needed);
    }

    /// Whoever is called certain crossed after the light had truly been red for the grace, and reached the conflict line in red.
    #[test]
    fn a_certain_red_light_was_red(
        red_ms in 50_000i128..60_000, lasted_ms in 0i128..20_000, stop_ms in 49_000i128..70_000, through_ms in 100i128..8_000,
        clock in 0i128..=300, frame in 0i128..=150, signal_error in 0i128..=100, wrong in prop::array::uniform4(-100i128..=100), state in 0usize..5,
    ) {
        let states = [SignalState::Red, SignalState::Red, SignalState::Yellow, SignalState::Off, SignalState::Unknown];
        let skew = clock * wrong[0] / 100;
        let shown = |true_ms: i128, part: usize| (true_ms + skew + frame * wrong[part] / 100) as u64;
        let signal_skew = signal_error * wrong[3] / 100;
        let head = Name::of("h");
        let change = |state, at_ms: i128| Signal { head, state, at_ms: (at_ms + signal_skew) as u64, error_ms: signal_error as u32 };
        let (red, green) = (change(states[state], red_ms), change(SignalState::Green, red_ms + lasted_ms));
        let entry = Entry {
            head, at_ms: shown(stop_ms, 1), beyond_ms: shown(stop_ms + through_ms, 2), error_ms: (clock + frame) as u64,
            lane: 0, sighting: Id(1), camera: 0, plate: None,
        };
        let latest = entry.beyond_ms + entry.error_ms + u64::from(red.error_ms);
        let in_force = |at_ms: u64| if at_ms >= green.at_ms { &green } else { &red };
        prop_assume!(entry.at_ms >= red.at_ms);
        let parameters = RedLightParameters::default();
        let found = violation(&entry, in_force(entry.at_ms), in_force(latest), &parameters);
        if found.is_some_and(|found| found.certain) {
            prop_assert!(states[state] == SignalState::Red);
            prop_assert!(stop_ms - red_ms >= 500, "{} ms into red", stop_ms - red_ms);
            prop_assert!(stop_ms + through_ms <= red_ms + lasted_ms, "green at the conflict line");
        }
        // Whoever ran it by twice the error on either side is found.
        let error = clock + frame + signal_error;
        let clear = stop_ms - red_ms >= 500 + 2 * error && stop_ms + through_ms + 2 * error < red_ms + lasted_ms;
        if clear && states[state] == SignalState::Red {
            prop_assert!(found.is_some_and(|found| found.certain));
        }
    }

    /// A vehicle that kept below 160 km/h is never impossible, whichever way round its clocks put it.
    #[test]
    fn what_one_vehicle_did_is_never_impossible(
        length_cm in 1_000i128..2_000_000, slower_ms in 0i128..10_000, errors in prop::array::uniform2(0i128..1_500), wrong in prop::array::uniform2(-100i128..=100), off_cm in prop::array::uniform2(-200i128..=200),
    ) {
        let way = length_cm + off_cm[0] + off_cm[1];
        let took_ms = (way.max(0) * 1_000 + 4_443) / 4_444 + slower_ms;
        let clock = |i: usize, at_ms: i128| (100_000 + at_ms + errors[i] * wrong[i] / 100) as u64;
        let (here, there) = (read(0, clock(0, 0), errors[0] as u32), read(1, clock(1, took_ms), errors[1] as u32));
        let (a, b) = if here.at_ms <= there.at_ms { (here, there) } else { (there, here) };
        let length = |_, _| Some(length_cm as u64);
        prop_assert_eq!(impossible(&a, &b, length, &ClonedPlateParameters::default()), None);
    }

    /// Two vehicles that no vehicle could connect, even if every error helped it, are always impossible.
    #[test]
    fn what_no_vehicle_could_do_is_impossible(length_cm in 1_000i128..2_000_000, apart_ms in 0i128..500_000, error_ms in 0i128..1_500) {
        let least_way = length_cm - 400;
        prop_assume!(least_way * 1_000 > (apart_ms + 2 * error_ms + 1) * 4_444);
        let (a, b) = (read(0, 1_000, error_ms as u32), read(1, (1_000 + apart_ms) as u64, error_ms as u32));
        prop_assert!(impossible(&a, &b, |_, _| Some(length_cm as u64), &ClonedPlateParameters::default()).is_some());
    }

    /// The device's reading less its uncertainty, in exact fractions.
    #[test]
    fn a_reading_is_lowered_by_its_uncertainty(speed_cms in 0u32..10_000) {
        let lower = i128::from(lower_mkmh(speed_cms, &PointSpeedParameters::default()));
        let exact = i128::from(speed_cms) * 36;                                  // thousandths of km/h
        let expected = if exact <= 100_000 { (exact - 3_000) * 1_000 } else { exact * 970 };
        prop_assert!(lower * 1_000 <= expected.max(0) && expected.max(0) < (lower + 1) * 1_000);
    }
}

/// A kilometre in exactly a minute where 55 km/h and 5 of tolerance are allowed; 996 m of it in what makes 60 km/h of that.
#[test]
fn a_violation_begins_exactly_at_the_limit_and_the_tolerance() {
    let speed =
        |took_ms, error_ms| mean_speed(Pass { length_cm: 100_000, took_ms, error_ms }, 55, &SectionSpeedParameters::default()).unwrap();
    assert!(speed(60_000, 0).over && !speed(60_001, 0).over);
    assert!(speed(59_660, 100).surely_over && !speed(59_660, 101).surely_over && !speed(59_661, 100).surely_over);
}

/// A survey that guarantees 0.2 %.
fn surveyed() -> SectionSpeedParameters {
    SectionSpeedParameters { length_error_permille: 2, ..SectionSpeedParameters::default() }
}

fn read(camera: u16, at_ms: u64, error_ms: u32) -> Read {
    Read { at_ms, sighting: Id(at_ms), error_ms, camera, colour: PlateColour::White }
}
