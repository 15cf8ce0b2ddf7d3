//! The processes that share the work of a run or a server.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use engine::cluster::{Cluster, ClusterError, Hosts};

/// Options of commands that may be spread over processes.
#[derive(Debug, Default, Args)]
pub(super) struct Processes {
    /// Share the work with other processes: a file with one host:port a line, the same for all. What goes between them is neither
    /// encrypted nor authenticated: it belongs on a private network
    #[arg(long, value_name = "FILE", requires = "process")]
    hosts: Option<PathBuf>,
    /// Which line of the file this process is, counted from 0; process 0 reads, commits and answers
    #[arg(long, value_name = "I", requires = "hosts")]
    process: Option<usize>,
}

impl Processes {
    /// Whether there are any.
    pub(super) fn are_named(&self) -> bool {
        self.hosts.is_some()
    }

    /// Takes this process's place among them, if there are any; `agreed` is what they must have in common beside the job.
    pub(super) fn join(&self, agreed: impl Into<String>) -> anyhow::Result<Option<Arc<Cluster>>> {
        let Some((hosts, process)) = self.hosts.as_deref().zip(self.process) else { return Ok(None) };
        let cluster = Hosts::read(hosts).and_then(|hosts| Cluster::open(hosts, process, agreed));
        cluster.map(|cluster| Some(Arc::new(cluster))).map_err(explain)
    }
}

fn explain(error: ClusterError) -> anyhow::Error {
    let hint = error.hint.clone();
    anyhow::anyhow!("{error} (hint: {hint})")
}
