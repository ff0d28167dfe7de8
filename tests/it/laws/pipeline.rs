//! Runs a pipeline over a book, and reads back what it published.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Date32Type, Decimal64Type, Decimal128Type, Float64Type, Int64Type};
use jiff::civil::date;
use jiff::{Timestamp, ToSpan};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::tempdir;
use tenure::diag::{Color, Diagnostics};
use tenure::engine::local::Local;
use tenure::engine::{Engine, Publishing, RunId, RunOutcome, Status, TableState, Watch};
use tenure::plan::{self, Request};
use tenure::sources::{SourceRequest, describe};
use tenure::spec::file::{self, Overrides};

use super::books::{Book, Dimensions};
use super::export::{Layout, PLAIN, export};
use super::table::{Row, Table, Value};

/// What a run published.
#[derive(Debug, Default)]
pub struct Published {
    /// Tables by name.
    pub tables: BTreeMap<String, Table>,
    /// The files themselves.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Input rows of a table by what became of them.
    pub attrition: BTreeMap<String, Vec<(String, u64)>>,
    /// Sources of which no rows were held.
    pub condensed: Vec<String>,
}

impl Published {
    /// The table of that name.
    pub fn table(&self, name: &str) -> &Table {
        self.tables.get(name).unwrap_or_else(|| panic!("no table `{name}` was published"))
    }
}

/// Runs the `tables` section of a pipeline over a book; an error says what was refused.
pub fn run(book: &Book, tables: &str) -> Result<Published, String> {
    run_on(book, tables, PLAIN)
}

/// As [`run`], on exports of a certain layout.
pub fn run_on(book: &Book, tables: &str, layout: Layout) -> Result<Published, String> {
    run_with(book, tables, layout, |_| {})
}

/// As [`run_on`], with more exports that `write` writes into the folder it is given.
pub fn run_with(book: &Book, tables: &str, layout: Layout, write: impl Fn(&Path)) -> Result<Published, String> {
    run_by(book, tables, layout, write, false)
}

/// As [`run`], without any pass: every step comes from its query.
pub fn run_by_queries(book: &Book, tables: &str) -> Result<Published, String> {
    run_by(book, tables, PLAIN, |_| {}, true)
}

fn run_by(
    book: &Book,
    tables: &str,
    layout: Layout,
    write: impl Fn(&Path),
    queries_only: bool,
) -> Result<Published, String> {
    let folder = tempdir().expect("a temporary folder");
    export(book, folder.path(), layout);
    write(folder.path());
    let text = pipeline(book, tables);
    let outcome = outcome(&text, folder.path(), queries_only)?;
    sound(&outcome)?;
    let condensed = outcome.sources.iter().filter(|s| s.loaded.is_condensed).map(|s| s.name.clone()).collect();
    let mut published = Published { condensed, ..Published::default() };
    for table in outcome.tables {
        let TableState::Published { path, .. } = &table.state else {
            return Err(format!("table `{}` is not published: {:?}", table.name, table.state));
        };
        published.tables.insert(table.name.clone(), read(path));
        published.files.insert(table.name.clone(), fs::read(path).expect("a published file"));
        published.attrition.insert(table.name, table.attrition);
    }
    Ok(published)
}

fn outcome(text: &str, folder: &Path, queries_only: bool) -> Result<RunOutcome, String> {
    let mut diags = Diagnostics::new("laws.yml", text);
    let told = |diags: &Diagnostics| format!("the pipeline was refused:\n{}\n{text}", diags.render(Color::Never, None));
    let Some(file) = file::read(text, &Overrides::default(), &mut diags) else { return Err(told(&diags)) };
    let requests: Vec<_> = file
        .sources
        .iter()
        .map(|(name, source)| SourceRequest {
            name: name.to_string(),
            path: folder.join(source.path.as_str()),
            optional: false,
        })
        .collect();
    let described = describe(&requests);
    if !described.problems.0.is_empty() {
        return Err(format!("the exports cannot be read: {:?}", described.problems));
    }
    let request = Request { base: folder.to_owned(), ..Request::default() };
    let Some(plan) = plan::resolve(&file, &described.catalog, &request, &mut diags) else { return Err(told(&diags)) };
    let run = RunId { id: "run".to_owned(), started: Timestamp::UNIX_EPOCH };
    Local { queries_only }
        .run(&plan, &run, &Quiet::default())
        .map_err(|e| format!("the run failed: {}", with_causes(&e)))
}

fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |e| (*e).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Every identity held and every table was computed.
fn sound(outcome: &RunOutcome) -> Result<(), String> {
    let mut text = String::new();
    for source in &outcome.sources {
        if source.loaded.rejected() {
            let _ = writeln!(text, "source `{}` was rejected: {:?}", source.name, source.loaded.violations);
        }
    }
    for table in &outcome.tables {
        if let TableState::Failed { message } = &table.state {
            let _ = writeln!(text, "table `{}` failed: {message}", table.name);
        }
        for check in table.checks.iter().filter(|c| c.broken > 0) {
            let _ = writeln!(
                text,
                "table `{}` breaks `{}`: {} rows, {:?}",
                table.name, check.name, check.broken, check.samples
            );
        }
    }
    if outcome.status == Status::Succeeded && text.is_empty() {
        Ok(())
    } else {
        Err(format!("{:?}\n{text}", outcome.status))
    }
}

/// The pipeline file: what the book says about itself, the sources that `tables` names, and `tables`.
pub fn pipeline(book: &Book, tables: &str) -> String {
    const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let id = if book.numbered { "int" } else { "string" };
    let [reporting, other] = book.currencies;
    let codes = if reporting == other { reporting.to_owned() } else { format!("{reporting}, {other}") };
    let mut text = format!(
        "version: 1\npipeline: laws\ntimezone: Asia/Tokyo\ncurrency: {reporting}\nweek_start: {}\nfiscal_year_start: {}\nas_of: {}\nroot: out\nsources:\n",
        WEEKDAYS[book.week_start as usize], MONTHS[book.fiscal_start as usize], book.as_of,
    );
    let currency = format!("{{type: currency, one_of: [{codes}]}}");
    let money = "{type: money, unit: minor, currency: currency}";
    let sources = [
        (
            "items",
            format!(
                "customer_id: {{type: {id}, not_null: true}}, started_on: {{type: date, not_null: true}}, ended_on: {{type: date}}, \
                 trial_end: {{type: date}}, price: {money}, currency: {currency}, quantity: {{type: int}}, every: {{type: string}}, \
                 every_count: {{type: int}}, reason: {{type: string}}"
            ),
        ),
        (
            "snapshots",
            format!("customer_id: {{type: {id}}}, month: {{type: date}}, mrr: {money}, currency: {currency}"),
        ),
        (
            "customers",
            format!(
                "customer_id: {{type: {id}, unique: true}}, signed_up_on: {{type: date}}, segment: {{type: string}}, country: {{type: string}}"
            ),
        ),
        (
            "versions",
            format!(
                "customer_id: {{type: {id}}}, valid_from: {{type: date}}, segment: {{type: string}}, country: {{type: string}}"
            ),
        ),
        (
            "costs",
            format!(
                "spent_on: {{type: date}}, category: {{type: string}}, amount: {money}, currency: {currency}, segment: {{type: string}}"
            ),
        ),
    ];
    let sources = sources.into_iter().chain([(
        "events",
        format!(
            "user_id: {{type: {id}}}, customer_id: {{type: {id}}}, event: {{type: string}}, app: {{type: string}}, at: {{type: timestamp}}"
        ),
    )]);
    for (name, columns) in sources {
        if tables.contains(&format!("from: {name}")) {
            let _ = writeln!(text, "  {name}:\n    path: {name}/*.parquet\n    columns: {{{columns}}}");
        }
    }
    text.push_str("tables:\n");
    text.push_str(tables);
    text
}

/// The ledger of a book with its attributes.
pub fn ledger(book: &Book) -> String {
    let dimensions = match book.dimensions {
        Dimensions::Fixed => "{from: customers, columns: [segment, country]}",
        Dimensions::History => "{from: versions, columns: [segment, country], valid_from: valid_from}",
        Dimensions::Current => "{from: versions, columns: [segment, country], valid_from: valid_from, value: current}",
    };
    format!("{}    dimensions: {dimensions}\n", plain_ledger("ledger", book))
}

/// The ledger of a book without attributes.
pub fn plain_ledger(name: &str, book: &Book) -> String {
    let inclusive = if book.end_inclusive { "    end_inclusive: true\n" } else { "" };
    let factors =
        if book.factors == "standard" { String::new() } else { format!("    interval_factors: {}\n", book.factors) };
    format!(
        "  {name}:\n    type: mrr_ledger\n    from: items\n    customer: customer_id\n    start: started_on\n    end: ended_on\n{inclusive}    \
         trial_end: trial_end\n    amount: {{price: price, quantity: quantity, interval: every, count: every_count}}\n{factors}    reason: reason\n"
    )
}

#[derive(Default)]
struct Quiet {
    publishing: Publishing,
}

impl Watch for Quiet {
    fn publishing(&self) -> &Publishing {
        &self.publishing
    }
}

/// Reads a published table.
fn read(path: &Path) -> Table {
    let file = File::open(path).expect("a published file");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let columns: Vec<String> = builder.schema().fields().iter().map(|f| f.name().clone()).collect();
    let mut rows = Vec::new();
    for batch in builder.build().expect("a reader") {
        let batch = batch.expect("rows");
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().zip(batch.columns()).map(|(n, c)| (n.clone(), value(c, row))).collect::<Row>());
        }
    }
    Table { columns, rows }
}

fn value(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Value::Text(column.as_string::<i64>().value(row).to_owned()),
        DataType::Utf8View => Value::Text(column.as_string_view().value(row).to_owned()),
        DataType::Date32 => {
            Value::Date(date(1970, 1, 1) + i64::from(column.as_primitive::<Date32Type>().value(row)).days())
        }
        DataType::Decimal64(..) => Value::Money(i128::from(column.as_primitive::<Decimal64Type>().value(row))),
        DataType::Decimal128(..) => Value::Money(column.as_primitive::<Decimal128Type>().value(row)),
        other => panic!("no value of type {other}"),
    }
}
