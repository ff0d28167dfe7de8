//! The files of a source in runs of equal columns, and how every declared column is stored there.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::Here;
use super::fit::{Misfit, fit, uses_parse, uses_zone};
use crate::checks::Literal;
use crate::diag::{Diagnostics, Relation};
use crate::schema::ColumnType;
use crate::sources::{ColumnPlan, FileColumn, FileInfo, Layout, PhysicalType, Stored, readable};
use crate::spec::pipeline::{ExtraColumns, Parse};

/// Most files that a message names.
const NAMED: usize = 3;

pub(super) fn resolve(here: Here<'_>, columns: &[ColumnPlan], diags: &mut Diagnostics) -> (Vec<FileInfo>, Vec<Layout>) {
    type SameColumns<'a> = (Arc<[FileColumn]>, Vec<&'a str>);
    let mut groups: IndexMap<SameColumns<'_>, Vec<&FileInfo>> = IndexMap::new();
    let partitioned = columns.iter().any(|column| column.hive);
    for file in &here.catalog.files {
        let keys = if partitioned { file.hive.iter().map(|(key, _)| key.as_str()).collect() } else { Vec::new() };
        groups.entry((Arc::clone(&file.columns), keys)).or_default().push(file);
    }
    let groups: Vec<Vec<&FileInfo>> = groups.into_values().collect();
    let mut stored: Vec<Vec<Stored>> = groups.iter().map(|_| Vec::with_capacity(columns.len())).collect();
    for column in columns {
        let found = if column.hive {
            partition(here, column, diags);
            vec![Stored::Text; groups.len()]
        } else {
            in_files(here, column, &groups, diags)
        };
        unused_settings(here, column, &found, diags);
        for (group, found) in stored.iter_mut().zip(found) {
            group.push(found);
        }
    }
    extra_columns(here, columns, &groups, diags);
    collisions(here, columns, diags);
    let mut files = Vec::with_capacity(here.catalog.files.len());
    let mut layouts = Vec::with_capacity(groups.len());
    for (group, stored) in groups.into_iter().zip(stored) {
        let first = files.len();
        let is_readable =
            |(column, stored): (&ColumnPlan, &Stored)| group.iter().all(|file| readable(column, *stored, file));
        let readable = columns.iter().zip(&stored).map(is_readable).collect();
        files.extend(group.into_iter().cloned());
        layouts.push(Layout { files: first..files.len(), stored, readable });
    }
    (files, layouts)
}

/// How a column is stored in each group of files; tells where it lacks or is something else.
fn in_files(here: Here<'_>, column: &ColumnPlan, groups: &[Vec<&FileInfo>], diags: &mut Diagnostics) -> Vec<Stored> {
    let at = here.at(&["columns", &column.name, "from"]);
    let mut stored = Vec::with_capacity(groups.len());
    let mut lacking: Vec<&FileInfo> = Vec::new();
    let mut misfits: Vec<(&FileInfo, &PhysicalType, Misfit)> = Vec::new();
    let mut good: Option<(&FileInfo, &PhysicalType)> = None;
    for group in groups {
        let Some(first) = group.first() else { continue };
        let mut found = Stored::Absent;
        match first.column(&column.from) {
            None => lacking.extend(group),
            Some(physical) => match fit(column.ty, physical, column.parse, column.zone.is_some()) {
                Ok(fitting) => {
                    found = fitting;
                    good = good.or(Some((first, physical)));
                }
                Err(misfit) => misfits.push((first, physical, misfit)),
            },
        }
        stored.push(found);
    }
    let everywhere = !groups.is_empty() && lacking.len() == here.catalog.files.len();
    if everywhere && !column.optional {
        let known = file_columns(groups);
        diags.unknown_column(at, &column.from, Relation::Source(here.source), &known);
    } else if !lacking.is_empty() && !column.optional {
        let names: Vec<&str> = lacking.iter().take(NAMED).map(|file| file.name.as_str()).collect();
        diags.column_lacking(at, &column.from, here.source, &names, lacking.len(), here.catalog.files.len());
    }
    let ty_at = here.at(&["columns", &column.name, "type"]);
    if let Some((file, physical, misfit)) = misfits.into_iter().next() {
        let found = physical.to_string();
        match (good, misfit) {
            (_, Misfit::NeedsZone) => diags.timestamp_without_zone(ty_at, &column.name, here.source),
            (Some((other, fitting)), Misfit::Type(_) | Misfit::Unsupported) => {
                let fitting = fitting.to_string();
                diags.conflicting_types(
                    ty_at,
                    &column.from,
                    here.source,
                    (&other.name, &fitting),
                    (&file.name, &found),
                );
            }
            (None, Misfit::Unsupported) => diags.unsupported_type(ty_at, &column.from, here.source, &found),
            (None, Misfit::Type(help)) => {
                diags.column_type(ty_at, &column.from, here.source, &found, column.ty.name(), help.map(str::to_owned));
            }
        }
    }
    stored
}

fn file_columns<'a>(groups: &[Vec<&'a FileInfo>]) -> Vec<&'a str> {
    let names: BTreeSet<&str> = groups
        .iter()
        .filter_map(|group| group.first())
        .flat_map(|file| file.columns.iter().map(|column| column.name.as_str()))
        .collect();
    names.into_iter().collect()
}

/// A `parse` or `zone` that no file needs.
fn unused_settings(here: Here<'_>, column: &ColumnPlan, stored: &[Stored], diags: &mut Diagnostics) {
    let known = stored.iter().any(|stored| *stored != Stored::Absent);
    if !known {
        return;
    }
    let types = || {
        let physical = here.catalog.files.iter().find_map(|file| file.column(&column.from));
        physical.map_or_else(|| "text".to_owned(), ToString::to_string)
    };
    if let Some(parse) = column.parse
        && super::fit::takes_parse(column.ty, parse)
        && !stored.iter().any(|stored| uses_parse(*stored, column.ty))
    {
        let reason = format!("`{}` is stored as {}, which says how it is read", column.from, types());
        diags.no_effect(here.at(&["columns", &column.name, "parse"]), "parse", &reason);
    }
    let moment = matches!(column.ty, ColumnType::Date | ColumnType::Timestamp);
    if let Some(zone) = &column.zone
        && moment
        && !stored.iter().any(|stored| uses_zone(*stored, column.ty, column.parse))
    {
        // `zone: UTC` on what is UTC by definition states a fact; another zone would be ignored.
        let instants = stored.iter().all(|stored| {
            matches!(stored, Stored::Absent | Stored::Instant | Stored::Whole { .. } | Stored::Decimal(_))
        });
        if !(instants && zone == "UTC") {
            let reason = if instants {
                format!("`{}` holds instants, which are UTC already", column.from)
            } else {
                format!("`{}` holds civil dates", column.from)
            };
            diags.no_effect(here.at(&["columns", &column.name, "zone"]), "zone", &reason);
        }
    }
}

/// Every path has the key, and its value can be read as the type.
fn partition(here: Here<'_>, column: &ColumnPlan, diags: &mut Diagnostics) {
    let at = here.at(&["columns", &column.name, "hive"]);
    for file in &here.catalog.files {
        let Some((_, value)) = file.hive.iter().find(|(key, _)| *key == column.from) else {
            let known: Vec<&str> = file.hive.iter().map(|(key, _)| key.as_str()).collect();
            diags.no_partition(at, &column.from, here.source, &file.name, &known);
            return;
        };
        let readable = match (column.ty, value) {
            (_, None) | (ColumnType::Money, _) => true,
            (ColumnType::Timestamp, _) => column.parse == Some(Parse::IsoTimestamp),
            (ColumnType::Bool, Some(text)) => {
                ["true", "false", "t", "f", "yes", "no", "1", "0"].contains(&text.to_ascii_lowercase().as_str())
            }
            (ty, Some(text)) => Literal::read(text, ty, here.context.money_scale).is_ok(),
        };
        if !readable {
            diags.partition_value(
                at,
                &column.from,
                here.source,
                &file.name,
                value.as_deref().unwrap_or_default(),
                column.ty.name(),
            );
            return;
        }
    }
}

/// The engine takes a partition key from the path even where the file has a column of that name.
fn collisions(here: Here<'_>, columns: &[ColumnPlan], diags: &mut Diagnostics) {
    if !columns.iter().any(|column| column.hive) {
        return;
    }
    for column in columns.iter().filter(|column| !column.hive) {
        if here.catalog.files.iter().any(|file| file.hive.iter().any(|(key, _)| *key == column.from)) {
            diags.partition_collision(here.key(&["columns", &column.name]), &column.from, here.source);
        }
    }
}

fn extra_columns(here: Here<'_>, columns: &[ColumnPlan], groups: &[Vec<&FileInfo>], diags: &mut Diagnostics) {
    let severity = match here.spec.extra_columns {
        ExtraColumns::Ignore => return,
        ExtraColumns::Warn => crate::diag::Severity::Warning,
        ExtraColumns::Error => crate::diag::Severity::Error,
    };
    let extra: Vec<&str> = file_columns(groups)
        .into_iter()
        .filter(|name| columns.iter().all(|column| column.hive || column.from != *name))
        .collect();
    if !extra.is_empty() {
        diags.undeclared_columns(here.at(&["extra_columns"]), here.source, &extra, severity);
    }
}
