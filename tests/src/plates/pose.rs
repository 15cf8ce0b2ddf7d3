//! A pose: how a flat thing hangs before a camera, as a homography from its millimetres to pixels and back.

use crate::Random;

/// A homography, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Homography(pub [f64; 9]);

impl Homography {
    /// Where a place goes.
    #[must_use]
    pub fn map(&self, x: f64, y: f64) -> [f64; 2] {
        let h = &self.0;
        let w = h[6] * x + h[7] * y + h[8];
        [(h[0] * x + h[1] * y + h[2]) / w, (h[3] * x + h[4] * y + h[5]) / w]
    }

    /// The way back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let [a, b, c, d, e, f, g, h, i] = self.0;
        Self([
            e * i - f * h,
            c * h - b * i,
            b * f - c * e,
            f * g - d * i,
            a * i - c * g,
            c * d - a * f,
            d * h - e * g,
            b * g - a * h,
            a * e - b * d,
        ])
    }

    /// The same, with everything moved in the picture.
    #[must_use]
    pub fn moved(&self, dx: f64, dy: f64) -> Self {
        let mut h = self.0;
        for k in 0..3 {
            h[k] += dx * h[6 + k];
            h[3 + k] += dy * h[6 + k];
        }
        Self(h)
    }
}

/// How a flat thing is turned, and how far away it is.
#[derive(Clone, Copy, Debug)]
pub struct Pose {
    /// To the side, radians.
    pub yaw: f64,
    /// Seen from above, radians.
    pub pitch: f64,
    /// In the picture, radians.
    pub roll: f64,
    /// Millimetres from the camera.
    pub distance_mm: f64,
}

impl Pose {
    /// As cameras over a road see plates: mostly from above and a little from the side, sometimes far from the side.
    #[must_use]
    pub fn any(random: &mut Random) -> Self {
        let yaw = if random.chance(0.2) { random.between(-0.85, 0.85) } else { random.normal(0.25) };
        Self {
            yaw: yaw.clamp(-0.9, 0.9),
            pitch: random.between(-0.08, 0.6),
            roll: random.normal(0.06).clamp(-0.22, 0.22),
            distance_mm: random.between(2_500.0, 20_000.0),
        }
    }

    /// The homography that shows the middle of the thing at the origin of the picture, that many pixels for a millimetre.
    #[must_use]
    pub fn homography(&self, pixels_per_mm: f64) -> Homography {
        let ((sy, cy), (sp, cp), (sr, cr)) = (self.yaw.sin_cos(), self.pitch.sin_cos(), self.roll.sin_cos());
        // Turned to the side, then tilted, then rolled: the first two columns of the rotation, for the thing is flat.
        let (right, down) = ([cy, sy * sp, sy * cp], [0.0, cp, -sp]);
        let rolled = |v: [f64; 3]| [v[0] * cr - v[1] * sr, v[0] * sr + v[1] * cr, v[2]];
        let (right, down) = (rolled(right), rolled(down));
        let focal = pixels_per_mm * self.distance_mm;
        Homography([focal * right[0], focal * down[0], 0.0, focal * right[1], focal * down[1], 0.0, right[2], down[2], self.distance_mm])
    }
}

#[cfg(test)]
mod tests {
    use super::Pose;
    use crate::Random;

    #[test]
    fn the_way_back_is_the_way_back() {
        let mut random = Random::of(11, 0);
        for _ in 0..100 {
            let there = Pose::any(&mut random).homography(0.3).moved(40.0, 25.0);
            let [x, y] = there.map(120.0, -60.0);
            let [a, b] = there.inverse().map(x, y);
            assert!((a - 120.0).abs() < 1e-6 && (b + 60.0).abs() < 1e-6);
        }
    }
}
