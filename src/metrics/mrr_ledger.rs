#![doc = include_str!("mrr_ledger.md")]

pub mod changes;
mod components;
mod dimensions;
mod fx;
mod identities;
mod items;
mod resolve;
pub mod spec;

use std::sync::Arc;

use jiff::civil;
use polars::prelude::*;

use changes::Book;

use crate::expr::calendar::date_lit;
use crate::expr::dims::{cols_of, int};
use crate::expr::key::packed;
use crate::expr::condense::{Project, counted_by_case};
use crate::expr::parts::{PARTS, part};
use crate::expr::sequence::{CHANGED, ENDED, REVALUED};
use crate::expr::steps::first_of_series;
use crate::kernel::{Chain, Numbering, Pass, Whole};
use crate::metrics::behind::{Behind, Belonging, Row};
use crate::metrics::formula::{Formula, of};
use crate::metrics::{Identity, Inputs, LedgerShape, Metric};
use crate::schema::{ColumnType, TableSchema};
pub use resolve::resolve;
pub use spec::Spec;
use spec::{ChurnAt, DiscountPolicy, Factors, PausePolicy, UsagePolicy};

#[derive(Clone)]
struct Dimensions {
    from: String,
    customer: String,
    columns: Vec<String>,
    valid_from: Option<String>,
    current: bool,
}

#[derive(Clone)]
enum Amounts {
    Intervals {
        start: String,
        end: Option<String>,
        end_inclusive: bool,
        trial_end: Option<String>,
        price: String,
        /// `price` is the amount of the whole interval.
        total: bool,
        min_service: i32,
        quantity: Option<String>,
        interval: Option<String>,
        count: Option<String>,
    },
    Changes { at: String, mrr: String, quantity: Option<String> },
    Snapshots { month: String, mrr: String },
}

#[derive(Clone)]
struct Tiers {
    from: String,
    plan: String,
    item_plan: String,
    up_to: String,
    unit_amount: String,
    flat_amount: Option<String>,
    mode: String,
    currency: Expr,
}

/// What expansions are taken apart by.
#[derive(Clone)]
struct Lines {
    product: String,
    /// Product and the family it belongs to.
    families: Vec<(String, String)>,
    plan: Option<String>,
}

#[derive(Clone)]
struct Ending {
    churn_at: ChurnAt,
    requested: Option<String>,
    period_end: Option<String>,
    /// Column and days of grace.
    past_due: Option<(String, i32)>,
}

/// What a discount or a pause is for, and the column that names it.
#[derive(Clone)]
enum Subject {
    Subscription(String),
    Customer(String),
}

#[derive(Clone)]
struct Discounts {
    from: String,
    subject: Subject,
    percent: Option<String>,
    amount: Option<String>,
    currency: Expr,
    duration: Option<String>,
    months: Option<String>,
    start: String,
    end: Option<String>,
    policy: DiscountPolicy,
}

#[derive(Clone)]
struct Pauses {
    from: String,
    subject: Subject,
    start: String,
    end: Option<String>,
    policy: PausePolicy,
    churn_after: Option<i32>,
}

#[derive(Clone)]
struct Usage {
    from: String,
    customer: String,
    month: String,
    amount: String,
    currency: Expr,
    policy: UsagePolicy,
    months: u32,
}

/// A map from ids to customers.
#[derive(Clone)]
struct IdMap {
    from: String,
    id: String,
    customer: String,
}

/// Days; zero is no window.
#[derive(Clone, Copy, Default)]
struct Windows {
    win_back: i32,
    coalesce: i32,
    reactivation: Option<i32>,
}

/// A resolved ledger.
#[derive(Clone)]
pub struct MrrLedger {
    from: String,
    customer: String,
    customer_type: ColumnType,
    currency: Expr,
    amounts: Amounts,
    include_trials: bool,
    factors: Factors,
    tiers: Option<Tiers>,
    subscription: Option<String>,
    subscription_type: ColumnType,
    lines: Option<Lines>,
    ending: Ending,
    discounts: Option<Discounts>,
    pauses: Option<Pauses>,
    usage: Option<Usage>,
    identities: Option<IdMap>,
    parents: Option<IdMap>,
    windows: Windows,
    fx: Option<fx::Fx>,
    reason: Option<String>,
    dimensions: Option<Dimensions>,
    /// Last day that results cover.
    as_of: civil::Date,
    /// Last day of which usage and rates are known; before `as_of` in a look ahead.
    known_until: civil::Date,
    scale: u8,
}

impl MrrLedger {
    /// The same ledger carried on to a later day, by what is scheduled at `as_of`.
    #[must_use]
    pub fn ahead(&self, until: civil::Date) -> Self {
        Self { as_of: until, ..self.clone() }
    }

    fn transfers(&self) -> bool {
        self.dimensions.as_ref().is_some_and(|d| d.valid_from.is_some() && !d.current)
    }

    fn dimension_names(&self) -> &[String] {
        self.dimensions.as_ref().map_or(&[], |d| d.columns.as_slice())
    }

    /// Day after the last day that results cover.
    fn horizon(&self) -> Expr {
        date_lit(self.as_of.saturating_add(jiff::Span::new().days(1)))
    }

    /// Columns of the working rows beside [`MOVEMENT`]: numbers that only some ledgers have.
    fn extras(&self) -> Vec<String> {
        let mut out = self.part_columns();
        if self.fx.is_some() {
            out.extend(["constant_delta", "constant_after"].map(str::to_owned));
        }
        if self.has_pauses() {
            out.push("paused_after".to_owned());
        }
        out
    }

    /// Whether a row of the source is one interval and nothing else adds to it, so that the query is small.
    fn is_plain(&self) -> bool {
        let adds = self.discounts.is_some() || self.pauses.is_some() || self.usage.is_some();
        let maps = self.identities.is_some() || self.parents.is_some() || self.tiers.is_some();
        !adds && !maps && self.lines.is_none() && self.fx.is_none()
    }

    /// Customer and currency of each series of the ledger.
    fn owners(&self, series: LazyFrame) -> LazyFrame {
        let Some(fx) = &self.fx else { return series };
        series.unique_stable(Some(by_name(["owner"], true, false)), UniqueKeepStrategy::First).select([
            col("owner").alias("series"),
            col("customer_id"),
            lit(fx.reporting.as_str()).cast(DataType::String).alias("currency"),
        ])
    }

    /// Movement rows without dimensions, sorted by series, day and sequence.
    fn moves(&self, book: &Book) -> PolarsResult<LazyFrame> {
        let changes = match &self.fx {
            None => book.changes.clone(),
            Some(fx) => self.converted(fx, book)?,
        };
        let rows = self.with_reasons(changes, book);
        // Rows of several kinds come from the same ones.
        let rows = if self.fx.is_some() || self.has_pauses() { rows.cache() } else { rows };
        self.classified(rows)
    }

    /// Kinds of the changes, and rows of their own for exchange rates and for pauses that end in a cancellation.
    fn classified(&self, rows: LazyFrame) -> PolarsResult<LazyFrame> {
        let pauses = self.has_pauses();
        let same = || first_of_series().not();
        let last_paused = || when(same()).then(col("paused_after").shift(lit(1))).otherwise(int(0));
        let rows = if pauses {
            // A pause of what is not paid yet is no movement.
            let moved = col("delta").neq(int(0)).or(col("paused_after").lt_eq(last_paused()));
            let moved = if self.fx.is_some() { moved.or(col("fx").neq(int(0))) } else { moved };
            rows.filter(moved)
                .with_column(last_paused().alias("paused_before"))
        } else {
            rows
        };
        let before = || col("after") - col("delta");
        let on_pause = |name: &str| if pauses { col(name).gt(int(0)) } else { lit(false) };
        let returns = || before().eq(int(0)).and(col("after").gt(int(0)));
        let gap = col("day").cast(DataType::Int32) - col("day").shift(lit(1)).cast(DataType::Int32);
        let mut entry = first_of_series();
        if let Some(days) = self.windows.reactivation {
            entry = entry.or(returns().and(on_pause("paused_before").not()).and(gap.gt(lit(days))));
        }
        let kind = when(col("entry"))
            .then(lit("new"))
            .when(returns().and(on_pause("paused_before")))
            .then(lit("resume"))
            .when(before().eq(int(0)))
            .then(lit("reactivation"))
            .when(col("after").eq(int(0)).and(on_pause("paused_after")))
            .then(lit("pause"))
            .when(col("after").eq(int(0)))
            .then(lit("churn"))
            .when(col("delta").gt(int(0)))
            .then(lit("expansion"))
            .otherwise(lit("contraction"));
        let taken_apart = || col("kind").eq(lit("expansion")).or(col("kind").eq(lit("contraction")));
        let rows = rows
            .with_column(entry.alias("entry"))
            .with_columns([
                before().alias("before"),
                kind.alias("kind"),
                when(col("entry"))
                    .then(col("day"))
                    .otherwise(lit(NULL))
                    .fill_null_with_strategy(FillNullStrategy::Forward(None))
                    .alias("first_paid_on"),
                int(CHANGED).alias("sequence"),
            ])
            .with_columns(
                self.part_columns()
                    .iter()
                    .map(|p| when(taken_apart()).then(col(p.as_str())).otherwise(int(0)).alias(p.as_str()))
                    .collect::<Vec<_>>(),
            );
        let mut all = vec![self.only_churn(rows.clone().filter(col("delta").neq(int(0))))];
        if self.fx.is_some() {
            all.push(self.revalued(rows.clone()));
        }
        if pauses {
            all.extend(self.ended_on_pause(&rows));
        }
        if all.len() == 1 {
            return Ok(all.swap_remove(0));
        }
        Ok(in_sequence(concat(all, UnionArgs::default())?))
    }

    /// The columns of a movement, with the reason only where somebody left.
    fn only_churn(&self, rows: LazyFrame) -> LazyFrame {
        let churned = col("kind").eq(lit("churn"));
        let mut columns = cols_of(&MOVEMENT);
        columns.extend(cols_of(&self.extras()));
        rows.with_column(when(churned).then(col("reason")).otherwise(lit(NULL)).alias("reason")).select(columns)
    }

    /// The effect of exchange rates, as rows before the change of the same day.
    fn revalued(&self, rows: LazyFrame) -> LazyFrame {
        let rows = rows.filter(col("fx").neq(int(0))).with_columns([
            lit("fx").alias("kind"),
            int(REVALUED).alias("sequence"),
            col("before").alias("after"),
            (col("before") - col("fx")).alias("before"),
            col("fx").alias("delta"),
            (col("constant_after") - col("constant_delta")).alias("constant_after"),
            int(0).alias("constant_delta"),
        ]);
        let none = self.part_columns().iter().map(|p| int(0).alias(p.as_str())).collect::<Vec<_>>();
        self.only_churn(rows.with_columns(none))
    }

    /// Who cancels on pause resumes and leaves on one day, so that the pause does not stay open.
    fn ended_on_pause(&self, rows: &LazyFrame) -> [LazyFrame; 2] {
        let none = |name: &str| col(name).eq(int(0));
        let ended = rows.clone().filter(
            none("delta").and(none("after")).and(none("paused_after")).and(col("paused_before").gt(int(0))),
        );
        let amount = || col("paused_before");
        let half = |kind: &str, sequence: i64, before: Expr, delta: Expr, after: Expr| {
            let mut out = vec![
                lit(kind.to_owned()).alias("kind"),
                int(sequence).alias("sequence"),
                before.alias("before"),
                delta.alias("delta"),
                after.alias("after"),
            ];
            if self.fx.is_some() {
                out.push(int(0).alias("constant_delta"));
            }
            self.only_churn(ended.clone().with_columns(out))
        };
        [
            half("resume", CHANGED, int(0), amount(), amount()),
            half("churn", ENDED, amount(), int(0) - amount(), int(0)),
        ]
    }
}

/// Orders within a day of the working rows: a new version of the dimensions, and what changed the amount.
const VERSION: i64 = 1;
const CHANGE: i64 = 3;

/// Rows by series, day and sequence.
fn in_sequence(rows: LazyFrame) -> LazyFrame {
    rows.with_column((packed(col("series"), col("day"), 0) + col("sequence")).alias("key"))
        .sort(["key"], SortMultipleOptions::default())
        .drop(by_name(["key"], true, false))
}

/// A left join that keeps the order of the left side.
fn in_order() -> JoinArgs {
    let mut args = JoinArgs::new(JoinType::Left);
    args.maintain_order = MaintainOrderJoin::Left;
    args
}

const MOVEMENT: [&str; 9] = ["series", "day", "sequence", "kind", "before", "delta", "after", "first_paid_on", "reason"];

impl Metric for MrrLedger {
    fn output(&self) -> TableSchema {
        use ColumnType::{Currency, Date, Int, Money, String as Text};
        let mut schema = TableSchema::with_grain(["customer_id", "currency", "effective_on", "sequence"])
            .column("customer_id", self.customer_type, "", "customer")
            .column("currency", Currency, "", "currency of the amounts")
            .column("effective_on", Date, "", "civil date of the change")
            .column("sequence", Int, "", "order within the day: transfer out, transfer in, exchange rate, change of amount")
            .column("kind", Text, "", "new, reactivation, resume, expansion, contraction, pause, churn, fx, transfer_in or transfer_out")
            .column("mrr_before", Money, "money per month", "recurring revenue before the change")
            .column("mrr_delta", Money, "money per month", "the change")
            .column("mrr_after", Money, "money per month", "recurring revenue after the change");
        if self.lines.is_some() {
            for (p, meaning) in PARTS.iter().zip(PART_MEANINGS) {
                schema = schema.column(part(p), Money, "money per month", meaning);
            }
        }
        if self.fx.is_some() {
            schema = schema
                .column("constant_delta", Money, "money per month", "the change at constant rates; zero in rows of kind `fx`")
                .column("constant_after", Money, "money per month", "recurring revenue after the change at constant rates");
        }
        if self.has_pauses() {
            schema = schema.column("paused_after", Money, "money per month", "what is on pause after the change");
        }
        schema = schema
            .column("first_paid_on", Date, "", "first date on which the customer's recurring revenue was above zero")
            .nullable("reason", Text, "", "reason of a churn, as the source gives it");
        for d in self.dimension_names() {
            schema = schema.column(d.as_str(), Text, "", "attribute of the customer at that time");
        }
        schema
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let moves = inputs.step("moves", || self.make_step("moves", inputs))?;
        let series = self.owners(inputs.step("series", || self.make_step("series", inputs))?);
        let moves = match &self.dimensions {
            None => moves,
            Some(d) if self.transfers() => in_sequence(self.with_history(d, inputs, moves, &series)?),
            Some(d) => self.with_fixed(d, inputs, moves, &series)?,
        };
        let mut columns = vec![
            col("customer_id"),
            col("currency"),
            col("day").alias("effective_on"),
            col("sequence"),
            col("kind"),
            col("before").alias("mrr_before"),
            col("delta").alias("mrr_delta"),
            col("after").alias("mrr_after"),
        ];
        columns.extend(cols_of(&self.extras()));
        columns.extend([col("first_paid_on"), col("reason")]);
        columns.extend(cols_of(self.dimension_names()));
        let key = cols_of(&["series"]);
        Ok(moves.join(series, key.clone(), key, in_order()).select(columns))
    }

    fn steps(&self) -> Vec<&'static str> {
        let versions = self.dimensions.iter().map(|_| dimensions::VERSIONS);
        if self.is_plain() {
            return std::iter::once("items").chain(versions).collect();
        }
        versions.chain(changes::STEPS.into_iter().filter(|s| *s != "rates" || self.fx.is_some())).collect()
    }

    fn step(&self, name: &str, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        self.make_step(name, inputs)
    }

    fn project(&self) -> Option<Project> {
        self.is_row_by_row().then(|| self.projection())
    }

    fn numbering(&self) -> Option<Numbering> {
        let steps = Numbering { rows: "components", series: "series", numbered: "numbered", owners: self.fx.is_some() };
        (!self.is_plain()).then_some(steps)
    }

    fn pass(&self, name: &str) -> Option<Pass<'_>> {
        self.step_pass(name)
    }

    fn whole(&self) -> Option<Whole<'_>> {
        self.whole_pass()
    }

    fn identities(&self, inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        self.all_identities(inputs, output)
    }

    fn chain(&self) -> Option<Chain> {
        Some(self.chained())
    }

    fn attrition(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        let fates = [
            (col("starts").gt_eq(self.horizon()), "starts_after_as_of"),
            (col("ends").lt_eq(col("begins")), "ends_before_start"),
            (col("ends").lt_eq(col("starts")), "trial_only"),
            (col("recurs").not(), "short_service"),
            (col("list").eq(int(0)), "zero_amount"),
        ];
        let items = inputs.step("items", || self.items(inputs))?;
        let rows = counted_by_case(items.clone(), &fates, "used");
        Ok(Some(match self.floored(&items, inputs)? {
            None => rows,
            Some(floored) => concat([rows, floored], UnionArgs::default())?,
        }))
    }

    fn ledger(&self) -> Option<LedgerShape> {
        Some(LedgerShape {
            dimensions: self.dimension_names().to_vec(),
            transfers: self.transfers(),
            reasons: self.reason.is_some(),
            customer_type: self.customer_type,
            parts: self.lines.is_some(),
            fx: self.fx.is_some(),
            pauses: self.has_pauses(),
            reads: indexmap::IndexMap::new(),
            definition: Arc::new(self.clone()),
        })
    }

    fn formulas(&self) -> Vec<Formula> {
        vec![Formula::new("mrr_after", of("mrr_before") + of("mrr_delta"))]
    }

    fn behind(&self, _: &Inputs, output: &LazyFrame, row: &Row, _: &[String]) -> PolarsResult<Vec<Behind>> {
        Ok(crate::metrics::behind::history(&self.output(), output, row))
    }

    fn customer_rows(&self) -> Vec<Belonging> {
        let own = |source: &str, column: &str| Belonging { source: source.to_owned(), column: column.to_owned(), through: None };
        let of = |source: &str, subject: &Subject| match subject {
            Subject::Customer(column) => own(source, column),
            Subject::Subscription(column) => Belonging { through: self.subscription.clone(), ..own(source, column) },
        };
        let mut out = vec![own(&self.from, &self.customer)];
        out.extend(self.discounts.iter().map(|d| of(&d.from, &d.subject)));
        out.extend(self.pauses.iter().map(|p| of(&p.from, &p.subject)));
        out.extend(self.usage.iter().map(|u| own(&u.from, &u.customer)));
        out.extend(self.identities.iter().chain(&self.parents).map(|m| own(&m.from, &m.id)));
        out.extend(self.dimensions.iter().map(|d| own(&d.from, &d.customer)));
        out
    }

    fn source_ids(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        if !self.merges() {
            return Ok(None);
        }
        let ids = inputs
            .get(&self.from)?
            .select([col(self.customer.as_str()).alias("source_id"), col(self.customer.as_str()).alias("customer_id")])
            .unique(None, UniqueKeepStrategy::Any);
        Ok(Some(self.owned(ids, inputs)?.select(cols_of(&["customer_id", "source_id"]))))
    }
}

impl MrrLedger {
    /// Whether several ids of the source may be one customer.
    pub fn merges(&self) -> bool {
        self.identities.is_some() || self.parents.is_some()
    }
}

/// What each part of a change is, in the order of [`PARTS`].
const PART_MEANINGS: [&str; 8] = [
    "by more or fewer units, at the old price per unit",
    "by another plan of the product, at the new quantity",
    "by another billing interval of the same plan",
    "by another price of the same plan",
    "by products that came (cross-sell) or went",
    "by discounts that began, ended or changed",
    "by pauses of some subscriptions",
    "by usage",
];

/// Intervals that pay something for at least one day up to `as_of`.
fn is_used() -> Expr {
    col("ends").gt(col("starts")).and(col("recurs")).and(col("list").neq(int(0)))
}

fn next_day(date: Expr) -> Expr {
    (date.cast(DataType::Int32) + lit(1)).cast(DataType::Date)
}
