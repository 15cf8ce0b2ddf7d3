//! The jobs of a server, as the pump brings them in and takes them out between two moments.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::{Lane, Pump};
use crate::epoch::{Departure, Launch, Order, Partition};
use crate::flow::Program;
use crate::transport::{Change, Reader, TransportError};

/// What a server is told to do.
pub(crate) enum Command {
    /// Let a job begin.
    Begin(Beginning),
    /// Let a job end.
    End(Departure),
}

/// A job that is to begin.
pub(crate) struct Beginning {
    pub(crate) job: String,
    pub(crate) definition: String,
    pub(crate) program: Arc<dyn Program>,
    pub(crate) outputs: Vec<String>,
    pub(crate) tell_final: bool,
    /// Partitions of topics that no job has read yet.
    pub(crate) partitions: Vec<NewPartition>,
}

/// A partition that is read from now on.
pub(crate) struct NewPartition {
    pub(crate) topic: String,
    pub(crate) number: u32,
    /// Whether it is part of a table.
    pub(crate) table: bool,
    pub(crate) reader: Box<dyn Reader>,
}

/// Job and hash of its definition.
pub(crate) type Version = (String, String);

/// What a server's pump knows of jobs.
pub(crate) struct Roster {
    /// What it is told.
    pub(crate) commands: Receiver<Command>,
    /// Every job that the progress records name.
    pub(crate) known: BTreeMap<Version, Arc<dyn Program>>,
    /// The topics, by number.
    pub(crate) sources: Arc<Vec<String>>,
    /// What changed since the last epoch.
    pub(crate) changes: Vec<Change>,
}

impl Pump {
    /// Does what the server was told; returns whether there was anything.
    pub(super) fn obey(&mut self) -> bool {
        let Some(roster) = &self.roster else { return false };
        let commands: Vec<Command> = roster.commands.try_iter().collect();
        let any = !commands.is_empty();
        for command in commands {
            match command {
                Command::Begin(beginning) => self.begin(beginning),
                Command::End(departure) => {
                    let Departure { job, closed } = departure.clone();
                    self.note(Change { clock: self.clock, job, closed, ..Change::default() });
                    self.tell(&Order::End(departure));
                }
            }
        }
        any
    }

    fn begin(&mut self, beginning: Beginning) {
        let Beginning { job, definition, program, outputs, tell_final, partitions } = beginning;
        partitions.into_iter().for_each(|partition| self.add_partition(partition));
        self.note(Change { clock: self.clock, job: job.clone(), began: Some(definition), tell_final, outputs, closed: Vec::new() });
        self.launch(job, program, self.clock, self.clock, tell_final);
    }

    fn add_partition(&mut self, NewPartition { topic, number, table, reader }: NewPartition) {
        let Some(roster) = &mut self.roster else { return };
        let known = roster.sources.iter().position(|source| *source == topic);
        let source = known.unwrap_or_else(|| {
            Arc::make_mut(&mut roster.sources).push(topic.clone());
            roster.sources.len() - 1
        });
        let partition = Partition { source, topic, number, table };
        self.lanes.push(Lane::new(self.lanes.len(), &partition, reader));
        self.partitions = self.partitions.iter().cloned().chain([partition]).collect::<Vec<_>>().into();
    }

    fn note(&mut self, change: Change) {
        self.roster.iter_mut().for_each(|roster| roster.changes.push(change.clone()));
    }

    fn launch(&self, job: String, program: Arc<dyn Program>, at: u64, born: u64, tell_final: bool) {
        let Some(roster) = &self.roster else { return };
        self.tell(&Order::Begin(Arc::new(Launch { job, program, sources: Arc::clone(&roster.sources), at, born, tell_final })));
    }

    /// Repeats at a moment what a progress record says of jobs.
    pub(super) fn repeat(&self, change: &Change, at: u64) -> Result<(), TransportError> {
        let Some(roster) = &self.roster else { return Ok(()) };
        match &change.began {
            None => self.tell(&Order::End(Departure { job: change.job.clone(), closed: change.closed.clone() })),
            Some(definition) => {
                let version = (change.job.clone(), definition.clone());
                let program = roster.known.get(&version).ok_or_else(|| {
                    TransportError::lasting(format!("job {:?} ran here once and its definition is not known any more", change.job))
                        .hint("The catalogue of jobs does not belong to this store: bring the right one, or give the server another name.")
                })?;
                self.launch(change.job.clone(), Arc::clone(program), at, change.clock, change.tell_final);
            }
        }
        Ok(())
    }
}
