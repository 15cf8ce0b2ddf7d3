//! A package of evidence: nobody who does not have the key makes one that is believed.
#![no_main]

use engine::signing::SigningKey;
use jobs::evidence::check;
use libfuzzer_sys::fuzz_target;

/// A key that nothing is signed with.
const KEY: &str = "whsk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fuzz_target!(|package: &[u8]| {
    let trusted = SigningKey::read(KEY).expect("a key").public();
    assert!(!check(package, &[trusted]).problems.is_empty(), "believed, though nobody signed it");
});
