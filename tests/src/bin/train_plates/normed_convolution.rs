//! A convolution, batch norm and a cut at zero in one step, while training; in service batch norm is part of the convolution.
//!
//! ```text
//!   y = max(0, scale · (x ∗ weight − mean) / deviation + shift)      mean and deviation of each channel over the batch
//! ```
//!
//! Batch norm after Ioffe and Szegedy (2015). One operation with a gradient of its own: as a dozen of candle's, four fifths of
//! the time went into setting memory to zero and adding it up.

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};
use operators::vision::candle::convolution::Convolution;

/// Added to the variance, so that a channel that is always the same divides by something.
pub(crate) const LEAST_VARIANCE: f32 = 1e-4;

/// Mean and variance of each channel, summed over batches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moments {
    /// How many batches.
    pub(crate) batches: u32,
    /// The sum of the batches' means.
    pub(crate) mean: Vec<f64>,
    /// The sum of the batches' variances.
    pub(crate) variance: Vec<f64>,
}

/// The operation on pictures `[n, h, w, from]`, a weight, and scale and shift `[2, to]`.
pub(crate) struct NormedConvolution {
    of: Convolution,
    shape: [usize; 3],
    /// Whether the pictures are the network's own input, which needs no gradient.
    first: bool,
    /// Where what is measured is added.
    moments: Arc<Mutex<Moments>>,
    /// The product before batch norm, kept for the gradient.
    product: Mutex<Vec<f32>>,
}

impl NormedConvolution {
    /// The operation on `n` pictures of a height and width.
    pub(crate) fn new(of: Convolution, shape: [usize; 3], first: bool, moments: Arc<Mutex<Moments>>) -> Self {
        Self { of, shape, first, moments, product: Mutex::default() }
    }

    /// Calls back for a few pictures at a time: which rows of columns, which numbers of the pictures, and how many pictures.
    fn for_few(&self, mut each: impl FnMut(std::ops::Range<usize>, std::ops::Range<usize>, usize) -> Result<()>) -> Result<()> {
        let [n, height, width] = self.shape;
        let [high, wide] = self.of.out(height, width);
        let few = self.of.at_a_time(height, width);
        for from in (0..n).step_by(few) {
            let until = (from + few).min(n);
            let picture = height * width * self.of.from;
            each(from * high * wide..until * high * wide, from * picture..until * picture, until - from)?;
        }
        Ok(())
    }
}

impl CustomOp3 for NormedConvolution {
    fn name(&self) -> &'static str {
        "normed convolution"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight, affine) = (values(x, lx)?, values(w, lw)?, values(b, lb)?);
        let ([n, height, width], [under, to]) = (self.shape, self.of.weight());
        let weight = Tensor::from_slice(weight, (under, to), &Device::Cpu)?;
        let [high, wide] = self.of.out(height, width);
        let mut product = Vec::with_capacity(n * high * wide * to);
        self.for_few(|rows, numbers, n| {
            let columns = self.of.lay_out(&x[numbers], [n, height, width]);
            let part = Tensor::from_vec(columns, (rows.len(), under), &Device::Cpu)?.matmul(&weight)?;
            look(&part, |part| product.extend_from_slice(part))
        })?;
        let (mean, variance) = moments(&product, to);
        self.note(&mean, &variance);
        let factor: Vec<f32> = (0..to).map(|c| affine[c] / (variance[c] + LEAST_VARIANCE).sqrt()).collect();
        let offset: Vec<f32> = (0..to).map(|c| affine[to + c] - mean[c] * factor[c]).collect();
        let mut out = Vec::with_capacity(product.len());
        for row in product.chunks_exact(to) {
            out.extend(row.iter().zip(&factor).zip(&offset).map(|((v, f), o)| (v * f + o).max(0.0)));
        }
        if let Ok(mut kept) = self.product.lock() {
            *kept = product;
        }
        Ok((CpuStorage::F32(out), (n, high, wide, to).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        affine: &Tensor,
        y: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let product = self.product.lock().map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default();
        let scale = affine.get(0)?.to_vec1::<f32>()?;
        let gradient = gradient.contiguous()?;
        let (of_product, of_affine) = look(y, |y| look(&gradient, |gradient| before_norm(&product, y, gradient, &scale)))??;
        let ([_, height, width], [under, to]) = (self.shape, self.of.weight());
        let back = weight.t()?;
        let mut of_x = vec![0.0; if self.first { 0 } else { x.elem_count() }];
        let mut of_weight = Tensor::zeros((under, to), candle_core::DType::F32, &Device::Cpu)?;
        self.for_few(|rows, numbers, n| {
            let slope = Tensor::from_slice(&of_product[rows.start * to..rows.end * to], (rows.len(), to), &Device::Cpu)?;
            let columns = look(x, |x| self.of.lay_out(&x[numbers.clone()], [n, height, width]))?;
            let columns = Tensor::from_vec(columns, (rows.len(), under), &Device::Cpu)?;
            of_weight = (&of_weight + columns.t()?.matmul(&slope)?)?;
            if !self.first {
                look(&slope.matmul(&back)?, |of_columns| self.of.add_back(of_columns, [n, height, width], &mut of_x[numbers]))?;
            }
            Ok(())
        })?;
        let [n, height, width] = self.shape;
        let of_x = if self.first { None } else { Some(Tensor::from_vec(of_x, (n, height, width, self.of.from), &Device::Cpu)?) };
        Ok((of_x, Some(of_weight), Some(Tensor::from_vec(of_affine, (2, to), &Device::Cpu)?)))
    }
}

/// The slope in what goes into batch norm, and in its scale and shift.
fn before_norm(product: &[f32], out: &[f32], gradient: &[f32], scale: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let channels = scale.len();
    let rows = (product.len() / channels) as f32;
    let (mean, variance) = moments(product, channels);
    let inverse: Vec<f32> = variance.iter().map(|v| 1.0 / (v + LEAST_VARIANCE).sqrt()).collect();
    let mut of_affine = vec![0.0_f32; 2 * channels];
    let (of_scale, of_shift) = of_affine.split_at_mut(channels);
    let mut slopes: Vec<f32> = gradient.iter().zip(out).map(|(g, y)| if *y > 0.0 { *g } else { 0.0 }).collect();
    for (row, slope) in product.chunks_exact(channels).zip(slopes.chunks_exact(channels)) {
        for c in 0..channels {
            of_shift[c] += slope[c];
            of_scale[c] += slope[c] * (row[c] - mean[c]) * inverse[c];
        }
    }
    for (row, slope) in product.chunks_exact(channels).zip(slopes.chunks_exact_mut(channels)) {
        for c in 0..channels {
            let common = (of_shift[c] + (row[c] - mean[c]) * inverse[c] * of_scale[c]) / rows;
            slope[c] = scale[c] * inverse[c] * (slope[c] - common);
        }
    }
    (slopes, of_affine)
}

impl NormedConvolution {
    fn note(&self, mean: &[f32], variance: &[f32]) {
        let Ok(mut moments) = self.moments.lock() else { return };
        moments.mean.resize(mean.len(), 0.0);
        moments.variance.resize(mean.len(), 0.0);
        moments.batches += 1;
        moments.mean.iter_mut().zip(mean).for_each(|(sum, v)| *sum += f64::from(*v));
        moments.variance.iter_mut().zip(variance).for_each(|(sum, v)| *sum += f64::from(*v));
    }
}

/// Mean and variance of each channel.
fn moments(x: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = (x.len() / channels) as f32;
    let mut mean = vec![0.0; channels];
    for row in x.chunks_exact(channels) {
        mean.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
    }
    mean.iter_mut().for_each(|v| *v /= rows);
    let mut variance = vec![0.0; channels];
    for row in x.chunks_exact(channels) {
        variance.iter_mut().zip(row).zip(&mean).for_each(|((sum, v), mean)| *sum += (v - mean) * (v - mean));
    }
    variance.iter_mut().for_each(|v| *v /= rows);
    (mean, variance)
}

/// Looks at a tensor's numbers where they are.
fn look<T>(tensor: &Tensor, with: impl FnOnce(&[f32]) -> T) -> Result<T> {
    match &*tensor.storage_and_layout().0 {
        candle_core::Storage::Cpu(storage) => Ok(with(values(storage, tensor.layout())?)),
        _ => candle_core::bail!("training is done on processors"),
    }
}

fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(all), Some((from, to))) => Ok(&all[from..to]),
        _ => candle_core::bail!("a normed convolution takes 32-bit numbers in one piece"),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Result, Tensor, Var};
    use operators::vision::candle::convolution::Convolution;

    use super::{LEAST_VARIANCE, NormedConvolution};

    /// The same by candle's own operations, whose gradients are candle's own: channels first, as its convolution wants them.
    fn by_candle(of: &Convolution, x: &Tensor, weight: &Tensor, affine: &Tensor) -> Result<Tensor> {
        let weight = weight.reshape((of.kernel[0], of.kernel[1], of.from, of.to))?.permute((3, 2, 0, 1))?.contiguous()?;
        let y = x.permute((0, 3, 1, 2))?.contiguous()?.conv2d(&weight, of.kernel[0] / 2, 1, 1, 1)?.permute((0, 2, 3, 1))?.contiguous()?;
        let rows = y.reshape(((), of.to))?;
        let centred = rows.broadcast_sub(&rows.mean_keepdim(0)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(0)? + f64::from(LEAST_VARIANCE))?.sqrt()?;
        let normed = centred.broadcast_div(&deviation)?.broadcast_mul(&affine.get(0)?)?.broadcast_add(&affine.get(1)?)?;
        normed.relu()?.reshape(y.shape())
    }

    #[test]
    fn it_and_its_gradients_are_those_of_candle() -> Result<()> {
        let of = Convolution { name: "any", kernel: [3, 3], stride: [1, 1], from: 3, to: 5 };
        let x = Var::randn(0.5f32, 2.0, (4, 6, 7, 3), &Device::Cpu)?;
        let weight = Var::randn(0f32, 0.5, &of.weight()[..], &Device::Cpu)?;
        let affine = Var::randn(0.5f32, 0.5, (2, 5), &Device::Cpu)?;
        let aim = Tensor::randn(0f32, 1.0, (4, 6, 7, 5), &Device::Cpu)?;
        let ours = x.apply_op3(&weight, &affine, NormedConvolution::new(of, [4, 6, 7], false, Default::default()))?;
        let wanted = by_candle(&of, &x, &weight, &affine)?;
        let close = |a: &Tensor, b: &Tensor| (a - b)?.abs()?.max_all()?.to_dtype(DType::F64)?.to_scalar::<f64>();
        assert!(close(&ours, &wanted)? < 1e-4);
        let (ours, wanted) = ((ours * &aim)?.sum_all()?.backward()?, (wanted * &aim)?.sum_all()?.backward()?);
        for var in [&x, &weight, &affine] {
            let (Some(ours), Some(wanted)) = (ours.get(var), wanted.get(var)) else { candle_core::bail!("no gradient") };
            assert!(close(ours, wanted)? < 2e-3 * wanted.abs()?.max_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?.max(1.0));
        }
        Ok(())
    }
}
