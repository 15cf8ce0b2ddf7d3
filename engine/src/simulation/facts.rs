//! What happens in a simulated world: facts, as plain data, and the bytes they are in a log.

use super::random::Random;

/// Sums are of stretches of time as long as this.
pub(super) const STRETCH_MS: u64 = 10_000;
/// So many keys have a factor in common.
pub(super) const GROUP: u64 = 10;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// A value of a key.
    Entry { key: u64, at_ms: u64, value: i64 },
    /// What the values of a group of keys count; `None`: it is not needed any more.
    Factor { group: u64, factor: Option<i64> },
    /// Not a record at all.
    Broken,
}

/// A record that is to come.
#[derive(Clone, Debug)]
pub(super) struct Coming {
    /// When, since the beginning.
    pub(super) due_ms: u64,
    pub(super) topic: &'static str,
    pub(super) partition: u32,
    /// What it says.
    pub(super) fact: FactToBe,
}

/// A fact whose time is told from when it comes.
#[derive(Clone, Debug)]
pub(super) enum FactToBe {
    /// A value that is so old when it comes, or so far ahead.
    Entry { key: u64, age_ms: i64, value: i64 },
    /// What has no time of its own.
    Other(Fact),
}

impl FactToBe {
    /// The fact, where it comes at this time of the wall clock.
    pub(super) fn at(&self, wall_ms: u64) -> Fact {
        match self {
            Self::Entry { key, age_ms, value } => Fact::Entry { key: *key, at_ms: wall_ms.saturating_add_signed(-*age_ms), value: *value },
            Self::Other(fact) => fact.clone(),
        }
    }
}

impl Fact {
    /// Key and value in the log.
    pub(super) fn bytes(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        match self {
            Self::Entry { key, at_ms, value } => (key.to_string().into_bytes(), Some(format!("{key} {at_ms} {value}").into_bytes())),
            Self::Factor { group, factor } => (group.to_string().into_bytes(), factor.map(|factor| format!("{factor}").into_bytes())),
            Self::Broken => (Vec::new(), Some(b"broken \xff".to_vec())),
        }
    }
}

/// A world's story: entries over partitions that become more, factors long before they are needed, and what is wrong with some.
pub(super) fn story(seed: u64, lasts_ms: u64, lateness_ms: u64) -> Vec<Coming> {
    let mut random = Random::of(seed, 1);
    let (mut story, most) = (Vec::new(), random.within(1..4));
    let grows_ms = random.within(lasts_ms / 4..lasts_ms);
    let era_ms = random.within(20_000..60_000);
    for era in 0..=lasts_ms / era_ms {
        let factor = |due_ms: u64, factor| {
            let fact = FactToBe::Other(Fact::Factor { group: era, factor });
            Coming { due_ms, topic: "factors", partition: 0, fact }
        };
        story.push(factor((era * era_ms).saturating_sub(60_000), Some(random.within(1..4) as i64)));
        // Nobody can add to what it was needed for any more.
        story.push(factor((era + 1) * era_ms + 4 * (lateness_ms + STRETCH_MS) + 120_000, None));
    }
    let mut due_ms = 0;
    let pace_ms = random.within(200..2_000);
    while due_ms < lasts_ms {
        due_ms += random.below(2 * pace_ms);
        let partition = random.below(most + u64::from(due_ms > grows_ms)) as u32;
        let age_ms = match random.below(100) {
            0..70 => random.below(500) as i64,
            70..90 => random.below(lateness_ms) as i64,
            90..96 => random.below(3 * lateness_ms) as i64,
            _ => -(random.below(600) as i64),
        };
        let (key, value) = (due_ms / era_ms * GROUP + random.below(4), random.below(9) as i64 - 3);
        let fact = if random.happens(200) { FactToBe::Other(Fact::Broken) } else { FactToBe::Entry { key, age_ms, value } };
        story.push(Coming { due_ms, topic: "entries", partition, fact });
    }
    story.sort_by_key(|coming| coming.due_ms);
    story
}
