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
fn the_units_for_systemd_start_a_server() {
    starts_a_server(&read("giaolo.service"));
    starts_a_server(&read("giaolo@.service").replace("%i", "0"));
}

fn starts_a_server(unit: &str) {
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

#[test]
fn the_manifest_for_a_cluster_names_every_process() {
    let documents: Vec<serde_json::Value> = read("kubernetes-cluster.yaml")
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}")))
        .collect();
    let kinds: Vec<&str> = documents.iter().filter_map(|document| document["kind"].as_str()).collect();
    assert_eq!(kinds, ["ConfigMap", "StatefulSet", "Service", "NetworkPolicy"]);
    let hosts: Vec<&str> = documents[0]["data"]["hosts"].as_str().unwrap().lines().collect();
    let (set, service) = (&documents[1], &documents[2]);
    let names: Vec<String> = (0..set["spec"]["replicas"].as_u64().unwrap()).map(|n| format!("giaolo-{n}.giaolo:7401")).collect();
    assert_eq!(hosts, names);
    assert_eq!((&set["metadata"]["name"], &service["metadata"]["name"]), (&"giaolo".into(), &"giaolo".into()));
    assert_eq!(service["spec"]["publishNotReadyAddresses"], true);
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"][1]["name"], "PROCESS");
    let arguments = container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().replace("$(PROCESS)", "1"));
    understood(&std::iter::once("giaolo".to_owned()).chain(arguments).collect::<Vec<_>>());
    let mounted: Vec<&str> = container["volumeMounts"].as_array().unwrap().iter().filter_map(|mount| mount["name"].as_str()).collect();
    assert_eq!(mounted, ["state", "city", "hosts"]);
}
