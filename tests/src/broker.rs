//! A real Apache Kafka for live tests: one node on this machine, gone when it goes out of scope.
//!
//! ```text
//! start ─▶ format storage ─▶ java kafka.Kafka ─▶ listening ─▶ (stop ─▶ restart)* ─▶ dropped: killed, files removed
//! ```
//!
//! `make kafka` fetches its jars from Maven Central; nothing else is installed. Where Java or the jars are missing, live
//! tests say so and pass, unless `REQUIRE_LIVE=1` asks that they do not.

use std::{
    fmt::Write,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::line::Line;

/// How long a broker may take to listen, on a slow and busy machine.
const START_MOST: Duration = Duration::from_secs(120);

/// Small and quick to start rather than fast for long.
const JAVA: [&str; 4] = ["-Xmx384m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// A running broker. Its topics live as long as it does, through [`stop`](Self::stop) and [`restart`](Self::restart).
#[derive(Debug)]
pub struct Broker {
    directory: TempDir,
    jars: PathBuf,
    port: u16,
    advertised: u16,
    process: Option<Child>,
}

/// Why live tests cannot run on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped(pub String);

impl Skipped {
    /// Something is not here.
    ///
    /// # Panics
    /// `REQUIRE_LIVE=1` asks that it is.
    #[must_use]
    pub fn because(missing: impl Into<String>) -> Self {
        let skipped = Self(missing.into());
        assert!(std::env::var_os("REQUIRE_LIVE").is_none_or(|v| v != "1"), "REQUIRE_LIVE=1, but {skipped}");
        skipped
    }
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "skipped: {}", self.0)
    }
}

impl Broker {
    /// Starts a broker with storage of its own and waits until it listens.
    ///
    /// # Errors
    /// Java or Kafka's jars are missing.
    ///
    /// # Panics
    /// Everything is there, yet the broker does not start (its log's end is in the message); or something is missing and
    /// `REQUIRE_LIVE=1`.
    pub fn start() -> Result<Self, Skipped> {
        Self::start_told(|ports| ports)
    }

    /// As [`start`](Self::start), but clients are told to connect to a line that leads to it.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    ///
    /// # Panics
    /// As for [`start`](Self::start).
    pub fn start_behind_a_line() -> Result<(Self, Line), Skipped> {
        Self::start_with_a_line(0)
    }

    /// As [`start`](Self::start), but the broker reaches its controller by a line. Where that goes dead, the broker is there and
    /// answers, but counts as gone after nine seconds: it tells clients of no brokers at all.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    ///
    /// # Panics
    /// As for [`start`](Self::start).
    pub fn start_away_from_its_controller() -> Result<(Self, Line), Skipped> {
        Self::start_with_a_line(1)
    }

    /// Starts a broker with a line before one of its ports.
    fn start_with_a_line(before: usize) -> Result<(Self, Line), Skipped> {
        let mut line = None;
        let broker = Self::start_told(|mut ports| {
            ports[before] = line.insert(Line::to(ports[before])).port();
            ports
        })?;
        Ok((broker, line.expect("a line, which was laid")))
    }

    /// Starts a broker; of its ports, the clients' and the controller's, `told` makes those that others are told.
    fn start_told(told: impl FnOnce([u16; 2]) -> [u16; 2]) -> Result<Self, Skipped> {
        let jars = installed()?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let ports = free_ports();
        let told = told(ports);
        let mut broker = Self { directory, jars, port: ports[0], advertised: told[0], process: None };
        let properties = properties(&broker.path("log"), ports, told);
        fs::write(broker.path("server.properties"), properties).expect("a writable directory");
        broker.tool("kafka.tools.StorageTool", &["format", "--cluster-id", "MkU3OEVBNTcwNTJENDM2Qg", "--config", "server.properties"]);
        broker.restart();
        Ok(broker)
    }

    /// What clients call `bootstrap.servers`.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.advertised)
    }

    /// Makes a topic.
    ///
    /// # Panics
    /// The broker refuses; what it said is in the message.
    pub fn create_topic(&self, name: &str, partitions: u32) {
        let partitions = partitions.to_string();
        self.topics(&["--create", "--topic", name, "--partitions", &partitions]);
    }

    /// Gives a topic more partitions.
    ///
    /// # Panics
    /// The broker refuses; what it said is in the message.
    pub fn grow_topic(&self, name: &str, partitions: u32) {
        self.topics(&["--alter", "--topic", name, "--partitions", &partitions.to_string()]);
    }

    /// Deletes a topic, and waits until it is gone.
    ///
    /// # Panics
    /// The broker refuses; what it said is in the message.
    pub fn delete_topic(&self, name: &str) {
        self.topics(&["--delete", "--topic", name]);
        while self.list_topics().iter().any(|topic| topic == name) {}
    }

    /// The names of all topics, in order.
    ///
    /// # Panics
    /// The broker refuses; what it said is in the message.
    #[must_use]
    pub fn list_topics(&self) -> Vec<String> {
        self.topics(&["--list"]).lines().map(String::from).collect()
    }

    /// Ends the broker at once, as a crash does; what it was sent is kept.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Fails only where the process has already ended.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Lets the broker end what it is about and stop, as an operator does.
    ///
    /// # Panics
    /// It does not run.
    pub fn shut_down(&mut self) {
        self.signal("-TERM");
        let ended = self.process.take().map(|mut process| process.wait());
        ended.expect("a broker that runs").expect("a process of ours");
    }

    /// Ends the broker if it runs and starts it anew, at the same address with the same topics; waits until it listens.
    ///
    /// # Panics
    /// It does not start; its log's end is in the message.
    pub fn restart(&mut self) {
        self.stop();
        let log = File::options().create(true).append(true).open(self.path("broker.log")).expect("a writable directory");
        let mut command = self.java("kafka.Kafka", &["server.properties"]);
        command.stdout(log.try_clone().expect("a second handle")).stderr(log);
        let mut process = command.spawn().expect("java, which ran before");
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = process.try_wait().expect("a process of ours");
            let waited = begin.elapsed();
            if ended.is_some() || waited > START_MOST {
                let _ = process.kill();
                panic!("the broker does not listen after {waited:?} (ended: {ended:?}):\n{}", self.log_end());
            }
            sleep(Duration::from_millis(50));
        }
        self.process = Some(process);
    }

    /// Stops the broker as it is, connections open, until it is [thawed](Self::thaw).
    ///
    /// # Panics
    /// It does not run.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets a frozen broker go on.
    ///
    /// # Panics
    /// It does not run.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("a broker that runs").id().to_string();
        assert!(Command::new("kill").args([name, &process]).status().expect("kill").success());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn java(&self, class: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("java");
        command.args(JAVA).arg("-cp").arg(self.jars.join("*")).arg(class).args(arguments);
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    fn topics(&self, arguments: &[&str]) -> String {
        let brokers = self.brokers();
        self.tool("org.apache.kafka.tools.TopicCommand", &[&["--bootstrap-server", &brokers], arguments].concat())
    }

    /// Runs one of Kafka's own tools and returns what it printed.
    fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let output = self.java(class, arguments).output().expect("java, which ran before");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{class} {arguments:?} failed:\n{text}{errors}\nthe broker:\n{}", self.log_end());
        text
    }

    /// The last lines of the broker's log.
    fn log_end(&self) -> String {
        let Ok(log) = File::open(self.path("broker.log")) else { return String::new() };
        let lines: Vec<String> = BufReader::new(log).lines().map_while(Result::ok).collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where the jars are, if Java can run them.
fn installed() -> Result<PathBuf, Skipped> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/kafka/libs");
    let jars = std::env::var_os("KAFKA_LIBS").map_or(fetched, PathBuf::from);
    if !jars.is_dir() {
        return Err(Skipped::because(format!("no Kafka in {}; \"make kafka\" fetches it", jars.display())));
    }
    match Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(fs::canonicalize(jars).expect("a directory that is there")),
        _ => Err(Skipped::because("no Java; Kafka 4 needs version 17 or later")),
    }
}

/// Ports nobody listens on just now.
fn free_ports<const N: usize>() -> [u16; N] {
    // All are held before one is let go, so that they differ.
    let held = [(); N].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a free port"));
    held.map(|listener| listener.local_addr().expect("a bound port").port())
}

/// One node in both roles, on loopback alone, whose own topics need no second node.
///
/// It listens on its ports, and tells whoever wants to connect of the advertised ones.
fn properties(log: &Path, [port, controller]: [u16; 2], [advertised, advertised_controller]: [u16; 2]) -> String {
    let log = log.display().to_string();
    let settings = [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("controller.quorum.voters", &format!("1@127.0.0.1:{advertised_controller}")),
        ("listeners", &format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}")),
        ("advertised.listeners", &format!("PLAINTEXT://127.0.0.1:{advertised},CONTROLLER://127.0.0.1:{advertised_controller}")),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ("controller.listener.names", "CONTROLLER"),
        ("log.dirs", &log),
        ("auto.create.topics.enable", "false"),
        ("num.partitions", "1"),
        ("default.replication.factor", "1"),
        ("min.insync.replicas", "1"),
        ("offsets.topic.replication.factor", "1"),
        ("offsets.topic.num.partitions", "1"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("transaction.state.log.num.partitions", "1"),
        ("share.coordinator.state.topic.replication.factor", "1"),
        ("share.coordinator.state.topic.min.isr", "1"),
        ("share.coordinator.state.topic.num.partitions", "1"),
        // Recordings are of another year, and a broker deletes by the time that records say.
        ("log.retention.ms", "-1"),
        // Groups form at once: no test waits for members that never come.
        ("group.initial.rebalance.delay.ms", "0"),
        // Small, so that index files stay small too and segments do roll within a test.
        ("log.segment.bytes", "16777216"),
        ("log.index.size.max.bytes", "1048576"),
        ("log.cleaner.dedupe.buffer.size", "8388608"),
    ];
    settings.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name}={value}");
        text
    })
}
