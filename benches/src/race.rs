//! Who does the same work faster: contenders run in turn, so that what else the machine does meets them all alike.
//!
//! The first is the plain program; every other is printed with its ratio to it, by medians. Criterion then measures each for
//! itself; a race is there for the ratio.

use std::time::Duration;

use crate::stopwatch::{Cost, measure};

/// A program in a race: prepares its input unmeasured, then runs.
pub struct Contender<'a> {
    /// Its name.
    pub name: &'a str,
    /// Prepares a run and returns it.
    pub prepare: Box<dyn FnMut() -> Box<dyn FnOnce() + 'a> + 'a>,
}

impl<'a> Contender<'a> {
    /// A program that needs no preparation.
    pub fn new(name: &'a str, run: impl Fn() + Clone + 'a) -> Self {
        Self::prepared(name, || (), move |()| run())
    }

    /// A program that uses up what `prepare` makes.
    pub fn prepared<I: 'a>(name: &'a str, mut prepare: impl FnMut() -> I + 'a, run: impl Fn(I) + Clone + 'a) -> Self {
        let prepare = move || -> Box<dyn FnOnce() + 'a> {
            let (input, run) = (prepare(), run.clone());
            Box::new(move || run(input))
        };
        Self { name, prepare: Box::new(prepare) }
    }
}

/// Work that contenders race for.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// What is done.
    pub name: &'a str,
    /// What is counted: `boxes`, `reads` …
    pub unit: &'a str,
    /// How many of them there are.
    pub amount: u64,
}

/// Runs the contenders in turn, `rounds` times, prints medians and ratios, and returns each one's medians.
pub fn race(work: Work<'_>, rounds: usize, contenders: &mut [Contender<'_>]) -> Vec<Cost> {
    let mut costs = vec![Vec::new(); contenders.len()];
    for _ in 0..rounds.max(1) {
        for (contender, costs) in contenders.iter_mut().zip(&mut costs) {
            let run = (contender.prepare)();
            costs.push(measure(run).0);
        }
    }
    let medians: Vec<Cost> = costs.iter().map(|costs| median(costs)).collect();
    println!("\n{}: {} {}, medians of {rounds} rounds", work.name, work.amount, work.unit);
    println!("{:<34} {:>11} {:>8} {:>13} {:>8} {:>10}", "", "by the wall", "ratio", "busiest thread", "ratio", "all threads");
    for (contender, cost) in contenders.iter().zip(&medians) {
        print(work, contender.name, cost, &medians[0]);
    }
    println!();
    medians
}

fn print(work: Work<'_>, name: &str, cost: &Cost, plain: &Cost) {
    let rate = |time: Duration| match work.amount as f64 / time.as_secs_f64() {
        few if few < 10_000.0 => format!("{few:.0}   /s"),
        many => format!("{:.0} k/s", many / 1_000.0),
    };
    let ratio = |plain: Duration, time: Duration| plain.as_secs_f64() / time.as_secs_f64();
    println!(
        "{name:<34} {:>13} {:>6.2} {:>15} {:>6.2} {:>7.3} s/M",
        rate(cost.wall),
        ratio(plain.wall, cost.wall),
        rate(cost.busiest),
        ratio(plain.busiest, cost.busiest),
        cost.all.as_secs_f64() * 1e6 / work.amount as f64,
    );
}

/// The median of each figure by itself.
fn median(costs: &[Cost]) -> Cost {
    let of = |figure: fn(&Cost) -> Duration| {
        let mut all: Vec<Duration> = costs.iter().map(figure).collect();
        all.sort_unstable();
        all[all.len() / 2]
    };
    Cost { wall: of(|c| c.wall), all: of(|c| c.all), busiest: of(|c| c.busiest) }
}
