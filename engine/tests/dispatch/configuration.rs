//! A configuration is strict, tells everything at once, and never shows a secret.

use engine::dispatch::{Config, Secret};

use crate::watch::{ASYMMETRIC, SYMMETRIC, Watch, Wish};

fn problems(text: &str) -> String {
    Config::<Wish>::read("dispatch.yaml", text).expect_err("this must be refused").to_string()
}

#[test]
fn all_problems_are_told_with_line_and_column() {
    let text = "version: 1
topics: alerts
endpoints:
  one:
    url: http://gateway.example/
    secrets: [{file: /nowhere/secret}]
    expires_after: soon
  two:
    url: https://10.0.0.7/
    filter: {area: [west]}
    concurency: 3
  Three:
    url: https://user:hunter2@gateway.example/
    secrets: [{env: GIAOLO_NO_SUCH_VARIABLE}]
    concurrency: 0
  four: {url: 'https://0x7f.1/', secrets: []}
  five: {url: 'https://[::ffff:169.254.169.254]/', allow_private: true}
  six: no
";
    let told = problems(text);
    for expected in [
        "dispatch.yaml:2:1: unknown field \"topics\" (hint: did you mean \"topic\"?)",
        "dispatch.yaml:7:20: wrong value for \"expires_after\" in endpoint \"one\"",
        "dispatch.yaml:10:14: unknown field \"area\" in endpoint \"two\" (hint: did you mean \"areas\"?)",
        "dispatch.yaml:11:5: unknown field \"concurency\" in endpoint \"two\" (hint: did you mean \"concurrency\"?)",
        "dispatch.yaml:12:3: \"Three\" cannot be the name of an endpoint",
        "dispatch.yaml:13:10: url of endpoint \"Three\" holds credentials",
        "the secret in the variable \"GIAOLO_NO_SUCH_VARIABLE\" is not set",
        "dispatch.yaml:15:18: \"concurrency\" of endpoint \"Three\" must be 1 to 256, not 0",
        "127.0.0.1 is a loopback address",
        "endpoint \"four\" has no secret to sign with",
        "::ffff:169.254.169.254 is a link-local address",
        "dispatch.yaml:18:8: endpoint \"six\" must be a mapping, not the text \"no\"",
    ] {
        assert!(told.contains(expected), "{expected:?} is not in\n{told}");
    }
    assert!(problems("version: 1\nendpoints: {a: {url: 'http://x.example/'}}").contains("is not https"));
    assert!(problems("version: 2\n").contains("unsupported version"));
}

#[test]
fn secrets_are_checked_and_never_shown() {
    for (text, told) in [
        ("hunter2", "neither whsec_"),
        ("whsec_hunter2", "not base64"),
        ("whsec_aHVudGVyMg==", "holds 7 bytes"),
        ("whsk_aHVudGVyMg==", "holds 7 bytes"),
        // A seed with a public key that is not its own.
        (&ASYMMETRIC.replace("11qYA", "21qYA").replace("2DXWpg", "2DXWpw"), "is no ed25519 key"),
    ] {
        let error = Secret::read(text).expect_err(text);
        assert!(error.contains(told) && !error.contains("hunter2"), "{error}");
    }
    let shown = format!("{:?} {:?}", Secret::read(SYMMETRIC).unwrap(), Secret::read(ASYMMETRIC).unwrap());
    assert_eq!(shown, "Secret(whsec_…) Secret(whsk_…)");
}

#[test]
fn defaults_are_as_written_down() {
    let mut watch = Watch::open();
    watch.endpoint("unit", "https://gateway.example/", "");
    let config = Config::<Wish>::read("dispatch.yaml", &watch.config()).unwrap();
    let limits = config.endpoints[0].limits;
    assert_eq!((config.topic.as_str(), limits.expires_after_ms, limits.queue, limits.concurrency), ("alerts", 600_000, 10_000, 4));
}
