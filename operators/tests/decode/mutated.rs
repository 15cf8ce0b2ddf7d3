//! No sequence of bytes brings down what reads frames, decodes them, or reads the files of networks: real ones changed at random, a short
//! run always and a long one on demand (`make soak`).
//!
//! `MUTATE_S=600 cargo test -p giaolo-operators --features vision --test decode mutated -- --ignored` runs each for ten minutes.

use std::time::{Duration, Instant};

use operators::vision::weights::Weights;
use schemas::wire::Format;
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

/// Changes bits and bytes, cuts off, puts in noise, repeats a part or puts in one of another.
fn mutate_bytes(bytes: &mut Vec<u8>, at: usize, other: &[u8], chance: &mut Chance) {
    let at = at.min(bytes.len());
    let until = (at + chance.below(32)).min(bytes.len());
    let mut noise = |most: usize| -> Vec<u8> { (0..chance.below(most)).map(|_| chance.next() as u8).collect() };
    let (short, long) = (noise(64), noise(2_000));
    match chance.below(8) {
        0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << chance.below(8)),
        1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = [0, 1, 0x7f, 0x80, 0xff][chance.below(5)]),
        2 => bytes.truncate(at),
        3 => bytes[at..until].iter_mut().for_each(|byte| *byte = chance.next() as u8),
        4 => drop(bytes.splice(at..at, short)),
        5 => bytes.extend_from_within(at..until),
        6 => {
            let from = chance.below(other.len());
            let until_other = (from + chance.below(512)).min(other.len());
            bytes.splice(at..until, other[from..until_other].iter().copied());
        }
        _ => *bytes = long,
    }
}

/// Changes what frames hold, their order, numbers, flags, codecs; takes away and doubles.
fn mutate(frames: &mut Vec<Frame>, others: &[Frame], chance: &mut Chance) {
    for _ in 0..1 + chance.below(8) {
        let place = chance.below(frames.len());
        let other = &others[chance.below(others.len())];
        let Some(frame) = frames.get_mut(place) else { return };
        match chance.below(14) {
            0..=4 => {
                let at = chance.below(frame.bytes.len());
                mutate_bytes(&mut frame.bytes, at, &other.bytes, chance);
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
            12 => {
                frame.parameters = other.bytes[..chance.below(other.bytes.len().min(200))].to_vec();
                mutate_bytes(&mut frame.parameters, 0, &other.bytes, chance);
            }
            _ => frame.bytes.clone_from(&other.bytes),
        }
    }
}

/// The frames that are left of some after they were written as records, a few of these changed, and read again.
fn through_the_wire(frames: &[Frame], chance: &mut Chance) -> Vec<Frame> {
    let read = |frame: &Frame| {
        let format = [Format::Bincode, Format::Json][chance.below(2)];
        let mut record = Vec::new();
        format.encode(frame, &mut record);
        if chance.below(4) == 0 {
            // Most of a record is its picture; what else there is stands in front.
            let most = [64, record.len()][chance.below(2)];
            let at = chance.below(most);
            let other = record.clone();
            mutate_bytes(&mut record, at, &other, chance);
        }
        Format::of(&record).decode::<Frame>(&record).ok()
    };
    frames.iter().filter_map(read).collect()
}

/// Decodes changed streams for so long, each frame of which must be told of once; returns how many.
fn run(seed: u64, time: Duration) -> u64 {
    let Some(seeds) = seeds() else { return 0 };
    let others: Vec<Frame> = seeds.iter().flatten().cloned().collect();
    let (began, mut chance, mut rounds) = (Instant::now(), Chance(seed), 0);
    while began.elapsed() < time {
        let mut frames = seeds[chance.below(seeds.len())].clone();
        mutate(&mut frames, &others, &mut chance);
        let frames = through_the_wire(&frames, &mut chance);
        assert!(frames.iter().all(|frame| frame.check().is_ok()), "a record that cannot be was read");
        let every = 1 + chance.below(3) as u64;
        decode(&frames, |frame| frame.frame % every == 0);
        rounds += 1;
    }
    rounds
}

/// Reads changed model files for so long; returns how many were read and how many refused.
fn run_weights(seed: u64, time: Duration) -> [u64; 2] {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let files = ["jobs/weights/plate_finder.safetensors", "../shared/data/models/fastestdet.pth", "../shared/data/models/lprnet.pth"];
    let files: Vec<Vec<u8>> = files.iter().filter_map(|file| std::fs::read(format!("{root}/{file}")).ok()).collect();
    assert!(!files.is_empty(), "the weights of this repository are gone");
    let (began, mut chance, mut told) = (Instant::now(), Chance(seed), [0, 0]);
    while began.elapsed() < time {
        let mut file = files[chance.below(files.len())].clone();
        let other = &files[chance.below(files.len())];
        for _ in 0..1 + chance.below(4) {
            // What says what there is stands at the beginning, in an archive at the end too.
            let most = [16, 256, 20_000, file.len()][chance.below(4)];
            let near = chance.below(most);
            let at = if chance.below(3) == 0 { file.len().saturating_sub(near) } else { near };
            mutate_bytes(&mut file, at, other, &mut chance);
        }
        told[usize::from(Weights::read(&file).is_err())] += 1;
    }
    told
}

/// How long and with which seed a long run goes.
fn asked() -> (Duration, u64) {
    let number = |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    (Duration::from_secs(number("MUTATE_S", 600)), number("MUTATE_SEED", 2))
}

#[test]
fn no_change_of_a_stream_brings_the_decoder_down() {
    run(1, Duration::from_secs(2));
}

#[test]
fn no_change_of_a_model_file_brings_its_reader_down() {
    let [read, refused] = run_weights(1, Duration::from_secs(2));
    assert!(read > 0 && refused > 0, "{read} read, {refused} refused: the changes are too few or too many");
}

#[test]
#[ignore = "runs for as long as MUTATE_S says"]
fn no_change_of_a_stream_brings_the_decoder_down_for_long() {
    let (time, seed) = asked();
    println!("{} streams in {time:?}, seed {seed}", run(seed, time));
}

#[test]
#[ignore = "runs for as long as MUTATE_S says"]
fn no_change_of_a_model_file_brings_its_reader_down_for_long() {
    let (time, seed) = asked();
    let [read, refused] = run_weights(seed, time);
    println!("{read} model files read and {refused} refused in {time:?}, seed {seed}");
}
