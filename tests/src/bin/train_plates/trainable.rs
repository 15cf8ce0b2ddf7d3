//! A network while it learns: for each convolution a weight, and the scale and shift of its batch norm or a bias.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};

use candle_core::{Device, Result, Tensor, Var};
use city::Random;
use operators::vision::candle::convolution::Convolution;

use crate::normed_convolution::{LEAST_VARIANCE, Moments, NormedConvolution};

/// The variables of a network, by name, and what its batch norms have measured.
pub(crate) struct Trainable {
    inner: Vec<Convolution>,
    outer: Vec<Convolution>,
    variables: BTreeMap<String, Var>,
    moments: HashMap<&'static str, Arc<Mutex<Moments>>>,
}

impl Trainable {
    /// A network that has learnt nothing: weights drawn as He et al. (2015) say for layers that cut at zero.
    pub(crate) fn new(inner: &[Convolution], outer: &[Convolution], seed: u64) -> Result<Self> {
        let mut random = Random::of(seed, 9);
        let mut variables = BTreeMap::new();
        let mut add = |name: String, values: Vec<f32>, shape: &[usize]| {
            variables.insert(name, Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)?);
            Ok::<(), candle_core::Error>(())
        };
        for (of, gain) in inner.iter().map(|c| (c, 2.0_f64)).chain(outer.iter().map(|c| (c, 0.5))) {
            let [under, to] = of.weight();
            let deviation = (gain / under as f64).sqrt();
            add(format!("{}.weight", of.name), (0..under * to).map(|_| random.normal(deviation) as f32).collect(), &[under, to])?;
            if gain > 1.0 {
                // Scale and shift of its batch norm.
                add(format!("{}.affine", of.name), [vec![1.0; to], vec![0.0; to]].concat(), &[2, to])?;
            } else {
                add(format!("{}.bias", of.name), vec![0.0; to], &[to])?;
            }
        }
        let moments = inner.iter().map(|of| (of.name, Arc::default())).collect();
        Ok(Self { inner: inner.to_vec(), outer: outer.to_vec(), variables, moments })
    }

    /// All variables, in the order of their names.
    pub(crate) fn variables(&self) -> Vec<Var> {
        self.variables.values().cloned().collect()
    }

    fn variable(&self, of: &Convolution, what: &str) -> Result<&Tensor> {
        match self.variables.get(&format!("{}.{what}", of.name)) {
            Some(variable) => Ok(variable.as_tensor()),
            None => candle_core::bail!("no variable \"{}.{what}\"", of.name),
        }
    }

    /// A convolution, batch norm, and a cut at zero.
    pub(crate) fn inner(&self, of: &Convolution, x: &Tensor) -> Result<Tensor> {
        let (n, height, width, _) = x.dims4()?;
        let moments = self.moments.get(of.name).cloned().unwrap_or_default();
        let first = self.inner.first() == Some(of);
        let operation = NormedConvolution::new(*of, [n, height, width], first, moments);
        x.contiguous()?.apply_op3(self.variable(of, "weight")?, self.variable(of, "affine")?, operation)
    }

    /// A convolution of one pixel, and a bias.
    pub(crate) fn outer(&self, of: &Convolution, x: &Tensor) -> Result<Tensor> {
        let (n, height, width, from) = x.dims4()?;
        let product = x.contiguous()?.reshape((n * height * width, from))?.matmul(self.variable(of, "weight")?)?;
        product.broadcast_add(self.variable(of, "bias")?)?.reshape((n, height, width, of.to))
    }

    /// Forgets what the batch norms have measured.
    pub(crate) fn forget_moments(&self) {
        self.moments.values().filter_map(|m| m.lock().ok()).for_each(|mut m| *m = Moments::default());
    }

    /// The network as it goes into service: what the batch norms have measured since they forgot is folded into the convolutions.
    pub(crate) fn folded(&self) -> Result<HashMap<String, Tensor>> {
        let mut tensors = HashMap::new();
        for of in &self.inner {
            let moments = self.moments.get(of.name).and_then(|m| m.lock().ok().map(|m| m.clone())).unwrap_or_default();
            let count = f64::from(moments.batches.max(1));
            let of_each = |sums: &[f64]| Tensor::from_vec(sums.iter().map(|v| (v / count) as f32).collect(), of.to, &Device::Cpu);
            let (mean, variance) = (of_each(&moments.mean)?, of_each(&moments.variance)?);
            let factor = (self.variable(of, "affine")?.get(0)? / (variance + f64::from(LEAST_VARIANCE))?.sqrt()?)?;
            let weight = self.variable(of, "weight")?.broadcast_mul(&factor)?;
            let bias = (self.variable(of, "affine")?.get(1)? - (mean * &factor)?)?;
            tensors.insert(format!("{}.weight", of.name), weight.detach());
            tensors.insert(format!("{}.bias", of.name), bias.detach());
        }
        for of in &self.outer {
            for what in ["weight", "bias"] {
                tensors.insert(format!("{}.{what}", of.name), self.variable(of, what)?.detach());
            }
        }
        Ok(tensors)
    }

    /// Writes a checkpoint: all variables and the number of steps done.
    pub(crate) fn save(&self, path: &Path, step: usize) -> Result<()> {
        let mut all: HashMap<String, Tensor> = self.variables.iter().map(|(name, v)| (name.clone(), v.as_tensor().clone())).collect();
        all.insert("step".into(), Tensor::new(step as u32, &Device::Cpu)?);
        // Written beside and renamed, so that a program that is killed leaves the checkpoint before.
        let beside = path.with_extension("part");
        candle_core::safetensors::save(&all, &beside)?;
        Ok(std::fs::rename(&beside, path)?)
    }

    /// Takes up a checkpoint; returns the number of steps done.
    pub(crate) fn resume(&self, path: &Path) -> Result<usize> {
        let all = candle_core::safetensors::load(path, &Device::Cpu)?;
        for (name, variable) in &self.variables {
            match all.get(name) {
                Some(saved) => variable.set(saved)?,
                None => candle_core::bail!("checkpoint lacks \"{name}\""),
            }
        }
        match all.get("step") {
            Some(step) => Ok(step.to_scalar::<u32>()? as usize),
            None => candle_core::bail!("checkpoint lacks \"step\""),
        }
    }
}
