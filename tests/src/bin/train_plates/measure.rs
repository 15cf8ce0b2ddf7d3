//! Measures trained weights through the product's own finder and reader, and sets how sure the reader is.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor};
use city::Random;
use city::plates::{Figures, Issue, Kind, Read, Sample, Workshop};
use operators::vision::candle::VietnamesePlateReader;
use operators::vision::candle::reader_network::SIZE;
use operators::vision::{Picture, PlateReader};
use schemas::{Plate, PlateColour, PlateKind};

use crate::fonts::HELD_OUT;
use crate::{reader, workshops};

type Fault = Box<dyn std::error::Error>;

/// Temperatures that are tried.
const TEMPERATURES: [f32; 12] = [0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 1.8, 2.1, 2.5];
/// How far from the truth corners are taken, as a part of the plate's size: no finder's are exact.
const ASTRAY: f64 = 0.015;

/// Tries temperatures on plates drawn for it alone, in the manner of training, and writes the best into the weights.
pub(crate) fn calibrate(weights: &Path, plates: usize, seed: u64) -> Result<(), Fault> {
    let samples = cut_out(&workshops::training(seed), plates, seed, 5);
    let mut best = (f64::MAX, 1.0);
    let mut tensors: HashMap<String, Tensor> = candle_core::safetensors::load(weights, &Device::Cpu)?;
    for temperature in TEMPERATURES {
        tensors.insert("temperature".into(), Tensor::new(&[temperature], &Device::Cpu)?);
        candle_core::safetensors::save(&tensors, weights)?;
        let error = Figures::of(&read(weights, &samples)?.0).calibration_error;
        println!("temperature {temperature}: expected calibration error {error:.4}");
        if error < best.0 {
            best = (error, temperature);
        }
    }
    tensors.insert("temperature".into(), Tensor::new(&[best.1], &Device::Cpu)?);
    candle_core::safetensors::save(&tensors, weights)?;
    println!("wrote temperature {}", best.1);
    Ok(())
}

/// Prints the reader's figures on plates that are held out: all, by how high their letters are, and by kind.
pub(crate) fn figures(weights: &Path, plates: usize, seed: u64) -> Result<(), Fault> {
    let held_out = workshops::held_out(seed, &HELD_OUT);
    let lawless = Workshop { issue: Issue::lawless, ..held_out.clone() };
    let sets = [("as in training", workshops::training(seed)), ("held out", held_out), ("held out, lawless", lawless)];
    for (name, workshop) in sets {
        let samples = cut_out(&workshop, plates, seed, 6);
        let (reads, plates) = read(weights, &samples)?;
        sheet(&weights.with_file_name(format!("misread {name}.ppm")), &samples, &reads)?;
        println!("\n{name}\n{:24} plates  whole  symbols  error   sure  right if sure", "");
        print("all", &reads);
        let mut parts: BTreeMap<String, Vec<Read>> = BTreeMap::new();
        let (mut kinds, mut colours, mut coloured) = (0, 0, 0);
        for (((sample, _), read), plate) in samples.iter().zip(&reads).zip(&plates) {
            let issue = &sample.issue;
            let high = [12.0, 16.0, 24.0]
                .iter()
                .position(|most| sample.letter_px < *most)
                .map_or("24 and more", |i| ["below 12", "12 to 16", "16 to 24"][i]);
            parts.entry(format!("letters {high} px")).or_default().push(read.clone());
            parts.entry(format!("{:?}, {} lines", issue.kind, issue.lines.len())).or_default().push(read.clone());
            kinds += usize::from(plate.is_some_and(|plate| same_kind(plate.kind, issue.kind)));
            coloured += usize::from(sample.colours);
            colours +=
                usize::from(sample.colours && plate.is_some_and(|plate| format!("{:?}", plate.colour) == format!("{:?}", issue.colour)));
        }
        parts.iter().for_each(|(name, reads)| print(name, reads));
        let grey = samples
            .iter()
            .zip(&plates)
            .filter(|((sample, _), plate)| !sample.colours && plate.is_some_and(|p| p.colour == PlateColour::Other));
        println!(
            "kind right {:.4}, colour right {:.4} where there are colours, none told in {} of {} without",
            kinds as f64 / reads.len() as f64,
            colours as f64 / coloured as f64,
            grey.count(),
            reads.len() - coloured
        );
    }
    Ok(())
}

fn cut_out(workshop: &Workshop, plates: usize, seed: u64, stream: u64) -> Vec<(Sample, Picture)> {
    let mut random = Random::of(seed, stream);
    let mut all = Vec::with_capacity(plates);
    while all.len() < plates {
        let sample = workshop.plate(&mut random);
        if let Some(picture) = reader::cut_out(&sample, ASTRAY, &mut random) {
            all.push((sample, picture));
        }
    }
    all
}

fn read(weights: &Path, samples: &[(Sample, Picture)]) -> Result<(Vec<Read>, Vec<Option<Plate>>), Fault> {
    let mut reader = VietnamesePlateReader::load(&std::fs::read(weights)?)?;
    let pictures: Vec<Picture> = samples.iter().map(|(_, picture)| picture.clone()).collect();
    let began = Instant::now();
    let plates = reader.read(&pictures)?;
    println!("{:.0} plates a second", plates.len() as f64 / began.elapsed().as_secs_f64());
    let one = |((sample, _), plate): (&(Sample, Picture), &Option<Plate>)| Read {
        truth: sample.issue.text(),
        text: plate.map_or(String::new(), |plate| plate.text.to_string()),
        confidence: plate.map_or(Vec::new(), |plate| plate.confidence.values().to_vec()),
    };
    Ok((samples.iter().zip(&plates).map(one).collect(), plates))
}

fn print(name: &str, reads: &[Read]) {
    let f = Figures::of(reads);
    println!(
        "{name:24} {:6} {:.4}   {:.4} {:.4} {:.4}         {:.4}",
        f.plates, f.whole, f.symbols, f.calibration_error, f.sure, f.right_if_sure
    );
}

fn same_kind(read: PlateKind, issued: Kind) -> bool {
    match issued {
        Kind::Car => read == PlateKind::Car,
        Kind::Bike => read == PlateKind::Bike,
        Kind::Ebike => read == PlateKind::Ebike,
        Kind::Army => read == PlateKind::Army,
        Kind::Diplomatic => read == PlateKind::Diplomatic,
        Kind::Lawless => true,
    }
}

/// Draws the plates that were misread on one sheet, twice their size, as a portable pixmap; what was read goes beside it as text.
fn sheet(path: &Path, samples: &[(Sample, Picture)], reads: &[Read]) -> std::io::Result<()> {
    const ACROSS: usize = 8;
    let wrong: Vec<usize> = (0..reads.len()).filter(|i| reads[*i].text != reads[*i].truth).take(96).collect();
    let (width, height) = (SIZE.0 as usize * 2, SIZE.1 as usize * 2);
    let rows = wrong.len().div_ceil(ACROSS);
    let mut rgb = vec![0; ACROSS * width * rows * height * 3];
    let mut list = String::new();
    for (place, number) in wrong.iter().enumerate() {
        let (sample, picture) = &samples[*number];
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            let at = ((place / ACROSS * height + y) * ACROSS * width + place % ACROSS * width + x) * 3;
            let [b, g, r] = picture.at(x as u32 / 2, y as u32 / 2);
            rgb[at..at + 3].copy_from_slice(&[r, g, b]);
        }
        let read = &reads[*number];
        list += &format!("{:3} {:12} read {:12} letters {:.0} px {:?}\n", place, read.truth, read.text, sample.letter_px, read.confidence);
    }
    std::fs::write(path.with_extension("txt"), list)?;
    let mut file = format!("P6 {} {} 255\n", ACROSS * width, rows * height).into_bytes();
    file.extend(rgb);
    std::fs::write(path, file)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use city::plates::Figures;

    use super::{cut_out, read};
    use crate::workshops;

    /// With our own strokes alone, whatever fonts are installed: corners that are cut, walls, fog and rain are held out all the same.
    #[test]
    fn the_weights_in_service_read_what_is_held_out_about_as_their_card_says() {
        let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../jobs/weights/plate_reader.safetensors");
        let samples = cut_out(&workshops::held_out(11, &[]), 400, 11, 6);
        let figures = Figures::of(&read(&weights, &samples).unwrap().0);
        assert!(figures.whole > 0.96, "{figures:?}");
        assert!(figures.calibration_error < 0.03, "{figures:?}");
    }
}
