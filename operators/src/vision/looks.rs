//! Looking at a plate again, a little beside it: where the corners were found a little astray, or a symbol stands on the edge between
//! two pixels, another cut may show what the first did not.
//!
//! The idea is that of Krizhevsky et al. (2012), who had a network look at ten cuts of a picture and took the mean.

use super::{Picture, PlateCorners};

/// How often a plate is looked at.
pub(super) const LOOKS: usize = BESIDE.len();

/// How far each corner of what is looked at is moved, as a part of the plate's width and height: not at all, all outwards, all
/// inwards, down, up.
const BESIDE: [[[f32; 2]; 4]; 5] = [[[0.0; 2]; 4], inwards(-0.03, -0.04), inwards(0.02, 0.03), [[0.0, 0.03]; 4], [[0.0, -0.03]; 4]];

const fn inwards(x: f32, y: f32) -> [[f32; 2]; 4] {
    [[x, y], [-x, y], [-x, -y], [x, -y]]
}

/// The looks at a plate that was cut out and straightened, each of its size; the first is the plate as it is.
pub(super) fn looks(plate: &Picture) -> impl Iterator<Item = Picture> {
    let (width, height) = (plate.width(), plate.height());
    let (right, bottom) = (width as f32, height as f32);
    let whole = PlateCorners { corners: [[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]], confidence: 1_000 };
    BESIDE.iter().map(move |by| {
        let beside = whole.moved(*by).filter(|beside| *beside != whole);
        beside.and_then(|beside| plate.straightened_with(&beside, width, height, [0.0; 2])).unwrap_or_else(|| plate.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::{LOOKS, looks};
    use crate::vision::Picture;

    /// A picture that is as bright at a place as it is far to the right (blue), and down (green).
    fn slope(width: u32, height: u32) -> Picture {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Picture::new(width, height, places.flat_map(|(x, y)| [x as u8 * 2, y as u8 * 6, 0]).collect()).unwrap()
    }

    #[test]
    fn every_look_is_at_the_whole_plate_from_a_little_beside() {
        let plate = slope(112, 32);
        let looks: Vec<Picture> = looks(&plate).collect();
        assert_eq!(looks.len(), LOOKS);
        assert!(looks[0] == plate && looks[1..].iter().all(|look| *look != plate && (look.width(), look.height()) == (112, 32)));
        // At most 4 of 112 pixels and 2 of 32 away.
        for look in &looks {
            for (x, y) in [(20, 16), (56, 16), (90, 16), (56, 5), (56, 27)] {
                let ([blue, green, _], [was_blue, was_green, _]) = (look.at(x, y), plate.at(x, y));
                assert!(blue.abs_diff(was_blue) <= 8 && green.abs_diff(was_green) <= 12, "{x} {y}: {blue} {was_blue} {green} {was_green}");
            }
        }
        let middle = |i: usize| looks[i].at(56, 16)[1];
        assert!(middle(3) > middle(0) && middle(4) < middle(0), "what is moved down sees what is further down");
    }
}
