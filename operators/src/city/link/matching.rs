//! Which of many competing hypotheses stand: the best first, none that contradicts a better one that stands.
//!
//! ```text
//! hypotheses, best first   claims             stands
//! a─▶c  9.1                out(a) in(c)       yes
//! b─▶c  8.7                out(b) in(c)       no: in(c) is taken
//! b─▶d  2.0                out(b) in(d)       yes
//! ```
//!
//! This is *greedy matching*, the one stable matching where all agree on the order of preference: a pure function of
//! the set of hypotheses, whatever the order in which they came and went. It is kept up to date by deciding anew, best first, only those
//! that lie behind something that changed.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::hash::Hash;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::city::similarity::Millinats;

/// A claim on something only one hypothesis can have; a hypothesis makes at most three.
pub(super) type Claims<C> = SmallVec<[C; 3]>;

/// The order of decision: the highest score first, then the lesser name.
type Rank<H> = (Reverse<Millinats>, H);

/// Hypotheses `H` that compete for claims `C`.
#[derive(Debug)]
pub(super) struct Matching<H, C> {
    hypotheses: FxHashMap<H, Hypothesis<C>>,
    /// Who wants a claim, best first.
    wanted: FxHashMap<C, Vec<Rank<H>>>,
    /// Who has it.
    held: FxHashMap<C, H>,
    undecided: BTreeSet<Rank<H>>,
    /// Those that stood, or did not, when last settled, and may not now.
    before: FxHashMap<H, bool>,
}

#[derive(Debug)]
struct Hypothesis<C> {
    score: Millinats,
    claims: Claims<C>,
    stands: bool,
}

impl<H, C> Default for Matching<H, C> {
    fn default() -> Self {
        Self {
            hypotheses: FxHashMap::default(),
            wanted: FxHashMap::default(),
            held: FxHashMap::default(),
            undecided: BTreeSet::new(),
            before: FxHashMap::default(),
        }
    }
}

impl<H: Copy + Ord + Hash, C: Copy + Eq + Hash> Matching<H, C> {
    /// Puts a hypothesis in, or changes its score.
    pub(super) fn set(&mut self, name: H, score: Millinats, claims: Claims<C>) {
        if self.hypotheses.get(&name).is_some_and(|known| known.score == score) {
            return;
        }
        self.remove(name);
        let rank = (Reverse(score), name);
        for claim in &claims {
            let wanted = self.wanted.entry(*claim).or_default();
            let at = wanted.partition_point(|other| *other < rank);
            wanted.insert(at, rank);
        }
        self.hypotheses.insert(name, Hypothesis { score, claims, stands: false });
        self.undecided.insert(rank);
    }

    /// Takes a hypothesis out.
    pub(super) fn remove(&mut self, name: H) {
        let Some(hypothesis) = self.take_out(name) else { return };
        if hypothesis.stands {
            self.before.entry(name).or_insert(true);
            self.release(name, hypothesis.score, &hypothesis.claims);
        }
    }

    /// Takes a hypothesis out as if it had never been: one that stood is not told as fallen, and frees nothing for others.
    pub(super) fn forget(&mut self, name: H) {
        if let Some(hypothesis) = self.take_out(name).filter(|hypothesis| hypothesis.stands) {
            for claim in &hypothesis.claims {
                self.held.remove(claim);
            }
        }
    }

    /// Decides what is undecided, and tells what stands now and did not, or the reverse, in order of name.
    pub(super) fn settle(&mut self) -> Vec<(H, bool)> {
        while let Some(rank) = self.undecided.pop_first() {
            self.decide(rank);
        }
        let mut changed: Vec<_> = self.before.drain().collect();
        changed.retain_mut(|(name, stood)| {
            let stands = self.hypotheses.get(name).is_some_and(|hypothesis| hypothesis.stands);
            std::mem::replace(stood, stands) != stands
        });
        changed.sort_unstable();
        changed
    }

    /// The hypothesis that has this claim.
    pub(super) fn holder(&self, claim: C) -> Option<H> {
        self.held.get(&claim).copied()
    }

    /// All hypotheses that want this claim, best first.
    pub(super) fn wanting(&self, claim: C) -> impl Iterator<Item = H> {
        self.wanted.get(&claim).into_iter().flatten().map(|(_, name)| *name)
    }

    /// A hypothesis' score.
    pub(super) fn score(&self, name: H) -> Option<Millinats> {
        self.hypotheses.get(&name).map(|hypothesis| hypothesis.score)
    }

    /// Whether a hypothesis stands.
    pub(super) fn stands(&self, name: H) -> bool {
        self.hypotheses.get(&name).is_some_and(|hypothesis| hypothesis.stands)
    }

    /// How many hypotheses there are.
    pub(super) fn len(&self) -> usize {
        self.hypotheses.len()
    }

    fn take_out(&mut self, name: H) -> Option<Hypothesis<C>> {
        let hypothesis = self.hypotheses.remove(&name)?;
        let rank = (Reverse(hypothesis.score), name);
        self.undecided.remove(&rank);
        for claim in &hypothesis.claims {
            if let Some(wanted) = self.wanted.get_mut(claim) {
                let at = wanted.partition_point(|other| *other < rank);
                wanted.remove(at);
                if wanted.is_empty() {
                    self.wanted.remove(claim);
                }
            }
        }
        Some(hypothesis)
    }

    /// One that stood does so no longer: whoever stood behind it is to be decided anew.
    fn release(&mut self, name: H, score: Millinats, claims: &[C]) {
        let rank = (Reverse(score), name);
        for claim in claims {
            self.held.remove(claim);
            if let Some(wanted) = self.wanted.get(claim) {
                let behind = wanted.partition_point(|other| *other <= rank);
                self.undecided.extend(&wanted[behind..]);
            }
        }
    }

    /// Decides one; all that are better have been decided.
    fn decide(&mut self, rank: Rank<H>) {
        let (_, name) = rank;
        let Some(hypothesis) = self.hypotheses.get(&name) else { return };
        let (claims, stood) = (hypothesis.claims.clone(), hypothesis.stands);
        let holders: Claims<Rank<H>> = claims
            .iter()
            .filter_map(|claim| self.held.get(claim))
            .filter(|holder| **holder != name)
            .map(|holder| (Reverse(self.hypotheses[holder].score), *holder))
            .collect();
        let stands = holders.iter().all(|holder| *holder > rank);
        if stands == stood {
            return;
        }
        self.before.entry(name).or_insert(stood);
        if stands {
            for holder in holders {
                self.fall(holder);
            }
            claims.iter().for_each(|claim| {
                self.held.insert(*claim, name);
            });
            self.hypotheses.entry(name).and_modify(|hypothesis| hypothesis.stands = true);
        } else {
            self.fall(rank);
        }
    }

    fn fall(&mut self, (Reverse(score), name): Rank<H>) {
        let Some(hypothesis) = self.hypotheses.get_mut(&name) else { return };
        let claims = hypothesis.claims.clone();
        if std::mem::replace(&mut hypothesis.stands, false) {
            self.before.entry(name).or_insert(true);
            self.release(name, score, &claims);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// From scratch: sort, then take what is free.
    fn greedy(scores: &BTreeMap<(u8, u8), Millinats>) -> BTreeSet<(u8, u8)> {
        let mut sorted: Vec<_> = scores.iter().map(|(name, score)| (-score, *name)).collect();
        sorted.sort();
        let (mut left, mut right) = ([false; 256], [false; 256]);
        let free = |(_, (a, b)): &(i32, (u8, u8))| {
            let both = !left[usize::from(*a)] && !right[usize::from(*b)] && (a % 5 != 0 || !left[255 - usize::from(*b)]);
            if both {
                left[usize::from(*a)] = true;
                right[usize::from(*b)] = true;
                if a % 5 == 0 {
                    left[255 - usize::from(*b)] = true;
                }
            }
            both
        };
        sorted.into_iter().filter(free).map(|(_, name)| name).collect()
    }

    /// Every fifth makes a third claim.
    fn claims((a, b): (u8, u8)) -> Claims<(bool, u8)> {
        let mut claims: Claims<_> = [(false, a), (true, b)].into_iter().collect();
        if a % 5 == 0 {
            claims.push((false, 255 - b));
        }
        claims
    }

    proptest! {
        #[test]
        fn it_is_the_greedy_matching_of_what_is_there(
            steps in prop::collection::vec((0u8..12, 0u8..12, prop::option::of(0i32..20), any::<bool>()), 1..120)
        ) {
            let (mut matching, mut scores, mut told) = (Matching::default(), BTreeMap::new(), BTreeSet::new());
            for (a, b, score, settle) in steps {
                match score {
                    Some(score) => {
                        scores.insert((a, b), score);
                        matching.set((a, b), score, claims((a, b)));
                    }
                    None => {
                        scores.remove(&(a, b));
                        matching.remove((a, b));
                    }
                }
                if settle {
                    for (name, stands) in matching.settle() {
                        let news = if stands { told.insert(name) } else { told.remove(&name) };
                        prop_assert!(news);
                    }
                    prop_assert_eq!(&told, &greedy(&scores));
                    prop_assert!(told.iter().all(|name| claims(*name).iter().all(|claim| matching.holder(*claim) == Some(*name))));
                }
            }
        }
    }
}
