//! `giaolo serve`: runs jobs that come and go.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use engine::Settings;
use engine::cluster::Follower;
use engine::server::{Config, Door, Pace, Server, Tls, listen};
use engine::view::Place;
#[cfg(feature = "vision")]
use operators::vision::Processor;

use super::loss::OnLoss;
use super::processes::Processes;
use super::remote::DEFAULT_ADDRESS;
use super::run::read_city;
use super::store::{Store, as_transport};
use super::{Outcome, job};
use crate::access::{JOBS, LISTING, POLICY};
use crate::lookup::{self, Retention};
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
  giaolo serve --brokers kafka1:9092 --city city.json --hosts hosts --process 0
                                                          on several machines: there --process 1, 2, …
  giaolo submit city                                      then, from another terminal
  giaolo list
  curl -s localhost:7400/metrics

As long as nobody was given access, everybody on this machine may do everything. Then, in this order:
  giaolo access add ops --role admin --all-centres --state city.jobs.db      prints a token, once
  giaolo serve --local city.db --listen 0.0.0.0:7400 --tls-cert server.pem --tls-key server.key
  GIAOLO_TOKEN=… giaolo list --server city.example:7400 --ca authority.pem")]
pub(super) struct Serve {
    #[command(flatten)]
    store: Store,
    /// The city file, for jobs that do not hold the city themselves
    #[arg(long, value_name = "FILE")]
    city: Option<PathBuf>,
    /// The folder with the weights of networks that jobs name which perceive; without it none is taken
    #[arg(long, value_name = "DIR")]
    weights: Option<PathBuf>,
    /// What detectors run on: cpu, cuda, or cuda:1 for the second GPU, in a program that was built with the feature cuda
    #[cfg(feature = "vision")]
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Processor,
    /// Where to listen; beyond this machine only with a certificate and with access control
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_ADDRESS)]
    listen: SocketAddr,
    /// The server's certificate and those it rests on, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The authority of client certificates, PEM: who comes with one needs no token if `giaolo access` knows a name in it
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// Let everybody who reaches the server read /metrics
    #[arg(long)]
    open_metrics: bool,
    /// The most requests a second of one name, in the long run; at once, four times as many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    requests_per_second: u32,
    /// What a second person must approve of before it is done, once anybody was given access; none: nothing
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = LISTING, value_parser = [LISTING, JOBS, "none"])]
    four_eyes: Vec<String>,
    /// Threads that share the work, in each process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    #[command(flatten)]
    processes: Processes,
    #[command(flatten)]
    on_loss: OnLoss,
    /// The file in which submitted jobs are kept [default: beside the store in one file, else giaolo-jobs.db]
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,
    /// The server's name; of two servers of one name on one store the younger takes over
    #[arg(long, value_name = "NAME", default_value = "giaolo")]
    name: String,
    /// From where look-ups are answered: a file, or postgresql://USER@HOST/DATABASE; made anew if it is empty [default: beside the
    /// store in one file, else giaolo-view.db]
    #[arg(long, value_name = "FILE|URL", env = "GIAOLO_VIEW", hide_env_values = true)]
    view: Option<PathBuf>,
    /// The file that holds the password for that database; without it PGPASSWORD does, if it is set
    #[arg(long, value_name = "FILE")]
    view_password: Option<PathBuf>,
    /// The authority of that database's certificate, PEM; needed unless it is on this machine
    #[arg(long, value_name = "FILE")]
    view_ca: Option<PathBuf>,
    /// How long journeys and sightings on which no alert rests can be looked up, days
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_650))]
    keep_days: u64,
    /// How long what jobs share is remembered for jobs that come, minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    remember: u64,
}

impl Serve {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let city = self.city.as_deref().map(read_city).transpose()?.map(Arc::new);
        let cluster = self.processes.join(format!("remembering {} min", self.remember))?;
        let definition = format!("server {}", identity(city.as_deref()));
        let on_data_loss = self.on_loss.get();
        let settings = Settings { workers: usize::from(self.workers), cluster, on_data_loss, ..Settings::default() };
        let host = TrafficHost {
            city: city.clone(),
            remember_ms: self.remember * 60_000,
            weights: self.weights.clone(),
            #[cfg(feature = "vision")]
            device: self.device,
        };
        if settings.cluster.as_ref().is_some_and(|cluster| !cluster.leads()) {
            let (host, stop) = (Arc::new(host), job::stop_on_signals()?);
            Follower::of_server(self.name.clone(), definition, host, settings, stop).run().map_err(job::explain_failure)?;
            return Ok(Outcome::Well);
        }
        let store = self.store.require()?;
        let config = Config {
            name: self.name.clone(),
            identity: definition,
            source: as_transport(&store),
            sink: as_transport(&store),
            settings,
            catalogue: self.catalogue.clone().unwrap_or_else(|| self.store.beside("jobs")),
            stop: job::stop_on_signals()?,
        };
        let server = Server::open(config, Arc::new(host)).map_err(super::store::explain)?;
        let view = self.place()?;
        let retention = Retention { kept_ms: self.keep_days * 86_400_000 };
        let (routes, following) = lookup::begin(&view, store, city.as_deref(), retention).map_err(|error| {
            let hint = error.hint().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
            anyhow!("{error}{hint}")
        })?;
        let door = Door { more: Some(routes), ..self.door()? };
        let scheme = if door.tls.is_some() { "https" } else { "http" };
        let bound = listen(server.clone(), door).map_err(|error| {
            let hint = error.hint().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
            anyhow!("{error}{hint}")
        })?;
        writeln!(std::io::stderr(), "giaolo: listening on {scheme}://{} (Ctrl-C stops; what was read is committed first)", bound.address)?;
        let outcome = server.run();
        // Who follows alerts is let go first: the door closes when nobody is under way any more.
        drop(following);
        drop(bound);
        outcome.map_err(job::explain_failure)?;
        Ok(Outcome::Well)
    }

    /// Where the tables are from which look-ups are answered.
    fn place(&self) -> anyhow::Result<Place> {
        let url = self.view.as_ref().and_then(|view| view.to_str()).filter(|view| view.contains("://"));
        let Some(url) = url else {
            return Ok(self.view.clone().unwrap_or_else(|| self.store.beside("view")).into());
        };
        #[cfg(not(feature = "postgres"))]
        return Err(anyhow!("{url} cannot be used: this program was built without the feature postgres"));
        #[cfg(feature = "postgres")]
        {
            let password = match &self.view_password {
                Some(file) => Some(std::fs::read_to_string(file).map_err(|error| anyhow!("{} cannot be read: {error}", file.display()))?),
                None => std::env::var("PGPASSWORD").ok(),
            };
            let password = password.as_deref().map(|password| password.trim_end_matches(['\r', '\n']));
            let server = engine::view::Server::read(url, password, self.view_ca.as_deref());
            server.map(Place::Postgres).map_err(|error| {
                let option = if matches!(error, engine::view::BadServer::NoAuthority) { ", with --view-ca FILE" } else { "" };
                anyhow!("{error} (hint: {}{option})", error.hint())
            })
        }
    }

    fn door(&self) -> anyhow::Result<Door> {
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Some(Tls::read(certificate, key, self.client_ca.as_deref())?),
            _ => None,
        };
        let pace = Pace { per_second: self.requests_per_second, burst: self.requests_per_second.saturating_mul(4) };
        Ok(Door { tls, pace, open_metrics: self.open_metrics, four_eyes: self.four_eyes.clone(), ..Door::at(self.listen, &POLICY) })
    }
}
