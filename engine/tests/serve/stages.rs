//! Stages on a server: they come, go, are replaced and fail beside the jobs on the workers, and say each record once.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::server::{State, Submission};
use engine::stage::{Done, Stage, StageProgram, Taken};

use crate::trade::{Shop, definition};
use crate::{REPLACE, SILENT};

/// Copies entries, under the name of its version. The version `mended` alone can stand the values 666, of which the work fails, and
/// 777, of which it panics.
struct Copies {
    output: String,
    version: String,
    done: Vec<Done>,
}

pub(super) fn copies(topic: &str, output: &str, version: &str) -> StageProgram {
    let (output, version) = (output.to_owned(), version.to_owned());
    let open = move |_| Ok(Box::new(Copies { output: output.clone(), version: version.clone(), done: Vec::new() }) as Box<dyn Stage>);
    StageProgram { topic: topic.to_owned(), open: Box::new(open), refused: |_| unreachable!("nothing is refused") }
}

impl Stage for Copies {
    fn has_room(&self) -> bool {
        self.done.len() < 5
    }

    fn take(&mut self, record: &Taken<'_>) -> Result<(), String> {
        let (partition, offset) = (record.raw.partition, record.raw.offset);
        let [key, _, value]: [i64; 3] = serde_json::from_slice(record.raw.value.unwrap()).unwrap();
        assert!(value != 777 || self.version == "mended", "777 is too much");
        if value == 666 && self.version != "mended" {
            return Err("666 cannot be copied".to_owned());
        }
        let text = format!("{partition}/{offset} {key} {value}{}", self.version);
        let rows = vec![(self.output.clone(), key.to_string(), text.into_bytes())];
        self.done.push(Done { partition, offset, lane: u64::from(partition), rows, ..Done::default() });
        Ok(())
    }

    fn done(&mut self, _: &str, wait: Duration) -> Result<Vec<Done>, String> {
        std::thread::sleep(wait);
        Ok(std::mem::take(&mut self.done))
    }

    fn begins_at(&mut self, _: u32, next_offset: u64) -> u64 {
        next_offset
    }

    fn finish(&mut self) {}

    fn is_idle(&self) -> bool {
        self.done.is_empty()
    }
}

/// The copies by their place; each record was copied once.
fn each_once(rows: &[String]) -> BTreeMap<String, String> {
    let mut copies = BTreeMap::new();
    for row in rows {
        let (place, copy) = row.split_once(' ').unwrap();
        assert_eq!(copies.insert(place.to_owned(), copy.to_owned()), None, "{row} was copied before");
    }
    copies
}

fn copied(shop: &Shop, count: usize) -> BTreeMap<String, String> {
    each_once(&shop.until("copies", |rows| rows.len() >= count))
}

#[test]
fn a_stage_begins_rests_and_ends_beside_other_jobs_and_goes_on_where_it_was() {
    let mut shop = Shop::open();
    shop.submit(&definition("sums", "sum", "sums"), SILENT).unwrap();
    shop.submit(&definition("copying", "stage", "copies"), SILENT).unwrap();
    (0..50).for_each(|i| shop.append(i, 1));
    copied(&shop, 50);
    shop.until_running("copying");
    shop.until_running("sums");
    shop.wait(|| shop.server.figures().stages["copying"].rows.get("copies") == Some(&50));

    shop.server.pause("copying").unwrap();
    shop.wait(|| !shop.server.figures().stages.contains_key("copying"));
    (50..60).for_each(|i| shop.append(i, 1));
    shop.until("sums", |rows| rows.len() >= 60);
    assert_eq!(shop.rows("copies").len(), 50, "it rests");
    shop = shop.restart(2);
    assert_eq!(shop.server.job("copying").unwrap().entry.state, State::Paused);
    shop.server.resume("copying").unwrap();
    copied(&shop, 60);

    // What runs when the server stops goes on when it is started.
    shop = shop.restart(1);
    (60..70).for_each(|i| shop.append(i, 1));
    copied(&shop, 70);
    shop.until_running("copying");

    shop.server.stop("copying").unwrap();
    shop.wait(|| !shop.server.figures().stages.contains_key("copying"));
    (70..80).for_each(|i| shop.append(i, 1));
    shop.until("sums", |rows| rows.len() >= 80);
    assert_eq!(shop.rows("copies").len(), 70);
    shop.submit(&definition("copying", "stage", "copies"), SILENT).unwrap();
    assert_eq!(copied(&shop, 80).len(), 80);
}

#[test]
fn another_version_of_a_stage_goes_on_where_its_predecessor_ended() {
    let shop = Shop::open();
    shop.submit(&definition("copying", "stage-a", "copies"), SILENT).unwrap();
    (0..30).for_each(|i| shop.append(i, 1));
    copied(&shop, 30);
    let other = definition("copying", "stage-b", "copies");
    assert_eq!(shop.submit(&other, SILENT).unwrap_err().to_string(), "job \"copying\" runs already, in another version");
    // While it is replaced it goes on being fed.
    (30..60).for_each(|i| shop.append(i, 1));
    shop.submit(&other, REPLACE).unwrap();
    (60..90).for_each(|i| shop.append(i, 1));
    let copies = copied(&shop, 90);
    for partition in 0..2 {
        let mut of: Vec<(u64, bool)> = copies
            .iter()
            .filter_map(|(place, copy)| Some((place.strip_prefix(&format!("{partition}/"))?.parse().unwrap(), copy.ends_with("-b"))))
            .collect();
        of.sort_unstable();
        assert!(of.is_sorted_by_key(|(_, by_b)| *by_b), "one version after the other: {of:?}");
        assert!(!of[0].1 && of[of.len() - 1].1);
    }
    assert_eq!(shop.server.job("copying").unwrap().entry.definition, "copying-stage-b-entries-copies");
}

#[test]
fn a_stage_that_fails_or_panics_fails_alone_and_goes_on_when_it_is_mended() {
    let shop = Shop::open();
    shop.submit(&definition("sums", "sum", "sums"), SILENT).unwrap();
    for (round, (value, reason)) in [(666, "666 cannot be copied"), (777, "it panicked: 777 is too much")].into_iter().enumerate() {
        shop.submit(&definition("copying", "stage", "copies"), REPLACE).unwrap();
        shop.append(1, 5);
        shop.until_running("copying");
        shop.append(1, value);
        shop.append(1, 6);
        shop.wait(|| shop.server.job("copying").unwrap().entry.state == State::Failed);
        let told = shop.server.job("copying").unwrap().entry.reason.unwrap();
        assert!(told.contains(reason), "{told}");
        // As it is it fails again.
        shop.submit(&definition("copying", "stage", "copies"), SILENT).unwrap();
        shop.wait(|| shop.server.job("copying").unwrap().entry.state == State::Failed);
        shop.submit(&definition("copying", "stagemended", "copies"), SILENT).unwrap();
        copied(&shop, 3 * (round + 1));
        let sum = 11 * (round as i64 + 1) + if round == 0 { value } else { 666 + value };
        shop.until("sums", |rows| rows.iter().any(|row| row.starts_with(&format!("1 {sum} "))));
        assert_eq!(shop.server.figures().restarts, 0, "the workers have nothing to do with it");
        shop.until_running("copying");
    }
}

#[test]
fn what_cannot_go_together_is_refused() {
    let shop = Shop::open();
    shop.submit(&definition("sums", "sum", "sums"), SILENT).unwrap();
    shop.submit(&definition("copying", "stage", "copies"), SILENT).unwrap();
    let refused = |text: &str, submission| shop.submit(text, submission).unwrap_err().to_string();
    assert!(refused(&definition("shop", "stage", "other"), SILENT).starts_with("the server itself is called \"shop\""));
    let bounded = Submission { memory_most: Some(1 << 30), ..SILENT };
    assert!(refused(&definition("other", "stage", "other"), bounded).contains("is not counted"));
    assert!(refused(&definition("sums", "stage", "sums"), REPLACE).contains("does other work"));
    assert!(refused(&definition("copying", "sum", "copies"), REPLACE).contains("does other work"));
    assert!(refused(&definition("other", "stage", "sums"), SILENT).contains("writes the topic \"sums\" already"));
    assert!(refused(&definition("other", "sum", "copies"), SILENT).contains("writes the topic \"copies\" already"));
    assert!(refused("other stage nothing other", SILENT).contains("there is no topic \"nothing\""));
    let plan = shop.server.plan("other", &definition("other", "stage", "other")).unwrap();
    assert_eq!((plan["shares"].to_string(), plan["builds"].to_string()), ("[]".into(), r#"["threads of its own"]"#.into()));
}
