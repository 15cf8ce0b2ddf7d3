//! Streams that are broken: every frame is told of once, and decoding goes on at the next key frame.

use schemas::{Codec, Frame};

use crate::video::{Said, Video, decode};

fn camera() -> Option<Vec<Frame>> {
    Video::camera("320x240", 40).map(|video| video.frames)
}

/// What becomes of the frames before the next key frame after something went wrong at a frame: refused there, passed over up to
/// the next multiple of ten, and pictures before and after.
#[track_caller]
fn mends(said: &[(u64, Said)], broken: u64, words: &str) {
    let next_key = broken.div_ceil(10) * 10;
    for (number, said) in said {
        match number {
            _ if *number == broken => assert!(matches!(said, Said::Refused(text) if text.contains(words)), "frame {number}: {said:?}"),
            _ if (broken..next_key).contains(number) => assert_eq!(*said, Said::PassedOver, "frame {number}"),
            _ => assert_eq!(*said, Said::Picture(320, 240), "frame {number}"),
        }
    }
}

#[test]
fn a_gap_is_told_once_and_mended_at_the_next_key_frame() {
    let Some(mut frames) = camera() else { return };
    frames.remove(13);
    frames[13].gap = true;
    mends(&decode(&frames, |_| true), 14, "missing");
    // A gap that nobody marked is seen by the numbers, if it is longer than pictures change places.
    let Some(mut frames) = camera() else { return };
    frames.iter_mut().skip(25).for_each(|frame| frame.frame += 1_000);
    let said = decode(&frames, |_| true);
    assert!(matches!(&said[25], (1_025, Said::Refused(text)) if text.contains("missing")), "{:?}", said[25]);
    assert_eq!((&said[29].1, &said[30].1), (&Said::PassedOver, &Said::Picture(320, 240)));
}

#[test]
fn a_gap_before_a_key_frame_costs_nothing_more() {
    let Some(mut frames) = camera() else { return };
    frames.drain(17..20);
    frames[17].gap = true;
    assert!(decode(&frames, |_| true).iter().all(|(_, said)| *said == Said::Picture(320, 240)));
}

#[test]
fn a_frame_that_is_cut_or_garbled_is_refused() {
    for (spoil, words) in [
        (Box::new(|bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2)) as Box<dyn Fn(&mut Vec<u8>)>, ""),
        (Box::new(|bytes: &mut Vec<u8>| bytes.fill(0xff)), ""),
        (Box::new(|bytes: &mut Vec<u8>| bytes.truncate(3)), ""),
    ] {
        let Some(mut frames) = camera() else { return };
        spoil(&mut frames[23].bytes);
        mends(&decode(&frames, |_| true), 23, words);
    }
}

#[test]
fn a_frame_that_comes_twice_or_late_is_refused_and_spoils_nothing() {
    let Some(mut frames) = camera() else { return };
    frames.insert(15, frames[14].clone());
    frames.insert(37, frames[2].clone());
    let said = decode(&frames, |_| true);
    for (number, said) in &said {
        let expected = matches!(said, Said::Picture(..)) || matches!(said, Said::Refused(text) if text.contains("came before"));
        assert!(expected, "frame {number}: {said:?}");
    }
    assert_eq!(said.iter().filter(|(_, said)| matches!(said, Said::Refused(_))).count(), 2);
}

#[test]
fn the_size_may_change_at_a_key_frame() {
    let Some(mut frames) = camera() else { return };
    let Some(larger) = Video::camera("640x480", 20) else { return };
    frames.truncate(20);
    frames.extend(larger.frames.into_iter().map(|frame| Frame { frame: frame.frame + 20, ..frame }));
    for (number, said) in decode(&frames, |_| true) {
        assert_eq!(said, if number < 20 { Said::Picture(320, 240) } else { Said::Picture(640, 480) }, "frame {number}");
    }
}

#[test]
fn the_codec_may_change_and_a_wrong_one_is_refused() {
    let Some(frames) = camera() else { return };
    let encoder = ["-c:v", "mjpeg", "-q:v", "4"];
    let Some(pictures) = Video::make(Codec::Mjpeg, "320x240", 5, &encoder) else { return };
    let pictures = pictures.frames.into_iter().map(|frame| Frame { frame: frame.frame + 10, key: true, ..frame });
    let mixed: Vec<Frame> = frames[..10].iter().cloned().chain(pictures).chain(frames[20..].iter().cloned()).collect();
    assert!(decode(&mixed, |_| true).iter().all(|(_, said)| *said == Said::Picture(320, 240)));
    // Frames whose record says another codec than their bytes are in.
    let lied: Vec<Frame> = frames.iter().cloned().map(|frame| Frame { codec: Codec::H265, ..frame }).collect();
    for (number, said) in decode(&lied, |_| true) {
        assert!(matches!(said, Said::Refused(_) | Said::PassedOver), "frame {number}: {said:?}");
    }
}

#[test]
fn a_picture_of_8k_is_refused_before_memory_is_set_aside() {
    for (codec, encoder) in [(Codec::H264, ["-c:v", "libx264", "-preset", "ultrafast"]), (Codec::Mjpeg, ["-c:v", "mjpeg", "-q:v", "20"])] {
        let Some(video) = Video::make(codec, "7680x4320", 1, &encoder) else { return };
        let before = peak_kb();
        let said = decode(&video.frames, |_| true);
        assert!(matches!(&said[0].1, Said::Refused(text) if text.contains("9437184 pixels")), "{codec:?}: {:?}", said[0]);
        // One such picture takes 50 MB.
        assert!(peak_kb() - before < 30_000, "{codec:?}: {} kB more", peak_kb() - before);
    }
}

/// The most memory this process ever had.
fn peak_kb() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
