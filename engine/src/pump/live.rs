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
        let slices: Vec<_> = pump.lanes.iter_mut().filter_map(|lane| lane.take_while(|_, _| true)).collect();
        let wall_ms = time.wall_ms();
        // Who hands out the last of a backlog has caught up only after that: its records are not of this moment.
        let behind = |place: usize, lane: &Lane| !lane.caught_up() || slices.iter().any(|slice| slice.partition == place);
        let lagging =
            pump.lanes.iter().enumerate().filter(|(place, lane)| lane.arrival_ms() > 0 && behind(*place, lane)).map(|(_, lane)| lane);
        let now = clock.advance(wall_ms, lagging.map(Lane::arrival_ms)).max(pump.clock + 1);
        let idle = began.saturating_sub(last_sent) >= pump.settings.idle_commit.min(Duration::from_secs(1));
        if !slices.is_empty() || idle || changed {
            last_sent = began;
            let observed_ms = pump.lanes.iter().map(|lane| if lane.caught_up() { wall_ms } else { lane.arrival_ms() }).collect();
            let tick = Tick { clock: now, offsets: pump.lanes.iter().map(Lane::next_offset).collect(), observed_ms };
            if !pump.send(vec![Moment { marks: pump.marks(now), tick, slices }], false, flight) {
                return Ok(Ending::Stopped);
            }
        }
        time.rest(pump.settings.epoch_gap.saturating_sub(time.elapsed().saturating_sub(began)));
    }
}
