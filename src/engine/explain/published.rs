//! What readers see of a row, beside what this run computes.

use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use polars::prelude::*;

use super::Explainer;
use super::look::{is, row_of};
use crate::engine::write::staged;
use crate::schema::{Cell, Column as Described};

/// A published table, as its footer describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The file.
    pub path: PathBuf,
    /// Day that it is as of.
    pub as_of: Option<jiff::civil::Date>,
    /// Hash of its definition.
    pub definition: Option<String>,
}

/// How a published table stands beside what was computed.
#[derive(Debug)]
pub enum Standing {
    /// It has another definition, so that its rows cannot be compared.
    OtherDefinition,
    /// It has no such row, or cannot be read as the table it was.
    NoRow,
    /// The row, with the columns that differ and their published values.
    Row(Vec<(Described, Cell)>),
}

impl Published {
    /// The table `name` below `root`; `None` where there is none that can be read.
    pub fn find(root: &Path, name: &str) -> Option<Self> {
        let path = root.join(format!("{name}.parquet"));
        let file = std::fs::File::open(&path).ok()?;
        let reader = SerializedFileReader::new(file).ok()?;
        let entries = reader.metadata().file_metadata().key_value_metadata()?;
        let entry = |key: &str| entries.iter().find(|e| e.key == key).and_then(|e| e.value.clone());
        // Any Parquet file may stand there; a table of ours says its name.
        entry("tenure.table").filter(|table| table == name)?;
        Some(Self {
            as_of: entry("tenure.as_of").and_then(|day| day.parse().ok()),
            definition: entry("tenure.definition"),
            path,
        })
    }
}

impl Explainer<'_> {
    /// Compares the row at a position with the published one.
    pub fn standing(&self, published: &Published, at: usize) -> Standing {
        if published.definition.as_ref() != Some(&self.table.definition) {
            return Standing::OtherDefinition;
        }
        self.compared(published, at).ok().flatten().map_or(Standing::NoRow, Standing::Row)
    }

    fn compared(&self, published: &Published, at: usize) -> PolarsResult<Option<Vec<(Described, Cell)>>> {
        let schema = &self.table.schema;
        let row = row_of(&self.frame, schema, at)?;
        let same = schema.grain.iter().map(|g| is(g, row.0.get(g).unwrap_or(&Cell::Null))).reduce(Expr::and);
        let found = staged(self.table, &published.path)?.filter(same.unwrap_or_else(|| lit(true))).collect()?;
        if found.height() != 1 {
            return Ok(None);
        }
        let other = row_of(&found, schema, 0)?;
        let differs = schema.columns.iter().filter(|c| other.0.get(&c.name) != row.0.get(&c.name));
        Ok(Some(differs.map(|c| (c.clone(), other.0.get(&c.name).cloned().unwrap_or(Cell::Null))).collect()))
    }
}
