#![doc = include_str!("cohort_retention.md")]

use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::calendar::{Grain, date_lit};
use crate::expr::cohort::{Births, Cells, Cohorts, MEASURES, Measure};
use crate::expr::dims::{cols_of, int, sort_on};
use crate::expr::ratio::{ratio, wilson};
use crate::expr::steps::ValueAt;
use crate::kernel::Pass;
use crate::metrics::behind::{Behind, Row};
use crate::metrics::formula::{Formula, Term, of};
use crate::metrics::view::{FxRates, LedgerView};
use crate::metrics::{Identity, Inputs, Metric};
use crate::plan::resolver::Resolver;
use crate::schema::{ColumnType, TableSchema};

/// `type: cohort_retention`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The ledger.
    pub from: String,
    /// Length of a period: of the cohorts and of the offsets.
    #[serde(default)]
    pub grain: Grain,
    /// What customers of a cohort have in common.
    #[serde(default)]
    pub cohort: CohortSpec,
    /// Last offset, in periods. Default 12.
    #[serde(default = "default_horizon")]
    pub horizon: u32,
    /// What is retained.
    #[serde(default = "default_measures")]
    pub measures: Vec<Measure>,
    /// What counts as retained at an offset.
    #[serde(default)]
    pub returning: Returning,
    /// What gross revenue may not exceed.
    #[serde(default)]
    pub gross: Gross,
    /// Cells with fewer customers than this have no rate.
    #[serde(default)]
    pub min_customers: u32,
    /// One row per cell, or one row per cohort with a column per offset.
    #[serde(default)]
    pub layout: Layout,
    /// At which exchange rates, where the ledger has them. Default: `constant`.
    #[serde(default)]
    pub fx: Option<FxRates>,
}

fn default_horizon() -> u32 {
    12
}

fn default_measures() -> Vec<Measure> {
    MEASURES.to_vec()
}

/// What customers of a cohort have in common.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CohortSpec {
    /// The period of the first payment.
    #[default]
    FirstPaid,
    /// The period of a date in a source with one row per customer, such as the signup.
    Date(DateCohortSpec),
    /// The value of a dimension of the ledger at the first payment.
    Dimension(String),
}

/// Cohorts by a date of the customer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DateCohortSpec {
    /// Source with one row per customer.
    pub from: String,
    /// Column that identifies the customer there.
    pub customer: String,
    /// Date column; offset 0 is its period.
    pub date: String,
    /// Currency column of that source. Default: every customer counts in the pipeline's currency.
    #[serde(default)]
    pub currency: Option<String>,
}

/// What counts as retained at an offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Returning {
    /// Paying at the end of that period.
    #[default]
    On,
    /// Paying at the end of that period or of a later one up to `as_of`; customers only.
    OnOrAfter,
}

/// What gross revenue may not exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gross {
    /// The amount at entry.
    #[default]
    Entry,
    /// The lowest amount so far: what was lost once is not gained again.
    Ratchet,
}

/// Shape of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One row per cohort, offset and measure.
    #[default]
    Long,
    /// One row per cohort, one column of rates per offset; one measure only.
    Wide,
}

/// Resolved cohort retention.
pub struct CohortRetention {
    view: LedgerView,
    cohorts: Cohorts,
    measures: Vec<Measure>,
    min_customers: u32,
    layout: Layout,
}

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    let by = match &spec.cohort {
        CohortSpec::Dimension(d) => vec![d.clone()],
        _ => Vec::new(),
    };
    let shape = cx.ledger("from", &spec.from)?;
    if !by.is_empty() {
        cx.dimension("cohort.dimension", &shape, &by[0])?;
    }
    let view = LedgerView::resolve(cx, &spec.from, &[], spec.grain, ValueAt::PeriodEnd)?;
    let reported = view.has_rates();
    let view = view.at_rates(cx, spec.fx);
    let limit = if spec.grain == Grain::Day { 1100 } else { 260 };
    if spec.horizon == 0 || spec.horizon > limit {
        cx.error("horizon", &format!("a horizon of {} is out of range", spec.horizon), &format!("give 1 to {limit} periods"));
    }
    if spec.measures.is_empty() {
        cx.error("measures", "`measures` is empty", "name at least one of `customers`, `gross_revenue`, `net_revenue`");
    }
    for (i, m) in spec.measures.iter().enumerate() {
        if spec.measures[..i].contains(m) {
            cx.error(&format!("measures.{i}"), &format!("the measure `{}` is given twice", m.name()), "remove one");
        }
    }
    if spec.layout == Layout::Wide && spec.measures.len() != 1 {
        cx.error("measures", "the wide layout holds one measure", "declare one table per measure, for example `measures: [customers]`");
    }
    if spec.gross == Gross::Ratchet && !spec.measures.contains(&Measure::GrossRevenue) {
        cx.error("gross", "`gross` has no effect without the measure `gross_revenue`", "remove it, or add the measure");
    }
    if spec.returning == Returning::OnOrAfter && spec.measures != [Measure::Customers] {
        cx.error("returning", "`on_or_after` is defined for customers, not for revenue", "set `measures: [customers]`");
    }
    let born = match &spec.cohort {
        CohortSpec::Date(d) => {
            let source = cx.source("cohort.date.from", &d.from)?;
            let customer = cx.column(&source, "cohort.date.customer", &d.customer, &[shape.customer_type]);
            let date = cx.column(&source, "cohort.date.date", &d.date, &[ColumnType::Date]);
            let currency = match &d.currency {
                Some(_) if reported => {
                    cx.error("cohort.date.currency", "`currency` has no effect: the ledger is in the pipeline's currency", "remove it");
                    return None;
                }
                Some(c) => cx.column(&source, "cohort.date.currency", c, &[ColumnType::Currency]).map(|c| col(c.as_str())),
                None => Some(cx.reporting_currency("cohort.date")?),
            };
            Some(Births { from: d.from.clone(), customer: customer?, date: date?, currency: currency?, until: view.as_of() })
        }
        _ => None,
    };
    let cohorts = Cohorts {
        periods: view.periods(),
        last: view.last(),
        last_complete: view.last_complete(),
        horizon: i32::try_from(spec.horizon).ok()?,
        dimension: by.first().cloned(),
        born,
        value: view.value(),
        unbounded: spec.returning == Returning::OnOrAfter,
        ratchet: spec.gross == Gross::Ratchet,
    };
    Some(Box::new(CohortRetention { view, cohorts, measures: spec.measures, min_customers: spec.min_customers, layout: spec.layout }))
}

impl CohortRetention {
    /// The customers of a cell, with what is retained of each.
    fn members(&self, inputs: &Inputs, row: &Row, offset: i32, measure: Measure) -> PolarsResult<Behind> {
        use ColumnType::{Date, Int, Money, String as Text};
        let cohort = match (row.is("is_total"), row.text("cohort"), row.date("cohort")) {
            (false, Some(text), _) => Some(lit(text.to_owned())),
            (false, None, Some(day)) => Some(date_lit(day)),
            _ => None,
        };
        let currency = lit(row.text("currency").unwrap_or_default().to_owned());
        let rows = self
            .cohorts
            .members(&self.view.ledger(inputs)?, self.births(inputs)?, offset)?
            .filter(self.cohorts.of_cell(cohort, offset).and(col("currency").eq(currency)))
            .with_columns([int(1).alias("one"), self.view.periods().start(col("origin")).alias("entered_in")]);
        let (retained, base, unit) = match measure {
            Measure::Customers => ("customers", "one", Int),
            Measure::GrossRevenue => ("gross", "entry", Money),
            Measure::NetRevenue => ("net", "entry", Money),
        };
        let shown = [("customer_id", Text), ("entered_in", Date), ("entry", Money), (retained, unit)];
        let title = format!("customers of the cohort and their {} at offset {offset}", measure.name());
        // Whoever is lost comes first: the order is by what they entered with.
        let rows = rows.with_column((col(base) - col(retained)).alias("lost"));
        let names = match measure {
            Measure::Customers => ["retained_customers", "base_customers"],
            _ => ["retained_mrr", "base_mrr"],
        };
        let behind = Behind::customers(title, rows, &shown).adds(names[0], retained).adds(names[1], base).by("lost");
        let ledger = self.view.ledger_until(self.view.as_of());
        Ok(match self.layout {
            Layout::Long => behind.shares("rate", retained, base).ledger(ledger),
            Layout::Wide => behind.shares(format!("offset_{offset}"), retained, base).ledger(ledger),
        })
    }

    fn births(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        self.cohorts.born.as_ref().map(|b| inputs.get(&b.from)).transpose()
    }

    /// Cells of every cohort and of all cohorts together, with rates; one row per cell and measure.
    fn long(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let (changes, bases) = (inputs.step(CHANGES, || self.step(CHANGES, inputs))?, inputs.step(BASES, || self.step(BASES, inputs))?);
        let Cells { cells, total } = self.cohorts.cells(&changes, &bases)?;
        let rows = concat([cells, total], UnionArgs::default())?;
        let mut parts = Vec::new();
        for measure in &self.measures {
            let mature = || col("is_mature");
            let n = || col("customers_base");
            let shown = |value: Expr| when(mature()).then(value).otherwise(lit(NULL));
            let enough = || n().gt_eq(int(i64::from(self.min_customers)));
            let (retained, base) = measure.columns();
            let (low, high) = wilson(&col(retained), &col(base));
            let interval = |bound: Expr| match measure {
                Measure::Customers => when(mature().and(enough())).then(bound).otherwise(lit(NULL)).cast(DataType::Float64),
                _ => lit(NULL).cast(DataType::Float64),
            };
            let customers = |value: Expr| if *measure == Measure::Customers { value } else { lit(NULL) };
            let revenue = |value: Expr| if *measure == Measure::Customers { lit(NULL) } else { value };
            parts.push(rows.clone().with_columns([
                lit(measure.name()).alias("measure"),
                shown(customers(col(retained))).cast(DataType::Int64).alias("retained_customers"),
                shown(customers(col(base))).cast(DataType::Int64).alias("base_customers"),
                shown(revenue(col(retained))).cast(DataType::Int64).alias("retained_mrr"),
                shown(revenue(col(base))).cast(DataType::Int64).alias("base_mrr"),
                when(mature().and(enough())).then(ratio(col(retained), col(base))).otherwise(lit(NULL)).alias("rate"),
                interval(low).alias("ci_low"),
                interval(high).alias("ci_high"),
            ]));
        }
        concat(parts, UnionArgs::default())
    }

    fn cohort_columns(&self, mut schema: TableSchema) -> TableSchema {
        use ColumnType::{Bool, Currency, Date, Int, String as Text};
        let name = self.view.periods().grain().name();
        schema = schema.column("currency", Currency, "", "currency of the amounts").column("is_total", Bool, "", "true for all cohorts together");
        schema = if self.cohorts.dimension.is_some() {
            schema.nullable("cohort", Text, "", "value of the dimension at entry; NULL for all cohorts together")
        } else {
            schema.nullable("cohort", Date, "", format!("first day of the {name} that makes the cohort; NULL for all cohorts together"))
        };
        schema.column("cohort_size", Int, "customers", "customers of the cohort")
    }
}

/// Names of the steps of a triangle: its changes, and what each cohort began with.
pub(crate) const CHANGES: &str = "changes";
pub(crate) const BASES: &str = "bases";

/// The step of a triangle as a pass.
pub(crate) fn pass<'a>(step: &str, ledger: &'a str, cohorts: Cohorts) -> Pass<'a> {
    if step == CHANGES { Pass::CohortChanges(ledger, cohorts) } else { Pass::CohortBases(ledger, cohorts) }
}

impl Metric for CohortRetention {
    fn output(&self) -> TableSchema {
        use ColumnType::{Bool, Date, Float, Int, Money, String as Text};
        let name = self.view.periods().grain().name();
        match self.layout {
            Layout::Long => self
                .cohort_columns(TableSchema::with_grain(["currency", "is_total", "cohort", "measure", "period_offset"]))
                .column("measure", Text, "", "customers, gross_revenue or net_revenue")
                .column("period_offset", Int, "periods", format!("{name}s since the entry of a customer; 0 is the entry itself"))
                .nullable("period_start", Date, "", "first day of the period at that offset; NULL where a row spans several entry periods")
                .column("is_mature", Bool, "", "whether the period at that offset was over at as_of")
                .nullable("retained_customers", Int, "customers", "numerator for the measure customers")
                .nullable("base_customers", Int, "customers", "denominator for the measure customers: n of the cell")
                .nullable("retained_mrr", Money, "money per month", "numerator for revenue measures")
                .nullable("base_mrr", Money, "money per month", "denominator for revenue measures")
                .nullable("rate", Float, "rate", "retained over base; NULL in immature cells")
                .nullable("ci_low", Float, "rate", "lower end of the 95 % Wilson interval, measure customers")
                .nullable("ci_high", Float, "rate", "upper end of the 95 % Wilson interval, measure customers"),
            Layout::Wide => {
                let mut schema = self.cohort_columns(TableSchema::with_grain(["currency", "is_total", "cohort"]));
                for k in 0..=self.cohorts.horizon {
                    schema = schema.nullable(format!("offset_{k}"), Float, "rate", format!("rate {k} {name}s after entry; NULL where immature"));
                }
                schema
            }
        }
    }

    fn steps(&self) -> Vec<&'static str> {
        vec![CHANGES, BASES]
    }

    fn step(&self, name: &str, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let (ledger, births) = (self.view.ledger(inputs)?, self.births(inputs)?);
        Ok(if name == CHANGES { self.cohorts.changes_by_cell(&ledger, births) } else { self.cohorts.bases(&ledger, births) })
    }

    fn pass(&self, name: &str) -> Option<Pass<'_>> {
        self.cohorts.has_pass().then(|| pass(name, self.view.from(), self.cohorts.clone()))
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let schema = self.output();
        let names: Vec<&str> = schema.names().collect();
        let rows = self.long(inputs)?;
        let rows = match self.layout {
            Layout::Long => rows,
            Layout::Wide => {
                let at = |k: i32| when(col("period_offset").eq(int(i64::from(k)))).then(col("rate")).otherwise(lit(NULL)).max().alias(format!("offset_{k}"));
                rows.group_by(cols_of(&["currency", "is_total", "cohort", "cohort_size"])).agg((0..=self.cohorts.horizon).map(at).collect::<Vec<_>>())
            }
        };
        Ok(sort_on(rows.select(cols_of(&names)), &schema.grain))
    }

    fn identities(&self, inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let mut out = Vec::new();
        if self.cohorts.born.is_none() {
            // Every customer that ever paid is in one cohort.
            let paid = self
                .view
                .ledger(inputs)?
                .filter(col("kind").eq(lit("new")))
                .group_by([col("currency")])
                .agg([len().cast(DataType::Int64).alias("paid")]);
            let sizes = output
                .clone()
                .filter(col("is_total").not())
                .select(cols_of(&["currency", "cohort", "cohort_size"]))
                .unique(None, UniqueKeepStrategy::Any)
                .group_by([col("currency")])
                .agg([col("cohort_size").sum().alias("sizes")]);
            let mut full = JoinArgs::new(JoinType::Full);
            full.coalesce = JoinCoalesce::CoalesceColumns;
            out.push(Identity {
                name: "cohorts_are_customers",
                meaning: "cohort sizes sum to the customers that ever paid",
                broken: paid
                    .join(sizes, [col("currency")], [col("currency")], full)
                    .filter(col("paid").fill_null(int(0)).neq(col("sizes").fill_null(int(0)))),
            });
        }
        if self.layout == Layout::Long {
            if self.cohorts.born.is_none() {
                out.push(Identity {
                    name: "starts_at_one",
                    meaning: "retention at offset 0 is 1",
                    broken: output.clone().filter(col("period_offset").eq(int(0)).and(col("rate").neq(lit(1.0)))),
                });
            }
            out.push(Identity {
                name: "at_most_one",
                meaning: "retained customers and gross revenue never exceed their base",
                broken: output.clone().filter(
                    col("measure")
                        .neq(lit("net_revenue"))
                        .and(col("retained_customers").gt(col("base_customers")).or(col("retained_mrr").gt(col("base_mrr")))),
                ),
            });
        }
        Ok(out)
    }

    fn formulas(&self) -> Vec<Formula> {
        if self.layout == Layout::Wide {
            return Vec::new();
        }
        let unless = match self.min_customers {
            0 => "the period at that offset was not over: NULL in immature cells".to_owned(),
            n => format!("NULL in immature cells and in those of fewer than {n} customers"),
        };
        let customers = || ["retained_customers".to_owned(), "base_customers".to_owned()];
        let rate = |[retained, base]: [String; 2], measures: &[&str]| {
            Formula::new("rate", of(retained) / of(base)).only("measure", measures).unless(unless.clone())
        };
        let end = |name: &str, upper: bool| {
            Formula::new(name, Term::Wilson { upper, of: Box::new(customers().map(of)) }).only("measure", &["customers"]).unless(unless.clone())
        };
        vec![
            rate(customers(), &["customers"]),
            rate(["retained_mrr", "base_mrr"].map(str::to_owned), &["gross_revenue", "net_revenue"]),
            end("ci_low", false),
            end("ci_high", true),
        ]
    }

    fn behind(&self, inputs: &Inputs, _: &LazyFrame, row: &Row, columns: &[String]) -> PolarsResult<Vec<Behind>> {
        if self.layout == Layout::Long {
            let offset = row.int("period_offset").and_then(|k| i32::try_from(k).ok());
            let measure = MEASURES.into_iter().find(|m| Some(m.name()) == row.text("measure"));
            let Some((offset, measure)) = offset.zip(measure) else { return Ok(Vec::new()) };
            return Ok(vec![self.members(inputs, row, offset, measure)?]);
        }
        // Of a whole row the last known offset is explained, of asked columns each.
        let asked = (0..=self.cohorts.horizon).filter(|k| columns.contains(&format!("offset_{k}")));
        let last = (0..=self.cohorts.horizon)
            .rev()
            .find(|k| matches!(row.0.get(&format!("offset_{k}")), Some(crate::schema::Cell::Float(_))));
        let offsets: Vec<i32> = if columns.is_empty() { last.into_iter().collect() } else { asked.collect() };
        let measure = self.measures.first().copied().unwrap_or(Measure::Customers);
        offsets.into_iter().map(|k| self.members(inputs, row, k, measure)).collect()
    }
}
