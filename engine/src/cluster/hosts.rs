//! The hosts file: one `host:port` a line, for process 0, 1, 2 and so on.

use std::path::{Path, PathBuf};

use super::ClusterError;

/// Processes there may be at most.
const MOST: usize = 256;

/// Where the processes are.
#[derive(Clone, Debug)]
pub struct Hosts {
    file: PathBuf,
    addresses: Vec<String>,
}

impl Hosts {
    /// Reads the file. Empty lines, and what follows a `#`, are skipped.
    ///
    /// # Errors
    /// It cannot be read, or a line is no address, or stands there twice.
    pub fn read(file: &Path) -> Result<Self, ClusterError> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            ClusterError::new(format!("the hosts file {file:?} could not be read: {error}"), "it has one host:port a line, process 0 first")
        })?;
        Self::parse(file, &text)
    }

    fn parse(file: &Path, text: &str) -> Result<Self, ClusterError> {
        let mut addresses: Vec<String> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let address = line.split('#').next().unwrap_or_default().trim();
            if address.is_empty() {
                continue;
            }
            let refuse = |what: &str, hint: &str| ClusterError::new(format!("{}:{number}: {address:?} {what}", file.display()), hint);
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none_or(|port| port == 0) || address.contains(char::is_whitespace) {
                return Err(refuse("is no host:port", "write, for example, 10.0.0.5:7401"));
            }
            if addresses.iter().any(|known| known == address) {
                return Err(refuse("stands there twice", "every process has an address of its own"));
            }
            addresses.push(address.to_owned());
        }
        if addresses.is_empty() || addresses.len() > MOST {
            let message = format!("{} names {} processes", file.display(), addresses.len());
            return Err(ClusterError::new(message, format!("write one host:port a line, for 1 to {MOST} processes")));
        }
        Ok(Self { file: file.to_owned(), addresses })
    }

    /// The file it was read from.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The addresses, in order of the processes.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<String>, String> {
        Hosts::parse(Path::new("hosts"), text).map(|hosts| hosts.addresses).map_err(|error| error.message)
    }

    #[test]
    fn addresses_are_in_order_and_comments_are_skipped() {
        let hosts = parse("# two machines\n10.0.0.1:7401  # leads\n\n[fd00::2]:7401\n").unwrap();
        assert_eq!(hosts, ["10.0.0.1:7401", "[fd00::2]:7401"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert_eq!(parse("a:1\nb\n").unwrap_err(), "hosts:2: \"b\" is no host:port");
        assert_eq!(parse("a:0\n").unwrap_err(), "hosts:1: \"a:0\" is no host:port");
        assert_eq!(parse("a:70000\n").unwrap_err(), "hosts:1: \"a:70000\" is no host:port");
        assert_eq!(parse("a:1 b:2\n").unwrap_err(), "hosts:1: \"a:1 b:2\" is no host:port");
        assert_eq!(parse("a:1\na:1\n").unwrap_err(), "hosts:2: \"a:1\" stands there twice");
        assert_eq!(parse("\n# nobody\n").unwrap_err(), "hosts names 0 processes");
    }
}
