//! Whether what one vehicle did is told as one journey.

use std::collections::BTreeMap;

use super::assignment::heaviest;
use super::sightings::Found;
use super::{Ground, Journey, JourneyScore, rate, rounded};

pub(super) fn score(ground: &Ground, found: &Found, journeys: &[Journey]) -> JourneyScore {
    let journey_of: BTreeMap<&str, usize> =
        journeys.iter().enumerate().flat_map(|(n, j)| j.sightings.iter().map(move |s| (s.as_str(), n))).collect();
    let mut names = BTreeMap::<&str, usize>::new();
    let (mut together, mut order) = (BTreeMap::<(usize, usize), usize>::new(), Vec::new());
    for (passage, sighting) in ground.passages.iter().zip(&found.of_passage) {
        let next = names.len();
        let vehicle = *names.entry(&passage.vehicle).or_insert(next);
        let Some(journey) = sighting.and_then(|s| journey_of.get(found.crossed[s].id.as_str())) else { continue };
        let count = together.entry((vehicle, *journey)).or_default();
        *count += 1;
        if *count == 1 {
            order.push((vehicle, *journey));
        }
    }
    let (told, true_) = (found.crossed.len(), ground.passages.len());
    let right = heaviest(&together);
    let named = named(ground, journeys, &together, &order, &names);
    JourneyScore {
        plate_exact: rate(named.iter().filter(|exact| **exact).count(), named.len()),
        vehicles: names.len(),
        journeys: journeys.len(),
        idf1: (told + true_ > 0).then(|| rounded(2.0 * right as f64 / (told + true_) as f64)),
        idp: rate(right, told),
        idr: rate(right, true_),
    }
}

/// For each journey of two or more passages, mostly of one readable vehicle: whether it names that vehicle's plate.
fn named(
    ground: &Ground,
    journeys: &[Journey],
    together: &BTreeMap<(usize, usize), usize>,
    order: &[(usize, usize)],
    names: &BTreeMap<&str, usize>,
) -> Vec<bool> {
    let vehicles: BTreeMap<usize, &str> = names.iter().map(|(name, number)| (*number, *name)).collect();
    // Per journey: how many passages, the most of one vehicle, that vehicle. Of equals the first met.
    let mut main = BTreeMap::<usize, (usize, usize, usize)>::new();
    for (vehicle, journey) in order {
        let count = together[&(*vehicle, *journey)];
        let (all, most, who) = main.entry(*journey).or_default();
        *all += count;
        if count > *most {
            (*most, *who) = (count, *vehicle);
        }
    }
    let vehicle = |who: &usize| vehicles.get(who).and_then(|name| ground.vehicles.get(name));
    let long = main.iter().filter(|(_, (all, ..))| *all >= 2);
    long.filter_map(|(journey, (_, _, who))| Some((&journeys[*journey], vehicle(who)?)))
        .filter(|(_, vehicle)| vehicle.readable)
        .map(|(journey, vehicle)| journey.plate.as_ref().is_some_and(|read| read.text == vehicle.plate))
        .collect()
}
