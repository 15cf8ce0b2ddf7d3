//! Stills: the pictures that an alert rests on, cut out of the frames.
//!
//! ```text
//! alert ─▶ evidence: camera, time ─▶ frames: the key frame before … the picture ─▶ decode ─▶ JPEG, untouched
//!              │                     observation of that picture: boxes, plates ──────────▶ JPEG, marked
//!              └ sighting ─▶ crossing: line, lane ─────────────────────────────────────────────┘
//! ```

mod find;
mod mark;

use engine::transport::{TopicStore, TransportError};
use operators::vision::{DecodeLimits, Decoded, Decoder, Picture, VisionError, jpeg};
use schemas::{Alert, City, Evidence, Frame, Id, Name, Observation, PixelBox, Revised, Sighting};

use find::{Found, last_row, of_camera};

/// How far the picture's time may be from the evidence's, milliseconds: a crossing lies between two pictures.
const NEAR_MS: u64 = 1_000;
/// How far a picture may be from a crossing for the vehicle to be still on the line, milliseconds: three metres at 50 km/h.
const CROSSES_MS: u64 = 220;
/// How far back a key frame is looked for, milliseconds. Cameras send one every few seconds.
const KEY_BACK_MS: u64 = 60_000;

/// A picture that an alert rests on.
pub struct Still {
    /// The picture's own record, without its bytes.
    pub frame: Frame,
    /// The partition of the topic of frames that it lies in.
    pub partition: u32,
    /// The offsets of the records it was decoded from: the key frame's first, its own the last.
    pub offsets: Vec<u64>,
    /// The picture, as it was decoded.
    pub original: Vec<u8>,
    /// The same with boxes, camera, time and lane.
    pub marked: Vec<u8>,
    /// The box of the vehicle that the alert is about, if it was found.
    pub about: Option<PixelBox>,
    /// The lane it was in.
    pub lane: Option<u32>,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum StillError {
    /// The store cannot be read.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// There is no such alert.
    #[error("there is no alert {id} in the topic {topic:?}")]
    NoAlert {
        /// What was asked for.
        id: String,
        /// Where.
        topic: String,
    },
    /// The camera's frames were never captured.
    #[error("no picture of camera {camera} is in the topic {topic:?}")]
    NoCamera {
        /// The camera.
        camera: Name,
        /// The topic of frames.
        topic: String,
    },
    /// The frames are gone.
    #[error(
        "the picture of camera {camera} at {at} is not kept any more: what is kept of it begins {later_ms} ms later \
         (hint: keep frames at least so much longer, and as far back as one key frame more)"
    )]
    Gone {
        /// The camera.
        camera: Name,
        /// When it was taken.
        at: String,
        /// How much later the first picture that can be decoded was taken.
        later_ms: u64,
    },
    /// There is a gap in what was captured.
    #[error("camera {camera} sent no picture within a second of {at}")]
    NoFrame {
        /// The camera.
        camera: Name,
        /// When it should have been taken.
        at: String,
    },
    /// It cannot be decoded or written.
    #[error("the picture of camera {camera} at {at} cannot be had: {error}")]
    Broken {
        /// The camera.
        camera: Name,
        /// When it was taken.
        at: String,
        /// Why.
        error: VisionError,
    },
}

/// Where stills come from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The store with all topics.
    pub store: &'a dyn TopicStore,
    /// The topic of alerts.
    pub alerts: &'a str,
    /// The topic of frames.
    pub frames: &'a str,
    /// The topic of observations.
    pub observations: &'a str,
    /// The topic of sightings.
    pub sightings: &'a str,
    /// The map, if there is one: where lines and lanes are tells which of several vehicles it is.
    pub city: Option<&'a City>,
}

impl Source<'_> {
    /// An alert as it stands.
    ///
    /// # Errors
    /// There is none of this id.
    pub fn alert(&self, id: &str) -> Result<Alert, StillError> {
        let none = || StillError::NoAlert { id: id.to_owned(), topic: self.alerts.to_owned() };
        let wanted: Id = id.parse().map_err(|_| none())?;
        last_row::<Revised<Alert>>(self.store, self.alerts, |row| row.row.id == wanted)?.map(|row| row.row).ok_or_else(none)
    }

    /// The picture of one piece of an alert's evidence.
    ///
    /// # Errors
    /// It was not captured, is not kept any more, or cannot be decoded.
    pub fn still(&self, alert: &Alert, evidence: &Evidence) -> Result<Still, StillError> {
        let (camera, at_ms) = (evidence.camera, evidence.at_ms);
        let seen = match self.has(self.observations) {
            true => of_camera::<Observation>(self.store, self.observations, camera, at_ms.saturating_sub(NEAR_MS), at_ms + NEAR_MS)?,
            false => Vec::new(),
        };
        let seen = seen.into_iter().min_by_key(|found| found.record.at_ms.abs_diff(at_ms)).map(|found| found.record);
        // The picture that was looked at, if one was: it is what the boxes are of.
        let at_ms = seen.as_ref().map_or(at_ms, |seen| seen.at_ms);
        let (frames, place) = self.frames(camera, at_ms, seen.as_ref().map(|seen| seen.frame))?;
        let wanted = &frames[place].record;
        let broken = |error| StillError::Broken { camera, at: moment(wanted.at_ms), error };
        let picture = decode(&frames, wanted.frame).map_err(broken)?;
        let sighting = self.sighting(evidence)?;
        let crossing = sighting.as_ref().and_then(|sighting| sighting.crossings.iter().min_by_key(|c| c.at_ms.abs_diff(evidence.at_ms)));
        let map = self.city.and_then(|city| city.cameras.iter().find(|known| known.id == camera));
        let objects = seen.filter(|seen| seen.frame == wanted.frame).map(|seen| seen.objects).unwrap_or_default();
        // Where it crossed a line tells which vehicle it is while it does so, and not before or after.
        let crosses = crossing.filter(|crossing| crossing.at_ms.abs_diff(wanted.at_ms) <= CROSSES_MS);
        let about = mark::about(&objects, alert, sighting.as_ref(), crosses, map);
        let lane = crossing.and_then(|crossing| crossing.lane);
        let marked = mark::marked(&picture, wanted, &objects, about, lane, map);
        Ok(Still {
            frame: Frame { parameters: Vec::new(), bytes: Vec::new(), ..wanted.clone() },
            partition: frames[place].partition,
            offsets: frames[..=place].iter().map(|found| found.offset).collect(),
            original: jpeg(&picture).map_err(broken)?,
            marked: jpeg(&marked).map_err(broken)?,
            about: about.map(|place| objects[place].bounds),
            lane,
        })
    }

    /// A camera's frames from the key frame that a picture hangs on to a second after it, and which of them it is: that with the
    /// number, else the nearest.
    fn frames(&self, camera: Name, at_ms: u64, number: Option<u64>) -> Result<(Vec<Found<Frame>>, usize), StillError> {
        let mut back_ms = 4_000;
        loop {
            let mut frames = of_camera::<Frame>(self.store, self.frames, camera, at_ms.saturating_sub(back_ms), at_ms + NEAR_MS)?;
            let near = (0..frames.len()).filter(|i| frames[*i].record.at_ms.abs_diff(at_ms) <= NEAR_MS);
            let of = |i: &usize| (Some(frames[*i].record.frame) != number, frames[*i].record.at_ms.abs_diff(at_ms));
            let place = near.min_by_key(of);
            let key = place.and_then(|place| frames[..=place].iter().rposition(|found| found.record.key));
            if let (Some(place), Some(key)) = (place, key) {
                frames.drain(..key);
                return Ok((frames, place - key));
            }
            if back_ms > KEY_BACK_MS {
                return Err(self.nothing(camera, at_ms)?);
            }
            back_ms *= 2;
        }
    }

    /// Why there is nothing of a camera at a time.
    fn nothing(&self, camera: Name, at_ms: u64) -> Result<StillError, StillError> {
        let first = find::first::<Frame>(self.store, self.frames, camera, |frame| frame.key)?;
        Ok(match first {
            None => StillError::NoCamera { camera, topic: self.frames.to_owned() },
            Some(first) if first.at_ms > at_ms => StillError::Gone { camera, at: moment(at_ms), later_ms: first.at_ms - at_ms },
            Some(_) => StillError::NoFrame { camera, at: moment(at_ms) },
        })
    }

    /// Whether a topic is there. Without observations and sightings there are pictures all the same, with less on them.
    fn has(&self, topic: &str) -> bool {
        self.store.partitions(topic).is_ok()
    }

    fn sighting(&self, evidence: &Evidence) -> Result<Option<Sighting>, StillError> {
        let Some(id) = evidence.sighting.filter(|_| self.has(self.sightings)) else { return Ok(None) };
        Ok(last_row::<Revised<Sighting>>(self.store, self.sightings, |row| row.row.id == id)?.map(|row| row.row))
    }
}

/// Decodes up to a picture.
fn decode(frames: &[Found<Frame>], number: u64) -> Result<Picture, VisionError> {
    let mut decoder = Decoder::new(DecodeLimits::default());
    let mut picture = Err(VisionError("it hangs on frames that are missing".to_owned()));
    let mut tell = |tag: u64, decoded: Decoded<'_>| match decoded {
        Decoded::Picture(image) if tag == number => picture = image.picture(image.width(), image.height()),
        Decoded::Refused(fault) if tag == number => picture = Err(VisionError(fault.to_string())),
        _ => {}
    };
    for Found { record: frame, .. } in frames {
        decoder.decode(frame, frame.frame == number, frame.frame, &mut tell);
    }
    decoder.finish(&mut tell);
    picture
}

/// A moment as a person reads it.
fn moment(at_ms: u64) -> String {
    let of = i64::try_from(at_ms).ok().and_then(|at_ms| jiff::Timestamp::from_millisecond(at_ms).ok());
    of.map_or_else(|| format!("{at_ms} ms"), |at| format!("{at:.3}"))
}
