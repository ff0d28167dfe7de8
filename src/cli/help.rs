//! `tenure help`, and what clap has to say.

use std::io::{self, Write};

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::{Cli, Exit, Io, exit};
use crate::diag::nearest;
use crate::report::Trouble;
use crate::report::format::aligned;

const EXIT_CODES: &str = "exit-codes";

pub(super) fn run(topic: Option<&str>, io: &mut Io<'_>) -> io::Result<Exit> {
    let mut command = Cli::command();
    command.build();
    let Some(topic) = topic else {
        write!(io.out, "{}", command.render_long_help())?;
        return Ok(Exit::Success);
    };
    if topic == EXIT_CODES {
        io.out.write_all(exit_codes().as_bytes())?;
        return Ok(Exit::Success);
    }
    if let Some(verb) = command.find_subcommand_mut(topic) {
        write!(io.out, "{}", verb.render_long_help())?;
        return Ok(Exit::Success);
    }
    let mut known: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    known.push(EXIT_CODES);
    let trouble = Trouble::error(&format!("no help on `{topic}`"));
    let trouble = match nearest(topic, &known) {
        Some(name) => trouble.help(format!("did you mean `{name}`?")),
        None => trouble.help(format!("topics: {}", known.join(", "))),
    };
    io.err.write_all(trouble.render(io.world.color()).as_bytes())?;
    Ok(Exit::Usage)
}

fn exit_codes() -> String {
    let mut rows = vec![["code", "retry", "meaning"].map(str::to_owned).to_vec()];
    rows.extend(
        exit::TABLE
            .iter()
            .map(|(code, meaning, retry)| vec![(*code).to_owned(), (*retry).to_owned(), (*meaning).to_owned()]),
    );
    format!("{}\nretry says whether the same command can succeed later without a change.\n", aligned(&rows, &[true], 0))
}

/// Prints what clap says: help and version to stdout, mistakes to stderr.
pub(super) fn usage(error: &clap::Error, io: &mut Io<'_>) -> io::Result<Exit> {
    let text = error.render();
    let (out, color, exit): (&mut dyn Write, bool, Exit) = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            (&mut *io.out, io.world.out_tty && io.world.color(), Exit::Success)
        }
        _ => (&mut *io.err, io.world.color(), Exit::Usage),
    };
    let text = if color { text.ansi().to_string() } else { text.to_string() };
    out.write_all(text.as_bytes())?;
    Ok(exit)
}
