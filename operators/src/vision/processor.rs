//! `Processor`: what networks run on.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use candle_core::Device;

use super::VisionError;

/// What networks run on, by the name people give it: `cpu`, `cuda` or `cuda:1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Processor {
    /// The machine's own, with the kernels of this crate.
    #[default]
    Cpu,
    /// A GPU of NVIDIA's, by its number; in programs that were built with the feature `cuda`.
    Cuda(usize),
}

impl Processor {
    /// Makes it ready.
    ///
    /// # Errors
    /// There is none, or this program was built without it.
    pub fn open(self) -> Result<Device, VisionError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !cfg!(feature = "cuda") => {
                Err(VisionError(format!("this program was built without {self} (hint: build it with the feature `cuda`)")))
            }
            Self::Cuda(number) => Device::new_cuda(number).map_err(|error| VisionError(format!("{self} cannot be used: {error}"))),
        }
    }
}

impl FromStr for Processor {
    type Err = VisionError;

    fn from_str(text: &str) -> Result<Self, VisionError> {
        let number = |text: &str| text.parse().ok().map(Self::Cuda);
        match text.split_once(':') {
            None if text == "cpu" => Some(Self::Cpu),
            None if text == "cuda" => Some(Self::Cuda(0)),
            Some(("cuda", text)) => number(text),
            _ => None,
        }
        .ok_or_else(|| VisionError(format!("{text:?} is no device (hint: cpu, cuda, or cuda:1 for the second GPU)")))
    }
}

impl Display for Processor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_what_it_is_called() {
        let read = |text: &str| text.parse::<Processor>().ok();
        assert_eq!(["cpu", "cuda", "cuda:3"].map(read), [Some(Processor::Cpu), Some(Processor::Cuda(0)), Some(Processor::Cuda(3))]);
        assert_eq!(["", "gpu", "cpu:1", "cuda:", "cuda:-1", "cuda:x"].map(read), [None; 6]);
        assert_eq!(Processor::Cuda(3).to_string().parse(), Ok(Processor::Cuda(3)));
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_program_without_cuda_says_so() {
        let error = Processor::Cuda(0).open().unwrap_err().to_string();
        assert!(error.contains("without cuda:0") && error.contains("feature `cuda`"), "{error}");
    }
}
