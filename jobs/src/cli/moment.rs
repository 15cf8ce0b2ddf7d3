//! Moments as people give them.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use schemas::Duration;

/// A moment, milliseconds since the epoch: a time in UTC or with a zone, how long ago, or the milliseconds themselves.
pub(super) fn read(text: &str) -> Result<u64, String> {
    read_at(text, SystemTime::now())
}

fn read_at(text: &str, now: SystemTime) -> Result<u64, String> {
    if let Ok(ms) = text.parse() {
        return Ok(ms);
    }
    if let Ok(span) = text.parse::<Duration>() {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        return Ok(u64::try_from(now.as_millis()).unwrap_or(u64::MAX).saturating_sub(span.ms()));
    }
    let zoned = text.parse::<Timestamp>();
    let utc = || text.parse::<DateTime>().and_then(|time| TimeZone::UTC.to_timestamp(time));
    let moment = zoned.or_else(|_| utc()).map_err(|_| "it is no time (hint: 2026-11-26T08:00, with a zone …+07:00, or '2 h' ago)")?;
    u64::try_from(moment.as_millisecond()).map_err(|_| "it is before 1970".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration as Span;

    use super::*;

    #[test]
    fn a_moment_is_read_however_it_is_given() {
        let now = UNIX_EPOCH + Span::from_secs(1_764_000_000);
        for (text, ms) in [
            ("1764000000123", 1_764_000_000_123),
            ("2 h", 1_763_992_800_000),
            ("90 s", 1_763_999_910_000),
            ("2025-11-24T16:00:00Z", 1_764_000_000_000),
            ("2025-11-24T16:00", 1_764_000_000_000),
            ("2025-11-24 16:00", 1_764_000_000_000),
            ("2025-11-24T23:00+07:00", 1_764_000_000_000),
            ("2025-11-24", 1_763_942_400_000),
        ] {
            assert_eq!(read_at(text, now), Ok(ms), "{text}");
        }
        for text in ["", "yesterday", "1960-01-01", "2 parsecs"] {
            assert!(read_at(text, now).is_err(), "{text}");
        }
    }
}
