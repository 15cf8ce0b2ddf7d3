//! A recording in memory and on disk: `input/` for the product, `truth/` for the judge.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::records::{City, HotlistEntry, Observation, Signal};
use crate::truth::Truth;

/// What the equipment of a city delivered, and what really happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The map.
    pub city: City,
    /// Frames in order of arrival.
    pub observations: Vec<Observation>,
    /// Changes of signals in order of time.
    pub signals: Vec<Signal>,
    /// Wanted plates.
    pub hotlist: Vec<HotlistEntry>,
    /// The truth.
    pub truth: Truth,
}

impl Recording {
    /// The frames as the product reads them, one JSON object each.
    #[must_use]
    pub fn observation_lines(&self) -> Vec<String> {
        lines(&self.observations)
    }

    /// The changes of signals as the product reads them.
    #[must_use]
    pub fn signal_lines(&self) -> Vec<String> {
        lines(&self.signals)
    }

    /// The wanted plates as the product reads them.
    #[must_use]
    pub fn hotlist_lines(&self) -> Vec<String> {
        lines(&self.hotlist)
    }

    /// Moves what the equipment delivered to another time; the truth stays where it was.
    pub fn shift(&mut self, by_ms: i64) {
        self.observations.iter_mut().for_each(|o| (o.at_ms, o.received_ms) = (o.at_ms + by_ms, o.received_ms + by_ms));
        self.signals.iter_mut().for_each(|s| s.at_ms += by_ms);
        self.hotlist.iter_mut().for_each(|h| (h.from_ms, h.until_ms) = (h.from_ms + by_ms, h.until_ms + by_ms));
    }

    /// Writes `input/` and `truth/` under a directory: `city.json`, and one NDJSON file for each list.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, to: &Path) -> io::Result<()> {
        let (input, truth) = (to.join("input"), to.join("truth"));
        fs::create_dir_all(&input)?;
        fs::create_dir_all(&truth)?;
        fs::write(input.join("city.json"), serde_json::to_vec_pretty(&self.city)?)?;
        write_rows(&input.join("observations.ndjson"), &self.observations)?;
        write_rows(&input.join("signals.ndjson"), &self.signals)?;
        write_rows(&input.join("hotlist.ndjson"), &self.hotlist)?;
        self.truth.write(&truth)
    }
}

impl Truth {
    /// Writes one NDJSON file for each list.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, to: &Path) -> io::Result<()> {
        let file = |name: &str| to.join(name).with_extension("ndjson");
        write_rows(&file("vehicles"), &self.vehicles)?;
        write_rows(&file("passages"), &self.passages)?;
        write_rows(&file("sections"), &self.sections)?;
        write_rows(&file("red_light"), &self.red_light)?;
        write_rows(&file("wrong_way"), &self.wrong_way)?;
        write_rows(&file("stopping"), &self.stopping)?;
        write_rows(&file("cloned"), &self.cloned)?;
        write_rows(&file("hotlist_hits"), &self.hotlist_hits)?;
        write_rows(&file("outages"), &self.outages)?;
        write_rows(&file("point_speed"), &self.point_speed)
    }
}

impl Truth {
    /// Reads what [`write`](Self::write) wrote; a missing file holds nothing.
    ///
    /// # Errors
    /// Those of the file system, and a line that is not such a record.
    pub fn read(from: &Path) -> io::Result<Self> {
        let file = |name: &str| from.join(name).with_extension("ndjson");
        Ok(Self {
            vehicles: read_rows(&file("vehicles"))?,
            passages: read_rows(&file("passages"))?,
            sections: read_rows(&file("sections"))?,
            red_light: read_rows(&file("red_light"))?,
            wrong_way: read_rows(&file("wrong_way"))?,
            stopping: read_rows(&file("stopping"))?,
            cloned: read_rows(&file("cloned"))?,
            hotlist_hits: read_rows(&file("hotlist_hits"))?,
            outages: read_rows(&file("outages"))?,
            point_speed: read_rows(&file("point_speed"))?,
        })
    }
}

impl City {
    /// Reads a `city.json`.
    ///
    /// # Errors
    /// Those of the file system, and a file that is not a map.
    pub fn read(from: &Path) -> io::Result<Self> {
        Ok(serde_json::from_reader(BufReader::new(File::open(from)?))?)
    }
}

fn lines<T: Serialize>(rows: &[T]) -> Vec<String> {
    rows.iter().map(|row| serde_json::to_string(row).unwrap_or_default()).collect()
}

/// One record for each line.
fn read_rows<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
        Ok(file) => BufReader::new(file).lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect(),
    }
}

/// One JSON object a line.
fn write_rows<T: Serialize>(path: &Path, rows: &[T]) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for row in rows {
        serde_json::to_writer(&mut file, row)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}
