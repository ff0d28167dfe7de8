#![doc = include_str!("nps.md")]

use jiff::civil;
use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::bridge::on_grid;
use crate::expr::calendar::{Grain, Periods, date_lit, local_date};
use crate::expr::dims::{NOT_SET, cols_of, int, sort_on};
use crate::expr::ratio::{net_share, reason};
use crate::metrics::{Headline, Identity, Inputs, Metric, ShownAs};
use crate::plan::resolver::Resolver;
use crate::schema::{ColumnType, TableSchema};

/// `type: nps`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Source of survey responses, one row per response.
    pub from: String,
    /// Int column of answers from 0 to 10.
    pub score: String,
    /// Date or timestamp column: when it was answered.
    pub at: String,
    /// Column that says who answered. Required unless `count: all`.
    #[serde(default)]
    pub respondent: Option<String>,
    /// Which responses of a respondent count in a period.
    #[serde(default)]
    pub count: Count,
    /// Column of the account a respondent belongs to: then accounts are counted instead of responses.
    #[serde(default)]
    pub account: Option<String>,
    /// Which score an account has. Default `mean`.
    #[serde(default)]
    pub account_score: Option<AccountScore>,
    /// Length of a period.
    #[serde(default)]
    pub grain: Grain,
    /// String columns of the source to break down by; the grand total is always there.
    #[serde(default)]
    pub by: Vec<String>,
}

/// Which responses of a respondent count in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// The latest one.
    #[default]
    Latest,
    /// Every one.
    All,
}

/// Which score an account has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountScore {
    /// The mean of its responses.
    #[default]
    Mean,
    /// The lowest of its responses.
    Worst,
}

/// Resolved Net Promoter Score.
pub struct Nps {
    from: String,
    score: String,
    at: String,
    /// Whether `at` is an instant rather than a day.
    at_instant: bool,
    zone: String,
    /// Who answered, where the latest response of each counts.
    respondent: Option<String>,
    account: Option<(String, AccountScore)>,
    periods: Periods,
    by: Vec<String>,
    as_of: civil::Date,
}

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    let source = cx.source("from", &spec.from)?;
    let ids = [ColumnType::String, ColumnType::Int];
    let score = cx.column(&source, "score", &spec.score, &[ColumnType::Int]);
    let at = cx.column(&source, "at", &spec.at, &[ColumnType::Timestamp, ColumnType::Date]);
    let respondent = match (&spec.respondent, spec.count) {
        (None, Count::Latest) => {
            cx.error("", "`respondent` is missing", "name the column that says who answered, or write `count: all` to count every response");
            None
        }
        (Some(_), Count::All) => {
            cx.error("respondent", "`respondent` has no effect with `count: all`", "remove it, or write `count: latest`");
            None
        }
        (name, _) => cx.optional_column(&source, "respondent", name.as_deref(), &ids),
    };
    let account = cx.optional_column(&source, "account", spec.account.as_deref(), &ids);
    if spec.account.is_none() && spec.account_score.is_some() {
        cx.error("account_score", "`account_score` has no effect without `account`", "remove it, or name the column of the account");
    }
    let mut by = Vec::new();
    let mut sound = true;
    for (i, name) in spec.by.iter().enumerate() {
        let path = format!("by.{i}");
        if by.contains(name) {
            cx.error(&path, &format!("the dimension `{name}` is given twice"), "remove one");
            sound = false;
        } else if RESERVED.contains(&name.as_str()) {
            cx.error(&path, &format!("`{name}` is a column of this table already"), "rename the column of the source with `from`");
            sound = false;
        }
        sound &= cx.column(&source, &path, name, &[ColumnType::String]).is_some();
        by.push(name.clone());
    }
    let (score, at, respondent, account) = (score?, at?, respondent?, account?);
    if !sound {
        return None;
    }
    Some(Box::new(Nps {
        at_instant: source.type_of(&at) == Some(ColumnType::Timestamp),
        from: spec.from.clone(),
        score,
        at,
        zone: cx.context().zone.clone(),
        respondent,
        account: account.map(|a| (a, spec.account_score.unwrap_or_default())),
        periods: Periods::new(spec.grain, cx.context().calendar),
        by,
        as_of: cx.context().as_of,
    }))
}

/// Columns that a dimension must not be named like.
const RESERVED: [&str; 13] = [
    "period_start",
    "is_total",
    "is_complete",
    "responses",
    "accounts",
    "promoters",
    "passives",
    "detractors",
    "nps",
    "margin_of_error",
    "ci_low",
    "ci_high",
    "reason",
];

/// Lowest score of a promoter, and of a passive.
const PROMOTES: i64 = 9;
const PASSES: i64 = 7;

/// Ends of the scale.
const LOWEST: i64 = 0;
const HIGHEST: i64 = 10;

/// Counts per period and group.
const COUNTS: [&str; 5] = ["responses", "accounts", "promoters", "passives", "detractors"];

impl Nps {
    /// Every response as it is counted: when, who, of which account and group; and why it is left out, if it is.
    fn rows(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let at = || col(self.at.as_str());
        let day = if self.at_instant { local_date(at(), &self.zone)? } else { at() };
        let none = || lit(NULL).cast(DataType::String);
        let named = |name: Option<&String>| name.map_or_else(none, |n| col(n.as_str()));
        let mut columns = vec![
            at().alias("answered_at"),
            day.alias("answered_on"),
            col(self.score.as_str()).alias("score"),
            named(self.respondent.as_ref()).alias("respondent"),
            named(self.account.as_ref().map(|(name, _)| name)).alias("account"),
        ];
        columns.extend(self.by.iter().enumerate().map(|(i, d)| col(d.as_str()).fill_null(lit(NOT_SET)).alias(group(i))));
        Ok(inputs
            .get(&self.from)?
            .select(columns)
            .with_column(
                reason([
                    (col("answered_on").is_null(), "no_date"),
                    (col("answered_on").gt(date_lit(self.as_of)), "after_as_of"),
                    (col("score").is_null(), "no_score"),
                    (col("respondent").is_null().and(lit(self.respondent.is_some())), "no_respondent"),
                    (col("account").is_null().and(lit(self.account.is_some())), "no_account"),
                ])
                .alias("why"),
            )
            .with_column(self.periods.index(col("answered_on")).alias("period")))
    }

    /// The rows that can be counted, with `is_latest`: whether no later one of the respondent takes its place.
    fn usable(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let rows = self.rows(inputs)?.filter(col("why").is_null());
        if self.respondent.is_none() {
            return Ok(rows.with_column(lit(true).alias("is_latest")));
        }
        // Of two at the same instant the lower score is the later one; the rest only makes the order total.
        let mut order = vec!["respondent".to_owned(), "period".to_owned(), "answered_at".to_owned(), "score".to_owned()];
        let mut descending = vec![false, false, false, true];
        order.push("account".to_owned());
        order.extend((0..self.by.len()).map(group));
        descending.resize(order.len(), false);
        let same = |name: &str| col(name).eq(col(name).shift(lit(-1)));
        let replaced = same("respondent").and(same("period")).fill_null(lit(false));
        Ok(rows
            .sort(order, SortMultipleOptions::default().with_order_descending_multi(descending))
            .with_column(replaced.not().alias("is_latest")))
    }

    /// Counts per period, and per group unless `total`.
    fn counts(&self, responses: &LazyFrame, total: bool) -> LazyFrame {
        let mut keys = vec![col("period")];
        if !total {
            keys.extend((0..self.by.len()).map(|i| col(group(i))));
        }
        // A score is `points` over `answers`, so that means are compared exactly.
        let scored = match &self.account {
            None => responses.clone().with_columns([col("score").alias("points"), int(1).alias("answers"), int(1).alias("responses")]),
            Some((_, how)) => {
                let mut of_account = keys.clone();
                of_account.push(col("account"));
                let responses = responses.clone().group_by(of_account);
                let number = || len().cast(DataType::Int64);
                match how {
                    AccountScore::Mean => responses.agg([col("score").sum().alias("points"), number().alias("answers"), number().alias("responses")]),
                    AccountScore::Worst => responses.agg([col("score").min().alias("points"), number().alias("responses")]).with_column(int(1).alias("answers")),
                }
            }
        };
        let at_least = |score: i64| col("points").gt_eq(col("answers") * int(score));
        let number_of = |is: Expr| is.cast(DataType::Int64).sum();
        scored.group_by(keys).agg([
            col("responses").sum(),
            len().cast(DataType::Int64).alias("accounts"),
            number_of(at_least(PROMOTES)).alias("promoters"),
            number_of(at_least(PASSES).and(at_least(PROMOTES).not())).alias("passives"),
            number_of(at_least(PASSES).not()).alias("detractors"),
        ])
    }

    /// What the shares are shares of.
    fn counted(&self) -> Expr {
        col(if self.account.is_some() { "accounts" } else { "responses" })
    }
}

/// Name of a dimension inside of the query, where it cannot meet another column.
fn group(at: usize) -> String {
    format!("dimension_{at}")
}

impl Metric for Nps {
    fn output(&self) -> TableSchema {
        use ColumnType::{Bool, Date, Float, Int, String as Text};
        let mut grain = vec!["period_start".to_owned(), "is_total".to_owned()];
        grain.extend(self.by.iter().cloned());
        let mut schema = TableSchema::with_grain(grain)
            .column("period_start", Date, "", format!("first day of the {}", self.periods.grain().name()));
        for d in &self.by {
            schema = schema.nullable(d.as_str(), Text, "", "value of the dimension; NULL in the grand total");
        }
        schema = schema
            .column("is_total", Bool, "", "true in the grand total over all values of the dimensions")
            .column("is_complete", Bool, "", "whether the period was over at as_of")
            .column("responses", Int, "responses", "responses counted");
        if self.account.is_some() {
            schema = schema.column("accounts", Int, "accounts", "n: accounts with a response");
        }
        schema
            .column("promoters", Int, "responses or accounts", "with a score of 9 or 10")
            .column("passives", Int, "responses or accounts", "with a score of 7 or 8")
            .column("detractors", Int, "responses or accounts", "with a score of 0 to 6")
            .nullable("nps", Float, "points", "share of promoters less share of detractors, -100 to 100")
            .nullable("margin_of_error", Float, "points", "half-width of the 95 % interval")
            .nullable("ci_low", Float, "points", "lower end of the 95 % interval, at least -100")
            .nullable("ci_high", Float, "points", "upper end of the 95 % interval, at most 100")
            .nullable("reason", Text, "", "why values are NULL: `no_responses` all, `no_variation` the interval")
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let responses = self.usable(inputs)?.filter(col("is_latest"));
        let mut names = vec!["period".to_owned()];
        names.extend((0..self.by.len()).map(group));
        names.push("is_total".to_owned());
        names.extend(COUNTS.map(str::to_owned));
        let none = (0..self.by.len()).map(|i| lit(NULL).cast(DataType::String).alias(group(i))).collect::<Vec<_>>();
        let total = self.counts(&responses, true).with_columns(none).with_column(lit(true).alias("is_total"));
        let mut both = vec![total.select(cols_of(&names))];
        if !self.by.is_empty() {
            both.push(self.counts(&responses, false).with_column(lit(false).alias("is_total")).select(cols_of(&names)));
        }
        let groups: Vec<String> = (0..self.by.len()).map(group).collect();
        // The grid is one per currency, and answers have none.
        let counts = concat(both, UnionArgs::default())?.with_column(lit("").alias("currency"));
        let rows = on_grid(&counts, &groups, self.periods.index_of(self.as_of), &COUNTS)?;

        let n = self.counted();
        let (net, half) = net_share(&col("promoters"), &col("detractors"), &n);
        let points = || lit(100.0);
        let alike = ["promoters", "passives", "detractors"].map(|band| col(band).eq(n.clone())).into_iter().reduce(Expr::or);
        let rows = rows
            .with_columns([
                reason([(n.eq(int(0)), "no_responses"), (alike.unwrap_or_else(|| lit(false)), "no_variation")]).alias("reason"),
                (net * points()).alias("nps"),
                (half * points()).alias("half"),
            ])
            .with_column(when(col("reason").is_null()).then(col("half")).otherwise(lit(NULL)).alias("margin_of_error"))
            .with_columns([col("nps") - col("margin_of_error"), col("nps") + col("margin_of_error")].into_iter().zip(["low", "high"]).map(|(e, name)| e.alias(name)).collect::<Vec<_>>())
            .with_columns([
                when(col("low").lt(lit(-100.0))).then(lit(-100.0)).otherwise(col("low")).alias("ci_low"),
                when(col("high").gt(lit(100.0))).then(lit(100.0)).otherwise(col("high")).alias("ci_high"),
                self.periods.start(col("period")).alias("period_start"),
                col("period").lt_eq(lit(self.periods.last_complete(self.as_of))).alias("is_complete"),
            ])
            .with_columns(self.by.iter().enumerate().map(|(i, d)| col(group(i)).alias(d.as_str())).collect::<Vec<_>>());
        let schema = self.output();
        let names: Vec<&str> = schema.names().collect();
        Ok(sort_on(rows.select(cols_of(&names)), &schema.grain))
    }

    fn identities(&self, inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        let usable = self.rows(inputs)?.filter(col("why").is_null());
        let expected = match &self.respondent {
            None => usable.clone(),
            Some(_) => usable.clone().select(cols_of(&["respondent", "period"])).unique(None, UniqueKeepStrategy::Any),
        };
        let totals = output.clone().filter(col("is_total")).select([col("responses").sum().alias("responses")]);
        let expected = expected.select([len().cast(DataType::Int64).alias("expected")]);
        let mut out = vec![
            Identity {
                name: "scores_on_the_scale",
                meaning: "every score is from 0 to 10",
                broken: usable
                    .filter(col("score").lt(int(LOWEST)).or(col("score").gt(int(HIGHEST))))
                    .select(cols_of(&["answered_at", "respondent", "score"])),
            },
            Identity {
                name: "bands_sum",
                meaning: "promoters, passives and detractors are all that is counted",
                broken: output.clone().filter((col("promoters") + col("passives") + col("detractors")).neq(self.counted())),
            },
            Identity {
                name: "responses_are_counted",
                meaning: "every usable response is counted, once per respondent and period with `count: latest`",
                broken: totals.cross_join(expected, None).filter(col("responses").neq(col("expected"))),
            },
        ];
        if !self.by.is_empty() {
            let side = |total: bool| when(col("is_total").eq(lit(total))).then(col("responses")).otherwise(int(0)).sum();
            out.push(Identity {
                name: "parts_sum_to_total",
                meaning: "the responses per dimension value sum to the grand total",
                broken: output
                    .clone()
                    .group_by([col("period_start")])
                    .agg([side(false).alias("parts"), side(true).alias("total")])
                    .filter(col("parts").neq(col("total"))),
            });
        }
        Ok(out)
    }

    fn attrition(&self, inputs: &Inputs) -> PolarsResult<Option<LazyFrame>> {
        let outcome = when(col("is_latest")).then(lit("used")).otherwise(lit("earlier_response"));
        let used = self.usable(inputs)?.select([outcome.alias("reason")]);
        let left_out = self.rows(inputs)?.filter(col("why").is_not_null()).select([col("why").alias("reason")]);
        Ok(Some(
            concat([used, left_out], UnionArgs::default())?
                .group_by([col("reason")])
                .agg([len().cast(DataType::Int64).alias("rows")])
                .sort(["reason"], SortMultipleOptions::default()),
        ))
    }

    fn headlines(&self) -> Vec<Headline> {
        vec![Headline {
            label: format!("{}, {}", if self.account.is_some() { "NPS of accounts" } else { "NPS" }, self.periods.grain().name()),
            column: "nps".to_owned(),
            only: Vec::new(),
            shown_as: ShownAs::Number,
        }]
    }
}
