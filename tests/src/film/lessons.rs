//! Pictures to learn from: a camera somewhere over a road, vehicles anywhere on it, drawn in the size that a network looks at.

use super::canvas::Canvas;
use super::scene::{Model, Placed, draw};
use super::{Light, noisy, road};
use crate::camera::Camera;
use crate::incidents::body;
use crate::plan::Lens;
use crate::plates::{Corner, Face, Image, Issue, Lettering};
use crate::random::Random;
use crate::records::Class;
use crate::roads::Road;
use crate::traffic::size_m;

/// A picture and what is on it.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// The picture.
    pub picture: Canvas,
    /// Vehicles: what each is, its box (left, top, right, bottom) inside the picture, and whether enough of it is seen to say so.
    pub vehicles: Vec<(Class, [f64; 4], bool)>,
}

/// Draws lessons without end.
pub struct Lessons {
    size: [usize; 2],
    random: Random,
    lettering: Lettering,
    /// The camera at work and pictures of its empty road; so many lessons are drawn on one.
    view: Option<(Camera, Light, Image, u32)>,
}

/// Lessons on one road.
const A_ROAD: u32 = 24;
/// The least part of a vehicle's box that must be seen.
const SEEN_LEAST: f64 = 0.35;

impl Lessons {
    /// Lessons of pictures of this width and height; they follow from the seed.
    #[must_use]
    pub fn new(size: [usize; 2], seed: u64) -> Self {
        let mut random = Random::of(seed, 50);
        let lettering = Lettering::drawn(Corner::Round, &mut random);
        Self { size, random, lettering, view: None }
    }

    /// The next one.
    pub fn draw(&mut self) -> Lesson {
        let [width, height] = self.size;
        let (camera, light, road, left) = match self.view.take() {
            Some((camera, light, road, left)) if left > 0 => (camera, light, road, left),
            _ => self.another(),
        };
        let (pinhole, [wide, _]) = camera.pinhole();
        let pinhole = pinhole.scaled(width as f64 / wide);
        let random = &mut self.random;
        let models: Vec<(Model, [f64; 2], [f64; 2])> = spread(random)
            .into_iter()
            .map(|(class, front, way)| {
                let issue = if class == Class::Motorbike { Issue::bike(random) } else { Issue::car(random) };
                let face = random.chance(0.93).then(|| Face::of(&issue, &self.lettering, random));
                (Model::new(class, body(random), face, random), front, way)
            })
            .collect();
        let placed: Vec<Placed<'_>> = models.iter().map(|(model, front, way)| Placed { model, front: *front, way: *way }).collect();
        let mut drawn = noisy(&road, random);
        draw(&mut drawn, &pinhole, light, &placed, random.bits());
        let vehicles = truth(&placed, &pinhole, [width as f64, height as f64]);
        develop(&mut drawn, random);
        self.view = Some((camera, light, road, left - 1));
        Lesson { picture: drawn, vehicles }
    }

    fn another(&mut self) -> (Camera, Light, Image, u32) {
        let random = &mut self.random;
        let road = Road { to: Some(0), heading: 0, length_m: 200.0, limit_ms: 13.9, end: (0.0, 0.0) };
        let camera = Camera::over(1, 0, &road, Lens::Long, random);
        let light = if random.chance(0.25) { Light::Night } else { Light::Day };
        let (pinhole, [wide, _]) = camera.pinhole();
        let [width, height] = self.size;
        let image = road::road(&pinhole.scaled(width as f64 / wide), width, height, light, random.bits());
        (camera, light, image, A_ROAD)
    }
}

/// Vehicles in both lanes, on the shoulder, turning beyond the stop line, and now and then one against the direction.
fn spread(random: &mut Random) -> Vec<(Class, [f64; 2], [f64; 2])> {
    let mut all = Vec::new();
    for lane in [-1.7, 1.7, 4.6] {
        let (mut s, dense) = (random.between(-2.0, 12.0), random.between(2.0, 22.0));
        while s > -45.0 {
            if lane > 4.0 && random.chance(0.8) {
                s -= 10.0;
                continue;
            }
            let class = random.pick(&[Class::Car, Class::Car, Class::Car, Class::Truck, Class::Bus, Class::Motorbike, Class::Motorbike]);
            let (length, _) = size_m(class);
            let spread = if class == Class::Motorbike { 0.7 } else { 0.25 };
            let turned: f64 = if s > 0.0 { random.normal(0.35) } else { random.normal(0.02) };
            let front = [s, lane + random.normal(spread).clamp(-1.2, 1.2)];
            if random.chance(0.05) {
                all.push((class, [s - length, front[1]], [-1.0, 0.0]));
            } else {
                all.push((class, front, [turned.cos(), turned.sin()]));
            }
            s -= length + 1.2 + random.unit() * dense;
        }
    }
    all
}

/// What is truly on the picture: boxes inside it, and how much of each is seen past those before it.
fn truth(placed: &[Placed<'_>], camera: &super::Pinhole, [width, height]: [f64; 2]) -> Vec<(Class, [f64; 4], bool)> {
    let boxes: Vec<Option<[f64; 4]>> = placed.iter().map(|placed| placed.bounds(camera)).collect();
    let depth = |placed: &Placed<'_>| camera.depth([placed.front[0], placed.front[1], 0.0]);
    let mut all = Vec::new();
    for (i, bounds) in boxes.iter().enumerate() {
        let Some([left, top, right, bottom]) = *bounds else { continue };
        let inside = [left.max(0.0), top.max(0.0), right.min(width), bottom.min(height)];
        if inside[2] - inside[0] < 2.0 || inside[3] - inside[1] < 2.0 {
            continue;
        }
        let nearer: Vec<[f64; 4]> =
            (0..placed.len()).filter(|j| *j != i && depth(&placed[*j]) < depth(&placed[i])).filter_map(|j| boxes[j]).collect();
        let free = (0..144).filter(|k| {
            let (x, y) =
                (left + (f64::from(k % 12) + 0.5) / 12.0 * (right - left), top + (f64::from(k / 12) + 0.5) / 12.0 * (bottom - top));
            let in_picture = (0.0..width).contains(&x) && (0.0..height).contains(&y);
            in_picture && !nearer.iter().any(|[l, t, r, b]| (*l..*r).contains(&x) && (*t..*b).contains(&y))
        });
        all.push((placed[i].model.class, inside, free.count() as f64 / 144.0 >= SEEN_LEAST));
    }
    all
}

/// Exposure, contrast and colour as cameras have them.
fn develop(canvas: &mut Canvas, random: &mut Random) {
    let (gain, lift) = (random.between(0.7, 1.25) as f32, random.between(-12.0, 20.0) as f32);
    let tint = [0; 3].map(|_| 1.0 + random.normal(0.03) as f32);
    let noise = random.between(0.0, 5.0);
    let deviates: Vec<f32> = (0..1_024).map(|_| random.normal(noise) as f32).collect();
    for pixel in canvas.bgr.chunks_exact_mut(3) {
        let bits = random.bits();
        for (k, v) in pixel.iter_mut().enumerate() {
            let grain = deviates[(bits >> (10 * k)) as usize & 1_023];
            *v = (f32::from(*v) * gain * tint[k] + lift + grain).clamp(0.0, 255.0) as u8;
        }
    }
}
