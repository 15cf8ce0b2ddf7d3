//! A convolution as a matrix product, so that almost all the work is done by the product's kernels.
//!
//! ```text
//!   picture [h, w, from] ──columns──▶ [h'·w', kernel·from] ──× weight [kernel·from, to]──▶ [h', w', to]
//! ```
//!
//! Channels stand last: a column is then a few runs of memory copied whole, and the product is already in the right order.
//! Few pictures are laid out at a time, as many as fit in a processor's own cache. candle's convolution on processors has
//! none of this, and its gradient is a transposed convolution written in loops.

use candle_core::{Device, Result, Tensor};

/// How many numbers are laid out at a time: a megabyte.
const LAID_OUT: usize = 1 << 18;

/// A convolution: its kernel and stride (down, across), and its channels. Around the picture there are zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// What its weights are called.
    pub name: &'static str,
    /// Height and width of the kernel; odd, so that it has a middle.
    pub kernel: [usize; 2],
    /// Every how many rows and columns it is applied.
    pub stride: [usize; 2],
    /// Channels in.
    pub from: usize,
    /// Channels out.
    pub to: usize,
}

impl Convolution {
    /// One of three by three, the same stride down and across.
    #[must_use]
    pub const fn square(name: &'static str, stride: usize, from: usize, to: usize) -> Self {
        Self { name, kernel: [3, 3], stride: [stride, stride], from, to }
    }

    /// One that looks at each place by itself.
    #[must_use]
    pub const fn point(name: &'static str, from: usize, to: usize) -> Self {
        Self { name, kernel: [1, 1], stride: [1, 1], from, to }
    }

    /// The shape of its weight.
    #[must_use]
    pub fn weight(&self) -> [usize; 2] {
        [self.kernel[0] * self.kernel[1] * self.from, self.to]
    }

    /// How many pictures of that size are laid out at a time.
    #[must_use]
    pub fn at_a_time(&self, height: usize, width: usize) -> usize {
        let [high, wide] = self.out(height, width);
        (LAID_OUT / (high * wide * self.weight()[0])).max(1)
    }

    /// Applies a weight to pictures `[n, height, width, from]`; adds no bias, and keeps no track for a gradient.
    ///
    /// # Errors
    /// A shape does not fit.
    pub fn apply(&self, pictures: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let (n, height, width, from) = pictures.dims4()?;
        if from != self.from {
            candle_core::bail!("\"{}\" takes {} channels, not {from}", self.name, self.from);
        }
        let [high, wide] = self.out(height, width);
        let values = pictures.flatten_all()?.to_vec1::<f32>()?;
        let few = self.at_a_time(height, width);
        let mut parts = Vec::with_capacity(n.div_ceil(few));
        for pictures in values.chunks(few * height * width * from) {
            let n = pictures.len() / (height * width * from);
            let columns = self.lay_out(pictures, [n, height, width]);
            parts.push(Tensor::from_vec(columns, (n * high * wide, self.weight()[0]), &Device::Cpu)?.matmul(weight)?);
        }
        Tensor::cat(&parts, 0)?.reshape((n, high, wide, self.to))
    }

    /// What lies under the kernel at every place it is put to, a row for each place.
    #[must_use]
    pub fn lay_out(&self, pictures: &[f32], shape: [usize; 3]) -> Vec<f32> {
        let [high, wide] = self.out(shape[1], shape[2]);
        let whole = shape[0] * high * wide * self.weight()[0];
        let mut columns = Vec::with_capacity(whole);
        self.runs(shape, |to, from, length| {
            columns.resize(to, 0.0);
            columns.extend_from_slice(&pictures[from..from + length]);
        });
        columns.resize(whole, 0.0);
        columns
    }

    /// The way back of a gradient: adds to each pixel all that lies in the columns for it.
    pub fn add_back(&self, columns: &[f32], shape: [usize; 3], pictures: &mut [f32]) {
        self.runs(shape, |from, to, length| {
            pictures[to..to + length].iter_mut().zip(&columns[from..from + length]).for_each(|(sum, v)| *sum += v);
        });
    }

    /// Height and width of what comes out.
    #[must_use]
    pub fn out(&self, height: usize, width: usize) -> [usize; 2] {
        [height.div_ceil(self.stride[0]), width.div_ceil(self.stride[1])]
    }

    /// Calls back for every run of a row of the kernel that lies inside the picture, in the order of the columns: where it begins
    /// among them, where in the picture, and how long it is.
    fn runs(&self, [n, height, width]: [usize; 3], mut run: impl FnMut(usize, usize, usize)) {
        let ([kernel_high, kernel_wide], [down, across], from) = (self.kernel, self.stride, self.from);
        let [high, wide] = self.out(height, width);
        let column = kernel_high * kernel_wide * from;
        for picture in 0..n {
            for (y, x) in (0..high).flat_map(|y| (0..wide).map(move |x| (y, x))) {
                let to = ((picture * high + y) * wide + x) * column;
                let (top, left) = ((y * down) as isize - (kernel_high / 2) as isize, (x * across) as isize - (kernel_wide / 2) as isize);
                let first = left.max(0) as usize;
                let last = ((left + kernel_wide as isize) as usize).min(width);
                let skipped = (first as isize - left) as usize;
                for row in 0..kernel_high {
                    let source = top + row as isize;
                    if (0..height as isize).contains(&source) && first < last {
                        let at = ((picture * height + source as usize) * width + first) * from;
                        run(to + (row * kernel_wide + skipped) * from, at, (last - first) * from);
                    }
                }
            }
        }
    }
}

/// Applies one after the other.
///
/// # Errors
/// A shape does not fit.
pub fn through(
    layers: &[Convolution],
    pictures: &Tensor,
    mut apply: impl FnMut(&Convolution, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    layers.iter().try_fold(pictures.clone(), |x, layer| apply(layer, &x))
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Result, Tensor};

    use super::Convolution;

    const SHAPES: [([usize; 2], [usize; 2]); 6] =
        [([3, 3], [1, 1]), ([3, 3], [2, 2]), ([3, 3], [2, 1]), ([1, 5], [1, 1]), ([1, 1], [1, 1]), ([5, 3], [1, 2])];

    fn of((kernel, stride): ([usize; 2], [usize; 2])) -> Convolution {
        Convolution { name: "any", kernel, stride, from: 3, to: 4 }
    }

    /// A convolution as it is defined, one product at a time.
    fn defined(of: &Convolution, pictures: &Tensor, weight: &Tensor) -> Result<Vec<f32>> {
        let (n, height, width, from) = pictures.dims4()?;
        let (pictures, weight): (Vec<f32>, Vec<f32>) = (pictures.flatten_all()?.to_vec1()?, weight.flatten_all()?.to_vec1()?);
        let mut all = Vec::new();
        for (picture, y, x, to) in (0..n)
            .flat_map(|p| (0..height).step_by(of.stride[0]).map(move |y| (p, y)))
            .flat_map(|(p, y)| (0..width).step_by(of.stride[1]).map(move |x| (p, y, x)))
            .flat_map(|(p, y, x)| (0..of.to).map(move |to| (p, y, x, to)))
        {
            let mut sum = 0.0;
            for (i, j, c) in (0..of.kernel[0]).flat_map(|i| (0..of.kernel[1]).flat_map(move |j| (0..from).map(move |c| (i, j, c)))) {
                let (row, column) = ((y + i).wrapping_sub(of.kernel[0] / 2), (x + j).wrapping_sub(of.kernel[1] / 2));
                if row < height && column < width {
                    let at = pictures[((picture * height + row) * width + column) * from + c];
                    sum += at * weight[((i * of.kernel[1] + j) * from + c) * of.to + to];
                }
            }
            all.push(sum);
        }
        Ok(all)
    }

    #[test]
    fn it_is_the_convolution_of_the_definition() -> Result<()> {
        for shape in SHAPES {
            let of = of(shape);
            let pictures = Tensor::randn(0f32, 1.0, (2, 7, 6, 3), &Device::Cpu)?;
            let weight = Tensor::randn(0f32, 1.0, &of.weight()[..], &Device::Cpu)?;
            let ours: Vec<f32> = of.apply(&pictures, &weight)?.flatten_all()?.to_vec1()?;
            let wanted = defined(&of, &pictures, &weight)?;
            assert_eq!(ours.len(), wanted.len(), "{shape:?}");
            assert!(ours.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-4), "{shape:?}");
        }
        Ok(())
    }

    /// What is added back is what the columns were made of: ⟨lay out x, c⟩ = ⟨x, add back c⟩ for any x and c.
    #[test]
    fn adding_back_is_the_transpose_of_laying_out() -> Result<()> {
        for shape in SHAPES {
            let of = of(shape);
            let x: Vec<f32> = Tensor::randn(0f32, 1.0, 2 * 7 * 6 * 3, &Device::Cpu)?.to_vec1()?;
            let laid = of.lay_out(&x, [2, 7, 6]);
            let c: Vec<f32> = Tensor::randn(0f32, 1.0, laid.len(), &Device::Cpu)?.to_vec1()?;
            let mut back = vec![0.0; x.len()];
            of.add_back(&c, [2, 7, 6], &mut back);
            let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            assert!((product(&laid, &c) - product(&x, &back)).abs() < 1e-3, "{shape:?}");
        }
        Ok(())
    }
}
