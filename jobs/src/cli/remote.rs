//! A server that runs somewhere: where it is, and how it is asked.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Outcome, say};
use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde_json::Value;
use ureq::http::{HeaderValue, Request, Response};
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Body, SendBody};

/// Where a server listens unless told otherwise.
pub(super) const DEFAULT_ADDRESS: &str = "127.0.0.1:7400";

/// Longer than a topic takes to be made.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server that is asked.
#[derive(Debug, Args)]
pub(super) struct Remote {
    /// The server's address
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_ADDRESS, env = "GIAOLO_SERVER", value_parser = address)]
    server: String,
    /// The authority that signed the server's certificate, PEM; the server is then asked by TLS
    #[arg(long, value_name = "FILE", env = "GIAOLO_CA")]
    ca: Option<PathBuf>,
    /// A file that holds the token, where the variable GIAOLO_TOKEN does not
    #[arg(long, value_name = "FILE", env = "GIAOLO_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Print what it answers as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// A server's address as it was written, if it is one.
fn address(text: &str) -> Result<String, String> {
    match text.contains('/') {
        true => Err("write host and port alone, such as city.example:7400; with --ca the server is asked by TLS".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// A server-sent event.
#[derive(Debug, Default)]
pub(super) struct ServerEvent {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) data: Value,
}

/// What is asked.
pub(super) enum Ask<'a> {
    Get,
    Post(&'a str),
    Delete,
}

impl Remote {
    /// The server at an address.
    pub(super) fn at(server: &str) -> Self {
        Self { server: server.to_owned(), ca: None, token_file: None, json: false }
    }

    /// Asks the server; an answer that is not well becomes the error it tells.
    pub(super) fn ask(&self, ask: &Ask<'_>, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let (agent, url) = (self.agent(Some(PATIENCE))?, self.url(path));
        let query = query.iter().copied();
        let answer = match ask {
            Ask::Get => agent.get(&url).query_pairs(query).call(),
            Ask::Delete => agent.delete(&url).query_pairs(query).call(),
            Ask::Post(text) => agent.post(&url).query_pairs(query).content_type("application/yaml").send(*text),
        };
        self.read(answer.map_err(|error| self.unreachable(&error))?)
    }

    /// Shows an answer; what waits for a second person says so, whatever was asked.
    pub(super) fn show(&self, answer: &Value, people: impl Fn(&Value) -> String) -> anyhow::Result<Outcome> {
        say(&match answer["approval"].as_str() {
            _ if self.json => format!("{answer:#}\n"),
            Some(id) => format!("this waits until another person approves of it: giaolo approvals approve {id}\n"),
            None => people(answer),
        })?;
        Ok(Outcome::Well)
    }

    /// Hands on events as they come, until the server ends it.
    pub(super) fn follow(
        &self,
        path: &str,
        after: Option<&str>,
        take: &mut dyn FnMut(&ServerEvent) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut request = self.agent(None)?.get(self.url(path));
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let answer = request.call().map_err(|error| self.unreachable(&error))?;
        if !answer.status().is_success() {
            return self.read(answer).map(drop);
        }
        let mut event = ServerEvent::default();
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            // A connection that is cut is as good as one that was ended.
            let Ok(line) = line else { break };
            match line.split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut event.id),
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("data", data)) => event.data = serde_json::from_str(data)?,
                None if line.is_empty() && !event.name.is_empty() => take(&std::mem::take(&mut event))?,
                _ => {}
            }
        }
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.server)
    }

    /// What asks; it gives up after so long.
    fn agent(&self, patience: Option<Duration>) -> anyhow::Result<ureq::Agent> {
        let mut config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(patience).max_redirects(0);
        if let Some(ca) = &self.ca {
            config = config.tls_config(trusting(ca)?);
        }
        if let Some(token) = self.token()? {
            anyhow::ensure!(
                self.ca.is_some() || is_here(&self.server),
                "the token would go to {} for everybody on the way to read (hint: name the authority of its certificate with --ca)",
                self.server
            );
            config = config.middleware(Bearer(bearer(&token)?));
        }
        Ok(ureq::Agent::new_with_config(config.build()))
    }

    fn unreachable(&self, error: &ureq::Error) -> anyhow::Error {
        anyhow!("no server answers at {}: {error} (hint: start one with `giaolo serve`, or name another with --server)", self.server)
    }

    fn read(&self, mut answer: Response<Body>) -> anyhow::Result<Value> {
        let well = answer.status().is_success();
        let text = answer.body_mut().read_to_string().map_err(|error| self.unreachable(&error))?;
        match serde_json::from_str(&text) {
            Ok(value) if well => Ok(value),
            Ok(value) => bail!(explain(&value)),
            // What is wrong with a parameter is told in plain text.
            Err(_) if answer.status().is_client_error() => bail!("{}", text.trim()),
            Err(error) => bail!("what answers at {} is not giaolo: {error}", self.server),
        }
    }

    /// The token: never an argument, which everybody on the machine could see.
    fn token(&self) -> anyhow::Result<Option<String>> {
        let token = match (&self.token_file, std::env::var("GIAOLO_TOKEN")) {
            (Some(file), _) => Some(std::fs::read_to_string(file).with_context(|| format!("the token cannot be read from {file:?}"))?),
            (None, Ok(token)) => Some(token),
            (None, Err(_)) => None,
        };
        Ok(token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()))
    }
}

/// A part of a path, with what has a meaning there written otherwise.
pub(super) fn encoded(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    part.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Whether an address is on this machine.
fn is_here(server: &str) -> bool {
    let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// TLS with servers that an authority vouches for.
fn trusting(ca: &Path) -> anyhow::Result<TlsConfig> {
    let pem = std::fs::read(ca).with_context(|| format!("the authority cannot be read from {ca:?}"))?;
    let items = parse_pem(&pem).collect::<Result<Vec<_>, _>>().with_context(|| format!("{ca:?} is not PEM"))?;
    let roots: Vec<_> =
        items.into_iter().filter_map(|item| if let PemItem::Certificate(root) = item { Some(root) } else { None }).collect();
    anyhow::ensure!(!roots.is_empty(), "there is no certificate in {ca:?}");
    engine::use_crypto();
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build())
}

/// Says who asks, in every request.
struct Bearer(HeaderValue);

fn bearer(token: &str) -> anyhow::Result<HeaderValue> {
    let mut value: HeaderValue = format!("Bearer {token}").parse().map_err(|_| anyhow!("the token holds what no token does"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Middleware for Bearer {
    fn handle(&self, mut request: Request<SendBody>, next: MiddlewareNext) -> Result<Response<Body>, ureq::Error> {
        request.headers_mut().insert("authorization", self.0.clone());
        next.handle(request)
    }
}

/// An error as the server tells it.
fn explain(value: &Value) -> String {
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let mut lines = vec![text(value, "error")];
    for problem in value["problems"].as_array().into_iter().flatten() {
        let hint = text(problem, "hint");
        let hint = if hint.is_empty() { hint } else { format!(" (hint: {hint})") };
        lines.push(format!("{}:{}: {}{hint}", problem["line"], problem["column"], text(problem, "message")));
    }
    let hint = text(value, "hint");
    let hint = if hint.is_empty() { hint } else { format!(" (hint: {hint})") };
    lines.join("\n") + &hint
}
