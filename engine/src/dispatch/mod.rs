//! `dispatch`: what a topic of revised rows says, told to webhooks: Standard Webhooks 1.0. Never inside a dataflow: a
//! receiver that hangs must hold up nobody.
//!
//! ```text
//!                 one transaction             one lane an endpoint
//! topic ─▶ read ─▶ outbox + position ─┬▶ next ─▶ sign ─▶ guard ─▶ POST ─▶ 2xx: delivered
//!          committed   (SQLite)       │    ▲                         └▶ else: back-off, breaker, expiry
//!                                     │    └─────────────────────────────────────┘
//!                                     └▶ another endpoint, which notices nothing of this
//! ```
//!
//! **At least once, and forwards only.** A position is committed with what was read, a revision counts as told before it is
//! sent, and as delivered once the endpoint said so. Killed at any moment, the program sends again what may not have arrived,
//! under the same `webhook-id`, and never an older revision after a newer one.
//!
//! **The newest revision wins.** What waits is replaced by a newer revision of the same id, so an endpoint that was away is
//! told how things stand, not how they came about: the first that it hears of an alert may be revision 3. Whoever was told
//! of an alert is told that it was withdrawn; whoever was not, is not.
//!
//! **Late is worse than never.** A revision that is older than `expires_after` is not sent; it stands as expired in the state
//! file, as does what was given up, with the reason. Both can be listed and replayed.

mod client;
mod config;
mod envelope;
mod error;
mod figures;
mod guard;
mod lane;
mod outbox;
mod pace;
mod reading;
mod secret;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use self::client::Client;
pub use self::config::{Config, Endpoint, Limits};
pub use self::error::DispatchError;
pub use self::figures::{EndpointFigures, Figures};
pub use self::guard::{Forbidden, check_address};
use self::outbox::Outbox as State;
pub use self::outbox::{Listed, Outbox, Selection, Tally};
pub use self::secret::{Secret, signatures};
use crate::Standing;
use crate::following::Found;
use crate::time::wall_ms;
use crate::transport::TopicStore;

/// How often what is going on is told.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often what was done long ago is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// How long an empty topic is left alone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the rows of a topic are.
pub trait Subject: Send + Sync + 'static {
    /// What an endpoint may ask for: the fields of `filter` in its configuration.
    type Filter: DeserializeOwned + Default + Send + Sync;

    /// Reads a record.
    ///
    /// # Errors
    /// Why it cannot be read; without its content.
    fn read(&self, record: &[u8]) -> Result<Notice, String>;

    /// Whether an endpoint with this filter wants to be told.
    fn wants(&self, filter: &Self::Filter, notice: &Notice) -> bool;
}

/// A revision of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What the row is called; the types of messages begin with it: `alert.raised`.
    pub subject: &'static str,
    /// What it is about: letters, digits, - and _, at most 64.
    pub id: String,
    /// 1, 2, 3 …
    pub revision: u32,
    /// How it stands.
    pub standing: Standing,
    /// When it happened, milliseconds since the epoch.
    pub at_ms: u64,
    /// The row, as it is sent.
    pub data: serde_json::Value,
}

/// What a message says of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is new.
    Raised,
    /// Better evidence changed it.
    Revised,
    /// It will not change again.
    Final,
    /// It is taken back.
    Withdrawn,
}

impl Notice {
    /// What it says.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match (self.standing, self.revision) {
            (Standing::Withdrawn, _) => Kind::Withdrawn,
            (_, 1) => Kind::Raised,
            (Standing::Final, _) => Kind::Final,
            (Standing::Provisional, _) => Kind::Revised,
        }
    }
}

impl Kind {
    /// Its name, the second part of a message's type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Revised => "revised",
            Self::Final => "final",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What is to be dispatched, from where, to whom.
pub struct Dispatch<S: Subject> {
    /// What the rows are.
    pub subject: S,
    /// To whom.
    pub config: Config<S::Filter>,
    /// Where the topic is.
    pub store: Arc<dyn TopicStore>,
    /// The state file.
    pub state: PathBuf,
    /// Tell what is there and finish, instead of waiting for more.
    pub bounded: bool,
    /// Set it to stop: what is under way is ended first, which takes no longer than a request may.
    pub stop: Arc<AtomicBool>,
}

/// What the reading and the lanes have in common.
struct Desk {
    state: Mutex<State>,
    /// Lanes take nothing new.
    stop: AtomicBool,
    /// Everything there was has been read.
    read_all: AtomicBool,
    /// There is something new for the lanes.
    news: tokio::sync::Notify,
    /// Why it cannot go on.
    fault: Mutex<Option<DispatchError>>,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends everything.
    fn give_up(&self, error: DispatchError) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
        self.news.notify_waiters();
    }
}

impl<S: Subject> Dispatch<S> {
    /// Dispatches until it is stopped or, bounded, until nothing waits any more. `tell` hears about once a second how it goes.
    ///
    /// # Errors
    /// It cannot go on. What was read is in the state file, and a next run goes on from there.
    pub fn run(self, tell: &mut dyn FnMut(&Figures)) -> Result<Figures, DispatchError> {
        let mut state = State::own(&self.state)?;
        let names: Vec<&str> = self.config.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
        state.retire_all_but(&names, wall_ms())?;
        let mut reading = reading::Reading::begin(&*self.store, &self.config, &self.subject, &state)?;
        let desk = Arc::new(Desk {
            state: Mutex::new(state),
            stop: AtomicBool::new(false),
            read_all: AtomicBool::new(false),
            news: tokio::sync::Notify::new(),
            fault: Mutex::new(None),
        });
        let mut lanes = Vec::new();
        for endpoint in &self.config.endpoints {
            lanes.push(lane::Lane::new(Client::new(endpoint)?, endpoint, Arc::clone(&desk)));
        }
        let board = figures::Board::of(&lanes);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| DispatchError::Client(error.to_string()))?;
        std::thread::scope(|scope| {
            let sending = scope.spawn(move || runtime.block_on(lane::run_all(lanes)));
            let (mut told, mut forgot) = (Instant::now(), Instant::now());
            while !sending.is_finished() {
                if self.stop.load(Ordering::Relaxed) && !desk.stop.swap(true, Ordering::Relaxed) {
                    desk.news.notify_waiters();
                }
                self.read_on(&mut reading, &desk);
                if told.elapsed() >= TELL_EVERY {
                    told = Instant::now();
                    tell(&board.figures(&desk));
                }
                if forgot.elapsed() >= FORGET_EVERY {
                    forgot = Instant::now();
                    if let Err(error) = desk.state().forget(wall_ms()) {
                        tracing::warn!(error = error.to_string(), "what was done long ago is kept for now");
                    }
                }
            }
            if let Err(panic) = sending.join() {
                std::panic::resume_unwind(panic);
            }
        });
        let fault = desk.fault.lock().unwrap_or_else(PoisonError::into_inner).take();
        fault.map_or_else(|| Ok(board.figures(&desk)), Err)
    }

    /// Reads once, or waits a little where there is nothing to read.
    fn read_on(&self, reading: &mut reading::Reading<'_, S>, desk: &Desk) {
        if desk.stop.load(Ordering::Relaxed) || (self.bounded && desk.read_all.load(Ordering::Relaxed)) {
            return std::thread::sleep(LOOK_EVERY);
        }
        match reading.read(desk, wall_ms()) {
            Ok(Found::Something) => desk.news.notify_waiters(),
            Ok(found) => {
                if self.bounded && found == Found::Nothing {
                    desk.read_all.store(true, Ordering::Relaxed);
                    desk.news.notify_waiters();
                }
                std::thread::sleep(LOOK_EVERY);
            }
            Err(error) if error.passes() => {
                tracing::warn!(error = error.to_string(), "the topic cannot be read now");
                std::thread::sleep(TELL_EVERY);
            }
            Err(error) => desk.give_up(error),
        }
    }
}
