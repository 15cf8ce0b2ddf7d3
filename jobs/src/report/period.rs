//! The span of time of a report, in the city's own time.

use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, ZonedDateTime};

/// From when until when (exclusive).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    from: ZonedDateTime,
    until: ZonedDateTime,
    week: Option<ISOWeekDate>,
}

/// A time zone by its name (`Asia/Ho_Chi_Minh`), or `local`: this machine's.
///
/// # Errors
/// There is none of that name.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    match name {
        "local" => Ok(TimeZone::system()),
        name => TimeZone::get(name).map_err(|_| format!("there is no time zone {name:?} (hint: Asia/Ho_Chi_Minh, UTC, or local)")),
    }
}

impl Period {
    /// The week in which a moment lies.
    ///
    /// # Errors
    /// It is beyond what a calendar has.
    pub fn week_of(at_ms: u64, zone: &TimeZone) -> Result<Self, String> {
        Self::week(moment(at_ms, zone)?.date().iso_week_date(), zone)
    }

    /// A week as people write it: `2026-W48`, or any of its days.
    ///
    /// # Errors
    /// It is neither.
    pub fn read_week(text: &str, zone: &TimeZone) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no week (hint: 2026-W48, or one of its days, 2026-11-26)");
        let week = match text.split_once("-W") {
            Some((year, week)) => {
                let (year, week) = (year.parse().map_err(|_| wrong())?, week.parse().map_err(|_| wrong())?);
                ISOWeekDate::new(year, week, Weekday::Monday).map_err(|_| wrong())?
            }
            None => text.parse::<Date>().map_err(|_| wrong())?.iso_week_date(),
        };
        Self::week(week, zone)
    }

    /// A span between two moments.
    ///
    /// # Errors
    /// It is empty, or beyond what a calendar has.
    pub fn between(from_ms: u64, until_ms: u64, zone: &TimeZone) -> Result<Self, String> {
        if from_ms >= until_ms {
            return Err("the report's span is empty (hint: --from is to be before --to)".to_owned());
        }
        Ok(Self { from: moment(from_ms, zone)?, until: moment(until_ms, zone)?, week: None })
    }

    fn week(week: ISOWeekDate, zone: &TimeZone) -> Result<Self, String> {
        Self::from_monday(week, zone).map_err(|error| format!("that week cannot be told: {error}"))
    }

    fn from_monday(week: ISOWeekDate, zone: &TimeZone) -> Result<Self, jiff::Error> {
        let week = ISOWeekDate::new(week.year(), week.week(), Weekday::Monday)?;
        let from = week.date().to_zoned_datetime(zone.clone())?;
        let until = week.date().checked_add(7.days())?.to_zoned_datetime(zone.clone())?;
        Ok(Self { from, until, week: Some(week) })
    }

    /// Whether a moment lies in it.
    #[must_use]
    pub fn holds(&self, at_ms: u64) -> bool {
        (ms(&self.from)..ms(&self.until)).contains(&i64::try_from(at_ms).unwrap_or(i64::MAX))
    }

    /// The local hour of the day (0 to 23) and day of the week (0 is Monday) of a moment.
    #[must_use]
    pub fn place_in_week(&self, at_ms: u64) -> Option<(usize, usize)> {
        let local = moment(at_ms, self.from.time_zone()).ok()?;
        let (hour, day) = (usize::try_from(local.hour()).ok()?, usize::try_from(local.weekday().to_monday_zero_offset()).ok()?);
        Some((hour, day))
    }

    /// Its beginning, milliseconds since the epoch.
    #[must_use]
    pub fn from_ms(&self) -> i64 {
        ms(&self.from)
    }

    /// Its end, milliseconds since the epoch.
    #[must_use]
    pub fn until_ms(&self) -> i64 {
        ms(&self.until)
    }

    /// The zone's name.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        self.from.time_zone().iana_name().unwrap_or("local time")
    }
}

impl std::fmt::Display for Period {
    /// A week by its number and days, anything else by its ends.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.week {
            Some(week) => {
                let sunday = self.until.date().yesterday().unwrap_or_else(|_| self.until.date());
                write!(f, "week {}-W{:02}, {} to {sunday}", week.year(), week.week(), self.from.date())
            }
            None => write!(f, "{} to {}", self.from.strftime("%Y-%m-%d %H:%M"), self.until.strftime("%Y-%m-%d %H:%M")),
        }
    }
}

fn moment(at_ms: u64, zone: &TimeZone) -> Result<ZonedDateTime, String> {
    let at = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map(|at| at.to_zoned_datetime(zone.clone())).ok_or_else(|| format!("{at_ms} ms is beyond what a calendar has"))
}

fn ms(at: &ZonedDateTime) -> i64 {
    at.timestamp().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday_in_the_citys_own_time() {
        let zone = zone("Asia/Ho_Chi_Minh").unwrap();
        let week = Period::read_week("2026-W48", &zone).unwrap();
        assert_eq!(week.to_string(), "week 2026-W48, 2026-11-23 to 2026-11-29");
        // Monday, 0:00 in Hanoi is Sunday, 17:00 UTC.
        assert_eq!((week.from_ms(), week.until_ms() - week.from_ms()), (1_795_366_800_000, 7 * 86_400_000));
        assert!(week.holds(1_795_366_800_000) && !week.holds(1_795_366_799_999) && !week.holds(week.until_ms() as u64));
        assert_eq!(week.place_in_week(1_795_366_800_000), Some((0, 0)));
        for same in ["2026-11-23", "2026-11-29"] {
            assert_eq!(Period::read_week(same, &zone).unwrap(), week);
        }
        assert_eq!(Period::week_of(1_795_366_800_000, &zone).unwrap(), week);
        assert_eq!(Period::read_week("2026-W53", &zone).unwrap().to_string(), "week 2026-W53, 2026-12-28 to 2027-01-03");
        for wrong in ["", "2026-W54", "2026-W00", "next", "2026-13-01", "W1"] {
            assert!(Period::read_week(wrong, &zone).is_err(), "{wrong}");
        }
        assert!(Period::between(5, 5, &zone).is_err());
    }

    #[test]
    fn a_week_in_which_clocks_change_has_its_own_length() {
        let zone = zone("Europe/Berlin").unwrap();
        let week = Period::read_week("2026-W43", &zone).unwrap();
        assert_eq!(week.until_ms() - week.from_ms(), 7 * 86_400_000 + 3_600_000);
    }
}
