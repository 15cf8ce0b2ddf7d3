//! What an alert rests on, found in a store: its revisions, the sightings and the journey it names, and which records of which
//! partitions a replay needs.
//!
//! ```text
//! evidence        ├──── reach ────┼── the alert's evidence, its sightings ──┼── settles, lateness ──┤
//!                from                                                                            until
//! partitions      offsets whose records arrived in between; of tables, all from the first that is kept
//! ```
//!
//! How far back and forth comes from the plan: of the steps that can tell an alert of this rule, and of the sources they rest on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use engine::plan::{Plan, Wire};
use engine::transport::{Progress, TopicStore, TransportError};
use schemas::wire::{Format, Record};
use schemas::{Alert, Id, Journey, Revised, Sighting};

use super::inputs::each;
use super::{Committed, Read};
use crate::catalogue::Step;
use crate::dataflow::{Spans, alerted, begins_ms, spans};

/// Records of a partition lie in order of arrival, but for so much, milliseconds.
const ORDER_MS: u64 = 60_000;

/// A job that committed to a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its name.
    pub job: String,
    /// The hash of its definition.
    pub definition: String,
    /// What tells the map that it ran on from others, where that is kept.
    pub map: Option<String>,
}

/// The jobs that may have written a topic: those that run on a server, as far as they write it, and those that ran by themselves.
#[must_use]
pub fn origins(progress: &[Progress], topic: &str) -> Vec<Origin> {
    let mut all = Vec::new();
    for record in progress {
        let Some(map) = record.definition.strip_prefix("server ") else {
            all.push(Origin { job: record.job.clone(), definition: record.definition.clone(), map: None });
            continue;
        };
        for change in record.running.iter().filter(|change| change.outputs.iter().any(|output| output == topic)) {
            let definition = change.began.iter().map(|hash| (change.job.clone(), hash.clone()));
            all.extend(definition.map(|(job, definition)| Origin { job, definition, map: Some(map.to_owned()) }));
        }
    }
    all
}

/// What is known of an alert.
pub struct Gathered {
    /// All its revisions, oldest first.
    pub revisions: Vec<Committed>,
    /// The last.
    pub last: Revised<Alert>,
    /// The sightings it names, as they stand.
    pub sightings: BTreeMap<String, Option<Committed>>,
    /// The same, understood.
    pub seen: Vec<Sighting>,
    /// The journey it names, as it stands.
    pub journey: Option<Committed>,
}

/// All that is committed of an alert; nothing, if there is none of that id.
///
/// # Errors
/// The store cannot be read.
pub fn gather(store: &dyn TopicStore, plan: &Plan<Step>, topic: &str, id: Id) -> Result<Option<Gathered>, TransportError> {
    let mut alerts = rows::<Revised<Alert>>(store, topic, &BTreeSet::from([id]), |row| row.row.id)?;
    let Some(all) = alerts.remove(&id) else { return Ok(None) };
    let Some((_, last)) = all.last() else { return Ok(None) };
    let last = last.clone();
    let named: BTreeSet<Id> = last.row.evidence.iter().filter_map(|evidence| evidence.sighting).collect();
    let mut found = match topic_of(plan, "sightings") {
        Some(topic) => rows::<Revised<Sighting>>(store, topic, &named, |row| row.row.id)?,
        None => BTreeMap::new(),
    };
    let (mut sightings, mut seen) = (BTreeMap::new(), Vec::new());
    for id in named {
        let standing = found.remove(&id).and_then(|mut rows| rows.pop());
        let record = standing.map(|(record, row)| {
            seen.push(row.row);
            record
        });
        sightings.insert(id.to_string(), record);
    }
    let journey = match (last.row.journey, topic_of(plan, "journeys")) {
        (Some(id), Some(topic)) => rows::<Revised<Journey>>(store, topic, &BTreeSet::from([id]), |row| row.row.id)?.remove(&id),
        _ => None,
    };
    let journey = journey.and_then(|mut rows| rows.pop()).map(|(record, _)| record);
    let revisions = all.into_iter().map(|(record, _)| record).collect();
    Ok(Some(Gathered { revisions, last, sightings, seen, journey }))
}

/// The topic in which a job's rows of a kind lie: one that it writes, else one that it reads.
fn topic_of<'p>(plan: &'p Plan<Step>, kind: &str) -> Option<&'p str> {
    let written = plan.outputs.iter().find(|output| output.kind == kind).map(|output| &*output.topic);
    written.or_else(|| plan.sources.iter().find(|source| source.kind == kind).map(|source| &*source.topic))
}

/// The records of some ids in a topic, each id's in order of their arrival; none where there is no such topic.
fn rows<R: Record>(
    store: &dyn TopicStore,
    topic: &str,
    ids: &BTreeSet<Id>,
    id: impl Fn(&R) -> Id,
) -> Result<BTreeMap<Id, Vec<(Committed, R)>>, TransportError> {
    let mut found: BTreeMap<Id, Vec<(Committed, R)>> = BTreeMap::new();
    let there = store.topics()?.into_iter().find(|summary| summary.name == topic).filter(|_| !ids.is_empty());
    let keys: BTreeSet<String> = ids.iter().map(Id::to_string).collect();
    for (partition, kept) in (0..).zip(there.map(|summary| summary.partitions).unwrap_or_default()) {
        if kept.is_empty() {
            continue;
        }
        each(store, (topic, partition), (kept.start, kept.end), |batch| {
            for record in &batch.records {
                let (key, Some(value)) = (batch.key(record), batch.value(record)) else { continue };
                // Rows are keyed by their id; what has no key is looked into.
                if !key.is_empty() && !std::str::from_utf8(key).is_ok_and(|key| keys.contains(key)) {
                    continue;
                }
                let format = Format::of(value);
                let Some(read) = format.decode::<R>(value).ok().filter(|read| ids.contains(&id(read))) else { continue };
                let row = serde_json::from_slice(value).or_else(|_| serde_json::to_value(&read)).unwrap_or_default();
                let (offset, arrival_ms) = (record.offset, record.arrival_ms);
                let committed = Committed { topic: topic.to_owned(), partition, offset, arrival_ms, row };
                found.entry(id(&read)).or_default().push((committed, read));
            }
            true
        })?;
    }
    found.values_mut().for_each(|rows| rows.sort_by_key(|(record, _)| (record.row["revision"].as_u64(), record.arrival_ms)));
    Ok(found)
}

/// What bears on an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// The earliest event time that does, milliseconds since the epoch.
    pub from_ms: u64,
    /// The latest arrival that does.
    pub until_ms: u64,
    /// The sources that do, by their place in the plan.
    pub sources: BTreeSet<usize>,
}

impl Basis {
    /// What bears on an alert, by the plan of the job that told it.
    #[must_use]
    pub fn of(plan: &Plan<Step>, topic: &str, gathered: &Gathered) -> Self {
        let alert = &gathered.last.row;
        let outputs = || plan.outputs.iter().filter(|output| output.topic == topic).flat_map(|output| &output.from).copied();
        let mut wires: Vec<Wire> = outputs().filter(|wire| tells(plan, *wire, alert.rule.as_str())).collect();
        if wires.is_empty() {
            wires = outputs().collect();
        }
        let mut sources = BTreeSet::new();
        wires.iter().for_each(|wire| rest_on(plan, *wire, &mut sources));
        let seen = gathered.seen.iter().map(|seen| (seen.from_ms, seen.until_ms));
        let lasts = seen.fold(alerted(alert), |(from, until), (begins, ends)| (from.min(begins), until.max(ends)));
        let lies = wires.iter().map(|wire| spans(plan, *wire)).reduce(Spans::and);
        let (from_ms, settles_ms) = lies.map_or((0, plan.memory_ms), |lies| (begins_ms(lasts, lies), lies.settles_ms));
        Self { from_ms, until_ms: lasts.1.saturating_add(settles_ms).saturating_add(plan.lateness_ms), sources }
    }
}

/// Whether alerts of a rule may come from there.
fn tells(plan: &Plan<Step>, wire: Wire, rule: &str) -> bool {
    let Wire::Step { step, .. } = wire else { return false };
    let step = &plan.steps[step];
    step.entry == rule || step.parameters["name"] == rule || step.inputs.iter().flatten().any(|input| tells(plan, *input, rule))
}

/// The sources that what flows there rests on.
fn rest_on(plan: &Plan<Step>, wire: Wire, sources: &mut BTreeSet<usize>) {
    match wire {
        Wire::Source(source) => drop(sources.insert(source)),
        Wire::Step { step, .. } => plan.steps[step].inputs.iter().flatten().for_each(|input| rest_on(plan, *input, sources)),
    }
}

/// Which offsets of which partitions bear on an alert. What is in them is not read yet.
///
/// # Errors
/// The store cannot be read, or does not keep a source's topic.
pub fn read(store: &dyn TopicStore, plan: &Plan<Step>, basis: &Basis) -> Result<Vec<Read>, TransportError> {
    let mut all: Vec<Read> = Vec::new();
    for source in basis.sources.iter().map(|source| &plan.sources[*source]) {
        if all.iter().any(|read| read.topic == source.topic) {
            continue;
        }
        for partition in store.partitions(&source.topic)? {
            let kept = store.offsets(&source.topic, partition)?;
            let since_ms = basis.from_ms.saturating_sub(plan.max_skew_ms).saturating_sub(ORDER_MS);
            let until_ms = basis.until_ms.saturating_add(ORDER_MS);
            let from = if source.table { kept.start } else { arrived(store, (&source.topic, partition), kept.clone(), since_ms)? };
            let to = arrived(store, (&source.topic, partition), from..kept.end, until_ms)?;
            let cut = !source.table && kept.start > 0 && from == kept.start;
            all.push(Read {
                topic: source.topic.clone(),
                kind: source.kind.to_owned(),
                partition,
                from,
                to,
                records: 0,
                sha256: String::new(),
                cut,
            });
        }
    }
    all.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    Ok(all)
}

/// The first offset whose record arrived then or later; records lie in order of their arrival.
fn arrived(store: &dyn TopicStore, of: (&str, u32), within: Range<u64>, since_ms: u64) -> Result<u64, TransportError> {
    let (mut from, mut to) = (within.start, within.end);
    while from < to {
        let middle = from + (to - from) / 2;
        let mut next = None;
        each(store, of, (middle, within.end), |batch| {
            next = batch.records.first().map(|record| (record.offset, record.arrival_ms.unwrap_or(0)));
            next.is_none()
        })?;
        match next {
            Some((offset, arrival_ms)) if arrival_ms < since_ms => from = offset + 1,
            _ => to = middle,
        }
    }
    Ok(from)
}
