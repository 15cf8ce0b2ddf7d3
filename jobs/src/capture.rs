//! What is captured, as records: frames, and how well it goes.

use engine::capture::{Codec, Health, Packet, Records, State};
use schemas::wire::{Format, Record};
use schemas::{CaptureHealth, CaptureState, Frame, Id, Name};

/// Frames in bincode, since they are bytes; health as JSON, since people read it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Captured;

impl Records for Captured {
    fn picture(&self, packet: &Packet) -> Vec<u8> {
        let frame = Frame {
            camera: name(&packet.camera),
            frame: packet.number,
            at_ms: packet.at_ms,
            error_ms: packet.error_ms,
            codec: match packet.codec {
                Codec::H264 => schemas::Codec::H264,
                Codec::H265 => schemas::Codec::H265,
                Codec::Mjpeg => schemas::Codec::Mjpeg,
            },
            key: packet.key,
            gap: packet.gap,
            parameters: packet.parameters.clone(),
            bytes: packet.bytes.clone(),
        };
        encode(Format::Bincode, &frame, packet.bytes.len())
    }

    fn health(&self, health: &Health) -> Vec<u8> {
        let record = CaptureHealth {
            camera: name(&health.camera),
            at_ms: health.at_ms,
            state: match health.state {
                State::Connecting => CaptureState::Connecting,
                State::Streaming => CaptureState::Streaming,
                State::Waiting => CaptureState::Waiting,
                State::Ended => CaptureState::Ended,
            },
            span_ms: health.span_ms,
            frames: health.frames,
            bit_rate: health.bit_rate,
            gaps: health.gaps,
            dropped: health.dropped,
            reconnects: health.reconnects,
            own_clock: health.own_clock,
            error: health.error.clone(),
        };
        encode(Format::Json, &record, 0)
    }

    fn partition(&self, camera: &str, partitions: u32) -> u32 {
        partition(camera, u64::from(partitions))
    }
}

/// The partition that a key's records go to, of so many.
pub(crate) fn partition(key: &str, partitions: u64) -> u32 {
    (Id::of("partition").with(key.as_bytes()).finish().0 % partitions.max(1)) as u32
}

/// A name of at most 31 bytes, as the configuration has checked.
fn name(text: &str) -> Name {
    Name::of(&text[..text.floor_char_boundary(Name::MOST)])
}

fn encode<R: Record>(format: Format, record: &R, about: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(about + 256);
    format.encode(record, &mut bytes);
    bytes
}
