//! The text of a definition as a tree in which every key and every value keeps its place.
//!
//! ```text
//! text ─▶ YAML 1.2 events ─▶ tree (bounded in bytes, depth and nodes)
//! ```
//!
//! JSON is read by the same parser, being YAML. Tags, merge keys and further documents are refused; anchors may be
//! reused by aliases, and what they expand to counts towards the bound, so that a small text cannot become a large tree.

use std::collections::BTreeMap;

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, options};

use super::{Position, Problems};

/// The most bytes a definition may have.
pub const BYTES_MOST: usize = 1 << 20;
/// The most levels lists and mappings may be nested.
pub const DEPTH_MOST: usize = 48;
/// The most values a definition may hold, aliases expanded.
pub const NODES_MOST: usize = 200_000;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub at: Position,
    /// What it is.
    pub value: Value,
}

/// A value after YAML's core schema.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing was written.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written.
    Map(Vec<Field>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub at: Position,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Reads a text. Problems with the text itself are added; what was understood is returned all the same.
    pub fn read(text: &str, problems: &mut Problems) -> Option<Node> {
        let start = Position { line: 1, column: 1 };
        if text.len() > BYTES_MOST {
            let message = format!("the definition is {} bytes long; at most {BYTES_MOST} are allowed", text.len());
            problems.error(start, message, Some("keep large data in a topic or in a file the definition names".to_owned()));
            return None;
        }
        let mut builder = Builder { problems, open: Vec::new(), anchors: BTreeMap::new(), nodes: 0, documents: 0, root: None };
        let mut emit = options! { emit_comments: false, disallow_directives: true };
        emit.flow_nesting_limit = 4 * DEPTH_MOST;
        emit.block_nesting_limit = 4 * DEPTH_MOST;
        for next in Parser::new_from_str_with_options(text, emit) {
            match next {
                Ok((event, span)) => {
                    let at = Position { line: span.start.line(), column: span.start.col() + 1 };
                    builder.take(event, at)?;
                }
                Err(error) => {
                    let at = Position { line: error.marker().line(), column: error.marker().col() + 1 };
                    if *error.kind() == ErrorKind::RecursionLimitExceeded {
                        return builder.too_deep(at).and(None);
                    }
                    let message = format!("cannot be read as YAML: {}", lower_first(&error.info()));
                    builder.problems.error(at, message, None);
                    return None;
                }
            }
        }
        let root = builder.root.take();
        if root.is_none() {
            problems.error(start, "the definition is empty", Some("`giaolo schema` describes what it may hold".to_owned()));
        }
        root
    }

    /// What it is, in words, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => format!("the number {number}"),
            Value::Text(text) => format!("the text {:?}", shorten(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }

    /// The same as JSON, without places.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::Text(text) => text.clone().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(fields) => {
                serde_json::Value::Object(fields.iter().map(|field| (field.key.clone(), field.value.to_json())).collect())
            }
        }
    }

    /// Values in it, itself included.
    fn count(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Node::count).sum::<usize>(),
            Value::Map(fields) => 1 + fields.iter().map(|field| field.value.count()).sum::<usize>(),
            _ => 1,
        }
    }

    /// Levels of lists and mappings in it.
    fn depth(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Node::depth).max().unwrap_or(0),
            Value::Map(fields) => 1 + fields.iter().map(|field| field.value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }
}

/// The tree while events come in.
struct Builder<'a> {
    problems: &'a mut Problems,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
}

/// A list or mapping that is not closed yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<(String, Position)>,
    /// The keys of a mapping so far, each with its line.
    keys: BTreeMap<String, usize>,
}

impl Builder<'_> {
    /// Takes one event; `None` when it makes no sense to go on.
    fn take(&mut self, event: Event<'_>, at: Position) -> Option<()> {
        let tag = match &event {
            Event::Scalar(_, _, _, tag) | Event::SequenceStart(_, _, tag) | Event::MappingStart(_, _, tag) => tag.is_some(),
            _ => false,
        };
        if tag {
            self.problems.error(at, "tags are not allowed", Some("remove the word that begins with an exclamation mark".to_owned()));
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.problems.error(at, "a second document in one file", Some("keep one job in each file".to_owned()));
                    return None;
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let value = if style == ScalarStyle::Plain { scalar(&text) } else { Value::Text(text.to_string()) };
                let key = if style == ScalarStyle::Plain { Some(text.into_owned()) } else { None };
                return self.complete(Node { at, value }, anchor, key);
            }
            Event::SequenceStart(_, anchor, _) => return self.begin(Node { at, value: Value::List(Vec::new()) }, anchor),
            Event::MappingStart(_, anchor, _) => return self.begin(Node { at, value: Value::Map(Vec::new()) }, anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let closed = self.open.pop()?;
                return self.complete(closed.node, closed.anchor, None);
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    self.problems.error(at, "a value refers to itself", None);
                    return None;
                };
                self.nodes += node.count();
                if self.open.len() + node.depth() > DEPTH_MOST {
                    return self.too_deep(at);
                }
                return self.complete(node, 0, None);
            }
            _ => {}
        }
        Some(())
    }

    fn begin(&mut self, node: Node, anchor: usize) -> Option<()> {
        if self.open.len() >= DEPTH_MOST {
            return self.too_deep(node.at);
        }
        self.open.push(Open { node, anchor, key: None, keys: BTreeMap::new() });
        Some(())
    }

    fn too_deep(&mut self, at: Position) -> Option<()> {
        self.problems.error(at, format!("nested more than {DEPTH_MOST} levels deep"), None);
        None
    }

    /// Puts a complete value where it belongs: a key, a value, an item, or the root. `plain` is the text of an unquoted
    /// scalar, which as a key is text whatever it looks like.
    fn complete(&mut self, node: Node, anchor: usize, plain: Option<String>) -> Option<()> {
        self.nodes += 1;
        if self.nodes > NODES_MOST {
            let message = format!("the definition holds more than {NODES_MOST} values, aliases expanded");
            self.problems.error(node.at, message, None);
            return None;
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
            self.nodes += node.count();
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Some(());
        };
        match &mut parent.node.value {
            Value::List(items) => items.push(node),
            Value::Map(fields) => match parent.key.take() {
                Some((key, at)) => match parent.keys.get(&key) {
                    Some(line) => {
                        let hint = Some(format!("it was first given in line {line}"));
                        self.problems.error(at, format!("duplicate key {:?}", shorten(&key)), hint);
                    }
                    None => {
                        parent.keys.insert(key.clone(), at.line);
                        fields.push(Field { key, at, value: node });
                    }
                },
                None => {
                    let text = plain.or(if let Value::Text(text) = &node.value { Some(text.clone()) } else { None });
                    if text.is_none() {
                        self.problems.error(node.at, format!("a key must be text, not {}", node.describe()), None);
                    }
                    parent.key = Some((text.unwrap_or_default(), node.at));
                }
            },
            _ => {}
        }
        Some(())
    }
}

/// An unquoted scalar after YAML 1.2's core schema (§10.3.2); what JSON cannot hold (`.inf`, `.nan`) stays text.
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'));
    let based = text.strip_prefix("0x").and_then(|hex| radix(hex, 16)).or_else(|| text.strip_prefix("0o").and_then(|o| radix(o, 8)));
    if let Some(number) = based {
        return Value::Number(number.into());
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Value::Text(text.to_owned());
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let whole = text.strip_prefix('+').unwrap_or(text);
        if let Some(number) = whole.parse::<u64>().map(Into::into).ok().or_else(|| whole.parse::<i64>().map(Into::into).ok()) {
            return Value::Number(number);
        }
    }
    let number = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
    number.map_or_else(|| Value::Text(text.to_owned()), Value::Number)
}

/// At most the first 60 characters.
fn shorten(text: &str) -> String {
    if text.chars().count() > 60 { text.chars().take(59).chain(['…']).collect() } else { text.to_owned() }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
