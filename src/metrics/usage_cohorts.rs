#![doc = include_str!("usage_cohorts.md")]

use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::calendar::{Grain, Periods};
use crate::expr::condense::Condense;
use crate::expr::dims::{cols_of, int, sort_on};
use crate::expr::ratio::{ratio, wilson};
use crate::expr::uses::Uses;
use crate::expr::visits::{activity, cohorts, visits};
use crate::kernel::Pass;
use crate::metrics::behind::{Behind, Row};
use crate::metrics::formula::{Formula, Term, of};
use crate::metrics::usage::{EVERYBODY, FATES, Unit, Usage, UsageKeys};
use crate::metrics::{Identity, Inputs, Metric};
use crate::plan::resolver::Resolver;
use crate::schema::{ColumnType, TableSchema};

/// The step with the active units of each cohort and offset.
const CHANGES: &str = "changes";

/// `type: usage_cohorts`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Source of usage events, one row per event.
    pub from: String,
    /// Date or timestamp column: when it happened.
    pub at: String,
    /// Column of the user. Required with `unit: user`.
    #[serde(default)]
    pub user: Option<String>,
    /// Column of the customer that the user belongs to. Required with `unit: customer`.
    #[serde(default)]
    pub customer: Option<String>,
    /// String column of the kind of event; needs `events`.
    #[serde(default)]
    pub event: Option<String>,
    /// Kinds of event that count. Default: all.
    #[serde(default)]
    pub events: Vec<String>,
    /// Who is followed.
    #[serde(default)]
    pub unit: Unit,
    /// Length of a period: of the cohorts and of the offsets. Default `week`.
    #[serde(default = "default_grain")]
    pub grain: Grain,
    /// Last offset, in periods. Default 12.
    #[serde(default = "default_horizon")]
    pub horizon: u32,
    /// What counts as retained at an offset.
    #[serde(default)]
    pub returning: Returning,
    /// Cells with a smaller base than this have no rate.
    #[serde(default)]
    pub min_size: u32,
}

fn default_grain() -> Grain {
    Grain::Week
}

fn default_horizon() -> u32 {
    12
}

/// What counts as retained at an offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Returning {
    /// Active in that period.
    #[default]
    On,
    /// Active in that period or in a later one up to `as_of`.
    OnOrAfter,
}

/// Resolved usage cohorts.
pub struct UsageCohorts {
    usage: Usage,
    unit: Unit,
    id_type: ColumnType,
    periods: Periods,
    horizon: i32,
    returning: Returning,
    min_size: u32,
}

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    let keys = UsageKeys {
        from: &spec.from,
        at: &spec.at,
        user: spec.user.as_deref(),
        customer: spec.customer.as_deref(),
        event: spec.event.as_deref(),
        events: &spec.events,
        by: &[],
    };
    let usage = Usage::resolve(cx, &keys, |_| false);
    let limit = if spec.grain == Grain::Day { 1100 } else { 260 };
    if spec.horizon == 0 || spec.horizon > limit {
        cx.error(
            "horizon",
            &format!("a horizon of {} is out of range", spec.horizon),
            &format!("give 1 to {limit} periods"),
        );
    }
    let column = match spec.unit {
        Unit::User => &spec.user,
        Unit::Customer => &spec.customer,
    };
    let Some(column) = column else {
        let name = spec.unit.name();
        cx.error(
            "",
            &format!("`{name}` is missing"),
            &format!("name the column of the {name}, or follow others with `unit`"),
        );
        return None;
    };
    let id_type = cx.source("from", &spec.from)?.type_of(column)?;
    Some(Box::new(UsageCohorts {
        usage: usage?,
        unit: spec.unit,
        id_type,
        periods: Periods::new(spec.grain, cx.context().calendar),
        horizon: i32::try_from(spec.horizon).ok()?,
        returning: spec.returning,
        min_size: spec.min_size,
    }))
}

impl UsageCohorts {
    /// Visits of the units that are followed.
    fn visits(&self, inputs: &Inputs, keep_id: bool) -> PolarsResult<LazyFrame> {
        Ok(visits(Uses::usable(self.usage.rows(inputs)?), self.unit.name(), &[], keep_id))
    }

    /// How many of each cohort were active at each offset, and how many were for the last time.
    fn changes(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        inputs.step(CHANGES, || Ok(cohorts(self.visits(inputs, false)?, self.periods)))
    }

    fn fates(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        inputs.step(FATES, || Ok(Uses::fates(self.usage.rows(inputs)?)))
    }

    fn everybody(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        inputs.step(EVERYBODY, || self.usage.uses(false).everybody(&self.usage.rows(inputs)?))
    }

    /// Cells of every cohort: `origin`, `k`, `size`, `retained` and `is_mature`.
    fn cells(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let changes = self.changes(inputs)?;
        let sizes = changes.clone().filter(col("k").eq(lit(0))).select([col("origin"), col("active").alias("size")]);
        let keys = ["origin", "k"];
        let rows = sizes
            .with_column(self.offsets().alias("k"))
            .explode(by_name(["k"], true, false), ExplodeOptions { empty_as_null: false, keep_nulls: false })
            .with_column(col("k").cast(DataType::Int32))
            .join(changes, cols_of(&keys), cols_of(&keys), JoinArgs::new(JoinType::Left))
            .with_columns([col("active").fill_null(int(0)), col("last").fill_null(int(0))])
            .sort(keys, SortMultipleOptions::default());
        let retained = match self.returning {
            Returning::On => col("active"),
            // Whoever was there for the last time before this offset is gone.
            Returning::OnOrAfter => col("size") - (col("last").cum_sum(false).over([col("origin")])? - col("last")),
        };
        Ok(rows.with_columns([
            retained.alias("retained"),
            (col("origin") + col("k")).lt_eq(lit(self.periods.last_complete(self.usage.as_of()))).alias("is_mature"),
        ]))
    }

    fn offsets(&self) -> Expr {
        int_ranges(int(0), int(i64::from(self.horizon) + 1), int(1), DataType::Int64)
    }

    /// All cohorts together: sums over those that are mature at an offset.
    fn total(cells: &LazyFrame) -> LazyFrame {
        let of_mature = |name: &str| when(col("is_mature")).then(col(name)).otherwise(int(0)).sum();
        cells.clone().group_by([col("k")]).agg([
            of_mature("size").alias("base"),
            of_mature("retained").alias("retained"),
            col("size").sum().alias("cohort_size"),
            col("is_mature").any(true).alias("is_mature"),
        ])
    }

    fn units(&self) -> String {
        format!("{}s", self.unit.name())
    }
}

/// Columns of a cell, in order.
const CELL: [&str; 7] = ["is_total", "cohort", "cohort_size", "k", "is_mature", "retained", "base"];

impl Metric for UsageCohorts {
    fn output(&self) -> TableSchema {
        use ColumnType::{Bool, Date, Float, Int};
        let (name, units) = (self.periods.grain().name(), "users or customers");
        TableSchema::with_grain(["is_total", "cohort", "period_offset"])
            .column("is_total", Bool, "", "true for all cohorts together")
            .nullable(
                "cohort",
                Date,
                "",
                format!("first day of the {name} of the first use; NULL for all cohorts together"),
            )
            .column("cohort_size", Int, units, format!("{} of the cohort", self.units()))
            .column("period_offset", Int, "periods", format!("{name}s since the {name} of the first use, which is 0"))
            .nullable("period_start", Date, "", "first day of the period at that offset; NULL for all cohorts together")
            .column("is_mature", Bool, "", "whether the period at that offset was over at as_of")
            .nullable("retained", Int, units, "numerator: active then; NULL in immature cells")
            .nullable("base", Int, units, "denominator: n of the cell; NULL in immature cells")
            .nullable("rate", Float, "rate", "retained over base; NULL in immature cells")
            .nullable("ci_low", Float, "rate", "lower end of the 95 % Wilson interval")
            .nullable("ci_high", Float, "rate", "upper end of the 95 % Wilson interval")
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let cells = self.cells(inputs)?;
        let total = Self::total(&cells)
            .with_columns([lit(true).alias("is_total"), lit(NULL).cast(DataType::Date).alias("cohort")])
            .select(cols_of(&CELL));
        let cohorts = cells
            .with_columns([
                lit(false).alias("is_total"),
                self.periods.start(col("origin")).alias("cohort"),
                col("size").alias("base"),
                col("size").alias("cohort_size"),
            ])
            .select(cols_of(&CELL));
        let mature = |value: Expr| when(col("is_mature")).then(value).otherwise(lit(NULL));
        let enough = || col("base").gt_eq(int(i64::from(self.min_size)));
        let rate = |value: Expr| when(col("is_mature").and(enough())).then(value).otherwise(lit(NULL));
        let (low, high) = wilson(&col("retained"), &col("base"));
        let at = self.periods.start(self.periods.index(col("cohort")) + col("k"));
        let schema = self.output();
        let names: Vec<&str> = schema.names().collect();
        let rows = concat([cohorts, total], UnionArgs::default())?.with_columns([
            col("k").cast(DataType::Int64).alias("period_offset"),
            at.alias("period_start"),
            rate(ratio(col("retained"), col("base"))).alias("rate"),
            rate(low).alias("ci_low"),
            rate(high).alias("ci_high"),
            mature(col("retained")).alias("retained"),
            mature(col("base")).alias("base"),
        ]);
        Ok(sort_on(rows.select(cols_of(&names)), &schema.grain))
    }

    fn condense(&self) -> PolarsResult<Option<Condense>> {
        self.usage.condense().map(Some)
    }

    fn steps(&self) -> Vec<&'static str> {
        vec![FATES, EVERYBODY, CHANGES]
    }

    fn step(&self, name: &str, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        match name {
            FATES => self.fates(inputs),
            EVERYBODY => self.everybody(inputs),
            CHANGES => self.changes(inputs),
            _ => Err(polars_err!(InvalidOperation: "no step `{name}`")),
        }
    }

    fn pass(&self, name: &str) -> Option<Pass<'_>> {
        let uses = self.usage.uses(false);
        match name {
            FATES => Some(Pass::Fates(uses)),
            EVERYBODY => Some(Pass::Everybody(uses)),
            CHANGES => Some(Pass::UsageCohorts(uses, self.unit, self.periods)),
            _ => None,
        }
    }

    fn identities(&self, inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let everybody = self.everybody(inputs)?.filter(col("unit").eq(lit(self.unit.name())));
        let at_start = || output.clone().filter(col("period_offset").eq(int(0)));
        let sizes = at_start().filter(col("is_total").not()).select([col("cohort_size").sum().alias("sizes")]);
        let total = at_start().filter(col("is_total")).select([col("cohort_size").sum().alias("total")]);
        let sums = |rows: LazyFrame| {
            rows.filter(col("is_mature"))
                .group_by([col("period_offset")])
                .agg([col("retained").sum(), col("base").sum()])
        };
        let same = [col("period_offset")];
        let mut together = JoinArgs::new(JoinType::Full);
        together.coalesce = JoinCoalesce::CoalesceColumns;
        let both = sums(output.clone().filter(col("is_total").not())).join(
            sums(output.clone().filter(col("is_total"))),
            same.clone(),
            same,
            together,
        );
        Ok(vec![
            Identity {
                name: "cohorts_are_everybody",
                meaning: "cohort sizes sum to everybody who was ever active",
                broken: everybody
                    .cross_join(sizes, None)
                    .cross_join(total, None)
                    .filter(col("sizes").neq(col("everybody")).or(col("total").neq(col("everybody")))),
            },
            Identity {
                name: "starts_at_one",
                meaning: "everybody is active in the period of the first use",
                broken: at_start().filter(col("retained").neq(col("base"))),
            },
            Identity {
                name: "at_most_one",
                meaning: "no more are retained than the base",
                broken: output.clone().filter(col("retained").gt(col("base"))),
            },
            Identity {
                name: "total_is_mature_sum",
                meaning: "the total is the sum of the cohorts that are mature at its offset",
                broken: both.filter(
                    col("retained").neq_missing(col("retained_right")).or(col("base").neq_missing(col("base_right"))),
                ),
            },
        ])
    }

    fn attrition(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        self.fates(inputs).map(Some)
    }

    fn formulas(&self) -> Vec<Formula> {
        let unless = match self.min_size {
            0 => "the period at that offset was not over: NULL in immature cells".to_owned(),
            n => format!("NULL in immature cells and in those with a base below {n}"),
        };
        let end = |name: &str, upper: bool| {
            Formula::new(name, Term::Wilson { upper, of: Box::new([of("retained"), of("base")]) })
                .unless(unless.clone())
        };
        vec![
            Formula::new("rate", of("retained") / of("base")).unless(unless.clone()),
            end("ci_low", false),
            end("ci_high", true),
        ]
    }

    fn behind(&self, inputs: &Inputs, _: &LazyFrame, row: &Row, _: &[String]) -> PolarsResult<Vec<Behind>> {
        let Some(offset) = row.int("period_offset").and_then(|k| i32::try_from(k).ok()) else { return Ok(Vec::new()) };
        let last = self.periods.last_complete(self.usage.as_of());
        let of_row = match row.date("cohort") {
            Some(day) => col("origin").eq(lit(self.periods.index_of(day))),
            None => (col("origin") + lit(offset)).lt_eq(lit(last)),
        };
        let there = match self.returning {
            Returning::On => col("k").eq(lit(offset)).sum(),
            Returning::OnOrAfter => col("k").max().gt_eq(lit(offset)),
        };
        let name = format!("{}_id", self.unit.name());
        let rows = activity(self.visits(inputs, true)?, self.periods, true)
            .filter(of_row)
            .group_by([col("id").alias(name.as_str()), col("origin")])
            .agg([there.cast(DataType::Int64).alias("retained"), col("k").max().alias("last")])
            .with_columns([
                int(1).alias("one"),
                (int(1) - col("retained")).alias("lost"),
                self.periods.start(col("origin")).alias("first_active"),
                self.periods.start(col("origin") + col("last")).alias("last_active"),
            ]);
        let shown = [
            (name.as_str(), self.id_type),
            ("first_active", ColumnType::Date),
            ("last_active", ColumnType::Date),
            ("retained", ColumnType::Int),
        ];
        let title = format!("{} of the cohort at offset {offset}", self.units());
        Ok(vec![
            Behind::customers(title, rows, &shown)
                .adds("retained", "retained")
                .adds("base", "one")
                .shares("rate", "retained", "one")
                .by("lost"),
        ])
    }
}
