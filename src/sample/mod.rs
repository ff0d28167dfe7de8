//! A sample: the warehouse exports of one made-up software company, at any size.
//!
//! The company sells a product by the seat, keeps its books in New York, bills in dollars and
//! yen, and has existed since July 2022. Its exports have the shapes and the traps of real ones.
//! The same options give the same bytes, whatever machine and however many threads make them;
//! customer `n` is the same in a sample of a hundred and in one of a million.

mod billing;
mod calendar;
mod cases;
mod catalog;
mod changes;
mod columns;
mod finance;
mod ids;
mod invoices;
mod life;
mod lines;
mod merges;
mod mrr_events;
mod product;
mod profile;
mod rng;
mod sales;
mod story;
mod tables;
#[cfg(test)]
mod tests;
mod tiers;
mod usage;
mod voice;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use rayon::prelude::*;

use columns::Table;
use finance::Revenue;
use profile::Profile;
use tables::Tables;
use writer::PartFile;

pub use ids::IdStyle;

/// What sample to make, and where.
#[derive(Debug, Clone)]
pub struct SampleOptions {
    /// How many customers the company has ever had, trials and prospects included.
    pub customers: u64,
    /// Another seed gives another company. Ids and the documented customers stay.
    pub seed: u64,
    /// The folder; one folder per table is made in it.
    pub out: PathBuf,
    /// Files per table; by size if not given.
    pub parts: Option<usize>,
    /// About how many usage events to make; eight per customer if not given.
    pub events: Option<u64>,
    /// How ids of customers and users are written.
    pub ids: IdStyle,
}

/// What was made, in order of table name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleReport {
    /// Every table once.
    pub tables: Vec<TableReport>,
}

/// One table of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// The folder of its files.
    pub name: String,
    /// How many files it has.
    pub files: usize,
    /// Rows of all files.
    pub rows: u64,
    /// Size of all files.
    pub bytes: u64,
}

/// Why no sample was made.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The folder holds something that a sample does not have.
    #[error("`{}` is not part of a sample: the output folder must be empty or hold an earlier sample", .0.display())]
    NotEmpty(PathBuf),
    /// A number that makes no company.
    #[error("{0}")]
    Options(&'static str),
    /// A file or folder could not be written.
    #[error("could not write `{}`", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A table could not be encoded.
    #[error("could not encode `{}`", path.display())]
    Encode {
        /// The file it was meant for.
        path: PathBuf,
        /// What the Parquet library said.
        source: ParquetError,
    },
}

impl SampleError {
    fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Write { path, source }
    }

    fn parquet(path: &Path, source: ParquetError) -> Self {
        let path = path.to_owned();
        Self::Encode { path, source }
    }
}

const MAX_CUSTOMERS: u64 = 1_000_000_000;
const MAX_PARTS: u64 = 4_096;
const EVENTS_PER_CUSTOMER: u64 = 8;
/// How much one file is meant to hold.
const CUSTOMERS_PER_PART: u64 = 62_500;
const EVENTS_PER_PART: u64 = 4_000_000;
/// Encoded and forgotten together; bounds the memory of a thread.
const CUSTOMERS_PER_BATCH: u64 = 2_000;
const EVENTS_PER_BATCH: u64 = 200_000;
/// A small sample is made to be committed: it may take a little longer to pack it tightly.
const SMALL: u64 = 20_000;

/// Makes a sample and says what it holds.
///
/// Files appear whole, under their final names; those of an earlier sample in the same folder
/// are replaced or removed. Work is shared out over the current rayon pool, one part of the
/// company per task, and only a batch of customers per thread is in memory at a time.
///
/// `progress` is called from any thread with the name of a table and how many customers (for
/// `customers`) or rows (for a table of the whole company) were added since the last call.
///
/// # Errors
///
/// The folder holds foreign files, a file could not be written, or the options make no sense.
pub fn generate(o: &SampleOptions, progress: &(dyn Fn(&str, u64) + Sync)) -> Result<SampleReport, SampleError> {
    if o.customers == 0 || o.customers > MAX_CUSTOMERS {
        return Err(SampleError::Options("the number of customers must be from 1 to 1000000000"));
    }
    if o.parts.is_some_and(|parts| parts == 0) {
        return Err(SampleError::Options("the number of parts must be at least 1"));
    }
    let plan = Plan::new(o);
    let mut costs = finance::costs(&Revenue::zero(), o.seed, o.ids);
    let mut fixed: [&mut dyn Table; 3] = [
        &mut finance::fx_rates(o.seed, o.ids),
        &mut tiers::price_tiers(o.ids),
        &mut merges::identity_map(o.customers, o.ids),
    ];
    let mut names: Vec<&str> = Tables::new(o.ids).each().iter().map(|t| t.name()).collect();
    let whole: Vec<&str> = fixed.iter().map(|t| t.name()).chain([costs.name()]).collect();
    names.extend(&whole);
    writer::claim(&o.out, &names)?;

    let parts = (0..plan.parts)
        .into_par_iter()
        .map(|part| write_part(o, &plan, part, progress))
        .collect::<Result<Vec<_>, _>>()?;

    let zero = Revenue::zero();
    let revenue = parts.iter().fold(zero, |sum, (part, _)| sum.merge(part));
    costs = finance::costs(&revenue, o.seed, o.ids);
    let mut files: Vec<TableReport> = parts.into_iter().flat_map(|(_, files)| files).collect();
    for table in fixed.iter_mut().map(|table| &mut **table).chain([&mut costs as &mut dyn Table]) {
        let mut file = PartFile::create(&o.out, table, 0, plan.zstd)?;
        file.append(table)?;
        let written = file.close()?;
        progress(table.name(), written.rows);
        files.push(written);
    }

    for name in names {
        writer::sweep(&o.out, name, if whole.contains(&name) { 1 } else { plan.parts })?;
    }
    Ok(report(files))
}

/// How the work is cut up; a function of the options alone, never of the machine.
struct Plan {
    parts: usize,
    batch: u64,
    events_per_mille: u64,
    zstd: i32,
}

impl Plan {
    fn new(o: &SampleOptions) -> Self {
        let events = o.events.unwrap_or(o.customers.saturating_mul(EVENTS_PER_CUSTOMER));
        let by_size =
            (o.customers.div_ceil(CUSTOMERS_PER_PART)).max(events.div_ceil(EVENTS_PER_PART)).clamp(1, MAX_PARTS);
        let asked = o.parts.and_then(|parts| u64::try_from(parts).ok());
        let parts = asked.unwrap_or(by_size).min(o.customers).min(MAX_PARTS);
        let events_per_mille = events.saturating_mul(1_000) / o.customers;
        let batch = EVENTS_PER_BATCH.saturating_mul(1_000) / events_per_mille.max(1);
        Self {
            parts: usize::try_from(parts).unwrap_or(1),
            batch: batch.clamp(50, CUSTOMERS_PER_BATCH),
            events_per_mille,
            zstd: if o.customers <= SMALL { 12 } else { 3 },
        }
    }

    /// The customers of one part; together the parts hold every customer once, in order.
    fn customers(&self, part: usize, of: u64) -> Range<u64> {
        let share = |part: usize| {
            let at = u128::from(of) * u128::try_from(part).unwrap_or(0);
            let parts = u128::try_from(self.parts).unwrap_or(1);
            u64::try_from(at / parts).unwrap_or(of)
        };
        share(part)..share(part + 1)
    }
}

/// Writes one file of every table.
fn write_part(
    o: &SampleOptions,
    plan: &Plan,
    part: usize,
    progress: &(dyn Fn(&str, u64) + Sync),
) -> Result<(Revenue, Vec<TableReport>), SampleError> {
    let mut tables = Tables::new(o.ids);
    let mut files = tables
        .each()
        .into_iter()
        .map(|table| PartFile::create(&o.out, table, part, plan.zstd))
        .collect::<Result<Vec<_>, _>>()?;
    let mut revenue = Revenue::zero();
    let customers = plan.customers(part, o.customers);
    let mut from = customers.start;
    while from < customers.end {
        let to = from.saturating_add(plan.batch).min(customers.end);
        for index in from..to {
            write_customer(o.seed, index, plan, &mut tables, &mut revenue);
        }
        for (file, table) in files.iter_mut().zip(tables.each()) {
            file.append(table)?;
        }
        progress("customers", to - from);
        from = to;
    }
    let files = files.into_iter().map(PartFile::close);
    Ok((revenue, files.collect::<Result<_, _>>()?))
}

fn write_customer(seed: u64, index: u64, plan: &Plan, tables: &mut Tables, revenue: &mut Revenue) {
    let who = Profile::new(seed, index);
    let life = match cases::find(index) {
        Some(case) => cases::tell(case, who),
        None => story::tell(who),
    };
    billing::write(&life, tables);
    mrr_events::write(&life, tables);
    tiers::write(&life, tables);
    usage::write(&life, tables);
    invoices::write(&life, tables);
    product::write(&life, plan.events_per_mille, tables);
    voice::write(&life, tables);
    sales::write(&life, tables);
    revenue.count(&life);
}

fn report(files: Vec<TableReport>) -> SampleReport {
    let mut tables: BTreeMap<String, TableReport> = BTreeMap::new();
    for file in files {
        match tables.get_mut(&file.name) {
            Some(table) => {
                table.files += file.files;
                table.rows += file.rows;
                table.bytes += file.bytes;
            }
            None => {
                tables.insert(file.name.clone(), file);
            }
        }
    }
    SampleReport { tables: tables.into_values().collect() }
}
