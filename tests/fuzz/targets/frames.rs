//! Frames of one camera as a topic holds them, decoded: records, each behind its length in two bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use operators::vision::{DecodeLimits, Decoded, Decoder};
use schemas::Frame;
use schemas::wire::Format;

fuzz_target!(|bytes: &[u8]| {
    let (mut decoder, mut rest, mut given) = (Decoder::new(DecodeLimits { pixels_most: 512 * 512 }), bytes, 0);
    let mut told = 0;
    let mut tell = |_, decoded: Decoded<'_>| {
        told += 1;
        if let Decoded::Picture(picture) = decoded {
            assert!(u64::from(picture.width()) * u64::from(picture.height()) <= 512 * 512, "a picture larger than is let through");
        }
    };
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (record, after) = after.split_at(usize::from(u16::from_le_bytes(*length)).min(after.len()));
        rest = after;
        if let Ok(frame) = Format::of(record).decode::<Frame>(record) {
            decoder.decode(&frame, true, given, &mut tell);
            given += 1;
        }
    }
    decoder.finish(&mut tell);
    assert_eq!(told, given, "each frame is told of once");
});
