#![doc = include_str!("committed_mrr.md")]

use jiff::civil;
use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::bridge::{KINDS, published_kind};
use crate::expr::calendar::{date_lit, epoch_day};
use crate::expr::dims::{cols_of, int, sort_on, with_total};
use crate::kernel::{Later, Numbering, Pass};
use crate::metrics::mrr_ledger::MrrLedger;
use crate::metrics::{Headline, Identity, Inputs, Metric, ShownAs};
use crate::plan::resolver::Resolver;
use crate::schema::{ColumnType, TableSchema};

/// `type: committed_mrr`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The ledger.
    pub from: String,
    /// Months after `as_of` up to which what is scheduled counts.
    #[serde(default = "default_horizons")]
    pub horizons: Vec<u32>,
    /// Dimensions of the ledger to break down by; the grand total is always there.
    #[serde(default)]
    pub by: Vec<String>,
}

fn default_horizons() -> Vec<u32> {
    vec![3, 12]
}

/// Resolved committed revenue.
pub struct CommittedMrr {
    from: String,
    ahead: MrrLedger,
    by: Vec<String>,
    as_of: civil::Date,
    /// Months, and the last day they reach.
    horizons: Vec<(u32, civil::Date)>,
}

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    let shape = cx.ledger("from", &spec.from)?;
    let by = cx.dimensions("by", &shape, &spec.by)?;
    if spec.horizons.is_empty() {
        cx.error("horizons", "`horizons` is empty", "name at least one number of months, for example `[3, 12]`");
    }
    let as_of = cx.context().as_of;
    let mut horizons: Vec<(u32, civil::Date)> = Vec::new();
    for (i, months) in spec.horizons.iter().enumerate() {
        if !(1..=120).contains(months) {
            cx.error(&format!("horizons.{i}"), &format!("a horizon of {months} months is out of range"), "give 1 to 120 months");
        }
        if horizons.iter().any(|(known, _)| known == months) {
            cx.error(&format!("horizons.{i}"), &format!("the horizon {months} is given twice"), "remove one");
        }
        horizons.push((*months, as_of.saturating_add(jiff::Span::new().months(i64::from((*months).min(120))))));
    }
    let last = horizons.iter().map(|(_, day)| *day).max()?;
    cx.also_reads(&shape.reads);
    Some(Box::new(CommittedMrr { from: spec.from, ahead: shape.definition.ahead(last), by, as_of, horizons }))
}

/// The step with what is scheduled: the rows of the ledger after `as_of`.
const LATER: &str = "later";

/// Kinds of what is contracted and not live yet.
const GAINS: [&str; 4] = ["new", "reactivation", "resumed", "expansion"];

fn scheduled(kind: &str) -> String {
    format!("scheduled_{kind}_mrr")
}

impl CommittedMrr {
    fn group(&self) -> Vec<Expr> {
        let mut out = vec![col("currency")];
        out.extend(cols_of(&self.by));
        out
    }

    /// Sums of a part of a ledger per currency and group: `mrr` and `customers`, as of its end.
    fn balance(&self, rows: LazyFrame) -> LazyFrame {
        let came = |sign: i64, condition: Expr| when(condition).then(int(sign)).otherwise(int(0));
        let begins = col("mrr_before").eq(int(0)).and(col("mrr_after").gt(int(0)));
        let ends = col("mrr_before").gt(int(0)).and(col("mrr_after").eq(int(0)));
        rows.group_by(self.group()).agg([
            col("mrr_delta").sum().alias("mrr"),
            (came(1, begins) + came(-1, ends)).sum().alias("customers"),
        ])
    }
}

impl Metric for CommittedMrr {
    fn output(&self) -> TableSchema {
        use ColumnType::{Bool, Currency, Date, Int, Money, String as Text};
        let mut grain = vec!["horizon_months".to_owned(), "currency".to_owned(), "is_total".to_owned()];
        grain.extend(self.by.iter().cloned());
        let mut schema = TableSchema::with_grain(grain)
            .column("horizon_months", Int, "months", "months after as_of up to which what is scheduled counts")
            .column("committed_on", Date, "", "last day of the horizon")
            .column("currency", Currency, "", "currency of the amounts");
        for d in &self.by {
            schema = schema.nullable(d.as_str(), Text, "", "value of the dimension; NULL in the grand total");
        }
        schema = schema
            .column("is_total", Bool, "", "true in the grand total over all values of the dimensions")
            .column("mrr", Money, "money per month", "recurring revenue at as_of");
        for kind in KINDS {
            schema = schema.column(scheduled(kind), Money, "money per month", format!("scheduled changes of kind `{kind}`; losses are negative"));
        }
        schema
            .column("committed_mrr", Money, "money per month", "recurring revenue plus what is scheduled")
            .column("committed_arr", Money, "money per year", "twelve times the committed MRR")
            .column("contracted_arr", Money, "money per year", "twelve times recurring revenue plus scheduled gains, without scheduled losses: CARR")
            .column("customers", Int, "customers", "paying customers at as_of")
            .column("committed_customers", Int, "customers", "customers that will pay on the last day of the horizon")
    }

    fn steps(&self) -> Vec<&'static str> {
        self.ahead.steps().into_iter().chain([LATER]).collect()
    }

    fn step(&self, name: &str, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        if name == LATER {
            return Ok(self.ahead.query(inputs)?.filter(col("effective_on").gt(date_lit(self.as_of))));
        }
        self.ahead.step(name, inputs)
    }

    fn pass(&self, name: &str) -> Option<Pass<'_>> {
        if name == LATER {
            let (ledger, schema) = (self.ahead.whole()?, self.ahead.output());
            return Some(Pass::Later(Box::new(Later { ledger, schema, after: epoch_day(self.as_of) })));
        }
        self.ahead.pass(name)
    }

    fn numbering(&self) -> Option<Numbering> {
        self.ahead.numbering()
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let known = inputs.get(&self.from)?;
        let later = inputs.step(LATER, || self.step(LATER, inputs))?.cache();
        let mut values: Vec<String> = vec!["mrr".to_owned(), "customers".to_owned()];
        values.extend(KINDS.iter().map(|k| scheduled(k)));
        values.push("gained_customers".to_owned());
        let zero = |name: &str| int(0).alias(name);
        let mut parts = Vec::new();
        for (months, day) in &self.horizons {
            let rows = later.clone().filter(col("effective_on").lt_eq(date_lit(*day)));
            let changes = rows.clone().with_column(published_kind().alias("kind")).group_by(self.group()).agg(
                KINDS
                    .iter()
                    .map(|k| when(col("kind").eq(lit(*k))).then(col("mrr_delta")).otherwise(int(0)).sum().alias(scheduled(k)))
                    .collect::<Vec<_>>(),
            );
            let mut now = self.group();
            now.extend([col("mrr"), col("customers")]);
            now.extend(KINDS.iter().map(|k| zero(&scheduled(k))));
            now.push(zero("gained_customers"));
            let mut moved = self.group();
            moved.extend([zero("mrr"), zero("customers")]);
            moved.extend(KINDS.iter().map(|k| col(scheduled(k))));
            moved.push(zero("gained_customers"));
            let mut gained = self.group();
            gained.extend([zero("mrr"), zero("customers")]);
            gained.extend(KINDS.iter().map(|k| zero(&scheduled(k))));
            gained.push(col("customers").alias("gained_customers"));
            let all = concat(
                [
                    self.balance(known.clone()).select(now),
                    changes.select(moved),
                    self.balance(rows).select(gained),
                ],
                UnionArgs::default(),
            )?;
            parts.push(
                all.group_by(self.group())
                    .agg(values.iter().map(|v| col(v.as_str()).sum()).collect::<Vec<_>>())
                    .with_columns([
                        int(i64::from(*months)).alias("horizon_months"),
                        date_lit(*day).alias("committed_on"),
                    ]),
            );
        }
        let parts = concat(parts, UnionArgs::default())?;
        let names: Vec<&str> = values.iter().map(String::as_str).collect();
        let rows = with_total(&parts, &["horizon_months", "committed_on", "currency"], &self.by, &names)?;
        let committed = || KINDS.iter().fold(col("mrr"), |sum, k| sum + col(scheduled(k)));
        let schema = self.output();
        let columns: Vec<&str> = schema.names().collect();
        let rows = rows.with_columns([
            committed().alias("committed_mrr"),
            (committed() * int(12)).alias("committed_arr"),
            (GAINS.iter().fold(col("mrr"), |sum, k| sum + col(scheduled(k))) * int(12)).alias("contracted_arr"),
            (col("customers") + col("gained_customers")).alias("committed_customers"),
        ]);
        Ok(sort_on(rows.select(cols_of(&columns)), &schema.grain))
    }

    fn identities(&self, inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let total = || output.clone().filter(col("is_total"));
        let closing = inputs.daily(&self.from)?.group_by([col("currency")]).agg([col("mrr_delta").sum().alias("expected")]);
        let gains = GAINS.iter().fold(col("mrr"), |sum, k| sum + col(scheduled(k)));
        let twelfth = |arr: &str| col(arr).floor_div(int(12));
        let fits = twelfth("committed_arr").eq(col("committed_mrr")).and(twelfth("contracted_arr").eq(gains));
        let mut out = vec![Identity {
            name: "arr_fits",
            meaning: "ARR is twelve times the MRR, which fits 64 bits",
            broken: output.clone().filter(fits.not()),
        }, Identity {
            name: "opens_with_the_ledger",
            meaning: "the revenue at as_of is the sum of the ledger's changes",
            broken: total()
                .join(closing, [col("currency")], [col("currency")], JoinArgs::new(JoinType::Left))
                .filter(col("mrr").neq(col("expected").fill_null(int(0)))),
        }];
        if !self.by.is_empty() {
            let side = |total: bool| when(col("is_total").eq(lit(total))).then(col("committed_mrr")).otherwise(int(0)).sum();
            out.push(Identity {
                name: "parts_sum_to_total",
                meaning: "the rows per dimension value sum to the grand total",
                broken: output
                    .clone()
                    .group_by(cols_of(&["horizon_months", "currency"]))
                    .agg([side(false).alias("parts"), side(true).alias("total")])
                    .filter(col("parts").neq(col("total"))),
            });
        }
        Ok(out)
    }

    fn headlines(&self) -> Vec<Headline> {
        let Some((months, _)) = self.horizons.iter().max() else { return Vec::new() };
        vec![Headline {
            label: format!("committed MRR in {months} months"),
            column: "committed_mrr".to_owned(),
            only: vec![("horizon_months".to_owned(), months.to_string())],
            shown_as: ShownAs::Money,
        }]
    }
}
