//! `tenure schema`

use std::io;

use super::{Exit, Io};
use crate::metrics::REGISTRY;
use crate::spec::file::json_schema;

pub(super) fn run(io: &mut Io<'_>) -> io::Result<Exit> {
    let schema = json_schema(REGISTRY.iter().map(|metric| (metric.name, (metric.schema)())));
    serde_json::to_writer_pretty(&mut *io.out, &schema)?;
    writeln!(io.out)?;
    Ok(Exit::Success)
}
