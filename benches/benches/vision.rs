//! Promises: FastestDet looks at a picture in a third of onnxruntime's time or less, LPRNet reads 300 plates a second, decoding is as
//! fast as FFmpeg's own program to a twentieth, all on one core; and how many cameras a core perceives at five pictures a second,
//! and what memory one takes.
//!
//! Weights and a real film are data of `../shared`; what is not there is left out, and said. How fast a network is does not depend
//! on what a picture shows, so they are noise here; but our reader looks again where it is not sure, so its plates are drawn.

use std::cell::RefCell;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use benches::film::{encode, frames};
use benches::race::{Contender, Work, race};
use city::Random;
use city::plates::{Corner, Issue, Lettering, Sample, Set, Workshop};
use operators::stream::{Offload, OffloadLimits, WhenFull};
use operators::vision::candle::{FastestDet, LprNet, VietnamesePlateReader};
use operators::vision::onnx::{Colours, Fit, Layout, OnnxDetector, OnnxInput, OnnxOutput, OnnxParameters};
use operators::vision::{
    DecodeLimits, Decoded, Decoder, DetectParameters, Detector, DetectorModel, PerceiveParameters, Picture, PlateCorners, PlateReader,
    Sight, Take, Task, WeightsFile,
};
use schemas::{Frame, Name};

/// A film for each measurement: size and pictures.
const FILMS: [(&str, usize); 2] = [("1280x720", 1_000), ("1920x1080", 500)];
const ROUNDS: usize = 7;

fn main() {
    let quick = benches::quick();
    let (rounds, count) = if quick { (1, 2) } else { (ROUNDS, 500) };
    networks(rounds, count);
    let folder = tempfile::tempdir().expect("a folder for films");
    for (size, pictures) in FILMS {
        decoding(folder.path(), size, if quick { 10 } else { pictures }, rounds);
    }
    perceiving(folder.path(), if quick { 10 } else { 1_000 }, rounds);
    memory(folder.path(), if quick { 10 } else { 200 });
}

fn shared(file: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(file);
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        println!("left out: there is no {}", path.display());
    }
    bytes
}

fn noise(width: u32, height: u32, seed: u32) -> Picture {
    let bytes = (0..width * height * 3).map(|i| ((i ^ seed.wrapping_mul(0x9e37)).wrapping_mul(2_654_435_761) >> 24) as u8);
    Picture::new(width, height, bytes.collect()).expect("as many bytes as pixels")
}

/// Plates as a street in fog and rain has them, cut out and straightened.
fn drawn(count: usize, (width, height): (u32, u32)) -> Vec<Picture> {
    let mut random = Random::of(1, 1);
    let letterings = (0..3).map(|_| Lettering::drawn(Corner::Cut, &mut random)).collect();
    let workshop = Workshop { letterings, issue: Issue::lawful, set: Set::Unseen, letter_px: [12.0, 40.0] };
    let plates = std::iter::repeat_with(|| {
        let Sample { image, corners, .. } = workshop.plate(&mut random);
        let corners = PlateCorners { corners: corners.map(|corner| corner.map(|v| v as f32)), confidence: 1_000 };
        Picture::new(image.width as u32, image.height as u32, image.bytes())?.straightened(&corners, width, height)
    });
    plates.flatten().take(count).collect()
}

fn networks(rounds: usize, count: usize) {
    let one = |name, amount: usize, run: &mut dyn FnMut()| {
        let run = RefCell::new(run);
        let work = Work { name, unit: "pictures", amount: amount as u64 };
        race(work, rounds, &mut [Contender::new("one thread", || run.borrow_mut()())]);
    };
    if let (Some(weights), Some(file)) = (shared("models/fastestdet.pth"), shared("models/fastestdet.onnx")) {
        let ours = RefCell::new(FastestDet::load(&weights, DetectParameters::default()).expect("its weights"));
        let brought = RefCell::new(OnnxDetector::load(&file, &described(), 400).expect("its file"));
        let pictures: Vec<_> = (0..16).map(|seed| noise(768, 432, seed)).collect();
        let look = |network: &RefCell<dyn Detector>| _ = black_box(network.borrow_mut().detect(&pictures).expect("a run"));
        let work = Work { name: "FastestDet, pictures of 768 × 432", unit: "pictures", amount: 16 };
        let peer = OnnxRuntime::start(pictures.len());
        let mut contenders = Vec::new();
        contenders.extend(peer.as_ref().map(|peer| Contender::new("onnxruntime, the network alone", || peer.detect())));
        contenders.push(Contender::new("one thread", || look(&ours)));
        contenders.push(Contender::new("from its ONNX file, by tract", || look(&brought)));
        race(work, rounds, &mut contenders);
    }
    if let Some(weights) = shared("models/lprnet.pth") {
        let mut network = LprNet::load(&weights).expect("its weights");
        let plates: Vec<_> = (0..count as u32).map(|seed| noise(94, 24, seed)).collect();
        one("LPRNet", count, &mut || _ = black_box(network.read(&plates).expect("a run")));
    }
    let weights =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../jobs/weights/plate_reader.safetensors")).expect("a committed file");
    let mut network = VietnamesePlateReader::load(&weights).expect("its weights");
    let plates = drawn(count, network.size());
    one("reader of Vietnamese plates", count, &mut || _ = black_box(network.read(&plates).expect("a run")));
}

/// FastestDet by onnxruntime, in a process of its own.
struct OnnxRuntime {
    process: RefCell<Child>,
}

impl OnnxRuntime {
    /// Starts it, if `make bench` has fetched it, with so many pictures.
    fn start(pictures: usize) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = folder.join("../target/peers/onnxruntime/bin/python");
        if !python.exists() {
            println!("left out: there is no {}; \"make bench\" fetches it", python.display());
            return None;
        }
        let mut command = Command::new(python);
        command.arg(folder.join("peers/onnxruntime/detect.py")).arg(folder.join("../../shared/data/models/fastestdet.onnx"));
        command.arg(pictures.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let process = RefCell::new(command.spawn().expect("python, which is there"));
        let started = Self { process };
        started.detect();
        Some(started)
    }

    /// Looks at its pictures once.
    fn detect(&self) {
        let mut process = self.process.borrow_mut();
        process.stdin.as_mut().expect("a pipe").write_all(b"\n").expect("onnxruntime");
        let answered = process.stdout.as_mut().expect("a pipe").read(&mut [0; 8]).expect("onnxruntime");
        assert!(answered > 0, "onnxruntime ended");
    }
}

impl Drop for OnnxRuntime {
    fn drop(&mut self) {
        let process = self.process.get_mut();
        _ = process.kill().and_then(|()| process.wait());
    }
}

/// The program `ffmpeg` on one thread, which gives its pictures to nobody, and our decoder on the same stream.
fn decoding(folder: &Path, size: &str, pictures: usize, rounds: usize) {
    let Some(film) = encode(folder, size, pictures) else { return };
    let frames = frames(&film);
    let program = || {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-threads", "1", "-i"]).arg(&film).args(["-f", "null", "-"]).stdin(Stdio::null());
        assert!(command.status().expect("the program ffmpeg").success());
    };
    let ours = || assert_eq!(decode(&frames), frames.len(), "every frame gives a picture");
    let name = format!("decoding H.264, {size}");
    race(
        Work { name: &name, unit: "frames", amount: frames.len() as u64 },
        rounds,
        &mut [Contender::new("ffmpeg -threads 1 -f null", program), Contender::new("decoder", ours)],
    );
}

fn decode(frames: &[Frame]) -> usize {
    let (mut decoder, mut seen) = (Decoder::new(DecodeLimits::default()), 0);
    let mut tell = |(), decoded: Decoded<'_>| seen += usize::from(matches!(decoded, Decoded::Picture(_)));
    frames.iter().for_each(|frame| decoder.decode(frame, true, (), &mut tell));
    decoder.finish(&mut tell);
    seen
}

/// A camera's film through a pool of one thread, as the job `perceive` has it.
fn perceiving(folder: &Path, pictures: usize, rounds: usize) {
    let (Some(weights), Some(film)) = (shared("models/fastestdet.pth"), encode(folder, "768x432", pictures)) else { return };
    let frames = frames(&film);
    let span_ms = frames.len() as u64 * 40;
    let run = || {
        let pool = pool(&weights);
        show(&pool, &frames);
        pool.end(&frames[0].camera);
        wait(&pool);
    };
    let work = Work { name: "perceiving 768 × 432, five pictures a second", unit: "frames", amount: frames.len() as u64 };
    let cost = race(work, rounds, &mut [Contender::new("one thread", run)])[0];
    println!("{:.0} cameras a core", span_ms as f64 / 1_000.0 / cost.busiest.as_secs_f64());
}

type Pool = Offload<Name, Task, Sight>;

/// A thread with a network.
fn pool(weights: &[u8]) -> Pool {
    let detector = FastestDet::load(weights, DetectParameters::default()).expect("its weights");
    let sights = vec![Sight::new(parameters(), Box::new(detector))];
    Offload::start(sights, OffloadLimits { queue: 256, batch: 16 }, |task| task.frame.key).expect("a thread")
}

fn show(pool: &Pool, frames: &[Frame]) {
    for (tag, frame) in (0..).zip(frames) {
        let task = Task { frame: frame.clone(), tag, follows: tag.checked_sub(1), take: Take::Look };
        pool.offer(frame.camera, task, WhenFull::Wait).expect("a pool that runs");
    }
}

fn wait(pool: &Pool) {
    while !pool.is_idle() {
        black_box(pool.said(Duration::from_millis(20)).expect("a pool that runs"));
    }
}

/// What each further camera of 1080p takes that is decoded on a thread and stays there: resident memory with ten of them, less that
/// with two.
fn memory(folder: &Path, pictures: usize) {
    let (Some(weights), Some(film)) = (shared("models/fastestdet.pth"), encode(folder, "1920x1080", pictures)) else { return };
    let (pool, mut frames, mut resident) = (pool(&weights), frames(&film), Vec::new());
    for camera in 1..=10 {
        frames.iter_mut().for_each(|frame| frame.camera = Name::of(&format!("c{camera}")));
        show(&pool, &frames);
        wait(&pool);
        resident.push(city::resident_bytes() / 1e6);
    }
    println!("1080p: {:.0} MB with one camera on the thread, {:.0} MB with each further", resident[0], (resident[9] - resident[1]) / 8.0);
}

/// FastestDet, as if it were any network that a user brings.
fn described() -> OnnxParameters {
    let input = OnnxInput { colours: Colours::Bgr, fit: Fit::Stretch, ..OnnxInput::default() };
    OnnxParameters { weights: String::new(), input, output: OnnxOutput { layout: Layout::FastestDet, ..OnnxOutput::default() } }
}

fn parameters() -> PerceiveParameters {
    PerceiveParameters {
        detector: DetectorModel::FastestDet(WeightsFile { weights: String::new() }),
        plates: None,
        every: schemas::Duration::from_ms(200),
        confidence: 300,
        regions: std::collections::BTreeMap::new(),
        pixels_most: DecodeLimits::default().pixels_most,
        behind: schemas::Duration::from_ms(10_000),
    }
}
