//! Recovery: a job becomes the one writer of its outputs, reads how far its predecessor came, and goes on from there.
//!
//! ```text
//! fence ─▶ read the history ─▶ choose where to begin ─▶ run
//!                              ▲ twice as far back       │
//!                              └── what was rebuilt is not what there was
//! ```
//!
//! The order matters: whoever is fenced can add nothing to a history that is read after it.

use crate::fail_point::{Stage, pass};
use crate::pump::{Start, span};
use crate::run::{Report, RunError};
use crate::transport::{Progress, Transport, TransportError, Writer};

/// Runs a job from where its progress says. If what it rebuilds is not what there was, it begins anew twice as far back, and
/// so on to the first record.
///
/// # Errors
/// As for [`Run::run`](crate::Run::run).
pub(crate) fn recover(
    sink: &dyn Transport,
    name: &str,
    definition: &str,
    outputs: &[String],
    mut run: impl FnMut(Start, Box<dyn Writer>) -> Result<Report, RunError>,
) -> Result<Report, RunError> {
    let mut times = 1;
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
        let start = Start::choose(history, times).map_err(|error| begun_anew(error.into(), times))?;
        let further = start.from.is_some();
        match run(start, writer) {
            Err(RunError::Astray(job)) if further => {
                tracing::warn!(job, "what was rebuilt is not what there was; beginning further back");
                times *= 2;
            }
            ended => return ended.map_err(|error| begun_anew(error, times)),
        }
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
