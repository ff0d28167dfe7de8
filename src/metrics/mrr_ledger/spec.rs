//! The ledger as written.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::calendar::Grain;
use crate::spec::types::{Date, Duration, Name};

/// `type: mrr_ledger`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Source of subscription intervals, invoice lines, changes, or monthly snapshots.
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
    /// Whether the days of a trial count. Default: `exclude`.
    #[serde(default)]
    pub trials: Option<Trials>,
    /// What an interval pays. Either this, `change` or `snapshot`.
    #[serde(default)]
    pub amount: Option<AmountSpec>,
    /// Changes of recurring revenue instead of intervals.
    #[serde(default)]
    pub change: Option<ChangeSpec>,
    /// Monthly amounts instead of intervals.
    #[serde(default)]
    pub snapshot: Option<SnapshotSpec>,
    /// Days and weeks in a month. Default: 365/12 and 52/12.
    #[serde(default)]
    pub interval_factors: Option<Factors>,
    /// Column that identifies the subscription an item belongs to. Needed where `discounts` or `pauses` name one.
    #[serde(default)]
    pub subscription: Option<String>,
    /// Column with the product, or product family. With it every expansion and contraction is taken apart.
    #[serde(default)]
    pub product: Option<String>,
    /// Products by family, where the column holds products that replace each other.
    #[serde(default)]
    pub families: IndexMap<Name, Vec<String>>,
    /// Column with the plan or price within the product.
    #[serde(default)]
    pub plan: Option<String>,
    /// Which event ends an interval. Default: `service_end`.
    #[serde(default)]
    pub churn_at: Option<ChurnAt>,
    /// Date column: when the cancellation was asked for. Needed with `churn_at: request`.
    #[serde(default)]
    pub requested: Option<String>,
    /// Date column: day after the billing period in which an interval ended. Needed with `churn_at: period_end`.
    #[serde(default)]
    pub period_end: Option<String>,
    /// Ends intervals whose payment has been overdue for long.
    #[serde(default)]
    pub past_due: Option<PastDueSpec>,
    /// Coupons and other reductions.
    #[serde(default)]
    pub discounts: Option<DiscountsSpec>,
    /// Pauses of subscriptions.
    #[serde(default)]
    pub pauses: Option<PausesSpec>,
    /// Revenue by usage.
    #[serde(default)]
    pub usage: Option<UsageSpec>,
    /// Ids that were merged into others.
    #[serde(default)]
    pub identities: Option<IdentitiesSpec>,
    /// Customers that count as their parent.
    #[serde(default)]
    pub parents: Option<ParentsSpec>,
    /// A return within this many days is no churn: the amount before the gap is carried over it.
    #[serde(default)]
    pub win_back: Option<Duration>,
    /// Which returns are reactivations. Default: all.
    #[serde(default)]
    pub reactivation: Option<ReactivationSpec>,
    /// Changes that follow each other within this many days become one, on the last of the days.
    #[serde(default)]
    pub coalesce_within: Option<Duration>,
    /// Exchange rates: every amount in the pipeline's currency.
    #[serde(default)]
    pub fx: Option<FxSpec>,
    /// Column with the reason of a cancellation.
    #[serde(default)]
    pub reason: Option<String>,
    /// Attributes of the customer carried into every table made from the ledger.
    #[serde(default)]
    pub dimensions: Option<DimensionsSpec>,
}

/// Whether the days of a trial count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trials {
    /// An interval counts from the end of its trial.
    #[default]
    Exclude,
    /// An interval counts from its start.
    Include,
}

/// Which event ends an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChurnAt {
    /// The end of the service, as `end` has it.
    #[default]
    ServiceEnd,
    /// The request for it, where there is one and it came before the end.
    Request,
    /// The end of the billing period in which the service ended. Only the last interval of a subscription moves.
    PeriodEnd,
}

/// Payments that are overdue.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PastDueSpec {
    /// Date column: first day on which the payment was overdue; NULL where it is not.
    pub since: String,
    /// Days after which the interval ends.
    pub grace: Duration,
}

/// Changes of recurring revenue, as Stripe's `subscription_item_change_events` hold them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSpec {
    /// Date column: day of the change.
    pub at: String,
    /// Money column: by how much the recurring revenue changes, negative for a loss.
    pub mrr: String,
    /// By how many units the quantity changes.
    #[serde(default)]
    pub quantity: Option<String>,
}

/// Prices that depend on the quantity.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TiersSpec {
    /// Source with one row per tier.
    pub from: String,
    /// Column with the plan the tier is of. Plans without tiers keep `price` times `quantity`.
    pub plan: String,
    /// Last unit of the tier; NULL is the tier without an upper end.
    pub up_to: String,
    /// Money column: price of one unit.
    pub unit_amount: String,
    /// Money column: price of the tier itself.
    #[serde(default)]
    pub flat_amount: Option<String>,
    /// Column with `volume` (all units at the price of the tier reached) or `graduated` (each unit at the price of its tier).
    pub mode: String,
}

/// Coupons and other reductions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscountsSpec {
    /// Source with one row per discount.
    pub from: String,
    /// Column with the subscription it is for. Either this or `customer`.
    #[serde(default)]
    pub subscription: Option<String>,
    /// Column with the customer it is for, in all subscriptions together.
    #[serde(default)]
    pub customer: Option<String>,
    /// Column with the per cent off, at most two decimals.
    #[serde(default)]
    pub percent: Option<String>,
    /// Money column: amount off each invoice.
    #[serde(default)]
    pub amount: Option<String>,
    /// Column with `once`, `repeating` or `forever`.
    #[serde(default)]
    pub duration: Option<String>,
    /// Number of months of a `repeating` discount that has no `end`.
    #[serde(default)]
    pub months: Option<String>,
    /// First day of the discount.
    pub start: String,
    /// Day after its last day.
    #[serde(default)]
    pub end: Option<String>,
    /// Which discounts reduce recurring revenue. Default: `recurring`.
    #[serde(default)]
    pub policy: Option<DiscountPolicy>,
}

/// Which discounts reduce recurring revenue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiscountPolicy {
    /// Those that last: `repeating` while they run, and `forever`.
    #[default]
    Recurring,
    /// Those of one invoice too.
    All,
    /// Only those without an end.
    Forever,
    /// None.
    None,
}

/// Pauses of subscriptions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PausesSpec {
    /// Source with one row per pause.
    pub from: String,
    /// Column with the subscription that is paused. Either this or `customer`.
    #[serde(default)]
    pub subscription: Option<String>,
    /// Column with the customer that is paused, with all subscriptions.
    #[serde(default)]
    pub customer: Option<String>,
    /// First day of the pause.
    pub start: String,
    /// Day after its last day; NULL is open.
    #[serde(default)]
    pub end: Option<String>,
    /// What a pause is. Default: `pause`.
    #[serde(default, rename = "as")]
    pub policy: Option<PausePolicy>,
    /// A pause becomes a churn after this many days.
    #[serde(default)]
    pub churn_after: Option<Duration>,
}

/// What a pause is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PausePolicy {
    /// Nothing is paid, and the movements are `pause` and `resume`.
    #[default]
    Pause,
    /// The amount runs on.
    Keep,
    /// Nothing is paid, and the movements are `churn` and `reactivation`.
    Churn,
}

/// Revenue by usage.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageSpec {
    /// Source with the amounts of a month of service per customer.
    pub from: String,
    /// Its column with the customer. Default: as in the ledger.
    #[serde(default)]
    pub customer: Option<String>,
    /// Date column: any day of the month of service.
    pub month: String,
    /// Money column: what was used in the month, or with `committed` what was agreed on for it.
    pub amount: String,
    /// How usage becomes recurring revenue. Default: `trailing`.
    #[serde(default)]
    pub policy: Option<UsagePolicy>,
    /// Number of months that `trailing` averages. Default 3.
    #[serde(default)]
    pub months: Option<u32>,
}

/// How usage becomes recurring revenue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsagePolicy {
    /// The mean of the last complete months, from the last day of each on.
    #[default]
    Trailing,
    /// The amount agreed on for the month, whatever was used.
    Committed,
    /// Usage is no recurring revenue.
    Exclude,
}

/// Ids that were merged into others.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentitiesSpec {
    /// Source with one row per id that is no longer used.
    pub from: String,
    /// Column with the id that is no longer used.
    pub id: String,
    /// Column with the customer it belongs to now; that may have been merged again.
    pub customer: String,
}

/// Customers that count as their parent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParentsSpec {
    /// Source with one row per customer.
    pub from: String,
    /// Column with the customer.
    pub customer: String,
    /// Column with its parent; NULL where it has none.
    pub parent: String,
}

/// Which returns are reactivations.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReactivationSpec {
    /// Longest gap of a reactivation; who returns later is a new customer.
    pub within: Duration,
}

/// Exchange rates.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FxSpec {
    /// Source with one row per currency and day.
    pub from: String,
    /// Date column: day of the rate.
    pub date: String,
    /// Column with the currency that is converted.
    pub currency: String,
    /// Column with the currency it is converted to; other rows than those of the pipeline's currency are left out.
    #[serde(default)]
    pub to: Option<String>,
    /// Column with the number of units of the pipeline's currency in one of `currency`, at most twelve decimals.
    pub rate: String,
    /// Which day's rate holds for a period of `revalue`.
    pub rate_of: RateOf,
    /// How often running amounts are taken at a new rate. Default: `month`.
    #[serde(default)]
    pub revalue: Option<Grain>,
    /// Day whose rates serve for amounts at constant rates. Default: `as_of`.
    #[serde(default)]
    pub constant_on: Option<Date>,
    /// How old a rate may be, where the day itself has none. Default `7d`.
    #[serde(default)]
    pub max_age: Option<Duration>,
}

/// Which day's rate holds for a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RateOf {
    /// The first day of the period.
    FirstDay,
    /// The last day of the period, or `as_of` in the running one.
    LastDay,
    /// The day before the period.
    DayBefore,
}

/// What a subscription interval pays.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmountSpec {
    /// Money column: price of one unit per billing interval. Either this or `total`.
    #[serde(default)]
    pub price: Option<String>,
    /// Money column: amount of an invoice line for the whole of its service period, `start` to `end`.
    #[serde(default)]
    pub total: Option<String>,
    /// Number of units. Default: one.
    #[serde(default)]
    pub quantity: Option<String>,
    /// Billing interval: `day`, `week`, `month` or `year`. Default: a month.
    #[serde(default)]
    pub interval: Option<String>,
    /// Number of intervals one price covers. Default: one.
    #[serde(default)]
    pub count: Option<String>,
    /// Prices that depend on the quantity.
    #[serde(default)]
    pub tiers: Option<TiersSpec>,
    /// Shortest service period of a `total` that recurs. Default `28d`.
    #[serde(default)]
    pub min_service: Option<Duration>,
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

