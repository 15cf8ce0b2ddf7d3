//! A record as it is taken in, and one that is not.

/// A record as it lies in its topic.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// When it arrived: the log's own time of it, milliseconds since the epoch.
    pub arrival_ms: u64,
    /// Its key; empty if it has none.
    pub key: &'a [u8],
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// Why a record is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of reason.
    pub reason: RefusalReason,
    /// The reason in a sentence.
    pub detail: String,
}

/// Kinds of reasons not to take a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefusalReason {
    /// Not in the topic's format at all.
    Unreadable,
    /// In the format, but with fields or values that cannot be.
    Invalid,
    /// Older than the job still accepts.
    Late,
    /// Further ahead of its arrival than clocks may be wrong.
    Future,
    /// Taken before.
    Duplicate,
}

/// A record that was not taken, with its place and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Rejection {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// Why.
    pub reason: RefusalReason,
    /// Why, in a sentence.
    pub detail: String,
    /// The record, or where it is longer than [`Rejection::KEPT_MOST`] its beginning; then the detail says so.
    pub record: Vec<u8>,
}

impl Rejection {
    /// Bytes of a record that are kept. A log takes rows of a megabyte, and text that is not fit to print grows sixfold in
    /// one; were a record kept whole that fits its own topic and not the one of the rejected, no job could ever get past it.
    pub const KEPT_MOST: usize = 128 << 10;

    /// Bytes of a detail that are kept: a reason may quote what it found, and that may be the whole record.
    pub const DETAIL_MOST: usize = 1_000;

    /// A record that is refused.
    #[must_use]
    pub fn new(raw: &Raw<'_>, refusal: Refusal) -> Self {
        let Refusal { reason, mut detail } = refusal;
        if detail.len() > Self::DETAIL_MOST {
            detail.truncate(boundary(detail.as_bytes(), Self::DETAIL_MOST));
            detail.push('…');
        }
        let whole = raw.value.unwrap_or_default();
        let kept = if whole.len() > Self::KEPT_MOST {
            let kept = &whole[..boundary(whole, Self::KEPT_MOST)];
            detail = format!("{detail} (of its {} bytes the first {} are kept here)", whole.len(), kept.len());
            kept
        } else {
            whole
        };
        Self { topic: raw.topic.to_owned(), partition: raw.partition, offset: raw.offset, reason, detail, record: kept.to_vec() }
    }
}

/// The end of the last whole character before a place, where the bytes are text.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let continues = |place: &usize| bytes[*place] & 0b1100_0000 == 0b1000_0000;
    // A character has no more than four bytes.
    (at.saturating_sub(3)..=at).rev().find(|place| !continues(place)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(value: &[u8], detail: &str) -> Rejection {
        let raw = Raw { topic: "observations", partition: 3, offset: 7, arrival_ms: 0, key: b"", value: Some(value) };
        Rejection::new(&raw, Refusal { reason: RefusalReason::Unreadable, detail: detail.to_owned() })
    }

    #[test]
    fn a_record_of_common_size_is_kept_whole() {
        let whole = vec![b'x'; Rejection::KEPT_MOST];
        let rejection = refused(&whole, "no");
        assert_eq!((rejection.record, rejection.detail.as_str()), (whole, "no"));
    }

    #[test]
    fn of_a_huge_one_whole_characters_are_kept_and_how_much_that_is_is_told() {
        // Three bytes each, and 131072 is two more than so many of them.
        let text = "ờ".repeat(400_000);
        let rejection = refused(text.as_bytes(), &text);
        assert_eq!(rejection.record.len(), 131_070);
        assert!(std::str::from_utf8(&rejection.record).is_ok());
        assert!(rejection.detail.ends_with("ờ… (of its 1200000 bytes the first 131070 are kept here)"), "{}", rejection.detail);
        assert!(rejection.detail.len() < 1_100);
    }

    #[test]
    fn what_is_no_text_is_cut_at_the_very_place() {
        assert_eq!(refused(&[0x80; 200_000], "no").record.len(), Rejection::KEPT_MOST);
    }
}
