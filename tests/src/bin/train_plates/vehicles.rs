//! Training the detector of vehicles: drawn roads, a part of each, and the loss of every cell.

use std::sync::Arc;

use candle_core::{D, Device, Result, Tensor};
use city::Random;
use city::film::{Lessons, Shown};
use city::records::Class;
use operators::vision::Picture;
use operators::vision::candle::input::normalised;
use operators::vision::candle::vehicle_network::{CELL, CLASSES, HEAD, SIZE, TRUNK, UNIT, VALUES, run};

use crate::trainable::Trainable;

/// Cells of the part of a picture that is learnt from: there is too much empty road on a whole one.
const PART: [usize; 2] = [12, 7];

/// What a part of a picture teaches.
pub(crate) struct Lesson {
    /// The part, as the network takes it.
    values: Vec<f32>,
    /// For each cell what it should say, and how much each of that counts.
    wanted: Vec<f32>,
    counts: Vec<f32>,
}

/// Draws a picture and takes the part around one of its vehicles, or any part.
pub(crate) fn lesson(lessons: &mut Lessons, random: &mut Random) -> Lesson {
    let drawn = lessons.draw();
    let (width, height) = (drawn.picture.width, drawn.picture.height);
    let cell = CELL as usize;
    let columns = width.div_ceil(cell);
    let rows = height.div_ceil(cell);
    let middle = |bounds: &[f64; 4]| [(bounds[0] + bounds[2]) / 2.0 / cell as f64, (bounds[1] + bounds[3]) / 2.0 / cell as f64];
    let some = random.range(0, drawn.vehicles.len().max(1) as i64 + 1) as usize;
    let about = drawn.vehicles.get(some).map_or([random.unit() * columns as f64, random.unit() * rows as f64], |v| middle(&v.bounds));
    let corner = |k: usize, all: usize, random: &mut Random| {
        let most = (all - PART[k]) as f64;
        (about[k] - random.between(1.0, PART[k] as f64 - 1.0)).round().clamp(0.0, most) as usize
    };
    let [left, top] = [corner(0, columns, random), corner(1, rows, random)];
    let values = picture(&drawn.picture.bgr, [left * cell, top * cell]);
    let (mut wanted, mut counts) = (vec![0.0; PART[0] * PART[1] * VALUES], vec![0.0; PART[0] * PART[1] * VALUES]);
    counts.iter_mut().step_by(VALUES).for_each(|count| *count = 1.0);
    // The nearest last: where two share a cell, it is the nearer one's.
    let mut vehicles = drawn.vehicles;
    vehicles.sort_by(|a, b| a.bounds[3].total_cmp(&b.bounds[3]));
    for Shown { class, bounds, seen, .. } in &vehicles {
        let [x, y] = middle(bounds);
        for (row, column) in (0..PART[1]).flat_map(|row| (0..PART[0]).map(move |column| (row, column))) {
            let at = (row * PART[0] + column) * VALUES;
            let (dx, dy) = (x - (left + column) as f64 - 0.5, y - (top + row) as f64 - 0.5);
            let inside = dx.abs() <= 0.5 && dy.abs() <= 0.5;
            if !inside && (dx.abs() > 1.2 || dy.abs() > 1.2) {
                continue;
            }
            // The cells around it may say so or not.
            if !inside && wanted[at] > 0.5 {
                continue;
            }
            (wanted[at], counts[at]) = if inside && *seen { (1.0, 3.0) } else { (0.0, 0.0) };
            let size = [bounds[2] - bounds[0], bounds[3] - bounds[1]].map(|side| (side as f32 / UNIT).ln());
            let weight = if !seen {
                0.0
            } else if inside {
                1.0
            } else {
                0.2
            };
            for (k, value) in [dx as f32, dy as f32, size[0], size[1]].into_iter().enumerate() {
                (wanted[at + 1 + k], counts[at + 1 + k]) = (value, weight);
            }
            (0..CLASSES.len()).for_each(|k| wanted[at + 5 + k] = f32::from(k == place(*class)));
            counts[at + 5] = weight;
        }
    }
    Lesson { values, wanted, counts }
}

/// The part of a picture that begins at a pixel, counted from the mean of all of it; beyond its lower edge as its last row is.
fn picture(bgr: &[u8], [left, top]: [usize; 2]) -> Vec<f32> {
    let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
    let whole = Picture::new(SIZE.0, SIZE.1, bgr.to_vec()).and_then(|whole| normalised(&[whole], SIZE.0, SIZE.1).ok());
    let whole: Vec<f32> = whole.and_then(|whole| whole.flatten_all().ok()?.to_vec1().ok()).unwrap_or_default();
    let cell = CELL as usize;
    let mut values = Vec::with_capacity(PART[0] * PART[1] * cell * cell * 3);
    for y in top..top + PART[1] * cell {
        // Zeros, as a convolution finds them there.
        let row = (y < height).then(|| &whole[(y * width + left) * 3..][..PART[0] * cell * 3]);
        match row {
            Some(row) => values.extend_from_slice(row),
            None => values.resize(values.len() + PART[0] * cell * 3, 0.0),
        }
    }
    values
}

fn place(class: Class) -> usize {
    match class {
        Class::Car => 0,
        Class::Truck => 1,
        Class::Bus => 2,
        Class::Motorbike => 3,
    }
}

/// A network that has learnt nothing.
pub(crate) fn untaught(seed: u64) -> Result<Trainable> {
    Trainable::new(&TRUNK, &[HEAD], seed)
}

/// What a batch costs, as a tensor to differentiate and as a number, and on how many of its pictures every cell is right.
pub(crate) fn loss(network: &Trainable, lessons: &[Arc<Lesson>]) -> Result<(Tensor, f32, usize)> {
    let n = lessons.len();
    let all = |of: fn(&Lesson) -> &[f32], shape: (usize, usize, usize, usize)| {
        Tensor::from_vec(lessons.iter().flat_map(|lesson| of(lesson)).copied().collect::<Vec<f32>>(), shape, &Device::Cpu)
    };
    let cell = CELL as usize;
    let pictures = all(|lesson| &lesson.values, (n, PART[1] * cell, PART[0] * cell, 3))?;
    let cells = (n, PART[1], PART[0], VALUES);
    let (wanted, counts) = (all(|lesson| &lesson.wanted, cells)?, all(|lesson| &lesson.counts, cells)?);
    let told = run(&pictures, |of, x| network.inner(of, x), |of, x| network.outer(of, x))?;
    let of = |tensor: &Tensor, from: usize, count: usize| tensor.narrow(D::Minus1, from, count);
    // Binary cross entropy from the score itself, without the overflow of its exponential.
    let (score, is) = (of(&told, 0, 1)?, of(&wanted, 0, 1)?);
    let entropy = ((score.relu()? - (&score * &is)?)? + (score.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
    let of_score = (entropy * of(&counts, 0, 1)?)?.sum_all()?;
    let of_edges = ((of(&told, 1, 4)? - of(&wanted, 1, 4)?)?.abs()? * of(&counts, 1, 4)?)?.sum_all()?;
    let likely = candle_nn::ops::log_softmax(&of(&told, 5, CLASSES.len())?, D::Minus1)?;
    let of_class = (likely * of(&wanted, 5, CLASSES.len())?)?.sum_keepdim(D::Minus1)?.broadcast_mul(&of(&counts, 5, 1)?)?.sum_all()?;
    let cost = (((of_score + (of_edges * 2.0)?)? - (of_class * 0.5)?)? / n as f64)?;
    let scores: Vec<f32> = score.flatten_all()?.to_vec1()?;
    let per = PART[0] * PART[1];
    let right = |(lesson, scores): (&Arc<Lesson>, &[f32])| {
        scores.iter().enumerate().all(|(i, score)| lesson.counts[i * VALUES] == 0.0 || (*score > 0.0) == (lesson.wanted[i * VALUES] > 0.5))
    };
    let hits = lessons.iter().zip(scores.chunks(per)).filter(|(lesson, scores)| right((lesson, scores))).count();
    let figure = cost.to_scalar::<f32>()?;
    Ok((cost, figure, hits))
}
