//! What is weighed between sightings: who follows whom by plate, and who without one belongs where. Two matchings, and the bonds
//! that come of them, each as sure as its rivals let it be.

use schemas::Id;
use smallvec::SmallVec;

use super::Bond;
use super::matching::{Claims, Matching};
use super::placing::{Claim, Opening, Placing, claims, exchanged, origins};
use crate::city::similarity::Millinats;

/// The two matchings.
#[derive(Debug, Default)]
pub(super) struct Hypotheses {
    /// Pairs of sightings whose plates may be one.
    pub(super) plates: Matching<(Id, Id), Claim>,
    /// Sightings without a plate where the chains by plate are open.
    pub(super) fills: Matching<Placing, Claim>,
}

impl Hypotheses {
    /// The next sighting of the same plate in a chain.
    pub(super) fn next(&self, id: Id) -> Option<Id> {
        self.plates.holder(Claim::Out(id)).map(|(_, to)| to)
    }

    /// The one before.
    pub(super) fn previous(&self, id: Id) -> Option<Id> {
        self.plates.holder(Claim::In(id)).map(|(from, _)| from)
    }

    /// The bond that leaves a sighting, if it stands for one.
    pub(super) fn bond(&self, from: Id) -> Option<Bond> {
        if let Some(placing) = self.fills.holder(Claim::Out(from)) {
            let to = match placing {
                (Opening::After(_), filling) => Some(filling),
                (Opening::Before(head), _) => Some(head),
                (Opening::Gap(begin), _) => self.next(begin),
            };
            return to.map(|to| Bond { from, to, certainty: self.surety(placing) });
        }
        let to = self.next(from)?;
        if let Some(placing) = self.fills.holder(Claim::Gap(from)) {
            return Some(Bond { from, to: placing.1, certainty: self.surety(placing) });
        }
        // Of plates that agree, the way and the time hardly matter: twelve nats of way are what an unusual one costs.
        let nats = f64::from(self.plates.score((from, to)).unwrap_or_default()) / 1_000.0 + 12.0;
        Some(Bond { from, to, certainty: permille(nats.exp()) })
    }

    /// How sure a placing that stands is, permille: its odds against nobody, and against every rival for what it claims.
    fn surety(&self, placing: Placing) -> u16 {
        let mut rivals: SmallVec<[Placing; 32]> = claims(placing).into_iter().flat_map(|claim| self.fills.wanting(claim)).collect();
        rivals.sort_unstable();
        rivals.dedup();
        let odds = |nats: Millinats| (f64::from(nats) / 1_000.0).exp();
        let against: f64 = rivals.into_iter().filter(|rival| *rival != placing).map(|rival| odds(self.in_its_place(placing, rival))).sum();
        permille(odds(self.weight(placing)) / (1.0 + against))
    }

    /// What speaks for a rival in the place of a placing that stands: its own weight, less what is lost where those who stand in
    /// the rival's way must change places with it.
    fn in_its_place(&self, placing: Placing, rival: Placing) -> Millinats {
        let claimed = claims(placing);
        let elsewhere = claims(rival).into_iter().filter(|claim| !claimed.contains(claim));
        let mut holders: Claims<Placing> = elsewhere.filter_map(|claim| self.fills.holder(claim)).collect();
        holders.sort_unstable();
        holders.dedup();
        let lost = |holder: Placing| (self.weight(holder) - self.weight(exchanged(holder, placing, rival))).max(0);
        self.weight(rival) - holders.into_iter().map(lost).sum::<Millinats>()
    }

    /// What speaks for a placing; nothing if it is none.
    fn weight(&self, placing: Placing) -> Millinats {
        self.fills.score(placing).unwrap_or_default()
    }

    /// Whose bonds may be another, or otherwise certain, when these placings weigh or stand otherwise: their own, those of
    /// whoever holds what they claim, and those of whoever competes with someone who does.
    pub(super) fn contested(&self, moved: &[Placing]) -> Vec<Id> {
        let mut found = Vec::new();
        let holders = |placing: Placing| claims(placing).into_iter().filter_map(|claim| self.fills.holder(claim));
        for &placing in moved {
            found.extend(origins(placing));
            let rivals = claims(placing).into_iter().flat_map(|claim| self.fills.wanting(claim));
            for holder in holders(placing).chain(rivals.flat_map(holders)) {
                found.extend(origins(holder));
            }
        }
        found
    }

    /// Forgets what a sighting is part of, silently: what stands goes on standing until all it joins are forgotten.
    pub(super) fn forget(&mut self, id: Id, is_known: impl Fn(Id) -> bool) {
        let claims = [Claim::Out(id), Claim::In(id), Claim::Gap(id)];
        for (from, to) in claims.iter().flat_map(|claim| self.plates.wanting(*claim)).collect::<SmallVec<[_; 8]>>() {
            if !self.plates.stands((from, to)) || !(is_known(from) || is_known(to)) {
                self.plates.forget((from, to));
            }
        }
        for (opening, filling) in claims.iter().flat_map(|claim| self.fills.wanting(*claim)).collect::<SmallVec<[_; 8]>>() {
            if !self.fills.stands((opening, filling)) || !(is_known(opening.id()) || is_known(filling)) {
                self.fills.forget((opening, filling));
            }
        }
    }
}

/// Odds as a probability, permille; nothing is ever quite certain, nor quite impossible.
fn permille(odds: f64) -> u16 {
    (1_000.0 * odds / (1.0 + odds)).round().clamp(1.0, 999.0) as u16
}
