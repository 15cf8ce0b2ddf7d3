//! A bounded replay: all partitions merged by arrival time, which is the wall clock here; at the end the clock goes to infinity.
//!
//! What enters at which moment depends on the arrival times alone, so files, the local store and Kafka give the same.

use std::sync::Arc;

use super::{Ending, InFlight, Lane, Pump, WAIT};
use crate::clock::tick_of;
use crate::epoch::{Moment, Slice};
use crate::time::Time;
use crate::transport::{Tick, TransportError};

pub(super) fn merge(pump: &mut Pump, flight: &mut InFlight) -> Result<Ending, TransportError> {
    let time = Arc::clone(&pump.time);
    let mut moments = Vec::new();
    let mut bytes = 0;
    loop {
        if pump.stopping() {
            return Ok(Ending::Stopped);
        }
        if !fill_all(&mut pump.lanes, &*time)? {
            time.rest(WAIT);
            continue;
        }
        let Some(head) = pump.lanes.iter().filter_map(Lane::head_ms).min() else { break };
        let clock = tick_of(head, pump.settings.tick_ms).max(pump.clock + 1);
        let mut slices = Vec::new();
        for lane in &mut pump.lanes {
            // A block may end within the moment: read on until the first record beyond it.
            loop {
                slices.extend(lane.take_while(|arrival, _| arrival < clock));
                while lane.head_ms().is_none() && !lane.caught_up() {
                    lane.fill(&*time)?;
                    if lane.head_ms().is_none() && !lane.caught_up() {
                        time.rest(WAIT);
                    }
                }
                if lane.head_ms().is_none_or(|head| head >= clock) {
                    break;
                }
            }
        }
        bytes += slices.iter().map(Slice::bytes).sum::<usize>();
        let marks = pump.marks(clock);
        let observed_ms: Vec<u64> = pump.lanes.iter().map(|lane| observed_until(lane, clock)).collect();
        pump.observed_ms.clone_from(&observed_ms);
        let tick = Tick { clock, offsets: pump.lanes.iter().map(Lane::next_offset).collect(), observed_ms };
        moments.push(Moment { tick, slices, marks });
        pump.clock = clock;
        if bytes >= pump.settings.epoch_bytes {
            bytes = 0;
            if !pump.send(std::mem::take(&mut moments), false, flight) {
                return Ok(Ending::Stopped);
            }
        }
    }
    if !moments.is_empty() {
        pump.send(moments, false, flight);
    }
    run_out(pump, flight)
}

/// How far the clock goes at a time when there is nothing more to read.
const STEP_MS: u64 = 60_000;

/// Lets the clock run on over what is remembered, so that no more becomes final at once than a step holds.
fn run_out(pump: &mut Pump, flight: &mut InFlight) -> Result<Ending, TransportError> {
    let Some(last_ms) = pump.lanes.iter().map(Lane::arrival_ms).max().filter(|last_ms| *last_ms > 0) else {
        return Ok(Ending::Finished);
    };
    while pump.clock < last_ms.saturating_add(pump.settings.memory_ms) {
        let clock = pump.clock + STEP_MS;
        let tick = Tick { clock, offsets: pump.lanes.iter().map(Lane::next_offset).collect(), observed_ms: pump.observed_ms.clone() };
        if pump.stopping() || !pump.send(vec![Moment { marks: pump.marks(clock), tick, slices: Vec::new() }], false, flight) {
            return Ok(Ending::Stopped);
        }
    }
    Ok(Ending::Finished)
}

/// Until when a partition has been observed: up to the clock once it has a record, and not at all before (0), for a recording's
/// partitions need not begin together.
fn observed_until(lane: &Lane, clock: u64) -> u64 {
    if lane.next_offset() == 0 { 0 } else { clock }
}

/// Reads on where nothing is left; false while a partition has not told what comes next.
fn fill_all(lanes: &mut [Lane], time: &dyn Time) -> Result<bool, TransportError> {
    let mut known = true;
    for lane in lanes {
        lane.fill(time)?;
        known &= lane.head_ms().is_some() || lane.caught_up();
    }
    Ok(known)
}
