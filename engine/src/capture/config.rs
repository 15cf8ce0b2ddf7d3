//! The configuration: one strict YAML file. Everything that is wrong with it is told at once, with line and column.
//!
//! ```yaml
//! version: 1
//! cameras:
//!   c001:
//!     url: rtsp://10.20.0.11/stream1
//!     credentials: {env: C001_CREDENTIALS}       # user:password
//!   yard:
//!     file: recordings/yard.mp4
//! ```
//!
//! Credentials are named, never written: by a variable of the environment, or by a file. They are shown nowhere.

use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::de::{self, Deserialize, Deserializer};

use crate::definition::{Field, Node, Position, Problems, Value, decode, did_you_mean, parse_ms, read_fields, tell};

/// The version of this file's language.
const VERSION: u64 = 1;
/// The most cameras of one process: each has a thread.
const CAMERAS_MOST: usize = 1_000;

/// What is captured.
#[derive(Debug)]
pub struct Config {
    /// The topic that pictures go to; default `frames`.
    pub topic: String,
    /// The topic that is told how well it goes; default `capture_health`.
    pub health: String,
    /// How often that is, milliseconds. Default 10 s.
    pub health_every_ms: u64,
    /// The cameras.
    pub cameras: Vec<Camera>,
}

/// A camera.
#[derive(Debug)]
pub struct Camera {
    /// Its name: the key of its records, and its name in logs and figures.
    pub name: String,
    /// Where its pictures come from.
    pub origin: Origin,
    /// By how much its clock may be wrong, milliseconds. Default 50 ms: what a camera is off that is set over the network.
    pub clock_error_ms: u32,
}

/// Where pictures come from.
#[derive(Debug)]
pub enum Origin {
    /// A camera on the network.
    Live {
        /// Its address, credentials included.
        address: Address,
        /// How long it may send nothing, milliseconds. Default 10 s.
        timeout_ms: u64,
    },
    /// A recording.
    File {
        /// The file, from where the configuration lies.
        path: PathBuf,
        /// Whether it is played as fast as it was recorded; else as fast as may be. Default yes.
        paced: bool,
        /// When its first picture was taken, milliseconds since the epoch. Default: when it is opened.
        begins_ms: Option<u64>,
    },
}

/// An address on the network. Shown without its credentials.
pub struct Address(Url);

impl Address {
    /// The address as it is dialled.
    pub(super) fn dial(&self) -> &str {
        self.0.as_str()
    }

    /// An error's words without anything of the address in it.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut shown = text.replace(self.dial(), "the address");
        for secret in [Some(self.0.username()), self.0.password()].into_iter().flatten().filter(|secret| !secret.is_empty()) {
            shown = shown.replace(secret, "…");
        }
        shown
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        // An address of this kind always takes them.
        let _ = (shown.set_username(""), shown.set_password(None));
        shown.set_query(None);
        f.write_str(shown.as_str())
    }
}

/// A camera as it is written.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    url: Option<String>,
    credentials: Option<SecretPlace>,
    timeout: Option<Span>,
    file: Option<PathBuf>,
    pace: Option<Pace>,
    begins: Option<Moment>,
    clock_error: Option<Span>,
}

/// Where credentials lie.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum SecretPlace {
    /// In a variable of the environment.
    Env(String),
    /// In a file.
    File(PathBuf),
}

/// How fast a recording is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Pace {
    /// As it was recorded.
    Recording,
    /// As fast as may be.
    Fast,
}

/// A span of time.
#[derive(Clone, Copy, Debug)]
struct Span(u64);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        parse_ms(&String::deserialize(d)?).map(Self).map_err(de::Error::custom)
    }
}

/// A moment, as RFC 3339 writes it.
#[derive(Clone, Copy, Debug)]
struct Moment(u64);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let moment: jiff::Timestamp = text.parse().map_err(|_| de::Error::custom("a moment such as 2026-01-01T07:00:00Z"))?;
        u64::try_from(moment.as_millisecond()).map(Self).map_err(|_| de::Error::custom("a moment after 1970"))
    }
}

impl Config {
    /// Reads a configuration, credentials included; `file` is its name for messages.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(file: &str, text: &str) -> Result<Self, Problems> {
        let mut problems = Problems::of(file);
        let config = Node::read(text, &mut problems).map(|root| Self::of(&root, &mut problems));
        match config {
            Some(config) if !problems.any_error() => Ok(config),
            // Lines are shown beside what is wrong with them.
            _ => Err(problems.finish(&without_credentials(text))),
        }
    }

    /// The same with recordings looked for from a folder, which is that of the configuration: where a person who starts it stands is no
    /// part of what it says.
    #[must_use]
    pub fn from_folder(mut self, folder: &Path) -> Self {
        for camera in &mut self.cameras {
            if let Origin::File { path, .. } = &mut camera.origin {
                *path = folder.join(&*path);
            }
        }
        self
    }

    /// The recordings that are not there, each with its camera's name.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.cameras.iter().filter_map(|camera| match &camera.origin {
            Origin::File { path, .. } if !path.exists() => Some((camera.name.as_str(), path.as_path())),
            _ => None,
        })
    }

    fn of(root: &Node, problems: &mut Problems) -> Self {
        let (topic, health) = ("frames".to_owned(), "capture_health".to_owned());
        let mut config = Self { topic, health, health_every_ms: 10_000, cameras: Vec::new() };
        if !matches!(root.value, Value::Map(_)) {
            problems.error(root.at, format!("the configuration must be a mapping, not {}", root.describe()), None);
            return config;
        }
        let field = |name: &str| root.fields().iter().find(|field| field.key == name);
        let known = ["version", "topic", "health", "health_every", "cameras"];
        for unknown in root.fields().iter().filter(|field| !known.contains(&field.key.as_str())) {
            problems.error(unknown.at, format!("unknown field {:?}", unknown.key), did_you_mean(&unknown.key, known));
        }
        let hint = || Some(format!("write `version: {VERSION}` in the first line"));
        match field("version").map(|field| (&field.value, decode::<u64>(&field.value))) {
            Some((_, Ok(VERSION))) => {}
            Some((node, _)) => problems.error(node.at, format!("unsupported version: {}", node.describe()), hint()),
            None => problems.error(root.at, "missing field \"version\"", hint()),
        }
        for (name, into) in [("topic", &mut config.topic), ("health", &mut config.health)] {
            match field(name).map(|field| (field, decode::<String>(&field.value))) {
                Some((_, Ok(given))) => *into = given,
                Some((field, Err(error))) => tell(error, field, "the configuration", problems),
                None => {}
            }
        }
        match field("health_every").map(|field| (field, decode::<Span>(&field.value))) {
            Some((field, Ok(Span(ms)))) if !(1_000..=3_600_000).contains(&ms) => {
                problems.error(field.value.at, format!("\"health_every\" must be 1 s to 1 h, not {ms} ms"), None);
            }
            Some((_, Ok(Span(ms)))) => config.health_every_ms = ms,
            Some((field, Err(error))) => tell(error, field, "the configuration", problems),
            None => {}
        }
        let cameras = field("cameras").map_or(&[][..], |field| field.value.fields());
        if cameras.is_empty() || cameras.len() > CAMERAS_MOST {
            let message = format!("\"cameras\" must hold 1 to {CAMERAS_MOST} cameras by name");
            problems.error(field("cameras").map_or(root.at, |field| field.value.at), message, None);
        } else {
            config.cameras.extend(cameras.iter().filter_map(|camera| Camera::of(camera, problems)));
        }
        config
    }
}

impl Camera {
    fn of(field: &Field, problems: &mut Problems) -> Option<Self> {
        let what = format!("camera {:?}", field.key);
        if field.key.is_empty() || field.key.len() > 31 || field.key.chars().any(char::is_control) {
            problems.error(field.at, format!("{:?} cannot be the name of a camera", field.key), Some("use 1 to 31 bytes".to_owned()));
        }
        let written = read_fields::<Written>(field, &what, problems)?;
        let place = |name: &str| {
            let given = field.value.fields().iter().find(|given| given.key == name);
            given.map_or(field.at, |given| given.value.at)
        };
        let clock_error_ms = written.clock_error.map_or(50, |span| span.0);
        if clock_error_ms > 60_000 {
            problems.error(place("clock_error"), format!("\"clock_error\" of {what} must be at most 60 s"), None);
        }
        let origin = match (&written.url, &written.file) {
            (Some(url), None) => live(url, &written, &place, &what, problems),
            (None, Some(path)) => recording(path, &written, &place, &what, problems),
            _ => {
                let hint = Some("write `url: rtsp://…` for a camera on the network, `file: …` for a recording".to_owned());
                problems.error(field.at, format!("{what} needs one of \"url\" and \"file\""), hint);
                None
            }
        };
        let clock_error_ms = u32::try_from(clock_error_ms).unwrap_or(u32::MAX);
        Some(Self { name: field.key.clone(), origin: origin?, clock_error_ms })
    }
}

fn live(url: &str, written: &Written, place: &dyn Fn(&str) -> Position, what: &str, problems: &mut Problems) -> Option<Origin> {
    for (name, given) in [("pace", written.pace.is_some()), ("begins", written.begins.is_some())] {
        if given {
            problems.error(place(name), format!("{name:?} of {what} belongs to recordings"), None);
        }
    }
    let timeout_ms = written.timeout.map_or(10_000, |span| span.0);
    if !(100..=300_000).contains(&timeout_ms) {
        problems.error(place("timeout"), format!("\"timeout\" of {what} must be 100 ms to 5 min, not {timeout_ms} ms"), None);
    }
    match read_url(url, written.credentials.as_ref()) {
        Ok(url) => Some(Origin::Live { address: Address(url), timeout_ms }),
        Err((name, message, hint)) => {
            problems.error(place(name), format!("{name} of {what} {message}"), hint.map(str::to_owned));
            None
        }
    }
}

fn recording(path: &Path, written: &Written, place: &dyn Fn(&str) -> Position, what: &str, problems: &mut Problems) -> Option<Origin> {
    for (name, given) in [("credentials", written.credentials.is_some()), ("timeout", written.timeout.is_some())] {
        if given {
            problems.error(place(name), format!("{name:?} of {what} belongs to cameras on the network"), None);
        }
    }
    // FFmpeg takes a name as text that ends at its first zero.
    if path.to_str().is_none_or(|text| text.is_empty() || text.contains('\0')) {
        problems.error(place("file"), format!("file of {what} is no name of a file in UTF-8"), None);
        return None;
    }
    let (paced, begins_ms) = (written.pace != Some(Pace::Fast), written.begins.map(|moment| moment.0));
    Some(Origin::File { path: path.to_owned(), paced, begins_ms })
}

/// The text with stars for credentials that somebody wrote into an address after all; every other character keeps its place.
fn without_credentials(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        let address = after.split(|c: char| c.is_whitespace() || "'\"".contains(c)).next().unwrap_or_default();
        let (secret, _) = address.rsplit_once('@').unwrap_or_default();
        shown.push_str(before);
        shown.extend(secret.chars().map(|_| '*'));
        rest = &after[secret.len()..];
    }
    shown + rest
}

/// A field, what is wrong with it, and what to do.
type Wrong = (&'static str, String, Option<&'static str>);

/// The address with its credentials. Neither is told in an error.
fn read_url(text: &str, credentials: Option<&SecretPlace>) -> Result<Url, Wrong> {
    let wrong = |message: &str, hint| Err(("url", message.to_owned(), hint));
    if text.contains('\0') {
        return wrong("holds a zero", None);
    }
    let Ok(mut url) = Url::parse(text) else { return wrong("cannot be read as an address", Some("write rtsp://host:port/path")) };
    if !["rtsp", "rtsps"].contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
        return wrong("is no address of a camera", Some("write rtsp://host:port/path"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("holds credentials", Some("name them: `credentials: {env: NAME}` or `{file: PATH}`"));
    }
    if let Some(place) = credentials {
        let secret = read_secret(place).map_err(|message| ("credentials", message, Some("they are written user:password")))?;
        let (user, password) = secret.trim_end_matches(['\r', '\n']).split_once(':').unwrap_or((&secret, ""));
        if url.set_username(user).is_err() || url.set_password(Some(password)).is_err() {
            return Err(("credentials", "cannot be used with this url".to_owned(), None));
        }
    }
    Ok(url)
}

fn read_secret(place: &SecretPlace) -> Result<String, String> {
    let (name, text) = match place {
        SecretPlace::Env(name) => {
            (format!("in the variable {name:?}"), std::env::var(name).map_err(|_| "are not there: it is not set".to_owned()))
        }
        SecretPlace::File(path) => {
            (format!("in the file {path:?}"), std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}")))
        }
    };
    let text = text.map_err(|message| format!("{name} {message}"))?;
    if text.contains('\0') || !text.contains(':') { Err(format!("{name} are not user:password")) } else { Ok(text) }
}
