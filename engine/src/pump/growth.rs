//! Looks for partitions that appear while the job runs, so that a topic can grow without a restart.

use std::collections::BTreeSet;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::epoch::Partition;
use crate::halt::Halt;
use crate::run::Binding;
use crate::transport::Reader;

/// A partition that was not there before, and its reader from the first record on.
pub(crate) type Grown = (Partition, Box<dyn Reader>);

/// How long it takes to notice that the job stops.
const NAP: Duration = Duration::from_millis(50);

/// Starts looking, on a thread of its own, since a broker may be slow to answer or not there.
pub(crate) fn watch(
    sources: Vec<Binding>,
    known: &[Partition],
    every: Duration,
    halt: Halt,
    found: Sender<Grown>,
) -> std::io::Result<JoinHandle<()>> {
    let mut known: BTreeSet<(usize, u32)> = known.iter().map(|partition| (partition.source, partition.number)).collect();
    let looking = move || {
        let mut looked = Instant::now();
        while !halt.is_raised() {
            if looked.elapsed() < every {
                thread::sleep(NAP.min(every));
                continue;
            }
            looked = Instant::now();
            for (source, binding) in sources.iter().enumerate() {
                look(source, binding, &mut known, &found);
            }
        }
    };
    thread::Builder::new().name("partitions".into()).spawn(looking)
}

/// Looks at one source; what cannot be asked now is asked again the next time.
fn look(source: usize, binding: &Binding, known: &mut BTreeSet<(usize, u32)>, found: &Sender<Grown>) {
    let topic = &binding.topic;
    let numbers = binding.transport.partitions(topic).unwrap_or_else(|error| {
        tracing::debug!(topic, %error, "cannot look for new partitions");
        Vec::new()
    });
    for number in numbers {
        if known.contains(&(source, number)) {
            continue;
        }
        match binding.transport.reader(topic, number, 0) {
            Ok(reader) => {
                tracing::info!(topic, partition = number, "a new partition is read from now on");
                known.insert((source, number));
                // Without a pump the job is about to end.
                let _ = found.send((Partition { source, topic: topic.clone(), number, table: binding.table }, reader));
            }
            Err(error) => tracing::warn!(topic, partition = number, %error, "a new partition cannot be read yet; trying again"),
        }
    }
}
