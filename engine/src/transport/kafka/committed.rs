//! Reading what is committed in a partition, to its end as of now.

use std::ops::{ControlFlow, Range};
use std::thread;
use std::time::{Duration, Instant};

use super::super::{Batch, Position, RawRecord, Reader, TransportError};
use super::cluster::Cluster;
use super::reader::KafkaReader;

/// How long another job's open transaction may hide what lies behind it: a broker ends one after a minute, and looks for such
/// every ten seconds.
const OPEN: Duration = Duration::from_secs(90);

/// What is committed in a partition from an offset on (0: from the first that is kept), to its end as of the beginning.
pub(super) struct Committed<'a> {
    cluster: &'a Cluster,
    topic: &'a str,
    reader: KafkaReader,
    end: u64,
}

impl<'a> Committed<'a> {
    /// Begins; what is to come is fetched meanwhile. The end is the log's own (high watermark).
    pub(super) fn begin(cluster: &'a Cluster, topic: &'a str, partition: u32, offsets: Range<u64>) -> Result<Self, TransportError> {
        let reader = KafkaReader::begin(cluster, topic, partition, offsets.start)?;
        Ok(Self { cluster, topic, reader, end: offsets.end })
    }

    /// Shows the records, until it is told to stop.
    ///
    /// What is committed may end before the end while another job's transaction is open, and ours may lie behind it: so wait until the
    /// committed end has passed it, and only then read until nothing is left. The last offsets are never delivered, since they
    /// are the marks that end transactions.
    pub(super) fn visit(
        mut self,
        mut see: impl FnMut(&Batch, &RawRecord) -> Result<ControlFlow<()>, TransportError>,
    ) -> Result<(), TransportError> {
        self.await_end()?;
        let mut batch = Batch::default();
        let mut deadline = Instant::now() + OPEN;
        loop {
            batch.clear();
            let position = self.reader.read(1 << 20, &mut batch)?;
            for record in &batch.records {
                if see(&batch, record)?.is_break() {
                    return Ok(());
                }
            }
            match position {
                Position::CaughtUp | Position::End => return Ok(()),
                Position::More if !batch.records.is_empty() => deadline = Instant::now() + OPEN,
                Position::More if Instant::now() > deadline => {
                    let Self { cluster, topic, .. } = self;
                    return Err(TransportError::passing(format!("topic “{topic}” of {} cannot be read to its end", cluster.place())));
                }
                Position::More => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Waits until everything before the end is committed or aborted.
    fn await_end(&self) -> Result<(), TransportError> {
        let deadline = Instant::now() + OPEN;
        while self.reader.committed_end()? < self.end {
            if Instant::now() > deadline {
                let message = format!("a transaction in topic “{}” of {} does not end", self.topic, self.cluster.place());
                return Err(TransportError::passing(message).hint(
                    "A broker that died may have left it open for ever. `kafka-transactions.sh find-hanging` tells, and `abort` ends \
                     it; until then nobody can read what was committed after it.",
                ));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}
