//! The user's own SQL: read, checked against the columns that are there, bound to values and planned.
//!
//! A query is parsed once. Parameters are put into the parsed query as literals, never into its
//! text, and what runs is that query written out again. Only `SELECT` over named sources and
//! tables passes: nothing is created, and no file is read.

mod bind;
mod check;
mod periods;
mod query;
mod result;
mod run;

pub use bind::{Bindable, Bound};
pub use check::Known;
pub use query::{Fault, Query, Word, tables_read};
pub use result::{Result, Shape, Unfit, shape};
pub use run::{Frames, Table};
