//! Training the finder of plates: drawn roads, each vehicle cut out as a detector would, and single plates of all kinds close by.

use std::collections::VecDeque;
use std::sync::Arc;

use candle_core::{D, Device, Result, Tensor};
use city::Random;
use city::film::{Lesson as Drawn, Lessons, Shown};
use city::plates::{Image, Set, Workshop, spoil};
use operators::vision::candle::finder_network::{
    AROUND, CELL, CELLS, CLOSE, CLOSE_HEAD, CLOSE_TRUNK, CLOSE_WHOLE, REACH, SIDE, TRUNK, VALUES, look, look_closely,
};
use operators::vision::candle::input::normalised;
use operators::vision::{Picture, PlateCorners, Window};

use crate::trainable::Trainable;

/// Width and height of the pictures that vehicles are cut out of: as the synthetic cameras film.
pub(crate) const FRAME: [usize; 2] = [1_920, 1_080];
/// Narrower vehicles are not learnt from, pixels: nobody could read what hangs on them.
const NARROWEST: f64 = 70.0;
/// Cells in each direction.
const SIDE_CELLS: usize = (SIDE / CELL) as usize;
/// How far the middle of a plate may be from a cell for the cell to know its corners, in cells.
const NEAR: f64 = 1.3;

/// What one vehicle and one plate teach.
pub(crate) struct Lesson {
    vehicle: Picture,
    /// For each cell what it should say, and how much each of that counts.
    wanted: Vec<f32>,
    counts: Vec<f32>,
    close: Picture,
    /// Whether there is a plate, and how its corners are to be moved, as parts of its width and height.
    close_wanted: [f32; VALUES],
}

/// Draws lessons: vehicles of roads in turn.
pub(crate) struct Teacher {
    roads: Lessons,
    /// Vehicles that are drawn and not given yet: the cutout, and the plates on it that are seen and those that may be.
    waiting: VecDeque<Cutout>,
    workshop: Workshop,
}

/// A vehicle cut out, with plates on it.
struct Cutout {
    picture: Picture,
    clear: Vec<[[f32; 2]; 4]>,
    unclear: Vec<[f32; 2]>,
}

impl Teacher {
    /// Lessons that follow from the seed, with plates of a workshop between them.
    pub(crate) fn new(seed: u64, workshop: Workshop) -> Self {
        Self { roads: Lessons::new(FRAME, seed), waiting: VecDeque::new(), workshop }
    }

    /// The next one.
    pub(crate) fn lesson(&mut self, random: &mut Random) -> Lesson {
        loop {
            let cutout = self.cutout(random);
            let Some((vehicle, wanted, counts)) = from_afar(&cutout) else { continue };
            // A third of the close looks are at plates of all kinds and ages, which vehicles of the synthetic roads do not carry.
            let close = if random.chance(0.35) { self.any_plate(random) } else { closely(&cutout, random) };
            let Some((close, close_wanted)) = close else { continue };
            return Lesson { vehicle, wanted, counts, close, close_wanted };
        }
    }

    fn cutout(&mut self, random: &mut Random) -> Cutout {
        loop {
            if let Some(cutout) = self.waiting.pop_front() {
                return cutout;
            }
            let drawn = self.roads.draw();
            let Some(frame) = frame_of(&drawn) else { continue };
            for vehicle in drawn.vehicles.iter().filter(|v| v.seen && v.bounds[2] - v.bounds[0] >= NARROWEST) {
                // Twice, boxed otherwise and seen otherwise: to draw a whole street takes longest.
                self.waiting.extend((0..2).filter_map(|_| cut_out(&frame, vehicle, &drawn.vehicles, random)));
            }
        }
    }

    fn any_plate(&self, random: &mut Random) -> Option<(Picture, [f32; VALUES])> {
        let sample = self.workshop.plate_amid(1.1, random);
        let picture = picture(&sample.image)?;
        close_look(&picture, sample.corners.map(|corner| corner.map(|v| v as f32)), random)
    }
}

/// A drawn picture as the product has it.
pub(crate) fn frame_of(drawn: &Drawn) -> Option<Picture> {
    Picture::new(drawn.picture.width as u32, drawn.picture.height as u32, drawn.picture.bgr.clone())
}

fn picture(image: &Image) -> Option<Picture> {
    Picture::new(image.width as u32, image.height as u32, image.bytes())
}

/// A vehicle as a detector would box it, not quite exactly, and half of them as a bad camera would have them.
fn cut_out(frame: &Picture, vehicle: &Shown, all: &[Shown], random: &mut Random) -> Option<Cutout> {
    let [left, top, right, bottom] = vehicle.bounds;
    let (wide, high) = (right - left, bottom - top);
    let mut off = |side: f64, low: f64, high: f64| random.between(low, high) * side;
    let edges =
        [left - off(wide, -0.05, 0.16), top - off(high, -0.05, 0.16), right + off(wide, -0.05, 0.16), bottom + off(high, -0.03, 0.16)];
    let [left, top, right, bottom] = edges.map(|v| v.round() as i32);
    let mut cut = frame.cut(schemas::PixelBox { x: left, y: top, width: right - left, height: bottom - top })?;
    let from = [left.max(0) as f32, top.max(0) as f32];
    let inside = |corners: [[f64; 2]; 4]| corners.map(|[x, y]| [x as f32 - from[0], y as f32 - from[1]]);
    let (mut clear, mut unclear) = (Vec::new(), Vec::new());
    let size = [cut.width() as f32, cut.height() as f32];
    for (shown, corners) in all.iter().filter_map(|shown| shown.plate.map(|corners| (shown, inside(corners)))) {
        let whole = corners.iter().all(|corner| (0..2).all(|k| (0.0..size[k]).contains(&corner[k])));
        if shown.clear && whole {
            clear.push(corners);
        } else {
            unclear.push([0, 1].map(|k| corners.iter().map(|c| c[k]).sum::<f32>() / 4.0));
        }
    }
    if random.chance(0.4) {
        let (width, height) = (cut.width() as usize, cut.height() as usize);
        let pixels = cut.bgr().as_chunks::<3>().0.iter().map(|pixel| pixel.map(f32::from)).collect();
        let mut image = Image { width, height, pixels };
        let letter_px = clear.first().map_or(9.0, |[a, _, _, d]| f64::from((a[0] - d[0]).hypot(a[1] - d[1])) * 0.6);
        spoil(&mut image, letter_px.max(8.0), Set::Usual, random);
        cut = picture(&image)?;
    }
    Some(Cutout { picture: cut, clear, unclear })
}

/// What the network sees of a vehicle from afar, and what it should say.
fn from_afar(cutout: &Cutout) -> Option<(Picture, Vec<f32>, Vec<f32>)> {
    let window = Window::lowest(&cutout.picture, SIDE)?;
    let mut wanted = vec![0.0; SIDE_CELLS * SIDE_CELLS * VALUES];
    let mut counts = wanted.clone();
    counts.iter_mut().step_by(VALUES).for_each(|count| *count = 1.0);
    let cells = || (0..SIDE_CELLS).flat_map(|row| (0..SIDE_CELLS).map(move |column| (row, column)));
    let middle = |row: usize, column: usize| [(column as f32 + 0.5) * CELL as f32, (row as f32 + 0.5) * CELL as f32];
    for place in cutout.unclear.iter().map(|place| window.inside(*place)) {
        for (row, column) in cells() {
            let [x, y] = middle(row, column);
            if (x - place[0]).abs() < 20.0 && (y - place[1]).abs() < 20.0 {
                counts[(row * SIDE_CELLS + column) * VALUES] = 0.0;
            }
        }
    }
    for corners in cutout.clear.iter().map(|corners| corners.map(|corner| window.inside(corner))) {
        let [px, py] = [0, 1].map(|k| corners.iter().map(|c| c[k]).sum::<f32>() / 4.0);
        for (row, column) in cells() {
            let [x, y] = middle(row, column);
            let apart = f64::from((x - px).abs().max((y - py).abs()) / CELL as f32);
            if apart > NEAR {
                continue;
            }
            let at = (row * SIDE_CELLS + column) * VALUES;
            let own = apart <= 0.5;
            // The cells around it may say so or not.
            (wanted[at], counts[at]) = if own { (1.0, 3.0) } else { (wanted[at], 0.0) };
            for (i, corner) in corners.iter().enumerate() {
                for (k, off) in [corner[0] - x, corner[1] - y].into_iter().enumerate() {
                    (wanted[at + 1 + 2 * i + k], counts[at + 1 + 2 * i + k]) = (off / REACH, if own { 1.0 } else { 0.4 });
                }
            }
        }
    }
    Some((window.picture, wanted, counts))
}

/// A close look at a plate of a vehicle, or now and then at a place of it where there is none.
fn closely(cutout: &Cutout, random: &mut Random) -> Option<(Picture, [f32; VALUES])> {
    match cutout.clear.first() {
        Some(corners) if !random.chance(0.2) => close_look(&cutout.picture, *corners, random),
        _ => {
            let (width, height) = (cutout.picture.width() as f32, cutout.picture.height() as f32);
            let wide = random.between(0.15, 0.35) as f32 * width;
            let high = wide * random.between(0.2, 0.75) as f32;
            let [x, y] = [random.unit() as f32 * width, height - random.unit() as f32 * width.min(height)];
            let near = |place: &[f32; 2]| (place[0] - x).abs() < wide && (place[1] - y).abs() < 2.0 * high;
            let centre = |c: &[[f32; 2]; 4]| [0, 1].map(|k| c.iter().map(|c| c[k]).sum::<f32>() / 4.0);
            if cutout.clear.iter().map(centre).chain(cutout.unclear.iter().copied()).any(|place| near(&place)) {
                return None;
            }
            let (w, h) = (wide / 2.0, high / 2.0);
            let corners = [[x - w, y - h], [x + w, y - h], [x + w, y + h], [x - w, y + h]];
            let close = cutout.picture.straightened_with(&PlateCorners { corners, confidence: 0 }, CLOSE.0, CLOSE.1, AROUND)?;
            Some((close, [0.0; VALUES]))
        }
    }
}

/// A close look that begins as far off as the look from afar ends, and what brings it right.
fn close_look(picture: &Picture, corners: [[f32; 2]; 4], random: &mut Random) -> Option<(Picture, [f32; VALUES])> {
    let truth = PlateCorners { corners, confidence: 0 };
    // Mostly all corners are off together: moved and too large or too small. The second look begins closer.
    let much = random.pick(&[1.0, 1.0, 0.35]);
    let mut normal = |deviation: f64| random.normal(deviation * much) as f32;
    let (shift, grow) = ([normal(0.06), normal(0.2)], [normal(0.08), normal(0.25)]);
    let by: [[f32; 2]; 4] = std::array::from_fn(|i| {
        let sign = [if i == 1 || i == 2 { 1.0 } else { -1.0 }, if i >= 2 { 1.0 } else { -1.0 }];
        [shift[0] + sign[0] * grow[0] / 2.0 + normal(0.02), shift[1] + sign[1] * grow[1] / 2.0 + normal(0.06)]
    });
    let begun = truth.moved(by)?;
    let close = picture.straightened_with(&begun, CLOSE.0, CLOSE.1, AROUND)?;
    let mut wanted = [1.0; VALUES];
    let square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    for (i, corner) in corners.iter().enumerate() {
        let [u, v] = begun.place(*corner)?;
        (wanted[1 + 2 * i], wanted[2 + 2 * i]) = (u - square[i][0], v - square[i][1]);
    }
    wanted.iter().all(|v| v.abs() < 1.5).then_some((close, wanted))
}

/// A network that has learnt nothing.
pub(crate) fn untaught(seed: u64) -> Result<Trainable> {
    let inner: Vec<_> = TRUNK.iter().chain(&CLOSE_TRUNK).chain([&CLOSE_WHOLE]).copied().collect();
    Trainable::new(&inner, &[CELLS, CLOSE_HEAD], seed)
}

/// What a batch costs, as a tensor to differentiate and as a number, and on how many of its vehicles every cell is right.
pub(crate) fn loss(network: &Trainable, lessons: &[Arc<Lesson>]) -> Result<(Tensor, f32, usize)> {
    let n = lessons.len();
    let pictures = |of: fn(&Lesson) -> &Picture, (width, height): (u32, u32)| {
        let pictures: Vec<Picture> = lessons.iter().map(|lesson| of(lesson).clone()).collect();
        normalised(&pictures, width, height).map_err(candle_core::Error::wrap)
    };
    let all = |of: fn(&Lesson) -> &[f32], shape: (usize, usize)| {
        Tensor::from_vec(lessons.iter().flat_map(|lesson| of(lesson)).copied().collect::<Vec<f32>>(), shape, &Device::Cpu)
    };
    let part = |tensor: &Tensor, from: usize, count: usize| tensor.narrow(D::Minus1, from, count);
    let rows = n * SIDE_CELLS * SIDE_CELLS;
    let (wanted, counts) = (all(|lesson| &lesson.wanted, (rows, VALUES))?, all(|lesson| &lesson.counts, (rows, VALUES))?);
    let vehicles = pictures(|lesson| &lesson.vehicle, (SIDE, SIDE))?;
    let told = look(&vehicles, |of, x| network.inner(of, x), |of, x| network.outer(of, x))?.reshape((rows, VALUES))?;
    let of_score = (entropy(&part(&told, 0, 1)?, &part(&wanted, 0, 1)?)? * part(&counts, 0, 1)?)?.sum_all()?;
    let of_corners = ((part(&told, 1, VALUES - 1)? - part(&wanted, 1, VALUES - 1)?)?.abs()? * part(&counts, 1, VALUES - 1)?)?.sum_all()?;

    let plates = pictures(|lesson| &lesson.close, CLOSE)?;
    let close = look_closely(&plates, |of, x| network.inner(of, x), |of, x| network.outer(of, x))?;
    let close_wanted = all(|lesson| &lesson.close_wanted, (n, VALUES))?;
    let is = part(&close_wanted, 0, 1)?;
    let of_plate = entropy(&part(&close, 0, 1)?, &is)?.sum_all()?;
    let of_moves = (part(&close, 1, VALUES - 1)? - part(&close_wanted, 1, VALUES - 1)?)?.abs()?.broadcast_mul(&is)?.sum_all()?;

    let cost = ((((of_score + of_corners)? + of_plate)? + (of_moves * 4.0)?)? / n as f64)?;
    let scores: Vec<f32> = part(&told, 0, 1)?.flatten_all()?.to_vec1()?;
    let right = |(lesson, scores): (&Arc<Lesson>, &[f32])| {
        let told = |(i, score): (usize, &f32)| lesson.counts[i * VALUES] == 0.0 || (*score > 0.0) == (lesson.wanted[i * VALUES] > 0.5);
        scores.iter().enumerate().all(told)
    };
    let hits = lessons.iter().zip(scores.chunks(SIDE_CELLS * SIDE_CELLS)).filter(|both| right((both.0, both.1))).count();
    let figure = cost.to_scalar::<f32>()?;
    Ok((cost, figure, hits))
}

/// Binary cross entropy from the score itself, without the overflow of its exponential.
fn entropy(score: &Tensor, is: &Tensor) -> Result<Tensor> {
    (score.relu()? - (score * is)?)? + (score.abs()?.neg()?.exp()? + 1.0)?.log()?
}
