//! The thread that keeps a view: reads its topics, and forgets what is too old.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::place::{Keep, PlaceError};
use super::{Committed, Refused, Tables, View, lock};
use crate::following::{Found, Partitions, advance};
use crate::time::wall_ms;
use crate::transport::{Batch, TopicStore, TransportError};

/// Bytes of a partition that are one transaction: a few thousand rows, and the bound of what is in memory.
const READ_BYTES: usize = 1 << 20;
/// How long topics that hold nothing new are left alone.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often a topic is looked for that is not there.
const LOOK_FOR_TOPICS: Duration = Duration::from_secs(2);
/// How long to wait after a failure that may pass.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often what is too old is looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// A view is kept as long as this lives.
pub struct Following {
    view: View,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.view.0.over.store(true, Ordering::Relaxed);
        // Who waits for news is woken, and sees that it is over.
        self.view.0.news.send_modify(|news| *news += 1);
        self.thread.take().map(JoinHandle::join);
    }
}

impl Following {
    pub(super) fn begin<T: Tables>(view: View, keep: Keep, tables: T, store: Arc<dyn TopicStore>) -> std::io::Result<Self> {
        let mut keeper = Keeper { view: view.clone(), keep, tables, store, topics: BTreeMap::new(), looked: None };
        let thread = std::thread::Builder::new().name("view".into()).spawn(move || keeper.run())?;
        Ok(Self { view, thread: Some(thread) })
    }
}

/// Why keeping a view cannot go on, now or ever.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Transport(#[from] TransportError),
    #[error("{0}")]
    Place(#[from] PlaceError),
}

impl Fault {
    fn passes(&self) -> bool {
        match self {
            Self::Transport(error) => error.retry,
            Self::Place(error) => error.passes(),
        }
    }
}

struct Keeper<T> {
    view: View,
    keep: Keep,
    tables: T,
    store: Arc<dyn TopicStore>,
    /// The topics that are read.
    topics: BTreeMap<String, Partitions>,
    /// When topics were looked for.
    looked: Option<Instant>,
}

impl<T: Tables> Keeper<T> {
    fn run(&mut self) {
        let (mut forgot, mut more_to_forget) = (Instant::now(), true);
        while !self.view.is_over() {
            if forgot.elapsed() >= FORGET_EVERY {
                (forgot, more_to_forget) = (Instant::now(), true);
            }
            let turn = self.read().and_then(|found| {
                // One batch a turn, so that reading goes on meanwhile.
                more_to_forget = more_to_forget && self.keep.change(|transaction| self.tables.forget(transaction, wall_ms()))?;
                Ok(found)
            });
            match turn {
                Ok(Found::Something) => {}
                Ok(_) if more_to_forget => {}
                Ok(_) => std::thread::sleep(LOOK_EVERY),
                Err(fault) if fault.passes() => {
                    tracing::warn!(%fault, "the view cannot be kept up now");
                    // Whether the last change was made is not known: the tables say how far they are.
                    (self.topics, self.looked) = (BTreeMap::new(), None);
                    std::thread::sleep(AGAIN_AFTER);
                }
                Err(fault) => {
                    tracing::error!(%fault, "the view is kept no longer");
                    *lock(&self.view.0.fault) = Some(fault.to_string());
                    return self.view.0.news.send_modify(|news| *news += 1);
                }
            }
        }
    }

    /// Reads some of every topic.
    fn read(&mut self) -> Result<Found, Fault> {
        self.look_for_topics()?;
        let mut found = Found::Nothing;
        for (topic, partitions) in &mut self.topics {
            let (kept, tables, view) = (&mut self.keep, &self.tables, &self.view);
            let here = partitions.read(&*self.store, READ_BYTES, |partition, next_offset, batch| {
                let (news, arrival_ms) = keep(kept, tables, (topic, partition, next_offset), batch)?;
                lock(&view.0.behind).insert(topic.clone(), arrival_ms);
                if news {
                    view.0.news.send_modify(|news| *news += 1);
                }
                Ok::<_, Fault>(())
            })?;
            if here == Found::Nothing {
                lock(&self.view.0.behind).remove(topic);
            }
            found = found.max(here);
        }
        Ok(found)
    }

    /// Begins with topics that are there by now.
    fn look_for_topics(&mut self) -> Result<(), Fault> {
        let wanted = self.tables.topics();
        if wanted.len() == self.topics.len() || self.looked.is_some_and(|looked| looked.elapsed() < LOOK_FOR_TOPICS) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let there = self.store.topics()?;
        for topic in wanted {
            if !self.topics.contains_key(&topic) && there.iter().any(|summary| summary.name == topic) {
                let partitions = Partitions::begin(&*self.store, &topic, self.keep.positions(&topic)?)?;
                self.topics.insert(topic, partitions);
            } else if !self.topics.contains_key(&topic) {
                // There is nothing in it to be read.
                lock(&self.view.0.behind).remove(&topic);
            }
        }
        Ok(())
    }
}

/// Takes a batch with its position; returns whether there is news in it, and when its last record arrived.
fn keep<T: Tables>(
    kept: &mut Keep,
    tables: &T,
    (topic, partition, next_offset): (&str, u32, u64),
    batch: &Batch,
) -> Result<(bool, u64), PlaceError> {
    let now_ms = wall_ms();
    kept.change(|transaction| {
        let (mut news, mut newest_ms) = (false, 0);
        for record in &batch.records {
            let (offset, arrival_ms) = (record.offset, record.arrival_ms.unwrap_or(now_ms));
            newest_ms = arrival_ms;
            let Some(value) = batch.value(record) else { continue };
            match tables.take(transaction, &Committed { topic, partition, offset, arrival_ms, value }) {
                Ok(new) => news |= new,
                Err(Refused::Unreadable(reason)) => tracing::error!(topic, partition, offset, reason, "a record cannot be read"),
                Err(Refused::State(error)) => return Err(error),
            }
        }
        advance(transaction, topic, partition, next_offset)?;
        Ok((news, newest_ms))
    })
}
