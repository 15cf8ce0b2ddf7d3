//! Looks for partitions that appear while the job runs, so that a topic can grow without a restart.

use std::collections::BTreeSet;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use crate::epoch::Partition;
use crate::halt::Halt;
use crate::run::Binding;
use crate::transport::Reader;

/// A partition that was not there before, and its reader from the first record on.
pub(crate) type Grown = (Partition, Box<dyn Reader>);

/// How long it takes to notice that the job stops.
const NAP: Duration = Duration::from_millis(50);

/// A topic that may grow.
pub(crate) struct Watched {
    /// The number of the source it is.
    pub(crate) source: usize,
    pub(crate) binding: Binding,
    /// The partitions that are read.
    pub(crate) known: BTreeSet<u32>,
}

/// Who looks.
pub(crate) struct Lookout {
    watched: Vec<Watched>,
    /// Topics that somebody begins to read while the job runs.
    more: Receiver<Watched>,
    found: Sender<Grown>,
}

impl Lookout {
    /// Looks at the topics of these sources, of which so many partitions are known, and at those it is told of later.
    pub(crate) fn new(sources: &[Binding], known: &[Partition], more: Receiver<Watched>, found: Sender<Grown>) -> Self {
        let numbers = |source: usize| known.iter().filter(move |partition| partition.source == source).map(|partition| partition.number);
        let watch = |(source, binding): (usize, &Binding)| Watched { source, binding: binding.clone(), known: numbers(source).collect() };
        Self { watched: sources.iter().enumerate().map(watch).collect(), more, found }
    }

    /// Starts looking, on a thread of its own, since a broker may be slow to answer or not there.
    pub(crate) fn watch(mut self, every: Duration, halt: Halt) -> std::io::Result<JoinHandle<()>> {
        let looking = move || {
            let mut looked = Instant::now();
            while !halt.is_raised() {
                if looked.elapsed() < every {
                    thread::sleep(NAP.min(every));
                    continue;
                }
                looked = Instant::now();
                self.look();
            }
        };
        thread::Builder::new().name("partitions".into()).spawn(looking)
    }

    /// Looks at all topics once; what cannot be asked now is asked again the next time.
    pub(crate) fn look(&mut self) {
        self.watched.extend(self.more.try_iter());
        for watched in &mut self.watched {
            watched.look(&self.found);
        }
    }
}

impl Watched {
    fn look(&mut self, found: &Sender<Grown>) {
        let Self { source, binding: Binding { transport, topic, table, .. }, known } = self;
        let numbers = transport.partitions(topic).unwrap_or_else(|error| {
            tracing::debug!(topic, %error, "cannot look for new partitions");
            Vec::new()
        });
        let new: Vec<u32> = numbers.into_iter().filter(|number| !known.contains(number)).collect();
        for number in new {
            match transport.reader(topic, number, 0) {
                Ok(reader) => {
                    tracing::info!(topic, partition = number, "a new partition is read from now on");
                    known.insert(number);
                    // Without a pump the job is about to end.
                    let _ = found.send((Partition { source: *source, topic: topic.clone(), number, table: *table }, reader));
                }
                Err(error) => tracing::warn!(topic, partition = number, %error, "a new partition cannot be read yet; trying again"),
            }
        }
    }
}
