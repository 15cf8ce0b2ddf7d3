//! A server that runs somewhere: where it is, and how it is asked.

use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;
use serde_json::Value;

/// Where a server listens unless told otherwise.
pub(super) const DEFAULT_ADDRESS: &str = "127.0.0.1:7400";

/// Longer than a topic takes to be made.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server that is asked.
#[derive(Debug, Args)]
pub(super) struct Remote {
    /// The server's address
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_ADDRESS, env = "GIAOLO_SERVER")]
    server: String,
    /// Print what it answers as JSON
    #[arg(long)]
    pub(super) json: bool,
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
        Self { server: server.to_owned(), json: false }
    }

    /// Asks the server; an answer that is not well becomes the error it tells.
    pub(super) fn ask(&self, ask: &Ask<'_>, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        let (agent, url) = (ureq::Agent::new_with_config(config), format!("http://{}{path}", self.server));
        let query = query.iter().copied();
        let answer = match ask {
            Ask::Get => agent.get(&url).query_pairs(query).call(),
            Ask::Delete => agent.delete(&url).query_pairs(query).call(),
            Ask::Post(text) => agent.post(&url).query_pairs(query).content_type("application/yaml").send(*text),
        };
        let mut answer = answer.map_err(|error| {
            anyhow!("no server answers at {}: {error} (hint: start one with `giaolo serve`, or name another with --server)", self.server)
        })?;
        let well = answer.status().is_success();
        let value: Value =
            answer.body_mut().read_json().map_err(|error| anyhow!("what answers at {} is not giaolo: {error}", self.server))?;
        if well { Ok(value) } else { bail!(explain(&value)) }
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
