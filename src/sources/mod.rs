//! Sources: which files there are, how they become frames, and which of their rows count.
//!
//! [`describe`] reads footers and nothing else. [`load`] scans every file once and gives canonical
//! frames: text, `Int64`, `Float64`, booleans, dates, instants in UTC with microseconds, and money
//! as `Int64` in units of the pipeline's scale. Every row read is used, or counted with its reason.

mod catalog;
mod condense;
mod condition;
mod describe;
mod error;
mod finding;
mod footer;
mod gather;
mod gathered;
mod hive;
mod load;
mod outcome;
mod parts;
mod plan;
mod problem;
mod proof;
pub mod quarantine;
mod read;
mod sample;
mod scan;
mod trace;
mod verdict;

#[cfg(test)]
mod tests;

pub use catalog::{Catalog, FileColumn, FileInfo, PhysicalType, Proof, SourceCatalog, TimeUnit};
pub use condense::Keys;
pub(crate) use condition::seen as major_units;
pub use condition::{Condition, ConditionFault};
pub use describe::{Described, SourceRequest, describe};
pub use error::{SourceError, SourceErrorClass, guarded};
pub use finding::{Finding, Measures, Verdict, end_of_day};
pub use load::{Enough, Silent, Watch, load, load_against};
pub use outcome::{Action, Attrition, LoadedSource, Reason, Sample, ViolationReport};
pub use plan::{
    Aggregate, Bearing, ColumnPlan, Currency, Deduplicate, Freshness, Layout, MoneyPlan, Reference, SourcePlan, Stored,
};
pub use problem::{FileFault, Problem, Problems};
pub use proof::{proven, readable};
pub use scan::{empty, scan_plan};
pub use trace::{FATE, FILE, FILE_ROW, trace};

pub use crate::checks::canonical_type;

/// Whether the engine knows the rules of an IANA zone.
#[must_use]
pub fn engine_knows_zone(name: &str) -> bool {
    read::zone_of(name).is_some()
}
