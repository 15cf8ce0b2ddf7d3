//! What Linux says of the memory that this process has.

/// Its resident memory, bytes.
///
/// # Panics
/// This is not Linux.
#[must_use]
pub fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second figure is the resident pages");
    pages * 4_096.0
}
