//! A small job through the whole runtime, on files.

mod sums;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engine::transport::file::FileTransport;
use engine::{Binding, Report, Run, Settings};
use sums::Sums;

fn run(input: &Path, output: &Path, workers: usize) -> Report {
    let input: Arc<dyn engine::transport::Transport> = Arc::new(FileTransport::new(input, &["received_ms", "at_ms"]));
    let settings = Settings { workers, lateness_ms: 2_000, max_skew_ms: 50, bounded: true, epoch_bytes: 300, ..Settings::default() };
    let run = Run {
        job: Arc::new(Sums),
        name: "sums".into(),
        definition: "1".into(),
        sources: vec![Binding { source: "entries".into(), transport: input, topic: "entries".into(), table: false }],
        sink: Arc::new(FileTransport::new(output, &[])),
        outputs: vec!["sums".into(), "rejected".into()],
        settings,
        stop: Arc::new(AtomicBool::new(false)),
    };
    run.run(&mut |_| ()).unwrap()
}

fn lines(folder: &Path, name: &str) -> Vec<String> {
    std::fs::read_to_string(folder.join(name)).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn sums_are_revised_then_final_and_what_cannot_be_taken_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |key: u64, at: u64, value: i64, received: u64| {
        format!("{{\"key\":{key},\"at_ms\":{at},\"value\":{value},\"received_ms\":{received}}}\n")
    };
    let mut text = entry(1, 10_000, 5, 10_000) + &entry(2, 10_010, 1, 10_020) + "broken\n";
    text += &entry(1, 10_400, 2, 10_420); // later revision
    text += &entry(1, 10_600, 9, 10_500); // 100 ms ahead of its arrival: future
    text += &entry(3, 14_000, 1, 14_000); // time goes on: 1 and 2 become final at 11 400 + 2 000 and 11 010 + 2 000
    text += &entry(4, 11_000, 1, 14_100); // 3 s old: late
    std::fs::write(folder.path().join("entries.ndjson"), text).unwrap();
    for workers in [1, 2] {
        let out = folder.path().join(format!("out-{workers}"));
        let report = run(folder.path(), &out, workers);
        assert!(report.finished);
        assert_eq!(report.records, 7);
        let mut sums = lines(&out, "sums.ndjson");
        sums.sort();
        assert_eq!(
            sums,
            [
                "1 5 1 provisional",
                "1 7 2 provisional",
                "1 7 3 final",
                "2 1 1 provisional",
                "2 1 2 final",
                "3 1 1 provisional",
                "3 1 2 final"
            ]
        );
        let mut rejected = lines(&out, "rejected.ndjson");
        rejected.sort();
        assert_eq!(rejected.len(), 3, "{rejected:?}");
        assert!(rejected[0].starts_with("2 Unreadable broken") && rejected[1].starts_with("4 Future") && rejected[2].starts_with("6 Late"));
    }
}

/// What may come until 23 000, and no longer, comes at 23 000.
#[test]
fn a_row_is_not_final_while_the_last_evidence_may_still_come() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |at: u64, value: i64, received: u64| format!("{{\"key\":5,\"at_ms\":{at},\"value\":{value},\"received_ms\":{received}}}\n");
    let text = entry(20_000, 1, 20_000) + &entry(21_000, 2, 22_950) + &entry(21_000, 4, 23_000);
    std::fs::write(folder.path().join("entries.ndjson"), text).unwrap();
    let out = folder.path().join("out");
    run(folder.path(), &out, 1);
    assert_eq!(lines(&out, "sums.ndjson"), ["5 1 1 provisional", "5 3 2 provisional", "5 3 3 final"]);
    assert!(lines(&out, "rejected.ndjson")[0].starts_with("2 Late"));
}

#[test]
fn ten_thousand_records_give_the_same_for_one_worker_and_two() {
    let folder = tempfile::tempdir().unwrap();
    let line = |i: u64| format!("{{\"key\":{},\"at_ms\":{},\"value\":{i}}}\n", i % 97, 1_000_000 + i * 3);
    std::fs::write(folder.path().join("entries.ndjson"), (0..10_000).map(line).collect::<String>()).unwrap();
    let outputs: Vec<_> = [1, 2]
        .map(|workers| {
            let out = folder.path().join(format!("out-{workers}"));
            run(folder.path(), &out, workers);
            let mut finals: Vec<_> = lines(&out, "sums.ndjson").into_iter().filter(|l| l.ends_with("final")).collect();
            finals.sort();
            finals
        })
        .into();
    let expected: BTreeMap<u64, u64> = (0..10_000).fold(BTreeMap::new(), |mut sums, i| {
        *sums.entry(i % 97).or_default() += i;
        sums
    });
    assert_eq!(outputs[0].len(), 97);
    let sums = |lines: &[String]| -> BTreeMap<u64, u64> {
        lines.iter().map(|l| l.split(' ').collect::<Vec<_>>()).map(|w| (w[0].parse().unwrap(), w[1].parse().unwrap())).collect()
    };
    assert_eq!(sums(&outputs[0]), expected);
    assert_eq!(sums(&outputs[1]), expected);
}
