//! Stages of a restart and of a commit at which a test may let the process die, as a machine does that loses power.
//!
//! ```text
//! start   before-init ▸ after-init ▸ after-progress ▸ in-replay …
//! work    in-worker ▸ in-part                                         a panic there, and the process lives on
//! commit  mid-send ▸ before-commit ▸ in-commit ▸ after-commit
//! ```
//!
//! Without the feature `fail-points` passing a stage is nothing at all. With it the environment variable `GIAOLO_DIE_AT` names
//! one, and at which passing of it the process ends: `mid-send:3`. Nothing in the process learns of its end.
//!
//! The crate `fail` does this and a good deal more: actions of many kinds, by chance, changed while the program runs. Two
//! actions are all that is wanted here.

/// A stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The predecessor is not fenced yet.
    BeforeInit,
    /// The predecessor is fenced, and nothing was read.
    AfterInit,
    /// The progress is read, and nothing was done about it.
    AfterProgress,
    /// In the midst of what a restart repeats.
    InReplay,
    /// A worker takes an epoch in, and is in no part of a job.
    InWorker,
    /// A worker is in a part that others join.
    InPart,
    /// Rows are written, the progress is not.
    MidSend,
    /// Rows and progress are written and not committed.
    BeforeCommit,
    /// The commit is under way: it may come about or not.
    InCommit,
    /// The commit came about, and nobody was told.
    AfterCommit,
}

/// A stage is passed.
#[cfg(not(feature = "fail-points"))]
#[inline(always)]
pub(crate) fn pass(_: Stage) {}

#[cfg(feature = "fail-points")]
pub(crate) use self::armed::pass;

#[cfg(feature = "fail-points")]
mod armed {
    use std::hash::{BuildHasher as _, RandomState};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;
    use std::{env, process, thread};

    use super::Stage;

    /// Where to die, and how often to pass before.
    struct Fate {
        stage: String,
        left: AtomicU32,
    }

    /// So much of what was handed to other threads is out after this.
    const SENT: Duration = Duration::from_millis(20);

    /// A commit takes about so long.
    const COMMIT_US: u64 = 4_000;

    /// A stage is passed.
    #[expect(clippy::print_stderr, reason = "these are the last words of a process, to the test that waits for its end")]
    pub(crate) fn pass(stage: Stage) {
        static FATE: OnceLock<Option<Fate>> = OnceLock::new();
        let Some(fate) = FATE.get_or_init(fate).as_ref().filter(|fate| fate.stage == stage.name()) else { return };
        if fate.left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        eprintln!("dies at {}", stage.name());
        match stage {
            // Sending is done by threads that must have the time to.
            Stage::MidSend => thread::sleep(SENT),
            // Whoever passes goes on with the commit, and the end comes some time in it.
            Stage::InCommit => {
                let after_us = RandomState::new().hash_one(process::id()) % COMMIT_US;
                let end = move || {
                    thread::sleep(Duration::from_micros(after_us));
                    process::abort();
                };
                return drop(thread::spawn(end));
            }
            Stage::InWorker | Stage::InPart => panic!("told to panic {}", stage.name()),
            _ => {}
        }
        process::abort();
    }

    fn fate() -> Option<Fate> {
        let told = env::var("GIAOLO_DIE_AT").ok()?;
        let (stage, times) = told.split_once(':')?;
        Some(Fate { stage: stage.to_owned(), left: AtomicU32::new(times.parse().ok()?) })
    }

    impl Stage {
        fn name(self) -> &'static str {
            match self {
                Self::BeforeInit => "before-init",
                Self::AfterInit => "after-init",
                Self::AfterProgress => "after-progress",
                Self::InReplay => "in-replay",
                Self::InWorker => "in-worker",
                Self::InPart => "in-part",
                Self::MidSend => "mid-send",
                Self::BeforeCommit => "before-commit",
                Self::InCommit => "in-commit",
                Self::AfterCommit => "after-commit",
            }
        }
    }
}
