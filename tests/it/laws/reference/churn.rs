//! Churn: who paid at the start of a period and does not at its end.

use std::collections::BTreeMap;

use super::super::table::{Money, Row, row};
use super::World;
use super::movements::{Cell, Look, Stay, cells, ratio, stays};

/// Kind and reason of every value in the data, as the pipeline maps them; the rest is unmapped.
pub const REASON_MAP: [(&str, &str, &str); 3] = [
    ("price", "voluntary", "too_expensive"),
    ("competitor", "voluntary", "competitor"),
    ("card_failed", "involuntary", "payment"),
];

/// Wilson score interval, 95 %: the roots of (p - k/n)^2 = z^2 p (1 - p) / n, found by bisection.
pub fn wilson(hits: i64, n: i64) -> Option<(f64, f64)> {
    const Z: f64 = 1.959_963_984_540_054;
    if n == 0 {
        return None;
    }
    let (share, n) = (hits as f64 / n as f64, n as f64);
    let outside = |p: f64| (p - share).powi(2) > Z * Z * p * (1.0 - p) / n;
    let root = |mut far: f64, mut near: f64| {
        for _ in 0..200 {
            let middle = f64::midpoint(far, near);
            if outside(middle) { far = middle } else { near = middle }
        }
        near
    };
    Some((if hits == 0 { 0.0 } else { root(0.0, share) }, if share >= 1.0 { 1.0 } else { root(1.0, share) }))
}

/// Rows of `churn`.
pub fn churn(world: &World<'_>, look: Look<'_>, with_reasons: bool, reactivation_in_net: bool) -> Vec<Row> {
    let stays = stays(world, look);
    let mut out = Vec::new();
    for cell in cells(world, look) {
        let s = &cell.sums;
        let losses = Losses {
            breakdown: if cell.group.is_none() { "total" } else { "dimension" },
            churned: s.count("churned"),
            lost: -s.amount("churned"),
            others: Some([s.amount("contraction"), s.amount("expansion"), s.amount("reactivation")]),
        };
        let mut row = losses.row(world, look, &cell, reactivation_in_net);
        if with_reasons {
            put_reason(&mut row, None);
        }
        out.push(row);
        if with_reasons && cell.group.is_none() {
            let left = stays
                .iter()
                .filter(|s| s.currency == cell.currency && s.period == cell.period && s.kind == Some("churned"));
            for ((kind, name), (customers, lost)) in by_reason(left) {
                let losses = Losses { breakdown: "reason", churned: customers, lost, others: None };
                let mut row = losses.row(world, look, &cell, reactivation_in_net);
                put_reason(&mut row, Some((kind, name, customers as f64 / s.count("churned") as f64)));
                out.push(row);
            }
        }
    }
    out
}

/// Customers and revenue lost, by kind and reason.
fn by_reason<'a>(left: impl Iterator<Item = &'a Stay>) -> BTreeMap<(&'static str, &'static str), (i64, i128)> {
    let mut out: BTreeMap<_, (i64, i128)> = BTreeMap::new();
    for stay in left {
        let reason = match &stay.reason {
            None => ("unknown", "not_given"),
            Some(value) => REASON_MAP.iter().find(|m| m.0 == value).map_or(("unknown", "unmapped"), |m| (m.1, m.2)),
        };
        let sum = out.entry(reason).or_default();
        sum.0 += 1;
        sum.1 += stay.before;
    }
    out
}

fn put_reason(row: &mut Row, reason: Option<(&str, &str, f64)>) {
    row.insert("reason_kind".to_owned(), reason.map(|r| r.0).into());
    row.insert("churn_reason".to_owned(), reason.map(|r| r.1).into());
    row.insert("share_of_churned".to_owned(), reason.map(|r| r.2).into());
}

struct Losses {
    breakdown: &'static str,
    churned: i64,
    /// Positive.
    lost: i128,
    /// Contraction, expansion and reactivation; unknown by reason.
    others: Option<[i128; 3]>,
}

impl Losses {
    fn row(&self, world: &World<'_>, look: Look<'_>, cell: &Cell, reactivation_in_net: bool) -> Row {
        let period = world.periods(look.grain)[cell.period];
        let (base, n) = cell.sums.base();
        let rate = ratio(self.churned.into(), n.into());
        let interval = wilson(self.churned, n);
        let gross = self.others.map(|[contraction, ..]| self.lost - contraction);
        let net = self
            .others
            .zip(gross)
            .map(|([_, expansion, back], gross)| gross - expansion - if reactivation_in_net { back } else { 0 });
        let mut row = row! {
            "period_start" => period.start,
            "currency" => cell.currency,
            "is_complete" => world.is_complete(period),
            "breakdown" => self.breakdown,
            "opening_customers" => n,
            "churned_customers" => self.churned,
            "logo_churn_rate" => rate,
            "logo_churn_ci_low" => interval.map(|i| i.0),
            "logo_churn_ci_high" => interval.map(|i| i.1),
            "logo_churn_rate_annualised" => rate.map(|r| 1.0 - (1.0 - r).powf(look.grain.per_year())),
            "logo_retention_rate" => self.others.and_then(|_| ratio((n - self.churned).into(), n.into())),
            "opening_mrr" => Money(base),
            "churned_mrr" => Money(-self.lost),
            "contraction_mrr" => self.others.map(|o| Money(o[0])),
            "expansion_mrr" => self.others.map(|o| Money(o[1])),
            "reactivation_mrr" => self.others.map(|o| Money(o[2])),
            "churned_revenue_rate" => ratio(self.lost, base),
            "gross_churn_mrr" => gross.map(Money),
            "gross_revenue_churn_rate" => gross.and_then(|g| ratio(g, base)),
            "net_churn_mrr" => net.map(Money),
            "net_revenue_churn_rate" => net.and_then(|g| ratio(g, base)),
            "reason" => (n == 0).then_some("no_opening_customers"),
        };
        look.put(&mut row, cell.group.as_ref());
        row
    }
}

#[test]
fn wilson_matches_the_published_vector() {
    let (low, high) = wilson(15, 500).expect("customers");
    assert_eq!(format!("{low:.4} {high:.4}"), "0.0183 0.0489");
}
