//! The program as a person meets it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use engine::transport::local::LocalTransport;
use engine::transport::{Batch, Transport};

fn giaolo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_giaolo")).args(arguments).output().unwrap()
}

fn out(arguments: &[&str]) -> String {
    let output = giaolo(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn validate_tells_problems_as_text_and_as_json_and_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    std::fs::write(&path, jobs::ready::ready("section-speed").unwrap().text.replace("half_width", "half_with")).unwrap();
    let path = path.to_str().unwrap();
    assert!(out(&["validate", "city", "section-speed"]).contains("city.yaml: valid: "));
    let wrong = giaolo(&["validate", "city", path]);
    assert_eq!(wrong.status.code(), Some(1));
    let text = String::from_utf8(wrong.stdout).unwrap();
    assert!(text.contains(r#"unknown field "half_with" in step "section_speed" (hint: did you mean "half_width"?)"#), "{text}");
    let json: serde_json::Value = serde_json::from_slice(&giaolo(&["validate", "--json", path]).stdout).unwrap();
    assert_eq!(json[0]["problems"][0]["hint"], "did you mean \"half_width\"?");
    assert!(json[0]["problems"][0]["line"].as_u64().unwrap() > 10);
}

#[test]
fn explain_covers_every_step_and_helps_with_wrong_names() {
    use engine::plan::Catalogue as _;
    let all = out(&["explain"]);
    for entry in jobs::catalogue::Traffic.entries() {
        assert!(all.contains(&format!("  {}", entry.name)));
        let manual = out(&["explain", entry.name]);
        let schema = (entry.schema)();
        schema["properties"].as_object().unwrap().keys().for_each(|name| assert!(manual.contains(&format!("\n  {name}: ")), "{manual}"));
    }
    let wrong = giaolo(&["explain", "section_spied"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean \"section_speed\"?"));
}

/// A server of the program's own, on a free port.
struct Serving {
    process: std::process::Child,
    address: String,
}

impl Serving {
    fn begin(store: &str, city: &str) -> Self {
        let arguments = ["serve", "--local", store, "--city", city, "--listen", "127.0.0.1:0"];
        Self::begin_by(Command::new(env!("CARGO_BIN_EXE_giaolo")).args(arguments))
    }

    fn begin_by(command: &mut Command) -> Self {
        let mut process = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once("listening on http://")?.1.split(' ').next()?.to_owned())).unwrap();
        // The rest of the log is of no interest, but somebody must read it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        giaolo(&[arguments, &["--server", &self.address]].concat())
    }

    fn until(&self, arguments: &[&str], wanted: &str) -> String {
        let began = Instant::now();
        loop {
            let output = self.ask(arguments);
            let text = String::from_utf8(output.stdout).unwrap();
            if output.status.success() && text.contains(wanted) {
                return text;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{text}{}", String::from_utf8_lossy(&output.stderr));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_server_takes_jobs_and_goes_on_after_it_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (store, city) = (path("city.db"), path("city.json"));
    std::fs::write(&city, r#"{"name": "nowhere", "centres": [], "cameras": [], "links": [], "sections": []}"#).unwrap();
    std::fs::write(path("signals.ndjson"), r#"{"head": "5/5", "state": "green", "at_ms": 1767225448454, "error_ms": 50}"#).unwrap();
    for empty in ["observations", "hotlist"] {
        std::fs::write(path(&format!("{empty}.ndjson")), "").unwrap();
    }
    out(&["feed", folder.path().to_str().unwrap(), "--local", &store]);

    let serving = Serving::begin(&store, &city);
    let wrong = serving.ask(&["submit", &city]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("1:1: "), "{}", String::from_utf8_lossy(&wrong.stderr));
    assert!(serving.until(&["plan", "city"], "city would").contains("build     observations, "));
    serving.until(&["submit", "city"], "city is ");
    serving.until(&["list"], "city  running");
    serving.until(&["status"], "read  signals/0  1 records, caught up");
    assert!(String::from_utf8_lossy(&serving.ask(&["submit", "section-speed"]).stderr).contains("writes the topic \"alerts\" already"));
    drop(serving);

    let serving = Serving::begin(&store, &city);
    serving.until(&["list"], "city  running");
    serving.until(&["status"], "read  signals/0  1 records, caught up");
    let drawing = out(&["graph", "city", "--live", &serving.address]);
    assert!(drawing.contains("signals<br/>1 records, 0 s behind") && drawing.contains(" changes out, holds "), "{drawing}");
    serving.until(&["pause", "city"], "city is paused");
    serving.until(&["resume", "city"], "city is submitted");
    serving.until(&["list", "--json"], "\"running\"");
    serving.until(&["stop", "city"], "city is stopped");
    drop(serving);
    let nobody = giaolo(&["list", "--server", "127.0.0.1:1"]);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("no server answers at 127.0.0.1:1"));
}

/// Runs a script on a disk that nobody else sees, a small one.
fn on_a_small_disk(disk: &str, script: &str) -> Command {
    let script = format!(r#"mount -t tmpfs -o size=16m tmpfs "$0" && {script}"#);
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount", "sh", "-c", &script, disk]);
    unshare
}

#[test]
fn a_full_disk_is_a_state_that_ends_by_itself_and_what_is_refused_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (disk, city, recording) = (path("disk"), path("city.json"), path("recording"));
    for folder in [&disk, &recording] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::write(&city, r#"{"name": "nowhere", "centres": [], "cameras": [], "links": [], "sections": []}"#).unwrap();
    let unreadable = format!("{}\n", "x".repeat(10_000)).repeat(200);
    for (topic, text) in [("observations", &*unreadable), ("signals", ""), ("hotlist", "")] {
        std::fs::write(Path::new(&recording).join(topic).with_extension("ndjson"), text).unwrap();
    }
    if !on_a_small_disk(&disk, "true").output().is_ok_and(|tried| tried.status.success()) {
        return println!("skipped: a process here may not have disks of its own");
    }
    let script = r#"
        "$1" feed "$2" --local "$0/city.db" >/dev/null &&
        exec "$1" serve --local "$0/city.db" --city "$3" --catalogue "$4" --listen 127.0.0.1:0"#;
    let arguments = [env!("CARGO_BIN_EXE_giaolo"), &recording, &city, &path("jobs.db")];
    let serving = Serving::begin_by(on_a_small_disk(&disk, script).args(arguments));

    let filler = format!("/proc/{}/root{disk}/filler", serving.process.id());
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 1 << 12]).is_ok() {}
    serving.until(&["submit", "city"], "city is ");
    serving.until(&["status"], "nothing can be committed, and it is tried again: no room is left on the disk of");
    std::fs::remove_file(&filler).unwrap();
    drop(file);
    let status = serving.until(&["status"], "refused observations  200 unreadable");
    assert!(status.contains("wrote rejected  200 rows") && !status.contains("nothing can be committed"), "{status}");
}

#[test]
fn graph_draws_every_step_and_topic() {
    for format in ["mermaid", "dot"] {
        let drawing = out(&["graph", "city", "--format", format]);
        for name in ["observations", "sightings", "journeys", "section_speed", "alerts", "rejected"] {
            assert!(drawing.contains(name), "{name} in {drawing}");
        }
    }
}

#[test]
fn a_job_that_is_not_there_is_an_error_with_a_suggestion() {
    let wrong = giaolo(&["validate", "citty"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean \"city\"?"));
    assert_eq!(giaolo(&["walk"]).status.code(), Some(2));
}

/// What the program says when it cannot do what it was asked: quickly, by its exit code, and without a panic.
fn refused(arguments: &[&str]) -> String {
    let began = std::time::Instant::now();
    let output = giaolo(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(began.elapsed().as_secs() < 30, "it took {:?} to say {text}", began.elapsed());
    assert!(text.contains("giaolo: ") && text.contains("(hint: ") && !text.contains("panicked"), "{text}");
    text
}

#[test]
fn what_is_missing_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (results, store, map) = (at("results"), at("city.db"), at("city.json"));
    std::fs::write(&map, r#"{"name":"none","centres":[],"cameras":[],"links":[],"sections":[]}"#).unwrap();
    assert!(refused(&["run", "city", "--city", &map, "--input", &at("missing"), "--output", &results]).contains("missing"));
    assert!(refused(&["run", "city", "--city", &map, "--input", &at(""), "--output", &results]).contains("observations"));
    assert!(refused(&["run", "city", "--city", &map, "--local", &store, "--bounded"]).contains("observations"));
    assert!(refused(&["run", "city", "--city", &map, "--output", &results]).contains("--input"));
}

#[test]
#[cfg(feature = "kafka")]
fn a_broker_that_is_down_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let map = folder.path().join("city.json");
    std::fs::write(&map, r#"{"name":"none","centres":[],"cameras":[],"links":[],"sections":[]}"#).unwrap();
    // A port that was free a moment ago: nobody listens there.
    let broker = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert!(refused(&["run", "city", "--city", map.to_str().unwrap(), "--brokers", &broker, "--bounded"]).contains(&broker));
}

#[test]
fn a_definition_with_a_cycle_or_bytes_that_are_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    let text = jobs::ready::ready("city").unwrap().text;
    std::fs::write(&path, text.replace("step: track\n    from: observations", "step: link\n    from: sightings")).unwrap();
    let wrong = giaolo(&["validate", path.to_str().unwrap()]);
    let told = String::from_utf8(wrong.stdout).unwrap();
    assert!(wrong.status.code() == Some(1) && told.contains("mine.yaml:") && told.contains("sightings"), "{told}");
    std::fs::write(&path, b"version: 1\njob: \xff\xfe\n").unwrap();
    let wrong = giaolo(&["validate", path.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("mine.yaml"));
}

#[test]
fn a_recording_that_was_fed_gives_what_its_files_give() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [recording, results, store, map] = ["recording", "results", "city.db", "recording/city.json"].map(at);
    std::fs::create_dir(&recording).unwrap();
    let write = |name: &str, lines: &str| std::fs::write(folder.path().join("recording").join(name), lines).unwrap();
    write("city.json", r#"{"name":"none","centres":[],"cameras":[],"links":[],"sections":[]}"#);
    write("observations.ndjson", r#"{"camera":"c1","frame":1,"at_ms":1767250800000,"objects":[],"received_ms":1767250800100}"#);
    write("signals.ndjson", r#"{"head":"h","state":"red","at_ms":1767250801000,"error_ms":50}"#);
    let entry = r#"{"list":"stolen","plate":"88A12345","kind":"car","priority":90,"reason":"case","from_ms":1,"until_ms":2}"#;
    write("hotlist.ndjson", entry);
    out(&["feed", &recording, "--local", &store]);
    out(&["run", "city", "--local", &store, "--city", &map, "--bounded"]);
    out(&["run", "city", "--input", &recording, "--output", &results]);
    let rejected = std::fs::read_to_string(folder.path().join("results/rejected.ndjson")).unwrap();
    assert_eq!(out(&["tail", "rejected", "--local", &store]), rejected);
    // A list is there from the recording's beginning, whenever it is fed.
    let fed = LocalTransport::open(store).unwrap();
    let mut batch = Batch::default();
    fed.reader("hotlist", 0, 0).unwrap().read(1 << 20, &mut batch).unwrap();
    assert_eq!(batch.records[0].arrival_ms, Some(1_767_250_800_100));
}
