//! `fold`: the one way an operator of our own keeps state: changes are handed to it complete, moment by moment, in order of the clock.
//!
//! ```text
//! changes ──exchange by key──▶ wait until a moment is complete ──▶ logic(now, changes at now) ──▶ changes at now
//! ```
//!
//! Many moments of the clock may be in flight at once (a replay runs far ahead of the scheduler); they are handled in one
//! activation but strictly in order, so what comes out at a moment depends on what came in up to that moment and on
//! nothing else: not on the number of workers, nor on how the input was cut into batches.

use std::collections::BTreeMap;

use differential_dataflow::{AsCollection, ExchangeData};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;
use timely::progress::frontier::MutableAntichain;

use super::footprint::Teller;
use super::{Changes, Clock, Footprint};

/// Folds changes into state, moment by moment.
///
/// `route` spreads the records over workers: records with equal numbers meet in one place. `logic` is called once for each
/// moment that has changes, with all of them that this worker is to see (in no particular order: sort where order
/// matters), and puts into its last argument what changes at that same moment. It should drain the changes. It returns what
/// it holds then: by that it is known which step takes how much memory.
///
/// ```
/// use differential_dataflow::input::Input;
/// use operators::stream::{Footprint, fold};
///
/// timely::example(|scope| {
///     let (_, numbers) = scope.new_collection_from(vec![1u64, 2, 3]);
///     let mut sum = 0;
///     fold(numbers, "Sum", |_| 0, move |_now, changes, out| {
///         let before = sum;
///         sum += changes.drain(..).map(|(n, diff)| n as i64 * diff as i64).sum::<i64>();
///         out.extend([(before, -1), (sum, 1)]);
///         Footprint::of::<i64>(1)
///     })
///     .filter(|sum| *sum != 0)
///     .inspect(|change| assert_eq!(*change, (6, 0, 1)));
/// });
/// ```
pub fn fold<'scope, In, Out>(
    changes: Changes<'scope, In>,
    name: &str,
    route: impl Fn(&In) -> u64 + 'static,
    mut logic: impl FnMut(Clock, &mut Vec<(In, isize)>, &mut Vec<(Out, isize)>) -> Footprint + 'static,
) -> Changes<'scope, Out>
where
    In: ExchangeData,
    Out: Clone + 'static,
{
    let scope = changes.inner.scope();
    let pact = Exchange::new(move |(record, _, _): &(In, Clock, isize)| route(record));
    changes
        .inner
        .unary_frontier::<timely::container::CapacityContainerBuilder<Vec<(Out, Clock, isize)>>, _, _, _>(pact, name, |_, operator| {
            let mut teller = Teller::of(scope.worker(), operator.global_id);
            let (mut waiting, mut out) = (Waiting::default(), Vec::new());
            move |(input, frontier), output| {
                input.for_each(|capability, batch| {
                    if let Some(capability) = capability.retain_least(0) {
                        waiting.hold(capability);
                    }
                    waiting.take(batch);
                });
                if !waiting.any_complete(frontier) {
                    return;
                }
                let Some(capability) = waiting.capability.clone() else { return };
                let mut held = Footprint::NOTHING;
                let mut session = output.session_with_builder(&capability);
                while let Some((now, mut moment)) = waiting.next_complete(frontier) {
                    held = logic(now, &mut moment, &mut out);
                    waiting.keep(moment);
                    out.drain(..).for_each(|(record, diff)| session.give((record, now, diff)));
                }
                drop(session);
                teller.tell(held);
                waiting.release();
            }
        })
        .as_collection()
}

/// Changes whose moment may not be complete yet, and the right to speak at the earliest of their moments.
struct Waiting<D> {
    /// By moment, in order of arrival.
    moments: BTreeMap<Clock, Vec<(D, isize)>>,
    /// Memory of moments that are done.
    spare: Vec<Vec<(D, isize)>>,
    capability: Option<Capability<Clock>>,
}

/// Most moments whose memory is kept for others.
const SPARE_MOST: usize = 16;

impl<D> Default for Waiting<D> {
    fn default() -> Self {
        Self { moments: BTreeMap::new(), spare: Vec::new(), capability: None }
    }
}

impl<D> Waiting<D> {
    fn hold(&mut self, capability: Capability<Clock>) {
        if self.capability.as_ref().is_none_or(|held| capability.time() < held.time()) {
            self.capability = Some(capability);
        }
    }

    /// Puts each change to its moment; those of one moment mostly come together and are moved together.
    fn take(&mut self, batch: &mut Vec<(D, Clock, isize)>) {
        let mut changes = batch.drain(..);
        while let Some((_, now, _)) = changes.as_slice().first() {
            let now = *now;
            let together = changes.as_slice().iter().take_while(|(_, time, _)| *time == now).count();
            let moment = self.moments.entry(now).or_insert_with(|| self.spare.pop().unwrap_or_default());
            moment.reserve(together);
            moment.extend(changes.by_ref().take(together).map(|(record, _, diff)| (record, diff)));
        }
    }

    fn any_complete(&self, frontier: &MutableAntichain<Clock>) -> bool {
        self.moments.first_key_value().is_some_and(|(earliest, _)| !frontier.less_equal(earliest))
    }

    /// The earliest moment, if it is complete.
    fn next_complete(&mut self, frontier: &MutableAntichain<Clock>) -> Option<(Clock, Vec<(D, isize)>)> {
        let earliest = self.moments.first_entry()?;
        (!frontier.less_equal(earliest.key())).then(|| earliest.remove_entry())
    }

    /// Keeps the memory of a moment that is done.
    fn keep(&mut self, mut moment: Vec<(D, isize)>) {
        moment.clear();
        if self.spare.len() < SPARE_MOST {
            self.spare.push(moment);
        }
    }

    /// Gives up the right to speak at moments that are done.
    fn release(&mut self) {
        match (self.moments.first_key_value(), &mut self.capability) {
            (Some((earliest, _)), Some(held)) => held.downgrade(earliest),
            _ => self.capability = None,
        }
    }
}
