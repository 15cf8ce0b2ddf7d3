//! `fold`: the one way an operator of our own keeps state: changes are handed to it complete, moment by moment, in order of the clock.
//!
//! ```text
//! changes ──exchange by key──▶ wait until a moment is complete ──▶ logic(now, changes at now) ──▶ changes at now
//! ```
//!
//! Many moments of the clock may be in flight at once (a replay runs far ahead of the scheduler); they are handled in one
//! activation but strictly in order, so what comes out at a moment depends on what came in up to that moment and on
//! nothing else: not on the number of workers, nor on how the input was cut into batches.

use differential_dataflow::{AsCollection, ExchangeData};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;
use timely::progress::frontier::MutableAntichain;

use super::{Changes, Clock};

/// Folds changes into state, moment by moment.
///
/// `route` spreads the records over workers: records with equal numbers meet in one place. `logic` is called once for each
/// moment that has changes, with all of them that this worker is to see (in no particular order: sort where order
/// matters), and puts into its last argument what changes at that same moment. It should drain the changes.
///
/// ```
/// use differential_dataflow::input::Input;
/// use operators::stream::fold;
///
/// timely::example(|scope| {
///     let (_, numbers) = scope.new_collection_from(vec![1u64, 2, 3]);
///     let mut sum = 0;
///     fold(numbers, "Sum", |_| 0, move |_now, changes, out| {
///         let before = sum;
///         sum += changes.drain(..).map(|(n, diff)| n as i64 * diff as i64).sum::<i64>();
///         out.extend([(before, -1), (sum, 1)]);
///     })
///     .filter(|sum| *sum != 0)
///     .inspect(|change| assert_eq!(*change, (6, 0, 1)));
/// });
/// ```
pub fn fold<'scope, In, Out>(
    changes: Changes<'scope, In>,
    name: &str,
    route: impl Fn(&In) -> u64 + 'static,
    mut logic: impl FnMut(Clock, &mut Vec<(In, isize)>, &mut Vec<(Out, isize)>) + 'static,
) -> Changes<'scope, Out>
where
    In: ExchangeData,
    Out: Clone + 'static,
{
    let pact = Exchange::new(move |(record, _, _): &(In, Clock, isize)| route(record));
    changes
        .inner
        .unary_frontier::<timely::container::CapacityContainerBuilder<Vec<(Out, Clock, isize)>>, _, _, _>(pact, name, |_, _| {
            let mut waiting = Waiting::default();
            let (mut moment, mut out) = (Vec::new(), Vec::new());
            move |(input, frontier), output| {
                input.for_each(|capability, batch| {
                    if let Some(capability) = capability.retain_least(0) {
                        waiting.hold(capability);
                    }
                    waiting.changes.append(batch);
                });
                let ready = waiting.take_complete(frontier);
                if ready.is_empty() {
                    return;
                }
                let Some(capability) = &waiting.capability else { return };
                let mut session = output.session_with_builder(capability);
                let mut ready = ready.into_iter().peekable();
                while let Some((record, now, diff)) = ready.next() {
                    moment.push((record, diff));
                    if ready.peek().is_none_or(|(_, next, _)| *next != now) {
                        logic(now, &mut moment, &mut out);
                        moment.clear();
                        out.drain(..).for_each(|(record, diff)| session.give((record, now, diff)));
                    }
                }
                drop(session);
                waiting.release();
            }
        })
        .as_collection()
}

/// Changes whose moment may not be complete yet, and the right to speak at the earliest of their moments.
struct Waiting<D> {
    changes: Vec<(D, Clock, isize)>,
    capability: Option<Capability<Clock>>,
}

impl<D> Default for Waiting<D> {
    fn default() -> Self {
        Self { changes: Vec::new(), capability: None }
    }
}

impl<D> Waiting<D> {
    fn hold(&mut self, capability: Capability<Clock>) {
        if self.capability.as_ref().is_none_or(|held| capability.time() < held.time()) {
            self.capability = Some(capability);
        }
    }

    /// Takes the changes of complete moments, in order of time; within a moment in order of arrival.
    fn take_complete(&mut self, frontier: &MutableAntichain<Clock>) -> Vec<(D, Clock, isize)> {
        let mut ready = match frontier.frontier().first() {
            None => std::mem::take(&mut self.changes),
            Some(open) => {
                if self.capability.as_ref().is_none_or(|held| held.time() >= open) {
                    return Vec::new();
                }
                let (ready, later) = std::mem::take(&mut self.changes).into_iter().partition(|(_, time, _)| time < open);
                self.changes = later;
                ready
            }
        };
        ready.sort_by_key(|(_, time, _)| *time);
        ready
    }

    /// Gives up the right to speak at moments that are done.
    fn release(&mut self) {
        match (self.changes.iter().map(|(_, time, _)| *time).min(), &mut self.capability) {
            (Some(least), Some(held)) => held.downgrade(&least),
            _ => self.capability = None,
        }
    }
}
