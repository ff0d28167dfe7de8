//! How messages are written to stderr: blocks for people, or one JSON object per line.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::args::LogFormat;
use super::world::World;
use crate::diag::Diagnostics;
use crate::report::Trouble;

/// How this command talks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voice<'a> {
    format: LogFormat,
    world: &'a World,
}

impl<'a> Voice<'a> {
    /// Blocks for people.
    pub(super) fn people(world: &'a World) -> Self {
        Self { format: LogFormat::Text, world }
    }

    /// The given format.
    pub(super) fn new(format: LogFormat, world: &'a World) -> Self {
        Self { format, world }
    }

    /// Whether people read it.
    pub(super) fn is_text(self) -> bool {
        self.format == LogFormat::Text
    }

    /// One message.
    pub(super) fn trouble(self, err: &mut dyn Write, trouble: &Trouble) -> io::Result<()> {
        match self.format {
            LogFormat::Text => err.write_all(trouble.render(self.world.color()).as_bytes()),
            LogFormat::Json => json_line(err, &trouble.to_json()),
        }
    }

    /// Several messages, a blank line between them for people.
    pub(super) fn troubles<'t>(
        self,
        err: &mut dyn Write,
        troubles: impl IntoIterator<Item = &'t Trouble>,
    ) -> io::Result<()> {
        for (at, trouble) in troubles.into_iter().enumerate() {
            if at > 0 && self.is_text() {
                writeln!(err)?;
            }
            self.trouble(err, trouble)?;
        }
        Ok(())
    }

    /// All messages about a file.
    pub(super) fn diagnostics(self, err: &mut dyn Write, diags: &Diagnostics) -> io::Result<()> {
        match self.format {
            LogFormat::Text => err.write_all(diags.render(self.world.diag_color(), self.world.width()).as_bytes()),
            LogFormat::Json => diags.to_json().iter().try_for_each(|message| json_line(err, message)),
        }
    }
}

/// A line that log collectors read like those of `tracing`.
fn json_line(err: &mut dyn Write, message: &Value) -> io::Result<()> {
    let level = if message["severity"] == "error" { "ERROR" } else { "WARN" };
    let mut line = json!({"timestamp": World::now().to_string(), "level": level, "message": message["title"]});
    if let (Some(line), Some(message)) = (line.as_object_mut(), message.as_object()) {
        let rest =
            message.iter().filter(|(key, value)| !matches!(key.as_str(), "severity" | "title") && !value.is_null());
        line.extend(rest.map(|(key, value)| (key.clone(), value.clone())));
    }
    writeln!(err, "{line}")
}
