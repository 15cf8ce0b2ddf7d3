//! No sequence of bytes brings the decoder down: streams changed at random, a short run always and a long one on demand.
//!
//! `MUTATE_S=600 cargo test -p giaolo-operators --features vision --release mutated -- --ignored` runs for ten minutes.

use std::time::{Duration, Instant};

use schemas::{Codec, Frame};

use crate::video::{Video, decode};

/// A generator of numbers that a seed repeats (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }
}

fn seeds() -> Option<Vec<Vec<Frame>>> {
    let encoders: [(Codec, &[&str]); 4] = [
        (Codec::H264, &["-c:v", "libx264", "-preset", "ultrafast", "-g", "6", "-bf", "0"]),
        (Codec::H264, &["-c:v", "libx264", "-preset", "medium", "-g", "12", "-bf", "3", "-slices", "3"]),
        (Codec::H265, &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=6"]),
        (Codec::Mjpeg, &["-c:v", "mjpeg", "-q:v", "6"]),
    ];
    encoders.iter().map(|(codec, encoder)| Some(Video::make(*codec, "128x96", 18, encoder)?.frames)).collect()
}

/// Changes bits, bytes, lengths, order, numbers, flags, codecs; takes away, doubles, and puts in noise.
fn mutate(frames: &mut Vec<Frame>, others: &[Frame], chance: &mut Chance) {
    for _ in 0..1 + chance.below(8) {
        let place = chance.below(frames.len());
        let Some(frame) = frames.get_mut(place) else { return };
        let at = chance.below(frame.bytes.len());
        match chance.below(13) {
            0 => frame.bytes[at] ^= 1 << chance.below(8),
            1 => frame.bytes[at] = chance.next() as u8,
            2 => frame.bytes.truncate(at.max(1)),
            3 => {
                let until = (at + chance.below(32)).min(frame.bytes.len());
                frame.bytes[at..until].iter_mut().for_each(|byte| *byte = chance.next() as u8);
            }
            4 => {
                let noise: Vec<u8> = (0..chance.below(64)).map(|_| chance.next() as u8).collect();
                frame.bytes.splice(at..at, noise);
            }
            5 => drop(frames.remove(place)),
            6 => {
                let twin = frame.clone();
                frames.insert(place, twin);
            }
            7 => {
                let other = chance.below(frames.len());
                frames.swap(place, other);
            }
            8 => frame.frame = chance.next() >> chance.below(64),
            9 => frame.key = !frame.key,
            10 => frame.codec = [Codec::H264, Codec::H265, Codec::Mjpeg][chance.below(3)],
            11 => frame.gap = !frame.gap,
            _ => frame.bytes.clone_from(&others[chance.below(others.len())].bytes),
        }
        if frames.is_empty() {
            return;
        }
    }
}

/// Decodes changed streams for so long, each frame of which must be told of once; returns how many.
fn run(seed: u64, time: Duration) -> u64 {
    let Some(seeds) = seeds() else { return 0 };
    let others: Vec<Frame> = seeds.iter().flatten().cloned().collect();
    let (began, mut chance, mut rounds) = (Instant::now(), Chance(seed), 0);
    while began.elapsed() < time {
        let mut frames = seeds[chance.below(seeds.len())].clone();
        mutate(&mut frames, &others, &mut chance);
        // Records without bytes are refused before they come here.
        frames.retain(|frame| !frame.bytes.is_empty());
        let every = 1 + chance.below(3) as u64;
        decode(&frames, |frame| frame.frame % every == 0);
        rounds += 1;
    }
    rounds
}

#[test]
fn no_change_of_a_stream_brings_the_decoder_down() {
    run(1, Duration::from_secs(2));
}

#[test]
#[ignore = "runs for as long as MUTATE_S says"]
fn no_change_of_a_stream_brings_the_decoder_down_for_long() {
    let number = |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (time, seed) = (number("MUTATE_S", 600), number("MUTATE_SEED", 2));
    println!("{} streams in {time} s, seed {seed}", run(seed, Duration::from_secs(time)));
}
