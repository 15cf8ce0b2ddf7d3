//! Tokens: 256 random bits that are shown once, and what is kept of them.
//!
//! ```text
//! giaolo_ 6f1c2a9b0d3e4f58 _ eKq0…                 the whole is the token
//!         public: finds the row   secret: 32 bytes, kept as an argon2id hash alone
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use argon2::password_hash::{PasswordHash, SaltString};
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

const PREFIX: &str = "giaolo_";
/// Verified tokens remembered at once; beyond it all are forgotten and verified anew.
const KNOWN_MOST: usize = 4096;

/// A token that was just made. Its text is shown once; nothing prints it by accident.
pub struct Token(String);

impl Token {
    /// Makes one: the token, the public part, and the hash to be kept. `None`: this machine gives no random bytes.
    pub(super) fn make() -> Option<(Self, String, String)> {
        let (mut id, mut secret, mut salt) = ([0; 8], [0; 32], [0; 16]);
        let random = SystemRandom::new();
        [&mut id[..], &mut secret, &mut salt].into_iter().try_for_each(|bytes| random.fill(bytes)).ok()?;
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let secret = URL_SAFE_NO_PAD.encode(secret);
        let salt = SaltString::from_b64(&STANDARD_NO_PAD.encode(salt)).ok()?;
        let hash = Argon2::default().hash_password(secret.as_bytes(), &salt).ok()?.to_string();
        Some((Self(format!("{PREFIX}{id}_{secret}")), id, hash))
    }

    /// The token itself, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(giaolo_…)")
    }
}

/// A token as somebody presents it.
pub(crate) struct Claim {
    /// The public part.
    pub(crate) id: String,
    secret: String,
}

impl Claim {
    /// Reads a token; `None` if it is none of ours.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let shaped = id.len() == 16 && secret.len() == 43 && text.is_ascii();
        shaped.then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// Whether it is the token of which this hash was kept. Slow on purpose: tens of milliseconds.
    pub(crate) fn fits(&self, hash: &str) -> bool {
        PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(self.secret.as_bytes(), &hash).is_ok())
    }
}

/// Tokens that were verified, so that a request costs a fast hash. The register is asked at every request all the same:
/// what was revoked is refused at once.
#[derive(Default)]
pub(crate) struct Known(Mutex<HashMap<[u8; 32], String>>);

impl Known {
    /// Whether this very token was found to fit this very hash.
    pub(crate) fn contains(&self, claim: &Claim, hash: &str) -> bool {
        // A map finds by the digest of the secret, so the time that it takes tells nothing of use about a secret.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&fingerprint(claim)).is_some_and(|known| known == hash)
    }

    /// Remembers that it does.
    pub(crate) fn insert(&self, claim: &Claim, hash: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MOST {
            known.clear();
        }
        known.insert(fingerprint(claim), hash);
    }
}

fn fingerprint(claim: &Claim) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, format!("{}_{}", claim.id, claim.secret).as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_its_own_hash_alone_and_is_not_printed() {
        let (token, id, hash) = Token::make().unwrap();
        let (other, _, _) = Token::make().unwrap();
        let (claim, wrong) = (Claim::read(token.reveal()).unwrap(), Claim::read(other.reveal()).unwrap());
        assert_eq!(claim.id, id);
        assert!(claim.fits(&hash) && !wrong.fits(&hash));
        assert!(hash.starts_with("$argon2id$") && !hash.contains(&claim.secret));
        assert!(!format!("{token:?}").contains(&claim.secret));
    }

    #[test]
    fn what_is_known_is_one_token_with_one_hash() {
        let (token, _, hash) = Token::make().unwrap();
        let (claim, known) = (Claim::read(token.reveal()).unwrap(), Known::default());
        assert!(!known.contains(&claim, &hash));
        known.insert(&claim, hash.clone());
        assert!(known.contains(&claim, &hash) && !known.contains(&claim, "another hash"));
        let wrong = Claim { id: claim.id.clone(), secret: "x".repeat(43) };
        assert!(!known.contains(&wrong, &hash));
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in ["", "giaolo_", "giaolo_6f1c2a9b0d3e4f58", "Bearer x", "giaolo_6f1c2a9b0d3e4f58_short", &"giaolo_é".repeat(9)] {
            assert!(Claim::read(text).is_none(), "{text}");
        }
    }
}
