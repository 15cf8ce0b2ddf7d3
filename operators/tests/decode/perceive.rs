//! Frames of several cameras through a pool: what each camera shows is seen in its order, however work is spread.

use std::collections::BTreeMap;
use std::time::Duration;

use operators::stream::{Offload, OffloadLimits, WhenFull};
use operators::vision::{
    Detection, Detector, DetectorModel, Outcome, PerceiveParameters, Perceived, Picture, Sight, Take, Task, VisionError, WeightsFile,
};
use schemas::{Class, Codec, Frame, Name, PixelBox};

use crate::video::Video;

/// Sees one car whose box tells what the picture is: its mean brightness and the size of what it shows.
struct Brightness;

impl Detector for Brightness {
    fn size(&self) -> Option<(u32, u32)> {
        Some((64, 48))
    }

    fn detect(&mut self, pictures: &[Picture]) -> Result<Vec<Vec<Detection>>, VisionError> {
        let see = |picture: &Picture| {
            let sum: u64 = picture.bgr().iter().map(|byte| u64::from(*byte)).sum();
            let (width, height) = picture.shows();
            let bounds = PixelBox { x: (sum / 100) as i32 % 60_000, y: 0, width: width as i32, height: height as i32 };
            vec![Detection { class: Class::Car, confidence: 900, bounds }]
        };
        Ok(pictures.iter().map(see).collect())
    }
}

fn parameters(every_ms: u64) -> PerceiveParameters {
    PerceiveParameters {
        detector: DetectorModel::FastestDet(WeightsFile { weights: String::new() }),
        plates: None,
        every: schemas::Duration::from_ms(every_ms),
        confidence: 300,
        regions: BTreeMap::new(),
        pixels_most: 1_000_000,
        behind: schemas::Duration::from_ms(1_000),
    }
}

/// Looks at frames of cameras, given by turns; each camera's tags are its frame numbers.
fn look(cameras: &[(Name, &[Frame])], threads: usize, batch: usize, every_ms: u64) -> BTreeMap<Name, Vec<(u64, Outcome)>> {
    let sights = (0..threads).map(|_| Sight::new(parameters(every_ms), Box::new(Brightness))).collect();
    let pool: Offload<Name, Task, Sight> = Offload::start(sights, OffloadLimits { queue: 8, batch }, |task| task.frame.key).unwrap();
    let mut said = Vec::new();
    for place in 0..cameras.iter().map(|(_, frames)| frames.len()).max().unwrap_or(0) {
        for (number, (camera, frames)) in cameras.iter().enumerate() {
            let Some(frame) = frames.get(place) else { continue };
            let tag = |place: usize| (number * 10_000 + place) as u64;
            let (frame, follows) = (Frame { camera: *camera, ..frame.clone() }, place.checked_sub(1).map(tag));
            pool.offer(*camera, Task { frame, tag: tag(place), follows, take: Take::Look }, WhenFull::Wait).unwrap();
        }
    }
    cameras.iter().for_each(|(camera, _)| pool.end(camera));
    while !pool.is_idle() {
        said.extend(pool.said(Duration::from_millis(20)).unwrap());
    }
    let mut by_camera = BTreeMap::<Name, Vec<(u64, Outcome)>>::new();
    for Perceived { camera, tag, outcome } in said {
        by_camera.entry(camera).or_default().push((tag % 10_000, outcome));
    }
    by_camera
}

#[test]
fn what_is_seen_depends_on_nothing_but_the_cameras_own_frames() {
    let (Some(one), Some(two)) = (Video::camera("320x240", 50), Video::camera("160x120", 35)) else { return };
    let cameras = [(Name::of("c1"), &one.frames[..]), (Name::of("c2"), &two.frames[..]), (Name::of("c3"), &one.frames[5..])];
    let alone: BTreeMap<_, _> = cameras.iter().flat_map(|camera| look(&[*camera], 1, 1, 0)).collect();
    for (threads, batch) in [(1, 16), (2, 4), (3, 1), (2, 64)] {
        let together = look(&cameras, threads, batch, 0);
        assert!(together == alone, "{threads} threads, batches of {batch}");
    }
    for (camera, frames) in cameras {
        let said = &alone[&camera];
        assert_eq!(said.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), (0..frames.len() as u64).collect::<Vec<_>>(), "in order");
        for (frame, (_, outcome)) in frames.iter().zip(said) {
            match outcome {
                Outcome::Seen { observation, .. } => {
                    assert_eq!((observation.camera, observation.frame, observation.at_ms), (camera, frame.frame, frame.at_ms));
                    let size = if camera == Name::of("c2") { [160, 120] } else { [320, 240] };
                    assert_eq!([observation.objects[0].bounds.width, observation.objects[0].bounds.height], size);
                }
                outcome => assert!(camera == Name::of("c3") && *outcome == Outcome::PassedOver, "{outcome:?}"),
            }
        }
    }
}

#[test]
fn vehicles_are_looked_for_in_the_region_and_told_on_the_whole_picture() {
    let Some(video) = Video::camera("160x120", 10) else { return };
    let seen = |region: Option<[i32; 4]>| {
        let regions = region.map(|region| (Name::of("c1"), region.into())).into_iter().collect();
        let sight = Sight::new(PerceiveParameters { regions, ..parameters(0) }, Box::new(Brightness));
        let pool: Offload<Name, Task, Sight> =
            Offload::start(vec![sight], OffloadLimits { queue: 100, batch: 4 }, |task| task.frame.key).unwrap();
        for (tag, frame) in (0..).zip(&video.frames) {
            let task = Task { frame: frame.clone(), tag, follows: tag.checked_sub(1), take: Take::Look };
            pool.offer(Name::of("c1"), task, WhenFull::Wait).unwrap();
        }
        pool.end(&Name::of("c1"));
        let mut said = Vec::new();
        while !pool.is_idle() {
            said.extend(pool.said(Duration::from_millis(20)).unwrap());
        }
        said.into_iter().map(|said| said.outcome).collect::<Vec<_>>()
    };
    let boxes = |outcomes: Vec<Outcome>| {
        let bounds = |outcome| match outcome {
            Outcome::Seen { observation, .. } => observation.objects[0].bounds,
            other => panic!("{other:?}"),
        };
        outcomes.into_iter().map(bounds).collect::<Vec<_>>()
    };
    // What the detector of these tests finds is as large as what it sees, and its place says how bright that is.
    let (whole, same) = (boxes(seen(None)), boxes(seen(Some([0, 0, 160, 120]))));
    assert!(whole.iter().chain(&same).all(|found| (found.y, found.width, found.height) == (0, 160, 120)), "{whole:?} {same:?}");
    let (corner, clipped) = (boxes(seen(Some([100, 50, 40, 60]))), boxes(seen(Some([100, 50, 400, 600]))));
    assert!(corner.iter().all(|found| (found.y, found.width, found.height) == (50, 40, 60)), "{corner:?}");
    assert!(clipped.iter().all(|found| (found.y, found.width, found.height) == (50, 60, 70)), "{clipped:?}");
    let outside = seen(Some([160, 0, 10, 10]));
    let told = |outcome: &Outcome| matches!(outcome, Outcome::Refused(fault) if fault.to_string().contains("outside of the picture, which is 160 × 120"));
    assert!(outside.iter().all(told), "{outside:?}");
}

#[test]
fn one_picture_is_looked_at_in_so_much_time() {
    let Some(video) = Video::camera("160x120", 50) else { return };
    let said = look(&[(Name::of("c1"), &video.frames)], 1, 4, 200);
    let times: Vec<u64> = said[&Name::of("c1")]
        .iter()
        .filter_map(|(_, outcome)| if let Outcome::Seen { observation, .. } = outcome { Some(observation.at_ms) } else { None })
        .collect();
    assert_eq!(times.len(), 10, "two seconds of pictures");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 200), "{times:?}");
}

/// A regression: the picture that a stream sends first made those before it seem looked at.
#[test]
fn pictures_that_change_places_in_the_stream_are_looked_at_as_often() {
    let encoder = ["-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "3", "-b_strategy", "0"];
    let Some(video) = Video::make(Codec::H264, "160x120", 50, &encoder) else { return };
    assert!(!video.frames.is_sorted_by_key(|frame| frame.frame), "the stream changes no places");
    let said = look(&[(Name::of("c1"), &video.frames)], 2, 4, 80);
    let spans: Vec<u64> = said[&Name::of("c1")]
        .iter()
        .filter_map(|(_, outcome)| if let Outcome::Seen { observation, .. } = outcome { Some(observation.at_ms / 80) } else { None })
        .collect();
    let noon = video.frames[0].at_ms / 80;
    assert_eq!(spans, (noon..noon + 25).collect::<Vec<_>>(), "one in each span, in the order of their times");
}

/// A regression: after a restart the first new picture was looked at, though its span of time had been.
#[test]
fn what_an_earlier_life_looked_at_counts_as_looked_at() {
    let Some(video) = Video::camera("160x120", 20) else { return };
    let sights = vec![Sight::new(parameters(200), Box::new(Brightness))];
    let pool: Offload<Name, Task, Sight> = Offload::start(sights, OffloadLimits { queue: 100, batch: 4 }, |task| task.frame.key).unwrap();
    for (place, frame) in video.frames.iter().enumerate() {
        let take = if place < 12 { Take::Again } else { Take::Look };
        let task = Task { frame: frame.clone(), tag: place as u64, follows: (place as u64).checked_sub(1), take };
        pool.offer(Name::of("c1"), task, WhenFull::Wait).unwrap();
    }
    pool.end(&Name::of("c1"));
    let mut said = Vec::new();
    while !pool.is_idle() {
        said.extend(pool.said(Duration::from_millis(20)).unwrap());
    }
    let seen: Vec<u64> = said.iter().filter(|said| matches!(said.outcome, Outcome::Seen { .. })).map(|said| said.tag).collect();
    assert_eq!(seen, [15], "spans begin at pictures 0, 5, 10 and 15, and twelve pictures are old");
}

#[test]
fn a_clock_that_is_set_back_does_not_blind_the_camera() {
    let Some(mut video) = Video::camera("160x120", 50) else { return };
    video.frames.iter_mut().skip(20).for_each(|frame| frame.at_ms -= 3_600_000);
    let said = look(&[(Name::of("c1"), &video.frames)], 1, 4, 200);
    let seen = said[&Name::of("c1")].iter().filter(|(tag, outcome)| *tag >= 20 && matches!(outcome, Outcome::Seen { .. })).count();
    assert!((5..=7).contains(&seen), "{seen} of 30 pictures were looked at");
}

#[test]
fn what_was_let_go_on_the_way_leaves_no_guesses_behind() {
    let Some(video) = Video::camera("160x120", 40) else { return };
    let sights = vec![Sight::new(parameters(0), Box::new(Brightness))];
    let pool: Offload<Name, Task, Sight> = Offload::start(sights, OffloadLimits { queue: 100, batch: 4 }, |task| task.frame.key).unwrap();
    let camera = Name::of("c1");
    for (place, frame) in video.frames.iter().enumerate().filter(|(place, _)| *place != 14) {
        let task = Task { frame: frame.clone(), tag: place as u64, follows: (place as u64).checked_sub(1), take: Take::Look };
        pool.offer(camera, task, WhenFull::Wait).unwrap();
    }
    let mut said = Vec::new();
    while !pool.is_idle() {
        said.extend(pool.said(Duration::from_millis(20)).unwrap());
    }
    for Perceived { tag, outcome, .. } in said {
        let hangs = (15..20).contains(&tag);
        assert_eq!(hangs, outcome == Outcome::PassedOver, "frame {tag}: {outcome:?}");
    }
}
