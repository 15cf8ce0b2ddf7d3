//! What the cameras of a journey read together: the likeliest plate, given all their reads.
//!
//! Every camera votes for each symbol with the probability that this truth is read as it read, so that one camera in
//! front of which dirt hides a stroke is outvoted by two that see it, and a read that could be `B` supports an `8` a little.

use schemas::{Confidence, Plate, PlateText};

use super::confusion::{confused_with, likelihood};

/// What one camera says can be wrong for good, however sure it is.
const SUREST: f64 = 0.985;

/// And be right by chance, however unsure it is.
const LEAST_SURE: f64 = 0.3;

/// How much less likely a text is that the grammar of its kind of plate does not know.
const UNGRAMMATICAL: f64 = -4.0;

/// The plate of a journey; `None` if no camera read one. Kind and colour are those of the read that it resembles most.
///
/// Reads with a symbol too few or too many do not vote on symbols, unless all reads are of that length.
///
/// ```
/// use operators::city::journey_plate;
/// use schemas::{Confidence, Plate, PlateColour, PlateKind};
///
/// let read = |text: &str, sixth: u16| Plate {
///     text: text.parse().unwrap(),
///     kind: PlateKind::Car,
///     colour: PlateColour::White,
///     confidence: Confidence::of(&[980, 980, 980, 980, 980, sixth, 980, 980]).unwrap(),
/// };
/// let plate = journey_plate(&[&read("88A12845", 990), &read("88A12345", 900), &read("88A12345", 910)]).unwrap();
/// assert_eq!(plate.text.to_string(), "88A12345");
/// ```
#[must_use]
pub fn journey_plate(reads: &[&Plate]) -> Option<Plate> {
    if let [] | [_] = reads {
        return reads.first().map(|only| **only);
    }
    let length = usual_length(reads);
    let voters: Vec<&Plate> = reads.iter().copied().filter(|read| read.text.len() == length).collect();
    let slots: Vec<Vec<(u8, f64)>> = (0..length).map(|slot| votes(&voters, slot)).collect();
    let symbols = grammatical(&slots, voters[0]);
    let text = PlateText::of_symbols(&symbols)?;
    let confidence: Vec<u16> = slots.iter().zip(&symbols).map(|(votes, symbol)| posterior(votes, *symbol)).collect();
    let resembling = voters.iter().max_by_key(|read| read.text.symbols().iter().zip(&symbols).filter(|(a, b)| a == b).count())?;
    Some(Plate { text, kind: resembling.kind, colour: resembling.colour, confidence: Confidence::of(&confidence)? })
}

/// The length most reads have; of two as common the longer, for symbols are dropped more often than made up.
fn usual_length(reads: &[&Plate]) -> usize {
    let count = |length: usize| reads.iter().filter(|read| read.text.len() == length).count();
    reads.iter().map(|read| read.text.len()).max_by_key(|length| (count(*length), *length)).unwrap_or_default()
}

/// Candidates for one symbol with their log-likelihoods, best first; of equals the lesser symbol.
fn votes(reads: &[&Plate], slot: usize) -> Vec<(u8, f64)> {
    let said: Vec<(u8, f64)> = reads.iter().map(|read| (read.text.symbols()[slot], sureness(read, slot))).collect();
    let mut candidates: Vec<u8> =
        said.iter().flat_map(|(symbol, _)| std::iter::once(symbol).chain(confused_with(*symbol))).copied().collect();
    candidates.sort_unstable();
    candidates.dedup();
    let weigh = |truth: u8| said.iter().map(|(read, sure)| likelihood(*read, *sure, truth).ln()).sum::<f64>();
    let mut votes: Vec<(u8, f64)> = candidates.into_iter().map(|truth| (truth, weigh(truth))).collect();
    votes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    votes
}

fn sureness(read: &Plate, slot: usize) -> f64 {
    let permille = read.confidence.values().get(slot).copied().unwrap_or(1_000);
    (f64::from(permille) / 1_000.0).clamp(LEAST_SURE, SUREST)
}

/// The best symbols; or, if the grammar does not know that text, the best with one symbol changed that it does know and
/// that is not much less likely.
fn grammatical(slots: &[Vec<(u8, f64)>], kind_of: &Plate) -> Vec<u8> {
    let best: Vec<u8> = slots.iter().map(|votes| votes[0].0).collect();
    let fits = |symbols: &[u8]| PlateText::of_symbols(symbols).is_some_and(|text| text.fits(kind_of.kind));
    if fits(&best) {
        return best;
    }
    let mut changes: Vec<(f64, usize, u8)> = Vec::new();
    for (slot, votes) in slots.iter().enumerate() {
        changes.extend(
            votes[1..].iter().map(|(symbol, weight)| (weight - votes[0].1, slot, *symbol)).filter(|(loss, ..)| *loss > UNGRAMMATICAL),
        );
    }
    changes.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let changed = changes.into_iter().map(|(_, slot, symbol)| {
        let mut symbols = best.clone();
        symbols[slot] = symbol;
        symbols
    });
    changed.into_iter().find(|symbols| fits(symbols)).unwrap_or(best)
}

/// How probable a symbol is among the candidates, permille.
fn posterior(votes: &[(u8, f64)], symbol: u8) -> u16 {
    let most = votes[0].1;
    let sum: f64 = votes.iter().map(|(_, weight)| (weight - most).exp()).sum();
    let own = votes.iter().find(|(candidate, _)| *candidate == symbol).map_or(0.0, |(_, weight)| (weight - most).exp());
    (1_000.0 * own / sum).round().min(999.0) as u16
}
