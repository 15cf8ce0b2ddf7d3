//! Measures the finder of plates through the product's own code, on roads and vehicles that it did not learn from.

use std::path::Path;

use city::Random;
use city::film::Lessons;
use operators::vision::candle::VietnamesePlateFinder;
use operators::vision::{PlateCorners, PlateFinder};

use crate::finder::{FRAME, frame_of};

/// Heights of plates that figures are told for, pixels.
const HEIGHTS: [(&str, f32, f32); 4] =
    [("all", 0.0, 1e9), ("below 12 px", 0.0, 12.0), ("12 to 20 px", 12.0, 20.0), ("20 px and more", 20.0, 1e9)];

/// What came of a vehicle with a plate that is seen whole.
struct Found {
    height: f32,
    /// How far off the corners are, the mean of the four, as parts of the plate's width and height; none where no plate was found.
    off: Option<[f32; 2]>,
}

/// Prints how many plates are found, how exactly, and how often one is where there is none.
pub(crate) fn figures(weights: &Path, vehicles: usize, seed: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut finder = VietnamesePlateFinder::load(&std::fs::read(weights)?)?;
    let (mut lessons, mut random) = (Lessons::new(FRAME, seed), Random::of(seed, 7));
    let (mut all, mut without, mut invented) = (Vec::new(), 0, 0);
    while all.len() < vehicles {
        let drawn = lessons.draw();
        let Some(frame) = frame_of(&drawn) else { continue };
        for vehicle in drawn.vehicles.iter().filter(|vehicle| vehicle.seen) {
            let [left, top, right, bottom] = vehicle.bounds;
            if right - left < 100.0 {
                continue;
            }
            // Boxes of a detector that is off by three hundredths.
            let mut edge = |at: f64, side: f64| (at + random.normal(0.03) * side).round() as i32;
            let (x, y) = (edge(left, right - left).max(0), edge(top, bottom - top).max(0));
            let bounds = schemas::PixelBox { x, y, width: edge(right, right - left) - x, height: edge(bottom, bottom - top) - y };
            let Some(cut) = frame.cut(bounds) else { continue };
            let found = finder.find(&[cut])?.swap_remove(0);
            let inside = |corners: [[f64; 2]; 4]| corners.map(|[px, py]| [px as f32 - x as f32, py as f32 - y as f32]);
            match vehicle.plate {
                Some(corners) if vehicle.clear => {
                    let truth = PlateCorners { corners: inside(corners), confidence: 0 };
                    all.push(Found { height: truth.extent()[1], off: found.iter().find_map(|plate| off(&truth, plate)) });
                }
                Some(_) => {}
                None if drawn.vehicles.iter().all(|other| other.plate.is_none_or(|plate| !touches(plate, bounds))) => {
                    without += 1;
                    invented += usize::from(!found.is_empty());
                }
                None => {}
            }
        }
    }
    println!("{:16} plates  found  corners off by, median and 9 of 10: width  height", "");
    for (name, least, most) in HEIGHTS {
        let of: Vec<&Found> = all.iter().filter(|found| (least..most).contains(&found.height)).collect();
        let hits: Vec<[f32; 2]> = of.iter().filter_map(|found| found.off).collect();
        let part = |k: usize, part: usize| {
            let mut values: Vec<f32> = hits.iter().map(|off| off[k]).collect();
            values.sort_by(f32::total_cmp);
            values.get(values.len() * part / 10).copied().unwrap_or(f32::NAN)
        };
        let found = hits.len() as f64 / of.len().max(1) as f64;
        println!("{name:16} {:6}  {found:.3}  {:.4} {:.4}  {:.4} {:.4}", of.len(), part(0, 5), part(0, 9), part(1, 5), part(1, 9));
    }
    println!("a plate told on {invented} of {without} vehicles without one");
    Ok(())
}

/// How far off a plate's corners are; none if it is another plate.
fn off(truth: &PlateCorners, plate: &PlateCorners) -> Option<[f32; 2]> {
    let square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    let mut sum = [0.0; 2];
    for (corner, at) in plate.corners.iter().zip(square) {
        let place = truth.place(*corner)?;
        (0..2).for_each(|k| sum[k] += (place[k] - at[k]).abs() / 4.0);
    }
    (sum[0] < 0.5 && sum[1] < 1.0).then_some(sum)
}

fn touches(plate: [[f64; 2]; 4], bounds: schemas::PixelBox) -> bool {
    plate.iter().any(|[x, y]| {
        (f64::from(bounds.x)..f64::from(bounds.x + bounds.width)).contains(x)
            && (f64::from(bounds.y)..f64::from(bounds.y + bounds.height)).contains(y)
    })
}
