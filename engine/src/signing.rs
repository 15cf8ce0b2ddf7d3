//! ed25519 (RFC 8032): keys as people hand them on, and signatures.
//!
//! Keys are written as [Standard Webhooks](https://www.standardwebhooks.com) writes them, so that one key serves whatever is signed:
//! `whsk_` and the private key, `whpk_` and the public one, in base64.
//!
//! ```
//! use engine::signing::{PublicKey, SigningKey};
//! let key = SigningKey::read(&SigningKey::generate().unwrap()).unwrap();
//! let public: PublicKey = key.public().to_string().parse().unwrap();
//! assert!(public.fits(b"what is signed", &key.sign(b"what is signed")));
//! assert!(!public.fits(b"something else", &key.sign(b"what is signed")));
//! ```

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// What a private and a public key begin with.
const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";
/// Bytes of a seed, and of a public key.
const BYTES: usize = 32;

/// A private key. Never shown.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Reads `whsk_` and an ed25519 key: its seed of 32 bytes, or seed and public key, in base64.
    ///
    /// # Errors
    /// What is wrong with it, without a word of it.
    pub fn read(text: &str) -> Result<Self, String> {
        let encoded = text.trim().strip_prefix(PRIVATE).ok_or_else(|| format!("does not begin with {PRIVATE}"))?;
        let bytes = decode(encoded)?;
        let pair = match bytes.split_at_checked(BYTES) {
            Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
            Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
            None => return Err(format!("holds {} bytes; an ed25519 key has 32, or 64 with its public key", bytes.len())),
        };
        pair.map(Self).map_err(|_| "is no ed25519 key".to_owned())
    }

    /// A new key as text, to be kept where nobody else reads it.
    ///
    /// # Errors
    /// The machine gives no random numbers.
    pub fn generate() -> Result<String, String> {
        let mut seed = [0; BYTES];
        SystemRandom::new().fill(&mut seed).map_err(|_| "the machine gives no random numbers".to_owned())?;
        Ok(format!("{PRIVATE}{}", STANDARD.encode(seed)))
    }

    /// The signature of a message, in base64: the same for the same message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.0.sign(message))
    }

    /// The key by which its signatures are checked.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(whsk_…)")
    }
}

/// A public key, written as `whpk_…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; BYTES]);

impl PublicKey {
    /// Whether a signature, in base64, is this key's of a message.
    #[must_use]
    pub fn fits(&self, message: &[u8], signature: &str) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.0);
        STANDARD.decode(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", STANDARD.encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let encoded = text.trim().strip_prefix(PUBLIC).ok_or_else(|| format!("does not begin with {PUBLIC}"))?;
        let bytes = decode(encoded)?;
        bytes.try_into().map(Self).map_err(|bytes: Vec<u8>| format!("holds {} bytes; a public ed25519 key has 32", bytes.len()))
    }
}

fn decode(encoded: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(encoded).map_err(|_| "is not base64 after its prefix".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let bytes =
            |hex: &str| -> Vec<u8> { (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect() };
        let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let public = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        let key = SigningKey::read(&format!("whsk_{}", STANDARD.encode(&seed))).unwrap();
        assert_eq!(key.sign(&[0x72]), STANDARD.encode(bytes(signature)));
        assert_eq!(key.public().to_string(), format!("whpk_{}", STANDARD.encode(&public)));
        let both = STANDARD.encode([&*seed, &*public].concat());
        assert_eq!(SigningKey::read(&format!("whsk_{both}")).unwrap().public(), key.public());
    }

    #[test]
    fn what_is_no_key_is_told_without_a_word_of_it() {
        for (text, told) in [
            ("whsec_c2VjcmV0", "does not begin with whsk_"),
            ("whsk_###", "is not base64 after its prefix"),
            ("whsk_c2VjcmV0", "holds 6 bytes; an ed25519 key has 32, or 64 with its public key"),
        ] {
            assert_eq!(SigningKey::read(text).unwrap_err(), told);
        }
        let other = format!("whsk_{}", STANDARD.encode([7; 64]));
        assert_eq!(SigningKey::read(&other).unwrap_err(), "is no ed25519 key");
        assert!("whpk_c2VjcmV0".parse::<PublicKey>().is_err());
    }
}
