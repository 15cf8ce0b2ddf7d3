//! Cameras: where they hang, and how ground becomes picture.
//!
//! The four ground points of `city.json` *are* the camera: the projection is the homography through them, so what a reader of
//! the map computes is exact but for the rounding of boxes. Every third camera looks straight down from high up (a pure scale);
//! the others hang over the far side of the crossing and face the traffic, with perspective, each a little askew. Those with a long
//! lens hang closer, and their picture is wide enough to read plates on it and no wider.

use crate::film::Pinhole;
use crate::lights::Lights;
use crate::plan::Lens;
use crate::random::Random;
use crate::records;
use crate::roads::{HALF_APPROACH_M, LANE_M, Road};
use crate::traffic::{BEFORE_M, View};

/// How far beyond the edge of the approach its lines reach, and what is still in view.
pub(crate) const MARGIN_M: f64 = 14.0;
/// From a stop line to the conflict line behind it.
pub(crate) const BEYOND_M: f64 = 6.0;

/// A camera over the approach of a road.
pub(crate) struct Camera {
    pub(crate) id: String,
    pub(crate) road: usize,
    pub(crate) crossing: usize,
    pub(crate) heading: usize,
    pub(crate) after_m: f64,
    pub(crate) clock_error_ms: i64,
    pub(crate) has_device: bool,
    ground: [records::Ground; 4],
    homography: [f64; 8],
    /// How many pixels a metre of height adds at the top of a box, per pixel a metre is wide there.
    upright: f64,
    /// Size of the picture.
    picture: [f64; 2],
    /// Whether each lane is governed by one head alone.
    governed: [bool; 2],
    has_shoulder: bool,
    place: [i64; 2],
}

impl Camera {
    /// The camera of that number over a road that ends at a crossing.
    pub(crate) fn over(number: usize, road: usize, of: &Road, lens: Lens, random: &mut Random) -> Self {
        let high = lens == Lens::Wide && number.is_multiple_of(3);
        let points = match lens {
            Lens::Wide => [(-40.0, -10.0), (-40.0, 10.0), (15.0, -10.0), (15.0, 10.0)],
            Lens::Long => [(-24.0, -10.0), (-24.0, 10.0), (7.0, -6.0), (7.0, 6.0)],
        };
        let pixels = match lens {
            Lens::Wide if high => from_above(points, random),
            Lens::Wide => facing(points, random),
            Lens::Long => close(points, random),
        };
        let ground = std::array::from_fn(|i| {
            let (s, d) = points[i];
            records::Ground { pixel: pixels[i], cm: [(s * 100.0) as i64, (d * 100.0) as i64] }
        });
        let (x, y) = of.end;
        Self {
            id: format!("c{:03}", number + 1),
            road,
            crossing: of.to.unwrap_or(0),
            heading: of.heading,
            after_m: match lens {
                Lens::Wide if high => 22.0,
                Lens::Wide => 16.0,
                Lens::Long => 9.0,
            },
            clock_error_ms: 50,
            has_device: false,
            homography: homography(points, pixels),
            ground,
            upright: if high { 0.0 } else { 0.95 },
            picture: if high { [1_280.0, 960.0] } else { [1_920.0, 1_080.0] },
            governed: [!random.chance(0.15), true],
            has_shoulder: random.chance(0.7),
            place: [1_055_950_000 + (x * 96.6) as i64, 213_050_000 + (y * 90.1) as i64],
        }
    }

    /// The view of its road's vehicles.
    pub(crate) fn view(&self, camera: usize) -> View {
        View { camera, after_m: self.after_m }
    }

    /// Where a point of the ground (metres along and across) is in the picture.
    pub(crate) fn pixel(&self, s: f64, d: f64) -> (f64, f64) {
        let h = &self.homography;
        let w = h[6] * s + h[7] * d + 1.0;
        ((h[0] * s + h[1] * d + h[2]) / w, (h[3] * s + h[4] * d + h[5]) / w)
    }

    /// The box of a vehicle whose front is at a point: left, top, width, height, pixels; none if its front is out of the picture.
    pub(crate) fn bounds(&self, s: f64, d: f64, (length_m, width_m): (f64, f64)) -> Option<[f64; 4]> {
        let (x, y) = self.pixel(s, d);
        if !(0.0..=self.picture[0]).contains(&x) || !(0.0..=self.picture[1]).contains(&y) {
            return None;
        }
        let wide = |s: f64| (self.pixel(s, d + width_m / 2.0).0 - self.pixel(s, d - width_m / 2.0).0).abs();
        let height_m = 1.5 + (length_m - 4.6).max(0.0) * 0.2;
        let top = self.pixel(s - length_m, d).1 - height_m * self.upright * wide(s - length_m) / width_m;
        let width = wide(s);
        Some([x - width / 2.0, top, width, y - top])
    }

    /// The camera with all three dimensions, and the width and height of its picture.
    pub(crate) fn pinhole(&self) -> (Pinhole, [f64; 2]) {
        (Pinhole::of(self.homography, self.picture), self.picture)
    }

    /// The head that governs a lane, by name; none if several do.
    pub(crate) fn head(&self, lane: usize) -> Option<String> {
        self.governed[lane].then(|| Lights::name(self.crossing, self.heading, lane))
    }

    /// Gives the camera a shoulder.
    pub(crate) fn add_shoulder(&mut self) {
        self.has_shoulder = true;
    }

    /// What the map says about it.
    pub(crate) fn record(&self, centre: &str, fps: u32) -> records::Camera {
        let whole = |s: f64, d: f64| {
            let (x, y) = self.pixel(s, d);
            [x.round() as i64, y.round() as i64]
        };
        let line = |id: &str, kind: &str, s: f64| {
            let mut ends = [whole(s, -HALF_APPROACH_M - MARGIN_M), whole(s, HALF_APPROACH_M + MARGIN_M)];
            ends.sort_unstable();
            records::Line { id: id.into(), kind: kind.into(), from: ends[0], to: ends[1] }
        };
        let lane = |id: usize| {
            let mut edges = [whole(0.0, LANE_M[id] - 1.6)[0], whole(0.0, LANE_M[id] + 1.6)[0]];
            edges.sort_unstable();
            records::Lane { id, from_x: edges[0], to_x: edges[1], head: self.head(id) }
        };
        let shoulder = [(1.0 - BEFORE_M, 1.0), (1.0 - BEFORE_M, 5.0), (-2.0, 5.0), (-2.0, 1.0)];
        let zone = || records::Zone {
            id: "shoulder".into(),
            kind: "no_stopping".into(),
            limit_ms: 60_000,
            polygon: shoulder.map(|(s, d)| whole(s, HALF_APPROACH_M + d)).to_vec(),
        };
        records::Camera {
            id: self.id.clone(),
            centre: centre.to_owned(),
            lon_e7: self.place[0],
            lat_e7: self.place[1],
            heading_deg: self.heading as u32 * 90,
            fps,
            clock_error_ms: self.clock_error_ms,
            ground: self.ground.to_vec(),
            lanes: (0..2).map(lane).collect(),
            lines: vec![line("stop", "stop_line", 0.0), line("beyond", "conflict_line", BEYOND_M)],
            zones: self.has_shoulder.then(zone).into_iter().collect(),
        }
    }

    /// How far east it is, for sharing cameras out among centres.
    pub(crate) fn east(&self) -> i64 {
        self.place[0]
    }
}

/// Straight from above: 8 to 12 pixels a metre, x to the right of the direction of travel.
fn from_above(points: [(f64, f64); 4], random: &mut Random) -> [[i64; 2]; 4] {
    let scale = random.range(16, 25) as f64 / 2.0;
    let (x, y) = (random.range(600, 680) as f64, random.range(540, 600) as f64);
    points.map(|(s, d)| [(x + d * scale).round() as i64, (y + s * scale).round() as i64])
}

/// A pinhole camera on a mast behind the crossing, facing the traffic: what is right for the driver is left in the picture.
fn facing(points: [(f64, f64); 4], random: &mut Random) -> [[i64; 2]; 4] {
    let (height, behind, aside) = (random.between(9.0, 12.0), random.between(30.0, 36.0), random.between(-3.0, 3.0));
    let focal = random.between(1_200.0, 1_500.0);
    let turn = random.between(-0.03, 0.03);
    let (cosine, sine) = ((1.0 - turn * turn) / (1.0 + turn * turn), 2.0 * turn / (1.0 + turn * turn));
    let tilt = height / (behind + 6.0);
    let (level, down) = (1.0 / (1.0 + tilt * tilt).sqrt(), tilt / (1.0 + tilt * tilt).sqrt());
    points.map(|(s, d)| {
        let (away, left) = (behind - s, aside - d);
        let (away, left) = (away * cosine + left * sine, left * cosine - away * sine);
        let depth = away * level + height * down;
        let (x, y) = (960.0 + focal * left / depth, 500.0 + focal * (height * level - away * down) / depth);
        [x.round() as i64, y.round() as i64]
    })
}

/// A pinhole camera on a gantry behind the crossing: both lanes fill the picture at the stop line, and it ends a metre and a half
/// behind the conflict line.
fn close(points: [(f64, f64); 4], random: &mut Random) -> [[i64; 2]; 4] {
    let (height, behind, aside) = (random.between(6.0, 6.8), random.between(15.0, 16.5), random.between(-1.0, 1.5));
    let focal: f64 = random.between(1_950.0, 2_150.0);
    let tilt = (height / (behind - BEYOND_M - 1.5)).atan() - (540.0 / focal).atan();
    let (level, down) = (tilt.cos(), tilt.sin());
    points.map(|(s, d)| {
        let (away, left) = (behind - s, aside - d);
        let depth = away * level + height * down;
        let (x, y) = (960.0 + focal * left / depth, 540.0 + focal * (height * level - away * down) / depth);
        [x.round() as i64, y.round() as i64]
    })
}

/// The homography from ground to picture through four points (its ninth figure is one): Gaussian elimination.
fn homography(ground: [(f64, f64); 4], pixels: [[i64; 2]; 4]) -> [f64; 8] {
    let mut rows = [[0.0; 9]; 8];
    for (i, ((s, d), [x, y])) in ground.into_iter().zip(pixels).enumerate() {
        let (x, y) = (x as f64, y as f64);
        rows[2 * i] = [s, d, 1.0, 0.0, 0.0, 0.0, -s * x, -d * x, x];
        rows[2 * i + 1] = [0.0, 0.0, 0.0, s, d, 1.0, -s * y, -d * y, y];
    }
    for column in 0..8 {
        let pivot = (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs())).unwrap_or(column);
        rows.swap(column, pivot);
        let lead = rows[column];
        for (i, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != column) {
            let factor = row[column] / lead[column];
            debug_assert!(factor.is_finite(), "row {i} of a homography through points on one line");
            row.iter_mut().zip(lead).for_each(|(value, lead)| *value -= factor * lead);
        }
    }
    std::array::from_fn(|i| rows[i][8] / rows[i][i])
}

#[cfg(test)]
mod tests {
    use super::Camera;
    use crate::plan::Lens;
    use crate::random::Random;
    use crate::roads::Road;

    fn cameras(lens: Lens) -> Vec<Camera> {
        let road = Road { to: Some(0), heading: 1, length_m: 200.0, limit_ms: 13.9, end: (100.0, 100.0) };
        let mut random = Random::of(5, 0);
        (0..30).map(|n| Camera::over(n, 0, &road, lens, &mut random)).collect()
    }

    #[test]
    fn the_ground_points_lie_where_the_map_says() {
        for camera in [Lens::Wide, Lens::Long].into_iter().flat_map(cameras) {
            for point in camera.ground {
                let (x, y) = camera.pixel(point.cm[0] as f64 / 100.0, point.cm[1] as f64 / 100.0);
                assert!((x - point.pixel[0] as f64).abs() < 1e-6 && (y - point.pixel[1] as f64).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn forward_is_down_in_every_picture_and_the_whole_approach_is_in_it() {
        for camera in cameras(Lens::Wide) {
            for lane in [-1.7, 1.7, 5.9] {
                let rows: Vec<f64> = (-44..=15).map(|s| camera.pixel(f64::from(s), lane).1).collect();
                assert!(rows.windows(2).all(|w| w[0] < w[1]), "{rows:?}");
                assert!((-44..=12).all(|s| camera.bounds(f64::from(s), lane, (4.6, 1.8)).is_some()), "{} {:?}", camera.id, camera.ground);
            }
        }
    }

    /// Eyes on the ground agree with eyes in space: the third dimension stands upright, and adds nothing on the ground.
    #[test]
    fn a_camera_of_three_dimensions_agrees_with_the_map() {
        for camera in cameras(Lens::Long) {
            let (pinhole, _) = camera.pinhole();
            for (s, d) in [(-20.0, -3.0), (0.0, 0.0), (6.0, 3.0)] {
                let ([x, y], flat) = (pinhole.pixel([s, d, 0.0]), camera.pixel(s, d));
                assert!((x - flat.0).abs() < 1e-6 && (y - flat.1).abs() < 1e-6);
                let [above_x, above_y] = pinhole.pixel([s, d, 1.0]);
                let metre = pinhole.pixels_per_m([s, d, 0.0]);
                assert!((above_x - x).abs() < metre * 0.25 && (0.8..1.15).contains(&((y - above_y) / metre)), "{}", (y - above_y) / metre);
            }
        }
    }

    #[test]
    fn a_long_lens_sees_plates_and_both_lines() {
        for camera in cameras(Lens::Long) {
            for d in [-3.4, 3.4] {
                let (x, y) = camera.pixel(0.0, d);
                assert!((0.0..1_920.0).contains(&x) && (0.0..1_000.0).contains(&y), "{x} {y}");
            }
            let (_, y) = camera.pixel(super::BEYOND_M + 1.0, 0.0);
            assert!(y < 1_080.0, "{y}");
            let (pinhole, _) = camera.pinhole();
            assert!(pinhole.pixels_per_m([0.0, 0.0, 0.5]) * 0.08 > 8.0, "letters of eight centimetres are eight pixels high");
        }
    }
}
