//! Quantities as people write them in job definitions: `15 min`, `80 km/h`, `2 m`. The unit is always written.

use std::fmt;

/// A span of time, kept in milliseconds; written `500 ms`, `10 s`, `15 min`, `2 h` or `30 d`.
///
/// ```
/// use schemas::Duration;
/// assert_eq!("1.5 min".parse::<Duration>().unwrap().ms(), 90_000);
/// assert_eq!(Duration::from_ms(900_000).to_string(), "15 min");
/// assert!("15".parse::<Duration>().unwrap_err().contains("unit"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

/// A length, kept in centimetres; written `50 cm`, `2 m` or `1.2 km`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Length(u64);

/// A speed, kept in cm/s rounded down; written `80 km/h`, `22 m/s` or `2200 cm/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Speed(u64);

/// The units of a quantity, largest first: name, and how many thousandths of the base unit it is.
type Units = &'static [(&'static str, u64)];

const DURATION: Units = &[("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000)];
const LENGTH: Units = &[("km", 100_000_000), ("m", 100_000), ("cm", 1_000)];
const SPEED: Units = &[("m/s", 100_000), ("km/h", 27_778), ("cm/s", 1_000)];

/// Reads `number unit`, with at most three decimals, into base units.
fn parse(text: &str, units: Units) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim());
    let known = || units.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let Some((_, thousandths)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("needs a number and a unit (one of {}), not {text:?}", known()));
    };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let scaled = (decimals.len() <= 3).then(|| format!("{whole}{decimals:0<3}").parse::<u64>().ok()).flatten();
    let product = scaled.and_then(|thousand_times| thousand_times.checked_mul(*thousandths));
    product.map(|p| p / 1_000_000).ok_or_else(|| format!("needs a number with at most three decimals, not {number:?}"))
}

/// Writes base units in the largest unit that divides them.
fn write(f: &mut fmt::Formatter<'_>, value: u64, units: Units) -> fmt::Result {
    let whole = units.iter().find(|(_, thousandths)| thousandths % 1_000 == 0 && value.is_multiple_of(thousandths / 1_000) && value > 0);
    let (unit, thousandths) = whole.or(units.last()).copied().unwrap_or(("", 1_000));
    write!(f, "{} {unit}", value / (thousandths / 1_000))
}

macro_rules! quantity {
    ($type:ident, $units:ident, $from:ident, $get:ident, $unit:literal, $expecting:literal) => {
        impl $type {
            #[doc = concat!("Of a whole number of ", $unit, ".")]
            #[must_use]
            pub const fn $from(value: u64) -> Self {
                Self(value)
            }

            #[doc = concat!("In ", $unit, ".")]
            #[must_use]
            pub const fn $get(self) -> u64 {
                self.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                parse(text, $units).map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(f, self.0, $units)
            }
        }

        serde_as_text!($type, $expecting);
    };
}

quantity!(Duration, DURATION, from_ms, ms, "milliseconds", "a duration such as \"15 min\"");
quantity!(Length, LENGTH, from_cm, cm, "centimetres", "a length such as \"2 m\"");
quantity!(Speed, SPEED, from_cms, cms, "centimetres a second", "a speed such as \"80 km/h\"");
