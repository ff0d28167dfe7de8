//! Laws of net and gross revenue retention.

use super::books::books;
use super::law;
use super::pipeline::{ledger, run};
use super::reference::World;
use super::reference::retention::{GRAIN, chained, cohort, flow};
use super::table::{Row, Value, close, compare, pick, shown};

const BY: &[&str] = &["segment"];
const WINDOWS: [usize; 4] = [1, 3, 7, 12];

fn grain() -> Vec<&'static str> {
    [&GRAIN[..], BY].concat()
}

fn tables(methods: &str) -> String {
    format!(
        "  retention: {{type: revenue_retention, from: ledger, windows: [1, 3, 7, 12], methods: [{methods}], by: [segment]}}\n"
    )
}

#[test]
fn the_cohort_method_is_what_the_base_pays_then_and_now() {
    law("cohort", 64, books(), |book| {
        let published = run(book, &format!("{}{}", ledger(book), tables("cohort")))?;
        let table = published.table("retention");
        compare("retention", table, cohort(&World::of(book), BY, &WINDOWS, table), &grain())
    });
}

#[test]
fn the_flow_and_chained_methods_are_sums_and_products_of_monthly_movements() {
    law("flow", 64, books(), |book| {
        let published = run(book, &format!("{}{}", ledger(book), tables("flow, chained")))?;
        let world = World::of(book);
        let mut expected = flow(&world, BY, &WINDOWS);
        expected.extend(chained(&world, BY, &WINDOWS));
        compare("retention", published.table("retention"), expected, &grain())
    });
}

#[test]
fn gross_is_at_most_one_and_at_most_net_and_segments_sum_to_the_total() {
    law("gross", 64, books(), |book| {
        let published = run(book, &format!("{}{}", ledger(book), tables("cohort")))?;
        let rows = &published.table("retention").rows;
        for row in rows {
            let gross = row["grr"].float();
            let most = row["nrr"].float().map(|n| n.min(1.0));
            if gross.zip(most).is_some_and(|(g, m)| g > m) || gross.is_some_and(|g| g < 0.0) {
                return Err(format!("gross is too much in {}", shown(row)));
            }
            if row["is_total"] == Value::Bool(true) {
                sums_to(rows, row)?;
            }
        }
        Ok(())
    });
}

fn sums_to(rows: &[Row], total: &Row) -> Result<(), String> {
    let key = |row| pick(row, &["period_start", "window_months", "currency"]);
    for column in
        ["base_customers", "retained_customers", "nrr_numerator", "nrr_denominator", "grr_numerator", "grr_denominator"]
    {
        let parts = rows.iter().filter(|r| key(r) == key(total) && r["is_total"] == Value::Bool(false));
        if parts.map(|r| r[column].money()).sum::<i128>() != total[column].money() {
            return Err(format!("{column}: the segments do not sum to {}", shown(total)));
        }
    }
    Ok(())
}

#[test]
fn over_one_month_all_methods_agree_with_each_other_and_with_churn() {
    law("one_month", 64, books(), |book| {
        let text = "  retention: {type: revenue_retention, from: ledger, windows: [1], methods: [cohort, flow, chained], by: [segment]}
  churn: {type: churn, from: ledger, by: [segment]}\n";
        let published = run(book, &format!("{}{text}", ledger(book)))?;
        for churn in &published.table("churn").rows {
            let line = |row| pick(row, &["period_start", "currency", "is_total", "segment"]);
            let kept = |rate: &str| churn[rate].float().map(|r| 1.0 - r);
            let expected = [kept("net_revenue_churn_rate"), kept("gross_revenue_churn_rate")];
            for method in ["cohort", "flow", "chained"] {
                let row = published
                    .table("retention")
                    .rows
                    .iter()
                    .find(|r| line(r) == line(churn) && r["method"] == Value::from(method));
                let found = row.map_or([None, None], |r| [r["nrr"].float(), r["grr"].float()]);
                let same = |(a, b): (&Option<f64>, &Option<f64>)| {
                    a.is_some() == b.is_some() && a.zip(*b).is_none_or(|(a, b)| close(a, b))
                };
                if !found.iter().zip(&expected).all(same) {
                    return Err(format!(
                        "{method}: {found:?} in {}\nis not what churn leaves: {expected:?} in {}",
                        row.map_or_else(String::new, shown),
                        shown(churn)
                    ));
                }
            }
        }
        Ok(())
    });
}
