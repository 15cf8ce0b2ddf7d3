//! Random histories, how to run one through a dataflow, and how to judge what came out.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use differential_dataflow::ExchangeData;
use differential_dataflow::consolidation::consolidate_updates;
use differential_dataflow::input::Input;
use operators::{Changes, Clock};
use proptest::prelude::*;

/// A row of a test: key, event time, and a number to tell rows of the same key and time apart.
pub(crate) type Row = (u8, u64, u8);

/// A change at a moment of the clock.
pub(crate) type Change<D> = (D, Clock, isize);

/// How late a row may be inserted or retracted in a random history.
pub(crate) const LATENESS_MS: u64 = 20;

/// How far a row may be ahead of the clock in a random history.
const AHEAD_MS: u64 = 5;

/// What stands: rows and how often.
pub(crate) type Table<D> = BTreeMap<D, isize>;

/// A verb under test: builds a dataflow over the changing input.
pub(crate) trait Verb<In, Out: 'static>:
    for<'scope> Fn(Changes<'scope, In>) -> Changes<'scope, Out> + Send + Sync + Clone + 'static
{
}
impl<In, Out: 'static, F> Verb<In, Out> for F where
    F: for<'scope> Fn(Changes<'scope, In>) -> Changes<'scope, Out> + Send + Sync + Clone + 'static
{
}

/// Runs a history and returns all changes of the output, equal ones added up.
pub(crate) fn run<In, Out>(workers: usize, stepwise: bool, history: &[Change<In>], verb: impl Verb<In, Out>) -> Vec<Change<Out>>
where
    In: ExchangeData + Send + Sync,
    Out: ExchangeData + Send + Sync,
{
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (history, sink) = (history.to_vec(), Arc::clone(&seen));
    timely::execute(timely::Config::process(workers), move |worker| {
        let (verb, sink) = (verb.clone(), Arc::clone(&sink));
        let (mut input, probe) = worker.dataflow::<Clock, _, _>(|scope| {
            let (input, changes) = scope.new_collection();
            let (probe, _) = verb(changes).inspect(move |change| sink.lock().unwrap().push(change.clone())).probe();
            (input, probe)
        });
        let (index, peers) = (worker.index(), worker.peers());
        for (row, now, diff) in history.iter().skip(index).step_by(peers) {
            if stepwise && *input.time() < *now {
                input.advance_to(*now);
                input.flush();
                worker.step_or_park_while(None, || probe.less_than(input.time()));
            }
            input.update_at(row.clone(), *now, *diff);
        }
    })
    .unwrap();
    let mut changes = std::mem::take(&mut *seen.lock().unwrap());
    consolidate_updates(&mut changes);
    changes
}

/// What stands once the changes up to a moment are in.
pub(crate) fn table_at<D: Ord + Clone>(changes: &[Change<D>], now: Clock) -> Table<D> {
    let mut table = Table::new();
    for (row, _, diff) in changes.iter().filter(|(_, time, _)| *time <= now) {
        *table.entry(row.clone()).or_default() += diff;
    }
    table.retain(|_, times| *times != 0);
    table
}

/// Holds a verb to `oracle`, a naive function of what stands in the input, after every moment of `history`, however it is run.
pub(crate) fn hold<In, Out>(history: &[Change<In>], verb: impl Verb<In, Out>, oracle: impl Fn(&Table<In>) -> Table<Out>)
where
    In: ExchangeData + Send + Sync,
    Out: ExchangeData + Send + Sync + Debug,
{
    let stepwise = run(1, true, history, verb.clone());
    let mut moments: Vec<Clock> = history.iter().map(|(_, now, _)| *now).collect();
    moments.dedup();
    for now in moments {
        assert_eq!(table_at(&stepwise, now), oracle(&table_at(history, now)), "at {now}");
    }
    let backwards: Vec<_> = history.iter().rev().cloned().collect();
    assert_eq!(stepwise, run(1, false, history, verb.clone()), "one big step");
    assert_eq!(stepwise, run(1, false, &backwards, verb.clone()), "another order");
    assert_eq!(stepwise, run(2, true, history, verb), "two workers");
}

/// Random histories of `In`: rows come at most [`LATENESS_MS`] late, some come twice, and some are taken back in time.
pub(crate) fn histories<In: Clone + Debug>(of: impl Fn(u8, Row) -> In + Clone + 'static) -> impl Strategy<Value = Vec<Change<In>>> {
    let action = (0u64..12, 0u8..3, 0u8..3, 0..LATENESS_MS + AHEAD_MS + 1, 0u8..3, 0u8..10, any::<prop::sample::Index>());
    prop::collection::vec(action, 1..60).prop_map(move |actions| {
        let (mut now, mut history) = (100, Vec::new());
        let mut standing: Vec<(In, u64)> = Vec::new();
        for (wait_ms, side, key, after_ms, number, choice, which) in actions {
            now += wait_ms.saturating_sub(5);
            let young: Vec<usize> = (0..standing.len()).filter(|n| standing[*n].1 + LATENESS_MS >= now).collect();
            match choice {
                0..=2 if !young.is_empty() => history.push((standing.remove(*which.get(&young)).0, now, -1)),
                3 if !young.is_empty() => {
                    let again = standing[*which.get(&young)].clone();
                    history.push((again.0.clone(), now, 1));
                    standing.push(again);
                }
                _ => {
                    let at_ms = now - LATENESS_MS + after_ms;
                    let row = of(side, (key, at_ms, number));
                    history.push((row.clone(), now, 1));
                    standing.push((row, at_ms));
                }
            }
        }
        history
    })
}
