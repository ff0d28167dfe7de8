//! Orders of the rows of a ledger within a day.

/// Out of the old value of a dimension.
pub const OUT: i64 = 1;
/// Into the new one.
pub const INTO: i64 = 2;
/// The effect of exchange rates.
pub const REVALUED: i64 = 3;
/// What changed the amount.
pub const CHANGED: i64 = 4;
/// The end of what was on pause, after it was resumed.
pub const ENDED: i64 = 5;
