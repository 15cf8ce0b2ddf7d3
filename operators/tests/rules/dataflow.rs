//! Runs a rule over changes given moment by moment, on any number of workers, and collects what it tells.

use std::sync::{Arc, mpsc};

use differential_dataflow::input::InputSession;
use operators::city::Itinerary;
use operators::rules::{self, Condition};
use operators::{Arrived, Clock, Observed};
use schemas::{Acknowledgement, Alert, Assignment, City, HotlistEntry, Name, NearUnit, Observation, Patrol, Quantities, Sighting, Signal};

/// One record of any kind that rules take.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Record {
    Sighting(Arc<Sighting>),
    Journey(Arc<Itinerary>),
    Signal(Signal),
    Entry(HotlistEntry),
    Alert(Alert),
    Patrol(Patrol),
    Assigned(Assignment),
    Acknowledged(Acknowledgement),
    Frame(Arrived<Observation>),
    Observed(Observed),
}

/// A record that comes (+1) or goes (−1) at a moment of the clock.
pub(crate) type Change = (Clock, Record, isize);

/// What a rule told: in order of the clock, then of the alert.
pub(crate) type Told = Vec<(Clock, Alert, isize)>;

/// The rules under test, with their parameters as JSON.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) parameters: serde_json::Value,
}

/// Runs a rule; all changes enter at the first worker.
pub(crate) fn run(rule: &Rule, city: &City, changes: &[Change], workers: usize) -> Told {
    let (sender, receiver) = mpsc::channel();
    let (rule, city, changes) = (rule.clone(), Arc::new(city.clone()), Arc::new(changes.to_vec()));
    let config = timely::Config::process(workers);
    let guards = timely::execute(config, move |worker| {
        let sender = sender.clone();
        let mut records = InputSession::new();
        worker.dataflow::<Clock, _, _>(|scope| {
            let all = records.to_collection(scope);
            macro_rules! only {
                ($kind:ident) => {
                    all.clone().flat_map(|record| if let Record::$kind(record) = record { Some(record) } else { None })
                };
            }
            let city = city.clone();
            let parameters = rule.parameters.clone();
            macro_rules! parameters {
                () => {
                    serde_json::from_value(parameters).expect("parameters of the rule")
                };
            }
            let alerts = match rule.name.as_str() {
                "section_speed" => rules::section_speed(only!(Journey), city, parameters!()),
                "point_speed" => rules::point_speed(only!(Sighting), city, parameters!()),
                "red_light" => rules::red_light(only!(Sighting), only!(Signal), city, parameters!()),
                "wrong_way" => rules::wrong_way(only!(Sighting), city, parameters!()),
                "no_stopping" => rules::no_stopping(only!(Sighting), city, parameters!()),
                "hotlist" => rules::hotlist(only!(Journey), only!(Entry), city, parameters!()),
                "cloned_plate" => rules::cloned_plate(only!(Journey), city, parameters!()),
                "camera_silent" => rules::camera_silent(only!(Frame), only!(Observed), &city, &parameters!()),
                "custom" => rules::custom(only!(Sighting), city, parameters!()).expect("a condition that compiles"),
                "custom_journey" => rules::custom(only!(Journey), city, parameters!()).expect("a condition that compiles"),
                "nearest_patrol" => rules::nearest_patrol(only!(Alert), only!(Patrol), &city, parameters!()).map(sent),
                "escalate" => rules::escalate(only!(Acknowledged), only!(Assigned), only!(Observed), &parameters!()).map(sent),
                other => panic!("no rule named {other}"),
            };
            alerts.inspect(move |(alert, now, diff)| sender.send((*now, alert.clone(), *diff)).expect("a receiver"));
        });
        if worker.index() == 0 {
            feed(&mut records, &changes, worker);
        }
    })
    .expect("a dataflow");
    drop(guards);
    let mut told: Told = receiver.into_iter().collect();
    told.sort();
    told
}

/// An assignment as an alert that says so.
fn sent(assignment: Assignment) -> Alert {
    let Assignment { unit, units, unanswered, alert, .. } = assignment;
    let told = |near: &NearUnit| format!("{} {}{}", near.unit, near.distance_cm, if near.by_road { " by road" } else { "" });
    let near: Vec<String> = units.iter().map(told).collect();
    let first = units.first().map(|near| [("distance_cm", near.distance_cm as i64), ("seen_ms", near.seen_ms as i64)]);
    let unit = unit.as_ref().map_or("the centre", Name::as_str);
    let unanswered: Vec<&str> = unanswered.iter().map(Name::as_str).collect();
    let text = format!("{unit} of [{}] not [{}]", near.join(", "), unanswered.join(", "));
    Alert { measured: first.map(Quantities::of).unwrap_or_default(), text, ..alert }
}

/// The table after all that was told; panics if an alert went that never came, or came twice.
pub(crate) fn standing(told: &Told) -> Vec<Alert> {
    let mut alerts: Vec<(Alert, isize)> = told.iter().map(|(_, alert, diff)| (alert.clone(), *diff)).collect();
    differential_dataflow::consolidation::consolidate(&mut alerts);
    assert!(alerts.iter().all(|(_, count)| *count == 1), "not a table: {alerts:#?}");
    alerts.into_iter().map(|(alert, _)| alert).collect()
}

/// Compiles a condition over sightings, for its errors.
pub(crate) fn compile(text: &str) -> Result<Condition, String> {
    let condition = Condition::compile(text).map_err(|error| error.to_string())?;
    condition.check::<Arc<Sighting>>().map_err(|error| error.to_string())?;
    Ok(condition)
}

fn feed(records: &mut InputSession<Clock, Record, isize>, changes: &[Change], worker: &mut timely::worker::Worker) {
    for (now, record, diff) in changes {
        if *now != *records.time() {
            records.advance_to(*now);
            records.flush();
            worker.step();
        }
        records.update(record.clone(), *diff);
    }
}
