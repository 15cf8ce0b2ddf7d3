//! Films that are decoded: moving test pictures, encoded by the program `ffmpeg` as cameras encode.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use schemas::{Codec, Frame, Name};

/// A film of this size, 25 pictures a second, H.264 with a key frame every two seconds; nothing, and a word of it, where the
/// program is not there.
///
/// # Panics
/// The program failed.
#[must_use]
pub fn encode(folder: &Path, size: &str, pictures: usize) -> Option<PathBuf> {
    // A transport stream has start codes, as frames do.
    let (path, source) = (folder.join(format!("{size}.ts")), format!("testsrc2=size={size}:rate=25"));
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-frames:v", &pictures.to_string(), "-pix_fmt", "yuv420p"]);
    command.args(["-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-bf", "0"]).arg(&path).stdin(Stdio::null());
    match command.status() {
        Ok(status) => assert!(status.success(), "ffmpeg failed"),
        Err(error) => {
            println!("left out: the program ffmpeg cannot be run: {error}");
            return None;
        }
    }
    Some(path)
}

/// The frames of a film, in the order of the stream.
///
/// # Panics
/// It is none.
#[must_use]
pub fn frames(path: &Path) -> Vec<Frame> {
    let mut input = ffmpeg_next::format::input(path).expect("a film");
    let frame = |(number, packet): (u64, ffmpeg_next::Packet)| Frame {
        camera: Name::of("c1"),
        frame: number,
        at_ms: 1_767_250_800_000 + number * 40,
        error_ms: 50,
        codec: Codec::H264,
        key: packet.is_key(),
        gap: false,
        parameters: Vec::new(),
        bytes: packet.data().expect("a packet with bytes").to_vec(),
    };
    (0..).zip(input.packets().map(|(_, packet)| packet)).map(frame).collect()
}
