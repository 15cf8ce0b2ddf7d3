//! Packages that somebody changed: every one is found.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use city::mutate::{again_and_again, change};
use engine::signing::{PublicKey, SigningKey};
use jobs::evidence::{Manifest, check, pack, sha256};
use proptest::prelude::*;
use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::running::text;
use crate::town::{Town, files};

type Files = BTreeMap<String, Vec<u8>>;

fn package() -> (Vec<u8>, PublicKey) {
    let town = Town::judged();
    static PACKED: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let packed = PACKED.get_or_init(|| town.pack(town.alert("point_speed", "final")["id"].as_str().unwrap(), "tampered.zip"));
    (packed.clone(), town.public.parse().unwrap())
}

/// What is wrong, all in one.
fn problems(package: &[u8], key: &PublicKey) -> String {
    check(package, std::slice::from_ref(key)).problems.join("\n")
}

/// Files as a package would hold them, in this order.
fn archive<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o600);
    for (name, bytes) in files {
        archive.start_file(name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The package's files after a change, put together again in its order.
fn changed(package: &[u8], change: impl FnOnce(&mut Files)) -> Vec<u8> {
    let mut all = files(package);
    change(&mut all);
    let first = ["manifest.json", "manifest.sig"];
    let rest = all.iter().filter(|(name, _)| !first.contains(&name.as_str())).map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    archive(first.iter().filter_map(|name| Some((*name, all.get(*name)?.as_slice()))).chain(rest))
}

#[test]
fn each_kind_of_change_is_told() {
    let (package, key) = package();
    assert_eq!(problems(&package, &key), "");
    assert!(changed(&package, |_| ()) == package, "the way of changing changes nothing by itself");
    let told = |change: &dyn Fn(&mut Files), what: &str| {
        let told = problems(&changed(&package, |files| change(files)), &key);
        assert!(told.contains(what), "{what}: {told:?}");
    };
    told(&|files| drop(files.remove("city.json")), "city.json is missing");
    told(&|files| drop(files.remove("manifest.json")), "manifest.json is missing");
    told(&|files| drop(files.remove("manifest.sig")), "manifest.sig is missing");
    told(&|files| drop(files.insert("more.txt".to_owned(), b"more".to_vec())), "\"more.txt\" does not belong to it");
    let renamed = |files: &mut Files| {
        let city = files.remove("city.json").unwrap();
        files.insert("town.json".to_owned(), city);
    };
    told(&renamed, "city.json is missing");
    told(&renamed, "\"town.json\" does not belong to it");
    told(&|files| files.get_mut("definition.yaml").unwrap().push(b'\n'), "definition.yaml was altered: it is longer");
    told(&|files| _ = files.get_mut("definition.yaml").unwrap().pop(), "definition.yaml was altered: its SHA-256 is");
    // With a checksum of the archive's own that fits.
    told(&|files| files.get_mut("definition.yaml").unwrap()[0] ^= 1, "definition.yaml was altered: its SHA-256 is");
    let swapped = |files: &mut Files| {
        let (definition, city) = (files["definition.yaml"].clone(), files["city.json"].clone());
        files.insert("definition.yaml".to_owned(), city);
        files.insert("city.json".to_owned(), definition);
    };
    told(&swapped, "was altered");
    // Who changes a file and what the manifest says of it cannot sign that.
    let forged = |files: &mut Files| {
        let text = String::from_utf8(files["manifest.json"].clone()).unwrap();
        let (before, city) = (sha256(&files["city.json"]), files.get_mut("city.json").unwrap());
        let at = city.iter().position(|byte| *byte == b'5').unwrap();
        city[at] = b'6';
        files.insert("manifest.json".to_owned(), text.replace(&before, &sha256(&files["city.json"])).into_bytes());
    };
    told(&forged, "the signature does not fit");
    // A signature of the same words that is written otherwise is no signature of ours.
    let respelled = |files: &mut Files| {
        let seal: Value = serde_json::from_slice(&files["manifest.sig"]).unwrap();
        files.insert("manifest.sig".to_owned(), format!("{seal:#}").into_bytes());
    };
    told(&respelled, "manifest.sig was altered");

    let mut all: Vec<_> = files(&package).into_iter().collect();
    all.sort_by_key(|(name, _)| !name.starts_with("manifest"));
    all[2..].reverse();
    let reversed = archive(all.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    for other in [[&package[..], b"."].concat(), [b".", &package[..]].concat(), reversed] {
        assert!(problems(&other, &key).contains("the archive holds more than its files"), "{}", problems(&other, &key));
    }
    for cut in [0, 1, package.len() / 2, package.len() - 1] {
        assert!(problems(&package[..cut], &key).contains("zip file"), "{cut}");
    }
}

#[test]
fn a_key_that_is_not_trusted_is_told_even_if_it_signed_all_of_it() {
    let (package, key) = package();
    let mut all = files(&package);
    let (manifest, _) = (Manifest::read(&all.remove("manifest.json").unwrap()).unwrap(), all.remove("manifest.sig"));
    let other = SigningKey::read(&SigningKey::generate().unwrap()).unwrap();
    let theirs = pack(&manifest, &all, &other).unwrap();
    assert!(problems(&theirs, &key).contains(&format!("it is signed with a key that is not trusted: {}", other.public())));
    assert_eq!(problems(&theirs, &other.public()), "");
    assert!(check(&theirs, &[key, other.public()]).problems.is_empty(), "any of those that are trusted will do");
    assert!(problems(&package, &other.public()).contains("not trusted"));
    assert!(!check(&package, &[]).problems.is_empty(), "nobody is trusted by default");
    // Their signature, under our key's name.
    let relabelled = changed(&theirs, |files| {
        let seal = String::from_utf8(files["manifest.sig"].clone()).unwrap().replace(&other.public().to_string(), &key.to_string());
        files.insert("manifest.sig".to_owned(), seal.into_bytes());
    });
    assert!(problems(&relabelled, &key).contains("the signature does not fit"));
}

/// Manifest and signature and all that a zip file says of its files: each byte of them, each of its bits.
#[test]
fn no_bit_of_a_package_can_be_turned_unseen() {
    let (package, key) = package();
    let all = files(&package);
    let mut small = package.clone();
    // The first bytes are the signed ones; after them come files, of which a property takes samples.
    let signed = all["manifest.json"].len() + all["manifest.sig"].len() + 200;
    let directory = package.len() - 600.min(package.len());
    for at in (0..signed.min(package.len())).step_by(7).chain(signed - 700..signed).chain(directory..package.len()) {
        for bit in 0..8 {
            small[at] ^= 1 << bit;
            assert_ne!(problems(&small, &key), "", "byte {at}, bit {bit}");
            small[at] ^= 1 << bit;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_byte_of_a_package_can_be_changed_unseen(at in any::<proptest::sample::Index>(), mask in 1_u8..) {
        let (mut package, key) = package();
        let at = at.index(package.len());
        package[at] ^= mask;
        prop_assert_ne!(problems(&package, &key), "");
    }
}

#[test]
fn the_program_says_what_is_wrong_and_replays_nothing_of_it() {
    let town = Town::judged();
    let (mut package, _) = package();
    let at = package.len() / 2;
    package[at] ^= 1;
    std::fs::write(town.path("turned.zip"), package).unwrap();
    let output = town.verify("turned.zip");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("turned.zip: NOT whole") && text(&output).contains("was altered"), "{}", text(&output));
    let replayed = crate::running::giaolo(town.folder(), &["evidence", "replay", "turned.zip", "--trust", &town.public]);
    assert!(!replayed.status.success() && text(&replayed).contains("what is not whole is not replayed"), "{}", text(&replayed));
}

#[test]
fn no_package_brings_its_reader_down_and_none_that_was_changed_is_believed() {
    let (package, key) = package();
    again_and_again(|random| {
        let mut bytes = package.clone();
        change(&mut bytes, &package, random);
        assert!(bytes == package || !problems(&bytes, &key).is_empty(), "a package was changed, and nothing is wrong with it");
    });
}
