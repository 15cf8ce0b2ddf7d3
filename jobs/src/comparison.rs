//! Two jobs side by side on the same state: the alerts in which they differ, live.
//!
//! ```text
//! first  ─▶ alerts ─┐
//!                   ├─ by id ─▶ the same: nothing · different, or in one alone: a difference
//! second ─▶ alerts ─┘
//! ```
//!
//! A comparison is itself a job: late evidence that changes one side changes the difference. Parts that both jobs have are
//! built once, as everywhere on a server.

use std::rc::Rc;
use std::sync::Arc;

use engine::definition::Problems;
use engine::flow::Changes;
use engine::plan::REJECTED;
use engine::server::{Prepared, Work};
use engine::{Flow, Limits, Part, Program, RowSpec, Shelf, Standing};
use schemas::{Alert, Id};
use serde::{Deserialize, Serialize};

use crate::catalogue::Port;
use crate::dataflow::{Lasts, Spans, alerted, begins_ms, rests_ms};
use crate::shared::{Shared, TrafficHost};

/// A definition and the name of its file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// For messages.
    pub file: String,
    /// The definition.
    pub text: String,
}

/// Two definitions to be compared, as they are submitted: this as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The job's and its output's name.
    pub compare: String,
    /// One.
    pub first: Version,
    /// The other.
    pub second: Version,
}

/// An alert in which two jobs differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub struct Difference {
    /// The alert's id.
    pub id: Id,
    /// As the first job tells it; `None`: it does not.
    pub first: Option<Alert>,
    /// As the second job tells it.
    pub second: Option<Alert>,
}

impl Comparison {
    /// Reads a comparison; `None` if this is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(crate) fn prepare(&self, host: &TrafficHost) -> Result<Prepared, Problems> {
        let of = |version: &Version| host.parts(&version.file, &version.text);
        let both = Both { output: self.compare.clone(), parts: Vec::new(), first: of(&self.first)?, second: of(&self.second)? };
        let (first, second) = (&both.first.plan, &both.second.plan);
        Ok(Prepared {
            job: self.compare.clone(),
            definition: Id::of("comparison").with(first.hash.as_bytes()).with(second.hash.as_bytes()).finish().to_string(),
            sources: both.first.topics().into_iter().chain(both.second.topics()).collect(),
            outputs: vec![self.compare.clone(), REJECTED.to_owned()],
            memory_ms: first.memory_ms.max(second.memory_ms),
            plan: serde_json::json!({"first": first.hash, "second": second.hash}),
            work: Work::Parts(Arc::new(both.assembled())),
        })
    }
}

/// The parts of both jobs but their outputs, and one that compares.
struct Both {
    output: String,
    parts: Vec<Part>,
    first: Shared,
    second: Shared,
}

impl Both {
    fn assembled(mut self) -> Self {
        let inner = |shared: &Shared| shared.parts()[..inner(shared)].to_vec();
        self.parts = [inner(&self.first), inner(&self.second)].concat();
        self.parts.push(Part { key: format!("comparison {}", self.output), name: self.output.clone(), stays: false });
        self
    }
}

/// How many parts a job has besides its outputs.
fn inner(shared: &Shared) -> usize {
    shared.parts().len() - 1
}

impl Program for Both {
    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn limits(&self, part: usize) -> Limits {
        let limits = |shared: &Shared| shared.limits(0);
        if part < inner(&self.first) { limits(&self.first) } else { limits(&self.second) }
    }

    fn build<'scope>(&self, part: usize, flow: &mut Flow<'scope>, shelves: &[Shelf]) -> Shelf {
        let own = inner(&self.first);
        if part < own {
            return self.first.build(part, flow, shelves);
        }
        let (first, second) = shelves.split_at(own);
        if part < own + inner(&self.second) {
            return self.second.build(part - own, flow, second);
        }
        self.first.watch(flow, first);
        self.second.watch(flow, second);
        let sides = [self.first.alerts(flow, first), self.second.alerts(flow, second)];
        let spans = sides.iter().flatten().map(|(_, spans)| *spans).reduce(Spans::and);
        let differences = differences(sides.map(|side| side.into_iter().map(|(port, _)| port).collect()));
        if let (Some(differences), Some(spans)) = (differences, spans) {
            flow.publish(&self.output, differences, spec(spans));
        }
        Rc::new(())
    }
}

/// The alerts of two sides that are not the same on both.
fn differences<'scope>(sides: [Vec<Port<'scope>>; 2]) -> Option<Changes<'scope, Difference>> {
    let side = |number: usize, ports: Vec<Port<'scope>>| {
        let tagged = ports.into_iter().map(move |port| port.alerts().map(move |alert| (alert.id, (number, Arc::unwrap_or_clone(alert)))));
        tagged.reduce(Changes::concat)
    };
    let [first, second] = sides;
    let all = [side(0, first), side(1, second)].into_iter().flatten().reduce(Changes::concat)?;
    let compared = all.reduce(|_, alerts, out| {
        let of =
            |number: usize| alerts.iter().find(|((side, _), count)| *side == number && *count > 0).map(|((_, alert), _)| alert.clone());
        let (first, second) = (of(0), of(1));
        if first != second {
            out.push(((first, second), 1));
        }
    });
    Some(compared.map(|(id, (first, second))| Difference { id, first, second }))
}

/// The earliest and the latest event time a difference rests on.
fn lasts(row: &Difference) -> Lasts {
    let both = row.first.iter().chain(&row.second).map(alerted);
    both.reduce(|(from, until), (begins, ends)| (from.min(begins), until.max(ends))).unwrap_or_default()
}

/// A difference as it is told.
#[derive(Deserialize)]
struct Told {
    id: Id,
    revision: u32,
    status: String,
    first: Option<Alert>,
    second: Option<Alert>,
}

fn spec(spans: Spans) -> RowSpec<Difference> {
    RowSpec {
        id: Box::new(|row: &Difference| row.id.0),
        settles_ms: Box::new(move |row| lasts(row).1.saturating_add(spans.settles_ms)),
        begins_ms: Box::new(move |row| begins_ms(lasts(row), spans)),
        rests_ms: Box::new(move |row| rests_ms(lasts(row), spans)),
        at_ms: Box::new(|row| row.first.iter().chain(&row.second).map(|alert| alert.at_ms).max().unwrap_or(0)),
        encode: Box::new(|row, revision, standing| {
            let Difference { id, first, second } = row;
            let row = serde_json::json!({"id": id, "revision": revision, "status": standing.name(), "first": first, "second": second});
            row.to_string().into_bytes()
        }),
        decode: Box::new(|bytes| {
            let told: Told = serde_json::from_slice(bytes).ok()?;
            let Told { id, revision, status, first, second } = told;
            Some((Difference { id, first, second }, revision, Standing::of(&status)?))
        }),
        ce_type: "vn.giaolo.difference",
        content_type: "application/json",
    }
}
