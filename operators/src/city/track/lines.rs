//! What a camera's picture means on the road: lines to cross, lanes to drive in, zones to stand in.

use schemas::{Camera, Lane, LineKind, Name, Pixel, Zone};

use crate::city::ground::{Homography, Point};

/// Where and when a vehicle was, and how fast: one end of a piece of its path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waypoint {
    pub(super) at_ms: u64,
    pub(super) position: Point,
    pub(super) velocity: Point,
    /// Variance of the position along and across, cm².
    pub(super) variance: [f32; 2],
    /// Whether its front was hidden behind a nearer vehicle, so that the position is a detector's guess.
    pub(super) hidden: bool,
}

/// A line on the ground.
#[derive(Clone, Debug)]
pub(super) struct GroundLine {
    pub(super) id: Name,
    from: Point,
    /// Unit vector across the line, to the side where image y grows.
    forward: Point,
    /// From one end to the other, divided by the length squared.
    extent: Point,
}

/// A vehicle's front passed a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    pub(super) at_ms: u64,
    pub(super) position: Point,
}

impl GroundLine {
    /// How far ahead of the line a point is, cm; negative before it.
    pub(super) fn ahead(&self, point: Point) -> f32 {
        dot(self.forward, minus(point, self.from))
    }

    /// How well that is known at a waypoint: one standard deviation, cm.
    pub(super) fn doubt(&self, w: &Waypoint) -> f32 {
        (self.forward[0] * self.forward[0] * w.variance[0] + self.forward[1] * self.forward[1] * w.variance[1]).sqrt()
    }

    /// How fast a vehicle moves across the line, forwards, cm/s; 0 for one that turns: whose way is more than 18 degrees off.
    pub(super) fn approach(&self, at: &Waypoint) -> f32 {
        let speed = dot(self.forward, at.velocity);
        if speed > 0.95 * at.velocity[0].hypot(at.velocity[1]) { speed } else { 0.0 }
    }

    /// When and where a vehicle that was last seen before the line passes it, if it cannot stop there any more: at the latest,
    /// braking with `braking` (cm/s²) all the way.
    pub(super) fn unstoppable(&self, last: &Waypoint, braking: f32) -> Option<Passed> {
        let (short, speed) = (-self.ahead(last.position), self.approach(last));
        let left = speed * speed - 2.0 * braking * (short + self.doubt(last));
        if short < 0.0 || speed <= 0.0 || left < 0.0 {
            return None;
        }
        let seconds = (speed - (speed * speed - 2.0 * braking * short).sqrt()) / braking;
        let position = [0, 1].map(|i| last.position[i] + last.velocity[i] * short / speed);
        self.spans(position).then(|| Passed { at_ms: last.at_ms + (seconds * 1_000.0).round() as u64, position })
    }

    /// Whether a point lies between the line's ends, as seen across it.
    fn spans(&self, point: Point) -> bool {
        (0.0..=1.0).contains(&dot(self.extent, minus(point, self.from)))
    }

    /// When and where a piece of path passes the line between its ends; `None` if it does not.
    ///
    /// The path between two frames is the cubic that agrees with both places and both velocities, so that a vehicle
    /// which was hidden while it pulled away is not thought to have driven evenly.
    pub(super) fn passed(&self, from: &Waypoint, to: &Waypoint) -> Option<Passed> {
        let (start, end) = (self.ahead(from.position), self.ahead(to.position));
        if (start < 0.0) == (end < 0.0) {
            return None;
        }
        let took_ms = to.at_ms.saturating_sub(from.at_ms) as f32;
        let slope = |w: &Waypoint| dot(self.forward, w.velocity) * took_ms / 1_000.0;
        let (m0, m1) = (slope(from), slope(to));
        let ahead = |u: f32| {
            let (u2, u3) = (u * u, u * u * u);
            (2.0 * u3 - 3.0 * u2 + 1.0) * start + (u3 - 2.0 * u2 + u) * m0 + (3.0 * u2 - 2.0 * u3) * end + (u3 - u2) * m1
        };
        let (mut low, mut high) = (0.0f32, 1.0f32);
        for _ in 0..16 {
            let middle = (low + high) / 2.0;
            if (ahead(middle) < 0.0) == (start < 0.0) { low = middle } else { high = middle }
        }
        // Where it passed is a matter of the straight way between the two places.
        let share = start / (start - end);
        let position = [0, 1].map(|i| from.position[i] + share * (to.position[i] - from.position[i]));
        self.spans(position).then(|| Passed { at_ms: from.at_ms + (high * took_ms).round() as u64, position })
    }
}

/// A zone on the ground.
#[derive(Clone, Debug)]
pub(super) struct GroundZone {
    pub(super) id: Name,
    pub(super) limit_ms: u64,
    corners: Vec<Point>,
}

impl GroundZone {
    /// Whether a point lies inside (ray casting).
    pub(super) fn contains(&self, [x, y]: Point) -> bool {
        let previous = self.corners.iter().cycle().skip(self.corners.len().saturating_sub(1));
        let crosses = |([x0, y0], [x1, y1]): (&Point, &Point)| (y0 > &y) != (y1 > &y) && x < (x1 - x0) * (y - y0) / (y1 - y0) + x0;
        self.corners.iter().zip(previous).filter(|(a, b)| crosses((a, b))).count() % 2 == 1
    }
}

/// A lane as it runs on the ground: between two distances to the right.
#[derive(Clone, Copy, Debug)]
struct GroundLane {
    id: u32,
    from: f32,
    to: f32,
}

/// Everything the city tells about one camera's picture, on the ground.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) camera: Name,
    pub(super) period_ms: u64,
    pub(super) ground: Homography,
    pub(super) lines: Vec<GroundLine>,
    pub(super) zones: Vec<GroundZone>,
    lanes: Vec<GroundLane>,
    /// The outermost edges of the lanes; no bounds where the city names no lanes.
    edges: (f32, f32),
    /// Which of the lines is the stop line.
    pub(super) stop: Option<usize>,
}

impl View {
    /// Lays a camera's lines, lanes and zones on the ground.
    ///
    /// # Errors
    /// Ground points that fix no homography, or a line, lane or zone that reaches above the horizon.
    pub(super) fn of(camera: &Camera) -> Result<Self, String> {
        let ground = Homography::through(&camera.ground)?;
        let point = |p: Pixel| ground.point(p.x as f32, p.y as f32);
        let above = |what: &str, id: &dyn std::fmt::Display| format!("{what} {id} of this camera reaches above the horizon");
        let lines = camera
            .lines
            .iter()
            .map(|line| {
                let (from, to) = point(line.from).zip(point(line.to)).ok_or_else(|| above("line", &line.id))?;
                let beyond = line_side(&ground, line.from, line.to).ok_or_else(|| above("line", &line.id))?;
                Ok(ground_line(line.id, from, to, beyond))
            })
            .collect::<Result<Vec<_>, String>>()?;
        let zone = |zone: &Zone| {
            let corners = zone.polygon.iter().map(|p| point(*p)).collect::<Option<Vec<_>>>();
            let corners = corners.ok_or_else(|| above("zone", &zone.id))?;
            Ok(GroundZone { id: zone.id, limit_ms: zone.limit_ms, corners })
        };
        let zones = camera.zones.iter().map(zone).collect::<Result<Vec<_>, String>>()?;
        let stop = camera.lines.iter().position(|line| line.kind == LineKind::StopLine);
        let stop_y = |x: i32| match stop.map(|i| &camera.lines[i]) {
            Some(line) if line.to.x != line.from.x => {
                line.from.y as f32 + (x - line.from.x) as f32 * (line.to.y - line.from.y) as f32 / (line.to.x - line.from.x) as f32
            }
            _ => camera.ground.iter().map(|p| p.pixel.y as f32).sum::<f32>() / camera.ground.len() as f32,
        };
        let across = |x: i32| ground.point(x as f32, stop_y(x)).map(|[_, across]| across);
        let lane = |lane: &Lane| {
            let (a, b) = across(lane.from_x).zip(across(lane.to_x)).ok_or_else(|| above("lane", &lane.id))?;
            Ok(GroundLane { id: lane.id, from: a.min(b), to: a.max(b) })
        };
        let lanes = camera.lanes.iter().map(lane).collect::<Result<Vec<_>, String>>()?;
        let edges = match lanes.as_slice() {
            [] => (f32::MIN, f32::MAX),
            lanes => lanes.iter().fold((f32::MAX, f32::MIN), |(left, right), lane| (left.min(lane.from), right.max(lane.to))),
        };
        let period_ms = 1_000 / u64::from(camera.fps.max(1));
        Ok(Self { camera: camera.id, period_ms, ground, lines, zones, lanes, edges, stop })
    }

    /// The lane a point lies in, or else the nearest within `margin` cm of its edge.
    pub(super) fn lane_at(&self, [_, across]: Point, margin: f32) -> Option<u32> {
        let outside = |lane: &GroundLane| (lane.from - across).max(across - lane.to);
        let nearest = self.lanes.iter().min_by(|a, b| outside(a).total_cmp(&outside(b)))?;
        (outside(nearest) <= margin).then_some(nearest.id)
    }

    /// Whether a point lies before the stop line; beyond it there are no lanes.
    pub(super) fn before_stop(&self, point: Point) -> bool {
        self.stop.is_none_or(|stop| self.lines[stop].ahead(point) <= 0.0)
    }

    /// Whether a point lies in the lanes of this approach: before the stop line, between the outermost edges.
    pub(super) fn in_lanes(&self, point: Point) -> bool {
        let (left, right) = self.edges;
        self.before_stop(point) && left <= point[1] && point[1] <= right
    }
}

/// A point of the ground on the side of a line where image y grows (where x grows, for an upright line).
fn line_side(ground: &Homography, from: Pixel, to: Pixel) -> Option<Point> {
    let (x, y) = ((from.x + to.x) as f32 / 2.0, (from.y + to.y) as f32 / 2.0);
    if from.x == to.x { ground.point(x + 1.0, y) } else { ground.point(x, y + 1.0) }
}

fn ground_line(id: Name, from: Point, to: Point, beyond: Point) -> GroundLine {
    let extent = minus(to, from);
    let squared = dot(extent, extent).max(1.0);
    let normal = [-extent[1] / squared.sqrt(), extent[0] / squared.sqrt()];
    let sign = if dot(normal, minus(beyond, from)) < 0.0 { -1.0 } else { 1.0 };
    GroundLine { id, from, forward: normal.map(|v| v * sign), extent: extent.map(|v| v / squared) }
}

fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1]]
}

fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1]
}
