//! Everything that is tested through the whole of `tenure`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod casebook;
mod crash;
mod nightly;
mod process;
mod support;
mod tidy;
