#![doc = include_str!("../README.md")]

pub mod cases;
pub mod checks;
pub mod cli;
pub mod diag;
pub mod engine;
pub mod expr;
pub mod metrics;
pub mod money;
pub mod plan;
pub mod publish;
pub mod report;
pub mod sample;
pub mod schema;
pub mod sources;
pub mod spec;
pub mod sql;
