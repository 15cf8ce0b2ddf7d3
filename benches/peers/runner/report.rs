//! What a race says: a table for a person, JSON for a program.

use std::fmt::Write as _;
use std::time::Duration;

use benches::plate_reads::Alerts;
use serde_json::{Value, json};

use crate::engine::{Engine, Pass, Peer, Run};

/// A run beside which others used more than this many cores is marked.
const FOREIGN_MOST: f64 = 0.15;

/// Everything that was measured.
pub(crate) struct Results {
    entries: Vec<(Peer, Vec<Run>)>,
}

/// The medians of one peer.
#[derive(Clone, Copy)]
struct Figures {
    /// Reads a second in the pass that counts: median, least, most.
    rate: [f64; 3],
    /// Reads a second in the first pass.
    cold: f64,
    /// Processor seconds for a million reads.
    spent: f64,
    peak_mib: f64,
    foreign: f64,
}

impl Results {
    pub(crate) fn new(peers: &[Peer]) -> Self {
        Self { entries: peers.iter().map(|peer| (*peer, Vec::new())).collect() }
    }

    pub(crate) fn add(&mut self, place: usize, run: Run) {
        self.entries[place].1.push(run);
    }

    /// Medians, and ratios to Flink's DataStream with as many workers.
    pub(crate) fn table(&self, reads: usize, alerts: Alerts) -> String {
        let mut text = format!("{reads} reads, {} alerts, checksum {}, from every engine\n\n", alerts.count, alerts.checksum);
        let heads = ["k reads/s", "least-most", "ratio", "first pass", "CPU s/M", "peak MiB", "ratio", "others"];
        _ = write!(text, "{:<20}", "engine, workers");
        heads.iter().for_each(|head| _ = write!(text, " {head:>11}"));
        for (peer, runs) in &self.entries {
            let Figures { rate, cold, spent, peak_mib, foreign } = figures(runs, reads);
            let rival = self.rival(*peer).map(|runs| figures(runs, reads));
            let ratio = |of: fn(&Figures) -> f64, mine: f64| rival.map_or(String::new(), |rival| format!("{:.2}", mine / of(&rival)));
            let [median, least, most] = rate.map(|rate| format!("{:.0}", rate / 1_000.0));
            let cells = [
                median,
                format!("{least}-{most}"),
                ratio(|rival| rival.rate[0], rate[0]),
                format!("{:.0}", cold / 1_000.0),
                format!("{spent:.2}"),
                format!("{peak_mib:.0}"),
                ratio(|rival| rival.peak_mib, peak_mib),
                format!("{foreign:.2}{}", if foreign > FOREIGN_MOST { "!" } else { "" }),
            ];
            _ = write!(text, "\n{:<20}", peer.to_string());
            cells.iter().for_each(|cell| _ = write!(text, " {cell:>11}"));
        }
        text.push_str("\n\nratio: to Flink DataStream with as many workers; others: cores that foreign programs used (! above 0.15)\n");
        text
    }

    /// Everything, run by run.
    pub(crate) fn json(&self, reads: usize, alerts: Alerts) -> Value {
        let pass = |pass: &Pass| {
            let Pass { wall, spent, foreign } = pass;
            json!({ "seconds": wall.as_secs_f64(), "cpu_seconds": spent.as_secs_f64(), "foreign_cores": foreign })
        };
        let passes = |run: &Run| run.passes.iter().map(pass).collect::<Value>();
        let run = |run: &Run| json!({ "peak_bytes": run.peak_bytes, "passes": passes(run) });
        let entry = |(peer, runs): &(Peer, Vec<Run>)| {
            let runs: Value = runs.iter().map(run).collect();
            json!({ "engine": peer.to_string(), "workers": peer.workers, "runs": runs })
        };
        let entries: Vec<Value> = self.entries.iter().map(entry).collect();
        json!({ "reads": reads, "alerts": alerts.count, "checksum": alerts.checksum, "engines": entries })
    }

    /// Flink's DataStream with as many workers.
    fn rival(&self, peer: Peer) -> Option<&Vec<Run>> {
        let rival = Peer { engine: Engine::FlinkDatastream, ..peer };
        self.entries.iter().find(|(peer, _)| *peer == rival).map(|(_, runs)| runs)
    }
}

fn figures(runs: &[Run], reads: usize) -> Figures {
    let rate = |wall: Duration| reads as f64 / wall.as_secs_f64().max(0.001);
    let last = |of: fn(&Pass) -> f64| sorted(runs.iter().filter_map(|run| run.passes.last()).map(of));
    let rates = sorted(runs.iter().filter_map(|run| Some(rate(run.passes.last()?.wall))));
    Figures {
        rate: [median(&rates), rates.first().copied().unwrap_or(0.0), rates.last().copied().unwrap_or(0.0)],
        cold: median(&sorted(runs.iter().filter_map(|run| Some(rate(run.passes.first()?.wall))))),
        spent: median(&last(|pass| pass.spent.as_secs_f64())) * 1e6 / reads as f64,
        peak_mib: median(&sorted(runs.iter().map(|run| run.peak_bytes as f64 / f64::from(1 << 20)))),
        foreign: median(&last(|pass| pass.foreign)),
    }
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios_are_of_the_passes_that_count() {
        let peer = |engine| Peer { engine, workers: 1 };
        let run = |seconds| {
            let pass = |seconds| Pass { wall: Duration::from_secs(seconds), spent: Duration::from_secs(1), foreign: 0.0 };
            Run { passes: vec![pass(10), pass(seconds)], peak_bytes: seconds << 20 }
        };
        let mut results = Results::new(&[peer(Engine::Giaolo), peer(Engine::FlinkDatastream)]);
        [1, 2, 9].into_iter().for_each(|seconds| results.add(0, run(seconds)));
        [4, 4, 8].into_iter().for_each(|seconds| results.add(1, run(seconds)));
        let table = results.table(1_000_000, Alerts { count: 1, checksum: 2 });
        let giaolo: Vec<&str> = table.lines().find(|line| line.starts_with("Giaolo")).unwrap().split_ascii_whitespace().collect();
        assert_eq!(giaolo, ["Giaolo,", "1", "500", "111-1000", "2.00", "100", "1.00", "2", "0.50", "0.00"]);
    }
}
