//! `tenure init`

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::exit::of_io;
use super::voice::Voice;
use super::world::lexical;
use super::{Exit, Io, sample};
use crate::report::Trouble;
use crate::report::format::{bytes, counted};
use crate::sample::{IdStyle, SampleOptions, generate};

const STARTER: &str = include_str!("starter.yml");
const FILE: &str = "pipeline.yml";
const DATA: &str = "data";
const CUSTOMERS: u64 = 500;

pub(super) fn run(dir: &Path, io: &mut Io<'_>) -> io::Result<Exit> {
    let voice = Voice::people(io.world);
    let (file, data) = (dir.join(FILE), dir.join(DATA));
    for taken in [&file, &data] {
        if fs::symlink_metadata(taken).is_ok() {
            let trouble = Trouble::error(&format!("`{}` exists already", shown(taken)));
            voice.trouble(io.err, &trouble.help("name another folder: `tenure init demo`"))?;
            return Ok(Exit::Usage);
        }
    }
    let options = SampleOptions {
        customers: CUSTOMERS,
        seed: 1,
        out: data.clone(),
        parts: None,
        events: None,
        ids: IdStyle::Text,
    };
    let made = match generate(&options, &|_, _| ()) {
        Ok(made) => made,
        Err(error) => return sample::refuse(&error, io),
    };
    // The pipeline comes last, and never in place of one that appeared meanwhile.
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file)
        .and_then(|mut out| out.write_all(STARTER.as_bytes()));
    if let Err(error) = written {
        voice.trouble(io.err, &Trouble::error(&format!("could not write `{}`: {error}", shown(&file))))?;
        return Ok(of_io(&error));
    }
    let rows = made.tables.iter().map(|table| table.rows).sum();
    let size = made.tables.iter().map(|table| table.bytes).sum();
    writeln!(
        io.out,
        "wrote {} and sample exports in {} ({}, {})",
        shown(&file),
        shown(&data),
        counted(rows, "row"),
        bytes(size)
    )?;
    writeln!(io.out, "next: tenure check {0} && tenure run {0}", shown(&file))?;
    Ok(Exit::Success)
}

fn shown(path: &Path) -> String {
    lexical(path).display().to_string()
}
