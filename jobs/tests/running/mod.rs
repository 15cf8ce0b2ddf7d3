//! `giaolo serve` as a process of its own, asked over TCP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// What does not answer by then is stuck.
const MOST: Duration = Duration::from_secs(60);

pub(crate) fn giaolo(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_giaolo")).args(arguments).current_dir(folder).env_remove("GIAOLO_TOKEN").output().unwrap()
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn token(folder: &Path, name: &str, role: &str, bound: &[&str]) -> String {
    let arguments = [&["access", "add", name, "--role", role, "--state", "city.jobs.db"], bound].concat();
    let output = giaolo(folder, &arguments);
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A server that is killed in the end.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Running {
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Self {
        Self::start_on(folder, &["--local", "city.db"], more)
    }

    pub(crate) fn start_on(folder: &Path, store: &[&str], more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_giaolo"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(store).args(more).current_dir(folder);
        let mut child = command.env("RUST_LOG", "off").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.contains("listening on"))).unwrap();
        let address = line.split("://").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// Sends a request, and returns the connection with its answer; `head` are more header lines.
    pub(crate) fn send(&self, method: &str, path: &str, token: Option<&str>, head: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(MOST)).unwrap();
        let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: x\r\n{bearer}{head}connection: close\r\ncontent-length: {length}\r\n\r\n{body}")
            .unwrap();
        stream
    }

    /// Status and whole answer; of events, what comes at once.
    pub(crate) fn ask(&self, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
        self.post(method, path, token, "no")
    }

    pub(crate) fn post(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
        let mut stream = self.send(method, path, token, "", body);
        let (mut answer, mut part) = (Vec::new(), [0; 4096]);
        loop {
            let read = stream.read(&mut part).unwrap();
            answer.extend_from_slice(&part[..read]);
            let events = String::from_utf8_lossy(&answer).contains("content-type: text/event-stream");
            if read == 0 || events {
                break;
            }
        }
        let answer = String::from_utf8(answer).unwrap();
        (answer.split(' ').nth(1).unwrap_or_else(|| panic!("{method} {path}: {answer:?}")).parse().unwrap(), answer)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
