//! Live: a camera on the network, of GStreamer's making. It goes and comes back; capture comes back by itself.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use engine::capture::{Capture, Config, Health, Packet, Records, State};
use engine::transport::local::LocalTransport;

const PASSWORD: &str = "hush:hush@home/100%";

/// Whether a tool that is missing may be; it is told that the test is skipped.
fn skipped(what: &str) {
    assert!(std::env::var_os("REQUIRE_LIVE").is_none_or(|v| v != "1"), "REQUIRE_LIVE=1, but there is no {what}");
    println!("skipped: {what} is not here");
}

/// Half a minute of 25 pictures a second, a key frame each second.
fn recording(path: &Path) -> bool {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=30", "-pix_fmt", "yuv420p"]);
    command.args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "0"]).arg(path);
    command.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A camera, killed with the test.
struct Camera(Child);

impl Camera {
    /// Begins to serve a recording; nothing where GStreamer is not there.
    fn begin(video: &Path, port: u16) -> Option<Self> {
        let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rtsp_server.py");
        // That of the system, which has its packages.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(server).arg(video).args([&port.to_string(), PASSWORD]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut camera = Self(command.spawn().ok()?);
        let mut line = String::new();
        BufReader::new(camera.0.stdout.take()?).read_line(&mut line).ok()?;
        (line.trim() == "listening").then_some(camera)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Remembers what was written, beside the store.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Vec<Packet>>>);

impl Noted {
    fn pictures(&self) -> Vec<Packet> {
        self.0.lock().unwrap().clone()
    }
}

impl Records for Noted {
    fn picture(&self, packet: &Packet) -> Vec<u8> {
        self.0.lock().unwrap().push(packet.clone());
        packet.bytes.clone()
    }

    fn health(&self, health: &Health) -> Vec<u8> {
        serde_json::to_vec(health).unwrap()
    }

    fn partition(&self, _: &str, _: u32) -> u32 {
        0
    }
}

/// Asks until it is so.
fn until(what: &str, mut ask: impl FnMut() -> bool) {
    let began = Instant::now();
    while !ask() {
        assert!(began.elapsed() < Duration::from_secs(90), "nothing came of it: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_camera_that_goes_and_comes_back_is_captured_again_and_no_frame_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let video = folder.path().join("road.mp4");
    if !recording(&video) {
        return skipped("the program ffmpeg");
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(camera) = Camera::begin(&video, port) else {
        return skipped("GStreamer's RTSP server (Debian: gir1.2-gst-rtsp-server-1.0)");
    };
    let secret = folder.path().join("secret");
    std::fs::write(&secret, format!("camera:{PASSWORD}\n")).unwrap();
    // Beside it one that nobody answers for: it holds up nothing.
    let text = format!(
        "version: 1\nhealth_every: 1 s\ncameras:\n  c1: {{url: 'rtsp://127.0.0.1:{port}/stream1', credentials: {{file: {0}}}, timeout: 5 s}}\n  \
         dead: {{url: 'rtsp://127.0.0.1:1/none', credentials: {{file: {0}}}}}\n",
        secret.display()
    );
    let config = Config::read("cameras.yaml", &text).unwrap_or_else(|problems| panic!("{problems}"));
    let (store, noted) = (LocalTransport::open(folder.path().join("city.db")).unwrap(), Noted::default());
    let (stop, healths) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeMap::<String, Health>::new())));
    let records = noted.clone();
    let (told, stopping) = (Arc::clone(&healths), Arc::clone(&stop));
    let running = thread::spawn(move || {
        let capture = Capture { config, store: &store, records: &records, partitions: 1, bytes_most: 1 << 20, stop: stopping };
        capture.run(&mut |health| _ = told.lock().unwrap().insert(health.camera.clone(), health.clone()))
    });
    let is = |state: State| healths.lock().unwrap().get("c1").is_some_and(|health| health.state == state);
    until("pictures come", || noted.pictures().len() > 60);

    drop(camera);
    until("it is noticed that the camera is gone", || is(State::Waiting));
    let before = noted.pictures().len();
    let camera = Camera::begin(&video, port).unwrap();
    until("pictures come again", || noted.pictures().len() > before + 60);
    until("it is told that they come", || is(State::Streaming));
    // A server sends its first report when it likes, some seconds in.
    until("a sender report comes", || noted.pictures().iter().any(|picture| picture.error_ms == 50));
    stop.store(true, Ordering::Relaxed);
    running.join().unwrap().unwrap();
    drop(camera);

    let pictures = noted.pictures();
    assert!(pictures.iter().all(|picture| &*picture.camera == "c1"));
    assert!(pictures.windows(2).all(|pair| pair[0].number < pair[1].number), "no number comes twice, and all grow");
    assert!(pictures[before].gap && pictures[before].key, "the gap is marked, and decoding can begin behind it");
    assert!(pictures.iter().any(|picture| picture.error_ms == 50), "a sender report was believed");
    let paces: Vec<u64> = pictures[..before].windows(2).map(|pair| pair[1].at_ms.abs_diff(pair[0].at_ms)).collect();
    assert!(paces.iter().filter(|ms| (30..=50).contains(*ms)).count() * 10 > paces.len() * 8, "25 pictures a second: {paces:?}");
    let healths = healths.lock().unwrap();
    assert!(healths["c1"].reconnects >= 1 && healths["dead"].reconnects >= 1 && healths["dead"].error.is_some(), "{healths:?}");
    assert!(!format!("{healths:?}").contains("hush"), "no password is told");
    let kept = std::fs::read(folder.path().join("city.db")).unwrap();
    assert!(!kept.windows(4).any(|bytes| bytes == b"hush"), "no password lies in the store");
}
