//! `giaolo demo --film`: from the films of a few cameras to alerts with their pictures, all the way.
//!
//! ```text
//! films ─▶ capture ─▶ perceive ─▶ a recording: observations, signals, hotlist ─▶ feed ─▶ run city ─▶ alerts ─▶ stills ─▶ contact sheet
//! ```
//!
//! Each step is the command that a person would give, on one store.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use operators::vision::{DecodeLimits, Decoded, Decoder, Picture, png};
use schemas::{Codec, Frame, Name};

use super::capture::Capture;
use super::demo::{forget, summary};
use super::feed::Feed;
use super::loss::OnLoss;
use super::processes::Processes;
use super::run::{Run, read_city};
use super::store::{Store, standing};
use super::{Outcome, say, still};
use crate::still::Source;

/// The most alerts whose pictures are cut out.
const ALERTS_MOST: usize = 24;
/// The contact sheet: pictures in a row, and the width and height of each.
const SHEET: (u32, (u32, u32)) = (3, (640, 360));

/// Runs it: films from `film/input`, looked at by a job, everything into a store and beside it.
pub(super) fn run(film: &Path, perceive: &str, local: &Path) -> anyhow::Result<Outcome> {
    let input = film.join("input");
    let cameras = input.join("cameras.yaml");
    ensure!(cameras.is_file(), "there are no films in {film:?} (hint: make demo-video, or make_film --out {})", film.display());
    let beside = local.with_extension("");
    let (seen, evidence) = (beside.join("seen"), beside.join("evidence"));
    for folder in [&seen, &evidence] {
        _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder).with_context(|| format!("the folder {folder:?} cannot be made"))?;
    }
    forget(local);
    let store = || Store { local: Some(local.to_owned()), brokers: Vec::new() };
    let threads = std::thread::available_parallelism().map_or(1, |threads| u16::try_from(threads.get()).unwrap_or(u16::MAX));

    say("1  the films go into the topic `frames`, undecoded: giaolo capture\n")?;
    Capture::of(cameras, store()).run()?;
    say("\n2  they are decoded and looked at, vehicles found, plates found and read: giaolo run perceive\n")?;
    job(perceive, store(), Some(seen.clone()), None, threads).run()?;
    for name in ["city.json", "signals.ndjson", "hotlist.ndjson"] {
        std::fs::copy(input.join(name), seen.join(name)).with_context(|| format!("{:?} cannot be copied", input.join(name)))?;
    }
    // Pictures that could not be decoded are told of there; the job to come has rejected rows of its own.
    _ = std::fs::rename(seen.join("rejected.ndjson"), beside.join("pictures-rejected.ndjson"));
    say("\n3  what was seen goes into topics, with lights and hotlist: giaolo feed\n")?;
    Feed::of(seen.clone(), store()).run()?;
    say("\n4  vehicles are tracked, linked to journeys and judged: giaolo run city\n")?;
    let map = seen.join("city.json");
    job("city", store(), None, Some(map.clone()), 1).run()?;

    let open = store().require()?;
    say(&summary(open.as_ref())?)?;
    let sheet = stills(&Stills { store: open.as_ref(), map: &map, evidence: &evidence })?;
    let (file, seen, evidence) = (local.display(), seen.display(), evidence.display());
    let sheet = sheet.map_or(String::new(), |sheet| format!("  {}   the same at a glance\n", sheet.display()));
    say(&format!(
        "\nWhere things lie:\n  {file}   all topics\n  {seen}/   what was seen, as a recording\n  {evidence}/   pictures of the alerts\n{sheet}\n\
         Try next:\n  giaolo tail alerts --local {file}\n  giaolo still ALERT --local {file} --city {} --output evidence/\n",
        map.display()
    ))?;
    Ok(Outcome::Well)
}

fn job(job: &str, store: Store, output: Option<PathBuf>, city: Option<PathBuf>, workers: u16) -> Run {
    let (job, processes) = (job.to_owned(), Processes::default());
    let device = operators::vision::Processor::Cpu;
    Run { job, input: None, output, store, city, workers, device, processes, on_loss: OnLoss::default(), bounded: true, json: false }
}

/// Whose pictures are cut out, and to where.
struct Stills<'a> {
    store: &'a dyn engine::transport::TopicStore,
    map: &'a Path,
    evidence: &'a Path,
}

/// Cuts out the pictures of the alerts that stand and lays the marked ones on one sheet; where that lies, if there is any.
fn stills(of: &Stills<'_>) -> anyhow::Result<Option<PathBuf>> {
    let city = read_city(of.map)?;
    let source = Source {
        store: of.store,
        alerts: "alerts",
        frames: "frames",
        observations: "observations",
        sightings: "sightings",
        city: Some(&city),
    };
    let mut pictures = Vec::new();
    let alerts = standing(of.store, "alerts")?;
    // A camera that was silent has no picture to show.
    let shown = alerts.iter().filter(|(_, alert)| alert["rule"] != "camera_silent").take(ALERTS_MOST);
    for (id, row) in shown {
        let alert = source.alert(id)?;
        let (manifest, _) = still::cut_out(&source, &alert, of.evidence)?;
        for marked in manifest["stills"].as_array().into_iter().flatten().filter_map(|still| still["marked"]["file"].as_str()) {
            let bytes = std::fs::read(of.evidence.join(marked))?;
            let Some(mut picture) = decoded(bytes) else { continue };
            let dot = (picture.height() / 240).max(1);
            let y = picture.height().saturating_sub(12 * dot) as i32;
            picture.write(row["rule"].as_str().unwrap_or_default(), 0, y, dot);
            pictures.push(picture);
        }
    }
    let Some(sheet) = Picture::contact_sheet(&pictures, SHEET.0, SHEET.1) else { return Ok(None) };
    let file = of.evidence.join("contact-sheet.png");
    std::fs::write(&file, png(&sheet)?).with_context(|| format!("{file:?} cannot be written"))?;
    Ok(Some(file))
}

/// A JPEG file's picture.
fn decoded(bytes: Vec<u8>) -> Option<Picture> {
    let (camera, codec) = (Name::of("still"), Codec::Mjpeg);
    let frame = Frame { camera, frame: 1, at_ms: 0, error_ms: 0, codec, key: true, gap: false, parameters: Vec::new(), bytes };
    let mut picture = None;
    let mut decoder = Decoder::new(DecodeLimits::default());
    let mut tell = |(), decoded: Decoded<'_>| {
        if let Decoded::Picture(image) = decoded {
            picture = image.picture(image.width(), image.height()).ok();
        }
    };
    decoder.decode(&frame, true, (), &mut tell);
    decoder.finish(&mut tell);
    picture
}
