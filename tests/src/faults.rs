//! Bad input, put among the good: what a broken camera, a wrong clock or a careless clerk sends.
//!
//! Bad records are added, none is taken away, so the answer must stay what it was and `rejected` must hold each of them.
//!
//! ```
//! use city::{faults::{Fault, spoil}, Plan, simulate};
//! let lines = simulate(&Plan::small(1).clean()).observation_lines();
//! let spoilt = spoil(&lines, &[(Fault::Truncated, 3), (Fault::Year2090, 2)], 7);
//! assert_eq!(spoilt.lines.len(), lines.len() + 5);
//! assert_eq!(spoilt.rejected["unreadable"], 3);
//! ```

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{Random, Recording};

/// A way in which an observation can be bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The line breaks off in the middle.
    Truncated,
    /// A word where a number belongs.
    WrongType,
    /// A box of negative width.
    NegativeBox,
    /// A clock that lost its battery.
    Year1970,
    /// A clock that jumped ahead.
    Year2090,
    /// A plate of 500 characters.
    LongPlate,
    /// A frame of 100,000 objects.
    ManyObjects,
    /// A camera that is not on the map.
    UnknownCamera,
    /// The same frame once more.
    Repeated,
}

impl Fault {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Truncated,
        Self::WrongType,
        Self::NegativeBox,
        Self::Year1970,
        Self::Year2090,
        Self::LongPlate,
        Self::ManyObjects,
        Self::UnknownCamera,
        Self::Repeated,
    ];

    /// The reason `rejected` must give.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Truncated => "unreadable",
            Self::WrongType | Self::NegativeBox | Self::LongPlate | Self::ManyObjects | Self::UnknownCamera => "invalid",
            Self::Year1970 => "late",
            Self::Year2090 => "future",
            Self::Repeated => "duplicate",
        }
    }

    /// A bad record made from a good one.
    fn of(self, good: &str, random: &mut Random) -> String {
        let mut record: Value = serde_json::from_str(good).unwrap_or_default();
        let plate = |text: String| json!({"confidence": vec![900; text.len()], "text": text, "kind": "car", "colour": "white"});
        let object = |width: i64| json!({"class": "car", "confidence": 900, "box": [600, 400, width, 40]});
        match self {
            Self::Truncated => return good[..random.range(1, good.len() as i64 - 1) as usize].to_owned(),
            Self::Repeated => return good.to_owned(),
            Self::WrongType => record["frame"] = json!("soon"),
            Self::NegativeBox => record["objects"] = json!([object(-5)]),
            Self::Year1970 => record["at_ms"] = json!(5_000),
            Self::Year2090 => record["at_ms"] = json!(3_786_912_000_000_i64),
            Self::LongPlate => {
                record["objects"] = json!([object(20)]);
                record["objects"][0]["plate"] = plate("8".repeat(500));
            }
            Self::ManyObjects => record["objects"] = json!(vec![object(20); 100_000]),
            Self::UnknownCamera => record["camera"] = json!("nowhere"),
        }
        record.to_string()
    }
}

/// Input with bad records in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoilt {
    /// All lines.
    pub lines: Vec<String>,
    /// How many records of each reason `rejected` must hold, those included that were repeated before.
    pub rejected: BTreeMap<&'static str, usize>,
}

/// Adds so many bad records of each kind to lines of observations, anywhere after the first tenth; each arrives right after the
/// good record it is made from.
#[must_use]
pub fn spoil(lines: &[String], faults: &[(Fault, usize)], seed: u64) -> Spoilt {
    let mut random = Random::of(seed, 110);
    let mut rejected = BTreeMap::new();
    let mut bad = BTreeMap::<usize, Vec<String>>::new();
    for (fault, count) in faults {
        for _ in 0..*count {
            let place = random.range(lines.len() as i64 / 10, lines.len() as i64) as usize;
            bad.entry(place).or_default().push(fault.of(&lines[place], &mut random));
            *rejected.entry(fault.reason()).or_default() += 1;
        }
    }
    let repeated = repeats(lines);
    if repeated > 0 {
        *rejected.entry(Fault::Repeated.reason()).or_default() += repeated;
    }
    let with_bad = |(n, line): (usize, &String)| [line.clone()].into_iter().chain(bad.remove(&n).unwrap_or_default());
    Spoilt { lines: lines.iter().enumerate().flat_map(with_bad).collect(), rejected }
}

/// How many of these observations were delivered before: not newer than the newest of their camera.
fn repeats(lines: &[String]) -> usize {
    let mut newest = BTreeMap::<String, u64>::new();
    let again = |line: &String| {
        let record: Value = serde_json::from_str(line).unwrap_or_default();
        let (camera, frame) = (record["camera"].as_str().unwrap_or_default().to_owned(), record["frame"].as_u64().unwrap_or(0));
        match newest.get_mut(&camera) {
            Some(newest) if frame <= *newest => true,
            Some(newest) => {
                *newest = frame;
                false
            }
            None => newest.insert(camera, frame).is_some(),
        }
    };
    lines.iter().map(again).filter(|again| *again).count()
}

/// A recording's hotlist with as many entries added whose end lies before their beginning.
#[must_use]
pub fn spoil_hotlist(recording: &Recording, count: usize) -> Spoilt {
    let reversed = |n: usize| {
        let (from, until) = (crate::EPOCH_MS + 1_000, crate::EPOCH_MS);
        let entry = json!({"list": "stolen", "plate": format!("88Z{n:05}"), "kind": "car", "priority": 50, "reason": "case", "from_ms": from, "until_ms": until});
        entry.to_string()
    };
    let lines = recording.hotlist_lines().into_iter().chain((0..count).map(reversed)).collect();
    Spoilt { lines, rejected: BTreeMap::from([("invalid", count)]) }
}

#[cfg(test)]
mod tests {
    use super::{Fault, spoil, spoil_hotlist};
    use crate::records::{HotlistEntry, Observation};
    use crate::{Noise, Plan, simulate};

    #[test]
    fn the_good_records_stay_and_the_bad_are_counted() {
        let plan = Plan { noise: Noise { duplicates: 0.05, delay_ms: 100.0, ..Noise::none() }, ..Plan::small(2) };
        let recording = simulate(&plan);
        let lines = recording.observation_lines();
        let all: Vec<(Fault, usize)> = Fault::ALL.into_iter().filter(|f| *f != Fault::ManyObjects).map(|f| (f, 4)).collect();
        let spoilt = spoil(&lines, &all, 1);
        let mut rest = spoilt.lines.iter();
        assert!(lines.iter().all(|line| rest.any(|other| other == line)), "the good are there, in their order");
        assert_eq!(spoilt.lines.len(), lines.len() + 8 * 4);
        let unreadable = spoilt.lines.iter().filter(|l| serde_json::from_str::<serde_json::Value>(l).is_err()).count();
        let typed = spoilt.lines.iter().filter(|l| serde_json::from_str::<Observation>(l).is_err()).count();
        assert_eq!((unreadable, typed), (4, 8));
        assert_eq!((spoilt.rejected["unreadable"], spoilt.rejected["invalid"]), (4, 16));
        assert!(spoilt.rejected["duplicate"] > 4 + 20, "{:?}", spoilt.rejected);
    }

    #[test]
    fn a_frame_of_a_hundred_thousand_objects_and_a_reversed_entry_are_what_they_say() {
        let recording = simulate(&Plan::small(2).clean());
        let spoilt = spoil(&recording.observation_lines(), &[(Fault::ManyObjects, 1)], 1);
        let most = spoilt.lines.iter().map(|l| serde_json::from_str::<Observation>(l).unwrap().objects.len()).max();
        assert_eq!(most, Some(100_000));
        let hotlist = spoil_hotlist(&recording, 3);
        let entries = hotlist.lines.iter().map(|l| serde_json::from_str::<HotlistEntry>(l).unwrap());
        assert_eq!(entries.filter(|e| e.until_ms <= e.from_ms).count(), 3);
    }
}
