//! A random generator written out, so that a seed gives the same city for ever, whatever happens to any crate.
//!
//! `xoshiro256**` seeded by `splitmix64` (Blackman and Vigna, <https://prng.di.unimi.it>). Distributions use only the four
//! operations and the square root, which IEEE 754 fixes to the last bit; the mathematics library of the machine plays no part.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random([u64; 4]);

impl Random {
    /// The stream of that number under a seed; streams of one seed are independent, so that turning one knob leaves the rest as it was.
    #[must_use]
    pub fn of(seed: u64, stream: u64) -> Self {
        let mut state = seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03);
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        }))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number in `0 ≤ x < 1`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in `low ≤ x < high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// A whole number in `low ≤ n < high`; `low` if there is none.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        let width = high.saturating_sub(low).max(1) as u128;
        low + ((u128::from(self.bits()) * width) >> 64) as i64
    }

    /// True with that probability. Always takes one draw, so that a probability of zero does not shift what follows.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// About normally distributed around zero: twelve uniform numbers of 16 bits, added up; never beyond six deviations.
    pub fn normal(&mut self, deviation: f64) -> f64 {
        let mut sum = 0_u64;
        for _ in 0..3 {
            let bits = self.bits();
            sum += (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        }
        (sum as f64 - 12.0 * 32_767.5) / 65_536.0 * deviation
    }

    /// Lognormally distributed with that median; `sigma` is the deviation of the logarithm.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * exp(self.normal(sigma))
    }

    /// One of the values; there must be one.
    pub fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.range(0, values.len() as i64) as usize]
    }

    /// Puts the values in random order.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.range(0, i as i64 + 1) as usize);
        }
    }

    /// At most `count` of the numbers below `all`, in random order.
    pub fn sample(&mut self, all: usize, count: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..all).collect();
        self.shuffle(&mut numbers);
        numbers.truncate(count);
        numbers
    }
}

/// `e^x` as `(1 + x/1024)^1024`: within 0.5 % for |x| < 3, and the same bits on every machine.
fn exp(x: f64) -> f64 {
    let mut power = 1.0 + x / 1024.0;
    for _ in 0..10 {
        power *= power;
    }
    power
}

/// Sine and cosine of an angle between 0 and a quarter turn (radians), by their series: exact to 1e-5, the same bits on every machine.
pub(crate) fn sine_cosine(angle: f64) -> (f64, f64) {
    let series = |x: f64| {
        let square = x * x;
        x * (1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0 * (1.0 - square / 72.0))))
    };
    (series(angle), series(std::f64::consts::FRAC_PI_2 - angle))
}

#[cfg(test)]
mod tests {
    use super::{Random, sine_cosine};

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        assert_eq!(Random::of(0, 0).0[0], 0xE220_A839_7B1D_CDAF, "the first number of splitmix64 from zero, as published");
        let mut random = Random::of(1, 2);
        let drawn: [u64; 3] = std::array::from_fn(|_| random.bits());
        assert_eq!(drawn, [262_511_562_488_784_231, 18_089_684_904_488_775_675, 7_337_594_801_826_845_047]);
    }

    #[test]
    fn the_distributions_have_their_moments() {
        let mut random = Random::of(7, 0);
        let drawn: Vec<f64> = (0..20_000).map(|_| random.normal(2.0)).collect();
        let mean = drawn.iter().sum::<f64>() / 20_000.0;
        let variance = drawn.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.05 && (variance - 4.0).abs() < 0.15, "mean {mean}, variance {variance}");
        let mut late: Vec<f64> = (0..20_001).map(|_| random.lognormal(150.0, 0.6)).collect();
        late.sort_by(f64::total_cmp);
        assert!((late[10_000] - 150.0).abs() < 4.0, "median {}", late[10_000]);
    }

    #[test]
    fn sine_and_cosine_are_those_of_the_circle() {
        for i in 0..=90 {
            let angle = f64::from(i).to_radians();
            let (sine, cosine) = sine_cosine(angle);
            assert!((sine - angle.sin()).abs() < 1e-5 && (cosine - angle.cos()).abs() < 1e-5);
        }
    }
}
