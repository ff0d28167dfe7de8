//! From the ledger as written to one that is resolved.

use super::spec::{
    AmountSpec, ChangeSpec, ChurnAt, DimensionValue, DimensionsSpec, DiscountsSpec, FxSpec, PausePolicy, PausesSpec,
    SnapshotSpec, Spec, TiersSpec, Trials, UsagePolicy, UsageSpec,
};
use super::{
    Amounts, Dimensions, Discounts, Ending, IdMap, Lines, MrrLedger, Pauses, Subject, Tiers, Usage, Windows, fx,
};
use crate::expr::calendar::{Grain, Periods};
use crate::metrics::Metric;
use crate::plan::resolver::{Resolver, SourceRef};
use crate::schema::ColumnType::{self, Currency, Date, Float, Int, Money, String as Text};
use crate::spec::types::Duration;

/// Longest window, in days: ten years.
const MAX_DAYS: u64 = 3_653;

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    let source = cx.source("from", &spec.from)?;
    let customer = cx.column(&source, "customer", &spec.customer, &[Text, Int]);
    let customer_type = customer.as_ref().and_then(|c| source.type_of(c)).unwrap_or(Text);
    let (amounts, money) = amounts(cx, &source, &spec)?;
    let currency = cx.currency_of(&source, &money);
    let subscription = cx.optional_column(&source, "subscription", spec.subscription.as_deref(), &[Text, Int])?;
    let subscription_type = subscription.as_ref().and_then(|c| source.type_of(c)).unwrap_or(Text);
    let lines = lines(cx, &source, &spec);
    let ending = ending(cx, &source, &spec)?;
    let tiers = match spec.amount.as_ref().and_then(|a| a.tiers.as_ref()) {
        None => None,
        Some(t) => Some(tiers(cx, &source, &spec, t)?),
    };
    let reason = cx.optional_column(&source, "reason", spec.reason.as_deref(), &[Text])?;
    let subject = (subscription.as_deref(), subscription_type, customer_type);
    let discounts = match &spec.discounts {
        None => None,
        Some(d) => Some(discounts(cx, d, subject)?),
    };
    let pauses = match &spec.pauses {
        None => None,
        Some(p) => Some(pauses(cx, p, subject)?),
    };
    if spec.subscription.is_some() && !(uses_subscription(&spec) || spec.churn_at == Some(ChurnAt::PeriodEnd)) {
        cx.error(
            "subscription",
            "`subscription` has no effect here",
            "remove it: only `discounts`, `pauses` and `churn_at: period_end` ask which items belong together",
        );
    }
    let usage = match &spec.usage {
        None => None,
        Some(u) => Some(usage(cx, u, &spec.customer, customer_type)?).filter(|u| u.policy != UsagePolicy::Exclude),
    };
    let identities = match &spec.identities {
        None => None,
        Some(i) => Some(id_map(cx, "identities", &i.from, ("id", &i.id), ("customer", &i.customer), customer_type)?),
    };
    let parents = match &spec.parents {
        None => None,
        Some(p) => Some(id_map(cx, "parents", &p.from, ("customer", &p.customer), ("parent", &p.parent), customer_type)?),
    };
    let windows = Windows {
        win_back: days(cx, "win_back", spec.win_back)?,
        coalesce: days(cx, "coalesce_within", spec.coalesce_within)?,
        reactivation: positive(days(cx, "reactivation.within", spec.reactivation.as_ref().map(|r| r.within))?),
    };
    let fx = match &spec.fx {
        None => None,
        Some(f) => Some(rates(cx, f)?),
    };
    let dimensions = match &spec.dimensions {
        None => None,
        Some(d) => Some(dimensions(cx, d, &spec.customer, customer_type)?),
    };
    if spec.trials.is_some() && spec.trial_end.is_none() {
        cx.error("trials", "`trials` has no effect without `trial_end`", "name the `trial_end` column, or remove `trials`");
    }
    Some(Box::new(MrrLedger {
        from: spec.from,
        customer: customer?,
        customer_type,
        currency: currency?,
        amounts,
        include_trials: spec.trials == Some(Trials::Include),
        factors: spec.interval_factors.unwrap_or_default(),
        tiers,
        subscription,
        subscription_type,
        lines,
        ending,
        discounts,
        pauses,
        usage,
        identities,
        parents,
        windows,
        fx,
        reason,
        dimensions,
        as_of: cx.context().as_of,
        known_until: cx.context().as_of,
        scale: cx.context().scale,
    }))
}

fn uses_subscription(spec: &Spec) -> bool {
    spec.discounts.as_ref().is_some_and(|d| d.subscription.is_some())
        || spec.pauses.as_ref().is_some_and(|p| p.subscription.is_some())
}

/// A duration of whole days, 0 where none is written.
fn days(cx: &mut Resolver<'_>, path: &str, written: Option<Duration>) -> Option<i32> {
    let Some(duration) = written else { return Some(0) };
    let days = duration.days().filter(|d| (1..=MAX_DAYS).contains(d)).and_then(|d| i32::try_from(d).ok());
    if days.is_none() {
        let title = format!("`{duration}` is no number of days from 1 to {MAX_DAYS}");
        cx.error(path, &title, "write days or weeks, for example `30d`");
    }
    days
}

fn positive(days: i32) -> Option<i32> {
    (days > 0).then_some(days)
}

/// What the rows of the source say about revenue, and the money column that has the currency.
fn amounts(cx: &mut Resolver<'_>, source: &SourceRef<'_>, spec: &Spec) -> Option<(Amounts, String)> {
    match (&spec.amount, &spec.change, &spec.snapshot) {
        (Some(a), None, None) => intervals(cx, source, spec, a),
        (None, Some(c), None) => changes(cx, source, spec, c),
        (None, None, Some(s)) => snapshots(cx, source, spec, s),
        (None, None, None) => {
            cx.error(
                "",
                "a ledger needs `amount`, `change` or `snapshot`",
                "`amount: {price: ..}` for subscription intervals, `change: {at: .., mrr: ..}` for changes, `snapshot: {month: .., mrr: ..}` for monthly amounts",
            );
            None
        }
        _ => {
            let path = if spec.snapshot.is_some() { "snapshot" } else { "change" };
            cx.error(
                path,
                "`amount`, `change` and `snapshot` exclude each other",
                "keep `amount` for intervals, `change` for changes, or `snapshot` for monthly amounts",
            );
            None
        }
    }
}

fn intervals(cx: &mut Resolver<'_>, source: &SourceRef<'_>, spec: &Spec, a: &AmountSpec) -> Option<(Amounts, String)> {
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
    let (path, money, total) = match (&a.price, &a.total) {
        (Some(p), None) => ("amount.price", p, false),
        (None, Some(t)) => ("amount.total", t, true),
        (Some(_), Some(_)) => {
            cx.error("amount.total", "`price` and `total` exclude each other", "`price` is of one unit and billing period, `total` of the whole service period");
            return None;
        }
        (None, None) => {
            cx.error("amount", "an amount needs `price` or `total`", "name the money column");
            return None;
        }
    };
    if total {
        for (given, key) in [(a.interval.is_some(), "interval"), (a.count.is_some(), "count"), (a.tiers.is_some(), "tiers")] {
            if given {
                cx.error(&format!("amount.{key}"), &format!("`{key}` has no effect with `total`"), "remove it: the service period says what the amount is for");
            }
        }
        if spec.end.is_none() {
            cx.error("amount.total", "a total needs the `end` of its service period", "name the `end` column");
            return None;
        }
    } else if a.min_service.is_some() {
        cx.error("amount.min_service", "`min_service` has no effect without `total`", "remove it");
    }
    let start = cx.column(source, "start", start, &[Date]);
    let end = cx.optional_column(source, "end", spec.end.as_deref(), &[Date]);
    let trial_end = cx.optional_column(source, "trial_end", spec.trial_end.as_deref(), &[Date]);
    let price = cx.column(source, path, money, &[Money]);
    let quantity = cx.optional_column(source, "amount.quantity", a.quantity.as_deref(), &[Int]);
    let interval = cx.optional_column(source, "amount.interval", a.interval.as_deref(), &[Text]);
    let count = cx.optional_column(source, "amount.count", a.count.as_deref(), &[Int]);
    let min_service = positive(days(cx, "amount.min_service", a.min_service)?).unwrap_or(28);
    let amounts = Amounts::Intervals {
        start: start?,
        end: end?,
        end_inclusive: spec.end_inclusive,
        trial_end: trial_end?,
        price: price.clone()?,
        total,
        min_service,
        quantity: quantity?,
        interval: interval?,
        count: count?,
    };
    Some((amounts, price?))
}

/// Reports keys of intervals that mean nothing without them.
fn only_intervals(cx: &mut Resolver<'_>, spec: &Spec, with: &str, why: &str) {
    for (given, key) in [
        (spec.start.is_some(), "start"),
        (spec.end.is_some(), "end"),
        (spec.end_inclusive, "end_inclusive"),
        (spec.trial_end.is_some(), "trial_end"),
        (spec.reason.is_some(), "reason"),
        (spec.interval_factors.is_some(), "interval_factors"),
        (spec.churn_at.is_some(), "churn_at"),
        (spec.past_due.is_some(), "past_due"),
    ] {
        if given {
            cx.error(key, &format!("`{key}` has no effect with `{with}`"), why);
        }
    }
}

fn changes(cx: &mut Resolver<'_>, source: &SourceRef<'_>, spec: &Spec, c: &ChangeSpec) -> Option<(Amounts, String)> {
    only_intervals(cx, spec, "change", "remove it: a change says by itself when and by how much");
    let at = cx.column(source, "change.at", &c.at, &[Date]);
    let mrr = cx.column(source, "change.mrr", &c.mrr, &[Money]);
    let quantity = cx.optional_column(source, "change.quantity", c.quantity.as_deref(), &[Int]);
    Some((Amounts::Changes { at: at?, mrr: mrr.clone()?, quantity: quantity? }, mrr?))
}

fn snapshots(cx: &mut Resolver<'_>, source: &SourceRef<'_>, spec: &Spec, s: &SnapshotSpec) -> Option<(Amounts, String)> {
    only_intervals(cx, spec, "snapshot", "remove it: a snapshot is already monthly");
    let month = cx.column(source, "snapshot.month", &s.month, &[Date]);
    let mrr = cx.column(source, "snapshot.mrr", &s.mrr, &[Money]);
    Some((Amounts::Snapshots { month: month?, mrr: mrr.clone()? }, mrr?))
}

/// `None` without products, and after a mistake.
fn lines(cx: &mut Resolver<'_>, source: &SourceRef<'_>, spec: &Spec) -> Option<Lines> {
    let Some(product) = &spec.product else {
        if spec.plan.is_some() && spec.amount.as_ref().is_none_or(|a| a.tiers.is_none()) {
            cx.error("plan", "`plan` has no effect without `product`", "name the `product` column, so that expansions are taken apart");
        }
        if !spec.families.is_empty() {
            cx.error("families", "`families` has no effect without `product`", "name the `product` column");
        }
        return None;
    };
    let product = cx.column(source, "product", product, &[Text]);
    let plan = cx.optional_column(source, "plan", spec.plan.as_deref(), &[Text])?;
    let mut families: Vec<(String, String)> = Vec::new();
    for (family, products) in &spec.families {
        for (i, p) in products.iter().enumerate() {
            if families.iter().any(|(known, _)| known == p) {
                cx.error(&format!("families.{family}.{i}"), &format!("the product `{p}` is in two families"), "keep it in one");
            }
            families.push((p.clone(), family.to_string()));
        }
    }
    Some(Lines { product: product?, families, plan })
}

fn ending(cx: &mut Resolver<'_>, source: &SourceRef<'_>, spec: &Spec) -> Option<Ending> {
    let churn_at = spec.churn_at.unwrap_or_default();
    for (at, key, given) in [
        (ChurnAt::Request, "requested", spec.requested.is_some()),
        (ChurnAt::PeriodEnd, "period_end", spec.period_end.is_some()),
    ] {
        if churn_at == at && !given {
            cx.error("churn_at", &format!("this `churn_at` needs the column `{key}`"), &format!("name it with `{key}:`"));
        }
    }
    let requested = cx.optional_column(source, "requested", spec.requested.as_deref(), &[Date])?;
    let period_end = cx.optional_column(source, "period_end", spec.period_end.as_deref(), &[Date])?;
    let past_due = match &spec.past_due {
        None => None,
        Some(p) => {
            let since = cx.column(source, "past_due.since", &p.since, &[Date]);
            let grace = days(cx, "past_due.grace", Some(p.grace))?;
            Some((since?, grace))
        }
    };
    Some(Ending { churn_at, requested, period_end, past_due })
}

fn tiers(cx: &mut Resolver<'_>, items: &SourceRef<'_>, spec: &Spec, t: &TiersSpec) -> Option<Tiers> {
    let at = |key: &str| format!("amount.tiers.{key}");
    let Some(item_plan) = spec.plan.as_deref() else {
        cx.error("amount.tiers", "tiers need the `plan` of an item", "name the `plan` column of the ledger");
        return None;
    };
    if spec.amount.as_ref().is_some_and(|a| a.quantity.is_none()) {
        cx.error("amount.tiers", "tiers need a quantity", "name the `quantity` column of the amount");
    }
    let item_plan = cx.column(items, "plan", item_plan, &[Text]);
    let source = cx.source(&at("from"), &t.from)?;
    let plan = cx.column(&source, &at("plan"), &t.plan, &[Text]);
    let up_to = cx.column(&source, &at("up_to"), &t.up_to, &[Int]);
    let unit_amount = cx.column(&source, &at("unit_amount"), &t.unit_amount, &[Money]);
    let flat_amount = cx.optional_column(&source, &at("flat_amount"), t.flat_amount.as_deref(), &[Money]);
    let mode = cx.column(&source, &at("mode"), &t.mode, &[Text]);
    let unit_amount = unit_amount?;
    let currency = cx.currency_of(&source, &unit_amount)?;
    Some(Tiers {
        from: t.from.clone(),
        plan: plan?,
        item_plan: item_plan?,
        up_to: up_to?,
        unit_amount,
        flat_amount: flat_amount?,
        mode: mode?,
        currency,
    })
}

/// Column of the ledger with the subscription, its type, and the type of the customer.
type Subjects<'a> = (Option<&'a str>, ColumnType, ColumnType);

fn subject(
    cx: &mut Resolver<'_>,
    key: &str,
    source: &SourceRef<'_>,
    (subscription, customer): (Option<&str>, Option<&str>),
    own: Subjects<'_>,
) -> Option<Subject> {
    match (subscription, customer) {
        (Some(s), None) => {
            if own.0.is_none() {
                cx.error(
                    &format!("{key}.subscription"),
                    "the items do not say which subscription they belong to",
                    "name the column of the ledger's source with `subscription:`",
                );
            }
            cx.column(source, &format!("{key}.subscription"), s, &[own.1]).map(Subject::Subscription)
        }
        (None, Some(c)) => cx.column(source, &format!("{key}.customer"), c, &[own.2]).map(Subject::Customer),
        _ => {
            cx.error(key, &format!("`{key}` needs either `subscription` or `customer`"), "name the column that says what a row is for");
            None
        }
    }
}

fn discounts(cx: &mut Resolver<'_>, d: &DiscountsSpec, own: Subjects<'_>) -> Option<Discounts> {
    let source = cx.source("discounts.from", &d.from)?;
    let subject = subject(cx, "discounts", &source, (d.subscription.as_deref(), d.customer.as_deref()), own);
    let percent = cx.optional_column(&source, "discounts.percent", d.percent.as_deref(), &[Float, Int]);
    let amount = cx.optional_column(&source, "discounts.amount", d.amount.as_deref(), &[Money]);
    let duration = cx.optional_column(&source, "discounts.duration", d.duration.as_deref(), &[Text]);
    let months = cx.optional_column(&source, "discounts.months", d.months.as_deref(), &[Int]);
    let start = cx.column(&source, "discounts.start", &d.start, &[Date]);
    let end = cx.optional_column(&source, "discounts.end", d.end.as_deref(), &[Date]);
    if d.percent.is_none() && d.amount.is_none() {
        cx.error("discounts", "`discounts` needs `percent` or `amount`", "name the column with what is taken off");
    }
    let policy = d.policy.unwrap_or_default();
    if d.duration.is_none() && d.policy.is_some() {
        cx.error("discounts.policy", "`policy` has no effect without `duration`", "name the `duration` column, or remove `policy`");
    }
    if d.months.is_some() && d.duration.is_none() {
        cx.error("discounts.months", "`months` has no effect without `duration`", "name the `duration` column");
    }
    let currency = match &d.amount {
        Some(a) => cx.currency_of(&source, a)?,
        None => polars::prelude::lit(polars::prelude::NULL).cast(polars::prelude::DataType::String),
    };
    Some(Discounts {
        from: d.from.clone(),
        subject: subject?,
        percent: percent?,
        amount: amount?,
        currency,
        duration: duration?,
        months: months?,
        start: start?,
        end: end?,
        policy,
    })
}

fn pauses(cx: &mut Resolver<'_>, p: &PausesSpec, own: Subjects<'_>) -> Option<Pauses> {
    let source = cx.source("pauses.from", &p.from)?;
    let subject = subject(cx, "pauses", &source, (p.subscription.as_deref(), p.customer.as_deref()), own);
    let start = cx.column(&source, "pauses.start", &p.start, &[Date]);
    let end = cx.optional_column(&source, "pauses.end", p.end.as_deref(), &[Date]);
    let churn_after = positive(days(cx, "pauses.churn_after", p.churn_after)?);
    let policy = p.policy.unwrap_or_default();
    if churn_after.is_some() && policy != PausePolicy::Pause {
        cx.error("pauses.churn_after", "`churn_after` has no effect with this `as`", "remove one: it says when a pause becomes a churn");
    }
    Some(Pauses { from: p.from.clone(), subject: subject?, start: start?, end: end?, policy, churn_after })
}

fn usage(cx: &mut Resolver<'_>, u: &UsageSpec, customer: &str, customer_type: ColumnType) -> Option<Usage> {
    let source = cx.source("usage.from", &u.from)?;
    let path = if u.customer.is_some() { "usage.customer" } else { "usage.from" };
    let customer = cx.column(&source, path, u.customer.as_deref().unwrap_or(customer), &[customer_type]);
    let month = cx.column(&source, "usage.month", &u.month, &[Date]);
    let amount = cx.column(&source, "usage.amount", &u.amount, &[Money]);
    let policy = u.policy.unwrap_or_default();
    if u.months.is_some() && policy != UsagePolicy::Trailing {
        cx.error("usage.months", "`months` has no effect with this `policy`", "remove it");
    }
    let months = u.months.unwrap_or(3);
    if !(1..=36).contains(&months) {
        cx.error("usage.months", &format!("a mean over {months} months is out of range"), "give 1 to 36 months");
    }
    let amount = amount?;
    let currency = cx.currency_of(&source, &amount)?;
    Some(Usage { from: u.from.clone(), customer: customer?, month: month?, amount, currency, policy, months })
}

fn id_map(
    cx: &mut Resolver<'_>,
    key: &str,
    from: &str,
    id: (&str, &str),
    customer: (&str, &str),
    ty: ColumnType,
) -> Option<IdMap> {
    let source = cx.source(&format!("{key}.from"), from)?;
    let old = cx.column(&source, &format!("{key}.{}", id.0), id.1, &[ty]);
    let new = cx.column(&source, &format!("{key}.{}", customer.0), customer.1, &[ty]);
    Some(IdMap { from: from.to_owned(), id: old?, customer: new? })
}

fn rates(cx: &mut Resolver<'_>, f: &FxSpec) -> Option<fx::Fx> {
    let source = cx.source("fx.from", &f.from)?;
    let date = cx.column(&source, "fx.date", &f.date, &[Date]);
    let currency = cx.column(&source, "fx.currency", &f.currency, &[Currency]);
    let to = cx.optional_column(&source, "fx.to", f.to.as_deref(), &[Currency]);
    let rate = cx.column(&source, "fx.rate", &f.rate, &[Float]);
    let max_age = positive(days(cx, "fx.max_age", f.max_age)?).unwrap_or(7);
    let as_of = cx.context().as_of;
    let constant_on = f.constant_on.map_or(as_of, |d| d.0);
    if constant_on > as_of {
        cx.error("fx.constant_on", "the rates of that day are not known at as_of", "give a day up to `as_of`");
    }
    let reporting = cx.context().currency.clone();
    if reporting.is_none() {
        cx.error("fx", "the pipeline has no reporting currency", "add `currency: USD` at the top level");
    }
    let periods = Periods::new(f.revalue.unwrap_or(Grain::Month), cx.context().calendar);
    Some(fx::Fx {
        from: f.from.clone(),
        date: date?,
        currency: currency?,
        to: to?,
        rate: rate?,
        rate_of: f.rate_of,
        periods,
        constant_on,
        max_age,
        reporting: reporting?,
    })
}

fn dimensions(cx: &mut Resolver<'_>, spec: &DimensionsSpec, customer: &str, customer_type: ColumnType) -> Option<Dimensions> {
    let source = cx.source("dimensions.from", &spec.from)?;
    let key = spec.customer.as_deref().unwrap_or(customer);
    let path = if spec.customer.is_some() { "dimensions.customer" } else { "dimensions.from" };
    let customer = cx.column(&source, path, key, &[customer_type]);
    let mut columns = Vec::new();
    for (i, name) in spec.columns.iter().enumerate() {
        let path = format!("dimensions.columns.{i}");
        if RESERVED.contains(&name.as_str()) || name.ends_with("_delta") {
            cx.error(&path, &format!("`{name}` cannot be a dimension: the ledger has a column of that name"), "declare the source column under another name with `from`");
        }
        columns.push(cx.column(&source, &path, name, &[Text, Currency]));
    }
    let valid_from = cx.optional_column(&source, "dimensions.valid_from", spec.valid_from.as_deref(), &[Date]);
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

const RESERVED: [&str; 16] = [
    "customer_id", "currency", "effective_on", "sequence", "kind", "mrr_before", "mrr_delta", "mrr_after",
    "first_paid_on", "reason", "period_start", "is_total", "is_complete", "series", "constant_after", "paused_after",
];
