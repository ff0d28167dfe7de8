//! Compares a ledger with the export of another system, and explains the difference by the options that differ.
//!
//! Both sides become a [`Book`]: an amount per subject, which is a customer in a currency, and for
//! movements also in a month. Where a subject differs, the ledger is computed again with another
//! value of one option at a time; the one under which both sides agree is the reason. What no
//! option explains is called unexplained.

pub mod explain;
pub mod export;
pub mod grid;
pub mod layout;
pub mod options;
pub mod variants;

use std::collections::BTreeMap;

use jiff::civil::Date;

/// What is compared as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Id of the customer, as text.
    pub customer: String,
    /// Currency of the amounts.
    pub currency: String,
    /// First day of the month; only of movements.
    pub month: Option<Date>,
}

/// What kind of change a movement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    New,
    Reactivation,
    Resume,
    Expansion,
    Contraction,
    Pause,
    Churn,
    Fx,
}

impl Kind {
    /// Every kind, in the order of the ledger.
    pub const ALL: [Self; 8] = [
        Self::New,
        Self::Reactivation,
        Self::Resume,
        Self::Expansion,
        Self::Contraction,
        Self::Pause,
        Self::Churn,
        Self::Fx,
    ];

    /// Its name in the ledger.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Reactivation => "reactivation",
            Self::Resume => "resume",
            Self::Expansion => "expansion",
            Self::Contraction => "contraction",
            Self::Pause => "pause",
            Self::Churn => "churn",
            Self::Fx => "fx",
        }
    }

    /// Whether its amounts are below zero.
    #[must_use]
    pub fn is_loss(self) -> bool {
        matches!(self, Self::Contraction | Self::Pause | Self::Churn)
    }

    /// The kind of a name of the ledger; `None` for a transfer.
    #[must_use]
    pub fn of_ledger(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Amounts of a subject: of movements one per kind, of a balance one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts([i64; Kind::ALL.len()]);

impl Amounts {
    /// A balance.
    #[must_use]
    pub fn balance(amount: i64) -> Self {
        let mut out = Self::default();
        out.0[0] = amount;
        out
    }

    /// Adds to the balance.
    pub fn add(&mut self, amount: i64) {
        self.0[0] += amount;
    }

    /// Adds a movement.
    pub fn add_of(&mut self, kind: Kind, amount: i64) {
        self.0[kind as usize] += amount;
    }

    /// Movements of a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> i64 {
        self.0[kind as usize]
    }

    /// Takes the movements of a kind out.
    pub fn drop(&mut self, kind: Kind) {
        self.0[kind as usize] = 0;
    }

    /// The sum.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.0.iter().sum()
    }

    /// Whether every amount is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|amount| *amount == 0)
    }

    /// Whether no amount differs by more than `tolerance`.
    #[must_use]
    pub fn near(&self, other: &Self, tolerance: i64) -> bool {
        self.0.iter().zip(other.0).all(|(a, b)| a.abs_diff(b) <= tolerance.unsigned_abs())
    }
}

/// One side: subjects with amounts in units of the pipeline's scale. A missing subject has none.
pub type Book = BTreeMap<Subject, Amounts>;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Recurring revenue at the end of a day.
    Balances {
        /// The day.
        at: Date,
    },
    /// Movements by kind and month, from one day to another.
    Movements {
        /// First day.
        since: Date,
        /// Last day.
        at: Date,
    },
}

impl Window {
    /// The last day.
    #[must_use]
    pub fn at(self) -> Date {
        match self {
            Self::Balances { at } | Self::Movements { at, .. } => at,
        }
    }
}

/// Why a comparison cannot be made: what is wrong, evidence, the next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{title}")]
pub struct Fault {
    /// What is wrong, in one line.
    pub title: String,
    /// Evidence, a line each.
    pub details: Vec<String>,
    /// The next step.
    pub help: String,
    /// Whether the command line is wrong, not the file.
    pub usage: bool,
}

impl Fault {
    fn file(title: impl Into<String>, help: impl Into<String>) -> Self {
        Self { title: title.into(), details: Vec::new(), help: help.into(), usage: false }
    }

    fn usage(title: impl Into<String>, help: impl Into<String>) -> Self {
        Self { usage: true, ..Self::file(title, help) }
    }
}
