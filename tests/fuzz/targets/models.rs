//! The file of a network's weights: an archive of PyTorch, or safetensors.
//!
//! ONNX files are left out: tract reads them, which panics on some that contradict themselves. The product catches that; a fuzzer
//! does not let it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use operators::vision::DetectParameters;
use operators::vision::candle::{FastestDet, LprNet};
use operators::vision::weights::Weights;

fuzz_target!(|bytes: &[u8]| {
    if Weights::read(bytes).is_ok() {
        // No file that is made up here has a network's tensors in their shapes.
        assert!(FastestDet::load(bytes, DetectParameters::default()).is_err() && LprNet::load(bytes).is_err(), "read as a network");
    }
});
