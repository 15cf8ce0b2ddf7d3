//! Stages: whatever moment they are stopped or cut off at, the rows in the topic are those of an undisturbed run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::stage::{Done, Stage, StageRun, Taken};
use engine::transport::local::LocalTransport;
use engine::transport::memory::MemoryTransport;
use engine::transport::{Batch, NewRecord, Position, TopicStore, Transport, Writer as _};
use engine::{Binding, OnDataLoss, Refusal, RefusalReason, Rejection, Report, RunError, Settings};

/// Sums numbers from the last multiple of ten on, for each lane: like a decoder it can begin only there. Results come late and
/// lanes overtake each other, as chance has it.
struct Sums {
    chance: u64,
    lanes: BTreeMap<u64, Lane>,
    waiting: Vec<Done>,
    /// Records after which the work fails, as a machine does that is switched off.
    breaks: Option<u64>,
    taken: u64,
}

#[derive(Default)]
struct Lane {
    partition: u32,
    sum: Option<u64>,
    begins: Vec<u64>,
}

impl Sums {
    fn new(chance: u64, breaks: Option<u64>) -> Self {
        Self { chance, lanes: BTreeMap::new(), waiting: Vec::new(), breaks, taken: 0 }
    }

    fn chance(&mut self, most: u64) -> u64 {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.chance >> 33) % most
    }
}

impl Stage for Sums {
    fn has_room(&self) -> bool {
        self.waiting.len() < 20
    }

    fn take(&mut self, record: &Taken<'_>) -> Result<(), String> {
        self.taken += 1;
        if self.breaks.is_some_and(|breaks| self.taken > breaks) {
            return Err("switched off".to_owned());
        }
        let (partition, offset) = (record.raw.partition, record.raw.offset);
        let text = String::from_utf8_lossy(record.raw.value.unwrap_or_default());
        let mut done = Done { partition, offset, ..Done::default() };
        match text.split_once(' ').and_then(|(lane, number)| Some((lane.parse::<u64>().ok()?, number.parse::<u64>().ok()?))) {
            Some((lane, number)) => {
                let state = self.lanes.entry(lane).or_insert_with(|| Lane { partition, ..Lane::default() });
                if number % 10 == 0 {
                    (state.sum, done.event_ms) = (Some(0), number);
                    state.begins.push(offset);
                }
                state.sum = state.sum.map(|sum| sum + number);
                done.lane = lane;
                let text = format!("{lane}/{number}: {:?}", state.sum);
                done.rows.push(("sums".to_owned(), format!("{lane}/{number}"), text.into_bytes()));
            }
            None => {
                let (topic, reason) = (record.raw.topic.to_owned(), RefusalReason::Invalid);
                let Refusal { detail, .. } = Refusal { reason, detail: "no number".to_owned() };
                done.refused = Some(Rejection { topic, partition, offset, reason, detail, record: text.as_bytes().to_vec() });
            }
        }
        if !record.again {
            self.waiting.push(done);
        }
        Ok(())
    }

    /// The first result of some lane, for each lane keeps its order.
    fn done(&mut self, _: &str, _: Duration) -> Result<Vec<Done>, String> {
        let mut done = Vec::new();
        for _ in 0..self.chance(8) {
            if self.waiting.is_empty() {
                break;
            }
            let picked = self.chance(self.waiting.len() as u64) as usize;
            let lane = self.waiting[picked].lane;
            let first = self.waiting.iter().position(|waiting| waiting.lane == lane).unwrap();
            done.push(self.waiting.remove(first));
        }
        Ok(done)
    }

    fn begins_at(&mut self, partition: u32, next_offset: u64) -> u64 {
        let lanes = self.lanes.values().filter(|lane| lane.partition == partition);
        let begins = lanes.filter_map(|lane| lane.begins.iter().rev().find(|begin| **begin < next_offset).copied());
        begins.fold(next_offset, u64::min)
    }

    fn finish(&mut self) {}

    fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Two partitions of five lanes, with a record now and then that is none.
fn fill(store: &LocalTransport) {
    store.create_topic("numbers", 2).unwrap();
    for number in 0..120_u64 {
        for lane in 0..5_u64 {
            let text = if (number + lane) % 37 == 0 { "broken".to_owned() } else { format!("{lane} {number}") };
            let partition = (lane % 2) as u32;
            let record = NewRecord { partition, arrival_ms: Some(number * 1_000 + lane), key: b"", value: Some(text.as_bytes()) };
            store.append("numbers", &[record]).unwrap();
        }
    }
}

fn run(store: &Arc<LocalTransport>, stage: &mut Sums, stop_after: Option<u64>) -> Result<Report, RunError> {
    run_on(Arc::clone(store) as Arc<dyn Transport>, stage, stop_after, OnDataLoss::Fail)
}

fn run_on(transport: Arc<dyn Transport>, stage: &mut Sums, stop_after: Option<u64>, on_data_loss: OnDataLoss) -> Result<Report, RunError> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let run = StageRun {
        stage,
        goes_on_from_others: false,
        name: "sums".to_owned(),
        definition: "1".to_owned(),
        source: Binding { source: "numbers".to_owned(), transport: Arc::clone(&transport), topic: "numbers".to_owned(), table: false },
        sink: transport,
        outputs: vec!["sums".to_owned(), "rejected".to_owned()],
        refused: |rejection| {
            let key = format!("{}/{}", rejection.partition, rejection.offset);
            ("rejected".to_owned(), key.clone(), format!("{key}: {}", rejection.detail).into_bytes())
        },
        settings: Settings { bounded: true, epoch_gap: Duration::ZERO, on_data_loss, ..Settings::default() },
        stop,
    };
    run.run(&mut |report| {
        if stop_after.is_some_and(|commits| report.commits >= commits) {
            stopping.store(true, Ordering::Relaxed);
        }
    })
}

/// The rows of a topic, in order.
fn rows(store: &LocalTransport, topic: &str) -> Vec<String> {
    let (mut reader, mut batch) = (store.reader(topic, 0, 0).unwrap(), Batch::default());
    while reader.read(1 << 20, &mut batch).unwrap() == Position::More {}
    batch.records.iter().map(|record| String::from_utf8(batch.value(record).unwrap().to_vec()).unwrap()).collect()
}

/// By lane, in order.
fn by_lane(rows: &[String]) -> BTreeMap<String, Vec<String>> {
    rows.iter().fold(BTreeMap::new(), |mut lanes, row| {
        lanes.entry(row.split('/').next().unwrap().to_owned()).or_insert_with(Vec::new).push(row.clone());
        lanes
    })
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

#[test]
fn a_stage_that_is_cut_off_again_and_again_writes_what_an_undisturbed_one_writes() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let store = Arc::new(LocalTransport::open(folder.path().join(name)).unwrap());
        fill(&store);
        store
    };
    let calm = open("calm.db");
    let report = run(&calm, &mut Sums::new(1, None), None).unwrap();
    assert!(report.finished && report.records == 600);
    let (expected, refused) = (by_lane(&rows(&calm, "sums")), sorted(rows(&calm, "rejected")));
    assert!(refused.len() > 10 && expected.len() == 5);
    for seed in 0..6 {
        let store = open(&format!("{seed}.db"));
        let (mut lives, mut again) = (0, 0);
        loop {
            lives += 1;
            // Switched off, or stopped, after some while that chance chooses.
            let mut stage = Sums::new(seed * 1_000 + lives, None);
            let after = 30 + stage.chance(60);
            let stops = stage.chance(2) == 0;
            stage.breaks = (!stops).then_some(after);
            match run(&store, &mut stage, stops.then_some(1 + after / 10)) {
                Ok(report) if report.finished => break,
                Ok(_) => {}
                Err(RunError::Work { message, .. }) => assert_eq!(message, "switched off"),
                Err(error) => panic!("{error}"),
            }
            again += stage.taken;
            assert!(lives < 200, "it comes to an end");
        }
        assert_eq!(by_lane(&rows(&store, "sums")), expected, "seed {seed}, {lives} lives");
        assert_eq!(sorted(rows(&store, "rejected")), refused, "seed {seed}");
        assert!(lives > 3 && again > 0);
    }
}

#[test]
fn a_stage_of_another_definition_does_not_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalTransport::open(folder.path().join("store.db")).unwrap());
    fill(&store);
    run(&store, &mut Sums::new(1, None), Some(2)).unwrap();
    let mut writer = store.writer("sums", &[]).unwrap();
    let mut last = writer.history().unwrap().pop().unwrap();
    (last.definition, last.epoch) = ("2".to_owned(), last.epoch + 1);
    writer.commit(&[], &last).unwrap();
    let error = run(&store, &mut Sums::new(1, None), None).unwrap_err();
    assert!(matches!(error, RunError::OtherDefinition { .. }), "{error}");
}

#[test]
fn a_stage_goes_on_without_what_is_gone_if_it_is_to_and_says_how_much_that_is() {
    let memory = MemoryTransport::default();
    let append = |numbers: std::ops::Range<u64>| {
        numbers.for_each(|number| memory.append("numbers", 0, number * 1_000, format!("0 {number}").as_bytes()));
    };
    let live = |on_data_loss| run_on(Arc::new(memory.clone()), &mut Sums::new(1, None), None, on_data_loss);
    let said = || {
        let rows = memory.rows().into_iter().filter(|row| *row.topic == *"sums");
        rows.map(|row| row.key.trim_start_matches("0/").parse::<u64>().unwrap()).collect::<Vec<_>>()
    };
    let refused = |error: RunError| match error {
        RunError::Transport(error) => error,
        error => panic!("{error}"),
    };
    append(0..25);
    live(OnDataLoss::Fail).unwrap();
    assert_eq!(said(), Vec::from_iter(0..25));

    // Only what it needs to go on is gone, then what nobody has seen too.
    for (appended, gone, lost) in [(25..40, 22, 2), (40..60, 45, 15)] {
        append(appended.clone());
        memory.forget("numbers", 0, gone);
        let error = refused(live(OnDataLoss::Fail).unwrap_err());
        assert!(error.to_string().contains("no longer kept") && error.hint.unwrap().contains("--on-data-loss skip"));
        let report = live(OnDataLoss::Skip).unwrap();
        assert_eq!(report.lost, lost, "{appended:?}");
        assert_eq!(memory.clone().history().unwrap().iter().flat_map(|progress| &progress.lost).last().unwrap().until, gone);
        // Told of once.
        assert_eq!(live(OnDataLoss::Fail).unwrap().lost, 0);
    }
    assert_eq!(said(), Vec::from_iter((0..40).chain(45..60)));

    // Made anew it is read from its beginning.
    memory.delete("numbers");
    append(70..80);
    refused(live(OnDataLoss::Fail).unwrap_err());
    live(OnDataLoss::Skip).unwrap();
    assert_eq!(said(), Vec::from_iter((0..40).chain(45..60).chain(70..80)));

    // Also where it is longer by now than what was read of it.
    memory.delete("numbers");
    append(200..230);
    let error = refused(live(OnDataLoss::Fail).unwrap_err());
    assert!(error.to_string().contains("is not what was read there") && error.lost[0].remade, "{error}");
    live(OnDataLoss::Skip).unwrap();
    append(230..231);
    assert_eq!(live(OnDataLoss::Fail).unwrap().lost, 0);
    assert_eq!(said(), Vec::from_iter((0..40).chain(45..60).chain(70..80).chain(200..231)));
}
