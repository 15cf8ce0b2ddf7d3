//! Golden scripts: what enters at a moment, what a rule tells at that moment, and the table as it then stands.
//!
//! `rule NAME` starts anew, with parameters as JSON below; `at now=N` takes lines `+ noun {json}` or `- noun {json}`;
//! `compile` takes an expression and shows its error. Rewrite the expectations with `REWRITE=1`.

use schemas::Alert;

use crate::dataflow::{Change, Rule, compile, run, standing};
use crate::notation::{city, record};

#[test]
fn rules_tell_what_their_scripts_say() {
    datadriven::walk(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/rules"), |file| {
        let mut rule = Rule { name: String::new(), parameters: serde_json::json!({}) };
        let mut changes: Vec<Change> = Vec::new();
        file.run(|case| match case.directive.as_str() {
            "rule" => {
                rule.name = case.args.keys().next().expect("a rule's name").clone();
                rule.parameters = serde_json::from_str(if case.input.trim().is_empty() { "{}" } else { &case.input }).expect("parameters");
                changes.clear();
                String::new()
            }
            "at" => {
                let now = case.args["now"][0].parse().expect("a moment");
                for line in case.input.lines() {
                    let (sign, rest) = line.split_once(' ').expect("a sign and a record");
                    changes.push((now, record(rest), if sign == "+" { 1 } else { -1 }));
                }
                shown(&rule, &changes, now)
            }
            "compile" => format!("{}\n", compile(case.input.trim()).err().unwrap_or_else(|| "ok".to_owned())),
            other => panic!("no directive {other}"),
        });
    });
}

fn shown(rule: &Rule, changes: &[Change], now: u64) -> String {
    let told = run(rule, &city(), changes, 1);
    let mut lines: Vec<String> =
        told.iter().filter(|(at, ..)| *at == now).map(|(_, alert, diff)| format!("{diff:+} {}\n", in_short(alert))).collect();
    lines.push("table\n".to_owned());
    lines.extend(standing(&told).iter().map(|alert| format!("   {}\n", in_full(alert))));
    lines.concat()
}

fn in_short(alert: &Alert) -> String {
    let sure = if alert.certain { "certain" } else { "suspicion" };
    let measured = serde_json::to_string(&alert.measured).expect("integers");
    format!("{} {sure} at {} {measured}", alert.id, alert.at_ms)
}

fn in_full(alert: &Alert) -> String {
    let evidence: Vec<String> = alert.evidence.iter().map(|e| format!("{}@{}", e.camera, e.at_ms)).collect();
    let plate = alert.plate.map_or_else(|| "-".to_owned(), |plate| plate.text.to_string());
    format!("{} | {} {plate} {} {} | {}", in_short(alert), alert.centre, alert.priority, evidence.join(" "), alert.text)
}
