//! Marks on a copy of a picture: which vehicle it is about, and camera, time and lane in words.

use operators::vision::{Colour, Picture};
use schemas::{Alert, Camera, Crossing, Frame, Object, Pixel, PixelBox, Sighting};

/// The box of the vehicle that the alert is about, of any other, and what it crossed.
const ABOUT: Colour = [0, 0, 255];
const OTHER: Colour = [0, 200, 255];
const LINE: Colour = [80, 255, 80];

/// Which of the vehicles on the picture the alert is about: that whose plate it is, else that which crosses the line in the lane, else
/// the only one there is.
pub(super) fn about(
    objects: &[Object],
    alert: &Alert,
    sighting: Option<&Sighting>,
    crossing: Option<&Crossing>,
    map: Option<&Camera>,
) -> Option<usize> {
    let plate = alert.plate.or(sighting.and_then(|sighting| sighting.plate));
    let same = |object: &Object| object.plate.zip(plate).is_some_and(|(seen, told)| seen.text == told.text);
    let read = objects.iter().position(same);
    read.or_else(|| crossing_at(objects, crossing?, map?)).or((objects.len() == 1).then_some(0))
}

/// Which vehicle's front is nearest to where a line meets a lane; none further from there than its own width.
fn crossing_at(objects: &[Object], crossing: &Crossing, map: &Camera) -> Option<usize> {
    let line = map.lines.iter().find(|line| line.id == crossing.line)?;
    let lane = map.lanes.iter().find(|lane| Some(lane.id) == crossing.lane)?;
    let middle = f64::from(lane.from_x + lane.to_x) / 2.0;
    let [from, to] = [line.from, line.to].map(|Pixel { x, y }| [f64::from(x), f64::from(y)]);
    let part = if from[0] == to[0] { 0.5 } else { (middle - from[0]) / (to[0] - from[0]) };
    let at = [middle, from[1] + (to[1] - from[1]) * part];
    let far = |object: &Object| {
        let PixelBox { x, y, width, height } = object.bounds;
        let (x, y) = (f64::from(x) + f64::from(width) / 2.0, f64::from(y.saturating_add(height)));
        (x - at[0]).hypot(y - at[1])
    };
    let nearest = (0..objects.len()).min_by(|a, b| far(&objects[*a]).total_cmp(&far(&objects[*b])))?;
    (far(&objects[nearest]) <= f64::from(objects[nearest].bounds.width)).then_some(nearest)
}

/// A copy with the boxes of all vehicles, that of the alert in red, with the lines that the map has, and with camera, time and lane.
pub(super) fn marked(
    picture: &Picture,
    frame: &Frame,
    objects: &[Object],
    about: Option<usize>,
    lane: Option<u32>,
    map: Option<&Camera>,
) -> Picture {
    let mut marked = picture.clone();
    let dot = (picture.height() / 360).max(1);
    for line in map.iter().flat_map(|map| &map.lines) {
        marked.draw_line(line.from, line.to, LINE, dot);
    }
    for (_, object) in objects.iter().enumerate().filter(|(place, _)| Some(*place) != about) {
        marked.draw_box(object.bounds, OTHER, dot * 2);
    }
    if let Some(object) = about.map(|place| &objects[place]) {
        marked.draw_box(object.bounds, ABOUT, dot * 2);
        if let Some(plate) = object.plate {
            let below = object.bounds.y.saturating_add(object.bounds.height).saturating_add(2);
            marked.write(&plate.text.to_string(), object.bounds.x, below, dot);
        }
    }
    let lane = lane.map(|lane| format!("  lane {lane}")).unwrap_or_default();
    marked.write(&format!("{}  {} ± {} ms{lane}", frame.camera, super::moment(frame.at_ms), frame.error_ms), 0, 0, dot);
    marked
}
