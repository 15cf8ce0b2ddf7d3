//! The archive: one zip file with the manifest, its signature, and the files that it names, and nothing else.
//!
//! The same files give the same bytes: they are not compressed, and their order and their times are fixed. So whatever else a zip
//! file can hold, between its files or about them, is seen too: a package is what packing its files again gives.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read as _, Write as _};

use engine::signing::{PublicKey, SigningKey};
use serde::{Deserialize, Serialize};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::{File, Manifest, sha256};

/// The manifest's file.
pub const MANIFEST: &str = "manifest.json";
/// The signature's.
pub const SIGNATURE: &str = "manifest.sig";

/// The longest manifest that is read, bytes.
const MANIFEST_BYTES: u64 = 64 << 20;
/// The longest signature.
const SIGNATURE_BYTES: u64 = 4 << 10;

/// A signature over the bytes of the manifest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    /// `ed25519`.
    algorithm: String,
    /// As [`PublicKey`] is written.
    public_key: String,
    /// In base64.
    signature: String,
}

impl Signature {
    fn bytes(&self) -> Result<Vec<u8>, ZipError> {
        Ok(serde_json::to_vec(self).map_err(std::io::Error::from)?)
    }
}

/// Packs a manifest, which names the files, with its signature and with the files, in order of their names.
///
/// # Errors
/// They do not fit into a zip file.
pub fn pack(manifest: &Manifest, files: &BTreeMap<String, Vec<u8>>, key: &SigningKey) -> Result<Vec<u8>, ZipError> {
    let bytes = manifest.bytes();
    let seal = Signature { algorithm: "ed25519".to_owned(), public_key: key.public().to_string(), signature: key.sign(&bytes) };
    archive(&bytes, &seal.bytes()?, files)
}

fn archive(manifest: &[u8], seal: &[u8], files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, ZipError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o600);
    let first = [(MANIFEST, manifest), (SIGNATURE, seal)];
    for (name, bytes) in first.into_iter().chain(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))) {
        archive.start_file(name, options)?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// A package that was looked at.
#[derive(Default)]
pub struct Checked {
    /// The manifest, if it can be read.
    pub manifest: Option<Manifest>,
    /// The files that it names, as they are.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Whose signature fits the manifest.
    pub signed_by: Option<PublicKey>,
    /// What is wrong, each in a line; nothing, if the package is whole.
    pub problems: Vec<String>,
}

/// Checks a package: the signature, which must be by one of the keys that are trusted, and every file; that none is missing, none
/// too much, and nothing between them.
#[must_use]
pub fn check(package: &[u8], trusted: &[PublicKey]) -> Checked {
    let mut checked = Checked::default();
    if let Err(problem) = checked.look(package, trusted) {
        checked.problems.push(problem);
    }
    checked
}

impl Checked {
    fn look(&mut self, package: &[u8], trusted: &[PublicKey]) -> Result<(), String> {
        let mut archive = ZipArchive::new(Cursor::new(package)).map_err(|error| format!("it is no zip file, or a damaged one: {error}"))?;
        let names = (0..archive.len()).map(|index| Ok(archive.by_index_raw(index)?.name()?.into_owned()));
        let names: BTreeSet<String> =
            names.collect::<Result<_, ZipError>>().map_err(|error| format!("it is a damaged zip file: {error}"))?;
        let (manifest, seal) = (take(&mut archive, MANIFEST, MANIFEST_BYTES)?, take(&mut archive, SIGNATURE, SIGNATURE_BYTES)?);
        match signer(&manifest, &seal, trusted) {
            Ok(key) => self.signed_by = Some(key),
            Err(problem) => self.problems.push(problem),
        }
        let told = Manifest::read(&manifest).map_err(|error| format!("{MANIFEST} {error}"))?;
        self.compare(&mut archive, &told, &names);
        self.manifest = Some(told);
        let again = archive_again(&manifest, &seal, &self.files);
        if self.problems.is_empty() && again.as_deref() != Ok(package) {
            self.problems.push("the archive holds more than its files, or names them twice or otherwise".to_owned());
        }
        Ok(())
    }

    /// Holds the files to what the manifest says of them.
    fn compare(&mut self, archive: &mut ZipArchive<Cursor<&[u8]>>, manifest: &Manifest, names: &BTreeSet<String>) {
        for File { name, bytes, sha256: digest } in &manifest.files {
            match take(archive, name, *bytes) {
                Ok(found) if found.len() as u64 == *bytes && sha256(&found) == *digest => drop(self.files.insert(name.clone(), found)),
                Ok(found) => self.problems.push(format!("{name} was altered: its SHA-256 is {}, not {digest}", sha256(&found))),
                Err(problem) => self.problems.push(problem),
            }
        }
        let named: BTreeSet<&str> = manifest.files.iter().map(|file| &*file.name).chain([MANIFEST, SIGNATURE]).collect();
        for extra in names.iter().filter(|name| !named.contains(name.as_str())) {
            self.problems.push(format!("{extra:?} does not belong to it: the manifest does not name it"));
        }
    }
}

fn archive_again(manifest: &[u8], seal: &[u8], files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, String> {
    archive(manifest, seal, files).map_err(|error| error.to_string())
}

/// A file of an archive, or what is wrong with it.
fn take(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str, most_bytes: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut read = || archive.by_name(name).and_then(|file| Ok(file.take(most_bytes + 1).read_to_end(&mut bytes)?));
    match read() {
        Ok(length) if length as u64 <= most_bytes => Ok(bytes),
        Ok(_) => Err(format!("{name} was altered: it is longer than {most_bytes} bytes")),
        Err(ZipError::FileNotFound) => Err(format!("{name} is missing")),
        Err(error) => Err(format!("{name} was altered: it cannot be unpacked: {error}")),
    }
}

/// Whose signature it is.
fn signer(manifest: &[u8], seal: &[u8], trusted: &[PublicKey]) -> Result<PublicKey, String> {
    let read = serde_json::from_slice::<Signature>(seal).map_err(|error| format!("{SIGNATURE} is no signature: {error}"))?;
    if read.algorithm != "ed25519" || read.bytes().ok().as_deref() != Some(seal) {
        return Err(format!("{SIGNATURE} was altered: it is not written as a signature is"));
    }
    let key: PublicKey = read.public_key.parse().map_err(|error| format!("the public key in {SIGNATURE} {error}"))?;
    if !key.fits(manifest, &read.signature) {
        return Err(format!("the signature does not fit: {MANIFEST} or {SIGNATURE} was altered"));
    }
    if !trusted.contains(&key) {
        return Err(format!("it is signed with a key that is not trusted: {key}"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packages are looked at years later: whatever packs them then must pack them byte for byte as they were packed.
    #[test]
    fn a_package_is_laid_out_as_it_ever_was() {
        let files = BTreeMap::from([("city.json".to_owned(), b"{}".to_vec()), ("stills/1.jpg".to_owned(), vec![0xff; 3])]);
        let bytes = archive(b"{\"format\":\"giaolo evidence\"}", b"{}", &files).unwrap();
        assert_eq!(sha256(&bytes), "9858da1548e1acb766efd2749b812ec242c4ee078e8524eeed6fb1d96f5f6a2d");
    }
}
