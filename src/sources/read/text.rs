//! Bytes that are text, currencies and flags.

use polars::prelude::*;

use super::super::plan::Stored;
use crate::expr::dims::is_one_of;
use crate::expr::texts::replaced;

/// Bytes as text; NULL where they are not UTF-8. The engine's own cast fails the query on such bytes.
pub(super) fn utf8(raw: Expr) -> Expr {
    raw.map(
        |bytes| {
            let texts: StringChunked =
                bytes.binary()?.iter().map(|bytes| bytes.and_then(|bytes| std::str::from_utf8(bytes).ok())).collect();
            Ok(texts.with_name(bytes.name().clone()).into_column())
        },
        |_, field| Ok(Field::new(field.name().clone(), DataType::String)),
    )
}

/// A currency code: upper case, without outer space. Whether it is one is a rule's matter.
pub(super) fn currency(raw: Expr) -> Expr {
    raw.map(
        |codes| Ok(replaced(codes.str()?, |code| code.trim().to_uppercase())?.into_column()),
        |_, field| Ok(Field::new(field.name().clone(), DataType::String)),
    )
}

/// True and false as words or as 1 and 0; NULL for everything else.
pub(super) fn flag(raw: Expr, stored: Stored) -> Expr {
    let (yes, no) = if stored.is_text() {
        let word = raw.str().strip_chars(lit(NULL)).str().to_lowercase();
        (is_one_of(word.clone(), vec!["true", "t", "yes", "1"]), is_one_of(word, vec!["false", "f", "no", "0"]))
    } else {
        let number = raw.cast(DataType::Int64);
        (number.clone().eq(lit(1_i64)), number.eq(lit(0_i64)))
    };
    when(yes).then(lit(true)).when(no).then(lit(false)).otherwise(lit(NULL))
}
