//! From the picture to the road: the homography that four surveyed points fix, and how far a pixel's jitter reaches there.

use schemas::Ground;

/// A point on the road, centimetres: along the direction of travel, and to the right.
pub(in crate::city) type Point = [f32; 2];

/// Where something stands on the road, and how well that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::city) struct Footing {
    /// Where.
    pub(in crate::city) at: Point,
    /// Variance along and across, cm².
    pub(in crate::city) variance: [f32; 2],
}

/// A projective map from pixels to the ground (Hartley and Zisserman, *Multiple View Geometry*, 2004, section 2.3).
///
/// Pixels are taken relative to the surveyed points' middle, which is on the road and so never on the horizon.
#[derive(Clone, Debug)]
pub(in crate::city) struct Homography {
    middle: [f32; 2],
    /// Rows of the matrix; its last element is one.
    along: [f32; 3],
    across: [f32; 3],
    depth: [f32; 2],
}

/// Closer to the horizon than this share of the middle's depth, a pixel is too far away to be measured.
const HORIZON: f32 = 0.02;

impl Homography {
    /// The map through four points.
    ///
    /// # Errors
    /// Fewer than four points, or three of them on one line.
    pub(in crate::city) fn through(points: &[Ground]) -> Result<Self, String> {
        let Some(points) = points.first_chunk::<4>() else {
            return Err(format!("the city gives {} ground points for this camera; four are needed", points.len()));
        };
        let mean = |of: fn(&Ground) -> i32| points.iter().map(|p| f64::from(of(p))).sum::<f64>() / 4.0;
        let (mx, my) = (mean(|p| p.pixel.x), mean(|p| p.pixel.y));
        let mut rows = [[0.0; 9]; 8];
        for (i, p) in points.iter().enumerate() {
            let (x, y) = (f64::from(p.pixel.x) - mx, f64::from(p.pixel.y) - my);
            let [along, across] = p.cm.map(f64::from);
            rows[2 * i] = [x, y, 1.0, 0.0, 0.0, 0.0, -along * x, -along * y, along];
            rows[2 * i + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -across * x, -across * y, across];
        }
        let h = solve(rows).ok_or("three of the city's ground points for this camera lie on one line")?;
        let h = h.map(|v| v as f32);
        Ok(Self { middle: [mx as f32, my as f32], along: [h[0], h[1], h[2]], across: [h[3], h[4], h[5]], depth: [h[6], h[7]] })
    }

    /// Where a pixel lies on the ground; `None` above the horizon.
    pub(in crate::city) fn point(&self, x: f32, y: f32) -> Option<Point> {
        self.footing(x, y, [0.0, 0.0]).map(|footing| footing.at)
    }

    /// Where a pixel lies on the ground, and the variance there of its jitter (standard deviations in x and y, pixels).
    pub(in crate::city) fn footing(&self, x: f32, y: f32, jitter: [f32; 2]) -> Option<Footing> {
        let (x, y) = (x - self.middle[0], y - self.middle[1]);
        let depth = self.depth[0] * x + self.depth[1] * y + 1.0;
        if depth < HORIZON {
            return None;
        }
        let axis = |row: &[f32; 3]| {
            let at = (row[0] * x + row[1] * y + row[2]) / depth;
            let by_x = (row[0] - at * self.depth[0]) / depth * jitter[0];
            let by_y = (row[1] - at * self.depth[1]) / depth * jitter[1];
            (at, by_x * by_x + by_y * by_y)
        };
        let ((along, along_variance), (across, across_variance)) = (axis(&self.along), axis(&self.across));
        Some(Footing { at: [along, across], variance: [along_variance, across_variance] })
    }
}

/// Solves eight linear equations (each row: eight coefficients and the right side) by Gaussian elimination with pivoting.
fn solve(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let pivot = (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        if rows[pivot][column].abs() < 1e-9 {
            return None;
        }
        rows.swap(column, pivot);
        let pivot_row = rows[column];
        for (i, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != column) {
            debug_assert_ne!(i, column);
            let factor = row[column] / pivot_row[column];
            row.iter_mut().zip(pivot_row).for_each(|(value, of_pivot)| *value -= factor * of_pivot);
        }
    }
    Some(std::array::from_fn(|i| rows[i][8] / rows[i][i]))
}

#[cfg(test)]
mod tests {
    use schemas::Pixel;

    use super::*;

    /// A camera 8 m up that looks down the road at 30 degrees: its picture is computed by the pinhole model alone.
    fn seen(along: f64, across: f64) -> [f64; 2] {
        let (sin, cos) = 30f64.to_radians().sin_cos();
        let (forward, right, down) = (3_000.0 - along, across, 800.0);
        let (depth, below) = (forward * cos + down * sin, down * cos - forward * sin);
        [640.0 + 1_000.0 * right / depth, 360.0 + 1_000.0 * below / depth]
    }

    fn survey() -> Vec<Ground> {
        [[-2_000, -700], [-2_000, 700], [1_000, -700], [1_000, 700]]
            .into_iter()
            .map(|cm| {
                let [x, y] = seen(f64::from(cm[0]), f64::from(cm[1]));
                Ground { pixel: Pixel { x: x.round() as i32, y: y.round() as i32 }, cm }
            })
            .collect()
    }

    #[test]
    fn a_perspective_picture_is_measured_to_the_pixel() {
        let ground = Homography::through(&survey()).unwrap();
        for (along, across) in [(-1_900.0, 300.0), (-700.0, -500.0), (0.0, 0.0), (600.0, 650.0)] {
            let [x, y] = seen(along, across);
            let [a, b] = ground.point(x as f32, y as f32).unwrap();
            let pixel = ground.footing(x as f32, y as f32, [1.0, 1.0]).unwrap().variance;
            assert!((f64::from(a) - along).abs() < 20.0 + f64::from(pixel[0].sqrt()), "{along} {a}");
            assert!((f64::from(b) - across).abs() < 10.0 + f64::from(pixel[1].sqrt()), "{across} {b}");
        }
    }

    #[test]
    fn points_on_one_line_are_refused() {
        let mut points = survey();
        points[3] = points[2];
        assert!(Homography::through(&points).unwrap_err().contains("one line"));
        assert!(Homography::through(&points[..3]).unwrap_err().contains("four are needed"));
    }
}
