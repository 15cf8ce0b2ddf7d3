//! Units of H.264 and H.265 behind start codes, whatever they were behind before.
//!
//! ```text
//! in files (ISO/IEC 14496-15)     ┌ length ┬ unit ┬ length ┬ unit        parameter sets in a record of the file's head
//! in frames (H.264 annex B)       ┌ 00 00 00 01 ┬ unit ┬ 00 00 00 01 ┬ unit        the same, written out
//! ```
//!
//! Behind start codes a key frame with its parameter sets is complete: it can be cut out of a topic and decoded alone.

use super::Codec;

/// What stands before every unit.
const START: [u8; 4] = [0, 0, 0, 1];

/// How a stream separates its units, and what a decoder must know beforehand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Framing {
    /// Bytes of the length before each unit; `None` where start codes are there already, or there are no units.
    length_bytes: Option<usize>,
    /// Parameter sets behind start codes.
    pub(super) parameters: Vec<u8>,
}

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is cut short")]
pub(super) struct CutShort(&'static str);

impl Framing {
    /// Reads what the stream's head says (`extradata` in FFmpeg's words).
    ///
    /// # Errors
    /// It ends before it should.
    pub(super) fn read(codec: Codec, head: &[u8]) -> Result<Self, CutShort> {
        match (codec, head.first()) {
            (Codec::H264, Some(1)) => read_avcc(head).ok_or(CutShort("the description of H.264")),
            // A description has 23 bytes before its first array; a start code begins with a zero.
            (Codec::H265, Some(1)) => read_hvcc(head).ok_or(CutShort("the description of H.265")),
            (Codec::Mjpeg, _) | (_, None) => Ok(Self::default()),
            _ => Ok(Self { length_bytes: None, parameters: head.to_vec() }),
        }
    }

    /// A picture's bytes with start codes.
    ///
    /// # Errors
    /// A length reaches beyond the end.
    pub(super) fn behind_start_codes(&self, bytes: &[u8]) -> Result<Vec<u8>, CutShort> {
        let Some(length_bytes) = self.length_bytes else { return Ok(bytes.to_vec()) };
        let mut out = Vec::with_capacity(bytes.len() + 16);
        let mut rest = bytes;
        while !rest.is_empty() {
            let unit = take_unit(&mut rest, length_bytes).ok_or(CutShort("a unit"))?;
            append(&mut out, unit);
        }
        Ok(out)
    }
}

fn append(out: &mut Vec<u8>, unit: &[u8]) {
    if !unit.is_empty() {
        out.extend_from_slice(&START);
        out.extend_from_slice(unit);
    }
}

/// Takes a unit behind a length of so many bytes.
fn take_unit<'a>(rest: &mut &'a [u8], length_bytes: usize) -> Option<&'a [u8]> {
    let (length, after) = rest.split_at_checked(length_bytes)?;
    let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    let (unit, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(unit)
}

/// `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 5.3.3.1).
fn read_avcc(head: &[u8]) -> Option<Framing> {
    let length_bytes = usize::from(head.get(4)? & 3) + 1;
    let mut parameters = Vec::new();
    let (mut sets, mut rest) = (head.get(5)? & 0x1f, head.get(6..)?);
    for kind in 0..2 {
        for _ in 0..sets {
            append(&mut parameters, take_unit(&mut rest, 2)?);
        }
        if kind == 0 {
            let (count, after) = rest.split_first()?;
            (sets, rest) = (*count, after);
        }
    }
    Some(Framing { length_bytes: Some(length_bytes), parameters })
}

/// `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 8.3.3.1).
fn read_hvcc(head: &[u8]) -> Option<Framing> {
    let length_bytes = usize::from(head.get(21)? & 3) + 1;
    let mut parameters = Vec::new();
    let (arrays, mut rest) = (*head.get(22)?, head.get(23..)?);
    for _ in 0..arrays {
        let (array, after) = rest.split_at_checked(3)?;
        rest = after;
        for _ in 0..u16::from_be_bytes([array[1], array[2]]) {
            append(&mut parameters, take_unit(&mut rest, 2)?);
        }
    }
    Some(Framing { length_bytes: Some(length_bytes), parameters })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by hand from the standard: lengths of four bytes, one set of each kind.
    const AVCC: [u8; 18] = [1, 66, 0, 30, 0xff, 0xe1, 0, 3, 0x67, 66, 0, 1, 0, 4, 0x68, 1, 2, 3];

    #[test]
    fn a_file_of_lengths_becomes_start_codes() {
        let framing = Framing::read(Codec::H264, &AVCC).unwrap();
        assert_eq!(framing.parameters, [0, 0, 0, 1, 0x67, 66, 0, 0, 0, 0, 1, 0x68, 1, 2, 3]);
        let bytes = [0, 0, 0, 2, 0x65, 9, 0, 0, 0, 0, 0, 0, 0, 1, 7];
        assert_eq!(framing.behind_start_codes(&bytes), Ok(vec![0, 0, 0, 1, 0x65, 9, 0, 0, 0, 1, 7]));
        assert_eq!(framing.behind_start_codes(&bytes[..5]), Err(CutShort("a unit")));
        for end in 1..AVCC.len() {
            assert!(Framing::read(Codec::H264, &AVCC[..end]).is_err(), "cut after {end}");
        }
        let hvcc = [&[1; 21][..], &[0xff, 1, 0x20, 0, 1, 0, 2, 0x40, 1]].concat();
        let framing = Framing::read(Codec::H265, &hvcc).unwrap();
        assert_eq!((framing.length_bytes, framing.parameters), (Some(4), vec![0, 0, 0, 1, 0x40, 1]));
    }

    #[test]
    fn start_codes_stay_and_pictures_without_units_are_left_alone() {
        let sets = [0, 0, 1, 0x67, 66];
        let framing = Framing::read(Codec::H264, &sets).unwrap();
        assert_eq!((framing.parameters.as_slice(), framing.behind_start_codes(&sets)), (&sets[..], Ok(sets.to_vec())));
        assert_eq!(Framing::read(Codec::Mjpeg, &[1, 2, 3]), Ok(Framing::default()));
        assert_eq!(Framing::read(Codec::H265, &[]), Ok(Framing::default()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(head: Vec<u8>, bytes: Vec<u8>, h265: bool) {
            let codec = if h265 { Codec::H265 } else { Codec::H264 };
            let head = [&[1][..], &head].concat();
            if let Ok(framing) = Framing::read(codec, &head) {
                let _ = framing.behind_start_codes(&bytes);
            }
        }
    }
}
