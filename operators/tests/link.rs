//! `link` and `assemble_journeys` together: sightings in, journeys out.
//!
//! Golden scripts (`golden/link`) say what should happen in words a stranger can check; properties say that neither the
//! order of arrival, nor batches, nor what was said in between makes a difference.

#[path = "link/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use operators::city::LinkParameters;
use proptest::prelude::*;
use schemas::{City, Duration, Sighting};
use world::{World, city, sighting};

#[test]
fn golden_scripts() {
    datadriven::walk("tests/golden/link", |file| {
        let mut world = None;
        file.run(|case| match case.directive.as_str() {
            "city" => {
                world = Some(World::new(Arc::new(city(&case.input)), LinkParameters::default()));
                String::new()
            }
            "now" => {
                let seconds: u64 = case.args.keys().next().and_then(|at| at.parse().ok()).expect("a number of seconds");
                world.as_mut().expect("a city first").script(seconds * 1_000, &case.input)
            }
            other => panic!("no such directive: {other}"),
        });
    });
}

/// A town of a ring road and two short cuts.
fn town() -> City {
    city(
        "a b 200 adjacent\nb c 300 adjacent\nc d 250 adjacent\nd a 400 adjacent\na c 500\nb d 550\na d 750\nc a 650\nd b 600\nc b 850\nd c 900\nb a 950\nb b2 150 adjacent\nb2 c 150 adjacent",
    )
}

/// Without plates only a minute apart, so that the limit is met among few sightings.
fn hasty() -> LinkParameters {
    LinkParameters { nearby: Duration::from_ms(60_000), ..LinkParameters::default() }
}

/// Id, camera, half seconds, plate, colour, m/s: written out by [`made`].
type Told = (u64, &'static str, u64, &'static str, &'static str, Option<f64>);

fn made(&(id, camera, halves, plate, body, speed): &Told) -> Sighting {
    sighting(id, camera, halves * 500, plate, body, speed)
}

/// A moment's worth of a vehicle: few plates, so that they meet and contradict; some unread, some misread, some fast.
fn any_sighting() -> impl Strategy<Value = Told> {
    let plate = prop_oneof![
        4 => Just("88A12345"), 1 => Just("B8A12345"), 2 => Just("88A12845"), 1 => Just("8A12345"), 2 => Just("29C67890"), 4 => Just("-"),
    ];
    let camera = prop::sample::select(vec!["a", "b", "b2", "c", "d"]);
    let body = prop::sample::select(vec!["white", "red"]);
    (0u64..40, camera, 0u64..300, plate, body, any_speed())
}

fn any_speed() -> impl Strategy<Value = Option<f64>> {
    prop::sample::select(vec![None, Some(0.0), Some(4.0), Some(12.0), Some(16.0)])
}

/// The last thing said of each id.
fn standing(said: &[(u64, Option<Sighting>)]) -> BTreeMap<u64, Sighting> {
    let mut standing = BTreeMap::new();
    for (id, sighting) in said {
        match sighting {
            Some(sighting) => standing.insert(*id, sighting.clone()),
            None => standing.remove(id),
        };
    }
    standing
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn journeys_depend_on_what_was_seen_and_not_on_how_it_was_told(
        said in prop::collection::vec((any_sighting(), prop::bool::weighted(0.15), prop::option::of(any_speed()), 0usize..3), 1..90),
        shuffle in prop::collection::vec(any::<u32>(), 90),
    ) {
        let city = Arc::new(town());
        let (mut told, mut piecemeal) = (Vec::new(), World::new(Arc::clone(&city), hasty()));
        for (seen, withdrawn, faster, steps) in said {
            // Some are said again a moment later with another speed alone, as when a vehicle reaches the stop line.
            let again = faster.map(|speed| made(&(seen.0, seen.1, seen.2, seen.3, seen.4, speed)));
            let first = (!withdrawn).then(|| made(&seen));
            for sighting in iter::once(first).chain(again.map(Some)) {
                piecemeal.say(seen.0, sighting.clone());
                told.push((seen.0, sighting));
                if steps == 0 {
                    piecemeal.step(200_000);
                    piecemeal.check();
                }
            }
        }
        piecemeal.step(200_000);

        let mut at_once = World::new(Arc::clone(&city), hasty());
        standing(&told).into_iter().for_each(|(id, sighting)| at_once.say(id, Some(sighting)));
        at_once.step(200_000);

        let mut shuffled = World::new(city, hasty());
        let mut order: Vec<_> = standing(&told).into_iter().collect();
        order.sort_by_key(|(id, _)| shuffle[*id as usize]);
        for (id, sighting) in order {
            shuffled.say(id, Some(sighting));
            shuffled.step(200_000);
        }
        prop_assert_eq!(piecemeal.journeys(), at_once.journeys());
        prop_assert_eq!(shuffled.journeys(), at_once.journeys());
    }

    #[test]
    fn forgetting_is_silent_and_state_is_bounded(said in prop::collection::vec(any_sighting(), 400..401)) {
        let mut world = World::new(Arc::new(town()), LinkParameters::default());
        let minute = 60_000;
        for (n, told) in said.iter().enumerate() {
            let mut sighting = made(told);
            let now = n as u64 * minute;
            sighting.from_ms += now;
            sighting.until_ms += now;
            sighting.crossings.iter_mut().for_each(|crossing| crossing.at_ms += now);
            sighting.id = schemas::Id(n as u64);
            world.say(n as u64, Some(sighting));
            let fell = world.step(now + 150_000);
            let old = (now + 150_000).saturating_sub(45 * minute);
            prop_assert!(fell.iter().all(|(journey, diff)| *diff > 0 || journey.until_ms >= old), "{:?} at {}", fell, now);
            let (linked, assembled, running) = world.remembered(old.saturating_sub(minute));
            let cut_off: usize = fell.iter().filter(|(journey, diff)| *diff > 0 && journey.until_ms < old).map(|(journey, _)| journey.sightings.len()).sum();
            prop_assert!(linked <= 48 && assembled <= running + cut_off, "{} and {} sightings where {} belong to running journeys", linked, assembled, running);
        }
    }
}
