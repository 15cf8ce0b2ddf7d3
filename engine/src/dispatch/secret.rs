//! Secrets, and the signatures made with them: Standard Webhooks 1.0.
//!
//! ```text
//! {webhook-id}.{webhook-timestamp}.{body} ─▶ whsec_… HMAC-SHA256 ─▶ v1,base64   ┐ separated by spaces:
//!                                         ─▶ whsk_…  ed25519     ─▶ v1a,base64  ┘ one for each secret that is in use
//! ```
//!
//! While a secret is changed for another, both sign: a receiver is content with any one of the signatures.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::signing::SigningKey;

/// The fewest and the most bytes of a symmetric secret.
const SYMMETRIC_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret to sign with. Never shown.
pub struct Secret(Key);

enum Key {
    /// HMAC-SHA256: the receiver knows the same secret.
    Symmetric(hmac::Key),
    /// ed25519: the receiver knows the public key alone.
    Asymmetric(SigningKey),
}

impl Secret {
    /// Reads a secret as receivers hand it out: `whsec_` and 24 to 64 bytes, or `whsk_` and an ed25519 key (its seed of 32
    /// bytes, or seed and public key), both in base64.
    ///
    /// # Errors
    /// What is wrong with it, without a word of it.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(encoded) = text.strip_prefix("whsec_") {
            let bytes = STANDARD.decode(encoded).map_err(|_| "is not base64 after its prefix".to_owned())?;
            if !SYMMETRIC_BYTES.contains(&bytes.len()) {
                return Err(format!("holds {} bytes; 24 to 64 are allowed", bytes.len()));
            }
            return Ok(Self(Key::Symmetric(hmac::Key::new(hmac::HMAC_SHA256, &bytes))));
        }
        if text.starts_with("whsk_") {
            return SigningKey::read(text).map(|key| Self(Key::Asymmetric(key)));
        }
        Err("begins with neither whsec_ (HMAC-SHA256) nor whsk_ (ed25519)".to_owned())
    }

    fn sign(&self, signed: &[u8]) -> String {
        match &self.0 {
            Key::Symmetric(key) => format!("v1,{}", STANDARD.encode(hmac::sign(key, signed))),
            Key::Asymmetric(key) => format!("v1a,{}", key.sign(signed)),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Key::Symmetric(_) => "Secret(whsec_…)",
            Key::Asymmetric(_) => "Secret(whsk_…)",
        })
    }
}

/// The header `webhook-signature`.
///
/// ```
/// use engine::dispatch::{Secret, signatures};
/// // The example that the specification's libraries are tested with.
/// let secret = Secret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
/// let signature = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, br#"{"test": 2432232314}"#);
/// assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
/// ```
#[must_use]
pub fn signatures(secrets: &[Secret], id: &str, timestamp_s: u64, body: &[u8]) -> String {
    let signed = [format!("{id}.{timestamp_s}.").as_bytes(), body].concat();
    secrets.iter().map(|secret| secret.sign(&signed)).collect::<Vec<_>>().join(" ")
}
