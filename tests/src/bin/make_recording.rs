//! Writes a recording of a synthetic city: `input/` for the product, `truth/` for the judge.
//!
//! `make_recording --seed 1 --cameras 16 --minutes 60 --out DIR [--fps 5] [--arrivals 400] [--clean]`

use std::path::PathBuf;

use city::{Plan, simulate};

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let number = |name: &str, usual: u32| {
        value(name).map_or(Ok(usual), |text| text.parse().map_err(|_| format!("{name} takes a whole number, not {text:?}")))
    };
    let out = PathBuf::from(value("--out").ok_or("--out DIR is missing")?);
    let mut plan = Plan::new(u64::from(number("--seed", 1)?), number("--cameras", 16)? as usize, number("--minutes", 20)? * 60);
    plan.fps = number("--fps", plan.fps)?;
    plan.arrivals_per_hour = number("--arrivals", plan.arrivals_per_hour)?;
    if arguments.iter().any(|a| a == "--clean") {
        plan = plan.clean();
    }
    let recording = simulate(&plan);
    recording.write(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    let (truth, boxes) = (&recording.truth, recording.observations.iter().map(|o| o.objects.len()).sum::<usize>());
    let over = truth.sections.iter().filter(|s| s.over).count();
    println!(
        "{} cameras, {} observations with {boxes} boxes, {} vehicles, {} passages, {} sections ({over} of {} over), {} red, {} wrong way, {} stops, {} cloned, {} hotlist hits, {} outages",
        recording.city.cameras.len(),
        recording.observations.len(),
        truth.vehicles.len(),
        truth.passages.len(),
        recording.city.sections.len(),
        truth.sections.len(),
        truth.red_light.len(),
        truth.wrong_way.len(),
        truth.stopping.len(),
        truth.cloned.len(),
        truth.hotlist_hits.len(),
        truth.outages.len()
    );
    Ok(())
}
