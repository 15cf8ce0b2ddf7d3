//! What is sent, and that it is signed as the specification says.

use std::io::Write as _;
use std::process::Command;

use crate::check::{base64, hmac_sha256};
use crate::gateway::{Answer, Gateway, Request};
use crate::watch::{Watch, now_ms};

fn received() -> Request {
    let gateway = Gateway::open(|_, _| Answer::Status(204));
    let mut watch = Watch::open();
    watch.endpoint("unit", &format!("http://{}/hook", gateway.address), "");
    watch.tell("a1", 1, "provisional");
    let figures = watch.begin(true).join().unwrap();
    assert_eq!((figures.endpoints[0].tally.delivered, figures.endpoints[0].waiting), (1, 0));
    let requests = gateway.requests();
    assert_eq!(requests.len(), 1);
    requests[0].clone()
}

fn signed(request: &Request) -> Vec<u8> {
    let head = format!("{}.{}.", request.header("webhook-id"), request.header("webhook-timestamp"));
    [head.as_bytes(), &request.body].concat()
}

#[test]
fn a_message_is_what_standard_webhooks_say_and_signed_with_every_secret() {
    let request = received();
    assert_eq!((request.header("webhook-id"), request.header("content-type")), ("a1.1", "application/json"));
    let timestamp: u64 = request.header("webhook-timestamp").parse().unwrap();
    assert!(timestamp.abs_diff(now_ms() / 1_000) < 60);
    let message = request.json();
    assert_eq!(message.as_object().unwrap().len(), 3);
    assert_eq!((&message["type"], &message["timestamp"]), (&"ware.raised".into(), &"2026-01-01T07:00:05.133Z".into()));
    assert_eq!((&message["data"]["id"], &message["data"]["revision"]), (&"a1".into(), &1.into()));

    let [symmetric, asymmetric] = request.header("webhook-signature").split(' ').collect::<Vec<_>>()[..] else { panic!() };
    let key: Vec<u8> = (0..32).collect();
    assert_eq!(symmetric, format!("v1,{}", base64(&hmac_sha256(&key, &signed(&request)))));
    assert!(asymmetric.starts_with("v1a,") && asymmetric.len() == 4 + 88, "{asymmetric}");
}

/// Reads headers and body as a patrol unit's gateway would that uses the specification's own library, and not what was altered.
const VERIFY: &str = r#"
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
headers, body, secret = json.loads(sys.argv[1]), bytes.fromhex(sys.argv[2]), sys.argv[3]
assert Webhook(secret).verify(body, headers)["data"]["id"] == "a1"
for altered in (body + b" ", body.replace(b"a1", b"a2")):
    try:
        Webhook(secret).verify(altered, headers)
    except WebhookVerificationError:
        continue
    raise SystemExit("the library takes anything")
"#;

#[test]
fn a_signature_holds_for_the_library_that_the_specification_publishes() {
    let Ok(python) = city::python::program("python").inspect_err(|skipped| println!("{skipped}")) else { return };
    let request = received();
    let headers: std::collections::BTreeMap<_, _> =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].into_iter().map(|name| (name, request.header(name))).collect();
    let body: String = request.body.iter().map(|byte| format!("{byte:02x}")).collect();
    let secret = format!("whsec_{}", base64(&(0..32).collect::<Vec<u8>>()));
    let output = Command::new(python).args(["-c", VERIFY, &serde_json::to_string(&headers).unwrap(), &body, &secret]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a file in this folder must hold for openssl.
fn file(folder: &std::path::Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
    path
}

#[test]
fn an_ed25519_signature_holds_for_openssl() {
    let openssl = |arguments: &[&str]| Command::new("openssl").args(arguments).output();
    if openssl(&["version"]).is_err() {
        return println!("skipped: openssl is not installed");
    }
    let request = received();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // The public key of RFC 8032, section 7.1, test 1, in the form of RFC 8410.
    let key = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    file(folder.path(), "key.pem", key.as_bytes());
    file(folder.path(), "message", &signed(&request));
    let signature = request.header("webhook-signature").split(' ').nth(1).unwrap().strip_prefix("v1a,").unwrap();
    file(folder.path(), "signature.b64", format!("{signature}\n").as_bytes());
    openssl(&["base64", "-d", "-A", "-in", &path("signature.b64"), "-out", &path("signature")]).unwrap();
    let verify = |message: &str| {
        let arguments =
            ["pkeyutl", "-verify", "-pubin", "-inkey", &path("key.pem"), "-rawin", "-in", &path(message), "-sigfile", &path("signature")];
        openssl(&arguments).unwrap()
    };
    let output = verify("message");
    assert!(output.status.success(), "{output:?}");
    file(folder.path(), "other", &[signed(&request), b" ".to_vec()].concat());
    assert!(!verify("other").status.success());
}
