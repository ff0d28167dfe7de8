//! The pipeline file as written: text, tree with positions, typed values. No Polars, no file system.
//!
//! [`tree`] reads YAML and keeps every position; [`params`] puts values in place of `${name}`;
//! [`decode`] checks the tree against the JSON Schema of a type and builds it; [`types`] are the
//! values with a unit or a form of their own.

pub mod cases;
pub mod contract;
pub mod decode;
pub mod edit;
pub mod file;
pub mod params;
pub mod pipeline;
pub mod tree;
pub mod types;

#[cfg(test)]
mod fuzz;
