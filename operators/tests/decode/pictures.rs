//! Pictures are those that FFmpeg's own program decodes, bit for bit, in the order in which they were taken.

use operators::vision::{DecodeLimits, Decoded, Decoder};
use schemas::Codec;

use crate::video::{Said, Video, decode};

/// Decodes all and compares with the program.
fn hold(video: &Video, width: u32, height: u32) {
    let mut decoder = Decoder::new(DecodeLimits::default());
    let mut bgr = Vec::new();
    let mut tell = |_: u64, decoded: Decoded<'_>| {
        if let Decoded::Picture(image) = decoded {
            bgr.extend_from_slice(image.picture(width, height).unwrap().bgr());
        }
    };
    video.frames.iter().for_each(|frame| decoder.decode(frame, true, frame.frame, &mut tell));
    decoder.finish(&mut tell);
    let expected = video.decoded(&format!("{width}:{height}"));
    assert_eq!(bgr.len(), expected.len(), "as many pictures");
    let size = width as usize * height as usize * 3;
    for (number, (ours, theirs)) in bgr.chunks(size).zip(expected.chunks(size)).enumerate() {
        assert!(ours == theirs, "picture {number} differs");
    }
}

#[test]
fn pictures_of_each_codec_are_the_programs_at_any_size() {
    let encoders: [(Codec, &[&str]); 4] = [
        (Codec::H264, &["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0"]),
        (Codec::H264, &["-c:v", "libx264", "-preset", "medium", "-g", "20", "-bf", "3", "-b_strategy", "0"]),
        (Codec::H265, &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=10"]),
        (Codec::Mjpeg, &["-c:v", "mjpeg", "-q:v", "4"]),
    ];
    for (codec, encoder) in encoders {
        let Some(video) = Video::make(codec, "320x240", 40, encoder) else { return };
        hold(&video, 320, 240);
        hold(&video, 176, 176);
        hold(&video, 352, 352);
    }
}

#[test]
fn what_is_not_wanted_is_not_made_and_what_is_wanted_is_the_same() {
    let Some(video) = Video::camera("320x240", 60) else { return };
    let all = decode(&video.frames, |_| true);
    assert!(all.iter().all(|(_, said)| *said == Said::Picture(320, 240)));
    let few = decode(&video.frames, |frame| frame.frame % 5 == 0);
    for (number, said) in few {
        assert_eq!(said, if number % 5 == 0 { Said::Picture(320, 240) } else { Said::Unwanted }, "frame {number}");
    }
}

#[test]
fn decoding_begins_at_a_key_frame() {
    let Some(video) = Video::camera("160x120", 30) else { return };
    let said = decode(&video.frames[3..], |_| true);
    for (number, said) in said {
        assert_eq!(said, if number < 10 { Said::PassedOver } else { Said::Picture(160, 120) }, "frame {number}");
    }
}
