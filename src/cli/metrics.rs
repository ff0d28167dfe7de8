//! `tenure metrics`

use std::io;

use super::{Exit, Io};
use crate::diag::nearest;
use crate::metrics::{REGISTRY, find};
use crate::report::Trouble;

pub(super) fn run(name: Option<&str>, io: &mut Io<'_>) -> io::Result<Exit> {
    let Some(name) = name else {
        list(io)?;
        return Ok(Exit::Success);
    };
    if let Some(metric) = find(name) {
        io.out.write_all(metric.page.as_bytes())?;
        return Ok(Exit::Success);
    }
    let known: Vec<&str> = REGISTRY.iter().map(|metric| metric.name).collect();
    let trouble = Trouble::error(&format!("unknown metric `{name}`"));
    let trouble = match nearest(name, &known) {
        Some(near) => trouble.help(format!("a metric with a similar name exists: `{near}`")),
        None => trouble.help(format!("metrics: {}", known.join(", "))),
    };
    io.err.write_all(trouble.render(io.world.color()).as_bytes())?;
    Ok(Exit::Usage)
}

fn list(io: &mut Io<'_>) -> io::Result<()> {
    let width = REGISTRY.iter().map(|metric| metric.name.len()).max().unwrap_or(0);
    for metric in REGISTRY {
        writeln!(io.out, "{:width$}  {}", metric.name, metric.summary())?;
    }
    Ok(())
}
