//! What a change of a customer's recurring revenue is made of.

/// What an expansion or contraction is made of, in the order in which it is taken apart.
pub const PARTS: [&str; 8] = ["seats", "plan", "interval", "price", "product", "discount", "pause", "usage"];

/// Column of a part.
pub fn part(name: &str) -> String {
    format!("{name}_delta")
}

/// What one change of the list prices of a line may be wrong by, for every unit before it and for two: less than 10^-4
/// of a minor unit, at the largest such unit of the scale.
pub fn rounding(scale: u8) -> f64 {
    10f64.powi(i32::from(scale.saturating_sub(4)))
}
