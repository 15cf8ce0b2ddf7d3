//! The program, what it is given, and what it left in a store.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use engine::transport::local::LocalTransport;
use engine::transport::{Batch, Position, Transport};
use schemas::wire::{Format, Record};

/// Where the shared data lies, if it is there.
pub(crate) fn shared(file: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(file);
    if path.is_file() {
        return Some(path.canonicalize().unwrap().to_str().unwrap().to_owned());
    }
    println!("skipped: ../shared/data/{file} is not here");
    None
}

/// A recording made by the program `ffmpeg`; nothing where it is not there, and the test says so.
pub(crate) fn recording(path: &Path, size: &str, seconds: u32, encoder: &[&str]) -> Option<()> {
    let source = format!("testsrc2=size={size}:rate=25:duration={seconds}");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-pix_fmt", "yuv420p"]).args(encoder).arg(path);
    match command.stdin(Stdio::null()).status() {
        Ok(status) => assert!(status.success(), "ffmpeg failed"),
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_LIVE").is_none_or(|v| v != "1"), "REQUIRE_LIVE=1, but there is no ffmpeg: {error}");
            println!("skipped: the program ffmpeg is not here");
            return None;
        }
    }
    Some(())
}

/// Runs the program to its end.
pub(crate) fn giaolo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_giaolo")).args(arguments).output().unwrap()
}

/// Runs the program, which is to end well; returns what it printed.
pub(crate) fn out(arguments: &[&str]) -> String {
    let output = giaolo(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The records of a topic, one partition after the other; none if there is no such topic.
pub(crate) fn records<T: Record>(store: &Path, topic: &str) -> Vec<T> {
    let store = LocalTransport::open(store).unwrap();
    let mut all = Vec::new();
    for partition in store.partitions(topic).unwrap_or_default() {
        let (mut reader, mut batch) = (store.reader(topic, partition, 0).unwrap(), Batch::default());
        while reader.read(1 << 20, &mut batch).unwrap() == Position::More {}
        all.extend(batch.records.iter().map(|record| {
            let value = batch.value(record).unwrap();
            Format::of(value).decode::<T>(value).unwrap()
        }));
    }
    all
}
