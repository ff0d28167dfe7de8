//! Ledgers as books: what `reconcile` compares.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use polars::prelude::*;

use crate::engine::checked::collect_all;
use crate::engine::{EngineError, RunOutcome, SourceOutcome, Status};
use crate::expr::calendar::date_lit;
use crate::expr::dims::{cols_of, int};
use crate::metrics::Inputs;
use crate::plan::{RunPlan, TablePlan};
use crate::reconcile::{Amounts, Book, Kind, Subject, Window};
use crate::sources::{self, Silent};

/// Loaded sources from which ledgers are computed, one after the other.
pub struct Books {
    inputs: Inputs,
    reads: BTreeMap<String, BTreeSet<String>>,
}

impl Books {
    /// Loads what `tables` read of the sources of `plan`. The outcome tells why where a contract was broken.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn load<'a>(
        plan: &RunPlan,
        tables: impl IntoIterator<Item = &'a TablePlan>,
    ) -> Result<Result<Self, RunOutcome>, EngineError> {
        let mut reads: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (source, columns) in tables.into_iter().flat_map(|t| &t.reads) {
            reads.entry(source.clone()).or_default().extend(columns.iter().cloned());
        }
        let wanted: Vec<(usize, Vec<String>)> = plan
            .sources
            .iter()
            .enumerate()
            .filter_map(|(at, source)| Some((at, reads.get(&source.name)?.iter().cloned().collect())))
            .collect();
        let loaded = sources::load(&plan.sources, &wanted, &mut Silent)?;
        if loaded.iter().any(sources::LoadedSource::rejected) {
            let of = |loaded: sources::LoadedSource| {
                let files =
                    plan.sources.iter().find(|s| s.name == loaded.name).map(|s| s.files.as_slice()).unwrap_or_default();
                SourceOutcome {
                    name: loaded.name.clone(),
                    files: files.len(),
                    bytes: files.iter().map(|f| f.bytes).sum(),
                    loaded,
                    quarantine: None,
                }
            };
            let sources = loaded.into_iter().map(of).collect();
            return Ok(Err(RunOutcome { status: Status::Rejected, sources, ..RunOutcome::default() }));
        }
        let mut inputs = Inputs::default();
        for source in loaded {
            inputs.insert(source.name, source.frame.lazy());
        }
        Ok(Ok(Self { inputs, reads }))
    }

    /// Whether everything that the table reads is there.
    #[must_use]
    pub fn covers(&self, table: &TablePlan) -> bool {
        table.reads.iter().all(|(source, columns)| {
            self.reads.get(source).is_some_and(|known| columns.iter().all(|column| known.contains(column)))
        })
    }

    /// The ledger `table` as a book, of all customers or only of some.
    ///
    /// # Errors
    /// What the query engine said.
    pub fn book(&self, table: &TablePlan, window: Window, only: Option<&BTreeSet<&str>>) -> Result<Book, EngineError> {
        self.query(table, window, only).map_err(|e| EngineError::Query {
            action: format!("computing table `{}`", table.name),
            message: e.to_string(),
        })
    }

    fn query(&self, table: &TablePlan, window: Window, only: Option<&BTreeSet<&str>>) -> PolarsResult<Book> {
        // Each step is computed once: a plan that contains them all takes longer to make than to run.
        let mut inputs = self.inputs.clone();
        for name in table.metric.steps() {
            let step = table.metric.step(name, &inputs)?;
            let frame = collect_all(&[step])?.pop().unwrap_or_default();
            inputs.put_step(name, frame.lazy());
        }
        let mut rows = table.metric.query(&inputs)?.with_column(col("customer_id").cast(DataType::String));
        if let Some(only) = only {
            let ids = Column::new("customer_id".into(), only.iter().copied().collect::<Vec<&str>>());
            let ids = DataFrame::new_infer_height(vec![ids])?.lazy();
            rows = rows.join(ids, [col("customer_id")], [col("customer_id")], JoinArgs::new(JoinType::Semi));
        }
        let rows = rows.filter(col("effective_on").lt_eq(date_lit(window.at())));
        let amount = col("mrr_delta").sum().alias("amount");
        let sums = match window {
            Window::Balances { .. } => {
                rows.group_by(cols_of(&["customer_id", "currency"])).agg([amount]).with_columns([
                    lit(NULL).cast(DataType::Date).alias("month"),
                    lit(NULL).cast(DataType::String).alias("kind"),
                ])
            }
            Window::Movements { since, .. } => rows
                .filter(col("effective_on").gt_eq(date_lit(since)))
                .with_column(col("effective_on").dt().month_start().alias("month"))
                .group_by(cols_of(&["customer_id", "currency", "month", "kind"]))
                .agg([amount]),
        };
        let sums = sums.filter(col("amount").neq(int(0))).select([
            col("customer_id"),
            col("currency"),
            col("month").cast(DataType::Int32),
            col("kind"),
            col("amount"),
        ]);
        let frames = collect_all(&[sums])?;
        let Some(frame) = frames.first() else { polars_bail!(ComputeError: "no result") };
        of_frame(frame)
    }
}

fn of_frame(frame: &DataFrame) -> PolarsResult<Book> {
    let (customer, currency) = (frame.column("customer_id")?.str()?, frame.column("currency")?.str()?);
    let (month, kind) = (frame.column("month")?.i32()?, frame.column("kind")?.str()?);
    let amount = frame.column("amount")?.i64()?;
    let mut book = Book::new();
    for row in 0..frame.height() {
        let subject = Subject {
            customer: customer.get(row).unwrap_or_default().to_owned(),
            currency: currency.get(row).unwrap_or_default().to_owned(),
            month: month.get(row).map(|d| Date::constant(1970, 1, 1).saturating_add(jiff::Span::new().days(d))),
        };
        let amount = amount.get(row).unwrap_or(0);
        let cell = book.entry(subject).or_default();
        match kind.get(row) {
            None => cell.add(amount),
            // A transfer moves revenue between values of a dimension, not between customers.
            Some(name) => Kind::of_ledger(name).into_iter().for_each(|kind| cell.add_of(kind, amount)),
        }
    }
    book.retain(|_, amounts: &mut Amounts| !amounts.is_zero());
    Ok(book)
}
