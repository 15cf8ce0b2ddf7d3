//! From the tree to a [`Definition`]: which fields there are, which must be given, and of what type each is.

use super::{
    Definition, Field, Input, LATENESS_MS, MAX_SKEW_MS, Node, Output, Position, Problems, Rows, Source, Step, TICK_MS, Test, Value, Word,
    did_you_mean, parse_ms,
};

/// The version of the language this program reads.
const VERSION: u64 = 1;
/// The most sources, steps or outputs a definition may have.
const NAMES_MOST: usize = 1_000;
const TOP: &[&str] = &["version", "job", "description", "lateness", "max_skew", "patience", "tick", "sources", "steps", "outputs", "tests"];
/// Words that name secrets; a definition is copied, printed and kept, so it must not hold any.
const SECRETS: &[&str] = &["password", "secret", "token", "credential", "api_key", "apikey", "sasl", "private_key"];

impl Definition {
    /// Reads a text. `resources` are the further top-level fields that the catalogue knows.
    ///
    /// Problems are added to `problems`; with an error among them, what is returned is only what was understood.
    pub fn read(text: &str, resources: &[&str], problems: &mut Problems) -> Option<Definition> {
        let root = Node::read(text, problems)?;
        let known: Vec<&str> = TOP.iter().chain(resources).copied().collect();
        let mut top = Mapping::of(&root, "the definition", problems)?;
        top.check_known(&known, problems);
        check_version(&mut top, problems);
        let lateness_ms = top.span("lateness", LATENESS_MS, problems);
        Some(Definition {
            job: top.required_word("job", problems).map(|job| check_name("job", job, problems)).unwrap_or_default(),
            description: top.word("description", problems).unwrap_or_default().text,
            lateness_ms,
            max_skew_ms: top.span("max_skew", MAX_SKEW_MS, problems),
            patience_ms: top.span("patience", lateness_ms / 2, problems),
            tick_ms: top.span("tick", TICK_MS, problems).max(1),
            resources: top.node.fields().iter().filter(|field| resources.contains(&field.key.as_str())).cloned().collect(),
            sources: top.entries("sources", true, problems).iter().filter_map(|field| read_source(field, problems)).collect(),
            steps: top.entries("steps", false, problems).iter().filter_map(|field| read_step(field, problems)).collect(),
            outputs: top.entries("outputs", true, problems).iter().filter_map(|field| read_output(field, problems)).collect(),
            tests: top.items("tests", problems).iter().filter_map(|node| read_test(node, resources, problems)).collect(),
        })
    }
}

fn check_version(top: &mut Mapping<'_>, problems: &mut Problems) {
    let Some(node) = top.get("version") else {
        problems.error(top.node.at, "missing field \"version\"", Some(format!("write `version: {VERSION}` in the first line")));
        return;
    };
    if !matches!(&node.value, Value::Number(number) if number.as_u64() == Some(VERSION)) {
        let hint = Some(format!("this program reads version {VERSION}"));
        problems.error(node.at, format!("unsupported version: {}", node.describe()), hint);
    }
}

fn read_source(field: &Field, problems: &mut Problems) -> Option<Source> {
    let name = check_name("source", Word::new(&field.key, field.at), problems);
    let what = format!("source {:?}", name.text);
    let mut fields = Mapping::of(&field.value, &what, problems)?;
    fields.check_known(&["kind", "topic", "format"], problems);
    let topic = fields.word("topic", problems).unwrap_or_else(|| name.clone());
    Some(Source {
        kind: fields.required_word("kind", problems)?,
        topic: check_topic(topic, problems),
        format: fields.word("format", problems).unwrap_or_else(|| Word::new("json", name.at)),
        name,
    })
}

fn read_step(field: &Field, problems: &mut Problems) -> Option<Step> {
    let name = check_name("step", Word::new(&field.key, field.at), problems);
    let what = format!("step {:?}", name.text);
    let mut fields = Mapping::of(&field.value, &what, problems)?;
    let inputs = match fields.get("from").map(|node| (node, &node.value)) {
        None => Vec::new(),
        Some((_, Value::Map(ports))) => ports.iter().map(|port| read_port(port, &what, problems)).collect(),
        Some((node, _)) => vec![Input { port: None, from: as_words(node, "from", &what, problems) }],
    };
    let own = |field: &&Field| !matches!(field.key.as_str(), "step" | "from");
    Some(Step {
        entry: fields.required_word("step", problems)?,
        inputs,
        parameters: field.value.fields().iter().filter(own).cloned().collect(),
        name,
    })
}

fn read_port(port: &Field, what: &str, problems: &mut Problems) -> Input {
    Input { port: Some(Word::new(&port.key, port.at)), from: as_words(&port.value, &port.key, what, problems) }
}

fn read_output(field: &Field, problems: &mut Problems) -> Option<Output> {
    let topic = check_topic(Word::new(&field.key, field.at), problems);
    let what = format!("output {:?}", topic.text);
    let mut fields = Mapping::of(&field.value, &what, problems)?;
    fields.check_known(&["from"], problems);
    let Some(from) = fields.get("from") else {
        problems.error(field.at, format!("{what} needs \"from\""), Some("name the step whose results go there".to_owned()));
        return None;
    };
    Some(Output { from: as_words(from, "from", &what, problems), topic })
}

fn read_test(node: &Node, resources: &[&str], problems: &mut Problems) -> Option<Test> {
    let mut fields = Mapping::of(node, "a test", problems)?;
    let known: Vec<&str> = ["name", "given", "expect"].iter().chain(resources).copied().collect();
    fields.check_known(&known, problems);
    let mut rows = |part: &str| {
        let read = |field: &Field, problems: &mut Problems| {
            let name = Word::new(&field.key, field.at);
            match &field.value.value {
                Value::List(rows) => Some(Rows { name, rows: rows.clone() }),
                Value::Null => Some(Rows { name, rows: Vec::new() }),
                _ => {
                    problems.error(field.value.at, format!("{:?} must be a list of rows, not {}", name.text, field.value.describe()), None);
                    None
                }
            }
        };
        fields.entries(part, true, problems).iter().filter_map(|field| read(field, problems)).collect()
    };
    let (given, expect) = (rows("given"), rows("expect"));
    Some(Test {
        name: fields.required_word("name", problems)?,
        resources: node.fields().iter().filter(|field| resources.contains(&field.key.as_str())).cloned().collect(),
        given,
        expect,
    })
}

impl Node {
    /// The fields, if it is a mapping.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        if let Value::Map(fields) = &self.value { fields } else { &[] }
    }
}

/// A mapping that is read field by field.
struct Mapping<'a> {
    node: &'a Node,
    what: &'a str,
}

impl<'a> Mapping<'a> {
    fn of(node: &'a Node, what: &'a str, problems: &mut Problems) -> Option<Self> {
        if let Value::Map(_) = node.value {
            return Some(Self { node, what });
        }
        problems.error(node.at, format!("{what} must be a mapping (lines of `key: value`), not {}", node.describe()), None);
        None
    }

    fn check_known(&self, known: &[&str], problems: &mut Problems) {
        for field in self.node.fields().iter().filter(|field| !known.contains(&field.key.as_str())) {
            let lower = field.key.to_lowercase();
            let hint = if SECRETS.iter().any(|secret| lower.contains(secret)) {
                Some("definitions hold no credentials; they belong to the configuration of the server".to_owned())
            } else {
                did_you_mean(&field.key, known.iter().copied())
            };
            problems.error(field.at, format!("unknown field {:?} in {}", field.key, self.what), hint);
        }
    }

    fn get(&mut self, key: &str) -> Option<&'a Node> {
        self.node.fields().iter().find(|field| field.key == key).map(|field| &field.value)
    }

    fn word(&mut self, key: &str, problems: &mut Problems) -> Option<Word> {
        self.get(key).and_then(|node| as_word(node, key, self.what, problems))
    }

    fn required_word(&mut self, key: &str, problems: &mut Problems) -> Option<Word> {
        if self.get(key).is_none() {
            let near = self.node.fields().iter().find(|field| strsim::damerau_levenshtein(&field.key, key) == 1);
            let hint = near.map(|field| format!("{:?} in line {} looks like it", field.key, field.at.line));
            problems.error(self.node.at, format!("missing field {key:?} in {}", self.what), hint);
        }
        self.word(key, problems)
    }

    fn span(&mut self, key: &str, default_ms: u64, problems: &mut Problems) -> u64 {
        let Some(node) = self.get(key) else { return default_ms };
        let read = match &node.value {
            Value::Text(text) => parse_ms(text),
            _ => Err(format!("must be a span of time such as \"15 min\", not {}", node.describe())),
        };
        read.unwrap_or_else(|message| {
            problems.error(node.at, format!("wrong value for {key:?}: {message}"), None);
            default_ms
        })
    }

    /// The fields of a mapping within this one.
    fn entries(&mut self, key: &str, required: bool, problems: &mut Problems) -> &'a [Field] {
        match self.get(key).map(|node| (node, &node.value)) {
            Some((node, Value::Map(fields))) if fields.len() > NAMES_MOST => {
                problems.error(node.at, format!("{key:?} holds {} entries; at most {NAMES_MOST} are allowed", fields.len()), None);
                &[]
            }
            Some((_, Value::Map(fields))) if !fields.is_empty() || !required => fields,
            Some((node, Value::Map(_) | Value::Null)) if required => {
                problems.error(node.at, format!("{key:?} in {} is empty", self.what), None);
                &[]
            }
            Some((_, Value::Null)) => &[],
            Some((node, _)) => {
                problems.error(node.at, format!("{key:?} must be a mapping from names, not {}", node.describe()), None);
                &[]
            }
            None => {
                if required {
                    problems.error(self.node.at, format!("missing field {key:?} in {}", self.what), None);
                }
                &[]
            }
        }
    }

    /// The items of a list within this mapping.
    fn items(&mut self, key: &str, problems: &mut Problems) -> &'a [Node] {
        match self.get(key).map(|node| (node, &node.value)) {
            Some((_, Value::List(items))) => items,
            None | Some((_, Value::Null)) => &[],
            Some((node, _)) => {
                problems.error(node.at, format!("{key:?} must be a list, not {}", node.describe()), None);
                &[]
            }
        }
    }
}

fn as_word(node: &Node, key: &str, what: &str, problems: &mut Problems) -> Option<Word> {
    if let Value::Text(text) = &node.value {
        return Some(Word { text: text.clone(), at: node.at });
    }
    let hint = matches!(node.value, Value::Number(_) | Value::Bool(_)).then(|| "put it in quotes".to_owned());
    problems.error(node.at, format!("{key:?} in {what} must be text, not {}", node.describe()), hint);
    None
}

/// One text, or a list of them.
fn as_words(node: &Node, key: &str, what: &str, problems: &mut Problems) -> Vec<Word> {
    match &node.value {
        Value::List(items) => items.iter().filter_map(|item| as_word(item, key, what, problems)).collect(),
        _ => as_word(node, key, what, problems).into_iter().collect(),
    }
}

/// Names of jobs, sources and steps: they end in metrics, in graphs and in `step.port`.
fn check_name(what: &str, name: Word, problems: &mut Problems) -> Word {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.text.is_empty() || name.text.len() > 63 || !name.text.chars().all(plain) {
        let hint = Some("use lower-case letters, digits, _ and -, at most 63".to_owned());
        problems.error(name.at, format!("{:?} cannot be the name of a {what}", name.text), hint);
    }
    name
}

/// Names of topics, after Kafka.
fn check_topic(topic: Word, problems: &mut Problems) -> Word {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.text.is_empty() || topic.text.len() > 249 || !topic.text.chars().all(legal) || matches!(topic.text.as_str(), "." | "..") {
        let hint = Some("use letters, digits, dots, _ and -, at most 249".to_owned());
        problems.error(topic.at, format!("{:?} cannot be the name of a topic", topic.text), hint);
    }
    topic
}

impl Word {
    /// A text at a place.
    #[must_use]
    pub fn new(text: &str, at: Position) -> Self {
        Self { text: text.to_owned(), at }
    }
}
