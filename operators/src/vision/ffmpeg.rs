//! FFmpeg, as far as decoding needs it: encoded pictures in, pictures out, on the thread of the caller.
//!
//! ```text
//! bytes ─▶ send ─▶ libavcodec (one thread) ─▶ receive ─▶ Image ─▶ libswscale: converted and scaled in one pass ─▶ Picture
//! ```
//!
//! The one file that names the crate for decoding. A picture's number travels through the decoder as its time stamp, so that a
//! picture which comes out later, or in another order, still says which it is.

use std::cell::RefCell;
use std::sync::Once;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::threading;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling;
use ffmpeg_next::util::frame;
use schemas::Codec;

use super::{Picture, VisionError};

/// A decoder at work.
pub(super) struct Stream {
    decoder: ffmpeg::decoder::Video,
    received: frame::Video,
}

/// What a decoder could not do; the text is FFmpeg's.
pub(super) type Fault = ffmpeg::Error;

impl Stream {
    /// Opens a decoder that makes no picture of more than so many pixels, and sets aside no memory for one.
    pub(super) fn open(codec: Codec, pixels_most: u64) -> Result<Self, Fault> {
        begin();
        let id = match codec {
            Codec::H264 => ffmpeg::codec::Id::H264,
            Codec::H265 => ffmpeg::codec::Id::HEVC,
            Codec::Mjpeg => ffmpeg::codec::Id::MJPEG,
        };
        let found = ffmpeg::decoder::find(id).ok_or(Fault::DecoderNotFound)?;
        let mut context = ffmpeg::codec::Context::new_with_codec(found);
        // One thread: cameras are many, and what is decoded ahead on other threads is memory and delay for each of them.
        context.set_threading(threading::Config { kind: threading::Type::None, count: 1, ..threading::Config::default() });
        let mut options = ffmpeg::Dictionary::new();
        options.set("max_pixels", &pixels_most.to_string());
        let decoder = context.decoder().open_as_with(found, options)?.video()?;
        Ok(Self { decoder, received: frame::Video::empty() })
    }

    /// Gives the decoder an encoded picture; `needed` unless nobody wants to see it, for then it is left out if no other refers to it.
    pub(super) fn send(&mut self, number: u64, parameters: &[u8], bytes: &[u8], needed: bool) -> Result<(), Fault> {
        self.decoder.skip_frame(if needed { ffmpeg::Discard::Default } else { ffmpeg::Discard::NonReference });
        // Copied, because FFmpeg reads some bytes beyond the end and wants them to be its own.
        let mut packet = ffmpeg::Packet::new(parameters.len() + bytes.len());
        let Some(room) = packet.data_mut().filter(|room| room.len() == parameters.len() + bytes.len()) else {
            return Err(Fault::Other { errno: ffmpeg::error::ENOMEM });
        };
        room[..parameters.len()].copy_from_slice(parameters);
        room[parameters.len()..].copy_from_slice(bytes);
        packet.set_pts(i64::try_from(number).ok());
        packet.set_dts(None);
        self.decoder.send_packet(&packet)
    }

    /// Tells the decoder that nothing follows, so that it gives out what it still holds.
    pub(super) fn drain(&mut self) -> Result<(), Fault> {
        self.decoder.send_eof()
    }

    /// The next picture, if the decoder has one.
    pub(super) fn receive(&mut self) -> Result<Option<Image<'_>>, Fault> {
        match self.decoder.receive_frame(&mut self.received) {
            Ok(()) => Ok(Some(Image(&self.received))),
            Err(Fault::Eof | Fault::Other { errno: ffmpeg::error::EAGAIN }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Forgets what came so far.
    pub(super) fn reset(&mut self) {
        self.decoder.flush();
    }

    /// Whether pictures come out in another order than they went in.
    pub(super) fn reorders(&self) -> bool {
        self.decoder.has_b_frames()
    }
}

/// A decoded picture as the decoder holds it, before it is converted.
pub struct Image<'a>(&'a frame::Video);

thread_local! {
    /// Those used last by this thread, the newest last. They belong to threads and not to cameras: there are fewer of those, cameras
    /// have few sizes, and the library's own may not change threads.
    static SCALERS: RefCell<Vec<Scaler>> = const { RefCell::new(Vec::new()) };
}

/// Sizes and kinds of pictures that one thread converts without beginning anew. Each takes about a megabyte.
const SCALERS_MOST: usize = 8;

impl Image<'_> {
    /// Which picture it is.
    pub(super) fn number(&self) -> Option<u64> {
        self.0.pts().and_then(|pts| u64::try_from(pts).ok())
    }

    /// Whether parts of it are guessed.
    pub(super) fn is_damaged(&self) -> bool {
        self.0.is_corrupt() || self.0.has_decode_errors()
    }

    /// Pixels from left to right.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.0.width()
    }

    /// Pixels from top to bottom.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.0.height()
    }

    /// The picture at a size, converted and scaled in one pass.
    ///
    /// # Errors
    /// The decoder's way to hold pixels cannot be converted, or the size is none.
    pub fn picture(&self, width: u32, height: u32) -> Result<Picture, VisionError> {
        let (from, to) = ((self.0.format(), self.0.width(), self.0.height()), (width, height));
        SCALERS.with_borrow_mut(|scalers| {
            let known = scalers.iter().position(|scaler| (scaler.from, scaler.to) == (from, to));
            let mut scaler = match known {
                Some(place) => scalers.remove(place),
                None => Scaler::new(from, to)?,
            };
            let picture = scaler.run(self.0).map(|picture| picture.showing(self.0.width(), self.0.height()));
            if scalers.len() == SCALERS_MOST {
                scalers.remove(0);
            }
            scalers.push(scaler);
            picture
        })
    }
}

/// Converts pictures of one kind to another.
struct Scaler {
    from: (Pixel, u32, u32),
    to: (u32, u32),
    context: scaling::Context,
    scaled: frame::Video,
}

impl Scaler {
    fn new(from: (Pixel, u32, u32), to: (u32, u32)) -> Result<Self, VisionError> {
        let ((format, width, height), (to_width, to_height)) = (from, to);
        let failed = |fault| VisionError(format!("pixels of kind {format:?}, {width} × {height}, cannot be scaled: {fault}"));
        let context =
            scaling::Context::get(format, width, height, Pixel::BGR24, to_width, to_height, scaling::Flags::BILINEAR).map_err(failed)?;
        Ok(Self { from, to, context, scaled: frame::Video::empty() })
    }

    fn run(&mut self, frame: &frame::Video) -> Result<Picture, VisionError> {
        let failed = |fault| VisionError(format!("a picture cannot be scaled: {fault}"));
        self.context.run(frame, &mut self.scaled).map_err(failed)?;
        let (width, height) = self.to;
        let (row, stride) = (width as usize * 3, self.scaled.stride(0));
        let rows = self.scaled.data(0).chunks(stride.max(1)).take(height as usize);
        let mut bgr = Vec::with_capacity(row * height as usize);
        rows.for_each(|line| bgr.extend_from_slice(line.get(..row).unwrap_or_default()));
        Picture::new(width, height, bgr).ok_or_else(|| VisionError(format!("no picture can be {width} × {height}")))
    }
}

/// FFmpeg says on standard error what it finds wrong with a stream; we say it ourselves, in rows and figures.
fn begin() {
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| ffmpeg::log::set_level(ffmpeg::log::Level::Quiet));
}
