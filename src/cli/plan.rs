//! `tenure plan`

use std::fmt::Write as _;
use std::io;

use serde_json::{Value, json};

use super::args::{PlanArgs, PlanFormat};
use super::memory::{Budget, budget};
use super::voice::Voice;
use super::{Exit, Io, prepare};
use crate::diag::nearest;
use crate::engine::lower::explain;
use crate::plan::{RunPlan, TablePlan};
use crate::report::Trouble;
use crate::report::format::{bytes, counted};
use crate::sources::SourcePlan;
use crate::spec::contract::Severity;
use crate::spec::pipeline::{LimitsSpec, OnViolation};

pub(super) fn run(args: &PlanArgs, io: &mut Io<'_>) -> io::Result<Exit> {
    let voice = Voice::people(io.world);
    let prepared = match prepare::read(&args.pipeline, io.world)
        .and_then(|read| read.prepare(&args.pipeline, LimitsSpec::default()))
    {
        Ok(prepared) => prepared,
        Err(refused) => return refused.tell(voice, io),
    };
    voice.diagnostics(io.err, &prepared.warnings)?;
    let plan = &prepared.plan;
    let mut explained = Vec::new();
    if let Some(wanted) = &args.explain {
        for table in plan.tables.iter().filter(|table| wanted == "*" || *wanted == table.name) {
            match explain(plan, table, !args.unoptimized) {
                Ok(text) => explained.push((table, text)),
                Err(error) => {
                    voice.trouble(
                        io.err,
                        &Trouble::error(&format!("could not explain table `{}`: {error}", table.name)),
                    )?;
                    return Ok(Exit::Internal);
                }
            }
        }
        if explained.is_empty() {
            voice.trouble(io.err, &unknown(wanted, plan))?;
            return Ok(Exit::Usage);
        }
    }
    let memory = budget(plan.limits.memory, io.world.machine);
    match args.format {
        PlanFormat::Text => io.out.write_all(text(plan, &memory, &explained).as_bytes())?,
        PlanFormat::Json => {
            serde_json::to_writer_pretty(&mut *io.out, &document(plan, &memory, &explained))?;
            writeln!(io.out)?;
        }
    }
    Ok(Exit::Success)
}

fn unknown(wanted: &str, plan: &RunPlan) -> Trouble {
    let known: Vec<&str> = plan.tables.iter().map(|table| table.name.as_str()).collect();
    let trouble = Trouble::error(&format!("`--explain {wanted}`: no such table in this plan"));
    match nearest(wanted, &known) {
        Some(name) => trouble.help(format!("did you mean `{name}`?")),
        None => trouble.help(format!("tables: {}", known.join(", "))),
    }
}

/// Columns of a source that any table of the plan reads; a run scans the source once for all of them.
fn columns_read<'a>(plan: &'a RunPlan, source: &SourcePlan) -> Vec<&'a str> {
    let mut out: Vec<&str> = Vec::new();
    for column in plan.tables.iter().filter_map(|table| table.reads.get(&source.name)).flatten() {
        if !out.contains(&column.as_str()) {
            out.push(column);
        }
    }
    out
}

/// Whether a run scans the source: a table or a reference of another source reads it.
fn scans(plan: &RunPlan, source: &SourcePlan) -> usize {
    let by_table = plan.tables.iter().any(|table| table.reads.contains_key(&source.name));
    let by_reference = plan.sources.iter().flat_map(|s| &s.references).any(|reference| reference.target == source.name);
    usize::from(by_table || by_reference)
}

/// The contract of a source by the names of its rules, with what is not an error.
fn rules(source: &SourcePlan) -> Vec<String> {
    let mut out: Vec<String> = source.rules.iter().map(|rule| meant(source, rule.to_string())).collect();
    out.extend(source.unique.iter().map(|columns| meant(source, format!("unique({})", columns.join(", ")))));
    out.extend(source.references.iter().map(|r| {
        let name = meant(source, format!("references({})", r.column));
        name.replacen(')', &format!(" -> {}.{})", r.target, r.target_column), 1)
    }));
    out.extend(source.aggregates.iter().map(|aggregate| {
        let warn = if aggregate.severity == Severity::Warn { " (a warning)" } else { "" };
        format!("{}{warn}", aggregate.condition.name)
    }));
    out.extend(source.row_count.iter().map(|_| "row_count".to_owned()));
    out.extend(source.freshness.iter().map(|freshness| format!("freshness({})", freshness.column)));
    out
}

fn meant(source: &SourcePlan, rule: String) -> String {
    let bearing = source.bearing(&rule);
    match (bearing.severity, bearing.words()) {
        (Severity::Warn, _) => format!("{rule} (a warning)"),
        (Severity::Error, words) if words.is_empty() => rule,
        (Severity::Error, words) => format!("{rule} (a warning up to {words})"),
    }
}

fn on_violation(source: &SourcePlan) -> String {
    match &source.on_violation {
        OnViolation::Fail => "fail".to_owned(),
        OnViolation::Warn => "warn".to_owned(),
        OnViolation::Quarantine(caps) => {
            let rows = caps.max_rows.map(|rows| counted(rows, "row"));
            let share = caps.max_share.map(|share| share.to_string());
            let caps: Vec<String> = rows.into_iter().chain(share).collect();
            if caps.is_empty() {
                "quarantine".to_owned()
            } else {
                format!("quarantine, at most {}", caps.join(" and "))
            }
        }
    }
}

/// How the tables become visible: the group, then each single table.
fn units(plan: &RunPlan) -> (Vec<&str>, Vec<&str>) {
    let together: Vec<&str> = plan.publish.together.iter().map(String::as_str).collect();
    let single = plan.tables.iter().filter(|table| table.published).map(|table| table.name.as_str());
    let single = single.filter(|name| !together.contains(name)).collect();
    (together, single)
}

/// How much memory a run may hold, or why there is no limit.
type Memory = Result<Budget, &'static str>;

fn limits(out: &mut String, plan: &RunPlan, memory: &Memory) {
    let _ = writeln!(out, "\nlimits");
    let memory = match memory {
        Ok(budget) => format!("{}: {}", bytes(budget.bytes), budget.why),
        Err(reason) => format!("none: {reason}"),
    };
    line(out, "memory", &memory);
    line(out, "threads", &plan.limits.threads.map_or("all cores".to_owned(), |threads| threads.to_string()));
}

fn text(plan: &RunPlan, memory: &Memory, explained: &[(&TablePlan, String)]) -> String {
    let mut out = String::new();
    let environment = plan.environment.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let currency = plan.context.currency.as_ref().map(|code| format!(", reporting in {code}")).unwrap_or_default();
    let _ = writeln!(out, "{}{environment} as of {}, {}{currency}", plan.pipeline, plan.context.as_of, plan.zone);
    for (name, value) in &plan.params {
        let _ = writeln!(out, "  {name} = {value}");
    }
    let _ = writeln!(out, "\nsources, each scanned at most once");
    for source in &plan.sources {
        of_source(&mut out, plan, source);
    }
    let _ = writeln!(out, "\ntables, in the order they are computed");
    for table in &plan.tables {
        of_table(&mut out, table);
    }
    let (together, single) = units(plan);
    let _ = writeln!(out, "\npublish to {}", plan.publish.root.display());
    if !together.is_empty() {
        line(
            &mut out,
            "together",
            &format!("{} (keeping {})", together.join(", "), counted(u64::from(plan.publish.retain), "version")),
        );
    }
    if !single.is_empty() {
        line(&mut out, "each by itself", &single.join(", "));
    }
    limits(&mut out, plan, memory);
    for (table, text) in explained {
        let _ = writeln!(out, "\nquery of {}", table.name);
        for source in &plan.sources {
            if let Some(columns) = table.reads.get(&source.name) {
                let _ = writeln!(
                    out,
                    "  {}: {} of {}",
                    source.name,
                    counted(occurrences(text, source) as u64, "scan"),
                    counted(columns.len() as u64, "column")
                );
            }
        }
        let _ = writeln!(out, "\n{}", text.trim_end());
    }
    out
}

fn of_source(out: &mut String, plan: &RunPlan, source: &SourcePlan) {
    let size = source.files.iter().map(|file| file.bytes).sum();
    let files = counted(source.files.len() as u64, "file");
    let _ = writeln!(
        out,
        "  {}: {files}, {}, {}, {}",
        source.name,
        counted(source.rows(), "row"),
        bytes(size),
        counted(scans(plan, source) as u64, "scan")
    );
    let columns = columns_read(plan, source);
    if columns.is_empty() {
        line(out, "columns", "none, no selected table reads it");
    } else {
        line(out, "columns", &columns.join(", "));
    }
    if let Some(flag) = &source.deleted {
        line(out, "left out", &format!("rows where {flag} is true"));
    }
    for filter in &source.filters {
        line(out, "filter", &format!("{}: {}", filter.name, filter.sql));
    }
    if let Some(d) = &source.deduplicate {
        line(out, "deduplicate", &format!("one row per {}, the last by {}", d.key.join(", "), d.order_by.join(", ")));
    }
    line(out, "rules", &rules(source).join(", "));
    if !source.proven.is_empty() {
        let names: Vec<String> = source.proven.iter().map(ToString::to_string).collect();
        line(out, "proven", &format!("by the footers, without reading: {}", names.join(", ")));
    }
    line(out, "on violation", &on_violation(source));
}

fn of_table(out: &mut String, table: &TablePlan) {
    let helper = if table.published { "" } else { ", not published" };
    let _ = writeln!(out, "  {}: {}{helper}", table.name, table.ty);
    let reads = table.inputs.iter().chain(table.reads.keys()).cloned().collect::<Vec<_>>();
    line(out, "reads", &reads.join(", "));
    if let Some(preset) = &table.preset {
        let set: Vec<String> = preset.set.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        line(out, "dialect", &format!("{} sets {}", preset.dialect.name(), set.join(", ")));
    }
    line(out, "grain", &table.schema.grain.join(", "));
    let columns: Vec<String> = table.schema.columns.iter().map(|c| format!("{} {}", c.name, c.ty)).collect();
    line(out, "columns", &columns.join(", "));
}

/// `    rules         not_null(a), ..`, wrapped at 80 columns.
fn line(out: &mut String, name: &str, value: &str) {
    const LABEL: usize = 16;
    let mut label = name;
    let mut row = String::new();
    for word in value.split(' ') {
        if !row.is_empty() && 4 + LABEL + row.chars().count() + 1 + word.chars().count() > 80 {
            let _ = writeln!(out, "    {label:LABEL$}{row}");
            (label, row) = ("", String::new());
        }
        if !row.is_empty() {
            row.push(' ');
        }
        row.push_str(word);
    }
    let _ = writeln!(out, "{}", format!("    {label:LABEL$}{row}").trim_end());
}

/// How often a query plan scans a source: its first file is named in each scan.
fn occurrences(text: &str, source: &SourcePlan) -> usize {
    let Some(file) = source.files.first() else { return 0 };
    let path = file.path.display().to_string();
    text.lines().filter(|line| line.contains("SCAN") && line.contains(&path)).count()
}

fn document(plan: &RunPlan, memory: &Memory, explained: &[(&TablePlan, String)]) -> Value {
    let source = |source: &SourcePlan| {
        json!({
            "name": source.name,
            "files": source.files.len(),
            "rows": source.rows(),
            "bytes": source.files.iter().map(|file| file.bytes).sum::<u64>(),
            "scans": scans(plan, source),
            "columns": columns_read(plan, source),
            "deleted": source.deleted,
            "filters": source.filters.iter().map(|f| json!({"name": f.name, "sql": f.sql})).collect::<Vec<_>>(),
            "deduplicate": source.deduplicate.as_ref().map(|d| json!({"key": d.key, "order_by": d.order_by})),
            "rules": rules(source),
            "proven_by_footers": source.proven.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "on_violation": on_violation(source),
        })
    };
    let table = |table: &TablePlan| {
        let query = explained.iter().find(|(t, _)| t.name == table.name).map(|(_, text)| text);
        let mut out = json!({
            "name": table.name,
            "type": table.ty,
            "published": table.published,
            "description": table.description,
            "tags": table.tags,
            "inputs": table.inputs,
            "reads": table.reads,
            "grain": table.schema.grain,
            "columns": table.schema.columns,
            "definition": table.definition,
            "dialect": table.preset.as_ref().map(|preset| {
                let set: serde_json::Map<String, Value> =
                    preset.set.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
                json!({"name": preset.dialect.name(), "sets": set})
            }),
        });
        if let (Some(map), Some(query)) = (out.as_object_mut(), query) {
            map.insert("query".to_owned(), json!(query));
        }
        out
    };
    let (together, single) = units(plan);
    json!({
        "version": 1,
        "pipeline": plan.pipeline,
        "as_of": plan.context.as_of.to_string(),
        "timezone": plan.zone,
        "currency": plan.context.currency,
        "environment": plan.environment,
        "params": plan.params,
        "sources": plan.sources.iter().map(source).collect::<Vec<_>>(),
        "tables": plan.tables.iter().map(table).collect::<Vec<_>>(),
        "publish": {"root": plan.publish.root, "together": together, "single": single, "retain": plan.publish.retain},
        "limits": {
            "memory_bytes": memory.as_ref().ok().map(|budget| budget.bytes),
            "memory_from": memory.as_ref().map_or_else(|reason| (*reason).to_owned(), |budget| budget.why.clone()),
            "threads": plan.limits.threads,
        },
    })
}
