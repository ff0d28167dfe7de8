//! The cohort triangle: what is left of each cohort at each offset, from the changes of its customers.

use jiff::civil;
use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::calendar::{Periods, date_lit};
use crate::expr::dims::{cols_of, int};
use crate::expr::steps::{first_of_series, series_number};

/// What is retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Paying customers.
    Customers,
    /// Revenue without what customers added after entry.
    GrossRevenue,
    /// Revenue.
    NetRevenue,
}

/// Every measure, in the order of the output.
pub const MEASURES: [Measure; 3] = [Measure::Customers, Measure::GrossRevenue, Measure::NetRevenue];

impl Measure {
    /// The name used in the pipeline file and in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::GrossRevenue => "gross_revenue",
            Self::NetRevenue => "net_revenue",
        }
    }

    /// Columns of a cell with what is retained and of how much.
    pub fn columns(self) -> (&'static str, &'static str) {
        match self {
            Self::Customers => ("customers", "customers_base"),
            Self::GrossRevenue => ("gross", "revenue_base"),
            Self::NetRevenue => ("net", "revenue_base"),
        }
    }
}

/// How customers form cohorts and how far they are followed.
#[derive(Clone, Debug)]
pub struct Cohorts {
    /// Periods of cohorts and offsets.
    pub periods: Periods,
    /// Index of the period that contains `as_of`.
    pub last: i32,
    /// Index of the last period that is over at `as_of`.
    pub last_complete: i32,
    /// Last offset.
    pub horizon: i32,
    /// Cohorts by the value of this dimension at entry instead of by period.
    pub dimension: Option<String>,
    /// Cohorts by a date of the customer instead of the first payment: the columns of [`Births`].
    pub born: Option<Births>,
    /// Column of the balance: `mrr_after`, or `constant_after` for amounts at constant exchange rates.
    pub value: &'static str,
    /// Retained means paying then or later.
    pub unbounded: bool,
    /// Gross revenue never rises again.
    pub ratchet: bool,
}

/// Where the date comes from that makes the cohort.
#[derive(Clone, Debug)]
pub struct Births {
    /// Source with one row per customer.
    pub from: String,
    /// Its customer column.
    pub customer: String,
    /// Its date column.
    pub date: String,
    /// Currency in which the customer is counted.
    pub currency: Expr,
    /// Last day that counts: later dates are not known yet.
    pub until: civil::Date,
}

/// The triangle and its margins. All counts and amounts are `Int64`.
pub struct Cells {
    /// One row per currency, cohort and offset.
    pub cells: LazyFrame,
    /// One row per currency and offset: sums over the cohorts that are mature there.
    pub total: LazyFrame,
}

const VALUES: [&str; 3] = ["customers", "gross", "net"];

impl Cohorts {
    /// Changes of the three values by `currency`, `cohort` (of a dimension, else NULL), `origin` (index of the
    /// period of entry) and offset `k`; `births` is the source named by [`Births`].
    pub fn changes_by_cell(&self, ledger: &LazyFrame, births: Option<LazyFrame>) -> LazyFrame {
        let (states, _) = self.states(ledger, births);
        let keys = cols_of(&["currency", "cohort", "origin", "k"]);
        self.changes(states).group_by(keys).agg(VALUES.map(|v| col(v).sum()))
    }

    /// Size and revenue at entry (`size`, `revenue_base`) by `currency`, `cohort` and `origin`.
    pub fn bases(&self, ledger: &LazyFrame, births: Option<LazyFrame>) -> LazyFrame {
        let (_, entries) = self.states(ledger, births);
        entries
            .group_by(cols_of(&["currency", "cohort", "origin"]))
            .agg([len().cast(DataType::Int64).alias("size"), col("entry").sum().alias("revenue_base")])
    }

    /// Whether a pass over the ledger finds changes and bases: nothing but the ledger decides them.
    pub fn has_pass(&self) -> bool {
        self.born.is_none() && !self.unbounded
    }

    /// The triangle of [`Cohorts::changes_by_cell`] and [`Cohorts::bases`].
    ///
    /// Columns: `currency`, `is_total`, `cohort` (`Date`, or text for a dimension), `cohort_size`,
    /// `period_offset`, `period_start`, `is_mature`, `customers`, `gross`, `net`, `customers_base`,
    /// `revenue_base`. Offset 0 of a first payment is the entry itself, so that nothing is lost
    /// before it; offset k is the end of the k-th period after.
    ///
    /// # Errors
    /// When Polars refuses to build the plan.
    pub fn cells(&self, changes: &LazyFrame, bases: &LazyFrame) -> PolarsResult<Cells> {
        let triangle = self.triangle(changes, bases)?;
        let mature = triangle.clone().filter(col("is_mature"));
        let sums = |rows: LazyFrame, keys: &[&str]| {
            let mut out = VALUES.map(|v| col(v).sum()).to_vec();
            out.extend([col("customers_base").sum(), col("revenue_base").sum()]);
            rows.group_by(cols_of(keys)).agg(out)
        };
        let sizes = |keys: &[&str]| bases.clone().group_by(cols_of(keys)).agg([col("size").sum().alias("cohort_size")]);
        let cohort_type = if self.dimension.is_some() { DataType::String } else { DataType::Date };
        let total = self.spanning(
            sums(mature.clone(), &["currency", "period_offset"]),
            sizes(&["currency"]),
            &["currency"],
            true,
            lit(NULL).cast(cohort_type),
        );
        let cells = if self.dimension.is_some() {
            self.spanning(
                sums(mature, &["currency", "cohort", "period_offset"]),
                sizes(&["currency", "cohort"]),
                &["currency", "cohort"],
                false,
                col("cohort"),
            )
        } else {
            triangle.with_columns([
                lit(false).alias("is_total"),
                self.periods.start(col("origin")).alias("cohort"),
                self.periods.start(col("origin") + col("period_offset").cast(DataType::Int32)).alias("period_start"),
            ])
        };
        Ok(Cells { cells: cells.select(cols_of(&CELL)), total: total.select(cols_of(&CELL)) })
    }

    /// The customers of the cells, and their part in each.
    ///
    /// One row per customer of a cohort: `customer_id`, `currency`, `cohort`, `origin` (index of the
    /// period of entry), `entry` (its part of the base of revenue), and at the offset `customers`
    /// (0 or 1), `gross` and `net`; `cumulative` is `net` summed over the offsets up to there. The
    /// cells of [`Cohorts::cells`] at that offset are the sums of these rows.
    ///
    /// # Errors
    /// When Polars refuses to build the plan.
    pub fn members(&self, ledger: &LazyFrame, births: Option<LazyFrame>, offset: i32) -> PolarsResult<LazyFrame> {
        let (states, entries) = self.states(ledger, births);
        let so_far = (lit(offset) - col("k") + lit(1)).cast(DataType::Int64) * col("net");
        let key = if self.born.is_none() { cols_of(&["series"]) } else { cols_of(&["customer_id", "currency"]) };
        let changes = self.changes(states).filter(col("k").lt_eq(lit(offset))).group_by(key.clone()).agg([
            col("customers").sum(),
            col("gross").sum(),
            so_far.sum().alias("cumulative"),
            col("net").sum(),
        ]);
        let at_start = |value: Expr| if self.born.is_none() { value } else { int(0) };
        let filled = |name: &str| col(name).fill_null(int(0));
        Ok(entries.join(changes, key.clone(), key, JoinArgs::new(JoinType::Left)).with_columns([
            (filled("customers") + at_start(int(1))).alias("customers"),
            (filled("gross") + at_start(col("entry"))).alias("gross"),
            (filled("net") + at_start(col("entry"))).alias("net"),
            (filled("cumulative") + at_start(col("entry") * int(i64::from(offset) + 1))).alias("cumulative"),
        ]))
    }

    /// The customers of a cell, as a condition on the rows of [`Cohorts::members`].
    ///
    /// A row over several periods of entry holds the mature ones only.
    pub fn of_cell(&self, cohort: Option<Expr>, offset: i32) -> Expr {
        let mature = (col("origin") + lit(offset)).lt_eq(lit(self.last_complete));
        match (cohort, &self.dimension) {
            (None, _) => mature,
            (Some(value), Some(_)) => mature.and(col("cohort").eq(value)),
            (Some(day), None) => self.periods.start(col("origin")).eq(day),
        }
    }

    /// State of each series at its points, and who entered when: `customer_id`, `series`, `currency`,
    /// `cohort`, `origin` and `entry`, one row per customer of a cohort. `series` is missing for cohorts of births.
    fn states(&self, ledger: &LazyFrame, births: Option<LazyFrame>) -> (LazyFrame, LazyFrame) {
        let forward = |e: Expr| e.fill_null_with_strategy(FillNullStrategy::Forward(None));
        let at_entry = |name: &str| forward(when(first_of_series()).then(col(name)).otherwise(lit(NULL)));
        let cohort = match &self.dimension {
            Some(d) => at_entry(d),
            None => lit(NULL).cast(DataType::String),
        };
        let rows = ledger
            .clone()
            .filter(col("kind").neq(lit("transfer_in")).and(col("kind").neq(lit("transfer_out"))))
            .with_column(series_number())
            .with_columns([
                self.periods.index(col("effective_on")).alias("period"),
                self.periods.index(col("first_paid_on")).alias("origin"),
                at_entry(self.value).alias("entry"),
                cohort.alias("cohort"),
            ]);
        let Some((spec, births)) = self.born.as_ref().zip(births) else {
            let entries = rows.clone().filter(col("kind").eq(lit("new"))).select(cols_of(&[
                "customer_id",
                "series",
                "currency",
                "cohort",
                "origin",
                "entry",
            ]));
            let offset = col("period") - col("origin");
            let offset = when(offset.clone().lt(lit(1))).then(lit(1)).otherwise(offset);
            return (rows.with_column(offset.alias("k")), entries);
        };
        let born = births.filter(col(spec.date.as_str()).lt_eq(date_lit(spec.until))).select([
            col(spec.customer.as_str()).alias("customer_id"),
            spec.currency.clone().alias("currency"),
            self.periods.index(col(spec.date.as_str())).alias("origin"),
        ]);
        let key = cols_of(&["customer_id", "currency"]);
        let offset = col("period") - col("origin");
        let offset = when(offset.clone().lt(lit(0))).then(lit(0)).otherwise(offset);
        let rows = rows
            .drop(by_name(["origin"], true, false))
            .join(born.clone(), key.clone(), key, JoinArgs::new(JoinType::Inner))
            .with_column(offset.alias("k"))
            .sort(["series", "effective_on", "sequence"], SortMultipleOptions::default());
        // What counts against the base of revenue is what the customer pays at the end of its first period.
        let last_of_first =
            col("series").neq_missing(col("series").shift(lit(-1))).or(col("k").shift(lit(-1)).gt(lit(0)));
        let first_amounts = rows.clone().filter(last_of_first.and(col("k").eq(lit(0)))).select([
            col("series"),
            col("customer_id"),
            col("currency"),
            col(self.value).alias("entry"),
        ]);
        // Who comes back too late to be reactivated has several series, and is born once.
        let key = cols_of(&["customer_id", "currency"]);
        let paid = first_amounts.clone().group_by(key.clone()).agg([col("entry").sum()]);
        let entries = born
            .join(paid, key.clone(), key, JoinArgs::new(JoinType::Left))
            .with_columns([col("entry").fill_null(int(0)), lit(NULL).cast(DataType::String).alias("cohort")]);
        let rows = rows
            .drop(by_name(["entry"], true, false))
            .join(
                first_amounts.select(cols_of(&["series", "entry"])),
                [col("series")],
                [col("series")],
                JoinArgs::new(JoinType::Left),
            )
            .with_column(col("entry").fill_null(int(0)))
            .sort(["series", "effective_on", "sequence"], SortMultipleOptions::default());
        (rows, entries)
    }

    /// Changes of the three values per series and offset.
    fn changes(&self, states: LazyFrame) -> LazyFrame {
        let last_of_step =
            col("series").neq_missing(col("series").shift(lit(-1))).or(col("k").neq_missing(col("k").shift(lit(-1))));
        let kept = states.filter(col("period").lt_eq(lit(self.last))).filter(last_of_step);
        let capped = if self.ratchet {
            // The lowest amount of the series so far.
            let low = col(self.value).cum_min(false).over([col("series")]).unwrap_or_else(|_| col(self.value));
            when(low.clone().lt(col("entry"))).then(low).otherwise(col("entry"))
        } else {
            when(col(self.value).lt(col("entry"))).then(col(self.value)).otherwise(col("entry"))
        };
        let from_entry = self.born.is_none();
        let start = |value: Expr| if from_entry { value } else { int(0) };
        let active = |e: Expr| when(e.gt(int(0))).then(lit(1)).otherwise(lit(0)).cast(DataType::Int64);
        let valued = kept.with_columns([
            active(col(self.value)).alias("customers"),
            capped.alias("gross"),
            col(self.value).alias("net"),
        ]);
        let before = |name: &str, first: Expr| when(first_of_series()).then(first).otherwise(col(name).shift(lit(1)));
        let changed = valued.with_columns([
            (col("customers") - before("customers", start(int(1)))).alias("customers"),
            (col("gross") - before("gross", start(col("entry")))).alias("gross"),
            (col("net") - before("net", start(col("entry")))).alias("net"),
        ]);
        let changed = if self.unbounded { self.unbounded(changed) } else { changed };
        changed.filter(col("k").lt_eq(lit(self.horizon)))
    }

    /// Only the final departure of a customer counts; whoever comes back was there all the time.
    fn unbounded(&self, changed: LazyFrame) -> LazyFrame {
        // A visit that no period's end sees is neither an arrival nor a departure.
        // Read twice from here on: marked, because the optimiser fails on finding that by itself.
        let changed = changed.filter(col("customers").neq(int(0))).cache();
        let last_row = col("series").neq_missing(col("series").shift(lit(-1)));
        let left = changed
            .clone()
            .filter(last_row)
            .filter(col(self.value).eq(int(0)))
            .with_column(lit(-1).cast(DataType::Int64).alias("customers"));
        if self.born.is_none() {
            return left;
        }
        // Whoever pays at the end of some period is there from offset 0 on.
        let came = changed
            .filter(col(self.value).gt(int(0)))
            .unique_stable(Some(by_name(["series"], true, false)), UniqueKeepStrategy::First)
            .with_columns([lit(1).cast(DataType::Int64).alias("customers"), lit(0).cast(DataType::Int32).alias("k")]);
        let both = col("series");
        let left =
            left.join(came.clone().select([both.clone()]), [both.clone()], [both], JoinArgs::new(JoinType::Semi));
        concat([came, left], UnionArgs::default()).unwrap_or_default()
    }

    /// Running values per group on the full rectangle of offsets.
    fn triangle(&self, changes: &LazyFrame, bases: &LazyFrame) -> PolarsResult<LazyFrame> {
        let group = ["currency", "cohort", "origin"];
        let mut keys = group.to_vec();
        keys.push("k");
        let mut left = JoinArgs::new(JoinType::Left);
        left.nulls_equal = true;
        let from_entry = self.born.is_none();
        let at_entry =
            |value: Expr| if from_entry { when(col("k").eq(lit(0))).then(value).otherwise(int(0)) } else { int(0) };
        let values = [("customers", "size"), ("gross", "revenue_base"), ("net", "revenue_base")];
        let offsets = int_ranges(int(0), int(i64::from(self.horizon) + 1), int(1), DataType::Int64);
        Ok(bases
            .clone()
            .with_column(offsets.alias("k"))
            .explode(by_name(["k"], true, false), ExplodeOptions { empty_as_null: false, keep_nulls: false })
            .with_column(col("k").cast(DataType::Int32))
            .join(changes.clone(), cols_of(&keys), cols_of(&keys), left)
            .with_columns(values.map(|(v, base)| (col(v).fill_null(int(0)) + at_entry(col(base))).alias(v)))
            .sort(keys, SortMultipleOptions::default())
            .with_columns(
                VALUES
                    .iter()
                    .map(|v| Ok(col(*v).cum_sum(false).over(cols_of(&group))?.alias(*v)))
                    .collect::<PolarsResult<Vec<_>>>()?,
            )
            .with_columns([
                col("k").cast(DataType::Int64).alias("period_offset"),
                (col("origin") + col("k")).lt_eq(lit(self.last_complete)).alias("is_mature"),
                col("size").alias("customers_base"),
                col("size").alias("cohort_size"),
            ]))
    }

    /// Sums over several entry periods, on the full range of offsets.
    fn spanning(&self, sums: LazyFrame, sizes: LazyFrame, keys: &[&str], is_total: bool, cohort: Expr) -> LazyFrame {
        let offsets = int_ranges(int(0), int(i64::from(self.horizon) + 1), int(1), DataType::Int64);
        let mut on = keys.to_vec();
        on.push("period_offset");
        let mut left = JoinArgs::new(JoinType::Left);
        left.nulls_equal = true;
        let filled = ["customers", "gross", "net", "customers_base", "revenue_base"].map(|v| col(v).fill_null(int(0)));
        sizes
            .with_column(offsets.alias("period_offset"))
            .explode(
                by_name(["period_offset"], true, false),
                ExplodeOptions { empty_as_null: false, keep_nulls: false },
            )
            .join(sums, cols_of(&on), cols_of(&on), left)
            .with_column(col("customers_base").is_not_null().alias("is_mature"))
            .with_columns(filled)
            .with_columns([
                lit(is_total).alias("is_total"),
                cohort.alias("cohort"),
                lit(NULL).cast(DataType::Date).alias("period_start"),
            ])
    }
}

/// Columns of a cell, in order.
const CELL: [&str; 12] = [
    "currency",
    "is_total",
    "cohort",
    "cohort_size",
    "period_offset",
    "period_start",
    "is_mature",
    "customers",
    "gross",
    "net",
    "customers_base",
    "revenue_base",
];
