//! Where a restart begins: late enough to be quick, and so early that all it makes is what it was.
//!
//! ```text
//! evidence   ────────┬─────────────────────┬───────────────────────┬───────────▶ event time
//!                    │◀───── memory ──────▶│◀─ a row still open ──▶│
//!               from here            its evidence             last commit
//! progress   1  2  k  k+1  …                                       n
//!                  └─ offsets, count and hash go on from here; what entered after it enters again
//! ```
//!
//! Every progress record says since when evidence bears on anything still open ([`rests_on_ms`](Progress::rests_on_ms)). For a
//! row that is where its evidence begins less the *memory* of the step it comes from: the windows along the longest path up to
//! that step, and the lateness ([`plan`](crate::plan)). A row counts for as long as another may be made of it, so for
//! longer than it may change itself. For what is still to come it is the oldest evidence still accepted, less the
//! memory of the whole job. A restart takes the newest record `k` before which nothing entered that is younger. Then what is
//! open is rebuilt exactly:
//!
//! - *All that is missing is old.* What entered up to `k` has event times before that: both `k`'s clock and the largest event
//!   time read from any partition say so, for one that runs ahead of a slow one enters early.
//! - *In between lies all a step can look at.* A step that pairs, chains or counts rows looks back from a row for its window,
//!   and what it finds there rests on the windows before. What was in force earlier is no older than the step says
//!   ([`looks_back_ms`](crate::plan::Reading::looks_back_ms)), or is read from a table.
//! - *It enters when it did.* Moments, late records and observed times are the recorded ones, so it is told in the same
//!   revisions. A row that is told in the first `memory` of a replay may be another one than it was: it is settled long ago,
//!   and nothing of a replay is published.
//! - *What a step keeps of a thing for as long as that lasts* (a vehicle that stands in view for hours) it says itself,
//!   by [`Flow::hold`](crate::Flow::hold), and it counts as open.
//!
//! Two things go beyond any sum of windows: where rows compete (for a place in a journey, for a box) one decision may hang
//! on another and so on without end, and a program may change between two starts. So the argument is not taken on trust: at
//! the end of a replay the fingerprint of what is open must be the recorded one ([`open`](Progress::open)). If it
//! is not, the restart begins anew twice as far back, and so on to the first record.
//!
//! *Tables* (lists that are read whole) have no times: they are read from the first offset kept, and what stood at `k`
//! enters at `k`. Whoever compacts their topics must leave alone what is younger than a restart reaches back.

use crate::transport::{Lost, Progress, TransportError};

/// A restart: where it begins and what it replays. Of a new job: nothing of either.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    /// The progress it goes on from; `None`: the very beginning.
    pub(crate) from: Option<Progress>,
    /// What was committed after that, oldest first, without a gap.
    pub(crate) replay: Vec<Progress>,
    /// What is gone and gone on without.
    pub(crate) lost: Vec<Lost>,
}

impl Start {
    /// What was committed last.
    pub(crate) fn last(&self) -> Option<&Progress> {
        self.replay.last().or(self.from.as_ref())
    }

    /// Whether what came before cannot be rebuilt as it was, because something is gone now or was within what is replayed.
    pub(crate) fn takes_over(&self) -> bool {
        self.last().is_some() && (!self.lost.is_empty() || self.replay.iter().any(|progress| progress.taken_over))
    }

    /// What is gone that no commit has told of.
    pub(crate) fn news(&self) -> Vec<Lost> {
        let told = |lost: &&Lost| {
            let before = self.from.iter().chain(&self.replay).flat_map(|progress| &progress.lost);
            !lost.remade && before.into_iter().any(|before| before.covers(lost))
        };
        self.lost.iter().filter(|lost| !told(lost)).cloned().collect()
    }

    /// Whether a partition begins anew: what was read of it before is gone.
    pub(crate) fn is_remade(&self, topic: &str, number: u32) -> bool {
        self.lost.iter().any(|lost| lost.remade && lost.is_of(topic, number))
    }

    /// Where the records of a partition begin that are there yet, if some before them are gone.
    pub(crate) fn cut_off_at(&self, topic: &str, number: u32) -> Option<u64> {
        self.lost.iter().filter(|lost| !lost.remade && lost.is_of(topic, number)).map(|lost| lost.until).max()
    }

    /// All that a restart needs of a partition and that was read.
    pub(crate) fn needed(&self, topic: &str, partition: u32) -> Lost {
        let next = |progress: Option<&Progress>| {
            let known =
                progress.iter().flat_map(|progress| &progress.partitions).find(|p| (p.topic.as_str(), p.partition) == (topic, partition));
            known.map_or(0, |known| known.next_offset)
        };
        let (from, until) = (next(self.from.as_ref()), next(self.last()));
        Lost { topic: topic.to_owned(), partition, from, until, remade: true }
    }

    /// The epoch since which a partition has been read without a break, as far as this start looks back. A server stops reading
    /// a topic when it is started again after the last job that read it has long ended, and reads it anew when another comes.
    /// One that was made anew is another since then.
    pub(crate) fn read_since(&self, topic: &str, number: u32) -> u64 {
        if self.is_remade(topic, number) {
            return self.last().map_or(0, |last| last.epoch + 1);
        }
        let remade = |progress: &&Progress| progress.lost.iter().any(|lost| lost.remade && lost.is_of(topic, number));
        let remade = self.replay.iter().rfind(remade).map_or(0, |progress| progress.epoch);
        let lacks =
            |progress: &&Progress| !progress.partitions.iter().any(|known| (known.topic.as_str(), known.partition) == (topic, number));
        self.replay.iter().rev().chain(&self.from).find(lacks).map_or(0, |last| last.epoch + 1).max(remade)
    }

    /// Chooses where to begin: so many `times` as far back as the last record says.
    ///
    /// # Errors
    /// The history does not go back as far.
    pub(crate) fn choose(mut history: Vec<Progress>, times: u64) -> Result<Self, TransportError> {
        let Some(last) = history.last().cloned() else { return Ok(Self::default()) };
        let begin = last.since_ms(times).and_then(|since_ms| history.iter().rposition(|before| before.entered_until_ms() <= since_ms));
        let replay = history.split_off(begin.map_or(0, |k| k + 1));
        let start = Self { from: begin.and_then(|_| history.pop()), replay, ..Self::default() };
        let first = start.from.as_ref().map_or(0, |from| from.epoch);
        let gap = start.replay.iter().zip(first + 1..).find(|(progress, epoch)| progress.epoch != *epoch);
        match gap {
            None => Ok(start),
            Some((found, wanted)) => Err(too_short(&last, wanted..found.epoch)),
        }
    }
}

fn too_short(last: &Progress, missing: std::ops::Range<u64>) -> TransportError {
    let message = format!("the history of job {:?} lacks its commits {} to {}", last.job, missing.start, missing.end.saturating_sub(1));
    let since = span(last.clock.saturating_sub(last.rests_on_ms));
    TransportError::lasting(message).hint(format!(
        "It was not kept for as long as the job needs, about {since} before it stopped. To begin anew, give the job another name."
    ))
}

/// A span of time for a person.
pub(crate) fn span(ms: u64) -> String {
    let span = jiff::SignedDuration::from_secs(i64::try_from(ms.div_ceil(1_000)).unwrap_or(i64::MAX));
    format!("{span:#}")
}
