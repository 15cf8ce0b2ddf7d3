//! One encoded picture of a camera, as its stream carried it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Name;

/// One encoded picture. Keyed by `camera`; in the order of the stream within its partition, which is the order of decoding.
///
/// A key frame stands alone: with its `parameters` a decoder needs nothing that came before it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// The camera.
    pub camera: Name,
    /// The camera's own frame number, in the order in which pictures were taken. It grows by one from picture to picture for as
    /// long as a connection lasts, and never goes back.
    pub frame: u64,
    /// When the picture was taken, by the camera's clock: milliseconds since the epoch.
    pub at_ms: u64,
    /// By how much that may be wrong, milliseconds.
    pub error_ms: u32,
    /// How it is encoded.
    pub codec: Codec,
    /// Whether decoding can begin here.
    pub key: bool,
    /// Whether what came before it in the stream was lost: unless it is a key frame, nothing can be made of it.
    #[serde(default)]
    pub gap: bool,
    /// Of a key frame, what a decoder must know beforehand (H.264, H.265: parameter sets, each behind a start code); empty
    /// where the stream carries it in the pictures. Base64 in JSON.
    #[serde(default, with = "base64_text")]
    #[schemars(with = "String", extend("contentEncoding" = "base64"))]
    pub parameters: Vec<u8>,
    /// The encoded picture (H.264, H.265: units behind start codes, ITU-T H.264 annex B). Base64 in JSON.
    #[serde(with = "base64_text")]
    #[schemars(with = "String", extend("contentEncoding" = "base64"))]
    pub bytes: Vec<u8>,
}

/// How pictures are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// ITU-T H.264, called AVC as well.
    H264,
    /// ITU-T H.265, called HEVC as well.
    H265,
    /// Each picture a JPEG.
    Mjpeg,
}

impl Frame {
    /// The most bytes of one picture. A key frame of 4K video has about one million; a JPEG of it about three.
    pub const BYTES_MOST: usize = 8 << 20;
    /// The most bytes of parameters. A few hundred are usual.
    pub const PARAMETERS_MOST: usize = 64 << 10;

    /// Whether the values can be true at all; the error names the first that cannot.
    ///
    /// # Errors
    /// No bytes, or more than a picture can have; parameters where no key frame is.
    pub fn check(&self) -> Result<(), String> {
        if self.bytes.is_empty() {
            return Err("bytes is empty: there is no picture".to_owned());
        }
        if self.bytes.len() > Self::BYTES_MOST {
            return Err(format!("bytes has {} bytes; at most {} are allowed", self.bytes.len(), Self::BYTES_MOST));
        }
        if self.parameters.len() > Self::PARAMETERS_MOST {
            return Err(format!("parameters has {} bytes; at most {} are allowed", self.parameters.len(), Self::PARAMETERS_MOST));
        }
        if !self.key && !self.parameters.is_empty() {
            return Err("parameters belong to key frames, and this is none".to_owned());
        }
        Ok(())
    }
}

/// Bytes: as they are where the format can hold them, as base64 where it is made of text.
mod base64_text {
    use std::fmt;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD as BASE64;
    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.serialize_str(&BASE64.encode(bytes)) } else { s.serialize_bytes(bytes) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        if d.is_human_readable() { d.deserialize_str(Bytes) } else { d.deserialize_byte_buf(Bytes) }
    }

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes in base64")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
            BASE64.decode(text).map_err(|error| E::custom(format_args!("bytes in base64: {error}")))
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }
    }
}
