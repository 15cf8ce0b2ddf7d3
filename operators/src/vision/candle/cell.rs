//! What a cell of FastestDet's map says, whoever ran the network.

/// How sure it is of a vehicle, from its objectness and the probability of the surest category.
pub(in crate::vision) fn confidence(objectness: f32, probability: f32) -> f32 {
    objectness.powf(0.6) * probability.powf(0.4)
}

/// Left, top, right and bottom of the cell's box as shares of the picture: its centre lies a `tanh` from the cell's corner, its
/// size is a `sigmoid` of the picture's.
pub(in crate::vision) fn edges([dx, dy, w, h]: [f32; 4], [x, y]: [usize; 2], [columns, rows]: [usize; 2]) -> [f32; 4] {
    let [cx, cy] = [(x as f32 + dx.tanh()) / columns as f32, (y as f32 + dy.tanh()) / rows as f32];
    let [w, h] = [sigmoid(w) / 2.0, sigmoid(h) / 2.0];
    [cx - w, cy - h, cx + w, cy + h]
}

/// `1 / (1 + e⁻ˣ)`.
pub(in crate::vision) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
