//! The desk of a server: what is done by one at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::catalogue::{Catalogue, Definition, Entry};
use super::{Prepared, ServerError};
use crate::epoch::Departure;
use crate::pump::roster::{Command, NewPartition, Version};
use crate::transport::{Transport, TransportError};

/// What is done by one at a time.
pub(super) struct Desk {
    pub(super) catalogue: Catalogue,
    /// Where the pump is told what to do, while there is one.
    pub(super) commands: Option<Sender<Command>>,
    /// The topics that are read, and whether each is a table.
    pub(super) topics: BTreeMap<String, bool>,
    /// Definitions that were planned: a definition's plan does not change while a server runs.
    pub(super) plans: BTreeMap<Version, Arc<Prepared>>,
}

impl Desk {
    pub(super) fn entry(&self, job: &str) -> Result<Entry, ServerError> {
        self.catalogue.job(job)?.ok_or_else(|| ServerError::NoJob(job.to_owned()))
    }

    /// A version's definition as it was submitted.
    pub(super) fn text(&self, job: &str, definition: &str) -> Result<Arc<Definition>, ServerError> {
        let found = self.catalogue.definition(job, definition)?;
        found.map(Arc::new).ok_or_else(|| ServerError::NoJob(job.to_owned()))
    }

    /// Tells the pump; without one the catalogue tells the next.
    pub(super) fn order(&self, command: Command) {
        if let Some(commands) = &self.commands {
            let _ = commands.send(command);
        }
    }

    /// Lets a job end; the rows of outputs that are closed are final.
    pub(super) fn end(&self, job: &str, closed: Vec<String>) {
        self.order(Command::End(Departure { job: job.to_owned(), closed }));
    }

    /// Opens the partitions of those topics that nobody reads yet.
    pub(super) fn new_partitions(
        &mut self,
        transport: &dyn Transport,
        topics: &BTreeMap<String, bool>,
    ) -> Result<Vec<NewPartition>, TransportError> {
        let mut partitions = Vec::new();
        let new: Vec<(&String, &bool)> = topics.iter().filter(|(topic, _)| !self.topics.contains_key(*topic)).collect();
        for (topic, table) in &new {
            for number in transport.partitions(topic)? {
                let reader = transport.reader(topic, number, 0)?;
                partitions.push(NewPartition { topic: (*topic).clone(), number, table: **table, reader });
            }
        }
        if self.commands.is_some() {
            self.topics.extend(new.into_iter().map(|(topic, table)| (topic.clone(), *table)));
        }
        Ok(partitions)
    }
}
