//! The command line: one file a command.
//!
//! ```text
//! write    explain ─▶ schema ─▶ validate ─▶ graph ─▶ test
//! see      capture · still
//! run      run · feed · topics · tail · demo
//! serve    serve ◀── submit · plan · diff · replace · pause · resume · stop · list · status
//! tell     dispatch ◀── deliveries
//! look     alerts · lookup · cameras · report         decide   review · ack · hotlist · approvals
//! guard    access · audit                             prove    evidence
//! ```
//!
//! A command prints its result on standard output and what went wrong on standard error. The exit code is 0 when all is
//! well, 1 when it is not, 2 when the command itself was not understood.

mod access;
mod audit;
#[cfg(feature = "vision")]
mod capture;
mod choice;
mod deliveries;
mod demo;
mod diff;
mod dispatch;
mod evidence;
mod explain;
mod feed;
#[cfg(feature = "vision")]
mod film;
mod graph;
mod hotlist;
mod job;
mod log;
mod lookup;
mod loss;
mod moment;
#[cfg(feature = "vision")]
mod perceive;
mod processes;
mod progress;
mod remote;
mod report;
mod review;
mod run;
mod schema;
mod serve;
#[cfg(feature = "vision")]
mod still;
mod store;
mod submit;
mod tail;
mod test;
mod topics;
mod validate;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// From traffic cameras to journeys, violations and alerts.
///
/// A job is a YAML document that says what is read, what is done and what comes out. Seven are built in: city,
/// section-speed, hotlist, patrols, effectiveness, custom, verbs. Begin with a copy of one of them, change it, and let the program
/// check it.
#[derive(Debug, Parser)]
#[command(name = "giaolo", version, after_help = FIRST_STEPS)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "First steps:
  giaolo demo                              see it work on a recorded rush hour
  giaolo explain                           what a job can be made of
  giaolo explain section_speed             one step: its ports, parameters, defaults and their reasons
  giaolo validate my-job.yaml              everything that is wrong with a job, each with its line
  giaolo test my-job.yaml                  run the examples in the job itself
  giaolo run city --input recording/ --output results/";

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "vision")]
    Capture(capture::Capture),
    #[cfg(feature = "vision")]
    Still(still::Still),
    Run(run::Run),
    Validate(validate::Validate),
    Test(test::Test),
    Explain(explain::Explain),
    Schema(schema::Schema),
    Graph(graph::Graph),
    Feed(feed::Feed),
    Topics(topics::Topics),
    Tail(tail::Tail),
    Demo(demo::Demo),
    Serve(serve::Serve),
    Submit(submit::Submit),
    Plan(submit::Plan),
    Diff(diff::Diff),
    Replace(submit::Replace),
    Pause(submit::Pause),
    Resume(submit::Resume),
    Stop(submit::Stop),
    List(submit::List),
    Status(submit::Status),
    Dispatch(dispatch::Dispatch),
    Deliveries(deliveries::Deliveries),
    Alerts(lookup::Alerts),
    Lookup(lookup::Lookup),
    Cameras(lookup::Cameras),
    Review(review::Review),
    Ack(review::Ack),
    Hotlist(hotlist::Hotlist),
    Approvals(hotlist::Approvals),
    Report(report::Report),
    Evidence(evidence::Evidence),
    Access(access::Access),
    Audit(audit::Audit),
}

/// Runs a command; the exit code says whether all is well.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    match &cli.command {
        Command::Serve(_) => log::begin("info", false),
        Command::Run(command) if command.processes.are_named() => log::begin("warn,engine::cluster=info", false),
        Command::Dispatch(command) => log::begin("warn,engine::dispatch=info", command.json),
        _ => log::begin("warn", false),
    }
    let outcome = match &cli.command {
        #[cfg(feature = "vision")]
        Command::Capture(command) => command.run(),
        #[cfg(feature = "vision")]
        Command::Still(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Validate(command) => command.run(),
        Command::Test(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::Graph(command) => command.run(),
        Command::Feed(command) => command.run(),
        Command::Topics(command) => command.run(),
        Command::Tail(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Submit(command) => command.run(),
        Command::Plan(command) => command.run(),
        Command::Diff(command) => command.run(),
        Command::Replace(command) => command.run(),
        Command::Pause(command) => command.run(),
        Command::Resume(command) => command.run(),
        Command::Stop(command) => command.run(),
        Command::List(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Dispatch(command) => command.run(),
        Command::Deliveries(command) => command.run(),
        Command::Alerts(command) => command.run(),
        Command::Lookup(command) => command.run(),
        Command::Cameras(command) => command.run(),
        Command::Review(command) => command.run(),
        Command::Ack(command) => command.run(),
        Command::Hotlist(command) => command.run(),
        Command::Approvals(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Evidence(command) => command.run(),
        Command::Access(command) => command.run(),
        Command::Audit(command) => command.run(),
    };
    match outcome {
        Ok(Outcome::Well) => ExitCode::SUCCESS,
        Ok(Outcome::NotWell) => ExitCode::FAILURE,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(io::stderr(), "giaolo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How a command ended that did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// All is well.
    Well,
    /// What it looked at is not.
    NotWell,
}

/// Prints a result.
fn say(text: &str) -> anyhow::Result<()> {
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

/// Whoever reads our output has seen enough (`giaolo explain | head`): nothing is wrong.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
