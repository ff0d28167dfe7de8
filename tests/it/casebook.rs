//! The pages of the metrics as tests: every case on a page is run and compared, and what a page
//! says about keys, columns and identities is what the metric has.
//!
//! A case is a section `## Case: ..` with a partial pipeline in YAML, `### Given` tables of source
//! rows and `### Expect` tables of all rows of a published table, in order, with any of its
//! columns. In a given row, `c01..c12` stands for twelve rows. There is no mode that writes
//! expectations: whoever changes a number has done the arithmetic. A metric with many options has
//! further cases in `src/metrics/<metric>/cases/*.md`, pages that hold nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde_json::Value;
use tenure::engine::Status;
use tenure::metrics::{MetricType, REGISTRY};
use tenure::schema::{Column, ColumnType, TableSchema};

use crate::support::{Grid, NULL, Planned, Ran, plan, scaled};

/// Headings of a page before its cases, in order.
const HEADINGS: [&str; 7] =
    ["Definition", "Parameters", "Inputs", "Output", "Edge cases", "Identities checked in every run", "Source"];

macro_rules! pages {
    ($($name:ident),+ $(,)?) => {
        const TESTED: &[&str] = &[$(stringify!($name)),+];
        $(
            #[test]
            fn $name() {
                cases_hold(stringify!($name));
            }
        )+
    };
}

pages! {
    active_users, churn, cohort_retention, committed_mrr, expansion, ltv, mrr_ledger, mrr_movements, nps, renewals,
    revenue_retention, sql, usage_cohorts
}

fn cases_hold(metric: &str) {
    let page = Page::of(tenure::metrics::find(metric).unwrap());
    let wrong: Vec<String> = page
        .cases
        .iter()
        .filter_map(|case| case.check().err().map(|why| format!("## Case: {}\n\n{why}", case.title)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases of `{metric}` fail\n\n{}",
        wrong.len(),
        page.cases.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn every_metric_has_a_page_and_a_test() {
    let names: Vec<&str> = REGISTRY.iter().map(|m| m.name).collect();
    assert_eq!(names, TESTED, "name the metric in `pages!`");
    assert!(names.is_sorted() && names.iter().collect::<BTreeSet<_>>().len() == names.len(), "{names:?}");
    for metric in REGISTRY {
        assert!(metric.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", metric.name);
        let page = Page::of(metric);
        assert_eq!(page.title, metric.name);
        let summary = metric.summary();
        assert!(
            summary.ends_with('?') && !summary.contains('`') && summary.len() < 160,
            "{}: `{summary}`",
            metric.name
        );
        assert_eq!(page.headings, HEADINGS, "{}", metric.name);
        assert!(page.cases.len() >= 2, "{} has {} cases", metric.name, page.cases.len());
        let titles: BTreeSet<&str> = page.cases.iter().map(|c| c.title.as_str()).collect();
        assert_eq!(titles.len(), page.cases.len(), "{}: two cases have one title", metric.name);
        let sourced = page.section("Source").any(|b| matches!(b, Block::Item(text) if text.contains("https://")));
        assert!(sourced, "{}: no source with an address", metric.name);
    }
}

#[test]
fn parameters_of_the_pages_are_the_keys_of_the_metrics() {
    for metric in REGISTRY {
        let schema = (metric.schema)();
        let mut keys = BTreeSet::new();
        keys_of(&schema, &schema, "", &mut keys);
        let page = Page::of(metric);
        let table = page.section("Parameters").find_map(Block::grid).unwrap();
        assert_eq!(table.header, ["key", "type", "default", "meaning"], "{}", metric.name);
        let told: Vec<String> = table.rows.iter().map(|r| bare(&r[0]).to_owned()).collect();
        assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), keys, "{}", metric.name);
        assert_eq!(told.len(), keys.len(), "{}: a key is listed twice", metric.name);
    }
}

#[test]
fn outputs_of_the_pages_are_the_columns_of_the_metrics() {
    let mut wrong = Vec::new();
    for metric in REGISTRY {
        let page = Page::of(metric);
        let promised = page.outputs();
        assert!(!promised.is_empty(), "{}: no table under Output", metric.name);
        let mut whole = vec![false; promised.len()];
        for (case, schema) in page.schemas(metric) {
            let fits: Vec<Result<bool, String>> = promised.iter().map(|p| p.fits(&schema)).collect();
            for (whole, fit) in whole.iter_mut().zip(&fits) {
                *whole |= *fit == Ok(true);
            }
            if fits.iter().all(Result::is_err) {
                let why: Vec<String> = fits.into_iter().filter_map(Result::err).collect();
                wrong.push(format!("{}, case `{case}`: {}", metric.name, why.join("; ")));
            }
        }
        if whole.contains(&false) {
            wrong.push(format!("{}: no case has all columns of an output table: {whole:?}", metric.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn identities_of_the_pages_are_those_that_are_checked() {
    for metric in REGISTRY {
        let page = Page::of(metric);
        let told: BTreeSet<String> = page
            .section("Identities checked in every run")
            .filter_map(|b| match b {
                Block::Item(text) => Some(text.split('`').nth(1).unwrap_or_default().to_owned()),
                _ => None,
            })
            .collect();
        let mut checked = BTreeSet::new();
        for case in &page.cases {
            let ran = case.run().unwrap();
            let tables = ran.outcome.tables.iter().filter(|t| t.ty == metric.name);
            checked.extend(tables.flat_map(|t| &t.checks).map(|c| c.name.to_owned()));
        }
        assert_eq!(told, checked, "{}", metric.name);
    }
}

#[test]
fn nothing_in_gives_nothing_out() {
    for case in REGISTRY.iter().flat_map(|m| Page::of(m).cases) {
        let empty = Case { given: case.given.iter().map(|(n, g)| (n.clone(), g.emptied())).collect(), ..case };
        let ran = empty.run().unwrap_or_else(|e| panic!("{}: {e}", empty.title));
        assert_eq!(ran.outcome.status, Status::Succeeded, "{}: {:?}", empty.title, ran.broken());
        for table in &ran.plan.tables {
            let found = ran.table(&table.name).unwrap();
            assert_eq!(found.header, table.schema.names().collect::<Vec<_>>(), "{}: {}", empty.title, table.name);
            assert_eq!(found.rows, Vec::<Vec<String>>::new(), "{}: {}", empty.title, table.name);
        }
    }
}

/// Every case of every page that publishes something, with what it published.
pub fn runs() -> Vec<(String, Ran)> {
    let cases = REGISTRY.iter().flat_map(|m| Page::of(m).cases.into_iter().map(move |c| (m.name, c)));
    let ran =
        cases.filter(|(_, c)| c.rejected.is_empty()).map(|(m, c)| (format!("{m}: {}", c.title), c.run().unwrap()));
    ran.collect()
}

/// A page, taken apart.
struct Page {
    title: String,
    /// Second-level headings other than those of cases.
    headings: Vec<String>,
    /// Every block with the second-level heading above it.
    blocks: Vec<(String, Block)>,
    cases: Vec<Case>,
}

/// A piece of Markdown; inline code keeps its backticks.
#[derive(Clone, Debug)]
enum Block {
    Heading(HeadingLevel, String),
    Paragraph(String),
    Item(String),
    Code(String, String),
    Table(Grid),
}

impl Block {
    fn grid(&self) -> Option<&Grid> {
        match self {
            Self::Table(grid) => Some(grid),
            _ => None,
        }
    }
}

/// A case of a page.
#[derive(Default)]
struct Case {
    title: String,
    yaml: String,
    given: BTreeMap<String, Grid>,
    expect: Vec<(String, Grid)>,
    rejected: Vec<String>,
}

impl Page {
    fn of(metric: &MetricType) -> Self {
        let mut page = Self { title: String::new(), headings: Vec::new(), blocks: Vec::new(), cases: Vec::new() };
        page.add(metric.name, metric.page);
        let (title, headings) = (page.title.clone(), page.headings.len());
        for more in further_cases(metric.name) {
            page.add(metric.name, &more);
            assert_eq!(page.headings.len(), headings, "{}: `{}` holds more than cases", metric.name, page.title);
        }
        page.title = title;
        page
    }

    fn add(&mut self, metric: &str, text: &str) {
        let mut under = String::new();
        let mut last_heading = String::new();
        for block in blocks(text) {
            match &block {
                Block::Heading(HeadingLevel::H1, text) => self.title.clone_from(text),
                Block::Heading(HeadingLevel::H2, text) => {
                    under.clone_from(text);
                    match text.strip_prefix("Case: ") {
                        Some(title) => self.cases.push(Case { title: title.to_owned(), ..Case::default() }),
                        None => self.headings.push(text.clone()),
                    }
                }
                Block::Heading(_, text) => {
                    last_heading.clone_from(text);
                    if let (Some(case), Some(name)) = (self.cases.last_mut(), text.strip_prefix("Expect rejected ")) {
                        case.rejected.push(bare(name).to_owned());
                    }
                }
                _ if !under.starts_with("Case: ") => {}
                _ => {
                    let case = self.cases.last_mut().unwrap();
                    case.take(&last_heading, &block).unwrap_or_else(|e| panic!("{metric}, `{}`: {e}", case.title));
                }
            }
            self.blocks.push((under.clone(), block));
        }
    }

    fn section<'a>(&'a self, heading: &'a str) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(move |(under, _)| under == heading).map(|(_, block)| block)
    }

    /// The tables under Output, each with the grain named above it.
    fn outputs(&self) -> Vec<Output> {
        let mut grain = Vec::new();
        let mut out = Vec::new();
        for block in self.section("Output") {
            match block {
                Block::Paragraph(text) => {
                    let sentence =
                        text.split("Grain: ").nth(1).unwrap_or_default().split(". ").next().unwrap_or_default();
                    grain = sentence.split('`').skip(1).step_by(2).map(str::to_owned).collect();
                }
                Block::Table(grid) => out.push(Output { grain: std::mem::take(&mut grain), grid: grid.clone() }),
                _ => {}
            }
        }
        out
    }

    /// Schemas of the tables of this metric in all cases.
    fn schemas(&self, metric: &MetricType) -> Vec<(String, TableSchema)> {
        let mut out = Vec::new();
        for case in &self.cases {
            let planned = case.plan().unwrap_or_else(|e| panic!("{}, `{}`: {e}", metric.name, case.title));
            let tables = planned.plan.tables.into_iter().filter(|t| t.ty == metric.name);
            out.extend(tables.map(|t| (case.title.clone(), t.schema)));
        }
        out
    }
}

/// A table under Output.
struct Output {
    grain: Vec<String>,
    grid: Grid,
}

impl Output {
    /// Whether the schema has all columns told; an error where it has others, or lacks one that is always there.
    fn fits(&self, schema: &TableSchema) -> Result<bool, String> {
        let told: BTreeSet<&str> = self.grid.rows.iter().map(|r| bare(&r[0])).collect();
        let mut columns = schema.columns.iter().peekable();
        let mut whole = true;
        for row in &self.grid.rows {
            let name = bare(&row[0]);
            let matches = |c: &&Column| match name {
                "<column>" => true,
                "<dimension>" => !told.contains(c.name.as_str()) && !c.name.starts_with("offset_"),
                _ => match name.split_once('<').and_then(|(start, rest)| Some((start, rest.split_once('>')?.1))) {
                    Some((start, end)) => c.name.starts_with(start) && c.name.ends_with(end),
                    None => c.name == name,
                },
            };
            let mut found = 0;
            while let Some(column) = columns.next_if(matches) {
                found += 1;
                let types = row[1].split(" or ").collect::<Vec<_>>();
                let type_fits = types.contains(&column.ty.name());
                // The columns of a query have the units that its table gives them.
                if !type_fits || (row[2] != column.unit && name != "<column>") {
                    return Err(format!("`{}` is {} in `{}`", column.name, column.ty, column.unit));
                }
                if !name.contains('<') {
                    break;
                }
            }
            let may_lack = name == "<dimension>" || row[3].starts_with("Only with ");
            if found == 0 && !may_lack {
                return Err(format!("`{name}` is not where the page has it"));
            }
            whole &= found > 0;
        }
        if let Some(column) = columns.next() {
            return Err(format!("`{}` is not on the page", column.name));
        }
        let mut grain = schema.grain.iter().peekable();
        for name in &self.grain {
            let optional = self.grid.rows.iter().any(|r| bare(&r[0]) == name && r[3].starts_with("Only with "));
            if name == "<column>" {
                while grain.next().is_some() {}
            } else if name == "<dimension>" {
                while grain.next_if(|g| !told.contains(g.as_str())).is_some() {}
            } else if grain.next_if_eq(&name).is_none() && !optional {
                return Err(format!("the grain is {:?}", schema.grain));
            }
        }
        if grain.next().is_some() { Err(format!("the grain is {:?}", schema.grain)) } else { Ok(whole) }
    }
}

impl Case {
    fn take(&mut self, heading: &str, block: &Block) -> Result<(), String> {
        match block {
            Block::Code(language, text) if language == "yaml" && self.yaml.is_empty() => self.yaml.clone_from(text),
            Block::Code(..) => return Err("more than one block of code".to_owned()),
            // Tables of the prose stand above the pipeline.
            Block::Table(grid) if !self.yaml.is_empty() => {
                if let Some(name) = heading.strip_prefix("Given ") {
                    self.given.insert(bare(name).to_owned(), expanded(grid));
                } else if let Some(name) = heading.strip_prefix("Expect ") {
                    self.expect.push((bare(name).to_owned(), grid.clone()));
                } else {
                    return Err(format!("a table under `{heading}`"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The pipeline with what every case has in common, and the paths of the sources.
    fn pipeline(&self) -> String {
        let mut out = String::from("version: 1\npipeline: case\nroot: out\n");
        for (key, line) in [("timezone:", "timezone: UTC\n"), ("currency:", "currency: USD\n")] {
            if !self.yaml.lines().any(|l| l.starts_with(key)) {
                out.push_str(line);
            }
        }
        let mut section = "";
        for line in self.yaml.lines() {
            if !line.starts_with(' ') {
                section = line;
            }
            let _ = writeln!(out, "{line}");
            let name = line.strip_prefix("  ").and_then(|l| l.strip_suffix(':')).filter(|l| !l.starts_with(' '));
            if let (Some(name), "sources:") = (name, section) {
                let _ = writeln!(out, "    path: {name}.parquet");
            }
        }
        out
    }

    fn plan(&self) -> Result<Planned, String> {
        plan(&self.pipeline(), &self.given)
    }

    fn run(&self) -> Result<Ran, String> {
        self.plan()?.run()
    }

    fn check(&self) -> Result<(), String> {
        if self.expect.is_empty() && self.rejected.is_empty() {
            return Err("nothing is expected".to_owned());
        }
        let ran = self.run()?;
        // A pass over a ledger gives what the queries give.
        ran.same(&self.plan()?.run_by_queries()?)?;
        if !self.rejected.is_empty() {
            let broken = ran.broken();
            let same = ran.outcome.status == Status::Rejected && broken == self.rejected;
            return if same {
                Ok(())
            } else {
                Err(format!("expected {:?} to be broken, found {broken:?}", self.rejected))
            };
        }
        let mut wrong = Vec::new();
        for (table, expected) in &self.expect {
            let difference = match ran.table(table) {
                Err(why) => Some(why),
                Ok(found) => {
                    let schema = &ran.plan.tables.iter().find(|t| t.name == *table).unwrap().schema;
                    difference(schema, expected, &found)
                }
            };
            wrong.extend(difference.map(|d| format!("### Expect `{table}`\n\n{d}")));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n\n")) }
    }
}

/// Rows as expected and found, unless they agree; `-` marks what was expected, `+` what was found.
fn difference(schema: &TableSchema, expected: &Grid, found: &Grid) -> Option<String> {
    let mut columns = Vec::new();
    for name in &expected.header {
        match (schema.get(name), found.column(name)) {
            (Some(column), Some(at)) => columns.push((column.ty, at)),
            _ => return Some(format!("the table has no column `{name}`")),
        }
    }
    for (row, (cell, (ty, _))) in expected.rows.iter().flat_map(|r| r.iter().zip(&columns).map(move |c| (r, c))) {
        let places = cell.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        if *ty == ColumnType::Float && cell != NULL && places < 2 {
            return Some(format!("`{cell}` in {row:?}: a rate is written with two decimal places or more"));
        }
    }
    let found: Vec<Vec<String>> =
        found.rows.iter().map(|r| columns.iter().map(|(_, at)| r[*at].clone()).collect()).collect();
    let mut out = format!("      {}\n", expected.header.join(" | "));
    let mut differs = false;
    for row in 0..expected.rows.len().max(found.len()) {
        let (wanted, got) = (expected.rows.get(row), found.get(row));
        let same = wanted.zip(got).is_some_and(|(wanted, got)| {
            wanted.iter().zip(got).zip(&columns).all(|((wanted, got), (ty, _))| same(*ty, wanted, got))
        });
        differs |= !same;
        let lines = if same { vec![(' ', wanted)] } else { vec![('-', wanted), ('+', got)] };
        for (mark, cells) in lines {
            if let Some(cells) = cells {
                let _ = writeln!(out, "    {mark} {}", cells.join(" | "));
            }
        }
    }
    differs.then_some(out)
}

/// Whether a value is what was expected: amounts exactly, rates to half of the last place written.
fn same(ty: ColumnType, wanted: &str, got: &str) -> bool {
    if wanted == NULL || got == NULL {
        return wanted == got;
    }
    match ty {
        ColumnType::Money => scaled(wanted, 12).is_some_and(|w| Some(w) == scaled(got, 12)),
        ColumnType::Float => {
            let (Ok(w), Ok(g)) = (wanted.parse::<f64>(), got.parse::<f64>()) else { return false };
            let places = wanted.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            (w - g).abs() <= 0.5 * 0.1_f64.powi(i32::try_from(places).unwrap()) + 1e-12
        }
        _ => wanted == got,
    }
}

/// Rows in which a cell `c01..c12` stands for one row per value.
fn expanded(grid: &Grid) -> Grid {
    let mut rows = Vec::new();
    for row in &grid.rows {
        match row.iter().enumerate().find_map(|(at, cell)| Some((at, range(cell)?))) {
            None => rows.push(row.clone()),
            Some((at, values)) => rows.extend(values.into_iter().map(|value| {
                let mut row = row.clone();
                row[at] = value;
                row
            })),
        }
    }
    Grid { header: grid.header.clone(), rows }
}

/// The values of `c01..c12` or `a..d`.
fn range(cell: &str) -> Option<Vec<String>> {
    let (from, to) = cell.split_once("..")?;
    if let ([a], [b]) = (from.as_bytes(), to.as_bytes()) {
        return Some((*a..=*b).map(|c| char::from(c).to_string()).collect());
    }
    let prefix = from.trim_end_matches(|c: char| c.is_ascii_digit());
    let (from, to) = (from.strip_prefix(prefix)?, to.strip_prefix(prefix)?);
    let (first, last, width) = (from.parse::<u32>().ok()?, to.parse::<u32>().ok()?, from.len());
    Some((first..=last).map(|n| format!("{prefix}{n:0width$}")).collect())
}

/// The pages with further cases of a metric, in order of their names.
fn further_cases(metric: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metrics").join(metric).join("cases");
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.iter().all(|path| path.extension().is_some_and(|e| e == "md")), "{paths:?}");
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// A name without backticks.
fn bare(text: &str) -> &str {
    text.trim().trim_matches('`')
}

/// Keys of a schema with those of the maps below them, dotted; keys that are data are left out.
fn keys_of(root: &Value, schema: &Value, path: &str, out: &mut BTreeSet<String>) {
    if let Some(target) =
        schema.get("$ref").and_then(Value::as_str).and_then(|r| root.pointer(r.trim_start_matches('#')))
    {
        keys_of(root, target, path, out);
    }
    for variants in ["anyOf", "oneOf", "allOf"] {
        for variant in schema.get(variants).and_then(Value::as_array).into_iter().flatten() {
            keys_of(root, variant, path, out);
        }
    }
    for (key, value) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        keys_of(root, value, &key, out);
        out.insert(key);
    }
}

/// The blocks of a page, in order.
fn blocks(page: &str) -> Vec<Block> {
    let mut out = Vec::new();
    let mut text = String::new();
    let mut code = None;
    let mut grid = Grid::default();
    let mut row = Vec::new();
    let mut in_item = false;
    for event in Parser::new_ext(page, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(pulldown_cmark::CodeBlockKind::Fenced(language))) => {
                code = Some(language.to_string());
                text.clear();
            }
            Event::Start(Tag::Table(_)) => grid = Grid::default(),
            Event::Start(Tag::TableHead | Tag::TableRow) => row = Vec::new(),
            Event::Start(Tag::Item) => {
                in_item = true;
                text.clear();
            }
            Event::Start(Tag::Heading { .. } | Tag::Paragraph | Tag::TableCell) => text.clear(),
            Event::Text(part) => text.push_str(&part),
            Event::Code(part) => {
                let _ = write!(text, "`{part}`");
            }
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            Event::End(TagEnd::Heading(level)) => out.push(Block::Heading(level, std::mem::take(&mut text))),
            Event::End(TagEnd::Paragraph) if !in_item => out.push(Block::Paragraph(std::mem::take(&mut text))),
            Event::End(TagEnd::Item) => {
                in_item = false;
                out.push(Block::Item(std::mem::take(&mut text)));
            }
            Event::End(TagEnd::CodeBlock) => {
                out.push(Block::Code(code.take().unwrap_or_default(), std::mem::take(&mut text)));
            }
            Event::End(TagEnd::TableCell) => row.push(std::mem::take(&mut text)),
            Event::End(TagEnd::TableHead) => grid.header = std::mem::take(&mut row),
            Event::End(TagEnd::TableRow) => grid.rows.push(std::mem::take(&mut row)),
            Event::End(TagEnd::Table) => out.push(Block::Table(std::mem::take(&mut grid))),
            _ => {}
        }
    }
    out
}
