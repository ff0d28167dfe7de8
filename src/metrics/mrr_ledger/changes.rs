//! Net changes per series and day, and what each is made of.

use polars::prelude::*;

use super::dimensions::VERSIONS;
use super::{CHANGE, MrrLedger, in_order};
use crate::expr::dims::{cols_of, int};
use crate::expr::key::{packed, position_of, series_of};
use crate::expr::money::mul_div_by;
use crate::expr::parts::{PARTS, part, rounding};
use crate::expr::calendar::epoch_day;
use crate::kernel::{Changes, Intervals, Movements, Moves, Pass, Whole};
use crate::metrics::Inputs;

/// The frames that the later steps need.
pub(super) struct Book {
    /// Customers and currencies that ever paid: `series`, `customer_id`, `currency`, and `owner` with exchange rates.
    pub(super) series: LazyFrame,
    /// Components with the number of their series.
    pub(super) numbered: LazyFrame,
    /// Net changes per series and day, see [`MrrLedger::changes`].
    pub(super) changes: LazyFrame,
    /// Exchange rates, see `rate_grid`.
    pub(super) rates: Option<LazyFrame>,
}

/// Intermediate frames of a ledger with more than plain intervals.
pub(super) const STEPS: [&str; 7] = ["items", "components", "series", "numbered", "changes", "rates", MOVES];

/// The step with the movements, of which the query makes the ledger.
const MOVES: &str = "moves";

impl MrrLedger {
    /// The step of that name.
    pub(super) fn make_step(&self, name: &str, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let get = |name: &str| inputs.step(name, || self.make_step(name, inputs));
        match name {
            "items" => self.items(inputs),
            VERSIONS => match &self.dimensions {
                Some(d) => self.version_rows(d, inputs),
                None => Ok(LazyFrame::default()),
            },
            "components" => self.components(&get("items")?, inputs),
            "series" => Ok(self.series(get("components")?)),
            "numbered" => {
                let key = || cols_of(&["customer_id", "currency"]);
                Ok(get("components")?
                    .join(get("series")?, key(), key(), JoinArgs::new(JoinType::Inner))
                    .drop(by_name(["customer_id", "currency"], true, false)))
            }
            "changes" => self.changes(&get("numbered")?),
            "rates" => self.rate_grid(&get("series")?, &get("changes")?, inputs),
            MOVES => self.moves(&self.book(inputs)?),
            _ => Err(polars_err!(InvalidOperation: "a ledger has no step `{name}`")),
        }
    }

    /// Day after the last day that results cover.
    fn horizon_day(&self) -> i32 {
        epoch_day(self.as_of) + 1
    }

    /// The step of that name as a pass. Windows join changes of different days, which the query tells.
    pub(super) fn step_pass(&self, name: &str) -> Option<Pass<'_>> {
        let windows = self.windows.win_back > 0 || self.windows.coalesce > 0;
        match name {
            "changes" if !windows => Some(Pass::Changes(Changes {
                rows: "numbered",
                order: CHANGE,
                lines: self.lines.is_some(),
                pauses: self.has_pauses(),
                horizon: self.horizon_day(),
                scale: self.scale,
            })),
            MOVES => Some(Pass::Moves(self.moves_pass())),
            _ => None,
        }
    }

    fn moves_pass(&self) -> Moves<'_> {
        Moves {
            changes: "changes",
            series: "series",
            numbered: "numbered",
            conversion: self.conversion(),
            lines: self.lines.is_some(),
            pauses: self.has_pauses(),
            reasons: self.reason.is_some(),
            reactivation: self.windows.reactivation,
            horizon: self.horizon_day(),
        }
    }

    /// The ledger as a pass: over its items where there is nothing else and every day stands for itself, else over the
    /// steps that its query has.
    pub(super) fn whole_pass(&self) -> Option<Whole<'_>> {
        let (versions, dimensions) = (self.dimensions.as_ref().map(|_| VERSIONS), self.dimension_names());
        if !self.is_plain() {
            let (moves, transfers) = (self.moves_pass(), self.transfers());
            return Some(Whole::Movements(Movements { moves, instead_of: MOVES, versions, dimensions, transfers }));
        }
        let windows = self.windows.win_back > 0 || self.windows.coalesce > 0;
        (!windows && !self.transfers()).then(|| {
            let (horizon, reactivation) = (self.horizon_day(), self.windows.reactivation);
            Whole::Intervals(Intervals { items: "items", versions, dimensions, horizon, reactivation })
        })
    }

    /// The steps, computed or as parts of a query.
    pub(super) fn book(&self, inputs: &Inputs) -> PolarsResult<Book> {
        let get = |name: &str| inputs.step(name, || self.make_step(name, inputs));
        Ok(Book {
            series: get("series")?,
            numbered: get("numbered")?,
            changes: get("changes")?,
            rates: if self.fx.is_some() { Some(get("rates")?) } else { None },
        })
    }

    /// Customers and currencies, numbered in the order of the ledger.
    fn series(&self, components: LazyFrame) -> LazyFrame {
        let series = components
            .select(cols_of(&["customer_id", "currency"]))
            .unique(None, UniqueKeepStrategy::Any)
            .sort(["customer_id", "currency"], SortMultipleOptions::default())
            .with_row_index("series", None);
        if self.fx.is_none() {
            return series;
        }
        let next_owner = col("customer_id").neq_missing(col("customer_id").shift(lit(1)));
        series.with_column(next_owner.cast(DataType::UInt32).cum_sum(false).alias("owner"))
    }

    /// Names of the parts that the ledger publishes.
    pub(super) fn part_columns(&self) -> Vec<String> {
        if self.lines.is_none() { Vec::new() } else { PARTS.iter().map(|p| part(p)).collect() }
    }

    /// Net changes per series and day, sorted: `key`, `series`, `day`, `delta`, `after`, the parts, and
    /// `paused_after` where pauses are movements of their own.
    ///
    /// Open intervals end at the horizon, so that every series sums to zero and one running sum over
    /// all rows is the running sum of each series. Rows at the horizon are left out.
    fn changes(&self, numbered: &LazyFrame) -> PolarsResult<LazyFrame> {
        let mut sums: Vec<String> = vec!["delta".to_owned()];
        let pauses = self.has_pauses();
        if pauses {
            sums.push("paused".to_owned());
        }
        sums.extend(self.part_columns());
        let signed = if self.lines.is_some() { self.by_line(numbered)? } else { self.plain(numbered)? };
        let mut kept = col("delta").neq(int(0));
        if pauses {
            kept = kept.or(col("paused").neq(int(0)));
        }
        let net = signed
            .group_by([col("key")])
            .agg(sums.iter().map(|s| col(s.as_str()).sum()).collect::<Vec<_>>())
            .filter(kept)
            .sort(["key"], SortMultipleOptions::default());
        let mut running = vec![
            col("delta").cum_sum(false).alias("after"),
            series_of(col("key")).alias("series"),
            position_of(col("key")).cast(DataType::Date).alias("day"),
        ];
        if pauses {
            running.push((int(0) - col("paused").cum_sum(false)).alias("paused_after"));
        }
        // Parts run too, so that rows can be joined into one later on.
        running.extend(self.part_columns().iter().map(|p| col(p.as_str()).cum_sum(false).alias(format!("running_{p}"))));
        let rows = net.with_columns(running).filter(col("day").lt(self.horizon()));
        Ok(self.joined(rows, pauses))
    }

    /// Changes without parts: `key`, `delta` and `paused`.
    fn plain(&self, numbered: &LazyFrame) -> PolarsResult<LazyFrame> {
        let delta = || self.amounts().iter().map(|a| col(*a)).reduce(|a, b| a + b).unwrap_or_else(|| int(0));
        let at = |day: &str| packed(col("series"), col(day), CHANGE).alias("key");
        let side = |day: &str, sign: i64| {
            let signed = |e: Expr| if sign < 0 { int(0) - e } else { e };
            let mut out = vec![at(day), signed(delta()).alias("delta")];
            if self.has_pauses() {
                out.push(signed(col("paused")).alias("paused"));
            }
            numbered.clone().select(out)
        };
        concat([side("starts", 1), side("ends", -1)], UnionArgs::default())
    }

    /// Changes taken apart, per line: a product of a series.
    ///
    /// On one line, in a fixed order: more or fewer units at the old price per unit; of the rest, all
    /// is of the plan where that changed, else of the billing interval where that changed, else of
    /// the price. A line that appears or disappears is the product. Discounts, pauses and usage are
    /// parts of their own.
    fn by_line(&self, numbered: &LazyFrame) -> PolarsResult<LazyFrame> {
        let line = || cols_of(&["series", "product"]);
        let lines = numbered
            .clone()
            .select(line())
            .unique(None, UniqueKeepStrategy::Any)
            .sort(["series", "product"], SortMultipleOptions::default())
            .with_row_index("line", None);
        let numbered = numbered.clone().join(lines, line(), line(), JoinArgs::new(JoinType::Inner)).cache();
        let mut sums = self.amounts();
        sums.extend(["quantity", "items", "plan", "cycle"]);
        let at = |day: &str| packed(col("line"), col(day), CHANGE).alias("line_key");
        let side = |day: &str, sign: i64| {
            let mut out = vec![at(day), col("series")];
            out.extend(sums.iter().map(|s| if sign < 0 { (int(0) - col(*s)).alias(*s) } else { col(*s) }));
            numbered.clone().select(out)
        };
        let mut aggregates = vec![col("series").first()];
        aggregates.extend(sums.iter().map(|s| col(*s).sum()));
        let after = |name: &str| format!("{name}_after");
        let before = |name: &str| col(after(name)) - col(name);
        let state = ["list", "quantity", "items", "plan", "cycle"];
        let rows = concat([side("starts", 1), side("ends", -1)], UnionArgs::default())?
            .group_by([col("line_key")])
            .agg(aggregates)
            .sort(["line_key"], SortMultipleOptions::default())
            // Every line sums to zero too.
            .with_columns(state.iter().map(|s| col(*s).cum_sum(false).alias(after(s))).collect::<Vec<_>>());
        let stays = before("list").neq(int(0)).and(col("list_after").neq(int(0)));
        let counted = before("quantity").gt(int(0)).and(col("quantity_after").gt(int(0)));
        let seats = when(stays.clone().and(counted).and(col("quantity").neq(int(0))))
            .then(mul_div_by(&before("list"), &col("quantity"), &before("quantity")))
            .otherwise(int(0));
        let rest = || col("list") - col("seats_delta");
        // One more item of the same plan is no other plan: what counts is the mean over the items.
        let other = |name: &str| (col(after(name)) * before("items")).neq(before(name) * col("items_after"));
        let new_plan = || other("plan");
        let new_cycle = || other("cycle");
        let on_line = |is: Expr, value: Expr| when(col("stays").and(is)).then(value).otherwise(int(0));
        let zero = |name: &str| int(0).alias(part(name));
        let given = |name: &'static str, column: &str| {
            if self.amounts().contains(&column) { col(column).alias(part(name)) } else { zero(name) }
        };
        let amounts = self.amounts().iter().map(|a| col(*a)).reduce(|a, b| a + b).unwrap_or_else(|| int(0));
        let day = position_of(col("line_key")).cast(DataType::Date);
        let mut out = vec![packed(col("series"), day, CHANGE).alias("key"), amounts.alias("delta")];
        if self.has_pauses() {
            out.push(col("paused"));
        }
        out.extend(self.part_columns().iter().map(|p| col(p.as_str())));
        Ok(rows
            .with_columns([stays.alias("stays"), seats.alias("seats_delta")])
            // What rounding alone leaves over is no change of price.
            .with_column(
                when(new_plan().not().and(new_cycle().not()).and(col("seats_delta").neq(int(0))).and(is_rounding(&rest(), self.scale)))
                    .then(col("list"))
                    .otherwise(col("seats_delta"))
                    .alias("seats_delta"),
            )
            .with_columns([
                on_line(new_plan(), rest()).alias("plan_delta"),
                on_line(new_plan().not().and(new_cycle()), rest()).alias("interval_delta"),
                on_line(new_plan().not().and(new_cycle().not()), rest()).alias("price_delta"),
                when(col("stays")).then(int(0)).otherwise(col("list")).alias("product_delta"),
                given("discount", "discount"),
                given("pause", "paused"),
                given("usage", "usage"),
            ])
            .select(out))
    }

    /// Rows that the noise and win-back windows leave, with the changes between them.
    ///
    /// A row is left out when another follows within `coalesce_within`, and an end when a return
    /// follows, or may still follow, within `win_back`.
    fn joined(&self, rows: LazyFrame, pauses: bool) -> LazyFrame {
        let parts = self.part_columns();
        let running: Vec<String> = parts.iter().map(|p| format!("running_{p}")).collect();
        let within = &self.windows;
        if within.win_back == 0 && within.coalesce == 0 {
            return rows.drop(by_name(running, true, false));
        }
        let same_next = || col("series").eq(col("series").shift(lit(-1))).fill_null(lit(false));
        let days = |e: Expr| e.cast(DataType::Int32);
        let next = when(same_next()).then(days(col("day").shift(lit(-1)))).otherwise(days(self.horizon()));
        let gap = next - days(col("day"));
        let noise = same_next().and(gap.clone().lt_eq(lit(within.coalesce)));
        let mut gone = col("after").eq(int(0));
        if pauses {
            gone = gone.and(col("paused_after").eq(int(0)));
        }
        let held = gone.and(gap.lt_eq(lit(within.win_back)));
        let noise = if within.coalesce == 0 { lit(false) } else { noise };
        let held = if within.win_back == 0 { lit(false) } else { held };
        let same = || col("series").eq(col("series").shift(lit(1))).fill_null(lit(false));
        let since = |name: &str| col(name) - when(same()).then(col(name).shift(lit(1))).otherwise(int(0));
        let mut changed = vec![since("after").alias("delta")];
        changed.extend(parts.iter().zip(&running).map(|(p, r)| since(r).alias(p.as_str())));
        let mut kept = col("delta").neq(int(0));
        if pauses {
            changed.push(since("paused_after").alias("paused"));
            kept = kept.or(col("paused").neq(int(0)));
        }
        rows.filter(noise.or(held).not()).with_columns(changed).filter(kept).drop(by_name(running, true, false))
    }

    /// The reason of the largest item that ended on a day; equal amounts go by the name: `key`, `reason`.
    pub(super) fn reasons(&self, book: &Book) -> LazyFrame {
        let owner = if self.fx.is_some() { "owner" } else { "series" };
        book.numbered
            .clone()
            .filter(col("reason").is_not_null().and(col("ends").lt(self.horizon())))
            .select([packed(col(owner), col("ends"), CHANGE).alias("key"), col("list"), col("reason")])
            .sort(["key", "list", "reason"], SortMultipleOptions::default().with_order_descending_multi([false, true, false]))
            .unique_stable(Some(by_name(["key"], true, false)), UniqueKeepStrategy::First)
            .select(cols_of(&["key", "reason"]))
    }

    /// Rows with the reason of their day, in the order they had.
    pub(super) fn with_reasons(&self, rows: LazyFrame, book: &Book) -> LazyFrame {
        if self.reason.is_none() {
            return rows.with_column(lit(NULL).cast(DataType::String).alias("reason"));
        }
        rows.join(self.reasons(book), [col("key")], [col("key")], in_order())
    }
}

/// Whether what seats leave of a change can come from rounding: less than 10^-4 of a minor unit, at the
/// largest such unit of the scale, per old amount rounded and per multiple of the units it is stretched to.
fn is_rounding(rest: &Expr, scale: u8) -> Expr {
    let unit = rounding(scale);
    // As floats, which cannot wrap; a bound needs no last digit.
    let float = |e: Expr| e.cast(DataType::Float64);
    let before = || float(col("quantity_after") - col("quantity"));
    // `seats` stretches the rounding of the old amount by more / before, and is rounded itself.
    let most = (before() * lit(2.0) + float(col("quantity").abs())) * lit(unit);
    (float(rest.clone().abs()) * before()).lt_eq(most)
}
