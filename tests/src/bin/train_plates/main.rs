//! Trains the network that reads Vietnamese plates, from plates drawn as they are needed.
//!
//! ```text
//!   lessons (a thread) ─▶ loss ─▶ gradient ─▶ AdamW ─▶ checkpoint, at the end weights for service
//! ```
//!
//! The same arguments give the same lessons in the same order; weights are the same bytes on the same kind of processor. What
//! was killed goes on from its checkpoint with `--resume`, with new lessons and with AdamW's memory begun anew.

mod ctc;
mod finder;
mod fonts;
mod lessons;
mod measure;
mod measure_finder;
mod normed_convolution;
mod reader;
mod trainable;
mod vehicles;
mod workshops;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use candle_core::Tensor;
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use city::film::Lessons;
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use operators::vision::candle::vehicle_network::SIZE;

use crate::trainable::Trainable;

/// Trains and measures the network that reads plates.
#[derive(Parser)]
struct Arguments {
    /// What to do.
    task: Task,
    /// How many batches to learn from.
    #[arg(long, default_value_t = 6_000)]
    steps: usize,
    /// How many pictures a batch has.
    #[arg(long, default_value_t = 48)]
    batch: usize,
    /// The highest rate of learning; it grows to it over 300 steps and falls as a cosine to nothing.
    #[arg(long, default_value_t = 2e-3)]
    rate: f64,
    /// Everything random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for checkpoint and weights.
    #[arg(long, default_value = "target/train")]
    out: PathBuf,
    /// Go on from the checkpoint there.
    #[arg(long)]
    resume: bool,
    /// How many plates are drawn to calibrate or to measure.
    #[arg(long, default_value_t = 3_000)]
    plates: usize,
}

/// What the network's files are called.
const READER: &str = "plate_reader";
const FINDER: &str = "plate_finder";
const VEHICLES: &str = "vehicle_detector";

#[derive(Clone, Copy, ValueEnum)]
enum Task {
    /// Train what reads plates that were cut out.
    Reader,
    /// Train what finds plates on vehicles that were cut out.
    Finder,
    /// Train what finds vehicles on drawn roads.
    Vehicles,
    /// Set how sure the reader is, on plates drawn for that alone.
    Calibrate,
    /// Print the reader's figures on plates that are held out.
    Measure,
    /// Print the finder's figures on roads that are held out.
    MeasureFinder,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.out)?;
    let weights = |name: &str| arguments.out.join(format!("{name}.safetensors"));
    let workshop = workshops::training(arguments.seed);
    let drawn = arguments.seed + if arguments.resume { 1_000_000 } else { 0 };
    match arguments.task {
        Task::Reader => {
            let lessons = lessons::batches(arguments.batch, 2, drawn, move |random| reader::lesson(&workshop, random));
            learn(READER, &arguments, reader::untaught(arguments.seed)?, lessons, reader::loss)
        }
        Task::Finder => {
            let mut teacher = finder::Teacher::new(drawn, workshop);
            let lessons = lessons::batches(arguments.batch, 8, drawn, move |random| teacher.lesson(random));
            learn(FINDER, &arguments, finder::untaught(arguments.seed)?, lessons, finder::loss)
        }
        Task::Vehicles => {
            let (width, height) = SIZE;
            let mut roads = Lessons::new([width as usize, height as usize], drawn);
            let lessons = lessons::batches(arguments.batch, 2, drawn, move |random| vehicles::lesson(&mut roads, random));
            learn(VEHICLES, &arguments, vehicles::untaught(arguments.seed)?, lessons, vehicles::loss)
        }
        Task::Calibrate => measure::calibrate(&weights(READER), arguments.plates, arguments.seed),
        Task::MeasureFinder => measure_finder::figures(&weights(FINDER), arguments.plates, arguments.seed),
        Task::Measure => measure::figures(&weights(READER), arguments.plates, arguments.seed),
    }
}

fn learn<L>(
    name: &str,
    arguments: &Arguments,
    network: Trainable,
    lessons: Receiver<Vec<Arc<L>>>,
    loss: impl Fn(&Trainable, &[Arc<L>]) -> candle_core::Result<(Tensor, f32, usize)>,
) -> Result<(), Box<dyn std::error::Error>> {
    let checkpoint = arguments.out.join(format!("{name}.checkpoint.safetensors"));
    let begun = if arguments.resume { network.resume(&checkpoint)? } else { 0 };
    let mut optimiser = AdamW::new(network.variables(), ParamsAdamW { lr: 0.0, weight_decay: 0.01, ..ParamsAdamW::default() })?;
    let bar = ProgressBar::new(arguments.steps as u64).with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {msg}")?);
    let (mut costs, mut hits) = (0.0, 0);
    for step in begun..arguments.steps {
        let batch = lessons.recv()?;
        optimiser.set_learning_rate(rate(arguments.rate, step - begun, step, arguments.steps));
        let (cost, figure, right) = loss(&network, &batch)?;
        optimiser.backward_step(&cost)?;
        costs += figure;
        hits += right;
        bar.set_position(step as u64 + 1);
        if (step + 1) % 50 == 0 {
            let line = format!("step {}: loss {:.4}, right {:.3}", step + 1, costs / 50.0, hits as f64 / (50 * arguments.batch) as f64);
            bar.set_message(line.clone());
            if (step + 1) % 200 == 0 {
                println!("{line}");
                network.save(&checkpoint, step + 1)?;
            }
            (costs, hits) = (0.0, 0);
        }
    }
    // What batch norm saw along the way belongs to weights that are gone: measured again over a hundred batches.
    network.forget_moments();
    for _ in 0..100 {
        loss(&network, &lessons.recv()?)?;
    }
    network.save(&checkpoint, arguments.steps)?;
    let weights = arguments.out.join(format!("{name}.safetensors"));
    candle_core::safetensors::save(&network.folded()?, &weights)?;
    println!("wrote {}", weights.display());
    Ok(())
}

/// The rate at a step: growing over the first 300 since this program began, falling as a cosine over all.
fn rate(most: f64, since: usize, step: usize, steps: usize) -> f64 {
    let warm = ((since + 1) as f64 / 300.0).min(1.0);
    let done = step as f64 / steps.max(1) as f64;
    most * warm * (0.5 + 0.5 * (std::f64::consts::PI * done).cos()).max(0.01)
}
