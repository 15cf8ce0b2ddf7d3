//! Live: the broker of the live tests is a real one, in the eyes of a client that is not ours.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use city::broker::Broker;

/// Runs kcat, another client than ours (librdkafka's own), and returns what it printed; `None` where it is not installed.
pub(crate) fn kcat(brokers: &str, arguments: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new("kcat");
    command.args(["-b", brokers, "-q"]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut kcat = command.spawn().ok()?;
    kcat.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = kcat.wait_with_output().unwrap();
    assert!(output.status.success(), "kcat {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_real_broker_keeps_records_through_a_crash() {
    let mut broker = match Broker::start() {
        Ok(broker) => broker,
        Err(skipped) => return println!("{skipped}"),
    };
    broker.create_topic("observations", 2);
    broker.create_topic("signals", 1);
    assert_eq!(broker.list_topics(), ["observations", "signals"]);

    let written = kcat(&broker.brokers(), &["-P", "-t", "observations", "-p", "1", "-K", "|"], "c019|first\nc019|second\n");
    if written.is_none() {
        return println!("skipped: no kcat; Debian's package of that name has it");
    }
    broker.stop();
    broker.restart();
    let read = kcat(&broker.brokers(), &["-C", "-t", "observations", "-p", "1", "-o", "beginning", "-e", "-f", "%p %o %k %s\\n"], "");
    assert_eq!(read.unwrap(), "1 0 c019 first\n1 1 c019 second\n");
}
