//! `mark`: boxes and words on a picture, for a person who looks at evidence.
//!
//! ```text
//! ┌ c019  2026-01-01T07:00:00.000Z ┐      letters of five by seven dots, enlarged; white on black, so that they
//! │      ┌────┐                    │      can be read on any road
//! │      └────┘                    │
//! ```

use schemas::{Pixel, PixelBox};

use super::Picture;

/// Blue, green, red.
pub type Colour = [u8; 3];

/// What a letter is drawn with.
const WHITE: Colour = [255, 255, 255];
/// What it is drawn on.
const BLACK: Colour = [0, 0, 0];
/// Dots of a letter, and of the room it takes.
const LETTER: (u32, u32) = (5, 7);
const ROOM: (u32, u32) = (6, 9);

impl Picture {
    /// Draws the edges of a box, so many pixels wide; what lies outside the picture is left out.
    pub fn draw_box(&mut self, bounds: PixelBox, colour: Colour, line: u32) {
        let line = i32::try_from(line).unwrap_or(1).max(1);
        let PixelBox { x, y, width, height } = bounds;
        let (right, bottom) = (x.saturating_add(width), y.saturating_add(height));
        self.fill(x, y, right, y.saturating_add(line), colour);
        self.fill(x, bottom.saturating_sub(line), right, bottom, colour);
        self.fill(x, y, x.saturating_add(line), bottom, colour);
        self.fill(right.saturating_sub(line), y, right, bottom, colour);
    }

    /// Draws a straight line, so many pixels wide; what lies outside the picture is left out.
    pub fn draw_line(&mut self, from: Pixel, to: Pixel, colour: Colour, line: u32) {
        let line = i64::from(line.clamp(1, 64));
        let [from, to] = [from, to].map(|at| [i64::from(at.x), i64::from(at.y)]);
        let way = [to[0] - from[0], to[1] - from[1]];
        // One step a pixel along the longer way, as far as that lies in the picture.
        let long = usize::from(way[1].abs() > way[0].abs());
        if way[long] == 0 {
            return;
        }
        let most = i64::from([self.width(), self.height()][long]);
        for at in from[long].min(to[long]).clamp(0, most)..from[long].max(to[long]).clamp(0, most) {
            let across = from[1 - long] + way[1 - long] * (at - from[long]) / way[long];
            let (x, y) = if long == 0 { (at, across) } else { (across, at) };
            let (x, y) = (x.clamp(-64, 1 << 20) as i32, y.clamp(-64, 1 << 20) as i32);
            self.fill(x, y, x + line as i32, y + line as i32, colour);
        }
    }

    /// Writes a line of text with its upper left corner at a place, each dot so many pixels wide. Small letters are written as
    /// capitals, and what has no letter as a box.
    pub fn write(&mut self, text: &str, x: i32, y: i32, dot: u32) {
        let dot = i32::try_from(dot).unwrap_or(1).clamp(1, 64);
        let letters = text.chars().take(256).count() as i32;
        let room = (ROOM.0 as i32 * dot, ROOM.1 as i32 * dot);
        self.fill(x, y, x.saturating_add(room.0 * letters + dot), y.saturating_add(room.1), BLACK);
        for (place, letter) in text.chars().take(256).enumerate() {
            let left = x.saturating_add(place as i32 * room.0 + dot);
            for (row, dots) in letter_of(letter).into_iter().enumerate() {
                let top = y.saturating_add((row as i32 + 1) * dot);
                for column in (0..LETTER.0 as i32).filter(|column| dots >> (4 - column) & 1 == 1) {
                    let from = left.saturating_add(column * dot);
                    self.fill(from, top, from.saturating_add(dot), top.saturating_add(dot), WHITE);
                }
            }
        }
    }

    /// Fills what of a rectangle lies inside the picture.
    fn fill(&mut self, left: i32, top: i32, right: i32, bottom: i32, colour: Colour) {
        let (width, height) = (self.width() as i32, self.height() as i32);
        let (left, right) = (left.clamp(0, width) as usize, right.clamp(0, width) as usize);
        for y in top.clamp(0, height)..bottom.clamp(0, height) {
            if left < right {
                let row = y as usize * width as usize;
                let pixels = &mut self.bgr_mut()[(row + left) * 3..(row + right) * 3];
                pixels.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&colour));
            }
        }
    }
}

/// The dots of a letter: seven rows of five, the leftmost the highest bit.
fn letter_of(letter: char) -> [u8; LETTER.1 as usize] {
    match letter.to_ascii_uppercase() {
        ' ' => [0; 7],
        '0' => [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
        '1' => [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        '2' => [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
        '3' => [0b01110, 0b10001, 0b00001, 0b00110, 0b00001, 0b10001, 0b01110],
        '4' => [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
        '5' => [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
        '6' => [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
        '7' => [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
        '8' => [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
        '9' => [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
        'A' => [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'B' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10001, 0b10001, 0b11110],
        'C' => [0b01110, 0b10001, 0b10000, 0b10000, 0b10000, 0b10001, 0b01110],
        'D' => [0b11110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11110],
        'Đ' | 'đ' => [0b01110, 0b01001, 0b01001, 0b11101, 0b01001, 0b01001, 0b01110],
        'E' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111],
        'F' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b10000],
        'G' => [0b01110, 0b10001, 0b10000, 0b10111, 0b10001, 0b10001, 0b01111],
        'H' => [0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'I' => [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        'J' => [0b00111, 0b00010, 0b00010, 0b00010, 0b00010, 0b10010, 0b01100],
        'K' => [0b10001, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010, 0b10001],
        'L' => [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111],
        'M' => [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001],
        'N' => [0b10001, 0b11001, 0b10101, 0b10011, 0b10001, 0b10001, 0b10001],
        'O' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        'P' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000],
        'Q' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10101, 0b10010, 0b01101],
        'R' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001],
        'S' => [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110],
        'T' => [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100],
        'U' => [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        'V' => [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100],
        'W' => [0b10001, 0b10001, 0b10001, 0b10101, 0b10101, 0b11011, 0b10001],
        'X' => [0b10001, 0b10001, 0b01010, 0b00100, 0b01010, 0b10001, 0b10001],
        'Y' => [0b10001, 0b10001, 0b01010, 0b00100, 0b00100, 0b00100, 0b00100],
        'Z' => [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b10000, 0b11111],
        '-' => [0, 0, 0, 0b11111, 0, 0, 0],
        '_' => [0, 0, 0, 0, 0, 0, 0b11111],
        ':' => [0, 0b00100, 0b00100, 0, 0b00100, 0b00100, 0],
        '.' => [0, 0, 0, 0, 0, 0b01100, 0b01100],
        ',' => [0, 0, 0, 0, 0b01100, 0b00100, 0b01000],
        '/' => [0b00001, 0b00010, 0b00010, 0b00100, 0b01000, 0b01000, 0b10000],
        '+' => [0, 0b00100, 0b00100, 0b11111, 0b00100, 0b00100, 0],
        '±' => [0b00100, 0b00100, 0b11111, 0b00100, 0b00100, 0, 0b11111],
        _ => [0b11111, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11111],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_box_is_drawn_on_its_edges_alone() {
        let mut picture = Picture::new(10, 8, vec![7; 240]).unwrap();
        picture.draw_box(PixelBox { x: 2, y: 1, width: 5, height: 4 }, [1, 2, 3], 1);
        for (y, x) in (0..8).flat_map(|y| (0..10).map(move |x| (y, x))) {
            let inside = (2..7).contains(&x) && (1..5).contains(&y);
            let edge = inside && (x == 2 || x == 6 || y == 1 || y == 4);
            assert_eq!(picture.at(x, y), if edge { [1, 2, 3] } else { [7; 3] }, "at {x}, {y}");
        }
    }

    #[test]
    fn a_line_goes_from_end_to_end_even_where_these_are_outside() {
        for (from, to, all) in [((0, 3), (10, 3), 10), ((5, -100), (5, 100), 8), ((-4, -4), (20, 20), 8), ((3, 3), (3, 3), 0)] {
            let mut picture = Picture::new(10, 8, vec![7; 240]).unwrap();
            picture.draw_line(Pixel { x: from.0, y: from.1 }, Pixel { x: to.0, y: to.1 }, [1, 2, 3], 1);
            assert_eq!(picture.bgr().chunks(3).filter(|pixel| *pixel == [1, 2, 3]).count(), all, "{from:?} {to:?}");
        }
    }

    #[test]
    fn letters_are_told_apart() {
        let all: Vec<char> = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZĐ -_:.,/+±?".chars().collect();
        let shapes: std::collections::BTreeSet<_> = all.iter().map(|letter| letter_of(*letter)).collect();
        assert_eq!(shapes.len(), all.len());
        assert_eq!(letter_of('a'), letter_of('A'));
    }

    proptest! {
        #[test]
        fn nothing_is_drawn_outside_and_nothing_breaks(x: i32, y: i32, width: i32, height: i32, line: u32, text in "\\PC{0,300}", dot: u32) {
            let mut picture = Picture::new(20, 10, vec![7; 600]).unwrap();
            picture.draw_box(PixelBox { x, y, width, height }, [0; 3], line % 4);
            picture.write(&text, x % 40, y % 40, dot % 5);
            picture.draw_line(Pixel { x, y }, Pixel { x: width, y: height }, [0; 3], line % 4);
            prop_assert_eq!(picture.bgr().len(), 600);
        }
    }
}
