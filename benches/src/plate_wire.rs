//! Plate reads and alerts as they lie in topics: JSON, the same bytes for every engine.
//!
//! ```text
//! {"id":17,"plate":"AB12345","camera":31,"at_ms":1764115203456,"x_m":6600,"y_m":600}
//! {"plate":"AB12345","earlier":17,"later":2044}
//! ```

use std::io::Write as _;

use serde::Deserialize;

use crate::plate_reads::PlateRead;

/// The moment that 0 of [`PlateRead::at_ms`] stands for: 26 November 2025.
pub const EPOCH_MS: u64 = 1_764_115_200_000;

/// A read as it lies in its topic.
#[derive(Deserialize)]
struct Read<'a> {
    id: u32,
    plate: &'a str,
    camera: u16,
    at_ms: u64,
    x_m: i32,
    y_m: i32,
}

/// An alert as it lies in its topic.
#[derive(Deserialize)]
struct Alert {
    earlier: u32,
    later: u32,
}

/// A plate's seven symbols, first to last.
#[must_use]
pub fn symbols(plate: u64) -> [u8; 7] {
    let [_, symbols @ ..] = plate.to_be_bytes();
    symbols
}

/// Appends a read.
pub fn write_read(read: &PlateRead, text: &mut Vec<u8>) {
    let PlateRead { plate, at_ms, id, x_m, y_m, camera } = read;
    let (symbols, at_ms) = (symbols(*plate), EPOCH_MS + at_ms);
    let plate = symbols.escape_ascii();
    write!(text, r#"{{"id":{id},"plate":"{plate}","camera":{camera},"at_ms":{at_ms},"x_m":{x_m},"y_m":{y_m}}}"#)
        .expect("memory takes everything");
}

/// Reads a read; its time is that of the wire.
///
/// # Errors
/// It is not one.
pub fn read(text: &[u8]) -> serde_json::Result<PlateRead> {
    let Read { id, plate, camera, at_ms, x_m, y_m } = serde_json::from_slice(text)?;
    let plate = plate.bytes().fold(0, |plate, symbol| plate << 8 | u64::from(symbol));
    Ok(PlateRead { plate, at_ms, id, x_m, y_m, camera })
}

/// An alert.
#[must_use]
pub fn alert(plate: u64, earlier: u32, later: u32) -> Vec<u8> {
    let symbols = symbols(plate);
    format!(r#"{{"plate":"{}","earlier":{earlier},"later":{later}}}"#, symbols.escape_ascii()).into_bytes()
}

/// The two reads of an alert.
///
/// # Errors
/// It is not one.
pub fn pair(text: &[u8]) -> serde_json::Result<(u32, u32)> {
    serde_json::from_slice(text).map(|Alert { earlier, later }| (earlier, later))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plate_reads::{Alerts, plate_reads};

    #[test]
    fn reads_come_back_as_they_were_written() {
        for before in plate_reads(42, 1_000) {
            let mut text = Vec::new();
            write_read(&before, &mut text);
            let after = read(&text).unwrap();
            assert_eq!(PlateRead { at_ms: after.at_ms - EPOCH_MS, ..after }, before, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn alerts_add_up_whatever_their_order() {
        let plate = u64::from_be_bytes(*b"\0AB12345");
        assert_eq!(alert(plate, 17, 2_044), br#"{"plate":"AB12345","earlier":17,"later":2044}"#);
        let sum = |pairs: &[(u32, u32)]| {
            let texts = pairs.iter().map(|(earlier, later)| alert(plate, *earlier, *later));
            texts.map(|text| pair(&text).unwrap()).fold(Alerts::default(), |mut sum, (earlier, later)| {
                sum.add(earlier, later, 1);
                sum
            })
        };
        assert_eq!(sum(&[(17, 2_044), (3, 4)]), sum(&[(3, 4), (17, 2_044)]));
        assert_eq!(sum(&[(17, 2_044), (3, 4)]), Alerts { count: 2, checksum: 17 * 31 + 2_044 + 3 * 31 + 4 });
    }
}
