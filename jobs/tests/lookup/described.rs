//! The API does what its description says, whatever it is asked: judged by schemathesis, which makes requests from the description,
//! those that it allows and those that it does not.

use std::process::Command;

use city::python;
use serde_json::{Value, json};

use crate::records::{BEGAN_MS, alert, id, journey, plate, sighting};
use crate::town::Town;

/// Events never end. That a definition is a job no description can say. Who comes without a token, or a wrong one, again and again
/// is told to wait before he is told to bring one; what he gets on each route is tested by itself.
const LEFT_OUT: [&str; 4] = ["--exclude-path", "/v1/alerts/events", "--exclude-checks", "positive_data_acceptance,ignored_auth"];
const SEED: &str = "1";

#[test]
fn the_api_is_as_its_description_says_for_every_role_and_answers_no_request_with_an_error_of_its_own() {
    let Ok(program) = python::program("schemathesis").inspect_err(|skipped| println!("{skipped}")) else { return };
    let mut town = Town::found();
    let tokens = ["admin", "reviewer", "hotlist-manager", "auditor"].map(|role| (role, town.token(role, role, &[])));
    // So that there is something to be found.
    town.tell("sightings", &sighting(&id(1), 1, "final", "w1", BEGAN_MS, BEGAN_MS + 9));
    town.tell("journeys", &journey(&id(2), 1, "final", &plate("88A00000", "car"), &[(&id(1), "w1")], BEGAN_MS, BEGAN_MS + 9));
    town.tell("alerts", &alert(&id(3), 1, "final", "hotlist", "west", BEGAN_MS, &[("w1", json!(id(1)), BEGAN_MS), ("e1", Value::Null, 1)]));
    town.start(&[]);
    town.settle(&tokens[1].1);
    let address = format!("http://{}", town.server().address);
    let judge = |token: &str| {
        let mut command = Command::new(&program);
        command.args([
            "run",
            &format!("{address}/v1/openapi.json"),
            "--url",
            &address,
            "--header",
            &format!("Authorization: Bearer {token}"),
        ]);
        command.args(["--phases", "coverage,fuzzing", "--max-examples", "12", "--seed", SEED, "--request-timeout", "20", "--no-color"]);
        command.args(LEFT_OUT).current_dir(town.folder()).output().unwrap()
    };
    std::thread::scope(|scope| {
        let judged = tokens.each_ref().map(|(role, token)| (role, scope.spawn(move || judge(token))));
        for (role, output) in judged {
            let output = output.join().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{role}: {said}{}", String::from_utf8_lossy(&output.stderr));
            assert!(said.contains("Tested: 25"), "{role}: {said}");
        }
    });
}
