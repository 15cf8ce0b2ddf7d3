//! From a network's scores to a plate: the likeliest text of two lines, what kind of plate that makes it, and how sure each symbol is.
//!
//! ```text
//!   line 1 ─▶ likely texts ─┐
//!                           ├─▶ pairs, weighed by likelihood × grammar ─▶ the best; each symbol as sure as the
//!   line 2 ─▶ likely texts ─┘                                             pairs that agree on it are heavy
//! ```
//!
//! The grammar is a prior and never a censor: a text that no law knows is twenty times rarer on the road, so it needs twenty
//! times the evidence, and with that it stands. What was read is never changed into something else afterwards.
//!
//! Where a plate was looked at several times, a pair is as heavy as in the mean of the looks: texts are put together and not scores
//! step by step, for on another cut a symbol stands at another step.

use schemas::{Confidence, Plate, PlateColour, PlateKind, PlateText};

use super::prefix_search::{Reading, readings};

/// ln of how much rarer a text outside the grammar is.
const OUTSIDE_GRAMMAR: f32 = -3.0;
/// How many texts of each line are looked at.
const KEPT: usize = 8;
/// The colours, in the order of the network's scores.
const COLOURS: [PlateColour; 5] = [PlateColour::White, PlateColour::Yellow, PlateColour::Blue, PlateColour::Red, PlateColour::Other];
/// Series of two letters on cars, and of missions.
const CAR_SERIES: [&[u8]; 8] = [b"LD", b"DA", b"MK", b"HC", b"CD", b"KT", b"TD", b"RM"];
const MISSIONS: [&[u8]; 4] = [b"NG", b"NN", b"QT", b"CV"];

/// What a network says of a plate.
pub(super) struct PlateScores<'a> {
    /// For each line, steps × (blank and symbols).
    pub(super) lines: [&'a [f32]; 2],
    /// White, yellow, blue, red, no colours.
    pub(super) colours: &'a [f32],
    /// The symbols, in the order of the scores after the blank.
    pub(super) symbols: &'a [u8],
    /// What scores are divided by, so that they are as sure as they are right.
    pub(super) temperature: f32,
}

/// One text for each line, and its weight among all that were looked at.
struct Pair {
    lines: [Vec<u8>; 2],
    kind: PlateKind,
    weight: f32,
}

/// The plate behind the scores of one or more looks at it; `None` if the likeliest is that there is no symbol, or more than a plate
/// can have.
pub(super) fn plate(looks: &[PlateScores<'_>]) -> Option<Plate> {
    let pairs = together(looks);
    let best = pairs.iter().max_by(|a, b| a.weight.total_cmp(&b.weight))?;
    let text = PlateText::of_symbols(&best.lines.concat())?;
    let sure: Vec<u16> = (0..2)
        .flat_map(|line| (0..best.lines[line].len()).map(move |place| (line, place)))
        .map(|(line, place)| (agreement(&pairs, &best.lines[line], line, place) * 1_000.0).round().clamp(0.0, 1_000.0) as u16)
        .collect();
    if text.is_empty() {
        return None;
    }
    Some(Plate { text, kind: best.kind, colour: colour(looks.first()?), confidence: Confidence::of(&sure)? })
}

/// The likely pairs of all looks, each as heavy as in the mean of them.
fn together(looks: &[PlateScores<'_>]) -> Vec<Pair> {
    let mut all: Vec<Pair> = Vec::new();
    for pair in looks.iter().flat_map(pairs) {
        let weight = pair.weight / looks.len() as f32;
        match all.iter_mut().find(|known| known.lines == pair.lines) {
            Some(known) => known.weight += weight,
            None => all.push(Pair { weight, ..pair }),
        }
    }
    all
}

/// The likely pairs of lines; their weights add up to one.
fn pairs(scores: &PlateScores<'_>) -> Vec<Pair> {
    let width = scores.symbols.len() + 1;
    let lines = scores.lines.map(|line| readings(&log_softmax(line, width, scores.temperature), width, KEPT));
    let text = |reading: &Reading| -> Vec<u8> { reading.symbols.iter().map(|i| scores.symbols[usize::from(*i)]).collect() };
    let mut pairs = Vec::with_capacity(KEPT * KEPT);
    for (upper, lower) in lines[0].iter().flat_map(|upper| lines[1].iter().map(move |lower| (upper, lower))) {
        let both = [text(upper), text(lower)];
        let kind = kind(&both[0], &both[1]);
        let lawful = PlateText::of_symbols(&both.concat()).is_some_and(|text| text.fits(kind));
        let prior = if lawful { 0.0 } else { OUTSIDE_GRAMMAR };
        pairs.push(Pair { lines: both, kind, weight: upper.log_likelihood + lower.log_likelihood + prior });
    }
    let most = pairs.iter().map(|pair| pair.weight).fold(f32::NEG_INFINITY, f32::max);
    pairs.iter_mut().for_each(|pair| pair.weight = (pair.weight - most).exp());
    let total: f32 = pairs.iter().map(|pair| pair.weight).sum();
    pairs.iter_mut().for_each(|pair| pair.weight /= total);
    pairs
}

/// The weight of all pairs that have the same symbol there. Where a pair's line is longer or shorter, the first half of the symbols
/// is counted from the left and the second from the right, for what was missed or doubled is most often in the middle.
fn agreement(pairs: &[Pair], best: &[u8], line: usize, place: usize) -> f32 {
    let from_right = best.len() - 1 - place;
    let agrees = |pair: &&Pair| {
        let other = &pair.lines[line];
        let there = if place * 2 < best.len() { other.get(place) } else { other.iter().rev().nth(from_right) };
        there == Some(&best[place])
    };
    pairs.iter().filter(agrees).map(|pair| pair.weight).sum()
}

/// The kind of a plate by its layout: where its line breaks, and only where that leaves a choice, by its text.
fn kind(upper: &[u8], lower: &[u8]) -> PlateKind {
    let fits = |kind| PlateText::of_symbols(&[upper, lower].concat()).is_some_and(|text| text.fits(kind));
    let letters = |part: Option<&[u8]>, of: &[&[u8]]| part.is_some_and(|part| of.contains(&part));
    match (upper.len(), lower.len()) {
        (_, 0) if fits(PlateKind::Army) => PlateKind::Army,
        (_, 0) if fits(PlateKind::Diplomatic) => PlateKind::Diplomatic,
        // No motorbike has its plate on one line.
        (_, 0) => PlateKind::Car,
        (2, _) if upper.iter().all(u8::is_ascii_uppercase) => PlateKind::Army,
        (3, _) => PlateKind::Car,
        (4, _) if letters(upper.get(2..), &CAR_SERIES) => PlateKind::Car,
        (4, _) if letters(upper.get(2..), &MISSIONS) => PlateKind::Diplomatic,
        (4, _) => PlateKind::Bike,
        (5, _) if fits(PlateKind::Ebike) => PlateKind::Ebike,
        (5, _) if fits(PlateKind::Diplomatic) => PlateKind::Diplomatic,
        _ => PlateKind::Other,
    }
}

/// The likeliest colour, if it is likelier than all others together.
fn colour(scores: &PlateScores<'_>) -> PlateColour {
    let odds = log_softmax(scores.colours, scores.colours.len(), 1.0);
    let likely = odds.iter().position(|odds| *odds > -std::f32::consts::LN_2);
    likely.and_then(|place| COLOURS.get(place)).copied().unwrap_or(PlateColour::Other)
}

/// ln of the softmax of each row.
fn log_softmax(scores: &[f32], width: usize, temperature: f32) -> Vec<f32> {
    let row = |row: &[f32]| {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total = row.iter().map(|v| ((v - most) / temperature).exp()).sum::<f32>().ln();
        row.iter().map(|v| (v - most) / temperature - total).collect::<Vec<f32>>()
    };
    scores.chunks_exact(width).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use schemas::{PlateColour, PlateKind};

    use super::{PlateScores, plate};

    const SYMBOLS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\xD0";

    /// Scores that say a line, each symbol at every second step, with what else a symbol could be and how much less it scores.
    fn line(text: &[u8], doubts: &[(usize, u8, f32)]) -> Vec<f32> {
        let width = SYMBOLS.len() + 1;
        let mut scores = vec![0.0; 32 * width];
        for step in 0..32 {
            scores[step * width] = 12.0;
        }
        let place = |symbol: u8| 1 + SYMBOLS.iter().position(|s| *s == symbol).unwrap();
        for (i, symbol) in text.iter().enumerate() {
            let row = &mut scores[(2 * i + 1) * width..][..width];
            row[0] = 0.0;
            row[place(*symbol)] = 12.0;
            for (_, other, less) in doubts.iter().filter(|(at, _, _)| *at == i) {
                row[place(*other)] = 12.0 - less;
            }
        }
        scores
    }

    fn read(upper: &[f32], lower: &[f32], colours: &[f32]) -> Option<schemas::Plate> {
        plate(&[PlateScores { lines: [upper, lower], colours, symbols: SYMBOLS, temperature: 1.0 }])
    }

    #[test]
    fn where_the_line_breaks_tells_a_car_from_a_motorbike() {
        let white = [9.0, 0.0, 0.0, 0.0, 0.0];
        let car = read(&line(b"88A", &[]), &line(b"11234", &[]), &white).unwrap();
        let bike = read(&line(b"88A1", &[]), &line(b"1234", &[]), &white).unwrap();
        assert_eq!((car.text, car.kind), (bike.text, PlateKind::Car));
        assert_eq!((bike.kind, bike.colour), (PlateKind::Bike, PlateColour::White));
        assert!(car.confidence.values().iter().all(|c| *c > 990) && car.check().is_ok());
    }

    #[test]
    fn the_grammar_settles_what_is_open_and_changes_nothing_that_is_clear() {
        let nothing = [0.0; 5];
        let open = read(&line(b"88B12345", &[(2, b'8', 0.5)]), &line(b"", &[]), &nothing).unwrap();
        let open_too = read(&line(b"88812345", &[(2, b'B', 0.5)]), &line(b"", &[]), &nothing).unwrap();
        assert_eq!([open.text.to_string(), open_too.text.to_string()], ["88B12345"; 2]);
        assert!(open_too.confidence.values()[2] < open.confidence.values()[2] && open.confidence.values()[2] < 995);
        // Eight times as likely, each of the others a hundred times: the doubt is the symbol's own.
        assert!(open_too.confidence.values()[3] > 990);
        let clear = read(&line(b"88812345", &[(2, b'B', 6.0)]), &line(b"", &[]), &nothing).unwrap();
        assert_eq!((clear.text.to_string().as_str(), clear.colour), ("88812345", PlateColour::Other));
    }

    #[test]
    fn several_looks_say_what_they_say_together() {
        let nothing = [0.0; 5];
        let (none, clear) = (line(b"", &[]), line(b"88A11234", &[]));
        // One sees a B there for certain, two an A, but not without doubt.
        let (other, doubtful) = (line(b"88B11234", &[]), line(b"88A11234", &[(2, b'B', 1.0)]));
        let read = |looks: &[&Vec<f32>]| {
            let lines = looks.iter().map(|upper| [upper.as_slice(), none.as_slice()]);
            let scores = lines.map(|lines| PlateScores { lines, colours: &nothing, symbols: SYMBOLS, temperature: 1.0 });
            plate(&scores.collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(read(&[&other, &doubtful]).text.to_string(), "88B11234");
        let together = read(&[&other, &doubtful, &clear]);
        assert_eq!(together.text.to_string(), "88A11234");
        // (0 + 0.73 + 1) / 3
        assert!((560..=590).contains(&together.confidence.values()[2]), "{together:?}");
        assert!(together.confidence.values()[3] > 990);
        assert_eq!(read(&[&clear]), read(&[&clear, &clear, &clear]));
    }

    #[test]
    fn nothing_read_is_no_plate_and_too_much_is_none() {
        let nothing = [0.0; 5];
        assert_eq!(read(&line(b"", &[]), &line(b"", &[]), &nothing), None);
        assert_eq!(read(&line(b"1234567890123456", &[]), &line(b"1", &[]), &nothing), None);
    }
}
