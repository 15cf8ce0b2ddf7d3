//! Live running: whatever is there enters at the job clock of that moment.

use std::sync::Arc;
use std::time::Duration;

use super::{Ending, InFlight, Lane, Pump};
use crate::clock::JobClock;
use crate::epoch::Moment;
use crate::transport::{Tick, TransportError};

/// A partition that has not said anything for this long after the start is not waited for any more.
const SILENT_START: Duration = Duration::from_secs(10);

pub(super) fn live(pump: &mut Pump, flight: &mut InFlight) -> Result<Ending, TransportError> {
    let time = Arc::clone(&pump.time);
    let mut started = time.elapsed();
    let mut clock = JobClock::new(pump.clock, pump.settings.patience_ms);
    let mut last_sent = time.elapsed();
    loop {
        if pump.stopping() {
            return Ok(Ending::Stopped);
        }
        let began = time.elapsed();
        pump.grow();
        let changed = pump.obey();
        if pump.lanes.is_empty() {
            // Nothing to read and nothing to tell the time by: the clock begins with the first source.
            started = time.elapsed();
            time.rest(pump.settings.epoch_gap);
            continue;
        }
        pump.lanes.iter_mut().try_for_each(|lane| lane.fill(&*time))?;
        // Until all have told where they stand, or will not, there is no clock by which anything could be late.
        if began.saturating_sub(started) < SILENT_START && pump.lanes.iter().any(|lane| !lane.answered()) {
            time.rest(pump.settings.epoch_gap);
            continue;
        }
        let first_ms: Vec<Option<u64>> = pump.lanes.iter().map(Lane::head_ms).collect();
        let slices: Vec<_> = pump.lanes.iter_mut().filter_map(|lane| lane.take_while(|_, _| true)).collect();
        let wall_ms = time.wall_ms();
        let now = clock.advance(wall_ms, lagging(&pump.lanes, &first_ms)).max(pump.clock + 1);
        let idle = began.saturating_sub(last_sent) >= pump.settings.idle_commit.min(Duration::from_secs(1));
        if !slices.is_empty() || idle || changed {
            last_sent = began;
            let observed_ms = observed_until(pump, wall_ms);
            pump.observed_ms.clone_from(&observed_ms);
            let tick = Tick { clock: now, offsets: pump.lanes.iter().map(Lane::next_offset).collect(), observed_ms };
            if !pump.send(vec![Moment { marks: pump.marks(now), tick, slices }], false, flight) {
                return Ok(Ending::Stopped);
            }
        }
        time.rest(pump.settings.epoch_gap.saturating_sub(time.elapsed().saturating_sub(began)));
    }
}

/// By what the clock is held: where records enter now, by the first of them, for a block may span hours; where more is there than
/// was read, by the last that was.
fn lagging(lanes: &[Lane], first_ms: &[Option<u64>]) -> impl Iterator<Item = u64> {
    let held = |(lane, first_ms): (&Lane, &Option<u64>)| first_ms.or_else(|| (!lane.caught_up()).then(|| lane.arrival_ms()));
    lanes.iter().zip(first_ms).filter_map(held).filter(|arrival_ms| *arrival_ms > 0)
}

/// Until when each partition has been observed: until now if it has caught up, else until the record last read from it; and what was
/// observed once was observed, also when the partition lags again or somebody sets the wall clock back.
fn observed_until(pump: &Pump, wall_ms: u64) -> Vec<u64> {
    let before = pump.observed_ms.iter().copied().chain(std::iter::repeat(0));
    let now = pump.lanes.iter().map(|lane| if lane.caught_up() { wall_ms } else { lane.arrival_ms() });
    now.zip(before).map(|(now, before)| now.max(before)).collect()
}
