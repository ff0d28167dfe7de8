//! Fuzz: whatever is written, the answer is a plan, or messages that say where; never a panic, a hang or a wrong exit code.
//!
//! Cases are drawn from a fixed seed; `PROPTEST_RNG_SEED` draws others and `PROPTEST_CASES` more.
//! What fuzz found is kept as a plain test in `found`.

mod command_line;
mod damage;
mod found;
mod process;
mod text;
mod tree;
