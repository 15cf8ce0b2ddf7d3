//! What one camera sees at one moment, drawn: the road, shadows on it, and vehicles from the farthest to the nearest.

use super::Light;
use super::body::{Shape, Side, colour, paint};
use super::canvas::{Canvas, hull};
use super::pinhole::{Pinhole, Place};
use crate::Random;
use crate::plates::{Face, Homography, scatter};
use crate::records::{Body, Class};

/// A vehicle as it is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) class: Class,
    shape: Shape,
    paint: [f32; 3],
    /// Its plate, before and behind; a motorbike has none before.
    plate: Option<Face>,
}

/// A vehicle at a place: its front's middle on the ground, and the direction it looks in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) model: &'a Model,
    pub(crate) front: [f64; 2],
    pub(crate) way: [f64; 2],
}

impl Model {
    pub(crate) fn new(class: Class, body: Body, plate: Option<Face>, random: &mut Random) -> Self {
        let vary = [random.unit(), random.unit()];
        let paint = paint(body).map(|v| (v + random.normal(6.0) as f32).clamp(8.0, 240.0));
        Self { class, shape: Shape::of(class, vary), paint, plate }
    }
}

impl Placed<'_> {
    fn sides(&self) -> Vec<Side> {
        self.model.shape.sides(self.front, self.way)
    }

    /// What it fills of a picture of any size: left, top, right, bottom; none if some of it is behind the camera.
    pub(crate) fn bounds(&self, camera: &Pinhole) -> Option<[f64; 4]> {
        let mut bounds = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        for place in self.sides().iter().flat_map(|side| side.corners) {
            if camera.depth(place) <= 0.05 {
                return None;
            }
            let [x, y] = camera.pixel(place);
            bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x), bounds[3].max(y)];
        }
        Some(bounds)
    }

    /// The plate that the camera sees, before or behind, and where its millimetres go; the other is turned away.
    pub(crate) fn plate(&self, camera: &Pinhole) -> Option<(&Face, Homography)> {
        let face = self.model.plate.as_ref()?;
        let ([up, aside], (length, _)) = (self.model.shape.plate_m, crate::traffic::size_m(self.model.class));
        let [along, right] = self.way;
        let ends = [(-0.03, 1.0), (length + 0.03, -1.0)];
        let ends = ends.into_iter().filter(|(_, sign)| *sign < 0.0 || self.model.class != Class::Motorbike);
        let planes = ends.map(|(behind, sign)| {
            let at = [self.front[0] - along * behind - right * aside, self.front[1] - right * behind + along * aside, up];
            // Millimetres of the plate go to the reader's right and down.
            camera.plane(at, [right * sign / 1_000.0, -along * sign / 1_000.0, 0.0], [0.0, 0.0, -0.001])
        });
        planes.into_iter().find(|plane| area(&face.corners(plane)) > 0.0).map(|plane| (face, plane))
    }
}

/// Draws vehicles over the road that is there.
pub(crate) fn draw(canvas: &mut Canvas, camera: &Pinhole, light: Light, vehicles: &[Placed<'_>], seed: u64) {
    let mut vehicles: Vec<&Placed<'_>> = vehicles.iter().filter(|placed| placed.bounds(camera).is_some()).collect();
    let depth = |placed: &Placed<'_>| camera.depth([placed.front[0], placed.front[1], 0.0]);
    vehicles.sort_by(|a, b| depth(b).total_cmp(&depth(a)));
    for placed in &vehicles {
        shade(canvas, camera, light, placed);
    }
    for (number, placed) in vehicles.iter().enumerate() {
        vehicle(canvas, camera, light, placed, seed.wrapping_add(number as u64));
    }
}

/// The shadow: each corner goes along the light to the ground. At night it lies under the vehicle, from the lamps above.
fn shade(canvas: &mut Canvas, camera: &Pinhole, light: Light, placed: &Placed<'_>) {
    let fall = light.shadow();
    let on_ground = |[s, d, up]: Place| camera.pixel([s + fall[0] * up, d + fall[1] * up, 0.0]);
    let sides = placed.sides();
    canvas.dim(&hull(sides.iter().flat_map(|side| side.corners).map(on_ground).collect()), 0.55);
    // Under it there is no light at all.
    canvas.dim(&hull(sides.iter().flat_map(|side| side.corners).map(|[s, d, _]| camera.pixel([s, d, 0.0])).collect()), 0.6);
    if light == Light::Night {
        let [s, d] = [placed.front[0] + placed.way[0] * 5.0, placed.front[1] + placed.way[1] * 5.0];
        let reach = camera.pixels_per_m([s, d, 0.0]);
        canvas.shine(camera.pixel([s, d, 0.0]), [reach * 1.4, reach * 1.2], 70.0);
    }
}

fn vehicle(canvas: &mut Canvas, camera: &Pinhole, light: Light, placed: &Placed<'_>, seed: u64) {
    let model = placed.model;
    for side in placed.sides() {
        let corners = side.corners.map(|place| camera.pixel(place));
        if area(&corners) >= 0.0 {
            // Seen from behind.
            continue;
        }
        let brightness = light.of(side.normal);
        let shown = trapezoid(&side);
        canvas.lay(&corners, &shown.plane(camera), 2, |x, v| {
            let u = shown.place(x, v)?;
            let grain = 5.0 * (scatter(seed, (u * 60.0) as i64, (v * 60.0) as i64) - 0.5);
            let lit =
                matches!(side.look, super::body::Look::Nose | super::body::Look::Tail | super::body::Look::Cab) && light == Light::Night;
            let colour = colour(side.look, u, v, model.paint, lit);
            let lamp = lit && colour.iter().fold(0.0_f32, |most, v| most.max(*v)) >= 255.0;
            Some(if lamp { colour } else { light.dye(colour.map(|v| v * brightness + grain)) })
        });
    }
    plate(canvas, camera, light, placed);
    if light == Light::Night {
        glare(canvas, camera, placed);
    }
}

/// The plate before or behind, whichever the camera sees.
fn plate(canvas: &mut Canvas, camera: &Pinhole, light: Light, placed: &Placed<'_>) {
    if let Some((face, plane)) = placed.plate(camera) {
        lay_plate(canvas, face, &plane, light);
    }
}

/// Draws a plate over the picture, as bright as the light makes it: at night cameras flash, and plates throw the light back.
fn lay_plate(canvas: &mut Canvas, face: &Face, plane: &Homography, light: Light) {
    let corners = face.corners(plane);
    let [left, top, right, bottom] = canvas.around(&corners);
    if left >= right || top >= bottom {
        return;
    }
    let at = |x: usize, y: usize| (y * canvas.width + x) * 3;
    let mut image = crate::plates::Image::painted(right - left, bottom - top, |x, y| {
        let place = at(left + x as usize, top + y as usize);
        std::array::from_fn(|k| f32::from(canvas.bgr[place + k]) / light.plates())
    });
    face.draw(&mut image, &plane.moved(-(left as f64), -(top as f64)));
    for (row, pixels) in image.pixels.chunks(right - left).enumerate() {
        let place = ((top + row) * canvas.width + left) * 3;
        let bytes = canvas.bgr[place..place + pixels.len() * 3].iter_mut();
        bytes.zip(pixels.iter().flatten()).for_each(|(byte, v)| *byte = (v * light.plates() + 0.5).clamp(0.0, 255.0) as u8);
    }
}

/// The light of head lamps in the lens.
fn glare(canvas: &mut Canvas, camera: &Pinhole, placed: &Placed<'_>) {
    let Some(nose) = placed.sides().into_iter().find(|side| matches!(side.look, super::body::Look::Nose | super::body::Look::Cab)) else {
        return;
    };
    if area(&nose.corners.map(|place| camera.pixel(place))) >= 0.0 {
        return;
    }
    let [a, b, ..] = nose.corners;
    let lamps: &[f64] = if placed.model.class == Class::Motorbike { &[0.5] } else { &[0.12, 0.88] };
    for part in lamps {
        let at = [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part, 0.65];
        let reach = camera.pixels_per_m(at) * 0.22;
        canvas.shine(camera.pixel(at), [reach; 2], 150.0);
    }
}

/// Twice the area of a polygon; below zero where it goes round as a face does that is seen from before it.
fn area(corners: &[[f64; 2]; 4]) -> f64 {
    (0..4).map(|i| (corners[i], corners[(i + 1) % 4])).map(|([ax, ay], [bx, by])| ax * by - bx * ay).sum()
}

/// A face in its own plane: metres from the middle of its lower edge, and parts of its height.
struct Trapezoid {
    at: Place,
    across: Place,
    up: Place,
    /// Left and right end of the lower and of the upper edge, metres.
    ends: [[f64; 2]; 2],
}

fn trapezoid(side: &Side) -> Trapezoid {
    let [a, b, c, d] = side.corners;
    let minus = |p: Place, q: Place| [p[0] - q[0], p[1] - q[1], p[2] - q[2]];
    let dot = |p: Place, q: Place| p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
    let middle = |p: Place, q: Place| [(p[0] + q[0]) / 2.0, (p[1] + q[1]) / 2.0, (p[2] + q[2]) / 2.0];
    let (at, edge) = (middle(a, b), minus(b, a));
    let length = dot(edge, edge).sqrt();
    let across = edge.map(|v| v / length);
    let along = |p: Place| dot(minus(p, at), across);
    // The upper edge is parallel to the lower one, and both ends are as far up.
    let (left, right) = (along(d), along(c));
    let rise = minus(d, at);
    let up = [0, 1, 2].map(|k| rise[k] - across[k] * left);
    Trapezoid { at, across, up, ends: [[-length / 2.0, length / 2.0], [left, right]] }
}

impl Trapezoid {
    fn plane(&self, camera: &Pinhole) -> Homography {
        camera.plane(self.at, self.across, self.up)
    }

    /// From -1 to 1 between its left and right end at that height; none outside.
    fn place(&self, x: f64, v: f64) -> Option<f64> {
        let end = |k: usize| self.ends[0][k] + (self.ends[1][k] - self.ends[0][k]) * v;
        let (left, right) = (end(0), end(1));
        ((0.0..=1.0).contains(&v) && left <= x && x <= right).then(|| (x - left) / (right - left) * 2.0 - 1.0)
    }
}
