//! A server: jobs that come, go, are replaced, fail, and go on after a restart.

mod http;
mod stages;
#[path = "../sums/mod.rs"]
#[allow(dead_code, reason = "of the sums, only how they are published is of use here")]
mod sums;
mod trade;

use std::collections::BTreeMap;
use std::time::Duration;

use engine::server::{ServerError, State, Submission};
use trade::{Shop, definition};

const EMIT: Submission = Submission { tell_final: true, replace: false, memory_most: None };
const SILENT: Submission = Submission { tell_final: false, replace: false, memory_most: None };
const REPLACE: Submission = Submission { tell_final: false, replace: true, memory_most: None };

/// The last word on every key, of rows `key sum revision standing`; checks that revisions are 1, 2, 3 … and final is the last.
fn table(rows: &[String]) -> BTreeMap<String, String> {
    let mut last: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for row in rows {
        let (key, rest) = row.split_once(' ').unwrap();
        let (sum, revision, standing) = match rest.split(' ').collect::<Vec<_>>()[..] {
            [sum, revision, standing] => (sum, revision.parse::<u64>().unwrap(), standing),
            _ => panic!("{row:?}"),
        };
        let before = last.insert(key.to_owned(), (revision, format!("{sum} {standing}")));
        let (told, stood) = before.unwrap_or_default();
        assert_eq!(revision, told + 1, "revision of {row:?}");
        assert!(!stood.ends_with("final"), "{row:?} comes after {stood:?}");
    }
    last.into_iter().map(|(key, (_, row))| (key, row)).collect()
}

#[test]
fn a_job_that_comes_later_knows_the_past_and_shares_what_is_there() {
    let shop = Shop::open();
    shop.submit(&definition("first", "sum", "sums"), SILENT).unwrap();
    for round in 1..4 {
        (0..7).for_each(|key| shop.append(key, i64::from(round)));
        shop.until("sums", |rows| rows.len() >= 7 * round as usize);
    }
    let plan = shop.server.plan("second", &definition("second", "sum", "again")).unwrap();
    assert_eq!(
        (plan["shares"].to_string(), plan["builds"].to_string()),
        (r#"["entries","sum"]"#.into(), r#"["outputs of second"]"#.into())
    );
    shop.submit(&definition("second", "sum", "again"), EMIT).unwrap();
    (0..300).for_each(|i| shop.append(i % 9, 1));
    let settled = |rows: &[String]| rows.iter().filter(|row| row.ends_with("final")).count() == 9;
    let (sums, again) = (shop.until("sums", settled), shop.until("again", settled));
    assert_eq!(table(&sums), table(&again));
    // What was told of the past was told once, as it stood.
    assert!(again.len() < sums.len(), "{} rows, {} before", again.len(), sums.len());
}

#[test]
fn what_was_final_before_a_job_came_is_not_told_unless_it_is_asked_for() {
    let shop = Shop::open();
    shop.submit(&definition("first", "sum", "sums"), SILENT).unwrap();
    shop.append(1, 5);
    shop.until("sums", |rows| rows.iter().any(|row| row.ends_with("final")));
    shop.append(2, 7);
    shop.until("sums", |rows| rows.contains(&"2 7 1 provisional".to_owned()));
    shop.submit(&definition("silent", "sum", "silent"), SILENT).unwrap();
    shop.submit(&definition("all", "sum", "all"), EMIT).unwrap();
    let all = shop.until("all", |rows| rows.len() == 3);
    let silent = shop.until("silent", |rows| rows.len() == 2);
    assert_eq!(silent, ["2 7 1 provisional", "2 7 2 final"]);
    // Nothing can change it any more, so it is never said to be provisional.
    assert_eq!(all, ["1 5 1 final", "2 7 1 provisional", "2 7 2 final"]);
}

#[test]
fn another_version_goes_on_with_the_outputs_of_its_predecessor() {
    let shop = Shop::open();
    shop.submit(&definition("job", "sum", "sums"), SILENT).unwrap();
    shop.append(1, 5);
    shop.until("sums", |rows| rows.iter().any(|row| row.ends_with("final")));
    [(2, 7), (3, 30), (4, 0)].into_iter().for_each(|(key, value)| shop.append(key, value));
    shop.until("sums", |rows| rows.len() == 5);
    let refused = shop.submit(&definition("job", "large", "sums"), SILENT).unwrap_err();
    assert!(matches!(refused, ServerError::Conflict { .. }), "{refused}");
    // The new version tells of sums over 10 alone, and doubles them.
    shop.submit(&definition("job", "large", "sums"), REPLACE).unwrap();
    let rows = shop.until("sums", |rows| rows.iter().any(|row| row.starts_with("3 60") && row.ends_with("final")));
    let stands = table(&rows);
    let expected = [("1", "5 final"), ("2", "7 withdrawn"), ("3", "60 final"), ("4", "0 withdrawn")];
    assert_eq!(stands, expected.map(|(key, row)| (key.to_owned(), row.to_owned())).into());
}

#[test]
fn a_paused_job_rests_and_tells_what_has_changed_when_it_is_resumed() {
    let mut shop = Shop::open();
    shop.submit(&definition("job", "sum", "sums"), SILENT).unwrap();
    shop.submit(&definition("clock", "sum", "clock"), SILENT).unwrap();
    shop.append(1, 5);
    shop.append(2, 7);
    shop.until("sums", |rows| rows.len() == 2);
    shop.server.pause("job").unwrap();
    shop.append(1, 1);
    shop.append(3, 9);
    shop.until("clock", |rows| rows.contains(&"1 6 2 provisional".to_owned()) && rows.contains(&"3 9 1 provisional".to_owned()));
    assert_eq!(shop.rows("sums").len(), 2, "it rests");
    assert_eq!(
        shop.submit(&definition("other", "sum", "sums"), SILENT).unwrap_err().to_string(),
        "job \"job\" writes the topic \"sums\" already"
    );
    shop = shop.restart(2);
    assert_eq!(shop.server.job("job").unwrap().entry.state, State::Paused);
    shop.server.resume("job").unwrap();
    let rows = shop.until("sums", |rows| rows.iter().filter(|row| row.ends_with("final")).count() == 3);
    assert_eq!(table(&rows), [("1", "6 final"), ("2", "7 final"), ("3", "9 final")].map(|(k, r)| (k.to_owned(), r.to_owned())).into());
}

#[test]
fn what_a_stopped_job_published_is_final() {
    let shop = Shop::open();
    shop.submit(&definition("job", "sum", "sums"), SILENT).unwrap();
    shop.append(1, 5);
    shop.until("sums", |rows| rows.len() == 1);
    shop.server.stop("job").unwrap();
    let rows = shop.until("sums", |rows| rows.len() == 2);
    assert_eq!(rows, ["1 5 1 provisional", "1 5 2 final"]);
    // Nobody counts on it to change, so it does not, whoever comes.
    shop.append(1, 1);
    shop.submit(&definition("job", "sum", "sums"), EMIT).unwrap();
    shop.append(2, 2);
    let rows = shop.until("sums", |rows| rows.iter().any(|row| row.starts_with("2 2")));
    assert!(rows.iter().filter(|row| row.starts_with("1 ")).count() == 2, "{rows:?}");
}

#[test]
fn a_restart_goes_on_with_every_job_as_if_nothing_had_happened() {
    let mut shop = Shop::open();
    shop.submit(&definition("first", "sum", "sums"), SILENT).unwrap();
    let mut total = BTreeMap::new();
    for round in 0..6_u32 {
        for i in 0..40 {
            let (key, value) = (u64::from(i % 5), i64::from(round * 100 + i));
            shop.append(key, value);
            *total.entry(key).or_insert(0) += value;
        }
        match round {
            1 => drop(shop.submit(&definition("second", "sum", "again"), EMIT).unwrap()),
            2 => drop(shop.submit(&definition("third", "large", "large"), SILENT).unwrap()),
            3 => drop(shop.server.stop("third").unwrap()),
            4 => drop(shop.submit(&definition("second", "large", "again"), REPLACE).unwrap()),
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(60));
        shop = shop.restart(1 + round as usize % 2);
    }
    let states: Vec<_> = shop.server.jobs().unwrap().into_iter().map(|view| (view.entry.job, view.entry.state)).collect();
    assert_eq!(states, [("first".into(), State::Running), ("second".into(), State::Running), ("third".into(), State::Stopped)]);
    let settled = |rows: &[String]| rows.iter().filter(|row| row.ends_with("final")).count() == 5;
    let sums = table(&shop.until("sums", settled));
    let again = table(&shop.until("again", settled));
    for (key, sum) in total {
        assert_eq!(sums[&key.to_string()], format!("{sum} final"));
        assert_eq!(again[&key.to_string()], format!("{} final", sum * 2));
    }
    table(&shop.rows("large"));
}

#[test]
fn a_topic_that_a_job_brought_grows_while_the_server_runs() {
    let mut shop = Shop::open();
    shop.submit(&definition("job", "sum", "sums"), SILENT).unwrap();
    shop.append(1, 5);
    shop.until("sums", |rows| rows.len() == 1);
    shop.append_to(2, 7, 1);
    shop.append_to(4, 8, 2);
    shop.until("sums", |rows| rows.iter().filter(|row| row.ends_with(" 1 provisional")).count() == 3);
    shop = shop.restart(1);
    shop.append_to(3, 9, 3);
    shop.append_to(2, 7, 1);
    let rows = shop.until("sums", |rows| rows.iter().filter(|row| row.ends_with("final")).count() == 4);
    assert_eq!(
        table(&rows),
        [("1", "5 final"), ("7", "2 final"), ("8", "2 final"), ("9", "3 final")].map(|(k, r)| (k.into(), r.into())).into()
    );
}

/// Nobody reads the topic any more, and nothing is open: there is nothing to be rebuilt.
#[test]
fn a_server_whose_jobs_have_long_ended_starts_again() {
    let mut shop = Shop::open();
    shop.submit(&definition("job", "sum", "sums"), SILENT).unwrap();
    shop.append(1, 5);
    shop.until("sums", |rows| rows.len() == 1);
    shop.server.stop("job").unwrap();
    shop.until("sums", |rows| rows.len() == 2);
    let ended_ms = shop.server.figures().clock_ms;
    shop.wait(|| shop.rests_on_ms() > ended_ms);
    shop = shop.restart(1);
    shop.wait(|| shop.server.is_ready());
    shop.submit(&definition("other", "sum", "others"), SILENT).unwrap();
    shop.append(2, 7);
    shop.until("others", |rows| rows.iter().any(|row| row.starts_with("2 7")));
    shop = shop.restart(2);
    shop.append(2, 1);
    // What the second job read, it reads again, although the history still tells of the first.
    let rows = shop.until("others", |rows| rows.iter().any(|row| row == "2 8 3 final"));
    assert_eq!(table(&rows)["2"], "8 final");
}

#[test]
fn a_job_that_panics_fails_alone() {
    let shop = Shop::open();
    shop.submit(&definition("well", "sum", "sums"), SILENT).unwrap();
    shop.submit(&definition("ill", "brittle", "ill"), SILENT).unwrap();
    (0..20).for_each(|i| shop.append(i % 3, 1));
    shop.until("sums", |rows| rows.len() >= 3);
    shop.append(1, 666);
    shop.append(2, 50);
    let rows = shop.until("sums", |rows| rows.iter().filter(|row| row.ends_with("final")).count() == 3);
    assert_eq!(table(&rows), [("0", "7 final"), ("1", "673 final"), ("2", "56 final")].map(|(k, r)| (k.to_owned(), r.to_owned())).into());
    let ill = shop.server.job("ill").unwrap().entry;
    assert_eq!((ill.state, ill.reason.as_deref()), (State::Failed, Some("666 is too much")));
    assert_eq!(shop.server.job("well").unwrap().entry.state, State::Running);
    assert_eq!(shop.server.figures().restarts, 1);
}

#[test]
fn two_jobs_never_write_the_same_topic_and_errors_say_what_to_do() {
    let shop = Shop::open();
    shop.submit(&definition("first", "sum", "sums"), SILENT).unwrap();
    let refused = shop.submit(&definition("second", "sum", "sums"), SILENT).unwrap_err();
    assert_eq!(refused.to_string(), "job \"first\" writes the topic \"sums\" already");
    assert!(refused.hint().unwrap().contains("another output topic"));
    assert!(matches!(shop.submit("job", SILENT).unwrap_err(), ServerError::Problems(_)));
    assert!(matches!(shop.server.stop("nobody").unwrap_err(), ServerError::NoJob(_)));
    let missing = shop.submit(&definition("third", "sum", "third").replace("entries", "nowhere"), SILENT).unwrap_err();
    assert!(missing.to_string().contains("nowhere"), "{missing}");
    assert_eq!(shop.server.jobs().unwrap().len(), 1);
    shop.server.stop("first").unwrap();
    shop.submit(&definition("second", "sum", "sums"), SILENT).unwrap();
}

#[test]
fn a_topic_that_was_made_anew_is_gone_on_with_by_every_job() {
    let mut shop = Shop::open();
    shop.submit(&definition("runs", "sum", "sums"), SILENT).unwrap();
    shop.submit(&definition("rests", "sum", "rests"), SILENT).unwrap();
    shop.append(1, 5);
    shop.until("sums", |rows| rows.iter().any(|row| row.ends_with("final")));
    (1..4).for_each(|key| shop.append(2 * key, 7));
    shop.until("rests", |rows| rows.len() == 5);
    shop.server.pause("rests").unwrap();
    shop.append(3, 1);
    shop.until("sums", |rows| rows.iter().any(|row| row.starts_with("3 1")));
    shop = shop.lose();
    shop.until("sums", |rows| rows.iter().filter(|row| row.ends_with("withdrawn")).count() == 4);
    let lost = shop.server.figures().lost;
    assert_eq!(lost.iter().map(|lost| (lost.partition, lost.count(), lost.remade)).collect::<Vec<_>>(), [(0, 3, true), (1, 2, true)]);
    // Whoever rests is told of it when it goes on, and after another start.
    shop.append(2, 9);
    shop.until("sums", |rows| rows.iter().any(|row| row.starts_with("2 9 3 ")));
    assert_eq!(shop.rows("rests").len(), 5);
    shop = shop.restart(1);
    shop.server.resume("rests").unwrap();
    shop.append(3, 4);
    let all = |rows: &[String]| ["2 9", "3 4"].iter().all(|row| rows.iter().any(|told| told.starts_with(row) && told.ends_with("final")));
    let (sums, rests) = (table(&shop.until("sums", all)), table(&shop.until("rests", all)));
    let expected = [("1", "5 final"), ("2", "9 final"), ("3", "4 final"), ("4", "7 withdrawn"), ("6", "7 withdrawn")];
    assert_eq!(sums, expected.map(|(key, row)| (key.to_owned(), row.to_owned())).into());
    assert_eq!(rests, sums);
    assert!(shop.server.figures().lost.is_empty(), "it is told once");
}

/// Threads and open files of this process.
fn handles() -> (usize, usize) {
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

#[test]
fn two_hundred_jobs_that_come_and_go_leave_nothing_behind() {
    let shop = Shop::open();
    shop.submit(&definition("stays", "sum", "sums"), SILENT).unwrap();
    let mut after_ten = None;
    for i in 0..200 {
        let name = format!("job-{i}");
        shop.append(i % 11, 1);
        shop.submit(&definition(&name, if i % 2 == 0 { "sum" } else { "large" }, &format!("out-{}", i % 4)), EMIT).unwrap();
        shop.until_running(&name);
        shop.server.stop(&name).unwrap();
        if i == 10 {
            after_ten = Some(handles());
        }
    }
    shop.append(1, 1);
    let parts = || shop.server.figures().remembered.into_keys().collect::<Vec<_>>();
    shop.wait(|| parts() == ["entries", "sum"]);
    // Other tests of this binary come and go meanwhile.
    let ((threads, files), (threads_now, files_now)) = (after_ten.unwrap(), handles());
    assert!(threads_now <= threads + 40, "{threads} threads, then {threads_now}");
    assert!(files_now <= files + 60, "{files} files, then {files_now}");
}

#[test]
fn a_job_that_holds_too_much_fails_alone_and_goes_on_with_a_larger_bound() {
    let shop = Shop::open().restart(2);
    shop.submit(&definition("well", "sum", "sums"), Submission { memory_most: Some(1 << 30), ..SILENT }).unwrap();
    shop.submit(&definition("ill", "large", "ill"), Submission { memory_most: Some(40 << 10), ..SILENT }).unwrap();
    (0..10).for_each(|key| shop.append(key, 11));
    shop.until("ill", |rows| rows.len() == 10);
    assert_eq!(shop.server.job("ill").unwrap().entry.state, State::Running);
    let held = || shop.server.job("ill").unwrap().held_bytes;
    shop.wait(|| held() > 0);
    assert!(held() < 40 << 10, "{}", held());
    (0..1_000).for_each(|key| shop.append(key, 11));
    shop.wait(|| shop.server.job("ill").unwrap().entry.state == State::Failed);
    let reason = shop.server.job("ill").unwrap().entry.reason.unwrap();
    assert!(reason.starts_with("it holds about ") && reason.contains(" and may hold 40.0 KiB: \"large\" holds "), "{reason}");
    // What it held is given back, and the other has noticed nothing.
    shop.wait(|| held() == 0 && !shop.server.figures().held.contains_key("large"));
    shop.append(2_000, 1);
    shop.until("sums", |rows| rows.iter().any(|row| row.starts_with("2000 1 ")));
    assert_eq!((shop.server.job("well").unwrap().entry.state, shop.server.figures().restarts), (State::Running, 0));
    let more = Submission { memory_most: Some(1 << 30), ..SILENT };
    shop.submit(&definition("ill", "large", "ill"), more).unwrap();
    shop.until_running("ill");
    let rows = shop.until("ill", |rows| rows.iter().filter(|row| row.ends_with("final")).count() == 1_000);
    assert_eq!(table(&rows)["1"], "44 final");
    assert_eq!(shop.server.job("ill").unwrap().entry.memory_most, Some(1 << 30));
    // Submitted once more it runs on, with another bound; and what two jobs share is charged to none, until one of them has gone.
    shop.submit(&definition("ill", "large", "ill"), SILENT).unwrap();
    assert_eq!(shop.server.job("ill").unwrap().entry.memory_most, None);
    let shared = shop.server.figures().held["sum"];
    let less = Submission { memory_most: Some(shared.bytes as u64 / 2), ..SILENT };
    shop.submit(&definition("twin", "sum", "twins"), less).unwrap();
    shop.append(3_000, 1);
    shop.until("twins", |rows| rows.iter().any(|row| row.starts_with("3000 1 ") && row.ends_with("final")));
    assert_eq!(shop.server.job("twin").unwrap().entry.state, State::Running);
    shop.server.stop("well").unwrap();
    shop.wait(|| shop.server.job("twin").unwrap().entry.state == State::Failed);
}
