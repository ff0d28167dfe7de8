//! One `Int64` that sorts like series, then position, then order: one key sorts faster than three.

use polars::prelude::*;

use crate::expr::dims::int;

/// Bits of a position: days from 900 BC to 4800 AD, or any period index.
const POSITION_BITS: i64 = 22;
const POSITIONS: i64 = 1 << POSITION_BITS;
/// Positions before 1970 are negative; the key holds them shifted into the positive.
const SHIFT: i64 = POSITIONS / 2;
/// Orders within a position: 0 to 7.
const ORDERS: i64 = 8;

/// Packs a series number, a `Date` or `Int32` position in it, and an order of 0 to 7.
pub fn packed(series: Expr, position: Expr, order: i64) -> Expr {
    let position = position.cast(DataType::Int32).cast(DataType::Int64) + int(SHIFT);
    series.cast(DataType::Int64) * int(POSITIONS * ORDERS) + position * int(ORDERS) + int(order)
}

/// As [`packed`], of one row.
pub fn pack(series: u32, position: i32, order: i64) -> i64 {
    (i64::from(series) * POSITIONS + i64::from(position) + SHIFT) * ORDERS + order
}

/// The series number in a packed key.
pub fn series_of(key: Expr) -> Expr {
    key.floor_div(int(POSITIONS * ORDERS)).cast(DataType::UInt32)
}

/// The position in a packed key, as `Int32`.
pub fn position_of(key: Expr) -> Expr {
    let position = key.clone().floor_div(int(ORDERS)) - key.floor_div(int(POSITIONS * ORDERS)) * int(POSITIONS);
    (position - int(SHIFT)).cast(DataType::Int32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_back_what_was_packed() {
        let out = df!("s" => [0u32, 7, u32::MAX], "d" => [-719_162i32, 0, 1_000_000])
            .unwrap()
            .lazy()
            .with_column(packed(col("s"), col("d"), 3).alias("k"))
            .with_columns([series_of(col("k")).alias("s2"), position_of(col("k")).alias("d2")])
            .collect()
            .unwrap();
        let series: Vec<u32> = out.column("s2").unwrap().u32().unwrap().into_no_null_iter().collect();
        assert_eq!(series, [0, 7, u32::MAX]);
        let days: Vec<i32> = out.column("d2").unwrap().i32().unwrap().into_no_null_iter().collect();
        assert_eq!(days, [-719_162, 0, 1_000_000]);
        let keys: Vec<i64> = out.column("k").unwrap().i64().unwrap().into_no_null_iter().collect();
        assert_eq!(keys, [pack(0, -719_162, 3), pack(7, 0, 3), pack(u32::MAX, 1_000_000, 3)]);
    }
}
