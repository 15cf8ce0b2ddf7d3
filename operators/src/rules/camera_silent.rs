//! `camera_silent`: a camera has sent no frame for too long.
//!
//! ```text
//!  frames    ●  ●  ●              ●  ●          gap between two frames: told with its whole length
//!  frames    ●  ●  ●─────────┤                  observed this far, no frame since: told while it lasts
//! ```
//!
//! Absence is judged against how far the camera's *partition* has been observed, so that a lagging broker is never taken
//! for a dead camera. A slow line that delivers its frames after all fills the gap, and the alert is withdrawn.
//!
//! Once what was told of a silence is final, it stays as it is, however long the silence lasts, and the camera is as good as
//! new: its next frame ends nothing. So nothing need be known of a camera for longer than that.

use std::collections::{BTreeMap, BTreeSet};

use differential_dataflow::consolidation::consolidate;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use schemas::{Alert, Camera, City, Duration, Evidence, Id, Name, Observation, Place, Quantities};
use serde::{Deserialize, Serialize};

use super::raise::seconds;
use crate::stream::{Footprint, fold};
use crate::{Arrived, Changes, Clock, Observed};

const RULE: &str = "camera_silent";

/// How `camera_silent` decides.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CameraSilentParameters {
    /// How long a camera may send nothing. Default `10 s`: many frames, and longer than a line commonly stalls.
    pub silence: Duration,
    /// How late a record may still come: what is told of a silence is final so long after it. Default `15 min`, a job's own.
    pub lateness: Duration,
    /// The alerts' priority, 0 to 100. Default 50.
    pub priority: u8,
}

impl Default for CameraSilentParameters {
    fn default() -> Self {
        Self { silence: Duration::from_ms(10_000), lateness: Duration::from_ms(900_000), priority: 50 }
    }
}

/// Raises an alert for every silence of a camera of the city.
///
/// Evidence: one entry, the camera at its last frame (for a camera never seen: at the moment observation began). Measured:
/// `silent_ms`, the limit while the silence lasts, its whole length once the camera is back, if it is before the alert is final:
/// two limits and the lateness after its last frame. Limit: `silent_ms`.
///
/// `observations` in the order of their partitions; frames not newer than a camera's last one do not count. `observed` may
/// come from one worker; every worker is told. Neither is ever retracted.
#[must_use]
pub fn camera_silent<'scope>(
    observations: Changes<'scope, Arrived<Observation>>,
    observed: Changes<'scope, Observed>,
    city: &City,
    parameters: &CameraSilentParameters,
) -> Changes<'scope, Alert> {
    let scope = observations.inner.scope();
    let (worker, workers) = (scope.index() as u64, scope.peers() as u64);
    let frames = observations.map(|Arrived { place, record }| Sign::Frame { camera: record.camera, place, at_ms: record.at_ms });
    let observed = observed.flat_map(move |observed| (0..workers).map(move |worker| Sign::Observed { worker, observed }));
    let mine = city.cameras.iter().filter(|camera| route(camera.id) % workers == worker);
    let mut watch = Watch::new(mine.cloned().collect(), parameters);
    let route = |sign: &Sign| match sign {
        Sign::Frame { camera, .. } => route(*camera),
        Sign::Observed { worker, .. } => *worker,
    };
    fold(frames.concat(observed), RULE, route, move |now, changes, out| {
        let mut signs: Vec<Sign> = changes.drain(..).filter(|(_, diff)| *diff > 0).map(|(sign, _)| sign).collect();
        watch.advance(now, &mut signs, out);
        consolidate(out);
        Footprint::of::<(Name, Watched)>(watch.cameras.len())
    })
}

/// Which worker watches the camera, modulo their number.
fn route(camera: Name) -> u64 {
    Id::of("camera").with(camera.as_str().as_bytes()).finish().0
}

/// What is heard of cameras. Frames stand before what was observed: a moment's frames count before its silence does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Sign {
    Frame { place: Place, camera: Name, at_ms: u64 },
    Observed { worker: u64, observed: Observed },
}

/// A partition of a topic.
type Partition = (Name, u32);

/// The cameras one worker watches, plain state without a dataflow.
struct Watch {
    silence_ms: u64,
    /// How long after a camera's last frame what is told of its silence is final.
    settled_ms: u64,
    priority: u8,
    cameras: FxHashMap<Name, Watched>,
    partitions: BTreeMap<Partition, Progress>,
    began_ms: Option<u64>,
    /// Cameras of which no frame has come yet, until they are told to be silent.
    unseen: Vec<Name>,
}

/// How far a partition has been observed, and when its cameras are to be looked at next.
#[derive(Default)]
struct Progress {
    until_ms: u64,
    checks: BTreeSet<(u64, Name)>,
}

struct Watched {
    camera: Camera,
    last: Option<(Partition, u64)>,
    /// The alert that stands while the camera is silent.
    open: Option<Alert>,
    /// Whether it was silent for so long that it is forgotten since when.
    forgotten: bool,
}

impl Watch {
    fn new(cameras: Vec<Camera>, parameters: &CameraSilentParameters) -> Self {
        let unseen = cameras.iter().map(|camera| camera.id).collect();
        let watched = |camera: Camera| (camera.id, Watched { camera, last: None, open: None, forgotten: false });
        Self {
            silence_ms: parameters.silence.ms(),
            settled_ms: parameters.silence.ms().saturating_mul(2).saturating_add(parameters.lateness.ms()),
            priority: parameters.priority,
            cameras: cameras.into_iter().map(watched).collect(),
            partitions: BTreeMap::new(),
            began_ms: None,
            unseen,
        }
    }

    /// Takes what is heard at one moment.
    fn advance(&mut self, now: Clock, signs: &mut [Sign], out: &mut Vec<(Alert, isize)>) {
        signs.sort_unstable();
        let mut heard = false;
        for sign in signs {
            match sign {
                Sign::Frame { place, camera, at_ms } => self.frame(now, (place.topic, place.partition), *camera, *at_ms, out),
                Sign::Observed { observed: Observed { place, until_ms }, .. } => {
                    let progress = self.partitions.entry((place.topic, place.partition)).or_default();
                    progress.until_ms = progress.until_ms.max(*until_ms);
                    heard = true;
                }
            }
        }
        if heard {
            self.look(out);
        }
    }

    /// A frame ends a silence, or shows that there was none.
    fn frame(&mut self, now: Clock, partition: Partition, camera: Name, at_ms: u64, out: &mut Vec<(Alert, isize)>) {
        let Some(watched) = self.cameras.get_mut(&camera) else { return };
        let silent_since_ms = watched.last.map(|(_, last_ms)| last_ms).or(self.began_ms);
        if silent_since_ms.is_some_and(|since_ms| since_ms.saturating_add(self.settled_ms) < now) {
            (watched.last, watched.open, watched.forgotten) = (None, None, true);
        }
        let (before, since_ms) = match watched.last {
            Some((_, last_ms)) if at_ms <= last_ms => return,
            Some((before, last_ms)) => (Some(before), Some(last_ms)),
            None => (None, self.began_ms.filter(|_| !watched.forgotten)),
        };
        let was_open = watched.open.take();
        if before != Some(partition) || was_open.is_some() {
            self.partitions.entry(partition).or_default().checks.insert((at_ms + self.silence_ms, camera));
        }
        if let Some(open) = was_open {
            out.push((open, -1));
        }
        let gap_ms = since_ms.map_or(0, |since_ms| at_ms.saturating_sub(since_ms));
        if gap_ms > self.silence_ms {
            out.push((alert(watched, since_ms.unwrap_or(at_ms), Some(gap_ms), self.silence_ms, self.priority), 1));
        }
        watched.last = Some((partition, at_ms));
    }

    /// Looks at the cameras that may have been silent for too long by now.
    fn look(&mut self, out: &mut Vec<(Alert, isize)>) {
        for (partition, progress) in &mut self.partitions {
            while progress.checks.first().is_some_and(|(check_ms, _)| *check_ms < progress.until_ms) {
                let Some((_, camera)) = progress.checks.pop_first() else { break };
                let Some(watched) = self.cameras.get_mut(&camera) else { continue };
                let Some((_, last_ms)) = watched.last.filter(|(at, _)| at == partition) else { continue };
                let due_ms = last_ms + self.silence_ms + u64::from(watched.camera.clock_error_ms);
                if due_ms >= progress.until_ms {
                    progress.checks.insert((due_ms, camera));
                } else if watched.open.is_none() {
                    let alert = alert(watched, last_ms, None, self.silence_ms, self.priority);
                    watched.open = Some(alert.clone());
                    out.push((alert, 1));
                }
            }
        }
        self.look_for_unseen(out);
    }

    /// A camera of which nothing was ever heard is judged by the least observed of all partitions: it may come from any.
    fn look_for_unseen(&mut self, out: &mut Vec<(Alert, isize)>) {
        let Some(until_ms) = self.partitions.values().map(|p| p.until_ms).min().filter(|least| *least > 0) else { return };
        let began_ms = *self.began_ms.get_or_insert(until_ms);
        let (silence_ms, priority, cameras) = (self.silence_ms, self.priority, &mut self.cameras);
        self.unseen.retain(|camera| {
            let Some(watched) = cameras.get_mut(camera).filter(|watched| watched.last.is_none()) else { return false };
            let silent = began_ms + silence_ms + u64::from(watched.camera.clock_error_ms) < until_ms;
            if silent {
                let alert = alert(watched, began_ms, None, silence_ms, priority);
                watched.open = Some(alert.clone());
                out.push((alert, 1));
            }
            !silent
        });
    }
}

/// The camera was silent since `since_ms`, for `gap_ms` or still.
#[expect(clippy::cast_possible_wrap, reason = "spans of time")]
fn alert(watched: &Watched, since_ms: u64, gap_ms: Option<u64>, limit_ms: u64, priority: u8) -> Alert {
    let camera = &watched.camera;
    let id = Id::of(RULE).with(camera.id.as_str().as_bytes());
    Alert {
        id: if watched.last.is_some() { id.number(since_ms) } else { id }.finish(),
        rule: Name::of(RULE),
        certain: true,
        priority,
        at_ms: since_ms,
        centre: camera.centre,
        plate: None,
        journey: None,
        evidence: vec![Evidence { sighting: None, camera: camera.id, at_ms: since_ms }],
        measured: Quantities::of([("silent_ms", gap_ms.unwrap_or(limit_ms) as i64)]),
        limit: Quantities::of([("silent_ms", limit_ms as i64)]),
        text: match gap_ms {
            Some(gap_ms) => format!("Camera {} was silent for {}.", camera.id, seconds(gap_ms)),
            None => format!("Camera {} has been silent for more than {}.", camera.id, seconds(limit_ms)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera() -> Camera {
        serde_json::from_value(serde_json::json!({
            "id": "c1", "centre": "west", "lon_e7": 0, "lat_e7": 0, "heading_deg": 0, "fps": 5, "clock_error_ms": 50,
            "ground": [], "lanes": [], "lines": [], "zones": []
        }))
        .expect("a camera")
    }

    fn hear(watch: &mut Watch, now: Clock, frame_ms: Option<u64>) -> Vec<(u64, i64, isize)> {
        let place = Place { topic: Name::of("observations"), partition: 0, offset: now };
        let frame = frame_ms.map(|at_ms| Sign::Frame { place, camera: Name::of("c1"), at_ms });
        let observed = Sign::Observed { worker: 0, observed: Observed { place, until_ms: now } };
        let mut out = Vec::new();
        watch.advance(now, &mut frame.into_iter().chain([observed]).collect::<Vec<_>>(), &mut out);
        out.iter().map(|(alert, diff)| (alert.at_ms, alert.measured.get("silent_ms").unwrap_or_default(), *diff)).collect()
    }

    #[test]
    fn what_is_final_stays_as_it_was_told_and_the_camera_is_as_good_as_new() {
        let mut watch = Watch::new(vec![camera()], &CameraSilentParameters::default());
        assert_eq!(hear(&mut watch, 1_000, Some(1_000)), []);
        assert_eq!(hear(&mut watch, 12_000, None), [(1_000, 10_000, 1)]);
        assert_eq!(hear(&mut watch, 921_000, Some(920_900)), [(1_000, 10_000, -1), (1_000, 919_900, 1)]);
        assert_eq!(hear(&mut watch, 932_000, None), [(920_900, 10_000, 1)]);
        assert_eq!(hear(&mut watch, 1_841_000, Some(1_840_900)), [], "what is final is not taken back");
        assert_eq!(hear(&mut watch, 1_841_300, Some(1_841_100)), []);
        assert_eq!(hear(&mut watch, 1_852_000, None), [(1_841_100, 10_000, 1)]);
    }

    #[test]
    fn one_that_began_to_watch_in_the_midst_of_a_long_silence_says_the_same_afterwards() {
        let [mut one, mut other] = [(), ()].map(|()| Watch::new(vec![camera()], &CameraSilentParameters::default()));
        hear(&mut one, 1_000, Some(1_000));
        (2..3_000u64).for_each(|second| _ = hear(&mut one, second * 1_000, None));
        (1_500..3_000u64).for_each(|second| _ = hear(&mut other, second * 1_000, None));
        for (now, frame_ms) in [(3_000_000, Some(2_999_900)), (3_012_000, None), (3_013_000, Some(3_012_500))] {
            assert_eq!(hear(&mut one, now, frame_ms), hear(&mut other, now, frame_ms), "at {now}");
        }
    }
}
