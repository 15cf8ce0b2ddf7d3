//! Detectors out of ONNX files, against onnxruntime (`onnx_fixture.py`), against our own FastestDet, and files that are none.

use operators::vision::candle::FastestDet;
use operators::vision::onnx::{
    Activation, BoxForm, BoxUnit, Colours, Fit, Layout, OnnxDetector, OnnxInput, OnnxOutput, OnnxParameters, Order, Range, Table,
    VehicleCategories,
};
use operators::vision::{DetectParameters, Detector, Picture};
use serde::Deserialize;

use crate::fastest_det::{Box, assert_same, fixture};

const SMALL: &[u8] = include_bytes!("small.onnx");
const SMALL_OPEN: &[u8] = include_bytes!("small_open.onnx");

/// What the fixture says of one way to look at one file.
#[derive(Deserialize)]
struct Look {
    file: String,
    tensor: String,
    letterbox: bool,
    colours: Colours,
    range: Range,
    mean: [f64; 3],
    deviation: [f64; 3],
    pictures: Vec<Seen>,
}

#[derive(Deserialize)]
struct Seen {
    size: [u32; 2],
    vehicles: Vec<Box>,
}

/// The fixture's picture of a size.
fn picture([width, height]: [u32; 2]) -> Picture {
    let byte = |x: u32, y: u32, c: u32| ((x * (5 + c) + y * (3 + 2 * c) + (x * y) / 7 + 40 * c) % 256) as u8;
    let bytes = (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |c| byte(x, y, c))));
    Picture::new(width, height, bytes.collect()).unwrap()
}

/// How boxes lie in an output of the fixture's networks.
fn layout(tensor: &str) -> Layout {
    let table = Table {
        order: Order::ValuesFirst,
        box_at: 0,
        form: BoxForm::Cxcywh,
        unit: BoxUnit::Unit,
        objectness_at: None,
        scores_at: 4,
        values: None,
        activation: Activation::None,
    };
    match tensor {
        "values_first" => Layout::YoloV8,
        "boxes_first" => Layout::YoloV5,
        "logits" => Layout::Table(Table {
            order: Order::BoxesFirst,
            box_at: 4,
            form: BoxForm::Xyxy,
            objectness_at: Some(3),
            scores_at: 0,
            activation: Activation::Sigmoid,
            ..table
        }),
        _ => Layout::Table(Table { form: BoxForm::Xywh, box_at: 3, scores_at: 0, ..table }),
    }
}

fn output(tensor: &str) -> OnnxOutput {
    let classes = VehicleCategories { car: vec![0], truck: vec![2], ..VehicleCategories::default() };
    OnnxOutput { tensor: Some(tensor.to_owned()), layout: layout(tensor), categories: 3, classes, ..OnnxOutput::default() }
}

/// Parameters for one of the fixture's outputs.
fn parameters(tensor: &str) -> OnnxParameters {
    OnnxParameters { weights: String::new(), input: OnnxInput::default(), output: output(tensor) }
}

fn detector(look: &Look) -> OnnxDetector {
    let open = look.file == "small_open.onnx";
    let input = OnnxInput {
        size: open.then_some([48, 32]),
        fit: if look.letterbox { Fit::Letterbox } else { Fit::Stretch },
        colours: look.colours,
        range: look.range,
        mean: look.mean,
        deviation: look.deviation,
    };
    let of = OnnxParameters { weights: String::new(), input, output: output(&look.tensor) };
    OnnxDetector::load(if open { SMALL_OPEN } else { SMALL }, &of, 300).unwrap()
}

#[test]
fn finds_what_onnxruntime_finds_however_boxes_lie() {
    let looks: Vec<Look> = serde_json::from_str(include_str!("small_onnx.json")).unwrap();
    let mut all = 0;
    for look in &looks {
        let mut detector = detector(look);
        let pictures: Vec<_> = look.pictures.iter().map(|seen| picture(seen.size)).collect();
        let together = detector.detect(&pictures).unwrap();
        for ((seen, found), picture) in look.pictures.iter().zip(&together).zip(&pictures) {
            println!("{} {} {:?}", look.file, look.tensor, seen.size);
            assert_same(found, &seen.vehicles, seen.size, 0.3);
            assert_eq!(detector.detect(std::slice::from_ref(picture)).unwrap(), std::slice::from_ref(found));
            all += found.len();
        }
    }
    assert!(looks.len() == 5 && all >= 70, "{all} vehicles were found in {} ways", looks.len());
}

#[test]
fn finds_places_in_what_a_scaled_picture_shows() {
    let mut detector = OnnxDetector::load(SMALL, &parameters("values_first"), 300).unwrap();
    let small = picture([48, 32]);
    let large = small.clone().showing(480, 320);
    let found = detector.detect(&[small, large]).unwrap();
    assert!(found[0].len() >= 5);
    for small in &found[0] {
        let [x, y, width, height] = <[i32; 4]>::from(small.bounds);
        let near = |large: &&operators::vision::Detection| {
            let sides = [x, y, width, height].into_iter().zip(<[i32; 4]>::from(large.bounds));
            large.confidence == small.confidence && sides.map(|(small, large)| (10 * small - large).abs()).all(|far| far <= 10)
        };
        assert!(found[1].iter().any(|large| near(&large)), "{small:?} is not among {:?}", found[1]);
    }
}

#[test]
fn fastest_det_finds_the_same_as_our_own() {
    let (Some(onnx), Some(pth)) = (crate::shared("models/fastestdet.onnx"), crate::shared("models/fastestdet.pth")) else { return };
    let Some(pictures) = fixture() else { return };
    let input = OnnxInput { colours: Colours::Bgr, fit: Fit::Stretch, ..OnnxInput::default() };
    let of = OnnxParameters { weights: String::new(), input, output: OnnxOutput { layout: Layout::FastestDet, ..OnnxOutput::default() } };
    let mut theirs = OnnxDetector::load(&std::fs::read(onnx).unwrap(), &of, 150).unwrap();
    let parameters = DetectParameters { confidence_permille: 150, ..DetectParameters::default() };
    let mut ours = FastestDet::load(&std::fs::read(pth).unwrap(), parameters).unwrap();
    let mut all = 0;
    for (picture, expected) in &pictures {
        let one = std::slice::from_ref(picture);
        let size = [picture.width(), picture.height()];
        let (theirs, ours) = (theirs.detect(one).unwrap().remove(0), ours.detect(one).unwrap().remove(0));
        assert_same(&theirs, &expected.across_classes, size, 0.15);
        let boxes: Vec<Box> = ours.iter().map(Box::of).collect();
        assert_same(&theirs, &boxes, size, 0.15);
        all += theirs.len();
    }
    assert!(all >= 20, "there are vehicles in the pictures");
}

/// Why a file is refused.
fn refusal(bytes: &[u8], change: impl FnOnce(&mut OnnxParameters)) -> String {
    let mut of = parameters("values_first");
    change(&mut of);
    OnnxDetector::load(bytes, &of, 300).unwrap_err().to_string()
}

#[test]
fn what_is_not_as_described_is_told_with_the_tensor() {
    let turned = "tensor values_first has the shape [pictures, 7, 24], but layout yolov5 with 2 categories is [pictures, boxes, 7] \
                  (hint: it has the values first)";
    let told = refusal(SMALL, |of| (of.output.layout, of.output.categories) = (Layout::YoloV5, 2));
    assert_eq!(told, turned);
    let turned = "tensor boxes_first has the shape [pictures, 24, 8], but layout yolov8 with 4 categories is [pictures, 8, boxes] \
                  (hint: it has the boxes first)";
    let boxes_first = |of: &mut OnnxParameters| of.output.tensor = Some("boxes_first".to_owned());
    let told = refusal(SMALL, |of| {
        boxes_first(of);
        of.output.categories = 4;
    });
    assert_eq!(told, turned);
    let coco = "tensor values_first has the shape [pictures, 7, 24], but layout yolov8 with 80 categories is [pictures, 84, boxes]";
    assert_eq!(refusal(SMALL, |of| of.output.categories = 80), coco);
    let cells =
        "tensor values_first has the shape [pictures, 7, 24], but layout fastestdet with 3 categories is [pictures, 8, rows, columns]";
    assert_eq!(refusal(SMALL, |of| of.output.layout = Layout::FastestDet), cells);
    let named = "there is no output \"boxes\"; there are: values_first, boxes_first, logits, corners";
    assert_eq!(refusal(SMALL, |of| of.output.tensor = Some("boxes".to_owned())), named);
    let sized = "tensor pictures has the shape [n, 3, 32, 48], but the size [32, 48] is described";
    assert_eq!(refusal(SMALL, |of| of.input.size = Some([32, 48])), sized);
    let open = "tensor pictures has the shape [1, height, width, 3]: width and height are open (hint: give a size)";
    assert_eq!(refusal(SMALL_OPEN, |_| ()), open);
}

#[test]
fn what_is_no_onnx_file_is_told_so() {
    for bytes in [&b""[..], b"GIF89a", b"<html>Not Found</html>", &[0; 100], b"PK\x03\x04", &SMALL[..SMALL.len() - 1]] {
        let told = refusal(bytes, |_| ());
        assert!(told.starts_with("not an ONNX file: "), "{told} of {} bytes", bytes.len());
    }
    let large = vec![0; (1 << 30) + 1];
    assert_eq!(refusal(&large, |_| ()), "the file has 1073741825 bytes; at most 1073741824 are read");
}

/// A field of a protocol buffer: its number, and bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

#[test]
fn no_other_file_is_read() {
    let elsewhere = field(13, &[field(1, b"location"), field(2, b"/etc/hostname")].concat());
    let weights = [field(8, b"head.weight"), elsewhere, vec![14 << 3, 1]].concat();
    let told = refusal(&field(7, &field(5, &weights)), |_| ());
    assert!(told.starts_with("tensor head.weight lies in another file, and no other file is read (hint: "), "{told}");
}

/// The small network with some bytes replaced by as many others.
fn replaced(from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = SMALL.to_vec();
    let places: Vec<_> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty() && from.len() == to.len());
    places.iter().for_each(|at| bytes[*at..*at + to.len()].copy_from_slice(to));
    bytes
}

#[test]
fn an_operator_that_is_not_known_is_named() {
    let told = refusal(&replaced(b"Sigmoid", b"Wobbled"), |_| ());
    assert_eq!(told, "the network needs operators that are not known: Wobbled");
}

#[test]
fn a_file_that_breaks_off_or_is_damaged_is_read_or_refused() {
    let of = parameters("values_first");
    let picture = [picture([48, 32])];
    let (mut read, mut refused) = (0, 0);
    let mut look = |bytes: &[u8]| match OnnxDetector::load(bytes, &of, 300) {
        Ok(mut detector) => {
            _ = detector.detect(&picture);
            read += 1;
        }
        Err(_) => refused += 1,
    };
    (0..SMALL.len()).step_by(211).for_each(|cut| look(&SMALL[..cut]));
    let mut state = 1_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    // Between the weights lies what says how the network is built.
    let ends = |at: &usize| *at < 4_000 || *at > SMALL.len() - 1_500;
    for _ in 0..600 {
        let mut bytes = SMALL.to_vec();
        for _ in 0..=random(3) {
            let at = std::iter::repeat_with(|| random(SMALL.len())).find(ends).unwrap();
            bytes[at] = random(256) as u8;
        }
        look(&bytes);
    }
    println!("{read} could be read, {refused} not");
    assert!(read > 50 && refused > 100);
}
