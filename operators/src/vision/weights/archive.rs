//! PyTorch's checkpoints since version 1.6: a zip archive, never compressed, with a pickle and one entry a storage.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::Tensor;
use super::pickle::{Pickle, gather};

/// The tensors of the state dictionary in an archive.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let name = archive
        .file_names()
        .filter_map(Result::ok)
        .find_map(|name| name.strip_suffix("data.pkl").map(str::to_string))
        .ok_or("the archive holds no data.pkl")?;
    let mut unread = bytes.len();
    let mut entry = |name: String| entry(&mut archive, &name, &mut unread);
    let pickle = Pickle::read(&entry(format!("{name}data.pkl"))?)?;
    if entry(format!("{name}byteorder")).is_ok_and(|order| order.starts_with(b"big")) {
        return Err("its values are big endian; only little endian is read".into());
    }
    let views = pickle.tensors();
    let mut storages = BTreeMap::new();
    for key in views.iter().map(|(_, view)| view.storage.key.as_str()) {
        if !storages.contains_key(key) {
            storages.insert(key, entry(format!("{name}data/{key}"))?);
        }
    }
    gather(views, |key| storages.get(key).map(Vec::as_slice))
}

/// An entry's bytes. None is compressed, so all together are no longer than the archive: `unread` is how much is left.
fn entry(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str, unread: &mut usize) -> Result<Vec<u8>, String> {
    let broken = |error: &dyn std::fmt::Display| format!("entry {name}: {error}");
    let mut bytes = Vec::new();
    let entry = archive.by_name(name).map_err(|error| broken(&error))?;
    entry.take(*unread as u64 + 1).read_to_end(&mut bytes).map_err(|error| broken(&error))?;
    *unread = unread.checked_sub(bytes.len()).ok_or("its entries together are longer than it is")?;
    Ok(bytes)
}
