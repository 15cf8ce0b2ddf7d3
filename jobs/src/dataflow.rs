//! A plan at work: sources are read, steps are built in order, outputs are published.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use engine::flow::ExchangeData;
use engine::plan::{Plan, PlannedOutput, PlannedSource, Wire};
use engine::{Flow, Held, Job, Mark, Raw, Refusal, RefusalReason, Rejection, RowSpec, Standing};
use operators::city::InView;
use operators::effectiveness::{Fact, Passage, What};
use operators::{Arrived, Changes, Observed};
use schemas::wire::{Format, Record};
use schemas::{
    Acknowledgement, Alert, Assignment, Decision, Duration, Effectiveness, HotlistEntry, Id, Journey, Name, Observation, Patrol, Place,
    Reason, Rejected, Review, Revised, Sighting, Signal, Status,
};

use serde::{Deserialize, Serialize};

use crate::catalogue::{Context, Port, Step, build};

/// A job that the engine can run.
pub struct Dataflow {
    /// What is to be built.
    pub plan: Plan<Step>,
    /// What its steps share.
    pub context: Context,
}

impl Job for Dataflow {
    fn build<'scope>(&self, flow: &mut Flow<'scope>) {
        let sources: Vec<Port<'scope>> = self.plan.sources.iter().map(|source| read(flow, source)).collect();
        let mut steps: Vec<Vec<Port<'scope>>> = Vec::new();
        for planned in &self.plan.steps {
            let inputs = planned.inputs.iter().filter_map(|wires| join(wires, &sources, &steps)).collect();
            let first = planned.inputs.first().and_then(|wires| wires.first());
            let (mut held, changing) = (None, Duration::from_ms(planned.memory_ms));
            let observed = || observe(flow, first.and_then(|wire| source_of(&self.plan, *wire)));
            let outputs = build(&planned.step, inputs, observed, |in_view| held = Some(in_view), &self.context, changing);
            held.into_iter().for_each(|in_view| hold(flow, in_view, planned.memory_ms));
            steps.push(outputs);
        }
        for output in &self.plan.outputs {
            let table = |wire: &Wire| (port(*wire, &sources, &steps), spans(&self.plan, *wire));
            publish(flow, output, output.from.iter().map(table).collect());
        }
        for (step, ports) in steps.iter().enumerate() {
            let wires = ports.iter().enumerate().map(|(port, table)| (Wire::Step { step, port }, table));
            wires
                .filter(|(wire, _)| !is_published(&self.plan, *wire))
                .for_each(|(wire, table)| watch(flow, table.clone(), spans(&self.plan, wire)));
        }
        publish_rejected(flow, join(&self.plan.rejected, &sources, &steps));
    }
}

/// The source whose partitions are meant where a step asks how far its input has been observed.
pub(crate) fn source_of<S>(plan: &Plan<S>, wire: Wire) -> Option<&PlannedSource> {
    match wire {
        Wire::Source(source) => plan.sources.get(source),
        Wire::Step { step, .. } => {
            let wire = plan.steps.get(step)?.inputs.first()?.first()?;
            source_of(plan, *wire)
        }
    }
}

/// How what flows there lies in time.
pub(crate) fn spans<S>(plan: &Plan<S>, wire: Wire) -> Spans {
    let lateness_ms = plan.lateness_ms;
    let (memory_ms, reach_ms) = match wire {
        Wire::Source(_) => (lateness_ms, lateness_ms),
        Wire::Step { step, .. } => (plan.steps[step].memory_ms, plan.steps[step].reach_ms),
    };
    Spans {
        settles_ms: memory_ms.saturating_sub(lateness_ms),
        hangs_on_ms: reach_ms,
        rests_ms: longest_ms(plan, wire).saturating_sub(lateness_ms),
    }
}

/// The longest memory of all steps that are built on what flows there, and of the step it comes from.
fn longest_ms<S>(plan: &Plan<S>, wire: Wire) -> u64 {
    let Wire::Step { step, .. } = wire else { return plan.memory_ms };
    let reads = |input: &Wire| matches!(input, Wire::Step { step: read, .. } if *read == step);
    let users = plan.steps.iter().enumerate().filter(|(_, user)| user.inputs.iter().flatten().any(reads));
    let users = users.map(|(user, _)| longest_ms(plan, Wire::Step { step: user, port: 0 }));
    users.fold(plan.steps[step].reach_ms, u64::max)
}

/// Whether what flows there is written to a topic as it is.
pub(crate) fn is_published<S>(plan: &Plan<S>, wire: Wire) -> bool {
    plan.outputs.iter().any(|output| output.from.contains(&wire))
}

/// Publishes what the sources here refuse, and what steps do.
pub(crate) fn publish_rejected<'scope>(flow: &mut Flow<'scope>, by_steps: Option<Port<'scope>>) {
    let refused = Port::Rejected(flow.rejections().map(rejected));
    let all = by_steps.into_iter().fold(refused, Port::concat).rejected();
    let about = |row: &Rejected| (row.topic.to_string(), row.reason.name().to_owned());
    flow.reject(all, about, |row| (format!("{}/{}/{}", row.topic, row.partition, row.offset), encode(row)));
}

/// How the rows of a table lie in time, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Spans {
    /// How long after its evidence a row may still change: the windows along the longest path.
    pub(crate) settles_ms: u64,
    /// How much older than its evidence what it hangs on may be.
    hangs_on_ms: u64,
    /// How long after its evidence something else may still be made of it.
    rests_ms: u64,
}

impl Spans {
    /// As long as both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            settles_ms: self.settles_ms.max(other.settles_ms),
            hangs_on_ms: self.hangs_on_ms.max(other.hangs_on_ms),
            rests_ms: self.rests_ms.max(other.rests_ms),
        }
    }
}

/// Publishes tables as one changelog, each with how its rows lie in time.
pub(crate) fn publish<'scope>(flow: &mut Flow<'scope>, output: &PlannedOutput, tables: Vec<(Port<'scope>, Spans)>) {
    let topic = &output.topic;
    // Of a row that was told it is not known any more which table it came from.
    let widest = tables.iter().map(|(_, spans)| *spans).reduce(Spans::and);
    let widest = widest.unwrap_or_else(|| unreachable!("every output has something that flows there"));
    match output.kind {
        "sightings" => {
            let rows = together(tables, Port::sightings);
            flow.publish(topic, rows, spec("vn.giaolo.sighting", |row: &Arc<Sighting>| row.id, |row| row.until_ms, sighted, widest));
        }
        "journeys" => {
            let rows = together(tables, |port| port.journeys().map(|row| Arc::clone(&row.journey)));
            flow.publish(topic, rows, spec("vn.giaolo.journey", |row: &Arc<Journey>| row.id, |row| row.until_ms, travelled, widest));
        }
        "alerts" => {
            let rows = together(tables, Port::alerts);
            flow.publish(topic, rows, spec("vn.giaolo.alert", |row: &Arc<Alert>| row.id, |row| row.at_ms, |row| alerted(row), widest));
        }
        "assignments" => {
            let rows = together(tables, |port| port.assignments().map(Arc::new));
            let spec = spec("vn.giaolo.assignment", |row: &Arc<Assignment>| row.id, |row| row.alert.at_ms, |row| assigned(row), widest);
            flow.publish(topic, rows, spec);
        }
        "effectiveness" => {
            let rows = together(tables, Port::effectiveness);
            flow.publish(topic, rows, spec("vn.giaolo.effectiveness", |row: &Effectiveness| row.id, |row| row.from_ms, counted, widest));
        }
        kind => unreachable!("the catalogue lets nobody write {kind} as a table"),
    }
}

/// Keeps account of a table that is not published, if it is one.
pub(crate) fn watch<'scope>(flow: &mut Flow<'scope>, table: Port<'scope>, spans: Spans) {
    let lasts = match table {
        Port::Sightings(rows) => rows.map(|row| sighted(&row)),
        Port::Journeys(rows) => rows.map(|row| travelled(&row.journey)),
        Port::Alerts(rows) => rows.map(|row| alerted(&row)),
        Port::Assignments(rows) => rows.map(|row| assigned(&row)),
        Port::Effectiveness(rows) => rows.map(|row| counted(&row)),
        _ => return,
    };
    flow.watch(lasts, move |lasts| begins_ms(*lasts, spans), move |lasts| rests_ms(*lasts, spans));
}

/// Keeps account of what cameras have in view.
pub(crate) fn hold<'scope>(flow: &mut Flow<'scope>, in_view: Changes<'scope, InView>, memory_ms: u64) {
    flow.hold(in_view.map(move |InView { camera, since_ms, until_ms, print }| Held {
        of: Id::of("in view").with(camera.as_str().as_bytes()).finish().0,
        begins_ms: since_ms.saturating_sub(memory_ms),
        until_ms,
        print,
    }));
}

/// A row and how those of its table lie in time.
type Settling<R> = (R, Spans);

fn together<'scope, R: ExchangeData>(
    tables: Vec<(Port<'scope>, Spans)>,
    rows: impl Fn(Port<'scope>) -> Changes<'scope, R>,
) -> Changes<'scope, Settling<R>> {
    let settling = |(port, spans)| rows(port).map(move |row| (row, spans));
    let all = tables.into_iter().map(settling).reduce(Changes::concat);
    all.unwrap_or_else(|| unreachable!("every output has something that flows there"))
}

/// The earliest and the latest event time a row rests on, as far as the row itself tells.
pub(crate) type Lasts = (u64, u64);

fn sighted(sighting: &Arc<Sighting>) -> Lasts {
    (sighting.from_ms, sighting.until_ms)
}

fn travelled(journey: &Arc<Journey>) -> Lasts {
    (journey.from_ms, journey.until_ms)
}

pub(crate) fn alerted(alert: &Alert) -> Lasts {
    let evidence = || alert.evidence.iter().map(|e| e.at_ms).chain([alert.at_ms]);
    let lasted = ["stay_ms", "silent_ms"].iter().filter_map(|name| alert.measured.get(name)).max().unwrap_or(0);
    let latest = evidence().fold(0, u64::max).saturating_add(u64::try_from(lasted).unwrap_or(0));
    (evidence().fold(latest, u64::min), latest)
}

fn assigned(assignment: &Assignment) -> Lasts {
    let (earliest_ms, latest_ms) = alerted(&assignment.alert);
    (assignment.units.iter().map(|near| near.seen_ms).fold(earliest_ms, u64::min), latest_ms)
}

/// From when its evidence became known; that it may go on for an hour is the window of the step.
fn counted(row: &Effectiveness) -> Lasts {
    (row.known_from_ms, row.known_from_ms)
}

pub(crate) fn begins_ms((earliest_ms, _): Lasts, spans: Spans) -> u64 {
    earliest_ms.saturating_sub(spans.hangs_on_ms)
}

pub(crate) fn rests_ms((_, latest_ms): Lasts, spans: Spans) -> u64 {
    latest_ms.saturating_add(spans.rests_ms)
}

/// How a kind of rows is published, as JSON.
fn spec<R: Record + Clone + 'static>(
    ce_type: &'static str,
    id: fn(&R) -> Id,
    at_ms: fn(&R) -> u64,
    lasts: fn(&R) -> Lasts,
    widest: Spans,
) -> RowSpec<Settling<R>> {
    RowSpec {
        id: Box::new(move |(row, _)| id(row).0),
        settles_ms: Box::new(move |(row, spans)| lasts(row).1.saturating_add(spans.settles_ms)),
        begins_ms: Box::new(move |(row, spans)| begins_ms(lasts(row), *spans)),
        rests_ms: Box::new(move |(row, spans)| rests_ms(lasts(row), *spans)),
        at_ms: Box::new(move |(row, _)| at_ms(row)),
        encode: Box::new(|(row, _), revision, standing| encode(&Revised { revision, status: status(standing), row: row.clone() })),
        decode: Box::new(move |bytes| {
            let Revised { revision, status, row } = Format::Json.decode::<Revised<R>>(bytes).ok()?;
            Some(((row, widest), revision, standing(status)))
        }),
        ce_type,
        content_type: "application/json",
    }
}

fn status(standing: Standing) -> Status {
    match standing {
        Standing::Provisional => Status::Provisional,
        Standing::Final => Status::Final,
        Standing::Withdrawn => Status::Withdrawn,
    }
}

fn standing(status: Status) -> Standing {
    match status {
        Status::Provisional => Standing::Provisional,
        Status::Final => Standing::Final,
        Status::Withdrawn => Standing::Withdrawn,
    }
}

pub(crate) fn encode<R: Record>(record: &R) -> Vec<u8> {
    // As long as most rows are.
    let mut bytes = Vec::with_capacity(1_024);
    Format::Json.encode(record, &mut bytes);
    bytes
}

fn port<'scope>(wire: Wire, sources: &[Port<'scope>], steps: &[Vec<Port<'scope>>]) -> Port<'scope> {
    match wire {
        Wire::Source(source) => sources[source].clone(),
        Wire::Step { step, port } => steps[step][port].clone(),
    }
}

/// All that flows into a port; `None` if it was left open.
fn join<'scope>(wires: &[Wire], sources: &[Port<'scope>], steps: &[Vec<Port<'scope>>]) -> Option<Port<'scope>> {
    wires.iter().map(|wire| port(*wire, sources, steps)).reduce(Port::concat)
}

/// A source as the dataflow sees it.
pub(crate) fn read<'scope>(flow: &mut Flow<'scope>, source: &PlannedSource) -> Port<'scope> {
    let name = &source.name;
    match source.kind {
        "observations" => Port::Observations(flow.source(
            name,
            |raw| Ok(Arrived { place: place(raw)?, record: decode::<Observation>(raw)? }),
            |arrived| Some(arrived.record.at_ms),
        )),
        "signals" => Port::Signals(flow.source(name, decode::<Signal>, |signal| Some(signal.at_ms))),
        "patrols" => Port::Patrols(flow.source(name, decode::<Patrol>, |patrol| Some(patrol.at_ms))),
        "hotlist" => Port::Hotlist(
            flow.table(name, |raw| keyed(raw, |entry: &HotlistEntry| format!("{}/{}", entry.list, entry.plate), |entry| !entry.deleted)),
        ),
        "sightings" => Port::Sightings(flow.table(name, |raw| {
            let (key, row) = keyed(raw, |row: &Revised<Sighting>| row.row.id.to_string(), |row| row.status != Status::Withdrawn)?;
            Ok((key, row.map(|row| Arc::new(row.row))))
        })),
        "passages" => Port::Passages(flow.source(name, passage, |_| None).flat_map(|passage| passage)),
        "told_alerts" => Port::Facts(flow.source(name, told, |_| None)),
        "reviews" => Port::Facts(flow.source(
            name,
            |raw| {
                let Review { alert, decision, at_ms, .. } = decode(raw)?;
                Ok(fact(raw, alert, What::Reviewed { at_ms, confirmed: decision == Decision::Confirmed }))
            },
            |_| None,
        )),
        "answers" => Port::Answers(flow.source(name, decode::<Acknowledgement>, |_| None)),
        "acknowledgements" => Port::Facts(flow.source(
            name,
            |raw| {
                let Acknowledgement { alert, at_ms, .. } = decode(raw)?;
                Ok(fact(raw, alert, What::Acknowledged { at_ms }))
            },
            |_| None,
        )),
        kind => unreachable!("the catalogue lets nobody read {kind}"),
    }
}

/// A sighting is one passage, however often it was told: what is said of it last counts.
fn passage(raw: &Raw<'_>) -> Result<Option<Passage>, Refusal> {
    let Revised { status, row: Sighting { camera, from_ms: at_ms, plate, .. }, .. } = decode(raw)?;
    Ok((status == Status::Final).then_some(Passage { camera, at_ms, read: plate.is_some(), known_ms: raw.arrival_ms }))
}

fn told(raw: &Raw<'_>) -> Result<Fact, Refusal> {
    let Revised::<Alert> { revision, status, row: Alert { id, rule, centre, at_ms, evidence, .. } } = decode(raw)?;
    let what = if revision > 1 {
        What::Revised { revision, withdrawn: status == Status::Withdrawn }
    } else {
        let camera = evidence.iter().max_by_key(|evidence| evidence.at_ms).map_or(Name::of("none"), |evidence| evidence.camera);
        What::Told { rule, centre, camera, at_ms }
    };
    Ok(fact(raw, id, what))
}

fn fact(raw: &Raw<'_>, alert: Id, what: What) -> Fact {
    Fact { alert, known_ms: raw.arrival_ms, what }
}

/// How far the partitions of a source have been observed.
pub(crate) fn observe<'scope>(flow: &mut Flow<'scope>, source: Option<&PlannedSource>) -> Changes<'scope, Observed> {
    let source = source.unwrap_or_else(|| unreachable!("every step rests on a source"));
    let topic = Name::of(clip(&source.topic));
    let observed = move |mark: Mark| Observed { place: Place { topic, partition: mark.partition, offset: 0 }, until_ms: mark.until_ms };
    flow.observed(&source.name).map(observed)
}

fn place(raw: &Raw<'_>) -> Result<Place, Refusal> {
    Ok(Place { topic: Name::of(clip(raw.topic)), partition: raw.partition, offset: raw.offset })
}

/// A topic's name, cut to what a key has room for.
fn clip(topic: &str) -> &str {
    &topic[..topic.floor_char_boundary(Name::MOST)]
}

fn decode<R: Record>(raw: &Raw<'_>) -> Result<R, Refusal> {
    let Some(value) = raw.value else {
        return Err(Refusal {
            reason: RefusalReason::Invalid,
            detail: "a record without a value (a tombstone) has no meaning here".to_owned(),
        });
    };
    Format::of(value).decode(value).map_err(|refusal| {
        let reason = if refusal.reason == Reason::Unreadable { RefusalReason::Unreadable } else { RefusalReason::Invalid };
        Refusal { reason, detail: refusal.detail }
    })
}

/// A table's record: its key, and the row unless the record removes it.
fn keyed<R: Record>(raw: &Raw<'_>, key: fn(&R) -> String, stands: fn(&R) -> bool) -> Result<(Vec<u8>, Option<R>), Refusal> {
    if raw.value.is_none() {
        return Ok((raw.key.to_vec(), None));
    }
    let row = decode::<R>(raw)?;
    let key = if raw.key.is_empty() { key(&row).into_bytes() } else { raw.key.to_vec() };
    Ok((key, stands(&row).then_some(row)))
}

/// A refusal as a record.
pub(crate) fn rejected(rejection: Rejection) -> Rejected {
    let reason = match rejection.reason {
        RefusalReason::Unreadable => Reason::Unreadable,
        RefusalReason::Invalid => Reason::Invalid,
        RefusalReason::Late => Reason::Late,
        RefusalReason::Future => Reason::Future,
        RefusalReason::Duplicate => Reason::Duplicate,
    };
    let (record, record_base64) = match String::from_utf8(rejection.record) {
        Ok(text) if text.is_empty() => (None, None),
        Ok(text) => (Some(text), None),
        Err(bytes) => (None, Some(BASE64.encode(bytes.as_bytes()))),
    };
    let topic = Name::of(clip(&rejection.topic));
    Rejected { topic, partition: rejection.partition, offset: rejection.offset, reason, detail: rejection.detail, record, record_base64 }
}
