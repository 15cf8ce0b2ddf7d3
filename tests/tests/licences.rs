//! Every crate we build on has a licence that `deny.toml` allows, and comes from a registry.
//!
//! `cargo deny` says the same and more, but takes minutes to install; this takes a second.

use std::{path::Path, process::Command};

use serde_json::Value;

/// The quoted words of `allow = [ … ]` in deny.toml.
fn allowed(deny: &str) -> Vec<&str> {
    let list = deny.split_once("\nallow = [").and_then(|(_, rest)| rest.split_once(']')).expect("a list of allowed licences").0;
    list.split('"').skip(1).step_by(2).collect()
}

/// Whether an SPDX expression can be met with the licences allowed. `AND` binds tighter than `OR`; `/` is an old `OR`.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ").replace(" WITH ", "+WITH+");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let (met, rest) = either(&words, allowed);
    assert!(rest.is_empty(), "{expression:?} is no licence expression");
    met
}

fn either<'w>(words: &'w [&'w str], allowed: &[&str]) -> (bool, &'w [&'w str]) {
    let (mut met, mut rest) = both(words, allowed);
    while let ["OR", after @ ..] = rest {
        let (other, next) = both(after, allowed);
        (met, rest) = (met || other, next);
    }
    (met, rest)
}

fn both<'w>(words: &'w [&'w str], allowed: &[&str]) -> (bool, &'w [&'w str]) {
    let (mut met, mut rest) = one(words, allowed);
    while let ["AND", after @ ..] = rest {
        let (other, next) = one(after, allowed);
        (met, rest) = (met && other, next);
    }
    (met, rest)
}

fn one<'w>(words: &'w [&'w str], allowed: &[&str]) -> (bool, &'w [&'w str]) {
    match words {
        ["(", inner @ ..] => {
            let (met, rest) = either(inner, allowed);
            (met, rest.strip_prefix(&[")"]).expect("a closing parenthesis"))
        }
        [licence, rest @ ..] => (allowed.contains(&licence.replace("+WITH+", " WITH ").as_str()), rest),
        [] => panic!("a licence is missing"),
    }
}

/// What `cargo metadata` knows of the packages that this machine builds.
fn packages(root: &Path) -> Vec<Value> {
    let rustc = Command::new("rustc").arg("-vV").output().expect("rustc");
    let about = String::from_utf8(rustc.stdout).expect("text");
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--format-version=1", "--locked", "--filter-platform", host]).current_dir(root);
    let output = metadata.output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let Value::Object(mut metadata) = serde_json::from_slice(&output.stdout).expect("JSON") else { panic!("not an object") };
    let Some(Value::Array(packages)) = metadata.remove("packages") else { panic!("no packages") };
    packages
}

#[test]
fn every_licence_is_allowed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let deny = std::fs::read_to_string(root.join("deny.toml")).expect("deny.toml");
    let (allowed, packages) = (allowed(&deny), packages(&root));
    assert!(packages.len() > 100, "only {} packages", packages.len());
    for package in packages {
        let (name, licence) = (&package["name"], package["license"].as_str().unwrap_or("none"));
        assert!(permits(licence, &allowed), "{name} has the licence {licence}, which deny.toml does not allow");
        let source = &package["source"];
        assert!(source.as_str().is_none_or(|s| s.starts_with("registry+")), "{name} comes from {source}, not from a registry");
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
    for met in
        ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR MIT", "(GPL-3.0 OR ISC) AND MIT", "GPL-3.0 OR MIT AND ISC", "Apache-2.0 WITH LLVM-exception"]
    {
        assert!(permits(met, &allowed), "{met}");
    }
    for unmet in ["none", "GPL-3.0", "GPL-3.0 AND MIT", "MIT AND (GPL-3.0 OR Apache-2.0)", "Apache-2.0", "GPL-3.0 OR MIT AND GPL-2.0"] {
        assert!(!permits(unmet, &allowed), "{unmet}");
    }
}
