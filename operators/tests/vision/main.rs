//! Networks against other people's programs and against the truth, on data that is no part of the product: these tests pass without
//! doing anything where `../shared` is not there, and say so.

mod fastest_det;
mod lpr_net;
#[cfg(feature = "onnx")]
mod onnx;
mod pictures;

use std::path::PathBuf;

/// The file of the shared data; `None`, told on the way, where there is none.
fn shared(file: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: there is no {}", path.display());
    None
}
