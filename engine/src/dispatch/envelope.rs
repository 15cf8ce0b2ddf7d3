//! What is sent: the same bytes at every attempt.
//!
//! ```text
//! {"type": "alert.raised", "timestamp": "2026-01-01T07:00:00.133Z", "data": {…}}       under 20 kB
//! ```

use super::Notice;

/// The most bytes of a body, as the specification advises: receivers need not be prepared for more.
const BODY_MOST: usize = 20_000;

/// The body of a message; the error says why it cannot be sent.
pub(super) fn body(notice: &Notice) -> Result<Vec<u8>, String> {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if notice.id.is_empty() || notice.id.len() > 64 || !notice.id.chars().all(name) {
        return Err("its id cannot stand in a header".to_owned());
    }
    let at = i64::try_from(notice.at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let message = serde_json::json!({
        "type": format!("{}.{}", notice.subject, notice.kind().name()),
        "timestamp": at.map(|at| format!("{at:.3}")),
        "data": notice.data,
    });
    let bytes = message.to_string().into_bytes();
    if bytes.len() >= BODY_MOST { Err(format!("it is {} bytes long; messages are under {BODY_MOST}", bytes.len())) } else { Ok(bytes) }
}
