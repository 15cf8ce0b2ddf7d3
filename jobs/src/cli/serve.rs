//! `giaolo serve`: runs jobs that come and go.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use engine::Settings;
use engine::server::{Config, Server, listen};

use super::remote::DEFAULT_ADDRESS;
use super::run::read_city;
use super::store::{Store, as_transport};
use super::{Outcome, job};
use crate::shared::{TrafficHost, identity};

/// Run jobs that come and go
///
/// Every topic is read once and every step that jobs have in common is done once. Jobs are submitted, replaced and stopped
/// while the server runs, and know at once what it remembers of the past. Stopped or killed, started again with the same
/// store and catalogue, it goes on where it was.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo serve --local city.db --city city.json           on a store in one file
  giaolo serve --brokers kafka1:9092 --city city.json     on Kafka
  giaolo submit city                                      then, from another terminal
  giaolo list
  curl -s localhost:7400/metrics")]
pub(super) struct Serve {
    #[command(flatten)]
    store: Store,
    /// The city file, for jobs that do not hold the city themselves
    #[arg(long, value_name = "FILE")]
    city: Option<PathBuf>,
    /// Where to listen; without access control, which is still to come, only on this machine
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_ADDRESS)]
    listen: SocketAddr,
    /// Threads that share the work
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// The file in which submitted jobs are kept [default: beside the store in one file, else giaolo-jobs.db]
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,
    /// The server's name; of two servers of one name on one store the younger takes over
    #[arg(long, value_name = "NAME", default_value = "giaolo")]
    name: String,
    /// How long what jobs share is remembered for jobs that come, minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    remember: u64,
}

impl Serve {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        if !self.listen.ip().is_loopback() {
            bail!(
                "{} can be reached from other machines, and there is no access control yet (hint: listen on 127.0.0.1 and put a proxy with TLS and log-in before it)",
                self.listen
            );
        }
        let store = self.store.require()?;
        let city = self.city.as_deref().map(read_city).transpose()?.map(Arc::new);
        let config = Config {
            name: self.name.clone(),
            identity: format!("server {}", identity(city.as_deref())),
            source: as_transport(&store),
            sink: as_transport(&store),
            settings: Settings { workers: usize::from(self.workers), ..Settings::default() },
            catalogue: self.catalogue.clone().unwrap_or_else(|| self.store.beside("jobs")),
            stop: job::stop_on_signals()?,
        };
        let host = TrafficHost { city, remember_ms: self.remember * 60_000 };
        let server = Server::open(config, Arc::new(host)).map_err(super::store::explain)?;
        let bound = listen(server.clone(), self.listen).with_context(|| format!("cannot listen on {}", self.listen))?;
        writeln!(std::io::stderr(), "giaolo: listening on http://{} (Ctrl-C stops; what was read is committed first)", bound.address)?;
        server.run().map_err(job::explain_failure)?;
        drop(bound);
        Ok(Outcome::Well)
    }
}
