//! PyTorch's checkpoints before version 1.6: pickles one after another, then the storages.
//!
//! ```text
//! magic number │ version │ about the machine │ state dictionary │ keys of the storages │ length, values │ length, values …
//! └────────────────────────────── five pickles ───────────────────────────────────────┘
//! ```

use std::collections::BTreeMap;

use super::Tensor;
use super::pickle::{Pickle, View, gather};

/// How such a file begins: a pickle of version 2 with a number of ten bytes.
pub(super) const BEGINNING: [u8; 4] = [0x80, 2, 0x8a, 10];
/// The number.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
/// The version that everyone has written.
const VERSION: i128 = 1001;

/// The tensors of the state dictionary in a file.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    let mut rest = bytes;
    let mut pickle = || {
        let pickle = Pickle::read(rest)?;
        rest = &rest[pickle.length..];
        Ok::<_, String>(pickle)
    };
    if [pickle()?.number(), pickle()?.number()] != [Some(MAGIC), Some(VERSION)] {
        return Err("its magic number or version is another one".into());
    }
    if pickle()?.denies("little_endian") {
        return Err("its values are big endian; only little endian is read".into());
    }
    let (root, keys) = (pickle()?, pickle()?);
    let views = root.tensors();
    let storages = storages(rest, &keys.texts().ok_or("it has no list of storages")?, &views)?;
    gather(views, |key| storages.get(key).copied())
}

/// The bytes of every storage, by key. How wide its values are is known from the tensors that look at it.
fn storages<'a>(mut rest: &'a [u8], keys: &[&'a str], views: &[(&str, &View)]) -> Result<BTreeMap<&'a str, &'a [u8]>, String> {
    let width = |key: &str| views.iter().find(|(_, view)| view.storage.key == key)?.1.storage.kind.map(|kind| kind.size_in_bytes());
    let mut storages = BTreeMap::new();
    for key in keys {
        let width = width(key).ok_or_else(|| format!("storage {key} is of a kind that no weight has, or of no tensor"))?;
        let (length, values) = rest.split_first_chunk::<8>().ok_or("it breaks off before a storage")?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|length| length.checked_mul(width));
        let (values, after) =
            length.and_then(|length| values.split_at_checked(length)).ok_or_else(|| format!("it breaks off in storage {key}"))?;
        storages.insert(*key, values);
        rest = after;
    }
    Ok(storages)
}
