//! The choices of every preset, in the order of [`super::OPTIONS`].

use super::Certainty::{Documented, Excerpt, Uncertain};
use super::sources::{
    BM_LOG, BM_LTV, BM_NRR, CB_CHARTS, CB_CHURN, CB_COUPONS, CB_FX, CB_REVENUE, CB_USAGE, CM_CHURN_AT, CM_CUSTOMERS,
    CM_FORMULA, CM_FX, CM_LTV, CM_MOVES, CM_MRR, CM_PAUSE, CM_SETTINGS, MX_CHURN, PW_DUNNING, PW_MAXIO, PW_RECURLY,
    PW_STRIPE, RC_FAILED, RC_MRR, SM, ST_CHURN, ST_DISCOUNTS, ST_GLOSSARY, ST_TRIALS,
};
use super::{Certainty, Choice, Dialect, Source};

/// A value that a source gives.
const fn by(
    option: &'static str,
    value: &'static str,
    source: Source,
    certainty: Certainty,
    note: &'static str,
) -> Choice {
    Choice { option, value: Some(value), source: Some(source), certainty, note }
}

/// An option that, as a source says, is not used.
const fn none(option: &'static str, source: Source, certainty: Certainty, note: &'static str) -> Choice {
    Choice { option, value: None, source: Some(source), certainty, note }
}

/// A value that no source gives.
const fn guess(option: &'static str, value: &'static str, note: &'static str) -> Choice {
    Choice { option, value: Some(value), source: None, certainty: Uncertain, note }
}

/// An option that nothing was found about, and that is not used.
const fn unknown(option: &'static str, note: &'static str) -> Choice {
    Choice { option, value: None, source: None, certainty: Uncertain, note }
}

pub(super) fn of(dialect: Dialect) -> &'static [Choice] {
    match dialect {
        Dialect::Chartmogul => CHARTMOGUL,
        Dialect::Stripe => STRIPE,
        Dialect::Recurly => RECURLY,
        Dialect::Chargebee => CHARGEBEE,
        Dialect::Profitwell => PROFITWELL,
        Dialect::Maxio => MAXIO,
        Dialect::Baremetrics => BAREMETRICS,
        Dialect::Smsb => SMSB,
    }
}

const CHARTMOGUL: &[Choice] = &[
    by("mrr_ledger.trials", "exclude", CM_MOVES, Documented, "revenue begins when a lead becomes a paying customer"),
    guess(
        "mrr_ledger.interval_factors",
        "standard",
        "a price is divided by its period in months; days and weeks are not spelled out",
    ),
    by(
        "mrr_ledger.discounts.policy",
        "all",
        CM_MRR,
        Excerpt,
        "MRR is after discounts; an ended discount is an expansion",
    ),
    by(
        "mrr_ledger.pauses.as",
        "keep",
        CM_PAUSE,
        Documented,
        "from Stripe, Chargify, GoCardless and Chargebee a pause goes on counting; from Recurly it is a cancellation",
    ),
    none(
        "mrr_ledger.past_due.grace",
        CM_SETTINGS,
        Documented,
        "past-due subscriptions stay until they are cancelled, unless a setting churns them",
    ),
    by(
        "mrr_ledger.churn_at",
        "service_end",
        CM_CHURN_AT,
        Documented,
        "the default; the end of the last service period and the request are settings",
    ),
    by("mrr_ledger.usage.policy", "exclude", CM_MRR, Excerpt, "metered revenue is no MRR"),
    none("mrr_ledger.win_back", CM_MOVES, Documented, "every return after a churn is a reactivation"),
    none("mrr_ledger.reactivation.within", CM_MOVES, Documented, "whenever a former customer comes back"),
    none(
        "mrr_ledger.coalesce_within",
        CM_SETTINGS,
        Documented,
        "changes within an hour are one; the ledger has one change a day anyway",
    ),
    by("mrr_ledger.fx.rate_of", "first_day", CM_FX, Excerpt, "the daily rate at the start of the service period"),
    guess("mrr_ledger.fx.revalue", "day", "the rate effect is a line of its own"),
    guess("mrr_movements.grain", "month", ""),
    by("mrr_movements.basis", "events", CM_MOVES, Documented, "movements are sums of activities"),
    guess("mrr_movements.quick_ratio_with_reactivation", "false", ""),
    guess("churn.grain", "month", ""),
    by(
        "churn.logo_base",
        "opening",
        CM_FORMULA,
        Excerpt,
        "standard formula; the one for shops sums daily rates and is retired",
    ),
    by(
        "churn.same_period",
        "exclude_from_rate",
        CM_CUSTOMERS,
        Excerpt,
        "who joins and leaves within the period is not counted",
    ),
    by("churn.reactivation_in_net", "true", CM_FORMULA, Excerpt, "reactivation lowers net MRR churn"),
    guess("revenue_retention.methods", "[flow]", "one minus the MRR churn rates"),
    guess("revenue_retention.windows", "[1]", ""),
    by("ltv.churn_months", "6", CM_LTV, Excerpt, "six months, the running one left out"),
    by("ltv.churn_basis", "logo", CM_LTV, Excerpt, ""),
];

const STRIPE: &[Choice] = &[
    by("mrr_ledger.trials", "exclude", ST_TRIALS, Documented, ""),
    guess(
        "mrr_ledger.interval_factors",
        "stripe",
        "30 days and 52/12 weeks as an open-source re-implementation has them",
    ),
    by(
        "mrr_ledger.discounts.policy",
        "forever",
        ST_DISCOUNTS,
        Documented,
        "the default; once and repeating coupons can be subtracted by settings",
    ),
    guess("mrr_ledger.pauses.as", "churn", "paused collection leaves MRR; the changes know no movement of that kind"),
    none(
        "mrr_ledger.past_due.grace",
        ST_GLOSSARY,
        Documented,
        "past-due subscriptions count until they are cancelled or unpaid",
    ),
    by(
        "mrr_ledger.churn_at",
        "request",
        PW_STRIPE,
        Excerpt,
        "at the time of cancellation; the end of the billing period is a setting (Stripe, Metric configurations)",
    ),
    by("mrr_ledger.usage.policy", "exclude", ST_GLOSSARY, Documented, "usage MRR is a preview"),
    none("mrr_ledger.win_back", ST_CHURN, Documented, "a customer that ends again is a second churn"),
    none("mrr_ledger.reactivation.within", ST_CHURN, Documented, "every return is a reactivation"),
    unknown("mrr_ledger.coalesce_within", "every change is an event"),
    guess(
        "mrr_ledger.fx.rate_of",
        "day_before",
        "the published template and its re-implementation join the rates of different days",
    ),
    guess("mrr_ledger.fx.revalue", "day", "growth includes the currency effect of every day"),
    guess("mrr_movements.grain", "month", ""),
    by("mrr_movements.basis", "events", ST_GLOSSARY, Excerpt, "a log of every change"),
    guess("mrr_movements.quick_ratio_with_reactivation", "false", "has no quick ratio"),
    guess("churn.grain", "month", "rolling 30 days; a calendar month is the nearest"),
    by("churn.logo_base", "opening_and_new", ST_CHURN, Documented, "active 30 days ago plus new in those 30 days"),
    by("churn.same_period", "both", ST_CHURN, Documented, "in the numerator and in the denominator"),
    guess("churn.reactivation_in_net", "true", "as the template of the customer changes has it"),
    guess("revenue_retention.methods", "[flow]", ""),
    guess("revenue_retention.windows", "[1]", ""),
    guess("ltv.churn_months", "1", ""),
    guess("ltv.churn_basis", "logo", ""),
];

const RECURLY: &[Choice] = &[
    guess("mrr_ledger.trials", "exclude", "what is not invoiced does not count"),
    by("mrr_ledger.interval_factors", "recurly", RC_MRR, Excerpt, "30 days to a month; weeks are not spelled out"),
    by("mrr_ledger.discounts.policy", "all", PW_RECURLY, Excerpt, "the default; a setting leaves them out"),
    by("mrr_ledger.pauses.as", "pause", PW_RECURLY, Excerpt, "MRR is zero from the end of the paid period on"),
    none("mrr_ledger.past_due.grace", RC_FAILED, Documented, "failed charges count by default; a setting removes them"),
    by("mrr_ledger.churn_at", "service_end", RC_MRR, Excerpt, "at expiry"),
    by("mrr_ledger.usage.policy", "exclude", RC_MRR, Documented, ""),
    none(
        "mrr_ledger.win_back",
        PW_RECURLY,
        Excerpt,
        "a return counts as a reactivation after a month at the earliest; what it is before is not said",
    ),
    none("mrr_ledger.reactivation.within", PW_RECURLY, Excerpt, "no longest gap"),
    unknown("mrr_ledger.coalesce_within", ""),
    by(
        "mrr_ledger.fx.rate_of",
        "first_day",
        RC_MRR,
        Excerpt,
        "rates are updated daily; past months keep the rate of their time",
    ),
    guess("mrr_ledger.fx.revalue", "day", ""),
    by("mrr_movements.grain", "month", RC_MRR, Excerpt, ""),
    guess("mrr_movements.basis", "snapshot", "churned MRR appears when the month is over"),
    guess("mrr_movements.quick_ratio_with_reactivation", "false", ""),
    guess("churn.grain", "month", "there are three churn reports"),
    guess("churn.logo_base", "opening", ""),
    guess("churn.same_period", "exclude_from_rate", ""),
    guess("churn.reactivation_in_net", "false", ""),
    guess("revenue_retention.methods", "[cohort]", ""),
    guess("revenue_retention.windows", "[1]", ""),
    guess("ltv.churn_months", "6", ""),
    guess("ltv.churn_basis", "logo", ""),
];

const CHARGEBEE: &[Choice] = &[
    guess("mrr_ledger.trials", "exclude", "said by others; no page of the vendor was found"),
    guess("mrr_ledger.interval_factors", "standard", ""),
    by(
        "mrr_ledger.discounts.policy",
        "recurring",
        CB_COUPONS,
        Documented,
        "one-time coupons do not count, nor limited ones on a yearly plan, unless flexible MRR is on",
    ),
    guess("mrr_ledger.pauses.as", "pause", ""),
    unknown("mrr_ledger.past_due.grace", ""),
    by("mrr_ledger.churn_at", "service_end", CB_CHURN, Excerpt, "when a customer cancels or does not renew"),
    by("mrr_ledger.usage.policy", "exclude", CB_USAGE, Excerpt, "flexible MRR counts it in the month it is invoiced"),
    unknown("mrr_ledger.win_back", ""),
    unknown("mrr_ledger.reactivation.within", ""),
    unknown("mrr_ledger.coalesce_within", ""),
    by(
        "mrr_ledger.fx.rate_of",
        "last_day",
        CB_FX,
        Excerpt,
        "the rate at the end of the period, and a line for the variance",
    ),
    by("mrr_ledger.fx.revalue", "month", CB_FX, Excerpt, ""),
    guess("mrr_movements.grain", "month", ""),
    guess("mrr_movements.basis", "snapshot", ""),
    guess("mrr_movements.quick_ratio_with_reactivation", "false", ""),
    guess("churn.grain", "month", ""),
    guess("churn.logo_base", "opening", ""),
    by(
        "churn.same_period",
        "exclude_from_rate",
        CB_CHARTS,
        Documented,
        "cancellations in the month of the activation are not included",
    ),
    guess("churn.reactivation_in_net", "false", ""),
    by(
        "revenue_retention.methods",
        "[cohort]",
        CB_REVENUE,
        Documented,
        "MRR now over MRR then of the subscriptions that were active; by subscription, not by customer",
    ),
    by("revenue_retention.windows", "[1]", CB_REVENUE, Documented, "the period before"),
    guess("ltv.churn_months", "6", ""),
    guess("ltv.churn_basis", "logo", ""),
];

const PROFITWELL: &[Choice] = &[
    guess("mrr_ledger.trials", "exclude", "a customer is who pays"),
    guess("mrr_ledger.interval_factors", "paddle", "30 days and 4.33 weeks as Paddle's own report has them"),
    by("mrr_ledger.discounts.policy", "all", PW_STRIPE, Documented, "discounts and credits are always subtracted"),
    by("mrr_ledger.pauses.as", "pause", PW_RECURLY, Documented, "a subscription on hold has an MRR of zero"),
    by(
        "mrr_ledger.past_due.grace",
        "15d",
        PW_DUNNING,
        Excerpt,
        "a dunning window of at least 15 days is recommended; then delinquent churn",
    ),
    by(
        "mrr_ledger.churn_at",
        "period_end",
        PW_STRIPE,
        Documented,
        "MRR is recognised until the end of the billing cycle",
    ),
    guess(
        "mrr_ledger.usage.policy",
        "exclude",
        "one page rolls metered billing into MRR, another says it is not supported",
    ),
    none("mrr_ledger.win_back", PW_STRIPE, Documented, "every return is a reactivation"),
    none("mrr_ledger.reactivation.within", PW_STRIPE, Documented, "within any period of time"),
    unknown("mrr_ledger.coalesce_within", ""),
    guess("mrr_ledger.fx.rate_of", "first_day", ""),
    guess("mrr_ledger.fx.revalue", "month", ""),
    by("mrr_movements.grain", "month", PW_STRIPE, Excerpt, ""),
    by("mrr_movements.basis", "snapshot", PW_STRIPE, Excerpt, "who comes and goes within a month is ignored"),
    guess("mrr_movements.quick_ratio_with_reactivation", "false", ""),
    guess("churn.grain", "month", ""),
    guess("churn.logo_base", "opening", ""),
    by(
        "churn.same_period",
        "exclude_from_rate",
        PW_STRIPE,
        Documented,
        "who signs up and churns in a calendar month is ignored entirely",
    ),
    guess("churn.reactivation_in_net", "false", ""),
    guess("revenue_retention.methods", "[cohort]", ""),
    guess("revenue_retention.windows", "[1]", ""),
    guess("ltv.churn_months", "6", "smoothed by a rule that is not published"),
    by(
        "ltv.churn_basis",
        "revenue",
        PW_MAXIO,
        Documented,
        "ARPU over one minus retention, so that upgrades and downgrades count",
    ),
];

const MAXIO: &[Choice] = &[
    guess("mrr_ledger.trials", "exclude", ""),
    guess("mrr_ledger.interval_factors", "standard", ""),
    by(
        "mrr_ledger.discounts.policy",
        "all",
        PW_MAXIO,
        Excerpt,
        "discounts and credits are subtracted, whatever their frequency",
    ),
    by("mrr_ledger.pauses.as", "keep", PW_MAXIO, Excerpt, "a subscription on hold goes on counting"),
    unknown("mrr_ledger.past_due.grace", ""),
    by("mrr_ledger.churn_at", "request", PW_MAXIO, Excerpt, "MRR is removed at the time of cancellation"),
    by("mrr_ledger.usage.policy", "exclude", PW_MAXIO, Excerpt, "a category of its own"),
    unknown("mrr_ledger.win_back", ""),
    by("mrr_ledger.reactivation.within", "90d", PW_MAXIO, Excerpt, "who comes back later is new"),
    unknown("mrr_ledger.coalesce_within", ""),
    guess("mrr_ledger.fx.rate_of", "first_day", ""),
    guess("mrr_ledger.fx.revalue", "month", ""),
    guess("mrr_movements.grain", "month", ""),
    by("mrr_movements.basis", "events", PW_MAXIO, Excerpt, "who comes and goes within a month is in new and in churn"),
    guess("mrr_movements.quick_ratio_with_reactivation", "false", ""),
    guess("churn.grain", "month", ""),
    by(
        "churn.logo_base",
        "opening",
        MX_CHURN,
        Documented,
        "over the subscribers at the start; new business is left out",
    ),
    by("churn.same_period", "both", PW_MAXIO, Excerpt, "new and churned within a month counts as both"),
    by("churn.reactivation_in_net", "true", MX_CHURN, Documented, "net churn takes expansion and reactivation off"),
    guess("revenue_retention.methods", "[flow]", ""),
    guess("revenue_retention.windows", "[1]", ""),
    guess("ltv.churn_months", "6", ""),
    guess("ltv.churn_basis", "logo", ""),
];

const BAREMETRICS: &[Choice] = &[
    guess("mrr_ledger.trials", "exclude", ""),
    guess("mrr_ledger.interval_factors", "standard", ""),
    guess("mrr_ledger.discounts.policy", "all", ""),
    guess("mrr_ledger.pauses.as", "pause", ""),
    unknown("mrr_ledger.past_due.grace", ""),
    guess("mrr_ledger.churn_at", "service_end", ""),
    guess("mrr_ledger.usage.policy", "exclude", ""),
    unknown("mrr_ledger.win_back", ""),
    unknown("mrr_ledger.reactivation.within", ""),
    unknown("mrr_ledger.coalesce_within", ""),
    guess("mrr_ledger.fx.rate_of", "first_day", ""),
    guess("mrr_ledger.fx.revalue", "month", ""),
    guess("mrr_movements.grain", "month", "rolling 30 days; a calendar month is the nearest"),
    guess("mrr_movements.basis", "events", ""),
    by(
        "mrr_movements.quick_ratio_with_reactivation",
        "false",
        BM_LOG,
        Documented,
        "new and expansion over contraction and churn",
    ),
    guess("churn.grain", "month", "rolling 30 days; a calendar month is the nearest"),
    guess("churn.logo_base", "opening", ""),
    by("churn.same_period", "both", BM_LOG, Documented, "who signs up and cancels within the 30 days is included"),
    guess("churn.reactivation_in_net", "false", ""),
    by(
        "revenue_retention.methods",
        "[flow]",
        BM_NRR,
        Excerpt,
        "100 % less churned minus expansion over the MRR of 30 days ago",
    ),
    by("revenue_retention.windows", "[1]", BM_NRR, Excerpt, ""),
    by("ltv.churn_months", "1", BM_LTV, Excerpt, "average MRR per customer over user churn"),
    by("ltv.churn_basis", "logo", BM_LTV, Excerpt, ""),
];

const SMSB: &[Choice] = &[
    by("mrr_ledger.trials", "exclude", SM, Excerpt, "no trials and no free customers"),
    guess("mrr_ledger.interval_factors", "standard", ""),
    guess("mrr_ledger.discounts.policy", "recurring", ""),
    guess("mrr_ledger.pauses.as", "pause", ""),
    unknown("mrr_ledger.past_due.grace", ""),
    by(
        "mrr_ledger.churn_at",
        "service_end",
        SM,
        Excerpt,
        "in the month the contract expires, not when it becomes known",
    ),
    by("mrr_ledger.usage.policy", "committed", SM, Excerpt, "what goes beyond the commitment is no ARR"),
    by(
        "mrr_ledger.win_back",
        "30d",
        SM,
        Excerpt,
        "a return within 30 to 90 days is a renewal; the shorter end is taken",
    ),
    unknown("mrr_ledger.reactivation.within", ""),
    unknown("mrr_ledger.coalesce_within", ""),
    guess("mrr_ledger.fx.rate_of", "last_day", ""),
    guess("mrr_ledger.fx.revalue", "month", ""),
    by("mrr_movements.grain", "month", SM, Excerpt, ""),
    guess("mrr_movements.basis", "snapshot", ""),
    guess("mrr_movements.quick_ratio_with_reactivation", "false", ""),
    by("churn.grain", "month", SM, Excerpt, "computed every month"),
    by(
        "churn.logo_base",
        "opening",
        SM,
        Excerpt,
        "customers at the end who were customers at the start, over those at the start",
    ),
    by("churn.same_period", "exclude_from_rate", SM, Excerpt, ""),
    guess("churn.reactivation_in_net", "false", ""),
    by(
        "revenue_retention.methods",
        "[cohort]",
        SM,
        Excerpt,
        "preferred in most situations; the flow suits short periods",
    ),
    by("revenue_retention.windows", "[12]", SM, Excerpt, "the 12 months before, every month"),
    guess("ltv.churn_months", "12", ""),
    guess("ltv.churn_basis", "logo", ""),
];
