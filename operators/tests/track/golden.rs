//! Golden scripts: vehicles on the road in, changes out.
//!
//! ```text
//! vehicle [class=car] [plate=88A12345] [confidence=950] [hidden=(2.0,3.5)]     its path: second, metres along, metres across
//! watch seconds=6                                                              what the camera's frames change
//! frames                                                                       frames without objects: clock, camera, frame, at_ms
//! ```

use std::fmt::Write;

use datadriven::TestCase;
use operators::{Arrived, Clock};
use schemas::{Observation, Sighting};
use serde_json::json;

use crate::road::{FRAME_MS, Faultless, Lens, Vehicle, arrived, city, frame};
use crate::run::{Change, run};

#[test]
fn scripts_give_what_they_say() {
    datadriven::walk("tests/golden/track", |file| {
        let mut vehicles = Vec::new();
        file.run(|case| match case.directive.as_str() {
            "vehicle" => {
                vehicles.push(vehicle(case));
                String::new()
            }
            "watch" => {
                let seconds: u64 = case.take_arg("seconds").unwrap();
                let frames = (0..seconds * 1_000 / FRAME_MS).map(|n| frame("c1", Lens::Above, &vehicles, n, &mut Faultless));
                let input: Vec<(Clock, Arrived<Observation>)> = frames.map(|f| (f.at_ms, arrived(f.clone(), f.frame))).collect();
                show(&input)
            }
            "frames" => show(&case.input.lines().enumerate().map(raw_frame).collect::<Vec<_>>()),
            other => panic!("no directive is called {other}"),
        });
    });
}

fn vehicle(case: &mut TestCase) -> Vehicle {
    let path = case.input.lines().map(|line| {
        let mut numbers = line.split_whitespace().map(|n| n.parse::<f64>().unwrap());
        std::array::from_fn(|_| numbers.next().unwrap())
    });
    let path = path.collect();
    let hidden: Vec<f64> = case.try_take_args("hidden").unwrap().unwrap_or_default();
    Vehicle {
        class: case.try_take_arg("class").unwrap().unwrap_or("car".to_owned()),
        plate: case.try_take_arg("plate").unwrap(),
        confidence: case.try_take_arg("confidence").unwrap().unwrap_or(950),
        path,
        hidden: (hidden.first().copied().unwrap_or(-1.0), hidden.get(1).copied().unwrap_or(-1.0)),
    }
}

fn raw_frame((offset, line): (usize, &str)) -> (Clock, Arrived<Observation>) {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [clock, camera, frame, at_ms] = fields[..] else { panic!("a frame is: clock, camera, frame, at_ms") };
    let number = |text: &str| text.parse::<u64>().unwrap();
    let record = json!({"camera": camera, "frame": number(frame), "at_ms": number(at_ms), "objects": []});
    (number(clock), arrived(serde_json::from_value(record).unwrap(), offset as u64))
}

fn show(input: &[(Clock, Arrived<Observation>)]) -> String {
    let changes = run(&city(&[("c1", Lens::Above)]), input, 1);
    changes.iter().fold(String::new(), |mut text, change| {
        match change {
            Change::Sighting(at, sighting, diff) => writeln!(text, "{at:>5} {diff:+} {}", describe(sighting)),
            Change::Rejected(at, r, _) => {
                writeln!(text, "{at:>5} offset {} {:?}: {}\n      {}", r.offset, r.reason, r.detail, r.record.as_deref().unwrap())
            }
        }
        .unwrap();
        text
    })
}

fn describe(s: &Sighting) -> String {
    let mut text = format!("{:?} {}..{} {} boxes", s.class, s.from_ms, s.until_ms, s.boxes).to_lowercase();
    if let Some(plate) = &s.plate {
        write!(text, ", {} {:?}", plate.text, plate.confidence).unwrap();
    }
    for c in &s.crossings {
        let lane = c.lane.map_or("no lane".to_owned(), |lane| format!("lane {lane}"));
        write!(text, ", {} {} {lane} {}", c.line, c.at_ms, if c.forward { "forward" } else { "backward" }).unwrap();
    }
    for stay in &s.stays {
        write!(text, ", stood on {} {}..{}", stay.zone, stay.from_ms, stay.until_ms).unwrap();
    }
    if let Some(cm) = s.against_cm {
        write!(text, ", {cm} cm against").unwrap();
    }
    text
}
