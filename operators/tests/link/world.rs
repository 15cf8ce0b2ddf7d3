//! A small city in which sightings are told, changed and taken back, with the table of journeys that results.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use operators::city::{Assembler, Itinerary, JourneyParameters, LinkParameters, Linker, Part};
use schemas::{City, Crossing, Id, Journey, Name, Sighting};

/// A linker, an assembler, and what they have told so far.
pub(crate) struct World {
    linker: Linker,
    assembler: Assembler,
    said: BTreeMap<u64, Arc<Sighting>>,
    changes: Vec<(Arc<Sighting>, isize)>,
    table: BTreeMap<Arc<Itinerary>, isize>,
    city: Arc<City>,
}

impl World {
    pub(crate) fn new(city: Arc<City>, parameters: LinkParameters) -> Self {
        Self {
            linker: Linker::new(&city, parameters),
            assembler: Assembler::new(&city, JourneyParameters::default()),
            said: BTreeMap::new(),
            changes: Vec::new(),
            table: BTreeMap::new(),
            city,
        }
    }

    /// Says what is known of a sighting from now on: another revision of it, or that it is none.
    pub(crate) fn say(&mut self, id: u64, sighting: Option<Sighting>) {
        let before = self.said.remove(&id);
        self.changes.extend(before.map(|before| (before, -1)));
        if let Some(sighting) = sighting.map(Arc::new) {
            self.said.insert(id, Arc::clone(&sighting));
            self.changes.push((sighting, 1));
        }
    }

    /// Lets all that was said since take effect at one moment.
    pub(crate) fn step(&mut self, now_ms: u64) -> Vec<(Journey, isize)> {
        let mut parts: Vec<_> = self.changes.iter().map(|(sighting, diff)| (Part::Sighting(Arc::clone(sighting)), *diff)).collect();
        let (mut bonds, mut itineraries) = (Vec::new(), Vec::new());
        self.linker.apply(now_ms, &mut std::mem::take(&mut self.changes), &mut bonds);
        parts.extend(bonds.into_iter().map(|(bond, diff)| (Part::Bond(bond), diff)));
        self.assembler.apply(now_ms, &mut parts, &mut itineraries);
        for (itinerary, diff) in &itineraries {
            *self.table.entry(itinerary.clone()).or_default() += diff;
        }
        self.table.retain(|_, count| *count != 0);
        itineraries.into_iter().map(|(itinerary, diff)| (Journey::clone(&itinerary.journey), diff)).collect()
    }

    /// The table, a line a journey.
    pub(crate) fn journeys(&self) -> Vec<String> {
        let mut table: Vec<_> = self.table.keys().map(|itinerary| line(&itinerary.journey)).collect();
        table.sort();
        table
    }

    /// How many sightings are remembered for linking and for journeys, and how many belong to journeys that went on after a moment.
    pub(crate) fn remembered(&self, after_ms: u64) -> (usize, usize, usize) {
        let running = self.table.keys().filter(|itinerary| itinerary.journey.until_ms >= after_ms);
        (self.linker.size().0, self.assembler.size(), running.map(|itinerary| itinerary.sightings.len()).sum())
    }

    /// What must hold at any moment: each sighting in one journey, in order of time, at a speed vehicles have.
    pub(crate) fn check(&self) {
        assert!(self.table.values().all(|count| *count == 1));
        let mut members: Vec<_> = self.table.keys().flat_map(|itinerary| &itinerary.sightings).collect();
        members.sort();
        assert!(members.into_iter().eq(self.said.values()), "every sighting as last said, once");
        for itinerary in self.table.keys() {
            for (i, a) in itinerary.sightings.iter().enumerate() {
                itinerary.sightings[i + 1..].iter().for_each(|b| assert!(self.drivable(a, b), "{a:?} {b:?}"));
            }
        }
    }

    fn drivable(&self, a: &Sighting, b: &Sighting) -> bool {
        let at_ms = |s: &Sighting| s.crossings.first().map_or(s.from_ms, |crossing| crossing.at_ms);
        let took_ms = at_ms(b).checked_sub(at_ms(a));
        let way = self.city.links.iter().find(|link| link.from == a.camera && link.to == b.camera);
        took_ms.is_some_and(|took| a.camera == b.camera || way.is_some_and(|way| (took + 100) * 4_444 >= way.length_cm * 1_000))
    }

    /// Runs lines `+ id camera seconds plate body [m/s]` and `- id`, and tells what changed and what stands.
    pub(crate) fn script(&mut self, now_ms: u64, lines: &str) -> String {
        for line in lines.lines() {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["+", id, camera, seconds, plate, body, ref speed @ ..] => {
                    let id = id.parse().unwrap();
                    let at_ms = (seconds.parse::<f64>().unwrap() * 1_000.0).round() as u64;
                    let speed = speed.first().map(|speed| speed.parse().unwrap());
                    self.say(id, Some(sighting(id, camera, at_ms, plate, body, speed)));
                }
                ["-", id] => self.say(id.parse().unwrap(), None),
                _ => panic!("not understood: {line}"),
            }
        }
        let mut told: Vec<_> = self.step(now_ms).iter().map(|(journey, diff)| format!("{diff:+} {}", line(journey))).collect();
        told.sort();
        let mut text = told.join("\n") + "\n";
        self.journeys().iter().for_each(|row| writeln!(text, " = {row}").unwrap());
        text
    }
}

fn line(journey: &Journey) -> String {
    let sightings: Vec<_> = journey.sightings.iter().zip(&journey.cameras).map(|(id, camera)| format!("{}@{camera}", id.0)).collect();
    let plate = journey.plate.map_or_else(|| "-".into(), |plate| plate.text.to_string());
    format!("{plate} {} ({})", sightings.join(" "), journey.certainty)
}

/// How far behind the stop line the second line is.
const BEYOND_CM: u64 = 600;

/// A city of lines `from to metres [adjacent]`; cameras are those that are named.
pub(crate) fn city(lines: &str) -> City {
    let rows: Vec<Vec<&str>> = lines.lines().map(|line| line.split_whitespace().collect()).collect();
    let mut names: Vec<&str> = rows.iter().flat_map(|row| [row[0], row[1]]).collect();
    names.sort_unstable();
    names.dedup();
    // Ten pixels a metre; the stop line at 500.
    let corners = [[0, -5_000, -500], [100, -5_000, 500], [0, 1_000, -500], [100, 1_000, 500]];
    let ground = corners.map(|[x, along, across]| serde_json::json!({"pixel": [x, 500 + along / 10], "cm": [along, across]}));
    let cameras: Vec<_> = names
        .iter()
        .map(|id| {
            serde_json::json!({"id": id, "centre": "x", "lon_e7": 0, "lat_e7": 0, "heading_deg": 0, "fps": 5, "clock_error_ms": 50,
                "ground": ground,
                "lanes": [], "zones": [],
                "lines": [{"id": "stop", "kind": "stop_line", "from": [0, 500], "to": [100, 500]},
                    {"id": "beyond", "kind": "conflict_line", "from": [0, 500 + BEYOND_CM / 10], "to": [100, 500 + BEYOND_CM / 10]}]})
        })
        .collect();
    let links: Vec<_> = rows
        .iter()
        .map(|row| serde_json::json!({"from": row[0], "to": row[1], "length_cm": row[2].parse::<u64>().unwrap() * 100, "adjacent": row.len() > 3}))
        .collect();
    serde_json::from_value(serde_json::json!({"name": "t", "centres": ["x"], "cameras": cameras, "links": links, "sections": []})).unwrap()
}

/// A car that crossed the stop line at a moment, and the line behind it with a speed in m/s if one is given (at 0 m/s it came into view
/// at that moment and crossed nothing); `-` for no plate; a symbol of a plate in a small letter was read with little confidence.
pub(crate) fn sighting(id: u64, camera: &str, at_ms: u64, plate: &str, body: &str, speed: Option<f64>) -> Sighting {
    let confidence: Vec<u16> = plate.chars().map(|c| if c.is_ascii_lowercase() { 600 } else { 980 }).collect();
    let plate = (plate != "-").then(|| serde_json::json!({"text": plate, "kind": "car", "colour": "white", "confidence": confidence}));
    let crossing = |line, at_ms| Crossing { line: Name::of(line), at_ms, lane: Some(0), forward: true };
    let crosses = speed != Some(0.0);
    let beyond = speed.filter(|_| crosses).map(|speed| crossing("beyond", at_ms + (BEYOND_CM as f64 * 10.0 / speed).round() as u64));
    Sighting {
        id: Id(id),
        camera: camera.parse().unwrap(),
        class: serde_json::from_str("\"car\"").unwrap(),
        body: serde_json::from_str(&format!("\"{body}\"")).unwrap(),
        from_ms: if crosses { at_ms.saturating_sub(3_000) } else { at_ms },
        until_ms: at_ms + 1_000,
        plate: plate.map(|plate| serde_json::from_value(plate).unwrap()),
        crossings: crosses.then(|| crossing("stop", at_ms)).into_iter().chain(beyond).collect(),
        stays: Vec::new(),
        speed_cms: None,
        boxes: 20,
        against_cm: None,
        against_from_ms: None,
    }
}
