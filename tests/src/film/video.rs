//! Films as files: one a camera, encoded by the program `ffmpeg`, with what capture must know to take them in.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::Film;

impl Film {
    /// Writes `input/` with the map, the signals, the hotlist and a video a camera, `cameras.yaml` beside them, and `truth/`.
    /// `tell` is told of each frame that is drawn.
    ///
    /// # Errors
    /// Those of the file system, and `ffmpeg` that is not there or fails.
    pub fn write(&self, to: &Path, tell: &(dyn Fn() + Sync)) -> io::Result<()> {
        let recording = self.recording();
        recording.write(to)?;
        // What perfect equipment would have seen is no input here: it is to come from the pictures.
        std::fs::remove_file(to.join("input/observations.ndjson"))?;
        let cameras = &recording.city.cameras;
        let mut yaml = String::from("# The films of a synthetic city, as fast as they can be read.\nversion: 1\ncameras:\n");
        for (number, camera) in cameras.iter().enumerate() {
            let begins = moment(self.begins_ms(number));
            _ = writeln!(yaml, "  {}: {{file: {}.mp4, pace: fast, begins: {begins}}}", camera.id, camera.id);
        }
        std::fs::write(to.join("input/cameras.yaml"), yaml)?;
        let video = |number: usize| self.encode(number, &to.join("input").join(format!("{}.mp4", cameras[number].id)), tell);
        // As many at a time as there are processors: each draws in one thread and encodes in another.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let numbers: Vec<usize> = (0..cameras.len()).collect();
        for some in numbers.chunks(threads) {
            std::thread::scope(|scope| {
                let running: Vec<_> = some.iter().map(|number| scope.spawn(|| video(*number))).collect();
                running
                    .into_iter()
                    .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a film could not be drawn"))))
            })?;
        }
        Ok(())
    }

    fn encode(&self, number: usize, to: &Path, tell: &(dyn Fn() + Sync)) -> io::Result<()> {
        let reel = self.reel(number);
        let (width, height) = reel.size();
        let (size, rate) = (format!("{width}x{height}"), self.plan.fps.to_string());
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", &size, "-r", &rate, "-i", "-"]);
        command.args(["-c:v", "libx264", "-preset", "ultrafast", "-crf", "23", "-g", "30", "-pix_fmt", "yuv420p", "-threads", "1"]);
        let mut coder = command.arg(to).stdin(Stdio::piped()).spawn()?;
        let mut pipe = coder.stdin.take().ok_or_else(|| io::Error::other("ffmpeg takes no input"))?;
        let drawn = (0..self.frames()).try_for_each(|frame| {
            tell();
            pipe.write_all(&reel.draw(frame).bgr)
        });
        drop(pipe);
        let status = coder.wait()?;
        drawn?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("ffmpeg failed: {status}"))) }
    }
}

/// A moment of the recording's first day, as capture reads it.
fn moment(at_ms: i64) -> String {
    let of_day = at_ms.rem_euclid(86_400_000);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60);
    format!("2026-01-01T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1_000)
}
