//! Recordings into a topic: all pictures, in the stream's order, with their numbers and times, as the program `ffmpeg` decodes them;
//! what is broken holds up no other; and what a configuration must be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::capture::{Capture, Config, Health, Packet, Records, State};
use engine::transport::local::LocalTransport;
use engine::transport::{Batch, Position, Transport};

/// 2026-01-01T07:00:00Z.
const SEVEN_MS: u64 = 1_767_250_800_000;

const PLAIN: &[&str] = &["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0"];
const REORDERED: &[&str] = &["-c:v", "libx264", "-preset", "medium", "-g", "20", "-bf", "3", "-b_strategy", "0"];
const H265: &[&str] = &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=10"];
const MJPEG: &[&str] = &["-c:v", "mjpeg", "-q:v", "4"];

/// A recording of fifty pictures made by the program `ffmpeg`; nothing where it is not there, and the test says so.
fn recording(folder: &Path, name: &str, encoder: &[&str]) -> Option<PathBuf> {
    let path = folder.join(name);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=2", "-pix_fmt", "yuv420p"]);
    match command.args(encoder).arg(&path).stdin(Stdio::null()).status() {
        Ok(status) => assert!(status.success(), "ffmpeg failed: {name}"),
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_LIVE").is_none_or(|v| v != "1"), "REQUIRE_LIVE=1, but there is no ffmpeg: {error}");
            println!("skipped: the program ffmpeg is not here");
            return None;
        }
    }
    Some(path)
}

/// The fingerprint of all pictures that the program `ffmpeg` decodes.
fn decoded(path: &Path) -> String {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(path).args(["-vsync", "0", "-pix_fmt", "yuv420p", "-f", "md5", "-"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A picture as this test writes it: a line of its figures, then its parameters and bytes.
#[derive(Clone, Debug)]
struct Picture {
    number: u64,
    at_ms: u64,
    key: bool,
    gap: bool,
    /// Parameters and picture.
    bytes: Vec<u8>,
}

struct Plainly;

impl Records for Plainly {
    fn picture(&self, packet: &Packet) -> Vec<u8> {
        let Packet { number, at_ms, key, gap, .. } = packet;
        let line = format!("{number} {at_ms} {key} {gap}\n");
        [line.as_bytes(), &packet.parameters, &packet.bytes].concat()
    }

    fn health(&self, health: &Health) -> Vec<u8> {
        serde_json::to_vec(health).unwrap()
    }

    fn partition(&self, camera: &str, partitions: u32) -> u32 {
        u32::from(camera.as_bytes()[0]) % partitions
    }
}

fn read(value: &[u8]) -> Picture {
    let end = value.iter().position(|byte| *byte == b'\n').unwrap();
    let line = std::str::from_utf8(&value[..end]).unwrap();
    let mut words = line.split(' ');
    let mut next = || words.next().unwrap();
    let (number, at_ms) = (next().parse().unwrap(), next().parse().unwrap());
    Picture { number, at_ms, key: next() == "true", gap: next() == "true", bytes: value[end + 1..].to_vec() }
}

/// Captures until `enough` says so of the health of all cameras, or all have ended; returns the pictures and the last health of each.
fn capture(
    folder: &Path,
    cameras: &str,
    enough: impl Fn(&BTreeMap<String, Health>) -> bool,
) -> (BTreeMap<String, Vec<Picture>>, BTreeMap<String, Health>) {
    let text = format!("version: 1\nhealth_every: 1 s\ncameras:\n{cameras}");
    let config = Config::read("cameras.yaml", &text).unwrap_or_else(|problems| panic!("{problems}"));
    let store = LocalTransport::open(folder.join("city.db")).unwrap();
    let (stop, mut last) = (Arc::new(AtomicBool::new(false)), BTreeMap::<String, Health>::new());
    let stopping = Arc::clone(&stop);
    let capture = Capture { config, store: &store, records: &Plainly, partitions: 2, bytes_most: 1 << 20, stop };
    let mut observe = |health: &Health| {
        let frames = last.get(&health.camera).map_or(0, |before| before.frames);
        last.insert(health.camera.clone(), Health { frames: frames + health.frames, ..health.clone() });
        if enough(&last) {
            stopping.store(true, Ordering::Relaxed);
        }
    };
    capture.run(&mut observe).unwrap();
    let mut pictures = BTreeMap::<String, Vec<Picture>>::new();
    for partition in store.partitions("frames").unwrap() {
        let (mut reader, mut batch) = (store.reader("frames", partition, 0).unwrap(), Batch::default());
        while reader.read(1 << 20, &mut batch).unwrap() == Position::More {}
        for record in &batch.records {
            let camera = String::from_utf8(batch.key(record).to_vec()).unwrap();
            pictures.entry(camera).or_default().push(read(batch.value(record).unwrap()));
        }
    }
    (pictures, last)
}

#[test]
fn recordings_come_whole_and_decode_to_what_the_program_ffmpeg_decodes() {
    let folder = tempfile::tempdir().unwrap();
    let videos = [
        ("plain", "mp4", "h264", PLAIN),
        ("reordered", "mp4", "h264", REORDERED),
        ("h265", "mp4", "hevc", H265),
        ("mjpeg", "avi", "mjpeg", MJPEG),
        ("stream", "ts", "h264", REORDERED),
    ];
    let mut cameras = String::new();
    for (name, ending, _, encoder) in &videos {
        let Some(path) = recording(folder.path(), &format!("{name}.{ending}"), encoder) else { return };
        cameras += &format!("  {name}: {{file: {}, pace: fast, begins: 2026-01-01T07:00:00Z}}\n", path.display());
    }
    let (all, health) = capture(folder.path(), &cameras, |_| false);
    for (name, ending, format, _) in &videos {
        let pictures = &all[*name];
        assert_eq!(pictures.len(), 50, "{name}");
        let numbers: BTreeSet<u64> = pictures.iter().map(|picture| picture.number).collect();
        assert_eq!(numbers, (SEVEN_MS..SEVEN_MS + 50).collect(), "{name}: no number is left out or comes twice");
        for picture in pictures {
            let since_ms = (picture.number - SEVEN_MS) * 40;
            assert!(picture.at_ms.abs_diff(SEVEN_MS + since_ms) <= 1 && !picture.gap, "{name}: {} at {}", picture.number, picture.at_ms);
        }
        let keys = pictures.iter().filter(|picture| picture.key).count();
        assert!(pictures[0].key && keys >= 3, "{name}");
        let written = folder.path().join(format!("{name}.{format}"));
        let bytes: Vec<u8> = pictures.iter().flat_map(|picture| picture.bytes.clone()).collect();
        std::fs::write(&written, bytes).unwrap();
        assert_eq!(decoded(&written), decoded(&folder.path().join(format!("{name}.{ending}"))), "{name}: the same pictures");
        let health = &health[*name];
        assert_eq!((health.state, health.frames, health.gaps, health.dropped, health.reconnects), (State::Ended, 50, 0, 0, 0), "{name}");
    }
}

/// Decoding can begin at any key frame: with the parameters it carries it is complete.
#[test]
fn a_key_frame_of_a_file_carries_what_a_decoder_must_know() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = recording(folder.path(), "plain.mp4", PLAIN) else { return };
    let (all, _) = capture(folder.path(), &format!("  c1: {{file: {}, pace: fast}}\n", path.display()), |_| false);
    let from = all["c1"].iter().rposition(|picture| picture.key).unwrap();
    assert!(from >= 30);
    let written = folder.path().join("end.h264");
    std::fs::write(&written, all["c1"][from..].iter().flat_map(|picture| picture.bytes.clone()).collect::<Vec<u8>>()).unwrap();
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(&written).args(["-vsync", "0", "-f", "framemd5", "-"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let pictures = String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(pictures, 50 - from);
}

#[test]
fn a_file_that_is_cut_short_or_none_or_missing_is_told_and_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = recording(folder.path(), "whole.ts", PLAIN) else { return };
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(folder.path().join("cut.ts"), &bytes[..bytes.len() / 2]).unwrap();
    // Every seventh byte is another one: neither a video nor nothing.
    let noise: Vec<u8> = bytes.iter().zip(0_u8..=6).cycle().take(40_000).map(|(byte, n)| byte.wrapping_mul(31).wrapping_add(n)).collect();
    std::fs::write(folder.path().join("noise.mp4"), noise).unwrap();
    let names = ["whole.ts", "cut.ts", "noise.mp4", "missing.mp4"];
    let camera = |name: &&str| format!("  {}: {{file: {}/{name}, pace: fast}}\n", name.split('.').next().unwrap(), folder.path().display());
    let cameras: String = names.iter().map(camera).collect();
    let failed = |health: &Health| health.state == State::Waiting && health.error.is_some();
    let (all, health) = capture(folder.path(), &cameras, |health| {
        let is = |name: &str, what: &dyn Fn(&Health) -> bool| health.get(name).is_some_and(what);
        is("whole", &|health| health.state == State::Ended) && is("noise", &failed) && is("missing", &failed)
    });
    assert_eq!(all["whole"].len(), 50);
    assert!((15..35).contains(&all["cut"].len()), "{} pictures of half a file", all["cut"].len());
    assert!(!all.contains_key("noise") && !all.contains_key("missing"));
    assert!(health["missing"].reconnects >= 1 && health["missing"].error.as_deref().unwrap().contains("no such file"), "{health:?}");
}

#[test]
fn everything_that_is_wrong_with_a_configuration_is_told_and_no_secret_is() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hush-hush-no-colon").unwrap();
    let text = format!(
        "version: 1\ncameras:\n  c1: {{url: 'rtsp://me:hush-hush@10.0.0.1/a'}}\n  c2: {{url: 'http://10.0.0.1/a', timout: 1 s}}\n  c3: {{}}\n  \
         c4: {{url: 'rtsp://10.0.0.1/a', credentials: {{file: {}}}}}\n  c5: {{url: 'rtsp://10.0.0.1/a', credentials: {{env: NOT_SET_ANYWHERE}}}}\n  \
         c6: {{file: a.mp4, timeout: 10 s}}\n  c7: {{url: 'rtsp://10.0.0.1/a', pace: fast, timeout: 1 ms}}\n  c8: {{file: a.mp4, begins: noon}}\n",
        secret.display()
    );
    let told = Config::read("cameras.yaml", &text).unwrap_err().to_string();
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
        assert!(told.contains(words), "{words:?} is missing in\n{told}");
    }
    assert!(told.contains("rtsp://************@10.0.0.1/a") && !told.contains("hush"), "{told}");
}

#[test]
fn credentials_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "watcher:hush/hush@100%\n").unwrap();
    let text = format!("version: 1\ncameras: {{c1: {{url: 'rtsp://10.0.0.1:554/a', credentials: {{file: {}}}}}}}\n", secret.display());
    let config = Config::read("cameras.yaml", &text).unwrap_or_else(|problems| panic!("{problems}"));
    let shown = format!("{config:?}");
    assert!(shown.contains("10.0.0.1") && !shown.contains("hush") && !shown.contains("watcher"), "{shown}");
}
