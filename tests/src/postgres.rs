//! A real PostgreSQL for live tests, from Debian's package: a cluster of its own on this machine, gone when it goes out of scope.
//!
//! ```text
//! start ─▶ initdb ─▶ postgres ─▶ listening ─▶ (stop ─▶ restart)* ─▶ dropped: stopped, files removed
//! ```
//!
//! It runs under its own user where tests run as root, as which it refuses to. Where it is not installed, live tests say so and
//! pass, unless `REQUIRE_LIVE=1` asks that they do not.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::broker::Skipped;

/// How long a server may take to listen, on a slow and busy machine.
const START_MOST: Duration = Duration::from_secs(60);
/// Who owns the databases, and may do everything in them.
const USER: &str = "giaolo";
/// What it is let in with.
pub const PASSWORD: &str = "open sesame";

/// A running server. Its databases live as long as it does, through [`stop`](Self::stop) and [`restart`](Self::restart).
#[derive(Debug)]
pub struct Postgres {
    directory: TempDir,
    programs: PathBuf,
    port: u16,
    /// More settings.
    settings: Vec<String>,
    process: Option<Child>,
}

impl Postgres {
    /// Starts a server with storage of its own and waits until it answers.
    ///
    /// # Errors
    /// It is not installed.
    ///
    /// # Panics
    /// Everything is there, yet the server does not start; or it is missing and `REQUIRE_LIVE=1`.
    pub fn start() -> Result<Self, Skipped> {
        Self::start_encrypted(None)
    }

    /// As [`start`](Self::start), but it answers with TLS too, with this certificate and its key, PEM.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_encrypted(identity: Option<(&str, &str)>) -> Result<Self, Skipped> {
        let programs = installed().ok_or_else(|| Skipped::because("no PostgreSQL; \"apt-get install postgresql\" brings it"))?;
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|held| held.local_addr()).expect("a free port").port();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut server = Self { directory, programs, port, settings: Vec::new(), process: None };
        fs::write(server.path("password"), PASSWORD).expect("a writable directory");
        server.give_away(".");
        server.give_away("password");
        let [data, password] = ["data", "password"].map(|name| server.path(name).display().to_string());
        let made = server.program("initdb", &["-D", &data, "-U", USER, "-A", "scram-sha-256", "-N", "--pwfile", &password]).output();
        let made = made.expect("initdb, which is there");
        assert!(made.status.success(), "{}{}", String::from_utf8_lossy(&made.stdout), String::from_utf8_lossy(&made.stderr));
        if let Some((certificate, key)) = identity {
            for (name, pem) in [("server.pem", certificate), ("server.key", key)] {
                fs::write(server.path(name), pem).expect("a writable directory");
                fs::set_permissions(server.path(name), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a file of ours");
                server.give_away(name);
            }
            let file = |name| server.path(name).display().to_string();
            server.settings =
                vec!["ssl=on".into(), format!("ssl_cert_file={}", file("server.pem")), format!("ssl_key_file={}", file("server.key"))];
        }
        server.restart();
        Ok(server)
    }

    /// Where clients find a database of it, without the [password](PASSWORD).
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgresql://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// As [`url`](Self::url), with the tables in a schema of this name, which is made.
    ///
    /// # Panics
    /// There is one of this name, or the server does not make it.
    #[must_use]
    pub fn schema(&self, name: &str) -> String {
        self.ask(&format!("CREATE SCHEMA {name}"));
        format!("{}?options=-csearch_path%3D{name}", self.url())
    }

    /// What `psql` answers: rows on lines, columns between bars.
    ///
    /// # Panics
    /// The server refuses; what it said is in the message.
    #[allow(clippy::must_use_candidate, reason = "a statement answers nothing")]
    pub fn ask(&self, sql: &str) -> String {
        let output = self.program("psql", &["-XAt", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.url()]).output().expect("psql");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Ends the server at once, as a crash does; what was committed is kept.
    ///
    /// # Panics
    /// It does not end.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Its immediate shutdown: killed, it would leave processes behind.
            Command::new("kill").args(["-QUIT", &process.id().to_string()]).status().expect("kill");
            process.wait().expect("a process of ours");
        }
    }

    /// Ends the server if it runs and starts it anew, at the same address with the same databases; waits until it answers.
    ///
    /// # Panics
    /// It does not start.
    pub fn restart(&mut self) {
        self.stop();
        let log = File::options().create(true).append(true).open(self.path("log")).expect("a writable directory");
        let (data, sockets, port) = (self.path("data"), self.path("."), self.port.to_string());
        let mut command = self.program("postgres", &["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        command.arg("-D").arg(data).arg("-k").arg(sockets);
        command.args(self.settings.iter().flat_map(|setting| ["-c", setting]));
        let mut process = command.stdout(log.try_clone().expect("a second handle")).stderr(log).spawn().expect("postgres");
        let begin = Instant::now();
        let ready = |server: &Self| server.program("pg_isready", &["-q", "-h", "127.0.0.1", "-p", &port]).status().expect("pg_isready");
        while !ready(self).success() {
            let (ended, waited) = (process.try_wait().expect("a process of ours"), begin.elapsed());
            if ended.is_some() || waited > START_MOST {
                let _ = process.kill();
                let log = fs::read_to_string(self.path("log")).unwrap_or_default();
                panic!("the database does not answer after {waited:?} (ended: {ended:?}):\n{log}");
            }
            sleep(Duration::from_millis(20));
        }
        self.process = Some(process);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where tests run as root: makes a file the server's user's.
    fn give_away(&self, name: &str) {
        if is_root() {
            let status = Command::new("chown").arg("postgres:").arg(self.path(name)).status().expect("chown");
            assert!(status.success(), "the package makes a user postgres");
        }
    }

    /// A program of PostgreSQL, as a user it is content with.
    fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).current_dir(self.directory.path()).env("PGPASSWORD", PASSWORD).stdin(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|here| std::os::unix::fs::MetadataExt::uid(&here) == 0)
}

/// Where its programs are: Debian keeps those of each version in a folder of its own.
fn installed() -> Option<PathBuf> {
    let version = |path: &PathBuf| path.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    versions.filter(|path| Path::new(path).join("initdb").exists()).max_by_key(version)
}
