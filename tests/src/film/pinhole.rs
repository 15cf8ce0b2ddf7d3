//! A pinhole camera, got back from what the map says of it: the ground's homography fixes everything else.
//!
//! The columns of a homography from ground to picture are what the camera makes of one metre along and one metre to the right. Both
//! stand upright on each other and are equally long, and that fixes the focal length; what stands upright on both is up. The
//! principal point is the middle of the picture. (Hartley, Zisserman: *Multiple View Geometry*, 2004, chapter 8.)

use crate::plates::Homography;

/// A place: metres along the road from the stop line, to the right of the approach's middle, and up.
pub(crate) type Place = [f64; 3];

/// A camera.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pinhole {
    /// What a metre along, to the right and up adds to the homogeneous pixel, and where it begins.
    columns: [[f64; 3]; 4],
}

impl Pinhole {
    /// The camera with this homography from ground metres to pixels, row by row with a ninth figure of one, and a picture of this size.
    pub(crate) fn of(h: [f64; 8], [width, height]: [f64; 2]) -> Self {
        let (cx, cy) = (width / 2.0, height / 2.0);
        let (along, right, origin) = ([h[0], h[3], h[6]], [h[1], h[4], h[7]], [h[2], h[5], 1.0]);
        let centred = |[x, y, w]: [f64; 3]| [x - cx * w, y - cy * w, w];
        let (a, b) = (centred(along), centred(right));
        let square = |v: [f64; 3]| v[0] * v[0] + v[1] * v[1];
        let focal = ((square(b) - square(a)) / (a[2] * a[2] - b[2] * b[2])).sqrt();
        let ray = |[x, y, w]: [f64; 3]| [x / focal, y / focal, w];
        let (a, b) = (ray(a), ray(b));
        let scale = (a.iter().map(|v| v * v).sum::<f64>()).sqrt();
        let up = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]].map(|v| v / scale);
        let pixel = [up[0] * focal + cx * up[2], up[1] * focal + cy * up[2], up[2]];
        // Of the two ways to stand upright, up is towards the camera, which hangs above the road.
        let sign = if up[2] < 0.0 { 1.0 } else { -1.0 };
        Self { columns: [along, right, pixel.map(|v| v * sign), origin] }
    }

    /// The same camera with a picture that many times as large.
    pub(crate) fn scaled(&self, by: f64) -> Self {
        Self { columns: self.columns.map(|[x, y, w]| [x * by, y * by, w]) }
    }

    fn homogeneous(&self, place: Place) -> [f64; 3] {
        let [along, right, up, origin] = self.columns;
        std::array::from_fn(|k| along[k] * place[0] + right[k] * place[1] + up[k] * place[2] + origin[k])
    }

    /// Where a place is in the picture.
    pub(crate) fn pixel(&self, place: Place) -> [f64; 2] {
        let [x, y, w] = self.homogeneous(place);
        [x / w, y / w]
    }

    /// How far away a place is, in an arbitrary unit; zero and less is behind the camera.
    pub(crate) fn depth(&self, place: Place) -> f64 {
        self.homogeneous(place)[2]
    }

    /// How many pixels a metre to the right is long at a place.
    pub(crate) fn pixels_per_m(&self, place: Place) -> f64 {
        let ([x, y], [a, b]) = (self.pixel(place), self.pixel([place[0], place[1] + 1.0, place[2]]));
        (a - x).hypot(b - y)
    }

    /// From a plane through a place, with two directions, to pixels.
    pub(crate) fn plane(&self, at: Place, across: Place, up: Place) -> Homography {
        let begin = self.homogeneous(at);
        let column = |direction: Place| {
            let end = self.homogeneous([at[0] + direction[0], at[1] + direction[1], at[2] + direction[2]]);
            [end[0] - begin[0], end[1] - begin[1], end[2] - begin[2]]
        };
        let (u, v) = (column(across), column(up));
        Homography([u[0], v[0], begin[0], u[1], v[1], begin[1], u[2], v[2], begin[2]])
    }

    /// From the ground to pixels.
    pub(crate) fn ground(&self) -> Homography {
        self.plane([0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    }
}
