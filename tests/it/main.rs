//! Everything that is tested through the whole of `tenure`.
#![allow(clippy::unwrap_used, clippy::expect_used)]
// The reference counts in small numbers, and is written to be read.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
#![allow(clippy::match_same_arms, clippy::needless_pass_by_value, clippy::index_refutable_slice)]

mod casebook;
mod cases;
mod crash;
mod damage;
mod explain;
mod fuzz;
mod laws;
mod limits;
mod nightly;
mod process;
mod reconcile;
mod refusals;
mod scans;
mod sql;
mod staging;
mod support;
mod tidy;
mod wide;
