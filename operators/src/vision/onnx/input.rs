//! Pictures as a network takes them: fitted into its size, in its order of colours, in its range.

use super::parameters::{Colours, Fit, OnnxInput, Range};
use crate::vision::Picture;
use crate::vision::resize::Resize;

/// The grey beside a picture in its own proportions, as YOLO networks are trained with.
const GREY: u8 = 114;

/// What makes a network's input of pictures, one after the other.
#[derive(Debug)]
pub(super) struct Input {
    size: [u32; 2],
    fit: Fit,
    /// Which byte of a pixel each of the network's colours is.
    colours: [usize; 3],
    /// For each of them what each byte becomes.
    values: [[f32; 256]; 3],
    /// How numbers lie: a colour after the other, or a pixel after the other.
    planes: bool,
    /// Where the last picture came to lie, and what brings it there.
    placed: Option<([u32; 2], Placed, Resize)>,
    row: Vec<u8>,
}

/// Where on a network's input a picture lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Its upper left corner, pixels.
    pub(super) corner: [u32; 2],
    /// Its width and height there, pixels.
    pub(super) extent: [u32; 2],
}

impl Placed {
    /// A picture in an input of this size.
    pub(super) fn new(picture: [u32; 2], size: [u32; 2], fit: Fit) -> Self {
        if fit == Fit::Stretch {
            return Self { corner: [0, 0], extent: size };
        }
        let scale = (0..2).map(|side| f64::from(size[side]) / f64::from(picture[side])).fold(f64::INFINITY, f64::min);
        let extent = [0, 1].map(|side| ((f64::from(picture[side]) * scale).round_ties_even() as u32).clamp(1, size[side]));
        Self { corner: [0, 1].map(|side| (size[side] - extent[side]) / 2), extent }
    }

    /// Edges in pixels of the input, as shares of the picture.
    pub(super) fn on_picture(&self, edges: [f32; 4]) -> [f32; 4] {
        [0, 1, 2, 3].map(|edge| (edges[edge] - self.corner[edge % 2] as f32) / self.extent[edge % 2] as f32)
    }
}

impl Input {
    /// For a network with this width and height; whether its numbers lie a colour after the other.
    pub(super) fn new(parameters: &OnnxInput, size: [u32; 2], planes: bool) -> Self {
        let white = match parameters.range {
            Range::Unit => 255.0,
            Range::Bytes => 1.0,
        };
        let value = |colour: usize, byte: usize| (byte as f64 / white - parameters.mean[colour]) / parameters.deviation[colour];
        let colours = match parameters.colours {
            Colours::Rgb => [2, 1, 0],
            Colours::Bgr => [0, 1, 2],
        };
        let values = [0, 1, 2].map(|colour| std::array::from_fn(|byte| value(colour, byte) as f32));
        Self { size, fit: parameters.fit, colours, values, planes, placed: None, row: Vec::new() }
    }

    /// How many numbers a picture becomes.
    pub(super) fn len(&self) -> usize {
        3 * self.size[0] as usize * self.size[1] as usize
    }

    /// Writes a picture's numbers and tells where on the input it lies.
    pub(super) fn fill(&mut self, picture: &Picture, numbers: &mut [f32]) -> Placed {
        let from = [picture.width(), picture.height()];
        if self.placed.as_ref().is_none_or(|(size, ..)| *size != from) {
            let placed = Placed::new(from, self.size, self.fit);
            self.placed = Some((from, placed, Resize::new(from, placed.extent)));
        }
        let Self { size, colours, values, planes, placed, row, .. } = self;
        let Some((_, placed, resize)) = placed else { unreachable!("it was set") };
        resize.begin(picture);
        let [width, height] = size.map(|side| side as usize);
        let [(left, top), (inner, rows)] = [placed.corner, placed.extent].map(|[x, y]| (x as usize, y as usize));
        for y in 0..height {
            row.clear();
            row.resize(3 * width, GREY);
            if (top..top + rows).contains(&y) {
                resize.row(picture, y - top, &mut row[3 * left..3 * (left + inner)], |byte| byte);
            }
            for (x, pixel) in row.as_chunks::<3>().0.iter().enumerate() {
                for colour in 0..3 {
                    let place = if *planes { (colour * height + y) * width + x } else { (y * width + x) * 3 + colour };
                    numbers[place] = values[colour][usize::from(pixel[colours[colour]])];
                }
            }
        }
        *placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_its_proportions_or_fills_the_input() {
        let placed = |picture, fit| {
            let Placed { corner, extent } = Placed::new(picture, [640, 640], fit);
            (corner, extent)
        };
        assert_eq!(placed([1_920, 1_080], Fit::Letterbox), ([0, 140], [640, 360]));
        assert_eq!(placed([20, 40], Fit::Letterbox), ([160, 0], [320, 640]));
        assert_eq!(placed([1, 60_000], Fit::Letterbox), ([319, 0], [1, 640]));
        assert_eq!(placed([1_920, 1_080], Fit::Stretch), ([0, 0], [640, 640]));
    }

    #[test]
    fn a_box_on_the_input_is_one_on_the_picture() {
        let placed = Placed::new([1_920, 1_080], [640, 640], Fit::Letterbox);
        assert_eq!(placed.on_picture([0.0, 140.0, 320.0, 500.0]), [0.0, 0.0, 0.5, 1.0]);
    }

    #[test]
    fn numbers_lie_as_the_network_wants_them() {
        let picture = Picture::new(2, 1, vec![0, 51, 102, 153, 204, 255]).unwrap();
        let filled = |parameters: OnnxInput, planes| {
            let mut input = Input::new(&parameters, [2, 2], planes);
            let mut numbers = vec![-1.0; input.len()];
            input.fill(&picture, &mut numbers);
            numbers
        };
        let bytes = OnnxInput { range: Range::Bytes, ..OnnxInput::default() };
        assert_eq!(filled(bytes.clone(), true), [102.0, 255.0, 114.0, 114.0, 51.0, 204.0, 114.0, 114.0, 0.0, 153.0, 114.0, 114.0]);
        let bgr = OnnxInput { colours: Colours::Bgr, fit: Fit::Stretch, ..bytes };
        assert_eq!(filled(bgr, false), [0.0, 51.0, 102.0, 153.0, 204.0, 255.0, 0.0, 51.0, 102.0, 153.0, 204.0, 255.0]);
        let normal = OnnxInput { mean: [0.2, 0.1, 0.0], deviation: [0.5, 1.0, 2.0], fit: Fit::Stretch, ..OnnxInput::default() };
        let wanted = [0.4, 1.6, 0.4, 1.6, 0.1, 0.7, 0.1, 0.7, 0.0, 0.3, 0.0, 0.3];
        assert!(filled(normal, true).iter().zip(wanted).all(|(found, wanted): (&f32, f32)| (found - wanted).abs() < 1e-6));
    }
}
