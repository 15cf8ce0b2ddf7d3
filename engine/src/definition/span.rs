//! Spans of time and sizes as people write them.

/// Reads `500 ms`, `10 s`, `15 min`, `2 h` or `30 d` into milliseconds; at most three decimals.
///
/// ```
/// use engine::definition::parse_ms;
/// assert_eq!(parse_ms("1.5 min"), Ok(90_000));
/// assert!(parse_ms("15").unwrap_err().contains("unit"));
/// ```
///
/// # Errors
/// What is wrong, to be put after the field's name.
pub fn parse_ms(text: &str) -> Result<u64, String> {
    parse(text, &[("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)])
}

/// Reads `512 MiB`, `1.5 GiB`, `64 KiB` or `100 B` into bytes; at most three decimals.
///
/// ```
/// use engine::definition::parse_bytes;
/// assert_eq!(parse_bytes("1.5 MiB"), Ok(1_572_864));
/// assert!(parse_bytes("15 MB").unwrap_err().contains("one of B, KiB, MiB, GiB"));
/// ```
///
/// # Errors
/// What is wrong, to be put after the field's name.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    parse(text, &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)])
}

fn parse(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim());
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        return Err(format!("must be a number and a unit (one of {}), not the text {text:?}", names.join(", ")));
    };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let thousandths = (decimals.len() <= 3).then(|| format!("{whole}{decimals:0<3}").parse::<u64>().ok()).flatten();
    let product = thousandths.and_then(|thousandths| thousandths.checked_mul(*factor));
    product.map(|product| product / 1_000).ok_or_else(|| format!("must be a number with at most three decimals, not {number:?}"))
}
