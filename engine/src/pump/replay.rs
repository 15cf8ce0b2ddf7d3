//! Rebuilds state after a restart: the records read before enter again at the moments they entered then, from where
//! [`start`](super::start) says.

use super::{InFlight, Lane, Pump, Start, WAIT};
use crate::epoch::{Moment, Slice};
use crate::fail_point::{Stage, pass};
use crate::transport::{Lost, PartitionProgress, Progress, Tick, TransportError};

/// Replays what is to be replayed; its rows are known already and are not committed again. Returns once they have been worked
/// through; false if the job stops before that.
pub(super) fn replay(pump: &mut Pump, start: &Start, flight: &mut InFlight) -> Result<bool, TransportError> {
    let Some(last) = start.last() else { return Ok(true) };
    let mut moments: Vec<Moment> = start.from.iter().map(|from| begin(pump, start, from)).collect::<Result<_, _>>()?;
    let mut bytes = 0;
    for progress in &start.replay {
        let places = places(pump, start, progress)?;
        let mut changes = progress.changes.iter().peekable();
        for tick in &progress.ticks {
            while let Some(change) = changes.next_if(|change| change.clock < tick.clock) {
                flush(pump, &mut moments, &mut bytes, flight);
                pump.repeat(change, change.clock)?;
            }
            let moment = enter(pump, tick, &places)?;
            bytes += moment.slices.iter().map(Slice::bytes).sum::<usize>();
            moments.push(moment);
            if bytes >= pump.settings.epoch_bytes {
                flush(pump, &mut moments, &mut bytes, flight);
            }
            if pump.stopping() {
                return Ok(false);
            }
        }
    }
    flush(pump, &mut moments, &mut bytes, flight);
    agree(pump, start, last)?;
    // What was rebuilt is held to what was: nothing new enters before.
    while flight.epochs > 0 {
        if !pump.take_commit(flight) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The moment from which a restart goes on: the clock stands where it stood, and tables hold what they held.
fn begin(pump: &mut Pump, start: &Start, from: &Progress) -> Result<Moment, TransportError> {
    // Jobs of a server that ran then begin with it.
    from.running.iter().try_for_each(|change| pump.repeat(change, from.clock))?;
    let places = places(pump, start, from)?;
    let mut slices = Vec::new();
    for (place, partition) in places.iter().zip(&from.partitions) {
        if let Some(place) = place.filter(|place| pump.lanes[*place].is_table()) {
            read_up_to(pump, place, partition.next_offset, &mut slices)?;
        }
    }
    let observed_ms = from.ticks.last().map_or(&[][..], |tick| &tick.observed_ms);
    let tick = Tick { clock: from.clock, offsets: Vec::new(), observed_ms: spread(pump, &places, observed_ms) };
    pump.observed_ms.clone_from(&tick.observed_ms);
    pump.clock = tick.clock;
    Ok(Moment { tick, slices, marks: false })
}

/// A recorded moment, with what entered at it.
fn enter(pump: &mut Pump, recorded: &Tick, places: &[Option<usize>]) -> Result<Moment, TransportError> {
    let mut slices = Vec::new();
    for (place, offset) in places.iter().zip(&recorded.offsets) {
        place.map_or(Ok(()), |place| read_up_to(pump, place, *offset, &mut slices))?;
    }
    let tick = Tick { observed_ms: spread(pump, places, &recorded.observed_ms), ..recorded.clone() };
    pump.observed_ms.clone_from(&tick.observed_ms);
    let marks = pump.marks(tick.clock);
    pump.clock = tick.clock;
    Ok(Moment { tick, slices, marks })
}

/// What is known of some partitions, for all of them.
fn spread(pump: &Pump, places: &[Option<usize>], known: &[u64]) -> Vec<u64> {
    let mut all = vec![0; pump.lanes.len()];
    for (place, known) in places.iter().zip(known) {
        place.iter().for_each(|place| all[*place] = *known);
    }
    all
}

/// Hands out what was gathered.
fn flush(pump: &mut Pump, moments: &mut Vec<Moment>, bytes: &mut usize, flight: &mut InFlight) {
    *bytes = 0;
    if !moments.is_empty() {
        pump.send(std::mem::take(moments), true, flight);
        pass(Stage::InReplay);
    }
}

/// Which lanes a progress record's partitions are. Those that a server has not read without a break are none: nobody rests on
/// what was read of them then.
fn places(pump: &Pump, start: &Start, progress: &Progress) -> Result<Vec<Option<usize>>, TransportError> {
    let place = |p: &PartitionProgress| {
        let found = pump.partitions.iter().position(|known| known.topic == p.topic && known.number == p.partition);
        if pump.roster.as_ref().is_some_and(|roster| !roster.sources.contains(&p.topic)) {
            return Ok(None);
        }
        if found.is_some() {
            return Ok(found.filter(|_| start.read_since(&p.topic, p.partition) <= progress.epoch));
        }
        if start.read_since(&p.topic, p.partition) > progress.epoch {
            return Ok(None);
        }
        let error = TransportError::lasting(format!("partition {} of topic {:?} was read before and is gone", p.partition, p.topic)).hint(
            "The topic was made anew with fewer partitions, or the job reads another topic now. To begin anew, give the job another name.",
        );
        Err(error.lost(vec![start.needed(&p.topic, p.partition)]))
    };
    progress.partitions.iter().map(place).collect()
}

fn read_up_to(pump: &mut Pump, place: usize, offset: u64, slices: &mut Vec<Slice>) -> Result<(), TransportError> {
    let (lane, time) = (&mut pump.lanes[place], &*pump.time);
    while lane.next_offset() < offset {
        lane.fill(time)?;
        if let Some(slice) = lane.take_while(|_, next| next < offset) {
            slices.push(slice);
        } else if lane.head_ms().is_some() || lane.caught_up() {
            // The next record lies beyond, or there is none: offsets in between were not records.
            break;
        } else {
            time.rest(WAIT);
        }
    }
    Ok(())
}

/// Whether what was read again is what was read before. Of tables that cannot be asked: whoever keeps only the last record of
/// each key has others now. Of what is gone neither: from then on it counts as read.
fn agree(pump: &mut Pump, start: &Start, last: &Progress) -> Result<(), TransportError> {
    let (mut first, mut lost) = (None, Vec::new());
    for (place, recorded) in places(pump, start, last)?.into_iter().zip(&last.partitions) {
        let Some(lane) = place.map(|place| &mut pump.lanes[place]).filter(|lane| !lane.is_table()) else { continue };
        let now = lane.progress();
        if (now.count, now.hash) == (recorded.count, recorded.hash) {
            continue;
        }
        if start.cut_off_at(&recorded.topic, recorded.partition).is_some() {
            lane.take_count(recorded);
            continue;
        }
        lost.push(gone(start, lane, recorded));
        first.get_or_insert_with(|| differs(&now, recorded));
    }
    first.map_or(Ok(()), |error| Err(error.lost(lost)))
}

/// What is gone of a partition that is not what it was.
fn gone(start: &Start, lane: &Lane, recorded: &PartitionProgress) -> Lost {
    let needed = start.needed(&recorded.topic, recorded.partition);
    match lane.first() {
        // What is made anew begins at 0.
        Some(first) if first > needed.from && lane.next_offset() >= recorded.next_offset => Lost { until: first, remade: false, ..needed },
        _ => needed,
    }
}

fn differs(now: &PartitionProgress, recorded: &PartitionProgress) -> TransportError {
    let which = format!("topic {:?}, partition {}", recorded.topic, recorded.partition);
    if now.next_offset < recorded.next_offset {
        let message = format!("{which} ends at {}, but it was read up to {} before", now.next_offset, recorded.next_offset);
        return TransportError::lasting(message)
            .hint("It was deleted and made anew, or lost its end. To begin anew with what is there, give the job another name.");
    }
    let (before, count) = (recorded.count, now.count);
    let message =
        format!("{which} is not what it was: {before} records were read before offset {}, now there are {count}", recorded.next_offset);
    TransportError::lasting(message)
        .hint("Records the job rests on were deleted or changed. To begin anew with what is there, give the job another name.")
}

/// The first moment after a replay that could not rebuild what there was: what the outputs say themselves is gone on with before
/// anything else is.
pub(super) fn take_over(pump: &mut Pump, flight: &mut InFlight) -> bool {
    let clock = pump.clock + 1;
    let offsets = pump.lanes.iter().map(Lane::next_offset).collect();
    let tick = Tick { clock, offsets, observed_ms: pump.observed_ms.clone() };
    pump.send(vec![Moment { marks: pump.marks(clock), tick, slices: Vec::new() }], false, flight)
}
