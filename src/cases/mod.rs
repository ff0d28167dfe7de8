//! Runs the `tests:` of a pipeline file: given rows in, expected rows out.
//!
//! The rows of a test are written as Parquet in the form that the declared types have after
//! reading, below a folder of the test's own, and the pipeline runs on them as it does every
//! night, with contracts, identities and publishing. What it publishes is compared.

mod compare;
mod given;

use std::path::{Path, PathBuf};

use crate::diag::{Diagnostics, Relation};
use crate::engine::local::Local;
use crate::engine::{Engine, EngineError, Publishing, RunId, RunOutcome, TableState, Watch};
use crate::plan::{Request, RunPlan, TablePlan, resolve};
use crate::sources::{SourceRequest, describe};
use crate::spec::cases::CaseNode;
use crate::spec::file::PipelineFile;

/// How a test ended: what differs, one block of lines per finding; nothing where it passed.
pub type Findings = Vec<String>;

/// Why a test could not be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The pipeline file is wrong, which was reported.
    #[error("the pipeline file is wrong")]
    Invalid,
    /// The given rows could not be written.
    #[error("could not write the given rows of `{source_name}`: {reason}")]
    Given {
        /// The source.
        source_name: String,
        /// Why.
        reason: String,
    },
    /// The run failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Runs one test below `folder`, which must be empty and is left as it is.
///
/// # Errors
/// When it could not be run; a difference is a finding.
pub fn run(
    file: &PipelineFile,
    case: &CaseNode,
    folder: &Path,
    diags: &mut Diagnostics,
) -> Result<Findings, CaseError> {
    let variant = given::variant(file);
    let mut requests = Vec::new();
    for (name, source) in &variant.sources {
        let path = folder.join(source.path.as_str());
        let rows = case.given.get(name.as_str());
        given::write(&path, source, rows)
            .map_err(|reason| CaseError::Given { source_name: name.to_string(), reason })?;
        requests.push(SourceRequest { name: name.to_string(), path, optional: false });
    }
    let described = describe(&requests);
    let known = |name: &&String| variant.tables.iter().any(|table| table.name == **name);
    let request = Request {
        as_of: Some(case.spec.as_of.0),
        select: if case.spec.broken.is_empty() {
            case.expect.keys().filter(known).cloned().collect()
        } else {
            Vec::new()
        },
        root: Some(folder.join("out")),
        base: folder.to_owned(),
        ..Request::default()
    };
    let plan = resolve(&variant, &described.catalog, &request, diags);
    let Some(mut plan) = plan.filter(|_| described.problems.is_empty() && !diags.has_errors()) else {
        return Err(CaseError::Invalid);
    };
    given::lighten(&mut plan, case);
    let run = RunId { id: "test".to_owned(), started: jiff::Timestamp::UNIX_EPOCH };
    let outcome = Local::default().run(&plan, &run, &Quiet::default())?;
    Ok(findings(case, &plan, &outcome))
}

/// Checks what tests expect of tables against the columns that the tables have.
pub fn check(cases: &[CaseNode], tables: &[TablePlan], diags: &mut Diagnostics) {
    let known: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    for (name, expected) in cases.iter().flat_map(|case| &case.expect) {
        let Some(table) = tables.iter().find(|table| table.name == *name) else {
            diags.unknown_input(expected.key_span, name, &known);
            continue;
        };
        let columns: Vec<&str> = table.schema.names().collect();
        for (at, (column, span)) in expected.rows.header.iter().enumerate() {
            match table.schema.get(column) {
                Some(column) => drop(expected.rows.check(at, column.ty, diags)),
                None => diags.unknown_column(*span, column, Relation::Table(name), &columns),
            }
        }
        for (column, span, cell) in &expected.only {
            match table.schema.get(column) {
                Some(found) => drop(cell.check(column, found.ty, diags)),
                None => diags.unknown_column(*span, column, Relation::Table(name), &columns),
            }
        }
    }
}

fn findings(case: &CaseNode, plan: &RunPlan, outcome: &RunOutcome) -> Findings {
    let mut out = Vec::new();
    let broken = broken(outcome);
    for (name, what) in &broken {
        if !case.spec.broken.contains(name) {
            out.push(format!("`{name}` is broken: {what}"));
        }
    }
    for name in case.spec.broken.iter().filter(|name| broken.iter().all(|(found, _)| found != *name)) {
        out.push(format!("`{name}` is expected to be broken, and holds"));
    }
    for (name, expected) in &case.expect {
        let Some(table) = outcome.tables.iter().find(|table| table.name == *name) else { continue };
        let schema = plan.tables.iter().find(|table| table.name == *name).map(|table| &table.schema);
        match (&table.state, schema) {
            (TableState::Published { path, .. }, Some(schema)) => match compare::read(path) {
                Ok(found) => {
                    out.extend(compare::difference(expected, schema, &found).map(|d| format!("table `{name}`: {d}")));
                }
                Err(reason) => out.push(format!("table `{name}` could not be read back: {reason}")),
            },
            (TableState::Failed { message }, _) => out.push(format!("table `{name}` failed: {message}")),
            (TableState::Skipped { reason }, _) => out.push(format!("table `{name}` was not computed: {reason}")),
            // A check that failed is told above.
            _ => out.push(format!("table `{name}` was not published")),
        }
    }
    if !out.is_empty() {
        out.extend(outcome.sources.iter().filter_map(left_out));
    }
    out
}

/// Contracts and identities that were broken, with what their rows look like.
fn broken(outcome: &RunOutcome) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for source in &outcome.sources {
        for violation in &source.loaded.violations {
            let samples: Vec<String> = violation.samples.iter().map(ToString::to_string).collect();
            let text = format!("source `{}`, {} rows, such as {}", source.name, violation.rows, samples.join("; "));
            out.push((violation.rule.clone(), text));
        }
    }
    for table in &outcome.tables {
        for check in table.checks.iter().filter(|check| check.broken > 0) {
            let samples = check.samples.join("; ");
            out.push((check.name.to_owned(), format!("table `{}`, {} ({samples})", table.name, check.meaning)));
        }
    }
    out
}

/// A line about given rows that were not used, where there are any.
fn left_out(source: &crate::engine::SourceOutcome) -> Option<String> {
    let attrition = &source.loaded.attrition;
    let unused = attrition.read - attrition.used.min(attrition.read);
    (unused > 0).then(|| {
        let reasons: Vec<String> = attrition.reasons.iter().map(|(why, rows)| format!("{why}: {rows}")).collect();
        format!(
            "note: of {} given rows of `{}`, {unused} were not used: {}",
            attrition.read,
            source.name,
            reasons.join(", ")
        )
    })
}

/// Watches nothing.
#[derive(Default)]
struct Quiet {
    publishing: Publishing,
}

impl Watch for Quiet {
    fn publishing(&self) -> &Publishing {
        &self.publishing
    }
}

/// A folder that is removed with everything in it when it is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a folder that did not exist, for this user alone.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(path: PathBuf) -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// An empty folder in it.
    ///
    /// # Errors
    /// What the system says.
    pub fn inner(&self, name: &str) -> std::io::Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::create_dir(&path)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind lies in the system's folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
