//! When a picture was taken: by the camera's own clock where it tells, else by when its bytes came.
//!
//! ```text
//! the stream's clock   ─┬─ reference time (RTCP sender report) ─▶ wall clock of the camera, if it is not far from ours
//!                       └─ arrival ─▶ the least delayed picture of the last minutes sets the pace for all
//! ```
//!
//! Pure: what the wall clock says is a parameter.

/// The furthest a camera's clock may be from ours and still be believed, milliseconds. Cameras that nobody has set count from
/// the year 1970, or a time zone off.
const SKEW_MOST_MS: u64 = 5_000;

/// How much later than it was taken a picture may come when it comes fast, milliseconds: exposure, encoding, the way.
const ARRIVAL_ERROR_MS: u32 = 500;

/// How fast the stream's clock may run against ours, parts in a million: what the measured delay is allowed to creep up.
const DRIFT_PPM: i64 = 200;

/// Tells the time of pictures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// By how much the camera's clock may be wrong, milliseconds.
    error_ms: u32,
    /// Wall clock less stream clock, microseconds, of the least delayed picture so far, and the stream's time of it.
    offset: Option<(i64, i64)>,
}

/// When a picture was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// Milliseconds since the epoch.
    pub(super) at_ms: u64,
    /// By how much that may be wrong, milliseconds.
    pub(super) error_ms: u32,
    /// Whether the camera's own clock says so.
    pub(super) own_clock: bool,
}

impl Clock {
    /// A clock that has seen nothing.
    pub(super) fn new(error_ms: u32) -> Self {
        Self { error_ms, offset: None }
    }

    /// The time of a picture: by the stream's clock `pts_us`, come at `now_ms`, with the reference time that came with it.
    pub(super) fn live(&mut self, pts_us: i64, now_ms: u64, reference_us: Option<i64>) -> Time {
        let arrived = self.arrived(pts_us, now_ms);
        let told = reference_us.and_then(|us| u64::try_from(us / 1_000).ok());
        match told.filter(|told| told.abs_diff(now_ms) <= SKEW_MOST_MS) {
            Some(at_ms) => Time { at_ms, error_ms: self.error_ms, own_clock: true },
            None => Time { at_ms: arrived, error_ms: ARRIVAL_ERROR_MS, own_clock: false },
        }
    }

    /// The time of a picture of a recording that began at `begins_ms`; `elapsed_us` into it.
    pub(super) fn recorded(&self, begins_ms: u64, elapsed_us: i64) -> Time {
        let at_ms = begins_ms.saturating_add_signed(elapsed_us.div_euclid(1_000));
        Time { at_ms, error_ms: self.error_ms, own_clock: true }
    }

    fn arrived(&mut self, pts_us: i64, now_ms: u64) -> u64 {
        let now_us = i64::try_from(now_ms).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000);
        let seen = now_us.saturating_sub(pts_us);
        let offset = match self.offset {
            Some((offset, since_us)) => {
                let crept = offset.saturating_add(pts_us.saturating_sub(since_us).max(0) / 1_000_000 * DRIFT_PPM);
                // A stream whose clock was set anew is measured anew.
                if seen.abs_diff(crept) > SKEW_MOST_MS * 1_000 { seen } else { crept.min(seen) }
            }
            None => seen,
        };
        if self.offset.is_none_or(|(before, since_us)| offset != before || pts_us < since_us) {
            self.offset = Some((offset, pts_us));
        }
        u64::try_from(pts_us.saturating_add(offset) / 1_000).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_MS: u64 = 1_767_250_800_000;

    /// A picture is taken every 40 ms and comes 50 to 350 ms later.
    fn delay_ms(n: u64) -> u64 {
        50 + n * 7_919 % 300
    }

    #[test]
    fn jitter_of_the_way_does_not_reach_the_pictures() {
        let mut clock = Clock::new(50);
        let mut last = 0;
        for n in 0..2_000 {
            let time = clock.live(n as i64 * 40_000, NOON_MS + n * 40 + delay_ms(n), None);
            assert!(!time.own_clock && time.error_ms == ARRIVAL_ERROR_MS);
            let late = time.at_ms as i64 - (NOON_MS + n * 40) as i64;
            assert!(n < 100 || (50..70).contains(&late), "picture {n} is told {late} ms late");
            assert!(n < 100 || time.at_ms > last);
            last = time.at_ms;
        }
    }

    #[test]
    fn a_camera_that_tells_the_time_is_believed_unless_it_cannot_be() {
        let mut clock = Clock::new(50);
        let told = (NOON_MS as i64 - 120) * 1_000;
        assert_eq!(clock.live(0, NOON_MS, Some(told)), Time { at_ms: NOON_MS - 120, error_ms: 50, own_clock: true });
        for wrong in [0, -1, i64::MIN, i64::MAX, told + 3_600_000_000] {
            let time = clock.live(40_000, NOON_MS + 40, Some(wrong));
            assert!(!time.own_clock && time.at_ms == NOON_MS + 40, "{time:?}");
        }
    }

    #[test]
    fn a_stream_clock_that_is_set_anew_is_followed() {
        let mut clock = Clock::new(50);
        assert_eq!(clock.live(900_000_000, NOON_MS, None).at_ms, NOON_MS);
        assert_eq!(clock.live(0, NOON_MS + 40, None).at_ms, NOON_MS + 40);
        assert_eq!(clock.live(40_000, NOON_MS + 80, None).at_ms, NOON_MS + 80);
        for pts_us in [i64::MIN, i64::MAX, 0] {
            clock.live(pts_us, NOON_MS, None);
        }
    }

    #[test]
    fn a_recording_has_the_times_it_was_given() {
        assert_eq!(Clock::new(20).recorded(NOON_MS, 80_999).at_ms, NOON_MS + 80);
        assert_eq!(Clock::new(20).recorded(NOON_MS, -1).at_ms, NOON_MS - 1);
    }
}
