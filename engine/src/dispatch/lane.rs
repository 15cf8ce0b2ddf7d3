//! An endpoint's lane: takes what is next from the outbox, sends it, and records what became of it.
//!
//! ```text
//! ┌─▶ expire ─▶ take as many as the breaker leaves room for ─▶ wait: an answer, news, or the next moment ─┐
//! └───────────────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Lanes share the outbox and nothing else. The outbox is asked on threads of its own, so that a slow disk stops no clock.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::sleep;

use super::client::{Client, Verdict};
use super::config::Endpoint;
use super::figures::Gauge;
use super::outbox::{Delivery, Outbox, Outcome};
use super::pace::{Breaker, back_off_ms};
use super::{Desk, DispatchError};
use crate::time::wall_ms;

/// How often a lane looks by itself: for what is due again, expired, or was replayed by hand.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a state file that cannot be written is left alone.
const REST: Duration = Duration::from_secs(1);

/// One endpoint's lane.
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) gauge: Arc<Gauge>,
    client: Arc<Client>,
    concurrency: usize,
    expires_after_ms: u64,
    desk: Arc<Desk>,
    breaker: Breaker,
}

/// An attempt that ended.
struct Attempt {
    delivery: Delivery,
    verdict: Verdict,
    began_ms: u64,
}

/// What the outbox has for a lane.
#[derive(Default)]
struct Work {
    disabled: bool,
    expired: usize,
    deliveries: Vec<Delivery>,
}

/// Runs lanes until all have ended.
pub(super) async fn run_all(lanes: Vec<Lane>) {
    let mut running = JoinSet::new();
    for lane in lanes {
        running.spawn(lane.run());
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap_or_else(go_on_panicking);
    }
}

/// A panic is our own bug, wherever it came up.
fn go_on_panicking(error: JoinError) {
    if let Ok(panic) = error.try_into_panic() {
        std::panic::resume_unwind(panic);
    }
}

impl Lane {
    pub(super) fn new<F>(client: Client, endpoint: &Endpoint<F>, desk: Arc<Desk>) -> Self {
        let Endpoint { name, limits, .. } = endpoint;
        Self {
            name: name.clone(),
            gauge: Arc::default(),
            client: Arc::new(client),
            concurrency: limits.concurrency,
            expires_after_ms: limits.expires_after_ms,
            desk,
            breaker: Breaker::default(),
        }
    }

    async fn run(mut self) {
        let desk = Arc::clone(&self.desk);
        let mut attempts = JoinSet::new();
        loop {
            // Listened for from here on, so that nothing that comes while the outbox is asked is missed.
            let mut news = pin!(desk.news.notified());
            news.as_mut().enable();
            match self.take(&mut attempts).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => self.rest(error).await,
            }
            tokio::select! {
                Some(ended) = attempts.join_next() => match ended {
                    Ok(attempt) => self.conclude(attempt).await,
                    Err(error) => go_on_panicking(error),
                },
                () = news => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Takes from the outbox what there is room for, and sends it. Returns whether there is nothing left to do.
    async fn take(&mut self, attempts: &mut JoinSet<Attempt>) -> Result<bool, DispatchError> {
        let now_ms = wall_ms();
        let stopped = self.desk.stop.load(Ordering::Relaxed);
        if stopped && attempts.is_empty() {
            return Ok(true);
        }
        let read_all = self.desk.read_all.load(Ordering::Relaxed);
        let room = if stopped { 0 } else { self.breaker.room(now_ms, self.concurrency).saturating_sub(attempts.len()) };
        let name = self.name.clone();
        let work = self.ask(move |outbox| work(outbox, &name, room, now_ms)).await?;
        self.gauge.disabled.store(work.disabled, Ordering::Relaxed);
        self.gauge.waits_until_ms.store(self.breaker.waits_until_ms(now_ms).unwrap_or(0), Ordering::Relaxed);
        self.gauge.probed.store(self.breaker.is_open(), Ordering::Relaxed);
        if work.expired > 0 {
            tracing::warn!(endpoint = self.name, count = work.expired, "expired");
        }
        for delivery in work.deliveries {
            let client = Arc::clone(&self.client);
            attempts.spawn(async move {
                let began_ms = wall_ms();
                let verdict = client.post(&delivery, began_ms).await;
                Attempt { delivery, verdict, began_ms }
            });
        }
        if !read_all || !attempts.is_empty() {
            return Ok(false);
        }
        let name = self.name.clone();
        Ok(work.disabled || self.ask(move |outbox| outbox.waiting(&name)).await? == 0)
    }

    /// Records what became of an attempt.
    async fn conclude(&mut self, Attempt { delivery, verdict, began_ms }: Attempt) {
        let (now_ms, chance) = (wall_ms(), RandomState::new().hash_one(delivery.sequence));
        let mut back = false;
        let outcome = match verdict {
            Verdict::Delivered => {
                back = self.breaker.succeeded();
                let arrived_ms = delivery.deadline_ms.saturating_sub(self.expires_after_ms);
                self.gauge.last_delay_ms.store(now_ms.saturating_sub(arrived_ms), Ordering::Relaxed);
                Outcome::Delivered
            }
            Verdict::Gone(reason) => Outcome::Gone { reason },
            Verdict::Later(reason, wait_ms) => {
                self.breaker.asked(now_ms, wait_ms);
                Outcome::Failed { reason, next_ms: now_ms.saturating_add(wait_ms) }
            }
            Verdict::Failed(reason) => {
                self.breaker.failed(now_ms, chance);
                Outcome::Failed { reason, next_ms: now_ms + back_off_ms(delivery.attempts, chance) }
            }
        };
        self.log(&delivery, &outcome, now_ms.saturating_sub(began_ms), back);
        // What is not recorded would stay under way for as long as this program lives.
        loop {
            let (name, delivery, outcome) = (self.name.clone(), delivery.clone(), outcome.clone());
            let recorded = self.ask(move |outbox| {
                outbox.finish(&name, &delivery, &outcome, now_ms)?;
                if back { outbox.hurry(&name) } else { Ok(()) }
            });
            match recorded.await {
                Ok(()) => return,
                Err(error) if error.passes() => self.rest(error).await,
                Err(error) => return self.desk.give_up(error),
            }
        }
    }

    fn log(&self, delivery: &Delivery, outcome: &Outcome, took_ms: u64, back: bool) {
        let Delivery { id, revision, kind, attempts, .. } = delivery;
        let endpoint = self.name.as_str();
        match outcome {
            Outcome::Delivered => tracing::info!(endpoint, id, revision, kind, attempts, took_ms, "delivered"),
            Outcome::Failed { reason, .. } => tracing::warn!(endpoint, id, revision, kind, attempts, took_ms, reason, "not delivered"),
            Outcome::Gone { reason } => tracing::error!(endpoint, id, revision, kind, reason, "the endpoint is disabled"),
        }
        if back {
            tracing::info!(endpoint, "the endpoint is back");
        }
    }

    /// After a failure of the outbox: a pause, or the end.
    async fn rest(&self, error: DispatchError) {
        if error.passes() {
            tracing::warn!(endpoint = self.name, error = error.to_string(), "the state file cannot be used now");
            sleep(REST).await;
        } else {
            self.desk.give_up(error);
        }
    }

    /// Asks the outbox, on a thread that may wait.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Outbox) -> Result<T, DispatchError> + Send + 'static,
    ) -> Result<T, DispatchError> {
        let desk = Arc::clone(&self.desk);
        match spawn_blocking(move || question(&mut desk.state())).await {
            Ok(answer) => answer,
            Err(error) => {
                go_on_panicking(error);
                Err(DispatchError::Client("the runtime is shutting down".to_owned()))
            }
        }
    }
}

/// What an endpoint is to be sent, at most so many.
fn work(outbox: &mut Outbox, endpoint: &str, room: usize, now_ms: u64) -> Result<Work, DispatchError> {
    let mut work = Work { disabled: outbox.disabled(endpoint)?.is_some(), expired: outbox.expire(endpoint, now_ms)?, ..Work::default() };
    while !work.disabled && work.deliveries.len() < room {
        match outbox.take_next(endpoint, now_ms) {
            Ok(Some(delivery)) => work.deliveries.push(delivery),
            Ok(None) => break,
            // What has been taken already counts as under way and must be sent.
            Err(_) if !work.deliveries.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(work)
}
