//! `best_path`: from a network's scores, column by column, to a text with a confidence for each symbol.
//!
//! Networks that read plates give for each of a few dozen columns of the picture a score for each symbol and for the blank.
//! The text is found as in Graves et al., *Connectionist Temporal Classification*, 2006: a symbol that stays over several columns is
//! one, a blank between two equal ones parts them.

/// A text as a network read it, whatever its alphabet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadText {
    /// The symbols in a row.
    pub text: String,
    /// For each symbol how sure the network is, permille.
    pub confidence: Vec<u16>,
}

/// The text on the best path: in every column the symbol with the highest score, the blank being the last of `symbols`.
///
/// A symbol's confidence is its probability in the column in which it is the highest. It is a greedy reading: the path is the most
/// likely one, its text mostly but not always the most likely text; and the probability is the network's own, which is
/// commonly too sure of itself.
#[must_use]
pub fn best_path(columns: &[Vec<f32>], symbols: &[char]) -> ReadText {
    let (mut read, mut before) = (ReadText::default(), None);
    for scores in columns {
        let best = scores.iter().copied().enumerate().take(symbols.len()).max_by(|one, other| one.1.total_cmp(&other.1));
        let Some((symbol, score)) = best else { continue };
        let probability = 1.0 / scores.iter().map(|other| (other - score).exp()).sum::<f32>();
        let confidence = (probability * 1_000.0).round() as u16;
        let blank = symbol + 1 == symbols.len();
        match read.confidence.last_mut() {
            Some(last) if before == Some(symbol) && !blank => *last = confidence.max(*last),
            _ if blank => {}
            _ => {
                read.text.push(symbols[symbol]);
                read.confidence.push(confidence);
            }
        }
        before = Some(symbol);
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYMBOLS: [char; 3] = ['A', 'B', '-'];

    fn column(a: f32, b: f32, blank: f32) -> Vec<f32> {
        vec![a, b, blank]
    }

    #[test]
    fn a_symbol_that_stays_is_one_and_a_blank_parts_equal_ones() {
        let [a, b, blank] = [column(9.0, 0.0, 0.0), column(0.0, 9.0, 0.0), column(0.0, 0.0, 9.0)];
        let text = |columns: &[&Vec<f32>]| best_path(&columns.iter().map(|c| (*c).clone()).collect::<Vec<_>>(), &SYMBOLS).text;
        assert_eq!(text(&[&a, &a, &b, &b]), "AB");
        assert_eq!(text(&[&blank, &a, &blank, &a, &a, &b, &a, &blank]), "AABA");
        assert_eq!(text(&[&blank, &blank]), "");
        assert_eq!(text(&[]), "");
    }

    #[test]
    fn a_symbol_is_as_sure_as_in_its_surest_column() {
        let half = column(0.0, 0.0, f32::NEG_INFINITY);
        let three_quarters = column(0.0, 3.0_f32.ln(), f32::NEG_INFINITY);
        assert_eq!(best_path(&[half, three_quarters], &SYMBOLS), ReadText { text: "B".into(), confidence: vec![750] });
    }
}
