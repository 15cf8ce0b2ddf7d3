//! Recordings into a topic: all pictures, in the stream's order, with their numbers and times; and what a configuration must be.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use operators::vision::{DecodeLimits, Decoded, Decoder};
use schemas::{CaptureHealth, CaptureState, Codec, Frame};

use crate::program::{giaolo, out, recording, records};

/// 2026-01-01T07:00:00Z.
const SEVEN_MS: u64 = 1_767_250_800_000;

fn configure(folder: &Path, cameras: &str) -> String {
    let path = folder.join("cameras.yaml");
    std::fs::write(&path, format!("version: 1\ncameras:\n{cameras}")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What the program `ffmpeg` decodes, picture by picture.
fn decoded(path: &Path) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(path).args(["-vf", "scale=flags=bilinear", "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]);
    command.output().unwrap().stdout
}

#[test]
fn recordings_come_whole_and_decode_to_what_the_program_ffmpeg_decodes() {
    let folder = tempfile::tempdir().unwrap();
    let plain: &[&str] = &["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0"];
    let reordered: &[&str] = &["-c:v", "libx264", "-preset", "medium", "-g", "20", "-bf", "3", "-b_strategy", "0"];
    let h265: &[&str] = &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=10"];
    let mjpeg: &[&str] = &["-c:v", "mjpeg", "-q:v", "4"];
    let videos = [
        ("plain", "mp4", Codec::H264, plain),
        ("reordered", "mp4", Codec::H264, reordered),
        ("h265", "mp4", Codec::H265, h265),
        ("mjpeg", "avi", Codec::Mjpeg, mjpeg),
        ("stream", "ts", Codec::H264, reordered),
    ];
    let mut cameras = String::new();
    for (name, ending, _, encoder) in &videos {
        let path = folder.path().join(format!("{name}.{ending}"));
        let Some(()) = recording(&path, "160x120", 2, encoder) else { return };
        cameras += &format!("  {name}: {{file: {}, pace: fast, begins: 2026-01-01T07:00:00Z}}\n", path.display());
    }
    let (config, store) = (configure(folder.path(), &cameras), folder.path().join("city.db"));
    out(&["capture", &config, "--local", store.to_str().unwrap()]);
    let all: Vec<Frame> = records(&store, "frames");
    for (name, ending, codec, _) in &videos {
        let frames: Vec<&Frame> = all.iter().filter(|frame| frame.camera.as_str() == *name).collect();
        assert_eq!(frames.len(), 50, "{name}");
        let numbers: BTreeSet<u64> = frames.iter().map(|frame| frame.frame).collect();
        assert_eq!(numbers, (SEVEN_MS..SEVEN_MS + 50).collect(), "{name}: no number is left out or comes twice");
        for frame in &frames {
            let expected_ms = SEVEN_MS + (frame.frame - SEVEN_MS) * 40;
            assert!(frame.at_ms.abs_diff(expected_ms) <= 81, "{name}: frame {} at {}", frame.frame - SEVEN_MS, frame.at_ms - SEVEN_MS);
            assert_eq!((frame.codec, frame.gap), (*codec, false), "{name}");
        }
        assert!(frames[0].key && frames.iter().filter(|frame| frame.key).count() >= 3, "{name}");
        let mut decoder = Decoder::new(DecodeLimits::default());
        let (mut bgr, mut order) = (Vec::new(), Vec::new());
        let mut tell = |number: u64, decoded: Decoded<'_>| {
            let Decoded::Picture(image) = decoded else { panic!("{name}: frame {number} is no picture") };
            bgr.extend_from_slice(image.picture(160, 120).unwrap().bgr());
            order.push(number);
        };
        frames.iter().for_each(|frame| decoder.decode(frame, true, frame.frame, &mut tell));
        decoder.finish(&mut tell);
        assert!(order.is_sorted(), "{name}: pictures come in the order they were taken");
        assert!(bgr == decoded(&folder.path().join(format!("{name}.{ending}"))), "{name}: the same pictures");
    }
    let health: Vec<CaptureHealth> = records(&store, "capture_health");
    for (name, ..) in &videos {
        let last = health.iter().rfind(|health| health.camera.as_str() == *name).unwrap();
        assert_eq!((last.state, last.gaps, last.dropped, last.reconnects), (CaptureState::Ended, 0, 0, 0), "{name}");
    }
    let frames: u64 = health.iter().map(|health| health.frames).sum();
    assert_eq!(frames, 250);
}

/// Decoding can begin at any key frame: it is complete.
#[test]
fn a_key_frame_of_a_file_carries_what_a_decoder_must_know() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.mp4");
    let Some(()) = recording(&path, "160x120", 2, &["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0"]) else { return };
    let config = configure(folder.path(), &format!("  c1: {{file: {}, pace: fast}}\n", path.display()));
    let store = folder.path().join("city.db");
    out(&["capture", &config, "--local", store.to_str().unwrap()]);
    let frames: Vec<Frame> = records(&store, "frames");
    let mut decoder = Decoder::new(DecodeLimits::default());
    let mut pictures = 0;
    frames[30..].iter().for_each(|frame| {
        decoder.decode(frame, true, (), &mut |(), decoded| pictures += u32::from(matches!(decoded, Decoded::Picture(_))))
    });
    assert_eq!(pictures, 20);
}

#[test]
fn a_file_that_is_cut_short_or_is_none_is_told_and_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.ts");
    let Some(()) = recording(&path, "160x120", 2, &["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0"]) else { return };
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(folder.path().join("cut.ts"), &bytes[..bytes.len() / 2]).unwrap();
    let store = folder.path().join("city.db");
    let cameras: String =
        ["whole", "cut"].iter().map(|name| format!("  {name}: {{file: {}/{name}.ts, pace: fast}}\n", folder.path().display())).collect();
    out(&["capture", &configure(folder.path(), &cameras), "--local", store.to_str().unwrap()]);
    let frames: Vec<Frame> = records(&store, "frames");
    let count = |name: &str| frames.iter().filter(|frame| frame.camera.as_str() == name).count();
    assert_eq!(count("whole"), 50);
    assert!((15..35).contains(&count("cut")), "{} frames of half a file", count("cut"));
}

/// Recordings are named from where the configuration lies, wherever the program is started; one that is not there would be waited for
/// without end.
#[test]
fn a_recording_beside_the_configuration_is_found_and_one_that_is_not_there_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(()) = recording(&folder.path().join("here.mp4"), "160x120", 1, &["-c:v", "libx264", "-preset", "ultrafast"]) else { return };
    let (store, here) = (folder.path().join("city.db"), "  c1: {file: here.mp4, pace: fast}\n");
    out(&["capture", &configure(folder.path(), here), "--local", store.to_str().unwrap()]);
    assert_eq!(records::<Frame>(&store, "frames").len(), 25);
    let gone = configure(folder.path(), &format!("{here}  c2: {{file: gone/there.mp4}}\n"));
    let output = giaolo(&["capture", &gone, "--local", store.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("camera \"c2\": there is no file") && text.contains("gone/there.mp4") && text.contains("(hint: "), "{text}");
    assert!(!text.contains("c1"), "{text}");
}

#[test]
fn everything_that_is_wrong_with_a_configuration_is_told_and_no_secret_is() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hush-hush-no-colon").unwrap();
    let cameras = format!(
        "  c1: {{url: 'rtsp://me:hush-hush@10.0.0.1/a'}}\n  c2: {{url: 'http://10.0.0.1/a', timout: 1 s}}\n  c3: {{}}\n  \
         c4: {{url: 'rtsp://10.0.0.1/a', credentials: {{file: {}}}}}\n  c5: {{url: 'rtsp://10.0.0.1/a', credentials: {{env: NOT_SET_ANYWHERE}}}}\n  \
         c6: {{file: a.mp4, timeout: 10 s}}\n  c7: {{url: 'rtsp://10.0.0.1/a', pace: fast, timeout: 1 ms}}\n  c8: {{file: a.mp4, begins: noon}}\n",
        secret.display()
    );
    let output = giaolo(&["capture", &configure(folder.path(), &cameras), "--check"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    for words in [
        "url of camera \"c1\" holds credentials",
        "unknown field \"timout\" in camera \"c2\"",
        "camera \"c3\" needs one of \"url\" and \"file\"",
        "are not user:password",
        "in the variable \"NOT_SET_ANYWHERE\" are not there",
        "\"timeout\" of camera \"c6\" belongs to cameras on the network",
        "\"pace\" of camera \"c7\" belongs to recordings",
        "must be 100 ms to 5 min, not 1 ms",
        "a moment such as 2026-01-01T07:00:00Z",
    ] {
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
    assert!(!text.contains("hush"), "{text}");
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/capture.yaml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_giaolo"));
    let output = command.args(["capture", sample, "--check"]).env("C001_CREDENTIALS", "me:hush").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
