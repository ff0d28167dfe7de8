//! The ledger as written, and from there to one that is resolved.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Amounts, Dimensions, MrrLedger};
use crate::metrics::Metric;
use crate::plan::resolver::Resolver;
use crate::schema::ColumnType;

/// `type: mrr_ledger`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Source of subscription intervals, or of monthly snapshots.
    pub from: String,
    /// Column that identifies the customer.
    pub customer: String,
    /// First day of a subscription interval. Needed with `amount`.
    #[serde(default)]
    pub start: Option<String>,
    /// Day after the last day of an interval; NULL is open.
    #[serde(default)]
    pub end: Option<String>,
    /// Set to true where `end` names the last day itself.
    #[serde(default)]
    pub end_inclusive: bool,
    /// First day that is paid for, where an interval begins with a trial.
    #[serde(default)]
    pub trial_end: Option<String>,
    /// What an interval pays. Either this or `snapshot`.
    #[serde(default)]
    pub amount: Option<AmountSpec>,
    /// Monthly amounts instead of intervals.
    #[serde(default)]
    pub snapshot: Option<SnapshotSpec>,
    /// Days and weeks in a month. Default: 365/12 and 52/12.
    #[serde(default)]
    pub interval_factors: Factors,
    /// Column with the reason of a cancellation.
    #[serde(default)]
    pub reason: Option<String>,
    /// Attributes of the customer carried into every table made from the ledger.
    #[serde(default)]
    pub dimensions: Option<DimensionsSpec>,
}

/// What a subscription interval pays.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmountSpec {
    /// Money column: price of one unit per billing interval.
    pub price: String,
    /// Number of units. Default: one.
    #[serde(default)]
    pub quantity: Option<String>,
    /// Billing interval: `day`, `week`, `month` or `year`. Default: a month.
    #[serde(default)]
    pub interval: Option<String>,
    /// Number of intervals one price covers. Default: one.
    #[serde(default)]
    pub count: Option<String>,
}

/// Monthly amounts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotSpec {
    /// Date column: any day of the month the amount holds for.
    pub month: String,
    /// Money column: recurring revenue of that month.
    pub mrr: String,
}

/// How many months a billing interval is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Factors {
    /// A day is 12/365 and a week 12/52 of a month.
    #[default]
    Standard,
    /// As Paddle: 30 days, 4.33 weeks.
    Paddle,
    /// As Recurly: 30 days; weeks as in `standard`.
    Recurly,
    /// As the Stripe dashboards re-implemented in open source: 30 days, 52/12 weeks.
    Stripe,
    /// As the gem profitable: 30 days, 4 weeks.
    Profitable,
}

impl Factors {
    /// Intervals per month as exact fractions, by name of the interval.
    pub(super) fn per_month(self) -> [(&'static str, i64, i64); 4] {
        let (day, week) = match self {
            Self::Standard => ((365, 12), (52, 12)),
            Self::Paddle => ((30, 1), (433, 100)),
            Self::Recurly | Self::Stripe => ((30, 1), (52, 12)),
            Self::Profitable => ((30, 1), (4, 1)),
        };
        [("day", day.0, day.1), ("week", week.0, week.1), ("month", 1, 1), ("year", 1, 12)]
    }
}

/// Attributes of the customer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DimensionsSpec {
    /// Source with one row per customer, or with `valid_from` one row per version of a customer.
    pub from: String,
    /// Column that identifies the customer there. Default: as in the ledger.
    #[serde(default)]
    pub customer: Option<String>,
    /// Columns to carry.
    pub columns: Vec<String>,
    /// First day a version holds; it holds until the next one. The oldest version also holds before.
    #[serde(default)]
    pub valid_from: Option<String>,
    /// Which version counts where there are several. Default: the one that held at the time.
    #[serde(default)]
    pub value: Option<DimensionValue>,
}

/// Which version of an attribute counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DimensionValue {
    /// The version at the start of each period; a change moves the revenue from one value to the other.
    PeriodStart,
    /// The latest version up to `as_of`, for all of history.
    Current,
}

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    use ColumnType::{Date, Int, Money, String as Text};
    let spec: Spec = cx.spec()?;
    let source = cx.source("from", &spec.from)?;
    let customer = cx.column(&source, "customer", &spec.customer, &[Text, Int]);
    let amounts = match (&spec.amount, &spec.snapshot) {
        (Some(a), None) => {
            let Some(start) = &spec.start else {
                cx.error("amount", "a ledger of intervals needs `start`", "name the date column on which an interval begins");
                return None;
            };
            if spec.end_inclusive && spec.end.is_none() {
                cx.error("end_inclusive", "`end_inclusive` has no effect without `end`", "remove it, or name the `end` column");
            }
            if a.count.is_some() && a.interval.is_none() {
                cx.error("amount.count", "`count` has no effect without `interval`", "name the `interval` column too");
            }
            let start = cx.column(&source, "start", start, &[Date]);
            let end = cx.optional_column(&source, "end", spec.end.as_deref(), &[Date]);
            let trial_end = cx.optional_column(&source, "trial_end", spec.trial_end.as_deref(), &[Date]);
            let price = cx.column(&source, "amount.price", &a.price, &[Money]);
            let quantity = cx.optional_column(&source, "amount.quantity", a.quantity.as_deref(), &[Int]);
            let interval = cx.optional_column(&source, "amount.interval", a.interval.as_deref(), &[Text]);
            let count = cx.optional_column(&source, "amount.count", a.count.as_deref(), &[Int]);
            Amounts::Intervals {
                start: start?,
                end: end?,
                end_inclusive: spec.end_inclusive,
                trial_end: trial_end?,
                price: price?,
                quantity: quantity?,
                interval: interval?,
                count: count?,
            }
        }
        (None, Some(s)) => {
            for (given, key) in [
                (spec.start.is_some(), "start"),
                (spec.end.is_some(), "end"),
                (spec.end_inclusive, "end_inclusive"),
                (spec.trial_end.is_some(), "trial_end"),
                (spec.reason.is_some(), "reason"),
                (spec.interval_factors != Factors::Standard, "interval_factors"),
            ] {
                if given {
                    cx.error(key, &format!("`{key}` has no effect with `snapshot`"), "remove it: a snapshot is already monthly");
                }
            }
            let month = cx.column(&source, "snapshot.month", &s.month, &[Date]);
            let mrr = cx.column(&source, "snapshot.mrr", &s.mrr, &[Money]);
            Amounts::Snapshots { month: month?, mrr: mrr? }
        }
        (Some(_), Some(_)) => {
            cx.error("snapshot", "`amount` and `snapshot` exclude each other", "keep `amount` for intervals, or `snapshot` for monthly amounts");
            return None;
        }
        (None, None) => {
            cx.error("", "a ledger needs `amount` or `snapshot`", "`amount: {price: ..}` for subscription intervals, `snapshot: {month: .., mrr: ..}` for monthly amounts");
            return None;
        }
    };
    let money = match &amounts {
        Amounts::Intervals { price, .. } => price.clone(),
        Amounts::Snapshots { mrr, .. } => mrr.clone(),
    };
    let currency = cx.currency_of(&source, &money);
    let reason = cx.optional_column(&source, "reason", spec.reason.as_deref(), &[Text]);
    let dimensions = match &spec.dimensions {
        None => None,
        Some(d) => Some(resolve_dimensions(cx, d, &spec.customer, customer.as_ref().and_then(|c| source.type_of(c)))?),
    };
    let customer = customer?;
    Some(Box::new(MrrLedger {
        customer_type: source.type_of(&customer).unwrap_or(Text),
        from: spec.from,
        customer,
        currency: currency?,
        amounts,
        factors: spec.interval_factors,
        reason: reason?,
        dimensions,
        as_of: cx.context().as_of,
        scale: cx.context().scale,
    }))
}

fn resolve_dimensions(
    cx: &mut Resolver<'_>,
    spec: &DimensionsSpec,
    customer: &str,
    customer_type: Option<ColumnType>,
) -> Option<Dimensions> {
    let source = cx.source("dimensions.from", &spec.from)?;
    let key = spec.customer.as_deref().unwrap_or(customer);
    let path = if spec.customer.is_some() { "dimensions.customer" } else { "dimensions.from" };
    let expected = customer_type.map_or_else(|| vec![ColumnType::String, ColumnType::Int], |t| vec![t]);
    let customer = cx.column(&source, path, key, &expected);
    let mut columns = Vec::new();
    for (i, name) in spec.columns.iter().enumerate() {
        let path = format!("dimensions.columns.{i}");
        if RESERVED.contains(&name.as_str()) {
            cx.error(&path, &format!("`{name}` cannot be a dimension: the ledger has a column of that name"), "declare the source column under another name with `from`");
        }
        columns.push(cx.column(&source, &path, name, &[ColumnType::String, ColumnType::Currency]));
    }
    let valid_from = cx.optional_column(&source, "dimensions.valid_from", spec.valid_from.as_deref(), &[ColumnType::Date]);
    if spec.value.is_some() && spec.valid_from.is_none() {
        cx.error("dimensions.value", "`value` has no effect without `valid_from`", "name the `valid_from` column, or remove `value`");
    }
    Some(Dimensions {
        from: spec.from.clone(),
        customer: customer?,
        columns: columns.into_iter().collect::<Option<_>>()?,
        valid_from: valid_from?,
        current: spec.value == Some(DimensionValue::Current),
    })
}

const RESERVED: [&str; 14] = [
    "customer_id", "currency", "effective_on", "sequence", "kind", "mrr_before", "mrr_delta", "mrr_after",
    "first_paid_on", "reason", "period_start", "is_total", "is_complete", "series",
];
