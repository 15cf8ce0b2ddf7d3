//! Pictures out of streams, against FFmpeg's own program, and against streams that are broken in every way we know.

mod broken;
mod mutated;
mod perceive;
mod pictures;
mod video;
