//! Samples: an image as a camera would have it, and what is truly on it.

use super::Image;
use super::face::Face;
use super::issue::Issue;
use super::lettering::Lettering;
use super::pose::Pose;
use super::weather::{Set, backdrop, spoil};
use crate::Random;

/// Where samples are drawn from.
#[derive(Clone, Debug)]
pub struct Workshop {
    /// The styles of letters there are.
    pub letterings: Vec<Lettering>,
    /// What plates are issued.
    pub issue: fn(&mut Random) -> Issue,
    /// The degradations there are.
    pub set: Set,
    /// How high letters are in pixels, at least and at most.
    pub letter_px: [f64; 2],
}

/// A plate on an image.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What the camera has.
    pub image: Image,
    /// What was issued.
    pub issue: Issue,
    /// Its corners in the image: upper left, upper right, lower right, lower left.
    pub corners: [[f64; 2]; 4],
    /// How high its letters are, pixels.
    pub letter_px: f64,
    /// Whether the camera saw colours; at night by infrared it does not.
    pub colours: bool,
}

impl Workshop {
    /// A plate with a little of what is around it, as a reader's cutting out would start from.
    #[must_use]
    pub fn plate(&self, random: &mut Random) -> Sample {
        self.plate_amid(0.35, random)
    }

    /// A plate with more around it on each side: so many times the height of its letters.
    #[must_use]
    pub fn plate_amid(&self, letters: f64, random: &mut Random) -> Sample {
        let (issue, face, letter_px) = self.face(random);
        let pose = Pose::any(random).homography(letter_px / face.letter_mm);
        let corners = face.corners(&pose);
        let bound = |k: usize, pick: fn(f64, f64) -> f64| corners.iter().map(|c| c[k]).reduce(pick).unwrap_or(0.0);
        let margin = 4.0 + letter_px * letters;
        let (left, top) = (bound(0, f64::min) - margin, bound(1, f64::min) - margin);
        let (width, height) = (bound(0, f64::max) + margin - left, bound(1, f64::max) + margin - top);
        let pose = pose.moved(-left, -top);
        let mut image = backdrop(width.ceil() as usize, height.ceil() as usize, self.set, random);
        face.draw(&mut image, &pose);
        let colours = spoil(&mut image, letter_px, self.set, random);
        Sample { image, corners: face.corners(&pose), issue, letter_px, colours }
    }

    fn face(&self, random: &mut Random) -> (Issue, Face, f64) {
        let issue = (self.issue)(random);
        let lettering = &self.letterings[random.range(0, self.letterings.len() as i64) as usize];
        let face = Face::of(&issue, lettering, random);
        // As many small plates as large ones: even in the logarithm.
        let [least, most] = self.letter_px;
        let letter_px = least * (most / least).powf(random.unit());
        (issue, face, letter_px)
    }
}

#[cfg(test)]
mod tests {
    use super::{Issue, Sample, Set, Workshop};
    use crate::Random;
    use crate::plates::{Corner, Lettering};

    fn workshop(set: Set) -> Workshop {
        let letterings = vec![Lettering::drawn(Corner::Round, &mut Random::of(1, 0))];
        Workshop { letterings, issue: Issue::any, set, letter_px: [12.0, 40.0] }
    }

    fn drawn(set: Set, seed: u64) -> Sample {
        workshop(set).plate(&mut Random::of(seed, 1))
    }

    #[test]
    fn the_same_seed_draws_the_same_bytes_and_another_seed_others() {
        for set in [Set::Usual, Set::Unseen] {
            let (a, b, c) = (drawn(set, 7), drawn(set, 7), drawn(set, 8));
            assert_eq!((a.image.bytes(), a.issue), (b.image.bytes(), b.issue));
            assert_ne!(a.image.bytes(), c.image.bytes());
        }
    }

    #[test]
    fn the_plate_lies_wholly_in_the_image_and_infrared_has_no_colours() {
        let (mut grey, mut coloured) = (0, 0);
        for seed in 0..150 {
            let sample = drawn(Set::Usual, seed);
            let (width, height) = (sample.image.width as f64, sample.image.height as f64);
            assert!(sample.corners.iter().all(|[x, y]| (0.0..=width).contains(x) && (0.0..=height).contains(y)), "seed {seed}");
            let deviation = |[b, g, r]: [f32; 3]| f64::from((b - g).abs() + (g - r).abs());
            let colours = sample.image.pixels.iter().map(|p| deviation(*p)).sum::<f64>() / sample.image.pixels.len() as f64;
            if sample.colours {
                coloured += 1
            } else {
                grey += 1
            }
            // The sensor's noise may differ between colours; what is left of a colour at night is more than that.
            assert!(sample.colours || colours < 20.0, "seed {seed}: {colours}");
        }
        assert!(grey > 3 && coloured > 100, "{grey} {coloured}");
    }
}
