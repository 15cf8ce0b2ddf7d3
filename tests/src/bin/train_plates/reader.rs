//! Training the reader: plates drawn, cut out as the product cuts them out, and read by the loss of both lines and the colour.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};
use city::Random;
use city::plates::{Colour, Sample, Workshop};
use operators::vision::candle::input::normalised;
use operators::vision::candle::reader_network::{COLOUR, COLOURS, HEAD, LINES, SCORES, SIZE, STEPS, SYMBOLS, TRUNK, run};
use operators::vision::{Picture, PlateCorners};

use crate::ctc;
use crate::trainable::Trainable;

/// How far from the truth corners are found, as a part of the plate's width and height.
const ASTRAY: f64 = 0.022;

/// What one plate teaches.
pub(crate) struct Lesson {
    /// The plate, cut out.
    pub(crate) picture: Picture,
    /// For each line, which scores its symbols are.
    pub(crate) lines: [Vec<usize>; 2],
    /// Which score its colour is.
    pub(crate) colour: usize,
}

/// Draws plates until one can be cut out.
pub(crate) fn lesson(workshop: &Workshop, random: &mut Random) -> Lesson {
    loop {
        let sample = workshop.plate(random);
        if let Some(picture) = cut_out(&sample, ASTRAY, random) {
            let issue = &sample.issue;
            let score = |symbol: char| SYMBOLS.iter().position(|s| *s == byte(symbol)).map_or(0, |place| place + 1);
            let lines = [0, 1].map(|line| issue.symbols(line).chars().map(score).collect());
            let colour = if sample.colours { place(issue.colour) } else { COLOURS - 1 };
            return Lesson { picture, lines, colour };
        }
    }
}

/// The byte that the product writes for a symbol.
pub(crate) fn byte(symbol: char) -> u8 {
    if symbol == 'Đ' { 0xD0 } else { symbol as u8 }
}

fn place(colour: Colour) -> usize {
    match colour {
        Colour::White => 0,
        Colour::Yellow => 1,
        Colour::Blue => 2,
        Colour::Red => 3,
    }
}

/// The plate of a sample, cut out with its corners a little astray.
pub(crate) fn cut_out(sample: &Sample, astray: f64, random: &mut Random) -> Option<Picture> {
    let image = &sample.image;
    let picture = Picture::new(image.width as u32, image.height as u32, image.bytes())?;
    let [a, b, c, _] = sample.corners;
    let wide = (a[0] - b[0]).hypot(a[1] - b[1]);
    let high = (b[0] - c[0]).hypot(b[1] - c[1]);
    let corners = sample.corners.map(|[x, y]| [(x + random.normal(astray) * wide) as f32, (y + random.normal(astray * 1.5) * high) as f32]);
    picture.straightened(&PlateCorners { corners, confidence: 1_000 }, SIZE.0, SIZE.1)
}

/// A network that has learnt nothing.
pub(crate) fn untaught(seed: u64) -> Result<Trainable> {
    let inner: Vec<_> = TRUNK.iter().chain(&LINES).copied().collect();
    Trainable::new(&inner, &[HEAD, COLOUR], seed)
}

/// What a batch costs, as a tensor to differentiate, and how many of its plates were read right, line by line, taking the best
/// score at each step.
pub(crate) fn loss(network: &Trainable, lessons: &[Arc<Lesson>]) -> Result<(Tensor, f32, usize)> {
    let pictures: Vec<Picture> = lessons.iter().map(|lesson| lesson.picture.clone()).collect();
    let pictures = normalised(&pictures, SIZE.0, SIZE.1).map_err(candle_core::Error::wrap)?;
    let scores = run(&pictures, |of, x| network.inner(of, x), |of, x| network.outer(of, x))?;
    let lines: Vec<f32> = scores.lines.flatten_all()?.to_vec1()?;
    let (mut cost, mut right) = (0.0, 0);
    let mut slopes = Vec::with_capacity(lines.len());
    for (lesson, both) in lessons.iter().zip(lines.chunks(2 * STEPS * SCORES)) {
        let mut same = true;
        for (text, scores) in lesson.lines.iter().zip(both.chunks(STEPS * SCORES)) {
            let (of_line, slope) = ctc::loss(scores, SCORES, text);
            cost += of_line / lessons.len() as f32;
            slopes.extend(slope.iter().map(|v| v / lessons.len() as f32));
            same &= greedy(scores) == *text;
        }
        right += usize::from(same);
    }
    // The loss of a text is no operation of candle: its slope is known, and a product with it has that very slope.
    let slopes = Tensor::from_vec(slopes, scores.lines.shape(), &Device::Cpu)?;
    let of_text = (scores.lines * slopes)?.sum_all()?;
    let colours: Vec<u32> = lessons.iter().map(|lesson| lesson.colour as u32).collect();
    let of_colour = candle_nn::loss::cross_entropy(&scores.colours, &Tensor::new(colours, &Device::Cpu)?)?;
    Ok(((of_text + (of_colour * 0.3)?)?, cost, right))
}

fn greedy(scores: &[f32]) -> Vec<usize> {
    let best = |row: &[f32]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
    let mut path: Vec<usize> = scores.chunks(SCORES).map(best).collect();
    path.dedup();
    path.retain(|symbol| *symbol != 0);
    path
}
