//! `jpeg` and `png`: a picture as a file, by FFmpeg's encoders.

use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling;
use ffmpeg_next::util::frame;

use super::{Picture, VisionError};

/// How coarse it may be: FFmpeg's scale of 1 (finest) to 31. At 2 nobody sees a difference.
const COARSENESS: i32 = 2;

/// The picture as a JPEG file.
///
/// # Errors
/// It is too large for the format: more than 65,500 pixels wide or high.
pub fn jpeg(picture: &Picture) -> Result<Vec<u8>, VisionError> {
    encoded(picture, ffmpeg::codec::Id::MJPEG, Pixel::YUVJ420P)
}

/// The picture as a PNG file, to the pixel as it is.
///
/// # Errors
/// It cannot be encoded.
pub fn png(picture: &Picture) -> Result<Vec<u8>, VisionError> {
    encoded(picture, ffmpeg::codec::Id::PNG, Pixel::RGB24)
}

fn encoded(picture: &Picture, id: ffmpeg::codec::Id, format: Pixel) -> Result<Vec<u8>, VisionError> {
    let failed = |fault: ffmpeg::Error| {
        VisionError(format!("a picture of {} × {} cannot be written as {id:?}: {fault}", picture.width(), picture.height()))
    };
    let converted = converted(picture, format).map_err(failed)?;
    let codec = ffmpeg::encoder::find(id).ok_or(ffmpeg::Error::EncoderNotFound).map_err(failed)?;
    let mut encoder = ffmpeg::codec::Context::new_with_codec(codec).encoder().video().map_err(failed)?;
    encoder.set_width(picture.width());
    encoder.set_height(picture.height());
    encoder.set_format(format);
    encoder.set_time_base((1, 25));
    encoder.set_qmin(COARSENESS);
    encoder.set_qmax(COARSENESS);
    let mut encoder = encoder.open_as(codec).map_err(failed)?;
    let mut packet = ffmpeg::Packet::empty();
    encoder.send_frame(&converted).and_then(|()| encoder.send_eof()).and_then(|()| encoder.receive_packet(&mut packet)).map_err(failed)?;
    Ok(packet.data().unwrap_or_default().to_vec())
}

/// The picture as the encoder takes it.
fn converted(picture: &Picture, format: Pixel) -> Result<frame::Video, ffmpeg::Error> {
    let (width, height) = (picture.width(), picture.height());
    let mut bgr = frame::Video::new(Pixel::BGR24, width, height);
    let (row, stride) = (width as usize * 3, bgr.stride(0));
    for (to, from) in bgr.data_mut(0).chunks_mut(stride.max(1)).zip(picture.bgr().chunks(row)) {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
    let mut converted = frame::Video::empty();
    scaling::Context::get(Pixel::BGR24, width, height, format, width, height, scaling::Flags::BILINEAR)?.run(&bgr, &mut converted)?;
    converted.set_pts(Some(0));
    Ok(converted)
}
