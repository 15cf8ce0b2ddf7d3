//! A plan in parts, so that jobs on one server share what they have in common: each source and each step is a part of its
//! own, and what a job alone has are its outputs.
//!
//! ```text
//! observations ─▶ track ─▶ link ─▶ journeys ─▶ section_speed ─▶ outputs of "city"
//!                    │                  └────▶ hotlist ───────▶ outputs of "stolen"
//!                    └─▶ no_stopping ──────────────────────────▶ …
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use engine::definition::{Position, Problems};
use engine::plan::{Plan, PlannedSource, PlannedStep, REJECTED, Wire};
use engine::server::{Host, Prepared, Work};
use engine::share::{Keep, Tap};
#[cfg(feature = "vision")]
use engine::stage::{Stage, StageProgram};
use engine::{Flow, Limits, Part, Program, Shelf};
use operators::Arrived;
use operators::city::{Bond, Itinerary};
use operators::effectiveness::{Fact, Passage, REMEMBERED_MOST};
#[cfg(feature = "vision")]
use operators::vision::Processor;
use schemas::{
    Acknowledgement, Alert, Assignment, City, Duration, Effectiveness, HotlistEntry, Id, Observation, Patrol, Rejected, Sighting, Signal,
};

use crate::catalogue::{Context, Port, Step, Traffic, build};
use crate::comparison::Comparison;
use crate::dataflow::{Spans, hold, is_published, observe, publish, publish_rejected, read, source_of, spans, watch};
#[cfg(feature = "vision")]
use crate::perceive::{Networks, Parts, Perceive, parts, refused};

/// Knows what traffic definitions mean, on a map and with a memory of so long.
#[derive(Default)]
pub struct TrafficHost {
    /// The map, for definitions that do not hold one themselves.
    pub city: Option<Arc<City>>,
    /// How long what is shared is remembered for jobs that come, milliseconds.
    pub remember_ms: u64,
    /// Where the weights of networks lie that definitions name; without it no job that perceives is run.
    pub weights: Option<PathBuf>,
    /// What detectors run on.
    #[cfg(feature = "vision")]
    pub device: Processor,
}

impl Host for TrafficHost {
    fn prepare(&self, file: &str, text: &str) -> Result<Prepared, Problems> {
        if let Some(comparison) = Comparison::read(text) {
            return comparison.prepare(self);
        }
        let plan = Plan::read(&Traffic, file, text)?;
        #[cfg(feature = "vision")]
        if let Some(parts) = parts(&plan).map_err(|message| refusal(file, message, None))? {
            return self.perceiving(file, &plan, parts);
        }
        self.shared(file, plan).map(Shared::prepared)
    }
}

impl TrafficHost {
    /// A definition that perceives, as a stage.
    #[cfg(feature = "vision")]
    fn perceiving(&self, file: &str, plan: &Plan<Step>, (source, parameters, output): Parts<'_>) -> Result<Prepared, Problems> {
        let Some(folder) = &self.weights else {
            let hint = "start it with --weights DIR; the definition names files in it";
            return Err(refusal(file, "no folder with weights of networks is known to the server", Some(hint)));
        };
        let networks = Networks::read_within(parameters, folder).and_then(|networks| networks.on(self.device));
        let networks = networks.and_then(|networks| networks.sight().map(|_| networks)).map_err(|error| {
            let hint = "on a server, weights lie in the folder given as --weights, and are named from there";
            refusal(file, &error.to_string(), Some(hint))
        })?;
        let (parameters, topic) = (parameters.clone(), output.topic.clone());
        let open = move |threads: usize| {
            let sights = (0..threads).map(|_| networks.sight()).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
            let stage = Perceive::start(&parameters, sights, &topic).map_err(|error| error.to_string())?;
            Ok(Box::new(stage) as Box<dyn Stage>)
        };
        Ok(Prepared {
            job: plan.job.clone(),
            definition: plan.hash.clone(),
            sources: BTreeMap::from([(source.topic.clone(), false)]),
            outputs: plan.written(),
            memory_ms: 0,
            plan: explain(plan),
            work: Work::Stage(StageProgram { topic: source.topic.clone(), open: Box::new(open), refused }),
        })
    }

    /// A definition in parts.
    pub(crate) fn parts(&self, file: &str, text: &str) -> Result<Shared, Problems> {
        self.shared(file, Plan::read(&Traffic, file, text)?)
    }

    fn shared(&self, file: &str, mut plan: Plan<Step>) -> Result<Shared, Problems> {
        if plan.steps.iter().any(|step| step.entry == "perceive") {
            let hint = "what it sees is in its topic: compare jobs that read that";
            return Err(refusal(file, "what perceives cannot be compared, and not without its networks", Some(hint)));
        }
        let inline = plan.resources.iter().find(|field| field.key == "city").map(|field| field.value.to_json());
        let inline = inline.and_then(|value| serde_json::from_value::<City>(value).ok()).map(Arc::new);
        let Some(city) = inline.or_else(|| self.city.clone()) else {
            let hint = "write the map's content under `city:`, or start the server with --city";
            return Err(refusal(file, "no city is known to the server", Some(hint)));
        };
        // On a server a source goes by its topic.
        plan.sources.iter_mut().for_each(|source| source.name.clone_from(&source.topic));
        Ok(Shared::of(plan, city, self.remember_ms))
    }
}

/// Why a definition is not taken that is right in itself.
fn refusal(file: &str, message: &str, hint: Option<&str>) -> Problems {
    let mut problems = Problems::of(file);
    problems.error(Position::default(), message, hint.map(str::to_owned));
    problems
}

/// What tells a map from another, or from none.
pub(crate) fn identity(city: Option<&City>) -> Id {
    let map = city.and_then(|city| serde_json::to_string(city).ok()).unwrap_or_default();
    Id::of("city").with(map.as_bytes()).finish()
}

/// A plan as people compare it.
fn explain(plan: &Plan<Step>) -> serde_json::Value {
    let wires = |wires: &[Wire]| wires.iter().map(|wire| plan.wire_name(*wire)).collect::<Vec<_>>();
    let step = |step: &PlannedStep<Step>| {
        let inputs: Vec<_> = step.inputs.iter().map(|input| wires(input)).collect();
        (step.name.clone(), serde_json::json!({"step": step.entry, "from": inputs, "parameters": step.parameters}))
    };
    let source = |source: &PlannedSource| (source.topic.clone(), serde_json::json!({"kind": source.kind, "format": source.format}));
    serde_json::json!({
        "lateness_ms": plan.lateness_ms,
        "max_skew_ms": plan.max_skew_ms,
        "sources": plan.sources.iter().map(source).collect::<serde_json::Map<_, _>>(),
        "steps": plan.steps.iter().map(step).collect::<serde_json::Map<_, _>>(),
        "outputs": plan.outputs.iter().map(|output| (output.topic.clone(), wires(&output.from).into())).collect::<serde_json::Map<_, _>>(),
    })
}

/// A plan in parts: its sources, its steps, and its outputs, in this order.
pub(crate) struct Shared {
    pub(crate) plan: Plan<Step>,
    context: Context,
    remember_ms: u64,
    parts: Vec<Part>,
}

impl Shared {
    /// As a server wants it.
    fn prepared(self) -> Prepared {
        let plan = &self.plan;
        Prepared {
            job: plan.job.clone(),
            definition: plan.hash.clone(),
            sources: self.topics(),
            outputs: plan.written(),
            memory_ms: plan.memory_ms,
            plan: explain(plan),
            work: Work::Parts(Arc::new(self)),
        }
    }

    /// The topics it reads, and whether each is a table.
    pub(crate) fn topics(&self) -> BTreeMap<String, bool> {
        self.plan.sources.iter().map(|source| (source.topic.clone(), source.table)).collect()
    }

    /// All alerts it publishes, each with how its rows lie in time.
    pub(crate) fn alerts<'scope>(&self, flow: &mut Flow<'scope>, shelves: &[Shelf]) -> Vec<(Port<'scope>, Spans)> {
        let outputs = self.plan.outputs.iter().filter(|output| output.kind == "alerts").flat_map(|output| &output.from);
        outputs.map(|wire| (self.join(flow, *wire, shelves), spans(&self.plan, *wire))).collect()
    }

    fn of(plan: Plan<Step>, city: Arc<City>, remember_ms: u64) -> Self {
        let map = identity(Some(&*city));
        let context = Context { city, lateness: Duration::from_ms(plan.lateness_ms) };
        let mut parts: Vec<Part> = plan.sources.iter().map(|source| source_part(&plan, source)).collect();
        for step in &plan.steps {
            let input = |wires: &Vec<Wire>| {
                let mut from: Vec<String> = wires.iter().map(|wire| from_part(&plan, &parts, *wire)).collect();
                from.sort();
                from.join(" ")
            };
            let inputs: Vec<String> = step.inputs.iter().map(input).collect();
            let what = format!("{} {} {} {} {map}", step.entry, step.parameters, plan.lateness_ms, step.memory_ms);
            let key = Id::of("part").with(what.as_bytes()).with(inputs.join(" | ").as_bytes()).finish();
            parts.push(Part { key: format!("{} {key}", step.entry), name: step.name.clone(), stays: false });
        }
        parts.push(Part { key: format!("outputs {} {}", plan.job, plan.hash), name: format!("outputs of {}", plan.job), stays: false });
        Self { plan, context, remember_ms, parts }
    }

    fn ports<'scope>(&self, flow: &mut Flow<'scope>, wires: &[Wire], shelves: &[Shelf]) -> Option<Port<'scope>> {
        wires.iter().map(|wire| self.join(flow, *wire, shelves)).reduce(Port::concat)
    }

    /// What comes over a wire, taken from the shelf of the part it comes from.
    fn join<'scope>(&self, flow: &mut Flow<'scope>, wire: Wire, shelves: &[Shelf]) -> Port<'scope> {
        let (part, port) = place(&self.plan, wire);
        let taps = shelves[part].downcast_ref::<Vec<PortTap>>().unwrap_or_else(|| unreachable!("every part lays its ports on its shelf"));
        taps[port].join(flow)
    }

    /// Keeps account of what steps make and nobody publishes.
    pub(crate) fn watch(&self, flow: &mut Flow<'_>, shelves: &[Shelf]) {
        for (step, planned) in self.plan.steps.iter().enumerate() {
            let wires = (0..planned.outputs.len()).map(|port| Wire::Step { step, port });
            for wire in wires.filter(|wire| !is_published(&self.plan, *wire)) {
                let table = self.join(flow, wire, shelves);
                watch(flow, table, spans(&self.plan, wire));
            }
        }
    }

    fn build_step<'scope>(&self, step: &PlannedStep<Step>, flow: &mut Flow<'scope>, shelves: &[Shelf]) -> Vec<PortTap> {
        let inputs = step.inputs.iter().filter_map(|wires| self.ports(flow, wires, shelves)).collect();
        let first = step.inputs.first().and_then(|wires| wires.first());
        let source = first.and_then(|wire| source_of(&self.plan, *wire));
        let observed = || observe(flow, source);
        let mut held = None;
        let outputs = build(&step.step, inputs, observed, |in_view| held = Some(in_view), &self.context, Duration::from_ms(step.memory_ms));
        held.into_iter().for_each(|in_view| hold(flow, in_view, step.memory_ms));
        let refused = outputs.iter().find(|port| matches!(port, Port::Rejected(_))).cloned();
        if refused.is_some() {
            publish_rejected(flow, refused);
        }
        let keep_ms = self.remember_ms.max(step.memory_ms);
        outputs.into_iter().map(|port| PortTap::of(flow, port, &step.name, keep_ms)).collect()
    }
}

impl Program for Shared {
    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn limits(&self, _: usize) -> Limits {
        Limits { lateness_ms: self.plan.lateness_ms, max_skew_ms: self.plan.max_skew_ms, memory_ms: self.plan.memory_ms }
    }

    fn build<'scope>(&self, part: usize, flow: &mut Flow<'scope>, shelves: &[Shelf]) -> Shelf {
        let steps = self.plan.sources.len();
        if let Some(source) = self.plan.sources.get(part) {
            let port = read(flow, source);
            publish_rejected(flow, None);
            let keep_ms = self.remember_ms.max(self.plan.memory_ms);
            return Rc::new(vec![PortTap::of(flow, port, &source.name, keep_ms)]);
        }
        if let Some(step) = self.plan.steps.get(part - steps) {
            return Rc::new(self.build_step(step, flow, shelves));
        }
        for output in self.plan.outputs.iter().filter(|output| output.topic != REJECTED) {
            let table = |wire: &Wire| (self.join(flow, *wire, shelves), spans(&self.plan, *wire));
            let tables = output.from.iter().map(table).collect();
            publish(flow, output, tables);
        }
        self.watch(flow, shelves);
        Rc::new(Vec::<PortTap>::new())
    }
}

/// Where a wire comes from: part and port.
fn place(plan: &Plan<Step>, wire: Wire) -> (usize, usize) {
    match wire {
        Wire::Source(source) => (source, 0),
        Wire::Step { step, port } => (plan.sources.len() + step, port),
    }
}

fn from_part(plan: &Plan<Step>, parts: &[Part], wire: Wire) -> String {
    let (part, port) = place(plan, wire);
    format!("{}.{port}", parts[part].key)
}

fn source_part(plan: &Plan<Step>, source: &PlannedSource) -> Part {
    let PlannedSource { kind, topic, format, table, .. } = source;
    // A table takes records whatever their time.
    let limits = if *table { String::new() } else { format!(" {} {}", plan.lateness_ms, plan.max_skew_ms) };
    Part { key: format!("source {kind} {topic} {format}{limits}"), name: topic.clone(), stays: true }
}

/// What a part lends of one of its ports.
enum PortTap {
    Observations(Tap<Arrived<Observation>>),
    Sightings(Tap<Arc<Sighting>>),
    Bonds(Tap<Bond>),
    Journeys(Tap<Arc<Itinerary>>),
    Signals(Tap<Signal>),
    Hotlist(Tap<HotlistEntry>),
    Patrols(Tap<Patrol>),
    Alerts(Tap<Arc<Alert>>),
    Assignments(Tap<Assignment>),
    Answers(Tap<Acknowledgement>),
    Passages(Tap<Passage>),
    Facts(Tap<Fact>),
    Effectiveness(Tap<Effectiveness>),
    Rejected(Tap<Rejected>),
}

impl PortTap {
    fn of<'scope>(flow: &mut Flow<'scope>, port: Port<'scope>, name: &str, keep_ms: u64) -> Self {
        match port {
            Port::Observations(rows) => Self::Observations(flow.share(name, rows, Keep::Nothing)),
            Port::Sightings(rows) => Self::Sightings(flow.share(name, rows, Keep::Span(|row, _| row.until_ms, keep_ms))),
            Port::Bonds(rows) => Self::Bonds(flow.share(name, rows, Keep::Span(|_, last| last, keep_ms))),
            Port::Journeys(rows) => Self::Journeys(flow.share(name, rows, Keep::Span(|row, _| row.journey.until_ms, keep_ms))),
            Port::Signals(rows) => Self::Signals(flow.share(name, rows, Keep::Span(|row, _| row.at_ms, keep_ms))),
            Port::Hotlist(rows) => Self::Hotlist(flow.share(name, rows, Keep::Table)),
            Port::Patrols(rows) => Self::Patrols(flow.share(name, rows, Keep::Span(|row, _| row.at_ms, keep_ms))),
            Port::Alerts(rows) => Self::Alerts(flow.share(name, rows, Keep::Span(|row, last| row.at_ms.max(last), keep_ms))),
            Port::Assignments(rows) => {
                Self::Assignments(flow.share(name, rows, Keep::Span(|row, last| row.alert.at_ms.max(last), keep_ms)))
            }
            Port::Answers(rows) => Self::Answers(flow.share(name, rows, Keep::Span(|row, _| row.at_ms, keep_ms))),
            Port::Passages(rows) => Self::Passages(flow.share(name, rows, Keep::Span(|row, _| row.known_ms, keep_ms))),
            Port::Facts(rows) => Self::Facts(flow.share(name, rows, Keep::Span(|row, _| row.known_ms, REMEMBERED_MOST.ms().max(keep_ms)))),
            Port::Effectiveness(rows) => Self::Effectiveness(flow.share(name, rows, Keep::Span(|row, _| row.known_from_ms, keep_ms))),
            Port::Rejected(rows) => Self::Rejected(flow.share(name, rows, Keep::Nothing)),
        }
    }

    fn join<'scope>(&self, flow: &mut Flow<'scope>) -> Port<'scope> {
        match self {
            Self::Observations(tap) => Port::Observations(flow.join(tap)),
            Self::Sightings(tap) => Port::Sightings(flow.join(tap)),
            Self::Bonds(tap) => Port::Bonds(flow.join(tap)),
            Self::Journeys(tap) => Port::Journeys(flow.join(tap)),
            Self::Signals(tap) => Port::Signals(flow.join(tap)),
            Self::Hotlist(tap) => Port::Hotlist(flow.join(tap)),
            Self::Patrols(tap) => Port::Patrols(flow.join(tap)),
            Self::Alerts(tap) => Port::Alerts(flow.join(tap)),
            Self::Assignments(tap) => Port::Assignments(flow.join(tap)),
            Self::Answers(tap) => Port::Answers(flow.join(tap)),
            Self::Passages(tap) => Port::Passages(flow.join(tap)),
            Self::Facts(tap) => Port::Facts(flow.join(tap)),
            Self::Effectiveness(tap) => Port::Effectiveness(flow.join(tap)),
            Self::Rejected(tap) => Port::Rejected(flow.join(tap)),
        }
    }
}
