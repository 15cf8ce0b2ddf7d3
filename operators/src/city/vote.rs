//! Many reads of one vehicle become one answer: its plate by posterior, its class and colour by majority.
//!
//! ```text
//! read ─▶ by length ─▶ one tally per place and symbol ─▶ on demand: score, grammar, posterior
//!         (a read that misses one symbol is laid against the longer ones)
//! ```
//!
//! Frames that follow each other share their dirt, shadow and angle, so `n` equal reads count as `1 + (n − 1) / 3`, and an
//! unclear read repeated is still unclear: a vehicle that waits at red shows the same dirt a hundred times.
//! Only integers are summed: the answer does not depend on the order of the reads.

use std::cell::Cell;
use std::sync::LazyLock;

use schemas::{Confidence, Plate, PlateColour, PlateKind, PlateText};
use smallvec::SmallVec;

use super::confusion::{SYMBOLS, confused_with, log_misread_as};

/// Different symbols remembered for one place; a fifth replaces the weakest.
const RIVALS: usize = 4;

/// What a text that no grammar knows must make up for: one plate in fifty is of a kind we have no grammar for.
const UNKNOWN_GRAMMAR: f32 = 3.9;

/// No posterior is told as certain.
const PERMILLE_MOST: f32 = 999.0;

/// What one read with a given confidence (permille) adds to its symbol: log odds in thousandths.
///
/// Readers are too sure of what they get wrong: a symbol under dirt is misread at 0.5 to 0.9, while one that is really
/// there is sooner or later read clearly. Hence log odds doubled, and moved so that 0.7 says next to nothing.
static WEIGHT: LazyLock<Vec<i32>> = LazyLock::new(|| {
    let weight = |permille: u32| {
        let p = f64::from(permille.clamp(1, 999)) / 1_000.0;
        ((2.0 * (p / (1.0 - p)).ln() - 1.5).clamp(0.2, 6.0) * 1_000.0).round() as i32
    };
    (0..=1_000).map(weight).collect()
});

const KINDS: [PlateKind; 6] = [PlateKind::Car, PlateKind::Bike, PlateKind::Ebike, PlateKind::Army, PlateKind::Diplomatic, PlateKind::Other];
const COLOURS: [PlateColour; 5] = [PlateColour::White, PlateColour::Yellow, PlateColour::Blue, PlateColour::Red, PlateColour::Other];

/// A count for each of `N` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Majority<const N: usize>([u32; N]);

impl<const N: usize> Default for Majority<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Majority<N> {
    /// Gives `weight` to an answer.
    pub fn add(&mut self, answer: usize, weight: u32) {
        self.0[answer] = self.0[answer].saturating_add(weight);
    }

    /// The answer with the most weight, the first of equals; `None` before the first vote.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        (0..N).filter(|i| self.0[*i] > 0).max_by_key(|i| (self.0[*i], std::cmp::Reverse(*i)))
    }
}

/// The reads of one vehicle's plate so far.
///
/// ```
/// use operators::city::Vote;
/// use schemas::{Confidence, Plate, PlateColour, PlateKind};
///
/// let read = |text: &str, confidence: [u16; 8]| Plate {
///     text: text.parse().unwrap(),
///     kind: PlateKind::Car,
///     colour: PlateColour::White,
///     confidence: Confidence::of(&confidence[..text.len()]).unwrap(),
/// };
/// let mut vote = Vote::default();
/// vote.add(&read("88A12345", [950; 8]));
/// vote.add(&read("88A12345", [940; 8]));
/// vote.add(&read("88A1234", [900; 8])); // missed the last symbol
/// vote.add(&read("88412345", [950, 950, 600, 950, 950, 950, 950, 950])); // took A for 4
/// let plate = vote.posterior().unwrap();
/// assert_eq!(plate.text.to_string(), "88A12345");
/// assert!(plate.confidence.values().iter().all(|p| *p > 950));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Vote {
    reads: u32,
    kinds: Majority<6>,
    colours: Majority<5>,
    leading: Profile,
    /// Reads of another length, in case they turn out to be the many.
    rival: Option<Box<Profile>>,
    /// What was last said, and of how many reads: it is asked for whether there is news, and again when the news is told.
    said: Cell<Option<(u32, Option<Plate>)>>,
}

impl Vote {
    /// Takes a read. One without text is ignored.
    pub fn add(&mut self, read: &Plate) {
        if read.text.is_empty() {
            return;
        }
        self.reads += 1;
        self.kinds.add(read.kind as usize, 1);
        self.colours.add(read.colour as usize, 1);
        match read.text.len() {
            length if self.leading.reads == 0 || length == self.leading.length => self.leading.add(read, None),
            length if length + 1 == self.leading.length => self.leading.add(read, Some(self.leading.gap_of(read.text.symbols()))),
            length => self.add_to_rival(read, length),
        }
    }

    /// How many reads were taken.
    #[must_use]
    pub fn reads(&self) -> u32 {
        self.reads
    }

    /// Whether every symbol of a text is the one most clearly read in its place: then the posterior is most likely that text,
    /// and this is quickly told.
    #[must_use]
    pub fn leads(&self, text: &PlateText) -> bool {
        let leader = |tallies: &[Tally]| tallies.iter().max_by_key(|t| (t.weight, t.symbol)).map(|t| t.symbol);
        text.len() == self.leading.length
            && self.leading.places().zip(text.symbols()).all(|(tallies, symbol)| leader(tallies) == Some(*symbol))
    }

    /// What all reads together say: the likeliest text, each symbol with its posterior probability in permille.
    #[must_use]
    pub fn posterior(&self) -> Option<Plate> {
        match self.said.get() {
            Some((reads, plate)) if reads == self.reads => plate,
            _ => {
                let plate = self.work_out();
                self.said.set(Some((self.reads, plate)));
                plate
            }
        }
    }

    fn work_out(&self) -> Option<Plate> {
        let kind = KINDS[self.kinds.leader()?];
        let colour = COLOURS[self.colours.leader()?];
        let scores: Vec<Scores> = self.leading.places().map(Scores::of).collect();
        let symbols = heed_grammar(scores.iter().map(Scores::best).collect(), &scores, kind);
        let confidence: Vec<u16> = (0..symbols.len()).map(|i| posterior_of(i, &symbols, &scores[i], kind)).collect();
        Some(Plate { text: PlateText::of_symbols(&symbols)?, kind, colour, confidence: Confidence::of(&confidence)? })
    }

    fn add_to_rival(&mut self, read: &Plate, length: usize) {
        if self.rival.as_ref().is_none_or(|r| r.length != length && r.reads <= 1) {
            self.rival = Some(Box::default());
        }
        let Some(rival) = self.rival.as_mut().filter(|r| r.reads == 0 || r.length == length) else { return };
        rival.add(read, None);
        let longer = rival.length == self.leading.length + 1;
        if rival.reads > self.leading.reads || (longer && rival.reads == self.leading.reads) {
            std::mem::swap(&mut self.leading, rival);
            if longer {
                // A symbol is missed more easily than invented: what the shorter reads saw still counts.
                let gap = self.leading.gap_of(&rival.leaders());
                self.leading.absorb(rival, gap);
                self.rival = None;
            }
        }
    }
}

/// The probability that every symbol is right, permille.
#[must_use]
pub fn certainty(plate: &Plate) -> u16 {
    let product: f32 = plate.confidence.values().iter().map(|p| f32::from(*p) / 1_000.0).product();
    (product * 1_000.0) as u16
}

/// Reads of one length.
#[derive(Clone, Debug, Default)]
struct Profile {
    reads: u32,
    length: usize,
    tallies: [[Tally; RIVALS]; PlateText::MOST],
}

/// How often and how clearly a symbol was read at one place.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    symbol: u8,
    reads: u16,
    weight: i32,
}

impl Tally {
    /// Log odds, with the reads' dependence on each other taken off: the less clear they are on average, the sooner they
    /// have said all they can.
    fn evidence(&self) -> f32 {
        let reads = f32::from(self.reads);
        let mean = self.weight as f32 / 1_000.0 / reads;
        mean * (1.0 + (reads - 1.0) / 3.0).min(1.0 + mean)
    }
}

impl Profile {
    /// Takes a read, leaving out the place `gap` that it misses.
    fn add(&mut self, read: &Plate, gap: Option<usize>) {
        self.reads += 1;
        self.length = read.text.len() + usize::from(gap.is_some());
        let confidence = read.confidence.values();
        for (i, symbol) in read.text.symbols().iter().enumerate() {
            let weight = WEIGHT[usize::from(confidence.get(i).copied().unwrap_or(800)).min(1_000)];
            self.tally(past_gap(i, gap), Tally { symbol: *symbol, reads: 1, weight });
        }
    }

    /// Takes over the tallies of a profile that is one symbol shorter.
    fn absorb(&mut self, shorter: &Self, gap: usize) {
        for (i, tallies) in shorter.tallies[..shorter.length].iter().enumerate() {
            tallies.iter().filter(|t| t.reads > 0).for_each(|t| self.tally(past_gap(i, Some(gap)), *t));
        }
    }

    fn tally(&mut self, place: usize, new: Tally) {
        let tallies = &mut self.tallies[place];
        let known = tallies.iter().position(|t| t.reads == 0 || t.symbol == new.symbol);
        match known {
            Some(i) => {
                let old = tallies[i];
                tallies[i] =
                    Tally { symbol: new.symbol, reads: old.reads.saturating_add(new.reads), weight: old.weight.saturating_add(new.weight) };
            }
            None => {
                if let Some(weakest) = tallies.iter_mut().min_by_key(|t| (t.weight, t.symbol)).filter(|t| t.weight < new.weight) {
                    *weakest = new;
                }
            }
        }
    }

    fn places(&self) -> impl Iterator<Item = &[Tally]> {
        self.tallies[..self.length].iter().map(|tallies| {
            let known = tallies.iter().take_while(|t| t.reads > 0).count();
            &tallies[..known]
        })
    }

    fn leaders(&self) -> Vec<u8> {
        self.places().map(|tallies| tallies.iter().max_by_key(|t| (t.weight, t.symbol)).map_or(0, |t| t.symbol)).collect()
    }

    /// The place that a read with one symbol too few most likely misses.
    fn gap_of(&self, shorter: &[u8]) -> usize {
        let leaders = self.leaders();
        let alike = |read: u8, place: usize| match leaders[place] {
            leader if leader == read => 2,
            leader if confused_with(leader).contains(&read) => 1,
            _ => 0,
        };
        let agreement = |gap: usize| shorter.iter().enumerate().map(|(i, s)| alike(*s, past_gap(i, Some(gap)))).sum::<u32>();
        (0..leaders.len()).rev().max_by_key(|gap| agreement(*gap)).unwrap_or(0)
    }
}

fn past_gap(i: usize, gap: Option<usize>) -> usize {
    i + usize::from(gap.is_some_and(|gap| i >= gap))
}

/// The candidates for one place with their log likelihoods: what was read there and what that may have been.
struct Scores {
    candidates: SmallVec<[(u8, f32); 8]>,
    /// The log likelihood of any other symbol.
    other: f32,
}

impl Scores {
    fn of(tallies: &[Tally]) -> Self {
        let mut candidates: SmallVec<[(u8, f32); 8]> = SmallVec::new();
        for symbol in tallies.iter().flat_map(|t| std::iter::once(&t.symbol).chain(confused_with(t.symbol))) {
            if candidates.iter().all(|(known, _)| known != symbol) {
                candidates.push((*symbol, score(*symbol, tallies)));
            }
        }
        candidates.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let other = tallies.len() as f32 * (0.1_f32 / SYMBOLS as f32).ln();
        Self { candidates, other }
    }

    fn best(&self) -> u8 {
        self.candidates.first().map_or(0, |(symbol, _)| *symbol)
    }

    fn of_symbol(&self, symbol: u8) -> f32 {
        self.candidates.iter().find(|(s, _)| *s == symbol).map_or(self.other, |(_, score)| *score)
    }
}

/// The log likelihood of a symbol: its own reads speak for it; every other symbol read must be a misread of it. The
/// cause of a misread lasts over frames, so each is paid for once, however often it was read.
fn score(truth: u8, tallies: &[Tally]) -> f32 {
    tallies.iter().map(|t| if t.symbol == truth { t.evidence() } else { log_misread_as(t.symbol, truth) }).sum()
}

/// Where the text does not fit the grammar of its kind but one or two plausible symbols would make it fit, takes them.
fn heed_grammar(symbols: Vec<u8>, scores: &[Scores], kind: PlateKind) -> Vec<u8> {
    if fits(&symbols, kind) {
        return symbols;
    }
    let changes: Vec<(usize, u8, f32)> = scores
        .iter()
        .enumerate()
        .flat_map(|(i, s)| s.candidates.iter().skip(1).map(move |(symbol, score)| (i, *symbol, s.candidates[0].1 - score)))
        .filter(|(_, _, loss)| *loss < UNKNOWN_GRAMMAR)
        .collect();
    let mut best: Option<(f32, Vec<u8>)> = None;
    let mut consider = |loss: f32, changed: &[&(usize, u8, f32)]| {
        if loss >= best.as_ref().map_or(UNKNOWN_GRAMMAR, |(least, _)| *least) {
            return;
        }
        let mut text = symbols.clone();
        changed.iter().for_each(|(i, symbol, _)| text[*i] = *symbol);
        if fits(&text, kind) {
            best = Some((loss, text));
        }
    };
    changes.iter().for_each(|a| consider(a.2, &[a]));
    for (n, a) in changes.iter().enumerate() {
        changes[n + 1..].iter().filter(|b| b.0 != a.0).for_each(|b| consider(a.2 + b.2, &[a, b]));
    }
    best.map_or(symbols, |(_, text)| text)
}

fn fits(symbols: &[u8], kind: PlateKind) -> bool {
    PlateText::of_symbols(symbols).is_some_and(|text| text.fits(kind))
}

/// The probability of the symbol at `place`, permille, the others taken as they are.
fn posterior_of(place: usize, symbols: &[u8], scores: &Scores, kind: PlateKind) -> u16 {
    let known = fits(symbols, kind);
    let chosen = scores.of_symbol(symbols[place]);
    let mut text: SmallVec<[u8; PlateText::MOST]> = symbols.into();
    let mut all = 1.0 + SYMBOLS as f32 * (scores.other - chosen).exp();
    for (symbol, score) in scores.candidates.iter().filter(|(symbol, _)| *symbol != symbols[place]) {
        text[place] = *symbol;
        let prior = match (known, fits(&text, kind)) {
            (true, false) => -UNKNOWN_GRAMMAR,
            (false, true) => UNKNOWN_GRAMMAR,
            _ => 0.0,
        };
        all += (score + prior - chosen).exp();
    }
    (1_000.0 / all).round().min(PERMILLE_MOST) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_colours_stand_where_their_numbers_say() {
        assert!(KINDS.iter().enumerate().all(|(i, kind)| *kind as usize == i));
        assert!(COLOURS.iter().enumerate().all(|(i, colour)| *colour as usize == i));
    }
}
