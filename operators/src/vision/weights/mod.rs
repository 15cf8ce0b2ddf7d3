//! `Weights`: what a network has learnt, named tensors out of a model file's bytes.
//!
//! ```text
//! bytes ─▶ safetensors                    ─┐
//!       ─▶ PyTorch, in a zip archive       ─┼─▶ name → shape, values
//!       ─▶ PyTorch, as before version 1.6  ─┘
//! ```
//!
//! A model file comes from outside: it says where in itself its values are and how many, and nothing is believed.
//! Memory is taken for what is there, never for what is claimed. Nothing of a file is ever run.

mod archive;
mod legacy;
mod pickle;

use std::collections::BTreeMap;

use candle_core::safetensors::SliceSafetensors;
use candle_core::{DType, Device};

/// The tensors of a model file, by name.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
}

/// A tensor: its values lie in the order of its shape, the last dimension next to each other.
#[derive(Clone, Debug, PartialEq)]
struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// A model file cannot be used. Whoever gave the file is at fault, and trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// The bytes are of no format we know.
    #[error("not a model file: neither safetensors nor a PyTorch checkpoint")]
    NoModel,
    /// The bytes begin as a format does and do not go on so.
    #[error("unreadable {format}: {why}")]
    Unreadable {
        /// Which format.
        format: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A tensor is not in the file.
    #[error("tensor {name} with the shape {wanted:?} is missing: the file holds {held} tensors and is perhaps of another network")]
    Missing {
        /// The tensor.
        name: String,
        /// Its shape.
        wanted: Vec<usize>,
        /// How many tensors the file has.
        held: usize,
    },
    /// A tensor is of another shape than the network's.
    #[error("tensor {name} has the shape {found:?}, but {wanted:?} is wanted")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// Its shape in the network.
        wanted: Vec<usize>,
    },
    /// A tensor holds infinities, or what is no number.
    #[error("tensor {name} with the shape {shape:?} holds values that are not finite")]
    NotFinite {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
}

impl Weights {
    /// The most bytes a model file may have.
    pub const BYTES_MOST: usize = 1 << 30;

    /// Reads a model file: safetensors, or a PyTorch state dictionary (alone, or under `state_dict` or `model`) in
    /// either of PyTorch's formats. Tensors of 16 and 64 bits become 32.
    ///
    /// # Errors
    /// The bytes are no such file.
    pub fn read(bytes: &[u8]) -> Result<Self, WeightsError> {
        if bytes.len() > Self::BYTES_MOST {
            let why = format!("{} bytes, where at most {} are read", bytes.len(), Self::BYTES_MOST);
            return Err(WeightsError::Unreadable { format: "model file", why });
        }
        let unreadable = |format| move |why| WeightsError::Unreadable { format, why };
        let tensors = if bytes.starts_with(b"PK") {
            archive::read(bytes).map_err(unreadable("PyTorch checkpoint"))?
        } else if bytes.starts_with(&legacy::BEGINNING) {
            legacy::read(bytes).map_err(unreadable("PyTorch checkpoint of the old format"))?
        } else if bytes.get(8) == Some(&b'{') {
            safetensors(bytes).map_err(|error| unreadable("safetensors file")(error.to_string()))?
        } else {
            return Err(WeightsError::NoModel);
        };
        Ok(Self { tensors })
    }

    /// How many tensors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The values of a tensor that must have this shape.
    ///
    /// # Errors
    /// It is not there, has another shape, or holds what is not finite.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<&[f32], WeightsError> {
        let (name, wanted) = (|| name.to_string(), || shape.to_vec());
        let Some(tensor) = self.tensors.get(&name()) else {
            return Err(WeightsError::Missing { name: name(), wanted: wanted(), held: self.len() });
        };
        if tensor.shape != shape {
            return Err(WeightsError::Shape { name: name(), found: tensor.shape.clone(), wanted: wanted() });
        }
        if !tensor.values.iter().all(|value| value.is_finite()) {
            return Err(WeightsError::NotFinite { name: name(), shape: wanted() });
        }
        Ok(&tensor.values)
    }
}

fn safetensors(bytes: &[u8]) -> candle_core::Result<BTreeMap<String, Tensor>> {
    let file = SliceSafetensors::new(bytes)?;
    let read = |name: String| {
        let tensor = file.load(&name, &Device::Cpu)?;
        let shape = tensor.dims().to_vec();
        let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        Ok((name, Tensor { shape, values }))
    };
    file.tensors().into_iter().map(|(name, _)| read(name)).collect()
}

#[cfg(test)]
mod tests;
