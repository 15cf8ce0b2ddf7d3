//! The files in `deploy/` say what the program understands.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use jobs::cli::Cli;

fn read(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

fn understood(command: &[String]) {
    if let Err(error) = Cli::try_parse_from(command) {
        panic!("{command:?}: {error}");
    }
}

#[test]
fn the_unit_for_systemd_starts_a_server() {
    let unit = read("giaolo.service");
    let sections: Vec<&str> = unit.lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(sections, ["[Unit]", "[Service]", "[Install]"]);
    let odd = |line: &&str| !line.is_empty() && !line.starts_with(['#', '[']) && !line.contains('=');
    assert_eq!(unit.lines().find(odd), None);
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/")).unwrap();
    let command: Vec<String> = command.split(' ').map(str::to_owned).collect();
    assert_eq!(command[1], "serve");
    understood(&command);
}

#[test]
fn the_manifest_for_kubernetes_starts_and_probes_a_server() {
    let documents: Vec<serde_json::Value> = read("kubernetes.yaml")
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}")))
        .collect();
    let kinds: Vec<&str> = documents.iter().filter_map(|document| document["kind"].as_str()).collect();
    assert_eq!(kinds, ["StatefulSet", "Service"]);
    assert_eq!(documents[0]["spec"]["serviceName"], documents[1]["metadata"]["name"]);
    let pod = &documents[0]["spec"]["template"];
    assert_eq!(documents[0]["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]);
    let container = &pod["spec"]["containers"][0];
    let words = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    understood(&[vec!["giaolo".to_owned()], words(&container["args"])].concat());
    for probe in ["livenessProbe", "readinessProbe"] {
        understood(&words(&container[probe]["exec"]["command"]));
    }
    let mounted: Vec<&str> = container["volumeMounts"].as_array().unwrap().iter().filter_map(|mount| mount["name"].as_str()).collect();
    let claimed = documents[0]["spec"]["volumeClaimTemplates"][0]["metadata"]["name"].as_str().unwrap();
    let given = pod["spec"]["volumes"][0]["name"].as_str().unwrap();
    assert_eq!(mounted, [claimed, given]);
}
