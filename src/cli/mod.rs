//! The command line: one file per verb.
//!
//! Only here the clock, the environment and the terminal are asked. Data goes to stdout, everything
//! else to stderr.

mod args;
mod check;
mod dialects;
mod exit;
mod explain;
mod help;
mod init;
mod inspect;
mod memory;
mod metrics;
mod plan;
mod prepare;
mod process;
mod reconcile;
mod run;
mod sample;
mod schema;
mod show;
mod test;
#[cfg(test)]
mod tests;
mod voice;
mod when;
mod world;

use std::any::Any;
use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use exit::Exit;
pub use process::main;

use world::World;

/// Customer-success analytics from Parquet exports: exact revenue metrics, published crash-safe.
///
/// A pipeline file describes sources, tables and what is published together. `tenure check` finds
/// every mistake in it without reading data, `tenure run` computes and publishes.
#[derive(Debug, Parser)]
#[command(name = "tenure", version, disable_help_subcommand = true, after_help = AFTER, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const AFTER: &str = "\
Examples:
  tenure init demo && tenure run demo/pipeline.yml
  tenure check pipelines/nightly.yml
  tenure run pipelines/nightly.yml --env prod --cutoff '{{ data_interval_end | ts }}'
  tenure show out/movements.parquet --rows 5

`tenure help exit-codes` lists the exit codes.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Compute the tables of a pipeline and publish them
    ///
    /// Every table is written aside, verified and checked first, and becomes visible whole or not at
    /// all. When a run fails, is stopped or is killed, readers keep the previous tables. Running the
    /// same command again is always safe; the same inputs give byte-identical tables.
    Run(Box<args::RunArgs>),
    /// Find every mistake in a pipeline file; reads footers, no data
    Check(args::PipelineArgs),
    /// Show what a run would do: sources, columns, rules, tables, publishing
    Plan(args::PlanArgs),
    /// Run the tests of a pipeline file: rows given there, rows expected there; needs no exports
    Test(args::TestArgs),
    /// Compare the ledger with the export of another system, and explain what differs
    ///
    /// The ledger is computed again with another value of one option after the other, and a customer's
    /// difference is put down to the option under which both sides agree; pairs of options come next.
    /// Exit code 0 when everything agrees or is explained, 10 when something is not.
    Reconcile(Box<args::ReconcileArgs>),
    /// Trace a cell of a table to its formula, the customers behind it, and the rows of the exports
    ///
    /// Computes the table as a run does and writes nothing. Every figure is taken apart: the formula
    /// with values, the customers that add up to it, their rows in the ledger, and the rows and files of
    /// the exports, those that were left out included.
    #[command(override_usage = "tenure explain [OPTIONS] --where <CONDITION> [PIPELINE] <TABLE>")]
    Explain(Box<args::ExplainArgs>),
    /// List the table types, or print the page of one
    Metrics {
        /// A type, such as `mrr_movements`
        name: Option<String>,
    },
    /// Print how vendors count: the presets of `dialect:`, with the source of every option
    Dialects {
        /// A dialect, such as `stripe`
        name: Option<String>,
    },
    /// Print the JSON Schema of the pipeline file, for editors
    Schema,
    /// Write a starter pipeline, and sample exports for it
    Init {
        /// Folder for pipeline.yml and data/
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Show what the footer of a Parquet file says: columns, types, statistics, metadata
    Inspect(args::InspectArgs),
    /// Print rows of a published table, exact
    Show(args::ShowArgs),
    /// Make the exports of a fictitious company at any size
    Sample(args::SampleArgs),
    /// Print the help of a verb, or the exit codes
    Help {
        /// A verb, or exit-codes
        topic: Option<String>,
    },
}

/// What a verb writes to, and what it may know.
struct Io<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    world: &'a World,
}

/// Runs one command and returns its exit code. `args` begins with the name of the program.
///
/// For tests and for other programs: it catches no signal, never ends the process, and takes `out`
/// and `err` for no terminals. A run that is stopped by its timeout may leave a thread behind that
/// computes until its query ends, and publishes nothing.
pub fn run<I, S, O, E>(args: I, out: &mut O, err: &mut E) -> u8
where
    I: IntoIterator<Item = S>,
    S: Into<OsString>,
    O: Write,
    E: Write,
{
    run_in(&World::inside(), args.into_iter().map(Into::into).collect(), out, err)
}

fn run_in(world: &World, args: Vec<OsString>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let mut io = Io { out, err, world };
    // Nothing is looked at after a panic but the writers, which may then hold half a line.
    let done = catch_unwind(AssertUnwindSafe(|| {
        let exit = dispatch(args, &mut io)?;
        io.out.flush()?;
        Ok::<Exit, io::Error>(exit)
    }));
    let exit = match done {
        Ok(Ok(exit)) => exit,
        // Whoever read the output had enough.
        Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Ok(Err(error)) => {
            let _ = writeln!(io.err, "error: could not write the output: {error}");
            exit::of_io(&error)
        }
        Err(panic) => {
            let _ = writeln!(io.err, "error: internal error: {}", message_of(panic.as_ref()));
            let _ = writeln!(io.err, "help: this is a bug of tenure; please report it with the command");
            Exit::Internal
        }
    };
    exit.code()
}

fn dispatch(args: Vec<OsString>, io: &mut Io<'_>) -> io::Result<Exit> {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return help::usage(&error, io),
    };
    match cli.verb {
        Verb::Run(args) => run::run(&args, io),
        Verb::Check(args) => check::run(&args, io),
        Verb::Plan(args) => plan::run(&args, io),
        Verb::Test(args) => test::run(&args, io),
        Verb::Reconcile(args) => reconcile::run(&args, io),
        Verb::Explain(args) => explain::run(&args, io),
        Verb::Metrics { name } => metrics::run(name.as_deref(), io),
        Verb::Dialects { name } => dialects::run(name.as_deref(), io),
        Verb::Schema => schema::run(io),
        Verb::Init { dir } => init::run(&dir, io),
        Verb::Inspect(args) => inspect::run(&args, io),
        Verb::Show(args) => show::run(&args, io),
        Verb::Sample(args) => sample::run(&args, io),
        Verb::Help { topic } => help::run(topic.as_deref(), io),
    }
}

/// The words of a panic, with the place where the hook of the program saw one.
fn message_of(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let place = process::panic_place().map(|place| format!(" ({place})")).unwrap_or_default();
    format!("{}{place}", words.unwrap_or("a panic without a message"))
}
