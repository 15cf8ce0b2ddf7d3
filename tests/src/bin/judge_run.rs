//! Scores a run's changelogs against the truth and prints the figures as JSON.
//!
//! `judge_run TRUTH_DIRECTORY CITY_JSON OUTPUT_DIRECTORY`

use std::path::Path;

use city::judge::{Outputs, judge};
use city::records::City;
use city::truth::Truth;

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [truth, city, output] = arguments.as_slice() else {
        return Err("three arguments are needed: the truth's directory, city.json, the output's directory".into());
    };
    let told = |path: &str, e: std::io::Error| format!("{path}: {e}");
    let truth = Truth::read(Path::new(truth)).map_err(|e| told(truth, e))?;
    let city = City::read(Path::new(city)).map_err(|e| told(city, e))?;
    let outputs = Outputs::read(Path::new(output)).map_err(|e| told(output, e))?;
    println!("{}", serde_json::to_string(&judge(&truth, &city, &outputs)).map_err(|e| e.to_string())?);
    Ok(())
}
