//! Laws: what must hold for every book, tried on random small ones.
//!
//! Most laws compare published tables, read back from their files, with a [`reference`] that finds
//! the same numbers the slow and obvious way. Books are drawn from a fixed seed per law, so that a
//! run of the suite is repeatable; `PROPTEST_RNG_SEED` draws others and `PROPTEST_CASES` more.

mod billing;
mod books;
mod cohorts;
mod export;
mod files;
mod ltv;
mod pipeline;
mod reference;
mod retention;
mod revenue;
mod table;
mod usage;

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use books::Book;

/// Number of cases that proptest runs unless it is told another one.
const UNTOLD: u32 = 256;

/// Part of the cases that the suite tries; `PROPTEST_CASES=64` and more is for a night.
const EVERYDAY: u32 = 10;

/// Tries a law on a part of so many cases; the smallest that breaks it is shown.
pub fn law<S: Strategy>(name: &str, cases: u32, strategy: S, holds: impl Fn(&S::Value) -> Result<(), String>)
where
    S::Value: Debug,
{
    let told = Config::default();
    let seed = name.bytes().fold(0_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let config = Config {
        cases: if told.cases == UNTOLD { cases.div_ceil(EVERYDAY) } else { told.cases },
        rng_seed: if told.rng_seed == RngSeed::Random { RngSeed::Fixed(seed) } else { told.rng_seed },
        failure_persistence: None,
        max_shrink_iters: 2_000,
        max_shrink_time: 40_000,
        ..told
    };
    let outcome = TestRunner::new(config).run(&strategy, |case| holds(&case).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => panic!("the law `{name}` is broken: {reason}\nby {case:#?}"),
        Err(TestError::Abort(reason)) => panic!("the law `{name}` could not be tried: {reason}"),
    }
}

/// Every metric over one ledger, with settings that differ from the defaults where that says more.
fn every_table(book: &Book) -> String {
    let reasons =
        "{map: {voluntary: {too_expensive: [price], competitor: [competitor]}, involuntary: {payment: [card_failed]}}}";
    format!(
        "{}{}",
        pipeline::ledger(book),
        format_args!(
            "  movements: {{type: mrr_movements, from: ledger, by: [segment]}}
  weeks: {{type: mrr_movements, from: ledger, grain: week, value_at: period_start, by: [segment, country]}}
  churn: {{type: churn, from: ledger, by: [segment], reasons: {reasons}}}
  retention: {{type: revenue_retention, from: ledger, windows: [1, 3, 12], methods: [cohort, flow, chained], by: [segment]}}
  cohorts: {{type: cohort_retention, from: ledger, horizon: 14}}
  segments: {{type: cohort_retention, from: ledger, cohort: {{dimension: segment}}, horizon: 14}}
  signups:
    type: cohort_retention
    from: ledger
    cohort: {{date: {{from: customers, customer: customer_id, date: signed_up_on}}}}
    horizon: 14
  ltv:
    type: ltv
    from: ledger
    gross_margin: 80%
    min_churn_events: 1
    churn_months: 3
    by: [segment]
    costs: {{from: costs, month: spent_on, amount: amount, category: category, acquisition: [ads, sales], retention: [support], lag_months: 1, by: {{segment: segment}}}}
  value: {{type: ltv, from: ledger, view: cohorts, gross_margin: 80%, horizon: 14}}
"
        )
    )
}
