//! Everything that is tested through the whole of `tenure`.

mod casebook;
mod crash;
mod nightly;
mod process;
mod support;
mod tidy;
