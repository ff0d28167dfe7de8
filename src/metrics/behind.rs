//! What stands behind a row of a table: the customers that add up to its cells, and their rows in the ledger.

use std::collections::BTreeMap;

use jiff::civil;
use polars::prelude::*;

use crate::expr::bridge::moves;
use crate::expr::calendar::date_lit;
use crate::expr::dims::{cols_of, int};
use crate::expr::steps::{ValueAt, series_number};
use crate::metrics::Inputs;
use crate::metrics::view::LedgerView;
use crate::schema::{Cell, ColumnType, TableSchema};

/// A row of a table, by column. Money is in whole units.
#[derive(Clone, Debug, Default)]
pub struct Row(pub BTreeMap<String, Cell>);

impl Row {
    /// A text; `None` where it is NULL or no text.
    pub fn text(&self, column: &str) -> Option<&str> {
        match self.0.get(column) {
            Some(Cell::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A date; `None` where it is NULL or no date.
    pub fn date(&self, column: &str) -> Option<civil::Date> {
        match self.0.get(column) {
            Some(Cell::Date(date)) => Some(*date),
            _ => None,
        }
    }

    /// A whole number; `None` where it is NULL or none.
    pub fn int(&self, column: &str) -> Option<i64> {
        match self.0.get(column) {
            Some(Cell::Int(n)) => Some(*n),
            _ => None,
        }
    }

    /// Whether a flag is set.
    pub fn is(&self, column: &str) -> bool {
        self.0.get(column) == Some(&Cell::Bool(true))
    }
}

/// Rows that add up to cells of a table: most often one per customer.
pub struct Behind {
    /// What a row is, in the plural: `customers lost in the period`.
    pub title: String,
    /// The rows; with a column `customer_id` where they belong to customers.
    pub rows: LazyFrame,
    /// The columns to show, in order, with their types.
    pub shown: Vec<(String, ColumnType)>,
    /// What the rows add up to.
    pub adds: Vec<Adds>,
    /// Column of `rows` with the size of a row: the largest magnitude is shown first. `None` keeps the order.
    pub size: Option<&'static str>,
    /// Whether the rows are listed only when a cell that they add up to is asked for.
    pub brief: bool,
    /// The rows of the ledger behind them.
    pub ledger: Option<LedgerRows>,
}

/// An equation between the rows behind a row and one of its cells.
#[derive(Clone, Debug)]
pub struct Adds {
    /// Column of the table.
    pub column: String,
    /// Column of the rows, `Int64`, or `Float64` for a mean; a row in which it is 0 is not behind the cell.
    pub of: String,
    /// How the one follows from the other.
    pub how: How,
}

/// How a cell follows from a column of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// It is the sum.
    Sum,
    /// It is the sum over the sum of this other column.
    Share(String),
    /// It is the mean.
    Mean,
}

/// Rows of a ledger that belong to the customers behind a row.
pub struct LedgerRows {
    /// The ledger.
    pub table: String,
    /// Condition on its rows, beside the customer and the currency.
    pub rows: Expr,
    /// The condition in words.
    pub words: String,
}

/// Rows of a source that belong to customers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Belonging {
    /// The source.
    pub source: String,
    /// Its column that says whose a row is.
    pub column: String,
    /// The column of the first source with the same ids, where `column` names no customer but, say, a subscription.
    pub through: Option<String>,
}

impl Behind {
    /// Customers; the rows need a column `customer_id`.
    pub fn customers(title: impl Into<String>, rows: LazyFrame, shown: &[(&str, ColumnType)]) -> Self {
        let shown = shown.iter().map(|(name, ty)| ((*name).to_owned(), *ty)).collect();
        Self { title: title.into(), rows, shown, adds: Vec::new(), size: None, brief: false, ledger: None }
    }

    /// The rows sum to a cell.
    #[must_use]
    pub fn adds(mut self, column: impl Into<String>, of: impl Into<String>) -> Self {
        self.adds.push(Adds { column: column.into(), of: of.into(), how: How::Sum });
        self
    }

    /// The rows give a share: the sum of one column over that of another.
    #[must_use]
    pub fn shares(mut self, column: impl Into<String>, of: &str, over: &str) -> Self {
        self.adds.push(Adds { column: column.into(), of: of.to_owned(), how: How::Share(over.to_owned()) });
        self
    }

    /// The mean of the rows is a cell.
    #[must_use]
    pub fn means(mut self, column: impl Into<String>, of: &str) -> Self {
        self.adds.push(Adds { column: column.into(), of: of.to_owned(), how: How::Mean });
        self
    }

    /// Shows rows by size.
    #[must_use]
    pub fn by(mut self, size: &'static str) -> Self {
        self.size = Some(size);
        self
    }

    /// Lists the rows only when asked.
    #[must_use]
    pub fn brief(mut self) -> Self {
        self.brief = true;
        self
    }

    /// Names the rows of the ledger.
    #[must_use]
    pub fn ledger(mut self, rows: LedgerRows) -> Self {
        self.ledger = Some(rows);
        self
    }
}

impl LedgerView {
    /// Index of the period of a row.
    pub fn period_of(&self, row: &Row) -> Option<i32> {
        row.date("period_start").map(|day| self.periods().index_of(day))
    }

    /// The part of a frame that belongs to the currency and group of a row.
    pub fn of_row(&self, row: &Row) -> Expr {
        let mut out = col("currency").eq(lit(row.text("currency").unwrap_or_default().to_owned()));
        if !row.is("is_total") {
            for d in self.by() {
                out = out.and(col(d.as_str()).eq(lit(row.text(d).unwrap_or_default().to_owned())));
            }
        }
        out
    }

    /// Rows of steps, with the customer of their series.
    ///
    /// # Errors
    /// When Polars refuses to build the plan.
    pub fn named(&self, inputs: &Inputs, rows: LazyFrame) -> PolarsResult<LazyFrame> {
        let names = self
            .ledger(inputs)?
            .with_column(series_number())
            .select(cols_of(&["series", "customer_id"]))
            .unique(None, UniqueKeepStrategy::Any);
        let key = [col("series")];
        Ok(rows.join(names, key.clone(), key, JoinArgs::new(JoinType::Inner)))
    }

    /// The movements of the periods `first` to `last` in the group of a row, one row per customer,
    /// period and kind: those of the bridge, with `customer_id` and a column `one`.
    ///
    /// # Errors
    /// When Polars refuses to build the plan.
    pub fn moves_of(&self, inputs: &Inputs, row: &Row, first: i32, last: i32) -> PolarsResult<LazyFrame> {
        let moves = moves(&self.steps(inputs)?, &self.of())?;
        self.part_of(inputs, row, moves, (first, last))
    }

    /// The part of movements that belongs to a row and its periods, with the columns of [`Self::moves_of`].
    ///
    /// # Errors
    /// When Polars refuses to build the plan.
    pub fn part_of(
        &self,
        inputs: &Inputs,
        row: &Row,
        moves: LazyFrame,
        (first, last): (i32, i32),
    ) -> PolarsResult<LazyFrame> {
        let rows = moves
            .filter(col("period").gt_eq(lit(first)).and(col("period").lt_eq(lit(last))).and(self.of_row(row)))
            .with_columns([int(1).alias("one"), self.periods().start(col("period")).alias("period_start")]);
        self.named(inputs, rows)
    }

    /// What every customer in the group of a row pays around a period: `opening` after the transfers
    /// at its start, and `closing`; with `opening_one` and `closing_one`, 1 where that is more than 0.
    ///
    /// # Errors
    /// When Polars refuses to build the plan.
    pub fn standing(&self, inputs: &Inputs, row: &Row, period: i32) -> PolarsResult<LazyFrame> {
        let last = |name: &str| col(name).sort_by([col("period")], SortMultipleOptions::default()).last();
        let mut values = vec![last("before").alias("before"), last("after").alias("closing")];
        values.extend(self.by().iter().map(|d| last(d).alias(d.as_str())));
        values.push(col("period").max().alias("at"));
        let one_if = |name: &str| when(col(name).gt(int(0))).then(int(1)).otherwise(int(0));
        let rows = self
            .steps(inputs)?
            .filter(col("period").lt_eq(lit(period)))
            .group_by(cols_of(&["series", "currency"]))
            .agg(values)
            .with_column(when(col("at").eq(lit(period))).then(col("before")).otherwise(col("closing")).alias("opening"))
            .filter(self.of_row(row))
            .with_columns([one_if("opening").alias("opening_one"), one_if("closing").alias("closing_one")]);
        self.named(inputs, rows)
    }

    /// Rows of the ledger that count in the periods `first` to `last`.
    pub fn ledger_rows(&self, first: i32, last: i32) -> LedgerRows {
        let periods = self.periods();
        let day = || col("effective_on");
        let within = |index: Expr| index.clone().gt_eq(lit(first)).and(index.lt_eq(lit(last)));
        let rows = match self.value_at() {
            ValueAt::PeriodEnd if self.transfers() => {
                // A transfer counts in the first period that starts on or after it.
                let moved = col("kind").eq(lit("transfer_in")).or(col("kind").eq(lit("transfer_out")));
                when(moved).then(within(periods.index_on_or_after(day()))).otherwise(within(periods.index(day())))
            }
            ValueAt::PeriodEnd => within(periods.index(day())),
            ValueAt::PeriodStart => within(periods.index_on_or_after(day())),
        };
        let words = format!("from {} to {}", next(self.last_day(first - 1)), self.last_day(last).min(self.as_of()));
        LedgerRows { table: self.from().to_owned(), rows, words }
    }

    /// All rows of the ledger up to a day.
    pub fn ledger_until(&self, day: civil::Date) -> LedgerRows {
        LedgerRows {
            table: self.from().to_owned(),
            rows: col("effective_on").lt_eq(date_lit(day)),
            words: format!("up to {day}"),
        }
    }

    /// Last day whose changes count in the period with that index.
    pub fn last_day(&self, period: i32) -> civil::Date {
        match self.value_at() {
            ValueAt::PeriodEnd => self.periods().start_of(period + 1).saturating_sub(jiff::Span::new().days(1)),
            ValueAt::PeriodStart => self.periods().start_of(period),
        }
    }

    /// Customers that pay when the period of a row opens, or when it closes.
    ///
    /// # Errors
    /// When Polars refuses to build the plan.
    pub fn paying(&self, inputs: &Inputs, row: &Row, period: i32, closes: bool) -> PolarsResult<Behind> {
        let (value, title) = if closes {
            ("closing", "customers that pay at the end of the period")
        } else {
            ("opening", "customers that pay at the start of the period")
        };
        let rows = self.standing(inputs, row, period)?.filter(col(value).gt(int(0)));
        let until = self.last_day(if closes { period } else { period - 1 }).min(self.as_of());
        Ok(Behind::customers(title, rows, &[("customer_id", ColumnType::String), (value, ColumnType::Money)])
            .adds(format!("{value}_mrr"), value)
            .adds(format!("{value}_customers"), format!("{value}_one"))
            .by(value)
            .brief()
            .ledger(self.ledger_until(until)))
    }
}

/// Behind a row of a ledger: the changes of its customer up to it.
pub fn history(schema: &TableSchema, ledger: &LazyFrame, row: &Row) -> Vec<Behind> {
    let (Some(day), Some(sequence)) = (row.date("effective_on"), row.int("sequence")) else { return Vec::new() };
    let customer = match row.0.get("customer_id") {
        Some(Cell::Int(id)) => int(*id),
        Some(Cell::Text(id)) => lit(id.as_str()),
        _ => return Vec::new(),
    };
    let same = col("customer_id").eq(customer).and(col("currency").eq(lit(row.text("currency").unwrap_or_default())));
    let earlier = col("effective_on").lt(date_lit(day));
    let so_far = earlier.or(col("effective_on").eq(date_lit(day)).and(col("sequence").lt_eq(int(sequence))));
    let rows = ledger.clone().filter(same.and(so_far));
    let shown: Vec<(&str, ColumnType)> =
        schema.columns.iter().filter(|c| c.name != "currency").map(|c| (c.name.as_str(), c.ty)).collect();
    vec![Behind::customers("changes of the customer up to this one", rows, &shown).adds("mrr_after", "mrr_delta")]
}

fn next(day: civil::Date) -> civil::Date {
    day.saturating_add(jiff::Span::new().days(1))
}
