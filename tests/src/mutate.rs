//! Hostile bytes: what is right, changed at random, for whatever reads what others send.
//!
//! A test goes through them for two seconds; `make soak` has them go for as long as `MUTATE_S` says, from the seed `MUTATE_SEED`.

use std::time::{Duration, Instant};

use crate::Random;

/// How long hostile bytes are made, and from which seed.
#[must_use]
pub fn asked() -> (Duration, u64) {
    let number = |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    (Duration::from_secs(number("MUTATE_S", 2)), number("MUTATE_SEED", 1))
}

/// Has something tried again and again for as long as is [asked] for, and returns how often it was.
///
/// # Panics
/// Trying panics: with the seed and the round, which bring it about again.
pub fn again_and_again(mut attempt: impl FnMut(&mut Random)) -> u64 {
    let ((time, seed), began) = (asked(), Instant::now());
    let mut rounds = 0;
    while began.elapsed() < time {
        // A stream of its own for each, so that one can be made again without those before it.
        let mut random = Random::of(seed, rounds);
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| attempt(&mut random)));
        assert!(told.is_ok(), "brought down by round {rounds} of MUTATE_SEED={seed}");
        rounds += 1;
    }
    println!("{rounds} rounds, seed {seed}");
    rounds
}

/// One of several.
///
/// # Panics
/// There is none.
pub fn one<'a, T>(random: &mut Random, all: &'a [T]) -> &'a T {
    &all[below(random, all.len())]
}

/// A number below another; 0 if there is none.
pub fn below(random: &mut Random, most: usize) -> usize {
    random.range(0, i64::try_from(most).unwrap_or(i64::MAX)) as usize
}

/// Changes bytes here and there, up to eight times, with parts of others.
pub fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=below(random, 8) {
        let at = below(random, bytes.len());
        change_at(bytes, at, other, random);
    }
}

/// Changes bits and bytes, cuts off, puts in noise, repeats a part or puts in one of another.
pub fn change_at(bytes: &mut Vec<u8>, at: usize, other: &[u8], random: &mut Random) {
    let at = at.min(bytes.len());
    let until = (at + below(random, 32)).min(bytes.len());
    let noise = |most: usize, random: &mut Random| -> Vec<u8> { (0..below(random, most)).map(|_| random.bits() as u8).collect() };
    match below(random, 8) {
        0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << below(random, 8)),
        1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = *one(random, &[0, 1, 0x7f, 0x80, 0xff])),
        2 => bytes.truncate(at),
        3 => bytes[at..until].iter_mut().for_each(|byte| *byte = random.bits() as u8),
        4 => drop(bytes.splice(at..at, noise(64, random))),
        5 => bytes.extend_from_within(at..until),
        6 => {
            let from = below(random, other.len());
            let end = (from + below(random, 512)).min(other.len());
            bytes.splice(at..until, other[from..end].iter().copied());
        }
        _ if below(random, 8) == 0 => *bytes = noise(2_000, random),
        // A number becomes another.
        _ => {
            let digit = bytes.iter().skip(at).position(u8::is_ascii_digit).map(|place| at + place);
            let numbers: [&[u8]; 6] = [b"-1", b"18446744073709551616", b"1e400", b"0.5", b"9223372036854775807", b""];
            digit.map(|place| bytes.splice(place..=place, one(random, &numbers).iter().copied()).count());
        }
    }
}
