//! A small catalogue of another trade, for tests of the language: orders are paired with payments, and someone is told.

use engine::definition::{DecodeError, Node, Parameters, decode, parse_ms};
use engine::plan::{Catalogue, Entry, InputPort, Kind, OutputPort, REJECTED, Reading, Resource};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The catalogue.
pub(crate) struct Toy;

/// A step of it.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Pairs orders with payments.
    Pair(Pair),
    /// Tells of pairs.
    Notify(Notify),
    /// Drops some.
    Keep(Keep),
}

/// A span written with its unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Span(u64);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        parse_ms(&text).map(Span).map_err(serde::de::Error::custom)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Pair {
    pub(crate) within: Span,
    pub(crate) strict: bool,
}

impl Default for Pair {
    fn default() -> Self {
        Self { within: Span(1_800_000), strict: false }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Notify {
    pub(crate) priority: u8,
    pub(crate) channel: Channel,
    pub(crate) limits: Vec<Limit>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Channel {
    #[default]
    Mail,
    Radio,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    pub(crate) of: String,
    pub(crate) amount: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keep {
    pub(crate) every: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Order {
    id: String,
    amount: i64,
}

fn order(node: &Node) -> Result<(), DecodeError> {
    decode::<Order>(node).map(drop)
}

fn anything(_: &Node) -> Result<(), DecodeError> {
    Ok(())
}

fn price(node: &Node) -> Result<(), DecodeError> {
    decode::<std::collections::BTreeMap<String, u32>>(node).map(drop)
}

fn row() -> Value {
    json!({"type": "object", "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}}})
}

const fn kind(name: &'static str, readable: bool, writable: bool, check: fn(&Node) -> Result<(), DecodeError>) -> Kind {
    Kind { name, summary: "", readable, table: false, writable, schema: row, check }
}

const KINDS: &[Kind] = &[
    kind("orders", true, true, order),
    kind("payments", true, false, order),
    kind("pairs", true, false, order),
    kind("notices", false, true, anything),
    kind(REJECTED, false, true, anything),
];

const fn input(name: &'static str, kinds: &'static [&'static str]) -> InputPort {
    InputPort { name, kinds, optional: false }
}

fn reading<P: Serialize>(parameters: P, window_ms: u64, step: fn(P) -> Step) -> Option<Reading<Step>> {
    let canonical = serde_json::to_value(&parameters).ok()?;
    Some(Reading { step: step(parameters), window_ms, looks_back_ms: 0, parameters: canonical })
}

fn pair(parameters: &mut Parameters<'_>) -> Option<Reading<Step>> {
    let pair: Pair = parameters.read()?;
    if pair.within.0 == 0 {
        parameters.refuse("within", "must be longer than nothing", None);
        return None;
    }
    let window = pair.within.0;
    reading(pair, window, Step::Pair)
}

const ENTRIES: &[Entry<Step>] = &[
    Entry {
        name: "pair",
        summary: "Pairs orders with payments.",
        inputs: &[input("orders", &["orders"]), input("payments", &["payments"])],
        outputs: &[OutputPort { name: "pairs", kind: Some("pairs") }, OutputPort { name: "refused", kind: Some(REJECTED) }],
        schema: row,
        read: pair,
        check: None,
    },
    Entry {
        name: "notify",
        summary: "Tells of pairs.",
        inputs: &[input("pairs", &["pairs"]), InputPort { name: "also", kinds: &["orders"], optional: true }],
        outputs: &[OutputPort { name: "notices", kind: Some("notices") }],
        schema: row,
        read: |parameters| parameters.read().and_then(|read| reading(read, 0, Step::Notify)),
        check: None,
    },
    Entry {
        name: "keep",
        summary: "Keeps some.",
        inputs: &[input("rows", &["orders", "pairs", "notices"])],
        outputs: &[OutputPort { name: "rows", kind: None }],
        schema: row,
        read: |parameters| parameters.read().and_then(|read| reading(read, 60_000, Step::Keep)),
        check: Some(|step, kind, parameters| {
            if matches!(step, Step::Keep(keep) if keep.every > 9) && kind == "orders" {
                parameters.refuse("every", "orders are too precious", None);
            }
        }),
    },
];

impl Catalogue for Toy {
    type Step = Step;

    fn kinds(&self) -> &[Kind] {
        KINDS
    }

    fn entries(&self) -> &[Entry<Step>] {
        ENTRIES
    }

    fn resources(&self) -> &[Resource] {
        &[Resource { name: "prices", summary: "the price list", check: price }]
    }
}
