//! `perceive`: encoded frames of many cameras become observations: decode, detect vehicles, read their plates.
//!
//! ```text
//! frames, in order for each camera ─▶ decode ─▶ as many pictures as are wanted ─┐
//!                          …        ─▶ decode ─▶                                 ├─▶ detect ─▶ read plates, all together ─▶ observations
//!                          …        ─▶ decode ─▶                                 ┘
//! ```
//!
//! It is slow work for a pool ([`Offload`](crate::stream::Offload)): a [`Sight`] is one thread's networks, [`Watched`] what is
//! remembered of a camera from frame to frame. Every frame that goes in is told of once.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use schemas::{Duration, Frame, Name, Object, Observation, PixelBox};
use serde::{Deserialize, Serialize};

use super::onnx::OnnxParameters;
use super::plates::ReadPlates;
use super::region::{Part, on_whole};
use super::{DecodeFault, DecodeLimits, Decoded, Decoder, Detection, Detector, Picture, PlateParameters, Plates, VisionError};
use crate::stream::{Turn, Work};

/// How frames are looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PerceiveParameters {
    /// The network that finds vehicles, and the file with its weights: `{fastestdet: {weights: FILE}}`, or any other in an ONNX file.
    pub detector: DetectorModel,
    /// What finds and reads plates. Default none: vehicles are told without. Plates are looked for on the picture in its full size,
    /// which is then kept until they are read.
    #[serde(default)]
    pub plates: Option<PlateParameters>,
    /// How often a camera's picture is looked at. Default 200 ms: at 60 km/h a vehicle moves three metres in that time, less than
    /// its own length. `0 ms` looks at every picture.
    #[serde(default = "default_every")]
    pub every: Duration,
    /// How sure the detector must be of a vehicle, permille. Default 300: the tracker believes a faint box only where it continues
    /// a clear one.
    #[serde(default = "default_confidence")]
    pub confidence: u16,
    /// For single cameras the part of the picture in which vehicles are looked for: `{c1: [x, y, width, height]}`, pixels. Default
    /// none: everywhere. A detector that looks at squares sees vehicles in their own shape where the part is about as high as wide,
    /// and larger than on the whole.
    #[serde(default)]
    pub regions: BTreeMap<Name, PixelBox>,
    /// The most pixels a picture may have; a stream of larger ones is refused. Default 9437184, as many as 4K video has: each
    /// camera's decoder holds up to sixteen of them.
    #[serde(default = "default_pixels_most")]
    pub pixels_most: u64,
    /// How far work may be behind before frames are let go, the oldest first and key frames last. Default 10 s: what is older
    /// helps nobody in the street, and the next key frame is two seconds away. Never in a bounded run.
    #[serde(default = "default_behind")]
    pub behind: Duration,
}

/// Networks that find vehicles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DetectorModel {
    /// FastestDet, a small network for processors without an accelerator.
    FastestDet(WeightsFile),
    /// A still smaller one of our own, taught on drawn roads: for the synthetic camera alone.
    #[serde(rename = "drawn_vehicles")]
    DrawnVehicles(WeightsFile),
    /// Any other, in an ONNX file, with what it takes and what its numbers mean.
    Onnx(Box<OnnxParameters>),
}

impl DetectorModel {
    /// The file with its weights, from where the definition lies.
    #[must_use]
    pub fn weights(&self) -> &str {
        match self {
            Self::FastestDet(file) | Self::DrawnVehicles(file) => &file.weights,
            Self::Onnx(of) => &of.weights,
        }
    }
}

/// Where a network's weights lie. Whoever runs the job reads them; here they are bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightsFile {
    /// The file, from where the definition lies.
    pub weights: String,
}

fn default_every() -> Duration {
    Duration::from_ms(200)
}

fn default_confidence() -> u16 {
    300
}

fn default_pixels_most() -> u64 {
    DecodeLimits::default().pixels_most
}

fn default_behind() -> Duration {
    Duration::from_ms(10_000)
}

/// One thread's networks.
pub struct Sight {
    parameters: PerceiveParameters,
    detector: Box<dyn Detector>,
    plates: Option<Plates>,
}

/// What is remembered of a camera from frame to frame.
#[derive(Default)]
pub struct Watched {
    decoder: Option<Decoder<Told>>,
    looked: Looked,
    /// The tag of the frame that came last.
    last: Option<u64>,
}

/// The spans of time, counted in [`PerceiveParameters::every`], of which a picture was looked at.
///
/// Streams change the order of pictures, so a span may still be empty while a later one is not.
#[derive(Clone, Copy, Debug, Default)]
struct Looked {
    newest: u64,
    /// The lowest bit is the newest span, the next one the span before it. None is set before the first picture.
    spans: u32,
}

impl Looked {
    /// A clock that goes back by more spans was set anew, and so is the count.
    const BACK_MOST: u64 = 16;

    /// Whether nothing of this span was looked at; from now on it was.
    fn is_first_of(&mut self, span: u64) -> bool {
        let (ahead, back) = (span.saturating_sub(self.newest), self.newest.saturating_sub(span));
        if back > Self::BACK_MOST {
            *self = Self::default();
        }
        if self.spans == 0 || ahead > 0 {
            let moved = u32::try_from(ahead).ok().and_then(|ahead| self.spans.checked_shl(ahead));
            *self = Self { newest: span, spans: moved.unwrap_or(0) | 1 };
            return true;
        }
        let bit = 1 << back;
        let first = self.spans & bit == 0;
        self.spans |= bit;
        first
    }
}

/// A frame to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The frame.
    pub frame: Frame,
    /// What the caller knows it by.
    pub tag: u64,
    /// The tag of the camera's frame before it: where that was let go on the way, nothing can be made of this one either.
    pub follows: Option<u64>,
    /// How it is to be taken.
    pub take: Take,
}

/// How a frame is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Looked at, if its time has come.
    Look,
    /// Decoded only, so that later ones can be: it was looked at in an earlier life.
    Again,
}

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Perceived {
    /// The camera.
    pub camera: Name,
    /// What the caller knows the frame by.
    pub tag: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was looked at.
    Seen {
        /// What is on it.
        observation: Observation,
        /// How many vehicles' plates were not looked for, because there were too many.
        left_out: u32,
    },
    /// It was not wanted: its time has not come, or it was looked at before.
    Unwanted,
    /// It hangs on a frame that is missing or was broken.
    PassedOver,
    /// Something is wrong with it.
    Refused(DecodeFault),
    /// A network failed: the work cannot go on.
    Failed(VisionError),
}

/// A frame in the decoder.
#[derive(Clone, Copy, Debug)]
struct Told {
    tag: u64,
    frame: u64,
    at_ms: u64,
}

/// A picture that waits for the detector.
struct Look {
    camera: Name,
    told: Told,
    part: Part,
    /// The picture in its full size, where plates are read.
    whole: Option<Picture>,
    /// Its place among what is said.
    place: usize,
}

impl Sight {
    /// Networks with parameters.
    #[must_use]
    pub fn new(parameters: PerceiveParameters, detector: Box<dyn Detector>) -> Self {
        Self { parameters, detector, plates: None }
    }

    /// The same, reading plates.
    #[must_use]
    pub fn reading(self, plates: Plates) -> Self {
        Self { plates: Some(plates), ..self }
    }

    /// Decodes one camera's frames. What is to be looked at keeps its place among what is said.
    fn decode(&self, turn: &mut Turn<Name, Watched, Task>, looks: &mut Vec<Look>, say: &mut Vec<Perceived>) {
        let Turn { key: camera, state, items } = turn;
        let limits = DecodeLimits { pixels_most: self.parameters.pixels_most };
        let Watched { decoder, looked, last } = state;
        let decoder = decoder.get_or_insert_with(|| Decoder::new(limits));
        for Task { frame, tag, follows, take } in items.drain(..) {
            let told = Told { tag, frame: frame.frame, at_ms: frame.at_ms };
            let tell = &mut |told: Told, decoded: Decoded<'_>| self.tell(*camera, told, decoded, looks, say);
            let chained = frame.key || last.replace(tag) == follows;
            *last = Some(tag);
            if chained {
                // What an earlier life looked at counts as looked at: its spans are not looked at again.
                let first = looked.is_first_of(frame.at_ms / self.parameters.every.ms().max(1));
                decoder.decode(&frame, first && take == Take::Look, told, tell);
            } else {
                decoder.pass_over(&frame, told, tell);
            }
        }
    }

    fn tell(&self, camera: Name, told: Told, decoded: Decoded<'_>, looks: &mut Vec<Look>, say: &mut Vec<Perceived>) {
        let outcome = match decoded {
            Decoded::Unwanted => Outcome::Unwanted,
            Decoded::PassedOver => Outcome::PassedOver,
            Decoded::Refused(fault) => Outcome::Refused(fault),
            Decoded::Picture(image) => {
                let whole = self.plates.as_ref().map(|_| image.picture(image.width(), image.height())).transpose();
                let region = self.parameters.regions.get(&camera).copied();
                match whole.and_then(|whole| Ok((Part::of(&image, whole.as_ref(), region, self.detector.size())?, whole))) {
                    Ok((Some(part), whole)) => {
                        looks.push(Look { camera, told, part, whole, place: say.len() });
                        Outcome::Unwanted
                    }
                    Ok((None, _)) => Outcome::Refused(DecodeFault::Outside { width: image.width(), height: image.height() }),
                    Err(VisionError(error)) => Outcome::Refused(DecodeFault::Broken { error, pixels_most: self.parameters.pixels_most }),
                }
            }
        };
        say.push(Perceived { camera, tag: told.tag, outcome });
    }

    /// Looks at all pictures together.
    fn look(&mut self, looks: Vec<Look>, say: &mut [Perceived]) {
        if looks.is_empty() {
            return;
        }
        let (mut rest, mut pictures) = (Vec::new(), Vec::new());
        for Look { camera, told, part: Part { picture, corner }, whole, place } in looks {
            rest.push((camera, told, whole, corner, place));
            pictures.push(picture);
        }
        let found = self.detector.detect(&pictures).and_then(|found| {
            let complete = found.len() == pictures.len();
            complete.then_some(found).ok_or_else(|| VisionError("the detector did not answer for every picture".to_owned()))
        });
        let found = found.map(|found| {
            let corners = rest.iter().map(|(.., corner, _)| *corner);
            found.into_iter().zip(corners).map(|(detections, corner)| self.believed(detections, corner)).collect::<Vec<_>>()
        });
        let read = found.and_then(|found| {
            let wholes: Vec<Option<&Picture>> = rest.iter().map(|(_, _, whole, ..)| whole.as_ref()).collect();
            let read = self.read(&wholes, &found)?;
            Ok((found, read))
        });
        match read {
            Ok((found, read)) => {
                for ((camera, told, .., place), (detections, read)) in rest.into_iter().zip(found.into_iter().zip(read)) {
                    let left_out = read.left_out;
                    say[place].outcome = Outcome::Seen { observation: observation(camera, told, &detections, read), left_out };
                }
            }
            Err(error) => rest.iter().for_each(|(.., place)| say[*place].outcome = Outcome::Failed(error.clone())),
        }
    }

    /// The detections that are sure enough and can be true, on the whole picture.
    fn believed(&self, detections: Vec<Detection>, corner: [i32; 2]) -> Vec<Detection> {
        let sure = detections.into_iter().filter(|found| found.confidence >= self.parameters.confidence);
        let real = sure.filter(|found| found.bounds.width > 0 && found.bounds.height > 0);
        real.map(|found| on_whole(found, corner)).take(Observation::OBJECTS_MOST).collect()
    }

    /// Reads the plates on all pictures, if plates are read.
    fn read(&mut self, wholes: &[Option<&Picture>], found: &[Vec<Detection>]) -> Result<Vec<ReadPlates>, VisionError> {
        let Some(plates) = &mut self.plates else { return Ok(vec![ReadPlates::default(); found.len()]) };
        let both = wholes.iter().zip(found);
        plates.read(&both.filter_map(|(whole, found)| whole.map(|whole| (whole, found.as_slice()))).collect::<Vec<_>>())
    }
}

/// What is said of a picture.
fn observation(camera: Name, told: Told, detections: &[Detection], read: ReadPlates) -> Observation {
    let plates = read.plates.into_iter().chain(std::iter::repeat(None));
    let objects = detections.iter().zip(plates).map(|(found, plate)| Object {
        class: found.class,
        confidence: found.confidence.min(1_000),
        bounds: found.bounds,
        plate,
        body: None,
        speed_cms: None,
    });
    Observation { camera, frame: told.frame, at_ms: told.at_ms, objects: Arc::new(objects.collect()), received_ms: None }
}

impl Work<Name, Task> for Sight {
    type State = Watched;
    type Said = Perceived;

    fn work(&mut self, turns: &mut [Turn<Name, Watched, Task>], say: &mut Vec<Perceived>) {
        let mut looks = Vec::new();
        turns.iter_mut().for_each(|turn| self.decode(turn, &mut looks, say));
        self.look(looks, say);
    }

    fn end(&mut self, camera: &Name, watched: &mut Watched, say: &mut Vec<Perceived>) {
        let mut looks = Vec::new();
        if let Some(decoder) = &mut watched.decoder {
            decoder.finish(&mut |told, decoded| self.tell(*camera, told, decoded, &mut looks, say));
        }
        self.look(looks, say);
    }
}
