//! One engine in a process of its own: started, followed, measured.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use benches::plate_reads::Alerts;
use tempfile::TempDir;

use crate::Arguments;
use crate::system::{peak_bytes, spent, spent_by_all, spent_by_us};
use crate::topics::{Following, READS, Topics};

/// How often the topic of the alerts is looked at.
const GLANCE: Duration = Duration::from_millis(2);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long nothing may be heard of an engine, or of its alerts.
const PATIENCE: Duration = Duration::from_secs(120);

/// The file of an engine's standard error.
const COMPLAINTS: &str = "complaints";

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Engine {
    /// The product.
    Giaolo,
    /// Flink's DataStream interface, written by hand.
    FlinkDatastream,
    /// Flink's SQL.
    FlinkSql,
}

/// An engine with so many workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) engine: Engine,
    pub(crate) workers: usize,
}

/// One pass over the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    /// From the first records in hand to the last alert readable.
    pub(crate) wall: Duration,
    /// Processor time of the engine's process meanwhile.
    pub(crate) spent: Duration,
    /// Cores that others than the engine, the broker and this program were using meanwhile.
    pub(crate) foreign: f64,
}

/// What one process did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    pub(crate) passes: Vec<Pass>,
    /// The most memory it had resident.
    pub(crate) peak_bytes: u64,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.engine {
            Engine::Giaolo => "Giaolo",
            Engine::FlinkDatastream => "Flink DataStream",
            Engine::FlinkSql => "Flink SQL",
        };
        write!(f, "{name}, {}", self.workers)
    }
}

impl Peer {
    /// Runs the engine over the input and compares what it told.
    pub(crate) fn run(self, arguments: &Arguments, brokers: &str, topics: &Topics, expected: Alerts, round: usize) -> anyhow::Result<Run> {
        let name = format!("{}-{round}", self.to_string().to_lowercase().replace(", ", "-").replace(' ', "-"));
        let outputs = (0..arguments.passes).map(|pass| topics.follow(&format!("{name}-{pass}")));
        let mut outputs = outputs.collect::<anyhow::Result<Vec<Following>>>()?;
        let scratch = tempfile::tempdir()?;
        let mut process = Process::start(self.command(arguments, brokers, &name, &scratch), scratch)?;
        let passes = outputs.iter_mut().map(|output| process.pass(output, expected.count));
        let passes: anyhow::Result<Vec<Pass>> = passes.collect();
        let passes = passes.with_context(|| format!("{self}: {}", process.said()))?;
        let peak_bytes = process.end().with_context(|| format!("{self} did not end well"))?;
        for output in &mut outputs {
            while !output.read()? {}
            ensure!(output.alerts == expected, "{self} told {:?}, not {expected:?}", output.alerts);
        }
        Ok(Run { passes, peak_bytes })
    }

    fn command(self, arguments: &Arguments, brokers: &str, output: &str, scratch: &TempDir) -> Command {
        let (workers, passes) = (self.workers.to_string(), arguments.passes.to_string());
        let job = match self.engine {
            Engine::Giaolo => {
                let mut command = Command::new(beside("plate-join"));
                command.args([brokers, READS, output, &workers, &passes]);
                return command;
            }
            Engine::FlinkDatastream => "datastream",
            Engine::FlinkSql => "sql",
        };
        let flink = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/flink");
        let classes = format!("{}:{}", flink.join("classes").display(), flink.join("libs/*").display());
        let mut command = Command::new("java");
        command.arg(format!("-Xmx{}", arguments.heap)).args(["-XX:+UseParallelGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]);
        command.args(["java.util", "java.lang", "java.nio"].map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")));
        command.args(["-cp", &classes, "peers.Main", job, brokers, READS, output, &workers, &passes]);
        command.arg(arguments.checkpoint_ms.to_string()).arg(scratch.path().join("checkpoints"));
        command
    }
}

/// A program that was built together with this one.
fn beside(name: &str) -> PathBuf {
    std::env::current_exe().map_or_else(|_| name.into(), |this| this.with_file_name(name))
}

/// A running engine. It tells on its standard output when a pass has its first records: `pass 0`, `began 1764115203456`.
struct Process {
    child: Child,
    began: Receiver<Duration>,
    /// Its temporary files, what it complains of among them.
    scratch: TempDir,
    peak_bytes: u64,
    looked: Instant,
}

impl Process {
    fn start(mut command: Command, scratch: TempDir) -> anyhow::Result<Self> {
        let complaints = std::fs::File::create(scratch.path().join(COMPLAINTS))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaints);
        let mut child = command.spawn().with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        let began = beginnings(child.stdout.take().context("no standard output")?);
        Ok(Self { child, began, scratch, peak_bytes: 0, looked: Instant::now() })
    }

    /// Follows a pass to its last alert.
    fn pass(&mut self, output: &mut Following, alerts: i64) -> anyhow::Result<Pass> {
        let heard = Instant::now();
        let began = loop {
            if let Some(began) = self.began()? {
                break began;
            }
            ensure!(heard.elapsed() < PATIENCE, "nothing was read in {PATIENCE:?}");
        };
        let before = (spent(self.child.id()), spent_by_us(), spent_by_all(), Instant::now());
        let (mut seen, mut heard) = (0, Instant::now());
        while output.alerts.count < alerts {
            output.read()?;
            if output.alerts.count > seen {
                (seen, heard) = (output.alerts.count, Instant::now());
            }
            ensure!(heard.elapsed() < PATIENCE, "{seen} of {alerts} alerts, and no more in {PATIENCE:?}");
            self.look()?;
            std::thread::sleep(GLANCE);
        }
        let wall = now().saturating_sub(began);
        let us = spent_by_us().saturating_sub(before.1);
        let others = spent_by_all().saturating_sub(before.2).saturating_sub(us);
        let foreign = others.as_secs_f64() / before.3.elapsed().as_secs_f64();
        Ok(Pass { wall, spent: spent(self.child.id()).saturating_sub(before.0), foreign })
    }

    /// When the next pass had its first records, once the engine says so.
    fn began(&mut self) -> anyhow::Result<Option<Duration>> {
        self.look()?;
        match self.began.recv_timeout(GLANCE) {
            Ok(began) => Ok(Some(began)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("it ended before it read anything"),
        }
    }

    /// Looks at its memory now and then, and whether it has failed.
    fn look(&mut self) -> anyhow::Result<()> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        self.peak_bytes = self.peak_bytes.max(peak_bytes(self.child.id()));
        match self.child.try_wait()? {
            Some(status) if !status.success() => bail!("it ended with {status}"),
            _ => Ok(()),
        }
    }

    /// Waits for its end; returns the most memory it had.
    fn end(mut self) -> anyhow::Result<u64> {
        let done = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(done.elapsed() < PATIENCE, "it does not end");
            self.peak_bytes = self.peak_bytes.max(peak_bytes(self.child.id()));
            std::thread::sleep(GLANCE);
        }
        self.look()?;
        Ok(self.peak_bytes)
    }

    /// The end of what it complained of.
    fn said(&self) -> String {
        let complaints = std::fs::read_to_string(self.scratch.path().join(COMPLAINTS)).unwrap_or_default();
        let lines: Vec<&str> = complaints.lines().filter(|line| !line.starts_with("\tat ")).collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only where it has ended.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The moments at which passes had their first records, since the epoch. Several readers of a pass each tell; the first counts.
fn beginnings(out: ChildStdout) -> Receiver<Duration> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut fresh = false;
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if line.starts_with("pass ") {
                fresh = true;
            } else if let Some(ms) = began_ms(&line).filter(|_| std::mem::take(&mut fresh))
                && tell.send(Duration::from_millis(ms)).is_err()
            {
                return;
            }
        }
    });
    told
}

fn began_ms(line: &str) -> Option<u64> {
    line.strip_prefix("began ")?.parse().ok()
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_when_a_pass_began() {
        assert_eq!(began_ms("began 1764115203456"), Some(1_764_115_203_456));
        assert_eq!(began_ms("pass 1"), None);
        assert_eq!(began_ms("began soon"), None);
    }
}
