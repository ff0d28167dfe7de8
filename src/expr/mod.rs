//! Shared Polars expressions and frames with a name from the domain.
//!
//! Everything here is pure: expressions and lazy frames in, expressions and lazy frames out.

pub mod bridge;
pub mod calendar;
pub mod cohort;
pub mod condense;
pub mod dims;
pub mod key;
pub mod lmdi;
pub mod money;
pub mod parts;
pub mod ratio;
pub mod sequence;
pub mod steps;
pub mod texts;
pub mod uses;
pub mod visits;
