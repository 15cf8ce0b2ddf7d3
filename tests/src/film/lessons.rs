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
    /// The vehicles on it.
    pub vehicles: Vec<Shown>,
}

/// A vehicle on a picture.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// What it is.
    pub class: Class,
    /// Its box inside the picture: left, top, right, bottom.
    pub bounds: [f64; 4],
    /// Whether enough of it is seen to say that it is one.
    pub seen: bool,
    /// The corners of the plate that is turned to the camera, from the upper left one clockwise, if it has one.
    pub plate: Option<[[f64; 2]; 4]>,
    /// Whether the plate is certainly seen whole: inside the picture, and no nearer vehicle's box over it.
    pub clear: bool,
}

/// Draws lessons without end.
pub struct Lessons {
    size: [usize; 2],
    random: Random,
    /// The one at work.
    view: Option<View>,
}

/// A camera over an empty road, the letters of the plates there, and how many lessons are still to be drawn on it.
struct View {
    camera: Camera,
    light: Light,
    road: Image,
    lettering: Lettering,
    left: u32,
}

/// Lessons on one road.
const A_ROAD: u32 = 24;
/// The least part of a vehicle's box that must be seen.
const SEEN_LEAST: f64 = 0.35;

impl Lessons {
    /// Lessons of pictures of this width and height; they follow from the seed.
    #[must_use]
    pub fn new(size: [usize; 2], seed: u64) -> Self {
        Self { size, random: Random::of(seed, 50), view: None }
    }

    /// The next one.
    pub fn draw(&mut self) -> Lesson {
        let [width, height] = self.size;
        let mut view = match self.view.take() {
            Some(view) if view.left > 0 => view,
            _ => self.another(),
        };
        view.left -= 1;
        let View { camera, light, road, lettering, .. } = &view;
        let (pinhole, [wide, _]) = camera.pinhole();
        let pinhole = pinhole.scaled(width as f64 / wide);
        let random = &mut self.random;
        let models: Vec<(Model, [f64; 2], [f64; 2])> = spread(random)
            .into_iter()
            .map(|(class, front, way)| {
                let issue = if class == Class::Motorbike { Issue::bike(random) } else { Issue::car(random) };
                let face = random.chance(0.93).then(|| Face::of(&issue, lettering, random));
                (Model::new(class, body(random), face, random), front, way)
            })
            .collect();
        let placed: Vec<Placed<'_>> = models.iter().map(|(model, front, way)| Placed { model, front: *front, way: *way }).collect();
        let mut drawn = noisy(road, random);
        draw(&mut drawn, &pinhole, *light, &placed, random.bits());
        let vehicles = truth(&placed, &pinhole, [width as f64, height as f64]);
        develop(&mut drawn, random);
        self.view = Some(view);
        Lesson { picture: drawn, vehicles }
    }

    fn another(&mut self) -> View {
        let random = &mut self.random;
        let road = Road { to: Some(0), heading: 0, length_m: 200.0, limit_ms: 13.9, end: (0.0, 0.0) };
        let camera = Camera::over(1, 0, &road, Lens::Long, random);
        let light = if random.chance(0.25) { Light::Night } else { Light::Day };
        let (pinhole, [wide, _]) = camera.pinhole();
        let [width, height] = self.size;
        let road = road::road(&pinhole.scaled(width as f64 / wide), width, height, light, random.bits());
        let lettering = Lettering::drawn(random.pick(&[Corner::Round, Corner::Full]), random);
        View { camera, light, road, lettering, left: A_ROAD }
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
fn truth(placed: &[Placed<'_>], camera: &super::Pinhole, [width, height]: [f64; 2]) -> Vec<Shown> {
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
        let plate = placed[i].plate(camera).map(|(face, plane)| face.corners(&plane));
        let clear = plate.is_some_and(|corners| {
            corners.iter().all(|[x, y]| {
                let hidden = |[l, t, r, b]: &[f64; 4]| (*l..*r).contains(x) && (*t..*b).contains(y);
                (0.0..width).contains(x) && (0.0..height).contains(y) && !nearer.iter().any(hidden)
            })
        });
        all.push(Shown { class: placed[i].model.class, bounds: inside, seen: free.count() as f64 / 144.0 >= SEEN_LEAST, plate, clear });
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
