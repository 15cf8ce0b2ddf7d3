//! Films a synthetic city: `input/` with a video a camera and all that the product needs besides, `truth/` for the judge.
//!
//! `make_film --seed 1 --cameras 4 --seconds 90 --out DIR [--night]`

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use city::Plan;
use city::film::{Film, Light};

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let number = |name: &str, usual: u32| {
        value(name).map_or(Ok(usual), |text| text.parse().map_err(|_| format!("{name} takes a whole number, not {text:?}")))
    };
    let out = PathBuf::from(value("--out").ok_or("--out DIR is missing")?);
    let plan = Plan::filmed(u64::from(number("--seed", 1)?), number("--cameras", 4)? as usize, number("--seconds", 90)?);
    let light = if arguments.iter().any(|a| a == "--night") { Light::Night } else { Light::Day };
    let film = Film::of(&plan, light);
    let (all, drawn) = (film.frames() * plan.cameras as u32, AtomicU32::new(0));
    let tell = || {
        let drawn = drawn.fetch_add(1, Ordering::Relaxed) + 1;
        if drawn.is_multiple_of(100) || drawn == all {
            println!("{drawn} of {all} pictures");
        }
    };
    film.write(&out, &tell).map_err(|e| format!("{}: {e} (hint: the program ffmpeg is needed)", out.display()))?;
    let truth = &film.recording().truth;
    println!(
        "{} cameras, {} vehicles, {} passages, {} red, {} wrong way, {} sections ({} over)",
        plan.cameras,
        truth.vehicles.len(),
        truth.passages.len(),
        truth.red_light.len(),
        truth.wrong_way.len(),
        truth.sections.len(),
        truth.sections.iter().filter(|s| s.over).count()
    );
    Ok(())
}
