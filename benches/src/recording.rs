//! The city that is measured: a synthetic one, or the recording that `GIAOLO_RECORDING` names.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use schemas::wire::Format;
use schemas::{City, HotlistEntry, Observation, Signal};

/// A recording, on disk as the product reads it and in memory as the plain programs do.
pub struct Recording {
    /// The map.
    pub city: City,
    /// Frames in order of arrival.
    pub observations: Vec<Observation>,
    /// Changes of signals.
    pub signals: Vec<Signal>,
    /// Wanted plates.
    pub hotlist: Vec<HotlistEntry>,
    /// Boxes in all frames.
    pub boxes: u64,
    /// A folder with everything as JSON.
    pub json: PathBuf,
    /// The same with the observations in bincode.
    pub bincode: PathBuf,
    _folder: tempfile::TempDir,
}

impl Recording {
    /// The recording that the environment names, else a quarter of an hour of a synthetic city with 24 cameras; two minutes
    /// of four where it is to be quick.
    ///
    /// # Panics
    /// The files cannot be read or written: there is nothing to measure then.
    #[must_use]
    pub fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        match std::env::var_os("GIAOLO_RECORDING").filter(|_| !crate::quick()) {
            Some(named) => Self::read(PathBuf::from(named), folder),
            None => {
                let cameras = crate::numbers("GIAOLO_CAMERAS", &[24])[0];
                let (cameras, seconds) = if crate::quick() { (4, 120) } else { (cameras, 900) };
                let plan = city::Plan { arrivals_per_hour: 700, ..city::Plan::new(1, cameras, seconds) };
                city::simulate(&plan).write(folder.path()).expect("room for the recording");
                Self::read(folder.path().join("input"), folder)
            }
        }
    }

    fn read(json: PathBuf, folder: tempfile::TempDir) -> Self {
        let city = fs::read(json.join("city.json")).expect("the city's map");
        let city = serde_json::from_slice(&city).expect("a map");
        let observations: Vec<Observation> = records(&json.join("observations.ndjson"));
        let bincode = folder.path().join("bincode");
        write_bincode(&bincode, &json, &observations);
        Self {
            city,
            boxes: observations.iter().map(|frame| frame.objects.len() as u64).sum(),
            signals: records(&json.join("signals.ndjson")),
            hotlist: records(&json.join("hotlist.ndjson")),
            observations,
            json,
            bincode,
            _folder: folder,
        }
    }

    /// A place to write results to.
    #[must_use]
    pub fn results(&self) -> PathBuf {
        self._folder.path().join("results")
    }
}

/// When a frame reached the centre.
#[must_use]
pub fn arrival_ms(frame: &Observation) -> u64 {
    frame.received_ms.unwrap_or(frame.at_ms)
}

/// The records of a file of JSON lines; those that are none are left out, as the job rejects them.
fn records<R: schemas::wire::Record>(file: &Path) -> Vec<R> {
    let text = fs::read(file).expect("a file of the recording");
    text.split(|byte| *byte == b'\n').filter_map(|line| Format::Json.decode(line).ok()).collect()
}

/// The same recording with the observations in frames of length, arrival and bincode.
fn write_bincode(folder: &Path, json: &Path, observations: &[Observation]) {
    fs::create_dir_all(folder).expect("a folder");
    for name in ["signals.ndjson", "hotlist.ndjson"] {
        fs::copy(json.join(name), folder.join(name)).expect("room for a copy");
    }
    let mut file = std::io::BufWriter::new(fs::File::create(folder.join("observations.bin")).expect("a file"));
    let mut bytes = Vec::new();
    for frame in observations {
        bytes.clear();
        Format::Bincode.encode(frame, &mut bytes);
        let head = [&(bytes.len() as u32).to_le_bytes()[..], &arrival_ms(frame).to_le_bytes()].concat();
        file.write_all(&head).and_then(|()| file.write_all(&bytes)).expect("room for the recording");
    }
    file.flush().expect("room for the recording");
}
