//! A plan at work: sources are read, steps are built in order, outputs are published.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use engine::flow::ExchangeData;
use engine::plan::{Plan, PlannedOutput, PlannedSource, Wire};
use engine::{Flow, Job, Mark, Raw, Refusal, RefusalReason, Rejection, RowSpec, Standing};
use operators::{Arrived, Changes, Observed};
use schemas::wire::{Format, Record};
use schemas::{Alert, Duration, HotlistEntry, Id, Journey, Name, Observation, Place, Reason, Rejected, Revised, Sighting, Signal, Status};

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
            let observed = || observe(flow, first.and_then(|wire| source_of(&self.plan, *wire)));
            let changing = Duration::from_ms(planned.memory_ms);
            let outputs = build(&planned.step, inputs, observed, &self.context, changing);
            steps.push(outputs);
        }
        for output in &self.plan.outputs {
            let table = |wire: &Wire| (port(*wire, &sources, &steps), settles_after_ms(&self.plan, *wire));
            publish(flow, output, output.from.iter().map(table).collect());
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

/// How long after its evidence what flows there may still change: the windows along the longest path.
pub(crate) fn settles_after_ms<S>(plan: &Plan<S>, wire: Wire) -> u64 {
    match wire {
        Wire::Source(_) => 0,
        Wire::Step { step, .. } => plan.steps[step].memory_ms.saturating_sub(plan.lateness_ms),
    }
}

/// Publishes what the sources here refuse, and what steps do.
pub(crate) fn publish_rejected<'scope>(flow: &mut Flow<'scope>, by_steps: Option<Port<'scope>>) {
    let refused = Port::Rejected(flow.rejections().map(rejected));
    let all = by_steps.into_iter().fold(refused, Port::concat).rejected();
    flow.append(engine::plan::REJECTED, all, |row| (format!("{}/{}/{}", row.topic, row.partition, row.offset), encode(row)));
}

/// Publishes tables as one changelog, each with how long after its evidence a row of it may still change.
pub(crate) fn publish<'scope>(flow: &mut Flow<'scope>, output: &PlannedOutput, tables: Vec<(Port<'scope>, u64)>) {
    let topic = &output.topic;
    match output.kind {
        "sightings" => {
            let rows = together(tables, Port::sightings);
            flow.publish(topic, rows, spec("vn.giaolo.sighting", |row: &Arc<Sighting>| row.id, |row| row.until_ms, |row| row.until_ms));
        }
        "journeys" => {
            let rows = together(tables, |port| port.journeys().map(|row| Arc::clone(&row.journey)));
            flow.publish(topic, rows, spec("vn.giaolo.journey", |row: &Arc<Journey>| row.id, |row| row.until_ms, |row| row.until_ms));
        }
        "alerts" => {
            let rows = together(tables, Port::alerts);
            flow.publish(topic, rows, spec("vn.giaolo.alert", |row: &Alert| row.id, |row| row.at_ms, latest_ms));
        }
        kind => unreachable!("the catalogue lets nobody write {kind} as a table"),
    }
}

/// A row and how long after its evidence it may still change.
type Settling<R> = (R, u64);

fn together<'scope, R: ExchangeData>(
    tables: Vec<(Port<'scope>, u64)>,
    rows: impl Fn(Port<'scope>) -> Changes<'scope, R>,
) -> Changes<'scope, Settling<R>> {
    let settling = |(port, window_ms)| rows(port).map(move |row| (row, window_ms));
    let all = tables.into_iter().map(settling).reduce(Changes::concat);
    all.unwrap_or_else(|| unreachable!("every output has something that flows there"))
}

/// The latest event time an alert rests on, as far as the alert itself tells.
pub(crate) fn latest_ms(alert: &Alert) -> u64 {
    let evidence = alert.evidence.iter().map(|e| e.at_ms).max().unwrap_or(0).max(alert.at_ms);
    let lasted = ["stay_ms", "silent_ms"].iter().filter_map(|name| alert.measured.get(name)).max().unwrap_or(0);
    evidence.saturating_add(u64::try_from(lasted).unwrap_or(0))
}

/// How a kind of rows is published, as JSON.
fn spec<R: Record + Clone + 'static>(
    ce_type: &'static str,
    id: fn(&R) -> Id,
    at_ms: fn(&R) -> u64,
    latest_ms: fn(&R) -> u64,
) -> RowSpec<Settling<R>> {
    RowSpec {
        id: Box::new(move |(row, _)| id(row).0),
        settles_ms: Box::new(move |(row, window_ms)| latest_ms(row).saturating_add(*window_ms)),
        at_ms: Box::new(move |(row, _)| at_ms(row)),
        encode: Box::new(|(row, _), revision, standing| encode(&Revised { revision, status: status(standing), row: row.clone() })),
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

fn encode<R: Record>(record: &R) -> Vec<u8> {
    let mut bytes = Vec::new();
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
        "hotlist" => Port::Hotlist(
            flow.table(name, |raw| keyed(raw, |entry: &HotlistEntry| format!("{}/{}", entry.list, entry.plate), |entry| !entry.deleted)),
        ),
        "sightings" => Port::Sightings(flow.table(name, |raw| {
            let (key, row) = keyed(raw, |row: &Revised<Sighting>| row.row.id.to_string(), |row| row.status != Status::Withdrawn)?;
            Ok((key, row.map(|row| Arc::new(row.row))))
        })),
        kind => unreachable!("the catalogue lets nobody read {kind}"),
    }
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

fn rejected(rejection: Rejection) -> Rejected {
    let reason = match rejection.reason {
        RefusalReason::Unreadable => Reason::Unreadable,
        RefusalReason::Invalid => Reason::Invalid,
        RefusalReason::Late => Reason::Late,
        RefusalReason::Future => Reason::Future,
        RefusalReason::Duplicate => Reason::Duplicate,
    };
    let (record, record_base64) = match String::from_utf8(rejection.record) {
        Ok(text) => (Some(text), None),
        Err(bytes) => (None, Some(BASE64.encode(bytes.as_bytes()))),
    };
    let topic = Name::of(clip(&rejection.topic));
    Rejected { topic, partition: rejection.partition, offset: rejection.offset, reason, detail: rejection.detail, record, record_base64 }
}
