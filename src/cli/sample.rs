//! `tenure sample`

use std::io;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{Ids, SampleArgs};
use super::exit::of_io;
use super::{Exit, Io};
use crate::report::Trouble;
use crate::report::format::{aligned, bytes, count, duration};
use crate::sample::{IdStyle, SampleError, SampleOptions, SampleReport, generate};

pub(super) fn run(args: &SampleArgs, io: &mut Io<'_>) -> io::Result<Exit> {
    let options = SampleOptions {
        customers: args.customers,
        seed: args.seed,
        out: args.out.clone(),
        parts: args.parts,
        events: args.events,
        ids: match args.ids {
            Ids::Stripe => IdStyle::Text,
            Ids::Bigint => IdStyle::Bigint,
        },
    };
    let begun = Instant::now();
    let bar =
        if io.world.process && io.world.err_tty && !args.quiet { bar(args.customers) } else { ProgressBar::hidden() };
    let progress = |table: &str, added: u64| {
        if table == "customers" {
            bar.inc(added);
        }
    };
    let made = generate(&options, &progress);
    bar.finish_and_clear();
    match made {
        Ok(report) => {
            if !args.quiet {
                tell(&report, args, begun.elapsed(), io)?;
            }
            Ok(Exit::Success)
        }
        Err(error) => refuse(&error, io),
    }
}

fn bar(customers: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(customers), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} customers, {eta} left") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn tell(report: &SampleReport, args: &SampleArgs, took: Duration, io: &mut Io<'_>) -> io::Result<()> {
    let mut rows = vec![["table", "files", "rows", "size"].map(str::to_owned).to_vec()];
    for table in &report.tables {
        rows.push(vec![table.name.clone(), table.files.to_string(), count(table.rows), bytes(table.bytes)]);
    }
    let rows_in_all: u64 = report.tables.iter().map(|table| table.rows).sum();
    let size: u64 = report.tables.iter().map(|table| table.bytes).sum();
    io.out.write_all(aligned(&rows, &[false, true, true, true], 0).as_bytes())?;
    writeln!(
        io.out,
        "\n{} customers, {} rows, {} in {}, {}",
        count(args.customers),
        count(rows_in_all),
        bytes(size),
        args.out.display(),
        duration(took)
    )
}

/// Tells why no sample was made.
pub(super) fn refuse(error: &SampleError, io: &mut Io<'_>) -> io::Result<Exit> {
    let (exit, cause) = match error {
        SampleError::NotEmpty(_) | SampleError::Options(_) => (Exit::Usage, String::new()),
        SampleError::Write { source, .. } => (of_io(source), format!(": {source}")),
        SampleError::Encode { source, .. } => (Exit::Failed, format!(": {source}")),
    };
    let trouble = Trouble::error(&format!("{error}{cause}"));
    let trouble = if let SampleError::NotEmpty(_) = error { trouble.help("name a new folder") } else { trouble };
    io.err.write_all(trouble.render(io.world.color()).as_bytes())?;
    Ok(exit)
}
