//! Which rules the footers of all files prove already, so that no row need be read for them.

use super::catalog::{FileInfo, Proof};
use super::plan::{ColumnPlan, Layout, Stored};
use super::read::known_days;
use crate::checks::{Literal, RowRule};
use crate::schema::ColumnType;

/// Whether no row of `files` can break `rule`, as their footers say.
///
/// Claims nothing about values that are converted while they are read, and nothing about a file
/// whose footer leaves statistics out. `columns` and the `stored` of each layout go together.
#[must_use]
pub fn proven(rule: &RowRule, columns: &[ColumnPlan], files: &[FileInfo], layouts: &[Layout]) -> bool {
    let (RowRule::NotNull(name) | RowRule::Min(name, _) | RowRule::Max(name, _)) = rule else { return false };
    let Some(position) = columns.iter().position(|column| column.name == *name) else { return false };
    let column = &columns[position];
    layouts.iter().all(|layout| {
        let stored = layout.stored.get(position).copied().unwrap_or(Stored::Absent);
        let mut files = files.get(layout.files.clone()).unwrap_or_default().iter().filter(|file| file.rows > 0);
        files.all(|file| in_file(rule, column, stored, file))
    })
}

fn in_file(rule: &RowRule, column: &ColumnPlan, stored: Stored, file: &FileInfo) -> bool {
    if column.hive {
        return false;
    }
    let proof = file.proof(&column.from);
    if !read_as_stored(column, stored, file, proof) {
        return false;
    }
    // A value in place of NULL is a value like any other.
    let filled = column.null_as.is_some() && proof.nulls != Some(0);
    let all_null = proof.nulls == Some(file.rows);
    match rule {
        RowRule::NotNull(_) => proof.nulls == Some(0),
        RowRule::Min(_, limit) => {
            !filled && (all_null || proof.range.zip(number(limit)).is_some_and(|((least, _), limit)| least >= limit))
        }
        RowRule::Max(_, limit) => {
            !filled
                && (all_null || proof.range.zip(number(limit)).is_some_and(|((_, greatest), limit)| greatest <= limit))
        }
        _ => false,
    }
}

/// Whether every stored value becomes the same value in memory, and only NULL becomes NULL.
fn read_as_stored(column: &ColumnPlan, stored: Stored, file: &FileInfo, proof: Proof) -> bool {
    match (column.ty, stored) {
        (ColumnType::String, Stored::Text | Stored::Category)
        | (ColumnType::Int, Stored::Whole { unsigned: false })
        | (ColumnType::Bool, Stored::Flag) => true,
        // A date beyond the calendar cannot be read.
        (ColumnType::Date, Stored::Date) => {
            let known = |(least, greatest)| known_days().contains(&least) && known_days().contains(&greatest);
            proof.nulls == Some(file.rows) || proof.range.is_some_and(known)
        }
        _ => false,
    }
}

fn number(limit: &Literal) -> Option<i64> {
    match limit {
        Literal::Int(number) => Some(*number),
        Literal::Date(days) => Some(i64::from(*days)),
        _ => None,
    }
}
