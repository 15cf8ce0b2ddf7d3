//! What processes say to each other: frames of a message in bincode's standard layout, and bytes that go with it as they are.
//!
//! ```text
//! length of the message (4) ▸ length of the bytes (4) ▸ message ▸ bytes          little endian
//! ```
//!
//! Both ends are the same build of the program, which is made sure of before ([`hello`](super::hello)): a layout is no promise.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bincode::config::{Configuration, standard};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::epoch::{Departure, Epoch, Moment, Partition, Slice};
use crate::flow::{SHARE, share};
use crate::memory::Shares;
use crate::transport::{Batch, RawRecord, Tick};
use crate::worker::Failure;

/// The longest message, and the most bytes with it. An epoch is far smaller; what claims to be longer is none of ours.
pub(super) const MOST: usize = 1 << 30;

const LAYOUT: Configuration = standard();

/// What the leader tells a follower.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// Take this in.
    Take(Take),
    /// Build this job's parts.
    Begin(Begin),
    /// Drop what a job alone uses.
    End(Departure),
    /// The input is complete.
    Finish,
    /// Stop as things are.
    Stop,
    /// Nothing.
    Beat,
    /// The round is over, and with it all the work there was, or not.
    Over {
        /// Whether all is done.
        finished: bool,
    },
}

/// What a follower tells the leader.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// Nothing but what its workers hold.
    Beat(Shares),
    /// A worker panicked.
    Failed(Failure),
    /// It is to end, and asks that what is under way be brought to an end before.
    Leaving,
    /// Its workers have left as they were told.
    Left,
    /// It has heard that all is done.
    Parted,
}

/// A job, as it travels.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) job: String,
    pub(super) file: String,
    pub(super) text: String,
    pub(super) sources: Vec<String>,
    pub(super) at: u64,
    pub(super) born: u64,
    pub(super) tell_final: bool,
}

/// What some workers are to take of an epoch; the records' bytes go with it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Take {
    /// The last moment.
    clock: u64,
    /// All partitions, where they are others than before.
    partitions: Option<Vec<Partition>>,
    /// Moments at which something enters.
    moments: Vec<(u64, Vec<Piece>)>,
}

/// Records of one partition that enter at one moment, one after the other.
#[derive(Debug, Serialize, Deserialize)]
struct Piece {
    partition: usize,
    first: usize,
    arrival_ms: u64,
    records: Vec<Head>,
}

/// A record without its bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    offset: u64,
    arrival_ms: Option<u64>,
    key: usize,
    value: Option<usize>,
}

/// The workers of one process among all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hands {
    pub(super) process: usize,
    pub(super) workers: usize,
    pub(super) peers: usize,
}

impl Take {
    /// What these workers are to take, and its bytes. Tables are worker 0's alone, and so is how far partitions were observed.
    pub(super) fn of(epoch: &Epoch, hands: Hands, partitions: bool) -> (Self, Vec<u8>) {
        let mut bytes = Vec::new();
        let mut moments = Vec::new();
        for moment in &epoch.moments {
            let slices = moment.slices.iter().filter(|slice| !epoch.partitions[slice.partition].table);
            let pieces: Vec<Piece> = slices.flat_map(|slice| pieces(slice, hands, &mut bytes)).collect();
            if !pieces.is_empty() {
                moments.push((moment.tick.clock, pieces));
            }
        }
        let partitions = partitions.then(|| epoch.partitions.to_vec());
        (Self { clock: epoch.clock(), partitions, moments }, bytes)
    }

    /// The epoch, as the workers take it; `partitions` are those known so far.
    pub(super) fn into_epoch(self, bytes: Vec<u8>, partitions: &mut Arc<Vec<Partition>>) -> Epoch {
        let Self { clock, partitions: others, moments } = self;
        others.into_iter().for_each(|others| *partitions = Arc::new(others));
        let (mut batch, mut at) = (Batch { bytes, records: Vec::new() }, 0);
        let mut places = Vec::new();
        for piece in moments.iter().flat_map(|(_, pieces)| pieces) {
            let from = batch.records.len();
            batch.records.extend(piece.records.iter().map(|head| head.record(&mut at)));
            places.push(from..batch.records.len());
        }
        let (size, records) = (batch.bytes.len(), batch.records.len());
        let (batch, mut places) = (Arc::new(batch), places.into_iter());
        let mut slice = |Piece { partition, first, arrival_ms, .. }: Piece| Slice {
            partition,
            batch: Arc::clone(&batch),
            records: places.next().unwrap_or_default(),
            first,
            arrival_ms,
            decoded: Arc::default(),
        };
        let mut moment = |(clock, pieces): (u64, Vec<Piece>)| {
            let tick = Tick { clock, ..Tick::default() };
            Moment { tick, slices: pieces.into_iter().map(&mut slice).collect(), marks: false }
        };
        let end = Moment { tick: Tick { clock, ..Tick::default() }, slices: Vec::new(), marks: false };
        Epoch {
            moments: moments.into_iter().map(&mut moment).chain([end]).collect(),
            partitions: Arc::clone(partitions),
            progress: Vec::new(),
            bytes: size,
            records,
            replayed: false,
            began: std::time::Duration::ZERO,
            changes: Vec::new(),
        }
    }
}

impl Head {
    fn record(&self, at: &mut usize) -> RawRecord {
        let mut take = |length: usize| {
            let from = *at;
            *at += length;
            from..*at
        };
        let (key, value) = (take(self.key), self.value.map(&mut take));
        RawRecord { offset: self.offset, arrival_ms: self.arrival_ms, key, value }
    }
}

/// The pieces of a slice that are these workers'.
fn pieces(slice: &Slice, hands: Hands, bytes: &mut Vec<u8>) -> Vec<Piece> {
    let records = &slice.batch.records[slice.records.clone()];
    let mut pieces = Vec::new();
    let mut from = 0;
    while from < records.len() {
        let number = slice.first + from;
        // All of a worker's turn is its own.
        let until = records.len().min(from + SHARE - number % SHARE);
        if share(number, hands.peers) / hands.workers == hands.process {
            let heads = records[from..until].iter().map(|record| head(&slice.batch, record, bytes)).collect();
            pieces.push(Piece { partition: slice.partition, first: number, arrival_ms: slice.arrival_ms, records: heads });
        }
        from = until;
    }
    pieces
}

fn head(batch: &Batch, record: &RawRecord, bytes: &mut Vec<u8>) -> Head {
    let (key, value) = (batch.key(record), batch.value(record));
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value.unwrap_or_default());
    Head { offset: record.offset, arrival_ms: record.arrival_ms, key: key.len(), value: value.map(<[u8]>::len) }
}

/// Sends a message and bytes with it.
pub(super) fn send(to: &mut impl Write, message: &impl Serialize, bytes: &[u8]) -> io::Result<usize> {
    let mut frame = vec![0; 8];
    bincode::serde::encode_into_std_write(message, &mut frame, LAYOUT).map_err(io::Error::other)?;
    let lengths = [frame.len() - 8, bytes.len()];
    if lengths.iter().any(|length| *length > MOST) {
        return Err(io::Error::other(format!("{} bytes are too many to be sent at once", lengths[0] + lengths[1])));
    }
    frame[..4].copy_from_slice(&(lengths[0] as u32).to_le_bytes());
    frame[4..8].copy_from_slice(&(lengths[1] as u32).to_le_bytes());
    frame.extend_from_slice(bytes);
    to.write_all(&frame)?;
    Ok(frame.len())
}

/// Receives a message and the bytes with it, neither longer than `LONGEST`; nor is anything that the message says it holds.
pub(super) fn receive<T: DeserializeOwned, const LONGEST: usize>(from: &mut impl Read) -> io::Result<(T, Vec<u8>)> {
    let mut lengths = [[0; 4]; 2];
    lengths.iter_mut().try_for_each(|length| from.read_exact(length))?;
    let [message, bytes] = lengths.map(|length| u32::from_le_bytes(length) as usize);
    if message.max(bytes) > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no message of ours"));
    }
    let mut read = |length: usize| {
        let mut block = vec![0; length];
        from.read_exact(&mut block).map(|()| block)
    };
    let (message, bytes) = (read(message)?, read(bytes)?);
    let read = bincode::serde::decode_from_slice(&message, LAYOUT.with_limit::<LONGEST>());
    let (message, _) = read.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((message, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An epoch of two moments: 50 records of a stream, and a record of a table between them.
    fn epoch() -> Epoch {
        let (mut stream, mut table) = (Batch::default(), Batch::default());
        (0..50_u64).for_each(|n| stream.push(n, (n % 2 == 0).then_some(1_000 + n), b"key", (n % 7 != 0).then_some(&[n as u8, 1])));
        table.push(0, None, b"k", Some(b"v"));
        let (stream, table) = (Arc::new(stream), Arc::new(table));
        let slice = |partition: usize, batch: &Arc<Batch>, records: std::ops::Range<usize>, first: usize| Slice {
            partition,
            batch: Arc::clone(batch),
            records,
            first,
            arrival_ms: 7,
            decoded: Arc::default(),
        };
        let moment = |clock: u64, slices: Vec<Slice>| Moment { tick: Tick { clock, ..Tick::default() }, slices, marks: true };
        let partition = |table: bool| Partition { source: usize::from(table), topic: "t".to_owned(), number: 0, table };
        Epoch {
            moments: vec![
                moment(10, vec![slice(0, &stream, 0..23, 100)]),
                moment(20, vec![slice(1, &table, 0..1, 0), slice(0, &stream, 23..50, 123)]),
                moment(30, Vec::new()),
            ],
            partitions: Arc::new(vec![partition(false), partition(true)]),
            progress: Vec::new(),
            bytes: 0,
            records: 51,
            replayed: false,
            began: std::time::Duration::ZERO,
            changes: Vec::new(),
        }
    }

    /// Every record with who decodes it and when it enters.
    fn taken(epoch: &Epoch, peers: usize) -> Vec<(usize, u64, usize, RawRecordParts)> {
        let mut all = Vec::new();
        for moment in &epoch.moments {
            for slice in &moment.slices {
                for (place, record) in slice.batch.records[slice.records.clone()].iter().enumerate() {
                    let parts =
                        (record.offset, record.arrival_ms, slice.batch.key(record).to_vec(), slice.batch.value(record).map(<[u8]>::to_vec));
                    all.push((share(slice.first + place, peers), moment.tick.clock, slice.partition, parts));
                }
            }
        }
        all
    }

    type RawRecordParts = (u64, Option<u64>, Vec<u8>, Option<Vec<u8>>);

    #[test]
    fn each_process_gets_its_workers_records_and_no_others() {
        for (processes, workers) in [(2, 1), (2, 2), (3, 1), (1, 3)] {
            let (whole, peers) = (epoch(), processes * workers);
            let stream = |all: Vec<(usize, u64, usize, RawRecordParts)>| all.into_iter().filter(|taken| taken.2 == 0).collect::<Vec<_>>();
            for process in 0..processes {
                let mut frame = Vec::new();
                let (take, bytes) = Take::of(&whole, Hands { process, workers, peers }, true);
                send(&mut frame, &Told::Take(take), &bytes).unwrap();
                let (Told::Take(take), bytes) = receive::<_, MOST>(&mut &frame[..]).unwrap() else { panic!("another message") };
                let mut partitions = Arc::default();
                let there = take.into_epoch(bytes, &mut partitions);
                assert_eq!((there.clock(), &partitions), (30, &whole.partitions));
                let mine = stream(taken(&whole, peers)).into_iter().filter(|(worker, ..)| worker / workers == process).collect::<Vec<_>>();
                assert_eq!(taken(&there, peers), mine, "process {process} of {processes}");
                assert!(!mine.is_empty());
            }
        }
    }

    #[test]
    fn what_is_no_message_is_refused_before_memory_is_asked_for() {
        assert!(receive::<Told, MOST>(&mut &b"GET / HTTP/1.1\r\n\r\n"[..]).is_err());
        assert!(receive::<Told, MOST>(&mut &[4, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255][..]).is_err());
    }
}
