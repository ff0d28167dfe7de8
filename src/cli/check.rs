//! `tenure check`

use std::io;

use super::args::PipelineArgs;
use super::voice::Voice;
use super::{Exit, Io, prepare};
use crate::engine::lower::check_schemas;
use crate::report::Trouble;
use crate::report::format::{bytes, counted};
use crate::spec::pipeline::LimitsSpec;

pub(super) fn run(args: &PipelineArgs, io: &mut Io<'_>) -> io::Result<Exit> {
    let voice = Voice::people(io.world);
    let prepared = match prepare::read(args, io.world).and_then(|read| read.prepare(args, LimitsSpec::default())) {
        Ok(prepared) => prepared,
        Err(refused) => return refused.tell(voice, io),
    };
    voice.diagnostics(io.err, &prepared.warnings)?;
    let plan = &prepared.plan;
    if let Err((table, message)) = check_schemas(plan) {
        let trouble = Trouble::error(&format!(
            "internal error: the query of table `{table}` is not what its metric promises: {message}"
        ));
        voice.trouble(io.err, &trouble.help("this is a bug of tenure; please report it with the pipeline file"))?;
        return Ok(Exit::Internal);
    }
    let files = plan.sources.iter().flat_map(|source| &source.files);
    let (mut number, mut rows, mut size) = (0, 0, 0);
    for file in files {
        (number, rows, size) = (number + 1, rows + file.rows, size + file.bytes);
    }
    writeln!(
        io.out,
        "ok: {} ({} with {}, {}), {}, as of {}",
        counted(plan.sources.len() as u64, "source"),
        counted(number, "file"),
        counted(rows, "row"),
        bytes(size),
        counted(plan.tables.iter().filter(|table| table.published).count() as u64, "table"),
        plan.context.as_of
    )?;
    Ok(Exit::Success)
}
