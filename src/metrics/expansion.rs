#![doc = include_str!("expansion.md")]

use indexmap::IndexMap;
use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::bridge::on_grid;
use crate::expr::calendar::{Grain, date_lit};
use crate::expr::dims::{NOT_SET, cols_of, int, sort_on, with_total};
use crate::expr::money::rounding_unit;
use crate::expr::ratio::{ratio, reason, wilson};
use crate::expr::steps::ValueAt;
use crate::metrics::view::LedgerView;
use crate::metrics::{Headline, Identity, Inputs, LedgerShape, Metric, ShownAs};
use crate::plan::resolver::Resolver;
use crate::schema::{ColumnType, TableSchema};

/// `type: expansion`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The ledger. It has to take its changes apart: `product` in the ledger.
    pub from: String,
    /// Length of a period.
    #[serde(default)]
    pub grain: Grain,
    /// Dimensions of the ledger to break down by; the grand total is always there.
    #[serde(default)]
    pub by: Vec<String>,
    /// Parts of which a gain is an upsell.
    #[serde(default = "default_upsell")]
    pub upsell: Vec<Part>,
    /// Proposals of more, for the win rates.
    #[serde(default)]
    pub proposals: Option<ProposalsSpec>,
}

fn default_upsell() -> Vec<Part> {
    vec![Part::Seats, Part::Plan]
}

/// A part of a change within the products that a customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// More or fewer units.
    Seats,
    /// Another plan of the same product.
    Plan,
    /// Another price of the same plan.
    Price,
    /// A discount that began, changed or ended.
    Discount,
    /// Another billing interval.
    Interval,
    /// A pause of a part of what a customer has.
    Pause,
    /// Metered usage.
    Usage,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Seats => "seats",
            Self::Plan => "plan",
            Self::Price => "price",
            Self::Discount => "discount",
            Self::Interval => "interval",
            Self::Pause => "pause",
            Self::Usage => "usage",
        }
    }
}

/// Proposals of more, for the win rates.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalsSpec {
    /// Source of opportunities.
    pub from: String,
    /// String column that says what is proposed.
    #[serde(rename = "type")]
    pub kind: String,
    /// Values of it that are an upsell.
    #[serde(default)]
    pub upsell: Vec<String>,
    /// Values of it that are a cross-sell.
    #[serde(default)]
    pub cross_sell: Vec<String>,
    /// Date column: the day of the proposal.
    pub created: String,
    /// Date column: the day it was decided; NULL or after `as_of` is open.
    pub closed: String,
    /// Bool column: whether it is decided, where open proposals have an expected day in `closed`.
    #[serde(default)]
    pub is_closed: Option<String>,
    /// Bool column: whether it was accepted.
    pub won: String,
    /// The day that decides the period of a proposal.
    #[serde(default)]
    pub count_by: CountBy,
    /// Currency column, for a ledger in several currencies. Default: the pipeline's currency.
    #[serde(default)]
    pub currency: Option<String>,
    /// Columns of the source that hold the dimensions, by dimension.
    #[serde(default)]
    pub by: IndexMap<String, String>,
}

/// The day that decides the period of a proposal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountBy {
    /// The day it was made: what became of the proposals of a period.
    #[default]
    Created,
    /// The day it was decided: what was decided in a period. Open ones are in no period.
    Closed,
}

struct Proposals {
    from: String,
    kind: String,
    /// Column stem and the values that mean it.
    kinds: Vec<(&'static str, Vec<String>)>,
    created: String,
    closed: String,
    is_closed: Option<String>,
    won: String,
    count_by: CountBy,
    currency: Expr,
    /// Source columns in the order of the dimensions; `None` where proposals are not split.
    by: Option<Vec<String>>,
}

/// Resolved expansion.
pub struct Expansion {
    view: LedgerView,
    upsell: Vec<Part>,
    proposals: Option<Proposals>,
    scale: u8,
}

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    let view = LedgerView::resolve(cx, &spec.from, &spec.by, spec.grain, ValueAt::PeriodEnd)?;
    let shape = cx.ledger("from", &spec.from)?;
    let mut sound = true;
    if !shape.parts {
        let title = format!("`expansion` needs a ledger that takes changes apart, and `{}` does not", spec.from);
        cx.error("from", &title, "name the column of the product with `product:` in the ledger");
        sound = false;
    }
    if spec.upsell.is_empty() {
        cx.error("upsell", "`upsell` is empty", "name at least one part, for example `upsell: [seats, plan]`");
    }
    for (i, part) in spec.upsell.iter().enumerate().filter(|(i, part)| spec.upsell[..*i].contains(part)) {
        cx.error(&format!("upsell.{i}"), &format!("the part `{}` is given twice", part.name()), "remove one");
    }
    let proposals = match &spec.proposals {
        None => None,
        Some(p) => Some(resolve_proposals(cx, p, &spec.by, &shape)?),
    };
    let scale = cx.context().scale;
    sound.then(|| Box::new(Expansion { view, upsell: spec.upsell, proposals, scale }) as Box<dyn Metric>)
}

fn resolve_proposals(cx: &mut Resolver<'_>, spec: &ProposalsSpec, by: &[String], shape: &LedgerShape) -> Option<Proposals> {
    let source = cx.source("proposals.from", &spec.from)?;
    let kind = cx.column(&source, "proposals.type", &spec.kind, &[ColumnType::String]);
    let created = cx.column(&source, "proposals.created", &spec.created, &[ColumnType::Date]);
    let closed = cx.column(&source, "proposals.closed", &spec.closed, &[ColumnType::Date]);
    let is_closed = cx.optional_column(&source, "proposals.is_closed", spec.is_closed.as_deref(), &[ColumnType::Bool]);
    let won = cx.column(&source, "proposals.won", &spec.won, &[ColumnType::Bool]);
    let mut kinds = Vec::new();
    for (name, values) in [("upsell", &spec.upsell), ("cross_sell", &spec.cross_sell)] {
        if !values.is_empty() {
            kinds.push((name, values.clone()));
        }
    }
    if kinds.is_empty() {
        cx.error("proposals", "`proposals` names no type", "list the values under `upsell` and `cross_sell`");
    }
    for (i, value) in spec.cross_sell.iter().enumerate().filter(|(_, v)| spec.upsell.contains(v)) {
        let title = format!("the type `{value}` is both upsell and cross-sell");
        cx.error(&format!("proposals.cross_sell.{i}"), &title, "keep it under one of them");
    }
    let currency = match &spec.currency {
        Some(_) if shape.fx => {
            cx.error("proposals.currency", "`currency` has no effect: the ledger is in one currency", "remove it");
            None
        }
        Some(c) => cx.column(&source, "proposals.currency", c, &[ColumnType::Currency]).map(|c| col(c.as_str())),
        None => cx.reporting_currency("proposals"),
    };
    let mut columns = Vec::new();
    for (dimension, column) in &spec.by {
        let path = format!("proposals.by.{dimension}");
        if !by.contains(dimension) {
            let title = format!("`{dimension}` is not in `by` of this table");
            cx.error(&path, &title, "proposals can be split by the dimensions of the table only");
        }
        columns.push((dimension.clone(), cx.column(&source, &path, column, &[ColumnType::String])?));
    }
    let column_of = |d: &String| columns.iter().find(|(name, _)| name == d).map(|(_, column)| column.clone());
    let split = by.iter().map(column_of).collect::<Option<Vec<_>>>();
    if split.is_none() && !spec.by.is_empty() {
        let help = "name a column for each, or none: then only the grand total has win rates";
        cx.error("proposals.by", "`proposals.by` does not name every dimension of `by`", help);
    }
    Some(Proposals {
        from: spec.from.clone(),
        kind: kind?,
        kinds,
        created: created?,
        closed: closed?,
        is_closed: is_closed?,
        won: won?,
        count_by: spec.count_by,
        currency: currency?,
        by: split,
    })
}

/// Parts of the ledger, with the columns of what was gained and of what was lost by each.
const PARTS: [(&str, &str, &str); 8] = [
    ("seats", "seat_expansion_mrr", "seat_contraction_mrr"),
    ("plan", "plan_upgrade_mrr", "plan_downgrade_mrr"),
    ("price", "price_increase_mrr", "price_decrease_mrr"),
    ("product", "cross_sell_mrr", "add_on_cancel_mrr"),
    ("discount", "discount_gain_mrr", "discount_loss_mrr"),
    ("interval", "interval_gain_mrr", "interval_loss_mrr"),
    ("pause", "pause_gain_mrr", "pause_loss_mrr"),
    ("usage", "usage_gain_mrr", "usage_loss_mrr"),
];

/// What the gain and the loss of a part mean.
const MEANINGS: [(&str, &str); 8] = [
    ("more units, at the price per unit before", "fewer units, at the price per unit before"),
    ("plans of a higher price within a product", "plans of a lower price within a product"),
    ("higher prices of the same plan", "lower prices of the same plan"),
    ("products that customers took on while they stayed", "products that customers gave up while they stayed"),
    ("discounts that ended or shrank", "discounts that began or grew"),
    ("billing intervals with a higher price per month", "billing intervals with a lower price per month"),
    ("lines that came back from a pause", "lines that went on pause"),
    ("higher usage", "lower usage"),
];

fn delta(part: &str) -> Expr {
    col(format!("{part}_delta"))
}

fn is_kind(kinds: &[&str]) -> Expr {
    kinds.iter().map(|k| col("kind").eq(lit((*k).to_owned()))).reduce(Expr::or).unwrap_or_else(|| lit(false))
}

/// A condition as 1 or 0, to be added up.
fn one_if(condition: Expr) -> Expr {
    when(condition).then(int(1)).otherwise(int(0))
}

/// An amount where it is above (or, for losses, below) zero, else zero.
fn where_gain(amount: &Expr) -> Expr {
    when(amount.clone().gt(int(0))).then(amount.clone()).otherwise(int(0))
}

fn where_loss(amount: &Expr) -> Expr {
    when(amount.clone().lt(int(0))).then(amount.clone()).otherwise(int(0))
}

impl Proposals {
    /// Whether a proposal was decided by `as_of`.
    fn is_decided(&self, as_of: &Expr) -> Expr {
        let closed = col(self.closed.as_str());
        let decided = closed.clone().is_not_null().and(closed.lt_eq(as_of.clone()));
        match &self.is_closed {
            None => decided,
            Some(flag) => decided.and(col(flag.as_str()).fill_null(lit(false))),
        }
    }

    fn is_of(&self, values: &[String]) -> Expr {
        let kind = col(self.kind.as_str());
        let is = values.iter().map(|v| kind.clone().eq(lit(v.as_str()))).reduce(Expr::or);
        is.unwrap_or_else(|| lit(false)).fill_null(lit(false))
    }

    fn is_made(&self, as_of: &Expr) -> Expr {
        col(self.created.as_str()).is_not_null().and(col(self.created.as_str()).lt_eq(as_of.clone()))
    }

    fn all_values(&self) -> Vec<String> {
        self.kinds.iter().flat_map(|(_, values)| values.iter().cloned()).collect()
    }

    /// Whether a row is counted in some period.
    fn counts(&self, as_of: &Expr) -> Expr {
        let counts = self.is_of(&self.all_values()).and(self.is_made(as_of));
        match self.count_by {
            CountBy::Created => counts,
            CountBy::Closed => counts.and(self.is_decided(as_of)),
        }
    }

    fn sum_names(&self) -> Vec<String> {
        self.kinds.iter().flat_map(|(kind, _)| ["proposed", "won", "open"].map(|n| format!("{kind}_{n}"))).collect()
    }

    /// Proposals per currency, period and the dimensions they are split by.
    fn sums(&self, view: &LedgerView, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let as_of = date_lit(view.as_of());
        let day = match self.count_by {
            CountBy::Created => &self.created,
            CountBy::Closed => &self.closed,
        };
        let mut columns =
            vec![self.currency.clone().alias("currency"), view.periods().index(col(day.as_str())).alias("period")];
        let split = self.by.as_deref().unwrap_or_default();
        columns.extend(split.iter().zip(view.by()).map(|(c, d)| col(c.as_str()).fill_null(lit(NOT_SET)).alias(d.as_str())));
        let decided = || self.is_decided(&as_of);
        let won = || decided().and(col(self.won.as_str()).fill_null(lit(false)));
        for (kind, values) in &self.kinds {
            columns.push(one_if(self.is_of(values)).alias(format!("{kind}_proposed")));
            columns.push(one_if(self.is_of(values).and(won())).alias(format!("{kind}_won")));
            columns.push(one_if(self.is_of(values).and(decided().not())).alias(format!("{kind}_open")));
        }
        let mut keys = cols_of(&["currency", "period"]);
        keys.extend(cols_of(if self.by.is_some() { view.by() } else { &[] }));
        let sums: Vec<Expr> = self.sum_names().iter().map(|n| col(n.as_str()).sum()).collect();
        Ok(inputs.get(&self.from)?.filter(self.counts(&as_of)).select(columns).group_by(keys).agg(sums))
    }
}

impl Expansion {
    /// Names of everything that is summed per period and group.
    fn sum_names(&self) -> Vec<String> {
        let mut out: Vec<String> = OPENING.iter().chain(&MOVED).map(|n| (*n).to_owned()).collect();
        out.extend(PARTS.iter().flat_map(|(_, gain, loss)| [*gain, *loss]).map(str::to_owned));
        out.extend(self.proposals.iter().flat_map(Proposals::sum_names));
        out
    }

    /// What is added to the opening of a period and all later ones: revenue and customers.
    ///
    /// A change of a dimension on the first day of a period is in the opening of that period, as in
    /// every table: the dimensions of a period are those of its start.
    fn openings(&self, ledger: LazyFrame) -> LazyFrame {
        let periods = self.view.periods();
        let on = || col("effective_on");
        let opens = when(is_kind(&["transfer_out", "transfer_in"]))
            .then(periods.index_on_or_after(on()))
            .otherwise(periods.index(on()) + lit(1));
        let pays = |column: &str| one_if(col(column).gt(int(0)));
        let mut columns = vec![col("currency"), opens.alias("period")];
        columns.extend(cols_of(self.view.by()));
        columns.extend([
            col("mrr_delta").alias(OPENING[0]),
            (pays("mrr_after") - pays("mrr_before")).alias(OPENING[1]),
        ]);
        ledger.select(columns).group_by(self.keys()).agg(OPENING.map(|n| col(n).sum()))
    }

    fn keys(&self) -> Vec<Expr> {
        let mut out = cols_of(&["currency", "period"]);
        out.extend(cols_of(self.view.by()));
        out
    }

    /// Changes of the periods, of a customer at a time, then summed: each in the group that the customer
    /// is in for that period, which is that of the period's start, or of entry.
    fn movements(&self, ledger: LazyFrame) -> LazyFrame {
        let by = self.view.by();
        let periods = self.view.periods();
        let changed = |name: &str| col(name).neq_missing(col(name).shift(lit(1)));
        // Amounts are rounded, so a part may hold a hair that nobody sold: it takes a hundredth of a cent.
        let least = rounding_unit(&col("currency"), self.scale) * int(100);
        let is_upsell = self.upsell.iter().map(|p| delta(p.name()).gt(least.clone())).reduce(Expr::or);
        let upsell = self.upsell.iter().map(|p| where_gain(&delta(p.name()))).reduce(|a, b| a + b);
        let of_kind = |kind: &str| when(is_kind(&[kind])).then(col("mrr_delta")).otherwise(int(0));
        let rows = ledger
            .with_column(periods.index(col("effective_on")).alias("period"))
            .with_column(changed("customer_id").or(changed("currency")).or(changed("period")).alias("_first"));
        let mut columns = vec![
            col("customer_id"),
            col("currency"),
            col("period"),
            one_if(col("_first").and(col("mrr_before").gt(int(0)))).alias("_opening"),
            one_if(is_upsell.unwrap_or_else(|| lit(false))).alias("_upsell"),
            one_if(delta("product").gt(int(0))).alias("_cross_sell"),
            of_kind("expansion").alias("expansion_mrr"),
            of_kind("contraction").alias("contraction_mrr"),
            upsell.unwrap_or_else(|| int(0)).alias("upsell_mrr"),
        ];
        for (part, gain, loss) in PARTS {
            columns.extend([where_gain(&delta(part)).alias(gain), where_loss(&delta(part)).alias(loss)]);
        }
        let mut keys = cols_of(&["customer_id", "currency", "period"]);
        let mut of_customer: Vec<Expr> = ["_opening", "_upsell", "_cross_sell"].map(|n| col(n).max()).to_vec();
        let mut group = Vec::new();
        if self.view.transfers() {
            let at_start = || is_kind(&["transfer_in"]).and(col("effective_on").eq(periods.start(col("period"))));
            for d in by {
                let only = |condition: Expr, name: String| when(condition).then(col(d.as_str())).otherwise(lit(NULL)).alias(name);
                let (moved, first) = (format!("_moved_{d}"), format!("_first_{d}"));
                columns.extend([only(at_start(), moved.clone()), only(col("_first"), first.clone())]);
                of_customer.extend([col(moved.as_str()).max(), col(first.as_str()).max()]);
                group.push(col(moved).fill_null(col(first)).alias(d.as_str()));
            }
        } else {
            columns.extend(cols_of(by));
            keys.extend(cols_of(by));
        }
        let summed: Vec<&str> =
            MOVED[..3].iter().copied().chain(PARTS.iter().flat_map(|(_, gain, loss)| [*gain, *loss])).collect();
        of_customer.extend(summed.iter().map(|n| col(*n).sum()));
        group.extend([
            (col("_opening") * col("_upsell")).alias("upsell_customers"),
            (col("_opening") * col("_cross_sell")).alias("cross_sell_customers"),
        ]);
        let mut sums: Vec<Expr> = summed.iter().map(|n| col(*n).sum()).collect();
        sums.extend(MOVED[3..].iter().map(|n| col(*n).sum()));
        rows.select(columns).group_by(keys).agg(of_customer).with_columns(group).group_by(self.keys()).agg(sums)
    }

    /// Everything summed per period and group, and in total, on the full grid.
    fn on_grid(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let by = self.view.by();
        let names = self.sum_names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // A frame of some of the sums with zeros for the others.
        let filled = |has: &[String]| {
            let mut out = self.keys();
            out.extend(names.iter().map(|n| if has.iter().any(|h| h == n) { col(*n) } else { int(0).alias(*n) }));
            out
        };
        let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let mut moved = owned(&MOVED);
        moved.extend(PARTS.iter().flat_map(|(_, gain, loss)| [*gain, *loss]).map(str::to_owned));
        let mut frames = vec![
            self.openings(self.view.ledger(inputs)?).select(filled(&owned(&OPENING))),
            self.movements(self.view.ledger(inputs)?).select(filled(&moved)),
        ];
        let mut only_in_total = None;
        if let Some(p) = &self.proposals {
            let sums = p.sums(&self.view, inputs)?;
            if p.by.is_some() {
                frames.push(sums.select(filled(&p.sum_names())));
            } else {
                let none = by.iter().map(|d| lit(NULL).cast(DataType::String).alias(d.as_str())).collect::<Vec<_>>();
                let sums = sums.with_columns(none).select(filled(&p.sum_names()));
                only_in_total = Some(sums.with_column(lit(true).alias("is_total")));
            }
        }
        let sum_all = || names.iter().map(|n| col(*n).sum()).collect::<Vec<_>>();
        let parts = concat(frames, UnionArgs::default())?
            .filter(col("period").lt_eq(lit(self.view.last())))
            .group_by(self.keys())
            .agg(sum_all());
        let mut sums = with_total(&parts, &["currency", "period"], by, &names)?;
        if let Some(total) = only_in_total {
            let mut order = self.keys();
            order.push(col("is_total"));
            let keys = order.clone();
            order.extend(cols_of(&names));
            sums = concat([sums.select(order.clone()), total.select(order)], UnionArgs::default())?.group_by(keys).agg(sum_all());
        }
        on_grid(&sums, by, self.view.last(), &names)
    }

    fn rates(&self, rows: LazyFrame) -> LazyFrame {
        let opening = || col("opening_customers");
        let (upsell_low, upsell_high) = wilson(&col("upsell_customers"), &opening());
        let (cross_low, cross_high) = wilson(&col("cross_sell_customers"), &opening());
        let mut columns = vec![
            self.view.periods().start(col("period")).alias("period_start"),
            col("period").lt_eq(lit(self.view.last_complete())).alias("is_complete"),
            ratio(col("upsell_customers"), opening()).alias("upsell_customer_rate"),
            upsell_low.alias("upsell_customer_ci_low"),
            upsell_high.alias("upsell_customer_ci_high"),
            ratio(col("expansion_mrr"), col("opening_mrr")).alias("upsell_value_rate"),
            ratio(col("cross_sell_customers"), opening()).alias("cross_sell_customer_rate"),
            cross_low.alias("cross_sell_customer_ci_low"),
            cross_high.alias("cross_sell_customer_ci_high"),
            reason([(opening().eq(int(0)), "no_opening_customers")]).alias("reason"),
        ];
        let Some(p) = &self.proposals else { return rows.with_columns(columns) };
        let split = || if p.by.is_some() { lit(true) } else { col("is_total") };
        let known = |e: Expr| when(split()).then(e).otherwise(lit(NULL));
        for (kind, _) in &p.kinds {
            let of = |name: &str| col(format!("{kind}_{name}"));
            columns.push(known(ratio(of("won"), of("proposed"))).alias(format!("{kind}_win_rate")));
            columns.push(
                reason([(split().not(), "not_by_dimension"), (of("proposed").eq(int(0)), "no_proposals")])
                    .alias(format!("{kind}_win_reason")),
            );
            columns.extend(["proposed", "won", "open"].map(|n| known(of(n)).alias(format!("{kind}_{n}"))));
        }
        rows.with_columns(columns)
    }
}

/// Sums that run on from period to period.
const OPENING: [&str; 2] = ["_opened_mrr", "_opened_customers"];
/// Sums of the changes of a period: of rows, then of customers.
const MOVED: [&str; 5] = ["expansion_mrr", "contraction_mrr", "upsell_mrr", "upsell_customers", "cross_sell_customers"];

impl Metric for Expansion {
    fn output(&self) -> TableSchema {
        use ColumnType::{Float, Int, Money, String as Text};
        let per_month = "money per month";
        let upsell = self.upsell.iter().map(|p| p.name()).collect::<Vec<_>>().join(", ");
        let mut schema = self
            .view
            .keys()
            .column("opening_customers", Int, "customers", "n: paying customers at the start; denominator of the customer rates")
            .column("opening_mrr", Money, per_month, "recurring revenue at the start; denominator of upsell_value_rate")
            .column("expansion_mrr", Money, per_month, "gained from customers that stayed; numerator of upsell_value_rate")
            .column("contraction_mrr", Money, per_month, "lost with customers that stayed; negative");
        for ((_, gain, loss), (gained, lost)) in PARTS.into_iter().zip(MEANINGS) {
            schema = schema
                .column(gain, Money, per_month, gained)
                .column(loss, Money, per_month, format!("{lost}; negative"));
        }
        schema = schema
            .column("upsell_mrr", Money, per_month, format!("gains of the parts that are an upsell: {upsell}"))
            .column("upsell_customers", Int, "customers", "customers of the opening with an upsell in the period")
            .nullable("upsell_customer_rate", Float, "rate", "upsell customers over opening customers")
            .nullable("upsell_customer_ci_low", Float, "rate", "lower end of the 95 % Wilson interval")
            .nullable("upsell_customer_ci_high", Float, "rate", "upper end of the 95 % Wilson interval")
            .nullable("upsell_value_rate", Float, "rate", "expansion over opening MRR")
            .column("cross_sell_customers", Int, "customers", "customers of the opening that took on a product in the period")
            .nullable("cross_sell_customer_rate", Float, "rate", "cross-sell customers over opening customers")
            .nullable("cross_sell_customer_ci_low", Float, "rate", "lower end of the 95 % Wilson interval")
            .nullable("cross_sell_customer_ci_high", Float, "rate", "upper end of the 95 % Wilson interval")
            .nullable("reason", Text, "", "why the rates over the opening are NULL: `no_opening_customers`");
        let Some(p) = &self.proposals else { return schema };
        for (kind, _) in &p.kinds {
            let (day, open) = match p.count_by {
                CountBy::Created => ("made", true),
                CountBy::Closed => ("decided", false),
            };
            schema = schema
                .nullable(format!("{kind}_proposed"), Int, "proposals", format!("n: proposals {day} in the period; denominator of the win rate"))
                .nullable(format!("{kind}_won"), Int, "proposals", "of these, won by as_of; numerator of the win rate");
            if open {
                schema = schema.nullable(format!("{kind}_open"), Int, "proposals", "of these, not decided by as_of");
            }
            schema = schema
                .nullable(format!("{kind}_win_rate"), Float, "rate", "won over proposed")
                .nullable(format!("{kind}_win_reason"), Text, "", "why the win rate is NULL: `no_proposals`, `not_by_dimension`");
        }
        schema
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let mut group = self.view.group();
        group.push(col("is_total"));
        let rows = self.on_grid(inputs)?.with_columns([
            col(OPENING[0]).cum_sum(false).over(group.clone())?.alias("opening_mrr"),
            col(OPENING[1]).cum_sum(false).over(group)?.alias("opening_customers"),
        ]);
        let schema = self.output();
        let names: Vec<&str> = schema.names().collect();
        Ok(sort_on(self.rates(rows).select(cols_of(&names)), &schema.grain))
    }

    fn identities(&self, inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let ledger = self.view.ledger(inputs)?;
        let sum = |names: &[&str]| names.iter().map(|n| col(*n)).reduce(|a, b| a + b).unwrap_or_else(|| int(0));
        let all_parts: Vec<&str> = PARTS.iter().flat_map(|(_, gain, loss)| [*gain, *loss]).collect();
        let key = || [col("currency")];
        let mut full = JoinArgs::new(JoinType::Full);
        full.coalesce = JoinCoalesce::CoalesceColumns;
        let of_ledger = ledger
            .clone()
            .filter(is_kind(&["expansion", "contraction"]))
            .group_by(key())
            .agg([col("mrr_delta").sum().alias("expected")]);
        let of_output = output
            .clone()
            .filter(col("is_total"))
            .group_by(key())
            .agg([sum(&MOVED[..2]).sum().alias("movements")]);
        let last = self.view.last();
        let opened = ledger
            .filter(self.view.periods().index(col("effective_on")).lt(lit(last)))
            .group_by(key())
            .agg([col("mrr_delta").sum().alias("expected")]);
        let differs = |found: &str| col(found).fill_null(int(0)).neq(col("expected").fill_null(int(0)));
        let mut out = vec![
            Identity {
                name: "parts_are_the_movements",
                meaning: "gains and losses of all parts sum to expansion and contraction",
                broken: output.clone().filter(sum(&all_parts).neq(sum(&MOVED[..2]))),
            },
            Identity {
                name: "movements_are_ledger",
                meaning: "expansion and contraction of all periods are those of the ledger",
                broken: of_output.join(of_ledger, key(), key(), full).filter(differs("movements")),
            },
            Identity {
                name: "opening_is_ledger",
                meaning: "the last opening is the sum of the ledger's changes before that period",
                broken: output
                    .clone()
                    .filter(col("is_total"))
                    .filter(self.view.periods().index(col("period_start")).eq(lit(last)))
                    .join(opened, key(), key(), JoinArgs::new(JoinType::Left))
                    .filter(differs("opening_mrr")),
            },
            Identity {
                name: "customers_are_of_the_opening",
                meaning: "no more customers have an upsell or a cross-sell than the period opened with",
                broken: output.clone().filter(
                    col("upsell_customers")
                        .gt(col("opening_customers"))
                        .or(col("cross_sell_customers").gt(col("opening_customers"))),
                ),
            },
        ];
        out.extend(self.view.parts_identity(output, "expansion_mrr")?);
        if let Some(p) = &self.proposals {
            out.extend(self.proposal_identities(p, inputs, output)?);
        }
        Ok(out)
    }

    fn attrition(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        let Some(p) = &self.proposals else { return Ok(None) };
        let as_of = date_lit(self.view.as_of());
        let why = when(p.is_of(&p.all_values()).not())
            .then(lit("other_type"))
            .when(p.is_made(&as_of).not())
            .then(lit("created_after_as_of"))
            .when(p.counts(&as_of).not())
            .then(lit("open"))
            .otherwise(lit("used"));
        Ok(Some(
            inputs
                .get(&p.from)?
                .group_by([why.alias("reason")])
                .agg([len().cast(DataType::Int64).alias("rows")])
                .sort(["reason"], SortMultipleOptions::default()),
        ))
    }

    fn headlines(&self) -> Vec<Headline> {
        let mut out = vec![
            ("upsell, customers", "upsell_customer_rate"),
            ("upsell, value", "upsell_value_rate"),
            ("cross-sell, customers", "cross_sell_customer_rate"),
        ];
        for (kind, _) in self.proposals.iter().flat_map(|p| &p.kinds) {
            out.push(if *kind == "upsell" { ("upsell proposals won", "upsell_win_rate") } else { ("cross-sell proposals won", "cross_sell_win_rate") });
        }
        out.into_iter()
            .map(|(label, column)| Headline {
                label: format!("{label}, {}", self.view.periods().grain().name()),
                column: column.to_owned(),
                only: Vec::new(),
                shown_as: ShownAs::Percent,
            })
            .collect()
    }
}

impl Expansion {
    fn proposal_identities(&self, p: &Proposals, inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let as_of = date_lit(self.view.as_of());
        let rows = inputs.get(&p.from)?.filter(p.is_of(&p.all_values()));
        let proposed = p.kinds.iter().map(|(kind, _)| col(format!("{kind}_proposed"))).reduce(|a, b| a + b);
        let counted = output
            .clone()
            .filter(col("is_total"))
            .select([proposed.unwrap_or_else(|| int(0)).sum().alias("counted"), int(1).alias("one")]);
        let expected = rows.clone().filter(p.counts(&as_of)).select([len().cast(DataType::Int64).alias("rows"), int(1).alias("one")]);
        Ok(vec![
            Identity {
                name: "proposals_are_placed",
                meaning: "every proposal has the day on which it was made, and a currency",
                broken: rows.clone().filter(col(p.created.as_str()).is_null().or(p.currency.clone().is_null())),
            },
            Identity {
                name: "decisions_are_known",
                meaning: "every decided proposal says whether it was won",
                broken: rows.filter(p.is_decided(&as_of).and(col(p.won.as_str()).is_null())),
            },
            Identity {
                name: "every_proposal_counts",
                meaning: "the proposals of all periods are those of the source",
                broken: counted
                    .join(expected, [col("one")], [col("one")], JoinArgs::new(JoinType::Inner))
                    .filter(col("counted").neq(col("rows"))),
            },
        ])
    }
}
