//! A vehicle as a few solids with flat faces, and how each face is painted.
//!
//! ```text
//!        ╭──────╮            from the front backwards, symmetric about the middle; solids are drawn in order, so the
//!   ╭────┤ cabin├───╮        one that stands on another comes after it
//!   │ lower body    │
//!   ╰─◯────────◯────╯
//! ```

use super::pinhole::Place;
use crate::records::{Body, Class};
use crate::traffic::size_m;

/// What a face shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Paint and nothing else.
    Paint,
    /// The lower front: lamps, grille, bumper.
    Nose,
    /// The lower back: lamps, bumper.
    Tail,
    /// A pane with a frame of paint.
    Pane,
    /// The lower side: paint over wheels.
    Wheels,
    /// The side of a box: a load, grey.
    Load,
    /// Paint below, a band of panes above.
    Panes,
    /// The front of a bus or lorry: a pane over lamps.
    Cab,
    /// Cloth.
    Cloth,
    /// Something dark: tyres, an engine.
    Dark,
    /// A helmet.
    Helmet,
}

/// A solid between two levels. Lengths are metres from the vehicle's front, backwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Solid {
    /// Where it begins and ends at its bottom, and at its top.
    ends: [[f64; 2]; 2],
    /// Half its width at its bottom and at its top.
    half: [f64; 2],
    /// Its bottom and its top.
    levels: [f64; 2],
    /// Front, back, sides, top.
    looks: [Look; 4],
}

/// A flat face: lower left, lower right, upper right, upper left as one looks at it; lower and upper edge are parallel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) corners: [Place; 4],
    pub(crate) look: Look,
    /// What points away from the solid.
    pub(crate) normal: Place,
}

/// A vehicle's shape.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    solids: Vec<Solid>,
    /// Where its plate hangs: how high, how far from the middle.
    pub(crate) plate_m: [f64; 2],
}

impl Shape {
    /// The shape of a class, a little different with each number from 0 to 1.
    pub(crate) fn of(class: Class, vary: [f64; 2]) -> Self {
        let (length, width) = size_m(class);
        let half = width / 2.0;
        let [a, b] = vary;
        let solid = |ends, half, levels, looks| Solid { ends, half, levels, looks };
        let (solids, plate) = match class {
            Class::Car => {
                let (hood, belt, roof) = (0.9 + 0.5 * a, 0.88 + 0.16 * b, 1.42 + 0.28 * b);
                let rear = length - 0.25 - 0.6 * a;
                let wheels = [Look::Nose, Look::Tail, Look::Wheels, Look::Paint];
                let panes = [Look::Pane, Look::Pane, Look::Panes, Look::Paint];
                let lower = solid([[0.0, length], [0.12, length - 0.08]], [half, half * 0.96], [0.0, belt], wheels);
                let cabin = solid([[hood, rear], [hood + 0.75, rear - 0.35]], [half * 0.93, half * 0.72], [belt, roof], panes);
                (vec![lower, cabin], [0.42 + 0.1 * b, 0.0])
            }
            Class::Truck => {
                let (cab, load) = (2.1 + 0.3 * b, 2.5 + 0.7 * a);
                let ends = [[0.0, 2.0], [0.15, 2.0]];
                let front = solid(ends, [half * 0.96, half * 0.92], [0.0, cab], [Look::Cab, Look::Paint, Look::Wheels, Look::Paint]);
                let bed = solid([[2.0, length]; 2], [half * 0.9; 2], [0.0, 0.95], [Look::Dark, Look::Tail, Look::Wheels, Look::Dark]);
                let ends = [[2.15, length]; 2];
                let cargo = solid(ends, [half; 2], [0.95, load], [Look::Load, Look::Load, Look::Load, Look::Load]);
                (vec![bed, cargo, front], [0.5, 0.0])
            }
            Class::Bus => {
                let ends = [[0.0, length], [0.1, length]];
                let looks = [Look::Cab, Look::Tail, Look::Panes, Look::Paint];
                (vec![solid(ends, [half, half * 0.97], [0.0, 2.9 + 0.3 * a], looks)], [0.55, 0.0])
            }
            Class::Motorbike => {
                let dark = [Look::Dark; 4];
                let wheel = solid([[0.0, length]; 2], [0.09; 2], [0.0, 0.62], dark);
                let paint = [Look::Nose, Look::Tail, Look::Paint, Look::Dark];
                let frame = solid([[0.2, length - 0.15], [0.35, length - 0.1]], [0.2, 0.16], [0.35, 0.85], paint);
                let bar = solid([[0.4, 0.55]; 2], [0.36; 2], [0.95, 1.05], dark);
                let cloth = [Look::Cloth; 4];
                let legs = solid([[0.55, 1.3], [0.7, 1.35]], [0.3, 0.22], [0.4, 0.85], cloth);
                let back = solid([[0.8, 1.25], [0.85, 1.2]], [0.2, 0.26], [0.85, 1.42], cloth);
                let head = solid([[0.8, 1.1]; 2], [0.14, 0.12], [1.45, 1.72 + 0.05 * b], [Look::Helmet; 4]);
                (vec![wheel, frame, legs, bar, back, head], [0.6, 0.0])
            }
        };
        Self { solids, plate_m: plate }
    }

    /// All faces of a vehicle whose front is at a place of the ground and that looks in a direction (along, to the right), in the
    /// order in which they are drawn.
    pub(crate) fn sides(&self, front: [f64; 2], way: [f64; 2]) -> Vec<Side> {
        let turn = |[back, right, up]: Place| [front[0] - back * way[0] - right * way[1], front[1] - back * way[1] + right * way[0], up];
        let direct = |[back, right, up]: Place| [-back * way[0] - right * way[1], -back * way[1] + right * way[0], up];
        let mut all = Vec::new();
        for Solid { ends: [low, high], half: [wide, narrow], levels: [bottom, top], looks } in &self.solids {
            let sides = [
                // As one looks at it from before it, the vehicle's right is left.
                (
                    [[low[0], *wide, *bottom], [low[0], -wide, *bottom], [high[0], -narrow, *top], [high[0], *narrow, *top]],
                    looks[0],
                    [-1.0, 0.0, (high[0] - low[0]) / (top - bottom)],
                ),
                (
                    [[low[1], -wide, *bottom], [low[1], *wide, *bottom], [high[1], *narrow, *top], [high[1], -narrow, *top]],
                    looks[1],
                    [1.0, 0.0, (low[1] - high[1]) / (top - bottom)],
                ),
                (
                    [[low[1], *wide, *bottom], [low[0], *wide, *bottom], [high[0], *narrow, *top], [high[1], *narrow, *top]],
                    looks[2],
                    [0.0, 1.0, (wide - narrow) / (top - bottom)],
                ),
                (
                    [[low[0], -wide, *bottom], [low[1], -wide, *bottom], [high[1], -narrow, *top], [high[0], -narrow, *top]],
                    looks[2],
                    [0.0, -1.0, (wide - narrow) / (top - bottom)],
                ),
                (
                    [[high[0], *narrow, *top], [high[0], -narrow, *top], [high[1], -narrow, *top], [high[1], *narrow, *top]],
                    looks[3],
                    [0.0, 0.0, 1.0],
                ),
            ];
            all.extend(sides.map(|(corners, look, normal)| Side { corners: corners.map(turn), look, normal: direct(normal) }));
        }
        all
    }
}

/// The colour of a body, blue first.
pub(crate) fn paint(body: Body) -> [f32; 3] {
    match body {
        Body::White => [228.0, 228.0, 226.0],
        Body::Black => [34.0, 32.0, 32.0],
        Body::Silver => [184.0, 182.0, 178.0],
        Body::Red => [38.0, 32.0, 172.0],
        Body::Grey => [112.0, 110.0, 106.0],
        Body::Blue => [150.0, 78.0, 34.0],
        Body::Brown => [42.0, 66.0, 98.0],
    }
}

/// The colour of a face at a place of it: from -1 at its left edge to 1 at its right, from 0 at its bottom to 1 at its top.
pub(crate) fn colour(look: Look, u: f64, v: f64, paint: [f32; 3], lamps: bool) -> [f32; 3] {
    let across = u.abs();
    let lamp = |on: [f32; 3], off: [f32; 3]| if lamps { on } else { off };
    let (head, tail) = (lamp([255.0; 3], [205.0, 212.0, 214.0]), lamp([90.0, 80.0, 255.0], [36.0, 30.0, 150.0]));
    let glass = |v: f64| [0.0, 2.0, 8.0].map(|less: f32| 88.0 - less - 42.0 * (1.0 - v as f32));
    match look {
        Look::Paint => paint,
        Look::Nose if v < 0.16 => [24.0; 3],
        Look::Nose if (0.56..0.82).contains(&v) && (0.6..0.95).contains(&across) => head,
        Look::Nose if (0.58..0.76).contains(&v) && across < 0.5 => [48.0; 3],
        Look::Nose if v < 0.3 => [58.0; 3],
        Look::Tail if v < 0.16 => [24.0; 3],
        Look::Tail if (0.6..0.85).contains(&v) && (0.66..0.97).contains(&across) => tail,
        Look::Nose | Look::Tail => paint,
        Look::Pane if across > 0.93 || v > 0.95 => paint,
        Look::Pane => glass(v),
        Look::Panes if !(0.08..=0.9).contains(&v) || (0.04..0.1).contains(&(u * 2.5).rem_euclid(1.0)) => paint,
        Look::Panes if v < 0.45 && paint[0] + paint[2] > 520.0 => [120.0, 80.0, 50.0],
        Look::Panes => glass(v),
        Look::Wheels => {
            // Wheels are round where the side is four times as long as high, and near enough elsewhere.
            let wheel = [-0.62, 0.62].iter().any(|middle| (u - middle).powi(2) / 0.026 + (v - 0.3).powi(2) / 0.11 < 1.0);
            let hub = [-0.62, 0.62].iter().any(|middle| (u - middle).powi(2) / 0.008 + (v - 0.3).powi(2) / 0.035 < 1.0);
            match () {
                () if hub => [110.0; 3],
                () if wheel => [26.0; 3],
                () if v < 0.18 => [34.0; 3],
                () => paint,
            }
        }
        Look::Load if v > 0.96 || across > 0.985 => [96.0; 3],
        Look::Load => [176.0, 172.0, 160.0].map(|c: f32| c - 10.0 * f32::from((u * 9.0).rem_euclid(1.0) < 0.12)),
        Look::Cab if v < 0.1 => [24.0; 3],
        Look::Cab if (0.16..0.27).contains(&v) && (0.62..0.92).contains(&across) => head,
        Look::Cab if (0.46..0.86).contains(&v) && across < 0.9 => glass(v),
        Look::Cab if (0.2..0.36).contains(&v) && across < 0.5 => [60.0; 3],
        Look::Cab => paint,
        Look::Cloth => [120.0, 92.0, 70.0].map(|c: f32| c - 16.0 * u as f32),
        Look::Dark => [34.0; 3],
        Look::Helmet if (0.3..0.65).contains(&v) && across < 0.7 => [60.0; 3],
        Look::Helmet => paint,
    }
}
