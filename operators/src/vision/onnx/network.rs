//! A network out of the bytes of an ONNX file, ready to run.
//!
//! ```text
//! bytes ─▶ protocol buffer ─▶ graph ─▶ one input, one output, all shapes known ─▶ optimised plan
//! ```
//!
//! The number of pictures may stay open; then any number can be run together. tract panics on some files that contradict themselves:
//! here that is an error like any other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid as _;
use tract_onnx::tract_hir::internal::DimLike as _;
use tract_onnx::tract_hir::ops::unimpl::UnimplementedOp;

use super::parameters::OnnxInput;
use crate::vision::VisionError;
use crate::vision::weights::Weights;

/// The most characters of what tract says that are told: it repeats parts of the file.
const SAID_MOST: usize = 300;

/// A network that is ready to run.
#[derive(Debug)]
pub(super) struct Network {
    plan: Arc<TypedRunnableModel>,
    entry: Entry,
    output: String,
}

/// What a network takes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// How many pictures at once; `None` where any number will do.
    at_once: Option<usize>,
    size: [u32; 2],
    planes: bool,
}

/// What a network said.
#[derive(Debug)]
pub(super) struct Answer {
    /// The sides of what it said of one picture.
    pub(super) shape: Vec<usize>,
    /// What it said of all of them, one after the other.
    pub(super) numbers: Vec<f32>,
}

impl Network {
    /// Reads a file. A size is needed where the file leaves it open; the output is the first one unless it is named.
    pub(super) fn read(bytes: &[u8], size: Option<[u32; 2]>, output: Option<&str>) -> Result<Self, VisionError> {
        if bytes.len() > Weights::BYTES_MOST {
            return Err(VisionError(format!("the file has {} bytes; at most {} are read", bytes.len(), Weights::BYTES_MOST)));
        }
        guarded("the file cannot be read", || {
            let proto = proto(bytes)?;
            let mut model = model(&proto)?;
            let output = choose_output(&mut model, &proto, output)?;
            let (name, entry) = entry(&model, size)?;
            // A number of pictures that is left open makes shapes formulas, which not every network bears: then one by one.
            let tries = if entry.at_once.is_none() { vec![None, Some(1)] } else { vec![entry.at_once] };
            let mut failed = VisionError(String::new());
            for at_once in tries {
                let entry = Entry { at_once, ..entry };
                match plan(model.clone(), entry) {
                    Ok(plan) => return Ok(Self { plan, entry, output }),
                    Err(error) => failed = said(&format!("the network cannot be run on {name}"), &error),
                }
            }
            Err(failed)
        })
    }

    /// Its input's width and height, pixels.
    pub(super) fn size(&self) -> [u32; 2] {
        self.entry.size
    }

    /// Whether its input has a colour after the other, and not a pixel after the other.
    pub(super) fn has_planes(&self) -> bool {
        self.entry.planes
    }

    /// How many pictures it takes at once; `None` if any number.
    pub(super) fn at_once(&self) -> Option<usize> {
        self.entry.at_once
    }

    /// Its output, and of what shape that is, in words.
    pub(super) fn output(&self) -> String {
        let sides: Vec<_> = self.output_shape().iter().map(ToString::to_string).collect();
        format!("tensor {} has the shape [{}]", self.output, sides.join(", "))
    }

    /// The sides of what it says of one picture, as far as they are known beforehand.
    pub(super) fn told(&self) -> Vec<Option<usize>> {
        self.output_shape().iter().skip(1).map(|side| side.to_usize().ok()).collect()
    }

    fn output_shape(&self) -> Vec<TDim> {
        self.plan.model().output_fact(0).map(|fact| fact.shape.to_tvec().to_vec()).unwrap_or_default()
    }

    /// Runs it on the numbers of so many pictures.
    pub(super) fn run(&self, numbers: &[f32], pictures: usize) -> Result<Answer, VisionError> {
        let shape = self.entry.shape(pictures);
        guarded("the network cannot be run", || {
            let run = || -> TractResult<_> {
                let input = Tensor::from_shape(&shape, numbers)?;
                let output = self.plan.run(tvec![input.into_tvalue()])?.remove(0).into_tensor();
                let numbers = output.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
                Ok((output.shape().to_vec(), numbers))
            };
            let (shape, numbers) = run().map_err(|error| said("the network cannot be run", &error))?;
            match shape.split_first() {
                Some((first, shape)) if *first == pictures => Ok(Answer { shape: shape.to_vec(), numbers }),
                _ => Err(VisionError(format!("tensor {} has the shape {shape:?} for {pictures} pictures", self.output))),
            }
        })
    }
}

impl Entry {
    fn shape(&self, pictures: usize) -> [usize; 4] {
        let [width, height] = self.size.map(|side| side as usize);
        if self.planes { [pictures, 3, height, width] } else { [pictures, height, width, 3] }
    }
}

/// What a protocol buffer says.
fn proto(mut bytes: &[u8]) -> Result<ModelProto, VisionError> {
    let proto = tract_onnx::onnx().proto_model_for_read(&mut bytes).map_err(|error| said("not an ONNX file", &error))?;
    let graph = proto.graph.as_ref().ok_or_else(|| VisionError("not an ONNX file: it holds no network".to_owned()))?;
    if let Some(tensor) = graph.initializer.iter().find(|tensor| !tensor.external_data.is_empty()) {
        let hint = "(hint: save it as one file, in Python onnx.save(onnx.load(FILE), ONE))";
        return Err(VisionError(format!("tensor {} lies in another file, and no other file is read {hint}", name(&tensor.name))));
    }
    Ok(proto)
}

/// The graph, all of whose operators are known.
fn model(proto: &ModelProto) -> Result<InferenceModel, VisionError> {
    // What the file says of shapes inside of it can contradict the size that is asked for; they follow from the input's.
    let onnx = tract_onnx::onnx().with_ignore_value_info(true);
    let model = onnx.model_for_proto_model(proto).map_err(|error| said("the network cannot be read", &error))?;
    let unknown = model.nodes().iter().filter(|node| node.op_is::<UnimplementedOp>()).map(|node| node.op.name().to_string());
    let unknown: std::collections::BTreeSet<String> = unknown.collect();
    if unknown.is_empty() {
        return Ok(model);
    }
    let unknown: Vec<_> = unknown.iter().take(8).map(|name| name.trim_start_matches("Unimplemented(").trim_end_matches(')')).collect();
    Err(VisionError(format!("the network needs operators that are not known: {}", unknown.join(", "))))
}

/// Keeps one output of the graph: the named one, or the first.
fn choose_output(model: &mut InferenceModel, proto: &ModelProto, wanted: Option<&str>) -> Result<String, VisionError> {
    let outputs: Vec<&str> = proto.graph.iter().flat_map(|graph| &graph.output).map(|output| output.name.as_str()).collect();
    let place = wanted.map_or(Some(0), |wanted| outputs.iter().position(|output| *output == wanted));
    let outlets = model.output_outlets().map(<[OutletId]>::to_vec).unwrap_or_default();
    let Some((place, outlet)) = place.and_then(|place| Some((place, *outlets.get(place)?))) else {
        let outputs: Vec<_> = outputs.iter().take(8).map(|output| name(output)).collect();
        return Err(VisionError(format!("there is no output {:?}; there are: {}", wanted.unwrap_or_default(), outputs.join(", "))));
    };
    let chosen = model.select_output_outlets(&[outlet]).and_then(|()| model.set_output_fact(0, InferenceFact::default()));
    chosen.map_err(|error| said("the output cannot be used", &error))?;
    Ok(name(outputs[place]))
}

/// The graph's one input, which must be one of pictures: its name, and what it takes.
fn entry(model: &InferenceModel, size: Option<[u32; 2]>) -> Result<(String, Entry), VisionError> {
    let inputs = model.input_outlets().map_err(|error| said("there is no input", &error))?;
    let [input] = inputs else {
        let names: Vec<_> = inputs.iter().take(8).map(|input| name(&model.node(input.node).name)).collect();
        return Err(VisionError(format!("the network has {} inputs ({}), but one is wanted, of pictures", inputs.len(), names.join(", "))));
    };
    let (name, fact) = (name(&model.node(input.node).name), model.input_fact(0).map_err(|error| said("there is no input", &error))?);
    if fact.datum_type.concretize().is_some_and(|kind| kind != f32::datum_type()) {
        return Err(VisionError(format!("tensor {name} holds {:?}, but F32 is wanted (hint: export it with 32 bits)", fact.datum_type)));
    }
    let sides: Vec<Option<usize>> = fact.shape.dims().map(|side| side.concretize().and_then(|side| side.to_usize().ok())).collect();
    let wanted = "[pictures, 3, height, width] or [pictures, height, width, 3] is wanted";
    let described = || {
        let sides: Vec<_> = fact.shape.dims().map(ToString::to_string).collect();
        format!("tensor {name} has the shape [{}]", sides.join(", "))
    };
    let (at_once, height, width, planes) = match sides[..] {
        [at_once, Some(3), height, width] => (at_once, height, width, true),
        [at_once, height, width, Some(3)] => (at_once, height, width, false),
        [at_once, None, height, width] => (at_once, height, width, true),
        _ => return Err(VisionError(format!("{}, but {wanted}", described()))),
    };
    let most = OnnxInput::SIDE_MOST as usize;
    let fixed = [width, height];
    let given = size.map(|size| size.map(|side| side as usize));
    let mut chosen = [0_u32; 2];
    for side in 0..2 {
        let wish = given.map(|given| given[side]);
        chosen[side] = match (fixed[side], wish) {
            (Some(fixed), Some(wish)) if fixed != wish => {
                return Err(VisionError(format!("{}, but the size {:?} is described", described(), size.unwrap_or_default())));
            }
            (Some(side), _) | (None, Some(side)) if (1..=most).contains(&side) => side as u32,
            (None, None) => return Err(VisionError(format!("{}: width and height are open (hint: give a size)", described()))),
            _ => return Err(VisionError(format!("{}, but no side may have more than {most} pixels", described()))),
        };
    }
    if at_once.is_some_and(|pictures| !(1..=64).contains(&pictures)) {
        return Err(VisionError(format!("{}, but at most 64 pictures are looked at together", described())));
    }
    Ok((name, Entry { at_once, size: chosen, planes }))
}

/// The graph with this input, ready to run.
fn plan(mut model: InferenceModel, entry: Entry) -> TractResult<Arc<TypedRunnableModel>> {
    let mut shape: Vec<TDim> = entry.shape(entry.at_once.unwrap_or(1)).iter().map(|side| side.to_dim()).collect();
    if entry.at_once.is_none() {
        shape[0] = model.sym("pictures").to_dim();
    }
    model.set_input_fact(0, f32::fact(&shape).into())?;
    let model = model.into_optimized()?;
    let fact = model.output_fact(0)?;
    if fact.datum_type != f32::datum_type() {
        return Err(TractError::msg(format!("its output holds {:?}, but F32 is wanted", fact.datum_type)));
    }
    if fact.shape.first() != shape.first() {
        return Err(TractError::msg(format!("its output is {:?}, which does not begin with the pictures", fact.shape)));
    }
    model.into_runnable()
}

/// Does it, and says so if it panics.
fn guarded<T>(what: &str, run: impl FnOnce() -> Result<T, VisionError>) -> Result<T, VisionError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(VisionError(format!("{what}: it contradicts itself ({})", cut(why.unwrap_or("no more is known")))))
    })
}

/// What is wrong, with what tract says of it.
fn said(what: &str, error: &TractError) -> VisionError {
    VisionError(format!("{what}: {}", cut(&format!("{error:#}"))))
}

/// The name of a tensor, as a file has it: it may be anything.
fn name(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).take(60).collect()
}

fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SAID_MOST { line } else { line.chars().take(SAID_MOST).chain("…".chars()).collect() }
}
