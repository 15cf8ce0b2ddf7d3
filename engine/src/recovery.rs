//! Recovery: a job becomes the one writer of its outputs, reads how far its predecessor came, and goes on from there.
//!
//! ```text
//! fence ─▶ read the history ─▶ choose where to begin ─▶ run
//!                              ▲ twice as far back       │
//!                              └── what was rebuilt is not what there was
//! ```
//!
//! Where records are gone for good that it rests on, a job stops, unless it is told to go on without them
//! ([`OnDataLoss::Skip`]). Then it replays what is left, at the moments at which that entered, as if the rest had never been; a
//! topic that was made anew or cut off is read from its beginning, and enters now. What it has told by then it learns from its
//! outputs, and goes on with that as another version of it would: what is final stays so; what is open is what the evidence
//! that is left says, in the next revision, and what that does not carry any more is withdrawn, for a result is a view of the
//! evidence there is. The progress record says so, and whoever begins before it does the same.
//!
//! The order matters: whoever is fenced can add nothing to a history that is read after it.

use crate::fail_point::{Stage, pass};
use crate::pump::{Start, span};
use crate::run::{Report, RunError};
use crate::settings::OnDataLoss;
use crate::transport::{Lost, Progress, Transport, TransportError, Writer};

/// Runs a job from where its progress says. If what it rebuilds is not what there was, it begins anew twice as far back, and
/// so on to the first record. If records are gone that it needs, it goes on without them where that is wanted.
///
/// # Errors
/// As for [`Run::run`](crate::Run::run).
pub(crate) fn recover(
    sink: &dyn Transport,
    name: &str,
    definition: &str,
    outputs: &[String],
    on_data_loss: OnDataLoss,
    mut run: impl FnMut(Start, Box<dyn Writer>) -> Result<Report, RunError>,
) -> Result<Report, RunError> {
    let (mut times, mut losses) = (1, Losses::default());
    loop {
        pass(Stage::BeforeInit);
        let mut writer = sink.writer(name, outputs)?;
        pass(Stage::AfterInit);
        let history = writer.history()?;
        pass(Stage::AfterProgress);
        check(name, definition, &history)?;
        if history.last().is_some_and(|last| last.finished) {
            return Ok(Report { finished: true, ..Report::default() });
        }
        losses.recall(&history);
        let start = Start::choose(history, times).map_err(|error| begun_anew(error.into(), times))?;
        let start = Start { lost: losses.now.clone(), ..start };
        let further = start.from.is_some();
        match run(start, writer) {
            Err(RunError::Astray(job)) if further => {
                tracing::warn!(job, "what was rebuilt is not what there was; beginning further back");
                times *= 2;
            }
            Err(RunError::Transport(error)) if losses.skip(&error, on_data_loss) => {}
            ended => return ended.map_err(|error| begun_anew(may_skip(error), times)),
        }
    }
}

/// What is gone that a job needs.
#[derive(Default)]
struct Losses {
    /// What was gone before, and gone on without.
    before: Vec<Lost>,
    /// What was found gone since the last commit.
    now: Vec<Lost>,
    /// The last commit by then.
    epoch: Option<u64>,
    /// Whether it was asked how much is gone, since that commit.
    asked: bool,
}

impl Losses {
    fn recall(&mut self, history: &[Progress]) {
        self.before = history.iter().flat_map(|progress| progress.lost.iter().cloned()).collect();
        let epoch = history.last().map(|last| last.epoch);
        if self.epoch != epoch {
            *self = Self { before: std::mem::take(&mut self.before), epoch, ..Self::default() };
        }
    }

    /// Whether it goes on without what an error says is gone.
    fn skip(&mut self, error: &TransportError, on_data_loss: OnDataLoss) -> bool {
        let known = |lost: &Lost| self.before.iter().any(|before| !before.remade && before.covers(lost));
        if error.lost.is_empty() || (on_data_loss == OnDataLoss::Fail && !error.lost.iter().all(known)) {
            return false;
        }
        let new = error.lost.iter().filter(|lost| lost.count() > 0 && !self.now.iter().any(|now| now.covers(lost)));
        let new: Vec<Lost> = new.cloned().collect();
        for Lost { topic, partition, from, until, remade } in new.iter().filter(|lost| !known(lost)) {
            tracing::warn!(topic, partition, from, until, remade, "records are gone that the job needs; going on without them");
        }
        if new.is_empty() {
            return !std::mem::replace(&mut self.asked, true);
        }
        self.now.retain(|now| !new.iter().any(|lost| lost.covers(now)));
        self.now.extend(new);
        true
    }
}

/// Progress of another definition is not gone on with.
pub(crate) fn check(name: &str, definition: &str, history: &[Progress]) -> Result<(), RunError> {
    match history.last() {
        Some(last) if last.definition != definition => {
            Err(RunError::OtherDefinition { name: name.to_owned(), theirs: last.definition.clone(), ours: definition.to_owned() })
        }
        _ => Ok(()),
    }
}

/// An error of records that are gone says that they can be gone on without.
pub(crate) fn may_skip(error: RunError) -> RunError {
    match error {
        RunError::Transport(error) if !error.lost.is_empty() => {
            let hint = error.hint.clone().unwrap_or_default();
            error.hint(format!("{hint} Or go on with what is there: `--on-data-loss skip`.").trim_start()).into()
        }
        error => error,
    }
}

/// An error of a restart that would not have come up, had it not been begun further back than need be.
fn begun_anew(error: RunError, times: u64) -> RunError {
    match error {
        RunError::Transport(error) if times > 1 && !error.retry => {
            let hint = error.hint.clone().unwrap_or_default();
            let why = "It was begun so far back because what it rebuilt from less was not what there was when it stopped.";
            error.hint(format!("{hint} {why}").trim_start()).into()
        }
        error => error,
    }
}

/// An error of a restart that does not find what it needs says what that is.
pub(crate) fn needed(error: TransportError, start: &Start) -> TransportError {
    let (Some(from), Some(last)) = (&start.from, start.last()) else { return error };
    let since =
        jiff::Timestamp::from_millisecond(i64::try_from(from.clock).unwrap_or(i64::MAX)).map_or_else(|_| String::new(), |t| t.to_string());
    let span = span(last.clock.saturating_sub(from.clock));
    let hint = error.hint.clone().unwrap_or_default();
    error.hint(format!("{hint} This start needs what arrived since {since}, {span} before the last commit.").trim_start())
}
