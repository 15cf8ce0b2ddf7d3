//! FFmpeg, as far as capture needs it: a camera or a file in, encoded pictures out. Nothing is decoded.
//!
//! ```text
//! rtsp://…, a file ─▶ libavformat ─▶ packets of the one video stream ─▶ start codes, time, reference time
//! ```

use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::packet::side_data::Type as SideData;
use ffmpeg_next::format::context::Input;

use super::annex_b::Framing;
use super::config::{Camera, Origin};
use super::{Codec, Patience};

/// A stream that is open.
pub(super) struct Stream {
    input: Input,
    index: usize,
    pub(super) codec: Codec,
    framing: Framing,
    /// Microseconds of one tick of the stream's clock, as a fraction.
    tick_us: (i64, i64),
    /// Whether it carries pictures in another order than they were taken in.
    pub(super) reorders: bool,
    /// The time of the picture before.
    last_us: i64,
    patience: Arc<Patience>,
}

/// An encoded picture as the stream gave it.
pub(super) struct Picture {
    /// When it is to be shown, by the stream's clock, microseconds.
    pub(super) pts_us: i64,
    /// When it is to be decoded.
    pub(super) dts_us: Option<i64>,
    /// The camera's wall clock by then, microseconds since the epoch, where it told.
    pub(super) reference_us: Option<i64>,
    pub(super) key: bool,
    /// Whether something is missing in it or before it.
    pub(super) damaged: bool,
    /// Of a key frame: the parameter sets.
    pub(super) parameters: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

/// Why a stream cannot be had, or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StreamError {
    /// Nothing came for too long.
    #[error("nothing came for {0} ms")]
    Silent(u64),
    /// We are to stop.
    #[error("stopped")]
    Stopped,
    /// There is no video in it that we know.
    #[error("{0}")]
    NoVideo(String),
    /// FFmpeg's words.
    #[error("{0}")]
    Failed(String),
}

impl Stream {
    /// Opens a camera's stream. Whatever blocks ends when `stop` is set, or when nothing comes for as long as the camera may be
    /// silent.
    pub(super) fn open(camera: &Camera, stop: &Arc<AtomicBool>) -> Result<Self, StreamError> {
        begin();
        let mut options = ffmpeg::Dictionary::new();
        let (address, timeout_ms) = match &camera.origin {
            Origin::Live { address, timeout_ms } => {
                options.set("rtsp_transport", "tcp");
                // Only the pictures; audio is nobody's business here.
                options.set("allowed_media_types", "video");
                // Its rate is not measured: what is read for that comes late, and all at once.
                options.set("fpsprobesize", "0");
                (address.dial().to_owned(), *timeout_ms)
            }
            // A name such as `http:…` or `concat:…` is the name of a file here, and nothing else.
            Origin::File { path, .. } => (format!("file:{}", path.display()), FILE_TIMEOUT_MS),
        };
        // A stream is looked into until its kind is known, and no further.
        options.set("probesize", "1000000");
        options.set("analyzeduration", "2000000");
        let patience = Arc::new(Patience::new(timeout_ms, Arc::clone(stop)));
        let watching = Arc::clone(&patience);
        let opened = ffmpeg::format::input_with_interrupt_and_dictionary(&address, move || watching.is_over(), options);
        let input = opened.map_err(|error| patience.explain(error, camera))?;
        Self::of(input, patience)
    }

    fn of(input: Input, patience: Arc<Patience>) -> Result<Self, StreamError> {
        let found = input.streams().best(ffmpeg::media::Type::Video);
        let Some(stream) = found else { return Err(StreamError::NoVideo("there is no video in it".to_owned())) };
        let parameters = stream.parameters();
        let codec = match parameters.id() {
            ffmpeg::codec::Id::H264 => Codec::H264,
            ffmpeg::codec::Id::HEVC => Codec::H265,
            ffmpeg::codec::Id::MJPEG => Codec::Mjpeg,
            other => {
                let message = format!("its video is {}; H.264, H.265 and Motion JPEG are taken", other.name());
                return Err(StreamError::NoVideo(message));
            }
        };
        let framing = Framing::read(codec, &head(&parameters)).map_err(|error| StreamError::Failed(error.to_string()))?;
        let tick = stream.time_base();
        let tick_us = (i64::from(tick.numerator()).saturating_mul(1_000_000), i64::from(tick.denominator()).max(1));
        let index = stream.index();
        let reorders = ffmpeg::codec::Context::from_parameters(parameters).and_then(|context| context.decoder().video());
        let reorders = codec != Codec::Mjpeg && reorders.is_ok_and(|decoder| decoder.has_b_frames());
        Ok(Self { input, index, codec, framing, tick_us, reorders, last_us: -1, patience })
    }

    /// The next picture; `None` at the end of a recording, or when a camera hangs up.
    pub(super) fn next(&mut self) -> Result<Option<Picture>, StreamError> {
        self.patience.begin();
        let mut broken = false;
        loop {
            let mut packet = ffmpeg::Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() != self.index => {}
                Ok(()) => match self.picture(&packet, broken) {
                    Some(picture) => return Ok(Some(picture)),
                    None => broken = true,
                },
                Err(ffmpeg::Error::Eof) => return Ok(None),
                // The demuxer goes on behind what it could not read.
                Err(ffmpeg::Error::InvalidData) if !self.patience.is_over() => broken = true,
                Err(error) => return Err(self.patience.explain_read(error)),
            }
        }
    }

    /// A packet as a picture; `None` if it is none.
    fn picture(&mut self, packet: &ffmpeg::Packet, broken: bool) -> Option<Picture> {
        for side in packet.side_data().filter(|side| side.kind() == SideData::NewExtraData) {
            // Parameters that cannot be read are left as they were; the decoder will say so.
            if let Ok(framing) = Framing::read(self.codec, side.data()) {
                self.framing = framing;
            }
        }
        let bytes = self.framing.behind_start_codes(packet.data()?).ok().filter(|bytes| !bytes.is_empty())?;
        let reference = packet.side_data().find(|side| side.kind() == SideData::PRFT);
        let reference_us = reference.and_then(|side| side.data().first_chunk().map(|first| i64::from_ne_bytes(*first)));
        let key = packet.is_key();
        let parameters = if key { self.framing.parameters.clone() } else { Vec::new() };
        // The first picture of many a camera has no time: it is the origin of the others'.
        let pts_us = packet.pts().or(packet.dts()).map_or(self.last_us.saturating_add(1), |pts| self.us(pts));
        self.last_us = pts_us;
        let (dts_us, damaged) = (packet.dts().map(|dts| self.us(dts)), broken || packet.is_corrupt());
        Some(Picture { pts_us, dts_us, reference_us, key, damaged, parameters, bytes })
    }

    fn us(&self, ticks: i64) -> i64 {
        let (numerator, denominator) = self.tick_us;
        let us = i128::from(ticks) * i128::from(numerator) / i128::from(denominator);
        i64::try_from(us).unwrap_or(if us < 0 { i64::MIN } else { i64::MAX })
    }
}

/// A file that gives nothing for so long lies on a disk that does not answer.
const FILE_TIMEOUT_MS: u64 = 60_000;

impl Patience {
    fn new(timeout_ms: u64, stop: Arc<AtomicBool>) -> Self {
        Self { began: Instant::now(), since_ms: 0.into(), timeout_ms, stop }
    }

    /// From now on something is waited for.
    fn begin(&self) {
        self.since_ms.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Whether there is to be no more waiting.
    fn is_over(&self) -> bool {
        let since = Duration::from_millis(self.since_ms.load(Ordering::Relaxed) + self.timeout_ms);
        self.stop.load(Ordering::Relaxed) || self.began.elapsed() > since
    }

    fn explain(&self, error: ffmpeg::Error, camera: &Camera) -> StreamError {
        match (self.explain_read(error), &camera.origin) {
            (StreamError::Failed(text), Origin::Live { address, .. }) => StreamError::Failed(address.redact(&text)),
            (explained, _) => explained,
        }
    }

    fn explain_read(&self, error: ffmpeg::Error) -> StreamError {
        match error {
            ffmpeg::Error::Exit if self.stop.load(Ordering::Relaxed) => StreamError::Stopped,
            ffmpeg::Error::Exit => StreamError::Silent(self.timeout_ms),
            error => StreamError::Failed(error.to_string().to_lowercase()),
        }
    }
}

/// What the stream's head says of its pictures, as it stands there.
#[expect(unsafe_code, reason = "the crate ffmpeg-next has no way to these bytes, without which no picture of an MP4 file can be decoded")]
fn head(parameters: &ffmpeg::codec::Parameters) -> Vec<u8> {
    // SAFETY: the parameters are alive for as long as the borrow. FFmpeg sets the pointer and the length together: it points to so
    // many bytes of its own, or is null, and they are copied before anything else is done with the stream.
    unsafe {
        let parameters = parameters.as_ptr();
        let (bytes, length) = ((*parameters).extradata, (*parameters).extradata_size);
        match usize::try_from(length) {
            Ok(length) if !bytes.is_null() && length > 0 => std::slice::from_raw_parts(bytes, length).to_vec(),
            _ => Vec::new(),
        }
    }
}

/// FFmpeg says on standard error what it finds; what is of interest we say ourselves, without addresses.
fn begin() {
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| {
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
        ffmpeg::format::network::init();
    });
}
