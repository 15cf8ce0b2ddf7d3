//! The jobs of a server, as the pump brings them in and takes them out between two moments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use super::growth::Watched;
use super::{Lane, Pump};
use crate::epoch::{Departure, Launch, Order, Partition};
use crate::flow::Program;
use crate::run::Binding;
use crate::server::Definition;
use crate::transport::{Change, Reader, Transport, TransportError};

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
    /// What it was made from.
    pub(crate) text: Arc<Definition>,
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

/// A program and what it was made from.
pub(crate) type Source = (Arc<dyn Program>, Arc<Definition>);

/// What a server's pump knows of jobs.
pub(crate) struct Roster {
    /// What it is told.
    pub(crate) commands: Receiver<Command>,
    /// Every job that the progress records name.
    pub(crate) known: BTreeMap<Version, Source>,
    /// The topics, by number.
    pub(crate) sources: Arc<Vec<String>>,
    /// What changed since the last epoch.
    pub(crate) changes: Vec<Change>,
    /// Where topics are read from.
    pub(crate) transport: Arc<dyn Transport>,
    /// Who is told of topics that jobs bring, for they may grow.
    pub(crate) lookout: Sender<Watched>,
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
        let Beginning { job, definition, program, text, outputs, tell_final, partitions } = beginning;
        let mut topics: BTreeMap<String, Watched> = BTreeMap::new();
        for partition in partitions {
            self.add_partition(partition, &mut topics);
        }
        // Without a lookout the server is about to end.
        if let Some(roster) = &self.roster {
            topics.into_values().for_each(|topic| drop(roster.lookout.send(topic)));
        }
        self.note(Change { clock: self.clock, job: job.clone(), began: Some(definition), tell_final, outputs, closed: Vec::new() });
        self.launch(job, (program, text), self.clock, self.clock, tell_final);
    }

    /// Reads a partition from now on, and notes it among those of its topic.
    fn add_partition(&mut self, NewPartition { topic, number, table, reader }: NewPartition, topics: &mut BTreeMap<String, Watched>) {
        let Some(roster) = &mut self.roster else { return };
        let known = roster.sources.iter().position(|source| *source == topic);
        let source = known.unwrap_or_else(|| {
            Arc::make_mut(&mut roster.sources).push(topic.clone());
            roster.sources.len() - 1
        });
        let watched = topics.entry(topic.clone()).or_insert_with(|| {
            let transport = Arc::clone(&roster.transport);
            Watched { source, binding: Binding { source: topic.clone(), transport, topic: topic.clone(), table }, known: BTreeSet::new() }
        });
        watched.known.insert(number);
        let partition = Partition { source, topic, number, table };
        self.lanes.push(Lane::new(self.lanes.len(), &partition, reader));
        self.partitions = self.partitions.iter().cloned().chain([partition]).collect::<Vec<_>>().into();
    }

    fn note(&mut self, change: Change) {
        self.roster.iter_mut().for_each(|roster| roster.changes.push(change.clone()));
    }

    fn launch(&self, job: String, (program, definition): Source, at: u64, born: u64, tell_final: bool) {
        let Some(roster) = &self.roster else { return };
        let sources = Arc::clone(&roster.sources);
        self.tell(&Order::Begin(Arc::new(Launch { job, program, definition, sources, at, born, tell_final })));
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
                self.launch(change.job.clone(), program.clone(), at, change.clock, change.tell_final);
            }
        }
        Ok(())
    }
}
