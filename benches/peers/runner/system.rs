//! What Linux tells about processes and the machine. Where it tells nothing, zero.

use std::fs;
use std::time::Duration;

/// Ticks of `/proc` in a second, on every Linux there is.
const TICKS: u64 = 100;

/// The most memory that a process has had resident, bytes.
pub(crate) fn peak_bytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0);
    kib * 1_024
}

/// Processor time that a process has spent.
pub(crate) fn spent(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything; user and system time are the 12th and 13th field behind it.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    from_ticks(behind.split_ascii_whitespace().skip(11).take(2))
}

/// Processor time that this process and its children (the broker and an engine) have spent.
pub(crate) fn spent_by_us() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Duration = children.flat_map(|text| processes(&text)).map(spent).sum();
    children + spent(std::process::id())
}

/// Processor time that the machine has spent on everything but waiting.
pub(crate) fn spent_by_all() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let mut fields = stat.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1);
    let work = from_ticks(fields.by_ref().take(3));
    // Idle, and waiting for disks.
    work + from_ticks(fields.skip(2).take(3))
}

fn processes(text: &str) -> Vec<u32> {
    text.split_ascii_whitespace().filter_map(|process| process.parse().ok()).collect()
}

fn from_ticks<'a>(fields: impl Iterator<Item = &'a str>) -> Duration {
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_spends_no_more_than_all() {
        assert!(peak_bytes(std::process::id()) > 1 << 20);
        assert!(spent(std::process::id()) <= spent_by_us() && spent_by_us() <= spent_by_all());
    }
}
