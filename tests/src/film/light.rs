//! Day and night.

use super::pinhole::Place;

/// What there is of light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// The sun, half-way up.
    Day,
    /// Street lamps, and the vehicles' own.
    Night,
}

impl Light {
    /// How far a shadow goes along and to the right for a metre of height.
    pub(crate) fn shadow(self) -> [f64; 2] {
        match self {
            Self::Day => [-0.35, 0.75],
            Self::Night => [-0.05, 0.05],
        }
    }

    /// How bright a face is that looks in a direction.
    pub(crate) fn of(self, normal: Place) -> f32 {
        let [x, y] = self.shadow();
        let sun = [-x, -y, 1.0];
        let length = |v: Place| v.iter().map(|c| c * c).sum::<f64>().sqrt();
        let facing = (0..3).map(|k| sun[k] * normal[k]).sum::<f64>() / (length(sun) * length(normal));
        let (least, most) = if self == Self::Day { (0.62, 0.42) } else { (0.26, 0.1) };
        (least + most * facing.max(0.0)) as f32
    }

    /// The tint of the light.
    pub(crate) fn dye(self, [b, g, r]: [f32; 3]) -> [f32; 3] {
        match self {
            Self::Day => [b, g, r],
            Self::Night => [b * 0.94, g, r * 1.08],
        }
    }

    /// A colour of the ground at a place, along and to the right: at night under lamps every 24 metres.
    pub(crate) fn on(self, colour: [f32; 3], [s, d]: [f64; 2]) -> [f32; 3] {
        if self == Self::Day {
            return colour;
        }
        let nearest = (s / 24.0 - 0.4).round() * 24.0 + 9.6;
        let square = (s - nearest).powi(2) / 90.0 + (d - 4.0).powi(2) / 60.0;
        self.dye(colour.map(|v| v * (0.16 + 0.34 * (-square).exp() as f32)))
    }

    /// How bright plates are: at night a flash lights them, and they throw it back.
    pub(crate) fn plates(self) -> f32 {
        if self == Self::Day { 0.92 } else { 0.7 }
    }
}
