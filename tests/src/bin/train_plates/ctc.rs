//! The loss of connectionist temporal classification and its gradient (Graves et al. 2006, sections 3 and 4), for one row of
//! scores and one text.
//!
//! ```text
//!   text  A 1      extended  – A – 1 –      the loss is −ln of the sum over all ways to spread
//!                                           the extended text over the steps, blanks being free
//! ```

/// The loss of a text under scores `[steps × scores]`, and its slope in every score; score 0 is the blank.
///
/// The loss is infinite, and its slope without meaning, for a text that has more symbols than there are steps for.
#[must_use]
pub(crate) fn loss(scores: &[f32], width: usize, text: &[usize]) -> (f32, Vec<f32>) {
    let logs = log_softmax(scores, width);
    let steps = scores.len() / width;
    let extended: Vec<usize> = std::iter::once(0).chain(text.iter().flat_map(|symbol| [*symbol, 0])).collect();
    let forward = sums(&logs, width, &extended);
    // Backwards is forwards on everything turned round.
    let turned: Vec<f64> = logs.chunks(width).rev().flatten().copied().collect();
    let turned_text: Vec<usize> = extended.iter().rev().copied().collect();
    let backward = sums(&turned, width, &turned_text);
    let last = extended.len() - 1;
    let end = &forward[(steps - 1) * (last + 1)..];
    let total = add(end[last], if last > 0 { end[last - 1] } else { f64::NEG_INFINITY });
    let mut slope: Vec<f32> = logs.iter().map(|log| log.exp() as f32).collect();
    for step in 0..steps {
        for (place, symbol) in extended.iter().enumerate() {
            // Both sums count the step's own score, once too often.
            let through = forward[step * (last + 1) + place] + backward[(steps - 1 - step) * (last + 1) + last - place];
            slope[step * width + symbol] -= (through - logs[step * width + symbol] - total).exp() as f32;
        }
    }
    (-total as f32, slope)
}

/// For each step and place of the extended text: ln of the sum over all ways to be there by then.
fn sums(logs: &[f64], width: usize, extended: &[usize]) -> Vec<f64> {
    let places = extended.len();
    let mut all = vec![f64::NEG_INFINITY; logs.len() / width * places];
    for (step, logs) in logs.chunks(width).enumerate() {
        for place in 0..places {
            let before = |back: usize| match (step, place.checked_sub(back)) {
                (0, _) | (_, None) => f64::NEG_INFINITY,
                (_, Some(place)) => all[(step - 1) * places + place],
            };
            let mut sum = if step == 0 && place < 2 { 0.0 } else { add(before(0), before(1)) };
            // A blank may be left out between two symbols that differ.
            if place >= 2 && extended[place] != 0 && extended[place] != extended[place - 2] {
                sum = add(sum, before(2));
            }
            all[step * places + place] = sum + logs[extended[place]];
        }
    }
    all
}

fn log_softmax(scores: &[f32], width: usize) -> Vec<f64> {
    let row = |row: &[f32]| {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total = row.iter().map(|v| f64::from(v - most).exp()).sum::<f64>().ln();
        row.iter().map(|v| f64::from(v - most) - total).collect::<Vec<f64>>()
    };
    scores.chunks(width).flat_map(row).collect()
}

/// ln(e^a + e^b).
fn add(a: f64, b: f64) -> f64 {
    let (more, less) = if a > b { (a, b) } else { (b, a) };
    if less == f64::NEG_INFINITY { more } else { more + (less - more).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use city::Random;

    use super::loss;

    /// All ways of labelling every step, summed up one by one.
    fn counted(scores: &[f32], width: usize, text: &[usize]) -> f64 {
        let steps = scores.len() / width;
        let mut sum = 0.0;
        for number in 0..width.pow(steps as u32) {
            let path: Vec<usize> = (0..steps).map(|step| number / width.pow(step as u32) % width).collect();
            let mut read = path.clone();
            read.dedup();
            read.retain(|symbol| *symbol != 0);
            if read == text {
                let of = |step: usize| {
                    let row = &scores[step * width..][..width];
                    f64::from(row[path[step]]).exp() / row.iter().map(|v| f64::from(*v).exp()).sum::<f64>()
                };
                sum += (0..steps).map(of).product::<f64>();
            }
        }
        -sum.ln()
    }

    #[test]
    fn it_is_the_sum_over_all_paths_and_its_slope() {
        let mut random = Random::of(1, 0);
        for text in [&[][..], &[1], &[1, 2], &[2, 2], &[1, 2, 1]] {
            let mut scores: Vec<f32> = (0..5 * 3).map(|_| random.normal(1.5) as f32).collect();
            let (ours, slope) = loss(&scores, 3, text);
            assert!((f64::from(ours) - counted(&scores, 3, text)).abs() < 1e-4, "{text:?}");
            for i in 0..scores.len() {
                let at = scores[i];
                let mut moved = |by: f32| {
                    scores[i] = at + by;
                    counted(&scores, 3, text)
                };
                let quotient = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                scores[i] = at;
                assert!((f64::from(slope[i]) - quotient).abs() < 1e-3, "{text:?} {i}: {} is not {quotient}", slope[i]);
            }
        }
    }
}
