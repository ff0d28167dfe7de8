//! Columns that a table is built from, and the macro that declares a table.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int32Builder,
    Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, TimeUnit};

use super::ids::{CustomerKey, IdStyle};

/// One column of a table in the making.
pub(super) trait Column {
    /// Whether values repeat enough for a dictionary to pay.
    const DICTIONARY: bool;

    fn new(ids: IdStyle) -> Self;
    fn data_type(&self) -> DataType;
    fn finish(&mut self) -> ArrayRef;
}

/// One table in the making.
pub(super) trait Table: Send {
    /// The folder, which is also the name of the table.
    fn name(&self) -> &'static str;
    /// What its files are called, before the number of the part.
    fn stem(&self) -> &'static str;
    /// Name, type, and whether to build a dictionary, in the order of the file.
    fn columns(&self) -> Vec<(&'static str, DataType, bool)>;
    /// The rows since the last call.
    fn finish(&mut self) -> Vec<ArrayRef>;
}

macro_rules! column {
    ($(#[$doc:meta])* $name:ident, $builder:ty, $value:ty, $dictionary:literal, $new:expr, $type:expr) => {
        $(#[$doc])*
        pub(super) struct $name($builder);

        impl $name {
            pub(super) fn push(&mut self, value: impl Into<Option<$value>>) {
                self.0.append_option(value.into());
            }
        }

        impl Column for $name {
            const DICTIONARY: bool = $dictionary;

            fn new(_: IdStyle) -> Self {
                Self($new)
            }

            fn data_type(&self) -> DataType {
                $type
            }

            fn finish(&mut self) -> ArrayRef {
                ArrayBuilder::finish(&mut self.0)
            }
        }
    };
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

column!(Bool, BooleanBuilder, bool, false, BooleanBuilder::new(), DataType::Boolean);
column!(Int, Int32Builder, i32, true, Int32Builder::new(), DataType::Int32);
column!(Long, Int64Builder, i64, true, Int64Builder::new(), DataType::Int64);
column!(
    /// Like [`Long`], for values that hardly repeat.
    DistinctLong, Int64Builder, i64, false, Int64Builder::new(), DataType::Int64
);
column!(Double, Float64Builder, f64, true, Float64Builder::new(), DataType::Float64);
column!(Date, Date32Builder, i32, true, Date32Builder::new(), DataType::Date32);
column!(
    /// An instant in microseconds, UTC.
    Instant, TimestampMicrosecondBuilder, i64, true,
    TimestampMicrosecondBuilder::new().with_data_type(utc()), utc()
);
column!(
    /// Like [`Instant`], for values that hardly repeat.
    DistinctInstant, TimestampMicrosecondBuilder, i64, false,
    TimestampMicrosecondBuilder::new().with_data_type(utc()), utc()
);
column!(
    /// What a clock on the wall shows, in microseconds and without a zone.
    WallClock, TimestampMicrosecondBuilder, i64, false,
    TimestampMicrosecondBuilder::new(), DataType::Timestamp(TimeUnit::Microsecond, None)
);
column!(
    /// An amount in major units with two decimals, given in hundredths.
    Amount, Decimal128Builder, i128, true,
    Decimal128Builder::new().with_data_type(DataType::Decimal128(18, 2)), DataType::Decimal128(18, 2)
);

/// Text from a small vocabulary.
pub(super) struct Text(StringBuilder);

/// Text that hardly repeats, such as the key of a row.
pub(super) struct DistinctText(StringBuilder);

macro_rules! text {
    ($name:ident, $dictionary:literal) => {
        impl $name {
            pub(super) fn write(&mut self, value: fmt::Arguments<'_>) {
                // Writing to a buffer in memory does not fail.
                let _ = self.0.write_fmt(value);
                self.0.append_value("");
            }
        }

        impl Column for $name {
            const DICTIONARY: bool = $dictionary;

            fn new(_: IdStyle) -> Self {
                Self(StringBuilder::new())
            }

            fn data_type(&self) -> DataType {
                DataType::Utf8
            }

            fn finish(&mut self) -> ArrayRef {
                ArrayBuilder::finish(&mut self.0)
            }
        }
    };
}

text!(Text, true);
text!(DistinctText, false);

impl Text {
    pub(super) fn push<'a>(&mut self, value: impl Into<Option<&'a str>>) {
        self.0.append_option(value.into());
    }
}

/// A customer's id in the style that was asked for.
pub(super) enum Customer {
    Text(StringBuilder),
    Bigint(Int64Builder),
}

impl Customer {
    pub(super) fn push<'a>(&mut self, key: impl Into<Option<&'a CustomerKey>>) {
        let key = key.into();
        match (self, key) {
            (Self::Text(text), Some(key)) => {
                let _ = write!(text, "cus_{}", key.code());
                text.append_value("");
            }
            (Self::Text(text), None) => text.append_null(),
            (Self::Bigint(int), key) => int.append_option(key.map(CustomerKey::bigint)),
        }
    }
}

impl Column for Customer {
    const DICTIONARY: bool = true;

    fn new(ids: IdStyle) -> Self {
        match ids {
            IdStyle::Text => Self::Text(StringBuilder::new()),
            IdStyle::Bigint => Self::Bigint(Int64Builder::new()),
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Text(_) => DataType::Utf8,
            Self::Bigint(_) => DataType::Int64,
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(text) => ArrayBuilder::finish(text),
            Self::Bigint(int) => ArrayBuilder::finish(int),
        }
    }
}

/// The id of a user of a customer, in the same style.
pub(super) struct User(Customer);

impl User {
    /// The customer's `n`th user.
    pub(super) fn push(&mut self, key: &CustomerKey, n: usize) {
        match &mut self.0 {
            Customer::Text(text) => {
                let _ = write!(text, "{}", key.nth("u_", n));
                text.append_value("");
            }
            Customer::Bigint(int) => int.append_value(key.nth_bigint(n)),
        }
    }
}

impl Column for User {
    const DICTIONARY: bool = true;

    fn new(ids: IdStyle) -> Self {
        Self(Customer::new(ids))
    }

    fn data_type(&self) -> DataType {
        self.0.data_type()
    }

    fn finish(&mut self) -> ArrayRef {
        Column::finish(&mut self.0)
    }
}

/// Declares a table: its type, its folder, the stem of its files, and its columns in order.
macro_rules! table {
    ($type:ident, $name:literal, $stem:literal { $($column:ident: $kind:ident,)+ }) => {
        pub(super) struct $type {
            $(pub(super) $column: $kind,)+
        }

        impl $type {
            pub(super) fn new(ids: IdStyle) -> Self {
                Self { $($column: <$kind as Column>::new(ids),)+ }
            }
        }

        impl Table for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn stem(&self) -> &'static str {
                $stem
            }

            fn columns(&self) -> Vec<(&'static str, DataType, bool)> {
                vec![$((stringify!($column).trim_end_matches('_'), self.$column.data_type(), <$kind as Column>::DICTIONARY),)+]
            }

            fn finish(&mut self) -> Vec<ArrayRef> {
                vec![$(self.$column.finish(),)+]
            }
        }
    };
}

pub(super) use table;
