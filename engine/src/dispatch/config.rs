//! The configuration: one strict YAML file. Everything that is wrong with it is told at once, with line and column.
//!
//! ```yaml
//! version: 1
//! topic: alerts
//! endpoints:
//!   patrol-west:
//!     url: https://gateway.example/hooks/alerts
//!     secrets: [{env: PATROL_WEST_SECRET}, {file: /run/secrets/patrol-west-old}]
//!     expires_after: 10 min
//! ```
//!
//! Secrets are named, never written: by a variable of the environment, or by a file.

use std::path::PathBuf;
use std::sync::Arc;

use reqwest::Url;
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer};

use super::guard::check_url;
use super::secret::Secret;
use crate::definition::{Field, Node, Position, Problems, Value, decode, did_you_mean, parse_ms, read_fields, tell};

/// The version of this file's language.
const VERSION: u64 = 1;
/// The most endpoints.
const ENDPOINTS_MOST: usize = 1_000;

/// What is dispatched, and to whom. `F` is what an endpoint may ask of a notice.
#[derive(Debug)]
pub struct Config<F> {
    /// The topic that is read; default `alerts`.
    pub topic: String,
    /// Who is told.
    pub endpoints: Vec<Endpoint<F>>,
}

/// Who is told.
#[derive(Debug)]
pub struct Endpoint<F> {
    /// Its name: its identity in the state file, in logs and in figures.
    pub name: String,
    /// Where to post to.
    pub url: Url,
    /// What messages are signed with: all of them, so that receivers can change from one to another.
    pub secrets: Arc<Vec<Secret>>,
    /// What it wants to be told.
    pub filter: F,
    /// The limits.
    pub limits: Limits,
}

/// The limits of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long after its arrival in the topic a revision is still sent, milliseconds. Default 10 min: what a patrol unit is
    /// told later than that leads it to where nobody is any more.
    pub expires_after_ms: u64,
    /// The most revisions that wait; the oldest go to the dead. Default 10 000: what a city tells in ten bad minutes.
    pub queue: usize,
    /// The most requests under way. Default 4.
    pub concurrency: usize,
    /// The longest a request may take, milliseconds. Default 15 s, as the specification advises.
    pub timeout_ms: u64,
    /// Whether it may lie on this machine or in a private network. Default no.
    pub allow_private: bool,
    /// Whether the URL may be `http:`. Default no: what is sent names plates.
    pub allow_http: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { expires_after_ms: 600_000, queue: 10_000, concurrency: 4, timeout_ms: 15_000, allow_private: false, allow_http: false }
    }
}

/// An endpoint as it is written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written<F: Default> {
    url: String,
    secrets: Vec<SecretPlace>,
    filter: F,
    expires_after: Option<Span>,
    queue: Option<u32>,
    concurrency: Option<u16>,
    timeout: Option<Span>,
    allow_private: bool,
    allow_http: bool,
}

impl<F: Default> Default for Written<F> {
    fn default() -> Self {
        let (url, secrets, filter) = (String::new(), Vec::new(), F::default());
        let (expires_after, queue, concurrency, timeout) = (None, None, None, None);
        Self { url, secrets, filter, expires_after, queue, concurrency, timeout, allow_private: false, allow_http: false }
    }
}

/// Where a secret lies.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum SecretPlace {
    /// In a variable of the environment.
    Env(String),
    /// In a file.
    File(PathBuf),
}

/// A span of time.
#[derive(Clone, Copy, Debug)]
struct Span(u64);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        parse_ms(&String::deserialize(d)?).map(Self).map_err(de::Error::custom)
    }
}

impl<F: DeserializeOwned + Default> Config<F> {
    /// Reads a configuration; `file` is its name for messages.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(file: &str, text: &str) -> Result<Self, Problems> {
        let mut problems = Problems::of(file);
        let config = Node::read(text, &mut problems).map(|root| Self::of(&root, &mut problems));
        match config {
            Some(config) if !problems.any_error() => Ok(config),
            _ => Err(problems.finish(text)),
        }
    }

    fn of(root: &Node, problems: &mut Problems) -> Self {
        let mut config = Self { topic: "alerts".to_owned(), endpoints: Vec::new() };
        if !matches!(root.value, Value::Map(_)) {
            problems.error(root.at, format!("the configuration must be a mapping, not {}", root.describe()), None);
            return config;
        }
        let field = |name: &str| root.fields().iter().find(|field| field.key == name);
        let known = ["version", "topic", "endpoints"];
        for unknown in root.fields().iter().filter(|field| !known.contains(&field.key.as_str())) {
            problems.error(unknown.at, format!("unknown field {:?}", unknown.key), did_you_mean(&unknown.key, known));
        }
        match field("version").map(|field| (&field.value, decode::<u64>(&field.value))) {
            Some((_, Ok(VERSION))) => {}
            Some((node, _)) => problems.error(node.at, format!("unsupported version: {}", node.describe()), Some(version_hint())),
            None => problems.error(root.at, "missing field \"version\"", Some(version_hint())),
        }
        if let Some(topic) = field("topic") {
            match decode(&topic.value) {
                Ok(name) => config.topic = name,
                Err(error) => tell(error, topic, "the configuration", problems),
            }
        }
        let endpoints = field("endpoints").map_or(&[][..], |field| field.value.fields());
        if endpoints.is_empty() || endpoints.len() > ENDPOINTS_MOST {
            let message = format!("\"endpoints\" must hold 1 to {ENDPOINTS_MOST} endpoints by name");
            problems.error(field("endpoints").map_or(root.at, |field| field.value.at), message, None);
        } else {
            config.endpoints.extend(endpoints.iter().filter_map(|endpoint| Endpoint::of(endpoint, problems)));
        }
        config
    }
}

fn version_hint() -> String {
    format!("write `version: {VERSION}` in the first line")
}

impl<F: DeserializeOwned + Default> Endpoint<F> {
    fn of(field: &Field, problems: &mut Problems) -> Option<Self> {
        let what = format!("endpoint {:?}", field.key);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if field.key.is_empty() || field.key.len() > 63 || !field.key.chars().all(plain) {
            let hint = "use lower-case letters, digits, _ and -, at most 63".to_owned();
            problems.error(field.at, format!("{:?} cannot be the name of an endpoint", field.key), Some(hint));
        }
        let written = read_fields::<Written<F>>(field, &what, problems)?;
        let place = |name: &str| {
            let given = field.value.fields().iter().find(|given| given.key == name);
            given.map_or(field.at, |given| given.value.at)
        };
        let limits = limits_of(&written, &place, &what, problems);
        let url = read_url(&written.url, limits).map_err(|(message, hint)| {
            problems.error(place("url"), format!("url of {what} {message}"), hint);
        });
        if written.secrets.is_empty() {
            let hint = "name one: `secrets: [{env: NAME}]` or `[{file: PATH}]`".to_owned();
            problems.error(place("secrets"), format!("{what} has no secret to sign with"), Some(hint));
        }
        let secrets: Vec<Secret> = (written.secrets.iter())
            .filter_map(|secret| read_secret(secret).map_err(|message| problems.error(place("secrets"), message, None)).ok())
            .collect();
        Some(Self { name: field.key.clone(), url: url.ok()?, secrets: Arc::new(secrets), filter: written.filter, limits })
    }
}

fn limits_of<F: Default>(written: &Written<F>, place: &dyn Fn(&str) -> Position, what: &str, problems: &mut Problems) -> Limits {
    let default = Limits::default();
    let mut within = |name: &str, value: u64, range: std::ops::RangeInclusive<u64>, unit: &str| {
        if !range.contains(&value) {
            let message = format!("{name:?} of {what} must be {} to {}{unit}, not {value}", range.start(), range.end());
            problems.error(place(name), message, None);
        }
        value
    };
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let span = |given: Option<Span>, otherwise: u64| given.map_or(otherwise, |span| span.0);
    Limits {
        expires_after_ms: within("expires_after", span(written.expires_after, default.expires_after_ms), 1..=7 * 86_400_000, " ms"),
        queue: size(within("queue", written.queue.map_or(default.queue as u64, u64::from), 1..=1_000_000, "")),
        concurrency: size(within("concurrency", written.concurrency.map_or(default.concurrency as u64, u64::from), 1..=256, "")),
        timeout_ms: within("timeout", span(written.timeout, default.timeout_ms), 1..=60_000, " ms"),
        allow_private: written.allow_private,
        allow_http: written.allow_http,
    }
}

/// Checks a URL; the error is what is wrong and what to do.
fn read_url(text: &str, limits: Limits) -> Result<Url, (String, Option<String>)> {
    if text.is_empty() {
        return Err(("is missing".to_owned(), None));
    }
    let url = Url::parse(text).map_err(|error| (format!("cannot be read: {error}"), None))?;
    match url.scheme() {
        "https" => {}
        "http" if limits.allow_http => {}
        "http" => {
            let hint = "use https, or say `allow_http: true` where the way there is safe";
            return Err(("is not https".to_owned(), Some(hint.to_owned())));
        }
        scheme => return Err((format!("has the scheme {scheme:?}"), Some("use https".to_owned()))),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("holds credentials".to_owned(), Some("receivers check signatures; take the credentials out".to_owned())));
    }
    check_url(&url, limits.allow_private).map_err(|error| {
        let hint = "say `allow_private: true` if the unit does listen there".to_owned();
        (format!("leads nowhere: {error}"), Some(hint))
    })?;
    Ok(url)
}

fn read_secret(place: &SecretPlace) -> Result<Secret, String> {
    let (name, text) = match place {
        SecretPlace::Env(name) => {
            (format!("the secret in the variable {name:?}"), std::env::var(name).map_err(|_| "is not set".to_owned()))
        }
        SecretPlace::File(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"));
            (format!("the secret in the file {path:?}"), text)
        }
    };
    text.and_then(|text| Secret::read(&text)).map_err(|message| format!("{name} {message}"))
}
