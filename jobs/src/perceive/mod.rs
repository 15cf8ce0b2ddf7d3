//! `perceive` at work: frames of a topic go to a pool of networks, what they see comes back as observations.
//!
//! ```text
//! engine: stage ─▶ take ─▶ pool: decode ▸ detect (operators) ─▶ done ─▶ observations, or a row in `rejected`
//!                   │                                            │
//!                   └── of each camera, where its key frames lie ┴─▶ from where a restart must read
//! ```
//!
//! While work is no further behind than the definition allows, records wait in the topic. Beyond that the pool takes what comes
//! and lets the oldest frames go, key frames last, each counted for its camera.

mod weights;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::plan::{Plan, PlannedOutput, PlannedSource, REJECTED};
use engine::stage::{Counts, Done, Stage, Taken};
use engine::{Refusal, RefusalReason, Rejection};
use operators::stream::{Offload, OffloadLimits, WhenFull};
use operators::vision::{DecodeFault, Outcome, PerceiveParameters, Perceived, Sight, Take, Task};
use schemas::wire::Format;
use schemas::{Frame, Id, Name, Reason};
use serde::Serialize;

pub use self::weights::{Networks, WeightsError, detector, plates};
use crate::catalogue::Step;
use crate::dataflow::{encode, rejected};

/// Frames that wait for the pool, over all cameras: a second of ten cameras, 10 MB.
const QUEUE: usize = 256;
/// Frames that are worked on together.
const BATCH: usize = 16;
/// A camera that has sent nothing for so long is forgotten: what its decoder holds back comes out.
const FORGET: Duration = Duration::from_secs(60);
/// So many frames after its last key frame a camera's stream is not gone back into any more: a restart waits for its next one.
const KEY_MOST: u64 = 3_000;

/// Frames to observations, on a pool of threads.
pub struct Perceive {
    offload: Offload<Name, Task, Sight>,
    output: String,
    behind_ms: u64,
    /// Whether work is too far behind.
    pressed: bool,
    cameras: BTreeMap<Name, Watch>,
    /// Frames in work, by tag.
    in_work: HashMap<u64, Place>,
    next_tag: u64,
    /// What is done without the pool.
    ready: Vec<Done>,
    figures: Figures,
}

/// What became of the frames of each camera.
#[derive(Clone, Debug, Default)]
pub struct Figures(Arc<Mutex<BTreeMap<Name, Counted>>>);

/// What became of a camera's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Looked at: each is an observation.
    pub seen: u64,
    /// Not looked at, because their time had not come.
    pub unwanted: u64,
    /// Let go, because work was too far behind.
    pub dropped: u64,
    /// Not decoded, because they hang on one that was dropped, missing or broken.
    pub passed_over: u64,
    /// Told in `rejected`.
    pub refused: u64,
    /// Vehicles on the pictures that were looked at, as often as they were seen.
    pub vehicles: u64,
    /// Plates that were read on them.
    pub plates: u64,
    /// Vehicles whose plate was not looked for, because there were more on a picture than are looked at.
    pub left_out: u64,
}

/// Where a frame lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    partition: u32,
    offset: u64,
    again: bool,
    at_ms: u64,
}

/// What is known of a camera.
struct Watch {
    partition: u32,
    /// Offsets of its key frames, from the one that a restart needs.
    keys: VecDeque<u64>,
    since_key: u64,
    last_tag: Option<u64>,
    last: Instant,
}

/// The one source, step and output of a job that perceives.
pub type Parts<'a> = (&'a PlannedSource, &'a PerceiveParameters, &'a PlannedOutput);

/// The parts of a job that perceives; `None` if it does not.
///
/// # Errors
/// It does other things besides; the text says what such a job has.
pub fn parts(plan: &Plan<Step>) -> Result<Option<Parts<'_>>, &'static str> {
    match (&plan.sources[..], &plan.steps[..], &plan.outputs[..]) {
        ([source], [step], [output]) if let Step::Perceive(parameters) = &step.step => Ok(Some((source, parameters, output))),
        (_, steps, _) if steps.iter().any(|step| matches!(step.step, Step::Perceive(_))) => Err(
            "a job that perceives has one source, the one step, and one output (hint: let other jobs read its observations from the topic)",
        ),
        _ => Ok(None),
    }
}

impl Perceive {
    /// A pool with a thread for each sight; observations go to a topic.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(parameters: &PerceiveParameters, sights: Vec<Sight>, output: &str) -> std::io::Result<Self> {
        Ok(Self {
            offload: Offload::start(sights, OffloadLimits { queue: QUEUE, batch: BATCH }, |task: &Task| task.frame.key)?,
            output: output.to_owned(),
            behind_ms: parameters.behind.ms(),
            pressed: false,
            cameras: BTreeMap::new(),
            in_work: HashMap::new(),
            next_tag: 0,
            ready: Vec::new(),
            figures: Figures::default(),
        })
    }

    /// Where it is counted what becomes of frames.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.figures.clone()
    }

    fn offer(&mut self, frame: Frame, record: &Taken<'_>) -> Result<(), String> {
        let (camera, offset) = (frame.camera, record.raw.offset);
        let watch = self.cameras.entry(camera).or_insert_with(|| Watch::new(record.raw.partition));
        watch.note(&frame, offset);
        let (tag, take) = (self.next_tag, if record.again { Take::Again } else { Take::Look });
        self.next_tag += 1;
        let place = Place { partition: record.raw.partition, offset, again: record.again, at_ms: frame.at_ms };
        self.in_work.insert(tag, place);
        let task = Task { frame, tag, follows: watch.last_tag.replace(tag), take };
        let when_full = if self.pressed { WhenFull::DropOldest } else { WhenFull::Wait };
        if let Some((camera, dropped)) = self.offload.offer(camera, task, when_full).map_err(|error| error.to_string())? {
            self.figures.count(camera, |counted| counted.dropped += 1);
            self.settle(camera, dropped.tag, |_| {});
        }
        Ok(())
    }

    /// A frame is done with, unless it was before.
    fn settle(&mut self, camera: Name, tag: u64, say: impl FnOnce(&mut Done)) {
        let Some(Place { partition, offset, again, at_ms }) = self.in_work.remove(&tag) else { return };
        if !again {
            let lane = Id::of("camera").with(camera.as_str().as_bytes()).finish().0;
            let mut done = Done { partition, offset, lane, event_ms: at_ms, ..Done::default() };
            say(&mut done);
            self.ready.push(done);
        }
    }

    fn tell(&mut self, perceived: Perceived, topic: &str) -> Result<(), String> {
        let Perceived { camera, tag, outcome } = perceived;
        let output = self.output.clone();
        let again = self.in_work.get(&tag).is_some_and(|place| place.again);
        let count = |change: fn(&mut Counted)| {
            if !again {
                self.figures.count(camera, change)
            }
        };
        match outcome {
            Outcome::Seen { observation, left_out } => {
                let plates = observation.objects.iter().filter(|object| object.plate.is_some()).count() as u64;
                let vehicles = observation.objects.len() as u64;
                if !again {
                    self.figures.count(camera, |counted| {
                        counted.seen += 1;
                        counted.vehicles += vehicles;
                        counted.plates += plates;
                        counted.left_out += u64::from(left_out);
                    });
                }
                let mut value = Vec::new();
                Format::Json.encode(&observation, &mut value);
                self.settle(camera, tag, |done| done.rows.push((output, camera.to_string(), value)));
            }
            Outcome::Unwanted => {
                count(|counted| counted.unwanted += 1);
                self.settle(camera, tag, |_| {});
            }
            Outcome::PassedOver => {
                count(|counted| counted.passed_over += 1);
                self.settle(camera, tag, |_| {});
            }
            Outcome::Refused(fault) => {
                count(|counted| counted.refused += 1);
                let reason = if matches!(fault, DecodeFault::Duplicate(_)) { RefusalReason::Duplicate } else { RefusalReason::Invalid };
                // The picture itself lies in its topic, at this place.
                self.settle(camera, tag, |done| {
                    let (partition, offset, detail) = (done.partition, done.offset, format!("camera {camera}: {fault}"));
                    done.refused = Some(Rejection { topic: topic.to_owned(), partition, offset, reason, detail, record: Vec::new() });
                });
            }
            Outcome::Failed(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    /// Forgets cameras that have sent nothing for long.
    fn forget(&mut self) {
        let offload = &self.offload;
        self.cameras.retain(|camera, watch| {
            let stays = watch.last.elapsed() < FORGET;
            if !stays {
                offload.end(camera);
            }
            stays
        });
    }
}

impl Watch {
    fn new(partition: u32) -> Self {
        Self { partition, keys: VecDeque::new(), since_key: 0, last_tag: None, last: Instant::now() }
    }

    fn note(&mut self, frame: &Frame, offset: u64) {
        self.last = Instant::now();
        self.since_key += 1;
        if frame.key {
            self.since_key = 0;
            self.keys.push_back(offset);
        } else if self.since_key > KEY_MOST {
            self.keys.clear();
        }
    }

    /// The key frame from which it must be decoded to go on at an offset; those before it are forgotten.
    fn begins_at(&mut self, next_offset: u64) -> Option<u64> {
        while self.keys.get(1).is_some_and(|second| *second < next_offset) {
            self.keys.pop_front();
        }
        self.keys.front().copied().filter(|key| *key < next_offset)
    }
}

impl Figures {
    /// As they are now.
    #[must_use]
    pub fn now(&self) -> BTreeMap<Name, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, camera: Name, change: impl FnOnce(&mut Counted)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(camera).or_default());
    }
}

impl Stage for Perceive {
    fn has_room(&self) -> bool {
        self.pressed || self.offload.has_room()
    }

    fn take(&mut self, record: &Taken<'_>) -> Result<(), String> {
        self.pressed = record.behind_ms.is_some_and(|behind_ms| behind_ms > self.behind_ms);
        let raw = &record.raw;
        let read = match raw.value {
            Some(value) => Format::of(value).decode::<Frame>(value).map_err(|refusal| (refusal.reason, refusal.detail)),
            None => Err((Reason::Invalid, "a record without a value (a tombstone) has no meaning here".to_owned())),
        };
        match read {
            Ok(frame) => self.offer(frame, record)?,
            Err(_) if record.again => {}
            Err((reason, detail)) => {
                let reason = if reason == Reason::Unreadable { RefusalReason::Unreadable } else { RefusalReason::Invalid };
                let (partition, offset) = (raw.partition, raw.offset);
                let refused = Some(Rejection::new(raw, Refusal { reason, detail }));
                self.ready.push(Done { partition, offset, refused, ..Done::default() });
            }
        }
        Ok(())
    }

    fn done(&mut self, topic: &str, wait: Duration) -> Result<Vec<Done>, String> {
        let wait = if self.ready.is_empty() { wait } else { Duration::ZERO };
        for perceived in self.offload.said(wait).map_err(|error| error.to_string())? {
            self.tell(perceived, topic)?;
        }
        self.forget();
        Ok(std::mem::take(&mut self.ready))
    }

    fn begins_at(&mut self, partition: u32, next_offset: u64) -> u64 {
        let watches = self.cameras.values_mut().filter(|watch| watch.partition == partition);
        watches.filter_map(|watch| watch.begins_at(next_offset)).fold(next_offset, u64::min)
    }

    fn finish(&mut self) {
        self.cameras.keys().for_each(|camera| self.offload.end(camera));
        self.cameras.clear();
    }

    fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.offload.is_idle()
    }

    fn counts(&self) -> Counts {
        let named = |c: Counted| {
            [
                ("seen", c.seen),
                ("unwanted", c.unwanted),
                ("dropped", c.dropped),
                ("passed_over", c.passed_over),
                ("refused", c.refused),
                ("vehicles", c.vehicles),
                ("plates", c.plates),
                ("left_out", c.left_out),
            ]
        };
        self.figures.now().into_iter().map(|(camera, counted)| (camera.to_string(), named(counted).into())).collect()
    }
}

/// A refused record as a row of its topic: topic, key and value.
#[must_use]
pub fn refused(rejection: Rejection) -> (String, String, Vec<u8>) {
    let row = rejected(rejection);
    (REJECTED.to_owned(), format!("{}/{}/{}", row.topic, row.partition, row.offset), encode(&row))
}
