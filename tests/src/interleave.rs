//! The same evidence in another order of arrival.
//!
//! A city's cameras come over many lines. Each line keeps its order; between lines anything can happen. What a job says in the
//! end must not depend on it as long as nothing comes later than the lateness allows.

use std::collections::BTreeMap;

use crate::records::Observation;
use crate::{Random, Recording};

/// The same frames, each camera's in its own order, the cameras mixed anew: every frame arrives up to `lateness_ms` after it was
/// taken (or when it did, if that was later). Another seed gives another mix; repeats stay.
#[must_use]
pub fn interleave(observations: &[Observation], seed: u64, lateness_ms: i64) -> Vec<Observation> {
    let mut random = Random::of(seed, 100);
    let mut lines = BTreeMap::<&str, (f64, i64)>::new();
    let mut mixed: Vec<Observation> = Vec::with_capacity(observations.len());
    for observation in observations {
        // A line is slow or fast for a while, so that whole stretches of one camera come after those of another.
        let (pace, last) = lines.entry(&observation.camera).or_insert_with(|| (random.unit(), 0));
        if random.chance(0.05) {
            *pace = random.unit();
        }
        let most_ms = observation.at_ms + (random.between(0.8, 1.0) * *pace * lateness_ms as f64) as i64;
        // Held to the latest moment allowed: a frame behind a slow one may not become later than its own lateness.
        let received_ms = most_ms.max(*last).min(observation.received_ms.max(observation.at_ms + lateness_ms)).max(*last);
        *last = received_ms;
        mixed.push(Observation { received_ms, ..observation.clone() });
    }
    mixed.sort_by_key(|o| o.received_ms);
    mixed
}

impl Recording {
    /// The same recording with its frames [`interleave`]d.
    #[must_use]
    pub fn interleaved(&self, seed: u64, lateness_ms: i64) -> Self {
        Self { observations: interleave(&self.observations, seed, lateness_ms), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::records::Observation;
    use crate::{Plan, simulate};

    fn by_camera(observations: &[Observation]) -> BTreeMap<&str, Vec<u64>> {
        let mut of = BTreeMap::<&str, Vec<u64>>::new();
        observations.iter().for_each(|o| of.entry(&o.camera).or_default().push(o.frame));
        of
    }

    #[test]
    fn each_camera_keeps_its_order_and_nothing_comes_too_late() {
        for seed in 0..50 {
            let recording = simulate(&Plan::small(seed % 5));
            let mixed = recording.interleaved(seed, 20_000);
            assert_eq!(by_camera(&recording.observations), by_camera(&mixed.observations));
            assert!(mixed.observations.windows(2).all(|w| w[0].received_ms <= w[1].received_ms));
            let latest = recording.observations.iter().map(|o| o.received_ms - o.at_ms).max().unwrap();
            assert!(mixed.observations.iter().all(|o| o.received_ms - o.at_ms <= latest.max(20_000)));
            let order = |r: &crate::Recording| r.observations.iter().map(|o| (o.camera.clone(), o.frame)).collect::<Vec<_>>();
            assert_ne!(order(&recording), order(&mixed));
            assert_ne!(order(&mixed), order(&recording.interleaved(seed + 1, 20_000)));
        }
    }
}
