//! Rebuilds state after a restart: the records read before enter again at the moments they entered then.

use std::time::Duration;

use super::{InFlight, Pump};
use crate::epoch::{Moment, Slice};
use crate::transport::{PartitionProgress, Progress, TransportError};

/// Replays what the history covers; its rows are known already and are not committed again.
pub(super) fn replay(pump: &mut Pump, history: &[Progress], flight: &mut InFlight) -> Result<(), TransportError> {
    let Some(last) = history.last() else { return Ok(()) };
    let (mut moments, mut bytes) = (Vec::new(), 0);
    for progress in history {
        let places = places(pump, &progress.partitions)?;
        let mut changes = progress.changes.iter().peekable();
        for tick in &progress.ticks {
            while let Some(change) = changes.next_if(|change| change.clock < tick.clock) {
                flush(pump, &mut moments, &mut bytes, flight);
                pump.repeat(change)?;
            }
            let mut slices = Vec::new();
            for (place, offset) in places.iter().zip(&tick.offsets) {
                read_up_to(pump, *place, *offset, &mut slices)?;
            }
            bytes += slices.iter().map(|s| s.batch.records[s.records.clone()].iter().map(super::size).sum::<usize>()).sum::<usize>();
            let mut full = tick.clone();
            full.observed_ms = vec![0; pump.lanes.len()];
            for (place, observed) in places.iter().zip(&tick.observed_ms) {
                full.observed_ms[*place] = *observed;
            }
            pump.observed_ms.clone_from(&full.observed_ms);
            let marks = pump.marks(tick.clock);
            moments.push(Moment { tick: full, slices, marks });
            pump.clock = tick.clock;
            if bytes >= pump.settings.epoch_bytes {
                flush(pump, &mut moments, &mut bytes, flight);
            }
            if pump.stopping() {
                return Ok(());
            }
        }
    }
    flush(pump, &mut moments, &mut bytes, flight);
    agree(pump, last)
}

/// Hands out what was gathered.
fn flush(pump: &mut Pump, moments: &mut Vec<Moment>, bytes: &mut usize, flight: &mut InFlight) {
    *bytes = 0;
    if !moments.is_empty() {
        pump.send(std::mem::take(moments), true, flight);
    }
}

/// Which lanes a progress record's partitions are.
fn places(pump: &Pump, partitions: &[PartitionProgress]) -> Result<Vec<usize>, TransportError> {
    let place = |p: &PartitionProgress| {
        let found = pump.partitions.iter().position(|known| known.topic == p.topic && known.number == p.partition);
        found.ok_or_else(|| {
            TransportError::lasting(format!("partition {} of topic {:?} was read before and is gone", p.partition, p.topic)).hint(
                "The topic was made anew with fewer partitions, or the job reads another topic now. To begin anew, give the job another name.",
            )
        })
    };
    partitions.iter().map(place).collect()
}

fn read_up_to(pump: &mut Pump, place: usize, offset: u64, slices: &mut Vec<Slice>) -> Result<(), TransportError> {
    let lane = &mut pump.lanes[place];
    while lane.next_offset() < offset {
        lane.fill()?;
        if let Some(slice) = lane.take_while(|_, next| next < offset) {
            slices.push(slice);
        } else if lane.head_ms().is_some() || lane.caught_up() {
            // The next record lies beyond, or there is none: offsets in between were not records.
            break;
        } else {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

/// Whether what was read again is what was read before.
fn agree(pump: &Pump, last: &Progress) -> Result<(), TransportError> {
    for (place, recorded) in places(pump, &last.partitions)?.into_iter().zip(&last.partitions) {
        let now = pump.lanes[place].progress();
        if (now.count, now.hash) != (recorded.count, recorded.hash) {
            let message = format!(
                "topic {:?}, partition {} is not what it was: {} records were read before offset {}, now there are {}",
                recorded.topic, recorded.partition, recorded.count, recorded.next_offset, now.count
            );
            return Err(TransportError::lasting(message)
                .hint("Records the job rests on were deleted or changed. To begin anew with what is there, give the job another name."));
        }
    }
    Ok(())
}
