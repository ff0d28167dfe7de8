//! From the file as written to a plan in which nothing is left open. Pure: no I/O, every mistake reported at once.

mod graph;
mod preset;
pub mod resolver;
pub mod select;
pub mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use sha2::{Digest, Sha256};

use crate::diag::Diagnostics;
use crate::expr::calendar::Calendar;
use crate::metrics::{self, LedgerShape, Metric};
use crate::schema::TableSchema;
use crate::sources::{Catalog, SourcePlan, end_of_day};
use crate::spec::file::PipelineFile;
use crate::spec::pipeline::LimitsSpec;
use crate::spec::tree::{Kind, Node};
use crate::spec::types::Name;
pub use preset::Preset;
use resolver::{Context, Resolver};

/// Everything a run will do.
pub struct RunPlan {
    /// Name of the pipeline.
    pub pipeline: String,
    /// What is the same for every table.
    pub context: Context,
    /// IANA name of the pipeline's time zone.
    pub zone: String,
    /// The instant up to which exports should be complete: `--cutoff`, or the end of the day of `as_of`.
    pub cutoff: jiff::Timestamp,
    /// Sources in the order of the file.
    pub sources: Vec<SourcePlan>,
    /// Tables in the order they are computed.
    pub tables: Vec<TablePlan>,
    /// How the tables become visible.
    pub publish: PublishPlan,
    /// Resources it may use, as they were asked for.
    pub limits: LimitsSpec,
    /// Name of the chosen environment.
    pub environment: Option<String>,
    /// Values of the parameters, as text.
    pub params: IndexMap<String, String>,
}

/// A table of a run.
pub struct TablePlan {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: String,
    /// What computes it.
    pub metric: Box<dyn Metric>,
    /// The columns it promises.
    pub schema: TableSchema,
    /// Source columns it reads, by source.
    pub reads: IndexMap<String, Vec<String>>,
    /// Tables it reads.
    pub inputs: Vec<String>,
    /// What the table is for.
    pub description: Option<String>,
    /// What the table's dialect set in it.
    pub preset: Option<Preset>,
    /// Words to select it by.
    pub tags: Vec<String>,
    /// False for a table that is only computed because a selected one reads it.
    pub published: bool,
    /// SHA-256 of its definition and of those it reads, lower-case hex.
    pub definition: String,
}

/// How the tables of a run become visible.
#[derive(Clone, Debug)]
pub struct PublishPlan {
    /// Folder that receives the tables.
    pub root: PathBuf,
    /// Tables that switch together, selected or not.
    pub together: Vec<String>,
    /// Versions of the group to keep, the current one included.
    pub retain: u32,
    /// How long to wait for another run.
    pub lock_wait: std::time::Duration,
}

/// What the command line adds to the file.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `--as-of`, or what `--cutoff` comes to.
    pub as_of: Option<jiff::civil::Date>,
    /// `--cutoff`.
    pub cutoff: Option<jiff::Timestamp>,
    /// `--select`.
    pub select: Vec<String>,
    /// `--exclude`.
    pub exclude: Vec<String>,
    /// `--threads` and `--memory`.
    pub limits: LimitsSpec,
    /// `--root`.
    pub root: Option<PathBuf>,
    /// Folder of the pipeline file; relative paths start there.
    pub base: PathBuf,
}

/// Name of the group of `publish.together`.
pub const GROUP: &str = "together";

/// Resolves a pipeline file against what its sources hold. `None` after mistakes were reported.
pub fn resolve(file: &PipelineFile, catalog: &Catalog, request: &Request, diags: &mut Diagnostics) -> Option<RunPlan> {
    let scale = source::money_scale(file.header.currency, file.sources.values());
    let as_of = request.as_of.or(file.header.as_of.map(|d| d.0));
    if as_of.is_none() {
        diags.as_of_missing();
    }
    let context = Context {
        // A missing date has been reported; any date serves to find the other mistakes.
        as_of: as_of.unwrap_or(jiff::civil::Date::constant(2000, 1, 1)),
        zone: file.header.timezone.as_str().to_owned(),
        calendar: Calendar {
            week_start: file.header.week_start as i32,
            fiscal_start: file.header.fiscal_year_start as i32,
        },
        scale,
        currency: file.header.currency.map(|c| c.as_str().to_owned()),
    };
    let sources = sources(file, catalog, scale, diags);
    let tables = tables(file, &context, diags);
    names(file, diags);
    let publish = publish(file, catalog, request, diags);
    let tables = tables?;
    unused(file, &tables, diags);
    crate::cases::check(&file.cases, &tables, diags);
    let tables = selected(tables, request, diags)?;
    let (sources, publish) = (sources?, publish?);
    if diags.has_errors() {
        return None;
    }
    Some(RunPlan {
        pipeline: file.header.pipeline.to_string(),
        context,
        zone: file.header.timezone.as_str().to_owned(),
        cutoff: request
            .cutoff
            .or_else(|| end_of_day(as_of?, file.header.timezone.time_zone()))
            .unwrap_or(jiff::Timestamp::MAX),
        sources,
        tables,
        publish,
        limits: request.limits.or(file.limits()),
        environment: file.environment_name.clone(),
        params: file.params.clone(),
    })
}

fn sources(file: &PipelineFile, catalog: &Catalog, scale: u8, diags: &mut Diagnostics) -> Option<Vec<SourcePlan>> {
    let context = source::Context {
        zone: &file.header.timezone,
        currency: file.header.currency,
        money_scale: scale,
        sources: &file.sources,
        root: &file.root,
    };
    let mut out = Vec::new();
    let mut sound = true;
    for (name, spec) in &file.sources {
        // A source without a catalog has been reported when its files were read.
        let resolved = catalog
            .sources
            .get(name.as_str())
            .and_then(|found| source::resolve(name.as_str(), spec, found, context, diags));
        match resolved {
            Some(plan) => out.push(plan),
            None => sound = false,
        }
    }
    sound.then_some(out)
}

fn tables(file: &PipelineFile, context: &Context, diags: &mut Diagnostics) -> Option<Vec<TablePlan>> {
    let order = graph::order(&file.tables, diags)?;
    let names: Vec<String> = file.tables.iter().map(|t| t.name.clone()).collect();
    let known: Vec<&str> = metrics::REGISTRY.iter().map(|m| m.name).collect();
    let mut ledgers = IndexMap::new();
    let mut outputs = IndexMap::new();
    let mut out: Vec<TablePlan> = Vec::new();
    let mut sound = true;
    for table in order {
        let Some(kind) = metrics::find(&table.common.ty) else {
            diags.unknown_metric(table.type_span, &table.common.ty, &known);
            sound = false;
            continue;
        };
        let attempt = |body: &Node, diags: &mut Diagnostics| {
            let mut cx = Resolver {
                table: &table.name,
                body,
                key_span: table.key_span,
                context,
                sources: &file.sources,
                ledgers: &ledgers,
                outputs: &outputs,
                tables: &names,
                diags,
                reads: IndexMap::new(),
                inputs: Vec::new(),
            };
            let resolved = (kind.resolve)(&mut cx);
            (resolved, cx.reads, cx.inputs)
        };
        let (body, preset) = match table.common.dialect.or(file.header.dialect) {
            None => (table.body.clone(), None),
            Some(dialect) => {
                let mut mistakes = |body: &Node| {
                    // Whether a choice fits is the question; nobody is told of the mistake.
                    let mut unheard = Diagnostics::without_file();
                    attempt(body, &mut unheard);
                    unheard.errors()
                };
                let (body, preset) = preset::filled(&table.body, kind.name, dialect, &mut mistakes);
                (body, Some(preset))
            }
        };
        if let Some(dialect) = table.common.dialect
            && dialect.for_table(kind.name).next().is_none()
        {
            diags.no_effect(table.key_span, "dialect", "tables of this type have no option that a vendor decides");
        }
        let (resolved, reads, inputs) = attempt(&body, diags);
        let Some(metric) = resolved else {
            sound = false;
            continue;
        };
        let ledger = metric.ledger().map(|shape| LedgerShape { reads: reads.clone(), ..shape });
        ledgers.insert(table.name.clone(), ledger);
        outputs.insert(table.name.clone(), metric.output());
        let definition = definition(&table.common.ty, &body, &inputs, &out);
        out.push(TablePlan {
            name: table.name.clone(),
            ty: table.common.ty.clone(),
            schema: metric.output(),
            metric,
            reads,
            inputs,
            description: table.common.description.clone(),
            preset: preset.filter(|preset| !preset.set.is_empty()),
            tags: table.common.tags.iter().map(Name::to_string).collect(),
            published: true,
            definition,
        });
    }
    sound.then_some(out)
}

/// Hash of what a table is defined by: its keys and values, and the definitions it builds on.
fn definition(ty: &str, body: &Node, inputs: &[String], before: &[TablePlan]) -> String {
    let mut hash = Sha256::new();
    hash.update(ty.as_bytes());
    written(body, &mut hash);
    for input in before.iter().filter(|t| inputs.contains(&t.name)) {
        hash.update(input.definition.as_bytes());
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn written(node: &Node, hash: &mut Sha256) {
    match &node.kind {
        Kind::Null => hash.update([0]),
        Kind::Scalar { text, .. } => {
            hash.update([1]);
            hash.update(text.as_bytes());
        }
        Kind::Seq(items) => {
            hash.update([2]);
            items.iter().for_each(|i| written(i, hash));
        }
        Kind::Map(entries) => {
            hash.update([3]);
            for entry in entries.iter().filter(|e| !e.is_note()) {
                hash.update(entry.key.as_bytes());
                hash.update([0]);
                written(&entry.value, hash);
            }
        }
    }
    hash.update([255]);
}

/// A table must not be named like a source, and not like the folder of the run records.
fn names(file: &PipelineFile, diags: &mut Diagnostics) {
    for table in &file.tables {
        if file.sources.contains_key(table.name.as_str()) {
            diags.reserved_name(table.key_span, &table.name, "a source of this pipeline");
        }
    }
}

fn unused(file: &PipelineFile, tables: &[TablePlan], diags: &mut Diagnostics) {
    let names: Vec<&str> = tables.iter().map(|t| t.name.as_str()).collect();
    for (name, _) in &file.sources {
        let read = tables.iter().any(|t| t.reads.contains_key(name.as_str()));
        let referred = file.sources.values().flat_map(|s| s.columns.values()).filter_map(|c| c.references.as_deref());
        let referred = referred.into_iter().any(|r| r.split('.').next() == Some(name.as_str()));
        if !read && !referred {
            diags.unused_source(file.root.key_span_of(&["sources", name.as_str()]), name.as_str(), &names);
        }
    }
}

fn publish(file: &PipelineFile, catalog: &Catalog, request: &Request, diags: &mut Diagnostics) -> Option<PublishPlan> {
    let spec = &file.header.publish;
    let names: Vec<&str> = file.tables.iter().map(|t| t.name.as_str()).collect();
    for (i, table) in spec.together.iter().enumerate() {
        let at = file.root.span_of(&["publish", "together", &i.to_string()]);
        if !names.contains(&table.as_str()) {
            diags.unknown_group_member(at, "together", table, &names);
        }
        if let Some(first) = spec.together[..i].iter().position(|t| t == table) {
            diags.repeated_item(at, "together", table, file.root.span_of(&["publish", "together", &first.to_string()]));
        }
    }
    let overridden = file.environment.publish.as_ref();
    let retain = overridden.and_then(|p| p.retain).or(spec.retain);
    if spec.together.is_empty() && spec.retain.is_some() {
        diags.no_effect(
            file.root.span_of(&["publish", "retain"]),
            "retain",
            "versions are kept of tables published `together`",
        );
    }
    if retain == Some(0) {
        diags.out_of_range(file.root.span_of(&["publish", "retain"]), "retain", "0", "at least 1, the current version");
    }
    let written = file.environment.root.as_ref().or(file.header.root.as_ref());
    let root = match (&request.root, written) {
        (Some(path), _) => path.clone(),
        (None, Some(path)) => lexical(&request.base.join(path.as_str())),
        (None, None) => {
            diags.root_missing(file.root.key_span_of(&["pipeline"]));
            return None;
        }
    };
    if written.is_some_and(|r| r.as_str().contains("://")) {
        diags.setting(
            file.root.span_of(&["root"]),
            "object stores are not supported yet",
            "publish to a local folder and upload it afterwards",
        );
    }
    overlap(file, catalog, &root, diags);
    let lock_wait = overridden.and_then(|p| p.lock_wait).or(spec.lock_wait);
    Some(PublishPlan {
        root,
        together: spec.together.clone(),
        retain: retain.unwrap_or(2),
        lock_wait: lock_wait.map_or(std::time::Duration::ZERO, crate::spec::types::Duration::to_std),
    })
}

/// A table must never be written where a source is read.
fn overlap(file: &PipelineFile, catalog: &Catalog, root: &Path, diags: &mut Diagnostics) {
    let own = lexical(&root.join("_tenure"));
    // Sources of ten thousand files are compared with every table at once.
    let path_of = |name: &str| lexical(&root.join(format!("{name}.parquet")));
    let published: BTreeMap<PathBuf, &str> =
        file.tables.iter().map(|table| (path_of(&table.name), table.name.as_str())).collect();
    for (name, found) in &catalog.sources {
        for path in found.files.iter().map(|f| lexical(&f.path)) {
            let output = match published.get(&path) {
                Some(table) => table,
                None if path.starts_with(&own) => "_tenure",
                None => continue,
            };
            diags.output_overlaps_source(
                file.root.span_of(&["sources", name, "path"]),
                output,
                name,
                &path.display().to_string(),
            );
            break;
        }
    }
}

/// A path without `.` and `..`, found without looking at the disk.
fn lexical(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// Keeps the selected tables, and those they read as helpers.
fn selected(tables: Vec<TablePlan>, request: &Request, diags: &mut Diagnostics) -> Option<Vec<TablePlan>> {
    let candidates: Vec<select::Candidate<'_>> = tables
        .iter()
        .map(|t| select::Candidate {
            name: &t.name,
            tags: t.tags.iter().map(String::as_str).collect(),
            inputs: t.inputs.iter().map(String::as_str).collect(),
        })
        .collect();
    let chosen = select::select(&candidates, &request.select, &request.exclude, diags)?;
    let mut needed: BTreeSet<String> = chosen.clone();
    // Tables follow what they read, so one pass from the end finds all helpers.
    for table in tables.iter().rev() {
        if needed.contains(&table.name) {
            needed.extend(table.inputs.iter().cloned());
        }
    }
    Some(
        tables
            .into_iter()
            .filter(|t| needed.contains(&t.name))
            .map(|t| TablePlan { published: chosen.contains(&t.name), ..t })
            .collect(),
    )
}
