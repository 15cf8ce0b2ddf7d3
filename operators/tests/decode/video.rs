//! Streams to test with, made by the program `ffmpeg`, and what that program decodes of them.

use std::path::Path;
use std::process::{Command, Stdio};

use ffmpeg_next as ffmpeg;
use operators::vision::{DecodeLimits, Decoded, Decoder};
use schemas::{Codec, Frame, Name};

/// When the first picture of every stream was taken.
pub(crate) const NOON_MS: u64 = 1_767_250_800_000;

/// A stream, or nothing where the program is not there; then the test says so.
pub(crate) struct Video {
    folder: tempfile::TempDir,
    file: &'static str,
    pub(crate) frames: Vec<Frame>,
}

impl Video {
    /// A moving test picture of this size; `encoder` is how it is encoded, as the program wants it.
    pub(crate) fn make(codec: Codec, size: &str, pictures: usize, encoder: &[&str]) -> Option<Self> {
        // A transport stream has start codes, as frames do, and times.
        let file = if codec == Codec::Mjpeg { "video.mjpeg" } else { "video.ts" };
        let folder = tempfile::tempdir().unwrap();
        let source = format!("testsrc2=size={size}:rate=25");
        let count = pictures.to_string();
        let input = ["-v", "error", "-f", "lavfi", "-i", &source, "-frames:v", &count, "-pix_fmt", "yuv420p"];
        let mut command = Command::new("ffmpeg");
        command.args(input).args(encoder).arg(folder.path().join(file)).stdin(Stdio::null());
        match command.status() {
            Ok(status) => assert!(status.success(), "ffmpeg failed: {encoder:?}"),
            Err(error) => {
                assert!(std::env::var_os("REQUIRE_LIVE").is_none_or(|v| v != "1"), "REQUIRE_LIVE=1, but there is no ffmpeg: {error}");
                println!("skipped: the program ffmpeg is not here");
                return None;
            }
        }
        let frames = read(&folder.path().join(file), codec);
        assert_eq!(frames.len(), pictures);
        Some(Self { folder, file, frames })
    }

    /// H.264 as cameras send it: no picture refers to a later one, a key frame every ten.
    pub(crate) fn camera(size: &str, pictures: usize) -> Option<Self> {
        Self::make(Codec::H264, size, pictures, &["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0"])
    }

    /// What the program itself decodes, picture by picture, in the order in which they were taken: blue, green, red.
    pub(crate) fn decoded(&self, scale: &str) -> Vec<u8> {
        let filter = format!("scale={scale}:flags=bilinear");
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-threads", "1", "-i"]).arg(self.folder.path().join(self.file));
        command.args(["-vf", &filter, "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success());
        output.stdout
    }
}

/// The frames of a stream, numbered in the order in which pictures were taken.
fn read(path: &Path, codec: Codec) -> Vec<Frame> {
    let mut input = ffmpeg::format::input(path).unwrap();
    let packets: Vec<ffmpeg::Packet> = input.packets().map(|(_, packet)| packet).collect();
    let mut times: Vec<Option<i64>> = packets.iter().map(ffmpeg::Packet::pts).collect();
    times.sort_unstable();
    let number = |place: usize, packet: &ffmpeg::Packet| match packet.pts() {
        Some(pts) => times.binary_search(&Some(pts)).unwrap() as u64,
        None => place as u64,
    };
    let frame = |(place, packet): (usize, &ffmpeg::Packet)| Frame {
        camera: Name::of("c1"),
        frame: number(place, packet),
        at_ms: NOON_MS + number(place, packet) * 40,
        error_ms: 50,
        codec,
        key: packet.is_key(),
        gap: false,
        parameters: Vec::new(),
        bytes: packet.data().unwrap().to_vec(),
    };
    packets.iter().enumerate().map(frame).collect()
}

/// What became of a frame, as a test wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Picture(u32, u32),
    Unwanted,
    PassedOver,
    Refused(String),
}

/// Says it.
pub(crate) fn said(decoded: &Decoded<'_>) -> Said {
    match decoded {
        Decoded::Picture(image) => Said::Picture(image.width(), image.height()),
        Decoded::Unwanted => Said::Unwanted,
        Decoded::PassedOver => Said::PassedOver,
        Decoded::Refused(fault) => Said::Refused(fault.to_string()),
    }
}

/// Decodes frames one after the other; every one must be told of once.
pub(crate) fn decode(frames: &[Frame], wanted: impl Fn(&Frame) -> bool) -> Vec<(u64, Said)> {
    let mut decoder = Decoder::new(DecodeLimits::default());
    let mut all = Vec::new();
    for frame in frames {
        decoder.decode(frame, wanted(frame), frame.frame, &mut |number, decoded| all.push((number, said(&decoded))));
    }
    decoder.finish(&mut |number, decoded| all.push((number, said(&decoded))));
    let mut told: Vec<u64> = all.iter().map(|(number, _)| *number).collect();
    let mut given: Vec<u64> = frames.iter().map(|frame| frame.frame).collect();
    told.sort_unstable();
    given.sort_unstable();
    assert_eq!(told, given, "every frame is told of once");
    all
}
