//! The stage between two topics: stopped or cut off at any moment, it says everything once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::stage::StageRun;
use engine::transport::local::LocalTransport;
use engine::transport::{NewRecord, TopicStore, Transport};
use engine::{Binding, Report, RunError, Settings};
use jobs::perceive::{Counted, Perceive};
use operators::vision::{Detection, Detector, DetectorModel, PerceiveParameters, Picture, Sight, VisionError, WeightsFile};
use schemas::{Class, Frame, Name, Observation, PixelBox, Reason, Rejected};

use crate::program::{out, recording, records};

/// Sees one car, whose box tells what the picture is; after so many pictures it fails, as a machine does that is switched off.
struct Brightness {
    left: Arc<std::sync::atomic::AtomicI64>,
    slow: Duration,
}

impl Detector for Brightness {
    fn detect(&mut self, pictures: &[Picture]) -> Result<Vec<Vec<Detection>>, VisionError> {
        std::thread::sleep(self.slow);
        if self.left.fetch_sub(pictures.len() as i64, Ordering::Relaxed) < 0 {
            return Err(VisionError("switched off".to_owned()));
        }
        let see = |picture: &Picture| {
            let sum: u64 = picture.bgr().iter().map(|byte| u64::from(*byte)).sum();
            let bounds = PixelBox { x: (sum % 60_000) as i32, y: 0, width: 10, height: 10 };
            vec![Detection { class: Class::Car, confidence: 900, bounds }]
        };
        Ok(pictures.iter().map(see).collect())
    }
}

fn parameters(every_ms: u64, behind_ms: u64) -> PerceiveParameters {
    PerceiveParameters {
        detector: DetectorModel::FastestDet(WeightsFile { weights: String::new() }),
        plates: None,
        every: schemas::Duration::from_ms(every_ms),
        confidence: 300,
        regions: BTreeMap::new(),
        pixels_most: 1_000_000,
        behind: schemas::Duration::from_ms(behind_ms),
    }
}

/// How one life of the stage is to go.
pub(crate) struct Life {
    threads: usize,
    /// Pictures after which it is switched off.
    breaks: i64,
    /// Commits after which it is told to stop.
    stops: Option<u64>,
    /// Frames told of after which it is told to stop.
    told: Option<u64>,
    bounded: bool,
    behind_ms: u64,
    slow: Duration,
}

impl Default for Life {
    fn default() -> Self {
        Self { threads: 2, breaks: i64::MAX, stops: None, told: None, bounded: true, behind_ms: 10_000, slow: Duration::ZERO }
    }
}

pub(crate) fn live(store: &Path, life: &Life) -> (Result<Report, RunError>, BTreeMap<Name, Counted>) {
    let left = Arc::new(std::sync::atomic::AtomicI64::new(life.breaks));
    let parameters = parameters(80, life.behind_ms);
    let sight = || Sight::new(parameters.clone(), Box::new(Brightness { left: Arc::clone(&left), slow: life.slow }));
    let sights = (0..life.threads).map(|_| sight()).collect();
    let mut stage = Perceive::start(&parameters, sights, "observations").unwrap();
    let figures = stage.figures();
    let transport = Arc::new(LocalTransport::open(store).unwrap()) as Arc<dyn Transport>;
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let run = StageRun {
        stage: &mut stage,
        name: "perceive".to_owned(),
        definition: "1".to_owned(),
        goes_on_from_others: false,
        source: Binding { source: "frames".to_owned(), transport: Arc::clone(&transport), topic: "frames".to_owned(), table: false },
        sink: transport,
        outputs: vec!["observations".to_owned(), "rejected".to_owned()],
        refused: jobs::perceive::refused,
        settings: Settings { bounded: life.bounded, epoch_gap: Duration::ZERO, ..Settings::default() },
        stop,
    };
    let report = run.run(&mut |report| {
        let told = || figures.now().values().map(|c| c.seen + c.unwanted + c.dropped + c.passed_over + c.refused).sum::<u64>();
        if life.stops.is_some_and(|commits| report.commits >= commits) || life.told.is_some_and(|most| told() >= most) {
            stopping.store(true, Ordering::Relaxed);
        }
    });
    (report, figures.now())
}

/// A store with the frames of three recordings, spread over two partitions; nothing without the program `ffmpeg`.
pub(crate) fn captured(folder: &Path, reordered: bool) -> Option<std::path::PathBuf> {
    let mut cameras = String::new();
    for (name, size) in [("c1", "160x120"), ("c2", "128x96"), ("c3", "96x64")] {
        let path = folder.join(format!("{name}.mp4"));
        let order = if reordered { "2" } else { "0" };
        recording(&path, size, 4, &["-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", order])?;
        cameras += &format!("  {name}: {{file: {}, pace: fast, begins: 2026-01-01T07:00:00Z}}\n", path.display());
    }
    let (config, store) = (folder.join("cameras.yaml"), folder.join("frames.db"));
    std::fs::write(&config, format!("version: 1\ncameras:\n{cameras}")).unwrap();
    out(&["capture", config.to_str().unwrap(), "--local", store.to_str().unwrap(), "--partitions", "2"]);
    Some(store)
}

pub(crate) fn by_camera(observations: Vec<Observation>) -> BTreeMap<Name, Vec<Observation>> {
    observations.into_iter().fold(BTreeMap::new(), |mut cameras, observation| {
        cameras.entry(observation.camera).or_insert_with(Vec::new).push(observation);
        cameras
    })
}

pub(crate) fn numbers(seen: &[Observation]) -> Vec<u64> {
    seen.iter().map(|observation| observation.frame).collect()
}

/// Copies a store whose frames are there and nothing else.
pub(crate) fn copy(store: &Path, name: &str) -> std::path::PathBuf {
    let to = store.with_file_name(name);
    for ending in ["", "-wal"] {
        let from = format!("{}{ending}", store.display());
        if Path::new(&from).is_file() {
            std::fs::copy(from, format!("{}{ending}", to.display())).unwrap();
        }
    }
    to
}

/// Lives that end by chance, one after the other, until the input is through; returns how many there were.
fn lives(store: &Path, seed: u64) -> u64 {
    let mut chance = seed;
    for life in 1..200 {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let some = (chance >> 33) % 40;
        let stops = (chance >> 20).is_multiple_of(2);
        let (breaks, stops) = if stops { (i64::MAX, Some(1 + some / 4)) } else { (5 + some as i64, None) };
        match live(store, &Life { breaks, stops, threads: 1 + (life % 3) as usize, ..Life::default() }).0 {
            Ok(report) if report.finished => return life,
            Ok(_) => {}
            Err(RunError::Work { message, .. }) => assert_eq!(message, "switched off"),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it does not come to an end")
}

#[test]
fn a_job_that_is_cut_off_again_and_again_neither_loses_nor_repeats_an_observation() {
    let folder = tempfile::tempdir().unwrap();
    let Some(store) = captured(folder.path(), false) else { return };
    let calm = copy(&store, "calm.db");
    let (report, figures) = live(&calm, &Life::default());
    assert!(report.unwrap().finished);
    let expected = by_camera(records(&calm, "observations"));
    assert_eq!(expected.values().map(Vec::len).collect::<Vec<_>>(), [50; 3], "every second of 100 pictures");
    assert!(figures.values().all(|counted| (counted.seen, counted.unwanted, counted.refused) == (50, 50, 0)), "{figures:?}");
    let mut lived = 0;
    for seed in 0..6 {
        let store = copy(&store, &format!("{seed}.db"));
        lived += lives(&store, seed);
        for (camera, seen) in by_camera(records(&store, "observations")) {
            assert_eq!(numbers(&seen), numbers(&expected[&camera]), "{camera}, seed {seed}");
            assert!(seen == expected[&camera], "{camera}, seed {seed}: the same pictures were seen");
        }
        assert!(records::<Rejected>(&store, "rejected").is_empty());
    }
    assert!(lived > 9, "it was cut off too seldom: {lived} lives of six jobs");
}

/// Where pictures change places in the stream a restart may say some again, under the same number; none is lost.
#[test]
fn streams_that_change_the_order_of_pictures_lose_none_either() {
    let folder = tempfile::tempdir().unwrap();
    let Some(store) = captured(folder.path(), true) else { return };
    let calm = copy(&store, "calm.db");
    assert!(live(&calm, &Life::default()).0.unwrap().finished);
    let expected = by_camera(records(&calm, "observations"));
    for (camera, seen) in &expected {
        assert!(seen.len() == 50 && numbers(seen).is_sorted(), "{camera}: one of every two pictures, in order: {:?}", numbers(seen));
    }
    for seed in 0..2 {
        let store = copy(&store, &format!("{seed}.db"));
        lives(&store, seed);
        for (camera, mut seen) in by_camera(records(&store, "observations")) {
            seen.sort_by_key(|observation| observation.frame);
            seen.dedup();
            let (said, all) = (numbers(&seen), numbers(&expected[&camera]));
            assert!(all.iter().all(|number| said.contains(number)), "{camera}, seed {seed}: {all:?} in {said:?}");
            assert!(said.windows(2).all(|pair| pair[0] < pair[1]), "{camera}: what is said twice is the same");
        }
    }
}

#[test]
fn what_is_no_frame_or_cannot_be_decoded_is_a_row_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let Some(store) = captured(folder.path(), false) else { return };
    let frames: Vec<Frame> = records(&store, "frames");
    let local = LocalTransport::open(&store).unwrap();
    local.create_topic("spoilt", 1).unwrap();
    let camera = frames[0].camera;
    let encode = |frame: &Frame| {
        let mut bytes = Vec::new();
        schemas::wire::Format::Bincode.encode(frame, &mut bytes);
        bytes
    };
    let mut values: Vec<Option<Vec<u8>>> = frames.iter().filter(|frame| frame.camera == camera).map(|frame| Some(encode(frame))).collect();
    let spoilt = |number: usize, change: &dyn Fn(&mut Frame)| {
        let mut frame = frames.iter().filter(|frame| frame.camera == camera).nth(number).unwrap().clone();
        change(&mut frame);
        Some(encode(&frame))
    };
    values[5] = Some(b"no frame at all".to_vec());
    values[6] = None;
    values[30] = spoilt(30, &|frame| frame.bytes.fill(0xff));
    values[50] = spoilt(50, &|frame| frame.bytes.clear());
    values[70] = spoilt(69, &|_| {});
    let record =
        |value: &Option<Vec<u8>>| local.append("spoilt", &[NewRecord { value: value.as_deref(), ..NewRecord::default() }]).unwrap();
    values.iter().for_each(record);
    drop(local);
    let (report, figures) = live_topic(&store, "spoilt");
    assert!(report.unwrap().finished);
    let rejected: Vec<Rejected> = records(&store, "rejected");
    let told: Vec<(u64, Reason)> = rejected.iter().map(|row| (row.offset, row.reason)).collect();
    let expected = [(5, Reason::Unreadable), (6, Reason::Invalid), (30, Reason::Invalid), (50, Reason::Invalid), (70, Reason::Duplicate)];
    let mut sorted = told.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected, "{rejected:?}");
    assert_eq!(rejected.iter().find(|row| row.offset == 5).unwrap().record.as_deref(), Some("no frame at all"));
    let counted = figures[&camera];
    // 30 to 35 hang on the broken one.
    assert_eq!((counted.refused, counted.passed_over), (2, 5), "{counted:?}");
}

fn live_topic(store: &Path, topic: &str) -> (Result<Report, RunError>, BTreeMap<Name, Counted>) {
    let left = Arc::new(std::sync::atomic::AtomicI64::new(i64::MAX));
    let parameters = parameters(0, 10_000);
    let sights = vec![Sight::new(parameters.clone(), Box::new(Brightness { left, slow: Duration::ZERO }))];
    let mut stage = Perceive::start(&parameters, sights, "observations").unwrap();
    let figures = stage.figures();
    let transport = Arc::new(LocalTransport::open(store).unwrap()) as Arc<dyn Transport>;
    let run = StageRun {
        stage: &mut stage,
        name: "spoilt".to_owned(),
        definition: "1".to_owned(),
        goes_on_from_others: false,
        source: Binding { source: "frames".to_owned(), transport: Arc::clone(&transport), topic: topic.to_owned(), table: false },
        sink: transport,
        outputs: vec!["observations".to_owned(), "rejected".to_owned()],
        refused: jobs::perceive::refused,
        settings: Settings { bounded: true, ..Settings::default() },
        stop: Arc::default(),
    };
    (run.run(&mut |_| ()), figures.now())
}

/// The frames are of last New Year's Day: a live job is too far behind, lets them go, and keeps the key frames for last.
#[test]
fn work_that_is_too_far_behind_lets_frames_go_key_frames_last_and_counts_them() {
    let folder = tempfile::tempdir().unwrap();
    let Some(store) = captured(folder.path(), false) else { return };
    let life = Life { threads: 1, bounded: false, behind_ms: 1_000, slow: Duration::from_millis(150), told: Some(300), ..Life::default() };
    let (report, figures) = live(&store, &life);
    assert!(!report.unwrap().finished);
    let all = |count: fn(&Counted) -> u64| figures.values().map(count).sum::<u64>();
    let (seen, dropped) = (all(|counted| counted.seen), all(|counted| counted.dropped));
    let (unwanted, passed_over) = (all(|counted| counted.unwanted), all(|counted| counted.passed_over));
    assert_eq!(seen + dropped + unwanted + passed_over, 300, "each is counted once: {figures:?}");
    assert!(dropped > 0 && seen > 0, "{figures:?}");
    let keys: Vec<u64> = records::<Frame>(&store, "frames").iter().filter(|frame| frame.key).map(|frame| frame.frame).collect();
    let seen: Vec<u64> = records::<Observation>(&store, "observations").iter().map(|observation| observation.frame).collect();
    assert!(
        seen.iter().filter(|frame| keys.contains(frame)).count() * 2 > keys.len(),
        "most key frames are looked at: {seen:?} of {keys:?}"
    );
}
