//! Whatever comes late, is taken back or is told twice: the rows that stand are what plain loops over all that stands say.
//!
//! The loops are written from what a row means, and share no code with the operator.

use std::collections::{BTreeMap, BTreeSet};

use operators::effectiveness::{EffectivenessParameters, Fact, Passage, What};
use proptest::prelude::*;
use schemas::{Counts, Effectiveness, Id, Name};

use crate::harness::{Change, Table, hold};
use crate::{HOUR_MS, MINUTE_MS, News, counted};

/// Where a row belongs: hour in which it became known, hour in which it happened, centre, camera, rule.
type Place = (u64, u64, String, String, Option<String>);

/// alerts, withdrawn, confirmed, rejected, acknowledged, prompt, time until told, time until acknowledged.
type Sums = [i64; 8];

/// What was known of an alert before a moment.
fn before(facts: &[&Fact], until_ms: u64) -> Option<(u64, String, String, String, Sums)> {
    let known: Vec<&&Fact> = facts.iter().filter(|fact| fact.known_ms < until_ms).collect();
    let mut tellings = Vec::new();
    let (mut revisions, mut decisions, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for fact in known {
        match fact.what {
            What::Told { rule, centre, camera, at_ms } => tellings.push((fact.known_ms, rule, centre, camera, at_ms)),
            What::Revised { revision, withdrawn } => revisions.push((revision, withdrawn)),
            What::Reviewed { at_ms, confirmed } => decisions.push((at_ms, fact.known_ms, confirmed)),
            What::Acknowledged { at_ms } => seen.push(at_ms),
        }
    }
    tellings.sort();
    let (told_ms, rule, centre, camera, at_ms) = *tellings.first()?;
    let gone = revisions.iter().max().is_some_and(|(_, withdrawn)| *withdrawn);
    let decision = decisions.iter().max().map(|(_, _, confirmed)| *confirmed);
    let late_ms = told_ms as i64 - at_ms as i64;
    let prompt = late_ms <= 24 * HOUR_MS as i64;
    let sums = [
        1,
        i64::from(gone),
        i64::from(!gone && decision == Some(true)),
        i64::from(!gone && decision == Some(false)),
        i64::from(!seen.is_empty()),
        i64::from(prompt),
        if prompt { late_ms.max(0) } else { 0 },
        seen.iter().min().map_or(0, |first_ms| (*first_ms as i64 - told_ms as i64).max(0)),
    ];
    Some((at_ms, centre.to_string(), camera.to_string(), rule.to_string(), sums))
}

fn oracle(standing: &Table<News>) -> Table<Effectiveness> {
    let mut cells = BTreeMap::<Place, ([i64; 2], Sums)>::new();
    let mut by_alert = BTreeMap::<Id, Vec<&Fact>>::new();
    for (news, times) in standing {
        match news {
            News::Passage(Passage { camera, at_ms, read, known_ms }) => {
                let centre = if ["c1", "c2"].contains(&camera.as_str()) { "west" } else { "unknown" };
                let place = (known_ms / HOUR_MS, at_ms / HOUR_MS, centre.to_owned(), camera.to_string(), None);
                let [passages, reads] = &mut cells.entry(place).or_default().0;
                *passages += *times as i64;
                *reads += if *read { *times as i64 } else { 0 };
            }
            News::Fact(fact) => by_alert.entry(fact.alert).or_default().push(fact),
        }
    }
    for facts in by_alert.values() {
        let hours: BTreeSet<u64> = facts.iter().map(|fact| fact.known_ms / HOUR_MS).collect();
        for hour in hours {
            let earlier = before(facts, hour * HOUR_MS).map_or([0; 8], |(.., sums)| sums);
            let Some((at_ms, centre, camera, rule, sums)) = before(facts, (hour + 1) * HOUR_MS) else { continue };
            let cell = &mut cells.entry((hour, at_ms / HOUR_MS, centre, camera, Some(rule))).or_default().1;
            (0..8).for_each(|i| cell[i] += sums[i] - earlier[i]);
        }
    }
    let row = |((known, from, centre, camera, rule), ([passages, reads], sums)): (Place, ([i64; 2], Sums))| {
        let [alerts, withdrawn, confirmed, rejected, acknowledged, prompt, telling_ms, acknowledging_ms] = sums;
        let counts = Counts { passages, reads, alerts, withdrawn, confirmed, rejected, acknowledged, prompt, telling_ms, acknowledging_ms };
        let (from_ms, known_from_ms) = (from * HOUR_MS, known * HOUR_MS);
        let (centre, camera, rule) = (Name::of(&centre), Name::of(&camera), rule.map(|rule| Name::of(&rule)));
        let id = Effectiveness::id_of(from_ms, known_from_ms, centre, camera, rule);
        (Effectiveness { id, from_ms, known_from_ms, centre, camera, rule, counts }, 1)
    };
    cells.into_iter().filter(|(_, counts)| *counts != ([0; 2], [0; 8])).map(row).collect()
}

fn camera(number: usize) -> Name {
    Name::of(["c1", "c2", "c9"][number])
}

/// Something that happened so many minutes before it became known.
#[derive(Clone, Copy, Debug)]
struct Happening {
    kind: usize,
    alert: u64,
    place: usize,
    word: usize,
    ago_min: u64,
    number: u32,
    yes: bool,
}

impl Happening {
    fn known(self, known_ms: u64) -> News {
        let Self { kind, alert, place, word, ago_min, number, yes } = self;
        let at_ms = known_ms - ago_min * MINUTE_MS;
        let rule = Name::of(["red_light", "hotlist"][word]);
        let what = match kind {
            0 => return News::Passage(Passage { camera: camera(place), at_ms, read: yes, known_ms }),
            1 | 2 => What::Told { rule, centre: Name::of(["west", "east"][word]), camera: camera(place), at_ms },
            3 => What::Revised { revision: number, withdrawn: yes },
            4 => What::Reviewed { at_ms, confirmed: yes },
            _ => What::Acknowledged { at_ms },
        };
        News::Fact(Fact { alert: Id(alert), known_ms, what })
    }
}

prop_compose! {
    fn happenings()(
        kind in 0usize..6, alert in 0u64..4, place in 0usize..3, word in 0usize..2, ago_min in prop_oneof![0u64..30, 1_430u64..1_450], number in 2u32..6, yes: bool,
    ) -> Happening {
        Happening { kind, alert, place, word, ago_min, number, yes }
    }
}

/// Rows become known at most 14 minutes late; some are told twice, and some are taken back while their hour is open.
fn histories() -> impl Strategy<Value = Vec<Change<News>>> {
    let action = (0u64..25, 0u64..14, 0u8..10, happenings(), any::<prop::sample::Index>());
    prop::collection::vec(action, 1..60).prop_map(|actions| {
        let (mut now, mut history) = (100 * HOUR_MS, Vec::new());
        let mut standing: Vec<(News, u64)> = Vec::new();
        for (wait_min, late_min, choice, happening, which) in actions {
            now += wait_min * MINUTE_MS + 1;
            let young: Vec<usize> = (0..standing.len()).filter(|n| standing[*n].1 / HOUR_MS >= (now - 14 * MINUTE_MS) / HOUR_MS).collect();
            match choice {
                0 | 1 if !young.is_empty() => history.push((standing.remove(*which.get(&young)).0, now, -1)),
                2 if !young.is_empty() => {
                    let again = standing[*which.get(&young)];
                    history.push((again.0, now, 1));
                    standing.push(again);
                }
                _ => {
                    let known_ms = now - late_min * MINUTE_MS;
                    history.push((happening.known(known_ms), now, 1));
                    standing.push((happening.known(known_ms), known_ms));
                }
            }
        }
        history
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn rows_are_what_loops_over_all_that_stands_say(history in histories()) {
        let parameters = EffectivenessParameters::default();
        hold(&history, move |news| counted(news, &parameters), oracle);
    }
}
