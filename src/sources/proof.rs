//! Which rules the footers of all files prove already, so that no row need be read for them.

use super::catalog::{FileInfo, PhysicalType, TimeUnit};
use super::plan::{ColumnPlan, Layout, Stored};
use super::read::{epoch_step, known_days, known_instants};
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

/// Whether every value of a column of dates or instants can be read, as the footer of its file says: it lies in the
/// years 1 to 9999.
#[must_use]
pub fn readable(column: &ColumnPlan, stored: Stored, file: &FileInfo) -> bool {
    if column.hive {
        return false;
    }
    let known = match (column.ty, stored) {
        (ColumnType::Date, Stored::Date) => known_days(),
        (ColumnType::Date | ColumnType::Timestamp, Stored::Instant) => match file.column(&column.from) {
            // Nanoseconds reach from 1677 to 2262.
            Some(PhysicalType::Timestamp { unit: TimeUnit::Nano, .. }) => return true,
            Some(PhysicalType::Timestamp { unit: TimeUnit::Micro, .. }) => known_instants(1),
            Some(PhysicalType::Timestamp { unit: TimeUnit::Milli, .. }) => known_instants(1_000),
            _ => return false,
        },
        (ColumnType::Date | ColumnType::Timestamp, Stored::Whole { unsigned: false }) => {
            known_instants(epoch_step(column.parse))
        }
        _ => return false,
    };
    let proof = file.proof(&column.from);
    let is_known = |(least, greatest)| known.contains(&least) && known.contains(&greatest);
    proof.nulls == Some(file.rows) || proof.range.is_some_and(is_known)
}

fn in_file(rule: &RowRule, column: &ColumnPlan, stored: Stored, file: &FileInfo) -> bool {
    if column.hive {
        return false;
    }
    let proof = file.proof(&column.from);
    if !read_as_stored(column, stored, file) {
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
fn read_as_stored(column: &ColumnPlan, stored: Stored, file: &FileInfo) -> bool {
    match (column.ty, stored) {
        (ColumnType::String, Stored::Text | Stored::Category)
        | (ColumnType::Int, Stored::Whole { unsigned: false })
        | (ColumnType::Bool, Stored::Flag) => true,
        // A date beyond the calendar cannot be read.
        (ColumnType::Date, Stored::Date) => readable(column, stored, file),
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
