//! Cutting a plate out so that it fills a rectangle, whatever the angle it was seen at.
//!
//! ```text
//!     0 ╱────╲ 1               0 ┌──────┐ 1
//!      ╱ 88A  ╲        ──▶       │ 88A  │      the corners of the picture go to the corners of the rectangle,
//!   3 ╱────────╲ 2             3 └──────┘ 2    and straight lines stay straight
//! ```

use super::{Picture, PlateCorners};

/// How much more than the plate is cut out on each side, as a part of its width or height: corners are never found exactly, and a
/// symbol that is cut off is lost.
const MARGIN: f64 = 0.05;

impl Picture {
    /// The plate between the corners, filling a picture of that size; `None` where the corners span no area or are no numbers.
    ///
    /// Each pixel is the mean of as many places as it covers, up to 16, each found between four pixels. What lies outside the
    /// picture is as its edge.
    #[must_use]
    pub fn straightened(&self, plate: &PlateCorners, width: u32, height: u32) -> Option<Self> {
        self.straightened_with(plate, width, height, [MARGIN; 2])
    }

    /// The same with another margin on each side, as parts of the plate's width and height.
    #[must_use]
    pub fn straightened_with(&self, plate: &PlateCorners, width: u32, height: u32, margin: [f64; 2]) -> Option<Self> {
        let corners = plate.corners;
        let homography = onto(corners)?;
        let size = [f64::from(width), f64::from(height)];
        let across = distance(corners[0], corners[1]).max(distance(corners[3], corners[2]));
        let down = distance(corners[0], corners[3]).max(distance(corners[1], corners[2]));
        let fine = ((across / size[0]).max(down / size[1]).ceil() as usize).clamp(1, 4);
        let mut bgr = Vec::with_capacity(width as usize * height as usize * 3);
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let mut sum = [0.0; 3];
            for i in 0..fine * fine {
                let inside = |at: u32, i: usize| f64::from(at) + (i as f64 + 0.5) / fine as f64;
                let spread = |at: f64, side: usize| at / size[side] * (1.0 + 2.0 * margin[side]) - margin[side];
                let [u, v] = homography.map(spread(inside(x, i % fine), 0), spread(inside(y, i / fine), 1));
                self.between(u, v).iter().zip(&mut sum).for_each(|(value, sum)| *sum += value);
            }
            bgr.extend(sum.map(|v| (v / (fine * fine) as f64 + 0.5) as u8));
        }
        Self::new(width, height, bgr)
    }

    /// Blue, green and red at a place, from the four pixels whose middles are around it.
    fn between(&self, x: f64, y: f64) -> [f64; 3] {
        let most = |size: u32| f64::from(size - 1);
        let (x, y) = ((x - 0.5).clamp(0.0, most(self.width())), (y - 0.5).clamp(0.0, most(self.height())));
        let (left, top) = (x as u32, y as u32);
        let (right, bottom) = ((left + 1).min(self.width() - 1), (top + 1).min(self.height() - 1));
        let (fx, fy) = (x.fract(), y.fract());
        let [a, b, c, d] = [self.at(left, top), self.at(right, top), self.at(left, bottom), self.at(right, bottom)];
        std::array::from_fn(|k| {
            let mix = |from: u8, to: u8, part: f64| f64::from(from) + (f64::from(to) - f64::from(from)) * part;
            let (upper, lower) = (mix(a[k], b[k], fx), mix(c[k], d[k], fx));
            upper + (lower - upper) * fy
        })
    }
}

/// A homography from the unit square.
struct Homography([f64; 8]);

impl Homography {
    fn map(&self, x: f64, y: f64) -> [f64; 2] {
        let h = &self.0;
        let w = h[6] * x + h[7] * y + 1.0;
        [(h[0] * x + h[1] * y + h[2]) / w, (h[3] * x + h[4] * y + h[5]) / w]
    }
}

/// The homography of the unit square onto four corners (Heckbert 1989, section 2.2.3).
fn onto(corners: [[f32; 2]; 4]) -> Option<Homography> {
    let [a, b, c, d] = corners.map(|corner| corner.map(f64::from));
    let (from_b, from_d) = ([b[0] - c[0], b[1] - c[1]], [d[0] - c[0], d[1] - c[1]]);
    let sum = [a[0] - b[0] + c[0] - d[0], a[1] - b[1] + c[1] - d[1]];
    let cross = |p: [f64; 2], q: [f64; 2]| p[0] * q[1] - q[0] * p[1];
    // Turning the same way at every corner is what makes four points a plate: neither crossed, nor hollow, nor flat.
    let turns = [(a, b, c), (b, c, d), (c, d, a), (d, a, b)].map(|(p, q, r)| cross([q[0] - p[0], q[1] - p[1]], [r[0] - q[0], r[1] - q[1]]));
    if !turns.iter().all(|turn| turn.is_finite() && *turn > 1e-6) {
        return None;
    }
    let area = cross(from_b, from_d);
    let (g, h) = (cross(sum, from_d) / area, cross(from_b, sum) / area);
    Some(Homography([b[0] - a[0] + g * b[0], d[0] - a[0] + h * d[0], a[0], b[1] - a[1] + g * b[1], d[1] - a[1] + h * d[1], a[1], g, h]))
}

impl PlateCorners {
    /// The same plate with its corners moved by parts of its width and height, as it is seen straightened; `None` where they span no
    /// area.
    #[must_use]
    pub fn moved(&self, by: [[f32; 2]; 4]) -> Option<Self> {
        let homography = onto(self.corners)?;
        let square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let corner = |i: usize| homography.map(square[i][0] + f64::from(by[i][0]), square[i][1] + f64::from(by[i][1])).map(|v| v as f32);
        let corners: [[f32; 2]; 4] = std::array::from_fn(corner);
        onto(corners).map(|_| Self { corners, ..*self })
    }

    /// Where a place of the picture lies on the straightened plate, as parts of its width and height: the other way round.
    #[must_use]
    pub fn place(&self, [x, y]: [f32; 2]) -> Option<[f32; 2]> {
        let Homography([a, b, c, d, e, f, g, h]) = onto(self.corners)?;
        let (x, y) = (f64::from(x), f64::from(y));
        // Two equations for two unknowns: (a − gx) u + (b − hx) v = x − c, and the same below.
        let (p, q, r, s) = (a - g * x, b - h * x, d - g * y, e - h * y);
        let whole = p * s - q * r;
        let place = [((x - c) * s - (y - f) * q) / whole, ((y - f) * p - (x - c) * r) / whole];
        place.iter().all(|v| v.is_finite()).then(|| place.map(|v| v as f32))
    }

    /// Width and height, pixels: the longer of two sides each.
    #[must_use]
    pub fn extent(&self) -> [f32; 2] {
        let [a, b, c, d] = self.corners;
        [distance(a, b).max(distance(d, c)) as f32, distance(a, d).max(distance(b, c)) as f32]
    }

    /// Their middle.
    #[must_use]
    pub fn middle(&self) -> [f32; 2] {
        [0, 1].map(|k| self.corners.iter().map(|corner| corner[k]).sum::<f32>() / 4.0)
    }

    /// Whether another is this plate too: its middle is less than half of this one's width away.
    #[must_use]
    pub fn is_also(&self, other: &Self) -> bool {
        let ([ax, ay], [bx, by]) = (self.middle(), other.middle());
        (ax - bx).hypot(ay - by) < self.extent()[0] / 2.0
    }
}

fn distance(a: [f32; 2], b: [f32; 2]) -> f64 {
    f64::from(a[0] - b[0]).hypot(f64::from(a[1] - b[1]))
}

#[cfg(test)]
mod tests {
    use super::{MARGIN, Picture};
    use crate::vision::PlateCorners;

    fn straightened(picture: &Picture, corners: [[f32; 2]; 4]) -> Option<Picture> {
        picture.straightened(&PlateCorners { corners, confidence: 1_000 }, 60, 24)
    }

    /// Where pixels of a picture lie on the plate, found without the closed form: the eight unknowns of the homography onto the
    /// unit square by elimination.
    fn place_on_plate(corners: [[f32; 2]; 4]) -> impl Fn(f64, f64) -> [f64; 2] {
        let square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let mut rows = [[0.0; 9]; 8];
        for (i, (corner, [u, v])) in corners.iter().zip(square).enumerate() {
            let [x, y] = corner.map(f64::from);
            rows[2 * i] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
            rows[2 * i + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
        }
        for column in 0..8 {
            let pivot = (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs())).unwrap();
            rows.swap(column, pivot);
            for row in (0..8).filter(|row| *row != column) {
                let factor = rows[row][column] / rows[column][column];
                (0..9).for_each(|k| rows[row][k] -= factor * rows[column][k]);
            }
        }
        let h: [f64; 8] = std::array::from_fn(|i| rows[i][8] / rows[i][i]);
        move |x, y| {
            let w = h[6] * x + h[7] * y + 1.0;
            [(h[0] * x + h[1] * y + h[2]) / w, (h[3] * x + h[4] * y + h[5]) / w]
        }
    }

    #[test]
    fn what_is_even_on_the_plate_is_even_when_cut_out_at_any_angle() {
        let seen = [
            [[40.0, 30.0], [160.0, 30.0], [160.0, 80.0], [40.0, 80.0]],
            [[40.0, 20.0], [150.0, 55.0], [145.0, 95.0], [45.0, 70.0]],
            [[30.5, 60.0], [170.0, 25.5], [180.0, 70.0], [35.0, 100.5]],
        ];
        for corners in seen {
            let place = place_on_plate(corners);
            let shade = |part: f64| (part.clamp(-0.1, 1.1) * 200.0 + 25.0) as u8;
            let pixel = |i: u32| place(f64::from(i % 200) + 0.5, f64::from(i / 200) + 0.5);
            let bgr = (0..200 * 120).flat_map(|i| [shade(pixel(i)[0]), shade(pixel(i)[1]), 9]).collect();
            let cut = straightened(&Picture::new(200, 120, bgr).unwrap(), corners).unwrap();
            for (x, y) in (0..24).flat_map(|y| (0..60).map(move |x| (x, y))) {
                let part = |at: u32, size: f64| (f64::from(at) + 0.5) / size * (1.0 + 2.0 * MARGIN) - MARGIN;
                let wanted = [part(x, 60.0), part(y, 24.0)].map(|part| part * 200.0 + 25.0);
                let [b, g, r] = cut.at(x, y).map(f64::from);
                assert!(
                    (b - wanted[0]).abs() < 3.0 && (g - wanted[1]).abs() < 3.0 && r == 9.0,
                    "{corners:?} {x} {y}: {b} {g}, not {wanted:?}"
                );
            }
        }
    }

    #[test]
    fn corners_that_are_no_plate_are_refused() {
        let picture = Picture::new(50, 50, vec![7; 50 * 50 * 3]).unwrap();
        let good = [[10.0, 10.0], [40.0, 10.0], [40.0, 30.0], [10.0, 30.0]];
        assert!(straightened(&picture, good).is_some());
        let refused = |change: fn(&mut [[f32; 2]; 4])| {
            let mut corners = good;
            change(&mut corners);
            straightened(&picture, corners).is_none()
        };
        assert!(refused(|c| c.swap(1, 2)), "crossed");
        assert!(refused(|c| c.reverse()), "seen from behind");
        assert!(refused(|c| c[2] = [20.0, 15.0]), "hollow");
        assert!(refused(|c| c.iter_mut().for_each(|corner| corner[1] = 20.0)), "flat");
        assert!(refused(|c| c[0][0] = f32::NAN) && refused(|c| c[3][1] = f32::INFINITY), "no numbers");
    }

    #[test]
    fn corners_moved_by_parts_of_the_plate_lie_where_those_parts_are() {
        let seen = PlateCorners { corners: [[40.0, 20.0], [150.0, 55.0], [145.0, 95.0], [45.0, 70.0]], confidence: 700 };
        assert_eq!(seen.moved([[0.0; 2]; 4]).unwrap(), seen);
        let by = [[0.05, -0.1], [-0.08, 0.2], [0.1, 0.07], [-0.02, -0.3]];
        let moved = seen.moved(by).unwrap();
        let square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let onto_square = place_on_plate(seen.corners);
        for i in 0..4 {
            let [x, y] = moved.corners[i];
            let [u, v] = onto_square(f64::from(x), f64::from(y)).map(|v| v as f32);
            assert!((u - square[i][0] - by[i][0]).abs() < 1e-4 && (v - square[i][1] - by[i][1]).abs() < 1e-4, "{i}: {u} {v}");
            let [a, b] = seen.place([x, y]).unwrap();
            assert!((a - u).abs() < 1e-4 && (b - v).abs() < 1e-4);
        }
        assert!(seen.moved([[1.0, 0.0], [-1.0, 0.0], [0.0; 2], [0.0; 2]]).is_none(), "crossed");
    }

    #[test]
    fn a_plate_half_outside_the_picture_is_cut_out_all_the_same() {
        let picture = Picture::new(20, 20, vec![7; 20 * 20 * 3]).unwrap();
        let cut = straightened(&picture, [[-30.0, -9.0], [1e6, -8.0], [1e6, 9.0], [-30.0, 9.0]]).unwrap();
        assert!(cut.bgr().iter().all(|v| *v == 7));
    }
}
