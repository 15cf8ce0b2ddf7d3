//! Pictures out of files, decoded by FFmpeg.

use std::path::Path;

use ffmpeg::software::scaling::Flags;
use ffmpeg_next as ffmpeg;
use operators::vision::Picture;

/// Colours as exact as those of the decoders that networks are trained behind.
const EXACT: Flags = Flags::BILINEAR.union(Flags::ACCURATE_RND).union(Flags::FULL_CHR_H_INT).union(Flags::FULL_CHR_H_INP);

/// The frames of a film, or the only one of a photograph, with the roundings of FFmpeg's program, which the fixture is made with.
pub(crate) fn frames(path: &Path) -> Vec<Picture> {
    ffmpeg::init().unwrap();
    let mut input = ffmpeg::format::input(path).unwrap();
    let stream = input.streams().best(ffmpeg::media::Type::Video).unwrap();
    let (number, parameters) = (stream.index(), stream.parameters());
    let mut decoder = ffmpeg::codec::Context::from_parameters(parameters).unwrap().decoder().video().unwrap();
    let mut pictures = Vec::new();
    for (_, packet) in input.packets().filter(|(stream, _)| stream.index() == number) {
        decoder.send_packet(&packet).unwrap();
        receive(&mut decoder, Flags::BICUBIC, &mut pictures);
    }
    decoder.send_eof().unwrap();
    receive(&mut decoder, Flags::BICUBIC, &mut pictures);
    pictures
}

/// A photograph in memory.
pub(crate) fn photograph(jpeg: &[u8]) -> Picture {
    ffmpeg::init().unwrap();
    let codec = ffmpeg::decoder::find(ffmpeg::codec::Id::MJPEG).unwrap();
    let mut decoder = ffmpeg::codec::Context::new_with_codec(codec).decoder().video().unwrap();
    let mut pictures = Vec::new();
    decoder.send_packet(&ffmpeg::Packet::copy(jpeg)).unwrap();
    decoder.send_eof().unwrap();
    receive(&mut decoder, EXACT, &mut pictures);
    pictures.pop().unwrap()
}

fn receive(decoder: &mut ffmpeg::decoder::Video, flags: Flags, pictures: &mut Vec<Picture>) {
    let (mut frame, mut bgr) = (ffmpeg::frame::Video::empty(), ffmpeg::frame::Video::empty());
    while decoder.receive_frame(&mut frame).is_ok() {
        let (width, height) = (frame.width(), frame.height());
        ffmpeg::software::scaling::Context::get(frame.format(), width, height, ffmpeg::format::Pixel::BGR24, width, height, flags)
            .unwrap()
            .run(&frame, &mut bgr)
            .unwrap();
        let rows = bgr.data(0).chunks_exact(bgr.stride(0)).take(height as usize);
        let bytes = rows.flat_map(|row| &row[..width as usize * 3]).copied().collect();
        pictures.push(Picture::new(width, height, bytes).unwrap());
    }
}
