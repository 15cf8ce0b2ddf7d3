//! What a package holds, and that the same verdict comes of it again.

use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::running::{giaolo, text};
use crate::town::{Town, files, manifest, well};

const RULES: [&str; 8] =
    ["camera_silent", "cloned_plate", "hotlist", "no_stopping", "point_speed", "red_light", "section_speed", "wrong_way"];

#[test]
fn every_rule_gives_a_package_that_is_whole_and_gives_its_verdict_again() {
    let town = Town::judged();
    let mut from_packages = 0;
    for rule in RULES {
        let alert = town.alert(rule, "final");
        let (id, file) = (alert["id"].as_str().unwrap(), format!("{rule}.zip"));
        let told = manifest(&town.pack(id, &file));
        let verified = town.verify(&file);
        assert!(verified.status.success() && text(&verified).contains(": whole, signed by whpk_"), "{}", text(&verified));

        let verdict = &told["verdict"];
        let named = |quantities: &Value| json!(quantities.as_object().unwrap());
        assert_eq!((&verdict["measured"], &verdict["limit"]), (&named(&alert["measured"]), &named(&alert["limit"])), "{rule}");
        assert_eq!((&verdict["plate"], &verdict["certain"]), (&alert["plate"], &alert["certain"]), "{rule}");
        assert_eq!((&told["at_ms"], &told["revision"], &told["rule"]), (&alert["at_ms"], &alert["revision"], &json!(rule)));
        assert_eq!(told["revisions"].as_array().unwrap().last().unwrap()["row"], alert, "{rule}");
        assert_eq!((&told["job"]["name"], told["job"]["definition"].as_str().unwrap().len()), (&json!("city"), 32));
        let cameras = told["cameras"].as_array().unwrap();
        assert!(cameras.iter().all(
            |camera| camera["mounted"]["lon_e7"].is_i64() && told["error_ms"].as_u64() >= camera["mounted"]["clock_error_ms"].as_u64()
        ));
        for evidence in alert["evidence"].as_array().unwrap() {
            assert!(cameras.iter().any(|camera| camera["camera"] == evidence["camera"]), "{rule}");
            let sighting = evidence["sighting"].as_str();
            assert!(sighting.is_none_or(|id| told["sightings"][id]["row"]["id"] == id), "{rule}: {}", told["sightings"]);
        }

        let replay =
            |more: &[&str]| giaolo(town.folder(), &[&["evidence", "replay", &file, "--trust", &town.public, "--json"], more].concat());
        let from_store = replay(&["--local", "city.db"]);
        assert!(from_store.status.success(), "{rule}: {}", text(&from_store));
        let from_package: Value = serde_json::from_slice(&replay(&[]).stdout).unwrap();
        // Some verdicts rest on more than is packed, and then the package says so.
        assert_eq!(from_package["differences"], told["excerpt"]["differences"], "{rule}");
        from_packages += usize::from(from_package["same"] == true);
    }
    assert!(from_packages >= 7, "{from_packages} of {} rules can be had again from what is packed", RULES.len());
}

#[test]
fn what_was_withdrawn_is_packed_with_all_it_said() {
    let town = Town::judged();
    let alert = town.alert("section_speed", "withdrawn");
    let told = manifest(&town.pack(alert["id"].as_str().unwrap(), "withdrawn.zip"));
    assert_eq!((&told["verdict"], &told["status"], &told["differences"]), (&json!(null), &json!("withdrawn"), &json!([])));
    let revisions = told["revisions"].as_array().unwrap();
    assert!(revisions.len() > 1 && revisions[0]["row"]["status"] == "provisional", "{revisions:?}");
    let replayed = well(town.folder(), &["evidence", "replay", "withdrawn.zip", "--trust", &town.public, "--local", "city.db"]);
    assert!(replayed.contains("nothing stands, as it was, from the store"), "{replayed}");
}

#[test]
fn the_same_alert_gives_the_same_bytes() {
    let town = Town::judged();
    let id = town.alert("red_light", "final")["id"].as_str().unwrap().to_owned();
    assert!(town.pack(&id, "once.zip") == town.pack(&id, "twice.zip"));
    let again = town.try_pack(&id, "once.zip", &[]);
    assert!(!again.status.success() && text(&again).contains("\"once.zip\" exists"), "{}", text(&again));
}

#[test]
fn no_plate_of_others_is_packed() {
    let town = Town::judged();
    let alert = town.alert("no_stopping", "final");
    let package = town.pack(alert["id"].as_str().unwrap(), "others.zip");
    let told = manifest(&package);
    assert!(told["excerpt"]["withheld"].as_u64().unwrap() > 50, "{}", told["excerpt"]["withheld"]);
    let own = alert["plate"]["text"].as_str().unwrap();
    let (mut reads, mut withheld, mut pictures) = (0, 0, 0);
    for line in files(&package)["inputs/observations-0.ndjson"].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).unwrap();
        let picture: Value = serde_json::from_str(line["value"].as_str().unwrap()).unwrap();
        assert_eq!(picture["camera"], alert["evidence"][0]["camera"]);
        withheld += line["withheld"].as_u64().unwrap_or(0);
        pictures += 1;
        for object in picture["objects"].as_array().unwrap() {
            if let Some(plate) = object["plate"]["text"].as_str() {
                reads += 1;
                assert!(edits(plate, own) <= 3, "a plate of others is packed: {plate}");
            }
        }
    }
    assert!(reads > 50 && pictures < 5_000, "{reads} reads on {pictures} pictures");
    assert_eq!(told["excerpt"]["withheld"], withheld);
    assert_eq!(std::fs::metadata(town.path("others.zip")).unwrap().len(), package.len() as u64);
}

/// How many symbols must be changed, put in or left out to make one text of another.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let best = (corner + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

#[test]
fn other_programs_agree_on_what_is_signed_and_by_whom() {
    let town = Town::judged();
    let package = town.pack(town.alert("wrong_way", "final")["id"].as_str().unwrap(), "signed.zip");
    let files = files(&package);
    let seal: Value = serde_json::from_slice(&files["manifest.sig"]).unwrap();
    assert_eq!((&seal["algorithm"], &seal["public_key"]), (&json!("ed25519"), &json!(town.public)));
    let script = r#"
import base64, hashlib, json, subprocess, sys, zipfile
with zipfile.ZipFile("signed.zip") as package:
    assert package.testzip() is None
    raw = package.read("manifest.json"); seal = json.loads(package.read("manifest.sig")); manifest = json.loads(raw)
    for file in manifest["files"]:
        assert hashlib.sha256(package.read(file["name"])).hexdigest() == file["sha256"], file
assert json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == raw, "not as RFC 8785 has it"
public = base64.b64decode(sys.argv[1].removeprefix("whpk_"))
der = bytes.fromhex("302a300506032b6570032100") + public
open("public.der", "wb").write(der); open("signature", "wb").write(base64.b64decode(seal["signature"])); open("message", "wb").write(raw)
verify = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "public.der", "-rawin", "-in", "message", "-sigfile", "signature"]
assert subprocess.run(verify).returncode == 0
open("message", "ab").write(b" ")
assert subprocess.run(verify).returncode != 0, "openssl takes anything"
"#;
    let has = |program: &str, argument: &str| Command::new(program).arg(argument).output().is_ok();
    if !has("python3", "--version") || !has("openssl", "version") {
        assert!(std::env::var_os("REQUIRE_LIVE").is_none_or(|v| v != "1"), "REQUIRE_LIVE=1, but python3 or openssl is not here");
        println!("skipped: the programs python3 and openssl are not here");
        return;
    }
    let output = Command::new("python3").args(["-c", script, &town.public]).current_dir(town.folder()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn what_cannot_be_packed_is_refused_with_a_hint() {
    let town = Town::judged();
    let id = town.alert("hotlist", "final")["id"].as_str().unwrap().to_owned();
    let refused = |id: &str, more: &[&str], why: &str| {
        let output = town.try_pack(id, "refused.zip", more);
        assert_eq!(output.status.code(), Some(1), "{why}: {}", text(&output));
        assert!(text(&output).contains(why) && !town.path("refused.zip").exists(), "{}", text(&output));
    };
    refused("00000000000000ff", &[], "there is no alert \"00000000000000ff\" in the topic \"alerts\" (hint: giaolo tail alerts");
    refused("nonsense", &[], "there is no alert \"nonsense\"");
    refused(&id, &["--job", "section-speed"], "this is not the definition by which the alerts here were told: it is job \"section-speed\"");
    refused(&id, &["--alerts", "journeys"], "the definition of the job that told it is not known; these ran: \"city\"");
    refused(&id, &["--key", "no.key"], "(hint: giaolo evidence key makes one)");
    std::fs::write(town.path("open.key"), std::fs::read(town.path("own.key")).unwrap()).unwrap();
    refused(&id, &["--key", "open.key"], "others can read the key");
    let again = giaolo(town.folder(), &["evidence", "key", "own.key"]);
    assert!(!again.status.success() && text(&again).contains("own.key"), "{}", text(&again));
    let unasked = giaolo(town.folder(), &["evidence", &id, "--local", "city.db", "--key", "own.key"]);
    assert_eq!(unasked.status.code(), Some(2), "a reason and a case are needed");
    let untrusting = giaolo(town.folder(), &["evidence", "verify", "hotlist.zip"]);
    assert_eq!(untrusting.status.code(), Some(2), "somebody must be trusted");
}

#[test]
fn a_private_key_is_nobody_elses_and_is_never_shown() {
    use std::os::unix::fs::PermissionsExt as _;
    let town = Town::judged();
    let private = std::fs::read_to_string(town.path("own.key")).unwrap();
    assert_eq!(std::fs::metadata(town.path("own.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let package = town.pack(town.alert("camera_silent", "final")["id"].as_str().unwrap(), "shown.zip");
    let secret = private.trim().strip_prefix("whsk_").unwrap();
    assert!(!package.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()));
    assert!(!text(&town.verify("shown.zip")).contains(secret));
}

#[test]
fn a_store_that_was_changed_gives_no_verdict_that_counts() {
    let town = Town::fed();
    well(town.folder(), &["run", "city", "--local", "city.db", "--bounded", "--json"]);
    let alert = town.alert("point_speed", "final");
    let told = manifest(&town.pack(alert["id"].as_str().unwrap(), "before.zip"));
    let read = &told["inputs"]["partitions"][0];
    let offset = (read["from"].as_u64().unwrap() + read["to"].as_u64().unwrap()) / 2;
    let store = Connection::open(town.path("city.db")).unwrap();
    let topic = "(SELECT id FROM topics WHERE name = 'observations')";
    let change = format!(
        "UPDATE records SET value = CAST(replace(value, '\"frame\":', '\"frame\": ') AS BLOB) WHERE topic = {topic} AND offset = {offset}"
    );
    assert_eq!(store.execute(&change, []).unwrap(), 1);
    let output = giaolo(town.folder(), &["evidence", "replay", "before.zip", "--trust", &town.public, "--local", "city.db"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("observations/0 is not what it was: other records lie between"), "{}", text(&output));
}
