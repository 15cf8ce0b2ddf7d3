//! Ids derived from evidence: the same evidence gives the same id on every machine and after every restart.

use std::fmt;

/// The identity of a sighting, a journey or an alert: 64 bits, written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id(pub u64);

impl Id {
    /// Begins an id for one kind of thing (`"sighting"`, a rule's name …), so that kinds never share ids.
    ///
    /// ```
    /// use schemas::Id;
    /// let id = Id::of("sighting").with(b"c019").number(1_767_250_800_025).finish();
    /// assert_eq!(id, Id::of("sighting").with(b"c019").number(1_767_250_800_025).finish());
    /// assert_ne!(id, Id::of("journey").with(b"c019").number(1_767_250_800_025).finish());
    /// ```
    #[must_use]
    pub fn of(kind: &str) -> IdHasher {
        IdHasher(0xcbf2_9ce4_8422_2325).with(kind.as_bytes())
    }
}

/// An id in the making. FNV-1a over the parts, each closed by its length, then a final mix (`MurmurHash3`'s `fmix64`);
/// both are frozen, for ids outlive releases.
#[derive(Clone, Copy, Debug)]
pub struct IdHasher(u64);

impl IdHasher {
    /// Adds bytes.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        let hash = bytes.iter().fold(self.0, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
        Self((hash ^ bytes.len() as u64).wrapping_mul(0x0100_0000_01b3))
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        self.with(&number.to_le_bytes())
    }

    /// The id.
    #[must_use]
    pub fn finish(self) -> Id {
        let mut h = self.0;
        h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        Id(h ^ (h >> 33))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand: ids are most of what a journey is written with, and this takes half of what `{:016x}` does.
        let digit = |place: usize| b"0123456789abcdef"[(self.0 >> (60 - 4 * place)) as usize & 15];
        f.pad(std::str::from_utf8(&std::array::from_fn::<u8, 16, _>(digit)).unwrap_or_default())
    }
}

impl std::str::FromStr for Id {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

serde_as_text!(Id, "an id of 16 hexadecimal digits");

#[cfg(test)]
mod tests {
    use super::Id;

    proptest::proptest! {
        #[test]
        fn an_id_is_written_as_sixteen_digits_and_read_again(number: u64) {
            let text = Id(number).to_string();
            proptest::prop_assert_eq!(&text, &format!("{number:016x}"));
            proptest::prop_assert_eq!(text.parse(), Ok(Id(number)));
        }
    }
}
