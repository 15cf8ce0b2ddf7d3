//! How it goes, for people and programs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;

use super::lane::Lane;
use super::{Desk, Tally};
use crate::time::wall_ms;

/// How it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Each endpoint, in the order of the configuration.
    pub endpoints: Vec<EndpointFigures>,
}

/// How it goes with an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EndpointFigures {
    /// Its name.
    pub name: String,
    /// `open` (it is told), `waiting` (it asked for a pause, or is only probed) or `disabled` (it said that it is gone).
    pub state: &'static str,
    /// How many revisions wait for it.
    pub waiting: u64,
    /// How long ago the last one it took had arrived in the topic when it took it, milliseconds.
    pub last_delay_ms: u64,
    /// What became of the others, since the program began.
    #[serde(flatten)]
    pub tally: Tally,
}

/// What a lane tells of itself.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    pub(super) last_delay_ms: AtomicU64,
    pub(super) waits_until_ms: AtomicU64,
    pub(super) probed: AtomicBool,
    pub(super) disabled: AtomicBool,
}

/// The gauges of all lanes.
pub(super) struct Board(Vec<(String, Arc<Gauge>)>);

impl Board {
    pub(super) fn of(lanes: &[Lane]) -> Self {
        Self(lanes.iter().map(|lane| (lane.name.clone(), Arc::clone(&lane.gauge))).collect())
    }

    pub(super) fn figures(&self, desk: &Desk) -> Figures {
        let now_ms = wall_ms();
        let endpoint = |(name, gauge): &(String, Arc<Gauge>)| {
            let waits = gauge.probed.load(Ordering::Relaxed) || gauge.waits_until_ms.load(Ordering::Relaxed) > now_ms;
            let state = match (gauge.disabled.load(Ordering::Relaxed), waits) {
                (true, _) => "disabled",
                (false, true) => "waiting",
                (false, false) => "open",
            };
            let outbox = desk.state();
            EndpointFigures {
                name: name.clone(),
                state,
                waiting: outbox.waiting(name).unwrap_or(0),
                last_delay_ms: gauge.last_delay_ms.load(Ordering::Relaxed),
                tally: outbox.tally(name),
            }
        };
        Figures { endpoints: self.0.iter().map(endpoint).collect() }
    }
}
