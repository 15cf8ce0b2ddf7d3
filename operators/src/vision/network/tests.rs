//! Plans against candle: networks of all kinds of layers, drawn at random, on all the instructions this processor has.

use candle_core::{Device, Tensor};
use proptest::prelude::*;

use super::kernel::Vectors;
use super::*;

/// Draws from what proptest gave, so that a failing network shrinks.
struct Draw<'a>(std::slice::Iter<'a, u32>);

impl Draw<'_> {
    fn below(&mut self, most: usize) -> usize {
        self.0.next().map_or(0, |drawn| *drawn as usize % most)
    }

    fn values(&mut self, count: usize) -> Vec<f32> {
        let seed = self.below(1 << 16) as u32;
        let value = |i: u32| (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
        (0..count as u32).map(value).collect()
    }

    fn window(&mut self, shape: Shape) -> Window {
        let mut side = |extent: usize| {
            let padding = self.below(3);
            let size = (1 + self.below(5)).clamp(padding * 2, extent + 2 * padding).max(1);
            (size, 1 + self.below(3), padding.min(size / 2))
        };
        let (rows, columns) = (side(shape.height), side(shape.width));
        let fits = |(size, stride, padding): (usize, usize, usize), extent: usize| (size.min(extent + 2 * padding), stride, padding);
        let [rows, columns] = [fits(rows, shape.height), fits(columns, shape.width)];
        Window { size: [rows.0, columns.0], stride: [rows.1, columns.1], padding: [rows.2.min(rows.0 / 2), columns.2.min(columns.0 / 2)] }
    }

    fn filter(&mut self, shape: Shape, size: [usize; 2], depthwise: bool) -> Filter {
        let outputs = if depthwise { shape.channels } else { [1, 3, 4, 8, 17, 24, 32, 48, 68][self.below(9)] };
        let each = size[0] * size[1] * if depthwise { 1 } else { shape.channels };
        let weights = self.values(outputs * each).into_iter().map(|weight| weight / (each as f32).sqrt()).collect();
        Filter::of(outputs, shape.channels, depthwise, size, weights, self.values(outputs))
    }

    fn network(&mut self) -> (Network, Value) {
        let input = Shape { channels: 1 + self.below(5), height: 1 + self.below(12), width: 1 + self.below(12) };
        let (mut network, input) = Network::new(input);
        let mut values = vec![input];
        for _ in 0..2 + self.below(8) {
            // Mostly the newest, else networks are wide and not deep.
            let of = if self.below(3) > 0 { values[values.len() - 1] } else { values[self.below(values.len())] };
            let shape = network.shape(of);
            let activation = [Activation::Linear, Activation::Relu][self.below(2)];
            values.push(match self.below(10) {
                0 | 1 => {
                    let window = self.window(shape);
                    let filter = self.filter(shape, window.size, false);
                    network.convolution(of, filter, window, activation)
                }
                2 | 3 => {
                    let window = self.window(shape);
                    let filter = self.filter(shape, window.size, true);
                    network.convolution(of, filter, window, activation)
                }
                4 => network.max_pool(of, self.window(shape)),
                5 => network.average_pool(of, self.window(shape)),
                6 if shape.height * shape.width < 200 => network.enlarge(of, 1 + self.below(2)),
                7 => {
                    // Two branches; in memory the one that is computed first comes first, whichever does in the joined value.
                    let branches = [1, 1]
                        .map(|size| network.convolution(of, self.filter(shape, [size; 2], false), Window::square(size, 1), activation));
                    network.join(&[branches, [branches[1], branches[0]]][self.below(2)])
                }
                8 => {
                    let (step, first) = (1 + self.below(3), self.below(shape.channels));
                    network.pick(of, (first..shape.channels).step_by(step))
                }
                _ => {
                    let same = |value: &Value| [network.shape(*value).height, network.shape(*value).width] == [shape.height, shape.width];
                    let alike: Vec<_> = values.iter().copied().filter(same).collect();
                    let other = alike[self.below(alike.len())];
                    match network.shape(other) == shape && self.below(2) == 0 {
                        true => network.add([of, other], activation),
                        false if shape.channels < 100 => network.join(&[other, of]),
                        false => network.pick(of, (0..shape.channels).rev().take(5)),
                    }
                }
            });
        }
        (network, values[values.len() - 1])
    }
}

/// What a network gives for pictures, and the size of it.
fn run(runner: &mut Runner, pictures: &[Vec<f32>], input: Shape) -> (Vec<Vec<f32>>, Vec<Shape>) {
    let (mut values, mut shapes) = (Vec::new(), Vec::new());
    let row = input.width * input.channels;
    let take = |picture: usize, maps: Maps<'_>| {
        assert_eq!(picture, values.len());
        shapes.push(maps.shape());
        let places = (0..maps.shape().height).flat_map(|y| (0..maps.shape().width).map(move |x| (y, x)));
        values.push(places.flat_map(|(y, x)| maps.pixel(y, x)).copied().collect());
    };
    runner.run(pictures.len(), |picture, y, into| into.copy_from_slice(&pictures[picture][y * row..][..row]), take).unwrap();
    (values, shapes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn several_pictures_at_once_are_each_as_by_itself(drawn in prop::collection::vec(any::<u32>(), 0..160), count in 0..4usize) {
        let mut draw = Draw(drawn.iter());
        let (network, output) = draw.network();
        let input = network.shape(Value(0));
        let pictures: Vec<_> = (0..count).map(|_| draw.values(input.channels * input.height * input.width)).collect();
        let mut runners = [Runner::new(&network, output, &Device::Cpu), Runner::by_candle(&network, output, &Device::Cpu)].map(Result::unwrap);
        let [one_by_one, at_once] = runners.each_mut().map(|runner| run(runner, &pictures, input));
        prop_assert_eq!(one_by_one.1, at_once.1);
        for (found, wanted) in one_by_one.0.iter().flatten().zip(at_once.0.iter().flatten()) {
            prop_assert!((found - wanted).abs() <= 1e-3 * wanted.abs().max(1.0), "{found} for {wanted}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_computes_what_candle_computes(drawn in prop::collection::vec(any::<u32>(), 0..160)) {
        let mut draw = Draw(drawn.iter());
        let (network, output) = draw.network();
        let input = network.shape(Value(0));
        let reference = Reference::new(&network, output, &Device::Cpu).unwrap();
        let mut plans: Vec<_> = Vectors::all().into_iter().map(|vectors| Plan::with(&network, output, vectors)).collect();
        // Twice: what a picture leaves behind must not be seen in the next.
        for _ in 0..2 {
            let picture = draw.values(input.channels * input.height * input.width);
            let tensor = Tensor::from_slice(&picture, (1, input.channels, input.height, input.width), &Device::Cpu).unwrap();
            let wanted = reference.run(&tensor).unwrap().squeeze(0).unwrap().to_vec3::<f32>().unwrap();
            let largest = wanted.iter().flatten().flatten().fold(1.0_f32, |largest, value| largest.max(value.abs()));
            for plan in &mut plans {
                let maps = plan.run(|y, row| {
                    for (at, value) in row.iter_mut().enumerate() {
                        let (x, channel) = (at / input.channels, at % input.channels);
                        *value = picture[(channel * input.height + y) * input.width + x];
                    }
                });
                let shape = maps.shape();
                prop_assert_eq!(shape, network.shape(output));
                for (channel, y, x) in (0..shape.channels).flat_map(|c| (0..shape.height).flat_map(move |y| (0..shape.width).map(move |x| (c, y, x)))) {
                    let (found, wanted) = (maps.pixel(y, x)[channel], wanted[channel][y][x]);
                    prop_assert!((found - wanted).abs() <= 1e-4 * largest, "channel {channel} at {y}, {x}: {found} for {wanted} in {network:?}");
                }
            }
        }
    }
}
