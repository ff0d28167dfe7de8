//! The flags of every verb, and what each is for.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;

use super::when;
use crate::reconcile::Kind;
use crate::reconcile::layout::Role;
use crate::spec::types::MemoryLimit;

/// Which pipeline, and what the command line adds to it.
#[derive(Debug, Clone, Args)]
pub(super) struct PipelineArgs {
    /// The pipeline file
    ///
    /// Relative paths in it, and `--root`, start at the folder of this file, never at the working
    /// directory.
    #[arg(value_name = "PIPELINE")]
    pub(super) pipeline: PathBuf,

    /// Only these tables: names, globs, `tag:NAME`, `+NAME` (with what it reads), `NAME+` (with what reads it)
    ///
    /// May be given several times, or with commas. A term that matches no table is a mistake (exit
    /// code 2). Tables that a selected one reads are computed too, but not published.
    #[arg(long, value_name = "TERM", value_delimiter = ',', help_heading = "Tables")]
    pub(super) select: Vec<String>,

    /// Not these tables; same terms as `--select`
    #[arg(long, value_name = "TERM", value_delimiter = ',', help_heading = "Tables")]
    pub(super) exclude: Vec<String>,

    /// Last civil day the results cover, such as 2026-06-30
    #[arg(long, value_name = "DATE", value_parser = when::as_of, conflicts_with = "cutoff", help_heading = "Time")]
    pub(super) as_of: Option<Date>,

    /// Instant up to which exports are complete; results cover the last full day before it
    ///
    /// The day is one of the pipeline's time zone. Takes an instant with an offset, as RFC 3339
    /// (2026-07-01T00:00:00Z) or as Airflow writes it (2026-07-01 00:00:00+00:00), so that one line
    /// is right for every schedule: `--cutoff '{{ data_interval_end | ts }}'`.
    #[arg(long, value_name = "INSTANT", value_parser = when::cutoff, help_heading = "Time")]
    pub(super) cutoff: Option<Timestamp>,

    /// Value of a parameter the file declares; also `TENURE_PARAM_NAME`
    ///
    /// The flag wins over the variable, which wins over the environment of the file, which wins over
    /// the default.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair, help_heading = "Values")]
    pub(super) params: Vec<(String, String)>,

    /// Environment of the file to use
    #[arg(long, value_name = "NAME", help_heading = "Values")]
    pub(super) env: Option<String>,

    /// Folder that receives the tables, instead of the one the file names
    #[arg(long, value_name = "DIR", help_heading = "Values")]
    pub(super) root: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// `tenure run`
#[derive(Debug, Clone, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) pipeline: PipelineArgs,

    /// Threads for queries; all cores if not given
    ///
    /// The query engine reads `POLARS_MAX_THREADS` once, when it starts, so the program starts itself
    /// again with that variable set.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096), help_heading = "Limits")]
    pub(super) threads: Option<u32>,

    /// Stop when the run holds more memory than this, such as 8GiB or 80% (exit code 8)
    ///
    /// A share is one of the container's memory, else of the machine's. The limit of the file where the
    /// flag is not given; where there is none either, what the container or machine has, less a reserve.
    #[arg(long, value_name = "SIZE|SHARE", value_parser = when::memory, help_heading = "Limits")]
    pub(super) memory: Option<MemoryLimit>,

    /// Stop cleanly after this long, such as 45m or 2h (exit code 124)
    #[arg(long, value_name = "DURATION", value_parser = when::timeout, help_heading = "Limits")]
    pub(super) timeout: Option<Duration>,

    /// How messages on stderr are written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, help_heading = "Output")]
    pub(super) log_format: LogFormat,

    /// Least level of messages; info if stderr is no terminal, warn if it is
    #[arg(long, value_name = "LEVEL", value_enum, help_heading = "Output")]
    pub(super) log_level: Option<LogLevel>,

    /// Where the result goes: one line of JSON with status, tables and the path of the run record
    ///
    /// `auto` prints it as the last line of stdout unless that is a terminal; `stdout` always does;
    /// `none` never; anything else is a file. Unless `none`, it is also written to
    /// /airflow/xcom/return.json where that folder exists.
    #[arg(long, value_name = "auto|none|stdout|FILE", default_value = "auto", value_parser = target, help_heading = "Output")]
    pub(super) result: Target,

    /// Only errors and warnings on stderr
    #[arg(long, short, help_heading = "Output")]
    pub(super) quiet: bool,

    /// Stop when the process that started this one ends (Linux)
    ///
    /// On by default below Airflow (`AIRFLOW_CTX_TRY_NUMBER` is set), where a killed task would
    /// otherwise leave a run that overwrites the tables of its own retry.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true, help_heading = "Limits")]
    pub(super) die_with_parent: Option<bool>,

    /// For crash tests: die at this step
    #[arg(long, value_name = "NAME[:VISIT]", hide = true)]
    pub(super) failpoint: Option<String>,

    /// For crash tests: what happens at the failpoint
    #[arg(long, value_enum, default_value_t, hide = true)]
    pub(super) failpoint_action: FailpointAction,

    /// For tests: panic in the worker
    #[arg(long, hide = true)]
    pub(super) panic: bool,
}

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// Least level of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevel {
    /// A table was not published, or the run stopped
    Error,
    /// Published, but someone should look
    Warn,
    /// One line per source, table and run
    Info,
    /// Every step
    Debug,
    /// Everything
    Trace,
}

/// What an armed failpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum FailpointAction {
    /// SIGKILL
    #[default]
    Kill,
    /// An I/O error
    Error,
    /// A full disk
    Full,
}

/// Where the result line goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// To stdout unless that is a terminal.
    Auto,
    /// Nowhere.
    None,
    /// To stdout.
    Stdout,
    /// To a file.
    File(PathBuf),
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a value parser")]
fn target(text: &str) -> Result<Target, String> {
    Ok(match text {
        "auto" => Target::Auto,
        "none" => Target::None,
        "stdout" | "-" => Target::Stdout,
        file => Target::File(PathBuf::from(file)),
    })
}

/// `tenure test`
#[derive(Debug, Clone, Args)]
pub(super) struct TestArgs {
    /// The pipeline file
    #[arg(value_name = "PIPELINE")]
    pub(super) pipeline: PathBuf,

    /// Only these tests: names or globs
    ///
    /// May be given several times, or with commas. A term that matches no test is a mistake (exit code 2).
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) select: Vec<String>,

    /// Value of a parameter the file declares; also `TENURE_PARAM_NAME`
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair, help_heading = "Values")]
    pub(super) params: Vec<(String, String)>,

    /// Environment of the file to use
    #[arg(long, value_name = "NAME", help_heading = "Values")]
    pub(super) env: Option<String>,
}

/// `tenure plan`
#[derive(Debug, Clone, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) pipeline: PipelineArgs,

    /// Also print the query plan of every table, or of this one
    #[arg(long, value_name = "TABLE", num_args = 0..=1, default_missing_value = "*", help_heading = "Output")]
    pub(super) explain: Option<String>,

    /// With --explain: the plan as the metric wrote it, before it is optimised
    #[arg(long, requires = "explain", help_heading = "Output")]
    pub(super) unoptimized: bool,

    /// How the plan is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, help_heading = "Output")]
    pub(super) format: PlanFormat,
}

/// How a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum PlanFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// `tenure reconcile`
#[derive(Debug, Clone, Args)]
pub(super) struct ReconcileArgs {
    /// The pipeline file
    #[arg(value_name = "PIPELINE")]
    pub(super) pipeline: PathBuf,

    /// The export of the other system, CSV or Parquet
    ///
    /// A row per customer and month or day with its recurring revenue, a column per month, or a row
    /// per movement. Columns with usual names are found; name others with `--columns`.
    #[arg(long, value_name = "FILE")]
    pub(super) against: PathBuf,

    /// The ledger to compare, or a table made from it; not needed where there is one ledger
    #[arg(long, value_name = "NAME", help_heading = "Comparison")]
    pub(super) table: Option<String>,

    /// Day at whose end balances are compared, or last day of movements
    ///
    /// If not given, the end of the last month that both sides know as a whole.
    #[arg(long, value_name = "DATE", value_parser = when::as_of, help_heading = "Comparison")]
    pub(super) at: Option<Date>,

    /// First day of movements
    #[arg(long, value_name = "DATE", value_parser = when::as_of, help_heading = "Comparison")]
    pub(super) since: Option<Date>,

    /// What is compared; movements where the export has them
    #[arg(long, value_name = "WHAT", value_enum, help_heading = "Comparison")]
    pub(super) compare: Option<Comparison>,

    /// What columns of the export hold: customer, date, mrr, change, type, currency
    #[arg(long, value_name = "ROLE=COLUMN", value_parser = super::reconcile::column, value_delimiter = ',', help_heading = "The export")]
    pub(super) columns: Vec<(Role, String)>,

    /// Unit of its amounts; major unless the form of the export is known to have cents
    #[arg(long, value_name = "UNIT", value_enum, help_heading = "The export")]
    pub(super) unit: Option<AmountUnit>,

    /// Currency of amounts without one; the pipeline's if not given
    #[arg(long, value_name = "CODE", help_heading = "The export")]
    pub(super) currency: Option<String>,

    /// Decimals that the other system rounds to; those that it writes if not given
    #[arg(long, value_name = "N", help_heading = "The export")]
    pub(super) decimals: Option<u8>,

    /// What its kinds of movements are, such as upsell=expansion; `ignore` leaves rows out
    #[arg(long, value_name = "THEIRS=OURS", value_parser = super::reconcile::kind, value_delimiter = ',', help_heading = "The export")]
    pub(super) kinds: Vec<(String, Option<Kind>)>,

    /// Last civil day of the ledger, such as 2026-06-30
    #[arg(long, value_name = "DATE", value_parser = when::as_of, conflicts_with = "cutoff", help_heading = "The pipeline")]
    pub(super) as_of: Option<Date>,

    /// Instant up to which exports are complete; the ledger covers the last full day before it
    #[arg(long, value_name = "INSTANT", value_parser = when::cutoff, help_heading = "The pipeline")]
    pub(super) cutoff: Option<Timestamp>,

    /// Value of a parameter the file declares; also `TENURE_PARAM_NAME`
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair, help_heading = "The pipeline")]
    pub(super) params: Vec<(String, String)>,

    /// Environment of the file to use
    #[arg(long, value_name = "NAME", help_heading = "The pipeline")]
    pub(super) env: Option<String>,

    /// How many customers are listed per reason
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Output")]
    pub(super) top: usize,

    /// How the comparison is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, help_heading = "Output")]
    pub(super) format: ReconcileFormat,

    /// File that receives every difference with its reason: CSV, or Parquet where the name ends so
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) out: Option<PathBuf>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Comparison {
    /// Recurring revenue per customer on a day
    Balances,
    /// Movements per customer, month and kind
    Movements,
}

/// Unit of amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AmountUnit {
    /// Cents, yen
    Minor,
    /// Dollars, yen
    Major,
}

/// How a comparison is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum ReconcileFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document; amounts are exact texts
    Json,
}

/// `tenure explain`
#[derive(Debug, Clone, Args)]
pub(super) struct ExplainArgs {
    /// The table, behind the pipeline file where `--pipeline` does not name it
    ///
    /// Without either, the pipeline is `pipeline.yml` in the working directory.
    #[arg(value_name = "[PIPELINE] TABLE", required = true, num_args = 1..=2)]
    pub(super) names: Vec<String>,

    /// Which row: a SQL condition on the columns of the table
    ///
    /// Days need no quotes, 2026-03 is the first of March, and `month` (or `week`, `quarter`, ..) means
    /// `period_start`, or `cohort`. What the condition leaves open is the reporting currency and the
    /// grand total.
    #[arg(long = "where", value_name = "CONDITION")]
    pub(super) condition: String,

    /// Only these cells, and what they are made from
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(super) column: Vec<String>,

    /// Most customers to list
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(super) limit: usize,

    /// How the explanation is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(super) format: PlanFormat,

    /// The pipeline file
    #[arg(long, value_name = "FILE")]
    pub(super) pipeline: Option<PathBuf>,

    /// Last civil day the results cover; that of the published table if not given
    #[arg(long, value_name = "DATE", value_parser = when::as_of, conflicts_with = "cutoff", help_heading = "Time")]
    pub(super) as_of: Option<Date>,

    /// Instant up to which exports are complete, see `tenure help run`
    #[arg(long, value_name = "INSTANT", value_parser = when::cutoff, help_heading = "Time")]
    pub(super) cutoff: Option<Timestamp>,

    /// Value of a parameter the file declares; also `TENURE_PARAM_NAME`
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair, help_heading = "Values")]
    pub(super) params: Vec<(String, String)>,

    /// Environment of the file to use
    #[arg(long, value_name = "NAME", help_heading = "Values")]
    pub(super) env: Option<String>,

    /// Folder of the published tables, instead of the one the file names
    #[arg(long, value_name = "DIR", help_heading = "Values")]
    pub(super) root: Option<PathBuf>,
}

/// `tenure inspect`
#[derive(Debug, Clone, Args)]
pub(super) struct InspectArgs {
    /// Parquet files, folders of them, or globs in quotes
    #[arg(value_name = "FILE|GLOB", required = true)]
    pub(super) files: Vec<String>,
}

/// `tenure show`
#[derive(Debug, Clone, Args)]
pub(super) struct ShowArgs {
    /// A Parquet file, such as a published table
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// Most rows to print
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    pub(super) rows: usize,

    /// Only these columns, in this order
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(super) columns: Vec<String>,

    /// How the rows are written
    ///
    /// `csv` follows RFC 4180, with NULL as nothing and an empty text as "". `json` is one object per
    /// line; decimals are texts there, because most readers of JSON would round them.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(super) format: ShowFormat,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum ShowFormat {
    /// Aligned columns
    #[default]
    Table,
    /// Comma-separated values
    Csv,
    /// One JSON object per line
    Json,
}

/// `tenure sample`
#[derive(Debug, Clone, Args)]
pub(super) struct SampleArgs {
    /// How many customers the company has ever had
    #[arg(long, value_name = "N", default_value_t = 3_000)]
    pub(super) customers: u64,

    /// Another seed gives another company
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(super) seed: u64,

    /// Folder that receives one folder per table; empty, new, or that of an earlier sample
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,

    /// About how many usage events; eight per customer if not given
    #[arg(long, value_name = "N")]
    pub(super) events: Option<u64>,

    /// How ids of customers and users are written
    #[arg(long, value_name = "STYLE", value_enum, default_value_t)]
    pub(super) ids: Ids,

    /// Files per table; by size if not given
    #[arg(long, value_name = "N")]
    pub(super) parts: Option<usize>,

    /// No progress and no summary
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// How ids of customers and users are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Ids {
    /// Texts such as `cus_4fTq09Zb`
    #[default]
    Stripe,
    /// 64-bit integers
    Bigint,
}
