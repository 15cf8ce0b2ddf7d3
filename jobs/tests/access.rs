//! `giaolo serve` lets in whom its table names: the program itself, asked over TCP.

#[allow(dead_code, reason = "used by other tests too")]
mod running;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use jobs::access::POLICY;
use running::{Running, giaolo, text, token};
use serde_json::Value;

/// What each role may, told apart from the program's own table: operation, roles, whether bound to all centres.
const EXPECTED: &[(&str, &str, bool)] = &[
    ("listJobs", "viewer reviewer hotlist-manager job-author auditor admin", false),
    ("getJob", "viewer reviewer hotlist-manager job-author auditor admin", false),
    ("getStatus", "viewer reviewer hotlist-manager job-author auditor admin", false),
    ("getOpenapi", "viewer reviewer hotlist-manager job-author auditor admin", false),
    ("getDefinition", "job-author auditor admin", false),
    ("getMetrics", "job-author auditor admin", false),
    ("planJob", "job-author admin", false),
    ("submitJob", "job-author admin", true),
    ("stopJob", "job-author admin", true),
    ("pauseJob", "job-author admin", true),
    ("resumeJob", "job-author admin", true),
    ("listJourneys", "viewer reviewer", false),
    ("listAlerts", "viewer reviewer hotlist-manager", false),
    ("getAlert", "viewer reviewer hotlist-manager", false),
    ("reviewAlert", "reviewer", false),
    ("acknowledgeAlert", "viewer reviewer", false),
    ("followAlerts", "viewer reviewer hotlist-manager", false),
    ("listHotlist", "hotlist-manager", true),
    ("addToHotlist", "hotlist-manager", true),
    ("removeFromHotlist", "hotlist-manager", true),
    ("listApprovals", "hotlist-manager job-author admin", false),
    ("approve", "hotlist-manager job-author admin", false),
    ("refuse", "hotlist-manager job-author admin", false),
    ("listCameras", "viewer reviewer hotlist-manager job-author auditor admin", false),
    ("listAudit", "auditor", true),
    ("isLive", "everybody", false),
    ("isReady", "everybody", false),
];
const ROLES: [&str; 6] = ["viewer", "reviewer", "hotlist-manager", "job-author", "auditor", "admin"];

#[test]
fn every_route_lets_in_every_role_that_may_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let bound = token(folder, "bound", "admin", &["--centre", "west"]);
    let bound_auditor = token(folder, "bound-auditor", "auditor", &["--centre", "west"]);
    let tokens = ROLES.map(|role| (role, token(folder, role, role, &["--all-centres"])));
    let server = Running::start(folder, &["--requests-per-second", "1000"]);
    let (_, answer) = server.ask("GET", "/v1/openapi.json", Some(&tokens[0].1));
    let document: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let (mut seen, mut described) = (0, BTreeSet::new());
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let (_, roles, whole) = EXPECTED.iter().find(|(known, ..)| *known == id).unwrap_or_else(|| panic!("nobody says who may {id}"));
            described.insert((method.to_uppercase(), path.clone()));
            let path = path
                .replace("{job}", "none")
                .replace("{plate}", "88A12345")
                .replace("{id}", "00000000000000a1")
                .replace("{list}", "stolen");
            let method = method.to_uppercase();
            seen += 1;
            for (role, token) in &tokens {
                let (status, answer) = server.ask(&method, &path, Some(token));
                let may = *roles == "everybody" || roles.split(' ').any(|name| name == *role);
                assert_eq!(status != 403, may, "{role} {method} {path}: {answer}");
                assert!(![401, 405, 429].contains(&status), "{role} {method} {path}: {answer}");
            }
            for (role, token) in [("admin", &bound), ("auditor", &bound_auditor)] {
                let may = *roles == "everybody" || (roles.split(' ').any(|name| name == role) && !whole);
                let (status, answer) = server.ask(&method, &path, Some(token));
                assert_eq!(status != 403, may, "{role} of one centre {method} {path}: {answer}");
            }
            let (status, answer) = server.ask(&method, &path, None);
            // Who asks without a token again and again is told to wait before he is told to bring one.
            assert_eq!(![401, 429].contains(&status), *roles == "everybody", "nobody {method} {path}: {answer}");
        }
    }
    assert_eq!(seen, EXPECTED.len());
    // What is allowed is described, and what is described somebody may do. `/health` is before the door.
    described.retain(|(_, path)| !path.starts_with("/health/"));
    let allowed = POLICY.rules.iter().map(|rule| (rule.method.to_owned(), rule.path.to_owned())).collect();
    assert_eq!(described, allowed);
}

#[test]
fn a_token_is_refused_once_it_is_revoked_and_the_door_stays_closed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Running::start(folder, &[]);
    assert_eq!(server.ask("GET", "/v1/jobs", None).0, 200, "nobody was given access yet");
    let lan = token(folder, "lan", "viewer", &["--centre", "west"]);
    assert_eq!(server.ask("GET", "/v1/jobs", None).0, 401);
    assert_eq!(server.ask("GET", "/v1/jobs", Some(&lan)).0, 200);
    let mut wrong = lan.clone();
    let last = if wrong.pop() == Some('A') { 'B' } else { 'A' };
    wrong.push(last);
    assert_eq!(server.ask("GET", "/v1/jobs", Some(&wrong)).0, 401);
    assert!(giaolo(folder, &["access", "revoke", "lan", "--state", "city.jobs.db"]).status.success());
    assert_eq!(server.ask("GET", "/v1/jobs", Some(&lan)).0, 401);
    assert_eq!(server.ask("GET", "/v1/jobs", None).0, 401);
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let secret = lan.rsplit_once('_').map_or(lan.as_str(), |(_, secret)| secret);
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "a secret is on the disk");
    }
}

#[test]
fn who_asks_too_often_is_told_when_to_come_again_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (often, seldom) = (token(folder, "often", "viewer", &["--all-centres"]), token(folder, "seldom", "viewer", &["--all-centres"]));
    let server = Running::start(folder, &["--requests-per-second", "1"]);
    let answers: Vec<(u16, String)> = (0..12).map(|_| server.ask("GET", "/v1/jobs", Some(&often))).collect();
    assert_eq!(answers[0].0, 200);
    let (_, refused) = answers.iter().find(|(status, _)| *status == 429).unwrap();
    assert!(refused.to_lowercase().contains("\r\nretry-after: "), "{refused}");
    assert_eq!(server.ask("GET", "/v1/jobs", Some(&seldom)).0, 200);
    let guesses: Vec<u16> = (0..40).map(|_| server.ask("GET", "/v1/jobs", Some("guess")).0).collect();
    assert!(guesses.contains(&429), "{guesses:?}");
    assert_eq!(server.ask("GET", "/health/live", None).0, 200);
}

#[test]
fn what_was_done_and_what_was_refused_is_in_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (admin, viewer) = (token(folder, "ops", "admin", &["--all-centres"]), token(folder, "lan", "viewer", &["--centre", "west"]));
    let server = Running::start(folder, &[]);
    assert_eq!(server.ask("DELETE", "/v1/jobs/none?reason=drill&case=7", Some(&admin)).0, 404);
    assert_eq!(server.ask("GET", "/v1/audit", Some(&viewer)).0, 403);
    let listed = giaolo(folder, &["audit", "list", "--json", "--state", "city.jobs.db"]);
    let rows: Vec<Value> = text(&listed).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told =
        |row: &Value| ["who", "what", "outcome", "reason", "case"].map(|field| row[field].as_str().unwrap_or("-").to_owned()).join(" | ");
    assert_eq!(
        rows[2..].iter().map(told).collect::<Vec<_>>(),
        [
            "ops | DELETE /v1/jobs/{job} | asked | drill | 7",
            "ops | DELETE /v1/jobs/{job} | 404 | drill | 7",
            "lan | GET /v1/audit | 403 this role may not do that | - | -",
        ]
    );
    assert!(rows[..2].iter().all(|row| row["what"] == "access add"));
    let verified = giaolo(folder, &["audit", "verify", "--state", "city.jobs.db"]);
    assert!(verified.status.success() && text(&verified).contains("whole, 5 rows"), "{}", text(&verified));
    let wrong = format!("9:{}", "0".repeat(64));
    let short = giaolo(folder, &["audit", "verify", "--head", &wrong, "--state", "city.jobs.db"]);
    assert!(!short.status.success() && text(&short).contains("removed at the end"), "{}", text(&short));
}

#[test]
fn it_listens_beyond_this_machine_only_with_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    token(folder.path(), "ops", "admin", &["--all-centres"]);
    let refused = giaolo(folder.path(), &["serve", "--local", "city.db", "--listen", "0.0.0.0:0"]);
    assert!(!refused.status.success() && text(&refused).contains("--tls-cert"), "{}", text(&refused));
}

/// An authority, its certificate in a file, and a certificate by it for this machine with its key in two more.
fn certify(folder: &Path, name: &str) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    for (what, text) in [("ca", authority.pem()), ("cert", certificate.pem()), ("key", key.serialize_pem())] {
        std::fs::write(folder.join(format!("{name}.{what}.pem")), text).unwrap();
    }
}

#[test]
fn over_tls_a_token_reaches_the_server_it_is_meant_for_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certify(folder, "ours");
    certify(folder, "theirs");
    let ops = token(folder, "ops", "admin", &["--all-centres"]);
    let server = Running::start(folder, &["--tls-cert", "ours.cert.pem", "--tls-key", "ours.key.pem"]);
    let list = |token: &str, ca: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_giaolo"));
        command.args(["list", "--server", &server.address]).args(ca).current_dir(folder);
        command.env("GIAOLO_TOKEN", token).output().unwrap()
    };
    let well = list(&ops, &["--ca", "ours.ca.pem"]);
    assert!(well.status.success(), "{}", text(&well));
    let guessed = list("guess", &["--ca", "ours.ca.pem"]);
    assert!(!guessed.status.success() && text(&guessed).contains("token"), "{}", text(&guessed));
    for ca in [&["--ca", "theirs.ca.pem"][..], &[]] {
        let refused = list(&ops, ca);
        assert!(!refused.status.success() && text(&refused).contains("no server answers"), "{ca:?}: {}", text(&refused));
    }
}

#[test]
fn a_token_is_not_sent_in_the_clear_beyond_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_giaolo"));
    command.args(["list", "--server", "192.0.2.1:7400"]).current_dir(folder.path());
    let refused = command.env("GIAOLO_TOKEN", "secret").output().unwrap();
    assert!(!refused.status.success() && text(&refused).contains("--ca"), "{}", text(&refused));
}
