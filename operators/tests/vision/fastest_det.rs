//! FastestDet from its checkpoint, against its ONNX file run by onnxruntime (`fixture.py`).

use std::collections::BTreeMap;

use operators::vision::candle::{FastestDet, FastestDetSizes};
use operators::vision::network::Plan;
use operators::vision::weights::Weights;
use operators::vision::{DetectParameters, Detection, Detector, Picture};
use schemas::Class;
use serde::Deserialize;

/// What the fixture says of a picture.
#[derive(Deserialize)]
pub(crate) struct Expected {
    pub(crate) file: String,
    pub(crate) frame: usize,
    cells: Vec<Cell>,
    pub(crate) across_classes: Vec<Box>,
    pub(crate) by_class: Vec<Box>,
}

/// Row and column of a cell, objectness, the terms of its box, its surest category and that one's probability.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Cell(usize, usize, f32, f32, f32, f32, f32, usize, f32);

/// Class, confidence, left, top, right, bottom.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Box(Class, f64, f64, f64, f64, f64);

impl Box {
    /// What was found.
    #[cfg(feature = "onnx")]
    pub(crate) fn of(found: &Detection) -> Self {
        let [x, y, width, height] = <[i32; 4]>::from(found.bounds).map(f64::from);
        Self(found.class, f64::from(found.confidence) / 1_000.0, x, y, x + width, y + height)
    }
}

/// The pictures of the fixture with what onnxruntime found on them; `None` where they are not there.
pub(crate) fn fixture() -> Option<Vec<(Picture, Expected)>> {
    let expected: Vec<Expected> = serde_json::from_str(include_str!("fastest_det.json")).unwrap();
    let mut films = BTreeMap::new();
    for file in expected.iter().map(|expected| expected.file.clone()) {
        let path = crate::shared(&file)?;
        films.entry(file).or_insert_with(|| crate::pictures::frames(&path));
    }
    Some(expected.into_iter().map(|expected| (films[&expected.file][expected.frame].clone(), expected)).collect())
}

/// Every box is there, within a pixel and a hundredth, and no other. One whose confidence is within a hundredth of the least may be either.
pub(crate) fn assert_same(found: &[Detection], expected: &[Box], size: [u32; 2], least: f64) {
    let [width, height] = size.map(f64::from);
    let near = |found: &Detection, Box(class, confidence, left, top, right, bottom): &Box| {
        let b = found.bounds;
        let edges = [(b.x, *left, width), (b.y, *top, height), (b.x + b.width, *right, width), (b.y + b.height, *bottom, height)];
        found.class == *class
            && (f64::from(found.confidence) / 1_000.0 - confidence).abs() <= 0.01
            && edges.iter().all(|(found, wanted, most)| (f64::from(*found) - wanted.clamp(0.0, *most)).abs() <= 1.0)
    };
    for wanted in expected.iter().filter(|wanted| wanted.1 >= least + 0.01) {
        assert!(found.iter().any(|found| near(found, wanted)), "{wanted:?} is not among {found:?}");
    }
    for found in found {
        assert!(expected.iter().any(|wanted| near(found, wanted)), "{found:?} is not among {expected:?}");
    }
}

#[test]
fn computes_what_onnxruntime_computes() {
    let (Some(file), Some(pictures)) = (crate::shared("models/fastestdet.pth"), fixture()) else { return };
    let weights = Weights::read(&std::fs::read(&file).unwrap()).unwrap();
    let (network, output) = FastestDet::network(&weights, FastestDetSizes::PUBLISHED).unwrap();
    let mut plan = Plan::new(&network, output);
    for (picture, expected) in &pictures {
        let small = picture.resized(352, 352).unwrap();
        let maps = plan.run(|y, row| row.iter_mut().zip(small.row(y as u32)).for_each(|(value, byte)| *value = f32::from(*byte) / 255.0));
        for cell in &expected.cells {
            let [objectness, x, y, w, h, ref categories @ ..] = *maps.pixel(cell.0, cell.1) else { panic!("a cell has 85 values") };
            let surest = (0..80).max_by(|one, other| categories[*one].total_cmp(&categories[*other])).unwrap();
            let probability = categories[surest].exp() / categories.iter().map(|other| other.exp()).sum::<f32>();
            assert_eq!(surest, cell.7);
            let found = [1.0 / (1.0 + (-objectness).exp()), x, y, w, h, probability];
            for (found, wanted) in found.into_iter().zip([cell.2, cell.3, cell.4, cell.5, cell.6, cell.8]) {
                assert!((found - wanted).abs() <= 0.01 * wanted.abs().max(1.0), "{found} for {wanted} of {cell:?}");
            }
        }
    }
}

#[test]
fn finds_the_vehicles_that_onnxruntime_finds() {
    let (Some(file), Some(pictures)) = (crate::shared("models/fastestdet.pth"), fixture()) else { return };
    for across_classes in [true, false] {
        let parameters = DetectParameters { confidence_permille: 150, across_classes, ..DetectParameters::default() };
        let mut detector = FastestDet::load(&std::fs::read(&file).unwrap(), parameters).unwrap();
        let alone: Vec<_> = pictures.iter().map(|(picture, _)| picture.clone()).collect();
        let found = detector.detect(&alone).unwrap();
        assert!(found.iter().map(Vec::len).sum::<usize>() >= 20, "there are vehicles in the pictures");
        for ((picture, expected), found) in pictures.iter().zip(found) {
            let wanted = if across_classes { &expected.across_classes } else { &expected.by_class };
            assert_same(&found, wanted, [picture.width(), picture.height()], 0.15);
        }
    }
}

#[test]
fn takes_pictures_of_any_size() {
    let Some(file) = crate::shared("models/fastestdet.pth") else { return };
    let mut detector = FastestDet::load(&std::fs::read(&file).unwrap(), DetectParameters::default()).unwrap();
    let pictures = [[1, 1], [8192, 1], [1, 8192], [3, 2], [353, 351]].map(|[width, height]| {
        let bytes = (0..width * height * 3).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        Picture::new(width, height, bytes).unwrap()
    });
    let found = detector.detect(&pictures).unwrap();
    assert_eq!(found.len(), pictures.len());
    for (picture, found) in pictures.iter().zip(&found) {
        let [width, height] = [picture.width(), picture.height()].map(|side| side as i32);
        let inside = |b: schemas::PixelBox| {
            b.x >= 0 && b.y >= 0 && b.width > 0 && b.height > 0 && b.x + b.width <= width && b.y + b.height <= height
        };
        assert!(found.iter().all(|found| inside(found.bounds)), "{found:?} in {width} × {height}");
    }
}

#[test]
fn a_checkpoint_that_breaks_off_is_refused() {
    let Some(file) = crate::shared("models/fastestdet.pth") else { return };
    let bytes = std::fs::read(&file).unwrap();
    for cut in (0..bytes.len()).step_by(bytes.len() / 97) {
        assert!(FastestDet::load(&bytes[..cut], DetectParameters::default()).is_err(), "{cut} of {} bytes", bytes.len());
    }
}

#[test]
fn a_checkpoint_of_another_network_is_told_by_a_tensor() {
    let Some(file) = crate::shared("models/lprnet.pth") else { return };
    let error = FastestDet::load(&std::fs::read(&file).unwrap(), DetectParameters::default()).unwrap_err().to_string();
    let wanted = "tensor backbone.first_conv.0.weight with the shape [24, 3, 3, 3] is missing: the file holds ";
    assert!(error.starts_with(wanted), "{error}");
}
