//! What a job sees while it is built: typed sources, and outputs that publish its tables.

mod feed;
mod record;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

pub use differential_dataflow::ExchangeData;
use differential_dataflow::{AsCollection, VecCollection};
use timely::dataflow::Scope;
use timely::dataflow::operators::Input;

pub(crate) use self::feed::{Feed, SHARE, share};
use self::feed::{InputHandle, MarkFeed, RecordDecode, RecordFeed, RejectedFeed, TableFeed};
pub use self::record::{Raw, Refusal, RefusalReason, Rejection};
use crate::ahead::{Ahead, Decode};
use crate::basis::AsOf;
use crate::changelog::{self, Draft, Opening, Predecessor, RowSpec, Takeover, Told};
use crate::plan::REJECTED;
use crate::share::{Flowing, Gauge, Keep, Pipe, Tap, tap};

/// A changing collection at the job clock.
pub type Changes<'scope, D> = VecCollection<'scope, u64, D, isize>;

/// A job: how it is put together from sources to outputs. Built once on every worker.
pub trait Job: Send + Sync + 'static {
    /// Builds the dataflow.
    fn build<'scope>(&self, flow: &mut Flow<'scope>);
}

/// A job in parts, so that jobs that run at the same time share what they have in common.
///
/// A part is built where no running job has one of the same key, as a dataflow of its own on every worker, and dropped when
/// no job uses it any more. What it shares it lays on a *shelf*, and takes what it reads from the shelves of other parts.
pub trait Program: Send + Sync + 'static {
    /// The parts; each stands after those it reads.
    fn parts(&self) -> &[Part];

    /// How late, and how far ahead of its arrival, a record of a part may be.
    fn limits(&self, part: usize) -> Limits;

    /// Builds a part; `shelves` are those of all parts before it.
    fn build<'scope>(&self, part: usize, flow: &mut Flow<'scope>, shelves: &[Shelf]) -> Shelf;
}

/// A part of a [`Program`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Tells parts apart: two of the same key do the same.
    pub key: String,
    /// Its name, for people.
    pub name: String,
    /// Whether it stays when nobody uses it any more: what was read of a topic is not read again.
    pub stays: bool,
}

/// What a part lends to others: whatever whoever builds the parts makes of it.
pub type Shelf = Rc<dyn Any>;

/// Until when a partition has been observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// The partition's number in its topic.
    pub partition: u32,
    /// Arrival time of the record last read, or the wall clock where all was read: milliseconds since the epoch.
    pub until_ms: u64,
}

/// Something a step holds that it does not show: kept account of with [`Flow::hold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Held {
    /// Whose it is; of each one thing is held at a time.
    pub of: u64,
    /// The earliest event time of the evidence for it.
    pub begins_ms: u64,
    /// When on the clock it is forgotten if nothing takes its place.
    pub until_ms: u64,
    /// What tells it from any other that might be held in its place.
    pub print: u64,
}

/// What a record's time is held against.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long after its event time a record is still taken, milliseconds.
    pub lateness_ms: u64,
    /// How far ahead of its arrival its event time may be, milliseconds.
    pub max_skew_ms: u64,
    /// How far back what the job says may rest on evidence, milliseconds.
    pub memory_ms: u64,
}

impl Limits {
    /// As wide as both.
    pub(crate) fn widen(&mut self, other: Self) {
        self.lateness_ms = self.lateness_ms.max(other.lateness_ms);
        self.max_skew_ms = self.max_skew_ms.max(other.max_skew_ms);
        self.memory_ms = self.memory_ms.max(other.memory_ms);
    }
}

/// Rows on their way to the committer, with the moment each came at; worker 0 alone has any.
pub(crate) type Outbox = Rc<RefCell<Vec<(u64, Draft)>>>;

/// The largest event times found in the records of partitions, each with the moment they entered at and the partition's place;
/// worker 0 alone has any.
pub(crate) type Newest = Rc<RefCell<Vec<(u64, usize, u64)>>>;

/// What was published to each output by a job that has ended, for the one that goes on with it.
pub(crate) type Predecessors = Rc<RefCell<BTreeMap<String, Rc<dyn Predecessor>>>>;

/// Where a dataflow is built, and for whom.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) job: String,
    /// The sources' names, by number.
    pub(crate) sources: Arc<Vec<String>>,
    pub(crate) limits: Limits,
    pub(crate) outbox: Outbox,
    pub(crate) newest: Newest,
    pub(crate) predecessors: Predecessors,
    /// What outputs say themselves, for who begins where it could not be rebuilt.
    pub(crate) takeover: Option<Arc<Takeover>>,
    /// Whoever decodes ahead, if anybody does.
    pub(crate) ahead: Option<Arc<Ahead>>,
    pub(crate) opening: Opening,
}

/// A worker's ends of a dataflow.
#[derive(Default)]
pub(crate) struct Ends {
    /// By number of the source; those of no source have `usize::MAX`.
    pub(crate) feeds: Vec<(usize, Box<dyn Feed>)>,
    pub(crate) pipes: Vec<Box<dyn Flowing>>,
    pub(crate) gauges: Vec<Gauge>,
    /// Up to which moment each publisher is done (exclusive).
    pub(crate) done: Vec<Rc<Cell<u64>>>,
    /// What is published, by output.
    pub(crate) published: Vec<(String, Rc<dyn Predecessor>)>,
    /// What the dataflow rests on.
    pub(crate) basis: Vec<AsOf>,
}

/// A dataflow in the making.
pub struct Flow<'scope> {
    scope: Scope<'scope, u64>,
    site: Site,
    rejected: Rc<RefCell<InputHandle<Rejection>>>,
    rejections: Changes<'scope, Rejection>,
    pub(crate) ends: Ends,
}

impl<'scope> Flow<'scope> {
    pub(crate) fn new(scope: Scope<'scope, u64>, site: Site) -> Self {
        let (handle, stream) = scope.new_input();
        let rejected = Rc::new(RefCell::new(handle));
        let mut flow = Self { scope, site, rejected, rejections: stream.as_collection(), ends: Ends::default() };
        flow.ends.feeds.push((usize::MAX, Box::new(RejectedFeed(Rc::clone(&flow.rejected)))));
        flow
    }

    /// The records of a source, decoded.
    ///
    /// `event_ms` tells a record's event time, by which it may be late or in the future; `None` never is.
    /// What cannot be decoded goes to [`rejections`](Self::rejections). Panics if the job has no such source, for a
    /// plan has been checked before it is built.
    pub fn source<T: ExchangeData>(
        &mut self,
        name: &str,
        decode: impl Fn(&Raw<'_>) -> Result<T, Refusal> + Send + Sync + 'static,
        event_ms: impl Fn(&T) -> Option<u64> + 'static,
    ) -> Changes<'scope, T> {
        let (handle, stream) = self.scope.new_input();
        let (index, peers) = (self.scope.index(), self.scope.peers());
        let (newest, found) = self.scope.new_input();
        self.ends.done.push(changelog::newest(found.as_collection(), Rc::clone(&self.site.newest)));
        let rejected = Rc::clone(&self.rejected);
        let (limits, born) = (self.site.limits, self.site.opening.born);
        let decode = Arc::new(RecordDecode(decode));
        let ahead = self.site.ahead.as_ref().filter(|_| peers == 1);
        let ahead = ahead.is_some_and(|ahead| ahead.register(self.place(name), &(Arc::clone(&decode) as Arc<dyn Decode>)));
        self.add(name, Box::new(RecordFeed { handle, decode, ahead, event_ms, rejected, newest, limits, born, index, peers }));
        stream.as_collection()
    }

    /// A table of keyed records: a newer record of a key replaces the older one, and none removes it.
    ///
    /// # Panics
    /// As for [`source`](Self::source).
    pub fn table<K: Ord + 'static, T: ExchangeData>(
        &mut self,
        name: &str,
        decode: impl Fn(&Raw<'_>) -> Result<(K, Option<T>), Refusal> + 'static,
    ) -> Changes<'scope, T> {
        let (handle, stream) = self.scope.new_input();
        let here = self.scope.index() == 0;
        let rejected = Rc::clone(&self.rejected);
        self.add(name, Box::new(TableFeed { handle, decode, rejected, here, rows: BTreeMap::new() }));
        stream.as_collection()
    }

    /// How far the partitions of a source have been observed: one row a partition, replaced as time goes on.
    ///
    /// # Panics
    /// As for [`source`](Self::source).
    pub fn observed(&mut self, name: &str) -> Changes<'scope, Mark> {
        let (handle, stream) = self.scope.new_input();
        let here = self.scope.index() == 0;
        let source = self.place(name);
        self.ends.feeds.push((source, Box::new(MarkFeed { handle, here, source, last: BTreeMap::new() })));
        stream.as_collection()
    }

    /// Everything the sources did not take.
    #[must_use]
    pub fn rejections(&self) -> Changes<'scope, Rejection> {
        self.rejections.clone()
    }

    /// Publishes a table as a changelog: revisions, and whether a row may still change.
    pub fn publish<T: ExchangeData>(&mut self, output: &str, rows: Changes<'scope, T>, spec: RowSpec<T>) {
        let (told, rows) = changelog::publish(rows, output, &self.site, spec);
        self.account(told);
        self.ends.published.push((output.to_owned(), rows));
    }

    /// Keeps account of a table that is not published, but on which others rest: a restart must rebuild it all the same.
    /// The functions are those of a [`RowSpec`].
    pub fn watch<T: ExchangeData>(
        &mut self,
        rows: Changes<'scope, T>,
        begins_ms: impl Fn(&T) -> u64 + 'static,
        rests_ms: impl Fn(&T) -> u64 + 'static,
    ) {
        let lateness_ms = self.site.limits.lateness_ms;
        let told = changelog::watch(rows.map(move |row| (begins_ms(&row), rests_ms(&row).saturating_add(lateness_ms))));
        self.account(told);
    }

    /// Keeps account of what a step holds without showing it: a restart must rebuild it, and it must then be the same.
    pub fn hold(&mut self, held: Changes<'scope, Held>) {
        self.account(changelog::hold(held));
    }

    fn account(&mut self, told: Told) {
        self.ends.done.push(told.done);
        self.ends.basis.push(told.basis);
    }

    /// Publishes rows that are only ever added: `encode` gives key and value.
    pub fn append<T: ExchangeData>(
        &mut self,
        output: &str,
        rows: Changes<'scope, T>,
        encode: impl Fn(&T) -> (String, Vec<u8>) + Send + Sync + 'static,
    ) {
        let done = changelog::append(rows, output, encode, |_| None, Rc::clone(&self.site.outbox));
        self.ends.done.push(done);
    }

    /// Publishes records that were refused, to the topic [`REJECTED`]: `about` gives the topic of one and why in one word, by
    /// which they are counted, `encode` key and value.
    pub fn reject<T: ExchangeData>(
        &mut self,
        rows: Changes<'scope, T>,
        about: impl Fn(&T) -> (String, String) + 'static,
        encode: impl Fn(&T) -> (String, Vec<u8>) + Send + Sync + 'static,
    ) {
        let done = changelog::append(rows, REJECTED, encode, move |row| Some(about(row)), Rc::clone(&self.site.outbox));
        self.ends.done.push(done);
    }

    /// Lets dataflows that are built later [`join`](Self::join) a collection.
    pub fn share<T: ExchangeData + Hash>(&mut self, name: &str, changes: Changes<'scope, T>, keep: Keep<T>) -> Tap<T> {
        let (tap, gauge) = tap(changes, name, keep);
        self.ends.gauges.push(gauge);
        tap
    }

    /// A collection of another dataflow: what is remembered of it, and what comes.
    pub fn join<T: ExchangeData + Hash>(&mut self, tap: &Tap<T>) -> Changes<'scope, T> {
        let (handle, stream) = self.scope.new_input();
        self.ends.pipes.push(Box::new(Pipe::join(tap, handle)));
        stream.as_collection()
    }

    fn place(&self, name: &str) -> usize {
        self.site.sources.iter().position(|s| s == name).unwrap_or_else(|| panic!("the job has no source {name:?}"))
    }

    fn add(&mut self, name: &str, feed: Box<dyn Feed>) {
        let source = self.place(name);
        self.ends.feeds.push((source, feed));
    }
}
