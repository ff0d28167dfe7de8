//! The text of a pipeline file, read and resolved in this process against the catalog of the sample.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tenure::diag::{Color, Diagnostics, Severity};
use tenure::plan::{Request, resolve};
use tenure::sources::{Catalog, SourceCatalog, SourceRequest, describe};
use tenure::spec::file::{Overrides, read};

use super::damage::{changed, changes, edited, edits};
use super::tree::Tree;
use crate::laws::law;
use crate::process::project;

/// Longest that one text may take, on a busy machine and without optimisation.
const PATIENCE: Duration = Duration::from_secs(20);

/// Mistakes that have no place in the file: what is missing was expected outside of it, or there is no file.
const PLACELESS: &[&str] = &["T0305"];

/// The nightly pipeline.
pub fn nightly() -> String {
    std::fs::read_to_string(project().join("pipelines/nightly.yml")).unwrap()
}

/// The nightly pipeline as a tree.
pub fn nightly_tree() -> Tree {
    let text = nightly();
    let mut diags = Diagnostics::new("p.yml", text.as_str());
    Tree::of(&tenure::spec::tree::parse(&text, &mut diags).unwrap())
}

/// The footers of the sample, read once.
fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        let text = nightly();
        let mut diags = Diagnostics::new("p.yml", text.as_str());
        let file = read(&text, &Overrides::default(), &mut diags).unwrap();
        let base = project().join("pipelines");
        let request = |(name, source): (&_, &tenure::spec::pipeline::SourceSpec)| SourceRequest {
            name: ToString::to_string(name),
            path: base.join(source.path.as_str()),
            optional: false,
        };
        let requests: Vec<SourceRequest> = file.sources.iter().map(request).collect();
        let described = describe(&requests);
        assert!(described.problems.is_empty());
        described.catalog
    })
}

/// What became of a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// A plan.
    Plan,
    /// Messages with these codes.
    Refused(Vec<&'static str>),
}

/// Reads and resolves a text; an answer that breaks a promise is an error.
pub fn answer(text: &str) -> Result<Answer, String> {
    let begun = Instant::now();
    let mut diags = Diagnostics::new("p.yml", text);
    let file = read(text, &Overrides::default(), &mut diags);
    let was_read = file.is_some();
    let plan = file.and_then(|file| {
        // Sources that the sample does not have are found empty; no path of the text is ever looked at.
        let of = |name: &str| {
            let empty = || SourceCatalog { complete: true, ..SourceCatalog::default() };
            (name.to_owned(), catalog().sources.get(name).cloned().unwrap_or_else(empty))
        };
        let catalog = Catalog { sources: file.sources.keys().map(|name| of(name.as_str())).collect() };
        resolve(&file, &catalog, &Request { base: PathBuf::from("/nowhere"), ..Request::default() }, &mut diags)
    });
    let all = diags.sorted();
    let codes: Vec<&'static str> = all.iter().map(|d| d.code.id()).collect();
    if codes.contains(&"T0199") {
        return Err(format!("a fault of tenure: {}", diags.render(Color::Never, None)));
    }
    if !was_read && !diags.has_errors() {
        return Err("not read, and no message says why".to_owned());
    }
    if plan.is_some() == diags.has_errors() {
        return Err(format!("a plan: {}, with messages {codes:?}", plan.is_some()));
    }
    for message in &all {
        let spans = message.span.iter().chain(message.secondary.iter().map(|(span, _)| span));
        for span in spans {
            let sound = span.start <= span.end && span.end <= text.len();
            if !(sound && text.is_char_boundary(span.start) && text.is_char_boundary(span.end)) {
                return Err(format!("{} points to {span:?} of {} bytes", message.code.id(), text.len()));
            }
        }
        if message.span.is_none() && message.severity == Severity::Error && !PLACELESS.contains(&message.code.id()) {
            return Err(format!("{} says not where: {}", message.code.id(), message.title));
        }
        if message.title.contains('\n') && message.code.id() != "T0117" && message.code.id() != "T0118" {
            return Err(format!("{} has a title of several lines: {}", message.code.id(), message.title));
        }
    }
    if diags.to_json().len() != all.len() || diags.render(Color::Always, Some(80)).is_empty() != all.is_empty() {
        return Err("messages are lost when they are shown".to_owned());
    }
    if let Some(plan) = &plan {
        tenure::engine::lower::check_schemas(plan).map_err(|(table, why)| format!("`{table}` {why}"))?;
    }
    if begun.elapsed() > PATIENCE {
        return Err(format!("took {:?}", begun.elapsed()));
    }
    Ok(if plan.is_some() { Answer::Plan } else { Answer::Refused(codes) })
}

#[test]
fn the_nightly_pipeline_is_written_again_as_it_is_read() {
    assert_eq!(answer(&nightly()), Ok(Answer::Plan));
    assert_eq!(answer(&nightly_tree().write()), Ok(Answer::Plan));
}

#[test]
fn a_damaged_tree_is_planned_or_refused() {
    law("damaged tree", 800, changes(), |changes| {
        let text = changed(nightly_tree(), changes).write();
        answer(&text).map(drop).map_err(|why| format!("{why}\n{}", shown(&text)))
    });
}

#[test]
fn a_damaged_text_is_planned_or_refused() {
    law("damaged text", 800, (edits(), changes(), any::<bool>()), |(edits, changes, both)| {
        let tree = if *both { changed(nightly_tree(), changes).write() } else { nightly() };
        let text = edited(tree, edits);
        answer(&text).map(drop).map_err(|why| format!("{why}\n{}", shown(&text)))
    });
}

/// A text that can be printed.
fn shown(text: &str) -> String {
    text.chars().take(20_000).collect()
}
