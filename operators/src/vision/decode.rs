//! `decode`: one camera's encoded pictures become pictures, as few as are wanted.
//!
//! ```text
//!           key  ·  ·  ·  ✗  ·  ·  key  ·  ·          ✗ broken, or a gap before it: refused
//! wanted     ■         ■     ○  ○   ■      ■          ○ passed over: nothing can be made of it before the next key frame
//! ```
//!
//! Every frame that is given is told of once: as a picture, as passed over, or as refused. Decoding goes on at the next key
//! frame after anything went wrong, because what a decoder guesses over a gap looks like a street and is none.

use std::collections::VecDeque;

use schemas::{Codec, Frame};

use super::ffmpeg::{Image, Stream};

/// How decoding is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// No picture has more pixels; what would is refused before memory is set aside for it.
    pub pixels_most: u64,
}

impl Default for DecodeLimits {
    /// As many as 4K video has, in any shape. An 8K stream would take a gigabyte for one camera.
    fn default() -> Self {
        Self { pixels_most: 4_096 * 2_304 }
    }
}

/// Decodes one camera's frames, given in the order of its stream. `T` is what the caller wants to know a frame by.
pub struct Decoder<T> {
    limits: DecodeLimits,
    stream: Option<(Codec, Stream)>,
    /// Nothing can be made of what comes before a key frame does.
    waiting: bool,
    /// The numbers of frames that came lately, the newest last.
    recent: VecDeque<u64>,
    /// Frames whose picture may still come.
    pending: VecDeque<Pending<T>>,
}

struct Pending<T> {
    number: u64,
    wanted: bool,
    tag: T,
}

/// What became of a frame.
pub enum Decoded<'a> {
    /// It is a picture.
    Picture(Image<'a>),
    /// It was not wanted, and nothing is wrong with it.
    Unwanted,
    /// It hangs on what is missing: decoding goes on at the next key frame.
    PassedOver,
    /// Something is wrong with it.
    Refused(DecodeFault),
}

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeFault {
    /// It came before.
    #[error("frame {0} came before")]
    Duplicate(u64),
    /// What it hangs on is missing.
    #[error("frames before it are missing; decoding goes on at the next key frame")]
    Gap,
    /// No decoder takes it.
    #[error("cannot be decoded: {error} (pictures of more than {pixels_most} pixels are not)")]
    Broken {
        /// FFmpeg's words.
        error: String,
        /// The most pixels there may be.
        pixels_most: u64,
    },
    /// It was decoded, but parts of the picture are guessed.
    #[error("parts of the picture are damaged; decoding goes on at the next key frame")]
    Damaged,
    /// The region in which vehicles are looked for is no part of it.
    #[error("the region to be looked at lies outside of the picture, which is {width} × {height}")]
    Outside {
        /// The picture's width, pixels.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// It was wanted, and the decoder took it, but no picture came.
    #[error("no picture came of it")]
    Nothing,
}

/// Frames are told apart over so many, and no stream changes their order further: H.264 and H.265 allow sixteen.
const RECENT: usize = 32;
/// The furthest a frame's number can be ahead of all that came before it without a gap: pictures change places by so much.
const AHEAD_MOST: u64 = 16;

impl<T> Decoder<T> {
    /// A decoder that waits for a key frame.
    #[must_use]
    pub fn new(limits: DecodeLimits) -> Self {
        Self { limits, stream: None, waiting: true, recent: VecDeque::new(), pending: VecDeque::new() }
    }

    /// Decodes a frame; `tell` is told what became of it, and of those before it, in the order in which pictures were taken.
    /// A picture that is not wanted is decoded only if others refer to it.
    pub fn decode(&mut self, frame: &Frame, wanted: bool, tag: T, tell: &mut dyn FnMut(T, Decoded<'_>)) {
        if let Some(fault) = self.fault(frame) {
            if fault == DecodeFault::Gap {
                self.break_off(tell);
            }
            return tell(tag, Decoded::Refused(fault));
        }
        if self.waiting && !frame.key {
            return tell(tag, Decoded::PassedOver);
        }
        if self.stream.as_ref().is_none_or(|(codec, _)| *codec != frame.codec) {
            self.finish(tell);
            match Stream::open(frame.codec, self.limits.pixels_most) {
                Ok(stream) => self.stream = Some((frame.codec, stream)),
                Err(error) => return tell(tag, Decoded::Refused(self.broken(error))),
            }
        }
        self.waiting = false;
        self.feed(frame, wanted, tag, tell);
    }

    /// Passes a frame over: what comes before the next key frame cannot be decoded either.
    pub fn pass_over(&mut self, frame: &Frame, tag: T, tell: &mut dyn FnMut(T, Decoded<'_>)) {
        self.note(frame.frame);
        self.break_off(tell);
        tell(tag, Decoded::PassedOver);
    }

    /// Ends the stream: what the decoder still holds comes out, and then it waits for a key frame.
    pub fn finish(&mut self, tell: &mut dyn FnMut(T, Decoded<'_>)) {
        if let Some((_, stream)) = &mut self.stream
            && !self.pending.is_empty()
            && stream.drain().is_ok()
        {
            self.receive(tell);
        }
        self.break_off(tell);
    }

    /// What is wrong with a frame, as far as can be told before it is decoded.
    fn fault(&mut self, frame: &Frame) -> Option<DecodeFault> {
        let newest = self.recent.iter().max().copied();
        let oldest = if self.recent.len() == RECENT { self.recent.iter().min().copied().unwrap_or(0) } else { 0 };
        if self.recent.contains(&frame.frame) || frame.frame < oldest {
            return Some(DecodeFault::Duplicate(frame.frame));
        }
        self.note(frame.frame);
        let jumps = newest.is_some_and(|newest| frame.frame > newest.saturating_add(AHEAD_MOST));
        // One row a gap: while waiting there is nothing new to say.
        (!frame.key && !self.waiting && (frame.gap || jumps)).then_some(DecodeFault::Gap)
    }

    fn note(&mut self, number: u64) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(number);
    }

    fn feed(&mut self, frame: &Frame, wanted: bool, tag: T, tell: &mut dyn FnMut(T, Decoded<'_>)) {
        let Some((_, stream)) = &mut self.stream else { return };
        let sent = stream.send(frame.frame, &frame.parameters, &frame.bytes, wanted);
        if let Err(error) = sent {
            let fault = self.broken(error);
            self.break_off(tell);
            return tell(tag, Decoded::Refused(fault));
        }
        self.pending.push_back(Pending { number: frame.frame, wanted, tag });
        self.receive(tell);
        // Where pictures keep their order, one that has not come by now was left out.
        if self.stream.as_ref().is_some_and(|(_, stream)| !stream.reorders()) {
            self.give_up_before(u64::MAX, tell);
        }
    }

    /// Tells of all pictures that the decoder has.
    fn receive(&mut self, tell: &mut dyn FnMut(T, Decoded<'_>)) {
        let mut damaged = false;
        while let Some((_, stream)) = &mut self.stream {
            let image = match stream.receive() {
                Ok(Some(image)) => image,
                Ok(None) => break,
                Err(error) => {
                    let fault = self.broken(error);
                    if let Some(pending) = self.pending.pop_front() {
                        tell(pending.tag, Decoded::Refused(fault));
                    }
                    damaged = true;
                    break;
                }
            };
            let Some(number) = image.number() else { continue };
            give_up_before(&mut self.pending, number, tell);
            // One that was given up already, or never given, is no answer to anything.
            let Some(place) = self.pending.iter().position(|pending| pending.number == number) else { continue };
            let Some(Pending { wanted, tag, .. }) = self.pending.remove(place) else { continue };
            if image.is_damaged() {
                damaged = true;
                tell(tag, Decoded::Refused(DecodeFault::Damaged));
            } else if wanted {
                tell(tag, Decoded::Picture(image));
            } else {
                tell(tag, Decoded::Unwanted);
            }
        }
        if damaged {
            self.break_off(tell);
        }
    }

    /// Gives up what is pending, and waits for a key frame.
    fn break_off(&mut self, tell: &mut dyn FnMut(T, Decoded<'_>)) {
        if !self.waiting {
            self.stream.iter_mut().for_each(|(_, stream)| stream.reset());
        }
        self.waiting = true;
        self.give_up_before(u64::MAX, tell);
    }

    fn give_up_before(&mut self, number: u64, tell: &mut dyn FnMut(T, Decoded<'_>)) {
        give_up_before(&mut self.pending, number, tell);
    }

    fn broken(&self, error: impl std::fmt::Display) -> DecodeFault {
        DecodeFault::Broken { error: error.to_string().to_lowercase(), pixels_most: self.limits.pixels_most }
    }
}

/// Tells of frames whose picture cannot come any more: those taken before one that came.
fn give_up_before<T>(pending: &mut VecDeque<Pending<T>>, number: u64, tell: &mut dyn FnMut(T, Decoded<'_>)) {
    while let Some(place) = (0..pending.len()).filter(|place| pending[*place].number < number).min_by_key(|place| pending[*place].number) {
        let Some(Pending { wanted, tag, .. }) = pending.remove(place) else { return };
        tell(tag, if wanted { Decoded::Refused(DecodeFault::Nothing) } else { Decoded::Unwanted });
    }
}
