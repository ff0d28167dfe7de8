//! `tenure dialects`

use std::io;

use super::{Exit, Io};
use crate::diag::nearest;
use crate::dialect::{Dialect, PAGE, part};
use crate::report::Trouble;

pub(super) fn run(name: Option<&str>, io: &mut Io<'_>) -> io::Result<Exit> {
    let Some(name) = name else {
        io.out.write_all(PAGE.as_bytes())?;
        return Ok(Exit::Success);
    };
    if let Some(dialect) = Dialect::find(name) {
        io.out.write_all(part(dialect).as_bytes())?;
        return Ok(Exit::Success);
    }
    let known = Dialect::ALL.map(Dialect::name);
    let trouble = Trouble::error(&format!("unknown dialect `{name}`"));
    let trouble = match nearest(name, &known) {
        Some(near) => trouble.help(format!("did you mean `{near}`?")),
        None => trouble.help(format!("dialects: {}", known.join(", "))),
    };
    io.err.write_all(trouble.render(io.world.color()).as_bytes())?;
    Ok(Exit::Usage)
}
