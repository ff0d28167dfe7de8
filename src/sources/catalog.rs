//! What the files of all sources hold, as their footers say.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use indexmap::IndexMap;

/// The files behind every source, by the name of the source.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// In the order of the requests.
    pub sources: IndexMap<String, SourceCatalog>,
}

/// The files of one source.
#[derive(Clone, Debug, Default)]
pub struct SourceCatalog {
    /// The path or pattern that was searched.
    pub pattern: String,
    /// The files whose footers could be read, ordered by path.
    pub files: Vec<FileInfo>,
    /// False when something about the source was reported as a problem, so that `files` may not be all.
    pub complete: bool,
}

impl SourceCatalog {
    /// Rows of all files, as their footers say.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// One Parquet file.
#[derive(Clone, Debug)]
pub struct FileInfo {
    /// Where it is.
    pub path: PathBuf,
    /// The path below the folder that the pattern names; what messages show.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Its columns in order; files with the same columns share one list.
    pub columns: Arc<[FileColumn]>,
    /// What the footer proves about each of [`Self::columns`].
    pub proofs: Box<[Proof]>,
    /// Values that its folders spell, such as `("month", "2026-03")`, outermost first; `None` is a NULL.
    pub hive: Vec<(String, Option<String>)>,
    /// SHA-256 over name, length and footer. Another content has another fingerprint.
    pub fingerprint: [u8; 32],
    /// When it was last written, where the file system says so.
    pub modified: Option<SystemTime>,
}

impl FileInfo {
    /// The type of a column; `None` when the file lacks it.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&PhysicalType> {
        self.columns.iter().find(|column| column.name == name).map(|column| &column.ty)
    }

    /// What the footer proves about a column; nothing where the file lacks it.
    #[must_use]
    pub fn proof(&self, name: &str) -> Proof {
        let position = self.columns.iter().position(|column| column.name == name);
        position.and_then(|position| self.proofs.get(position)).copied().unwrap_or_default()
    }
}

/// What the statistics of a footer prove about the stored values of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// NULLs; `None` where the footer does not count them in every row group.
    pub nulls: Option<u64>,
    /// Bounds of all values of a column of signed integers, of dates (days since 1970-01-01) or of instants (in
    /// the unit of the column); `None` where a row group with values does not tell both, or there is no value.
    pub range: Option<(i64, i64)>,
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileColumn {
    /// Its name in the file.
    pub name: String,
    /// How its values are stored.
    pub ty: PhysicalType,
}

/// Precision of a stored instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// Seconds; only an Arrow schema inside the file can say so, the values are milliseconds.
    Second,
    /// Milliseconds.
    Milli,
    /// Microseconds.
    Micro,
    /// Nanoseconds.
    Nano,
}

/// How the values of a column are stored; displays in words for messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PhysicalType {
    /// True or false.
    Bool,
    /// Whole number.
    Int {
        /// 8, 16, 32 or 64.
        bits: u8,
        /// Whether it can be negative.
        signed: bool,
    },
    /// Floating-point number of 16, 32 or 64 bits.
    Float {
        /// 16, 32 or 64.
        bits: u8,
    },
    /// Exact decimal number.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits behind the point.
        scale: i8,
    },
    /// Text.
    String,
    /// Text as a dictionary (pandas `category`, Arrow dictionary).
    Category,
    /// Bytes.
    Binary,
    /// So many bytes per value.
    FixedBinary(i32),
    /// Civil date.
    Date,
    /// Instant, or local time.
    Timestamp {
        /// Its precision.
        unit: TimeUnit,
        /// True for an instant, false for a local time of an unknown zone.
        utc: bool,
    },
    /// Old form of a timestamp, without a zone.
    Int96,
    /// Time of day.
    Time,
    /// Length of time.
    Duration,
    /// List.
    List,
    /// Struct.
    Struct,
    /// Map.
    Map,
    /// No value at all: every row is NULL.
    Null,
    /// Anything else, in the words of the Arrow schema.
    Other(String),
}

impl fmt::Display for PhysicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int { bits, signed: true } => write!(f, "int{bits}"),
            Self::Int { bits, signed: false } => write!(f, "unsigned int{bits}"),
            Self::Float { bits } => write!(f, "float{bits}"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::String => f.write_str("string"),
            Self::Category => f.write_str("string (dictionary)"),
            Self::Binary => f.write_str("binary"),
            Self::FixedBinary(width) => write!(f, "binary({width})"),
            Self::Date => f.write_str("date"),
            Self::Timestamp { unit, utc } => {
                let unit = match unit {
                    TimeUnit::Second => "s",
                    TimeUnit::Milli => "ms",
                    TimeUnit::Micro => "us",
                    TimeUnit::Nano => "ns",
                };
                write!(f, "timestamp({unit}, {})", if *utc { "UTC" } else { "no zone" })
            }
            Self::Int96 => f.write_str("timestamp(INT96, no zone)"),
            Self::Time => f.write_str("time"),
            Self::Duration => f.write_str("duration"),
            Self::List => f.write_str("list"),
            Self::Struct => f.write_str("struct"),
            Self::Map => f.write_str("map"),
            Self::Null => f.write_str("null (no value in any row)"),
            Self::Other(words) => f.write_str(words),
        }
    }
}
