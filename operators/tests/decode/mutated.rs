//! No sequence of bytes brings down what reads frames, decodes them, or reads the files of networks: real ones changed at random, a short
//! run always and a long one on demand (`make soak`).

use city::Random;
use city::mutate::{again_and_again, below, change_at, one};
use operators::vision::weights::Weights;
use schemas::wire::Format;
use schemas::{Codec, Frame};

use crate::video::{Video, decode};

fn seeds() -> Option<Vec<Vec<Frame>>> {
    let encoders: [(Codec, &[&str]); 4] = [
        (Codec::H264, &["-c:v", "libx264", "-preset", "ultrafast", "-g", "6", "-bf", "0"]),
        (Codec::H264, &["-c:v", "libx264", "-preset", "medium", "-g", "12", "-bf", "3", "-slices", "3"]),
        (Codec::H265, &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=6"]),
        (Codec::Mjpeg, &["-c:v", "mjpeg", "-q:v", "6"]),
    ];
    encoders.iter().map(|(codec, encoder)| Some(Video::make(*codec, "128x96", 18, encoder)?.frames)).collect()
}

/// Changes what frames hold, their order, numbers, flags, codecs; takes away and doubles.
fn mutate(frames: &mut Vec<Frame>, others: &[Frame], random: &mut Random) {
    for _ in 0..1 + below(random, 8) {
        let place = below(random, frames.len());
        let other = &others[below(random, others.len())];
        let Some(frame) = frames.get_mut(place) else { return };
        match below(random, 14) {
            0..=4 => {
                let at = below(random, frame.bytes.len());
                change_at(&mut frame.bytes, at, &other.bytes, random);
            }
            5 => drop(frames.remove(place)),
            6 => {
                let twin = frame.clone();
                frames.insert(place, twin);
            }
            7 => {
                let other = below(random, frames.len());
                frames.swap(place, other);
            }
            8 => frame.frame = random.bits() >> below(random, 64),
            9 => frame.key = !frame.key,
            10 => frame.codec = [Codec::H264, Codec::H265, Codec::Mjpeg][below(random, 3)],
            11 => frame.gap = !frame.gap,
            12 => {
                frame.parameters = other.bytes[..below(random, other.bytes.len().min(200))].to_vec();
                change_at(&mut frame.parameters, 0, &other.bytes, random);
            }
            _ => frame.bytes.clone_from(&other.bytes),
        }
    }
}

/// The frames that are left of some after they were written as records, a few of these changed, and read again.
fn through_the_wire(frames: &[Frame], random: &mut Random) -> Vec<Frame> {
    let read = |frame: &Frame| {
        let format = [Format::Bincode, Format::Json][below(random, 2)];
        let mut record = Vec::new();
        format.encode(frame, &mut record);
        if below(random, 4) == 0 {
            // Most of a record is its picture; what else there is stands in front.
            let most = [64, record.len()][below(random, 2)];
            let at = below(random, most);
            let other = record.clone();
            change_at(&mut record, at, &other, random);
        }
        Format::of(&record).decode::<Frame>(&record).ok()
    };
    frames.iter().filter_map(read).collect()
}

#[test]
fn no_change_of_a_stream_brings_the_decoder_down() {
    let Some(seeds) = seeds() else { return };
    let others: Vec<Frame> = seeds.iter().flatten().cloned().collect();
    again_and_again(|random| {
        let mut frames = one(random, &seeds).clone();
        mutate(&mut frames, &others, random);
        let frames = through_the_wire(&frames, random);
        assert!(frames.iter().all(|frame| frame.check().is_ok()), "a record that cannot be was read");
        let every = 1 + below(random, 3) as u64;
        // Each is told of once.
        decode(&frames, |frame| frame.frame % every == 0);
    });
}

#[test]
fn no_change_of_a_model_file_brings_its_reader_down() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let files = ["jobs/weights/plate_finder.safetensors", "../shared/data/models/fastestdet.pth", "../shared/data/models/lprnet.pth"];
    let files: Vec<Vec<u8>> = files.iter().filter_map(|file| std::fs::read(format!("{root}/{file}")).ok()).collect();
    assert!(!files.is_empty(), "the weights of this repository are gone");
    let mut told = [0, 0];
    again_and_again(|random| {
        let (mut file, other) = (one(random, &files).clone(), one(random, &files));
        for _ in 0..=below(random, 4) {
            // What says what there is stands at the beginning, in an archive at the end too.
            let most = *one(random, &[16, 256, 20_000, file.len()]);
            let near = below(random, most);
            let at = if below(random, 3) == 0 { file.len().saturating_sub(near) } else { near };
            change_at(&mut file, at, other, random);
        }
        told[usize::from(Weights::read(&file).is_err())] += 1;
    });
    let [read, refused] = told;
    assert!(read > 0 && refused > 0, "{read} read, {refused} refused: the changes are too few or too many");
}
